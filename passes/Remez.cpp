//===- Remez.cpp - Minimax fits of exp -------------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Remez exchange for the relative error of p, and for p and p' together.
//
//===----------------------------------------------------------------------===//

#include "passes/ApproximationFits.h"

#include <algorithm>
#include <utility>

namespace ropegrad {
namespace {

/// Grid points per point of the reference; with the parabola through each
/// peak the level is found to about 1e-5 of itself.
constexpr unsigned kGridDensity = 12;
constexpr unsigned kMaxExchanges = 30;
/// Stop once the largest error exceeds the optimal one by no more than this.
constexpr double kLevelSlack = 1e-4;

struct Extremum {
  Quad t = 0;     ///< where, in units of the radius
  Quad value = 0; ///< the error there
};

/// Solves the square system in place by elimination with row pivots; `rows`
/// carry the right-hand side in their last column. False if singular.
bool solve(std::vector<std::vector<Quad>> &rows) {
  size_t size = rows.size();
  for (size_t k = 0; k < size; ++k) {
    size_t pivot = k;
    for (size_t i = k + 1; i < size; ++i)
      if (magnitude(rows[i][k]) > magnitude(rows[pivot][k]))
        pivot = i;
    if (rows[pivot][k] == 0)
      return false;
    std::swap(rows[k], rows[pivot]);
    for (size_t i = k + 1; i < size; ++i) {
      Quad factor = rows[i][k] / rows[k][k];
      for (size_t j = k + 1; j <= size; ++j)
        rows[i][j] -= factor * rows[k][j];
    }
  }
  for (size_t k = size; k-- > 0;) {
    for (size_t j = k + 1; j < size; ++j)
      rows[k][size] -= rows[k][j] * rows[j][size];
    rows[k][size] /= rows[k][k];
  }
  return true;
}

class Remez {
public:
  Remez(Quad radius, unsigned degree)
      : radius(radius), degree(degree),
        grid(chebyshevGrid(kGridDensity * (degree + 2))) {
    for (Quad t : grid)
      points.emplace_back(radius * t, degree);
  }

  /// The correction of the Taylor polynomial, in Chebyshev coefficients; empty
  /// if no error <= giveUp is possible: by de la Vallee Poussin every levelled
  /// error is a lower bound of the optimal one.
  QuadPolynomial run(double giveUp) const {
    std::vector<Quad> reference = chebyshevGrid(degree + 1);
    QuadPolynomial best(degree + 1, Quad(0));
    Quad bestError = -1;
    for (unsigned round = 0; round < kMaxExchanges; ++round) {
      QuadPolynomial fit;
      Quad level = 0;
      if (!equalise(reference, fit, level))
        break;
      if (magnitude(level) > Quad(giveUp))
        return {};
      std::vector<Extremum> extrema = alternation(fit);
      Quad largest = 0;
      for (const Extremum &extremum : extrema)
        largest = std::max(largest, magnitude(extremum.value));
      if (bestError < 0 || largest < bestError) {
        bestError = largest;
        best = fit;
      }
      if (largest <= magnitude(level) * Quad(1.0 + kLevelSlack) ||
          extrema.size() != reference.size())
        break;
      for (size_t i = 0; i < reference.size(); ++i)
        reference[i] = extrema[i].t;
    }
    return best;
  }

private:
  /// Levels the error over the reference: decay r - remainder = +-level.
  bool equalise(const std::vector<Quad> &reference, QuadPolynomial &fit,
                Quad &level) const {
    size_t size = degree + 2;
    std::vector<std::vector<Quad>> rows;
    for (size_t i = 0; i < size; ++i) {
      FitPoint point(radius * reference[i], degree);
      std::vector<Quad> row;
      Quad previous = point.decay, current = point.decay * reference[i];
      for (size_t k = 0; k <= degree; ++k) {
        row.push_back(previous);
        Quad next = 2 * reference[i] * current - previous;
        previous = current;
        current = next;
      }
      row.push_back(i % 2 ? -1 : 1);
      row.push_back(point.remainder);
      rows.push_back(row);
    }
    if (!solve(rows))
      return false;
    for (size_t k = 0; k <= degree; ++k)
      fit.push_back(rows[k][size]);
    level = rows[degree + 1][size];
    return true;
  }

