//===- CostModel.h - What a route costs ------------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Flops, bytes and milliseconds of each route: the numbers `plan` compares.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_COSTMODEL_H
#define ROPEGRAD_PASSES_COSTMODEL_H

#include "dialect/Problem.h"

namespace ropegrad {

/// Sustained 10^9 flops a second of one thread, counting the flops that
/// exactFlops and featuresFlops count, whatever else a kernel has to do.
struct CostModel {
  double exactGFlops = 110.0;    ///< measured: 75 (d=8) to 135 (d=64)
  double featuresGFlops = 100.0; ///< measured: 92 to 125

  /// Per head 14 n^2 d with gradients and 4 n^2 d without, n^2 being the pairs
  /// that the mask leaves; plus the projections of the loss entry and, for
  /// the gradient of X, 2 n^2 c + 2 n c^2 for each entry of the support.
  static double exactFlops(const Problem &problem);

  /// Per head 12 n M (d+1) with gradients and 4 n M (d+1) without; plus the
  /// projections and, for the gradient of X, 6 n M' c (d+1) for each entry of
  /// the support (M' features of degree < g).
  static double featuresFlops(const Problem &problem, unsigned degree);

  /// Inputs, outputs and the tall arrays between them (eight n x d a head).
  static double exactBytes(const Problem &problem);
  /// The same, and G and dG (M x (d+1) each) a head.
  static double featuresBytes(const Problem &problem, unsigned degree);

  double milliseconds(Route route, double flops, int64_t threads) const;
};

} // namespace ropegrad

#endif // ROPEGRAD_PASSES_COSTMODEL_H
