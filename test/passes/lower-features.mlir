// RUN: ropegrad-opt %s --ropegrad-lower-features="vector-bits=512" | FileCheck %s

// Constants c_mu of the six monomials of degree <= 2 in two variables.
// CHECK-DAG: memref.global "private" constant @ropegrad_weights_d2_g2 : memref<6xf32> = dense<[1.000000e+00, 5.000000e-01, 5.000000e-01, 1.250000e-01, 2.500000e-01, 1.250000e-01]>

// CHECK-LABEL: func.func @accumulate
// CHECK-NOT: ropegrad.accumulate
// CHECK: memref.alloc() {alignment = 64 : i64}
// CHECK: scf.parallel
// CHECK: call @ropegrad_accumulate_rows_w3_d2_g2
// CHECK: ropegrad.space = "rows2"
// The sums of all units of a head, in their order.
// CHECK: scf.parallel
// CHECK: arith.addf
// CHECK: ropegrad.space = "heads1"
func.func @accumulate(%x: memref<1x2x64x2xf32>, %v: memref<1x2x64x3xf32>, %G: memref<1x1x6x3xf32>) {
  ropegrad.accumulate ins(%x, %v : memref<1x2x64x2xf32>, memref<1x2x64x3xf32>) outs(%G : memref<1x1x6x3xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.5 : f64}
  return
}

// CHECK-LABEL: func.func @expand
// CHECK: call @ropegrad_expand_rows_w3_d2_g2
func.func @expand(%x: memref<1x2x64x2xf32>, %G: memref<1x1x6x3xf32>, %N: memref<1x2x64x3xf32>) {
  ropegrad.expand ins(%x, %G : memref<1x2x64x2xf32>, memref<1x1x6x3xf32>) outs(%N : memref<1x2x64x3xf32>) {degree = 2 : i64}
  return
}

// CHECK-LABEL: func.func @reverse
// CHECK: call @ropegrad_reverse_rows_d2_g2_w3
func.func @reverse(%x: memref<1x2x64x2xf32>, %G: memref<1x1x6x3xf32>, %u: memref<1x2x64x3xf32>, %dx: memref<1x2x64x2xf32>) {
  ropegrad.reverse ins(%x, %G, %u : memref<1x2x64x2xf32>, memref<1x1x6x3xf32>, memref<1x2x64x3xf32>) outs(%dx : memref<1x2x64x2xf32>) {degree = 2 : i64}
  return
}

