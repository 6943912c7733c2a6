//===- ToeplitzBlocksTest.cpp - Blocks cover a matrix once -----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Band and blocks meet every live pair of positions once, and under a mask no
// row meets a transform much larger than its own sum.
//
//===----------------------------------------------------------------------===//

#include "passes/ToeplitzBlocks.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

using namespace ropegrad;

namespace {

bool isLive(int64_t i, int64_t j, Mask mask, int64_t window) {
  return mask == Mask::None ||
         (i >= j && (mask == Mask::Causal || i - j < window));
}

/// How often each (i, j) is met.
std::vector<int> covered(int64_t n, Mask mask, int64_t window) {
  ToeplitzBlocks blocks(n, mask, window);
  std::vector<int> count(n * n);
  for (int64_t i = 0; i < n && blocks.band; ++i)
    for (int64_t j = 0; j < n; ++j)
      count[i * n + j] += i / blocks.band == j / blocks.band;
  for (const ToeplitzLevel &level : blocks.levels)
    for (int64_t row = level.first * level.size; row < n;
         row += level.step * level.size)
      for (int64_t i = row; i < std::min(n, row + level.size); ++i)
        for (int64_t j = row - level.distance;
             j < std::min(n, row - level.distance + level.size); ++j)
          count[i * n + j] += 1;
  return count;
}

TEST(ToeplitzBlocks, CoverEveryLivePairOnce) {
  for (int64_t n : {1, 2, 16, 127, 128, 129, 256, 257, 300, 700, 1025})
    for (auto [mask, window] : {std::pair(Mask::None, int64_t(0)),
                                {Mask::Causal, 0},
                                {Mask::Window, 1},
                                {Mask::Window, 7},
                                {Mask::Window, 128},
                                {Mask::Window, 129},
                                {Mask::Window, 130},
                                {Mask::Window, 257},
                                {Mask::Window, 300},
                                {Mask::Window, 5000}}) {
      SCOPED_TRACE("n " + std::to_string(n) + " window " +
                   std::to_string(window));
      std::vector<int> count = covered(n, mask, window);
      int64_t wrong = 0;
      for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < n; ++j)
          wrong += isLive(i, j, mask, window) ? count[i * n + j] != 1
                                              : count[i * n + j] > 1;
      EXPECT_EQ(wrong, 0);
    }
}

TEST(ToeplitzBlocks, TransformsHoldEveryDistance) {
  for (int64_t n : {1, 17, 500, 4096})
    for (Mask mask : {Mask::None, Mask::Causal})
      for (const ToeplitzLevel &level : ToeplitzBlocks(n, mask, 0).levels) {
        int64_t longest = mask == Mask::None ? n : level.size;
        EXPECT_GE(level.fourier.length, 2 * longest - 1);
        EXPECT_GE(level.fourier.length, level.size);
        EXPECT_EQ(level.size % kTileRows, 0);
        EXPECT_EQ(level.fourier.length % kTileRows, 0);
      }
}

TEST(ToeplitzBlocks, UnderAMaskAreNoLargerThanTheRowsBefore) {
  for (const ToeplitzLevel &level :
       ToeplitzBlocks(5000, Mask::Causal, 0).levels) {
    EXPECT_EQ(level.distance, level.size);
    EXPECT_EQ(level.first, 1);
  }
  // Nor than the window.
  for (const ToeplitzLevel &level :
       ToeplitzBlocks(5000, Mask::Window, 300).levels)
    EXPECT_LT(level.size, 2 * 300);
}

TEST(ToeplitzBlocks, SpectraFollowOneAnother) {
  ToeplitzBlocks blocks(5000, Mask::Causal, 0);
  int64_t at = 0;
  for (const ToeplitzLevel &level : blocks.levels) {
    EXPECT_EQ(level.spectrumAt, at);
    at += 2 * level.fourier.length;
  }
  EXPECT_EQ(blocks.spectrumSize(), at);
}

} // namespace
