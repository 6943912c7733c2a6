//===- RunKernel.h - Runs one kernel on one folder --------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// What ropegrad-run does between its command line and its report.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_RUNKERNEL_H
#define ROPEGRAD_TOOLS_LIB_RUNKERNEL_H

#include "tools/lib/RunHeads.h"
#include "tools/lib/RunManifest.h"
#include "tools/lib/RunOptions.h"

#include "llvm/Support/raw_ostream.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ropegrad {

/// What a run measured; printed by printReport.
struct RunReport {
  int status = 0; ///< of the kernel, see ropegrad_runtime.h
  std::string route;
  std::optional<int64_t> degree;
  std::optional<double> radiusLimit, radiusFound;
  std::string centred = "none";     ///< rows that the radius is of
  std::optional<HeadReports> heads; ///< of kernels that choose by head
  std::string plannedRoute;         ///< what the plan chose
  std::optional<int64_t> plannedDegree;
  std::optional<double> tolerance;        ///< that the kernel was compiled for
  std::vector<PlannedRoute> planned;      ///< what its plan weighed
  std::optional<double> msBest, msMedian; ///< none if the kernel failed
  /// Of each output a bound of its largest absolute error, or infinity.
  std::vector<std::pair<std::string, double>> certified;
  std::string notCertified; ///< why that is empty
  int threads = 1;
  int64_t workspaceBytes = 0;
};

/// Runs the kernel and writes its outputs. Returns an error or "". `report` is
/// set once the kernel was called, whether or not it was content with its
/// inputs.
std::string runKernel(const RunOptions &options,
                      std::optional<RunReport> &report);

/// A few lines for people, or one JSON object.
void printReport(const RunReport &report, bool json, llvm::raw_ostream &stream);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_RUNKERNEL_H
