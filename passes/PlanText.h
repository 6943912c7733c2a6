//===- PlanText.h - A plan for people --------------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// What `--explain` prints: every route with what it takes, and for each that
// was not chosen what would have it chosen. No MLIR.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_PLANTEXT_H
#define ROPEGRAD_PASSES_PLANTEXT_H

#include "passes/Planner.h"

namespace ropegrad {

/// `plan` of `problem`, made by makePlan() with the same threads and model, as
/// a table and sentences of at most 80 columns. What would make another route
/// admissible, or the fastest, is found by planning other problems: it holds of
/// whatever makePlan() knows.
std::string planToText(const Problem &problem, const Plan &plan,
                       int64_t threads, const CostModel &model);

} // namespace ropegrad

#endif // ROPEGRAD_PASSES_PLANTEXT_H
