//===- Codegen.h - From a level-1 module to machine code -------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Runs the pipeline, adds the C interface, and emits LLVM IR, assembly or an
// object.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_CODEGEN_H
#define ROPEGRAD_TOOLS_LIB_CODEGEN_H

#include "tools/lib/Manifest.h"
#include "tools/lib/Target.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/IR/Module.h"

#include <memory>
#include <string>

namespace ropegrad {

/// What ropegrad-pipeline is told beside the target.
struct PipelineRequest {
  int64_t level = 5; ///< to stop at; 5: LLVM dialect
  int64_t threads = 1;
  std::string exactBy = "mlir"; ///< or halide
  std::string calibration;      ///< file; empty: the rates that ship
  bool certify = false;         ///< add the function certify
  bool certifyAlone = false;    ///< and no other function
  bool byEntry = false;         ///< calls list their batch entries
};

/// A module and what becomes of it.
struct PipelineJob {
  mlir::ModuleOp module;
  PipelineRequest request;
};

/// Runs ropegrad-pipeline on modules of one context, in its threads.
/// Diagnostics of the passes become the message returned; empty: all is well.
std::string runPipelines(llvm::ArrayRef<PipelineJob> jobs,
                         const Target &target);

/// What becomes one kernel, in the LLVM dialect.
struct KernelModules {
  /// One for each of `info.bodies`, or one in all.
  llvm::SmallVector<mlir::ModuleOp> bodies;
  /// Of certificates for one key head, where they are made one after the other:
  /// the planned one and, where there are several bodies, the exact one.
  llvm::SmallVector<mlir::ModuleOp> certificates;
};

/// Translates `modules`, fills in the sizes of the workspaces of `info`, and
/// adds entry points and manifest. `standalone`: the manifest also gets the
/// name that ropegrad-run looks for, which two objects of one program may not
/// share.
std::string translate(const KernelModules &modules, Target &target,
                      KernelInfo &info, bool standalone,
                      llvm::LLVMContext &context,
                      std::unique_ptr<llvm::Module> &result);

enum class CodeKind { IR, Assembly, Object };

/// Optimises `module` and emits it, as one text or as one or more objects that
/// make one kernel. Works on its parts in the threads of `threads`; what comes
/// out does not depend on their number.
std::string emitCode(std::unique_ptr<llvm::Module> module, Target &target,
                     mlir::MLIRContext &threads, CodeKind kind,
                     std::vector<std::string> &code);

/// Links objects into a shared library that exports `symbols` only and needs
/// libc and libm only (where it uses them).
std::string linkShared(const std::vector<std::string> &objectPaths,
                       llvm::StringRef outputPath,
                       const std::vector<std::string> &symbols);

/// Links objects into one, `object`, by way of the file `scratchPath`. Hidden
/// symbols become its own.
std::string linkObjects(const std::vector<std::string> &objectPaths,
                        llvm::StringRef scratchPath, std::string &object);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_CODEGEN_H
