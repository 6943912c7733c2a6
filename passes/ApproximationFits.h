//===- ApproximationFits.h - The fits behind approximateExp ----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The fits work on the correction r = p - (Taylor polynomial of p's degree),
// in binary128: its size is that of the error itself, so that errors far below
// the rounding of p are fitted as well as large ones.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_APPROXIMATIONFITS_H
#define ROPEGRAD_PASSES_APPROXIMATIONFITS_H

#include "passes/Ball.h"

#include <cstddef>
#include <vector>

namespace ropegrad {

/// Coefficients of z^0, z^1, ... in binary128.
using QuadPolynomial = std::vector<Quad>;

/// One abscissa of a fit. The relative error of Taylor_degree + r there is
/// decay * r(z) - remainder.
struct FitPoint {
  Quad z = 0;
  Quad decay = 1;     ///< e^-z
  Quad remainder = 0; ///< 1 - e^-z Taylor_degree(z), without cancellation

  FitPoint() = default;
  FitPoint(Quad z, unsigned degree);
};

/// 1 - e^-z Taylor_degree(z) = e^-z sum_{k > degree} z^k / k!.
Quad taylorRemainder(Quad z, Quad decay, unsigned degree);

/// sum_k a_k T_k(t) by Clenshaw's recurrence.
Quad evaluateChebyshev(const QuadPolynomial &a, Quad t);

/// The coefficients in powers of z of sum_k a_k T_k(z / radius).
QuadPolynomial chebyshevToPowers(const QuadPolynomial &a, Quad radius);

/// 1/k! for k = 0 ... degree.
QuadPolynomial taylor(unsigned degree);

/// a + b, of equal size.
QuadPolynomial add(QuadPolynomial a, const QuadPolynomial &b);

/// cos(pi i / count) for i = 0 ... count: from 1 down to -1.
std::vector<Quad> chebyshevGrid(unsigned count);

/// The polynomial of `degree` that minimises max |p - e^z| / e^z on [-radius,
/// radius]: Remez exchange. The functions e^-z z^k are a Haar system, so the
/// optimum is the one whose error alternates in degree + 2 points.
/// Empty as soon as the smallest error is known to exceed `giveUp`.
QuadPolynomial fitMinimax(Quad radius, unsigned degree, double giveUp);

/// The polynomial of `degree` that minimises max(|p - e^z|, |p' - e^z|) / e^z,
/// and among those the one of smallest |p - e^z| / e^z. See the definition for
/// why this linear programme needs no more than fitMinimax.
QuadPolynomial fitMinimaxJointly(Quad radius, unsigned degree, double giveUp);

/// The polynomial of `degree` that minimises the mean square of (p - e^z) / e^z
/// (and, with `gradient`, plus that of (p' - e^z) / e^z) under the normal
/// density of deviation sigma cut off at +-radius.
QuadPolynomial fitWeighted(Quad radius, unsigned degree, bool gradient,
                           double sigma);

} // namespace ropegrad

#endif // ROPEGRAD_PASSES_APPROXIMATIONFITS_H
