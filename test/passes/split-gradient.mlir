// RUN: ropegrad-opt %s -split-input-file --ropegrad-plan --ropegrad-widen-storage --ropegrad-differentiate -canonicalize -cse \
// RUN:   --ropegrad-approximate-exp -canonicalize -cse --ropegrad-fuse-kronecker --ropegrad-outline-tiles \
// RUN:   -canonicalize -cse --ropegrad-split-gradient -canonicalize -cse | FileCheck %s

// Almost-linear route: the reduction over n and the products with it are kept,
// the rotations made again. What was guarded is not guarded twice.
// CHECK-LABEL: func.func @gradient(
// CHECK-COUNT-2: ropegrad.accumulate
// CHECK-LABEL: func.func @forward_train(
// CHECK-SAME: tensor<1x2x8x2xf32> {ropegrad.name = "Q"}, %{{.*}}: tensor<1x1x8x2xf32> {ropegrad.name = "K"}, %[[V:[^ :]*]]: tensor<1x1x8x2xf32> {ropegrad.name = "V"})
// CHECK-SAME: -> (tensor<1x2x8x2xf32> {ropegrad.name = "O"}, tensor<f32>,
// CHECK-SAME: tensor<1x1x6x3xf32> {ropegrad.name = "residual0", ropegrad.residual}, tensor<1x2x8x3xf32> {ropegrad.name = "residual1", ropegrad.residual})
// CHECK: %[[C:.*]]:3 = ropegrad.guard
// CHECK: %[[G:.*]] = ropegrad.accumulate ins(%[[C]]#2,
// CHECK: %[[N:.*]] = ropegrad.expand ins(%[[C]]#1, %[[G]] :
// CHECK-NOT: ropegrad.
// CHECK: %[[O:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<1x2x8x2xf32>)
// CHECK: return %[[O]], %[[C]]#0, %[[G]], %[[N]] :
// CHECK-LABEL: func.func @backward(
// CHECK-SAME: %[[Q:[^ :]*]]: tensor<1x2x8x2xf32> {ropegrad.name = "Q"}, %[[K:[^ :]*]]: tensor<1x1x8x2xf32> {ropegrad.name = "K"}, %[[V:[^ :]*]]: tensor<1x1x8x2xf32> {ropegrad.name = "V"}, %[[DO:[^ :]*]]: tensor<1x2x8x2xf32> {ropegrad.name = "dO"},
// CHECK-SAME: %[[G:[^ :]*]]: tensor<1x1x6x3xf32> {ropegrad.name = "residual0", ropegrad.residual}, %[[N:[^ :]*]]: tensor<1x2x8x3xf32> {ropegrad.name = "residual1", ropegrad.residual})
// CHECK-SAME: -> (tensor<1x2x8x2xf32> {ropegrad.name = "dQ"}, tensor<1x1x8x2xf32> {ropegrad.name = "dK"}, tensor<1x1x8x2xf32> {ropegrad.name = "dV"})
// CHECK: %[[RQ:.*]] = ropegrad.rotate ins(%[[Q]] :
// CHECK: %[[RK:.*]] = ropegrad.rotate ins(%[[K]] :
// CHECK-NOT: ropegrad.{{guard|accumulate|expand}}
// CHECK: tensor.extract_slice %[[N]]
// CHECK: ropegrad.reverse ins(%[[RQ]], %[[G]], %[[U:[^ :]*]] :
// CHECK: %[[H:.*]] = ropegrad.accumulate ins(%[[RQ]], %[[U]] :
// CHECK: ropegrad.expand ins(%[[RK]],
// CHECK: ropegrad.reverse ins(%[[RK]], %[[H]],
// CHECK: ropegrad.rotate {{.*}} {inverse,{{.*}}
// CHECK-NOT: ropegrad.
// CHECK: return %{{.*}}, %{{.*}}, %{{.*}} :
func.func @gradient(%Q: tensor<1x2x8x2xf32> {ropegrad.name = "Q"}, %K: tensor<1x1x8x2xf32> {ropegrad.name = "K"}, %V: tensor<1x1x8x2xf32> {ropegrad.name = "V"}, %dO: tensor<1x2x8x2xf32> {ropegrad.name = "dO"}) -> (tensor<1x2x8x2xf32> {ropegrad.name = "O"}, tensor<1x2x8x2xf32> {ropegrad.name = "dQ"}, tensor<1x1x8x2xf32> {ropegrad.name = "dK"}, tensor<1x1x8x2xf32> {ropegrad.name = "dV"}) {
  %O = ropegrad.attention(%Q, %K, %V) {degree = 2 : i64, position = #ropegrad.rotary<half, base = 1.0e+4 : f64>, radius = 0.5 : f64, route = #ropegrad.route<features>, scale = 0.5 : f64, tolerance = 0.1 : f64} : (tensor<1x2x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) -> tensor<1x2x8x2xf32>
  %d:3 = ropegrad.attention_vjp(%Q, %K, %V, %dO) {degree = 2 : i64, position = #ropegrad.rotary<half, base = 1.0e+4 : f64>, radius = 0.5 : f64, route = #ropegrad.route<features>, scale = 0.5 : f64, tolerance = 0.1 : f64, wrt = ["Q", "K", "V"]} : (tensor<1x2x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x2x8x2xf32>) -> (tensor<1x2x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>)
  return %O, %d#0, %d#1, %d#2 : tensor<1x2x8x2xf32>, tensor<1x2x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>
}

// -----

// Exact route: row-wise log-sum-exp and output are kept, so that the backward
// pass is one loop.
// CHECK-LABEL: func.func @forward_train(
// CHECK-SAME: -> (tensor<1x2x8x2xf32> {ropegrad.name = "O"}, tensor<1x2x8xf32> {ropegrad.name = "residual0", ropegrad.residual}, tensor<1x2x8x2xf32> {ropegrad.name = "residual1", ropegrad.residual})
// CHECK: %[[T:.*]]:2 = ropegrad.tiles
// CHECK: ropegrad.row_logsumexp
// CHECK-NOT: ropegrad.tiles
// CHECK: return %[[T]]#1, %[[T]]#0, %[[T]]#1 :
// CHECK-LABEL: func.func @backward(
// CHECK-SAME: %[[L:[^ :]*]]: tensor<1x2x8xf32> {ropegrad.name = "residual0", ropegrad.residual}, %[[O:[^ :]*]]: tensor<1x2x8x2xf32> {ropegrad.name = "residual1", ropegrad.residual})
// CHECK-NOT: ropegrad.{{tiles|row_logsumexp}}
// CHECK: linalg.generic {{.*}} ins(%[[O]],
// CHECK: ropegrad.tiles ins({{.*}}, %[[L]],
// CHECK-NOT: ropegrad.{{tiles|row_logsumexp}}
// CHECK: return
func.func @gradient(%Q: tensor<1x2x8x2xf32> {ropegrad.name = "Q"}, %K: tensor<1x1x8x2xf32> {ropegrad.name = "K"}, %V: tensor<1x1x8x2xf32> {ropegrad.name = "V"}, %dO: tensor<1x2x8x2xf32> {ropegrad.name = "dO"}) -> (tensor<1x2x8x2xf32> {ropegrad.name = "O"}, tensor<1x2x8x2xf32> {ropegrad.name = "dQ"}, tensor<1x1x8x2xf32> {ropegrad.name = "dV"}) {
  %O = ropegrad.attention(%Q, %K, %V) {mask = #ropegrad.mask<causal>, route = #ropegrad.route<exact>, scale = 0.5 : f64} : (tensor<1x2x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) -> tensor<1x2x8x2xf32>
  %d:2 = ropegrad.attention_vjp(%Q, %K, %V, %dO) {mask = #ropegrad.mask<causal>, route = #ropegrad.route<exact>, scale = 0.5 : f64, wrt = ["Q", "V"]} : (tensor<1x2x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x2x8x2xf32>) -> (tensor<1x2x8x2xf32>, tensor<1x1x8x2xf32>)
  return %O, %d#0, %d#1 : tensor<1x2x8x2xf32>, tensor<1x2x8x2xf32>, tensor<1x1x8x2xf32>
}

// -----

// Another width is made again; what is kept is f32, the output beside it.
// CHECK-LABEL: func.func @forward_train(
// CHECK-SAME: -> (tensor<1x1x8x2xbf16> {ropegrad.name = "O"}, tensor<1x1x8xf32> {ropegrad.name = "residual0", ropegrad.residual}, tensor<1x1x8x2xf32> {ropegrad.name = "residual1", ropegrad.residual})
// CHECK-LABEL: func.func @backward(
// CHECK-COUNT-4: ropegrad.convert ins(%{{.*}} : tensor<1x1x8x2xbf16>)
// CHECK: ropegrad.tiles
// CHECK: ropegrad.convert ins(%{{.*}} : tensor<1x1x8x2xf32>)
// CHECK-NOT: ropegrad.convert
func.func @gradient(%Q: tensor<1x1x8x2xbf16> {ropegrad.name = "Q"}, %K: tensor<1x1x8x2xbf16> {ropegrad.name = "K"}, %V: tensor<1x1x8x2xbf16> {ropegrad.name = "V"}, %dO: tensor<1x1x8x2xbf16> {ropegrad.name = "dO"}) -> (tensor<1x1x8x2xbf16> {ropegrad.name = "O"}, tensor<1x1x8x2xbf16> {ropegrad.name = "dQ"}) {
  %O = ropegrad.attention(%Q, %K, %V) {route = #ropegrad.route<exact>, scale = 0.5 : f64} : (tensor<1x1x8x2xbf16>, tensor<1x1x8x2xbf16>, tensor<1x1x8x2xbf16>) -> tensor<1x1x8x2xbf16>
  %dQ = ropegrad.attention_vjp(%Q, %K, %V, %dO) {route = #ropegrad.route<exact>, scale = 0.5 : f64, wrt = ["Q"]} : (tensor<1x1x8x2xbf16>, tensor<1x1x8x2xbf16>, tensor<1x1x8x2xbf16>, tensor<1x1x8x2xbf16>) -> tensor<1x1x8x2xbf16>
  return %O, %dQ : tensor<1x1x8x2xbf16>, tensor<1x1x8x2xbf16>
}

// -----

// Only what the gradients ask for is kept: dV needs no output.
// CHECK-LABEL: func.func @forward_train(
// CHECK-SAME: -> (tensor<1x1x8x2xf32> {ropegrad.name = "O"}, tensor<1x1x8xf32> {ropegrad.name = "residual0", ropegrad.residual})
// CHECK-LABEL: func.func @backward(
// CHECK-SAME: "dO"}, %[[L:[^ :]*]]: tensor<1x1x8xf32> {ropegrad.name = "residual0", ropegrad.residual}) -> (tensor<1x1x8x2xf32> {ropegrad.name = "dV"})
// CHECK-NEXT: tensor.empty
// CHECK-NEXT: ropegrad.tiles ins({{.*}}, %[[L]],
func.func @gradient(%Q: tensor<1x1x8x2xf32> {ropegrad.name = "Q"}, %K: tensor<1x1x8x2xf32> {ropegrad.name = "K"}, %V: tensor<1x1x8x2xf32> {ropegrad.name = "V"}, %dO: tensor<1x1x8x2xf32> {ropegrad.name = "dO"}) -> (tensor<1x1x8x2xf32> {ropegrad.name = "O"}, tensor<1x1x8x2xf32> {ropegrad.name = "dV"}) {
  %O = ropegrad.attention(%Q, %K, %V) {route = #ropegrad.route<exact>, scale = 0.5 : f64} : (tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) -> tensor<1x1x8x2xf32>
  %d = ropegrad.attention_vjp(%Q, %K, %V, %dO) {route = #ropegrad.route<exact>, scale = 0.5 : f64, wrt = ["V"]} : (tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) -> tensor<1x1x8x2xf32>
  return %O, %d : tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>
}

// -----

// Polynomial similarity: that row sums are positive is known already.
// CHECK-LABEL: func.func @forward_train(
// CHECK-SAME: -> (tensor<1x1x8x2xf32> {ropegrad.name = "O"}, tensor<1x1x6x3xf32> {ropegrad.name = "residual0", ropegrad.residual}, tensor<1x1x8x3xf32> {ropegrad.name = "residual1", ropegrad.residual})
// CHECK: ropegrad.require_positive
// CHECK-LABEL: func.func @backward(
// CHECK-SAME: %[[N:[^ :]*]]: tensor<1x1x8x3xf32> {ropegrad.name = "residual1", ropegrad.residual})
// CHECK-NOT: ropegrad.{{require_positive|expand}}
// CHECK: %[[D:.*]] = tensor.extract_slice %[[N]][0, 0, 0, 2]
// CHECK: linalg.generic {{.*}} ins(%[[D]] :
// CHECK-NOT: ropegrad.{{require_positive|expand}}
// CHECK: ropegrad.reverse
// CHECK: return
func.func @gradient(%Q: tensor<1x1x8x2xf32> {ropegrad.name = "Q"}, %K: tensor<1x1x8x2xf32> {ropegrad.name = "K"}, %V: tensor<1x1x8x2xf32> {ropegrad.name = "V"}, %dO: tensor<1x1x8x2xf32> {ropegrad.name = "dO"}) -> (tensor<1x1x8x2xf32> {ropegrad.name = "O"}, tensor<1x1x8x2xf32> {ropegrad.name = "dQ"}) {
  %O = ropegrad.attention(%Q, %K, %V) {route = #ropegrad.route<features>, scale = 0.5 : f64, similarity = array<f64: 1.0, 1.0, 0.5>} : (tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) -> tensor<1x1x8x2xf32>
  %d = ropegrad.attention_vjp(%Q, %K, %V, %dO) {route = #ropegrad.route<features>, scale = 0.5 : f64, similarity = array<f64: 1.0, 1.0, 0.5>, wrt = ["Q"]} : (tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) -> tensor<1x1x8x2xf32>
  return %O, %d : tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>
}

// -----

// Arguments after dO stay where they are.
// CHECK-LABEL: func.func @forward_train(
// CHECK-SAME: "V"}, %[[B:[^ :]*]]: tensor<1x15xf32> {ropegrad.name = "bias"})
// CHECK: ropegrad.tiles ins({{.*}}%[[B]],
// CHECK: ropegrad.row_logsumexp
// CHECK-LABEL: func.func @backward(
// CHECK-SAME: "dO"}, %[[B:[^ :]*]]: tensor<1x15xf32> {ropegrad.name = "bias"}, %[[L:[^ :]*]]: tensor<1x1x8xf32> {ropegrad.name = "residual0", ropegrad.residual}, %{{.*}}: tensor<1x1x8x2xf32> {ropegrad.name = "residual1", ropegrad.residual}) -> (tensor<1x15xf32> {ropegrad.name = "dbias"})
// CHECK-NOT: ropegrad.row_logsumexp
// CHECK: ropegrad.tiles ins(%[[B]], {{.*}}, %[[L]],
// CHECK-NOT: ropegrad.{{tiles|row_logsumexp}}
// CHECK: return
func.func @gradient(%Q: tensor<1x1x8x2xf32> {ropegrad.name = "Q"}, %K: tensor<1x1x8x2xf32> {ropegrad.name = "K"}, %V: tensor<1x1x8x2xf32> {ropegrad.name = "V"}, %dO: tensor<1x1x8x2xf32> {ropegrad.name = "dO"}, %b: tensor<1x15xf32> {ropegrad.name = "bias"}) -> (tensor<1x1x8x2xf32> {ropegrad.name = "O"}, tensor<1x15xf32> {ropegrad.name = "dbias"}) {
  %O = ropegrad.attention(%Q, %K, %V) bias(%b) {scale = 0.5 : f64} : (tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x15xf32>) -> tensor<1x1x8x2xf32>
  %d = ropegrad.attention_vjp(%Q, %K, %V, %dO) bias(%b) {scale = 0.5 : f64, wrt = ["bias"]} : (tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x15xf32>) -> tensor<1x15xf32>
  return %O, %d : tensor<1x1x8x2xf32>, tensor<1x15xf32>
}

// -----

// A small product is kept (x), one pass over memory is made again (y), and a
// gradient that does not depend on dO belongs to the backward pass.
// CHECK-LABEL: func.func @forward_train(
// CHECK-SAME: %[[A:[^ :]*]]: tensor<8x8xf32> {ropegrad.name = "Q"}) -> (tensor<8x8xf32> {ropegrad.name = "O"}, tensor<8x8xf32> {ropegrad.name = "residual0", ropegrad.residual})
// CHECK: %[[X:.*]] = linalg.matmul ins(%[[A]], %[[A]] :
// CHECK-NOT: linalg.
// CHECK: return %[[A]], %[[X]] :
// CHECK-LABEL: func.func @backward(
// CHECK-SAME: %[[DO:[^ :]*]]: tensor<8x8xf32> {ropegrad.name = "dO"}, %[[X:[^ :]*]]: tensor<8x8xf32> {ropegrad.name = "residual0", ropegrad.residual}) -> (tensor<8x8xf32> {ropegrad.name = "dQ"}, tensor<8x8xf32> {ropegrad.name = "dK"})
// CHECK: %[[ZERO:.*]] = linalg.fill
// CHECK-NOT: linalg.matmul
// CHECK: %[[Y:.*]] = linalg.transpose ins(%[[X]] :
// CHECK: %[[S:.*]] = linalg.add ins(%[[Y]], %[[DO]] :
// CHECK: return %[[S]], %[[ZERO]] :
func.func @gradient(%Q: tensor<8x8xf32> {ropegrad.name = "Q"}, %dO: tensor<8x8xf32> {ropegrad.name = "dO"}) -> (tensor<8x8xf32> {ropegrad.name = "O"}, tensor<8x8xf32> {ropegrad.name = "dQ"}, tensor<8x8xf32> {ropegrad.name = "dK"}) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8x8xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<8x8xf32>) -> tensor<8x8xf32>
  %x = linalg.matmul ins(%Q, %Q : tensor<8x8xf32>, tensor<8x8xf32>) outs(%f : tensor<8x8xf32>) -> tensor<8x8xf32>
  %y = linalg.transpose ins(%x : tensor<8x8xf32>) outs(%e : tensor<8x8xf32>) permutation = [1, 0]
  %s = linalg.add ins(%y, %dO : tensor<8x8xf32>, tensor<8x8xf32>) outs(%e : tensor<8x8xf32>) -> tensor<8x8xf32>
  return %Q, %s, %f : tensor<8x8xf32>, tensor<8x8xf32>, tensor<8x8xf32>
}

// -----

// The radius is no part of the backward pass unless a gradient asks for it.
// CHECK-LABEL: func.func @forward_train(
// CHECK-SAME: -> (tensor<f32>, tensor<f32> {ropegrad.name = "residual0", ropegrad.residual})
// CHECK: %[[C:.*]]:3 = ropegrad.guard
// CHECK: return %[[C]]#0, %[[C]]#0 :
// CHECK-LABEL: func.func @backward(
// CHECK-SAME: %[[Q:[^ :]*]]: tensor<1x1x8x2xf32> {ropegrad.name = "Q"}, %[[DO:[^ :]*]]: tensor<f32> {ropegrad.name = "dO"}, %[[R:[^ :]*]]: tensor<f32> {ropegrad.name = "residual0", ropegrad.residual}) -> (tensor<f32> {ropegrad.name = "dQ"}, tensor<1x1x8x2xf32> {ropegrad.name = "dK"})
// CHECK-NOT: ropegrad.guard
// CHECK: %[[S:.*]] = linalg.add ins(%[[R]], %[[DO]] :
// CHECK: return %[[S]], %[[Q]] :
func.func @gradient(%Q: tensor<1x1x8x2xf32> {ropegrad.name = "Q"}, %dO: tensor<f32> {ropegrad.name = "dO"}) -> (tensor<f32>, tensor<f32> {ropegrad.name = "dQ"}, tensor<1x1x8x2xf32> {ropegrad.name = "dK"}) {
  %e = tensor.empty() : tensor<f32>
  %r, %q, %k = ropegrad.guard outs(%e, %Q, %Q : tensor<f32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) {limit = 0.5 : f64, scale = 0.5 : f64} -> tensor<f32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>
  %s = linalg.add ins(%r, %dO : tensor<f32>, tensor<f32>) outs(%e : tensor<f32>) -> tensor<f32>
  return %r, %s, %k : tensor<f32>, tensor<f32>, tensor<1x1x8x2xf32>
}

// -----

// Nothing is added without dO among tensors, as after bufferization,
// CHECK-LABEL: func.func @gradient(
// CHECK-NOT: func.func
func.func @gradient(%Q: memref<8xf32> {ropegrad.name = "Q"}, %dO: memref<8xf32> {ropegrad.name = "dO"}, %dQ: memref<8xf32> {ropegrad.name = "dQ"}) {
  linalg.copy ins(%dO : memref<8xf32>) outs(%dQ : memref<8xf32>)
  return
}

// -----

// to what is not called from outside,
// CHECK-LABEL: func.func private @gradient(
// CHECK-NOT: func.func
func.func private @gradient(%dO: tensor<8xf32> {ropegrad.name = "dO"}) -> tensor<8xf32> {
  return %dO : tensor<8xf32>
}

// -----

// or twice.
// CHECK-LABEL: func.func @backward(
// CHECK-LABEL: func.func @forward_train(
// CHECK-LABEL: func.func @gradient(
// CHECK-NOT: func.func
func.func @backward(%dO: tensor<8xf32> {ropegrad.name = "dO"}) -> tensor<8xf32> {
  return %dO : tensor<8xf32>
}
func.func @forward_train() {
  return
}
func.func @gradient(%dO: tensor<8xf32> {ropegrad.name = "dO"}) -> tensor<8xf32> {
  return %dO : tensor<8xf32>
}
