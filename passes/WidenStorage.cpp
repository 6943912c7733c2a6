//===- WidenStorage.cpp - ropegrad-widen-storage ---------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Level 1: problems posed on bf16 or f16 become problems on f32 between
// conversions, so that no later pass meets a 16-bit type in its arithmetic.
//
//===----------------------------------------------------------------------===//

#include "passes/Algebra.h"

namespace mlir::ropegrad {

#define GEN_PASS_DEF_WIDENSTORAGE
#include "passes/Passes.h.inc"

namespace {

bool isStorage(RankedTensorType type) {
  return type.getElementType().isBF16() || type.getElementType().isF16();
}

Value convert(OpBuilder &b, Location loc, Value value, FloatType element) {
  auto type = cast<RankedTensorType>(value.getType()).clone(element);
  return Algebra(b, loc).structured<ConvertOp>(cast<RankedTensorType>(type),
                                               value);
}

/// Makes `op` a problem on f32. A loss is f32 already.
void widen(Operation *op) {
  OpBuilder b(op);
  for (OpOperand &operand : op->getOpOperands())
    if (isStorage(cast<RankedTensorType>(operand.get().getType())))
      operand.set(convert(b, op->getLoc(), operand.get(), b.getF32Type()));
  b.setInsertionPointAfter(op);
  for (Value result : op->getResults()) {
    auto type = cast<RankedTensorType>(result.getType());
    if (!isStorage(type))
      continue;
    result.setType(type.clone(b.getF32Type()));
    Value narrow = convert(b, op->getLoc(), result,
                           cast<FloatType>(type.getElementType()));
    result.replaceAllUsesExcept(narrow, narrow.getDefiningOp());
  }
}

struct WidenStoragePass : impl::WidenStorageBase<WidenStoragePass> {
  void runOnOperation() final {
    getOperation().walk([](ProblemOpInterface op) { widen(op); });
  }
};

} // namespace
} // namespace mlir::ropegrad
