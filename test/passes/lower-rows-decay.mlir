// RUN: ropegrad-opt %s --ropegrad-lower-rows | FileCheck %s

// Rows of a chunk times a table of factors; heads of a group are summed.
// CHECK-LABEL: func.func @decay_rows
// CHECK: memref.get_global @ropegrad_decay_rows
// CHECK: arith.remui %{{.*}}, %c4
// CHECK: arith.mulf
// CHECK: arith.addf
func.func @decay_rows(%x: memref<1x2x8x3xf32>, %y: memref<1x1x8x3xf32>) {
  ropegrad.decay_rows ins(%x : memref<1x2x8x3xf32>) outs(%y : memref<1x1x8x3xf32>) {chunk = 4 : i64, first = 1 : i64, slopes = array<f64: 0.5, 0.25>}
  return
}
