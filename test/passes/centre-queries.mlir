// RUN: ropegrad-opt %s --ropegrad-differentiate -canonicalize -cse --ropegrad-centre-queries -canonicalize -cse | FileCheck %s
// RUN: ropegrad-opt %s --ropegrad-differentiate -canonicalize -cse --ropegrad-centre-queries --ropegrad-centre-queries -canonicalize -cse | FileCheck %s
// RUN: ropegrad-opt %s --ropegrad-differentiate -canonicalize -cse --ropegrad-centre-keys --ropegrad-centre-queries -canonicalize -cse | FileCheck %s --check-prefix=BOTH
// RUN: ropegrad-opt %s --ropegrad-pipeline=stop-after-level=3 | FileCheck %s --check-prefix=LEVEL3
// RUN: ropegrad-opt %s --ropegrad-pipeline=stop-after-level=5 | FileCheck %s --check-prefix=LOWERED

// The rotated queries of a key head lose one mean, its keys get a weight in
// every row, and dK gets back what the mean adds.
// CHECK-LABEL: func.func @gradient(
// CHECK-DAG: %[[ONE:.*]] = arith.constant 1.0
// CHECK-DAG: %[[Q:.*]] = ropegrad.rotate ins(%arg0 :
// CHECK-DAG: %[[K:.*]] = ropegrad.rotate ins(%arg1 :
// CHECK: %[[C:.*]]:2 = ropegrad.centre_rows ins(%[[Q]] : {{.*}} -> tensor<1x2x64x4xf32>, tensor<1x1x1x4xf32>
// CHECK: %[[w:.*]] = ropegrad.key_weights ins(%[[K]], %[[C]]#1 : {{.*}} {scale = 2.500000e-01 : f64} -> tensor<1x1x64x1xf32>
// CHECK: %[[ONES:.*]] = linalg.fill ins(%[[ONE]] : f32)
// CHECK: %[[W:.*]] = ropegrad.outer %[[ONES]], %[[w]]
// CHECK: %[[Z:.*]] = ropegrad.logits %[[C]]#0, %[[K]]
// CHECK: %[[L:.*]] = ropegrad.row_logsumexp %[[Z]] prefactor(%[[W]])
// CHECK: %[[S:.*]] = ropegrad.shift_rows %[[Z]], %[[L]]
// CHECK: %[[E:.*]] = ropegrad.exp %[[S]]
// CHECK: %[[P:.*]] = ropegrad.hadamard %[[W]], %[[E]]
// CHECK: ropegrad.apply %[[P]], %arg2
// CHECK: %[[E1:.*]] = ropegrad.exp %[[S]] {order = 1
// CHECK: %[[P1:.*]] = ropegrad.hadamard %[[W]], %[[E1]]
// CHECK: %[[GAMMA:.*]] = ropegrad.hadamard %[[P1]],
// CHECK: ropegrad.apply %[[GAMMA]], %[[K]]
// CHECK: %[[U:.*]] = ropegrad.append_column ins(%arg3, %{{[^ ]*}} : {{.*}} {scale = -1.0
// CHECK: %[[V:.*]] = ropegrad.append_column ins(%arg2 :
// CHECK: %[[T:.*]] = ropegrad.apply_transposed %[[E1]], %[[U]]
// CHECK: %[[R:.*]] = tensor.extract_slice %[[w]]
// CHECK: %[[WV:.*]] = linalg.generic {{.*}} ins(%[[V]], %[[R]]
// CHECK: %[[SUMS:.*]] = linalg.generic {{.*}} ins(%[[T]], %[[WV]]
// CHECK: %[[DK:.*]] = ropegrad.apply_transposed %[[GAMMA]], %[[C]]#0 {scale = 2.500000e-01 : f64}
// CHECK: ropegrad.add_outer ins(%[[DK]], %[[SUMS]], %[[C]]#1 : {{.*}} {scale = 2.500000e-01 : f64}
// CHECK: ropegrad.apply_transposed %[[P]], %arg3
// CHECK: return

// BOTH-LABEL: func.func @gradient(
// BOTH: %[[K:.*]] = ropegrad.centre_rows
// BOTH: %[[C:.*]]:2 = ropegrad.centre_rows
// BOTH: ropegrad.key_weights ins(%[[K]], %[[C]]#1
// BOTH: %[[Z:.*]] = ropegrad.logits %[[C]]#0, %[[K]]

