//===- PlanFourier.h - What the route fft takes ----------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The planner's judgement of the route fft. No MLIR.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_PLANFOURIER_H
#define ROPEGRAD_PASSES_PLANFOURIER_H

#include "passes/Planner.h"
#include "passes/Polynomial.h"

namespace ropegrad {

Alternative judgeFourier(const Problem &problem,
                         const PolynomialChoice &polynomial,
                         const CostModel &model, int64_t threads);

/// Of one call, all heads: transforms of all products of a monomial and a
/// column, products of spectra, and what stands next to the diagonal.
double fourierFlops(const Problem &problem, unsigned degree);
/// Arguments and workspace, estimated.
double fourierBytes(const Problem &problem, unsigned degree);

} // namespace ropegrad

#endif // ROPEGRAD_PASSES_PLANFOURIER_H
