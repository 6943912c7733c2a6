//===- PolynomialTiles.h - Attention by a polynomial -----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The bodies of `tiles` that attention with a polynomial in place of exp comes
// down to, near the diagonal or everywhere, and their loops.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_POLYNOMIALTILES_H
#define ROPEGRAD_PASSES_POLYNOMIALTILES_H

#include "passes/AttentionTiles.h"
#include "passes/Emitter.h"

namespace mlir::ropegrad {

/// With P = [band ∘] mask ∘ p(Z) and S = [band ∘] mask ∘ p'(Z) ∘ U Vᵀ for the
/// same Z, mask and band: any of P X, Pᵀ Y, S k and Sᵀ q, each at most once.
struct PolynomialTiles : AttentionTiles {
  struct Exit {
    Value out, factor; ///< null where not asked for
    double scale = 1;
  };

  BlockBandOp band; ///< or null
  SmallVector<double> coefficients;
  Value u, v;
  Exit px, py, sk, sq;

  static std::optional<PolynomialTiles> match(const TileBody &body);
};

/// False, with nothing emitted, where chunks of the band are not whole panels.
bool emitAttention(Emitter &e, const PolynomialTiles &attention);

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_POLYNOMIALTILES_H
