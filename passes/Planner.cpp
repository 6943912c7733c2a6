//===- Planner.cpp - Which route, which degree -----------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Judges the four routes one by one, then takes the forced or cheapest one.
//
//===----------------------------------------------------------------------===//

#include "passes/Planner.h"
#include "dialect/Format.h"
#include "passes/Monomials.h"
#include "passes/PlanFourier.h"
#include "passes/PlanScan.h"
#include "passes/Polynomial.h"

#include <algorithm>

namespace ropegrad {
namespace {

bool hasAlibi(const Problem &p) {
  return std::any_of(p.alibi.begin(), p.alibi.end(),
                     [](double slope) { return slope != 0.0; });
}

/// What keeps weights from being a function of a dot product alone, with the
/// route that would handle it.
std::vector<std::string> obstaclesToFeatures(const Problem &p) {
  std::vector<std::string> obstacles;
  auto needs = [&](const std::string &what, Route route) {
    obstacles.push_back(what + " needs route " + toString(route));
  };
  if (p.position == Position::General)
    needs("position general", Route::FFT);
  if (p.learnedBias)
    needs("a learned bias", Route::FFT);
  if (p.mask != Mask::None)
    needs(std::string("mask ") + toString(p.mask), Route::Scan);
  else if (hasAlibi(p))
    needs("alibi", Route::Scan);
  return obstacles;
}

std::string join(const std::vector<std::string> &parts) {
  std::string text;
  for (const std::string &part : parts)
    text += (text.empty() ? "" : "; ") + part;
  return text;
}

Alternative judgeExact(const Problem &p, const CostModel &model,
                       int64_t threads) {
  Alternative result;
  double flops = CostModel::exactFlops(p);
  result.admissible = true;
  result.predictedMs = model.milliseconds(p, Route::Exact, flops, threads);
  result.reason = "every pair of rows: " + format(flops, 3) + " flops";
  return result;
}

Alternative judgeFeatures(const Problem &p, const PolynomialChoice &polynomial,
                          const CostModel &model, int64_t threads) {
  Alternative result;
  result.route = Route::Features;
  result.degree = polynomial.degree;
  std::vector<std::string> obstacles = obstaclesToFeatures(p);
  if (!polynomial.obstacle.empty())
    obstacles.push_back(polynomial.obstacle);
  result.admissible = obstacles.empty();
  if (!result.admissible) {
    result.reason = join(obstacles);
    return result;
  }
  double flops =
      CostModel::featuresFlops(p, *polynomial.degree, polynomial.features);
  std::optional<int64_t> stored;
  std::string all;
  if (const auto &some = polynomial.truncation) {
    stored = some->stored;
    result.features = polynomial.features;
    result.errors = polynomial.approximation->bounds;
    all = " of " +
          format(static_cast<double>(Monomials(p.d, *polynomial.degree).size()),
                 10);
  }
  result.predictedMs = model.milliseconds(p, Route::Features, flops, threads,
                                          polynomial.degree, stored);
  result.reason = "M = " + format(*polynomial.features) + all +
                  " features a row: " + format(flops, 3) + " flops";
  if (!all.empty())
    result.reason += "; the bounds of coordinates leave the others too small "
                     "to matter";
  return result;
}

Alternative judgeScan(const Problem &p, const PolynomialChoice &polynomial,
                      const CostModel &model, int64_t threads) {
  Alternative result;
  result.route = Route::Scan;
  result.degree = polynomial.degree;
  std::vector<std::string> obstacles = obstaclesToScan(p);
  if (!polynomial.obstacle.empty())
    obstacles.push_back(polynomial.obstacle);
  result.admissible = obstacles.empty();
  if (!result.admissible) {
    result.reason = join(obstacles);
    return result;
  }
  unsigned degree = *polynomial.degree;
  ScanCost cost = scanCost(p, degree);
  result.predictedMs = scanMilliseconds(p, degree, model, threads);
  result.reason =
      cost.states > 0
          ? "M = " + format(*polynomial.features) + " features a row and " +
                format(cost.states, 3) +
                " in states: " + format(cost.flops(), 3) + " flops"
          : "every pair of rows, as a polynomial: " + format(cost.flops(), 3) +
                " flops";
  return result;
}

void adopt(Plan &plan, const Problem &p, PolynomialChoice polynomial,
           const Alternative &chosen) {
  plan.route = chosen.route;
  plan.fit = p.fit;
  plan.predictedMs = *chosen.predictedMs;
  if (chosen.route == Route::Exact) {
    plan.flops = CostModel::exactFlops(p);
    plan.bytes = CostModel::exactBytes(p);
    return;
  }
  plan.degree = polynomial.degree;
  plan.features = polynomial.features;
  switch (chosen.route) {
  case Route::Scan:
    plan.flops = scanCost(p, *polynomial.degree).flops();
    plan.bytes = scanBytes(p, *polynomial.degree);
    break;
  case Route::FFT:
    plan.flops = fourierFlops(p, *polynomial.degree);
    plan.bytes = fourierBytes(p, *polynomial.degree);
    break;
  default:
    plan.flops =
        CostModel::featuresFlops(p, *polynomial.degree, polynomial.features);
    plan.bytes =
        CostModel::featuresBytes(p, *polynomial.degree, polynomial.features);
    if (polynomial.truncation)
      plan.monomials = Monomials(p.d, *polynomial.degree).size();
    plan.truncation = std::move(polynomial.truncation);
  }
  if (polynomial.approximation) {
    plan.radius = polynomial.approximation->radius;
    if (p.centre != Centre::Auto)
      plan.centre = p.centre;
  }
  plan.approximation = std::move(polynomial.approximation);
}

} // namespace

PlanResult makePlan(const Problem &problem, int64_t threads,
                    const CostModel &model) {
  threads = std::max<int64_t>(threads, 1);
  PolynomialChoice polynomial = choosePolynomial(problem);
  PolynomialChoice some = dropFeatures(problem, polynomial);
  PlanResult result;
  Plan &plan = result.plan.emplace();
  plan.alternatives = {judgeExact(problem, model, threads),
                       judgeFeatures(problem, some, model, threads),
                       judgeScan(problem, polynomial, model, threads),
                       judgeFourier(problem, polynomial, model, threads)};
  const Alternative *chosen = nullptr;
  for (const Alternative &each : plan.alternatives) {
    if (problem.route == each.route && !each.admissible)
      return {std::nullopt,
              std::string("expected an admissible route, but got ") +
                  toString(each.route) + ": " + each.reason};
    bool eligible = problem.route == each.route ||
                    (problem.route == Route::Auto && each.admissible);
    if (eligible && (!chosen || each.predictedMs < chosen->predictedMs))
      chosen = &each;
  }
  adopt(plan, problem,
        std::move(chosen->route == Route::Features ? some : polynomial),
        *chosen);
  return result;
}

} // namespace ropegrad
