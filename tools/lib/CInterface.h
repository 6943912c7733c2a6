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
/// batch, n, strides, threads and workspace, to a status. In kernels that
/// choose by head the batch entries are key heads, and where each begins
/// follows the strides. Where there is a `prepare` a body takes one pointer
/// more, to what that function has made: of W and bias, those that there are,
/// batch and so on, and this pointer.
struct KernelBody {
  llvm::Function *function = nullptr;
  std::optional<unsigned> degree; ///< none: the exact route
  std::optional<double> radiusLimit;
  int64_t residualBytes = 0; ///< what it leaves to backward
  llvm::Function *prepare = nullptr;
  int64_t preparedBytes = 0;  ///< that `prepare` writes
  int64_t preparedOffset = 0; ///< in the buffer of NAME_prepare
};

/// Those of one function, in the order in which a call, or a head, takes the
/// first that serves its radius. More than one reports which it was.
using KernelBodies = llvm::SmallVector<KernelBody>;

/// Bytes behind what the body of a call leaves to backward: which it was.
constexpr int64_t kResidualMark = 64;

/// Whether a body is given this argument; only the entry points know which
/// body computes a call, and by head they measure radii themselves.
inline bool isPassedOn(const ArgInfo &arg, bool toExact, bool byHead) {
  bool isRadius = arg.name == "radius_found";
  return arg.name != "degree_used" && !(isRadius && (toExact || byHead));
}

/// Whether an entry point calls bodies for key heads.
inline bool isByHead(const KernelInfo &info, const FunctionInfo &function) {
  bool isCertify =
      llvm::StringRef(function.symbol).drop_front(info.name.size()) ==
      "_certify";
  return isCertify ? info.certifiesByHead : info.byHead;
}

/// `bodies[i]` compute `info.functions[i]`; `measure` finds the radii of key
/// heads, where each has a body of its own. Everything but the entry points
/// becomes internal.
void addCInterface(llvm::Module &module, const KernelInfo &info,
                   llvm::ArrayRef<KernelBodies> bodies, llvm::Function *measure,
                   bool standalone);

/// The symbols that addCInterface exports.
std::vector<std::string> exportedSymbols(const KernelInfo &info);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_CINTERFACE_H
