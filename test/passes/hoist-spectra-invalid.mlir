// RUN: ropegrad-opt %s --verify-diagnostics --ropegrad-hoist-spectra

// The name is taken.
// expected-error @below {{expected no function @prepare beside spectra to hoist, but got one}}
func.func @prepare(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
func.func @forward(%q: tensor<1x1x64x2xf32> {ropegrad.name = "Q"}, %bias: tensor<127xf32> {ropegrad.name = "bias"}) -> tensor<1x1x256xf32> {
  %0 = tensor.empty() : tensor<1x1x127xf32>
  %T = ropegrad.pair_table ins(%bias : tensor<127xf32>) outs(%0 : tensor<1x1x127xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, d = 2 : i64, scale = 0.25 : f64} -> tensor<1x1x127xf32>
  %1 = tensor.empty() : tensor<1x1x256xf32>
  %S = ropegrad.pair_spectrum ins(%T : tensor<1x1x127xf32>) outs(%1 : tensor<1x1x256xf32>) -> tensor<1x1x256xf32>
  return %S : tensor<1x1x256xf32>
}
