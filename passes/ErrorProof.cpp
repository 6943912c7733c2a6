//===- ErrorProof.cpp - Proved errors of p and p' --------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Rigorous bounds of |q(z) e^-z - 1| over an interval by branch and bound with
// quadratic Taylor models. Rounding is covered by ball arithmetic (Ball.h).
//
//===----------------------------------------------------------------------===//

#include "passes/Approximation.h"
#include "passes/ApproximationFits.h"

#include <algorithm>
#include <limits>
#include <queue>

namespace ropegrad {
namespace {

/// The proved bound may exceed the largest error found by this factor.
constexpr double kTightness = 1.0 + 0x1p-9;
/// Past this many pieces the bound is returned as it stands: still proved,
/// less tight. Seen only where rounding swamps the error (radius above 30).
constexpr unsigned kMaxPieces = 4000;
constexpr double kMaxProofRadius = 700.0;

struct Piece {
  double low = 0.0, high = 0.0;
  double bound = 0.0; ///< >= |error| on [low, high]
  bool operator<(const Piece &other) const { return bound < other.bound; }
};

/// F(z) = q(z) e^-z - 1 for a polynomial q with exact coefficients.
class RelativeError {
public:
  explicit RelativeError(QuadPolynomial q) : q(std::move(q)) {}

  /// >= max |F| on [-radius, radius].
  double prove(double radius) {
    unsigned samples = 4 * (static_cast<unsigned>(q.size()) + 1);
    for (Quad t : chebyshevGrid(samples))
      raiseSeen(static_cast<double>(t) * radius);
    std::priority_queue<Piece> pieces;
    pieces.push(bounded(-radius, radius));
    for (unsigned count = 0; count < kMaxPieces; ++count) {
      Piece worst = pieces.top();
      double middle = worst.low + (worst.high - worst.low) / 2;
      if (worst.bound <= seen * kTightness || middle <= worst.low ||
          middle >= worst.high)
        break;
      pieces.pop();
      pieces.push(bounded(worst.low, middle));
      pieces.push(bounded(middle, worst.high));
    }
    return pieces.top().bound;
  }

private:
  /// Notes the error at z as a lower bound of the maximum.
  void raiseSeen(double z) {
    Ball value;
    for (size_t k = q.size(); k-- > 0;)
      value = value * Ball(z) + Ball(q[k]);
    seen = std::max(seen, (value * exponential(-z) - Ball(1)).lower());
  }

  /// Taylor coefficients of q at z, by repeated synthetic division.
  std::vector<Ball> shifted(double z) const {
    std::vector<Ball> a(q.begin(), q.end());
    for (size_t i = 0; i + 1 < a.size(); ++i)
      for (size_t k = a.size() - 1; k-- > i;)
        a[k] = a[k] + Ball(z) * a[k + 1];
    return a;
  }

  /// With C(t) = q(m + t) e^-m - e^t = sum c_k t^k one has F(m + t) =
  /// C(t) e^-t. Its terms below t^3 are bounded as the parabola they are, the
  /// others by e^r times sums of |c_k|: all c_k are as small as the error, so
  /// this remainder is third order relative to it.
  Piece bounded(double low, double high) {
    double m = low + (high - low) / 2;
    double r = Ball::up(std::max(high - m, m - low));
    std::vector<Ball> c = shifted(m);
    Ball decay = exponential(-m);
    size_t size = std::max<size_t>(c.size(), 3);
    c.resize(size);
    Ball inverseFactorial(1);
    for (size_t k = 0; k < size; ++k) {
      if (k > 0)
        inverseFactorial = inverseFactorial / static_cast<int>(k);
      c[k] = decay * c[k] - inverseFactorial;
    }
    seen = std::max(seen, c[0].lower());

    double growth = exponential(r).upper();
    double cube = r * r * r;
    // Terms of e^t past those in c: at most r^size / size! e^r.
    double tail = inverseFactorial.upper() / static_cast<double>(size) *
                  std::pow(r, static_cast<double>(size)) * growth;
    double rest = c[0].upper() * cube / 6 + c[1].upper() * cube / 2 +
                  c[2].upper() * cube + tail;
    double power = cube;
    for (size_t k = 3; k < size; ++k, power *= r)
      rest += c[k].upper() * power;

    Ball f1 = c[1] - c[0], f2 = c[2] - c[1] + c[0] / 2;
    double bound = parabola(c[0], f1, f2, r) + rest * growth;
    return {low, high, bound * (1.0 + 0x1p-40)};
  }

  /// >= |f0 + f1 t + f2 t^2| for |t| <= r, up to the slack that `bounded`
  /// adds: at both ends and, if it lies between, at the vertex. The 2^-40
  /// there also has to cover cancellation here, hence the last term.
  static double parabola(const Ball &f0, const Ball &f1, const Ball &f2,
                         double r) {
    double a = static_cast<double>(f0.mid), b = static_cast<double>(f1.mid),
           c = static_cast<double>(f2.mid);
    double best = std::max(std::fabs(a + b * r + c * r * r),
                           std::fabs(a - b * r + c * r * r));
    if (std::fabs(b) < 2 * std::fabs(c) * r)
      best = std::max(best, std::fabs(a - b * b / (4 * c)));
    double size = std::fabs(a) + std::fabs(b) * r + std::fabs(c) * r * r;
    return best + size * 0x1p-48 + f0.radius + f1.radius * r +
           f2.radius * r * r;
  }

  QuadPolynomial q;
  double seen = 0.0; ///< <= max |F|
};

} // namespace

ErrorBounds proveErrors(const std::vector<double> &coefficients,
                        double radius) {
  const double infinity = std::numeric_limits<double>::infinity();
  bool finite = radius >= 0.0 && radius <= kMaxProofRadius;
  QuadPolynomial p, derivative;
  for (size_t k = 0; k < coefficients.size(); ++k) {
    finite = finite && std::isfinite(coefficients[k]);
    p.push_back(coefficients[k]);
    // Exact: 53 bits times a small integer fit into 113.
    if (k > 0)
      derivative.push_back(Quad(coefficients[k]) * static_cast<int>(k));
  }
  if (!finite)
    return {infinity, infinity};
  return {RelativeError(p).prove(radius),
          RelativeError(derivative).prove(radius)};
}

} // namespace ropegrad
