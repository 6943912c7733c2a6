//===- HalideBlocks.h - Definitions of Halide's functions ------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_HALIDEBLOCKS_H
#define ROPEGRAD_TOOLS_LIB_HALIDEBLOCKS_H

#include "tools/lib/Target.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/IR/Module.h"

#include <string>

namespace ropegrad {

/// Defines in `code` every function that `module` (in the LLVM dialect) leaves
/// to Halide; see passes/AttentionHalide.h. Nothing remains to be linked.
/// Returns one message, empty if all is well.
std::string defineHalideBlocks(mlir::ModuleOp module, const Target &target,
                               llvm::Module &code);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_HALIDEBLOCKS_H
