// RUN: ropegrad-opt %s | ropegrad-opt | FileCheck %s
// RUN: ropegrad-opt %s --mlir-print-op-generic | ropegrad-opt | FileCheck %s

// CHECK-LABEL: func.func @bias
func.func @bias(%q: tensor<1x2x64x4xf32>, %k: tensor<1x1x64x4xf32>, %v: tensor<1x1x64x5xf32>, %u: tensor<1x2x64x5xf32>, %bias: tensor<127xf32>,
    %t: tensor<1x1x127xf32>, %s: tensor<1x1x256xf32>, %n: tensor<1x2x64x5xf32>, %dq: tensor<1x2x64x4xf32>, %b: tensor<127xf32>) -> (tensor<1x2x64x5xf32>, tensor<1x2x64x4xf32>, tensor<127xf32>) {
  // CHECK: ropegrad.pair_table ins(%{{.*}} : tensor<127xf32>) outs(%{{.*}} : tensor<1x1x127xf32>) {alibi = array<f64: 5.000000e-01>, coefficients = array<f64: 1.000000e+00, 1.000000e+00, 5.000000e-01>, d = 4 : i64, scale = 2.500000e-01 : f64} -> tensor<1x1x127xf32>
  %T = ropegrad.pair_table ins(%bias : tensor<127xf32>) outs(%t : tensor<1x1x127xf32>) {alibi = array<f64: 0.5>, coefficients = array<f64: 1.0, 1.0, 0.5>, d = 4 : i64, scale = 0.25 : f64} -> tensor<1x1x127xf32>
  // CHECK: ropegrad.pair_spectrum ins(%{{.*}} : tensor<1x1x127xf32>) outs(%{{.*}} : tensor<1x1x256xf32>) -> tensor<1x1x256xf32>
  %S = ropegrad.pair_spectrum ins(%T : tensor<1x1x127xf32>) outs(%s : tensor<1x1x256xf32>) -> tensor<1x1x256xf32>
  // CHECK: ropegrad.pair_apply
  %N = ropegrad.pair_apply ins(%q, %k, %v, %S : tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x5xf32>, tensor<1x1x256xf32>) outs(%n : tensor<1x2x64x5xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.25 : f64} -> tensor<1x2x64x5xf32>
  // CHECK: ropegrad.pair_reverse
  %d = ropegrad.pair_reverse ins(%q, %k, %v, %u, %S : tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x5xf32>, tensor<1x2x64x5xf32>, tensor<1x1x256xf32>) outs(%dq : tensor<1x2x64x4xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.25 : f64} -> tensor<1x2x64x4xf32>
  // CHECK: ropegrad.pair_correlate
  %R = ropegrad.pair_correlate ins(%q, %k, %u, %v : tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x2x64x5xf32>, tensor<1x1x64x5xf32>) outs(%t : tensor<1x1x127xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.25 : f64} -> tensor<1x1x127xf32>
  // CHECK: ropegrad.pair_bias_gradient ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<1x1x127xf32>, tensor<1x1x127xf32>, tensor<127xf32>)
  %g = ropegrad.pair_bias_gradient ins(%T, %R, %bias : tensor<1x1x127xf32>, tensor<1x1x127xf32>, tensor<127xf32>) outs(%b : tensor<127xf32>) -> tensor<127xf32>
  return %N, %d, %g : tensor<1x2x64x5xf32>, tensor<1x2x64x4xf32>, tensor<127xf32>
}

// Under a window, on buffers, with W on a support; heads of x are those of keys.
// CHECK-LABEL: func.func @position
func.func @position(%q: memref<1x2x64x2xf32>, %k: memref<1x1x64x2xf32>, %u: memref<1x2x64x3xf32>, %W: memref<127x2xf32>, %bias: memref<2x127xf32>, %T: memref<2x6x127xf32>, %S: memref<2x6x512xf32>, %N: memref<1x1x64x3xf32>, %dW: memref<127x2xf32>) {
  // CHECK: ropegrad.pair_table ins(%{{.*}}, %{{.*}} : memref<2x127xf32>, memref<127x2xf32>) {{.*}}mask = #ropegrad.mask<window>
  ropegrad.pair_table ins(%bias, %W : memref<2x127xf32>, memref<127x2xf32>) outs(%T : memref<2x6x127xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, d = 2 : i64, mask = #ropegrad.mask<window>, scale = 0.25 : f64, support = array<i64: 0, 0, 1, 1>, window = 7 : i64}
  // CHECK: ropegrad.pair_spectrum {{.*}}mask = #ropegrad.mask<window>, window = 7
  ropegrad.pair_spectrum ins(%T : memref<2x6x127xf32>) outs(%S : memref<2x6x512xf32>) {mask = #ropegrad.mask<window>, window = 7 : i64}
  // CHECK: ropegrad.pair_apply {{.*}}transposed
  ropegrad.pair_apply ins(%k, %q, %u, %S : memref<1x1x64x2xf32>, memref<1x2x64x2xf32>, memref<1x2x64x3xf32>, memref<2x6x512xf32>) outs(%N : memref<1x1x64x3xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, mask = #ropegrad.mask<window>, scale = 0.25 : f64, support = array<i64: 0, 0, 1, 1>, transposed, window = 7 : i64}
  // CHECK: ropegrad.pair_table_reverse {{.*}}biased
  ropegrad.pair_table_reverse ins(%T, %bias, %W, %W : memref<2x6x127xf32>, memref<2x127xf32>, memref<127x2xf32>, memref<127x2xf32>) outs(%dW : memref<127x2xf32>) {biased, coefficients = array<f64: 1.0, 1.0, 0.5>, d = 2 : i64, mask = #ropegrad.mask<window>, scale = 0.25 : f64, support = array<i64: 0, 0, 1, 1>, window = 7 : i64}
  return
}

// CHECK-LABEL: func.func @guard
// CHECK: ropegrad.guard ins(%{{.*}} : tensor<127x2xf32>) outs({{.*}}) {limit = 5.000000e-01 : f64, scale = 2.500000e-01 : f64, support = array<i64: 0, 0, 0, 1>}
func.func @guard(%e: tensor<f32>, %q: tensor<1x2x64x4xf32>, %W: tensor<127x2xf32>) -> tensor<f32> {
  %r, %q2, %k2 = ropegrad.guard ins(%W : tensor<127x2xf32>) outs(%e, %q, %q : tensor<f32>, tensor<1x2x64x4xf32>, tensor<1x2x64x4xf32>) {limit = 0.5 : f64, scale = 0.25 : f64, support = array<i64: 0, 0, 0, 1>} -> tensor<f32>, tensor<1x2x64x4xf32>, tensor<1x2x64x4xf32>
  return %r : tensor<f32>
}

// CHECK-LABEL: func.func @share
func.func @share(%s: tensor<1x1x256xf32>, %bias: tensor<127xf32>, %d: tensor<1x2x64xf32>) -> tensor<1x2x64xf32> {
  // CHECK: ropegrad.require_share ins(%{{.*}}, %{{.*}} : tensor<1x1x256xf32>, tensor<127xf32>) outs(%{{.*}} : tensor<1x2x64xf32>) {share = 1.000000e-03 : f64} -> tensor<1x2x64xf32>
  %D = ropegrad.require_share ins(%s, %bias : tensor<1x1x256xf32>, tensor<127xf32>) outs(%d : tensor<1x2x64xf32>) {share = 1.0e-3 : f64} -> tensor<1x2x64xf32>
  return %D : tensor<1x2x64xf32>
}
