//===- KeptMonomialsTest.cpp - A part of the monomials ---------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Which monomials a rule keeps, in which order, and what is wrong with a rule.
//
//===----------------------------------------------------------------------===//

#include "dialect/KeptMonomials.h"
#include "passes/Monomials.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <set>

using namespace ropegrad;

namespace {

using Exponents = std::vector<unsigned>;

std::vector<int64_t> iota(int64_t d) {
  std::vector<int64_t> order(d);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

KeptMonomials everything(int64_t d, unsigned degree) {
  return {iota(d), std::vector<int64_t>(d, 0),
          std::vector<int64_t>(degree - 1, 0),
          std::vector<int64_t>(degree - 1, d)};
}

/// By variable, not by coordinate.
std::vector<Exponents> exponentsOf(const KeptTable &table, int64_t d) {
  std::vector<Exponents> result;
  for (const KeptTable::Monomial &each : table.monomials) {
    Exponents mu = each.parent < 0 ? Exponents(d) : result[each.parent];
    if (each.parent >= 0)
      ++mu[each.last];
    result.push_back(mu);
  }
  return result;
}

TEST(KeptMonomials, ARuleThatDropsNothingKeepsAll) {
  for (int64_t d : {1, 2, 5})
    for (unsigned g : {1u, 2u, 3u, 5u}) {
      auto table = KeptTable::make(everything(d, g), kMostKept);
      ASSERT_TRUE(table);
      Monomials all(d, g);
      EXPECT_EQ(table->size(), all.size());
      EXPECT_EQ(exponentsOf(*table, d), all.exponents());
      std::vector<double> weights = all.weights({1, 1, 1, 1, 1, 1}, 1.0);
      for (int64_t i = 0; i < table->size(); ++i)
        EXPECT_DOUBLE_EQ(table->monomials[i].multinomial, weights[i]);
      for (unsigned k = 2; k <= g; ++k) // one run for each variable
        EXPECT_EQ(table->runs(k).size(), static_cast<size_t>(d));
    }
}

TEST(KeptMonomials, TheExampleOfTheAttribute) {
  KeptMonomials rule{{1, 0}, {0, 3}, {0}, {2}};
  auto table = KeptTable::make(rule, kMostKept);
  ASSERT_TRUE(table);
  std::vector<Exponents> expected = {{0, 0}, {1, 0}, {0, 1}, {2, 0}, {1, 1}};
  EXPECT_EQ(exponentsOf(*table, 2), expected);
  rule.ends = {1};
  EXPECT_EQ(KeptTable::make(rule, kMostKept)->size(), 4);
  rule.budgets = {-1};
  EXPECT_EQ(KeptTable::make(rule, kMostKept)->size(), 3);
}

/// Every monomial once, each one multiplication of an earlier one that the rule
/// allows, and none left out that it allows; the runs say the same.
void expectConsistent(const KeptMonomials &rule) {
  auto d = static_cast<int64_t>(rule.order.size());
  auto table = KeptTable::make(rule, kMostKept);
  ASSERT_TRUE(table);
  std::vector<Exponents> exponents = exponentsOf(*table, d);
  std::set<Exponents> all(exponents.begin(), exponents.end());
  EXPECT_EQ(all.size(), exponents.size());
  auto costOf = [&](const Exponents &mu) {
    int64_t cost = 0;
    for (int64_t v = 0; v < d; ++v)
      cost += mu[v] * rule.costs[v];
    return cost;
  };
  for (unsigned k = 2; k <= rule.degree(); ++k) {
    size_t expected = 0;
    for (int64_t i = table->offsets[k - 1]; i < table->offsets[k]; ++i)
      for (int64_t v = table->monomials[i].last; v < rule.ends[k - 2]; ++v)
        if (costOf(exponents[i]) <= rule.budgets[k - 2]) {
          Exponents mu = exponents[i];
          ++mu[v];
          EXPECT_TRUE(all.count(mu));
          ++expected;
        }
    EXPECT_EQ(static_cast<size_t>(table->offsets[k + 1] - table->offsets[k]),
              expected);
    int64_t next = table->offsets[k];
    for (const KeptRun &run : table->runs(k)) {
      EXPECT_EQ(run.target, next);
      EXPECT_GE(run.source, table->offsets[k - 1]);
      EXPECT_LE(run.source + run.length, table->offsets[k]);
      for (int64_t i = 0; i < run.length; ++i) {
        Exponents mu = exponents[run.source + i];
        ++mu[run.factor];
        EXPECT_EQ(mu, exponents[run.target + i]);
      }
      next += run.length;
    }
    EXPECT_EQ(next, table->offsets[k + 1]);
  }
}

TEST(KeptMonomials, AnyRuleIsConsistent) {
  std::mt19937 random(1);
  for (int trial = 0; trial < 100; ++trial) {
    auto draw = [&](int64_t least, int64_t most) {
      return std::uniform_int_distribution<int64_t>(least, most)(random);
    };
    int64_t d = draw(1, 8), degree = draw(1, 5);
    KeptMonomials rule;
    rule.order = iota(d);
    std::shuffle(rule.order.begin(), rule.order.end(), random);
    for (int64_t v = 0; v < d; ++v)
      rule.costs.push_back(draw(0, 9));
    for (int64_t k = 2; k <= degree; ++k) {
      rule.budgets.push_back(draw(-1, 30));
      rule.ends.push_back(draw(0, d));
    }
    EXPECT_EQ(rule.check(d), "");
    expectConsistent(rule);
  }
}

TEST(KeptMonomials, FactorsOfTheTopDegreeAreARunForEachVariable) {
  KeptMonomials rule = everything(6, 4);
  rule.costs = {0, 1, 2, 3, 4, 5};
  rule.budgets = {5, 5, 4};
  auto table = KeptTable::make(rule, kMostKept);
  ASSERT_TRUE(table);
  EXPECT_LT(table->size(), Monomials(6, 4).size());
  EXPECT_EQ(table->runs(4).size(), 6u);
}

TEST(KeptMonomials, TooManyAreNotMade) {
  EXPECT_FALSE(KeptTable::make(everything(64, 6), kMostKept));
  EXPECT_FALSE(KeptTable::make(everything(8, 4), 494));
  EXPECT_TRUE(KeptTable::make(everything(8, 4), 495));
  EXPECT_FALSE(KeptTable::make(everything(8, 1), 8));
}

TEST(KeptMonomials, WhatIsWrongIsSaid) {
  auto after = [](auto change) {
    KeptMonomials rule = everything(3, 3);
    change(rule);
    return rule.check(3);
  };
  EXPECT_EQ(after([](KeptMonomials &) {}), "");
  EXPECT_EQ(after([](KeptMonomials &rule) { rule.order = {0, 1, 1}; }),
            "expected an order of all 3 coordinates, but got another list");
  EXPECT_EQ(after([](KeptMonomials &rule) { rule.costs.pop_back(); }),
            "expected 3 costs, but got 2");
  EXPECT_EQ(after([](KeptMonomials &rule) { rule.costs[1] = -1; }),
            "expected costs from 0 to 2^32, but got -1");
  EXPECT_EQ(after([](KeptMonomials &rule) { rule.ends.pop_back(); }),
            "expected 2 ends, one for each budget, but got 1");
  EXPECT_EQ(after([](KeptMonomials &rule) { rule.ends[0] = 4; }),
            "expected ends from 0 to 3, but got 4");
}

} // namespace
