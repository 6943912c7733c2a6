//===- LowerRows.cpp - Row-wise ops and small products ---------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// ropegrad-lower-rows: rotate, append_column, guard, position_table and
// linalg.matmul on buffers to scf and vector.
//
//===----------------------------------------------------------------------===//

#include "passes/RowLowerings.h"

#include "llvm/ADT/TypeSwitch.h"

namespace mlir::ropegrad {
#define GEN_PASS_DEF_LOWERROWS
#include "passes/Passes.h.inc"
} // namespace mlir::ropegrad

using namespace mlir;
using namespace mlir::ropegrad;

void mlir::ropegrad::forPieces(Emitter &e, int64_t width, int64_t lanes,
                               function_ref<void(Value, int64_t)> body) {
  constexpr int64_t unrolled = 8;
  int64_t whole = width / lanes * lanes;
  if (whole <= unrolled * lanes)
    whole = 0;
  else
    e.loop(0, whole, lanes, [&](Value at) { body(at, lanes); });
  for (auto [at, piece] : vectorPieces(width - whole, lanes))
    body(e.index(whole + at), piece);
}

void mlir::ropegrad::lowerAppendColumn(Emitter &e, AppendColumnOp op) {
  auto shape = cast<MemRefType>(op.getIns()[0].getType()).getShape();
  int64_t rows = shape[0] * shape[1] * shape[2], width = shape[3];
  Value from = e.flat(op.getIns()[0]), to = e.flat(op.getOuts()[0]);
  Value last = op.getIns().size() == 2 ? e.flat(op.getIns()[1]) : Value();
  Value factor = e.scalar(last ? op.getScale().convertToDouble() : 1.0);
  e.loop(0, rows, 1, [&](Value row) {
    Value source = e.mul(row, width), target = e.mul(row, width + 1);
    forPieces(e, width, e.lanes, [&](Value at, int64_t piece) {
      e.store(e.load(from, e.add(source, at), piece), to, e.add(target, at));
    });
    Value value = last ? e.mulf(e.load(last, row), factor) : factor;
    e.store(value, to, e.add(target, width));
  });
}

/// Static contiguous buffers of one element type, at the top of a function.
static LogicalResult checkOperands(Operation *op) {
  if (!isa<func::FuncOp>(op->getParentOp()))
    return op->emitOpError("expected the top level of a function, but got a "
                           "place inside ")
           << op->getParentOp()->getName();
  Type element;
  for (Type type : op->getOperandTypes()) {
    auto buffer = dyn_cast<MemRefType>(type);
    if (!buffer || !buffer.hasStaticShape() ||
        !buffer.getLayout().isIdentity() ||
        !(buffer.getElementType().isF32() || buffer.getElementType().isF64()))
      return op->emitOpError(
                 "expected contiguous static buffers of f32 or f64, but got ")
             << type;
    if (element && element != buffer.getElementType())
      return op->emitOpError("expected operands of ")
             << element << ", but got " << type;
    element = buffer.getElementType();
  }
  return success();
}

namespace {

struct LowerRows : mlir::ropegrad::impl::LowerRowsBase<LowerRows> {
  using LowerRowsBase::LowerRowsBase;

  void runOnOperation() override {
    if (vectorBits != 128 && vectorBits != 256 && vectorBits != 512) {
      emitError(getOperation().getLoc(),
                "expected vector-bits of 128, 256 or 512, but got ")
          << vectorBits.getValue();
      return signalPassFailure();
    }
    if (failed(addStatus(getOperation())))
      return signalPassFailure();
    SmallVector<Operation *> ops;
    getOperation().walk([&](Operation *op) {
      if (isa<RotateOp, AppendColumnOp, GuardOp, RequirePositiveOp,
              PositionTableOp, linalg::MatmulOp>(op))
        ops.push_back(op);
    });
    for (Operation *op : ops) {
      if (failed(checkOperands(op)) || failed(lower(op)))
        return signalPassFailure();
      op->erase();
    }
  }

  LogicalResult lower(Operation *op) {
    OpBuilder builder(op);
    auto type = cast<MemRefType>(op->getOperand(0).getType());
    Emitter e(builder, op->getLoc(), cast<FloatType>(type.getElementType()),
              vectorBits);
    return llvm::TypeSwitch<Operation *, LogicalResult>(op)
        .Case([&](RotateOp rotate) {
          lowerRotate(e, rotate);
          return success();
        })
        .Case([&](AppendColumnOp append) {
          lowerAppendColumn(e, append);
          return success();
        })
        .Case([&](GuardOp guard) { return lowerGuard(e, guard); })
        .Case([&](RequirePositiveOp require) {
          return lowerRequirePositive(e, require);
        })
        .Case(
            [&](PositionTableOp table) { return lowerPositionTable(e, table); })
        .Case(
            [&](linalg::MatmulOp product) { return lowerMatmul(e, product); });
  }
};

} // namespace
