//===- Polynomial.cpp - The polynomial of an almost-linear route *- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Degree by tolerance or by request, size by kMaxFeatures, and advice.
//
//===----------------------------------------------------------------------===//

#include "passes/Polynomial.h"
#include "dialect/Format.h"
#include "passes/CostModel.h"
#include "passes/Monomials.h"
#include "passes/Planner.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ropegrad {
namespace {

/// A count of features, which saturates.
std::string formatCount(int64_t count) {
  return count == std::numeric_limits<int64_t>::max() ? "2^63 or more"
                                                      : format(count);
}

/// The two-digit number next to x, below or above.
double twoDigits(double x, bool upwards) {
  double unit = std::pow(10.0, std::floor(std::log10(x)) - 1);
  return (upwards ? std::ceil(x / unit) : std::floor(x / unit)) * unit;
}

/// The error of the fit of this degree on a radius before widening; 1 where
/// none exists, which no tolerance admits.
double errorAt(const Problem &p, double radius, unsigned degree) {
  std::optional<Approximation> fit = approximateExp(
      widenedRadius(radius), degree, p.fit, p.needsGradient(), p.sigma);
  return fit ? std::min(1.0, relevantError(*fit, p.needsGradient())) : 1.0;
}

/// About the largest radius that `degree` manages within `tolerance`, or 0.
/// The error grows with nearly that power of the radius.
double largestRadius(const Problem &p, double radius, unsigned degree,
                     double tolerance) {
  constexpr double farthest = 16.0;
  double r = std::min(radius, farthest);
  double power = std::max(1.0, p.needsGradient() ? degree : degree + 1.0);
  for (int step = 0; step < 6; ++step) {
    double error = errorAt(p, r, degree);
    if (error <= tolerance && error >= 0.8 * tolerance)
      break;
    r = std::min(radius, r * std::pow(0.9 * tolerance / error, 1 / power));
  }
  r = twoDigits(r, false);
  return errorAt(p, r, degree) <= tolerance ? r : 0.0;
}

/// The largest degree whose features fit.
unsigned largestDegree(int64_t d) {
  unsigned degree = 0;
  while (degree < kMaxDegree && Monomials(d, degree + 1).size() <= kMaxFeatures)
    ++degree;
  return degree;
}

/// "; a radius of at most 0.31 or a tolerance of at least 0.05 would do".
std::string advice(const Problem &p, std::optional<unsigned> needed) {
  std::vector<std::string> parts;
  if (needed) {
    int64_t d = p.d;
    while (d > 0 && Monomials(d, *needed).size() > kMaxFeatures)
      d = d > 4096 ? d / 2 : d - 1;
    if (p.position == Position::Rotary)
      d -= d % 2;
    if (d > 0)
      parts.push_back("d of at most " + format(d));
  }
  if (p.isExp() && p.tolerance) {
    double radius = *p.impliedRadius();
    unsigned degree = largestDegree(p.d);
    if (double r = largestRadius(p, radius, degree, *p.tolerance); r > 0.0)
      parts.push_back("a radius of at most " + format(r, 2));
    double error = twoDigits(errorAt(p, radius, degree), true);
    if (error < 1.0)
      parts.push_back("a tolerance of at least " + format(error, 2));
  }
  std::string text;
  for (const std::string &part : parts)
    text += (text.empty() ? "; " : " or ") + part;
  return text.empty() ? text : text + " would do";
}

/// The obstacle to the degree that the user asked for, if any.
std::string obstacleToDegree(const Problem &p,
                             const std::optional<Approximation> &fit) {
  std::string degree = "degree " + format(int64_t(*p.degree));
  std::string where = " on radius " + format(*p.impliedRadius());
  // p > 0 needs delta < 1; a gradient's error of 1 (degree 0) is still finite.
  if (!fit || !(fit->bounds.delta < 1.0))
    return degree + " has no fit with a relative error below 1" + where;
  double error = relevantError(*fit, p.needsGradient());
  if (!p.tolerance || error <= *p.tolerance)
    return "";
  std::optional<Approximation> better = smallestDegree(
      fit->radius, *p.tolerance, p.fit, p.needsGradient(), p.sigma, kMaxDegree);
  std::string would =
      better ? "degree " + format(int64_t(better->coefficients.size()) - 1)
             : "no degree up to " + format(kMaxDegree);
  return degree + " has error " + format(error, 3) + where +
         ", more than tolerance " + format(*p.tolerance) + "; " + would +
         " would do";
}

void chooseForExp(const Problem &p, PolynomialChoice &choice) {
  std::optional<double> radius = p.impliedRadius();
  if (!radius && !p.tolerance && !p.degree) {
    choice.obstacle = "no bound or radius, and no tolerance or degree is "
                      "given, so no polynomial can be proved";
    return;
  }
  if (!radius) {
    choice.obstacle =
        "no bound or radius is given, so no polynomial can be proved";
    return;
  }
  if (!p.tolerance && !p.degree) {
    choice.obstacle =
        "no tolerance or degree is given, so no polynomial can be chosen";
    return;
  }
  double widened = widenedRadius(*radius);
  std::optional<Approximation> fit =
      p.degree ? approximateExp(widened, *p.degree, p.fit, p.needsGradient(),
                                p.sigma)
               : smallestDegree(widened, *p.tolerance, p.fit, p.needsGradient(),
                                p.sigma, kMaxDegree);
  if (p.degree)
    choice.obstacle = obstacleToDegree(p, fit);
  else if (!fit)
    choice.obstacle = "no degree up to " + format(kMaxDegree) +
                      " meets tolerance " + format(*p.tolerance) +
                      " on radius " + format(*radius) + advice(p, {});
  if (fit)
    choice.degree = static_cast<unsigned>(fit->coefficients.size()) - 1;
  choice.approximation = std::move(fit);
}

} // namespace

