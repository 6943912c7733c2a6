// RUN: ropegrad-opt %s --ropegrad-fuse-kronecker -canonicalize -cse | FileCheck %s

#plan = #ropegrad.plan<route = fft, fit = taylor, degree = 2 : i64, radius = 5.0e-1 : f64>

// apply(b p(logits), X): one function of the distance for all monomials.
// CHECK-LABEL: func.func @apply(
// CHECK-SAME: %[[Q:.*]]: tensor<1x2x64x2xf32>, %[[K:.*]]: tensor<1x1x64x2xf32>, %[[V:.*]]: tensor<1x1x64x3xf32>, %[[BIAS:.*]]: tensor<127xf32>
// CHECK: %[[T:.*]] = ropegrad.pair_table ins(%[[BIAS]] : tensor<127xf32>) outs(%{{.*}} : tensor<1x1x127xf32>) {coefficients = array<f64: 1.000000e+00, 1.000000e+00, 5.000000e-01>, d = 2 : i64, scale = 5.000000e-01 : f64}
// CHECK: %[[S:.*]] = ropegrad.pair_spectrum ins(%[[T]] : tensor<1x1x127xf32>)
// CHECK: %[[N:.*]] = ropegrad.pair_apply ins(%[[Q]], %[[K]], %[[V]], %[[S]] : {{.*}}) outs(%{{.*}} : tensor<1x2x64x3xf32>)
// CHECK: return %[[N]]
func.func @apply(%q: tensor<1x2x64x2xf32>, %k: tensor<1x1x64x2xf32>, %v: tensor<1x1x64x3xf32>, %bias: tensor<127xf32>) -> tensor<1x2x64x3xf32> {
  %Z = ropegrad.logits %q, %k {scale = 0.5 : f64} : (tensor<1x2x64x2xf32>, tensor<1x1x64x2xf32>) -> !ropegrad.matrix<1x2x64x64xf32>
  %p = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, plan = #plan} : !ropegrad.matrix<1x2x64x64xf32>
  %b = ropegrad.toeplitz bias(%bias) : (tensor<127xf32>) -> !ropegrad.matrix<1x2x64x64xf32>
  %P = ropegrad.hadamard %b, %p : !ropegrad.matrix<1x2x64x64xf32>
  %0 = ropegrad.apply %P, %v : (!ropegrad.matrix<1x2x64x64xf32>, tensor<1x1x64x3xf32>) -> tensor<1x2x64x3xf32>
  return %0 : tensor<1x2x64x3xf32>
}

// Slopes of each head are functions of their own; row sums are a product.
// CHECK-LABEL: func.func @row_sums(
// CHECK: ropegrad.pair_table outs(%{{.*}} : tensor<2x1x127xf32>) {alibi = array<f64: 5.000000e-01, 2.500000e-01>
// CHECK: ropegrad.pair_apply {{.*}} -> tensor<1x2x64x1xf32>
// CHECK-NOT: ropegrad.row_sums
func.func @row_sums(%q: tensor<1x2x64x2xf32>) -> tensor<1x2x64xf32> {
  %Z = ropegrad.logits %q, %q {scale = 0.5 : f64} : (tensor<1x2x64x2xf32>, tensor<1x2x64x2xf32>) -> !ropegrad.matrix<1x2x64x64xf32>
  %p = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, plan = #plan} : !ropegrad.matrix<1x2x64x64xf32>
  %b = ropegrad.toeplitz {alibi = array<f64: 0.5, 0.25>} : () -> !ropegrad.matrix<1x2x64x64xf32>
  %P = ropegrad.hadamard %b, %p : !ropegrad.matrix<1x2x64x64xf32>
  %0 = ropegrad.row_sums %P : (!ropegrad.matrix<1x2x64x64xf32>) -> tensor<1x2x64xf32>
  return %0 : tensor<1x2x64xf32>
}

// Under a learned bias they are checked: it may leave rows to rounding.
// CHECK-LABEL: func.func @checked(
// CHECK: %[[D:.*]] = tensor.collapse_shape
// CHECK: ropegrad.require_share ins(%{{.*}}, %arg1 : tensor<1x1x256xf32>, tensor<127xf32>) outs(%[[D]] : tensor<1x2x64xf32>) {share = 1.250000e-01 : f64}
func.func @checked(%q: tensor<1x2x64x2xf32>, %bias: tensor<127xf32>) -> tensor<1x2x64xf32> {
  %Z = ropegrad.logits %q, %q {scale = 0.5 : f64} : (tensor<1x2x64x2xf32>, tensor<1x2x64x2xf32>) -> !ropegrad.matrix<1x2x64x64xf32>
  %p = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, plan = #plan} : !ropegrad.matrix<1x2x64x64xf32>
  %b = ropegrad.toeplitz bias(%bias) : (tensor<127xf32>) -> !ropegrad.matrix<1x2x64x64xf32>
  %P = ropegrad.hadamard %b, %p : !ropegrad.matrix<1x2x64x64xf32>
  %0 = ropegrad.row_sums %P : (!ropegrad.matrix<1x2x64x64xf32>) -> tensor<1x2x64xf32>
  return %0 : tensor<1x2x64xf32>
}

