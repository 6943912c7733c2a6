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
#include "passes/LogitGradient.h"

#include "llvm/ADT/SetVector.h"

namespace mlir::ropegrad {

#define GEN_PASS_DEF_CENTREKEYS
#include "passes/Passes.h.inc"

namespace {

bool wantsCentredKeys(std::optional<PlanAttr> plan) {
  return plan && plan->centresKeys();
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
        logitGradient(logits, apply.getMatrix()))
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
      LogitsOp logits = logitsBehind(op);
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
