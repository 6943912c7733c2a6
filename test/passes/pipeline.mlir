// The pipeline is the documented composition of passes, level by level.
// RUN: ropegrad-opt %s --ropegrad-pipeline=stop-after-level=1 | FileCheck %s --check-prefix=LEVEL1
// RUN: ropegrad-opt %s --ropegrad-pipeline=stop-after-level=2 | FileCheck %s --check-prefix=LEVEL2
// RUN: ropegrad-opt %s --ropegrad-pipeline=stop-after-level=3 | FileCheck %s --check-prefix=LEVEL3
// RUN: ropegrad-opt %s --ropegrad-pipeline=stop-after-level=4 | FileCheck %s --check-prefix=LEVEL4
// RUN: ropegrad-opt %s --ropegrad-pipeline | FileCheck %s --check-prefix=LLVM
// RUN: ropegrad-opt %s --ropegrad-pipeline="target=cpu stop-after-level=5 threads=1 vector-bits=256" | FileCheck %s --check-prefix=LLVM
// RUN: ropegrad-opt %s --ropegrad-pipeline=threads=2 | FileCheck %s --check-prefix=LLVM
// RUN: ropegrad-opt %s --ropegrad-pipeline=vector-bits=128 | FileCheck %s --check-prefix=BITS128
// RUN: ropegrad-opt %s --ropegrad-pipeline=vector-bits=512 | FileCheck %s --check-prefix=BITS512
// RUN: ropegrad-opt %s --ropegrad-pipeline --mlir-disable-threading --mlir-print-ir-after-all -o %t 2>&1 | FileCheck %s --check-prefix=PASSES

// Values that cannot be honoured are errors.
// RUN: not ropegrad-opt %s --ropegrad-pipeline=target=cuda 2>&1 | FileCheck %s --check-prefix=CUDA
// RUN: not ropegrad-opt %s --ropegrad-pipeline=target=rocm 2>&1 | FileCheck %s --check-prefix=ROCM
// RUN: not ropegrad-opt %s --ropegrad-pipeline=target=vulkan 2>&1 | FileCheck %s --check-prefix=VULKAN
// RUN: not ropegrad-opt %s --ropegrad-pipeline=target=tpu 2>&1 | FileCheck %s --check-prefix=TPU
// RUN: not ropegrad-opt %s --pass-pipeline='builtin.module(ropegrad-pipeline{target=cuda})' 2>&1 | FileCheck %s --check-prefix=CUDA
// RUN: not ropegrad-opt %s --ropegrad-pipeline=vector-bits=96 2>&1 | FileCheck %s --check-prefix=BITS
// RUN: not ropegrad-opt %s --ropegrad-pipeline=threads=0 2>&1 | FileCheck %s --check-prefix=THREADS
// RUN: not ropegrad-opt %s --ropegrad-pipeline=stop-after-level=0 2>&1 | FileCheck %s --check-prefix=LEVEL
// RUN: not ropegrad-opt %s --ropegrad-pipeline=stop-after-level=6 2>&1 | FileCheck %s --check-prefix=LEVEL
// RUN: not ropegrad-opt %s --ropegrad-pipeline=speed=9 2>&1 | FileCheck %s --check-prefix=OPTION
// CUDA: target cuda is not supported yet
// ROCM: target rocm is not supported yet
// VULKAN: target vulkan is not supported yet
// TPU: expected target cpu, but got 'tpu'
// BITS: expected vector-bits of 128, 256 or 512, but got 96
// THREADS: expected threads to be at least 1, but got 0
// LEVEL: expected stop-after-level from 1 to 5, but got {{[06]}}
// OPTION: no such option speed

// LEVEL1: ropegrad.attention(%{{.*}}) {radius = 5.000000e-01 : f64
// LEVEL2-NOT: ropegrad.attention
// LEVEL2: ropegrad.guard
// LEVEL2: ropegrad.logits
// LEVEL2: ropegrad.polynomial
// LEVEL3-NOT: !ropegrad.matrix
// LEVEL3: ropegrad.accumulate ins({{.*}} : tensor
// LEVEL3: ropegrad.expand ins({{.*}} : tensor
// LEVEL4-NOT: tensor
// LEVEL4: ropegrad.accumulate ins({{.*}} : memref
// LEVEL4: ropegrad.expand ins({{.*}} : memref
// LLVM-NOT: {{ropegrad\.[a-z_]+ (ins|outs)}}
// LLVM: llvm.func @attention({{.*}}) -> i32 attributes {{{.*}}ropegrad.workspace_bytes
// LLVM: vector<8xf32>
// BITS128-NOT: vector<8xf32>
// BITS128: vector<4xf32>
// BITS512: vector<16xf32>

// PASSES: IR Dump After Plan
// PASSES: IR Dump After Differentiate
// PASSES: IR Dump After ApproximateExp
// PASSES: IR Dump After FuseKronecker
// PASSES: IR Dump After OutlineTiles
// PASSES: IR Dump After SplitGradient
// PASSES: IR Dump After HoistSpectra
// PASSES: IR Dump After Bufferize
// PASSES: IR Dump After RuntimeSizes
// PASSES: IR Dump After LowerRows
// PASSES: IR Dump After LowerTiles
// PASSES: IR Dump After LowerFeatures
// PASSES: IR Dump After LowerToeplitz
// PASSES: IR Dump After FuseParallel
// PASSES: IR Dump After Parallelize
// PASSES: IR Dump After PackWorkspace
// PASSES: IR Dump After OutlineUnits
// PASSES: IR Dump After ConvertToLLVMPass

func.func @attention(%q: tensor<1x2x64x4xf32>, %k: tensor<1x1x64x4xf32>) -> tensor<1x2x64x4xf32> {
  %0 = ropegrad.attention(%q, %k, %k) {radius = 0.5 : f64, route = #ropegrad.route<features>, scale = 0.25 : f64, tolerance = 0.01 : f64} : (tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>) -> tensor<1x2x64x4xf32>
  return %0 : tensor<1x2x64x4xf32>
}
