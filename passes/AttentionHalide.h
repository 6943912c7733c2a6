//===- AttentionHalide.h - Exact attention by Halide -----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The other maker of exact attention: units, padding, masks and workspace are
// ours, what happens between a panel and a block of the index space is one call
// of a function that Halide makes.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_ATTENTIONHALIDE_H
#define ROPEGRAD_PASSES_ATTENTIONHALIDE_H

#include "passes/AttentionTiles.h"

namespace mlir::ropegrad {

/// Of a declared function: a dictionary of what it computes, for whoever
/// defines it.
///   backward   bool: which of the two, see emitAttentionByHalide
///   bits       of an element, 32 or 64
///   d, w       width of q and k, of v
///   lanes      elements of a vector
///   panel      positions in lanes
///   rows       of a register tile
///   steps      the most other positions of a call, a multiple of `rows`
///   padded     elements of a row of k and dQ (backward)
///   causal     bool
///   window     0: none
///   table      bool: whether logits get a term of their own per diagonal
///   dq, dk, dv bool: which of these are asked for (backward)
constexpr StringLiteral kHalideAttr = "ropegrad.halide";

/// Loops of our own around calls of private functions without body. Their
/// arguments are buffers, each followed by the offset at which it begins, and
/// indices. A forward block takes
///   qᵀ[d][panel], k[steps][d], v[steps][w], m[panel], (table[panel + steps −
///   1]), cut, i0, j0, n, count, m'[panel], l[panel], oᵀ[w][panel]
/// and makes one step of online softmax with the keys j0 … j0 + count − 1, l
/// and o in place; a backward block takes
///   q[steps][d], u[steps][w], kᵀ[d][panel], vᵀ[w][panel], k[panel][padded],
///   −L[steps], what rounding left out of it, −s[steps], (table), cut, i0, j0,
///   n, count, (dQ[steps][padded]), (dKᵀ[d][panel]), (dVᵀ[w][panel])
/// and adds to the last three. `cut` is 0 where no element of the block is
/// masked or beyond n. Logits are exponents of 2.
void emitAttentionByHalide(Emitter &e, const AttentionForward &attention);
void emitAttentionByHalide(Emitter &e, const AttentionBackward &attention);

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_ATTENTIONHALIDE_H
