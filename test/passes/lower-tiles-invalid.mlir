// RUN: ropegrad-opt %s --ropegrad-lower-tiles -verify-diagnostics -split-input-file
// RUN: not ropegrad-opt %s --ropegrad-lower-tiles=vector-bits=96 2>&1 | FileCheck %s
// CHECK: expected vector-bits of 128, 256 or 512, but got 96

func.func @strided(%u: memref<1x1x8x4xf32, strided<[64, 64, 8, 1]>>, %y: memref<1x1x8xf32>) {
  // expected-error@+1 {{expected contiguous buffers, but got 'memref<1x1x8x4xf32, strided<[64, 64, 8, 1]>>'}}
  ropegrad.tiles ins(%u : memref<1x1x8x4xf32, strided<[64, 64, 8, 1]>>) outs(%y : memref<1x1x8xf32>) {
  ^bb0(%a: memref<1x1x8x4xf32, strided<[64, 64, 8, 1]>>):
    %A = ropegrad.outer %a, %a : (memref<1x1x8x4xf32, strided<[64, 64, 8, 1]>>, memref<1x1x8x4xf32, strided<[64, 64, 8, 1]>>) -> !ropegrad.matrix<1x1x8x8xf32>
    %0 = ropegrad.row_sums %A : (!ropegrad.matrix<1x1x8x8xf32>) -> memref<1x1x8xf32>
    ropegrad.yield %0 : memref<1x1x8xf32>
  }
  return
}

// -----

func.func @tensors(%u: tensor<1x1x8x4xf32>, %y: tensor<1x1x8xf32>) -> tensor<1x1x8xf32> {
  // expected-error@+1 {{expected buffers, but got 'tensor<1x1x8x4xf32>'}}
  %r = ropegrad.tiles ins(%u : tensor<1x1x8x4xf32>) outs(%y : tensor<1x1x8xf32>) {
  ^bb0(%a: tensor<1x1x8x4xf32>):
    %A = ropegrad.outer %a, %a : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
    %0 = ropegrad.row_sums %A : (!ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
    ropegrad.yield %0 : tensor<1x1x8xf32>
  } -> tensor<1x1x8xf32>
  return %r : tensor<1x1x8xf32>
}

// -----

func.func @notLinear(%u: memref<1x1x8x4xf32>, %y: memref<1x1x8xf32>) {
  ropegrad.tiles ins(%u : memref<1x1x8x4xf32>) outs(%y : memref<1x1x8xf32>) {
  ^bb0(%a: memref<1x1x8x4xf32>):
    %Z = ropegrad.outer %a, %a : (memref<1x1x8x4xf32>, memref<1x1x8x4xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
    %L = ropegrad.row_logsumexp %Z : (!ropegrad.matrix<1x1x8x8xf32>) -> memref<1x1x8xf32>
    %S = ropegrad.shift_rows %Z, %L : !ropegrad.matrix<1x1x8x8xf32>, memref<1x1x8xf32>
    // expected-error@+1 {{expected rows linear in exp(Z - L) beside the row_logsumexp L of the same tiles}}
    %0 = ropegrad.row_sums %S : (!ropegrad.matrix<1x1x8x8xf32>) -> memref<1x1x8xf32>
    ropegrad.yield %0 : memref<1x1x8xf32>
  }
  return
}
