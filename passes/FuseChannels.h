//===- FuseChannels.h - The gradient of X under a prefactor ----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// What the routes scan and fft share in rewriting kronecker_gradient: a product
// of b ∘ p'(Z) with the rows of every channel, between spread_channels and
// gather_channels.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_FUSECHANNELS_H
#define ROPEGRAD_PASSES_FUSECHANNELS_H

#include "passes/Algebra.h"
#include "passes/Similarity.h"

namespace mlir::ropegrad {

/// One gradient with respect to X of b ∘ p'(Z) ∘ U Vᵀ.
class ChannelProducts {
public:
  ChannelProducts(Algebra &a, KroneckerGradientOp op, WeightedSimilarity slope);

  /// b ∘ p'(Z), with p' as a polynomial of its own.
  Similarity derivative();
  /// Heads of what spread() makes.
  int64_t channels();
  /// Rows of V for every channel of A2 and, with a rotary position, every
  /// function of the position.
  Value spread();
  /// (1, 1, n, w) as (1, channels, n, w).
  Value repeat(Value tall);
  /// G from products of b ∘ p'(Z) and spread(): one, or one for each entry of a
  /// general W.
  Value gather(ValueRange products);

private:
  Algebra &a;
  KroneckerGradientOp op;
  WeightedSimilarity slope;
  Value functions; ///< of the position; null without a rotary one
};

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_FUSECHANNELS_H
