//===- PlannerTest.cpp - Routes, degrees and reasons -----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// What is chosen, what is refused, and what is said about it.
//
//===----------------------------------------------------------------------===//

#include "passes/Planner.h"

#include "llvm/Support/JSON.h"

#include <gtest/gtest.h>

#include <algorithm>

using namespace ropegrad;

namespace {

Problem problem(int64_t n, int64_t d, double radius, double tolerance) {
  Problem p;
  p.n = n;
  p.d = d;
  p.channels = d;
  p.scale = 1.0 / static_cast<double>(d);
  p.radius = radius;
  p.tolerance = tolerance;
  p.wrt = {"X1", "X2", "Y"};
  return p;
}

Problem forced(Problem p, Route route) {
  p.route = route;
  return p;
}

std::string errorOf(const Problem &p) {
  EXPECT_EQ(validate(p), "");
  PlanResult result = makePlan(p);
  EXPECT_FALSE(result.plan);
  return result.error;
}

Plan planOf(const Problem &p) {
  EXPECT_EQ(validate(p), "");
  PlanResult result = makePlan(p);
  EXPECT_TRUE(result.plan) << result.error;
  return result.plan.value_or(Plan());
}

std::string reasonAgainstFeatures(const Problem &p) {
  Plan plan = planOf(p);
  EXPECT_NE(plan.route, Route::Features);
  EXPECT_EQ(plan.alternatives.size(), 4u);
  EXPECT_EQ(plan.alternatives[1].route, Route::Features);
  EXPECT_FALSE(plan.alternatives[1].admissible);
  return plan.alternatives[1].reason;
}

bool contains(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}

TEST(Planner, PicksFeaturesWhereTheyAreCheaper) {
  Plan plan = planOf(problem(16384, 8, 0.5, 1e-3));
  EXPECT_EQ(plan.route, Route::Features);
  EXPECT_EQ(plan.degree, 4u); // joint optimum 3.2e-4
  EXPECT_EQ(plan.features, 495);
  EXPECT_DOUBLE_EQ(*plan.radius, 0.5 * (1 + 1.0 / 1024));
  ASSERT_TRUE(plan.approximation);
  EXPECT_LE(relevantError(*plan.approximation, true), 1e-3);
  double projections = 12.0 * 16384 * 8 * 8;
  EXPECT_DOUBLE_EQ(plan.flops, 12.0 * 16384 * 495 * 9 + projections);
}

TEST(Planner, PicksExactWhereFeaturesCostMore) {
  Plan plan = planOf(problem(256, 8, 0.5, 1e-3));
  EXPECT_EQ(plan.route, Route::Exact);
  EXPECT_TRUE(plan.alternatives[1].admissible);
  EXPECT_LT(plan.alternatives[0].predictedMs, plan.alternatives[1].predictedMs);
  EXPECT_FALSE(plan.approximation);
  EXPECT_FALSE(plan.radius);
  EXPECT_FALSE(plan.features);
  EXPECT_DOUBLE_EQ(plan.flops, 14.0 * 256 * 256 * 8 + 12.0 * 256 * 8 * 8);
}

TEST(Planner, CrossoverFollowsTheCostModel) {
  // 12 n M (d+1) at one rate against 14 n^2 d at the other; M = 495, d = 8.
  CostModel model;
  model.exact = {{8, 0, 90}};
  model.features = {{8, 0, 60}};
  double crossover = 12.0 * 495 * 9 / (14.0 * 8) * 90 / 60;
  auto routeAt = [&](double n) {
    return makePlan(problem(int64_t(n), 8, 0.5, 1e-3), 1, model).plan->route;
  };
  EXPECT_EQ(routeAt(crossover * 0.98), Route::Exact);
  EXPECT_EQ(routeAt(crossover * 1.02), Route::Features);
}

TEST(Planner, ForwardPassNeedsOneDegreeLess) {
  Problem p = problem(16384, 8, 0.5, 1e-3);
  p.wrt.clear();
  Plan plan = planOf(p);
  EXPECT_EQ(plan.degree, 3u);
  EXPECT_DOUBLE_EQ(plan.flops, 4.0 * 16384 * 165 * 9 + 6.0 * 16384 * 8 * 8);
}

TEST(Planner, SaysWhatIsMissing) {
  Problem p = problem(16384, 8, 0.5, 1e-3);
  p.radius.reset();
  EXPECT_EQ(reasonAgainstFeatures(p),
            "no bound or radius is given, so no polynomial can be proved");
  EXPECT_EQ(errorOf(forced(p, Route::Features)),
            "expected an admissible route, but got features: no bound or "
            "radius is given, so no polynomial can be proved");
  p.bound = 0.5;
  p.tolerance.reset();
  EXPECT_EQ(reasonAgainstFeatures(p),
            "no tolerance or degree is given, so no polynomial can be chosen");
}

TEST(Planner, SaysWhenTheRadiusIsTooLarge) {
  std::string reason = reasonAgainstFeatures(problem(2048, 64, 42, 1e-3));
  EXPECT_TRUE(
      contains(reason, "no degree up to 24 meets tolerance 0.001 on radius 42"))
      << reason;
  EXPECT_TRUE(contains(reason, "a radius of at most 0.27 would do")) << reason;
}

TEST(Planner, SaysWhenThereAreTooManyFeaturesAndWhatWouldDo) {
  Problem p = problem(16384, 64, 0.5, 1e-3);
  std::string reason = errorOf(forced(p, Route::Features));
  EXPECT_TRUE(contains(reason, "degree 4 at d = 64 needs M = 814385 features, "
                               "more than 65536"))
      << reason;
  EXPECT_TRUE(contains(reason, "d of at most 32")) << reason;
  EXPECT_TRUE(contains(reason, "a tolerance of at least 0.0052")) << reason;
  // The advice is good.
  EXPECT_EQ(
      planOf(forced(problem(16384, 64, 0.5, 5.2e-3), Route::Features)).features,
      47905);
  EXPECT_EQ(
      planOf(forced(problem(16384, 32, 0.5, 1e-3), Route::Features)).features,
      58905);
}

TEST(Planner, ForcedRoutesAreNeverReplaced) {
  EXPECT_EQ(planOf(forced(problem(16384, 8, 0.5, 1e-3), Route::Exact)).route,
            Route::Exact);
  EXPECT_EQ(planOf(forced(problem(1, 8, 0.5, 1e-3), Route::Features)).route,
            Route::Features);
}

TEST(Planner, FeaturesNeedAFactoringWeight) {
  Problem p = problem(16384, 8, 0.5, 1e-3);
  p.mask = Mask::Causal;
  EXPECT_EQ(reasonAgainstFeatures(p), "mask causal needs route scan");
  p.mask = Mask::None;
  p.alibi = {0.5};
  EXPECT_EQ(reasonAgainstFeatures(p), "alibi needs route scan");
  p.alibi = {0.0}; // no alibi at all
  EXPECT_EQ(planOf(p).route, Route::Features);
  p.learnedBias = true;
  EXPECT_EQ(reasonAgainstFeatures(p), "a learned bias needs route fft");
  p.learnedBias = false;
  p.position = Position::General;
  p.support = {{0, 0}};
  EXPECT_EQ(reasonAgainstFeatures(p), "position general needs route fft");
}

TEST(Planner, TransformsServeFunctionsOfTheDistance) {
  Problem p = forced(problem(16384, 8, 0.5, 1e-3), Route::FFT);
  EXPECT_EQ(errorOf(p), "expected an admissible route, but got fft: weights "
                        "depend on no distance, so that route features needs "
                        "no transform");
  p.learnedBias = true;
  EXPECT_EQ(planOf(p).route, Route::FFT);
  EXPECT_EQ(planOf(p).features, 495);
  for (Mask mask : {Mask::None, Mask::Causal, Mask::Window}) {
    p.mask = mask;
    p.window = mask == Mask::Window ? 100 : 0;
    EXPECT_EQ(planOf(p).route, Route::FFT);
    EXPECT_GT(planOf(p).flops, 0);
  }
  p = forced(problem(64, 4, 0.5, 1e-3), Route::FFT);
  p.position = Position::General;
  p.support = {{0, 0}, {0, 1}, {1, 0}, {1, 1}};
  EXPECT_EQ(planOf(p).route, Route::FFT);
  double before = planOf(p).flops;
  p.wrt.emplace_back("X");
  EXPECT_EQ(planOf(p).route, Route::FFT);
  EXPECT_GT(planOf(p).flops, before);
}

TEST(Planner, ManyExponentsAreRefused) {
  Problem p = forced(problem(64, 8, 0.5, 1e-5), Route::FFT);
  p.position = Position::General;
  for (int64_t a = 0; a < 8; ++a)
    for (int64_t b = 0; b < 8; ++b)
      p.support.emplace_back(a, b);
  EXPECT_NE(errorOf(p).find("exponents, more than 65536"), std::string::npos);
}

TEST(Planner, DegreeByRequest) {
  Problem p = problem(16384, 8, 0.5, 1e-3);
  p.degree = 5;
  EXPECT_EQ(planOf(p).degree, 5u);
  p.degree = 2;
  std::string error = errorOf(forced(p, Route::Features));
  EXPECT_TRUE(contains(error, "degree 2 has error 0.06")) << error;
  EXPECT_TRUE(contains(error, "more than tolerance 0.001; degree 4 would do"))
      << error;
  p.tolerance.reset();
  EXPECT_EQ(planOf(p).degree, 2u);
  p.degree = 0; // p' = 0: legal, with an error of 1
  Plan plan = planOf(p);
  EXPECT_EQ(plan.features, 1);
  EXPECT_NEAR(plan.approximation->bounds.deltaPrime, 1.0, 0.01);
  p.radius = 42;
  p.degree = 8;
  EXPECT_EQ(reasonAgainstFeatures(p),
            "degree 8 has no fit with a relative error below 1 on radius 42");
}

TEST(Planner, PolynomialSimilarityIsExactOnFeatures) {
  Problem p = problem(16384, 8, 0.5, 1e-3);
  p.radius.reset();
  p.tolerance.reset();
  p.similarity = {1.0, 1.0, 0.5, 0.0};
  Plan plan = planOf(p);
  EXPECT_EQ(plan.route, Route::Features);
  EXPECT_EQ(plan.degree, 2u);
  EXPECT_EQ(plan.features, 45);
  EXPECT_FALSE(plan.approximation);
  EXPECT_FALSE(plan.radius);
  p.similarity = {3.0};
  EXPECT_EQ(planOf(p).degree, 0u);
  p.d = p.channels = 64;
  p.similarity = {1, 1, 1, 1, 1};
  EXPECT_EQ(reasonAgainstFeatures(p),
            "degree 4 at d = 64 needs M = 814385 features, more than 65536; d "
            "of at most 32 would do");
}

TEST(Planner, MasksHalveTheExactCost) {
  Problem p = problem(1000, 8, 50, 1e-3);
  p.wrt.clear();
  double projections = 6.0 * 1000 * 8 * 8;
  EXPECT_DOUBLE_EQ(planOf(p).flops, 4e6 * 8 + projections);
  p.mask = Mask::Causal;
  EXPECT_DOUBLE_EQ(planOf(p).flops, 4 * 500500.0 * 8 + projections);
  p.mask = Mask::Window;
  p.window = 3;
  EXPECT_DOUBLE_EQ(planOf(p).flops, 4 * 2997.0 * 8 + projections);
  p.window = 5000;
  EXPECT_DOUBLE_EQ(planOf(p).flops, 4 * 500500.0 * 8 + projections);
}

TEST(Planner, ThreadsDivideTheTime) {
  Problem p = problem(16384, 8, 0.5, 1e-3);
  double call = CostModel::shipped().callUs * 1e-3;
  EXPECT_DOUBLE_EQ((makePlan(p, 4).plan->predictedMs - call) * 4,
                   makePlan(p, 1).plan->predictedMs - call);
}

const char *const kRates =
    R"({"vector_bits": 512, "call_us": 1000, "general_gflops": 5,
        "exact": [{"d": 4, "row_ns": 0, "gflops": 10},
                  {"d": 16, "row_ns": 1e6, "gflops": 30}],
        "features": [{"d": 8, "row_ns": 10, "gflops": 1}],
        "features_slowdown": [{"stored": 495, "factor": 1},
                              {"stored": 7920, "factor": 3}]})";

