//===- Truncation.h - Monomials too small to matter ------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Where the coordinates of queries and keys have bounds of very different size,
// most monomials of p(scale q.k) are far below the tolerance. Chooses those
// that are kept and bounds what is lost (docs/contract.md).
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_TRUNCATION_H
#define ROPEGRAD_PASSES_TRUNCATION_H

#include "dialect/KeptMonomials.h"
#include "passes/Approximation.h"

#include <optional>
#include <vector>

namespace ropegrad {

/// What the guard of a kernel makes sure of: for each run of order.size() /
/// limits.size() coordinates G of `order`,
/// abs(scale) max_i |q_i[G]| max_j |k_j[G]| <= limit.
struct CoordinateBounds {
  std::vector<int64_t> order; ///< of coordinates, largest limits first
  std::vector<double> limits; ///< widened: see widenedRadius
  /// Of each coordinate of `order`, r_v, such that any monomial is as large at
  /// r as where the guard lets it be: a pair shares its limit.
  std::vector<double> radii() const;
  /// sum of limits >= |z|.
  double radius() const;
};

/// Those of a problem with bounds; coordinates that rotary position mixes go
/// together.
CoordinateBounds coordinateBounds(const Problem &problem);

struct Truncation {
  KeptMonomials kept;
  std::vector<double> limits; ///< see CoordinateBounds
  int64_t size = 0;           ///< number of monomials kept
  int64_t stored = 0;         ///< of them of degree < g
  /// Bounds of |T| / e^z and, over all coordinates a, |dT/dt_a| / e^z, with T
  /// the sum of what p(sum_a t_a) loses and t_a = scale q_a k_a.
  ErrorBounds dropped;
};

/// What is lost by keeping some of the monomials of sum_k p_k z^k, on the
/// interval of the logits that `limit` and the bounds leave. Nothing where too
/// many are kept.
std::optional<Truncation> truncate(const std::vector<double> &polynomial,
                                   const CoordinateBounds &bounds, double limit,
                                   KeptMonomials kept);

/// The smallest set of monomials, of those that one threshold tells apart, with
/// errors of p and of what is lost within `tolerance` together. Nothing where
/// none of at most kMostKept has.
std::optional<Truncation> dropMonomials(const Approximation &p,
                                        const CoordinateBounds &bounds,
                                        double tolerance, bool gradient);

} // namespace ropegrad

#endif // ROPEGRAD_PASSES_TRUNCATION_H
