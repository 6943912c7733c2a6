// RUN: ropegrad-opt %s --ropegrad-lower-tiles="exact-by=halide vector-bits=512" | FileCheck %s
// RUN: ropegrad-opt %s --pass-pipeline='builtin.module(ropegrad-lower-tiles{exact-by=halide vector-bits=256})' | FileCheck %s --check-prefix=NARROW

// Halide's functions are declared, with what they compute; units, padded
// copies, masks and partial sums are ours.

// A unit is a panel of 48 queries of one head; a block has 64 keys; two maxima
// take turns.
// CHECK-LABEL: func.func @forward
// CHECK-NOT: ropegrad.tiles
// CHECK: %[[UNITS:c42[_0-9]*]] = arith.constant 42
// CHECK: scf.parallel {{.*}} to (%[[UNITS]])
// CHECK: memref.alloc() {{.*}} : memref<912xf32>
// CHECK: call @ropegrad_attention_pack_f32x16_8_8_s
// CHECK: scf.for {{.*}} step %c64
// CHECK: %[[CUT:.*]] = arith.select
// CHECK: call @ropegrad_attention_halide_forward_f32x16_8_8_64_0_0_0({{.*}}, %[[CUT]], {{.*}}) : (memref<?xf32>, index, memref<?xf32>, index, memref<?xf32>, index, memref<?xf32>, index, index, index, index, index, index, memref<?xf32>, index, memref<?xf32>, index, memref<?xf32>, index) -> ()
// CHECK-NOT: halide
// CHECK: call @ropegrad_attention_unpack_
// CHECK: return
// NARROW-LABEL: func.func @forward
// NARROW: call @ropegrad_attention_halide_forward_f32x8_8_8_64_0_0_0(
func.func @forward(%q: memref<1x2x1000x8xf32>, %k: memref<1x1x1000x8xf32>, %v: memref<1x1x1000x8xf32>,
                   %l: memref<1x2x1000xf32>, %o: memref<1x2x1000x8xf32>) {
  ropegrad.tiles ins(%q, %k, %v : memref<1x2x1000x8xf32>, memref<1x1x1000x8xf32>, memref<1x1x1000x8xf32>)
                 outs(%l, %o : memref<1x2x1000xf32>, memref<1x2x1000x8xf32>) {
  ^bb0(%a: memref<1x2x1000x8xf32>, %b: memref<1x1x1000x8xf32>, %c: memref<1x1x1000x8xf32>):
    %Z = ropegrad.logits %a, %b {scale = 2.5e-1 : f64} : (memref<1x2x1000x8xf32>, memref<1x1x1000x8xf32>) -> !ropegrad.matrix<1x2x1000x1000xf32>
    %L = ropegrad.row_logsumexp %Z : (!ropegrad.matrix<1x2x1000x1000xf32>) -> memref<1x2x1000xf32>
    %S = ropegrad.shift_rows %Z, %L : !ropegrad.matrix<1x2x1000x1000xf32>, memref<1x2x1000xf32>
    %E = ropegrad.exp %S : !ropegrad.matrix<1x2x1000x1000xf32>
    %O = ropegrad.apply %E, %c : (!ropegrad.matrix<1x2x1000x1000xf32>, memref<1x1x1000x8xf32>) -> memref<1x2x1000x8xf32>
    ropegrad.yield %L, %O : memref<1x2x1000xf32>, memref<1x2x1000x8xf32>
  }
  return
}

