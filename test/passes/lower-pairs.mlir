// RUN: ropegrad-opt %s --ropegrad-lower-pairs="vector-bits=512" | FileCheck %s

// Factors of the six monomials of degree <= 2 in two variables, 0 for one.
// CHECK-DAG: memref.global "private" constant @ropegrad_pair_factors_[[SIDE:[0-9A-F]+]] : memref<12xi64> = dense<[0, 0, 1, 0, 2, 0, 1, 1, 1, 2, 2, 2]>
// CHECK-DAG: memref.global "private" constant @ropegrad_pair_weights_[[SIDE]] : memref<6xf32> = dense<[1.000000e+00, 5.000000e-01, 5.000000e-01, 1.250000e-01, 2.500000e-01, 1.250000e-01]>

// CHECK-LABEL: func.func @table
// CHECK-NOT: ropegrad.pair_table
// CHECK: scf.parallel
func.func @table(%bias: memref<127xf32>, %T: memref<1x1x127xf32>) {
  ropegrad.pair_table ins(%bias : memref<127xf32>) outs(%T : memref<1x1x127xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, d = 2 : i64, scale = 0.5 : f64}
  return
}

// CHECK-LABEL: func.func @spectrum
// CHECK: call @ropegrad_fourier_forward
// CHECK: call @ropegrad_fourier_spectrum_128
func.func @spectrum(%T: memref<1x1x127xf32>, %S: memref<1x1x256xf32>) {
  ropegrad.pair_spectrum ins(%T : memref<1x1x127xf32>) outs(%S : memref<1x1x256xf32>)
  return
}

// Panels of rows, then blocks of columns there and back, then the sum of what
// the units of a head have made.
// CHECK-LABEL: func.func @apply
// CHECK-NOT: ropegrad.pair_apply
// CHECK: call @ropegrad_pack_2_16
// CHECK: scf.parallel
// CHECK: call @ropegrad_pair_gather_d2_w3_l128_[[SIDE]]
// CHECK: call @ropegrad_fourier_convolve
// CHECK: call @ropegrad_pair_scatter4_d2_w3_l128_[[SIDE]]
// CHECK: scf.parallel
// CHECK: ropegrad.space = "rows2"
func.func @apply(%q: memref<1x2x64x2xf32>, %k: memref<1x1x64x2xf32>, %v: memref<1x1x64x3xf32>, %S: memref<1x1x256xf32>, %N: memref<1x2x64x3xf32>) {
  ropegrad.pair_apply ins(%q, %k, %v, %S : memref<1x2x64x2xf32>, memref<1x1x64x2xf32>, memref<1x1x64x3xf32>, memref<1x1x256xf32>) outs(%N : memref<1x2x64x3xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.5 : f64}
  return
}

// CHECK-LABEL: func.func @reverse
// CHECK: call @ropegrad_pair_reverse
func.func @reverse(%q: memref<1x2x64x2xf32>, %k: memref<1x1x64x2xf32>, %v: memref<1x1x64x3xf32>, %u: memref<1x2x64x3xf32>, %S: memref<1x1x256xf32>, %d: memref<1x2x64x2xf32>) {
  ropegrad.pair_reverse ins(%q, %k, %v, %u, %S : memref<1x2x64x2xf32>, memref<1x1x64x2xf32>, memref<1x1x64x3xf32>, memref<1x2x64x3xf32>, memref<1x1x256xf32>) outs(%d : memref<1x2x64x2xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.5 : f64}
  return
}

// CHECK-LABEL: func.func @correlate
// CHECK: call @ropegrad_pair_weigh
// CHECK: call @ropegrad_pair_gather
// CHECK: call @ropegrad_fourier_correlate
func.func @correlate(%q: memref<1x2x64x2xf32>, %k: memref<1x1x64x2xf32>, %u: memref<1x2x64x3xf32>, %v: memref<1x1x64x3xf32>, %R: memref<1x1x127xf32>) {
  ropegrad.pair_correlate ins(%q, %k, %u, %v : memref<1x2x64x2xf32>, memref<1x1x64x2xf32>, memref<1x2x64x3xf32>, memref<1x1x64x3xf32>) outs(%R : memref<1x1x127xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.5 : f64}
  return
}

