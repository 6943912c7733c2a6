//===- PlanScanTest.cpp - Judging the scan route ---------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#include "passes/PlanScan.h"
#include "passes/Planner.h"
#include "passes/ScanShape.h"

#include "gtest/gtest.h"

#include <algorithm>

using namespace ropegrad;

namespace {

Problem problem(int64_t n) {
  Problem p;
  p.entry = Entry::Attention;
  p.n = n;
  p.d = 8;
  p.scale = 1.0 / 8;
  p.radius = 0.5;
  p.tolerance = 1e-3;
  p.wrt = {"Q", "K", "V"};
  p.mask = Mask::Causal;
  return p;
}

Alternative judged(const Problem &p) {
  PlanResult result = makePlan(p);
  EXPECT_TRUE(result.plan) << result.error;
  return result.plan->alternatives[2];
}

/// Rows i and j of one sequence meet in the near or in the far part, once, and
/// only where the window leaves them alive as a whole.
void expectPartition(const ScanProblem &problem, int64_t chunk) {
  ScanShape shape = scanShape(problem, chunk);
  for (int64_t i = 0; i < problem.n; ++i)
    for (int64_t j = 0; j <= i; ++j) {
      int64_t offset = i / chunk - j / chunk;
      bool isLive = problem.window == 0 || i - j < problem.window;
      bool isNear = std::count(shape.near.begin(), shape.near.end(), offset);
      bool isFar = shape.hasFar && offset >= 1 &&
                   (shape.reach == 0 || offset <= shape.reach);
      ASSERT_FALSE(isNear && isFar) << i << " " << j;
      ASSERT_TRUE(isLive || !isFar) << i << " " << j;
      ASSERT_TRUE(!isLive || isNear || isFar || !shape.hasFar) << i << " " << j;
    }
}

} // namespace

TEST(ScanShape, NearAndFarArePartsOfTheWindow) {
  for (int64_t n : {1, 5, 32, 67})
    for (int64_t chunk : {1, 4, 8})
      for (int64_t window = 0; window <= 70; ++window)
        expectPartition({n, 4, 15, window}, chunk);
}

TEST(ScanShape, ChunksAreWholeBlocks) {
  for (int64_t d : {2, 8, 64})
    for (int64_t m : {3, 495, 60000}) {
      int64_t chunk = chooseChunk({100000, d, m, 0});
      EXPECT_EQ(chunk % 64, 0);
      EXPECT_GE(chunk, 64);
      EXPECT_LE(chunk, 512);
    }
  EXPECT_LE(chooseChunk({100000, 8, 165, 0}), chooseChunk({100000, 8, 495, 0}));
}

TEST(ScanShape, FewRowsAreAllNear) {
  EXPECT_FALSE(scanShape({64, 8, 495, 0}, 64).hasFar);
  EXPECT_TRUE(scanShape({65, 8, 495, 0}, 64).hasFar);
  EXPECT_FALSE(scanShape({1000, 8, 495, 127}, 64).hasFar);
  EXPECT_TRUE(scanShape({1000, 8, 495, 128}, 64).hasFar);
}

TEST(PlanScan, MasksAndAlibiAreTaken) {
  Problem p = problem(16384);
  EXPECT_TRUE(judged(p).admissible) << judged(p).reason;
  EXPECT_EQ(makePlan(p).plan->route, Route::Scan);
  p.mask = Mask::Window;
  p.window = 100;
  EXPECT_TRUE(judged(p).admissible) << judged(p).reason;
  p.mask = Mask::None;
  EXPECT_EQ(judged(p).reason, "without mask and alibi there is nothing to "
                              "scan: route features takes it");
  p.alibi = {0.5};
  EXPECT_TRUE(judged(p).admissible) << judged(p).reason;
}

TEST(PlanScan, WhatNeedsAnotherRoute) {
  Problem p = problem(16384);
  p.learnedBias = true;
  EXPECT_EQ(judged(p).reason, "a learned bias needs route fft");
  p.position = Position::General;
  p.support = {{0, 0}};
  EXPECT_EQ(judged(p).reason,
            "position general needs route fft; a learned bias needs route fft");
  p = problem(64);
  p.route = Route::Scan;
  p.mask = Mask::None;
  EXPECT_EQ(
      makePlan(p).error,
      "expected an admissible route, but got scan: without mask and alibi "
      "there is nothing to scan: route features takes it");
}

TEST(PlanScan, CostsAreLinearInN) {
  ScanCost one = scanCost(problem(1 << 14), 4);
  ScanCost two = scanCost(problem(1 << 15), 4);
  EXPECT_DOUBLE_EQ(two.flops(), 2 * one.flops());
  ASSERT_GT(one.states, 0);
  // The last chunk need not be whole.
  EXPECT_NEAR(two.states / one.states, 2, 0.03);
  // Two scans where there is no mask.
  Problem both = problem(1 << 14);
  both.mask = Mask::None;
  both.alibi = {0.5};
  EXPECT_DOUBLE_EQ(scanCost(both, 4).farFlops, 2 * one.farFlops);
}

TEST(PlanScan, TheGradientOfXCostsMore) {
  Problem p = problem(1 << 14);
  p.entry = Entry::LossGradient;
  p.channels = 8;
  p.wrt = {"X1"};
  ScanCost before = scanCost(p, 4);
  p.wrt.emplace_back("X");
  EXPECT_TRUE(judged(p).admissible) << judged(p).reason;
  EXPECT_GT(scanCost(p, 4).farFlops, 2 * before.farFlops);
  EXPECT_GT(scanCost(p, 4).nearFlops, before.nearFlops);
}

TEST(PlanScan, FewRowsCostNoStates) {
  Problem p = problem(64);
  p.route = Route::Scan;
  PlanResult result = makePlan(p);
  ASSERT_TRUE(result.plan) << result.error;
  EXPECT_EQ(scanCost(p, 4).states, 0);
  EXPECT_EQ(scanCost(p, 4).farFlops, 0);
  EXPECT_GT(result.plan->flops, 0);
}
