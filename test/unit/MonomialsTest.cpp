//===- MonomialsTest.cpp - Order and weights of monomials ------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The order that every kernel relies on, and the kernel identity it serves.
//
//===----------------------------------------------------------------------===//

#include "passes/Monomials.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <set>

using namespace ropegrad;

namespace {

constexpr int64_t kSaturated = std::numeric_limits<int64_t>::max();

TEST(Monomials, Binomial) {
  EXPECT_EQ(binomial(0, 0), 1);
  EXPECT_EQ(binomial(-1, 0), 1);
  EXPECT_EQ(binomial(5, 2), 10);
  EXPECT_EQ(binomial(5, 6), 0);
  EXPECT_EQ(binomial(5, -1), 0);
  EXPECT_EQ(binomial(62, 31), 465428353255261088);
  EXPECT_EQ(binomial(66, 33), 7219428434016265740);
  EXPECT_EQ(binomial(70, 35), kSaturated);
  EXPECT_EQ(binomial(kSaturated, 2), kSaturated);
  EXPECT_EQ(binomial(kSaturated, 1), kSaturated);
  EXPECT_EQ(binomial(int64_t(1) << 40, int64_t(1) << 39), kSaturated);
}

TEST(Monomials, KnownSizes) {
  EXPECT_EQ(Monomials(8, 4).size(), 495);
  EXPECT_EQ(Monomials(16, 3).size(), 969);
  EXPECT_EQ(Monomials(64, 3).size(), 47905);
  EXPECT_EQ(Monomials(128, 2).size(), 8385);
  EXPECT_EQ(Monomials(1, 24).size(), 25);
  EXPECT_EQ(Monomials(7, 0).size(), 1);
}

TEST(Monomials, OrderOfTwoVariables) {
  std::vector<std::vector<unsigned>> expected = {{0, 0}, {1, 0}, {0, 1}, {2, 0},
                                                 {1, 1}, {0, 2}, {3, 0}, {2, 1},
                                                 {1, 2}, {0, 3}};
  EXPECT_EQ(Monomials(2, 3).exponents(), expected);
}

TEST(Monomials, BlocksArePrefixesOfTheDegreeBelow) {
  for (int64_t d : {1, 2, 3, 5})
    for (unsigned g : {0u, 1u, 2u, 4u}) {
      Monomials monomials(d, g);
      auto exponents = monomials.exponents();
      ASSERT_EQ(int64_t(exponents.size()), monomials.size());
      EXPECT_EQ(
          std::set<std::vector<unsigned>>(exponents.begin(), exponents.end())
              .size(),
          exponents.size());
      for (unsigned k = 1; k <= g; ++k) {
        EXPECT_EQ(monomials.offset(k) + Monomials::prefix(k, d),
                  monomials.offset(k + 1));
        int64_t row = monomials.offset(k);
        for (int64_t v = 0; v < d; ++v)
          for (int64_t i = 0; i < Monomials::prefix(k - 1, v + 1); ++i) {
            auto parent = exponents[monomials.offset(k - 1) + i];
            ++parent[v];
            EXPECT_EQ(exponents[row++], parent);
          }
        EXPECT_EQ(row, monomials.offset(k + 1));
      }
    }
}

double evaluate(const std::vector<unsigned> &mu, const std::vector<double> &x) {
  double result = 1.0;
  for (size_t v = 0; v < mu.size(); ++v)
    result *= std::pow(x[v], mu[v]);
  return result;
}

TEST(Monomials, WeightsReproduceThePolynomialOfTheDotProduct) {
  std::vector<double> p = {0.9, 1.1, 0.6, 0.2, 0.05};
  double scale = 0.7;
  for (size_t d : {1, 2, 4, 6})
    for (unsigned g : {0u, 1u, 3u, 4u}) {
      Monomials monomials(d, g);
      std::vector<double> q, k;
      for (size_t v = 0; v < d; ++v) {
        q.push_back(std::sin(1.0 + v));
        k.push_back(std::cos(2.0 + 3.0 * v));
      }
      double z = scale * std::inner_product(q.begin(), q.end(), k.begin(), 0.0);
      double expected = 0.0, sum = 0.0;
      for (unsigned i = 0; i <= g; ++i)
        expected += p[i] * std::pow(z, i);
      auto exponents = monomials.exponents();
      auto weights = monomials.weights(p, scale);
      ASSERT_EQ(weights.size(), exponents.size());
      for (size_t i = 0; i < weights.size(); ++i)
        sum +=
            weights[i] * evaluate(exponents[i], q) * evaluate(exponents[i], k);
      EXPECT_NEAR(sum, expected, 1e-13) << d << " " << g;
    }
}

TEST(Monomials, MissingCoefficientsAreZero) {
  std::vector<double> weights = Monomials(2, 2).weights({1.0, 2.0}, 1.0);
  EXPECT_EQ(weights, (std::vector<double>{1, 2, 2, 0, 0, 0}));
}

} // namespace
