// RUN: ropegrad-opt %s --ropegrad-lower-tiles=general=true | FileCheck %s
// RUN: ropegrad-opt %s --ropegrad-lower-tiles="vector-bits=512 general=true" | FileCheck %s --check-prefix=WIDE

// The forward pass: logits, online softmax and the product with V in one nest;
// nothing has n×n elements. Two heads share a key head: four chunks of their
// row tiles run in parallel, each on scratch of its own.
// CHECK-LABEL: func.func @forward
// CHECK-NOT: ropegrad.
// CHECK-NOT: 1000x1000
// CHECK-NOT: memref.alloc
// CHECK: scf.parallel {{.*}} to (%c4{{[_0-9]*}})
// CHECK: memref.alloc
// CHECK: scf.for
// CHECK: call @[[LOGITS:ropegrad_gemm_[A-Za-z0-9_]+_set_s[0-9A-F]+]](
// CHECK: scf.for
// CHECK: math.log
// CHECK: return
// WIDE-LABEL: func.func @forward
// WIDE: vector<16xf32>
func.func @forward(%q: memref<1x2x1000x8xf32>, %k: memref<1x1x1000x8xf32>, %v: memref<1x1x1000x8xf32>,
                   %l: memref<1x2x1000xf32>, %o: memref<1x2x1000x8xf32>) {
  ropegrad.tiles ins(%q, %k, %v : memref<1x2x1000x8xf32>, memref<1x1x1000x8xf32>, memref<1x1x1000x8xf32>)
                 outs(%l, %o : memref<1x2x1000xf32>, memref<1x2x1000x8xf32>) {
  ^bb0(%a: memref<1x2x1000x8xf32>, %b: memref<1x1x1000x8xf32>, %c: memref<1x1x1000x8xf32>):
    %Z = ropegrad.logits %a, %b {scale = 2.5e-1 : f64} : (memref<1x2x1000x8xf32>, memref<1x1x1000x8xf32>) -> !ropegrad.matrix<1x2x1000x1000xf32>
    %L = ropegrad.row_logsumexp %Z : (!ropegrad.matrix<1x2x1000x1000xf32>) -> memref<1x2x1000xf32>
    %S = ropegrad.shift_rows %Z, %L : !ropegrad.matrix<1x2x1000x1000xf32>, memref<1x2x1000xf32>
    %E = ropegrad.exp %S : !ropegrad.matrix<1x2x1000x1000xf32>
    %O = ropegrad.apply %E, %c : (!ropegrad.matrix<1x2x1000x1000xf32>, memref<1x1x1000x8xf32>) -> memref<1x2x1000x8xf32>
    ropegrad.yield %L, %O : memref<1x2x1000xf32>, memref<1x2x1000x8xf32>
  }
  return
}

// Two exits of one product share its tile: one call makes it, two use it.
// CHECK-LABEL: func.func @shared
// CHECK-COUNT-3: call @ropegrad_gemm
// CHECK-NOT: call @ropegrad_gemm
// CHECK: return
func.func @shared(%u: memref<1x1x64x4xf64>, %y: memref<1x1x64x4xf64>, %z: memref<1x1x64x4xf64>) {
  ropegrad.tiles ins(%u : memref<1x1x64x4xf64>) outs(%y, %z : memref<1x1x64x4xf64>, memref<1x1x64x4xf64>) {
  ^bb0(%a: memref<1x1x64x4xf64>):
    %A = ropegrad.outer %a, %a : (memref<1x1x64x4xf64>, memref<1x1x64x4xf64>) -> !ropegrad.matrix<1x1x64x64xf64>
    %0 = ropegrad.apply %A, %a : (!ropegrad.matrix<1x1x64x64xf64>, memref<1x1x64x4xf64>) -> memref<1x1x64x4xf64>
    %1 = ropegrad.apply_transposed %A, %a : (!ropegrad.matrix<1x1x64x64xf64>, memref<1x1x64x4xf64>) -> memref<1x1x64x4xf64>
    ropegrad.yield %0, %1 : memref<1x1x64x4xf64>, memref<1x1x64x4xf64>
  }
  return
}

// A call of a kernel brings batch, n and strides with it. Twelve heads need no
// chunks.
// CHECK-LABEL: func.func @call
// CHECK-SAME: %[[BATCH:arg[0-9]+]]: index {ropegrad.size = "batch"}, %[[N:arg[0-9]+]]: index
// CHECK-SAME: %[[STRIDES:arg[0-9]+]]: memref<6xi64>
// CHECK: %[[AT:.*]] = memref.cast %[[STRIDES]]
// CHECK: memref.load %[[AT]]
// CHECK: %[[UNITS:.*]] = arith.muli %[[BATCH]], %c4
// CHECK: scf.parallel {{.*}} to (%[[UNITS]])
// CHECK: scf.for %{{.*}} to %[[N]] step %c64
// CHECK: return
func.func @call(%q: memref<3x4x1000x8xf32> {ropegrad.strides = 0 : i64}, %y: memref<3x4x1000x8xf32> {ropegrad.strides = 1 : i64},
                %batch: index {ropegrad.size = "batch"}, %n: index {ropegrad.size = "n"}, %strides: memref<6xi64> {ropegrad.size = "strides"}) {
  ropegrad.tiles ins(%q : memref<3x4x1000x8xf32>) outs(%y : memref<3x4x1000x8xf32>) {
  ^bb0(%a: memref<3x4x1000x8xf32>):
    %A = ropegrad.outer %a, %a : (memref<3x4x1000x8xf32>, memref<3x4x1000x8xf32>) -> !ropegrad.matrix<3x4x1000x1000xf32>
    %0 = ropegrad.apply %A, %a : (!ropegrad.matrix<3x4x1000x1000xf32>, memref<3x4x1000x8xf32>) -> memref<3x4x1000x8xf32>
    ropegrad.yield %0 : memref<3x4x1000x8xf32>
  }
  return
}