TEST(CostModel, RatesLieOnLinesOverTheLogarithmOfTheWidth) {
  CostModel model;
  ASSERT_EQ(CostModel::parse(kRates, model), "");
  Problem p = problem(1000, 8, 0.5, 1e-3);
  // Half way from 4 to 16: 20 GF/s, and half a millisecond a row.
  EXPECT_NEAR(model.milliseconds(p, Route::Exact, 4e9, 2),
              1 + (1000 * 0.5 + 200) / 2, 1e-9);
  p.d = 2;
  EXPECT_NEAR(model.milliseconds(p, Route::Exact, 1e9, 1), 1 + 100, 1e-9);
  p.d = 64;
  EXPECT_NEAR(model.milliseconds(p, Route::Features, 1e9, 1), 1 + 0.01 + 1000,
              1e-9);
  EXPECT_NEAR(model.forVectors(256).milliseconds(p, Route::Features, 1e9, 1),
              1 + 0.02 + 2000, 1e-9);
  p.d = 4;
  p.similarity = {1, 1};
  EXPECT_NEAR(model.milliseconds(p, Route::Exact, 1e9, 1), 1 + 200, 1e-9);
  p.dtype = DType::F64;
  EXPECT_NEAR(model.milliseconds(p, Route::Exact, 1e9, 1), 1 + 400, 1e-9);
}

