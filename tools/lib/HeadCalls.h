//===- HeadCalls.h - One body for each head of a call ----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// LLVM IR of an entry point that measures the logit radius of every key head
// and calls each body for the heads that it is the first to serve.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_HEADCALLS_H
#define ROPEGRAD_TOOLS_LIB_HEADCALLS_H

#include "tools/lib/CInterface.h"

#include "llvm/IR/IRBuilder.h"

namespace ropegrad {

/// Emits through `b`, wherever that is.
class HeadCalls {
public:
  /// Defines what emit() calls: once for a module.
  static void define(llvm::Module &module, const KernelInfo &info);

  /// Bytes in front of the workspace of the bodies of `function`.
  static int64_t workspaceBytes(const FunctionInfo &function,
                                const Problem &problem);
  /// Bytes behind the residuals of all bodies: which of them each head's is.
  static int64_t residualBytes(const Problem &problem);

  HeadCalls(llvm::Module &module, llvm::IRBuilder<> &b, const KernelInfo &info);

  /// What a call was given, checked.
  struct Call {
    llvm::SmallVector<llvm::Value *> arrays; ///< of the function, in its order
    llvm::Value *batch, *n, *strides, *threads, *workspace;
    /// What NAME_prepare made; null: bodies make their own spectra, once for
    /// all of their heads.
    llvm::Value *prepared;
  };

  /// Computes the call and returns from the entry point. `measure` finds the
  /// radii (all but backward passes call it, where there are several bodies).
  /// Certificates are made one head after the other, which needs the least
  /// memory; a bound is the largest of the heads'.
  void emit(const FunctionInfo &function, const KernelBodies &bodies,
            llvm::Function *measure, const Call &call);

private:
  struct Parts;
  void report(const FunctionInfo &function, const KernelBodies &bodies,
              const Call &call, const Parts &parts);
  void choose(const FunctionInfo &function, const KernelBodies &bodies,
              llvm::Function *measure, const Call &call, const Parts &parts);
  /// Some units, and for how many a body was compiled.
  struct Range {
    llvm::Value *from, *to;
    int64_t most;
  };
  llvm::Value *list(const Parts &parts, const Call &call, uint64_t body,
                    const Range &range);
  void forUnits(const Parts &parts,
                llvm::function_ref<void(const Range &)> body);
  void callBody(const FunctionInfo &function, const KernelBodies &bodies,
                size_t index, const Call &call, const Parts &parts,
                const Range &range);
  llvm::SmallVector<llvm::Value *> bodyArrays(const FunctionInfo &function,
                                              const KernelBodies &bodies,
                                              size_t index, const Call &call,
                                              const Parts &parts);
  llvm::Value *advance(llvm::Value *pointer, int64_t bytes);
  llvm::Value *numbers(llvm::ArrayRef<double> values);
  llvm::Value *groups(const FunctionInfo &function);
  void returnUnless(llvm::Value *condition, llvm::Value *status);
  llvm::Function *helper(llvm::StringRef name);

  llvm::Module &module;
  llvm::IRBuilder<> &b;
  const Problem &problem;
};

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_HEADCALLS_H
