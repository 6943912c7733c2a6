// RUN: ropegrad-opt %s --ropegrad-approximate-exp -split-input-file -verify-diagnostics

func.func @no_degree(%q: tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32> {
  %Z = ropegrad.logits %q, %q {scale = 0.25 : f64} : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %L = ropegrad.row_logsumexp %Z : (!ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
  %S = ropegrad.shift_rows %Z, %L : !ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8xf32>
  // expected-error @+1 {{expected a plan with degree and radius at which exp can be fitted, but got }}
  %E = ropegrad.exp %S {plan = #ropegrad.plan<route = features, fit = minimax>} : !ropegrad.matrix<1x1x8x8xf32>
  %O = ropegrad.apply %E, %q : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  return %O : tensor<1x1x8x4xf32>
}

// -----

func.func @huge_degree(%q: tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32> {
  %Z = ropegrad.logits %q, %q {scale = 0.25 : f64} : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %L = ropegrad.row_logsumexp %Z : (!ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
  %S = ropegrad.shift_rows %Z, %L : !ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8xf32>
  // expected-error @+1 {{expected a plan with degree and radius at which exp can be fitted, but got }}
  %E = ropegrad.exp %S {plan = #ropegrad.plan<route = features, fit = minimax, degree = 1000 : i64, radius = 0.5 : f64>} : !ropegrad.matrix<1x1x8x8xf32>
  %O = ropegrad.apply %E, %q : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  return %O : tensor<1x1x8x4xf32>
}

// -----

func.func @negative_degree(%q: tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32> {
  %Z = ropegrad.logits %q, %q {scale = 0.25 : f64} : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %L = ropegrad.row_logsumexp %Z : (!ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
  %S = ropegrad.shift_rows %Z, %L : !ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8xf32>
  // expected-error @+1 {{expected a plan with degree and radius at which exp can be fitted, but got }}
  %E = ropegrad.exp %S {plan = #ropegrad.plan<route = features, fit = minimax, degree = -1 : i64, radius = 0.5 : f64>} : !ropegrad.matrix<1x1x8x8xf32>
  %O = ropegrad.apply %E, %q : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  return %O : tensor<1x1x8x4xf32>
}

// -----

func.func @negative_radius(%q: tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32> {
  %Z = ropegrad.logits %q, %q {scale = 0.25 : f64} : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %L = ropegrad.row_logsumexp %Z : (!ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
  %S = ropegrad.shift_rows %Z, %L : !ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8xf32>
  // expected-error @+1 {{expected a plan with degree and radius at which exp can be fitted, but got }}
  %E = ropegrad.exp %S {plan = #ropegrad.plan<route = features, fit = minimax, degree = 2 : i64, radius = -0.5 : f64>} : !ropegrad.matrix<1x1x8x8xf32>
  %O = ropegrad.apply %E, %q : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  return %O : tensor<1x1x8x4xf32>
}

// -----

func.func @huge_radius(%q: tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32> {
  %Z = ropegrad.logits %q, %q {scale = 0.25 : f64} : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %L = ropegrad.row_logsumexp %Z : (!ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
  %S = ropegrad.shift_rows %Z, %L : !ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8xf32>
  // expected-error @+1 {{expected a plan with degree and radius at which exp can be fitted, but got }}
  %E = ropegrad.exp %S {plan = #ropegrad.plan<route = features, fit = minimax, degree = 2 : i64, radius = 1.0e+300 : f64>} : !ropegrad.matrix<1x1x8x8xf32>
  %O = ropegrad.apply %E, %q : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  return %O : tensor<1x1x8x4xf32>
}

// -----

func.func @no_logits(%q: tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32> {
  %Z = ropegrad.outer %q, %q : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %L = ropegrad.row_logsumexp %Z : (!ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
  %S = ropegrad.shift_rows %Z, %L : !ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8xf32>
  // expected-error @+1 {{expected an exponential of ropegrad.logits}}
  %E = ropegrad.exp %S {plan = #ropegrad.plan<route = features, fit = minimax, degree = 2 : i64, radius = 0.5 : f64>} : !ropegrad.matrix<1x1x8x8xf32>
  %O = ropegrad.apply %E, %q : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  return %O : tensor<1x1x8x4xf32>
}

// -----

func.func @nested(%x: tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %c1 step %c1 iter_args(%q = %x) -> tensor<1x1x8x4xf32> {
    // expected-error @+1 {{expected approximated logits at the top level of a function of one block}}
    %Z = ropegrad.logits %q, %q {scale = 0.25 : f64} : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
    %L = ropegrad.row_logsumexp %Z : (!ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
    %S = ropegrad.shift_rows %Z, %L : !ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8xf32>
    %E = ropegrad.exp %S {plan = #ropegrad.plan<route = features, fit = minimax, degree = 2 : i64, radius = 0.5 : f64>} : !ropegrad.matrix<1x1x8x8xf32>
    %O = ropegrad.apply %E, %q : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
    scf.yield %O : tensor<1x1x8x4xf32>
  }
  return %r : tensor<1x1x8x4xf32>
}

// -----

func.func private @callee(%q: tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32> {
  // expected-error @+1 {{expected a function without callers: it gains a result, the radius found}}
  %Z = ropegrad.logits %q, %q {scale = 0.25 : f64} : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %L = ropegrad.row_logsumexp %Z : (!ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
  %S = ropegrad.shift_rows %Z, %L : !ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8xf32>
  %E = ropegrad.exp %S {plan = #ropegrad.plan<route = features, fit = minimax, degree = 2 : i64, radius = 0.5 : f64>} : !ropegrad.matrix<1x1x8x8xf32>
  %O = ropegrad.apply %E, %q : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  return %O : tensor<1x1x8x4xf32>
}
func.func @caller(%q: tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32> {
  %0 = call @callee(%q) : (tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  return %0 : tensor<1x1x8x4xf32>
}
