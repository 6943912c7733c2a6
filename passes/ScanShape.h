//===- ScanShape.h - Chunks of the scan route ------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// How the scan route cuts n rows: what is done exactly, and what through states
// at the boundaries of chunks. No MLIR: the planner and the pass share it.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_SCANSHAPE_H
#define ROPEGRAD_PASSES_SCANSHAPE_H

#include <cstdint>
#include <vector>

namespace ropegrad {

/// What a scan is made for.
struct ScanProblem {
  int64_t n, d;
  int64_t monomials; ///< M
  int64_t window;    ///< 0: no window
};

/// Row i sees the rows of chunk ⌊i/chunk⌋ − o for offsets o; those of 1 to
/// `reach` (0: all) through their state, those in `near` element by element.
struct ScanShape {
  int64_t chunk; ///< rows
  int64_t reach; ///< in chunks; 0: without a window
  bool hasFar;   ///< whether any chunk is seen through its state
  std::vector<int64_t> near;
};

/// What a state costs in all of forward pass and gradient, in passes over it at
/// 10 bytes a nanosecond: memory, packing, and products with blocks of rows
/// that are shorter the shorter a chunk is. Measured at d = 8, g = 4.
constexpr double kStatePasses = 24;

/// The chunk that costs least by a model of one core: of the near part 14 d
/// flops for every pair of rows, `chunk` pairs a row; of the far part
/// kStatePasses over a state of M (d + 1) numbers every `chunk` rows. Whole
/// blocks of 64 rows.
int64_t chooseChunk(const ScanProblem &problem);

/// With chunks of `chunk` rows, or of as many as the model says (0).
ScanShape scanShape(const ScanProblem &problem, int64_t chunk = 0);

} // namespace ropegrad

#endif // ROPEGRAD_PASSES_SCANSHAPE_H
