//===- ropegrad-compile.cpp - From a problem to a kernel -------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Compiles a problem (flags, problem.json or level-1 MLIR) to a shared library,
// an object, assembly, LLVM IR or MLIR.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/Compile.h"
#include "tools/lib/Faults.h"

#include "llvm/Support/raw_ostream.h"

int main(int argc, char **argv) {
  ropegrad::reportFaultsAs("ropegrad-compile");
  std::vector<const char *> arguments(argv + 1, argv + argc);
  std::string error = ropegrad::compileMain(arguments);
  if (error.empty())
    return 0;
  llvm::errs() << "ropegrad-compile: error: " << error << "\n";
  return 1;
}
