//===- Planner.h - Which route, which degree -------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Chooses a route and a degree for a problem by a cost model and says why
// every other one was not chosen. No MLIR: the plan pass and `--plan` share it.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_PLANNER_H
#define ROPEGRAD_PASSES_PLANNER_H

#include "dialect/Problem.h"
#include "passes/Approximation.h"
#include "passes/CostModel.h"
#include "passes/Truncation.h"

#include <optional>
#include <string>
#include <vector>

namespace ropegrad {

/// A forced almost-linear route is admissible up to this many features.
constexpr int64_t kMaxFeatures = 65536;

struct Alternative {
  Route route = Route::Exact;
  std::optional<unsigned> degree;
  bool admissible = false;
  std::string reason; ///< why not, or what it costs; never empty
  std::optional<double> predictedMs;
  std::optional<int64_t> features; ///< where some monomials are left out
  ErrorBounds errors;              ///< then, with what is lost
};

/// What centring does to a sample: rows as they are, rows without their mean.
struct CentringGain {
  double radius = 0.0, centredRadius = 0.0; ///< as bounds of the sample imply
  std::optional<double> predictedMs; ///< none: no plan for keys as they are
  double centredMs = 0.0;
  Centre rows = Centre::Keys; ///< those whose centring is the fastest
};

struct Plan {
  Route route = Route::Exact;                 ///< never Auto
  std::optional<Approximation> approximation; ///< exp on an almost-linear route
  std::optional<unsigned> degree; ///< of p or of the polynomial similarity
  Fit fit = Fit::Minimax;
  std::optional<int64_t> features; ///< M
  /// Where `features` are some of the monomials only: which, and how many there
  /// are of that degree. The bounds of the approximation include what is lost.
  std::optional<Truncation> truncation;
  std::optional<int64_t> monomials;
  std::optional<double> radius; ///< widened: radius_limit
  Centre centre = Centre::None; ///< what is centred before logits are made
  /// Where centring was to be decided, what that was decided by.
  std::optional<CentringGain> centring;
  double flops = 0.0; ///< of one call, all heads
  double bytes = 0.0; ///< inputs, outputs and workspace, estimated
  double predictedMs = 0.0;
  std::vector<Alternative> alternatives; ///< all four routes, fixed order
};

/// Either a plan or one message in the project's style ("expected ..., but
/// got ...").
struct PlanResult {
  std::optional<Plan> plan;
  std::string error;
};

/// Plans `problem` (validated: see validate()). `threads` >= 1.
PlanResult makePlan(const Problem &problem, int64_t threads = 1,
                    const CostModel &model = CostModel::shipped());

/// The object that `--plan` prints and that K.json embeds, pretty-printed.
std::string planToJson(const Plan &plan);

} // namespace ropegrad

#endif // ROPEGRAD_PASSES_PLANNER_H
