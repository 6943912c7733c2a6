//===- CentreKeys.cpp - ropegrad-centre-keys -------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Level 2: a constant of each row of logits cancels in the softmax, hence keys
// may lose their mean, which shrinks the radius.
//
//===----------------------------------------------------------------------===//

#include "passes/Algebra.h"

#include "mlir/Dialect/Linalg/IR/LinalgInterfaces.h"
#include "llvm/ADT/SetVector.h"

namespace mlir::ropegrad {

#define GEN_PASS_DEF_CENTREKEYS
#include "passes/Passes.h.inc"

namespace {

bool wantsCentredKeys(std::optional<PlanAttr> plan) {
  return plan && plan->getCentre() &&
         plan->getCentre().getValue() == Centre::Keys;
}

/// The logits of an exponential, normalised, or of a polynomial.
LogitsOp logitsOf(Operation *op) {
  auto polynomial = dyn_cast<PolynomialOp>(op);
  Value matrix =
      polynomial ? polynomial.getMatrix() : cast<ExpOp>(op).getMatrix();
  if (auto shift = matrix.getDefiningOp<ShiftRowsOp>(); shift && !polynomial)
    matrix = shift.getMatrix();
  return matrix.getDefiningOp<LogitsOp>();
}

/// The exponential or polynomial that weights are made of by a prefactor and
/// factors of rows.
Operation *similarityBehind(Value weights) {
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

/// Whether `weights` are s (order 0) or s' (order 1) of the logits.
bool areWeightsOf(LogitsOp logits, Value weights, uint64_t order) {
  Operation *op = similarityBehind(weights);
  if (auto exp = dyn_cast_or_null<ExpOp>(op); exp && exp.getOrder() != order)
    return false;
  auto polynomial = dyn_cast_or_null<PolynomialOp>(op);
  if (polynomial && polynomial.getOrder() != order)
    return false;
  return isa_and_nonnull<ExpOp, PolynomialOp>(op) && logitsOf(op) == logits;
}

/// The factors of r_i = ⟨x_i, y_i⟩ for tall x and y; nothing for other rows.
std::optional<std::pair<Value, Value>> factorsOfRowDots(Value rows) {
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

/// Whether `matrix` is γ = s' ∘ (U Vᵀ − r 1ᵀ) of these logits with r_i =
/// ⟨O_i, U_i⟩ and O = s V: where s' = s, its rows sum to 0.
bool isGradientOf(LogitsOp logits, Value matrix) {
  auto product = matrix.getDefiningOp<HadamardOp>();
  auto shifted =
      product ? product.getRhs().getDefiningOp<ShiftRowsOp>() : ShiftRowsOp();
  auto outer =
      shifted ? shifted.getMatrix().getDefiningOp<OuterOp>() : OuterOp();
  if (!outer || !areWeightsOf(logits, product.getLhs(), /*order=*/1))
    return false;
  auto factors = factorsOfRowDots(shifted.getRows());
  if (!factors)
    return false;
  auto [output, u] = *factors;
  if (output == outer.getU())
    std::swap(output, u);
  auto apply = output.getDefiningOp<ApplyOp>();
  return u == outer.getU() && apply && apply.getX() == outer.getV() &&
         apply.getScale().convertToDouble() == 1.0 &&
         areWeightsOf(logits, apply.getMatrix(), /*order=*/0);
}

/// Subtracts the mean of the keys from those that make the logits, and from
/// those that γ of these logits meets.
void centre(LogitsOp logits) {
  Value k = logits.getK();
  OpBuilder b(logits);
  Algebra a(b, logits.getLoc());
  Value centred = a.structured<CentreRowsOp>(
      cast<RankedTensorType>(k.getType()), ValueRange{k});
  SmallVector<OpOperand *> gradients;
  for (OpOperand &use : k.getUses())
    if (auto apply = dyn_cast<ApplyOp>(use.getOwner());
        apply && use.get() == apply.getX() &&
        isGradientOf(logits, apply.getMatrix()))
      gradients.push_back(&use);
  logits.getKMutable().assign(centred);
  for (OpOperand *use : gradients)
    use->set(centred);
}

struct CentreKeysPass : impl::CentreKeysBase<CentreKeysPass> {
  void runOnOperation() final {
    llvm::SetVector<Operation *> wanted;
    WalkResult walk = getOperation().walk([&](Operation *op) {
      if (!isa<ExpOp, PolynomialOp>(op) ||
          !wantsCentredKeys(isa<ExpOp>(op) ? cast<ExpOp>(op).getPlan()
                                           : cast<PolynomialOp>(op).getPlan()))
        return WalkResult::advance();
      LogitsOp logits = logitsOf(op);
      if (!logits || logits.getW()) {
        op->emitError("expected a function of logits without W to centre "
                      "their keys, but got ")
            << (logits ? "W" : "another matrix");
        return WalkResult::interrupt();
      }
      if (!logits.getK().getDefiningOp<CentreRowsOp>())
        wanted.insert(logits);
      return WalkResult::advance();
    });
    if (walk.wasInterrupted())
      return signalPassFailure();
    for (Operation *logits : wanted)
      centre(cast<LogitsOp>(logits));
  }
};

} // namespace
} // namespace mlir::ropegrad