TEST(CostModel, ManyMonomialsSlowTheFeaturesRoute) {
  CostModel model;
  ASSERT_EQ(CostModel::parse(kRates, model), "");
  Problem p = problem(1000, 8, 0.5, 1e-3);
  auto factor = [&](int64_t d, unsigned degree) {
    p.d = d;
    return (model.milliseconds(p, Route::Features, 1e9, 1, degree) - 1.01) /
           1000;
  };
  EXPECT_NEAR(factor(8, 0), 1, 1e-9);
  EXPECT_NEAR(factor(8, 5), 1, 1e-9);  // 495 of degree 4
  EXPECT_NEAR(factor(62, 3), 2, 0.02); // 2016 of degree 2: half way
  EXPECT_NEAR(factor(8, 20), 3, 1e-9);
  EXPECT_NEAR(model.milliseconds(p, Route::Exact, 1e9, 1, 20),
              model.milliseconds(p, Route::Exact, 1e9, 1), 1e-9);
}

TEST(CostModel, RefusesWhatIsNoCalibration) {
  CostModel model;
  std::string text = kRates;
  EXPECT_TRUE(contains(CostModel::parse("{", model), "expected JSON"));
  EXPECT_EQ(CostModel::parse("[]", model), "expected a JSON object");
  auto without = [&](const std::string &what, const std::string &with) {
    std::string changed = text;
    changed.replace(changed.find(what), what.size(), with);
    return CostModel::parse(changed, model);
  };
  EXPECT_TRUE(contains(without("512", "96"), "expected vector_bits"));
  EXPECT_TRUE(contains(without("\"gflops\": 1}", "\"gflops\": 0}"),
                       "expected features to be a list"));
  EXPECT_TRUE(contains(without("\"d\": 16", "\"d\": 4"),
                       "expected exact to be a list"));
  EXPECT_TRUE(contains(without("\"general_gflops\": 5,", ""),
                       "expected general_gflops"));
  EXPECT_TRUE(contains(without("1000", "-1"), "expected call_us"));
  EXPECT_TRUE(contains(without("7920", "495"),
                       "expected features_slowdown to be a list"));
  EXPECT_TRUE(contains(without("\"factor\": 3", "\"factor\": 0.5"),
                       "expected features_slowdown to be a list"));
  EXPECT_TRUE(contains(CostModel::read("/nonexistent.json", model),
                       "expected a calibration in /nonexistent.json"));
}

