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

// The kernels are private and never inlined; the tile of a block's monomials
// stays in registers of the target's width.
// CHECK-LABEL: func.func private @ropegrad_accumulate_rows
// CHECK-SAME: passthrough = ["noinline"]
// CHECK-LABEL: func.func private @ropegrad_accumulate_read
// CHECK: vector.fma {{.*}} : vector<16xf32>