  /// The peak of the error near grid point i, by a parabola in the index
  /// (the grid is uniform in the angle, where the error is smoothest).
  Extremum peak(const std::vector<Quad> &errors, size_t i) const {
    if (i == 0 || i + 1 == grid.size())
      return {grid[i], errors[i]};
    Quad slope = (errors[i + 1] - errors[i - 1]) / 2;
    Quad curvature = errors[i + 1] - 2 * errors[i] + errors[i - 1];
    if (curvature * errors[i] >= 0)
      return {grid[i], errors[i]};
    Quad shift = std::clamp(-slope / curvature, Quad(-1), Quad(1));
    Quad t = grid[i] + shift * (grid[i + 1] - grid[i - 1]) / 2 +
             shift * shift * (grid[i + 1] - 2 * grid[i] + grid[i - 1]) / 2;
    return {std::clamp(t, Quad(-1), Quad(1)),
            errors[i] + shift * slope + shift * shift * curvature / 2};
  }

  /// The largest error of each run of equal sign, cut down to degree + 2
  /// neighbouring runs by leaving out the smaller end.
  std::vector<Extremum> alternation(const QuadPolynomial &fit) const {
    std::vector<Quad> errors;
    errors.reserve(grid.size());
    for (size_t i = 0; i < grid.size(); ++i)
      errors.push_back(points[i].decay * evaluateChebyshev(fit, grid[i]) -
                       points[i].remainder);
    std::vector<Extremum> result;
    for (size_t begin = 0, end; begin < grid.size(); begin = end) {
      size_t best = begin;
      for (end = begin;
           end < grid.size() && (errors[end] < 0) == (errors[begin] < 0); ++end)
        if (magnitude(errors[end]) > magnitude(errors[best]))
          best = end;
      result.push_back(peak(errors, best));
    }
    while (result.size() > degree + 2u) {
      if (magnitude(result.front().value) < magnitude(result.back().value))
        result.erase(result.begin());
      else
        result.pop_back();
    }
    return result;
  }

  Quad radius;
  unsigned degree;
  std::vector<Quad> grid;
  std::vector<FitPoint> points;
};

/// The shift c of p that minimises max |f + c e^-z|, f the relative error of
/// p: a convex function of c, searched by thirds. Long double is enough, for
/// f and the optimal c e^-z are of one size.
Quad bestShift(const QuadPolynomial &p, Quad radius) {
  unsigned degree = static_cast<unsigned>(p.size()) - 1;
  QuadPolynomial correction = taylor(degree);
  for (size_t k = 0; k < p.size(); ++k)
    correction[k] = p[k] - correction[k];
  std::vector<std::pair<long double, long double>> samples; // f, e^-z
  long double largest = 0;
  for (Quad t : chebyshevGrid(kGridDensity * (degree + 2))) {
    FitPoint point(radius * t, degree);
    Quad value = 0;
    for (size_t k = correction.size(); k-- > 0;)
      value = value * point.z + correction[k];
    samples.emplace_back(point.decay * value - point.remainder, point.decay);
    largest = std::max(largest, std::fabs(samples.back().first));
  }
  auto worst = [&](long double shift) {
    long double result = 0;
    for (auto [error, decay] : samples)
      result = std::max(result, std::fabs(error + shift * decay));
    return result;
  };
  // At z = -radius a larger shift would already double the error.
  long double high = 2 * largest / samples.back().second, low = -high;
  for (int step = 0; step < 100; ++step) {
    long double third = (high - low) / 3;
    if (worst(low + third) <= worst(high - third))
      high -= third;
    else
      low += third;
  }
  return (low + high) / 2;
}

} // namespace

QuadPolynomial fitMinimax(Quad radius, unsigned degree, double giveUp) {
  QuadPolynomial correction = Remez(radius, degree).run(giveUp);
  if (correction.empty())
    return {};
  return add(chebyshevToPowers(correction, radius), taylor(degree));
}

/// max(delta, delta') >= delta' >= e, the minimax error of degree g - 1, which
/// only the minimax polynomial q of degree g - 1 attains. And e is attained by
/// p(z) = e^-R + (integral of q from -R to z), because
///   |p - e^z| <= integral of |q - e^s| <= e (e^z - e^-R) < e e^z.
/// So p' = q is the optimum, and only the constant of p is left to choose.
QuadPolynomial fitMinimaxJointly(Quad radius, unsigned degree, double giveUp) {
  QuadPolynomial p{1};
  if (degree > 0) {
    QuadPolynomial derivative = fitMinimax(radius, degree - 1, giveUp);
    if (derivative.empty())
      return {};
    for (unsigned k = 1; k <= degree; ++k)
      p.push_back(derivative[k - 1] / static_cast<int>(k));
  }
  p[0] += bestShift(p, radius);
  return p;
}

} // namespace ropegrad
