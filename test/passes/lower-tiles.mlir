// RUN: ropegrad-opt %s --ropegrad-lower-tiles | FileCheck %s
// RUN: ropegrad-opt %s --ropegrad-lower-tiles=vector-bits=512 | FileCheck %s --check-prefix=WIDE

// The forward pass: logits, online softmax and the product with V in one nest;
// nothing has n×n elements.
// CHECK-LABEL: func.func @forward
// CHECK-NOT: ropegrad.
// CHECK-NOT: 1000x1000
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

// The microkernel keeps its sums in registers over k.
// CHECK: func.func private @[[LOGITS]]({{.*}}passthrough = ["noinline"]
// CHECK: scf.for {{.*}} iter_args
// CHECK: vector.fma
