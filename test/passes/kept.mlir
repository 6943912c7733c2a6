// Bounds of coordinates on their way from the problem to the kernels.
// RUN: ropegrad-opt %s --ropegrad-plan | FileCheck %s --check-prefix=PLAN
// RUN: ropegrad-opt %s --ropegrad-pipeline="stop-after-level=3" | FileCheck %s --check-prefix=LEVEL3
// RUN: ropegrad-opt %s --ropegrad-pipeline="stop-after-level=5" | FileCheck %s --check-prefix=LLVM

// PLAN-LABEL: func.func @attention
// PLAN: plan = #ropegrad.plan<route = features, {{.*}}, kept = <order = [0, 1, 2,

// The guard measures what the rule relies on, and all ops have one rule.
// LEVEL3-LABEL: func.func @attention
// LEVEL3: ropegrad.guard {{.*}}kept = [[KEPT:#ropegrad.kept<.*\]>]], limit
// LEVEL3: ropegrad.accumulate {{.*}}kept = [[KEPT]]
// LEVEL3: ropegrad.expand {{.*}}kept = [[KEPT]]

// Two ways to refuse.
// LLVM-DAG: llvm.mlir.constant(1 : i32)
// LLVM-DAG: llvm.mlir.constant(10 : i32)
// LLVM-DAG: llvm.mlir.global private constant @ropegrad_places_k
// LLVM-DAG: llvm.mlir.global private constant @ropegrad_limits
func.func @attention(%q: tensor<1x1x4096x16xf32>) -> tensor<1x1x4096x16xf32> {
  %0 = ropegrad.attention(%q, %q, %q) {bounds = array<f64: 1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625, 0.001953125, 0.0009765625, 0.00048828125, 0.000244140625, 0.0001220703125, 6.103515625e-05, 3.0517578125e-05>, route = #ropegrad.route<features>, scale = 0.25 : f64, tolerance = 0.01 : f64} : (tensor<1x1x4096x16xf32>, tensor<1x1x4096x16xf32>, tensor<1x1x4096x16xf32>) -> tensor<1x1x4096x16xf32>
  return %0 : tensor<1x1x4096x16xf32>
}