// Weights are factors of rows: [V, 1] has them, and so have the products over
// the queries. What else the mean takes are products with the monomials of p',
// few of them. The backward pass reads the weights.
// LEVEL3-LABEL: func.func @gradient(
// LEVEL3: %[[C:.*]]:2 = ropegrad.centre_rows
// LEVEL3: %[[w:.*]] = ropegrad.key_weights
// LEVEL3: %[[G:.*]]:3 = ropegrad.guard outs(%{{.*}}, %[[C]]#0, %{{.*}} :
// LEVEL3: ropegrad.accumulate ins(%[[G]]#2,
// LEVEL3: ropegrad.expand ins(%[[G]]#1,
// LEVEL3: ropegrad.reverse ins(%[[G]]#1,
// LEVEL3: ropegrad.accumulate ins(%[[G]]#1, {{.*}} -> tensor<1x1x5x5xf32>
// LEVEL3: ropegrad.expand ins(%[[G]]#2, {{.*}} {degree = 1 : i64}
// LEVEL3: ropegrad.accumulate ins(%[[G]]#1, {{.*}} -> tensor<1x1x15x5xf32>
// LEVEL3: ropegrad.expand ins(%[[G]]#2, {{.*}} {degree = 2 : i64}
// LEVEL3: ropegrad.reverse ins(%[[G]]#2,
// LEVEL3: ropegrad.add_outer
// LEVEL3-NOT: ropegrad.accumulate
// LEVEL3-LABEL: func.func @forward_train(
// LEVEL3: ropegrad.key_weights
// LEVEL3-LABEL: func.func @backward(
// LEVEL3: ropegrad.centre_rows
// LEVEL3-NOT: ropegrad.key_weights
// LEVEL3: ropegrad.add_outer

// LOWERED-NOT: ropegrad.key_weights
func.func @gradient(%Q: tensor<1x2x64x4xf32> {ropegrad.name = "Q"}, %K: tensor<1x1x64x4xf32> {ropegrad.name = "K"}, %V: tensor<1x1x64x4xf32> {ropegrad.name = "V"}, %dO: tensor<1x2x64x4xf32> {ropegrad.name = "dO"})
    -> (tensor<1x2x64x4xf32> {ropegrad.name = "O"}, tensor<1x2x64x4xf32> {ropegrad.name = "dQ"}, tensor<1x1x64x4xf32> {ropegrad.name = "dK"}, tensor<1x1x64x4xf32> {ropegrad.name = "dV"}) {
  %O = ropegrad.attention(%Q, %K, %V) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>, scale = 0.25 : f64, radius = 0.5 : f64, route = #ropegrad.route<features>, degree = 2 : i64, centre = #ropegrad.centre<both>, plan = #ropegrad.plan<route = features, fit = minimax, degree = 2 : i64, radius = 0.5 : f64, centre = <both>>} : (tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>) -> tensor<1x2x64x4xf32>
  %dQ, %dK, %dV = ropegrad.attention_vjp(%Q, %K, %V, %dO) {wrt = ["Q", "K", "V"], position = #ropegrad.rotary<half, base = 1.0e+4 : f64>, scale = 0.25 : f64, radius = 0.5 : f64, route = #ropegrad.route<features>, degree = 2 : i64, centre = #ropegrad.centre<both>, plan = #ropegrad.plan<route = features, fit = minimax, degree = 2 : i64, radius = 0.5 : f64, centre = <both>>} : (tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x2x64x4xf32>) -> (tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>)
  return %O, %dQ, %dK, %dV : tensor<1x2x64x4xf32>, tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>
}

// Without such a plan nothing happens.
// CHECK-LABEL: func.func @not_asked(
// CHECK-NOT: ropegrad.centre_rows
// CHECK: ropegrad.logits %arg0, %arg1
func.func @not_asked(%Q: tensor<1x1x8x4xf32>, %K: tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32> {
  %O = ropegrad.attention(%Q, %K, %K) {scale = 0.25 : f64, plan = #ropegrad.plan<route = features, fit = minimax, degree = 2 : i64, radius = 0.5 : f64, centre = <keys>>} : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  return %O : tensor<1x1x8x4xf32>
}
