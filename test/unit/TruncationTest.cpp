//===- TruncationTest.cpp - Monomials too small to matter ------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// What is dropped, and that no more is lost than is said.
//
//===----------------------------------------------------------------------===//

#include "passes/Truncation.h"
#include "passes/Monomials.h"
#include "passes/Planner.h"
#include "passes/Polynomial.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

using namespace ropegrad;

namespace {

/// Bounds of coordinates that fall by `ratio` from pair to pair, or from one to
/// the next without position, of a radius `radius`.
Problem decaying(int64_t d, double ratio, double radius, double tolerance,
                 Position position, bool gradient = true) {
  Problem p;
  p.n = 1 << 20;
  p.d = p.channels = d;
  p.scale = 1.0 / static_cast<double>(d);
  p.position = position;
  p.tolerance = tolerance;
  if (gradient)
    p.wrt = {"X1", "X2", "Y"};
  double sum = 0;
  for (int64_t a = 0; a < d; ++a) {
    int64_t step = position == Position::Rotary ? a / 2 : a;
    p.bounds.push_back(std::pow(ratio, static_cast<double>(step)));
    sum += p.bounds.back();
  }
  for (double &bound : p.bounds)
    bound *= radius / (p.scale * sum);
  return p;
}

PolynomialChoice choiceOf(const Problem &p) {
  EXPECT_EQ(validate(p), "");
  return dropFeatures(p, choosePolynomial(p));
}

/// What a kernel computes from t_a = scale q_a k_a, by variable: the value and
/// its derivatives.
struct Evaluated {
  double value = 0;
  std::vector<double> slopes;

  Evaluated(const std::vector<double> &p, const KeptTable &table,
            const std::vector<double> &t)
      : slopes(t.size()) {
    for (size_t k = 0; k < p.size(); ++k)
      for (int64_t i = table.offsets[k]; i < table.offsets[k + 1]; ++i)
        add(p[k] * table.monomials[i].multinomial, table, i, t);
  }

