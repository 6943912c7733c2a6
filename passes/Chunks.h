//===- Chunks.h - States at the boundaries of chunks -----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// What the lowerings of chunk_states, chunk_expand and chunk_reverse share:
// where the state of a chunk lies, and loops over the chunks of a unit of rows.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_CHUNKS_H
#define ROPEGRAD_PASSES_CHUNKS_H

#include "passes/Features.h"

namespace mlir::ropegrad {

/// The sizes of an op over chunks; `features.heads` are those of the tall
/// factor, `features.kvHeads` those of S.
struct ChunkShape {
  FeatureShape features;
  int64_t chunk; ///< rows

  int64_t maxChunks() const { return (features.n + chunk - 1) / chunk; }
};

/// S (B, Hs, chunks, M, w), or some of its columns: M rows `rowStride` apart.
struct ChunkStates {
  Value buffer; ///< memref<?xT>
  int64_t offset, headStride, chunkStride, rowStride;
  int64_t heads;

  /// Element 0 of a state.
  Value at(Emitter &e, Value batch, Value head, Value chunk) const {
    Value index = e.add(e.mul(batch, heads), head);
    return e.add(e.add(e.mul(index, headStride), e.mul(chunk, chunkStride)),
                 offset);
  }
};

/// Fails with an error at `op` where rows are not contiguous.
FailureOr<ChunkStates> chunkStatesOf(Emitter &e, Operation *op, Value memref);

/// The space of `tall` with units of whole chunks; an error at `op` where the
/// function says otherwise.
FailureOr<RowSpace> chunkSpace(Emitter &e, Operation *op, Value tall,
                               int64_t chunk);

/// The rows of a head that `heads` heads of the unit's share.
inline Rows rowsOfGroup(Emitter &e, const Tall &tall, const RowSpace &space,
                        const RowUnit &unit, Value from) {
  Value head = e.div(unit.head, space.heads / tall.heads);
  return {tall.buffer, tall.at(e, unit.batch, head, from), tall.rowStride};
}

/// The chunks of a unit, the last one first if `reversed`: body(number of the
/// chunk in its head, first row, rows).
void forChunks(Emitter &e, const RowUnit &unit, int64_t chunk, bool reversed,
               function_ref<void(Value, Value, Value)> body);

/// What chunk_states says beside its sizes.
struct ChunkSums {
  std::vector<double> weights; ///< diag(c)
  std::vector<double> slopes;  ///< of the heads of S or one; empty: 0
  int64_t reach;               ///< chunks; 0: all
  bool reversed;
};

void emitChunkStates(Emitter &e, Operation *anchor, const ChunkShape &shape,
                     const RowSpace &space, const ChunkSums &sums,
                     const Tall &x, const Tall &v, const ChunkStates &states);

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_CHUNKS_H