PolynomialChoice choosePolynomial(const Problem &p) {
  PolynomialChoice choice;
  if (p.isExp())
    chooseForExp(p, choice);
  else
    choice.degree = static_cast<unsigned>(polynomialDegree(p.similarity));
  if (!choice.degree)
    return choice;
  choice.features = Monomials(p.d, *choice.degree).size();
  if (choice.obstacle.empty() && *choice.features > kMaxFeatures)
    choice.obstacle = "degree " + format(int64_t(*choice.degree)) +
                      " at d = " + format(p.d) +
                      " needs M = " + formatCount(*choice.features) +
                      " features, more than " + format(kMaxFeatures) +
                      advice(p, choice.degree);
  return choice;
}

PolynomialChoice dropFeatures(const Problem &p, const PolynomialChoice &all) {
  constexpr unsigned degrees = 2; // the second has more room for what is lost
  bool gradient = p.needsGradient();
  const std::optional<Approximation> &least = all.approximation;
  PolynomialChoice best = all;
  if (p.bounds.empty() || !p.tolerance || !least || *all.degree < 2 ||
      relevantError(*least, gradient) > *p.tolerance)
    return best;
  // What their mean adds to a gradient needs all monomials of p', too.
  if (gradient && centresQueries(p.centre))
    return best;
  CoordinateBounds bounds = coordinateBounds(p);
  auto most = std::min<unsigned>(*all.degree + degrees - 1, kMaxDegree);
  for (unsigned degree = *all.degree; degree <= most; ++degree) {
    // The gradient of X needs all monomials of p'.
    if ((p.degree && degree != *p.degree) ||
        (p.wants("X") && Monomials(p.d, degree - 1).size() > kMaxFeatures))
      break;
    std::optional<Approximation> fit =
        degree == *all.degree
            ? least
            : approximateExp(least->radius, degree, p.fit, gradient, p.sigma);
    std::optional<Truncation> found =
        fit ? dropMonomials(*fit, bounds, *p.tolerance, gradient)
            : std::nullopt;
    if (!found || found->size >= *best.features)
      continue;
    fit->bounds.delta += found->dropped.delta;
    fit->bounds.deltaPrime += found->dropped.deltaPrime;
    best = {std::move(fit), degree, found->size, "", std::move(found)};
  }
  return best;
}

} // namespace ropegrad
