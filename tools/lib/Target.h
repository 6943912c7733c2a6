//===- Target.h - The machine that a kernel is made for --------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// `--cpu` resolved to LLVM's target machine, its features and vector width.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_TARGET_H
#define ROPEGRAD_TOOLS_LIB_TARGET_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Target/TargetMachine.h"

#include <memory>
#include <string>
#include <vector>

namespace ropegrad {

struct Target {
  std::unique_ptr<llvm::TargetMachine> machine;
  std::string triple, cpu;
  std::vector<std::string> features; ///< that the code may use, sorted
  int64_t vectorBits = 128;          ///< 128, 256 or 512
};

/// Resolves `cpu` ("native" or LLVM's name of an x86-64 processor). Returns one
/// message, empty if all is well.
std::string makeTarget(llvm::StringRef cpu, Target &target);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_TARGET_H
