// RUN: ropegrad-opt %s -split-input-file --ropegrad-join-pairs | FileCheck %s

!q = tensor<1x2x64x2xf32>
!k = tensor<1x1x64x2xf32>
!u = tensor<1x2x64x3xf32>
!v = tensor<1x1x64x3xf32>
!S = tensor<1x1x256xf32>
!R = tensor<1x1x127xf32>

// The gradients with respect to k, V and the table read the same transforms. V
// takes the columns of dN, without the one for the denominator.
// CHECK-LABEL: func.func @gradients(
// CHECK-SAME: %[[Q:.*]]: tensor<1x2x64x2xf32>, %[[K:.*]]: tensor<1x1x64x2xf32>, %{{.*}}: tensor<1x2x64x2xf32>, %{{.*}}: tensor<1x2x64xf32>, %[[V:.*]]: tensor<1x1x64x3xf32>, %[[S:.*]]: tensor<1x1x256xf32>
// CHECK: %[[U:.*]] = ropegrad.append_column
// CHECK: %[[ALL:.*]]:3 = ropegrad.pair_reverse ins(%[[K]], %[[Q]], %[[U]], %[[V]], %[[S]] : {{.*}}) outs(%{{.*}} : tensor<1x1x64x2xf32>, tensor<1x1x64x2xf32>, tensor<1x1x127xf32>) {{.*}}transposed
// CHECK-NOT: ropegrad.pair_apply
// CHECK-NOT: ropegrad.pair_correlate
// CHECK: %[[MORE:.*]] = arith.addf %[[ALL]]#1, %[[ALL]]#1
// CHECK: return %[[ALL]]#0, %[[MORE]], %[[ALL]]#2
func.func @gradients(%q: !q, %k: !k, %dN: !q, %r: tensor<1x2x64xf32>, %v: !v, %S: !S) -> (!k, !k, !R) {
  %e0 = tensor.empty() : !k
  %e1 = tensor.empty() : !R
  %e2 = tensor.empty() : !u
  %dV = ropegrad.pair_apply ins(%k, %q, %dN, %S : !k, !q, !q, !S) outs(%e0 : !k) {coefficients = array<f64: 1.0, 1.0>, scale = 0.5 : f64, transposed} -> !k
  // A user in front of the reverse.
  %more = arith.addf %dV, %dV : !k
  %U = ropegrad.append_column ins(%dN, %r : !q, tensor<1x2x64xf32>) outs(%e2 : !u) {scale = -1.0 : f64} -> !u
  %dk = ropegrad.pair_reverse ins(%k, %q, %U, %v, %S : !k, !q, !u, !v, !S) outs(%e0 : !k) {coefficients = array<f64: 1.0, 1.0>, scale = 0.5 : f64, transposed} -> !k
  %R = ropegrad.pair_correlate ins(%q, %k, %U, %v : !q, !k, !u, !v) outs(%e1 : !R) {coefficients = array<f64: 1.0, 1.0>, scale = 0.5 : f64} -> !R
  return %dk, %more, %R : !k, !k, !R
}

// -----

!q = tensor<1x2x64x2xf32>
!k = tensor<1x1x64x2xf32>
!u = tensor<1x2x64x3xf32>
!v = tensor<1x1x64x3xf32>
!S = tensor<1x1x256xf32>
!R = tensor<1x1x127xf32>

// Other columns, another polynomial, or a product that the reverse waits for.
// CHECK-LABEL: func.func @apart(
// CHECK: ropegrad.pair_apply {{.*}}transposed
// CHECK: ropegrad.pair_apply {{.*}}transposed
// CHECK: %[[WAITS:.*]] = ropegrad.pair_apply {{.*}}transposed
// CHECK: ropegrad.pair_reverse ins(%{{.*}}, %{{.*}}, %{{.*}}, %[[WAITS]], {{.*}} -> tensor<1x1x64x2xf32>
// CHECK: ropegrad.pair_correlate
func.func @apart(%q: !q, %k: !k, %other: !u, %U: !u, %v: !v, %S: !S) -> (!v, !v, !k, !R) {
  %e0 = tensor.empty() : !k
  %e1 = tensor.empty() : !R
  %e2 = tensor.empty() : !v
  %a = ropegrad.pair_apply ins(%k, %q, %other, %S : !k, !q, !u, !S) outs(%e2 : !v) {coefficients = array<f64: 1.0, 1.0>, scale = 0.5 : f64, transposed} -> !v
  %b = ropegrad.pair_apply ins(%k, %q, %U, %S : !k, !q, !u, !S) outs(%e2 : !v) {coefficients = array<f64: 1.0, 2.0>, scale = 0.5 : f64, transposed} -> !v
  %c = ropegrad.pair_apply ins(%k, %q, %U, %S : !k, !q, !u, !S) outs(%e2 : !v) {coefficients = array<f64: 1.0, 1.0>, scale = 0.5 : f64, transposed} -> !v
  %dk = ropegrad.pair_reverse ins(%k, %q, %U, %c, %S : !k, !q, !u, !v, !S) outs(%e0 : !k) {coefficients = array<f64: 1.0, 1.0>, scale = 0.5 : f64, transposed} -> !k
  %R = ropegrad.pair_correlate ins(%q, %k, %U, %v : !q, !k, !u, !v) outs(%e1 : !R) {coefficients = array<f64: 1.0, 1.0>, scale = 0.5 : f64} -> !R
  return %a, %b, %dk, %R : !v, !v, !k, !R
}

