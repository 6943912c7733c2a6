//===- ProblemModule.h - A problem as level-1 MLIR -------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Builds the level-1 module of a problem (what `--emit mlir` prints) and reads
// a problem back from one.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_PROBLEMMODULE_H
#define ROPEGRAD_TOOLS_LIB_PROBLEMMODULE_H

#include "dialect/RopeGrad.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>

namespace ropegrad {

/// One function per entry point, named like the suffix of its C symbol
/// (loss_gradient; forward, gradient), with arguments and results in the order
/// of kernelFunctions().
mlir::OwningOpRef<mlir::ModuleOp> buildModule(mlir::MLIRContext &context,
                                              const Problem &problem);

/// Reads the problem that `module` poses. Modules that do anything else than
/// what buildModule writes are refused: nothing of them would be lost silently.
/// Returns one message, empty if all is well.
std::string readModule(mlir::ModuleOp module, Problem &problem);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_PROBLEMMODULE_H
