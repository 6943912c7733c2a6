//===- FuseScan.h - Exits on the scan route --------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Patterns of ropegrad-fuse-kronecker for polynomials under a mask or ALiBi.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_FUSESCAN_H
#define ROPEGRAD_PASSES_FUSESCAN_H

#include "mlir/IR/PatternMatch.h"

namespace mlir::ropegrad {

/// Exits of b ∘ p(Z) and its slopes on route scan ⇒ the same exit of their
/// blocks near the diagonal, plus products with the states of chunks of `chunk`
/// rows (0: as many as ScanShape.h says).
void populateScanPatterns(RewritePatternSet &patterns, int64_t chunk);

/// chunk_states(x, U) beside chunk_states(x, [U, r]) ⇒ the latter's first
/// columns.
void populateScanSharingPatterns(RewritePatternSet &patterns);

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_FUSESCAN_H
