// RUN: ropegrad-opt %s --ropegrad-fetch-units | FileCheck %s
// RUN: ropegrad-opt %s --ropegrad-fetch-units --ropegrad-fetch-units | FileCheck %s

func.func private @unit(index)

// One counter for all loops of a function, at its start.
// CHECK-LABEL: func.func @fetched(
// CHECK-NEXT: %[[COUNTER:.*]] = memref.alloca() {alignment = 64 : i64} : memref<i64>
// CHECK: %[[FIRST:.*]] = arith.index_cast %{{.*}} : index to i64
// CHECK: memref.store %[[FIRST]], %[[COUNTER]][]
// CHECK: omp.parallel
// CHECK-NOT: omp.wsloop
// CHECK: %[[STEP:.*]] = arith.index_cast %{{.*}} : index to i64
// CHECK: %[[END:.*]] = arith.index_cast %{{.*}} : index to i64
// CHECK: %[[I0:.*]] = memref.atomic_rmw addi %[[STEP]], %[[COUNTER]][]
// CHECK: scf.while (%[[I:.*]] = %[[I0]])
// CHECK: arith.cmpi slt, %[[I]], %[[END]] : i64
// CHECK: do
// CHECK: call @unit
// CHECK: %[[NEXT:.*]] = memref.atomic_rmw addi %[[STEP]], %[[COUNTER]][]
// CHECK: scf.yield %[[NEXT]]
// CHECK: omp.terminator
// CHECK: memref.store %{{.*}}, %[[COUNTER]][]
// CHECK: omp.parallel
// CHECK-NOT: omp.wsloop
// CHECK: arith.cmpi sle
func.func @fetched(%n: index) {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  omp.parallel {
    omp.wsloop schedule(dynamic) {
      omp.loop_nest (%i) : index = (%c2) to (%n) step (%c2) {
        func.call @unit(%i) : (index) -> ()
        omp.yield
      }
    }
    omp.terminator
  }
  omp.parallel {
    omp.wsloop schedule(dynamic) {
      omp.loop_nest (%i) : index = (%c0) to (%n) inclusive step (%c2) {
        func.call @unit(%i) : (index) -> ()
        omp.yield
      }
    }
    omp.terminator
  }
  return
}

// Not ours to change: another schedule, a second loop that a thread may reach
// first, two indices.
// CHECK-LABEL: func.func @left(
// CHECK-NOT: memref.alloca
// CHECK-COUNT-4: omp.wsloop
// CHECK-NOT: atomic_rmw
func.func @left(%n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  omp.parallel {
    omp.wsloop schedule(static) {
      omp.loop_nest (%i) : index = (%c0) to (%n) step (%c1) {
        func.call @unit(%i) : (index) -> ()
        omp.yield
      }
    }
    omp.terminator
  }
  omp.parallel {
    omp.wsloop schedule(dynamic) {
      omp.loop_nest (%i) : index = (%c0) to (%n) step (%c1) {
        func.call @unit(%i) : (index) -> ()
        omp.yield
      }
    }
    omp.wsloop schedule(dynamic) {
      omp.loop_nest (%i) : index = (%c0) to (%n) step (%c1) {
        func.call @unit(%i) : (index) -> ()
        omp.yield
      }
    }
    omp.terminator
  }
  omp.parallel {
    omp.wsloop schedule(dynamic) {
      omp.loop_nest (%i, %j) : index = (%c0, %c0) to (%n, %n) step (%c1, %c1) {
        func.call @unit(%i) : (index) -> ()
        omp.yield
      }
    }
    omp.terminator
  }
  return
}
