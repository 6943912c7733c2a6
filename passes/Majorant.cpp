//===- Majorant.cpp - What a certificate compares exp with -----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// A linear programme on a few points proposes a majorant, branch and bound with
// Taylor models in ball arithmetic lifts it until it is one.
//
//===----------------------------------------------------------------------===//

#include "passes/Majorant.h"
#include "passes/ApproximationFits.h"

#include <algorithm>
#include <array>
#include <limits>
#include <queue>

namespace ropegrad {
namespace {

/// Past this many pieces the bound is returned as it stands: still proved.
constexpr unsigned kMaxPieces = 4000;
/// Intervals of the grid on which a majorant is proposed.
constexpr unsigned kGrid = 32;
/// A proof may lift a majorant by this share of its mean.
constexpr double kProofSlack = 0x1p-6;
/// p >= e^z / 4 > 0.
constexpr double kMostDelta = 0.75;

/// F(z) = sign (q(z) - e^z) - shape(z).
class Excess {
public:
  Excess(const std::vector<double> &q, const std::vector<double> &shape,
         int sign)
      : sign(sign) {
    polynomial.resize(std::max(q.size(), shape.size()));
    for (size_t k = 0; k < q.size(); ++k)
      polynomial[k] = Quad(q[k]) * sign;
    // Exact or rounded to 113 bits: the balls below start from these numbers,
    // and 2^-113 of a coefficient is far below `slack`.
    for (size_t k = 0; k < shape.size(); ++k)
      polynomial[k] = polynomial[k] - Quad(shape[k]);
  }

  /// >= max F on [-radius, radius], within `slack` of it where kMaxPieces do.
  double prove(double radius, double slack) {
    std::priority_queue<Piece> pieces;
    pieces.push(bounded(-radius, radius));
    for (unsigned count = 0; count < kMaxPieces; ++count) {
      Piece worst = pieces.top();
      double middle = worst.low + (worst.high - worst.low) / 2;
      if (worst.bound <= seen + slack || middle <= worst.low ||
          middle >= worst.high)
        break;
      pieces.pop();
      pieces.push(bounded(worst.low, middle));
      pieces.push(bounded(middle, worst.high));
    }
    return pieces.top().bound;
  }

private:
  struct Piece {
    double low = 0.0, high = 0.0;
    double bound = 0.0; ///< >= F on [low, high]
    bool operator<(const Piece &other) const { return bound < other.bound; }
  };

  static double upper(const Ball &x) {
    double mid = static_cast<double>(x.mid);
    return mid + std::fabs(mid) * 0x1p-50 + Ball::up(x.radius);
  }

  /// With t = z - m: F = sum c_k t^k. Up to t^2 this is a parabola, bounded at
  /// its vertex or its ends; the rest by sums of |c_k| r^k.
  Piece bounded(double low, double high) {
    double m = low + (high - low) / 2;
    double r = Ball::up(std::max(high - m, m - low));
    std::vector<Ball> c(polynomial.begin(), polynomial.end());
    for (size_t i = 0; i + 1 < c.size(); ++i)
      for (size_t k = c.size() - 1; k-- > i;)
        c[k] = c[k] + Ball(m) * c[k + 1];
    // Terms of e^z past these are below every coefficient that matters.
    size_t size = std::max<size_t>(c.size(), 3) + 3;
    c.resize(size);
    Ball term = exponential(m);
    for (size_t k = 0; k < size; ++k) {
      if (k > 0)
        term = term / static_cast<int>(k);
      c[k] = sign > 0 ? c[k] - term : c[k] + term;
    }
    seen = std::max(seen, -upper(Ball(0) - c[0]));

    double rest = term.upper() / static_cast<double>(size) *
                  std::pow(r, static_cast<double>(size)) *
                  exponential(r).upper();
    double power = r * r * r;
    for (size_t k = 3; k < size; ++k, power *= r)
      rest += c[k].upper() * power;
    double bound = upper(c[0]) + parabola(c[1].upper(), upper(c[2]), r) + rest;
    return {low, high, bound + (std::fabs(bound) + rest) * 0x1p-40};
  }

  /// >= b t + c t^2 for |t| <= r, where |b| and c are upper bounds.
  static double parabola(double b, double c, double r) {
    if (c < 0 && b < -2 * c * r)
      return b * b / (-4 * c);
    return b * r + c * r * r;
  }

  int sign;
  QuadPolynomial polynomial;
  double seen = 0.0; ///< <= max(0, max F)
};

/// |q(z) - e^z|, to a few digits.
double errorAt(const std::vector<double> &q, double z) {
  Quad value = 0;
  for (size_t k = q.size(); k-- > 0;)
    value = value * z + q[k];
  return static_cast<double>(magnitude(value - exponential(z).mid));
}

using Triple = std::array<double, 3>;

/// The x >= 0 with the smallest <cost, x> such that <rows[i], x> >= wanted[i].
/// Its three tight constraints are found by trying all triples.
class SmallProgramme {
public:
  SmallProgramme(std::vector<Triple> rows, std::vector<double> wanted,
                 const Triple &cost)
      : rows(std::move(rows)), wanted(std::move(wanted)), cost(cost) {
    for (size_t i = 0; i < 3; ++i) {
      Triple axis{};
      axis[i] = 1.0;
      this->rows.push_back(axis);
      this->wanted.push_back(0.0);
    }
  }

