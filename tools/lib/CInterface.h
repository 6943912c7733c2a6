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

/// What computes one of a kernel's functions: one pointer per array, then
/// batch, n, strides, threads and workspace, to a status.
struct KernelBody {
  llvm::Function *function = nullptr;
  std::optional<unsigned> degree; ///< none: the exact route
};

/// Those of one function, tried in this order until one does not refuse the
/// radius. More than one reports which it was.
using KernelBodies = llvm::SmallVector<KernelBody>;

/// Bytes behind what a body leaves to backward: which of them it was.
constexpr int64_t kResidualMark = 64;

/// Whether a body is given this argument; only the entry points know which
/// body computes a call.
inline bool isPassedOn(const ArgInfo &arg, bool toExact) {
  return arg.name != "degree_used" && !(toExact && arg.name == "radius_found");
}

/// `bodies[i]` compute `info.functions[i]`. Everything but the entry points
/// becomes internal.
void addCInterface(llvm::Module &module, const KernelInfo &info,
                   llvm::ArrayRef<KernelBodies> bodies, bool standalone);

/// The symbols that addCInterface exports.
std::vector<std::string> exportedSymbols(const KernelInfo &info);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_CINTERFACE_H