// The derivatives of both sums, then rows of them times rows of u.
// CHECK-LABEL: func.func @slopes
// CHECK: call @ropegrad_fourier_convolve
// CHECK: call @ropegrad_pair_derive
// CHECK: call @ropegrad_unpack_6_16
// CHECK-NOT: call @ropegrad_fourier
// CHECK: vector.fma
func.func @slopes(%q: memref<1x1x64x2xf32>, %v: memref<1x1x64x3xf32>, %u: memref<1x1x64x3xf32>, %S: memref<1x1x256xf32>, %N: memref<1x1x64x3xf32>, %J: memref<1x1x64x6xf32>, %dq: memref<1x1x64x2xf32>) {
  ropegrad.pair_apply ins(%q, %q, %v, %S : memref<1x1x64x2xf32>, memref<1x1x64x2xf32>, memref<1x1x64x3xf32>, memref<1x1x256xf32>) outs(%N, %J : memref<1x1x64x3xf32>, memref<1x1x64x6xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.5 : f64}
  ropegrad.pair_reverse ins(%q, %q, %v, %u, %S, %J : memref<1x1x64x2xf32>, memref<1x1x64x2xf32>, memref<1x1x64x3xf32>, memref<1x1x64x3xf32>, memref<1x1x256xf32>, memref<1x1x64x6xf32>) outs(%dq : memref<1x1x64x2xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.5 : f64}
  return
}

// One transform forth for the gradients with respect to keys, values and bias.
// CHECK-LABEL: func.func @joined
// CHECK: call @ropegrad_fourier_correlate_convolve
// CHECK: call @ropegrad_pair_reverse_scatter
func.func @joined(%q: memref<1x1x64x2xf32>, %v: memref<1x1x64x3xf32>, %u: memref<1x1x64x3xf32>, %S: memref<1x1x256xf32>, %dV: memref<1x1x64x2xf32>, %R: memref<1x1x127xf32>, %dk: memref<1x1x64x2xf32>) {
  ropegrad.pair_reverse ins(%q, %q, %u, %v, %S : memref<1x1x64x2xf32>, memref<1x1x64x2xf32>, memref<1x1x64x3xf32>, memref<1x1x64x3xf32>, memref<1x1x256xf32>) outs(%dk, %dV, %R : memref<1x1x64x2xf32>, memref<1x1x64x2xf32>, memref<1x1x127xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.5 : f64, transposed}
  return
}

// CHECK-LABEL: func.func @bias_gradient
// CHECK-NOT: ropegrad.pair_bias_gradient
// CHECK: scf.parallel
func.func @bias_gradient(%T: memref<2x1x127xf32>, %R: memref<2x1x127xf32>, %y: memref<127xf32>) {
  ropegrad.pair_bias_gradient ins(%T, %R : memref<2x1x127xf32>, memref<2x1x127xf32>) outs(%y : memref<127xf32>)
  return
}

// With W there are three steps: columns, frequencies, columns.
// CHECK-LABEL: func.func @matrix
// CHECK: call @ropegrad_pair_gather
// CHECK: call @ropegrad_fourier_forward
// CHECK: call @ropegrad_pair_unpack
// CHECK: call @ropegrad_pair_product_w3_l128
// CHECK: call @ropegrad_pair_pack
// CHECK: call @ropegrad_fourier_inverse
// CHECK: call @ropegrad_pair_scatter
func.func @matrix(%q: memref<1x1x64x2xf32>, %k: memref<1x1x64x2xf32>, %v: memref<1x1x64x3xf32>, %S: memref<1x6x256xf32>, %N: memref<1x1x64x3xf32>) {
  ropegrad.pair_apply ins(%q, %k, %v, %S : memref<1x1x64x2xf32>, memref<1x1x64x2xf32>, memref<1x1x64x3xf32>, memref<1x6x256xf32>) outs(%N : memref<1x1x64x3xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>}
  return
}

// CHECK-LABEL: func.func @table_reverse
// CHECK-NOT: ropegrad.pair_table_reverse
// CHECK: call @ropegrad_unpack_2_16
func.func @table_reverse(%R: memref<1x6x127xf32>, %W: memref<127x2xf32>, %dW: memref<127x2xf32>) {
  ropegrad.pair_table_reverse ins(%R, %W : memref<1x6x127xf32>, memref<127x2xf32>) outs(%dW : memref<127x2xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, d = 2 : i64, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>}
  return
}
