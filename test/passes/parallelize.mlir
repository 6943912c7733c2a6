// RUN: ropegrad-opt %s --ropegrad-parallelize | FileCheck %s
// RUN: ropegrad-opt %s --ropegrad-parallelize --ropegrad-pack-workspace | FileCheck %s --check-prefix=PACKED

// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[A:.*]]: memref<8xf32>, %[[T:.*]]: i32 {ropegrad.size = "threads"})
// CHECK: omp.parallel num_threads(%[[T]] : i32)
// CHECK: omp.wsloop schedule(dynamic)
// CHECK: omp.loop_nest (%[[I:.*]]) : index = (%{{.*}}) to (%{{.*}}) step (%{{.*}}) {
// CHECK: memref.store %{{.*}}, %[[A]][%[[I]]]
// CHECK-NOT: scf.parallel

// Scratch of a loop's body exists once per thread, behind what threads share;
// the two buffers are never in use at the same time.
// PACKED: func.func private @__kmpc_bound_thread_num(index) -> i32
// PACKED-LABEL: func.func @f(
// 64 bytes for all, 128 for each of at most 1024 threads.
// PACKED-SAME: %[[W:[^ ]*]]: memref<131136xi8>)
// PACKED-SAME: ropegrad.workspace_bytes = 64 : i64, ropegrad.workspace_bytes_per_thread = 128 : i64
// PACKED: omp.parallel
// PACKED: %[[N:.*]] = func.call @__kmpc_bound_thread_num(%{{.*}}) : (index) -> i32
// PACKED: %[[J:.*]] = arith.index_cast %[[N]] : i32 to index
// PACKED: arith.muli %[[J]], %{{.*}} : index
// PACKED: %[[P:.*]] = memref.view %[[W]][%{{.*}}][%{{.*}}] : memref<131136xi8> to memref<?xi8>
// PACKED: omp.wsloop
// PACKED: memref.view %[[P]][%{{.*}}][] : memref<?xi8> to memref<32xf32>
// PACKED: memref.view %[[P]][%{{.*}}][] : memref<?xi8> to memref<16xf32>
// PACKED-NOT: memref.alloc
func.func @f(%a: memref<8xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  scf.parallel (%i) = (%c0) to (%c8) step (%c1) {
    %s = memref.alloc() : memref<32xf32>
    %x = memref.load %s[%i] : memref<32xf32>
    memref.store %x, %a[%i] : memref<8xf32>
    %t = memref.alloc() : memref<16xf32>
    %y = memref.load %t[%i] : memref<16xf32>
    memref.store %y, %a[%i] : memref<8xf32>
  }
  return
}

// Every kernel takes the number of threads, whether or not it has a use for it.
// CHECK-LABEL: func.func @g(
// CHECK-SAME: i32 {ropegrad.size = "threads"}
func.func @g() {
  return
}
// CHECK-LABEL: func.func private @h() {
func.func private @h() {
  return
}