TEST(CostModel, WhatShipsRisesWithTheWidth) {
  const CostModel &model = CostModel::shipped();
  EXPECT_EQ(model.vectorBits, 512);
  for (const auto *rates : {&model.exact, &model.features})
    for (const CostModel::Rate &rate : *rates)
      EXPECT_GT(rate.gflops, 10);
}

std::vector<std::string> keysOf(const llvm::json::Object &object) {
  std::vector<std::string> keys;
  for (const auto &entry : object)
    keys.push_back(entry.first.str());
  std::sort(keys.begin(), keys.end());
  return keys;
}

TEST(PlanJson, HasExactlyTheDocumentedKeys) {
  Plan plan = planOf(problem(16384, 8, 0.5, 1e-3));
  std::string text = planToJson(plan);
  EXPECT_EQ(text, planToJson(plan));
  llvm::Expected<llvm::json::Value> value = llvm::json::parse(text);
  ASSERT_TRUE(static_cast<bool>(value));
  const llvm::json::Object &object = *value->getAsObject();
  EXPECT_EQ(keysOf(object), (std::vector<std::string>{
                                "alternatives", "bytes", "degree", "delta",
                                "delta_prime", "features", "fit", "flops",
                                "predicted_ms", "radius", "route"}));
  EXPECT_EQ(object.getString("route"), "features");
  EXPECT_EQ(object.getString("fit"), "minimax");
  EXPECT_EQ(object.getInteger("degree"), 4);
  EXPECT_EQ(object.getNumber("radius"), *plan.radius);
  EXPECT_EQ(object.getNumber("delta"), plan.approximation->bounds.delta);
  EXPECT_EQ(object.getNumber("delta_prime"),
            plan.approximation->bounds.deltaPrime);
  EXPECT_EQ(object.getNumber("flops"), plan.flops);
  const llvm::json::Array &alternatives = *object.getArray("alternatives");
  ASSERT_EQ(alternatives.size(), 4u);
  const char *routes[] = {"exact", "features", "scan", "fft"};
  for (size_t i = 0; i < 4; ++i) {
    const llvm::json::Object &each = *alternatives[i].getAsObject();
    EXPECT_EQ(keysOf(each),
              (std::vector<std::string>{"admissible", "degree", "predicted_ms",
                                        "reason", "route"}));
    EXPECT_EQ(each.getString("route"), routes[i]);
    EXPECT_FALSE(each.getString("reason")->empty());
  }
}

