// RUN: ropegrad-opt %s --ropegrad-fuse-kronecker -canonicalize -cse | FileCheck %s

#plan = #ropegrad.plan<route = features, fit = taylor, degree = 2 : i64, radius = 5.0e-1 : f64>

// apply(p(logits), X) => expand(q, accumulate(k, X)): M = C(2+2, 2) = 6.
// CHECK-LABEL: func.func @apply(
// CHECK-SAME: %[[Q:.*]]: tensor<1x2x8x2xf32>, %[[K:.*]]: tensor<1x1x8x2xf32>, %[[V:.*]]: tensor<1x1x8x3xf32>
// CHECK: %[[G:.*]] = ropegrad.accumulate ins(%[[K]], %[[V]] : {{.*}}) outs(%{{.*}} : tensor<1x1x6x3xf32>) {coefficients = array<f64: 1.000000e+00, 1.000000e+00, 5.000000e-01>, scale = 5.000000e-01 : f64}
// CHECK: %[[N:.*]] = ropegrad.expand ins(%[[Q]], %[[G]] : {{.*}}) {degree = 2 : i64} -> tensor<1x2x8x3xf32>
// CHECK: return %[[N]]
func.func @apply(%q: tensor<1x2x8x2xf32>, %k: tensor<1x1x8x2xf32>, %v: tensor<1x1x8x3xf32>) -> tensor<1x2x8x3xf32> {
  %Z = ropegrad.logits %q, %k {scale = 0.5 : f64} : (tensor<1x2x8x2xf32>, tensor<1x1x8x2xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  %P = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, plan = #plan} : !ropegrad.matrix<1x2x8x8xf32>
  %0 = ropegrad.apply %P, %v : (!ropegrad.matrix<1x2x8x8xf32>, tensor<1x1x8x3xf32>) -> tensor<1x2x8x3xf32>
  return %0 : tensor<1x2x8x3xf32>
}

// The other way round: q is summed over, to the heads of k.
// CHECK-LABEL: func.func @apply_transposed(
// CHECK: %[[G:.*]] = ropegrad.accumulate ins(%arg0, %arg2 : {{.*}}) outs(%{{.*}} : tensor<1x1x6x3xf32>)
// CHECK: ropegrad.expand ins(%arg1, %[[G]] : {{.*}} -> tensor<1x1x8x3xf32>
func.func @apply_transposed(%q: tensor<1x2x8x2xf32>, %k: tensor<1x1x8x2xf32>, %x: tensor<1x2x8x3xf32>) -> tensor<1x1x8x3xf32> {
  %Z = ropegrad.logits %q, %k {scale = 0.5 : f64} : (tensor<1x2x8x2xf32>, tensor<1x1x8x2xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  %P = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, plan = #plan} : !ropegrad.matrix<1x2x8x8xf32>
  %0 = ropegrad.apply_transposed %P, %x : (!ropegrad.matrix<1x2x8x8xf32>, tensor<1x2x8x3xf32>) -> tensor<1x1x8x3xf32>
  return %0 : tensor<1x1x8x3xf32>
}

// Row sums alone are a product with ones.
// CHECK-LABEL: func.func @row_sums(
// CHECK: linalg.fill
// CHECK: ropegrad.accumulate {{.*}} outs(%{{.*}} : tensor<1x1x6x1xf32>)
// CHECK: ropegrad.expand
// CHECK: tensor.extract_slice {{.*}} to tensor<1x1x8xf32>
func.func @row_sums(%q: tensor<1x1x8x2xf32>) -> tensor<1x1x8xf32> {
  %Z = ropegrad.logits %q, %q {scale = 0.5 : f64} : (tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %P = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, plan = #plan} : !ropegrad.matrix<1x1x8x8xf32>
  %0 = ropegrad.row_sums %P : (!ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
  return %0 : tensor<1x1x8xf32>
}

// Numerator and denominator share one product with [V, 1]; the row scaling
// follows it.
// CHECK-LABEL: func.func @normalised(
// CHECK: %[[V1:.*]] = ropegrad.append_column ins(%arg1 :
// CHECK: %[[G:.*]] = ropegrad.accumulate ins(%arg0, %[[V1]] :
// CHECK-NOT: ropegrad.accumulate
// CHECK: %[[N:.*]] = ropegrad.expand ins(%arg0, %[[G]] : {{.*}} -> tensor<1x1x8x4xf32>
// CHECK-NOT: ropegrad.expand
// CHECK-DAG: tensor.extract_slice %[[N]][0, 0, 0, 0] [1, 1, 8, 3]
// CHECK-DAG: tensor.extract_slice %[[N]][0, 0, 0, 3] [1, 1, 8, 1]
func.func @normalised(%q: tensor<1x1x8x2xf32>, %v: tensor<1x1x8x3xf32>) -> (tensor<1x1x8x3xf32>, tensor<1x1x8xf32>) {
  %Z = ropegrad.logits %q, %q {scale = 0.5 : f64} : (tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %P = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, plan = #plan} : !ropegrad.matrix<1x1x8x8xf32>
  %D = ropegrad.row_sums %P : (!ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
  %S = ropegrad.scale_rows %P, %D : !ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8xf32>
  %0 = ropegrad.apply %S, %v : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x3xf32>) -> tensor<1x1x8x3xf32>
  return %0, %D : tensor<1x1x8x3xf32>, tensor<1x1x8xf32>
}

// apply(p' o U V^T, k) => reverse(q, accumulate(k, V), U), and transposed.
// CHECK-LABEL: func.func @slopes(
// CHECK-SAME: %[[Q:.*]]: tensor<1x1x8x2xf32>, %[[K:.*]]: tensor<1x1x8x2xf32>, %[[U:.*]]: tensor<1x1x8x3xf32>, %[[V:.*]]: tensor<1x1x8x3xf32>
// CHECK: %[[GK:.*]] = ropegrad.accumulate ins(%[[K]], %[[V]] :
// CHECK: ropegrad.reverse ins(%[[Q]], %[[GK]], %[[U]] : {{.*}} {degree = 2 : i64}
// CHECK: %[[GQ:.*]] = ropegrad.accumulate ins(%[[Q]], %[[U]] :
// CHECK: ropegrad.reverse ins(%[[K]], %[[GQ]], %[[V]] : {{.*}} {degree = 2 : i64}
// CHECK: ropegrad.kronecker_features ins(%[[Q]], %[[K]], %[[U]], %[[V]], %[[Q]], %[[K]] : {{.*}} {coefficients = array<f64: 1.000000e+00, 1.000000e+00>, position = #ropegrad.no_position, scale = 5.000000e-01 : f64, support = array<i64: 0, 0, 1, 1>} -> tensor<4x2xf32>
func.func @slopes(%q: tensor<1x1x8x2xf32>, %k: tensor<1x1x8x2xf32>, %u: tensor<1x1x8x3xf32>, %v: tensor<1x1x8x3xf32>) -> (tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<4x2xf32>) {
  %Z = ropegrad.logits %q, %k {scale = 0.5 : f64} : (tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %P = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, order = 1 : i64, plan = #plan} : !ropegrad.matrix<1x1x8x8xf32>
  %B = ropegrad.outer %u, %v : (tensor<1x1x8x3xf32>, tensor<1x1x8x3xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %C = ropegrad.hadamard %P, %B : !ropegrad.matrix<1x1x8x8xf32>
  %0 = ropegrad.apply %C, %k {scale = 0.5 : f64} : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x2xf32>) -> tensor<1x1x8x2xf32>
  %1 = ropegrad.apply_transposed %C, %q {scale = 0.5 : f64} : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x2xf32>) -> tensor<1x1x8x2xf32>
  %2 = ropegrad.kronecker_gradient %C, %q, %k {position = #ropegrad.no_position, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>} : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) -> tensor<4x2xf32>
  return %0, %1, %2 : tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<4x2xf32>
}

// diag(r) p' o (U V^T - w 1^T) is one low-rank factor, [rU, -rw] [V, 1]^T.
// CHECK-LABEL: func.func @folded(
// CHECK-DAG: ropegrad.append_column ins(%{{.*}}, %{{.*}} : tensor<1x1x8x3xf32>, tensor<1x1x8xf32>) {{.*}} {scale = -1.000000e+00 : f64}
// CHECK-DAG: ropegrad.append_column ins(%arg2 : tensor<1x1x8x3xf32>)
// CHECK: ropegrad.accumulate {{.*}} outs(%{{.*}} : tensor<1x1x6x4xf32>)
// CHECK: ropegrad.reverse
func.func @folded(%q: tensor<1x1x8x2xf32>, %u: tensor<1x1x8x3xf32>, %v: tensor<1x1x8x3xf32>, %r: tensor<1x1x8xf32>, %w: tensor<1x1x8xf32>) -> tensor<1x1x8x2xf32> {
  %Z = ropegrad.logits %q, %q {scale = 0.5 : f64} : (tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %P = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, order = 1 : i64, plan = #plan} : !ropegrad.matrix<1x1x8x8xf32>
  %S = ropegrad.scale_rows %P, %r : !ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8xf32>
  %B = ropegrad.outer %u, %v : (tensor<1x1x8x3xf32>, tensor<1x1x8x3xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %C = ropegrad.shift_rows %B, %w : !ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8xf32>
  %H = ropegrad.hadamard %S, %C : !ropegrad.matrix<1x1x8x8xf32>
  %0 = ropegrad.apply %H, %q {scale = 0.5 : f64} : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x2xf32>) -> tensor<1x1x8x2xf32>
  return %0 : tensor<1x1x8x2xf32>
}

// Equal reductions are made once: accumulate(k, V) is part of [V, 1]'s.
// CHECK-LABEL: func.func @shared(
// CHECK-COUNT-1: ropegrad.accumulate
// CHECK-NOT: ropegrad.accumulate
// CHECK: return
func.func @shared(%q: tensor<1x1x8x2xf32>, %v: tensor<1x1x8x3xf32>) -> (tensor<1x1x8x4xf32>, tensor<1x1x8x3xf32>) {
  %e = tensor.empty() : tensor<1x1x8x4xf32>
  %v1 = ropegrad.append_column ins(%v : tensor<1x1x8x3xf32>) outs(%e : tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  %Z = ropegrad.logits %q, %q {scale = 0.5 : f64} : (tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %P = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, plan = #plan} : !ropegrad.matrix<1x1x8x8xf32>
  %0 = ropegrad.apply %P, %v1 : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  %1 = ropegrad.apply %P, %v : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x3xf32>) -> tensor<1x1x8x3xf32>
  return %0, %1 : tensor<1x1x8x4xf32>, tensor<1x1x8x3xf32>
}

// Left alone: no plan, the exact route, a prefactor, general W.
// CHECK-LABEL: func.func @left_alone(
// CHECK-NOT: ropegrad.accumulate
// CHECK-COUNT-4: ropegrad.apply %
// CHECK-NOT: ropegrad.accumulate
func.func @left_alone(%q: tensor<1x1x8x2xf32>, %w: tensor<15x1xf32>) -> (tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) {
  %Z = ropegrad.logits %q, %q {scale = 0.5 : f64} : (tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %P = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>} : !ropegrad.matrix<1x1x8x8xf32>
  %0 = ropegrad.apply %P, %q : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x2xf32>) -> tensor<1x1x8x2xf32>
  %E = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, plan = #ropegrad.plan<route = exact, fit = minimax>} : !ropegrad.matrix<1x1x8x8xf32>
  %1 = ropegrad.apply %E, %q : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x2xf32>) -> tensor<1x1x8x2xf32>
  %F = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, plan = #plan} : !ropegrad.matrix<1x1x8x8xf32>
  %T = ropegrad.toeplitz {mask = #ropegrad.mask<causal>} : () -> !ropegrad.matrix<1x1x8x8xf32>
  %M = ropegrad.hadamard %T, %F : !ropegrad.matrix<1x1x8x8xf32>
  %2 = ropegrad.apply %M, %q : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x2xf32>) -> tensor<1x1x8x2xf32>
  %G = ropegrad.logits %q, %q position(%w) {scale = 0.5 : f64, support = array<i64: 0, 1>} : (tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<15x1xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %GP = ropegrad.polynomial %G {coefficients = array<f64: 1.0, 1.0, 0.5>, plan = #plan} : !ropegrad.matrix<1x1x8x8xf32>
  %3 = ropegrad.apply %GP, %q : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x2xf32>) -> tensor<1x1x8x2xf32>
  return %0, %1, %2, %3 : tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>
}
