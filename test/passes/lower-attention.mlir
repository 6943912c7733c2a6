// RUN: ropegrad-opt %s --ropegrad-lower-tiles="scalef=true vector-bits=512" | FileCheck %s
// RUN: ropegrad-opt %s --ropegrad-lower-tiles | FileCheck %s --check-prefix=NARROW
// RUN: ropegrad-opt %s --ropegrad-lower-tiles=vector-bits=128 | FileCheck %s --check-prefix=TINY
// RUN: ropegrad-opt %s --ropegrad-lower-tiles=general=true | FileCheck %s --check-prefix=GENERAL
// RUN: ropegrad-opt %s --pass-pipeline='builtin.module(ropegrad-lower-tiles{vector-bits=512 scalef=true})' | FileCheck %s --check-prefix=LEAF

// The loops of softmax attention, and what keeps a body from having them.

// Forward: padded copies of Q and of K, V; a unit is a panel of 48 queries of
// one head. A block of keys is weighed with the maximum so far, and again with
// its own where that fails.
// CHECK-LABEL: func.func @forward
// CHECK-NOT: ropegrad.tiles
// CHECK: scf.parallel
// CHECK: %[[UNITS:c42[_0-9]*]] = arith.constant 42
// CHECK: scf.parallel {{.*}} to (%[[UNITS]])
// CHECK: call @ropegrad_attention_pack_f32x16_8_8_s
// CHECK: scf.for {{.*}} step %c128
// CHECK: %[[FIRST:.*]] = arith.cmpi eq
// CHECK: %[[AGAIN:.*]] = scf.if %[[FIRST]] -> (i1)
// CHECK: call @ropegrad_attention_weights_
// CHECK: vector.reduction <and>
// CHECK: scf.if %[[AGAIN]]
// CHECK: call @ropegrad_attention_logits_
// CHECK: call @ropegrad_attention_renew_
// CHECK: call @ropegrad_attention_accumulate_f32x16_8_8_48
// CHECK: call @ropegrad_attention_unpack_
// CHECK: return
// GENERAL-LABEL: func.func @forward
// GENERAL-NOT: ropegrad_attention
// GENERAL: call @ropegrad_gemm
// GENERAL-LABEL: func.func @backward
// 24 queries to a panel of 8-lane vectors.
// NARROW-LABEL: func.func @forward
// NARROW: call @ropegrad_attention_accumulate_f32x8_8_8_24
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

// Panels of 6 and register tiles of 4 keys: the copies of K and V end with both.
// TINY-LABEL: func.func @doubles
// TINY: memref.alloc() {{.*}} : memref<12xf64>
// TINY: memref.alloc() {{.*}} : memref<24xf64>
// TINY: memref.alloc() {{.*}} : memref<24xf64>
func.func @doubles(%q: memref<1x1x5x2xf64>, %k: memref<1x1x5x2xf64>, %l: memref<1x1x5xf64>, %o: memref<1x1x5x2xf64>) {
  ropegrad.tiles ins(%q, %k : memref<1x1x5x2xf64>, memref<1x1x5x2xf64>) outs(%l, %o : memref<1x1x5xf64>, memref<1x1x5x2xf64>) {
  ^bb0(%a: memref<1x1x5x2xf64>, %b: memref<1x1x5x2xf64>):
    %Z = ropegrad.logits %a, %b {scale = 1.0 : f64} : (memref<1x1x5x2xf64>, memref<1x1x5x2xf64>) -> !ropegrad.matrix<1x1x5x5xf64>
    %L = ropegrad.row_logsumexp %Z : (!ropegrad.matrix<1x1x5x5xf64>) -> memref<1x1x5xf64>
    %S = ropegrad.shift_rows %Z, %L : !ropegrad.matrix<1x1x5x5xf64>, memref<1x1x5xf64>
    %E = ropegrad.exp %S : !ropegrad.matrix<1x1x5x5xf64>
    %O = ropegrad.apply %E, %b : (!ropegrad.matrix<1x1x5x5xf64>, memref<1x1x5x2xf64>) -> memref<1x1x5x2xf64>
    ropegrad.yield %L, %O : memref<1x1x5xf64>, memref<1x1x5x2xf64>
  }
  return
}

