// RUN: ropegrad-opt %s --ropegrad-differentiate -cse | FileCheck %s

// The weights are normalised in the exponent: exp(Z - L).
// CHECK-LABEL: func.func @attention(
// CHECK-SAME: %[[Q:.*]]: tensor<1x2x8x4xf32>, %[[K:.*]]: tensor<1x1x8x4xf32>, %[[V:.*]]: tensor<1x1x8x4xf32>
// CHECK: %[[Z:.*]] = ropegrad.logits %[[Q]], %[[K]] {scale = 2.500000e-01 : f64}
// CHECK: %[[L:.*]] = ropegrad.row_logsumexp %[[Z]]
// CHECK: %[[S:.*]] = ropegrad.shift_rows %[[Z]], %[[L]]
// CHECK: %[[P:.*]] = ropegrad.exp %[[S]]
// CHECK: %[[O:.*]] = ropegrad.apply %[[P]], %[[V]]
// CHECK: return %[[O]]
func.func @attention(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32> {
  %0 = ropegrad.attention(%q, %k, %v) {scale = 0.25 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32>
  return %0 : tensor<1x2x8x4xf32>
}

// Rotary position rotates the rows of Q and K, and back the gradients of both.
// CHECK-LABEL: func.func @rotary_vjp(
// CHECK-SAME: %[[Q:.*]]: tensor<1x2x8x4xf32>, %[[K:.*]]: tensor<1x1x8x4xf32>, %[[V:.*]]: tensor<1x1x8x4xf32>, %[[D:[^:]*]]: tensor<1x2x8x4xf32>
// CHECK: %[[RQ:.*]] = ropegrad.rotate ins(%[[Q]] :
// CHECK: %[[RK:.*]] = ropegrad.rotate ins(%[[K]] :
// CHECK: %[[Z:.*]] = ropegrad.logits %[[RQ]], %[[RK]]
// CHECK: %[[P:.*]] = ropegrad.exp %[[S:[0-9]+]] : 
// CHECK: %[[P1:.*]] = ropegrad.exp %[[S]] {order = 1 : i64}
// CHECK: %[[O:.*]] = ropegrad.apply %[[P]], %[[V]]
// CHECK: %[[R:.*]] = linalg.generic {{.*}} ins(%[[O]], %[[D]] :
// CHECK: %[[B:.*]] = ropegrad.outer %[[D]], %[[V]]
// CHECK: %[[C:.*]] = ropegrad.shift_rows %[[B]], %[[R]]
// CHECK: %[[G:.*]] = ropegrad.hadamard %[[P1]], %[[C]]
// CHECK: %[[DQ:.*]] = ropegrad.apply %[[G]], %[[RK]] {scale = 2.500000e-01 : f64}
// CHECK: ropegrad.rotate ins(%[[DQ]] : {{.*}} {inverse,
// CHECK: %[[DK:.*]] = ropegrad.apply_transposed %[[G]], %[[RQ]] {scale = 2.500000e-01 : f64}
// CHECK: ropegrad.rotate ins(%[[DK]] : {{.*}} {inverse,
// CHECK: ropegrad.apply_transposed %[[P]], %[[D]] :
func.func @rotary_vjp(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>, %d: tensor<1x2x8x4xf32>) -> (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) {
  %0:3 = ropegrad.attention_vjp(%q, %k, %v, %d) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>, scale = 0.25 : f64, wrt = ["Q", "K", "V"]} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x2x8x4xf32>) -> (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>)
  return %0#0, %0#1, %0#2 : tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>
}

