//===- Approximation.cpp - exp as a polynomial, with proof -----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Chooses the fit, rounds it to double and has the errors proved.
//
//===----------------------------------------------------------------------===//

#include "passes/Approximation.h"
#include "passes/ApproximationFits.h"

#include <algorithm>
#include <limits>
#include <map>
#include <mutex>
#include <tuple>

namespace ropegrad {
namespace {

/// Rounding p to double alone costs up to e^(2R) 2^-53 in relative error, so
/// beyond this radius no double polynomial has an error below one.
constexpr double kMaxRadius = 18.0;

/// Empty where a minimax fit cannot have an error <= giveUp.
QuadPolynomial fitExp(double radius, unsigned degree, Fit fit, bool gradient,
                      double sigma, double giveUp) {
  switch (fit) {
  case Fit::Taylor:
    return taylor(degree);
  case Fit::Weighted:
    return fitWeighted(radius, degree, gradient, sigma);
  case Fit::Minimax:
    break;
  }
  return gradient ? fitMinimaxJointly(radius, degree, giveUp)
                  : fitMinimax(radius, degree, giveUp);
}

/// The fit rounded to double, or nothing where none is possible or none of
/// error <= giveUp is.
std::optional<Approximation> fitOnly(double radius, unsigned degree, Fit fit,
                                     bool gradient, std::optional<double> sigma,
                                     double giveUp) {
  double deviation = sigma.value_or(radius / 3);
  if (!(radius > 0.0 && radius <= kMaxRadius) ||
      !(deviation > 0.0 && std::isfinite(deviation)))
    return std::nullopt;
  Approximation result;
  result.radius = radius;
  result.fit = fit;
  for (Quad coefficient :
       fitExp(radius, degree, fit, gradient, deviation, giveUp)) {
    result.coefficients.push_back(static_cast<double>(coefficient));
    if (!std::isfinite(result.coefficients.back()))
      return std::nullopt;
  }
  if (result.coefficients.empty())
    return std::nullopt;
  return result;
}

/// A cheap lower estimate of the relevant error from a few points.
double sampledError(const Approximation &fit, bool gradient) {
  double largest = 0.0;
  for (Quad t : chebyshevGrid(16)) {
    Quad z = t * Quad(fit.radius), p = 0, derivative = 0;
    for (size_t k = fit.coefficients.size(); k-- > 0;) {
      derivative = derivative * z + p;
      p = p * z + fit.coefficients[k];
    }
    Quad decay = exponential(-z).mid;
    largest =
        std::max(largest, static_cast<double>(magnitude(decay * p - Quad(1))));
    if (gradient)
      largest = std::max(largest, static_cast<double>(
                                      magnitude(decay * derivative - Quad(1))));
  }
  return largest;
}

bool prove(Approximation &fit) {
  fit.bounds = proveErrors(fit.coefficients, fit.radius);
  return std::isfinite(fit.bounds.delta) &&
         std::isfinite(fit.bounds.deltaPrime);
}

using FitKey = std::tuple<double, unsigned, Fit, bool, std::optional<double>>;

std::optional<Approximation> fitAndProve(const FitKey &key) {
  auto [radius, degree, fit, gradient, sigma] = key;
  std::optional<Approximation> result =
      fitOnly(radius, degree, fit, gradient, sigma,
              std::numeric_limits<double>::infinity());
  if (!result || !prove(*result))
    return std::nullopt;
  return result;
}

} // namespace

double widenedRadius(double radius) { return radius * (1.0 + 0x1p-10); }

std::optional<Approximation> approximateExp(double radius, unsigned degree,
                                            Fit fit, bool gradient,
                                            std::optional<double> sigma) {
  // A nan is no key.
  if (std::isnan(radius) || (sigma && std::isnan(*sigma)))
    return std::nullopt;
  // The same polynomial is asked for by a plan, by several passes and for every
  // exp that is emitted, from several threads; a fit takes milliseconds.
  static std::mutex mutex;
  static std::map<FitKey, std::optional<Approximation>> fits;
  FitKey key{radius, degree, fit, gradient, sigma};
  {
    std::lock_guard<std::mutex> lock(mutex);
    if (auto found = fits.find(key); found != fits.end())
      return found->second;
  }
  std::optional<Approximation> made = fitAndProve(key);
  std::lock_guard<std::mutex> lock(mutex);
  return fits.try_emplace(key, std::move(made)).first->second;
}

double relevantError(const Approximation &approximation, bool gradient) {
  const ErrorBounds &bounds = approximation.bounds;
  return gradient ? std::max(bounds.delta, bounds.deltaPrime) : bounds.delta;
}

std::optional<Approximation> smallestDegree(double radius, double tolerance,
                                            Fit fit, bool gradient,
                                            std::optional<double> sigma,
                                            unsigned maxDegree) {
  for (unsigned degree = 0; degree <= maxDegree; ++degree) {
    std::optional<Approximation> candidate =
        fitOnly(radius, degree, fit, gradient, sigma, tolerance);
    if (candidate && sampledError(*candidate, gradient) <= tolerance &&
        prove(*candidate) && relevantError(*candidate, gradient) <= tolerance)
      return candidate;
  }
  return std::nullopt;
}

} // namespace ropegrad
