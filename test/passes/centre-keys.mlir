// RUN: ropegrad-opt %s --ropegrad-differentiate -canonicalize -cse --ropegrad-centre-keys -canonicalize -cse | FileCheck %s
// RUN: ropegrad-opt %s --ropegrad-differentiate -canonicalize -cse --ropegrad-centre-keys --ropegrad-centre-keys -canonicalize -cse | FileCheck %s
// RUN: ropegrad-opt %s --ropegrad-pipeline=stop-after-level=3 | FileCheck %s --check-prefix=LEVEL3
// RUN: ropegrad-opt %s --ropegrad-pipeline=stop-after-level=5 | FileCheck %s --check-prefix=LOWERED

// The rotated keys lose their mean, once, wherever the logits or their gradient
// meet them.
// CHECK-LABEL: func.func @gradient(
// CHECK-DAG: %[[Q:.*]] = ropegrad.rotate ins(%arg0 :
// CHECK-DAG: %[[K:.*]] = ropegrad.rotate ins(%arg1 :
// CHECK: %[[C:.*]] = ropegrad.centre_rows ins(%[[K]] :
// CHECK: %[[Z:.*]] = ropegrad.logits %[[Q]], %[[C]]
// CHECK-NOT: ropegrad.logits
// CHECK-NOT: ropegrad.centre_rows
// CHECK: ropegrad.apply %{{.*}}, %arg2 :
// CHECK: ropegrad.apply %{{.*}}, %[[C]] {scale = 2.500000e-01 : f64}
// CHECK: ropegrad.apply_transposed %{{.*}}, %[[Q]] {scale = 2.500000e-01 : f64}
// CHECK: return

// Guard and features see nothing else, and both halves make it again.
// LEVEL3-LABEL: func.func @gradient(
// LEVEL3: %[[C:.*]] = ropegrad.centre_rows
// LEVEL3: %[[G:.*]]:3 = ropegrad.guard outs(%{{.*}}, %{{.*}}, %[[C]] :
// LEVEL3: ropegrad.accumulate ins(%[[G]]#2,
// LEVEL3: ropegrad.reverse ins(%[[G]]#2,
// LEVEL3-LABEL: func.func @forward_train(
// LEVEL3: ropegrad.centre_rows
// LEVEL3-LABEL: func.func @backward(
// LEVEL3: ropegrad.centre_rows

// LOWERED-NOT: ropegrad.centre_rows
func.func @gradient(%Q: tensor<1x2x64x4xf32> {ropegrad.name = "Q"}, %K: tensor<1x1x64x4xf32> {ropegrad.name = "K"}, %V: tensor<1x1x64x4xf32> {ropegrad.name = "V"}, %dO: tensor<1x2x64x4xf32> {ropegrad.name = "dO"})
    -> (tensor<1x2x64x4xf32> {ropegrad.name = "O"}, tensor<1x2x64x4xf32> {ropegrad.name = "dQ"}, tensor<1x1x64x4xf32> {ropegrad.name = "dK"}, tensor<1x1x64x4xf32> {ropegrad.name = "dV"}) {
  %O = ropegrad.attention(%Q, %K, %V) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>, scale = 0.25 : f64, radius = 0.5 : f64, route = #ropegrad.route<features>, degree = 2 : i64, centre = #ropegrad.centre<keys>, plan = #ropegrad.plan<route = features, fit = minimax, degree = 2 : i64, radius = 0.5 : f64, centre = <keys>>} : (tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>) -> tensor<1x2x64x4xf32>
  %dQ, %dK, %dV = ropegrad.attention_vjp(%Q, %K, %V, %dO) {wrt = ["Q", "K", "V"], position = #ropegrad.rotary<half, base = 1.0e+4 : f64>, scale = 0.25 : f64, radius = 0.5 : f64, route = #ropegrad.route<features>, degree = 2 : i64, centre = #ropegrad.centre<keys>, plan = #ropegrad.plan<route = features, fit = minimax, degree = 2 : i64, radius = 0.5 : f64, centre = <keys>>} : (tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x2x64x4xf32>) -> (tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>)
  return %O, %dQ, %dK, %dV : tensor<1x2x64x4xf32>, tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>
}

// One array as keys and values: only the keys are centred, under a prefactor as
// well.
// CHECK-LABEL: func.func @shared(
// CHECK: %[[C:.*]] = ropegrad.centre_rows ins(%arg1 :
// CHECK: ropegrad.logits %arg0, %[[C]]
// CHECK: ropegrad.apply %{{.*}}, %arg1 :
func.func @shared(%Q: tensor<1x1x8x4xf32>, %K: tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32> {
  %Z = ropegrad.logits %Q, %K {scale = 0.25 : f64} : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %b = ropegrad.toeplitz {mask = #ropegrad.mask<causal>} : () -> !ropegrad.matrix<1x1x8x8xf32>
  %L = ropegrad.row_logsumexp %Z prefactor(%b) : (!ropegrad.matrix<1x1x8x8xf32>, !ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
  %S = ropegrad.shift_rows %Z, %L : !ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8xf32>
  %E = ropegrad.exp %S {plan = #ropegrad.plan<route = scan, fit = minimax, degree = 2 : i64, radius = 0.5 : f64, centre = <keys>>} : !ropegrad.matrix<1x1x8x8xf32>
  %P = ropegrad.hadamard %b, %E : !ropegrad.matrix<1x1x8x8xf32>
  %O = ropegrad.apply %P, %K : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  return %O : tensor<1x1x8x4xf32>
}

// Rows of s' ∘ U Vᵀ need not sum to 0: what they meet stays.
// CHECK-LABEL: func.func @no_gradient(
// CHECK: %[[C:.*]] = ropegrad.centre_rows ins(%arg1 :
// CHECK: ropegrad.logits %arg0, %[[C]]
// CHECK: ropegrad.apply %{{.*}}, %arg1 :
func.func @no_gradient(%Q: tensor<1x1x8x4xf32>, %K: tensor<1x1x8x4xf32>, %U: tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32> {
  %Z = ropegrad.logits %Q, %K {scale = 0.25 : f64} : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %L = ropegrad.row_logsumexp %Z : (!ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
  %S = ropegrad.shift_rows %Z, %L : !ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8xf32>
  %E = ropegrad.exp %S {order = 1 : i64, plan = #ropegrad.plan<route = features, fit = minimax, degree = 2 : i64, radius = 0.5 : f64, centre = <keys>>} : !ropegrad.matrix<1x1x8x8xf32>
  %U1 = ropegrad.outer %U, %U : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %P = ropegrad.hadamard %E, %U1 : !ropegrad.matrix<1x1x8x8xf32>
  %O = ropegrad.apply %P, %K : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  return %O : tensor<1x1x8x4xf32>
}

// Without such a plan nothing happens.
// CHECK-LABEL: func.func @not_asked(
// CHECK-NOT: ropegrad.centre_rows
// CHECK: ropegrad.logits %arg0, %arg1
func.func @not_asked(%Q: tensor<1x1x8x4xf32>, %K: tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32> {
  %O = ropegrad.attention(%Q, %K, %K) {scale = 0.25 : f64, plan = #ropegrad.plan<route = features, fit = minimax, degree = 2 : i64, radius = 0.5 : f64>} : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  return %O : tensor<1x1x8x4xf32>
}
