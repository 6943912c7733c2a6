// The stock mlir-opt loads the dialect and the passes from one file.
// REQUIRES: plugin
// RUN: mlir-opt --load-dialect-plugin=%plugin --load-pass-plugin=%plugin %s | FileCheck %s --check-prefix=DIALECT
// RUN: mlir-opt --load-dialect-plugin=%plugin --load-pass-plugin=%plugin %s --pass-pipeline='builtin.module(ropegrad-pipeline{target=cpu})' | FileCheck %s
// RUN: mlir-opt --load-dialect-plugin=%plugin --load-pass-plugin=%plugin %s --pass-pipeline='builtin.module(ropegrad-plan{threads=1},ropegrad-differentiate)' | FileCheck %s --check-prefix=PASS
// RUN: not mlir-opt --load-dialect-plugin=%plugin --load-pass-plugin=%plugin %s --pass-pipeline='builtin.module(ropegrad-pipeline{target=cuda})' 2>&1 | FileCheck %s --check-prefix=CUDA

// DIALECT: ropegrad.attention(%{{.*}}, %{{.*}}, %{{.*}}) {mask = #ropegrad.mask<causal>
// CHECK: llvm.func @attention(
// PASS: ropegrad.row_logsumexp
// CUDA: target cuda is not supported yet
func.func @attention(%q: tensor<1x2x64x4xf32>, %k: tensor<1x1x64x4xf32>) -> tensor<1x2x64x4xf32> {
  %0 = ropegrad.attention(%q, %k, %k) {mask = #ropegrad.mask<causal>, position = #ropegrad.rotary<half, base = 1.0e+4 : f64>, scale = 0.25 : f64} : (tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>) -> tensor<1x2x64x4xf32>
  return %0 : tensor<1x2x64x4xf32>
}
