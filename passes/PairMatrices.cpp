//===- PairMatrices.cpp - Products with pairs of monomials -----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// With a general W the transforms of all monomials of keys meet at every
// frequency: a sparse matrix of spectra between transforms there and back.
//
//===----------------------------------------------------------------------===//

#include "passes/PairMatrices.h"

using namespace mlir;
using namespace mlir::ropegrad;

void mlir::ropegrad::emitPairProduct(Emitter &, Operation *,
                                     const PairPolynomial &,
                                     const ToeplitzBlocks &, const PairRows &,
                                     int64_t, bool,
                                     const PairProductOperands &) {}

void mlir::ropegrad::emitPairCorrelation(Emitter &, Operation *,
                                         const PairPolynomial &,
                                         const ToeplitzBlocks &,
                                         const PairRows &, int64_t,
                                         const Tall &, const Tall &,
                                         const Tall &, const Tall &, Value) {}
