//===- LogitGradient.h - γ among implicit matrices -------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Recognises the gradient by the logits, as ropegrad-differentiate writes it,
// at level 2.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_LOGITGRADIENT_H
#define ROPEGRAD_PASSES_LOGITGRADIENT_H

#include "dialect/RopeGrad.h"

#include <optional>

namespace mlir::ropegrad {

/// The logits of an exponential, normalised, or of a polynomial; null where
/// these are another matrix.
LogitsOp logitsBehind(Operation *expOrPolynomial);

/// γ = s' ∘ (U Vᵀ − r 1ᵀ) with r_i = ⟨O_i, U_i⟩ and O = s V: where s' = s, its
/// rows sum to 0.
struct LogitGradient {
  Value slopes; ///< s'
  Value u, v;   ///< tall
  Value dots;   ///< r, (B, H, n)
};

/// `matrix` as the gradient by these logits; nothing where it is none.
std::optional<LogitGradient> logitGradient(LogitsOp logits, Value matrix);

/// Whether `weights` are s (order 0) or s' (order 1) of the logits.
bool areWeightsOf(LogitsOp logits, Value weights, uint64_t order);

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_LOGITGRADIENT_H
