//===- Prepared.h - What depends on W and bias alone -----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Kernels of the route fft transform functions of the distance that depend on W
// and bias alone. NAME_prepare does so once, into a buffer that NAME_F_prepared
// takes in the place of W and bias:
//
//   a header   which kernel made it, and for which n
//   W, bias    those of them that the problem has, as they were given
//   spectra    of each body of the kernel (see ropegrad-hoist-spectra)
//
// each part at a multiple of 64 bytes.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_PREPARED_H
#define ROPEGRAD_TOOLS_LIB_PREPARED_H

#include "tools/lib/CInterface.h"

#include "llvm/IR/IRBuilder.h"

namespace ropegrad {

/// Two 64-bit numbers: a mark of the kernel, 0 while the buffer is not ready,
/// and n.
constexpr int64_t kPreparedHeader = 64;

/// Whether an argument is W or bias.
bool isPositionInput(const ArgInfo &arg);

/// NAME_prepare, with workspaceBytes 0 and a buffer of 0 bytes.
FunctionInfo prepareFunction(const Problem &problem, llvm::StringRef name);

/// `function` with a buffer of `bytes` in the place of W and bias, or behind
/// the last input where it has neither.
FunctionInfo preparedFunction(const FunctionInfo &function, int64_t bytes);

/// Where the copy of an input of NAME_prepare lies.
int64_t preparedOffset(const FunctionInfo &prepare, llvm::StringRef input);

/// Lays the buffer out: fills in `info.prepare`, `info.preparedFunctions` and
/// the offsets of the bodies, and gives the functions that make spectra for
/// themselves the room to do so. `bodies[i]` compute `info.functions[i]`.
void layOutPrepared(KernelInfo &info, std::vector<KernelBodies> &bodies);

/// Arguments of one call of `function`: its arrays, and batch, n, strides and
/// threads.
struct SpectraCall {
  const FunctionInfo &function;
  llvm::ArrayRef<llvm::Value *> arrays;
  llvm::SmallVector<llvm::Value *> sizes;
};

/// Emits through `b` a call that makes the spectra of `body` at `to`. There is
/// nothing in them to refuse.
void makeSpectra(llvm::IRBuilder<> &b, const KernelBody &body,
                 const SpectraCall &call, llvm::Value *workspace,
                 llvm::Value *to);

/// Where the spectra of `body` are, which takes some: in `prepared`, a buffer
/// of NAME_prepare; where that is null they are made, in front of `workspace`,
/// which then is what follows them.
llvm::Value *spectraFor(llvm::IRBuilder<> &b, const KernelBody &body,
                        const SpectraCall &call, llvm::Value *prepared,
                        llvm::Value *&workspace);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_PREPARED_H
