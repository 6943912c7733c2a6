// RUN: ropegrad-opt %s -split-input-file -verify-diagnostics

func.func @element(%x: tensor<8xf32>, %y: tensor<8xf32>, %e: tensor<f64>) -> tensor<f64> {
  // expected-error @+1 {{expected elements of f64 but for x, but got}}
  %0 = ropegrad.largest ins(%x, %y : tensor<8xf32>, tensor<8xf32>) outs(%e : tensor<f64>) -> tensor<f64>
  return %0 : tensor<f64>
}

// -----

func.func @shape(%x: tensor<8xf32>, %y: tensor<7xf64>, %e: tensor<f64>) -> tensor<f64> {
  // expected-error @+1 {{expected y to be (8)}}
  %0 = ropegrad.largest ins(%x, %y : tensor<8xf32>, tensor<7xf64>) outs(%e : tensor<f64>) -> tensor<f64>
  return %0 : tensor<f64>
}