// Gradients with a general W of support 2 at d = 2: 6 pairs.
// CHECK-LABEL: func.func @position(
// CHECK: %[[S:.*]] = ropegrad.pair_spectrum ins(%{{.*}} : tensor<1x6x127xf32>)
// CHECK: ropegrad.pair_reverse ins(%arg0, %arg1, %arg3, %arg2, %[[S]]
// CHECK: ropegrad.pair_reverse ins(%arg1, %arg0, %arg2, %arg3, %[[S]] {{.*}}transposed
// CHECK: %[[R:.*]] = ropegrad.pair_correlate ins(%arg0, %arg1, %arg2, %arg3 {{.*}} -> tensor<1x6x127xf32>
// CHECK: ropegrad.pair_table_reverse ins(%[[R]], %arg4
func.func @position(%q: tensor<1x2x64x2xf32>, %k: tensor<1x1x64x2xf32>, %u: tensor<1x2x64x3xf32>, %v: tensor<1x1x64x3xf32>, %W: tensor<127x2xf32>) -> (tensor<1x2x64x2xf32>, tensor<1x1x64x2xf32>, tensor<127x2xf32>) {
  %Z = ropegrad.logits %q, %k position(%W) {scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>} : (tensor<1x2x64x2xf32>, tensor<1x1x64x2xf32>, tensor<127x2xf32>) -> !ropegrad.matrix<1x2x64x64xf32>
  %p = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, order = 1 : i64, plan = #plan} : !ropegrad.matrix<1x2x64x64xf32>
  %A = ropegrad.outer %u, %v : (tensor<1x2x64x3xf32>, tensor<1x1x64x3xf32>) -> !ropegrad.matrix<1x2x64x64xf32>
  %g = ropegrad.hadamard %p, %A : !ropegrad.matrix<1x2x64x64xf32>
  %0 = ropegrad.apply_position %g, %k, %W {scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>} : (!ropegrad.matrix<1x2x64x64xf32>, tensor<1x1x64x2xf32>, tensor<127x2xf32>) -> tensor<1x2x64x2xf32>
  %1 = ropegrad.apply_position %g, %q, %W {scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>, transposed} : (!ropegrad.matrix<1x2x64x64xf32>, tensor<1x2x64x2xf32>, tensor<127x2xf32>) -> tensor<1x1x64x2xf32>
  %2 = ropegrad.position_gradient %g, %q, %k {scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>} : (!ropegrad.matrix<1x2x64x64xf32>, tensor<1x2x64x2xf32>, tensor<1x1x64x2xf32>) -> tensor<127x2xf32>
  return %0, %1, %2 : tensor<1x2x64x2xf32>, tensor<1x1x64x2xf32>, tensor<127x2xf32>
}

