// RUN: ropegrad-opt %s --ropegrad-lower-rows=vector-bits=512 | FileCheck %s

// Exponents and the largest of each unit, then of each head, then weights.
// CHECK-LABEL: func.func @weights
// CHECK: scf.parallel
// CHECK: arith.mulf {{.*}} : vector<4xf64>
// CHECK: vector.reduction <add>
// CHECK: arith.maximumf
// CHECK: ropegrad.space = "rows2"
// CHECK: scf.parallel
// CHECK: arith.maximumf
// CHECK: ropegrad.space = "heads2"
// CHECK: scf.parallel
// CHECK: call @key_weights_f32
// CHECK: ropegrad.space = "rows2"
func.func @weights(%k: memref<3x2x64x4xf32>, %m: memref<3x2x1x4xf32>, %w: memref<3x2x64x1xf32>,
                   %batch: index {ropegrad.size = "batch"}, %n: index {ropegrad.size = "n"}) attributes {ropegrad.chunk = 16 : i64} {
  ropegrad.key_weights ins(%k, %m : memref<3x2x64x4xf32>, memref<3x2x1x4xf32>) outs(%w : memref<3x2x64x1xf32>) {scale = 0.25 : f64}
  return
}

// CHECK-LABEL: func.func @add
// CHECK: scf.parallel
// CHECK: vector.fma {{.*}} : vector<4xf32>
// CHECK: ropegrad.space = "rows2"
func.func @add(%x: memref<3x2x64x4xf32>, %c: memref<3x2x64xf32>, %m: memref<3x2x1x4xf32>, %y: memref<3x2x64x4xf32>,
               %n: index {ropegrad.size = "n"}) attributes {ropegrad.chunk = 16 : i64} {
  ropegrad.add_outer ins(%x, %c, %m : memref<3x2x64x4xf32>, memref<3x2x64xf32>, memref<3x2x1x4xf32>) outs(%y : memref<3x2x64x4xf32>) {scale = 0.25 : f64}
  return
}

// One mean for neighbouring heads, stored as it is subtracted.
// CHECK-LABEL: func.func @groups
// CHECK: call @sum_rows_4_f32
// CHECK: scf.parallel
// CHECK: %[[M:.*]] = arith.truncf {{.*}} : vector<4xf64> to vector<4xf32>
// CHECK: arith.extf %[[M]]
// CHECK: ropegrad.space = "heads1"
// CHECK: call @centre_rows_4_f32
func.func @groups(%x: memref<3x2x64x4xf32>, %y: memref<3x2x64x4xf32>, %m: memref<3x1x1x4xf32>,
                  %n: index {ropegrad.size = "n"}) attributes {ropegrad.chunk = 16 : i64} {
  ropegrad.centre_rows ins(%x : memref<3x2x64x4xf32>) outs(%y, %m : memref<3x2x64x4xf32>, memref<3x1x1x4xf32>)
  return
}

// The difference to the largest exponent is made in double.
// CHECK-LABEL: func.func private @key_weights_f32
// CHECK: arith.subf {{.*}} : vector<16xf64>
// CHECK: arith.truncf {{.*}} : vector<16xf64> to vector<16xf32>
