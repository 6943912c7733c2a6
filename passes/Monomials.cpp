//===- Monomials.cpp - The monomial features of a polynomial ---*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Counts, order and weights of the monomials (see Monomials.h for the order).
//
//===----------------------------------------------------------------------===//

#include "passes/Monomials.h"

#include <algorithm>
#include <limits>

namespace ropegrad {

__extension__ typedef unsigned __int128 Wide;

int64_t binomial(int64_t n, int64_t k) {
  constexpr int64_t limit = std::numeric_limits<int64_t>::max();
  if (k == 0)
    return 1;
  if (k < 0 || n < k)
    return 0;
  k = std::min(k, n - k);
  // C(n-k+i, i) grows with i, so one partial result too large is the end; it
  // at least doubles while i <= n-k, so that end is never far.
  int64_t result = 1;
  for (int64_t i = 1; i <= k; ++i) {
    Wide next = static_cast<Wide>(result) * static_cast<Wide>(n - k + i) /
                static_cast<Wide>(i);
    if (next > static_cast<Wide>(limit))
      return limit;
    result = static_cast<int64_t>(next);
  }
  return result;
}

int64_t Monomials::prefix(unsigned k, int64_t m) {
  return binomial(m + k - 1, k);
}

std::vector<std::vector<unsigned>> Monomials::exponents() const {
  std::vector<std::vector<unsigned>> result(1,
                                            std::vector<unsigned>(variables));
  for (unsigned k = 1; k <= degree; ++k)
    for (int64_t v = 0; v < variables; ++v)
      for (int64_t i = 0; i < prefix(k - 1, v + 1); ++i) {
        std::vector<unsigned> mu = result[offset(k - 1) + i];
        ++mu[v];
        result.push_back(mu);
      }
  return result;
}

std::vector<double> Monomials::weights(const std::vector<double> &coefficients,
                                       double scale) const {
  auto coefficient = [&](unsigned k) {
    return k < coefficients.size() ? coefficients[k] : 0.0;
  };
  std::vector<double> result{coefficient(0)};
  // Of the current degree: k!/mu!, and the exponent of the last variable.
  std::vector<double> multinomials{1.0};
  std::vector<unsigned> lastExponents{0};
  double power = 1.0;
  for (unsigned k = 1; k <= degree; ++k) {
    power *= scale;
    std::vector<double> nextMultinomials;
    std::vector<unsigned> nextExponents;
    for (int64_t v = 0; v < variables; ++v) {
      int64_t end = prefix(k - 1, v + 1);
      // Parents whose last variable is already v are the end of the prefix.
      int64_t sameVariable = k > 1 ? prefix(k - 1, v) : end;
      for (int64_t i = 0; i < end; ++i) {
        unsigned exponent = i < sameVariable ? 1 : lastExponents[i] + 1;
        nextMultinomials.push_back(multinomials[i] * k / exponent);
        nextExponents.push_back(exponent);
        result.push_back(coefficient(k) * power * nextMultinomials.back());
      }
    }
    multinomials.swap(nextMultinomials);
    lastExponents.swap(nextExponents);
  }
  return result;
}

} // namespace ropegrad
