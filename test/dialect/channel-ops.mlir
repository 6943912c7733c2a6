// RUN: ropegrad-opt %s | ropegrad-opt | FileCheck %s
// RUN: ropegrad-opt %s --mlir-print-op-generic | ropegrad-opt | FileCheck %s

// CHECK-LABEL: func.func @rotary
func.func @rotary(%A: tensor<1x1x64x3xf32>, %U: tensor<1x1x64x5xf32>, %H: tensor<1x1x64x4xf32>, %e: tensor<1x3x64x20xf32>, %g: tensor<9x8xf32>) -> tensor<9x8xf32> {
  // CHECK: ropegrad.spread_channels ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<1x1x64x3xf32>, tensor<1x1x64x5xf32>, tensor<1x1x64x4xf32>) outs(%{{.*}} : tensor<1x3x64x20xf32>) -> tensor<1x3x64x20xf32>
  %N = ropegrad.spread_channels ins(%A, %U, %H : tensor<1x1x64x3xf32>, tensor<1x1x64x5xf32>, tensor<1x1x64x4xf32>) outs(%e : tensor<1x3x64x20xf32>) -> tensor<1x3x64x20xf32>
  // CHECK: ropegrad.gather_channels ins(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : {{.*}}) outs(%{{.*}} : tensor<9x8xf32>) {position = #ropegrad.rotary<half, base = 1.000000e+04 : f64>, scale = 5.000000e-01 : f64, support = array<i64: 0, 0, 0, 2, 2, 0, 2, 2, 1, 1, 1, 3, 3, 1, 3, 3>} -> tensor<9x8xf32>
  %G = ropegrad.gather_channels ins(%A, %U, %H, %N : tensor<1x1x64x3xf32>, tensor<1x1x64x5xf32>, tensor<1x1x64x4xf32>, tensor<1x3x64x20xf32>) outs(%g : tensor<9x8xf32>) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>, scale = 0.5 : f64, support = array<i64: 0, 0, 0, 2, 2, 0, 2, 2, 1, 1, 1, 3, 3, 1, 3, 3>} -> tensor<9x8xf32>
  return %G : tensor<9x8xf32>
}

// CHECK-LABEL: func.func @general
func.func @general(%A: tensor<1x1x64x3xf32>, %U: tensor<1x1x64x5xf32>, %e: tensor<1x3x64x5xf32>, %g: tensor<9x2xf32>, %W: tensor<127x2xf32>, %t: tensor<1x6x127xf32>) -> (tensor<9x2xf32>, tensor<1x6x127xf32>) {
  %N = ropegrad.spread_channels ins(%A, %U : tensor<1x1x64x3xf32>, tensor<1x1x64x5xf32>) outs(%e : tensor<1x3x64x5xf32>) -> tensor<1x3x64x5xf32>
  // CHECK: ropegrad.gather_channels ins({{.*}}) {position = #ropegrad.general<[0, 0, 1, 1]>
  %G = ropegrad.gather_channels ins(%A, %U, %N, %N : tensor<1x1x64x3xf32>, tensor<1x1x64x5xf32>, tensor<1x3x64x5xf32>, tensor<1x3x64x5xf32>) outs(%g : tensor<9x2xf32>) {position = #ropegrad.general<[0, 0, 1, 1]>, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>} -> tensor<9x2xf32>
  // CHECK: ropegrad.pair_table {{.*}} {coefficients = array<f64: 1.000000e+00, 1.000000e+00, 5.000000e-01>, column = 1 : i64
  %T = ropegrad.pair_table ins(%W : tensor<127x2xf32>) outs(%t : tensor<1x6x127xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, column = 1 : i64, d = 2 : i64, scale = 0.25 : f64, support = array<i64: 0, 0, 1, 1>} -> tensor<1x6x127xf32>
  return %G, %T : tensor<9x2xf32>, tensor<1x6x127xf32>
}
