// The monomials that are kept: as an attribute, in a plan and on ops.
// RUN: ropegrad-opt %s | ropegrad-opt | FileCheck %s
// RUN: ropegrad-opt %s -mlir-print-op-generic | ropegrad-opt | FileCheck %s

#kept = #ropegrad.kept<order = [1, 0], costs = [0, 3], budgets = [0], ends = [2], limits = [5.0e-1, 1.0e-2]>

// CHECK-LABEL: func.func private @plan
// CHECK-SAME: kept = <order = [1, 0], costs = [0, 3], budgets = [0], ends = [2], limits = [5.000000e-01, 1.000000e-02]>
func.func private @plan() attributes {a = #ropegrad.plan<route = features, fit = minimax, degree = 2 : i64, kept = #kept>}

// Five of six monomials.
// CHECK-LABEL: func.func @ops
// CHECK: ropegrad.guard {{.*}}kept = #ropegrad.kept<order = [1, 0], costs = [0, 3], budgets = [0], ends = [2]
// CHECK: ropegrad.accumulate {{.*}}kept = #ropegrad.kept<order = [1, 0], costs = [0, 3], budgets = [0], ends = [2]
// CHECK: ropegrad.expand {{.*}}kept = #ropegrad.kept<order = [1, 0], costs = [0, 3], budgets = [0], ends = [2]
// CHECK: ropegrad.reverse {{.*}}kept = #ropegrad.kept<order = [1, 0], costs = [0, 3], budgets = [0], ends = [2]
func.func @ops(%x: tensor<1x2x64x2xf32>, %v: tensor<1x2x64x3xf32>, %e: tensor<f32>, %g: tensor<1x2x5x3xf32>) {
  %r, %q, %k = ropegrad.guard outs(%e, %x, %x : tensor<f32>, tensor<1x2x64x2xf32>, tensor<1x2x64x2xf32>) {kept = #kept, limit = 0.5 : f64, scale = 0.5 : f64} -> tensor<f32>, tensor<1x2x64x2xf32>, tensor<1x2x64x2xf32>
  %G = ropegrad.accumulate ins(%k, %v : tensor<1x2x64x2xf32>, tensor<1x2x64x3xf32>) outs(%g : tensor<1x2x5x3xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, kept = #kept, scale = 0.5 : f64} -> tensor<1x2x5x3xf32>
  %N = ropegrad.expand ins(%q, %G : tensor<1x2x64x2xf32>, tensor<1x2x5x3xf32>) outs(%v : tensor<1x2x64x3xf32>) {degree = 2 : i64, kept = #kept} -> tensor<1x2x64x3xf32>
  %dx = ropegrad.reverse ins(%q, %G, %v : tensor<1x2x64x2xf32>, tensor<1x2x5x3xf32>, tensor<1x2x64x3xf32>) outs(%x : tensor<1x2x64x2xf32>) {degree = 2 : i64, kept = #kept} -> tensor<1x2x64x2xf32>
  return
}
