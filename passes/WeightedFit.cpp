//===- WeightedFit.cpp - Mean-square fit of exp ----------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Least squares of the relative error under a normal density of logits.
//
//===----------------------------------------------------------------------===//

#include "passes/ApproximationFits.h"

#include <algorithm>

namespace ropegrad {
namespace {

constexpr unsigned kNodes = 128;
/// Beyond this many deviations the density is below 1e-21 of its peak.
constexpr double kCutoff = 10.0;

/// Weight of Fejer's first rule at the node cos(angle), exact for polynomials
/// of degree < kNodes on [-1, 1].
long double fejerWeight(long double angle) {
  long double sum = 0;
  for (unsigned k = 1; k <= kNodes / 2; ++k)
    sum += std::cos(2 * k * angle) / (4.0L * k * k - 1);
  return 2 * (1 - 2 * sum) / kNodes;
}

/// An overdetermined system, row by row; the right-hand side comes last.
using Rows = std::vector<std::vector<Quad>>;

/// Least squares by Householder reflections, which square no condition.
QuadPolynomial leastSquares(Rows rows, size_t unknowns) {
  for (size_t k = 0; k < unknowns; ++k) {
    Quad square = 0;
    for (size_t i = k; i < rows.size(); ++i)
      square += rows[i][k] * rows[i][k];
    // A square root in long double, then one Newton step to binary128.
    Quad norm = std::sqrt(static_cast<long double>(square));
    if (norm == 0)
      continue;
    norm = (norm + square / norm) / 2;
    if (rows[k][k] > 0)
      norm = -norm;
    Quad head = rows[k][k] - norm;
    // The reflector is (head, rows[k+1..][k]); half its square is -norm head.
    for (size_t j = k + 1; j <= unknowns; ++j) {
      Quad product = head * rows[k][j];
      for (size_t i = k + 1; i < rows.size(); ++i)
        product += rows[i][k] * rows[i][j];
      Quad factor = product / (norm * head);
      rows[k][j] += factor * head;
      for (size_t i = k + 1; i < rows.size(); ++i)
        rows[i][j] += factor * rows[i][k];
    }
    rows[k][k] = norm;
  }
  QuadPolynomial solution(unknowns, Quad(0));
  for (size_t k = unknowns; k-- > 0;) {
    Quad value = rows[k][unknowns];
    for (size_t j = k + 1; j < unknowns; ++j)
      value -= rows[k][j] * solution[j];
    solution[k] = rows[k][k] == 0 ? Quad(0) : value / rows[k][k];
  }
  return solution;
}

/// T_k(t), or T_k'(t) = k U_{k-1}(t), for k = 0 ... degree.
std::vector<Quad> chebyshevRow(Quad t, unsigned degree, bool derivative) {
  Quad previous = derivative ? 0 : 1, current = derivative ? Quad(1) : t;
  std::vector<Quad> row;
  for (unsigned k = 0; k <= degree; ++k) {
    row.push_back(derivative ? previous * Quad(k) : previous);
    Quad next = 2 * t * current - previous;
    previous = current;
    current = next;
  }
  return row;
}

} // namespace

QuadPolynomial fitWeighted(Quad radius, unsigned degree, bool gradient,
                           double sigma) {
  const long double pi = 3.141592653589793238462643383279502884L;
  Quad reach = std::min(radius, Quad(kCutoff * sigma));
  Rows rows;
  for (unsigned i = 0; i < kNodes; ++i) {
    long double angle = (i + 0.5L) * pi / kNodes;
    Quad t = std::cos(angle);
    FitPoint point(reach * t, degree);
    long double deviations = static_cast<long double>(point.z) / sigma;
    Quad weight =
        std::sqrt(fejerWeight(angle)) * std::exp(-deviations * deviations / 4);
    auto addRow = [&](Quad scale, bool derivative, Quad remainder) {
      std::vector<Quad> row = chebyshevRow(t, degree, derivative);
      for (Quad &entry : row)
        entry *= weight * scale;
      row.push_back(weight * remainder);
      rows.push_back(row);
    };
    addRow(point.decay, false, point.remainder);
    // p' = Taylor_{degree-1} + r', and d/dz = (d/dt) / reach. The derivative
    // of a constant has nothing to fit.
    if (gradient && degree > 0)
      addRow(point.decay / reach, true,
             taylorRemainder(point.z, point.decay, degree - 1));
  }
  return add(chebyshevToPowers(leastSquares(rows, degree + 1), reach),
             taylor(degree));
}

} // namespace ropegrad
