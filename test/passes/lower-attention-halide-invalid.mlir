// RUN: ropegrad-opt %s --ropegrad-lower-tiles=exact-by=halide -verify-diagnostics -split-input-file
// RUN: not ropegrad-opt %s --ropegrad-lower-tiles=exact-by=gcc 2>&1 | FileCheck %s
// RUN: not ropegrad-opt %s --ropegrad-pipeline=exact-by=gcc 2>&1 | FileCheck %s --check-prefix=PIPELINE
// CHECK: expected exact-by mlir or halide, but got gcc
// PIPELINE: expected exact-by mlir or halide, but got 'gcc'

// The gradient of a bias is ours alone.
func.func @bias(%q: memref<1x2x1000x8xf32>, %k: memref<1x1x1000x8xf32>, %l: memref<1x2x1000xf32>,
                %b: memref<1999xf32>, %db: memref<1999xf32>) {
  // expected-error@+1 {{expected softmax attention without W, and gradients by Q or K, with or without V, for exact-by halide, but got another expression}}
  ropegrad.tiles ins(%q, %k, %l, %b : memref<1x2x1000x8xf32>, memref<1x1x1000x8xf32>, memref<1x2x1000xf32>, memref<1999xf32>)
                 outs(%db : memref<1999xf32>) {
  ^bb0(%x: memref<1x2x1000x8xf32>, %y: memref<1x1x1000x8xf32>, %c: memref<1x2x1000xf32>, %t: memref<1999xf32>):
    %T = ropegrad.toeplitz bias(%t) : (memref<1999xf32>) -> !ropegrad.matrix<1x2x1000x1000xf32>
    %Z = ropegrad.logits %x, %y {scale = 2.5e-1 : f64} : (memref<1x2x1000x8xf32>, memref<1x1x1000x8xf32>) -> !ropegrad.matrix<1x2x1000x1000xf32>
    %D = ropegrad.shift_rows %Z, %c : !ropegrad.matrix<1x2x1000x1000xf32>, memref<1x2x1000xf32>
    %E = ropegrad.exp %D : !ropegrad.matrix<1x2x1000x1000xf32>
    %P = ropegrad.hadamard %T, %E : !ropegrad.matrix<1x2x1000x1000xf32>
    %U = ropegrad.outer %x, %y : (memref<1x2x1000x8xf32>, memref<1x1x1000x8xf32>) -> !ropegrad.matrix<1x2x1000x1000xf32>
    %V = ropegrad.shift_rows %U, %c : !ropegrad.matrix<1x2x1000x1000xf32>, memref<1x2x1000xf32>
    %S = ropegrad.hadamard %P, %V : !ropegrad.matrix<1x2x1000x1000xf32>
    %0 = ropegrad.diagonal_sums %S : (!ropegrad.matrix<1x2x1000x1000xf32>) -> memref<1999xf32>
    ropegrad.yield %0 : memref<1999xf32>
  }
  return
}

// -----

func.func @rows(%u: memref<1x1x8x4xf32>, %y: memref<1x1x8xf32>) {
  // expected-error@+1 {{for exact-by halide, but got another expression}}
  ropegrad.tiles ins(%u : memref<1x1x8x4xf32>) outs(%y : memref<1x1x8xf32>) {
  ^bb0(%a: memref<1x1x8x4xf32>):
    %A = ropegrad.outer %a, %a : (memref<1x1x8x4xf32>, memref<1x1x8x4xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
    %0 = ropegrad.row_sums %A : (!ropegrad.matrix<1x1x8x8xf32>) -> memref<1x1x8xf32>
    ropegrad.yield %0 : memref<1x1x8xf32>
  }
  return
}
