// RUN: ropegrad-opt %s --ropegrad-fuse-parallel | FileCheck %s

// Loops of one space become one, in order; what stands between them and reads
// nothing, or only the sizes of the call, goes in front.
// CHECK-LABEL: func.func @merged(
// CHECK: memref.alloc
// CHECK: memref.load %{{.*}} : memref<3xi64>
// CHECK: scf.parallel
// CHECK: memref.store %{{.*}}, %[[A:.*]][
// CHECK: memref.load %[[A]][
// CHECK-NOT: scf.parallel
// CHECK: return
func.func @merged(%a: memref<8xf32>, %s: memref<3xi64> {ropegrad.size = "strides"}, %x: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  scf.parallel (%i) = (%c0) to (%c8) step (%c1) {
    memref.store %x, %a[%i] : memref<8xf32>
  } {ropegrad.space = "rows2"}
  %b = memref.alloc() : memref<8xf32>
  %stride = memref.load %s[%c0] : memref<3xi64>
  scf.parallel (%i) = (%c0) to (%c8) step (%c1) {
    %y = memref.load %a[%i] : memref<8xf32>
    memref.store %y, %b[%i] : memref<8xf32>
  } {ropegrad.space = "rows2"}
  return
}

// Other spaces, none, and loops with a write or a read between them stay.
// CHECK-LABEL: func.func @kept(
// CHECK-COUNT-6: scf.parallel
func.func @kept(%a: memref<8xf32>, %x: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  scf.parallel (%i) = (%c0) to (%c8) step (%c1) {
    memref.store %x, %a[%i] : memref<8xf32>
  } {ropegrad.space = "rows2"}
  scf.parallel (%i) = (%c0) to (%c8) step (%c1) {
    memref.store %x, %a[%i] : memref<8xf32>
  } {ropegrad.space = "heads2"}
  memref.store %x, %a[%c0] : memref<8xf32>
  scf.parallel (%i) = (%c0) to (%c8) step (%c1) {
    memref.store %x, %a[%i] : memref<8xf32>
  } {ropegrad.space = "heads2"}
  %y = memref.load %a[%c1] : memref<8xf32>
  scf.parallel (%i) = (%c0) to (%c8) step (%c1) {
    memref.store %y, %a[%i] : memref<8xf32>
  } {ropegrad.space = "heads2"}
  scf.parallel (%i) = (%c0) to (%c8) step (%c1) {
    memref.store %x, %a[%i] : memref<8xf32>
  }
  scf.parallel (%i) = (%c0) to (%c8) step (%c1) {
    memref.store %x, %a[%i] : memref<8xf32>
  }
  return
}
