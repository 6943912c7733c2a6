//===- KeyWeighting.h - Weights of keys leave the matrices -----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// What ropegrad-centre-queries multiplies a similarity by becomes a factor of
// tall rows.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_KEYWEIGHTING_H
#define ROPEGRAD_PASSES_KEYWEIGHTING_H

#include "dialect/RopeGrad.h"

#include "mlir/IR/PatternMatch.h"

namespace mlir::ropegrad {

/// P of (1 wᵀ) ∘ P; other matrices as they are.
Value withoutKeyWeights(Value matrix);

/// diag(r) [U, s x] ⇒ [diag(r) U, s diag(r) x], in front of a transposed
/// product: the factor that the gradient by the keys has as well.
void populateRowFactorPatterns(RewritePatternSet &patterns);

/// p'(Z)ᵀ X ⇒ p̂(Z)ᵀ X, p̂ being the polynomial p' of its own: sums of columns
/// of γ on route features.
void populateSlopePatterns(RewritePatternSet &patterns);

/// Moves w out of every product with ((1 wᵀ) ∘ P), P being what an
/// almost-linear route rewrites.
void populateKeyWeightPatterns(RewritePatternSet &patterns);

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_KEYWEIGHTING_H
