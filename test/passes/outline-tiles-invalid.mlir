// What has no way out of level 2 is an error with its place, not a crash.
// RUN: ropegrad-opt %s --ropegrad-pipeline -split-input-file -verify-diagnostics

func.func @argument(%A: !ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32> {
  // expected-error @+1 {{operand #0 must be variadic of tensor or memref of floats, but got '!ropegrad.matrix<1x1x8x8xf32>'}}
  %0 = ropegrad.row_sums %A : (!ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
  return %0 : tensor<1x1x8xf32>
}

// -----

func.func @half(%q: tensor<1x1x8x4xbf16>) -> tensor<1x1x8x4xbf16> {
  %A = ropegrad.outer %q, %q : (tensor<1x1x8x4xbf16>, tensor<1x1x8x4xbf16>) -> !ropegrad.matrix<1x1x8x8xbf16>
  // expected-error @+1 {{expected f32 or f64, but got 'bf16'}}
  %0 = ropegrad.apply %A, %q : (!ropegrad.matrix<1x1x8x8xbf16>, tensor<1x1x8x4xbf16>) -> tensor<1x1x8x4xbf16>
  return %0 : tensor<1x1x8x4xbf16>
}

// -----

func.func @huge(%q: tensor<1x1x4611686018427387904x1xf32>) -> (tensor<1x1x4611686018427387904xf32>, tensor<1x1x4611686018427387904xf32>) {
  %Z = ropegrad.outer %q, %q : (tensor<1x1x4611686018427387904x1xf32>, tensor<1x1x4611686018427387904x1xf32>) -> !ropegrad.matrix<1x1x4611686018427387904x4611686018427387904xf32>
  // expected-error @+1 {{expected a contiguous buffer of numbers below 2^48 bytes, but got 'memref<4611686018427387904xf32>'}}
  %0 = ropegrad.row_sums %Z : (!ropegrad.matrix<1x1x4611686018427387904x4611686018427387904xf32>) -> tensor<1x1x4611686018427387904xf32>
  return %0, %0 : tensor<1x1x4611686018427387904xf32>, tensor<1x1x4611686018427387904xf32>
}