  Triple solve() const {
    Triple best{*std::max_element(wanted.begin(), wanted.end()), 0.0, 0.0};
    double least = cost[0] * best[0];
    for (size_t i = 0; i < rows.size(); ++i)
      for (size_t j = 0; j < i; ++j)
        for (size_t k = 0; k < j; ++k) {
          Triple x{};
          if (!meet(i, j, k, x) || !holds(x))
            continue;
          double value = cost[0] * x[0] + cost[1] * x[1] + cost[2] * x[2];
          if (value < least) {
            least = value;
            best = x;
          }
        }
    return best;
  }

private:
  static double determinant(const Triple &a, const Triple &b, const Triple &c) {
    return a[0] * (b[1] * c[2] - b[2] * c[1]) -
           a[1] * (b[0] * c[2] - b[2] * c[0]) +
           a[2] * (b[0] * c[1] - b[1] * c[0]);
  }

  /// Where three constraints are tight, by Cramer's rule.
  bool meet(size_t i, size_t j, size_t k, Triple &x) const {
    Triple a = rows[i], b = rows[j], c = rows[k];
    double all = determinant(a, b, c);
    if (std::fabs(all) < 1e-12)
      return false;
    for (size_t column = 0; column < 3; ++column) {
      Triple p = a, q = b, r = c;
      p[column] = wanted[i];
      q[column] = wanted[j];
      r[column] = wanted[k];
      x[column] = std::max(determinant(p, q, r) / all, -1e-300);
    }
    return true;
  }

  /// Rounding may miss by a little: the proof makes up for it.
  bool holds(const Triple &x) const {
    constexpr double almost = 1.0 - 1e-9;
    for (size_t i = 0; i < rows.size(); ++i) {
      double value = rows[i][0] * x[0] + rows[i][1] * x[1] + rows[i][2] * x[2];
      if (value < wanted[i] * almost)
        return false;
    }
    return x[0] >= 0 && x[1] >= 0 && x[2] >= 0;
  }

  std::vector<Triple> rows;
  std::vector<double> wanted;
  Triple cost;
};

/// The mean of z^k for even k under the normal density of deviation sigma.
double moment(unsigned k, double sigma) {
  double value = 1.0;
  for (unsigned i = 1; i < k; i += 2)
    value *= i * sigma * sigma;
  return value;
}

std::vector<double> derivative(const std::vector<double> &p) {
  std::vector<double> result;
  for (size_t k = 1; k < p.size(); ++k)
    result.push_back(static_cast<double>(k) * p[k]);
  return result;
}

} // namespace

double proveExcess(const std::vector<double> &q,
                   const std::vector<double> &shape, double radius,
                   double slack) {
  double above = Excess(q, shape, 1).prove(radius, slack);
  double below = Excess(q, shape, -1).prove(radius, slack);
  return std::max({0.0, above, below});
}

Majorant majorantOf(const std::vector<double> &q, unsigned degree,
                    double radius, double sigma) {
  unsigned top = degree / 2 * 2;
  std::array<unsigned, 3> powers{0, top >= 4 ? top - 2 : 0, top};
  std::vector<Triple> rows;
  std::vector<double> wanted;
  Triple cost{};
  double largest = 0.0;
  for (unsigned i = 0; i <= kGrid; ++i) {
    double t = static_cast<double>(i) / kGrid, z = t * radius;
    Triple row{};
    for (size_t c = 0; c < 3; ++c)
      row[c] = std::pow(t, powers[c]);
    rows.push_back(row);
    wanted.push_back(std::max(errorAt(q, z), errorAt(q, -z)));
    largest = std::max(largest, wanted.back());
  }
  for (size_t c = 0; c < 3; ++c)
    cost[c] = moment(powers[c], sigma / radius);
  for (double &value : wanted)
    value = largest > 0 ? value / largest : 0.0;
  Triple x = SmallProgramme(rows, wanted, cost).solve();

  Majorant result;
  result.coefficients.assign(degree + 1, 0.0);
  for (size_t c = 0; c < 3; ++c) {
    result.coefficients[powers[c]] +=
        std::max(x[c], 0.0) * largest / std::pow(radius, powers[c]);
    result.mean += x[c] * largest * cost[c];
  }
  double excess =
      proveExcess(q, result.coefficients, radius, result.mean * kProofSlack);
  result.coefficients[0] = Ball::up(result.coefficients[0] + excess);
  result.mean += excess;
  return result;
}

std::optional<CertificatePolynomial> certificatePolynomial(double radius,
                                                           unsigned degree,
                                                           bool gradient,
                                                           int64_t d) {
  // Inner products of rows whose largest norms make the radius: their entries'
  // signs and their norms leave about this deviation.
  double sigma =
      std::min(radius / 2, radius / (1.5 * std::sqrt(static_cast<double>(d))));
  struct Candidate {
    Fit fit;
    std::optional<double> sigma;
  };
  std::optional<CertificatePolynomial> best;
  double least = std::numeric_limits<double>::infinity();
  for (const Candidate &candidate :
       {Candidate{Fit::Taylor, {}}, Candidate{Fit::Weighted, radius / 4},
        Candidate{Fit::Weighted, sigma}, Candidate{Fit::Minimax, {}}}) {
    auto fit = approximateExp(radius, degree, candidate.fit, gradient,
                              candidate.sigma);
    if (!fit || !(fit->bounds.delta < kMostDelta))
      continue;
    Majorant p = majorantOf(fit->coefficients, degree, radius, sigma), slope;
    if (gradient)
      slope = majorantOf(derivative(fit->coefficients), degree, radius, sigma);
    double mean = p.mean + slope.mean;
    if (!(mean < least))
      continue;
    least = mean;
    best = CertificatePolynomial{*fit, p.coefficients, slope.coefficients};
  }
  return best;
}

} // namespace ropegrad
