//===- PlanScan.cpp - Judging the scan route -------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Near and far part, counted as ropegrad-fuse-kronecker cuts them.
//
//===----------------------------------------------------------------------===//

#include "passes/PlanScan.h"
#include "passes/Monomials.h"
#include "passes/ScanShape.h"

#include <algorithm>

namespace ropegrad {

static bool hasAlibi(const Problem &p) {
  return std::any_of(p.alibi.begin(), p.alibi.end(),
                     [](double slope) { return slope != 0.0; });
}

std::vector<std::string> obstaclesToScan(const Problem &p) {
  std::vector<std::string> obstacles;
  if (p.position == Position::General)
    obstacles.emplace_back("position general needs route fft");
  if (p.learnedBias)
    obstacles.emplace_back("a learned bias needs route fft");
  if (p.mask == Mask::None && !hasAlibi(p))
    obstacles.emplace_back("without mask and alibi there is nothing to scan: "
                           "route features takes it");
  return obstacles;
}

/// Rows of the columns that a row's tiles of 64 × 64 elements have, where all
/// is near.
static double nearRows(const Problem &p) {
  constexpr double tile = 64;
  double n = static_cast<double>(p.n);
  if (p.mask == Mask::None)
    return n;
  double width =
      p.mask == Mask::Causal ? n : std::min(n, static_cast<double>(p.window));
  return std::min(n, width - width * (width - 1) / (2 * n) + tile / 2);
}

/// Chunks of rows, of which each has a state.
static double countChunks(const Problem &p, const ScanShape &shape) {
  int64_t chunks = (p.n - 1) / shape.chunk + 1;
  return static_cast<double>(chunks);
}

/// Products of monomials with rows for every channel and, with a rotary
/// position, every function of it; near the diagonal one for each entry of W.
static void addGradientOfX(const Problem &p, unsigned degree, double rows,
                           double sides, const ScanShape &shape,
                           ScanCost &cost) {
  double n = static_cast<double>(p.n), d = static_cast<double>(p.d);
  double c = static_cast<double>(p.channels);
  double width = c * (d + 1) * (p.position == Position::Rotary ? d : 1);
  cost.nearFlops += 2 * n * rows * c * static_cast<double>(p.supportSize());
  if (!shape.hasFar || degree == 0)
    return;
  auto m = static_cast<double>(Monomials(p.d, degree - 1).size());
  cost.farFlops += sides * 4 * n * m * width;
  cost.states += sides * countChunks(p, shape) * m * width / kStatePasses;
}

ScanCost scanCost(const Problem &p, unsigned degree) {
  int64_t m = Monomials(p.d, degree).size();
  int64_t window = p.mask == Mask::Window ? p.window : 0;
  ScanShape shape = scanShape({p.n, p.d, m, window});
  double heads = static_cast<double>(p.batch) * static_cast<double>(p.heads);
  double n = static_cast<double>(p.n), d = static_cast<double>(p.d);
  double chunk = static_cast<double>(shape.chunk), rows = nearRows(p);
  double sides = p.mask == Mask::None ? 2 : 1;
  if (shape.hasFar) {
    // Half of the diagonal blocks is masked; of those at a window's end so much
    // is left that they count for one.
    rows = sides * (chunk + 64) / 2;
    if (shape.near.size() > 1)
      rows += chunk;
  }
  ScanCost cost{};
  cost.nearFlops = (p.needsGradient() ? 14 : 4) * heads * n * rows * d;
  Problem others = p;
  others.wrt.erase(std::remove(others.wrt.begin(), others.wrt.end(), "X"),
                   others.wrt.end());
  double features = CostModel::featuresFlops(others, degree);
  double products = (p.needsGradient() ? 12 : 4) * heads * n *
                    static_cast<double>(m) * (d + 1);
  // Of the flops of features the projections are left.
  cost.farFlops =
      shape.hasFar ? features + (sides - 1) * products : features - products;
  if (shape.hasFar)
    cost.states = sides * heads * countChunks(p, shape) *
                  static_cast<double>(m) * (d + 1);
  if (p.wants("X"))
    addGradientOfX(p, degree, rows, sides, shape, cost);
  return cost;
}

double scanBytes(const Problem &p, unsigned degree) {
  double size = p.dtype == DType::F64 ? 8 : 4;
  return CostModel::exactBytes(p) + 2 * size * scanCost(p, degree).states;
}

double scanMilliseconds(const Problem &p, unsigned degree,
                        const CostModel &model, int64_t threads) {
  constexpr double bytesPerNs = 10;
  ScanCost cost = scanCost(p, degree);
  double isDouble = p.dtype == DType::F64 ? 2 : 1;
  double near = cost.nearFlops * isDouble / (model.generalGFlops * 1e6);
  double part = p.needsGradient() ? 1.0 : 1.0 / 3;
  double states =
      part * kStatePasses * 4 * isDouble * cost.states / (bytesPerNs * 1e6);
  return model.milliseconds(p, Route::Scan, cost.farFlops, threads, degree) +
         (near + states) / static_cast<double>(threads);
}

} // namespace ropegrad
