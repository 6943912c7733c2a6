// RUN: ropegrad-opt %s --ropegrad-lower-rows=vector-bits=512 | FileCheck %s
// RUN: ropegrad-opt %s --ropegrad-lower-rows=vector-bits=128 | FileCheck %s --check-prefix=NARROW

// One pair of tables serves every rotation of the same n, d and base.
// CHECK-COUNT-2: memref.global "private" constant @rotary_64x4_{{.*}} : memref<{{[0-9]+}}xf64>
// CHECK-NOT: memref.global

// CHECK-LABEL: func.func @rotate
// CHECK-SAME: -> i32
// CHECK: memref.alloc()
// CHECK: call @rotate_interleaved_2x64x4_f32
// CHECK: call @rotate_inverse_half_2x64x4_f32
// CHECK: %[[OK:.*]] = arith.constant 0 : i32
// CHECK: return %[[OK]] : i32
func.func @rotate(%x: memref<1x2x64x4xf32>, %y: memref<1x2x64x4xf32>) {
  ropegrad.rotate ins(%x : memref<1x2x64x4xf32>) outs(%y : memref<1x2x64x4xf32>) {position = #ropegrad.rotary<interleaved, base = 1.0e+4 : f64>}
  ropegrad.rotate ins(%y : memref<1x2x64x4xf32>) outs(%y : memref<1x2x64x4xf32>) {inverse, position = #ropegrad.rotary<half, base = 1.0e+4 : f64>}
  return
}

// Angles in double, rounded once.
// NARROW-LABEL: func.func private @rotate_interleaved_2x64x4_f32
// NARROW: arith.truncf {{.*}} : vector<2xf64> to vector<2xf32>
// NARROW: vector.fma {{.*}} : vector<4xf32>

// CHECK-LABEL: func.func @append
// CHECK: vector.load {{.*}} vector<4xf32>
// CHECK: memref.store
func.func @append(%x: memref<1x1x64x4xf32>, %r: memref<1x1x64xf32>, %y: memref<1x1x64x5xf32>) {
  ropegrad.append_column ins(%x, %r : memref<1x1x64x4xf32>, memref<1x1x64xf32>) outs(%y : memref<1x1x64x5xf32>) {scale = -1.0 : f64}
  return
}

// CHECK-LABEL: func.func @guards
// CHECK-SAME: -> i32
// CHECK: memref.store %{{.*}}, %{{.*}}[] : memref<f32>
// CHECK: %[[WITHIN:.*]] = arith.cmpf ole
// CHECK: cf.cond_br %[[WITHIN]], ^[[NEXT:bb[0-9]+]], ^[[EXCEEDED:bb[0-9]+]]
// CHECK: ^[[NEXT]]:
// CHECK: cf.cond_br
// CHECK: ^[[EXCEEDED]]:
// CHECK-NEXT: %[[ONE:.*]] = arith.constant 1 : i32
// CHECK-NEXT: return %[[ONE]] : i32
func.func @guards(%r: memref<f32>, %s: memref<f32>, %q: memref<1x2x64x4xf32>, %k: memref<1x1x64x4xf32>) {
  "ropegrad.guard"(%r, %q, %k) <{limit = 0.5 : f64, scale = 0.25 : f64, operandSegmentSizes = array<i32: 0, 3>}> : (memref<f32>, memref<1x2x64x4xf32>, memref<1x1x64x4xf32>) -> ()
  "ropegrad.guard"(%s, %q, %k) <{limit = 0.5 : f64, scale = 0.25 : f64, operandSegmentSizes = array<i32: 0, 3>}> : (memref<f32>, memref<1x2x64x4xf32>, memref<1x1x64x4xf32>) -> ()
  return
}

// CHECK-LABEL: func.func @table
// CHECK: memref.get_global @rotary_64x4
// CHECK: arith.negf
func.func @table(%w: memref<127x2xf32>) {
  "ropegrad.position_table"(%w) <{d = 4 : i64, position = #ropegrad.rotary<half, base = 1.0e+4 : f64>, support = array<i64: 0, 0, 0, 2>, operandSegmentSizes = array<i32: 0, 1>}> : (memref<127x2xf32>) -> ()
  return
}

// A long reduction is cut into blocks of 256, and C is added to.
// CHECK-LABEL: func.func @transposed_a
// CHECK: arith.constant 256 : index
// CHECK: scf.for
// CHECK: call @ropegrad_gemm_{{.*}}8x4x256{{.*}}_add
// CHECK: call @ropegrad_gemm_{{.*}}8x4x232{{.*}}_add
// CHECK-NOT: linalg.matmul
func.func @transposed_a(%a: memref<1000x8xf32>, %b: memref<1000x4xf32>, %c: memref<8x4xf32>) {
  linalg.matmul indexing_maps = [affine_map<(i, j, k) -> (k, i)>, affine_map<(i, j, k) -> (k, j)>, affine_map<(i, j, k) -> (i, j)>] ins(%a, %b : memref<1000x8xf32>, memref<1000x4xf32>) outs(%c : memref<8x4xf32>)
  return
}

// B transposed is packed first.
// CHECK-LABEL: func.func @transposed_b
// CHECK: memref.alloc() {{.*}} : memref<32xf64>
// CHECK: call @ropegrad_gemm_{{.*}}64x8x4
func.func @transposed_b(%a: memref<1000x4xf64>, %b: memref<8x4xf64>, %c: memref<1000x8xf64>) {
  linalg.matmul indexing_maps = [affine_map<(i, j, k) -> (i, k)>, affine_map<(i, j, k) -> (j, k)>, affine_map<(i, j, k) -> (i, j)>] ins(%a, %b : memref<1000x4xf64>, memref<8x4xf64>) outs(%c : memref<1000x8xf64>)
  return
}

// Private functions keep their type.
// CHECK: func.func private @helper(%{{.*}}: memref<4xf32>) {
func.func private @helper(%x: memref<4xf32>) {
  return
}
