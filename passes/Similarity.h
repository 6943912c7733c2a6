//===- Similarity.h - What exits apply on fast routes ----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Recognises the implicit matrices that an almost-linear route rewrites: a
// polynomial of logits, under a Toeplitz prefactor or not, alone or times a
// low-rank matrix.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_SIMILARITY_H
#define ROPEGRAD_PASSES_SIMILARITY_H

#include "dialect/RopeGrad.h"

#include <optional>

namespace mlir::ropegrad {

/// p(Z), or b ∘ p(Z) with a Toeplitz prefactor b, with a plan whose route is
/// almost linear and takes it: features neither a prefactor nor a general W,
/// scan a prefactor, fft any of them.
struct Similarity {
  PolynomialOp polynomial;
  ToeplitzOp prefactor; ///< null where b is 1

  LogitsOp logits();
  Route route();
  /// g, the degree of p (also where `polynomial` stands for p').
  int64_t degree();
};

std::optional<Similarity> similarityOf(Value matrix);

/// b ∘ p(Z) ∘ U Vᵀ (or p' in place of p: see the polynomial's order).
struct WeightedSimilarity {
  Similarity similarity;
  OuterOp outer;
};

std::optional<WeightedSimilarity> weightedSimilarityOf(Value matrix);

/// The same with p' only: the gradient with respect to the logits.
std::optional<WeightedSimilarity> slopeOf(Value matrix);

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_SIMILARITY_H
