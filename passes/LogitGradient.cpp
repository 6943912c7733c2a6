//===- LogitGradient.cpp - γ among implicit matrices -----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Matches γ = s' ∘ (U Vᵀ − r 1ᵀ).
//
//===----------------------------------------------------------------------===//

#include "passes/LogitGradient.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/IR/LinalgInterfaces.h"

using namespace mlir;
using namespace mlir::ropegrad;

LogitsOp mlir::ropegrad::logitsBehind(Operation *op) {
  auto polynomial = dyn_cast<PolynomialOp>(op);
  Value matrix =
      polynomial ? polynomial.getMatrix() : cast<ExpOp>(op).getMatrix();
  if (auto shift = matrix.getDefiningOp<ShiftRowsOp>(); shift && !polynomial)
    matrix = shift.getMatrix();
  return matrix.getDefiningOp<LogitsOp>();
}

/// The exponential or polynomial that weights are made of by a prefactor and
/// factors of rows.
static Operation *similarityBehind(Value weights) {
  while (true) {
    if (auto scaled = weights.getDefiningOp<ScaleRowsOp>()) {
      weights = scaled.getMatrix();
      continue;
    }
    auto product = weights.getDefiningOp<HadamardOp>();
    if (!product || !product.getLhs().getDefiningOp<ToeplitzOp>())
      return weights.getDefiningOp();
    weights = product.getRhs();
  }
}

bool mlir::ropegrad::areWeightsOf(LogitsOp logits, Value weights,
                                  uint64_t order) {
  Operation *op = similarityBehind(weights);
  if (auto exp = dyn_cast_or_null<ExpOp>(op); exp && exp.getOrder() != order)
    return false;
  auto polynomial = dyn_cast_or_null<PolynomialOp>(op);
  if (polynomial && polynomial.getOrder() != order)
    return false;
  return isa_and_nonnull<ExpOp, PolynomialOp>(op) && logitsBehind(op) == logits;
}

/// The factors of r_i = ⟨x_i, y_i⟩ for tall x and y; nothing for other rows.
static std::optional<std::pair<Value, Value>> factorsOfRowDots(Value rows) {
  auto dots = rows.getDefiningOp<linalg::GenericOp>();
  if (!dots || dots.getNumDpsInputs() != 2 ||
      !linalg::isaContractionOpInterface(dots))
    return std::nullopt;
  SmallVector<AffineMap> maps = dots.getIndexingMapsArray();
  if (!maps[0].isIdentity() || maps[1] != maps[0] ||
      maps[0].getNumDims() != 4 || maps[2] != maps[0].getMajorSubMap(3))
    return std::nullopt;
  return std::pair(dots.getInputs()[0], dots.getInputs()[1]);
}

std::optional<LogitGradient> mlir::ropegrad::logitGradient(LogitsOp logits,
                                                           Value matrix) {
  auto product = matrix.getDefiningOp<HadamardOp>();
  auto shifted =
      product ? product.getRhs().getDefiningOp<ShiftRowsOp>() : ShiftRowsOp();
  auto outer =
      shifted ? shifted.getMatrix().getDefiningOp<OuterOp>() : OuterOp();
  if (!outer || !areWeightsOf(logits, product.getLhs(), /*order=*/1))
    return std::nullopt;
  auto factors = factorsOfRowDots(shifted.getRows());
  if (!factors)
    return std::nullopt;
  auto [output, u] = *factors;
  if (output == outer.getU())
    std::swap(output, u);
  auto apply = output.getDefiningOp<ApplyOp>();
  if (u != outer.getU() || !apply || apply.getX() != outer.getV() ||
      apply.getScale().convertToDouble() != 1.0 ||
      !areWeightsOf(logits, apply.getMatrix(), /*order=*/0))
    return std::nullopt;
  return LogitGradient{product.getLhs(), u, outer.getV(), shifted.getRows()};
}
