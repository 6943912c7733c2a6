//===- Pairs.h - Monomials of queries by monomials of keys -----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// A polynomial of logits with a general W, as monomials of a query row times
// monomials of a key row with coefficients that depend on the distance alone:
//
//   p(scale sum_c q[a_c] W_t[c] k[b_c]) = sum_(mu,nu) q^mu T_(mu,nu)(t) k^nu
//   T_(mu,nu)(t) = sum_alpha c_alpha W_t^alpha
//
// over the exponents alpha of the entries of W whose sums by row are mu and by
// column nu. No MLIR.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_PAIRS_H
#define ROPEGRAD_PASSES_PAIRS_H

#include <cstdint>
#include <utility>
#include <vector>

namespace ropegrad {

/// For each monomial of degree <= `degree` in `variables` variables, in the
/// order of Monomials: `degree` factors, 0 for one and v + 1 for variable v.
std::vector<int64_t> monomialFactors(int64_t variables, unsigned degree);

/// The pairs of one polynomial and support. Distinct monomials of queries are
/// `left`, those of keys `right`: numbers in the order of Monomials(d, degree),
/// ascending, as are the pairs by (left, right).
struct Pairs {
  struct Pair {
    int64_t left, right; ///< positions in `left` and `right`
    int64_t first, last; ///< its exponents: [first, last) of `exponents`
  };
  std::vector<int64_t> left, right;
  std::vector<Pair> pairs;
  /// Numbers in the order of Monomials(support, degree), pair by pair, and
  /// c_alpha = p_|alpha| scale^|alpha| |alpha|! / alpha! of each.
  std::vector<int64_t> exponents;
  std::vector<double> weights;

  /// `support` holds the (row, column) of each entry of W. Exponents that p has
  /// no coefficient for are left out; the constant one never is.
  Pairs(int64_t d, const std::vector<std::pair<int64_t, int64_t>> &support,
        const std::vector<double> &coefficients, double scale);
};

} // namespace ropegrad

#endif // ROPEGRAD_PASSES_PAIRS_H
