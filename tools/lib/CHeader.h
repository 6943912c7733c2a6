//===- CHeader.h - C declarations of a kernel ------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Writes K.h, the self-contained and documented C and C++ header of a kernel.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_CHEADER_H
#define ROPEGRAD_TOOLS_LIB_CHEADER_H

#include "tools/lib/Manifest.h"

#include <string>

namespace ropegrad {

/// The text of K.h: C99 and C++, no other header of ours needed. Headers of
/// several kernels can be included together. Same kernel, same bytes.
std::string cHeader(const KernelInfo &info);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_CHEADER_H
