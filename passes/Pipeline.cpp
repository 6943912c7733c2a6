//===- Pipeline.cpp - ropegrad-pipeline ------------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The road of one problem: the documented composition of passes, level by
// level.
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

namespace mlir::ropegrad {
namespace {

/// Function by function, so that MLIR's threads share the work.
template <typename Function = func::FuncOp> void tidy(OpPassManager &manager) {
  manager.addNestedPass<Function>(createCanonicalizerPass());
  manager.addNestedPass<Function>(createCSEPass());
}

/// Level 1 to level 2: algebra on implicit matrices, exp or its polynomial.
void buildAlgebra(OpPassManager &manager, const PipelineOptions &options) {
  PlanOptions plan;
  plan.threads = options.threads;
  plan.vectorBits = options.vectorBits;
  plan.calibration = options.calibration;
  manager.addPass(createPlan(plan));
  if (options.certify) {
    bool alone = options.certifyAlone;
    manager.addPass(createCertify({alone}));
  }
  manager.addPass(createWidenStorage());
  manager.addPass(createDifferentiate());
  tidy(manager);
  manager.addPass(createCentreKeys());
  manager.addPass(createCentreQueries());
  manager.addPass(createApproximateExp());
  tidy(manager);
}

/// Level 2 to level 3: tall tensors only.
void buildStructured(OpPassManager &manager, const PipelineOptions &options) {
  manager.addPass(createClassifyToeplitz());
  manager.addPass(createFuseKronecker());
  manager.addPass(createJoinPairs());
  manager.addPass(createOutlineTiles());
  tidy(manager);
  manager.addPass(createSplitGradient());
  if (options.byEntry)
    manager.addPass(createSplitGuard());
  tidy(manager);
  manager.addPass(createHoistSpectra());
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
  bool byEntry = options.byEntry;
  manager.addPass(createRuntimeSizes({byEntry}));
  manager.addPass(createLowerRows({bits}));
  LowerTilesOptions tiles;
  tiles.vectorBits = bits;
  tiles.scalef = options.scalef;
  tiles.exactBy = options.exactBy;
  manager.addPass(createLowerTiles(tiles));
  manager.addPass(createLowerFeatures({bits}));
  manager.addPass(createLowerToeplitz({bits}));
  manager.addPass(createLowerPairs({bits}));
  manager.addNestedPass<func::FuncOp>(createConvertLinalgToLoopsPass());
  tidy(manager);
  manager.addPass(createFuseParallel());
  manager.addPass(createParallelize());
  manager.addPass(createPackWorkspace());
  manager.addPass(createOutlineUnits());
  manager.addPass(createFetchUnits());
  OpPassManager &each = manager.nest<func::FuncOp>();
  each.addPass(memref::createExpandStridedMetadataPass());
  each.addPass(createLowerAffinePass());
  each.addPass(createConvertVectorToSCFPass());
  each.addPass(createSCFToControlFlowPass());
  each.addPass(createConvertVectorToLLVMPass());
  manager.addPass(createConvertToLLVMPass());
  manager.addNestedPass<LLVM::LLVMFuncOp>(createReconcileUnrealizedCastsPass());
  tidy<LLVM::LLVMFuncOp>(manager);
}

/// The first option that cannot be honoured; empty if none.
std::string refuse(const PipelineOptions &options) {
  auto expected = [](StringRef what, int64_t got) {
    return ("expected " + what + ", but got " + Twine(got)).str();
  };
  const std::string &target = options.target;
  if (target == "cuda" || target == "rocm" || target == "vulkan")
    return "target " + target + " is not supported yet";
  if (target != "cpu")
    return "expected target cpu, but got '" + target + "'";
  int64_t bits = options.vectorBits;
  if (bits != 128 && bits != 256 && bits != 512)
    return expected("vector-bits of 128, 256 or 512", bits);
  const std::string &maker = options.exactBy;
  if (maker != "mlir" && maker != "halide")
    return "expected exact-by mlir or halide, but got '" + maker + "'";
  if (options.threads < 1)
    return expected("threads to be at least 1", options.threads);
  if (options.stopAfter < 1 || options.stopAfter > 5)
    return expected("stop-after-level from 1 to 5", options.stopAfter);
  return "";
}

} // namespace

void buildPipeline(OpPassManager &manager, const PipelineOptions &options) {
  if (options.stopAfter >= 2)
    buildAlgebra(manager, options);
  if (options.stopAfter >= 3)
    buildStructured(manager, options);
  if (options.stopAfter >= 4)
    buildKernels(manager);
  if (options.stopAfter >= 5)
    buildLLVM(manager, options);
}

void registerPipeline() {
  // PassPipelineRegistration has no way to refuse an option's value.
  registerPassPipeline(
      "ropegrad-pipeline",
      "from problems to the LLVM dialect: plan, widen-storage, differentiate, "
      "centre-keys, centre-queries, approximate-exp, classify-toeplitz, "
      "fuse-kronecker, join-pairs, "
      "outline-tiles, split-gradient, split-guard (by-entry), hoist-spectra, "
      "bufferize, runtime-sizes, lower-rows, lower-tiles, "
      "lower-features, "
      "lower-toeplitz, lower-pairs, fuse-parallel, parallelize, "
      "pack-workspace, outline-units, fetch-units, conversions to LLVM",
      [](OpPassManager &manager, StringRef text,
         function_ref<LogicalResult(const Twine &)> report) -> LogicalResult {
        PipelineOptions options;
        if (failed(options.parseFromString(text)))
          return failure();
        if (std::string error = refuse(options); !error.empty())
          return report(error);
        buildPipeline(manager, options);
        return success();
      },
      [](function_ref<void(const mlir::detail::PassOptions &)> handle) {
        handle(PipelineOptions());
      });
}

} // namespace mlir::ropegrad