  void add(double weight, const KeptTable &table, int64_t i,
           const std::vector<double> &t) {
    std::vector<int64_t> variables;
    for (; table.monomials[i].parent >= 0; i = table.monomials[i].parent)
      variables.push_back(table.monomials[i].last);
    double product = weight;
    for (int64_t v : variables)
      product *= t[v];
    value += product;
    for (size_t skip = 0; skip < variables.size(); ++skip) {
      double rest = weight;
      for (size_t j = 0; j < variables.size(); ++j)
        rest *= j == skip ? 1.0 : t[variables[j]];
      slopes[variables[skip]] += rest;
    }
  }
};

/// At `t`: all of what was promised.
void expectWithin(const PolynomialChoice &choice, const KeptTable &table,
                  const std::vector<double> &t, bool gradient) {
  Evaluated got(choice.approximation->coefficients, table, t);
  double z = std::accumulate(t.begin(), t.end(), 0.0), want = std::exp(z);
  const ErrorBounds &bounds = choice.approximation->bounds;
  EXPECT_LE(std::abs(got.value - want), bounds.delta * want);
  if (!gradient)
    return;
  for (double slope : got.slopes)
    EXPECT_LE(std::abs(slope - want), bounds.deltaPrime * want);
}

void expectProved(const Problem &p) {
  PolynomialChoice all = choosePolynomial(p), some = dropFeatures(p, all);
  ASSERT_TRUE(some.truncation);
  ASSERT_LT(*some.features, *all.features);
  EXPECT_LE(relevantError(*some.approximation, p.needsGradient()),
            *p.tolerance);
  auto table = KeptTable::make(some.truncation->kept, kMostKept);
  ASSERT_TRUE(table);
  EXPECT_EQ(table->size(), *some.features);
  std::mt19937 random(7);
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<double> radii = coordinateBounds(p).radii(), t(radii.size());
  size_t group = radii.size() / some.truncation->limits.size();
  for (int trial = 0; trial < 60; ++trial) {
    bool isCorner = trial % 2 == 0;
    for (size_t v = 0; v < t.size(); v += group) {
      double x = isCorner ? std::copysign(1.0, uniform(random) + trial - 20)
                          : uniform(random);
      // A pair may have all of its limit in one coordinate.
      double share = group == 2 ? 1 + uniform(random) : 1.0;
      t[v] = radii[v] * x * share;
      if (group == 2)
        t[v + 1] = radii[v] * x * (2 - share);
    }
    expectWithin(some, *table, t, p.needsGradient());
  }
}

TEST(Truncation, NoMoreIsLostThanIsSaid) {
  for (Position position : {Position::None, Position::Rotary})
    for (bool gradient : {true, false}) {
      expectProved(decaying(8, .3, 1, 1e-2, position, gradient));
      expectProved(decaying(16, .5, .5, 1e-3, position, gradient));
      expectProved(decaying(12, .4, 2, 1e-1, position, gradient));
    }
}

TEST(Truncation, EqualBoundsDropNothing) {
  for (Position position : {Position::None, Position::Rotary})
    for (double tolerance : {1e-1, 1e-2, 1e-3}) {
      Problem p = decaying(8, 1, .5, tolerance, position);
      PolynomialChoice all = choosePolynomial(p), some = choiceOf(p);
      EXPECT_FALSE(some.truncation);
      EXPECT_EQ(some.features, all.features);
      EXPECT_EQ(some.degree, all.degree);
    }
}

TEST(Truncation, NothingIsDroppedWithoutATolerance) {
  Problem p = decaying(8, .3, 1, 1e-2, Position::None);
  p.tolerance.reset();
  p.degree = 4;
  EXPECT_FALSE(choiceOf(p).truncation);
  p.tolerance = 1e-1; // which degree 4 has room for
  EXPECT_TRUE(choiceOf(p).truncation);
  EXPECT_EQ(choiceOf(p).degree, 4u);
}

TEST(Truncation, FarMoreThanAKernelCanHoldMayBecomeFew) {
  Problem p = decaying(64, .3, 1, 1e-3, Position::None);
  PolynomialChoice all = choosePolynomial(p);
  EXPECT_NE(all.obstacle, "");
  EXPECT_GT(*all.features, kMaxFeatures);
  PolynomialChoice some = choiceOf(p);
  EXPECT_EQ(some.obstacle, "");
  ASSERT_TRUE(some.truncation);
  EXPECT_LT(*some.features, 10000);
  // The gradient of X has no such way.
  p.wrt.push_back("X");
  EXPECT_NE(choiceOf(p).obstacle, "");
}

TEST(Truncation, ARadiusBelowTheSumOfBoundsHelps) {
  Problem p = decaying(16, .6, 1, 1e-2, Position::None);
  int64_t wide = *choiceOf(p).features;
  p.radius = .5;
  EXPECT_LT(*choiceOf(p).features, wide);
}

TEST(Truncation, PairsGoTogether) {
  Problem p = decaying(8, .3, 1, 1e-2, Position::Rotary);
  p.layout = Layout::Half;
  std::swap(p.bounds[0], p.bounds[5]); // of pairs 0 4 and 1 5
  CoordinateBounds bounds = coordinateBounds(p);
  ASSERT_EQ(bounds.limits.size(), 4u);
  for (size_t v = 0; v < 8; v += 2)
    EXPECT_EQ(bounds.order[v] + 4, bounds.order[v + 1]);
  for (size_t i = 1; i < 4; ++i)
    EXPECT_GE(bounds.limits[i - 1], bounds.limits[i]);
  EXPECT_NEAR(bounds.radius(), widenedRadius(*p.impliedRadius()), 1e-9);
}

TEST(Truncation, ThePlanSaysHowManyThereWere) {
  Problem p = decaying(16, .5, .5, 1e-3, Position::Rotary);
  p.route = Route::Features;
  Plan plan = *makePlan(p).plan;
  ASSERT_TRUE(plan.truncation);
  std::string json = planToJson(plan);
  EXPECT_NE(json.find("\"monomials\": 4845"), std::string::npos) << json;
  EXPECT_NE(json.find("\"monomials_kept\": " + std::to_string(*plan.features)),
            std::string::npos)
      << json;
  EXPECT_NE(plan.alternatives[1].reason.find(" of 4845 features"),
            std::string::npos);
  p.bounds.clear();
  p.radius = .5;
  EXPECT_EQ(planToJson(*makePlan(p).plan).find("monomials"), std::string::npos);
}

} // namespace
