//===- Version.h - The version of the tools --------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// What --version prints.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_VERSION_H
#define ROPEGRAD_TOOLS_LIB_VERSION_H

namespace ropegrad {

constexpr const char *kVersion = "0.1.0";

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_VERSION_H
