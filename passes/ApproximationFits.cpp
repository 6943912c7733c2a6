//===- ApproximationFits.cpp - What the fits share -------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Chebyshev series and the remainder of the exponential series in binary128.
//
//===----------------------------------------------------------------------===//

#include "passes/ApproximationFits.h"

namespace ropegrad {

FitPoint::FitPoint(Quad z, unsigned degree)
    : z(z), decay(exponential(-z).mid),
      remainder(taylorRemainder(z, decay, degree)) {}

Quad taylorRemainder(Quad z, Quad decay, unsigned degree) {
  Quad term = 1;
  for (unsigned k = 1; k <= degree + 1; ++k)
    term *= z / k;
  Quad sum = term;
  for (unsigned k = degree + 2; k < 400; ++k) {
    term *= z / k;
    sum += term;
    if (magnitude(term) <= magnitude(sum) * Quad(0x1p-116) &&
        Quad(k) > magnitude(z))
      break;
  }
  return decay * sum;
}

Quad evaluateChebyshev(const QuadPolynomial &a, Quad t) {
  Quad b1 = 0, b2 = 0;
  for (size_t k = a.size(); k-- > 1;) {
    Quad b = 2 * t * b1 - b2 + a[k];
    b2 = b1;
    b1 = b;
  }
  return a.empty() ? Quad(0) : t * b1 - b2 + a[0];
}

QuadPolynomial chebyshevToPowers(const QuadPolynomial &a, Quad radius) {
  size_t size = a.size();
  QuadPolynomial result(size, Quad(0)), previous(size, Quad(0)),
      current(size, Quad(0));
  for (size_t k = 0; k < size; ++k) {
    QuadPolynomial next(size, Quad(0));
    if (k == 0) {
      next[0] = 1;
    } else {
      // T_1 = t T_0, and T_k = 2 t T_{k-1} - T_{k-2} from there.
      Quad factor = k == 1 ? 1 : 2;
      for (size_t i = 0; i < size; ++i)
        next[i] = (i ? factor * current[i - 1] : Quad(0)) -
                  (k > 1 ? previous[i] : Quad(0));
    }
    previous = current;
    current = next;
    for (size_t i = 0; i <= k; ++i)
      result[i] += a[k] * current[i];
  }
  Quad power = 1;
  for (Quad &coefficient : result) {
    coefficient /= power;
    power *= radius;
  }
  return result;
}

QuadPolynomial taylor(unsigned degree) {
  QuadPolynomial result{1};
  for (unsigned k = 1; k <= degree; ++k)
    result.push_back(result.back() / static_cast<int>(k));
  return result;
}

QuadPolynomial add(QuadPolynomial a, const QuadPolynomial &b) {
  for (size_t k = 0; k < a.size(); ++k)
    a[k] += b[k];
  return a;
}

std::vector<Quad> chebyshevGrid(unsigned count) {
  const long double pi = 3.141592653589793238462643383279502884L;
  std::vector<Quad> grid;
  for (unsigned i = 0; i <= count; ++i)
    grid.push_back(std::cos(pi * i / count));
  return grid;
}

} // namespace ropegrad
