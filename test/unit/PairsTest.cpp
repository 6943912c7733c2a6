//===- PairsTest.cpp - Pairs of monomials against brute force --*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The sum over pairs is the polynomial of the logit; no pair is made twice.
//
//===----------------------------------------------------------------------===//

#include "passes/Pairs.h"

#include "passes/Monomials.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <set>

using namespace ropegrad;

namespace {

using Support = std::vector<std::pair<int64_t, int64_t>>;
using Row = std::vector<double>;

double power(const Row &x, const std::vector<unsigned> &exponents) {
  double product = 1;
  for (size_t i = 0; i < x.size(); ++i)
    product *= std::pow(x[i], exponents[i]);
  return product;
}

double sumOverPairs(const Pairs &pairs, unsigned degree, const Row &q,
                    const Row &k, const Row &w) {
  auto rows = Monomials(q.size(), degree).exponents();
  auto entries = Monomials(w.size(), degree).exponents();
  double sum = 0;
  for (const Pairs::Pair &pair : pairs.pairs) {
    double t = 0;
    for (int64_t i = pair.first; i < pair.last; ++i)
      t += pairs.weights[i] * power(w, entries[pairs.exponents[i]]);
    sum += power(q, rows[pairs.left[pair.left]]) * t *
           power(k, rows[pairs.right[pair.right]]);
  }
  return sum;
}

double polynomialOfLogit(const Support &support, const Row &coefficients,
                         double scale, const Row &q, const Row &k,
                         const Row &w) {
  double z = 0, sum = 0;
  for (size_t c = 0; c < support.size(); ++c)
    z += scale * q[support[c].first] * w[c] * k[support[c].second];
  for (size_t i = coefficients.size(); i-- > 0;)
    sum = sum * z + coefficients[i];
  return sum;
}

struct Case {
  int64_t d;
  Support support;
  Row coefficients;
};

const Case cases[] = {
    {1, {{0, 0}}, {1, 1, .5}},
    {2, {{0, 0}, {1, 1}}, {1, .9, .4, .2, .05}},
    {3, {{0, 2}, {2, 0}, {1, 1}, {0, 0}}, {1, 1, .5, .2}},
    {4,
     {{0, 0}, {0, 1}, {1, 0}, {1, 1}, {2, 2}, {2, 3}, {3, 2}, {3, 3}},
     {1, 1, .5, .2, .04}},
    {4, {{3, 0}, {3, 1}, {3, 2}, {3, 3}}, {1, 1, .5}},
    {5, {{0, 0}, {4, 4}, {0, 4}}, {2, 0, 1}},
    {2, {{1, 0}}, {3}}};

TEST(Pairs, SumToThePolynomialOfTheLogit) {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> number(-1, 1);
  auto row = [&](size_t size) {
    Row x(size);
    for (double &value : x)
      value = number(random);
    return x;
  };
  for (const Case &c : cases) {
    Pairs pairs(c.d, c.support, c.coefficients, 0.7);
    for (int round = 0; round < 5; ++round) {
      Row q = row(c.d), k = row(c.d), w = row(c.support.size());
      EXPECT_NEAR(sumOverPairs(pairs, c.coefficients.size() - 1, q, k, w),
                  polynomialOfLogit(c.support, c.coefficients, 0.7, q, k, w),
                  1e-12);
    }
  }
}

TEST(Pairs, AreDistinctAndUseEveryMonomial) {
  for (const Case &c : cases) {
    Pairs pairs(c.d, c.support, c.coefficients, 1.0);
    std::set<std::pair<int64_t, int64_t>> seen;
    std::set<int64_t> left, right;
    int64_t next = 0;
    for (const Pairs::Pair &pair : pairs.pairs) {
      EXPECT_TRUE(seen.insert({pair.left, pair.right}).second);
      left.insert(pair.left);
      right.insert(pair.right);
      EXPECT_EQ(pair.first, next);
      EXPECT_GT(pair.last, pair.first);
      next = pair.last;
    }
    EXPECT_EQ(next, static_cast<int64_t>(pairs.exponents.size()));
    EXPECT_EQ(left.size(), pairs.left.size());
    EXPECT_EQ(right.size(), pairs.right.size());
  }
}

TEST(Pairs, AreFarFewerThanExponents) {
  // d = 4 with the support of rotary position, degree 4.
  Pairs pairs(4, cases[3].support, {1, 1, .5, .2, .04}, 1.0);
  EXPECT_EQ(pairs.exponents.size(), 495U);
  EXPECT_EQ(pairs.left.size(), 70U);
  EXPECT_EQ(pairs.right.size(), 70U);
  EXPECT_EQ(pairs.pairs.size(), 406U);
}

TEST(Pairs, OfADiagonalAreTheMonomials) {
  Pairs pairs(3, {{0, 0}, {1, 1}, {2, 2}}, {1, 1, .5, .2}, 1.0);
  EXPECT_EQ(pairs.pairs.size(), 20U);
  for (const Pairs::Pair &pair : pairs.pairs)
    EXPECT_EQ(pair.left, pair.right);
}

TEST(MonomialFactors, MultiplyToTheMonomials) {
  for (int64_t d : {1, 2, 4})
    for (unsigned g : {0U, 1U, 2U, 4U}) {
      std::vector<int64_t> factors = monomialFactors(d, g);
      auto exponents = Monomials(d, g).exponents();
      size_t width = std::max(g, 1U);
      ASSERT_EQ(factors.size(), exponents.size() * width);
      for (size_t i = 0; i < exponents.size(); ++i) {
        std::vector<unsigned> found(d);
        for (size_t f = 0; f < width; ++f)
          if (int64_t v = factors[i * width + f])
            ++found[v - 1];
        EXPECT_EQ(found, exponents[i]);
      }
    }
}

} // namespace
