//===- PlanScan.h - Judging the scan route ---------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// What the scan route takes, and what it costs. No MLIR.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_PLANSCAN_H
#define ROPEGRAD_PASSES_PLANSCAN_H

#include "passes/CostModel.h"

#include <string>
#include <vector>

namespace ropegrad {

/// What keeps weights from being a polynomial of a dot product under a mask or
/// ALiBi, and what would take them; empty if nothing does.
std::vector<std::string> obstaclesToScan(const Problem &problem);

/// Of one call, all heads.
struct ScanCost {
  double farFlops;  ///< products with states: those of features
  double nearFlops; ///< pairs of rows in the blocks near the diagonal
  double states;    ///< elements, of one reduction; 0 where all is near
  double flops() const { return farFlops + nearFlops; }
};
ScanCost scanCost(const Problem &problem, unsigned degree);

/// Inputs, outputs, the tall arrays between them, and two arrays of states.
double scanBytes(const Problem &problem, unsigned degree);

/// Features' time for the far part, the rate of the general loops for the near
/// one, and kStatePasses over the states at 10 bytes a nanosecond.
double scanMilliseconds(const Problem &problem, unsigned degree,
                        const CostModel &model, int64_t threads);

} // namespace ropegrad

#endif // ROPEGRAD_PASSES_PLANSCAN_H
