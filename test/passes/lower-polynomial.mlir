// Attention by a polynomial, in blocks near the diagonal: one pass with queries
// in lanes, one with keys.
// RUN: ropegrad-opt %s --ropegrad-lower-tiles=vector-bits=512 | FileCheck %s
// RUN: ropegrad-opt %s --ropegrad-lower-tiles="vector-bits=512 general=true" | FileCheck %s --check-prefix=GENERAL

// GENERAL-NOT: ropegrad_attention_polynomial

// A chunk meets nothing but its own rows: each unit copies these, nothing is
// copied beforehand.
// CHECK-LABEL: func.func @gradient
// CHECK-NOT: "pad1x64"
// CHECK: scf.parallel
// CHECK: call @ropegrad_attention_polynomial_copy_f32x16_v2_4(
// CHECK: call @ropegrad_attention_polynomial_copy_f32x16_v2_5(
// CHECK: scf.for {{.*}} step %c32
// CHECK: call @ropegrad_attention_polynomial_weights_f32x16_v2_0_4_5_0_1_0_c
// CHECK: call @ropegrad_attention_polynomial_accumulate_f32x16_v2_4(
// CHECK-NOT: "pad1x64"
// CHECK: scf.parallel
// CHECK: call @ropegrad_attention_polynomial_weights_f32x16_v2_1_4_5_5_1_0_c
// CHECK: call @ropegrad_attention_polynomial_accumulate_f32x16_v2_5(
// CHECK: call @ropegrad_attention_polynomial_accumulate_f32x16_v2_4(
// CHECK: return
func.func @gradient(%q: memref<1x1x1000x4xf32>, %k: memref<1x1x1000x4xf32>, %u: memref<1x1x1000x5xf32>, %v: memref<1x1x1000x5xf32>,
                    %dq: memref<1x1x1000x4xf32>, %dk: memref<1x1x1000x4xf32>, %dv: memref<1x1x1000x5xf32>) {
  ropegrad.tiles ins(%q, %k, %u, %v : memref<1x1x1000x4xf32>, memref<1x1x1000x4xf32>, memref<1x1x1000x5xf32>, memref<1x1x1000x5xf32>)
                 outs(%dq, %dk, %dv : memref<1x1x1000x4xf32>, memref<1x1x1000x4xf32>, memref<1x1x1000x5xf32>) {
  ^bb0(%a: memref<1x1x1000x4xf32>, %b: memref<1x1x1000x4xf32>, %c: memref<1x1x1000x5xf32>, %d: memref<1x1x1000x5xf32>):
    %Z = ropegrad.logits %a, %b {scale = 2.5e-1 : f64} : (memref<1x1x1000x4xf32>, memref<1x1x1000x4xf32>) -> !ropegrad.matrix<1x1x1000x1000xf32>
    %P = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>} : !ropegrad.matrix<1x1x1000x1000xf32>
    %R = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, order = 1 : i64} : !ropegrad.matrix<1x1x1000x1000xf32>
    %m = ropegrad.toeplitz {mask = #ropegrad.mask<causal>} : () -> !ropegrad.matrix<1x1x1000x1000xf32>
    %n = ropegrad.block_band {offsets = array<i64: 0>, size = 128 : i64} : () -> !ropegrad.matrix<1x1x1000x1000xf32>
    %O = ropegrad.outer %c, %d : (memref<1x1x1000x5xf32>, memref<1x1x1000x5xf32>) -> !ropegrad.matrix<1x1x1000x1000xf32>
    %mP = ropegrad.hadamard %m, %P : !ropegrad.matrix<1x1x1000x1000xf32>
    %W = ropegrad.hadamard %n, %mP : !ropegrad.matrix<1x1x1000x1000xf32>
    %mR = ropegrad.hadamard %m, %R : !ropegrad.matrix<1x1x1000x1000xf32>
    %mRO = ropegrad.hadamard %mR, %O : !ropegrad.matrix<1x1x1000x1000xf32>
    %S = ropegrad.hadamard %n, %mRO : !ropegrad.matrix<1x1x1000x1000xf32>
    %0 = ropegrad.apply %S, %b {scale = 2.5e-1 : f64} : (!ropegrad.matrix<1x1x1000x1000xf32>, memref<1x1x1000x4xf32>) -> memref<1x1x1000x4xf32>
    %1 = ropegrad.apply_transposed %S, %a {scale = 2.5e-1 : f64} : (!ropegrad.matrix<1x1x1000x1000xf32>, memref<1x1x1000x4xf32>) -> memref<1x1x1000x4xf32>
    %2 = ropegrad.apply_transposed %W, %c : (!ropegrad.matrix<1x1x1000x1000xf32>, memref<1x1x1000x5xf32>) -> memref<1x1x1000x5xf32>
    ropegrad.yield %0, %1, %2 : memref<1x1x1000x4xf32>, memref<1x1x1000x4xf32>, memref<1x1x1000x5xf32>
  }
  return
}

