//===- Polynomial.h - The polynomial of an almost-linear route -*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Chooses the polynomial for a problem, or says why there is none and what
// would help.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_POLYNOMIAL_H
#define ROPEGRAD_PASSES_POLYNOMIAL_H

#include "dialect/Problem.h"
#include "passes/Approximation.h"
#include "passes/Truncation.h"

#include <string>

namespace ropegrad {

struct PolynomialChoice {
  std::optional<Approximation> approximation; ///< of exp only
  std::optional<unsigned> degree;
  std::optional<int64_t> features; ///< M of that degree
  std::string obstacle;            ///< why none can be used; empty if one can
  /// Where route features keeps some of the monomials only: `features` of them,
  /// and the bounds of the approximation include what is lost.
  std::optional<Truncation> truncation;
};

/// The similarity itself if it is polynomial; otherwise the degree asked for,
/// or the smallest that meets the tolerance on the widened radius.
PolynomialChoice choosePolynomial(const Problem &problem);

/// What route features uses: `all`, the choice above, or fewer monomials, maybe
/// of a higher degree, where the problem has bounds of coordinates.
PolynomialChoice dropFeatures(const Problem &problem,
                              const PolynomialChoice &all);

} // namespace ropegrad

#endif // ROPEGRAD_PASSES_POLYNOMIAL_H
