//===- KeyWeights.cpp - Lowering of key_weights and add_outer --*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// What the mean of queries does to the keys of a head: the weights that it
// gives them, and what it adds to their gradient.
//
//===----------------------------------------------------------------------===//

#include "passes/RowLowerings.h"

#include <limits>

using namespace mlir;
using namespace mlir::ropegrad;

/// ⟨x, y⟩ of the `width` elements from `at` and `other` on, in double.
static Value dot(Emitter &wide, Value x, Value at, Value y, Value other,
                 int64_t width) {
  auto product = [&](Value i, int64_t size) {
    return wide.mulf(wide.toDouble(wide.load(x, wide.add(at, i), size)),
                     wide.toDouble(wide.load(y, wide.add(other, i), size)));
  };
  int64_t whole = width / wide.lanes * wide.lanes;
  Value sum;
  if (whole) {
    Value lanes =
        wide.loop(wide.index(0), wide.index(whole), wide.lanes,
                  wide.splat(0.0, wide.lanes),
                  [&](Value i, ValueRange state) -> SmallVector<Value> {
                    return {wide.addf(state[0], product(i, wide.lanes))};
                  })
            .front();
    sum = wide.reduceAdd(lanes);
  }
  for (auto [i, size] : vectorPieces(width - whole, wide.lanes)) {
    Value piece = wide.reduceAdd(product(wide.index(whole + i), size));
    sum = sum ? wide.addf(sum, piece) : piece;
  }
  return sum;
}

static Value leastDouble(Emitter &wide) {
  return wide.scalar(-std::numeric_limits<double>::infinity());
}

/// Stores the exponents of the keys of one unit, and the largest of them.
static void findExponents(Emitter &wide, const Tall &k, Value from, Value count,
                          Value mean, Value meanAt, Value scale,
                          Value exponents, Value to, Value ofUnits,
                          Value unit) {
  Value largest =
      wide.loop(wide.index(0), count, 1, leastDouble(wide),
                [&](Value row, ValueRange state) -> SmallVector<Value> {
                  Value at = wide.add(from, wide.mul(row, k.rowStride));
                  Value e = dot(wide, k.buffer, at, mean, meanAt, k.width);
                  e = wide.mulf(e, scale);
                  wide.store(e, exponents, wide.add(to, row));
                  return {wide.maximum(state[0], e)};
                })
          .front();
  wide.store(largest, ofUnits, unit);
}

/// (exponents, at, count, largest, i, w, at, stride): w = exp of what the
/// exponents lack of the largest.
static func::FuncOp weightsKernel(Emitter &wide, Operation *anchor,
                                  const Tall &w, FloatType element) {
  Type index = wide.b.getIndexType();
  return wide.kernel(
      anchor, "key_weights_f" + std::to_string(element.getWidth()),
      {wide.bufferType(), index, index, wide.bufferType(), index,
       w.buffer.getType(), index},
      [=](Emitter &wide, ValueRange a) {
        Emitter e(wide.b, wide.loc, element,
                  wide.lanes * wide.element.getWidth());
        Value largest = wide.load(a[3], a[4]);
        forElements(e, a[2], e.lanes, [&](Value row, int64_t size) {
          Value x = wide.load(a[0], wide.add(a[1], row), size);
          x = wide.subf(x, wide.broadcast(largest, size));
          if (element != wide.element)
            x = arith::TruncFOp::create(e.b, e.loc, e.vector(size), x);
          e.store(e.exp(x), a[5], e.add(a[6], row));
        });
      });
}

/// largest[head] = the largest of the head's units.
static void findLargest(Emitter &wide, const RowSpace &space, Value ofUnits,
                        Value ofHeads) {
  Value chunks = space.chunks(wide);
  forHeads(wide, space, space.heads, [&](Value batch, Value head) {
    Value index = wide.add(wide.mul(batch, space.heads), head);
    Value first = wide.mul(index, chunks);
    Value largest =
        wide.loop(wide.index(0), chunks, 1, leastDouble(wide),
                  [&](Value i, ValueRange state) -> SmallVector<Value> {
                    Value next = wide.load(ofUnits, wide.add(first, i));
                    return {wide.maximum(state[0], next)};
                  })
            .front();
    wide.store(largest, ofHeads, index);
  });
}

