//===- MajorantTest.cpp - What a certificate compares exp with -*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Majorants against dense samples in long double, and how large they are.
//
//===----------------------------------------------------------------------===//

#include "passes/Majorant.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace ropegrad;

namespace {

long double valueOf(const std::vector<double> &p, long double z) {
  long double value = 0;
  for (size_t k = p.size(); k-- > 0;)
    value = value * z + p[k];
  return value;
}

std::vector<double> derivative(const std::vector<double> &p) {
  std::vector<double> result;
  for (size_t k = 1; k < p.size(); ++k)
    result.push_back(static_cast<double>(k) * p[k]);
  return result;
}

/// The smallest m - |q - e^z| on a dense grid.
long double leastMargin(const std::vector<double> &q,
                        const std::vector<double> &m, double radius) {
  constexpr int points = 20000;
  long double least = INFINITY;
  for (int i = -points; i <= points; ++i) {
    long double z = static_cast<long double>(radius) * i / points;
    long double error = std::fabs(valueOf(q, z) - std::exp(z));
    least = std::min(least, valueOf(m, z) - error);
  }
  return least;
}

TEST(MajorantTest, ExcessOfExpOverItsTaylorPolynomial) {
  // e^z - 1 - z - z^2/2 is largest at the right end.
  double proved = proveExcess({1, 1, .5}, {0}, 1, 1e-6);
  double exact = std::exp(1.0) - 2.5;
  EXPECT_GE(proved, exact);
  EXPECT_LE(proved, exact + 1e-5);
}

TEST(MajorantTest, ExcessOverALargeShapeIsZero) {
  EXPECT_LE(proveExcess({1, 1, .5}, {1}, 1, 1e-6), 1e-6);
}

TEST(MajorantTest, ExcessTakesTheSignOfTheErrorIntoAccount) {
  // q - e^z is negative everywhere, and as large as its constant.
  double proved = proveExcess({-3}, {0}, .5, 1e-6);
  EXPECT_GE(proved, 3 + std::exp(.5));
  EXPECT_LE(proved, 3 + std::exp(.5) + 1e-4);
}

TEST(MajorantTest, MajorantsAreAboveTheErrors) {
  struct Case {
    double radius;
    unsigned degree;
    int64_t d;
  };
  for (Case c : {Case{.25, 1, 2}, Case{.25, 5, 16}, Case{.5, 2, 64},
                 Case{.5, 3, 16}, Case{.5, 4, 8}, Case{1, 5, 8}, Case{2, 6, 2},
                 Case{2, 8, 4}, Case{4, 10, 2}}) {
    auto found = certificatePolynomial(c.radius, c.degree, true, c.d);
    ASSERT_TRUE(found) << c.radius << " " << c.degree;
    const std::vector<double> &p = found->approximation.coefficients;
    EXPECT_EQ(p.size(), c.degree + 1);
    EXPECT_LT(found->approximation.bounds.delta, .75);
    EXPECT_GE(leastMargin(p, found->majorant, c.radius), 0);
    EXPECT_GE(leastMargin(derivative(p), found->majorantPrime, c.radius), 0);
    for (const auto *m : {&found->majorant, &found->majorantPrime})
      for (size_t k = 0; k < m->size(); ++k) {
        EXPECT_GE((*m)[k], 0);
        EXPECT_TRUE(k % 2 == 0 || (*m)[k] == 0);
      }
  }
}

TEST(MajorantTest, MajorantsKnowThatLogitsAreSmall) {
  // Where logits are, the bound is far below the worst case of any polynomial.
  auto found = certificatePolynomial(.5, 4, true, 8);
  ASSERT_TRUE(found);
  double sigma = .5 / (1.5 * std::sqrt(8.0));
  auto minimax = approximateExp(.5, 4, Fit::Minimax, true);
  ASSERT_TRUE(minimax);
  EXPECT_LT(valueOf(found->majorantPrime, sigma),
            .1 * minimax->bounds.deltaPrime);
}

TEST(MajorantTest, NothingWhereNoFitIsPositive) {
  EXPECT_FALSE(certificatePolynomial(8, 2, true, 4));
}

TEST(MajorantTest, WithoutGradientThereIsOneMajorant) {
  auto found = certificatePolynomial(.5, 3, false, 8);
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->majorant.empty());
  EXPECT_TRUE(found->majorantPrime.empty());
}

} // namespace
