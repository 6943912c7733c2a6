//===- RowScaling.h - Row scalings leave the matrices ----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Patterns that move diag(r) out of implicit matrices and into tall factors.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_ROWSCALING_H
#define ROPEGRAD_PASSES_ROWSCALING_H

#include "mlir/IR/PatternMatch.h"

namespace mlir::ropegrad {

/// hadamard(A, diag(r) B) ⇒ diag(r) hadamard(A, B) unless A is U Vᵀ − w 1ᵀ;
/// (diag(r) A) X ⇒ diag(r) (A X); (diag(r) A)ᵀ X ⇒ Aᵀ (diag(r) X).
void populateRowScalingPatterns(RewritePatternSet &patterns);

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_ROWSCALING_H