// -----

!k = tensor<1x1x64x2xf32>
!v = tensor<1x1x64x3xf32>
!S = tensor<1x6x256xf32>
!R = tensor<1x6x127xf32>

// With W the table's gradient has a function for each pair.
// CHECK-LABEL: func.func @position(
// CHECK: ropegrad.pair_reverse {{.*}} -> tensor<1x1x64x2xf32>, tensor<1x1x64x3xf32>
// CHECK-NOT: ropegrad.pair_apply
// CHECK: ropegrad.pair_correlate
func.func @position(%q: !k, %k: !k, %U: !v, %v: !v, %S: !S) -> (!k, !v, !R) {
  %e0 = tensor.empty() : !k
  %e1 = tensor.empty() : !R
  %e2 = tensor.empty() : !v
  %dk = ropegrad.pair_reverse ins(%k, %q, %U, %v, %S : !k, !k, !v, !v, !S) outs(%e0 : !k) {coefficients = array<f64: 1.0, 1.0, 1.0>, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>, transposed} -> !k
  %dV = ropegrad.pair_apply ins(%k, %q, %U, %S : !k, !k, !v, !S) outs(%e2 : !v) {coefficients = array<f64: 1.0, 1.0, 1.0>, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>, transposed} -> !v
  %R = ropegrad.pair_correlate ins(%q, %k, %U, %v : !k, !k, !v, !v) outs(%e1 : !R) {coefficients = array<f64: 1.0, 1.0, 1.0>, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>} -> !R
  return %dk, %dV, %R : !k, !v, !R
}

// -----

!q = tensor<1x2x64x2xf32>
!k = tensor<1x1x64x2xf32>
!u = tensor<1x2x64x3xf32>
!v = tensor<1x1x64x3xf32>
!S = tensor<1x1x256xf32>

// The gradient with respect to q waits for a row sum of N: it reads what its
// derivative was when N was made.
// CHECK-LABEL: func.func @slopes(
// CHECK-SAME: %[[Q:.*]]: tensor<1x2x64x2xf32>, %[[K:.*]]: tensor<1x1x64x2xf32>, %[[V:.*]]: tensor<1x1x64x3xf32>, %[[S:.*]]: tensor<1x1x256xf32>
// CHECK: %[[N:.*]]:2 = ropegrad.pair_apply ins(%[[Q]], %[[K]], %[[V]], %[[S]] : {{.*}} -> tensor<1x2x64x3xf32>, tensor<1x2x64x6xf32>
// CHECK: %[[U:.*]] = arith.negf %[[N]]#0
// CHECK: ropegrad.pair_reverse ins(%[[Q]], %[[K]], %[[V]], %[[U]], %[[S]], %[[N]]#1 :
func.func @slopes(%q: !q, %k: !k, %v: !v, %S: !S) -> !q {
  %e0 = tensor.empty() : !q
  %e1 = tensor.empty() : !u
  %N = ropegrad.pair_apply ins(%q, %k, %v, %S : !q, !k, !v, !S) outs(%e1 : !u) {coefficients = array<f64: 1.0, 1.0>, scale = 0.5 : f64} -> !u
  %U = arith.negf %N : !u
  %dq = ropegrad.pair_reverse ins(%q, %k, %v, %U, %S : !q, !k, !v, !u, !S) outs(%e0 : !q) {coefficients = array<f64: 1.0, 1.0>, scale = 0.5 : f64} -> !q
  return %dq : !q
}

// -----

!q = tensor<1x1x64x18xf32>
!v = tensor<1x1x64x19xf32>
!S = tensor<1x1x256xf32>

// 342 derivatives a row are too many.
// CHECK-LABEL: func.func @many(
// CHECK: ropegrad.pair_apply {{.*}} -> tensor<1x1x64x19xf32>{{$}}
// CHECK: ropegrad.pair_reverse ins(%{{[^,]*}}, %{{[^,]*}}, %{{[^,]*}}, %{{[^,]*}}, %{{[^,]*}} :
func.func @many(%q: !q, %k: !q, %v: !v, %S: !S) -> !q {
  %e0 = tensor.empty() : !q
  %e1 = tensor.empty() : !v
  %N = ropegrad.pair_apply ins(%q, %k, %v, %S : !q, !q, !v, !S) outs(%e1 : !v) {coefficients = array<f64: 1.0, 1.0>, scale = 0.5 : f64} -> !v
  %dq = ropegrad.pair_reverse ins(%q, %k, %v, %N, %S : !q, !q, !v, !v, !S) outs(%e0 : !q) {coefficients = array<f64: 1.0, 1.0>, scale = 0.5 : f64} -> !q
  return %dq : !q
}
