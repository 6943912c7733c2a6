//===- LowerDegree.cpp - A second polynomial for smaller logits -----------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/LowerDegree.h"

namespace ropegrad {
namespace {

constexpr double kLeastRadius = 1.0 / 8; ///< of the planned one
constexpr double kLeastGain = 1.5;       ///< in predicted time
constexpr int kBisections = 10;          ///< to 0.1 percent of the radius

} // namespace

std::optional<PlannedProblem> planLowerDegree(const Problem &problem,
                                              const Plan &plan, int64_t threads,
                                              const CostModel &model) {
  std::optional<double> radius = problem.impliedRadius();
  if (!plan.approximation || !plan.degree || problem.degree || !radius)
    return std::nullopt;
  std::optional<PlannedProblem> found;
  auto serves = [&](double share) {
    Problem lower = problem;
    lower.route = plan.route;
    lower.radius = share * *radius;
    for (double &bound : lower.bounds)
      bound *= share;
    PlanResult planned = makePlan(lower, threads, model);
    if (!planned.plan || !planned.plan->degree ||
        *planned.plan->degree >= *plan.degree)
      return false;
    found = {lower, *planned.plan};
    return true;
  };
  double least = kLeastRadius, most = 1;
  if (!serves(least))
    return std::nullopt;
  for (int i = 0; i < kBisections; ++i) {
    double middle = (least + most) / 2;
    (serves(middle) ? least : most) = middle;
  }
  if (found->plan.predictedMs * kLeastGain > plan.predictedMs)
    return std::nullopt;
  return found;
}

} // namespace ropegrad