// Under a mask what stands next to the diagonal is left to tiles.
// CHECK-LABEL: func.func @causal(
// CHECK-DAG: %[[BAND:.*]] = ropegrad.block_band {offsets = array<i64: 0>, size = 128 : i64}
// CHECK-DAG: %[[NEAR:.*]] = ropegrad.hadamard %[[BAND]]
// CHECK-DAG: ropegrad.diagonal_sums
// CHECK: ropegrad.pair_bias_gradient ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<1x1x599xf32>, tensor<1x1x599xf32>, tensor<599xf32>)
func.func @causal(%q: tensor<1x1x300x2xf32>, %u: tensor<1x1x300x3xf32>, %bias: tensor<599xf32>) -> tensor<599xf32> {
  %Z = ropegrad.logits %q, %q {scale = 0.5 : f64} : (tensor<1x1x300x2xf32>, tensor<1x1x300x2xf32>) -> !ropegrad.matrix<1x1x300x300xf32>
  %p = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, plan = #plan} : !ropegrad.matrix<1x1x300x300xf32>
  %b = ropegrad.toeplitz bias(%bias) {mask = #ropegrad.mask<causal>} : (tensor<599xf32>) -> !ropegrad.matrix<1x1x300x300xf32>
  %P = ropegrad.hadamard %b, %p : !ropegrad.matrix<1x1x300x300xf32>
  %A = ropegrad.outer %u, %u : (tensor<1x1x300x3xf32>, tensor<1x1x300x3xf32>) -> !ropegrad.matrix<1x1x300x300xf32>
  %g = ropegrad.hadamard %P, %A : !ropegrad.matrix<1x1x300x300xf32>
  %0 = ropegrad.diagonal_sums %g : (!ropegrad.matrix<1x1x300x300xf32>) -> tensor<599xf32>
  return %0 : tensor<599xf32>
}

// Where the band is all there is, nothing is transformed.
// CHECK-LABEL: func.func @short(
// CHECK-NOT: ropegrad.pair_
// CHECK: ropegrad.apply
func.func @short(%q: tensor<1x1x64x2xf32>, %v: tensor<1x1x64x3xf32>) -> tensor<1x1x64x3xf32> {
  %Z = ropegrad.logits %q, %q {scale = 0.5 : f64} : (tensor<1x1x64x2xf32>, tensor<1x1x64x2xf32>) -> !ropegrad.matrix<1x1x64x64xf32>
  %p = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, plan = #plan} : !ropegrad.matrix<1x1x64x64xf32>
  %b = ropegrad.toeplitz {mask = #ropegrad.mask<causal>} : () -> !ropegrad.matrix<1x1x64x64xf32>
  %P = ropegrad.hadamard %b, %p : !ropegrad.matrix<1x1x64x64xf32>
  %0 = ropegrad.apply %P, %v : (!ropegrad.matrix<1x1x64x64xf32>, tensor<1x1x64x3xf32>) -> tensor<1x1x64x3xf32>
  return %0 : tensor<1x1x64x3xf32>
}

// The gradient with respect to X: with a general W one product for each entry,
// by functions of the distance that are multiplied by it.
// CHECK-LABEL: func.func @gradient_of_x(
// CHECK-DAG: %[[X:.*]] = ropegrad.spread_channels ins(%arg3, %arg2 : {{.*}} -> tensor<1x4x64x3xf32>
// CHECK-DAG: %[[Q:.*]] = ropegrad.decay_rows ins(%arg0 : {{.*}} -> tensor<1x4x64x2xf32>
// CHECK-DAG: %[[T0:.*]] = ropegrad.pair_table ins(%arg4 : {{.*}} outs(%{{.*}} : tensor<1x3x127xf32>) {coefficients = array<f64: 1.000000e+00, 1.000000e+00>, column = 0 : i64
// CHECK-DAG: %[[T1:.*]] = ropegrad.pair_table {{.*}} column = 1 : i64
// CHECK-DAG: %[[S0:.*]] = ropegrad.pair_spectrum ins(%[[T0]]
// CHECK-DAG: %[[S1:.*]] = ropegrad.pair_spectrum ins(%[[T1]]
// CHECK-DAG: %[[N0:.*]] = ropegrad.pair_apply ins(%[[Q]], %[[Q]], %[[X]], %[[S0]] :
// CHECK-DAG: %[[N1:.*]] = ropegrad.pair_apply ins(%[[Q]], %[[Q]], %[[X]], %[[S1]] :
// CHECK: ropegrad.gather_channels ins(%arg3, %arg2, %[[N0]], %[[N1]] : {{.*}} -> tensor<16x2xf32>
// CHECK-NOT: ropegrad.kronecker_gradient
func.func @gradient_of_x(%q: tensor<1x1x64x2xf32>, %k: tensor<1x1x64x2xf32>, %u: tensor<1x1x64x3xf32>, %a: tensor<1x1x64x4xf32>, %W: tensor<127x2xf32>) -> tensor<16x2xf32> {
  %Z = ropegrad.logits %q, %q position(%W) {scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>} : (tensor<1x1x64x2xf32>, tensor<1x1x64x2xf32>, tensor<127x2xf32>) -> !ropegrad.matrix<1x1x64x64xf32>
  %p = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, order = 1 : i64, plan = #plan} : !ropegrad.matrix<1x1x64x64xf32>
  %A = ropegrad.outer %u, %u : (tensor<1x1x64x3xf32>, tensor<1x1x64x3xf32>) -> !ropegrad.matrix<1x1x64x64xf32>
  %g = ropegrad.hadamard %p, %A : !ropegrad.matrix<1x1x64x64xf32>
  %0 = ropegrad.kronecker_gradient %g, %a, %a position(%W) {position = #ropegrad.general<[0, 0, 1, 1]>, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>} : (!ropegrad.matrix<1x1x64x64xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>, tensor<127x2xf32>) -> tensor<16x2xf32>
  return %0 : tensor<16x2xf32>
}
