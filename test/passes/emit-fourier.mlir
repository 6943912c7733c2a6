// RUN: ropegrad-opt %s --ropegrad-emit-fourier="vector-bits=512 length=8 filled=4" | FileCheck %s
// RUN: ropegrad-opt %s --ropegrad-emit-fourier="element-bits=64 length=8192" | FileCheck %s --check-prefix=SPLIT

// Four of eight inputs: one pass, no twiddle factors; zeros are not read.
// CHECK-LABEL: func.func @forward(
// CHECK-SAME: memref<256xf32>, %{{.*}}: memref<1xf32>) attributes {llvm.bareptr, ropegrad.along = array<i64: 8>, ropegrad.down = array<i64>, ropegrad.pitch = 8 : i64}
// CHECK-LABEL: func.func private @ropegrad_fourier_forward_8_4_f32x16
// CHECK: call @ropegrad_fourier_forward8of4_8by8_f32x16
// CHECK-LABEL: func.func private @ropegrad_fourier_forward8of4_8by8_f32x16
// CHECK-COUNT-8: vector.load {{.*}} vector<16xf32>
// CHECK-NOT: vector.load
// CHECK-COUNT-16: vector.store
// CHECK-LABEL: func.func @inverse(
// CHECK-LABEL: func.func @convolve(
// The product with the spectrum in between, in registers.
// CHECK-LABEL: func.func private @ropegrad_fourier_spectrum8of4_8by8_f32x16
// CHECK-LABEL: func.func @multiply(
// CHECK-LABEL: func.func @spectrum(
// CHECK-LABEL: func.func @correlate(
// CHECK-LABEL: func.func @spread(

// Rows and columns, with factors between them from two tables.
// SPLIT-DAG: memref.global "private" constant @ropegrad_twiddles_coarse_64x128_f64x4
// SPLIT-DAG: memref.global "private" constant @ropegrad_twiddles_fine_64x128_f64x4
// SPLIT-LABEL: func.func @forward(
// SPLIT-SAME: ropegrad.along = array<i64: 4, 4, 8>, ropegrad.down = array<i64: 8, 8>, ropegrad.pitch = 129 : i64
// The first pass down the columns reads rows that are far apart, and packs; the
// next column is fetched meanwhile, to the second cache.
// SPLIT-LABEL: func.func private @ropegrad_fourier_forward8a8t_64by64_1032to8_f64x4
// SPLIT: memref.prefetch {{.*}}, read, locality<2>, data
// So is the next row, by the first pass of a row alone.
// SPLIT-LABEL: func.func private @ropegrad_fourier_forward4a1032t_128by128_8to8_f64x4
// SPLIT: memref.prefetch {{.*}}, read, locality<2>, data
// SPLIT-LABEL: func.func private @ropegrad_fourier_forward4t_128by32_f64x4
// SPLIT-NOT: memref.prefetch
// SPLIT-LABEL: func.func @inverse(
module {}
