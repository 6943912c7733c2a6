//===- LargestRows.cpp - Lowering of largest -------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The largest distance between two arrays: by rows in parallel, or over the
// elements of a call where an array has no rows.
//
//===----------------------------------------------------------------------===//

#include "passes/Halves.h"
#include "passes/RowLowerings.h"

using namespace mlir;
using namespace mlir::ropegrad;

bool mlir::ropegrad::isOverRows(LargestOp op) {
  if (cast<ShapedType>(op.getIns()[0].getType()).getRank() >= 3 ||
      op.getIns().size() == 3)
    return true;
  return llvm::any_of(op.getIns(), isMatrixOfRows);
}

/// Elements of x, y or e from `at` on in double.
static Value loadWide(Emitter &e, Value buffer, Value at, int64_t size) {
  FloatType element = elementOf(buffer);
  Value x = e.load(buffer, at, size);
  if (isHalf(element)) {
    Emitter single(e.b, e.loc, e.b.getF32Type(), e.lanes * 64);
    x = widen(single, x);
  }
  return e.toDouble(x);
}

/// max |x − y| over the `width` elements of one row.
static Value largestOfRow(Emitter &e, Value x, Value xAt, Value y, Value yAt,
                          int64_t width) {
  Value largest;
  for (auto [at, size] : vectorPieces(width, e.lanes)) {
    Value piece = loadWide(e, x, e.add(xAt, at), size);
    if (y)
      piece = e.subf(piece, loadWide(e, y, e.add(yAt, at), size));
    piece = math::AbsFOp::create(e.b, e.loc, piece);
    piece = vector::ReductionOp::create(e.b, e.loc,
                                        vector::CombiningKind::MAXIMUMF, piece);
    largest = largest ? e.maximum(largest, piece) : piece;
  }
  return largest;
}

/// (x, at, stride, y, at, stride, e, at, stride, count, results, i), of which y
/// and e are there where the op has them: results[i] = max over `count` rows of
/// max |x − y| + e.
static func::FuncOp largestKernel(Emitter &e, LargestOp op, int64_t width) {
  size_t ins = op.getIns().size();
  std::string name = "largest_" + std::to_string(width);
  SmallVector<Type> types;
  Type index = e.b.getIndexType();
  for (Value in : op.getIns()) {
    llvm::raw_string_ostream(name) << "_" << elementOf(in);
    types.append(
        {MemRefType::get({ShapedType::kDynamic}, elementOf(in)), index, index});
  }
  types.append({index, e.bufferType(), index});
  return e.kernel(op, name, types, [&](Emitter &e, ValueRange a) {
    Value count = a[3 * ins];
    auto at = [&](size_t i, Value row) {
      return e.add(a[3 * i + 1], e.mul(row, a[3 * i + 2]));
    };
    Value largest =
        e.loop(e.index(0), count, 1, e.scalar(0.0),
               [&](Value row, ValueRange state) -> SmallVector<Value> {
                 bool hasY = ins > 1;
                 Value distance =
                     largestOfRow(e, a[0], at(0, row), hasY ? a[3] : Value(),
                                  hasY ? at(1, row) : Value(), width);
                 if (ins > 2)
                   distance = e.addf(distance, e.load(a[6], at(2, row)));
                 return {e.maximum(state[0], distance)};
               })
            .front();
    e.store(largest, a[3 * ins + 1], a[3 * ins + 2]);
  });
}

/// results[0] = the largest of `count` results.
static void storeLargest(Emitter &e, Value results, Value count, Value out) {
  Value largest = e.loop(e.index(0), count, 1, e.scalar(0.0),
                         [&](Value i, ValueRange state) -> SmallVector<Value> {
                           return {e.maximum(state[0], e.load(results, i))};
                         })
                      .front();
  e.store(largest, e.flat(out), e.index(0));
}

static LogicalResult lowerRows(Emitter &e, LargestOp op) {
  SmallVector<Tall> rows;
  for (Value in : op.getIns()) {
    FailureOr<Tall> tall = tallOf(e, op, asTall(e, in));
    if (failed(tall))
      return failure();
    rows.push_back(*tall);
  }
  RowSpace space = rowSpace(e, op, asTall(e, op.getIns()[0]));
  Value results = e.scratch(space.maxUnits());
  func::FuncOp kernel = largestKernel(e, op, rows[0].width);
  forRows(e, space, [&](const RowUnit &unit) {
    SmallVector<Value> operands;
    for (const Tall &tall : rows)
      operands.append({tall.buffer, tall.at(e, unit), tall.rowStride});
    operands.append({unit.count, results, unit.index});
    e.call(kernel, operands);
  });
  storeLargest(e, results, unitsOf(e, space), op.getOuts()[0]);
  return success();
}

/// All elements of the call, as rows of one.
static void lowerArray(Emitter &e, LargestOp op) {
  Value results = e.scratch(1), zero = e.index(0), one = e.index(1);
  SmallVector<Value> operands;
  for (Value in : op.getIns())
    operands.append({e.flat(in), zero, one});
  operands.append({elementsOfCall(e, op, op.getIns()[0]), results, zero});
  e.call(largestKernel(e, op, /*width=*/1), operands);
  storeLargest(e, results, one, op.getOuts()[0]);
}

LogicalResult mlir::ropegrad::lowerLargest(Emitter &e, LargestOp op) {
  for (Type type : op->getOperandTypes())
    if (!cast<MemRefType>(type).getLayout().isIdentity())
      return op.emitOpError("expected contiguous buffers, but got ") << type;
  if (isOverRows(op))
    return lowerRows(e, op);
  lowerArray(e, op);
  return success();
}
