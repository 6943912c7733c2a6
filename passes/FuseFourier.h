//===- FuseFourier.h - Exits on the route fft ------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Patterns of ropegrad-fuse-kronecker.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_FUSEFOURIER_H
#define ROPEGRAD_PASSES_FUSEFOURIER_H

#include "mlir/IR/PatternMatch.h"

namespace mlir::ropegrad {

/// Exits of similarities in normal form, on the route fft, to products with
/// pairs of monomials and, next to the diagonal under a mask, to exits of what
/// is left.
void populateFourierPatterns(RewritePatternSet &patterns);

/// Has all row sums under a learned bias on the route fft checked
/// (require_share), before they are joined with numerators.
void requireShares(Operation *module);

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_FUSEFOURIER_H
