//===- Compile.h - What ropegrad-compile does ------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// From a command line to the files it asks for.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_COMPILE_H
#define ROPEGRAD_TOOLS_LIB_COMPILE_H

#include "llvm/ADT/ArrayRef.h"

#include <string>

namespace ropegrad {

/// Runs ropegrad-compile without the name of the program. Returns one message;
/// empty: all is well, and every file asked for is complete. On failure no file
/// is left behind and none is overwritten.
std::string compileMain(llvm::ArrayRef<const char *> arguments);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_COMPILE_H