// Where chunks meet others too, both passes share copies of all rows.
// CHECK-LABEL: func.func @wider
// CHECK: ropegrad.space = "pad1x64"
// CHECK: scf.parallel
// CHECK: call @ropegrad_attention_polynomial_weights_
// CHECK-NOT: "pad1x64"
// CHECK: scf.parallel
// CHECK: call @ropegrad_attention_polynomial_weights_
// CHECK: return
func.func @wider(%q: memref<1x1x1000x4xf32>, %y: memref<1x1x1000x4xf32>, %z: memref<1x1x1000x4xf32>) {
  ropegrad.tiles ins(%q : memref<1x1x1000x4xf32>) outs(%y, %z : memref<1x1x1000x4xf32>, memref<1x1x1000x4xf32>) {
  ^bb0(%a: memref<1x1x1000x4xf32>):
    %Z = ropegrad.logits %a, %a {scale = 2.5e-1 : f64} : (memref<1x1x1000x4xf32>, memref<1x1x1000x4xf32>) -> !ropegrad.matrix<1x1x1000x1000xf32>
    %P = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>} : !ropegrad.matrix<1x1x1000x1000xf32>
    %n = ropegrad.block_band {offsets = array<i64: 0, 2>, size = 128 : i64} : () -> !ropegrad.matrix<1x1x1000x1000xf32>
    %W = ropegrad.hadamard %n, %P : !ropegrad.matrix<1x1x1000x1000xf32>
    %0 = ropegrad.apply %W, %a : (!ropegrad.matrix<1x1x1000x1000xf32>, memref<1x1x1000x4xf32>) -> memref<1x1x1000x4xf32>
    %1 = ropegrad.apply_transposed %W, %a : (!ropegrad.matrix<1x1x1000x1000xf32>, memref<1x1x1000x4xf32>) -> memref<1x1x1000x4xf32>
    ropegrad.yield %0, %1 : memref<1x1x1000x4xf32>, memref<1x1x1000x4xf32>
  }
  return
}

// ALiBi takes the general loops, and so does a band that panels do not divide.
// CHECK-LABEL: func.func @others
// CHECK-NOT: ropegrad_attention_polynomial
// CHECK: return
func.func @others(%q: memref<1x1x1000x4xf32>, %y: memref<1x1x1000x4xf32>, %z: memref<1x1x1000x4xf32>) {
  ropegrad.tiles ins(%q : memref<1x1x1000x4xf32>) outs(%y : memref<1x1x1000x4xf32>) {
  ^bb0(%a: memref<1x1x1000x4xf32>):
    %Z = ropegrad.logits %a, %a {scale = 2.5e-1 : f64} : (memref<1x1x1000x4xf32>, memref<1x1x1000x4xf32>) -> !ropegrad.matrix<1x1x1000x1000xf32>
    %P = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>} : !ropegrad.matrix<1x1x1000x1000xf32>
    %m = ropegrad.toeplitz {alibi = array<f64: 0.5>} : () -> !ropegrad.matrix<1x1x1000x1000xf32>
    %W = ropegrad.hadamard %m, %P : !ropegrad.matrix<1x1x1000x1000xf32>
    %0 = ropegrad.apply %W, %a : (!ropegrad.matrix<1x1x1000x1000xf32>, memref<1x1x1000x4xf32>) -> memref<1x1x1000x4xf32>
    ropegrad.yield %0 : memref<1x1x1000x4xf32>
  }
  ropegrad.tiles ins(%q : memref<1x1x1000x4xf32>) outs(%z : memref<1x1x1000x4xf32>) {
  ^bb0(%a: memref<1x1x1000x4xf32>):
    %Z = ropegrad.logits %a, %a {scale = 2.5e-1 : f64} : (memref<1x1x1000x4xf32>, memref<1x1x1000x4xf32>) -> !ropegrad.matrix<1x1x1000x1000xf32>
    %P = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>} : !ropegrad.matrix<1x1x1000x1000xf32>
    %n = ropegrad.block_band {offsets = array<i64: 0>, size = 40 : i64} : () -> !ropegrad.matrix<1x1x1000x1000xf32>
    %W = ropegrad.hadamard %n, %P : !ropegrad.matrix<1x1x1000x1000xf32>
    %0 = ropegrad.apply %W, %a : (!ropegrad.matrix<1x1x1000x1000xf32>, memref<1x1x1000x4xf32>) -> memref<1x1x1000x4xf32>
    ropegrad.yield %0 : memref<1x1x1000x4xf32>
  }
  return
}
