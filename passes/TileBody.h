//===- TileBody.h - What the body of `tiles` asks for ----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The expression in a `tiles` op, sorted by what the loop over tiles does with
// each part of it.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_TILEBODY_H
#define ROPEGRAD_PASSES_TILEBODY_H

#include "passes/Passes.h"

namespace mlir::ropegrad {

/// Which column tiles of a row tile can be other than zero.
struct LiveColumns {
  Mask mask = Mask::None;
  int64_t window = 0; ///< under mask window
  BlockBandOp band;   ///< only blocks of it; null where there is none
};

/// The offsets of a band as runs of consecutive ones, (least, most) of each,
/// ascending.
SmallVector<std::pair<int64_t, int64_t>> runsOf(BlockBandOp band);

/// Lists follow the order of the body; ops that no exit needs are left out.
struct TileBody {
  TilesOp op;
  MatrixType matrix;
  SmallVector<Operation *> products; ///< logits and outer
  SmallVector<ToeplitzOp> toeplitz;
  SmallVector<BlockBandOp> bands;
  SmallVector<Operation *> rowOps; ///< shift_rows and scale_rows
  SmallVector<Value> exitMatrices; ///< stored for the exits, each once
  SmallVector<Operation *> exits;  ///< in the order of the outputs
  RowLogSumExpOp logSumExp;        ///< null where there is none
  LiveColumns live;

  /// Sorts the body of `op`, or says why it cannot be lowered.
  static FailureOr<TileBody> analyse(TilesOp op);

  /// Whether the exit reads the log-sum-exp of the same body. Such exits are
  /// linear in exp(Z − L), so the online recurrence can rescale them.
  bool isOnline(Operation *exit) const;
};

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_TILEBODY_H
