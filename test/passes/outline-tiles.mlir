// RUN: ropegrad-opt %s --ropegrad-outline-tiles -cse | FileCheck %s

// Row-wise log-sum-exp and the product that it normalises share one loop.
// CHECK-LABEL: func.func @forward(
// CHECK-SAME: %[[Q:.*]]: tensor<1x2x8x4xf32>, %[[K:.*]]: tensor<1x1x8x4xf32>
// CHECK: %[[T:.*]]:2 = ropegrad.tiles ins(%[[Q]], %[[K]] : {{.*}}) outs(%{{.*}} : tensor<1x2x8xf32>, tensor<1x2x8x4xf32>)
// CHECK-NEXT: ^bb0(%[[A:.*]]: tensor<1x2x8x4xf32>, %[[B:.*]]: tensor<1x1x8x4xf32>):
// CHECK: %[[Z:.*]] = ropegrad.logits %[[A]], %[[B]]
// CHECK: %[[L:.*]] = ropegrad.row_logsumexp %[[Z]]
// CHECK: %[[O:.*]] = ropegrad.apply %{{.*}}, %[[B]]
// CHECK: ropegrad.yield %[[L]], %[[O]]
// CHECK: return %[[T]]#0, %[[T]]#1
func.func @forward(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>) -> (tensor<1x2x8xf32>, tensor<1x2x8x4xf32>) {
  %Z = ropegrad.logits %q, %k {scale = 0.25 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  %L = ropegrad.row_logsumexp %Z : (!ropegrad.matrix<1x2x8x8xf32>) -> tensor<1x2x8xf32>
  %S = ropegrad.shift_rows %Z, %L : !ropegrad.matrix<1x2x8x8xf32>, tensor<1x2x8xf32>
  %E = ropegrad.exp %S : !ropegrad.matrix<1x2x8x8xf32>
  %O = ropegrad.apply %E, %k : (!ropegrad.matrix<1x2x8x8xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32>
  return %L, %O : tensor<1x2x8xf32>, tensor<1x2x8x4xf32>
}

// An exit that needs another one's result in its matrix waits for a second
// loop, and one that nothing waits for joins the last.
// CHECK-LABEL: func.func @two_loops(
// CHECK: %[[FIRST:.*]] = ropegrad.tiles
// CHECK: ropegrad.row_sums
// CHECK: ropegrad.yield %{{[0-9]+}} :
// CHECK: %[[SECOND:.*]]:2 = ropegrad.tiles ins({{.*}}%[[FIRST]]
// CHECK: ropegrad.apply_transposed
// CHECK: ropegrad.apply_transposed
// CHECK: ropegrad.yield
// CHECK-NOT: ropegrad.tiles
func.func @two_loops(%u: tensor<1x1x8x4xf32>) -> (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) {
  %A = ropegrad.outer %u, %u : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %E = ropegrad.exp %A : !ropegrad.matrix<1x1x8x8xf32>
  %D = ropegrad.row_sums %E : (!ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
  %0 = ropegrad.apply_transposed %E, %u : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  %S = ropegrad.shift_rows %E, %D : !ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8xf32>
  %X = ropegrad.exp %S : !ropegrad.matrix<1x1x8x8xf32>
  %1 = ropegrad.apply_transposed %X, %u : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  return %0, %1 : tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>
}

// The paper's gradient reads W from a table.
// CHECK-LABEL: func.func @tabulated(
// CHECK: %[[W:.*]] = ropegrad.position_table {{.*}} {d = 2 : i64, position = #ropegrad.rotary<half, base = 1.000000e+04 : f64>, support = array<i64: 0, 0, 0, 1, 1, 0, 1, 1>} -> tensor<15x4xf32>
// CHECK: ropegrad.tiles ins({{.*}}%[[W]]
// CHECK: ropegrad.kronecker_gradient %{{.*}} position(
func.func @tabulated(%q: tensor<1x1x8x2xf32>, %a: tensor<1x1x8x3xf32>) -> tensor<9x4xf32> {
  %Z = ropegrad.logits %q, %q {scale = 0.25 : f64} : (tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %0 = ropegrad.kronecker_gradient %Z, %a, %a {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>, support = array<i64: 0, 0, 0, 1, 1, 0, 1, 1>} : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x3xf32>) -> tensor<9x4xf32>
  return %0 : tensor<9x4xf32>
}

// Matrices without an exit are dropped; without matrices nothing happens.
// CHECK-LABEL: func.func @dead(
// CHECK-NEXT: return %arg0
func.func @dead(%u: tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32> {
  %A = ropegrad.outer %u, %u : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  return %u : tensor<1x1x8x4xf32>
}
