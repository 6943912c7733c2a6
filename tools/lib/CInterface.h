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

/// The function that computes one of the kernel's: one pointer per array, then
/// the workspace, to a status. `exact`, if not null, computes the calls whose
/// radius `planned` refuses; it has no radius to report.
struct KernelBody {
  llvm::Function *planned = nullptr, *exact = nullptr;
};

/// Bytes behind what either body leaves to backward: whose it is.
constexpr int64_t kResidualMark = 64;

/// Whether a body is given this argument; only the entry points know which
/// body computes a call.
inline bool isPassedOn(const ArgInfo &arg, bool toExact) {
  return arg.name != "degree_used" && !(toExact && arg.name == "radius_found");
}

/// `bodies[i]` computes `info.functions[i]`. Everything but the entry points
/// becomes internal.
void addCInterface(llvm::Module &module, const KernelInfo &info,
                   llvm::ArrayRef<KernelBody> bodies, bool standalone);

/// The symbols that addCInterface exports.
std::vector<std::string> exportedSymbols(const KernelInfo &info);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_CINTERFACE_H
