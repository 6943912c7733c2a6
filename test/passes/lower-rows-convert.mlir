// RUN: ropegrad-opt %s -split-input-file --ropegrad-lower-rows=vector-bits=512 | FileCheck %s
// RUN: ropegrad-opt %s -split-input-file --ropegrad-lower-rows=vector-bits=128 | FileCheck %s --check-prefix=NARROW

// 16-bit storage by rows, with the strides of the call; loops of one space.
// CHECK-LABEL: func.func @convert_rows
// CHECK: scf.parallel
// CHECK: call @convert_4_f16_f32
// CHECK: ropegrad.space = "rows2"
// CHECK: scf.parallel
// CHECK: call @convert_4_f32_f16
// CHECK: ropegrad.space = "rows2"
func.func @convert_rows(%x: memref<3x2x64x4xf16> {ropegrad.strides = 0 : i64}, %y: memref<3x2x64x4xf16> {ropegrad.strides = 1 : i64},
                        %batch: index {ropegrad.size = "batch"}, %n: index {ropegrad.size = "n"},
                        %strides: memref<6xi64> {ropegrad.size = "strides"}) attributes {ropegrad.chunk = 16 : i64} {
  %z = memref.alloc() : memref<3x2x64x4xf32>
  ropegrad.convert ins(%x : memref<3x2x64x4xf16>) outs(%z : memref<3x2x64x4xf32>)
  ropegrad.convert ins(%z : memref<3x2x64x4xf32>) outs(%y : memref<3x2x64x4xf16>)
  return
}

// Targets with vectors of 256 bits or more convert f16, others get integers.
// CHECK-LABEL: func.func private @convert_4_f16_f32
// CHECK: arith.extf {{.*}} : vector<16xf16> to vector<16xf32>
// NARROW-LABEL: func.func private @convert_4_f16_f32
// NARROW: vector.load {{.*}} vector<4xf16>
// NARROW-NOT: arith.extf
// NARROW: arith.bitcast {{.*}} : vector<4xi32> to vector<4xf32>
// NARROW: return
// CHECK-LABEL: func.func private @convert_4_f32_f16
// CHECK: arith.truncf {{.*}} : vector<16xf32> to vector<16xf16>
// NARROW-LABEL: func.func private @convert_4_f32_f16
// NARROW-NOT: arith.truncf
// NARROW: arith.bitcast {{.*}} : vector<4xi16> to vector<4xf16>
// NARROW: return

// -----

// Arrays (n, w) that say so have rows, others are one row: of the elements of
// the call, 2n - 1 diagonals, not of the compiled ones.
// CHECK-LABEL: func.func @convert_arrays
// CHECK-SAME: %[[N:[a-z0-9]+]]: index {ropegrad.size = "n"}
// CHECK: scf.parallel
// CHECK: call @convert_4_bf16_f32
// CHECK: %[[TWICE:.*]] = arith.muli %[[N]], %{{.*}} : index
// CHECK: %[[DIAGONALS:.*]] = arith.subi %[[TWICE]], %{{.*}} : index
// CHECK: %[[COUNT:.*]] = arith.muli %[[DIAGONALS]], %{{.*}} : index
// CHECK: call @convert_1_bf16_f32({{.*}}, %[[COUNT]])
// CHECK: scf.parallel
// CHECK: call @convert_1_f32_bf16
// CHECK-NOT: ropegrad.space
// CHECK: return
// CHECK-LABEL: func.func private @convert_4_bf16_f32
// CHECK-NOT: arith.extf
// CHECK: arith.shli
// CHECK: return
func.func @convert_arrays(%a: memref<64x4xbf16> {ropegrad.name = "A1", ropegrad.rows}, %w: memref<127x2xbf16> {ropegrad.name = "W"},
                          %x: memref<256x256xbf16> {ropegrad.name = "dX1"}, %n: index {ropegrad.size = "n"}) {
  %0 = memref.alloc() : memref<64x4xf32>
  %1 = memref.alloc() : memref<127x2xf32>
  %2 = memref.alloc() : memref<256x256xf32>
  ropegrad.convert ins(%a : memref<64x4xbf16>) outs(%0 : memref<64x4xf32>)
  ropegrad.convert ins(%w : memref<127x2xbf16>) outs(%1 : memref<127x2xf32>)
  ropegrad.convert ins(%2 : memref<256x256xf32>) outs(%x : memref<256x256xbf16>)
  return
}

// -----

// Outputs of 16 bits are scanned as they are.
// CHECK-LABEL: func.func @finite_halves
// CHECK: call @not_finite_4_bf16
// CHECK: cf.cond_br
// CHECK-LABEL: func.func private @not_finite_4_bf16
// CHECK-DAG: arith.constant dense<32767> : vector<4xi16>
// CHECK-DAG: arith.constant dense<128> : vector<4xi16>
func.func @finite_halves(%o: memref<1x2x64x4xbf16> {ropegrad.output, ropegrad.strides = 0 : i64}, %strides: memref<3xi64> {ropegrad.size = "strides"}) {
  return
}
