//===- Majorant.h - What a certificate compares exp with -------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Even polynomials that are proved to be at least the absolute error of a
// polynomial p against exp, and of p'. Their sums over the logits of a row are
// sums of monomial features: a bound that knows how large the logits are
// (docs/contract.md).
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_MAJORANT_H
#define ROPEGRAD_PASSES_MAJORANT_H

#include "passes/Approximation.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace ropegrad {

/// A number a >= max(0, max over |z| <= radius of |q(z) - e^z| - shape(z)),
/// proved for the double coefficients as given. Pieces are halved until the
/// bound is within `slack` of the largest value found.
double proveExcess(const std::vector<double> &q,
                   const std::vector<double> &shape, double radius,
                   double slack);

/// An even polynomial m with m(z) >= |q(z) - e^z| on [-radius, radius]: the one
/// of a + b z^(h-2) + c z^h, h the largest even number up to `degree`, whose
/// mean under the normal density of deviation `sigma` is the smallest.
struct Majorant {
  std::vector<double> coefficients; ///< of z^0 to z^degree; odd ones are 0
  double mean = 0.0;                ///< under that density, radius no limit
};
Majorant majorantOf(const std::vector<double> &q, unsigned degree,
                    double radius, double sigma);

/// What a certificate of degree g computes with in place of exp: not the
/// kernel's polynomial but one that is closest where logits are, not in the
/// worst case. The outputs of the two are compared, not their coefficients.
struct CertificatePolynomial {
  Approximation approximation; ///< p, its interval and delta < 3/4
  std::vector<double> majorant, majorantPrime; ///< of |p - e^z|, |p' - e^z|
};

/// Of the fits of `degree` on [-radius, radius] the one whose majorants have
/// the smallest mean for logits of d-dimensional rows. Nothing where no fit has
/// delta < 3/4.
std::optional<CertificatePolynomial>
certificatePolynomial(double radius, unsigned degree, bool gradient, int64_t d);

} // namespace ropegrad

#endif // ROPEGRAD_PASSES_MAJORANT_H
