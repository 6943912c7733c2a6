// RUN: ropegrad-opt %s --ropegrad-classify-toeplitz | FileCheck %s

// Every kind of factor, and products of them.
// CHECK-LABEL: func.func @kinds(
// CHECK: ropegrad.toeplitz {factors = [#ropegrad.factor<constant>], lowering = #ropegrad.route<features>}
// CHECK: ropegrad.toeplitz {factors = [#ropegrad.factor<step>], lowering = #ropegrad.route<scan>, mask = #ropegrad.mask<causal>}
// CHECK: ropegrad.toeplitz {factors = [#ropegrad.factor<window>], lowering = #ropegrad.route<scan>, mask = #ropegrad.mask<window>, window = 7 : i64}
// CHECK: ropegrad.toeplitz {alibi = {{.*}}, factors = [#ropegrad.factor<decay>], lowering = #ropegrad.route<scan>}
// CHECK: ropegrad.toeplitz bias(%arg0) {factors = [#ropegrad.factor<general>], lowering = #ropegrad.route<fft>}
// CHECK: ropegrad.toeplitz {alibi = {{.*}}, factors = [#ropegrad.factor<step>, #ropegrad.factor<decay>], lowering = #ropegrad.route<scan>, mask = #ropegrad.mask<causal>}
// CHECK: ropegrad.toeplitz bias(%arg0) {alibi = {{.*}}, factors = [#ropegrad.factor<window>, #ropegrad.factor<decay>, #ropegrad.factor<general>], lowering = #ropegrad.route<fft>, mask = #ropegrad.mask<window>, window = 3 : i64}
func.func @kinds(%bias: tensor<15xf32>) -> (tensor<1x2x8xf32>, tensor<1x2x8xf32>, tensor<1x2x8xf32>, tensor<1x2x8xf32>, tensor<1x2x8xf32>, tensor<1x2x8xf32>, tensor<1x2x8xf32>) {
  %0 = ropegrad.toeplitz : () -> !ropegrad.matrix<1x2x8x8xf32>
  %1 = ropegrad.toeplitz {mask = #ropegrad.mask<causal>} : () -> !ropegrad.matrix<1x2x8x8xf32>
  %2 = ropegrad.toeplitz {mask = #ropegrad.mask<window>, window = 7 : i64} : () -> !ropegrad.matrix<1x2x8x8xf32>
  %3 = ropegrad.toeplitz {alibi = array<f64: 0.5>} : () -> !ropegrad.matrix<1x2x8x8xf32>
  %4 = ropegrad.toeplitz bias(%bias) : (tensor<15xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  %5 = ropegrad.toeplitz {mask = #ropegrad.mask<causal>, alibi = array<f64: 0.5, 0.0>} : () -> !ropegrad.matrix<1x2x8x8xf32>
  %6 = ropegrad.toeplitz bias(%bias) {mask = #ropegrad.mask<window>, window = 3 : i64, alibi = array<f64: 0.5>} : (tensor<15xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  %a = ropegrad.row_sums %0 : (!ropegrad.matrix<1x2x8x8xf32>) -> tensor<1x2x8xf32>
  %b = ropegrad.row_sums %1 : (!ropegrad.matrix<1x2x8x8xf32>) -> tensor<1x2x8xf32>
  %c = ropegrad.row_sums %2 : (!ropegrad.matrix<1x2x8x8xf32>) -> tensor<1x2x8xf32>
  %d = ropegrad.row_sums %3 : (!ropegrad.matrix<1x2x8x8xf32>) -> tensor<1x2x8xf32>
  %e = ropegrad.row_sums %4 : (!ropegrad.matrix<1x2x8x8xf32>) -> tensor<1x2x8xf32>
  %f = ropegrad.row_sums %5 : (!ropegrad.matrix<1x2x8x8xf32>) -> tensor<1x2x8xf32>
  %g = ropegrad.row_sums %6 : (!ropegrad.matrix<1x2x8x8xf32>) -> tensor<1x2x8xf32>
  return %a, %b, %c, %d, %e, %f, %g : tensor<1x2x8xf32>, tensor<1x2x8xf32>, tensor<1x2x8xf32>, tensor<1x2x8xf32>, tensor<1x2x8xf32>, tensor<1x2x8xf32>, tensor<1x2x8xf32>
}

// Rotary position is a character, which the rows have absorbed.
// CHECK-LABEL: func.func @rotary(
// CHECK: ropegrad.toeplitz {factors = [#ropegrad.factor<character>, #ropegrad.factor<step>], lowering = #ropegrad.route<scan>, mask = #ropegrad.mask<causal>}
func.func @rotary(%x: tensor<1x1x8x2xf32>) -> tensor<1x1x8xf32> {
  %e = tensor.empty() : tensor<1x1x8x2xf32>
  %q = ropegrad.rotate ins(%x : tensor<1x1x8x2xf32>) outs(%e : tensor<1x1x8x2xf32>) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>} -> tensor<1x1x8x2xf32>
  %s = tensor.empty() : tensor<f32>
  %r, %q2, %k2 = ropegrad.guard outs(%s, %q, %q : tensor<f32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) {limit = 0.5 : f64, scale = 0.5 : f64} -> tensor<f32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>
  %Z = ropegrad.logits %q2, %k2 {scale = 0.5 : f64} : (tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %P = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0>} : !ropegrad.matrix<1x1x8x8xf32>
  %b = ropegrad.toeplitz {mask = #ropegrad.mask<causal>} : () -> !ropegrad.matrix<1x1x8x8xf32>
  %W = ropegrad.hadamard %b, %P : !ropegrad.matrix<1x1x8x8xf32>
  %D = ropegrad.row_sums %W : (!ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
  return %D : tensor<1x1x8xf32>
}

// Simpler than it looks: a window of all rows, slopes of 0, factors of ones.
// CHECK-LABEL: func.func @simpler(
// CHECK-NOT: ropegrad.hadamard
// CHECK: ropegrad.row_logsumexp %arg0 :
// CHECK: ropegrad.toeplitz {factors = [#ropegrad.factor<step>], lowering = #ropegrad.route<scan>, mask = #ropegrad.mask<causal>}
// CHECK: ropegrad.row_sums %arg0
func.func @simpler(%A: !ropegrad.matrix<1x2x8x8xf32>) -> (tensor<1x2x8xf32>, tensor<1x2x8xf32>, tensor<1x2x8xf32>) {
  %1 = ropegrad.toeplitz {alibi = array<f64: 0.0, 0.0>} : () -> !ropegrad.matrix<1x2x8x8xf32>
  %L = ropegrad.row_logsumexp %A prefactor(%1) : (!ropegrad.matrix<1x2x8x8xf32>, !ropegrad.matrix<1x2x8x8xf32>) -> tensor<1x2x8xf32>
  %w = ropegrad.toeplitz {mask = #ropegrad.mask<window>, window = 8 : i64} : () -> !ropegrad.matrix<1x2x8x8xf32>
  %D = ropegrad.row_sums %w : (!ropegrad.matrix<1x2x8x8xf32>) -> tensor<1x2x8xf32>
  %B = ropegrad.hadamard %1, %A : !ropegrad.matrix<1x2x8x8xf32>
  %E = ropegrad.row_sums %B : (!ropegrad.matrix<1x2x8x8xf32>) -> tensor<1x2x8xf32>
  return %L, %D, %E : tensor<1x2x8xf32>, tensor<1x2x8xf32>, tensor<1x2x8xf32>
}
