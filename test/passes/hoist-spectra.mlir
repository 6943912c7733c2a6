// RUN: ropegrad-opt %s --split-input-file --ropegrad-hoist-spectra | FileCheck %s

// Equal spectra of two kernels are one result of @prepare; a table that is read
// by something else is another. What is not a kernel keeps its own.
// CHECK-LABEL: func.func @forward(
// CHECK-SAME: %[[Q:[^ :]*]]: tensor<1x1x64x2xf32> {ropegrad.name = "Q"}, %{{.*}}: tensor<127xf32> {ropegrad.name = "bias"},
// CHECK-SAME: %[[S:[^ :]*]]: tensor<1x1x256xf32> {ropegrad.name = "prepared0", ropegrad.prepared}, %{{.*}}: tensor<1x1x127xf32> {ropegrad.name = "prepared1", ropegrad.prepared})
// CHECK-NOT: ropegrad.pair_{{table|spectrum}}
// CHECK: ropegrad.pair_apply ins(%[[Q]], %[[Q]], %[[Q]], %[[S]] :
// CHECK-LABEL: func.func @gradient(
// CHECK-SAME: %[[S:[^ :]*]]: tensor<1x1x256xf32> {ropegrad.name = "prepared0", ropegrad.prepared}, %[[T:[^ :]*]]: tensor<1x1x127xf32> {ropegrad.name = "prepared1", ropegrad.prepared})
// CHECK-NOT: ropegrad.pair_{{table|spectrum}}
// CHECK: ropegrad.pair_apply ins({{.*}}, %[[S]] :
// CHECK: ropegrad.pair_bias_gradient ins(%[[T]],
// CHECK-LABEL: func.func @certify(
// CHECK: ropegrad.pair_spectrum
// CHECK-LABEL: func.func @other(
// CHECK: ropegrad.pair_spectrum
// CHECK-LABEL: func.func @prepare(
// CHECK-SAME: %[[BIAS:[^ :]*]]: tensor<127xf32> {ropegrad.name = "bias"})
// CHECK-SAME: -> (tensor<1x1x256xf32> {ropegrad.name = "prepared0", ropegrad.prepared}, tensor<1x1x127xf32> {ropegrad.name = "prepared1", ropegrad.prepared})
// CHECK: %[[T:.*]] = ropegrad.pair_table ins(%[[BIAS]] :
// CHECK: %[[S:.*]] = ropegrad.pair_spectrum ins(%[[T]] :
// CHECK-NOT: ropegrad.
// CHECK: return %[[S]], %[[T]] :
func.func @forward(%q: tensor<1x1x64x2xf32> {ropegrad.name = "Q"}, %bias: tensor<127xf32> {ropegrad.name = "bias"}) -> tensor<1x1x64x2xf32> {
  %0 = tensor.empty() : tensor<1x1x127xf32>
  %T = ropegrad.pair_table ins(%bias : tensor<127xf32>) outs(%0 : tensor<1x1x127xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, d = 2 : i64, scale = 0.25 : f64} -> tensor<1x1x127xf32>
  %1 = tensor.empty() : tensor<1x1x256xf32>
  %S = ropegrad.pair_spectrum ins(%T : tensor<1x1x127xf32>) outs(%1 : tensor<1x1x256xf32>) -> tensor<1x1x256xf32>
  %2 = tensor.empty() : tensor<1x1x64x2xf32>
  %N = ropegrad.pair_apply ins(%q, %q, %q, %S : tensor<1x1x64x2xf32>, tensor<1x1x64x2xf32>, tensor<1x1x64x2xf32>, tensor<1x1x256xf32>) outs(%2 : tensor<1x1x64x2xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.25 : f64} -> tensor<1x1x64x2xf32>
  return %N : tensor<1x1x64x2xf32>
}
func.func @gradient(%q: tensor<1x1x64x2xf32> {ropegrad.name = "Q"}, %R: tensor<1x1x127xf32>, %bias: tensor<127xf32> {ropegrad.name = "bias"}) -> (tensor<1x1x64x2xf32>, tensor<127xf32>) {
  %0 = tensor.empty() : tensor<1x1x127xf32>
  %T = ropegrad.pair_table ins(%bias : tensor<127xf32>) outs(%0 : tensor<1x1x127xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, d = 2 : i64, scale = 0.25 : f64} -> tensor<1x1x127xf32>
  %1 = tensor.empty() : tensor<1x1x256xf32>
  %S = ropegrad.pair_spectrum ins(%T : tensor<1x1x127xf32>) outs(%1 : tensor<1x1x256xf32>) -> tensor<1x1x256xf32>
  %2 = tensor.empty() : tensor<1x1x64x2xf32>
  %N = ropegrad.pair_apply ins(%q, %q, %q, %S : tensor<1x1x64x2xf32>, tensor<1x1x64x2xf32>, tensor<1x1x64x2xf32>, tensor<1x1x256xf32>) outs(%2 : tensor<1x1x64x2xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.25 : f64} -> tensor<1x1x64x2xf32>
  %3 = tensor.empty() : tensor<127xf32>
  %B = ropegrad.pair_bias_gradient ins(%T, %R : tensor<1x1x127xf32>, tensor<1x1x127xf32>) outs(%3 : tensor<127xf32>) -> tensor<127xf32>
  return %N, %B : tensor<1x1x64x2xf32>, tensor<127xf32>
}
func.func @certify(%q: tensor<1x1x64x2xf32> {ropegrad.name = "Q"}, %bias: tensor<127xf32> {ropegrad.name = "bias"}) -> tensor<1x1x256xf32> {
  %0 = tensor.empty() : tensor<1x1x127xf32>
  %T = ropegrad.pair_table ins(%bias : tensor<127xf32>) outs(%0 : tensor<1x1x127xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, d = 2 : i64, scale = 0.25 : f64} -> tensor<1x1x127xf32>
  %1 = tensor.empty() : tensor<1x1x256xf32>
  %S = ropegrad.pair_spectrum ins(%T : tensor<1x1x127xf32>) outs(%1 : tensor<1x1x256xf32>) -> tensor<1x1x256xf32>
  return %S : tensor<1x1x256xf32>
}
func.func @other(%bias: tensor<127xf32> {ropegrad.name = "bias"}) -> tensor<1x1x256xf32> {
  %0 = tensor.empty() : tensor<1x1x127xf32>
  %T = ropegrad.pair_table ins(%bias : tensor<127xf32>) outs(%0 : tensor<1x1x127xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, d = 2 : i64, scale = 0.25 : f64} -> tensor<1x1x127xf32>
  %1 = tensor.empty() : tensor<1x1x256xf32>
  %S = ropegrad.pair_spectrum ins(%T : tensor<1x1x127xf32>) outs(%1 : tensor<1x1x256xf32>) -> tensor<1x1x256xf32>
  return %S : tensor<1x1x256xf32>
}

// -----

// A function of something else than W and bias stays where it is.
// CHECK-LABEL: func.func @forward(
// CHECK-NOT: ropegrad.prepared
// CHECK: ropegrad.pair_spectrum
// CHECK-NOT: func.func @prepare
func.func @forward(%q: tensor<1x1x64x2xf32> {ropegrad.name = "Q"}, %t: tensor<127xf32> {ropegrad.name = "V"}) -> tensor<1x1x256xf32> {
  %0 = tensor.empty() : tensor<1x1x127xf32>
  %T = ropegrad.pair_table ins(%t : tensor<127xf32>) outs(%0 : tensor<1x1x127xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, d = 2 : i64, scale = 0.25 : f64} -> tensor<1x1x127xf32>
  %1 = tensor.empty() : tensor<1x1x256xf32>
  %S = ropegrad.pair_spectrum ins(%T : tensor<1x1x127xf32>) outs(%1 : tensor<1x1x256xf32>) -> tensor<1x1x256xf32>
  return %S : tensor<1x1x256xf32>
}
