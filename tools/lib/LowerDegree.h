//===- LowerDegree.h - A second polynomial for smaller logits --*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// What a kernel of route auto computes with where a call's logits are far below
// the radius that it was planned for.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_LOWERDEGREE_H
#define ROPEGRAD_TOOLS_LIB_LOWERDEGREE_H

#include "passes/Planner.h"

namespace ropegrad {

/// A problem and its plan.
struct PlannedProblem {
  Problem problem;
  Plan plan;
};

/// `problem` on the route of its `plan`, with the largest radius at which a
/// lower degree meets the tolerance. Nothing where that radius is less than an
/// eighth of the planned one, where the call would not be half as fast again,
/// or where the degree was asked for.
std::optional<PlannedProblem> planLowerDegree(const Problem &problem,
                                              const Plan &plan, int64_t threads,
                                              const CostModel &model);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_LOWERDEGREE_H
