//===- Monomials.h - The monomial features of a polynomial -----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The M = C(d+g, g) monomials of degree <= g in d variables, in prefix-closed
// graded order: the degree-k block of variable v is x_v times the first
// `prefix(k-1, v+1)` monomials of the degree-(k-1) block. Those are exactly the
// distinct columns of the paper's row-wise Kronecker powers (Fact 3.9).
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_MONOMIALS_H
#define ROPEGRAD_PASSES_MONOMIALS_H

#include <cstdint>
#include <vector>

namespace ropegrad {

/// C(n, k), saturating at INT64_MAX.
int64_t binomial(int64_t n, int64_t k);

class Monomials {
public:
  Monomials(int64_t variables, unsigned degree)
      : variables(variables), degree(degree) {}

  /// M = C(d+g, g), saturating at INT64_MAX.
  int64_t size() const { return binomial(variables + degree, degree); }
  /// Monomials of degree exactly k in the first m variables: C(m+k-1, k).
  static int64_t prefix(unsigned k, int64_t m);
  /// Index of the first monomial of degree k.
  int64_t offset(unsigned k) const {
    return k ? binomial(variables + k - 1, k - 1) : 0;
  }

  /// Exponents of every monomial, in order (small sizes: tests, tables).
  std::vector<std::vector<unsigned>> exponents() const;
  /// c_mu = coefficients[|mu|] * scale^|mu| * |mu|! / mu!, so that
  /// p(scale q.k) = sum_mu c_mu phi_mu(q) phi_mu(k). O(M) time and memory.
  std::vector<double> weights(const std::vector<double> &coefficients,
                              double scale) const;

private:
  int64_t variables;
  unsigned degree;
};

} // namespace ropegrad

#endif // ROPEGRAD_PASSES_MONOMIALS_H
