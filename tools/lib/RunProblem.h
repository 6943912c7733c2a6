//===- RunProblem.h - Does problem.json fit the kernel ----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Compares the problem that the data was made for with the one that the kernel
// was compiled for.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_RUNPROBLEM_H
#define ROPEGRAD_TOOLS_LIB_RUNPROBLEM_H

#include "llvm/Support/JSON.h"

#include <string>

namespace ropegrad {

/// Compares every key that both have and that changes a result: numbers to
/// 1e-12 relative. Returns an error that names the first key which differs
/// ("expected n to be 64, ..., but got 128") or "".
std::string compareProblem(const llvm::json::Object &manifest,
                           const llvm::json::Object &problem);

/// The same with the file problem.json in `folder`; no error if there is none.
std::string checkProblemFile(const llvm::json::Object &manifest,
                             const std::string &folder);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_RUNPROBLEM_H
