// RUN: ropegrad-opt %s --split-input-file --verify-diagnostics --ropegrad-lower-rows | FileCheck %s

// CHECK: memref.global "private" constant @ropegrad_gather_factors : memref<4xf32> = dense<[2.500000e-01, 2.500000e-01, -2.500000e-01, 2.500000e-01]>
// CHECK: memref.global "private" constant @ropegrad_gather_sums : memref<4xi64> = dense<[0, 1, 1, 0]>

// Channels are heads, and the functions of a rotary position columns.
// CHECK-LABEL: func.func @spread
// CHECK-NOT: ropegrad.spread_channels
// CHECK: scf.parallel
// CHECK: scf.for
// CHECK: arith.mulf %{{.*}} : f32
// CHECK: arith.mulf %{{.*}} : vector<4xf32>
func.func @spread(%A: memref<1x1x64x3xf32>, %X: memref<1x1x64x5xf32>, %H: memref<1x1x64x4xf32>, %y: memref<1x3x64x20xf32>) {
  ropegrad.spread_channels ins(%A, %X, %H : memref<1x1x64x3xf32>, memref<1x1x64x5xf32>, memref<1x1x64x4xf32>) outs(%y : memref<1x3x64x20xf32>)
  return
}

// Which sum is which column of G, and with which sign.
// CHECK-LABEL: func.func @gather
// CHECK-NOT: ropegrad.gather_channels
// CHECK: scf.parallel (%{{.*}}) = (%{{.*}}) to (%c3
// CHECK: memref.get_global @ropegrad_gather_sums
// CHECK: memref.get_global @ropegrad_gather_factors
func.func @gather(%A: memref<1x1x64x3xf32>, %U: memref<1x1x64x5xf32>, %H: memref<1x1x64x2xf32>, %N: memref<1x3x64x10xf32>, %g: memref<9x4xf32>) {
  ropegrad.gather_channels ins(%A, %U, %H, %N : memref<1x1x64x3xf32>, memref<1x1x64x5xf32>, memref<1x1x64x2xf32>, memref<1x3x64x10xf32>) outs(%g : memref<9x4xf32>) {position = #ropegrad.rotary<interleaved, base = 1.0e+4 : f64>, scale = 0.5 : f64, support = array<i64: 0, 0, 0, 1, 1, 0, 1, 1>}
  return
}

// -----

func.func @gather(%A: memref<1x1x64x3xf32>, %U: memref<1x1x64x5xf32>, %H: memref<1x1x64x2xf32>, %N: memref<1x3x64x10xf32>, %g: memref<9x2xf32>) {
  // expected-error @+1 {{expected the support of its position in some order, but got array<i64: 0, 0, 1, 1>}}
  ropegrad.gather_channels ins(%A, %U, %H, %N : memref<1x1x64x3xf32>, memref<1x1x64x5xf32>, memref<1x1x64x2xf32>, memref<1x3x64x10xf32>) outs(%g : memref<9x2xf32>) {position = #ropegrad.rotary<interleaved, base = 1.0e+4 : f64>, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>}
  return
}
