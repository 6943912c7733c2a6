// RUN: ropegrad-opt %s --ropegrad-lower-toeplitz="vector-bits=512" | FileCheck %s
// RUN: ropegrad-opt %s --ropegrad-lower-toeplitz="vector-bits=128" | FileCheck %s --check-prefix=NARROW

// A table for all heads: one spectrum; blocks of 32 columns across the heads.
// CHECK-LABEL: func.func @apply
// CHECK-NOT: ropegrad.toeplitz_apply
// CHECK: scf.parallel
// CHECK: call @ropegrad_fourier_forward_128_128_f32x16
// CHECK: call @ropegrad_fourier_spectrum_128_f32x16
// CHECK: scf.parallel ({{.*}}) to (%c2{{.*}}) step
// CHECK: call @ropegrad_columns_128_128_f32x16
// CHECK: call @ropegrad_fourier_convolve_128_64_64_f32x16
// CHECK: call @ropegrad_columns_store_128_128_f32x16
// NARROW-LABEL: func.func @apply
// NARROW: scf.parallel ({{.*}}) to (%c7{{.*}}) step
// NARROW: call @ropegrad_fourier_convolve_128_64_64_f32x4
func.func @apply(%x: memref<1x2x64x28xf32>, %T: memref<127xf32>, %y: memref<1x2x64x28xf32>) {
  ropegrad.toeplitz_apply ins(%x, %T : memref<1x2x64x28xf32>, memref<127xf32>) outs(%y : memref<1x2x64x28xf32>)
  return
}

// The gradient of a table: sums of products, one transform back.
// CHECK-LABEL: func.func @correlate
// CHECK-NOT: ropegrad.toeplitz_correlate
// CHECK: scf.parallel
// CHECK-COUNT-2: call @ropegrad_fourier_forward_128_64_f64x8
// CHECK: call @ropegrad_fourier_correlate_128_f64x8
// CHECK: scf.parallel
// CHECK: call @ropegrad_fourier_spread_128_f64x8
// CHECK: call @ropegrad_fourier_inverse_128_128_f64x8
func.func @correlate(%u: memref<1x2x64x3xf64>, %x: memref<1x2x64x3xf64>, %D: memref<2x127xf64>) {
  ropegrad.toeplitz_correlate ins(%u, %x : memref<1x2x64x3xf64>, memref<1x2x64x3xf64>) outs(%D : memref<2x127xf64>)
  return
}

// A matrix with one element.
// CHECK-LABEL: func.func @one
// CHECK: call @ropegrad_fourier_multiply_1_f32x16
func.func @one(%x: memref<1x1x1x1xf32>, %T: memref<1xf32>, %y: memref<1x1x1x1xf32>) {
  ropegrad.toeplitz_apply ins(%x, %T : memref<1x1x1x1xf32>, memref<1xf32>) outs(%y : memref<1x1x1x1xf32>)
  return
}
