// RUN: ropegrad-opt %s --ropegrad-pack-workspace -split-input-file | FileCheck %s

// Lives that overlap get memory of their own, 64 bytes aligned.
// CHECK-LABEL: func.func @overlapping(
// CHECK-SAME: %[[X:.*]]: memref<8xf32>, %[[W:.*]]: memref<128xi8>) attributes {llvm.bareptr, ropegrad.workspace_bytes = 128 : i64, ropegrad.workspace_bytes_per_thread = 0 : i64}
// CHECK-DAG: %[[A0:.*]] = arith.constant 0 : index
// CHECK-DAG: %[[A1:.*]] = arith.constant 64 : index
// CHECK-DAG: memref.view %[[W]][%[[A0]]][] : memref<128xi8> to memref<8xf32>
// CHECK-DAG: memref.view %[[W]][%[[A1]]][] : memref<128xi8> to memref<8xf32>
// CHECK-NOT: memref.alloc
func.func @overlapping(%x: memref<8xf32>) {
  %a = memref.alloc() : memref<8xf32>
  %b = memref.alloc() : memref<8xf32>
  linalg.copy ins(%x : memref<8xf32>) outs(%a : memref<8xf32>)
  linalg.copy ins(%a : memref<8xf32>) outs(%b : memref<8xf32>)
  linalg.copy ins(%b : memref<8xf32>) outs(%x : memref<8xf32>)
  return
}

// -----

// Lives that do not overlap share memory.
// CHECK-LABEL: func.func @disjoint(
// CHECK-SAME: %[[W:[a-z0-9]*]]: memref<64xi8>) attributes {llvm.bareptr, ropegrad.workspace_bytes = 64 : i64, ropegrad.workspace_bytes_per_thread = 0 : i64}
// CHECK-NOT: arith.constant 64
// CHECK-NOT: memref.alloc
func.func @disjoint(%x: memref<8xf32>) {
  %a = memref.alloc() : memref<8xf32>
  linalg.copy ins(%x : memref<8xf32>) outs(%a : memref<8xf32>)
  linalg.copy ins(%a : memref<8xf32>) outs(%x : memref<8xf32>)
  %b = memref.alloc() : memref<8xf32>
  linalg.copy ins(%x : memref<8xf32>) outs(%b : memref<8xf32>)
  linalg.copy ins(%b : memref<8xf32>) outs(%x : memref<8xf32>)
  return
}

// -----

// A buffer lives as long as its views.
// CHECK-LABEL: func.func @views(
// CHECK-SAME: memref<128xi8>) attributes {llvm.bareptr, ropegrad.workspace_bytes = 128 : i64, ropegrad.workspace_bytes_per_thread = 0 : i64}
func.func @views(%x: memref<8xf32>) {
  %a = memref.alloc() : memref<8xf32>
  %v = memref.subview %a[0] [4] [1] : memref<8xf32> to memref<4xf32, strided<[1]>>
  %b = memref.alloc() : memref<8xf32>
  linalg.copy ins(%x : memref<8xf32>) outs(%b : memref<8xf32>)
  %u = memref.subview %b[0] [4] [1] : memref<8xf32> to memref<4xf32, strided<[1]>>
  linalg.copy ins(%u : memref<4xf32, strided<[1]>>) outs(%v : memref<4xf32, strided<[1]>>)
  return
}

// -----

// A private helper gets no workspace.
// CHECK-LABEL: func.func private @helper(
// CHECK-SAME: %{{.*}}: memref<8xf32>) {
func.func private @helper(%x: memref<8xf32>) {
  return
}
