// RUN: ropegrad-opt %s --ropegrad-lower-rows=vector-bits=512 | FileCheck %s
// RUN: ropegrad-opt %s --ropegrad-lower-rows=vector-bits=512 --ropegrad-fuse-parallel | FileCheck %s --check-prefix=FUSED

// Sums by units, means by heads, differences by units.
// CHECK-LABEL: func.func @centre
// CHECK: scf.parallel
// CHECK: call @sum_rows_4_f32
// CHECK: ropegrad.space = "rows2"
// CHECK: scf.parallel
// CHECK: arith.divf {{.*}} : vector<4xf64>
// CHECK: ropegrad.space = "heads2"
// CHECK: scf.parallel
// CHECK: call @centre_rows_4_f32
// CHECK: ropegrad.space = "rows2"

// What makes the rows and what reads them share the loops.
// FUSED-LABEL: func.func @centre
// FUSED: scf.parallel
// FUSED: call @rotate_
// FUSED: call @sum_rows_4_f32
// FUSED: scf.parallel
// FUSED: ropegrad.space = "heads2"
// FUSED: scf.parallel
// FUSED: call @centre_rows_4_f32
// FUSED: call @rotate_
// FUSED: return
func.func @centre(%x: memref<3x2x64x4xf32> {ropegrad.strides = 0 : i64}, %y: memref<3x2x64x4xf32>, %z: memref<3x2x64x4xf32>,
                  %batch: index {ropegrad.size = "batch"}, %n: index {ropegrad.size = "n"},
                  %strides: memref<3xi64> {ropegrad.size = "strides"}) attributes {ropegrad.chunk = 16 : i64} {
  ropegrad.rotate ins(%x : memref<3x2x64x4xf32>) outs(%y : memref<3x2x64x4xf32>) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>}
  ropegrad.centre_rows ins(%y : memref<3x2x64x4xf32>) outs(%z : memref<3x2x64x4xf32>)
  ropegrad.rotate ins(%z : memref<3x2x64x4xf32>) outs(%z : memref<3x2x64x4xf32>) {inverse, position = #ropegrad.rotary<half, base = 1.0e+4 : f64>}
  return
}

// Columns that fill the registers several times over are taken in runs.
// CHECK-LABEL: func.func @wide
// CHECK: call @sum_rows_68_f64
func.func @wide(%x: memref<1x1x64x68xf64>, %y: memref<1x1x64x68xf64>) {
  ropegrad.centre_rows ins(%x : memref<1x1x64x68xf64>) outs(%y : memref<1x1x64x68xf64>)
  return
}

// Everything is in double, and rounded once.
// CHECK-LABEL: func.func private @sum_rows_4_f32
// CHECK: arith.extf {{.*}} : vector<4xf32> to vector<4xf64>
// CHECK: arith.addf {{.*}} : vector<4xf64>
// CHECK-LABEL: func.func private @centre_rows_4_f32
// CHECK: arith.subf {{.*}} : vector<4xf64>
// CHECK: arith.truncf {{.*}} : vector<4xf64> to vector<4xf32>
// CHECK-LABEL: func.func private @sum_rows_68_f64
// CHECK-COUNT-2: scf.for
// CHECK-NOT: arith.extf
// CHECK-LABEL: func.func private @centre_rows_68_f64
