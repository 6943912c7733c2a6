// RUN: ropegrad-opt %s --ropegrad-lower-toeplitz -split-input-file -verify-diagnostics
// RUN: not ropegrad-opt %s --ropegrad-lower-toeplitz=vector-bits=96 2>&1 | FileCheck %s
// CHECK: expected vector-bits of 128, 256 or 512, but got 96

func.func @strided(%x: memref<1x1x8x2xf32, strided<[32, 32, 4, 1]>>, %T: memref<15xf32>, %y: memref<1x1x8x2xf32>) {
  // expected-error @+1 {{expected contiguous buffers, but got}}
  ropegrad.toeplitz_apply ins(%x, %T : memref<1x1x8x2xf32, strided<[32, 32, 4, 1]>>, memref<15xf32>) outs(%y : memref<1x1x8x2xf32>)
  return
}

// -----

func.func @tensors(%x: tensor<1x1x8x2xf32>, %D: tensor<15xf32>) -> tensor<15xf32> {
  // expected-error @+1 {{expected contiguous buffers, but got 'tensor<1x1x8x2xf32>'}}
  %r = ropegrad.toeplitz_correlate ins(%x, %x : tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) outs(%D : tensor<15xf32>) -> tensor<15xf32>
  return %r : tensor<15xf32>
}

// -----

func.func @long(%x: memref<1x1x33554433x1xf32>, %T: memref<67108865xf32>) {
  // expected-error @+1 {{expected n to be at most 2^25, but got 33554433}}
  ropegrad.toeplitz_apply ins(%x, %T : memref<1x1x33554433x1xf32>, memref<67108865xf32>) outs(%x : memref<1x1x33554433x1xf32>)
  return
}
