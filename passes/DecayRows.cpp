//===- DecayRows.cpp - Decays within a chunk -------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// decay_rows on buffers: every row by a factor from a table of one chunk.
//
//===----------------------------------------------------------------------===//

#include "passes/Features.h"
#include "passes/RowLowerings.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

class DecayLoop {
public:
  DecayLoop(Emitter &e, DecayRowsOp op, const Tall &x, const Tall &y)
      : e(e), op(op), x(x), y(y), chunk(static_cast<int64_t>(op.getChunk())) {}

  void emit();

private:
  Value table();
  Value factor(Value table, Value row, Value head);

  Emitter &e;
  DecayRowsOp op;
  Tall x, y;
  int64_t chunk;
};

} // namespace

/// Factors of the rows of a chunk, slope by slope; null where all are 1.
Value DecayLoop::table() {
  ArrayRef<double> slopes = op.getSlopes();
  if (llvm::all_of(slopes, [](double slope) { return slope == 0; }))
    return {};
  double least = e.element.isF32() ? 0x1p-126 : 0x1p-1022;
  int64_t first = static_cast<int64_t>(op.getFirst());
  std::vector<double> factors;
  for (double slope : slopes)
    for (int64_t row = 0; row < chunk; ++row) {
      int64_t distance = op.getDescending() ? first - row : first + row;
      double factor = std::exp(-slope * static_cast<double>(distance));
      factors.push_back(factor < least ? 0.0 : factor);
    }
  return constantFloats(e, op, "ropegrad_decay_rows", e.element, factors);
}

/// Of a row of a head, one of the larger number of heads.
Value DecayLoop::factor(Value table, Value row, Value head) {
  Value at = e.rem(row, e.index(chunk));
  if (op.getSlopes().size() > 1)
    at = e.add(at, e.mul(head, chunk));
  return e.load(table, at);
}

void DecayLoop::emit() {
  Value factors = table();
  RowSpace space = rowSpace(e, op, op.getOuts()[0]);
  int64_t fewer = std::max<int64_t>(x.heads / y.heads, 1);
  int64_t more = std::max<int64_t>(y.heads / x.heads, 1);
  forRows(e, space, [&](const RowUnit &unit) {
    e.loop(e.index(0), unit.count, 1, [&](Value i) {
      Value row = e.add(unit.from, i);
      SmallVector<Value> from, scales;
      for (int64_t member = 0; member < fewer; ++member) {
        Value head = e.add(e.mul(unit.head, fewer), member);
        from.push_back(x.at(e, unit.batch, e.div(head, more), row));
        scales.push_back(factors ? factor(factors, row, head) : Value());
      }
      Value to = y.at(e, unit.batch, unit.head, row);
      forPieces(e, y.width, e.lanes, [&](Value at, int64_t size) {
        Value sum;
        for (auto [start, scale] : llvm::zip(from, scales)) {
          Value term = e.load(x.buffer, e.add(start, at), size);
          if (scale)
            term = e.mulf(term, e.broadcast(scale, size));
          sum = sum ? e.addf(sum, term) : term;
        }
        e.store(sum, y.buffer, e.add(to, at));
      });
    });
  });
}

LogicalResult mlir::ropegrad::lowerDecayRows(Emitter &e, DecayRowsOp op) {
  FailureOr<Tall> x = tallOf(e, op, op.getIns()[0]);
  FailureOr<Tall> y = tallOf(e, op, op.getOuts()[0]);
  if (failed(x) || failed(y))
    return failure();
  DecayLoop(e, op, *x, *y).emit();
  return success();
}
