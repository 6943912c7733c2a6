//===- RunHeads.h - What each head of a call was computed with --*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Radii and degrees of kernels that choose a polynomial or the exact route for
// each key head: in words, and as JSON.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_RUNHEADS_H
#define ROPEGRAD_TOOLS_LIB_RUNHEADS_H

#include "llvm/Support/JSON.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ropegrad {

/// One key head of one batch entry.
struct HeadReport {
  double radius = 0.0;           ///< found
  std::optional<int64_t> degree; ///< none: the exact route computed it
};

/// All key heads of a call, batch entry by batch entry.
struct HeadReports {
  int64_t heads = 1; ///< key heads of a batch entry
  int64_t group = 1; ///< query heads of a key head
  std::vector<HeadReport> each;

  /// The highest degree that computed a head; none where all are exact.
  std::optional<int64_t> highestDegree() const;
  int64_t exactHeads() const;
};

/// A line for each degree used, the lowest first: its query heads and the
/// largest of their radii.
std::vector<std::string> headLines(const HeadReports &reports);

/// {"radius_found": [[...], ...], "degree": [[...], ...]}: one list for each
/// batch entry, in it one number for each key head; null: exact.
llvm::json::Object headsJson(const HeadReports &reports);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_RUNHEADS_H
