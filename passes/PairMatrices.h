//===- PairMatrices.h - Products with pairs of monomials -------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// pair_apply, pair_reverse and pair_correlate with a general W.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_PAIRMATRICES_H
#define ROPEGRAD_PASSES_PAIRMATRICES_H

#include "passes/PairConvolution.h"

namespace mlir::ropegrad {

/// Rows of pair_apply, with `slopes` for the derivative, or of pair_reverse
/// with u: then `sums` may take the products themselves, and `correlation` the
/// gradient of the table.
struct PairProductOperands {
  Tall x, y, factor, u, out;
  Value spectra;
  std::optional<Tall> slopes, sums;
  Value correlation;
};

void emitPairProduct(Emitter &e, Operation *op,
                     const PairPolynomial &polynomial,
                     const ToeplitzBlocks &blocks, const PairRows &rows,
                     int64_t width, bool reverse,
                     const PairProductOperands &operands);

/// out (heads of the tables, P, 2n−1).
void emitPairCorrelation(Emitter &e, Operation *op,
                         const PairPolynomial &polynomial,
                         const ToeplitzBlocks &blocks, const PairRows &rows,
                         int64_t width, const Tall &q, const Tall &k,
                         const Tall &u, const Tall &v, Value out);

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_PAIRMATRICES_H