TEST(PlanJson, SaysWhatIsCentred) {
  Problem p = problem(16384, 8, 0.5, 1e-3);
  p.centre = Centre::Keys;
  Plan plan = planOf(p);
  EXPECT_EQ(plan.centre, Centre::Keys);
  plan.centring = CentringGain{4.0, 0.5, std::nullopt, 2.0, Centre::Keys};
  llvm::Expected<llvm::json::Value> value = llvm::json::parse(planToJson(plan));
  ASSERT_TRUE(static_cast<bool>(value));
  const llvm::json::Object &object = *value->getAsObject();
  EXPECT_EQ(object.getString("centred"), "keys");
  const llvm::json::Object &gain = *object.getObject("centring");
  EXPECT_EQ(gain.getString("rows"), "keys");
  EXPECT_EQ(gain.getNumber("radius"), 4.0);
  EXPECT_EQ(gain.getNumber("radius_centred"), 0.5);
  EXPECT_EQ(gain.get("predicted_ms")->kind(), llvm::json::Value::Null);
  EXPECT_EQ(gain.getNumber("predicted_ms_centred"), 2.0);
  p.radius = 100; // which no polynomial serves: exact, and nothing centred
  EXPECT_EQ(planOf(p).centre, Centre::None);
}

TEST(PlanJson, ExactPlansHaveNulls) {
  Problem p = problem(64, 8, 0.5, 1e-3);
  p.radius.reset();
  llvm::Expected<llvm::json::Value> value =
      llvm::json::parse(planToJson(planOf(p)));
  ASSERT_TRUE(static_cast<bool>(value));
  const llvm::json::Object &object = *value->getAsObject();
  for (const char *key :
       {"degree", "fit", "features", "radius", "delta", "delta_prime"}) {
    const llvm::json::Value *found = object.get(key);
    ASSERT_TRUE(found) << key;
    EXPECT_EQ(found->kind(), llvm::json::Value::Null) << key;
  }
}

} // namespace
