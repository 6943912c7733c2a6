//===- OnlineSoftmax.cpp - Row-wise log-sum-exp, tile by tile --*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Implementation of the online softmax recurrence.
//
//===----------------------------------------------------------------------===//

#include "passes/OnlineSoftmax.h"

using namespace mlir;
using namespace mlir::ropegrad;

/// Below every logit that occurs, yet finite: differences stay free of nan.
static constexpr double lowest = -1e30;

OnlineSoftmax::OnlineSoftmax(TileNest &nest, TileMatrices &matrices,
                             RowLogSumExpOp op)
    : nest(nest), e(nest.e), matrices(matrices), logits(op.getMatrix()),
      maxima(e.scratch(nest.shape.rows)),
      sums(e.scratch(nest.shape.rows * e.lanes)),
      inverse(e.scratch(nest.shape.rows)) {
  if (Value b = op.getPrefactor())
    prefactor = b.getDefiningOp<ToeplitzOp>();
}

void OnlineSoftmax::beginRows() {
  e.loop(0, nest.shape.rows, 1,
         [&](Value row) { e.store(e.scalar(lowest), maxima, row); });
  nest.e.zero({sums, e.index(0)}, nest.shape.rows * e.lanes);
}

void OnlineSoftmax::updateMaxima(bool cut,
                                 function_ref<void(Value, Value)> rescale) {
  DenseMap<Value, Value> noRows;
  e.loop(e.index(0), nest.liveRows, 1, [&](Value row) {
    Value most =
        e.loop(e.index(0), e.index(nest.shape.columns), e.lanes,
               e.splat(lowest, e.lanes),
               [&](Value column, ValueRange most) -> SmallVector<Value> {
                 TileLanes lanes(matrices, row, column, cut, noRows);
                 Value z = lanes.get(logits);
                 Value log =
                     prefactor ? lanes.logPrefactor(prefactor) : Value();
                 z = lanes.select(prefactor, log ? e.addf(z, log) : z, lowest);
                 return {e.maxf(z, most[0])};
               })[0];
    Value before = maximum(row), now = e.reduceMax(most);
    Value greater = arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OGT,
                                          now, before);
    e.when(greater, [&] {
      Value factor = e.exp(e.subf(before, now));
      e.store(now, maxima, row);
      storeSum(row, e.mulf(loadSum(row), e.broadcast(factor, e.lanes)));
      rescale(row, factor);
    });
  });
}

Value OnlineSoftmax::weight(TileLanes &lanes, Value maximum) {
  // Written as hadamard(prefactor, exp(shift_rows(Z, L))) emits itself, so that
  // both become one computation.
  Value z = e.subf(lanes.get(logits), maximum);
  Value log = prefactor ? lanes.logPrefactor(prefactor) : Value();
  return lanes.select(prefactor, e.exp(log ? e.addf(z, log) : z), 0.0);
}

void OnlineSoftmax::endRows(ArrayRef<Tall> outputs) {
  e.loop(e.index(0), nest.liveRows, 1, [&](Value row) {
    Value sum = e.reduceAdd(loadSum(row));
    e.store(e.divf(e.scalar(1.0), sum), inverse, row);
    if (outputs.empty())
      return;
    Value log = math::LogOp::create(e.b, e.loc, sum);
    Value result = e.addf(maximum(row), log);
    for (const Tall &output : outputs)
      e.store(result, output.buffer,
              output.at(e, nest.batch, nest.head, e.add(nest.i0, row)));
  });
}
