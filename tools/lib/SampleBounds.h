//===- SampleBounds.h - Bounds of coordinates from a sample ----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// What --bounds-from measures.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_SAMPLEBOUNDS_H
#define ROPEGRAD_TOOLS_LIB_SAMPLEBOUNDS_H

#include "passes/Planner.h"

#include <string>
#include <vector>

namespace ropegrad {

/// A problem whose bounds come from a sample.
struct SampledProblem {
  Problem problem;
  /// Over heads, the largest max_i |q_i| max_j |k_j|, as a guard measures that
  /// knows of no coordinates; 0 without a sample.
  double normProduct = 0.0;
};

/// Sets the problem's bounds to the least that the arrays in `folder` keep:
/// Q.npy and K.npy of any (batch, heads, n, d) with this d, or A1, X1, A2 and
/// X2 of the loss. Under rotary position both coordinates of a pair get half of
/// the product of the largest norms. Coordinates that are zero get a tiny
/// bound. Where the problem centres rows, those of the sample lose their mean
/// first. Returns an error or "".
std::string measureBounds(const std::string &folder, SampledProblem &sampled);

/// The problem with keys, queries or both without their mean, wherever that is
/// possible and what is known of the logits comes from a sample alone. Bounds
/// are to be measured.
std::vector<SampledProblem> centredProblems(const Problem &problem);

/// The plan of `sampled` or, if it is faster by more than centring may cost, of
/// the fastest of `centred`, whose problem then replaces that of `sampled`;
/// with what centring does. Bounds grow where the kernel would refuse the
/// sample otherwise.
PlanResult planWithSample(SampledProblem &sampled,
                          std::vector<SampledProblem> &centred, int64_t threads,
                          const CostModel &model);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_SAMPLEBOUNDS_H