// General W and a learned bias; their gradients are sums along diagonals.
// CHECK-LABEL: func.func @general_vjp(
// CHECK-SAME: %[[Q:.*]]: tensor<1x1x8x4xf32>, %[[W:.*]]: tensor<15x2xf32>, %[[BIAS:.*]]: tensor<15xf32>
// CHECK: ropegrad.logits %[[Q]], %[[Q]] position(%[[W]]) {scale = 2.500000e-01 : f64, support = array<i64: 0, 0, 0, 1>}
// CHECK: %[[T:.*]] = ropegrad.toeplitz bias(%[[BIAS]]) {alibi = array<f64: 5.000000e-01>, mask = #ropegrad.mask<window>, window = 3 : i64}
// CHECK: ropegrad.row_logsumexp %{{.*}} prefactor(%[[T]])
// CHECK: ropegrad.hadamard %[[T]], %{{.*}}
// CHECK: ropegrad.apply_position %{{.*}}, %[[Q]], %[[W]] {scale = 2.500000e-01 : f64, support = array<i64: 0, 0, 0, 1>} :
// CHECK: ropegrad.apply_position %{{.*}}, %[[Q]], %[[W]] {scale = 2.500000e-01 : f64, support = array<i64: 0, 0, 0, 1>, transposed} :
// CHECK: ropegrad.position_gradient %{{.*}}, %[[Q]], %[[Q]] {scale = 2.500000e-01 : f64, support = array<i64: 0, 0, 0, 1>}
// CHECK: ropegrad.diagonal_sums %{{.*}} -> tensor<15xf32>
func.func @general_vjp(%q: tensor<1x1x8x4xf32>, %w: tensor<15x2xf32>, %bias: tensor<15xf32>) -> (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<15x2xf32>, tensor<15xf32>) {
  %0:4 = ropegrad.attention_vjp(%q, %q, %q, %q) position(%w) bias(%bias) {alibi = array<f64: 0.5>, mask = #ropegrad.mask<window>, position = #ropegrad.general<[0, 0, 0, 1]>, scale = 0.25 : f64, window = 3 : i64, wrt = ["Q", "K", "W", "bias"]} : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<15x2xf32>, tensor<15xf32>) -> (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<15x2xf32>, tensor<15xf32>)
  return %0#0, %0#1, %0#2, %0#3 : tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<15x2xf32>, tensor<15xf32>
}

// A polynomial similarity has no row maximum to subtract: p(Z) / D.
// CHECK-LABEL: func.func @similarity(
// CHECK-NOT: row_logsumexp
// CHECK: %[[P:.*]] = ropegrad.polynomial %{{.*}} {coefficients = array<f64: 1.000000e+00, 1.000000e+00, 5.000000e-01>
// CHECK: %[[D:.*]] = ropegrad.row_sums %[[P]]
// CHECK: %[[POSITIVE:.*]] = ropegrad.require_positive outs(%[[D]] :
// CHECK: %[[R:.*]] = linalg.generic {{.*}} ins(%[[POSITIVE]] :
// CHECK: %[[S:.*]] = ropegrad.scale_rows %[[P]], %[[R]]
// CHECK: ropegrad.apply %[[S]]
func.func @similarity(%q: tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32> {
  %0 = ropegrad.attention(%q, %q, %q) {scale = 0.25 : f64, similarity = array<f64: 1.0, 1.0, 0.5>} : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  return %0 : tensor<1x1x8x4xf32>
}

// The loss is half the squared norm of O - E.
// CHECK-LABEL: func.func @loss(
// CHECK: linalg.matmul ins(%arg0, %arg1 :
// CHECK: ropegrad.logits
// CHECK: ropegrad.apply
// CHECK: arith.subf
// CHECK: return %{{.*}} : tensor<f32>
func.func @loss(%a: tensor<8x3xf32>, %x: tensor<3x4xf32>, %e: tensor<8x4xf32>) -> tensor<f32> {
  %0 = ropegrad.loss(%a, %a, %a, %x, %x, %x, %e) {scale = 0.25 : f64} : (tensor<8x3xf32>, tensor<8x3xf32>, tensor<8x3xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<8x4xf32>) -> tensor<f32>
  return %0 : tensor<f32>
}

// The paper's gradient with respect to X = X1 (x) X2 on the support.
// CHECK-LABEL: func.func @loss_vjp(
// CHECK: %[[G:.*]] = ropegrad.hadamard
// CHECK: ropegrad.kronecker_gradient %[[G]], %{{.*}}, %{{.*}} {position = #ropegrad.no_position, scale = 2.500000e-01 : f64, support = array<i64: 0, 0, 1, 1, 2, 2, 3, 3>} : {{.*}} -> tensor<9x4xf32>
// CHECK: ropegrad.apply %[[G]]
// CHECK: linalg.matmul
func.func @loss_vjp(%a: tensor<8x3xf32>, %x: tensor<3x4xf32>, %e: tensor<8x4xf32>) -> (tensor<9x4xf32>, tensor<3x4xf32>) {
  %0:2 = ropegrad.loss_vjp(%a, %a, %a, %x, %x, %x, %e) {scale = 0.25 : f64, wrt = ["X", "X1"]} : (tensor<8x3xf32>, tensor<8x3xf32>, tensor<8x3xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<8x4xf32>) -> (tensor<9x4xf32>, tensor<3x4xf32>)
  return %0#0, %0#1 : tensor<9x4xf32>, tensor<3x4xf32>
}

// What is not a problem stays as it is.
// CHECK-LABEL: func.func @untouched(
// CHECK-NEXT: return %arg0
func.func @untouched(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
