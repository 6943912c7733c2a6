//===- LowerPairs.cpp - Products with pairs to kernels ---------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The pass ropegrad-lower-pairs: pair_table, pair_spectrum, pair_apply,
// pair_reverse, pair_correlate and the gradients of the table on buffers to
// scf, vector and memref.
//
//===----------------------------------------------------------------------===//

#include "passes/PairProducts.h"

#include "llvm/ADT/TypeSwitch.h"

namespace mlir::ropegrad {
#define GEN_PASS_DEF_LOWERPAIRS
#include "passes/Passes.h.inc"
} // namespace mlir::ropegrad

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

/// All operands are buffers of one type that we have kernels for.
LogicalResult checkOperands(Operation *op) {
  for (Value operand : op->getOperands()) {
    auto type = dyn_cast<MemRefType>(operand.getType());
    if (!type)
      return op->emitOpError("expected buffers, but got ") << operand.getType();
    if (!type.getLayout().isIdentity())
      return op->emitOpError("expected an identity layout, but got ") << type;
    Type element = type.getElementType();
    if (!element.isF32() && !element.isF64())
      return op->emitOpError("expected elements f32 or f64, but got ")
             << element;
    auto first = cast<MemRefType>(op->getOperand(0).getType());
    if (element != first.getElementType())
      return op->emitOpError("expected one element type, but got ")
             << first.getElementType() << " and " << element;
  }
  return success();
}

struct LowerPairsPass
    : public mlir::ropegrad::impl::LowerPairsBase<LowerPairsPass> {
  using LowerPairsBase::LowerPairsBase;

  LogicalResult lower(Operation *op) {
    if (failed(checkOperands(op)))
      return failure();
    OpBuilder builder(op);
    auto type = cast<MemRefType>(op->getOperand(0).getType());
    Emitter e(builder, op->getLoc(), cast<FloatType>(type.getElementType()),
              vectorBits);
    LogicalResult done =
        llvm::TypeSwitch<Operation *, LogicalResult>(op)
            .Case([&](PairTableOp op) { return lowerPairTable(e, op); })
            .Case([&](PairSpectrumOp op) { return lowerPairSpectrum(e, op); })
            .Case([&](PairApplyOp op) { return lowerPairApply(e, op); })
            .Case([&](PairReverseOp op) { return lowerPairReverse(e, op); })
            .Case([&](PairCorrelateOp op) { return lowerPairCorrelate(e, op); })
            .Case([&](PairBiasGradientOp op) {
              return lowerPairBiasGradient(e, op);
            })
            .Case([&](PairTableReverseOp op) {
              return lowerPairTableReverse(e, op);
            })
            .Default([](Operation *) { return failure(); });
    if (succeeded(done))
      op->erase();
    return done;
  }

  void runOnOperation() override {
    if (vectorBits != 128 && vectorBits != 256 && vectorBits != 512) {
      getOperation().emitError(
          "expected vector-bits of 128, 256 or 512, but got ")
          << vectorBits.getValue();
      return signalPassFailure();
    }
    SmallVector<Operation *> ops;
    getOperation().walk([&](Operation *op) {
      if (isa<PairTableOp, PairSpectrumOp, PairApplyOp, PairReverseOp,
              PairCorrelateOp, PairBiasGradientOp, PairTableReverseOp>(op))
        ops.push_back(op);
    });
    for (Operation *op : ops)
      if (failed(lower(op)))
        return signalPassFailure();
  }
};

} // namespace
