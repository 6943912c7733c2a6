//===- Passes.h - Declarations of the passes -------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Constructors, options and registration of every pass and of the pipeline.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_PASSES_H
#define ROPEGRAD_PASSES_PASSES_H

#include "dialect/RopeGrad.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/OpenMP/OpenMPDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"

namespace mlir::ropegrad {

#define GEN_PASS_DECL
#include "passes/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/Passes.h.inc"

/// Most threads of a call.
constexpr int64_t kMaxThreads = 1024;

/// Options of `ropegrad-pipeline`.
struct PipelineOptions : public PassPipelineOptions<PipelineOptions> {
  Option<std::string> target{*this, "target",
                             llvm::cl::desc("target of the kernel: cpu"),
                             llvm::cl::init("cpu")};
  Option<int64_t> vectorBits{
      *this, "vector-bits",
      llvm::cl::desc("width of the target's vectors: 128, 256 or 512"),
      llvm::cl::init(256)};
  Option<bool> scalef{*this, "scalef",
                      llvm::cl::desc("the target is x86 with AVX-512 DQ: see "
                                     "ropegrad-lower-tiles"),
                      llvm::cl::init(false)};
  Option<std::string> exactBy{
      *this, "exact-by",
      llvm::cl::desc("maker of exact attention: see ropegrad-lower-tiles"),
      llvm::cl::init("mlir")};
  Option<int64_t> threads{*this, "threads",
                          llvm::cl::desc("threads that the kernel may use"),
                          llvm::cl::init(1)};
  Option<std::string> calibration{
      *this, "calibration",
      llvm::cl::desc("file with the machine's rates: see ropegrad-plan"),
      llvm::cl::init("")};
  Option<bool> certify{*this, "certify",
                       llvm::cl::desc("add a function that bounds the errors "
                                      "of the others: see ropegrad-certify"),
                       llvm::cl::init(false)};
  Option<bool> certifyAlone{
      *this, "certify-alone",
      llvm::cl::desc("with certify: leave no other function"),
      llvm::cl::init(false)};
  Option<bool> byEntry{
      *this, "by-entry",
      llvm::cl::desc("calls are for batch entries that a caller chooses by the "
                     "radius: see ropegrad-split-guard and listed of "
                     "ropegrad-runtime-sizes"),
      llvm::cl::init(false)};
  Option<int64_t> stopAfter{
      *this, "stop-after-level",
      llvm::cl::desc("level to stop at: 1 to 4, 5 for the LLVM dialect"),
      llvm::cl::init(5)};
};

/// Adds the documented composition of passes, up to `options.stopAfter`.
void buildPipeline(OpPassManager &manager, const PipelineOptions &options);

/// Registers `--ropegrad-pipeline`.
void registerPipeline();

/// Teaches one-shot bufferization the structured ops.
void registerBufferization(DialectRegistry &registry);

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_PASSES_H
