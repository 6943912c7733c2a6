//===- ToeplitzBlocks.cpp - How a Toeplitz matrix is cut -------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// One block, or blocks of doubling size down to a band.
//
//===----------------------------------------------------------------------===//

#include "passes/ToeplitzBlocks.h"

#include <algorithm>
#include <utility>

namespace ropegrad {

static int64_t wholeTiles(int64_t rows) {
  return (rows + kTileRows - 1) / kTileRows * kTileRows;
}

void ToeplitzBlocks::addLevel(int64_t rows, int64_t distance, int64_t first,
                              int64_t step, int64_t length) {
  Fourier fourier = planFourier(length);
  while (fourier.length % kTileRows != 0)
    fourier = planFourier(fourier.length + 1);
  ToeplitzLevel level{rows, distance, first, step, std::move(fourier), size};
  size += 2 * level.fourier.length;
  levels.push_back(std::move(level));
}

ToeplitzBlocks::ToeplitzBlocks(int64_t n, Mask mask, int64_t window) {
  if (mask == Mask::None) {
    int64_t rows = wholeTiles(n);
    addLevel(rows, 0, 0, 1, std::max(2 * n - 1, rows));
    return;
  }
  // Blocks on the diagonal are cheaper element by element up to about this
  // size: a transform takes some 5 log2(2 band) operations a row and column.
  band = 128;
  int64_t reach = mask == Mask::Window ? std::min(window, n) : n;
  for (int64_t rows = band; rows < n && reach > 1; rows *= 2) {
    // A window that ends within the block before needs nothing larger.
    bool last = rows + 1 >= reach;
    addLevel(rows, rows, 1, last ? 1 : 2, 2 * rows);
    if (last)
      return;
  }
}

} // namespace ropegrad
