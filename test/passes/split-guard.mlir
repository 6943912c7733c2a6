// RUN: ropegrad-opt %s -split-input-file --ropegrad-split-guard -canonicalize -cse | FileCheck %s

// Both functions lose their guards; what measures is made once, of what the
// radius depends on, and rotates nothing.
// CHECK-LABEL: func.func @forward(
// CHECK-SAME: %[[Q:[^ :]*]]: tensor<2x2x8x2xf32> {ropegrad.name = "Q"}, %[[K:[^ :]*]]: tensor<2x1x8x2xf32> {ropegrad.name = "K"}, %{{.*}}: tensor<2x1x8x2xf32> {ropegrad.name = "V"})
// CHECK-SAME: -> (tensor<2x2x8x2xf32> {ropegrad.name = "O"}) {
// CHECK: %[[RQ:.*]] = ropegrad.rotate ins(%[[Q]] :
// CHECK: %[[RK:.*]] = ropegrad.rotate ins(%[[K]] :
// CHECK-NOT: ropegrad.guard
// CHECK: %[[G:.*]] = ropegrad.accumulate ins(%[[RK]],
// CHECK: %[[O:.*]] = ropegrad.expand ins(%[[RQ]], %[[G]] :
// CHECK: return %[[O]] : tensor<2x2x8x2xf32>
// CHECK-LABEL: func.func @forward_train(
// CHECK-SAME: -> (tensor<2x2x8x2xf32> {ropegrad.name = "O"}, tensor<2x1x6x2xf32> {ropegrad.name = "residual0", ropegrad.residual}) {
// CHECK-NOT: ropegrad.guard
// CHECK: return %{{.*}}, %{{.*}} : tensor<2x2x8x2xf32>, tensor<2x1x6x2xf32>
// CHECK-LABEL: func.func @measure(
// CHECK-SAME: %[[Q:[^ :]*]]: tensor<2x2x8x2xf32> {ropegrad.name = "Q"}, %[[K:[^ :]*]]: tensor<2x1x8x2xf32> {ropegrad.name = "K"}) -> tensor<2x1xf32> {
// CHECK-NEXT: %[[E:.*]] = tensor.empty() : tensor<2x1xf32>
// CHECK-NEXT: %[[R:.*]]:3 = ropegrad.guard outs(%[[E]], %[[Q]], %[[K]] : tensor<2x1xf32>, tensor<2x2x8x2xf32>, tensor<2x1x8x2xf32>) {limit = 5.000000e-01 : f64, scale = 2.500000e-01 : f64}
// CHECK-NEXT: return %[[R]]#0 : tensor<2x1xf32>
func.func @forward(%Q: tensor<2x2x8x2xf32> {ropegrad.name = "Q"}, %K: tensor<2x1x8x2xf32> {ropegrad.name = "K"}, %V: tensor<2x1x8x2xf32> {ropegrad.name = "V"}) -> (tensor<2x2x8x2xf32> {ropegrad.name = "O"}, tensor<f32>) {
  %e = tensor.empty() : tensor<f32>
  %a = tensor.empty() : tensor<2x2x8x2xf32>
  %b = tensor.empty() : tensor<2x1x8x2xf32>
  %g = tensor.empty() : tensor<2x1x6x2xf32>
  %q = ropegrad.rotate ins(%Q : tensor<2x2x8x2xf32>) outs(%a : tensor<2x2x8x2xf32>) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>} -> tensor<2x2x8x2xf32>
  %k = ropegrad.rotate ins(%K : tensor<2x1x8x2xf32>) outs(%b : tensor<2x1x8x2xf32>) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>} -> tensor<2x1x8x2xf32>
  %r:3 = ropegrad.guard outs(%e, %q, %k : tensor<f32>, tensor<2x2x8x2xf32>, tensor<2x1x8x2xf32>) {limit = 0.5 : f64, scale = 0.25 : f64} -> tensor<f32>, tensor<2x2x8x2xf32>, tensor<2x1x8x2xf32>
  %G = ropegrad.accumulate ins(%r#2, %V : tensor<2x1x8x2xf32>, tensor<2x1x8x2xf32>) outs(%g : tensor<2x1x6x2xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.25 : f64} -> tensor<2x1x6x2xf32>
  %O = ropegrad.expand ins(%r#1, %G : tensor<2x2x8x2xf32>, tensor<2x1x6x2xf32>) outs(%a : tensor<2x2x8x2xf32>) {degree = 2 : i64} -> tensor<2x2x8x2xf32>
  return %O, %r#0 : tensor<2x2x8x2xf32>, tensor<f32>
}
func.func @forward_train(%Q: tensor<2x2x8x2xf32> {ropegrad.name = "Q"}, %K: tensor<2x1x8x2xf32> {ropegrad.name = "K"}, %V: tensor<2x1x8x2xf32> {ropegrad.name = "V"}) -> (tensor<2x2x8x2xf32> {ropegrad.name = "O"}, tensor<f32>, tensor<2x1x6x2xf32> {ropegrad.name = "residual0", ropegrad.residual}) {
  %e = tensor.empty() : tensor<f32>
  %a = tensor.empty() : tensor<2x2x8x2xf32>
  %g = tensor.empty() : tensor<2x1x6x2xf32>
  %r:3 = ropegrad.guard outs(%e, %Q, %K : tensor<f32>, tensor<2x2x8x2xf32>, tensor<2x1x8x2xf32>) {limit = 0.5 : f64, scale = 0.25 : f64} -> tensor<f32>, tensor<2x2x8x2xf32>, tensor<2x1x8x2xf32>
  %G = ropegrad.accumulate ins(%r#2, %V : tensor<2x1x8x2xf32>, tensor<2x1x8x2xf32>) outs(%g : tensor<2x1x6x2xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.25 : f64} -> tensor<2x1x6x2xf32>
  %O = ropegrad.expand ins(%r#1, %G : tensor<2x2x8x2xf32>, tensor<2x1x6x2xf32>) outs(%a : tensor<2x2x8x2xf32>) {degree = 2 : i64} -> tensor<2x2x8x2xf32>
  return %O, %r#0, %G : tensor<2x2x8x2xf32>, tensor<f32>, tensor<2x1x6x2xf32>
}

// -----

// A general W is measured by columns of rows, which a rotation changes.
// CHECK-LABEL: func.func @measure(
// CHECK-SAME: %[[Q:[^ :]*]]: tensor<1x1x8x2xf32>, %[[K:[^ :]*]]: tensor<1x1x8x2xf32>, %[[W:[^ :]*]]: tensor<15x1xf32>) -> tensor<1x1xf32> {
// CHECK: %[[RQ:.*]] = ropegrad.rotate ins(%[[Q]] :
// CHECK: ropegrad.guard ins(%[[W]] : tensor<15x1xf32>) outs(%{{.*}}, %[[RQ]], %[[K]] :
func.func @forward(%q: tensor<1x1x8x2xf32>, %k: tensor<1x1x8x2xf32>, %v: tensor<1x1x8x2xf32>, %w: tensor<15x1xf32>) -> (tensor<1x1x8x2xf32>, tensor<f32>) {
  %e = tensor.empty() : tensor<f32>
  %a = tensor.empty() : tensor<1x1x8x2xf32>
  %rq = ropegrad.rotate ins(%q : tensor<1x1x8x2xf32>) outs(%a : tensor<1x1x8x2xf32>) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>} -> tensor<1x1x8x2xf32>
  %r:3 = ropegrad.guard ins(%w : tensor<15x1xf32>) outs(%e, %rq, %k : tensor<f32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) {limit = 0.5 : f64, scale = 0.25 : f64, support = array<i64: 0, 1>} -> tensor<f32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>
  return %r#1, %r#0 : tensor<1x1x8x2xf32>, tensor<f32>
}

// -----

// A radius that the function itself needs stays there; so do all guards of a
// module that measures already.
// CHECK-LABEL: func.func @certify(
// CHECK: ropegrad.guard
// CHECK-NOT: @measure
func.func @certify(%q: tensor<1x1x8x2xf32>, %k: tensor<1x1x8x2xf32>) -> tensor<1xf32> {
  %e = tensor.empty() : tensor<f32>
  %r:3 = ropegrad.guard outs(%e, %q, %k : tensor<f32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) {limit = 0.5 : f64, scale = 0.25 : f64} -> tensor<f32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>
  %x = tensor.extract %r#0[] : tensor<f32>
  %bounds = tensor.from_elements %x : tensor<1xf32>
  return %bounds : tensor<1xf32>
}

// -----

// CHECK-LABEL: func.func @forward(
// CHECK: ropegrad.guard
// CHECK-LABEL: func.func private @measure()
func.func @forward(%q: tensor<1x1x8x2xf32>, %k: tensor<1x1x8x2xf32>) -> (tensor<1x1x8x2xf32>, tensor<f32>) {
  %e = tensor.empty() : tensor<f32>
  %r:3 = ropegrad.guard outs(%e, %q, %k : tensor<f32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) {limit = 0.5 : f64, scale = 0.25 : f64} -> tensor<f32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>
  return %r#1, %r#0 : tensor<1x1x8x2xf32>, tensor<f32>
}
func.func private @measure()
