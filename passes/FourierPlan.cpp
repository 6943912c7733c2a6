//===- FourierPlan.cpp - Lengths and orders of transforms ------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Factors lengths into radices and chooses among them.
//
//===----------------------------------------------------------------------===//

#include "passes/FourierPlan.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ropegrad {
namespace {

/// A row of more elements than this is split in two dimensions: 16 complex
/// single-precision lanes are 128 bytes, so that a row fills the first cache
/// twice over.
constexpr int64_t kLongestRow = 512;
/// No row of a split transform is longer.
constexpr int64_t kMostColumns = 4096;

/// The radices of a smooth length, odd ones first, then one or two of 2 and 4,
/// then 8; none for length 1.
std::optional<std::vector<int64_t>> radicesOf(int64_t length) {
  std::vector<int64_t> radices;
  for (int64_t radix : {7, 5, 3})
    for (; length % radix == 0; length /= radix)
      radices.push_back(radix);
  int64_t twos = 0;
  for (; length % 2 == 0; length /= 2)
    ++twos;
  if (length != 1)
    return std::nullopt;
  if (twos % 3 == 1 && twos >= 4) {
    radices.insert(radices.end(), {4, 4});
    twos -= 4;
  } else if (twos % 3 != 0) {
    radices.push_back(int64_t(1) << twos % 3);
    twos -= twos % 3;
  }
  radices.insert(radices.end(), twos / 3, 8);
  return radices;
}

/// Instructions on vectors per element of one pass of butterflies: loads,
/// stores, a twiddle factor, and what the radix takes.
double passCost(int64_t radix) {
  double arithmetic = 0;
  switch (radix) {
  case 2:
    arithmetic = 2;
    break;
  case 3:
    arithmetic = 16.0 / 3;
    break;
  case 4:
    arithmetic = 4;
    break;
  case 5:
    arithmetic = 8;
    break;
  case 7:
    arithmetic = 12;
    break;
  default:
    arithmetic = 7;
    break;
  }
  return arithmetic + 4 +
         4.0 * static_cast<double>(radix - 1) / static_cast<double>(radix);
}

double cost(const std::vector<int64_t> &radices) {
  double sum = 0;
  for (int64_t radix : radices)
    sum += passCost(radix);
  return sum;
}

double cost(const Fourier &f) {
  // A second dimension costs its twiddle factors and a pass through memory.
  double split = f.rows > 1 ? 8 : 0;
  return static_cast<double>(f.length) *
         (cost(f.down) + cost(f.along) + split + 1);
}

/// How long rows of a split transform should be.
double wantedColumns(int64_t length) {
  double root = std::sqrt(static_cast<double>(length));
  return std::min(root * 1.5, 1024.0);
}

Fourier makeFourier(int64_t rows, int64_t columns) {
  Fourier f;
  f.length = rows * columns;
  f.rows = rows;
  f.columns = columns;
  f.down = *radicesOf(rows);
  f.along = *radicesOf(columns);
  // One element more than a row: columns do not fall into few sets of a cache.
  f.pitch = rows > 1 ? columns + 1 : columns;
  return f;
}

} // namespace

int64_t Fourier::touched(int64_t filled) const {
  if (length == 1)
    return 1;
  int64_t unit = length / (down.empty() ? along : down).front();
  return std::min((filled + unit - 1) / unit * unit, length);
}

std::optional<Fourier> fourierOfLength(int64_t length) {
  if (length < 1 || !radicesOf(length))
    return std::nullopt;
  if (length <= kLongestRow)
    return makeFourier(1, length);
  std::optional<Fourier> best;
  double bestCost = std::numeric_limits<double>::infinity();
  for (int64_t columns = 2; columns <= std::min(length / 2, kMostColumns);
       ++columns) {
    if (length % columns != 0)
      continue;
    Fourier f = makeFourier(length / columns, columns);
    double off = std::abs(
        std::log2(static_cast<double>(columns) / wantedColumns(length)));
    double total = cost(f) / static_cast<double>(length) + 4 * off;
    if (total < bestCost) {
      bestCost = total;
      best = f;
    }
  }
  return best;
}

Fourier planFourier(int64_t atLeast) {
  std::optional<Fourier> best;
  // There is a power of two below 2 · atLeast.
  for (int64_t length = atLeast; !best || length <= best->length * 5 / 4;
       ++length) {
    if (best && length > 2 * atLeast)
      break;
    if (!radicesOf(length))
      continue;
    auto f = fourierOfLength(length);
    if (!best || cost(*f) < cost(*best))
      best = f;
  }
  return *best;
}

std::vector<int64_t> digitReversal(const std::vector<int64_t> &radices) {
  std::vector<int64_t> order = {0};
  // From the last butterfly to the first: the position's leading digit is the
  // frequency's last.
  for (size_t i = radices.size(); i-- > 0;) {
    std::vector<int64_t> next;
    for (int64_t digit = 0; digit < radices[i]; ++digit)
      for (int64_t frequency : order)
        next.push_back(digit + radices[i] * frequency);
    order = next;
  }
  return order;
}

std::vector<int64_t> frequencies(const Fourier &fourier) {
  std::vector<int64_t> down = digitReversal(fourier.down);
  std::vector<int64_t> along = digitReversal(fourier.along);
  std::vector<int64_t> all;
  for (int64_t first : down)
    for (int64_t second : along)
      all.push_back(first + fourier.rows * second);
  return all;
}

} // namespace ropegrad
