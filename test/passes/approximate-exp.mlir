// RUN: ropegrad-opt %s --ropegrad-approximate-exp -cse | FileCheck %s

// exp(Z - L) becomes p(Z) / D behind a guard whose radius is returned.
// CHECK-LABEL: func.func @approximated(
// CHECK-SAME: -> (tensor<1x1x8x4xf32>, tensor<f32>)
// CHECK: %[[GUARD:.*]]:3 = ropegrad.guard outs(%{{.*}}, %arg0, %arg1 : {{.*}}) {limit = 5.000000e-01 : f64, scale = 2.500000e-01 : f64}
// CHECK: %[[Z:.*]] = ropegrad.logits %[[GUARD]]#1, %[[GUARD]]#2
// CHECK: %[[P:.*]] = ropegrad.polynomial %[[Z]] {coefficients = array<f64: {{.*}}>, delta = {{.*}} : f64, delta_prime = {{.*}} : f64, plan = {{.*}}, radius = 5.000000e-01 : f64}
// CHECK: %[[D:.*]] = ropegrad.row_sums %[[P]]
// CHECK: %[[R:.*]] = linalg.generic {{.*}} ins(%[[D]] :
// CHECK: arith.divf
// CHECK: %[[S:.*]] = ropegrad.scale_rows %[[P]], %[[R]]
// CHECK: %[[O:.*]] = ropegrad.apply %[[S]], %[[GUARD]]#2
// CHECK: return %[[O]], %[[GUARD]]#0
func.func @approximated(%q: tensor<1x1x8x4xf32>, %k: tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32> {
  %Z = ropegrad.logits %q, %k {scale = 0.25 : f64} : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %L = ropegrad.row_logsumexp %Z : (!ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
  %S = ropegrad.shift_rows %Z, %L : !ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8xf32>
  %E = ropegrad.exp %S {plan = #ropegrad.plan<route = features, fit = minimax, degree = 2 : i64, radius = 0.5 : f64>} : !ropegrad.matrix<1x1x8x8xf32>
  %O = ropegrad.apply %E, %k : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  return %O : tensor<1x1x8x4xf32>
}

// An exponential of order 1 becomes p', with the same coefficients.
// CHECK-LABEL: func.func @derivative(
// CHECK: %[[P:.*]] = ropegrad.polynomial %[[Z:.*]] {coefficients = [[C:array<f64: [^>]*>]]
// CHECK-NOT: order
// CHECK-SAME: radius
// CHECK: ropegrad.row_sums %[[P]]
// CHECK: %[[P1:.*]] = ropegrad.polynomial %[[Z]] {coefficients = [[C]], {{.*}} order = 1 : i64
// CHECK: ropegrad.scale_rows %[[P1]]
func.func @derivative(%q: tensor<1x1x8x4xf32>, %k: tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32> {
  %Z = ropegrad.logits %q, %k {scale = 0.25 : f64} : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %L = ropegrad.row_logsumexp %Z : (!ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
  %S = ropegrad.shift_rows %Z, %L : !ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8xf32>
  %E = ropegrad.exp %S {order = 1 : i64, plan = #ropegrad.plan<route = features, fit = taylor, degree = 2 : i64, radius = 0.5 : f64>} : !ropegrad.matrix<1x1x8x8xf32>
  %O = ropegrad.apply %E, %k : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  return %O : tensor<1x1x8x4xf32>
}

// Taylor's coefficients need no fit.
// CHECK-LABEL: func.func @taylor(
// CHECK: ropegrad.polynomial %{{.*}} {coefficients = array<f64: 1.000000e+00, 1.000000e+00, 5.000000e-01>
func.func @taylor(%q: tensor<1x1x8x4xf32>, %k: tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32> {
  %Z = ropegrad.logits %q, %k {scale = 0.25 : f64} : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %L = ropegrad.row_logsumexp %Z : (!ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
  %S = ropegrad.shift_rows %Z, %L : !ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8xf32>
  %E = ropegrad.exp %S {plan = #ropegrad.plan<route = features, fit = taylor, degree = 2 : i64, radius = 0.5 : f64>} : !ropegrad.matrix<1x1x8x8xf32>
  %O = ropegrad.apply %E, %k : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  return %O : tensor<1x1x8x4xf32>
}

// On the exact route exp stays, its order and plan have served.
// CHECK-LABEL: func.func @exact(
// CHECK-NOT: ropegrad.guard
// CHECK-NOT: ropegrad.polynomial
// CHECK: ropegrad.exp %{{[0-9]+}} : !ropegrad.matrix<1x1x8x8xf32>
func.func @exact(%q: tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32> {
  %Z = ropegrad.logits %q, %q {scale = 0.25 : f64} : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %L = ropegrad.row_logsumexp %Z : (!ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
  %S = ropegrad.shift_rows %Z, %L : !ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8xf32>
  %E = ropegrad.exp %S {order = 1 : i64, plan = #ropegrad.plan<route = exact, fit = minimax>} : !ropegrad.matrix<1x1x8x8xf32>
  %O = ropegrad.apply %E, %q : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  return %O : tensor<1x1x8x4xf32>
}
