//===- LowerRows.cpp - Row-wise ops and small products ---------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// ropegrad-lower-rows: rotate, centre_rows, key_weights, add_outer,
// append_column, convert, guard, require_positive, position_table and linalg
// ops over rows to parallel loops of vector code.
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

void mlir::ropegrad::forElements(Emitter &e, Value length, int64_t lanes,
                                 function_ref<void(Value, int64_t)> body) {
  Value whole = e.sub(length, e.rem(length, e.index(lanes)));
  e.loop(e.index(0), whole, lanes, [&](Value at) { body(at, lanes); });
  e.loop(whole, length, 1, [&](Value at) { body(at, 1); });
}

Value mlir::ropegrad::unitsOf(Emitter &e, const RowSpace &space) {
  return e.mul(e.mul(space.batch, space.heads), space.chunks(e));
}

LogicalResult mlir::ropegrad::lowerAppendColumn(Emitter &e, AppendColumnOp op) {
  FailureOr<Tall> from = tallOf(e, op, op.getIns()[0]);
  FailureOr<Tall> to = tallOf(e, op, op.getOuts()[0]);
  bool hasLast = op.getIns().size() == 2;
  FailureOr<Tall> last = hasLast ? tallOf(e, op, op.getIns()[1]) : from;
  if (failed(from) || failed(to) || failed(last))
    return failure();
  Value factor = e.scalar(hasLast ? op.getScale().convertToDouble() : 1.0);
  forRows(e, rowSpace(e, op, op.getOuts()[0]), [&](const RowUnit &unit) {
    Value fromAt = from->at(e, unit), toAt = to->at(e, unit);
    Value lastAt = hasLast ? last->at(e, unit) : Value();
    e.loop(e.index(0), unit.count, 1, [&](Value row) {
      Value source = e.add(fromAt, e.mul(row, from->rowStride));
      Value target = e.add(toAt, e.mul(row, to->rowStride));
      forPieces(e, from->width, e.lanes, [&](Value at, int64_t piece) {
        e.store(e.load(from->buffer, e.add(source, at), piece), to->buffer,
                e.add(target, at));
      });
      Value value = factor;
      if (hasLast)
        value = e.mulf(
            e.load(last->buffer, e.add(lastAt, e.mul(row, last->rowStride))),
            factor);
      e.store(value, to->buffer, e.add(target, from->width));
    });
  });
  return success();
}

static LogicalResult expectTopLevel(Operation *op) {
  if (isa<func::FuncOp>(op->getParentOp()))
    return success();
  return op->emitOpError("expected the top level of a function, but got a "
                         "place inside ")
         << op->getParentOp()->getName();
}

/// Static contiguous buffers of one element type; what is only looked at, one
/// element a row, may be a column of a wider one.
static LogicalResult checkOperands(Operation *op) {
  Type element;
  for (Type type : op->getOperandTypes()) {
    auto buffer = dyn_cast<MemRefType>(type);
    if (!buffer || !buffer.hasStaticShape() ||
        !(buffer.getLayout().isIdentity() ||
          isa<RequirePositiveOp, RequireShareOp>(op)) ||
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

/// The first buffer's element type decides what a vector holds.
static FloatType elementOf(Operation *op) {
  for (Type type : op->getOperandTypes())
    if (auto buffer = dyn_cast<MemRefType>(type))
      if (auto element = dyn_cast<FloatType>(buffer.getElementType()))
        return element;
  return {};
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
    forwardFills(getOperation());
    RowBuffers buffers(getOperation());
    SmallVector<Operation *> ops;
    getOperation().walk([&](Operation *op) {
      auto structured = dyn_cast<linalg::LinalgOp>(op);
      if (isa<RotateOp, CentreRowsOp, KeyWeightsOp, AddOuterOp, AppendColumnOp,
              DecayRowsOp, ConvertOp, LargestOp, GuardOp, RequirePositiveOp,
              RequireShareOp, PositionTableOp, SpreadChannelsOp,
              GatherChannelsOp, linalg::MatmulOp>(op) ||
          (structured && isElementwiseOfRows(structured, buffers)))
        ops.push_back(op);
    });
    for (Operation *op : ops) {
      if (failed(lower(op, buffers)))
        return signalPassFailure();
      op->erase();
    }
    if (failed(checkOutputs(getOperation(), vectorBits)))
      return signalPassFailure();
  }

  LogicalResult lower(Operation *op, const RowBuffers &buffers) {
    auto structured = dyn_cast<linalg::LinalgOp>(op);
    bool isElementwise = structured && !isa<linalg::MatmulOp>(op);
    bool isConvert = isa<ConvertOp>(op);
    bool isMixed = isElementwise || isa<ConvertOp, LargestOp>(op);
    if (failed(expectTopLevel(op)) || (!isMixed && failed(checkOperands(op))))
      return failure();
    OpBuilder builder(op);
    if (isConvert) {
      Emitter e(builder, op->getLoc(), builder.getF32Type(), vectorBits);
      return lowerConvert(e, cast<ConvertOp>(op));
    }
    if (auto largest = dyn_cast<LargestOp>(op)) {
      Emitter e(builder, op->getLoc(), builder.getF64Type(), vectorBits);
      return lowerLargest(e, largest);
    }
    Emitter e(builder, op->getLoc(), elementOf(op), vectorBits);
    if (isElementwise)
      return lowerElementwise(e, structured, buffers);
    return llvm::TypeSwitch<Operation *, LogicalResult>(op)
        .Case([&](RotateOp rotate) { return lowerRotate(e, rotate); })
        .Case([&](CentreRowsOp centre) { return lowerCentreRows(e, centre); })
        .Case([&](KeyWeightsOp weights) { return lowerKeyWeights(e, weights); })
        .Case([&](AddOuterOp add) { return lowerAddOuter(e, add); })
        .Case(
            [&](AppendColumnOp append) { return lowerAppendColumn(e, append); })
        .Case([&](DecayRowsOp decay) { return lowerDecayRows(e, decay); })
        .Case([&](GuardOp guard) { return lowerGuard(e, guard); })
        .Case([&](RequirePositiveOp require) {
          return lowerRequirePositive(e, require);
        })
        .Case([&](RequireShareOp require) {
          return lowerRequireShare(e, require);
        })
        .Case(
            [&](PositionTableOp table) { return lowerPositionTable(e, table); })
        .Case([&](SpreadChannelsOp spread) {
          return lowerSpreadChannels(e, spread);
        })
        .Case([&](GatherChannelsOp gather) {
          return lowerGatherChannels(e, gather);
        })
        .Case([&](linalg::MatmulOp product) {
          return lowerMatmul(e, product, buffers);
        });
  }
};

} // namespace