// Gradient, causal, with ALiBi: four chunks of the one key head; two heads add
// to the same dK, dV; partial sums of dQ are added in the order of the chunks.
// CHECK-LABEL: func.func @backward
// CHECK: memref.alloc() {{.*}} : memref<2512xf32>
// CHECK: scf.parallel {{.*}} to (%c4{{[_0-9]*}})
// CHECK: call @ropegrad_attention_pack_
// CHECK: call @ropegrad_attention_backward_weights_f32x16_8_48_1_0_1
// CHECK: call @ropegrad_attention_accumulate_f32x16_4_4_48
// CHECK: call @ropegrad_attention_backward_errors_
// CHECK: call @ropegrad_attention_accumulate_f32x16_8_8_48
// CHECK: call @ropegrad_attention_backward_queries_f32x16_16_48_0_1
// CHECK: scf.parallel
// CHECK-COUNT-3: arith.addf
// CHECK: arith.mulf
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

// The gradient of the bias alone: S with margins of zeros, its diagonals summed
// per chunk, then over chunks and heads.
// CHECK-LABEL: func.func @bias
// CHECK: call @ropegrad_attention_backward_errors_f32x16_8_144_48
// CHECK: call @ropegrad_attention_backward_diagonals_f32x16_48_48_144
// CHECK-NOT: call @ropegrad_attention_backward_queries
// CHECK: scf.parallel
// CHECK-COUNT-8: arith.addf
// CHECK-NOT: arith.addf
// CHECK: return
func.func @bias(%q: memref<1x2x1000x8xf32>, %k: memref<1x1x1000x8xf32>, %l: memref<1x2x1000xf32>,
                %b: memref<1999xf32>, %db: memref<1999xf32>) {
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

// S is applied to another array than the logits' keys: the general loops.
// CHECK-LABEL: func.func @other
// CHECK-NOT: ropegrad_attention
// CHECK: call @ropegrad_gemm
// CHECK: return
func.func @other(%q: memref<1x1x64x8xf32>, %k: memref<1x1x64x8xf32>, %l: memref<1x1x64xf32>, %dq: memref<1x1x64x8xf32>) {
  ropegrad.tiles ins(%q, %k, %l : memref<1x1x64x8xf32>, memref<1x1x64x8xf32>, memref<1x1x64xf32>) outs(%dq : memref<1x1x64x8xf32>) {
  ^bb0(%a: memref<1x1x64x8xf32>, %b: memref<1x1x64x8xf32>, %c: memref<1x1x64xf32>):
    %Z = ropegrad.logits %a, %b {scale = 1.0 : f64} : (memref<1x1x64x8xf32>, memref<1x1x64x8xf32>) -> !ropegrad.matrix<1x1x64x64xf32>
    %D = ropegrad.shift_rows %Z, %c : !ropegrad.matrix<1x1x64x64xf32>, memref<1x1x64xf32>
    %E = ropegrad.exp %D : !ropegrad.matrix<1x1x64x64xf32>
    %U = ropegrad.outer %a, %b : (memref<1x1x64x8xf32>, memref<1x1x64x8xf32>) -> !ropegrad.matrix<1x1x64x64xf32>
    %V = ropegrad.shift_rows %U, %c : !ropegrad.matrix<1x1x64x64xf32>, memref<1x1x64xf32>
    %S = ropegrad.hadamard %E, %V : !ropegrad.matrix<1x1x64x64xf32>
    %0 = ropegrad.apply %S, %a : (!ropegrad.matrix<1x1x64x64xf32>, memref<1x1x64x8xf32>) -> memref<1x1x64x8xf32>
    ropegrad.yield %0 : memref<1x1x64x8xf32>
  }
  return
}

// The register tile keeps its 24 sums over the width; 2^t is a polynomial
// between two instructions.
// LEAF: func.func private @ropegrad_attention_weights_{{.*}}passthrough = ["noinline"]
// LEAF: scf.for
// LEAF: scf.for {{.*}} iter_args
// LEAF-COUNT-24: vector.fma
// LEAF: llvm.call_intrinsic "llvm.x86.avx512.mask.reduce.ps.512"
// LEAF: arith.cmpf uge
// LEAF: llvm.call_intrinsic "llvm.x86.avx512.mask.scalef.ps.512"
