//===- AttentionTiles.h - Exact softmax attention in registers -*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Hand-shaped loops for the two `tiles` ops that softmax attention comes down
// to. Whatever they do not take goes through the general loops of
// ropegrad-lower-tiles, which also serve as their cross-check.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_ATTENTIONTILES_H
#define ROPEGRAD_PASSES_ATTENTIONTILES_H

#include "passes/Emitter.h"
#include "passes/TileBody.h"

namespace mlir::ropegrad {

/// What both passes of attention share: P_ij = b(i−j) exp(scale q_i·k_j − L_i).
struct AttentionTiles {
  TilesOp op;
  MatrixType matrix;
  double scale;
  ToeplitzOp prefactor; ///< or null
  Value q, k;           ///< buffers (B, H, n, d), (B, H', n, d)

  LiveColumns live() const;
};

/// L_i = log Σ_j b(i−j) exp(scale q_i·k_j), O = scaleO · P V.
struct AttentionForward : AttentionTiles {
  Value v;              ///< (B, H', n, w)
  SmallVector<Value> l; ///< outputs (B, H, n)
  Value o;              ///< output (B, H, n, w)
  double scaleO;

  static std::optional<AttentionForward> match(const TileBody &body);
};

/// With given L and s, and S = P ∘ (U Vᵀ − s): any of dQ = scaleQ · S k,
/// dK = scaleK · Sᵀ q, dV = scaleV · Pᵀ U, sums of S along its diagonals (the
/// gradient of softmax attention and its bias, with U = dO and
/// s = rowsum(dO ∘ O)).
struct AttentionBackward : AttentionTiles {
  Value l, u, v, s;
  Value dq, dk, dv; ///< outputs, null where not asked for
  /// Output ([H,] 2n−1), summed over batch entries (and heads), or null.
  Value diagonals;
  double scaleQ = 1, scaleK = 1, scaleV = 1, scaleDiagonals = 1;

  static std::optional<AttentionBackward> match(const TileBody &body);
};

void emitAttention(Emitter &e, const AttentionForward &attention);
void emitAttention(Emitter &e, const AttentionBackward &attention);

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_ATTENTIONTILES_H
