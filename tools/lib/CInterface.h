//===- CInterface.h - The entry points of a kernel -------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Adds what a C caller sees (entry points with their checks, the size of the
// workspace, the manifest) to a kernel in LLVM IR.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_CINTERFACE_H
#define ROPEGRAD_TOOLS_LIB_CINTERFACE_H

#include "tools/lib/Manifest.h"

#include "llvm/IR/Module.h"

namespace ropegrad {

/// `bodies[i]` is the function that computes `info.functions[i]`: one pointer
/// per array, then the workspace, to a status. Everything but the entry points
/// becomes internal.
void addCInterface(llvm::Module &module, const KernelInfo &info,
                   llvm::ArrayRef<llvm::Function *> bodies, bool standalone);

/// The symbols that addCInterface exports.
std::vector<std::string> exportedSymbols(const KernelInfo &info);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_CINTERFACE_H
