// RUN: ropegrad-opt %s --ropegrad-outline-units -split-input-file | FileCheck %s

// Equal bodies are one function of what they read, in the order in which they
// do, and of the index; of a constant they have a copy.
// CHECK-LABEL: func.func @f(
// CHECK-SAME: %[[A:.*]]: memref<8xf32>, %[[B:.*]]: memref<8xf32>)
// CHECK: omp.loop_nest (%[[I:.*]]) : index
// CHECK-NEXT: func.call @ropegrad_unit_0(%[[A]], %[[B]], %[[I]]) : (memref<8xf32>, memref<8xf32>, index) -> ()
// CHECK-NEXT: omp.yield
// CHECK: omp.loop_nest (%[[J:.*]]) : index
// CHECK-NEXT: func.call @ropegrad_unit_0(%[[B]], %[[A]], %[[J]]) : (memref<8xf32>, memref<8xf32>, index) -> ()
// CHECK-LABEL: func.func @g(
// CHECK-SAME: %[[C:.*]]: memref<8xf32>, %[[D:.*]]: memref<8xf32>, %{{.*}}: index)
// CHECK: omp.loop_nest (%[[K:.*]]) : index
// CHECK-NEXT: func.call @ropegrad_unit_0(%[[C]], %[[D]], %[[K]]) : (memref<8xf32>, memref<8xf32>, index) -> ()
// CHECK-LABEL: func.func private @ropegrad_unit_0(
// CHECK-SAME: %[[X:.*]]: memref<8xf32>, %[[Y:.*]]: memref<8xf32>, %[[U:.*]]: index) {
// CHECK: %[[ONE:.*]] = arith.constant 1 : index
// CHECK: %[[NEXT:.*]] = arith.addi %[[U]], %[[ONE]] : index
// CHECK: %[[V:.*]] = memref.load %[[X]][%[[NEXT]]]
// CHECK: memref.store %[[V]], %[[Y]][%[[U]]]
// CHECK-NEXT: return
// CHECK-NOT: ropegrad_unit_1
func.func @f(%a: memref<8xf32>, %b: memref<8xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c7 = arith.constant 7 : index
  omp.parallel {
    omp.wsloop {
      omp.loop_nest (%i) : index = (%c0) to (%c7) step (%c1) {
        %j = arith.addi %i, %c1 : index
        %x = memref.load %a[%j] : memref<8xf32>
        memref.store %x, %b[%i] : memref<8xf32>
        omp.yield
      }
    }
    omp.wsloop {
      omp.loop_nest (%i) : index = (%c0) to (%c7) step (%c1) {
        %j = arith.addi %i, %c1 : index
        %x = memref.load %b[%j] : memref<8xf32>
        memref.store %x, %a[%i] : memref<8xf32>
        omp.yield
      }
    }
    omp.terminator
  }
  return
}
func.func @g(%a: memref<8xf32>, %b: memref<8xf32>, %n: index) {
  %c1 = arith.constant 1 : index
  omp.wsloop {
    omp.loop_nest (%i) : index = (%c1) to (%n) step (%c1) {
      %j = arith.addi %i, %c1 : index
      %x = memref.load %a[%j] : memref<8xf32>
      memref.store %x, %b[%i] : memref<8xf32>
      omp.yield
    }
  }
  return
}

// -----

// Other constants, other types and one buffer where there were two make other
// functions.
// CHECK-LABEL: func.func @differ(
// CHECK: func.call @ropegrad_unit_0(
// CHECK: func.call @ropegrad_unit_1(
// CHECK: func.call @ropegrad_unit_2(
// CHECK: func.call @ropegrad_unit_3(
func.func @differ(%a: memref<8xf32>, %b: memref<8xf32>, %c: memref<9xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c7 = arith.constant 7 : index
  omp.wsloop {
    omp.loop_nest (%i) : index = (%c0) to (%c7) step (%c1) {
      %x = memref.load %a[%c1] : memref<8xf32>
      memref.store %x, %b[%i] : memref<8xf32>
      omp.yield
    }
  }
  omp.wsloop {
    omp.loop_nest (%i) : index = (%c0) to (%c7) step (%c1) {
      %x = memref.load %a[%c0] : memref<8xf32>
      memref.store %x, %b[%i] : memref<8xf32>
      omp.yield
    }
  }
  omp.wsloop {
    omp.loop_nest (%i) : index = (%c0) to (%c7) step (%c1) {
      %x = memref.load %c[%c1] : memref<9xf32>
      memref.store %x, %b[%i] : memref<8xf32>
      omp.yield
    }
  }
  omp.wsloop {
    omp.loop_nest (%i) : index = (%c0) to (%c7) step (%c1) {
      %x = memref.load %b[%c1] : memref<8xf32>
      memref.store %x, %b[%i] : memref<8xf32>
      omp.yield
    }
  }
  return
}

// -----

// A name that is taken is not taken again; bodies of several blocks stay.
// CHECK-LABEL: func.func private @ropegrad_unit_0()
// CHECK-LABEL: func.func @blocks(
// CHECK: omp.loop_nest
// CHECK-NEXT: cf.br
// CHECK: omp.loop_nest
// CHECK-NEXT: func.call @ropegrad_unit_0_0(
// CHECK-LABEL: func.func private @ropegrad_unit_0_0(
func.func private @ropegrad_unit_0()
func.func @blocks(%a: memref<8xf32>, %x: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c7 = arith.constant 7 : index
  omp.wsloop {
    omp.loop_nest (%i) : index = (%c0) to (%c7) step (%c1) {
      cf.br ^next
    ^next:
      memref.store %x, %a[%i] : memref<8xf32>
      omp.yield
    }
  }
  omp.wsloop {
    omp.loop_nest (%i) : index = (%c0) to (%c7) step (%c1) {
      memref.store %x, %a[%i] : memref<8xf32>
      omp.yield
    }
  }
  return
}
