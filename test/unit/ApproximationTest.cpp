//===- ApproximationTest.cpp - Fits of exp and their proofs ----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Published optima, proofs against dense samples, and limiting cases.
//
//===----------------------------------------------------------------------===//

#include "passes/Approximation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

using namespace ropegrad;

namespace {

struct Entry {
  double radius;
  unsigned degree;
  double error; ///< two correct digits
};

/// One unit of the second digit: the published figures are rounded, some
/// upwards.
double unitOfSecondDigit(double x) {
  return std::pow(10.0, std::floor(std::log10(x)) - 1);
}

/// Smallest max(|p - e^z|, |p' - e^z|) / e^z.
const Entry jointOptima[] = {
    {0.25, 2, 1.6e-2}, {0.25, 3, 6.5e-4}, {0.25, 4, 2.0e-5}, {0.25, 5, 5.1e-7},
    {0.25, 6, 1.1e-8}, {0.5, 2, 6.2e-2},  {0.5, 3, 5.1e-3},  {0.5, 4, 3.2e-4},
    {0.5, 5, 1.6e-5},  {0.5, 6, 6.7e-7},  {0.5, 7, 2.4e-8},  {0.7, 2, 1.2e-1},
    {0.7, 3, 1.4e-2},  {0.7, 4, 1.2e-3},  {0.7, 5, 8.6e-5},  {0.7, 6, 5.0e-6},
    {0.7, 7, 2.5e-7},  {0.7, 8, 1.1e-8},  {1, 2, 2.3e-1},    {1, 3, 4.0e-2},
    {1, 4, 5.0e-3},    {1, 5, 5.0e-4},    {1, 6, 4.2e-5},    {1, 7, 3.0e-6},
    {1, 8, 1.9e-7},    {2, 2, 6.8e-1},    {2, 3, 2.7e-1},    {2, 4, 7.1e-2},
    {2, 5, 1.4e-2},    {2, 6, 2.5e-3},    {2, 7, 3.6e-4},    {2, 8, 4.5e-5},
    {4, 4, 6.1e-1},    {4, 5, 3.0e-1},    {4, 6, 1.1e-1},    {4, 7, 3.3e-2},
    {4, 8, 8.5e-3}};

/// Smallest |p - e^z| / e^z.
const Entry plainOptima[] = {
    {0.25, 2, 6.5e-4}, {0.25, 3, 2.0e-5}, {0.25, 4, 5.1e-7}, {0.5, 2, 5.1e-3},
    {0.5, 3, 3.2e-4},  {0.5, 4, 1.6e-5},  {1, 2, 4.0e-2},    {1, 3, 5.0e-3},
    {1, 4, 5.0e-4},    {1, 6, 3.0e-6},    {2, 2, .27},       {2, 3, 7.1e-2},
    {2, 4, 1.4e-2},    {2, 6, 3.6e-4},    {2, 8, 5e-6},      {4, 8, 2e-3}};

void expectOptimum(const Entry &entry, bool gradient) {
  std::optional<Approximation> fit =
      approximateExp(entry.radius, entry.degree, Fit::Minimax, gradient);
  ASSERT_TRUE(fit);
  EXPECT_EQ(fit->coefficients.size(), entry.degree + 1);
  EXPECT_NEAR(relevantError(*fit, gradient), entry.error,
              0.75 * unitOfSecondDigit(entry.error))
      << "radius " << entry.radius << " degree " << entry.degree;
}

struct Errors {
  double delta = 0.0, deltaPrime = 0.0;
};

/// The largest relative errors on `points` + 1 points, in long double.
Errors sample(const Approximation &fit, int points) {
  Errors result;
  for (int i = 0; i <= points; ++i) {
    long double z = fit.radius * (2.0L * i / points - 1.0L);
    long double p = 0, derivative = 0;
    for (size_t k = fit.coefficients.size(); k-- > 0;) {
      derivative = derivative * z + p;
      p = p * z + fit.coefficients[k];
    }
    long double decay = std::exp(-z);
    result.delta = std::max(result.delta, double(std::fabs(p * decay - 1)));
    result.deltaPrime =
        std::max(result.deltaPrime, double(std::fabs(derivative * decay - 1)));
  }
  return result;
}

/// What long double adds to a sample: terms of size e^R against e^-R.
double sampleNoise(double radius) { return 1e-17 * std::exp(2 * radius); }

TEST(Approximation, MeetsThePublishedJointOptima) {
  for (const Entry &entry : jointOptima)
    expectOptimum(entry, /*gradient=*/true);
}

TEST(Approximation, MeetsThePublishedPlainOptima) {
  for (const Entry &entry : plainOptima)
    expectOptimum(entry, /*gradient=*/false);
}

TEST(Approximation, MinimaxErrorAlternates) {
  // The optimum of degree 5 touches +-delta in 7 points, signs alternating.
  std::optional<Approximation> fit =
      approximateExp(1.5, 5, Fit::Minimax, /*gradient=*/false);
  ASSERT_TRUE(fit);
  int touches = 0;
  double last = 0.0;
  for (int i = 0; i <= 20000; ++i) {
    double z = fit->radius * (i / 10000.0 - 1.0), p = 0.0;
    for (size_t k = fit->coefficients.size(); k-- > 0;)
      p = p * z + fit->coefficients[k];
    double error = p * std::exp(-z) - 1;
    if (std::fabs(error) > 0.99 * fit->bounds.delta && error * last <= 0.0) {
      ++touches;
      last = error;
    }
  }
  EXPECT_EQ(touches, 7);
}

TEST(Approximation, ProofCoversADenseSampleTightly) {
  for (double radius : {1e-3, 0.03, 0.25, 1.0, 4.0, 8.0, 12.0})
    for (unsigned degree : {0u, 1u, 2u, 5u, 9u, 16u, 24u})
      for (Fit fit : {Fit::Minimax, Fit::Taylor, Fit::Weighted})
        for (bool gradient : {false, true}) {
          std::optional<Approximation> p =
              approximateExp(radius, degree, fit, gradient);
          ASSERT_TRUE(p);
          Errors seen = sample(*p, 4000);
          double noise = sampleNoise(radius);
          SCOPED_TRACE(testing::Message()
                       << "radius " << radius << " degree " << degree << " "
                       << toString(fit) << " gradient " << gradient);
          EXPECT_LE(seen.delta, p->bounds.delta + noise);
          EXPECT_LE(seen.deltaPrime, p->bounds.deltaPrime + noise);
          EXPECT_LE(p->bounds.delta, 1.01 * seen.delta + noise);
          EXPECT_LE(p->bounds.deltaPrime, 1.01 * seen.deltaPrime + noise);
        }
}

TEST(Approximation, ProofHoldsForAnyCoefficients) {
  // p = 1: the error of e^-z is largest at -R; p' = 0 misses by exactly 1.
  ErrorBounds constant = proveErrors({1.0}, 2.0);
  EXPECT_NEAR(constant.delta, std::exp(2.0) - 1, 0.01 * std::exp(2.0));
  EXPECT_GE(constant.delta, std::exp(2.0) - 1);
  EXPECT_NEAR(constant.deltaPrime, 1.0, 0.01);
  EXPECT_GE(constant.deltaPrime, 1.0);
  // A narrow bump far from every sample of a coarse grid is still found.
  EXPECT_GE(
      proveErrors({1.0, 1.0, 0.5, 0, 0, 0, 0, 0, 0, 0, 0, 1e6}, 1.0).delta,
      1e6);
  EXPECT_EQ(proveErrors({1.0, std::nan("")}, 1.0).delta,
            std::numeric_limits<double>::infinity());
}

TEST(Approximation, LowDegreesHaveClosedForms) {
  // The best constant is 1 / cosh R with error tanh R.
  for (bool gradient : {false, true}) {
    std::optional<Approximation> fit =
        approximateExp(0.5, 0, Fit::Minimax, gradient);
    ASSERT_TRUE(fit);
    EXPECT_NEAR(fit->coefficients[0], 1 / std::cosh(0.5), 1e-6);
    EXPECT_NEAR(fit->bounds.delta, std::tanh(0.5), 0.003);
    EXPECT_NEAR(fit->bounds.deltaPrime, 1.0, 0.003);
  }
  // Jointly, p' of degree 1 is that constant.
  std::optional<Approximation> line =
      approximateExp(0.5, 1, Fit::Minimax, /*gradient=*/true);
  ASSERT_TRUE(line);
  EXPECT_NEAR(line->coefficients[1], 1 / std::cosh(0.5), 1e-6);
  EXPECT_NEAR(line->bounds.deltaPrime, std::tanh(0.5), 0.003);
  EXPECT_LT(line->bounds.delta, line->bounds.deltaPrime);
}

TEST(Approximation, TinyRadiusStaysBelowRounding) {
  std::optional<Approximation> fit =
      approximateExp(1e-3, 24, Fit::Minimax, /*gradient=*/true);
  ASSERT_TRUE(fit);
  EXPECT_LT(relevantError(*fit, true), 1e-20);
  double factorial = 1.0;
  for (unsigned k = 0; k <= 24; ++k) {
    factorial *= k ? k : 1;
    EXPECT_NEAR(fit->coefficients[k] * factorial, 1.0, 1e-2) << k;
  }
}

TEST(Approximation, TaylorCoefficientsAreInverseFactorials) {
  std::optional<Approximation> fit =
      approximateExp(1.0, 20, Fit::Taylor, /*gradient=*/true);
  ASSERT_TRUE(fit);
  double factorial = 1.0; // exact up to 22!
  for (unsigned k = 0; k <= 20; ++k) {
    factorial *= k ? k : 1;
    EXPECT_EQ(fit->coefficients[k], 1.0 / factorial) << k;
  }
  EXPECT_EQ(fit->fit, Fit::Taylor);
}

/// Mean square of the relative error of p under N(0, sigma) on [-R, R].
double meanSquare(const Approximation &fit, double sigma) {
  double sum = 0.0, mass = 0.0;
  for (int i = 0; i <= 20000; ++i) {
    double z = fit.radius * (i / 10000.0 - 1.0), p = 0.0;
    for (size_t k = fit.coefficients.size(); k-- > 0;)
      p = p * z + fit.coefficients[k];
    double density = std::exp(-z * z / (2 * sigma * sigma));
    sum += density * std::pow(p * std::exp(-z) - 1, 2);
    mass += density;
  }
  return sum / mass;
}

TEST(Approximation, WeightedIsTheBestMeanSquare) {
  for (double sigma : {0.2, 1.0 / 3, 3.0}) {
    std::optional<Approximation> best =
        approximateExp(1.0, 4, Fit::Weighted, /*gradient=*/false, sigma);
    std::optional<Approximation> minimax =
        approximateExp(1.0, 4, Fit::Minimax, /*gradient=*/false);
    ASSERT_TRUE(best && minimax);
    double smallest = meanSquare(*best, sigma);
    EXPECT_LT(smallest, meanSquare(*minimax, sigma));
    for (unsigned k = 0; k <= 4; ++k)
      for (double step : {1e-4, -1e-4}) {
        Approximation moved = *best;
        moved.coefficients[k] += step;
        EXPECT_LT(smallest, meanSquare(moved, sigma)) << k;
      }
  }
}

TEST(Approximation, WeightedBeatsMinimaxNearZero) {
  for (bool gradient : {false, true}) {
    std::optional<Approximation> weighted =
        approximateExp(2.0, 5, Fit::Weighted, gradient);
    std::optional<Approximation> minimax =
        approximateExp(2.0, 5, Fit::Minimax, gradient);
    ASSERT_TRUE(weighted && minimax);
    EXPECT_LT(relevantError(*minimax, gradient),
              relevantError(*weighted, gradient));
    weighted->radius = minimax->radius = 0.7;
    Errors inner = sample(*weighted, 1000), outer = sample(*minimax, 1000);
    EXPECT_LT(inner.delta, outer.delta);
    if (gradient) {
      EXPECT_LT(inner.deltaPrime, outer.deltaPrime);
    }
  }
}

TEST(Approximation, SigmaDefaultsToAThirdOfTheRadius) {
  EXPECT_EQ(approximateExp(1.5, 4, Fit::Weighted, true)->coefficients,
            approximateExp(1.5, 4, Fit::Weighted, true, 0.5)->coefficients);
  EXPECT_NE(approximateExp(1.5, 4, Fit::Weighted, true)->coefficients,
            approximateExp(1.5, 4, Fit::Weighted, true, 0.3)->coefficients);
}

TEST(Approximation, SmallestDegreeIsSmallest) {
  for (double radius : {0.25, 1.0, 2.0})
    for (double tolerance : {2e-1, 1e-3, 1e-5, 1e-9})
      for (Fit fit : {Fit::Minimax, Fit::Taylor, Fit::Weighted})
        for (bool gradient : {false, true}) {
          std::optional<Approximation> found =
              smallestDegree(radius, tolerance, fit, gradient, {});
          ASSERT_TRUE(found);
          EXPECT_LE(relevantError(*found, gradient), tolerance);
          unsigned degree = found->coefficients.size() - 1;
          ASSERT_GT(degree, 0u);
          EXPECT_GT(
              relevantError(*approximateExp(radius, degree - 1, fit, gradient),
                            gradient),
              tolerance);
        }
}

TEST(Approximation, SaysWhenNothingFits) {
  EXPECT_FALSE(smallestDegree(42.0, 1e-3, Fit::Minimax, true, {}));
  EXPECT_FALSE(smallestDegree(4.0, 1e-3, Fit::Minimax, true, {}, 5));
  EXPECT_FALSE(approximateExp(42.0, 24, Fit::Minimax, true));
  EXPECT_FALSE(approximateExp(0.0, 3, Fit::Minimax, true));
  EXPECT_FALSE(approximateExp(std::nan(""), 3, Fit::Minimax, true));
  EXPECT_FALSE(approximateExp(1.0, 3, Fit::Weighted, true, -1.0));
}

TEST(Approximation, WidenedRadius) {
  EXPECT_EQ(widenedRadius(1.0), 1.0 + 1.0 / 1024);
  EXPECT_EQ(widenedRadius(0.5), 0.5 + 0.5 / 1024);
}

} // namespace