// One product per function of the positions (cos, sin) and channel.
// CHECK-LABEL: func.func @kronecker
// CHECK-NOT: ropegrad.kronecker_features
// CHECK: memref.get_global @ropegrad_support
// CHECK: call @ropegrad_accumulate_rows_w3_d2_g1
// CHECK: call @ropegrad_gram
func.func @kronecker(%q: memref<1x1x64x2xf64>, %k: memref<1x1x64x2xf64>, %u: memref<1x1x64x3xf64>, %v: memref<1x1x64x3xf64>, %A1: memref<1x1x64x2xf64>, %A2: memref<1x1x64x2xf64>, %G: memref<4x4xf64>) {
  ropegrad.kronecker_features ins(%q, %k, %u, %v, %A1, %A2 : memref<1x1x64x2xf64>, memref<1x1x64x2xf64>, memref<1x1x64x3xf64>, memref<1x1x64x3xf64>, memref<1x1x64x2xf64>, memref<1x1x64x2xf64>) outs(%G : memref<4x4xf64>) {coefficients = array<f64: 1.0, 1.0>, position = #ropegrad.rotary<half, base = 1.0e+4 : f64>, scale = 0.5 : f64, support = array<i64: 1, 1, 0, 1, 0, 0, 1, 0>}
  return
}

// States of chunks: units of rows side by side, then units in their order and in
// double, then what they add to the states.
// CHECK-LABEL: func.func @chunk_states
// CHECK-NOT: ropegrad.chunk_states
// CHECK: scf.parallel
// CHECK: call @ropegrad_accumulate_rows_w3_d2_g2
// CHECK: ropegrad.space = "rows1"
// CHECK: scf.parallel
// CHECK: arith.extf
// CHECK: arith.mulf %{{.*}} : vector<8xf64>
// CHECK: arith.truncf
// CHECK: scf.parallel
// CHECK: arith.addf %{{.*}} : vector<16xf32>
// CHECK: ropegrad.space = "rows1"
// CHECK: return
func.func @chunk_states(%x: memref<1x2x640x2xf32>, %v: memref<1x2x640x3xf32>, %S: memref<1x1x40x6x3xf32>) attributes {ropegrad.chunk = 128 : i64} {
  ropegrad.chunk_states ins(%x, %v : memref<1x2x640x2xf32>, memref<1x2x640x3xf32>) outs(%S : memref<1x1x40x6x3xf32>) {chunk = 16 : i64, coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.5 : f64, slopes = array<f64: 0.5>}
  return
}

// A window: sums of chunks, then what is left of one block of them and the
// beginning of the next. Nothing is subtracted.
// CHECK-LABEL: func.func @reach
// CHECK: scf.parallel
// CHECK: call @ropegrad_accumulate_rows_w3_d2_g2
// CHECK: scf.parallel
// CHECK: scf.for %{{.*}} step %c4
// CHECK-NOT: arith.subf
// CHECK: return
func.func @reach(%x: memref<1x2x640x2xf32>, %v: memref<1x2x640x3xf32>, %S: memref<1x2x40x6x3xf32>) {
  ropegrad.chunk_states ins(%x, %v : memref<1x2x640x2xf32>, memref<1x2x640x3xf32>) outs(%S : memref<1x2x40x6x3xf32>) {chunk = 16 : i64, coefficients = array<f64: 1.0, 1.0, 0.5>, reach = 4 : i64, scale = 0.5 : f64}
  return
}

// Each chunk with its own state; columns of wider states are read where they
// are.
// CHECK-LABEL: func.func @chunk_expand
// CHECK: scf.parallel
// CHECK: scf.for
// CHECK: call @ropegrad_expand_pack_w2_d2_g2
// CHECK: call @ropegrad_expand_rows_w2_d2_g2
// CHECK: ropegrad.space = "rows2"
func.func @chunk_expand(%x: memref<1x2x64x2xf32>, %S: memref<1x1x4x6x3xf32>, %N: memref<1x2x64x2xf32>) {
  %first = memref.subview %S[0, 0, 0, 0, 0] [1, 1, 4, 6, 2] [1, 1, 1, 1, 1] : memref<1x1x4x6x3xf32> to memref<1x1x4x6x2xf32, strided<[72, 72, 18, 3, 1]>>
  ropegrad.chunk_expand ins(%x, %first : memref<1x2x64x2xf32>, memref<1x1x4x6x2xf32, strided<[72, 72, 18, 3, 1]>>) outs(%N : memref<1x2x64x2xf32>) {chunk = 16 : i64, degree = 2 : i64}
  return
}

// CHECK-LABEL: func.func @chunk_reverse
// CHECK: scf.for
// CHECK: call @ropegrad_reverse_rows_d2_g2_w3
// CHECK: ropegrad.space = "rows2"
func.func @chunk_reverse(%x: memref<1x1x64x2xf32>, %S: memref<1x2x4x6x3xf32>, %u: memref<1x2x64x3xf32>, %dx: memref<1x2x64x2xf32>) {
  ropegrad.chunk_reverse ins(%x, %S, %u : memref<1x1x64x2xf32>, memref<1x2x4x6x3xf32>, memref<1x2x64x3xf32>) outs(%dx : memref<1x2x64x2xf32>) {chunk = 16 : i64, degree = 2 : i64}
  return
}

// The kernels are private and never inlined; the tile of a block's monomials
// stays in registers of the target's width.
// CHECK-LABEL: func.func private @ropegrad_accumulate_rows
// CHECK-SAME: passthrough = ["noinline"]
// CHECK-LABEL: func.func private @ropegrad_accumulate_read
// CHECK: vector.fma {{.*}} : vector<16xf32>
