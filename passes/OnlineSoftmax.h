//===- OnlineSoftmax.h - Row-wise log-sum-exp, tile by tile ----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The running maximum and sum of every row of a row tile; what has been summed
// with an older maximum is rescaled.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_ONLINESOFTMAX_H
#define ROPEGRAD_PASSES_ONLINESOFTMAX_H

#include "passes/TileLanes.h"

namespace mlir::ropegrad {

/// L_i = m_i + log l_i with m_i the largest log b + Z of the row and
/// l_i = Σ_j b exp(Z − m_i).
/// Private to a unit.
class OnlineSoftmax {
public:
  OnlineSoftmax(TileNest &nest, TileMatrices &matrices, RowLogSumExpOp op);

  void beginRows();
  /// Raises the maxima to those of the current tile; `rescale` gets the row and
  /// the factor for all it has summed so far, where a maximum has changed.
  void updateMaxima(bool cut, function_ref<void(Value, Value)> rescale);
  Value maximum(Value row) { return e.load(maxima, row); }
  /// Lane by lane sums of a row.
  Value loadSum(Value row) {
    return e.load(sums, e.mul(row, e.lanes), e.lanes);
  }
  void storeSum(Value row, Value sum) {
    e.store(sum, sums, e.mul(row, e.lanes));
  }
  /// The terms of l at `lanes`.
  Value weight(TileLanes &lanes, Value maximum);
  /// Writes L to every output and fills factors().
  void endRows(ArrayRef<Tall> outputs);
  /// 1 / l_i of every row of the row tile.
  Value factors() { return inverse; }

private:
  TileNest &nest;
  Emitter &e;
  TileMatrices &matrices;
  Value logits;
  ToeplitzOp prefactor; ///< or null
  Value maxima, sums, inverse;
};

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_ONLINESOFTMAX_H
