// RUN: ropegrad-opt %s --ropegrad-centre-queries -split-input-file -verify-diagnostics

// q̄ W_{i-j} k_j is no constant of column j.
func.func @general(%q: tensor<1x1x4x2xf32>, %W: tensor<7x1xf32>) -> tensor<1x1x4x2xf32> {
  %Z = ropegrad.logits %q, %q position(%W) {scale = 0.25 : f64, support = array<i64: 0, 1>} : (tensor<1x1x4x2xf32>, tensor<1x1x4x2xf32>, tensor<7x1xf32>) -> !ropegrad.matrix<1x1x4x4xf32>
  %L = ropegrad.row_logsumexp %Z : (!ropegrad.matrix<1x1x4x4xf32>) -> tensor<1x1x4xf32>
  %S = ropegrad.shift_rows %Z, %L : !ropegrad.matrix<1x1x4x4xf32>, tensor<1x1x4xf32>
  // expected-error @+1 {{expected a function of logits without W to centre their queries, but got W}}
  %E = ropegrad.exp %S {plan = #ropegrad.plan<route = fft, fit = minimax, degree = 2 : i64, radius = 0.5 : f64, centre = <queries>>} : !ropegrad.matrix<1x1x4x4xf32>
  %O = ropegrad.apply %E, %q : (!ropegrad.matrix<1x1x4x4xf32>, tensor<1x1x4x2xf32>) -> tensor<1x1x4x2xf32>
  return %O : tensor<1x1x4x2xf32>
}

// -----

func.func @no_logits(%q: tensor<1x1x4x2xf32>) -> tensor<1x1x4x2xf32> {
  %B = ropegrad.outer %q, %q : (tensor<1x1x4x2xf32>, tensor<1x1x4x2xf32>) -> !ropegrad.matrix<1x1x4x4xf32>
  // expected-error @+1 {{expected a function of logits without W to centre their queries, but got another matrix}}
  %E = ropegrad.exp %B {plan = #ropegrad.plan<route = features, fit = minimax, centre = <queries>>} : !ropegrad.matrix<1x1x4x4xf32>
  %O = ropegrad.apply %E, %q : (!ropegrad.matrix<1x1x4x4xf32>, tensor<1x1x4x2xf32>) -> tensor<1x1x4x2xf32>
  return %O : tensor<1x1x4x2xf32>
}

// -----

// A row that sees only keys of small weights would lose its sum.
func.func @prefactor(%q: tensor<1x1x4x2xf32>) -> tensor<1x1x4x2xf32> {
  %Z = ropegrad.logits %q, %q {scale = 0.25 : f64} : (tensor<1x1x4x2xf32>, tensor<1x1x4x2xf32>) -> !ropegrad.matrix<1x1x4x4xf32>
  %b = ropegrad.toeplitz {mask = #ropegrad.mask<causal>} : () -> !ropegrad.matrix<1x1x4x4xf32>
  %L = ropegrad.row_logsumexp %Z prefactor(%b) : (!ropegrad.matrix<1x1x4x4xf32>, !ropegrad.matrix<1x1x4x4xf32>) -> tensor<1x1x4xf32>
  %S = ropegrad.shift_rows %Z, %L : !ropegrad.matrix<1x1x4x4xf32>, tensor<1x1x4xf32>
  // expected-error @+1 {{expected logits without a prefactor to centre their queries, but got one}}
  %E = ropegrad.exp %S {plan = #ropegrad.plan<route = scan, fit = minimax, degree = 2 : i64, radius = 0.5 : f64, centre = <queries>>} : !ropegrad.matrix<1x1x4x4xf32>
  %P = ropegrad.hadamard %b, %E : !ropegrad.matrix<1x1x4x4xf32>
  %O = ropegrad.apply %P, %q : (!ropegrad.matrix<1x1x4x4xf32>, tensor<1x1x4x2xf32>) -> tensor<1x1x4x2xf32>
  return %O : tensor<1x1x4x2xf32>
}

// -----

func.func @not_normalised(%q: tensor<1x1x4x2xf32>) -> tensor<1x1x4x2xf32> {
  %Z = ropegrad.logits %q, %q {scale = 0.25 : f64} : (tensor<1x1x4x2xf32>, tensor<1x1x4x2xf32>) -> !ropegrad.matrix<1x1x4x4xf32>
  // expected-error @+1 {{expected a normalised exponential of the logits to centre their queries, but got another}}
  %E = ropegrad.exp %Z {plan = #ropegrad.plan<route = features, fit = minimax, degree = 2 : i64, radius = 0.5 : f64, centre = <queries>>} : !ropegrad.matrix<1x1x4x4xf32>
  %O = ropegrad.apply %E, %q : (!ropegrad.matrix<1x1x4x4xf32>, tensor<1x1x4x2xf32>) -> tensor<1x1x4x2xf32>
  return %O : tensor<1x1x4x2xf32>
}

// -----

// Without the mean the logits are others to their other user.
func.func @shared(%q: tensor<1x1x4x2xf32>) -> (tensor<1x1x4x2xf32>, tensor<1x1x4xf32>) {
  %Z = ropegrad.logits %q, %q {scale = 0.25 : f64} : (tensor<1x1x4x2xf32>, tensor<1x1x4x2xf32>) -> !ropegrad.matrix<1x1x4x4xf32>
  %L = ropegrad.row_logsumexp %Z : (!ropegrad.matrix<1x1x4x4xf32>) -> tensor<1x1x4xf32>
  %S = ropegrad.shift_rows %Z, %L : !ropegrad.matrix<1x1x4x4xf32>, tensor<1x1x4xf32>
  %E = ropegrad.exp %S {plan = #ropegrad.plan<route = features, fit = minimax, degree = 2 : i64, radius = 0.5 : f64, centre = <queries>>} : !ropegrad.matrix<1x1x4x4xf32>
  %O = ropegrad.apply %E, %q : (!ropegrad.matrix<1x1x4x4xf32>, tensor<1x1x4x2xf32>) -> tensor<1x1x4x2xf32>
  // expected-error @+1 {{expected no use of logits whose queries are centred but by one normalised exponential, but got ropegrad.row_sums}}
  %D = ropegrad.row_sums %Z : (!ropegrad.matrix<1x1x4x4xf32>) -> tensor<1x1x4xf32>
  return %O, %D : tensor<1x1x4x2xf32>, tensor<1x1x4xf32>
}

// -----

// So is their log-sum-exp.
func.func @sum(%q: tensor<1x1x4x2xf32>) -> (tensor<1x1x4x2xf32>, tensor<1x1x4xf32>) {
  %Z = ropegrad.logits %q, %q {scale = 0.25 : f64} : (tensor<1x1x4x2xf32>, tensor<1x1x4x2xf32>) -> !ropegrad.matrix<1x1x4x4xf32>
  %L = ropegrad.row_logsumexp %Z : (!ropegrad.matrix<1x1x4x4xf32>) -> tensor<1x1x4xf32>
  %S = ropegrad.shift_rows %Z, %L : !ropegrad.matrix<1x1x4x4xf32>, tensor<1x1x4xf32>
  %E = ropegrad.exp %S {plan = #ropegrad.plan<route = features, fit = minimax, degree = 2 : i64, radius = 0.5 : f64, centre = <queries>>} : !ropegrad.matrix<1x1x4x4xf32>
  %O = ropegrad.apply %E, %q : (!ropegrad.matrix<1x1x4x4xf32>, tensor<1x1x4x2xf32>) -> tensor<1x1x4x2xf32>
  // expected-error @+1 {{expected no use of logits whose queries are centred but by one normalised exponential, but got func.return}}
  return %O, %L : tensor<1x1x4x2xf32>, tensor<1x1x4xf32>
}
