//===- PairColumnSums.cpp - Derivatives of products with pairs -*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Sums by columns of a factor, such as the second output of pair_apply, and
// pair_reverse by it.
//
//===----------------------------------------------------------------------===//

#include "passes/PairConvolution.h"

using namespace mlir;
using namespace mlir::ropegrad;

PairColumnSums::PairColumnSums(Emitter &e, const RowSpace &space,
                               const Lanes &lanes, int64_t parts,
                               int64_t blocksEach, int64_t each,
                               int64_t skipped, int64_t kept)
    : e(e), space(space), lanes(lanes), parts(parts),
      lanesEach(blocksEach * lanes.lanes),
      reach(widest(lanes, parts, lanesEach)), each(each), skipped(skipped),
      kept(kept), sums(e, space, reach * each, parts) {}

int64_t PairColumnSums::widest(const Lanes &lanes, int64_t parts,
                               int64_t lanesEach) {
  int64_t most = 1;
  for (int64_t part = 0; part < parts; ++part)
    most = std::max(most, last(lanes, part, lanesEach) -
                              first(lanes, part, lanesEach) + 1);
  return most;
}

int64_t PairColumnSums::first(const Lanes &lanes, int64_t part,
                              int64_t lanesEach) {
  return part * lanesEach / lanes.limit();
}

int64_t PairColumnSums::last(const Lanes &lanes, int64_t part,
                             int64_t lanesEach) {
  return std::min(((part + 1) * lanesEach - 1) / lanes.limit(), lanes.width);
}

ColumnPanels PairColumnSums::at(Value batch, Value head, Value part,
                                Value row) const {
  Value from = e.div(e.mul(part, lanesEach), lanes.limit());
  return {sums.at(batch, head, part, row), from, reach};
}

void PairColumnSums::finish(Operation *anchor, const Tall &out) {
  forRows(e, space, [&](const RowUnit &unit) {
    Rows rows = rowsOf(e, out, unit);
    Value total = e.scratch(out.width * e.lanes);
    e.loop(e.index(0), unit.count, e.lanes, [&](Value i) {
      for (int64_t column = 0; column < lanes.width; ++column)
        addParts(unit, e.add(unit.from, i), column, total);
      Value count = e.min(e.sub(unit.count, i), e.index(e.lanes));
      emitUnpack(e, anchor, out.width, e.lanes, total, e.index(0),
                 rows.from(e, i), count);
    });
  });
}

/// What is wanted of one column for one tile of rows.
void PairColumnSums::addParts(const RowUnit &unit, Value row, int64_t column,
                              Value total) {
  SmallVector<Slice> summands;
  for (int64_t part = 0; part < parts; ++part) {
    int64_t from = first(lanes, part, lanesEach);
    if (from <= column && column <= last(lanes, part, lanesEach))
      summands.push_back(
          e.advance(sums.at(unit.batch, unit.head, e.index(part), row),
                    ((column - from) * each + skipped) * e.lanes));
  }
  e.loop(0, kept * e.lanes, e.lanes, [&](Value a) {
    Value sum;
    for (const Slice &summand : summands) {
      Value next = e.load(e.advance(summand, a), e.lanes);
      sum = sum ? e.addf(sum, next) : next;
    }
    e.store(sum, total, e.add(a, column * kept * e.lanes));
  });
}

LogicalResult mlir::ropegrad::lowerReverseBySlopes(Emitter &e,
                                                   PairReverseOp op) {
  FailureOr<Tall> slopes = tallOf(e, op, op.getIns()[5]);
  FailureOr<Tall> weights = tallOf(e, op, op.getIns()[3]);
  FailureOr<Tall> out = tallOf(e, op, op.getOuts()[0]);
  if (failed(slopes) || failed(weights) || failed(out))
    return failure();
  int64_t d = out->width;
  forRows(e, rowSpace(e, op, op.getOuts()[0]), [&](const RowUnit &unit) {
    Rows j = rowsOf(e, *slopes, unit), u = rowsOf(e, *weights, unit);
    Rows dx = rowsOf(e, *out, unit);
    e.loop(e.index(0), unit.count, 1, [&](Value i) {
      Value from = j.from(e, i).at, at = u.from(e, i).at;
      Value to = dx.from(e, i).at;
      e.forPieces(d, [&](Value a, int64_t width) {
        auto step = [&](Value c, ValueRange sum) -> SmallVector<Value> {
          Value factor = e.load(u.buffer, e.add(at, c));
          Value slope =
              e.load(j.buffer, e.add(e.add(from, e.mul(c, d)), a), width);
          return {e.fma(e.broadcast(factor, width), slope, sum[0])};
        };
        Value sum = e.loop(e.index(0), e.index(weights->width), 1,
                           e.splat(0.0, width), step)
                        .front();
        e.store(sum, dx.buffer, e.add(to, a));
      });
    });
  });
  return success();
}
