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

/// Sets problem.bounds to the least that the arrays in `folder` keep: Q.npy and
/// K.npy of any (batch, heads, n, d) with this d, or A1, X1, A2 and X2 of the
/// loss. Under rotary position both coordinates of a pair get half of the
/// product of the largest norms. Coordinates that are zero get a tiny bound.
/// Where the problem centres rows, those of the sample lose their mean first.
/// Returns an error or "".
std::string measureBounds(const std::string &folder, Problem &problem);

/// The problem with keys, queries or both without their mean, wherever that is
/// possible and what is known of the logits comes from a sample alone. Bounds
/// are to be measured.
std::vector<Problem> centredProblems(const Problem &problem);

/// The plan of `problem` or, if it is faster by more than centring may cost, of
/// the fastest of `centred`, which then replaces it; with what centring does.
PlanResult planWithSample(Problem &problem, const std::vector<Problem> &centred,
                          int64_t threads, const CostModel &model);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_SAMPLEBOUNDS_H
