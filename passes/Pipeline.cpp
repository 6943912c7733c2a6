//===- Pipeline.cpp - ropegrad-pipeline ------------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The road of one problem: the documented composition of passes, level by level.
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

namespace mlir::ropegrad {
namespace {

void tidy(OpPassManager &manager) {
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
}

/// Level 1 to level 2: algebra on implicit matrices, exp or its polynomial.
void buildAlgebra(OpPassManager &manager, const PipelineOptions &options) {
  PlanOptions plan;
  plan.threads = options.threads;
  manager.addPass(createPlan(plan));
  manager.addPass(createDifferentiate());
  tidy(manager);
  manager.addPass(createApproximateExp());
  tidy(manager);
}

/// Level 2 to level 3: tall tensors only.
void buildStructured(OpPassManager &manager) {
  manager.addPass(createFuseKronecker());
  manager.addPass(createOutlineTiles());
  tidy(manager);
}

/// Level 3 to level 4: buffers.
void buildKernels(OpPassManager &manager) {
  manager.addPass(bufferization::createEmptyTensorEliminationPass());
  manager.addPass(createBufferize());
  tidy(manager);
}

/// Level 4 to the LLVM dialect.
void buildLLVM(OpPassManager &manager, const PipelineOptions &options) {
  int64_t bits = options.vectorBits;
  manager.addPass(createLowerTiles({bits}));
  manager.addPass(createLowerFeatures({bits}));
  manager.addPass(createLowerRows({bits}));
  manager.addPass(createConvertLinalgToLoopsPass());
  tidy(manager);
  manager.addPass(createPackWorkspace());
  manager.addPass(memref::createExpandStridedMetadataPass());
  manager.addPass(createLowerAffinePass());
  manager.addPass(createConvertVectorToSCFPass());
  manager.addPass(createSCFToControlFlowPass());
  manager.addPass(createConvertVectorToLLVMPass());
  manager.addPass(createConvertMathToLLVMPass());
  manager.addPass(createFinalizeMemRefToLLVMConversionPass());
  manager.addPass(createArithToLLVMConversionPass());
  manager.addPass(createConvertIndexToLLVMPass());
  manager.addPass(createConvertControlFlowToLLVMPass());
  manager.addPass(createConvertFuncToLLVMPass());
  manager.addPass(createReconcileUnrealizedCastsPass());
  tidy(manager);
}

} // namespace

void buildPipeline(OpPassManager &manager, const PipelineOptions &options) {
  if (options.stopAfter >= 2)
    buildAlgebra(manager, options);
  if (options.stopAfter >= 3)
    buildStructured(manager);
  if (options.stopAfter >= 4)
    buildKernels(manager);
  if (options.stopAfter >= 5)
    buildLLVM(manager, options);
}

void registerPipeline() {
  PassPipelineRegistration<PipelineOptions>(
      "ropegrad-pipeline",
      "from problems to the LLVM dialect: plan, differentiate, "
      "approximate-exp, fuse-kronecker, outline-tiles, bufferize, lower-tiles, "
      "lower-features, lower-rows, pack-workspace, conversions to LLVM",
      [](OpPassManager &manager, const PipelineOptions &options) {
        buildPipeline(manager, options);
      });
}

} // namespace mlir::ropegrad
