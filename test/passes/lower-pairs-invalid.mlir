// RUN: ropegrad-opt %s --ropegrad-lower-pairs -split-input-file -verify-diagnostics
// RUN: not ropegrad-opt %s --ropegrad-lower-pairs=vector-bits=96 2>&1 | FileCheck %s
// CHECK: expected vector-bits of 128, 256 or 512, but got 96

func.func @tensors(%T: tensor<1x1x127xf32>, %S: tensor<1x1x256xf32>) -> tensor<1x1x256xf32> {
  // expected-error @+1 {{expected buffers, but got 'tensor<1x1x127xf32>'}}
  %0 = ropegrad.pair_spectrum ins(%T : tensor<1x1x127xf32>) outs(%S : tensor<1x1x256xf32>) -> tensor<1x1x256xf32>
  return %0 : tensor<1x1x256xf32>
}

// -----

func.func @spectrum(%T: memref<1x1x127xf32>, %S: memref<1x1x64xf32>) {
  // expected-error @+1 {{expected spectra of 256 numbers, but got 64}}
  ropegrad.pair_spectrum ins(%T : memref<1x1x127xf32>) outs(%S : memref<1x1x64xf32>)
  return
}

// -----

func.func @pairs(%W: memref<127x2xf32>, %T: memref<1x5x127xf32>) {
  // expected-error @+1 {{expected 6 pairs of monomials, but got 5}}
  ropegrad.pair_table ins(%W : memref<127x2xf32>) outs(%T : memref<1x5x127xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, d = 2 : i64, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>}
  return
}

// -----

func.func @half(%T: memref<1x1x127xbf16>, %S: memref<1x1x256xbf16>) {
  // expected-error @+1 {{expected elements f32 or f64, but got 'bf16'}}
  ropegrad.pair_spectrum ins(%T : memref<1x1x127xbf16>) outs(%S : memref<1x1x256xbf16>)
  return
}
