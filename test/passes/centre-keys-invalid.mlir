// RUN: ropegrad-opt %s --ropegrad-centre-keys -split-input-file -verify-diagnostics

// q_i W_{i-j} k̄ is no constant of row i.
func.func @general(%q: tensor<1x1x4x2xf32>, %W: tensor<7x1xf32>) -> tensor<1x1x4x2xf32> {
  %Z = ropegrad.logits %q, %q position(%W) {scale = 0.25 : f64, support = array<i64: 0, 1>} : (tensor<1x1x4x2xf32>, tensor<1x1x4x2xf32>, tensor<7x1xf32>) -> !ropegrad.matrix<1x1x4x4xf32>
  %L = ropegrad.row_logsumexp %Z : (!ropegrad.matrix<1x1x4x4xf32>) -> tensor<1x1x4xf32>
  %S = ropegrad.shift_rows %Z, %L : !ropegrad.matrix<1x1x4x4xf32>, tensor<1x1x4xf32>
  // expected-error @+1 {{expected a function of logits without W to centre their keys, but got W}}
  %E = ropegrad.exp %S {plan = #ropegrad.plan<route = fft, fit = minimax, degree = 2 : i64, radius = 0.5 : f64, centre = <keys>>} : !ropegrad.matrix<1x1x4x4xf32>
  %O = ropegrad.apply %E, %q : (!ropegrad.matrix<1x1x4x4xf32>, tensor<1x1x4x2xf32>) -> tensor<1x1x4x2xf32>
  return %O : tensor<1x1x4x2xf32>
}

// -----

func.func @no_logits(%q: tensor<1x1x4x2xf32>) -> tensor<1x1x4x2xf32> {
  %B = ropegrad.outer %q, %q : (tensor<1x1x4x2xf32>, tensor<1x1x4x2xf32>) -> !ropegrad.matrix<1x1x4x4xf32>
  // expected-error @+1 {{expected a function of logits without W to centre their keys, but got another matrix}}
  %P = ropegrad.polynomial %B {coefficients = array<f64: 1.0, 1.0>, plan = #ropegrad.plan<route = features, fit = minimax, centre = <keys>>} : !ropegrad.matrix<1x1x4x4xf32>
  %O = ropegrad.apply %P, %q : (!ropegrad.matrix<1x1x4x4xf32>, tensor<1x1x4x2xf32>) -> tensor<1x1x4x2xf32>
  return %O : tensor<1x1x4x2xf32>
}
