//===- FourierPlanTest.cpp - Lengths and orders of transforms --*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Every length is smooth, long enough and not much longer; every frequency
// comes out once, where butterflies leave it.
//
//===----------------------------------------------------------------------===//

#include "passes/FourierPlan.h"

#include <gtest/gtest.h>

#include <complex>
#include <numeric>

using namespace ropegrad;

namespace {

int64_t product(const std::vector<int64_t> &factors) {
  return std::accumulate(factors.begin(), factors.end(), int64_t(1),
                         std::multiplies<>());
}

bool isSmooth(int64_t n) {
  for (int64_t prime : {2, 3, 5, 7})
    while (n % prime == 0)
      n /= prime;
  return n == 1;
}

TEST(FourierPlan, LengthsAreSmooth) {
  for (int64_t length = 1; length <= 3000; ++length) {
    auto f = fourierOfLength(length);
    ASSERT_EQ(f.has_value(), isSmooth(length)) << length;
    if (!f)
      continue;
    EXPECT_EQ(f->length, length);
    EXPECT_EQ(f->rows * f->columns, length);
    EXPECT_EQ(product(f->down), f->rows);
    EXPECT_EQ(product(f->along), f->columns);
    EXPECT_GE(f->pitch, f->columns);
    EXPECT_EQ(f->elements(), f->place(length - 1) + 1);
  }
  EXPECT_FALSE(fourierOfLength(0));
  EXPECT_FALSE(fourierOfLength(-8));
  EXPECT_FALSE(fourierOfLength(11));
}

TEST(FourierPlan, PlansAreLongEnoughAndNotMuchLonger) {
  for (int64_t atLeast = 1; atLeast <= 2100; ++atLeast) {
    Fourier f = planFourier(atLeast);
    EXPECT_GE(f.length, atLeast);
    EXPECT_LT(f.length, 2 * atLeast);
  }
  for (int64_t atLeast : {8191, 65535, 131071, 399999, 2097151}) {
    Fourier f = planFourier(atLeast);
    EXPECT_GE(f.length, atLeast);
    EXPECT_LE(f.length, atLeast + atLeast / 8);
  }
}

TEST(FourierPlan, EveryFrequencyOnce) {
  for (int64_t length : {1, 2, 12, 210, 512, 600, 4096, 30870}) {
    std::vector<int64_t> order = frequencies(*fourierOfLength(length));
    std::sort(order.begin(), order.end());
    ASSERT_EQ(order.size(), static_cast<size_t>(length));
    for (int64_t k = 0; k < length; ++k)
      ASSERT_EQ(order[k], k);
  }
}

/// Butterflies as the kernels do them, on numbers.
void transform(std::vector<std::complex<double>> &x, size_t from, size_t length,
               const std::vector<int64_t> &radices, size_t level) {
  if (level == radices.size())
    return;
  size_t radix = radices[level], step = length / radix;
  for (size_t j = 0; j < step; ++j) {
    std::vector<std::complex<double>> y(radix);
    for (size_t k = 0; k < radix; ++k) {
      for (size_t i = 0; i < radix; ++i)
        y[k] += x[from + j + i * step] *
                std::polar(1.0, -2 * M_PI * double(i * k % radix) / radix);
      y[k] *= std::polar(1.0, -2 * M_PI * double(j * k) / length);
    }
    for (size_t k = 0; k < radix; ++k)
      x[from + j + k * step] = y[k];
  }
  for (size_t k = 0; k < radix; ++k)
    transform(x, from + k * step, step, radices, level + 1);
}

TEST(FourierPlan, ButterfliesLeaveDigitsReversed) {
  for (const std::vector<int64_t> &radices :
       {std::vector<int64_t>{2, 3, 4}, {8, 5}, {7, 2, 2}}) {
    int64_t length = product(radices);
    std::vector<std::complex<double>> x(length), y(length);
    for (int64_t t = 0; t < length; ++t)
      x[t] = {std::sin(t * t + 1.0), std::cos(3.0 * t)};
    y = x;
    transform(y, 0, length, radices, 0);
    std::vector<int64_t> order = digitReversal(radices);
    for (int64_t p = 0; p < length; ++p) {
      std::complex<double> sum;
      for (int64_t t = 0; t < length; ++t)
        sum +=
            x[t] * std::polar(1.0, -2 * M_PI * double(t * order[p] % length) /
                                       double(length));
      EXPECT_LT(std::abs(sum - y[p]), 1e-12 * double(length)) << p;
    }
  }
}

TEST(FourierPlan, ReadsNoMoreThanItMust) {
  Fourier f = *fourierOfLength(8192);
  int64_t unit = 8192 / f.down.front();
  EXPECT_EQ(f.touched(8192), 8192);
  EXPECT_EQ(f.touched(4096), 4096);
  EXPECT_EQ(f.touched(4097), 4096 + unit);
  EXPECT_EQ(f.touched(1), unit);
  EXPECT_EQ(fourierOfLength(1)->touched(1), 1);
  EXPECT_EQ(fourierOfLength(7)->touched(3), 3);
}

} // namespace