LogicalResult mlir::ropegrad::lowerKeyWeights(Emitter &e, KeyWeightsOp op) {
  FailureOr<Tall> k = tallOf(e, op, op.getIns()[0]);
  FailureOr<Tall> m = tallOf(e, op, op.getIns()[1]);
  FailureOr<Tall> w = tallOf(e, op, op.getOuts()[0]);
  if (failed(k) || failed(m) || failed(w))
    return failure();
  if (constantIndex(w->rowStride) != 1)
    return op.emitOpError("expected weights next to one another, but got "
                          "rows with gaps");
  Emitter wide(e.b, e.loc, e.b.getF64Type(), e.lanes * e.element.getWidth());
  RowSpace space = rowSpace(e, op, op.getIns()[0]);
  int64_t heads = space.maxBatch * space.heads;
  Value exponents = wide.scratch(heads * space.maxN);
  Value ofUnits = wide.scratch(space.maxUnits()), ofHeads = wide.scratch(heads);
  Value scale = wide.scalar(op.getScale().convertToDouble());
  func::FuncOp weightsOf = weightsKernel(wide, op, *w, e.element);
  auto headOf = [&](const RowUnit &unit) {
    return e.add(e.mul(unit.batch, space.heads), unit.head);
  };
  auto exponentsAt = [&](const RowUnit &unit) {
    return e.add(e.mul(headOf(unit), space.maxN), unit.from);
  };
  forRows(e, space, [&](const RowUnit &unit) {
    findExponents(wide, *k, k->at(e, unit), unit.count, m->buffer,
                  m->at(e, unit.batch, unit.head, e.index(0)), scale, exponents,
                  exponentsAt(unit), ofUnits, unit.index);
  });
  findLargest(wide, space, ofUnits, ofHeads);
  forRows(e, space, [&](const RowUnit &unit) {
    e.call(weightsOf, {exponents, exponentsAt(unit), unit.count, ofHeads,
                       headOf(unit), w->buffer, w->at(e, unit)});
  });
  return success();
}

LogicalResult mlir::ropegrad::lowerAddOuter(Emitter &e, AddOuterOp op) {
  FailureOr<Tall> x = tallOf(e, op, op.getIns()[0]);
  FailureOr<Tall> c = tallOf(e, op, op.getIns()[1]);
  FailureOr<Tall> m = tallOf(e, op, op.getIns()[2]);
  FailureOr<Tall> y = tallOf(e, op, op.getOuts()[0]);
  if (failed(x) || failed(c) || failed(m) || failed(y))
    return failure();
  Value scale = e.scalar(op.getScale().convertToDouble());
  forRows(e, rowSpace(e, op, op.getIns()[0]), [&](const RowUnit &unit) {
    Value xAt = x->at(e, unit), cAt = c->at(e, unit), yAt = y->at(e, unit);
    Value mAt = m->at(e, unit.batch, unit.head, e.index(0));
    e.loop(e.index(0), unit.count, 1, [&](Value row) {
      Value factor = e.mulf(
          scale, e.load(c->buffer, e.add(cAt, e.mul(row, c->rowStride))));
      Value from = e.add(xAt, e.mul(row, x->rowStride));
      Value to = e.add(yAt, e.mul(row, y->rowStride));
      forPieces(e, x->width, e.lanes, [&](Value at, int64_t size) {
        Value sum = e.fma(e.broadcast(factor, size),
                          e.load(m->buffer, e.add(mAt, at), size),
                          e.load(x->buffer, e.add(from, at), size));
        e.store(sum, y->buffer, e.add(to, at));
      });
    });
  });
  return success();
}