// Sums over the rows of two groups: four partial sums of 1024·8 numbers each,
// added when all are there.
// CHECK-LABEL: func.func @columns
// CHECK: memref.alloc() {{.*}} : memref<65536xf32>
// CHECK: scf.parallel {{.*}} to (%c8{{[_0-9]*}})
// CHECK: scf.parallel {{.*}} to (%c2{{[_0-9]*}})
// CHECK-COUNT-3: arith.addf
// CHECK: arith.mulf
// CHECK: vector.shuffle
// CHECK: return
func.func @columns(%u: memref<1x4x1000x1xf32>, %y: memref<1x2x1000x8xf32>, %x: memref<1x4x1000x8xf32>) {
  ropegrad.tiles ins(%u, %x : memref<1x4x1000x1xf32>, memref<1x4x1000x8xf32>) outs(%y : memref<1x2x1000x8xf32>) {
  ^bb0(%a: memref<1x4x1000x1xf32>, %b: memref<1x4x1000x8xf32>):
    %A = ropegrad.outer %a, %a : (memref<1x4x1000x1xf32>, memref<1x4x1000x1xf32>) -> !ropegrad.matrix<1x4x1000x1000xf32>
    %0 = ropegrad.apply_transposed %A, %b : (!ropegrad.matrix<1x4x1000x1000xf32>, memref<1x4x1000x8xf32>) -> memref<1x2x1000x8xf32>
    ropegrad.yield %0 : memref<1x2x1000x8xf32>
  }
  return
}

// Sums over the batch: eight units deal the twelve heads out among them, and
// each keeps sums of 4 × (1000 + 1024) numbers.
// CHECK-LABEL: func.func @diagonals
// CHECK: memref.alloc() {{.*}} : memref<64768xf32>
// CHECK: scf.parallel (%[[UNIT:.*]]) = {{.*}} to (%c8{{[_0-9]*}})
// CHECK: scf.for %{{.*}} = %[[UNIT]] to %c12{{[_0-9]*}} step %c8
// CHECK: scf.parallel {{.*}} to (%c4{{[_0-9]*}})
// CHECK-COUNT-7: arith.addf
// CHECK-NOT: arith.addf
// CHECK: return
func.func @diagonals(%u: memref<3x4x1000x8xf32>, %y: memref<4x1999xf32>) {
  ropegrad.tiles ins(%u : memref<3x4x1000x8xf32>) outs(%y : memref<4x1999xf32>) {
  ^bb0(%a: memref<3x4x1000x8xf32>):
    %A = ropegrad.outer %a, %a : (memref<3x4x1000x8xf32>, memref<3x4x1000x8xf32>) -> !ropegrad.matrix<3x4x1000x1000xf32>
    %0 = ropegrad.diagonal_sums %A : (!ropegrad.matrix<3x4x1000x1000xf32>) -> memref<4x1999xf32>
    ropegrad.yield %0 : memref<4x1999xf32>
  }
  return
}

// Dead blocks are skipped: a row tile at i0 meets the columns of its own block
// of 128 rows, four tiles of 64 × 64 a block, and no element is masked.
// CHECK-LABEL: func.func @band
// CHECK: scf.for %[[I0:.*]] = %{{.*}} to %c1024{{[_0-9]*}} step %c256
// CHECK: %[[BLOCK:.*]] = arith.divui %[[I0]], %c128
// CHECK: arith.muli %[[BLOCK]], %c128
// CHECK: scf.for %{{.*}} step %c64
// CHECK-NOT: scf.if
// CHECK-NOT: arith.select
// CHECK: func.call @ropegrad_gemm
// CHECK-NOT: arith.select
// CHECK: return
func.func @band(%u: memref<1x1x1024x4xf32>, %y: memref<1x1x1024x4xf32>) {
  ropegrad.tiles ins(%u : memref<1x1x1024x4xf32>) outs(%y : memref<1x1x1024x4xf32>) {
  ^bb0(%a: memref<1x1x1024x4xf32>):
    %A = ropegrad.outer %a, %a : (memref<1x1x1024x4xf32>, memref<1x1x1024x4xf32>) -> !ropegrad.matrix<1x1x1024x1024xf32>
    %b = ropegrad.block_band {offsets = array<i64: 0>, size = 128 : i64} : () -> !ropegrad.matrix<1x1x1024x1024xf32>
    %B = ropegrad.hadamard %b, %A : !ropegrad.matrix<1x1x1024x1024xf32>
    %0 = ropegrad.apply %B, %a : (!ropegrad.matrix<1x1x1024x1024xf32>, memref<1x1x1024x4xf32>) -> memref<1x1x1024x4xf32>
    ropegrad.yield %0 : memref<1x1x1024x4xf32>
  }
  return
}

// The microkernel keeps its sums in registers over k.
// CHECK: func.func private @[[LOGITS]]({{.*}}passthrough = ["noinline"]
// CHECK: scf.for {{.*}} iter_args
// CHECK: vector.fma
