//===- ScanShape.cpp - Chunks of the scan route ----------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The model that chooses chunks, and which of them a window covers.
//
//===----------------------------------------------------------------------===//

#include "passes/ScanShape.h"

#include <algorithm>
#include <cmath>

namespace ropegrad {

int64_t chooseChunk(const ScanProblem &problem) {
  constexpr double nearGFlops = 90, bytesPerNs = 10;
  constexpr int64_t block = 64, most = 512;
  double d = static_cast<double>(problem.d);
  // A window also cuts chunks at its far end.
  double pairs = problem.window > 0 ? 3 : 1;
  double nearNs = 14 * d * pairs / nearGFlops;
  double stateNs = kStatePasses * 4 * static_cast<double>(problem.monomials) *
                   (d + 1) / bytesPerNs;
  double best = std::sqrt(stateNs / nearNs) / block;
  return block * std::clamp<int64_t>(std::llround(best), 1, most / block);
}

ScanShape scanShape(const ScanProblem &problem, int64_t chunk) {
  ScanShape shape{chunk > 0 ? chunk : chooseChunk(problem), 0, false, {0}};
  int64_t size = shape.chunk, window = problem.window;
  if (window > 0 && window < problem.n) {
    // Rows of offset o are i − j from (o − 1) · size + 1 to (o + 1) · size − 1
    // apart: all live up to this offset, none beyond `last`.
    shape.reach = window / size - 1;
    int64_t last = window > 1 ? (window - 2) / size + 1 : 0;
    for (int64_t o = std::max<int64_t>(shape.reach, 0) + 1; o <= last; ++o)
      shape.near.push_back(o);
    shape.hasFar = shape.reach >= 1 && problem.n > size;
    return shape;
  }
  shape.hasFar = problem.n > size;
  return shape;
}

} // namespace ropegrad
