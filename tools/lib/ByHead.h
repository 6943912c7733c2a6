//===- ByHead.h - Problems whose heads need not go one way -----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Each key head of each batch entry, with its query heads, as a problem of its
// own: which problems fall apart so, and into what.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_BYHEAD_H
#define ROPEGRAD_TOOLS_LIB_BYHEAD_H

#include "dialect/Problem.h"

namespace ropegrad {

/// Whether each key head can be computed by a body of its own: attention whose
/// heads share no gradient (dW, dbias), and whose key heads, where there are
/// several, differ in nothing that a kernel knows when it is compiled (slopes
/// or biases for each head). Bounds of coordinates, which a radius does not
/// tell, hold for all heads or for none.
bool isByHead(const Problem &problem);

/// A problem that isByHead() with every key head of every batch entry as a
/// batch entry: (batch · kv_heads, heads / kv_heads, n, d).
Problem headsAsBatch(const Problem &problem);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_BYHEAD_H
