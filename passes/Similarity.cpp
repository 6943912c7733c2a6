//===- Similarity.cpp - What exits apply on fast routes --------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Matches b ∘ p(Z) and b ∘ p(Z) ∘ U Vᵀ.
//
//===----------------------------------------------------------------------===//

#include "passes/Similarity.h"

#include <utility>

using namespace mlir;
using namespace mlir::ropegrad;

LogitsOp Similarity::logits() {
  return polynomial.getMatrix().getDefiningOp<LogitsOp>();
}

Route Similarity::route() { return polynomial.getPlan()->getRoute(); }

int64_t Similarity::degree() {
  return static_cast<int64_t>(polynomial.getCoefficients().size()) - 1;
}

/// Whether the route of its plan takes this prefactor and these logits.
static bool isTaken(Similarity similarity) {
  bool hasW = similarity.logits().getW() != nullptr;
  bool hasBias = similarity.prefactor && similarity.prefactor.getBias();
  switch (similarity.route()) {
  case Route::Features:
    return !similarity.prefactor && !hasW;
  case Route::Scan:
    return !hasBias && !hasW;
  case Route::FFT:
    return true;
  case Route::Auto:
  case Route::Exact:
    return false;
  }
  return false;
}

/// The one of two factors that `OpTy` defines, and the other.
template <typename OpTy>
static std::pair<OpTy, Value> factor(HadamardOp product) {
  if (auto left = product.getLhs().getDefiningOp<OpTy>())
    return {left, product.getRhs()};
  return {product.getRhs().getDefiningOp<OpTy>(), product.getLhs()};
}

std::optional<Similarity> mlir::ropegrad::similarityOf(Value matrix) {
  Similarity result;
  if (auto product = matrix.getDefiningOp<HadamardOp>()) {
    auto [prefactor, other] = factor<ToeplitzOp>(product);
    if (!prefactor)
      return std::nullopt;
    result.prefactor = prefactor;
    matrix = other;
  }
  result.polynomial = matrix.getDefiningOp<PolynomialOp>();
  if (!result.polynomial || !result.polynomial.getPlan() || !result.logits() ||
      !isTaken(result))
    return std::nullopt;
  return result;
}

std::optional<WeightedSimilarity>
mlir::ropegrad::weightedSimilarityOf(Value matrix) {
  auto product = matrix.getDefiningOp<HadamardOp>();
  if (!product)
    return std::nullopt;
  auto [outer, other] = factor<OuterOp>(product);
  std::optional<Similarity> similarity = similarityOf(other);
  if (!outer || !similarity)
    return std::nullopt;
  return WeightedSimilarity{*similarity, outer};
}

std::optional<WeightedSimilarity> mlir::ropegrad::slopeOf(Value matrix) {
  auto weighted = weightedSimilarityOf(matrix);
  if (!weighted || weighted->similarity.polynomial.getOrder() != 1)
    return std::nullopt;
  return weighted;
}
