//===- SampleBounds.h - Bounds of coordinates from a sample ----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// What --bounds-from measures.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_SAMPLEBOUNDS_H
#define ROPEGRAD_TOOLS_LIB_SAMPLEBOUNDS_H

#include "dialect/Problem.h"

#include <string>

namespace ropegrad {

/// Sets problem.bounds to the least that the arrays in `folder` keep: Q.npy and
/// K.npy of any (batch, heads, n, d) with this d, or A1, X1, A2 and X2 of the
/// loss. Under rotary position both coordinates of a pair get half of the
/// product of the largest norms. Coordinates that are zero get a tiny bound.
/// Returns an error or "".
std::string measureBounds(const std::string &folder, Problem &problem);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_SAMPLEBOUNDS_H
