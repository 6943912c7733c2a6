//===- Tall.h - Rows of tall buffers and loops over them -------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Where the rows of a (B, H, n, w) buffer lie, how many there are in a call,
// and the parallel loops over chunks of them that every row-wise lowering
// shares.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_TALL_H
#define ROPEGRAD_PASSES_TALL_H

#include "passes/Emitter.h"

namespace mlir::ropegrad {

/// Attributes that ropegrad-runtime-sizes leaves for the lowerings.
constexpr StringLiteral kSizeAttr = "ropegrad.size"; ///< of an index argument
constexpr StringLiteral kStridesAttr = "ropegrad.strides"; ///< see Tall
constexpr StringLiteral kChunkAttr = "ropegrad.chunk";     ///< of a function
constexpr StringLiteral kSpaceAttr = "ropegrad.space"; ///< of a scf.parallel
constexpr StringLiteral kOutputAttr = "ropegrad.output";
constexpr StringLiteral kRowsAttr = "ropegrad.rows"; ///< of an array (n, w)
/// Of what a forward pass leaves to its backward pass
/// (ropegrad-split-gradient).
constexpr StringLiteral kResidualAttr = "ropegrad.residual";
/// Of what kernels read that depends on W and bias alone
/// (ropegrad-hoist-spectra).
constexpr StringLiteral kPreparedAttr = "ropegrad.prepared";

/// Whether `memref` is an argument of a function that has kRowsAttr.
bool isMatrixOfRows(Value memref);

/// The rows of a call: batch entries × heads × n rows, in chunks whose size
/// depends on the compiled problem alone, so that results do not depend on the
/// number of threads.
struct RowSpace {
  Value batch, n; ///< of this call
  int64_t maxBatch, heads, maxN;
  int64_t chunk; ///< rows of a chunk, at most

  int64_t maxChunks() const { return (maxN + chunk - 1) / chunk; }
  int64_t maxUnits() const { return maxBatch * heads * maxChunks(); }
  /// Chunks of one head in this call.
  Value chunks(Emitter &e) const;
};

/// The space of a tall operand (B, H, n[, w]) of `op`: the sizes of the call
/// where the function has them, otherwise those of the type.
RowSpace rowSpace(Emitter &e, Operation *op, Value tall);

/// Some rows of one head of one batch entry.
struct RowUnit {
  Value index; ///< of the unit: ((batch · heads) + head) · chunks + chunk
  Value batch, head;
  Value from, count; ///< rows [from, from + count), never empty
};

/// Runs `body` once per unit, in parallel. Loops over equal spaces that follow
/// one another are merged (ropegrad-fuse-parallel): `body` may read, of what
/// earlier row loops wrote, only the rows of its own unit, unless `local` is
/// false; a loop that is not local is never merged with another.
void forRows(Emitter &e, const RowSpace &space,
             function_ref<void(const RowUnit &)> body, bool local = true);

/// Runs `body(batch entry, head)` for `heads` heads each, in parallel; merged
/// with its like, as above.
void forHeads(Emitter &e, const RowSpace &space, int64_t heads,
              function_ref<void(Value, Value)> body);

/// Where the rows of a (B, H, n, w) or (B, H, n) buffer lie: strides in
/// elements. Elements of a row are contiguous; a (B, H, n) buffer has rows of
/// one element. Arrays of the caller (function arguments with
/// `ropegrad.strides` = i) have theirs at 3i, 3i + 1, 3i + 2 of the argument
/// that holds all strides. Where a call lists its batch entries (an argument
/// with `ropegrad.size` = "entries"), entry b of such an array of B begins at
/// element entries[i · B + b].
struct Tall {
  Value buffer; ///< memref<?xT>
  Value batchStride, headStride, rowStride, offset;
  Value entries; ///< null where the batch entries have a stride
  int64_t firstEntry = 0;
  int64_t heads, width;

  /// Element 0 of row `row` of a head.
  Value at(Emitter &e, Value batch, Value head, Value row) const;
  Value at(Emitter &e, const RowUnit &unit) const {
    return at(e, unit.batch, unit.head, unit.from);
  }
};

/// Of a buffer whose rows are contiguous: an allocation, a view of one, or an
/// argument. Fails with an error at `op`.
FailureOr<Tall> tallOf(Emitter &e, Operation *op, Value memref);

/// The flat buffer behind a memref with static strides and a last one of 1, and
/// its offset. A memref of rank 0 is a buffer of one element.
Value flatBase(Emitter &e, Value memref);

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_TALL_H
