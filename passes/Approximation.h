//===- Approximation.h - exp as a polynomial, with proof -------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Polynomials p of degree g close to exp on [-R, R] in relative error, and
// rigorous bounds of that error on the whole interval (Lemma 3.4 made exact).
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_APPROXIMATION_H
#define ROPEGRAD_PASSES_APPROXIMATION_H

#include "dialect/Problem.h"

#include <optional>
#include <vector>

namespace ropegrad {

struct ErrorBounds {
  double delta = 0.0;      ///< >= max |p(z)  - e^z| / e^z on [-radius, radius]
  double deltaPrime = 0.0; ///< >= max |p'(z) - e^z| / e^z on [-radius, radius]
};

struct Approximation {
  std::vector<double> coefficients; ///< p(z) = sum_k coefficients[k] z^k
  double radius = 0.0;              ///< the interval that was fitted and proved
  ErrorBounds bounds;               ///< proved, not sampled
  Fit fit = Fit::Minimax;
};

/// The interval fitted and proved for a logit radius R: R(1 + 2^-10), so that
/// a guard that rounds outward still admits data that meet the bound exactly.
double widenedRadius(double radius);

/// Rigorous bounds of the relative errors of `coefficients` and of their
/// derivative against exp on [-radius, radius] (interval argument; valid for
/// the double coefficients as given).
ErrorBounds proveErrors(const std::vector<double> &coefficients, double radius);

/// Fits exp on [-radius, radius] (already widened) with a polynomial of the
/// given degree and proves its errors. With `gradient` the minimax fit
/// minimises max(delta, deltaPrime), otherwise delta alone. `sigma`: deviation
/// of the normal density of the weighted fit, radius/3 by default.
/// Returns nothing where no finite fit exists (e.g. radius too large for
/// double precision at that degree).
std::optional<Approximation> approximateExp(double radius, unsigned degree,
                                            Fit fit, bool gradient,
                                            std::optional<double> sigma = {});

/// The error that a tolerance is compared with: max(delta, deltaPrime) when
/// gradients are asked for, delta otherwise.
double relevantError(const Approximation &, bool gradient);

/// Smallest degree whose fit meets `tolerance`, at most `maxDegree`.
std::optional<Approximation> smallestDegree(double radius, double tolerance,
                                            Fit fit, bool gradient,
                                            std::optional<double> sigma,
                                            unsigned maxDegree = 24);

} // namespace ropegrad

#endif // ROPEGRAD_PASSES_APPROXIMATION_H
