// RUN: ropegrad-opt %s --ropegrad-lower-features -split-input-file -verify-diagnostics
// RUN: not ropegrad-opt %s --ropegrad-lower-features=vector-bits=96 2>&1 | FileCheck %s
// CHECK: expected vector-bits of 128, 256 or 512, but got 96

func.func @strided(%x: memref<1x1x8x2xf32, strided<[32, 32, 4, 1]>>, %G: memref<1x1x3x2xf32>, %N: memref<1x1x8x2xf32>) {
  // expected-error @+1 {{expected an identity layout, but got}}
  ropegrad.expand ins(%x, %G : memref<1x1x8x2xf32, strided<[32, 32, 4, 1]>>, memref<1x1x3x2xf32>) outs(%N : memref<1x1x8x2xf32>) {degree = 1 : i64}
  return
}

// -----

func.func @half(%x: memref<1x1x8x2xbf16>, %v: memref<1x1x8x2xbf16>, %G: memref<1x1x3x2xbf16>) {
  // expected-error @+1 {{expected elements f32 or f64, but got 'bf16'}}
  ropegrad.accumulate ins(%x, %v : memref<1x1x8x2xbf16>, memref<1x1x8x2xbf16>) outs(%G : memref<1x1x3x2xbf16>) {coefficients = array<f64: 1.0, 1.0>, scale = 0.5 : f64}
  return
}

// -----

func.func @mixed(%x: memref<1x1x8x2xf32>, %G: memref<1x1x3x2xf64>, %N: memref<1x1x8x2xf32>) {
  // expected-error @+1 {{expected one element type, but got 'f32' and 'f64'}}
  ropegrad.expand ins(%x, %G : memref<1x1x8x2xf32>, memref<1x1x3x2xf64>) outs(%N : memref<1x1x8x2xf32>) {degree = 1 : i64}
  return
}

// -----

func.func @tensors(%x: tensor<1x1x8x2xf32>, %G: tensor<1x1x3x2xf32>, %e: tensor<1x1x8x2xf32>) -> tensor<1x1x8x2xf32> {
  // expected-error @+1 {{expected buffers, but got 'tensor<1x1x8x2xf32>'}}
  %N = ropegrad.expand ins(%x, %G : tensor<1x1x8x2xf32>, tensor<1x1x3x2xf32>) outs(%e : tensor<1x1x8x2xf32>) {degree = 1 : i64} -> tensor<1x1x8x2xf32>
  return %N : tensor<1x1x8x2xf32>
}

// -----

func.func @support(%x: memref<1x1x8x2xf32>, %G: memref<4x4xf32>) {
  // expected-error @+1 {{expected the support of its position in some order, but got array<i64: 0, 0, 0, 1, 1, 0, 0, 0>}}
  ropegrad.kronecker_features ins(%x, %x, %x, %x, %x, %x : memref<1x1x8x2xf32>, memref<1x1x8x2xf32>, memref<1x1x8x2xf32>, memref<1x1x8x2xf32>, memref<1x1x8x2xf32>, memref<1x1x8x2xf32>) outs(%G : memref<4x4xf32>) {coefficients = array<f64: 1.0>, position = #ropegrad.rotary<half, base = 1.0e+4 : f64>, scale = 0.5 : f64, support = array<i64: 0, 0, 0, 1, 1, 0, 0, 0>}
  return
}

// -----

// Units of parallel work have whole chunks.
func.func @units(%x: memref<1x1x64x2xf32>, %S: memref<1x1x4x3x2xf32>, %N: memref<1x1x64x2xf32>) attributes {ropegrad.chunk = 24 : i64} {
  // expected-error @+1 {{expected units of whole chunks of 16 rows, but got units of 24}}
  ropegrad.chunk_expand ins(%x, %S : memref<1x1x64x2xf32>, memref<1x1x4x3x2xf32>) outs(%N : memref<1x1x64x2xf32>) {chunk = 16 : i64, degree = 1 : i64}
  return
}

// -----

func.func @states(%x: memref<1x1x64x2xf32>, %S: memref<1x1x4x3x2xf32, strided<[48, 48, 12, 4, 2]>>, %N: memref<1x1x64x2xf32>) {
  // expected-error @+1 {{expected states of contiguous rows, but got}}
  ropegrad.chunk_expand ins(%x, %S : memref<1x1x64x2xf32>, memref<1x1x4x3x2xf32, strided<[48, 48, 12, 4, 2]>>) outs(%N : memref<1x1x64x2xf32>) {chunk = 16 : i64, degree = 1 : i64}
  return
}