// Causal, with ALiBi: four chunks of the one key head; two heads add to the
// same dK, dV; partial sums of dQ are added in the order of the chunks.
// CHECK-LABEL: func.func @backward
// CHECK: scf.parallel {{.*}} to (%c4{{[_0-9]*}})
// CHECK: call @ropegrad_attention_pack_
// CHECK: scf.for {{.*}} step %c48
// CHECK: call @[[BACKWARD:ropegrad_attention_halide_backward_f32x16_8_4_48_1_0_1_1_1_1]](
// CHECK: scf.parallel
// CHECK-COUNT-3: arith.addf
// CHECK-NOT: arith.addf
// CHECK: return
func.func @backward(%q: memref<1x2x1000x8xf32>, %k: memref<1x1x1000x8xf32>, %l: memref<1x2x1000xf32>,
                    %u: memref<1x2x1000x4xf32>, %v: memref<1x1x1000x4xf32>, %s: memref<1x2x1000xf32>,
                    %dq: memref<1x2x1000x8xf32>, %dk: memref<1x1x1000x8xf32>, %dv: memref<1x1x1000x4xf32>) {
  ropegrad.tiles ins(%q, %k, %l, %u, %v, %s : memref<1x2x1000x8xf32>, memref<1x1x1000x8xf32>, memref<1x2x1000xf32>,
                                              memref<1x2x1000x4xf32>, memref<1x1x1000x4xf32>, memref<1x2x1000xf32>)
                 outs(%dq, %dk, %dv : memref<1x2x1000x8xf32>, memref<1x1x1000x8xf32>, memref<1x1x1000x4xf32>) {
  ^bb0(%a: memref<1x2x1000x8xf32>, %b: memref<1x1x1000x8xf32>, %c: memref<1x2x1000xf32>,
       %e: memref<1x2x1000x4xf32>, %f: memref<1x1x1000x4xf32>, %g: memref<1x2x1000xf32>):
    %T = ropegrad.toeplitz {alibi = array<f64: 5.0e-1>, mask = #ropegrad.mask<causal>} : () -> !ropegrad.matrix<1x2x1000x1000xf32>
    %Z = ropegrad.logits %a, %b {scale = 2.5e-1 : f64} : (memref<1x2x1000x8xf32>, memref<1x1x1000x8xf32>) -> !ropegrad.matrix<1x2x1000x1000xf32>
    %D = ropegrad.shift_rows %Z, %c : !ropegrad.matrix<1x2x1000x1000xf32>, memref<1x2x1000xf32>
    %E = ropegrad.exp %D : !ropegrad.matrix<1x2x1000x1000xf32>
    %P = ropegrad.hadamard %T, %E : !ropegrad.matrix<1x2x1000x1000xf32>
    %U = ropegrad.outer %e, %f : (memref<1x2x1000x4xf32>, memref<1x1x1000x4xf32>) -> !ropegrad.matrix<1x2x1000x1000xf32>
    %V = ropegrad.shift_rows %U, %g : !ropegrad.matrix<1x2x1000x1000xf32>, memref<1x2x1000xf32>
    %S = ropegrad.hadamard %P, %V : !ropegrad.matrix<1x2x1000x1000xf32>
    %0 = ropegrad.apply %S, %b {scale = 2.5e-1 : f64} : (!ropegrad.matrix<1x2x1000x1000xf32>, memref<1x1x1000x8xf32>) -> memref<1x2x1000x8xf32>
    %1 = ropegrad.apply_transposed %S, %a {scale = 2.5e-1 : f64} : (!ropegrad.matrix<1x2x1000x1000xf32>, memref<1x2x1000x8xf32>) -> memref<1x1x1000x8xf32>
    %2 = ropegrad.apply_transposed %P, %e : (!ropegrad.matrix<1x2x1000x1000xf32>, memref<1x2x1000x4xf32>) -> memref<1x1x1000x4xf32>
    ropegrad.yield %0, %1, %2 : memref<1x2x1000x8xf32>, memref<1x1x1000x8xf32>, memref<1x1x1000x4xf32>
  }
  return
}

// Under a window, and only what is asked for: no partial sums.
// CHECK-LABEL: func.func @one_gradient
// CHECK-NOT: arith.addf
// CHECK: call @ropegrad_attention_halide_backward_f32x16_8_4_48_2_30_0_0_1_0(
// CHECK-NOT: arith.addf
// CHECK: return
func.func @one_gradient(%q: memref<1x2x1000x8xf32>, %k: memref<1x1x1000x8xf32>, %l: memref<1x2x1000xf32>,
                    %u: memref<1x2x1000x4xf32>, %v: memref<1x1x1000x4xf32>, %s: memref<1x2x1000xf32>,
                    %dk: memref<1x1x1000x8xf32>) {
  ropegrad.tiles ins(%q, %k, %l, %u, %v, %s : memref<1x2x1000x8xf32>, memref<1x1x1000x8xf32>, memref<1x2x1000xf32>,
                                              memref<1x2x1000x4xf32>, memref<1x1x1000x4xf32>, memref<1x2x1000xf32>)
                 outs(%dk : memref<1x1x1000x8xf32>) {
  ^bb0(%a: memref<1x2x1000x8xf32>, %b: memref<1x1x1000x8xf32>, %c: memref<1x2x1000xf32>,
       %e: memref<1x2x1000x4xf32>, %f: memref<1x1x1000x4xf32>, %g: memref<1x2x1000xf32>):
    %T = ropegrad.toeplitz {mask = #ropegrad.mask<window>, window = 30 : i64} : () -> !ropegrad.matrix<1x2x1000x1000xf32>
    %Z = ropegrad.logits %a, %b {scale = 2.5e-1 : f64} : (memref<1x2x1000x8xf32>, memref<1x1x1000x8xf32>) -> !ropegrad.matrix<1x2x1000x1000xf32>
    %D = ropegrad.shift_rows %Z, %c : !ropegrad.matrix<1x2x1000x1000xf32>, memref<1x2x1000xf32>
    %E = ropegrad.exp %D : !ropegrad.matrix<1x2x1000x1000xf32>
    %P = ropegrad.hadamard %T, %E : !ropegrad.matrix<1x2x1000x1000xf32>
    %U = ropegrad.outer %e, %f : (memref<1x2x1000x4xf32>, memref<1x1x1000x4xf32>) -> !ropegrad.matrix<1x2x1000x1000xf32>
    %V = ropegrad.shift_rows %U, %g : !ropegrad.matrix<1x2x1000x1000xf32>, memref<1x2x1000xf32>
    %S = ropegrad.hadamard %P, %V : !ropegrad.matrix<1x2x1000x1000xf32>
    %1 = ropegrad.apply_transposed %S, %a {scale = 2.5e-1 : f64} : (!ropegrad.matrix<1x2x1000x1000xf32>, memref<1x2x1000x8xf32>) -> memref<1x1x1000x8xf32>
    ropegrad.yield %1 : memref<1x1x1000x8xf32>
  }
  return
}

// CHECK: func.func private @ropegrad_attention_halide_forward_f32x16_8_8_64_0_0_0(
// CHECK-SAME: ropegrad.halide = {backward = false, bits = 32 : i64, causal = false, d = 8 : i64, lanes = 16 : i64, panel = 48 : i64, rows = 8 : i64, steps = 64 : i64, table = false, w = 8 : i64, window = 0 : i64}
// CHECK: func.func private @[[BACKWARD]](
// CHECK-SAME: ropegrad.halide = {backward = true, bits = 32 : i64, causal = true, d = 8 : i64, dk = true, dq = true, dv = true, lanes = 16 : i64, padded = 16 : i64, panel = 48 : i64, rows = 8 : i64, steps = 48 : i64, table = true, w = 4 : i64, window = 0 : i64}
