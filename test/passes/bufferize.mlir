// RUN: ropegrad-opt %s --ropegrad-bufferize -canonicalize | FileCheck %s
// RUN: not ropegrad-opt %S/Inputs/matrix-result.mlir --ropegrad-bufferize 2>&1 | FileCheck %s --check-prefix=MATRIX

// MATRIX: matrix-result.mlir:3:8: error: op was not bufferized

// A result becomes a destination, written in place.
// CHECK-LABEL: func.func @rotate(
// CHECK-SAME: %[[X:.*]]: memref<1x1x8x4xf32>, %[[Y:.*]]: memref<1x1x8x4xf32>) {
// CHECK-NEXT: ropegrad.rotate ins(%[[X]] : memref<1x1x8x4xf32>) outs(%[[Y]] : memref<1x1x8x4xf32>)
// CHECK-NEXT: return
func.func @rotate(%x: tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32> {
  %e = tensor.empty() : tensor<1x1x8x4xf32>
  %0 = ropegrad.rotate ins(%x : tensor<1x1x8x4xf32>) outs(%e : tensor<1x1x8x4xf32>) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>} -> tensor<1x1x8x4xf32>
  return %0 : tensor<1x1x8x4xf32>
}

// An intermediate is allocated.
// CHECK-LABEL: func.func @chain(
// CHECK-SAME: %[[X:.*]]: memref<1x1x8x2xf32>, %[[Y:.*]]: memref<1x1x8x2xf32>) {
// CHECK: %[[G:.*]] = memref.alloc() {{.*}} : memref<1x1x6x2xf32>
// CHECK: ropegrad.accumulate ins(%[[X]], %[[X]] : {{.*}}) outs(%[[G]] :
// CHECK: ropegrad.expand ins(%[[X]], %[[G]] : {{.*}}) outs(%[[Y]] :
func.func @chain(%x: tensor<1x1x8x2xf32>) -> tensor<1x1x8x2xf32> {
  %e = tensor.empty() : tensor<1x1x6x2xf32>
  %G = ropegrad.accumulate ins(%x, %x : tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) outs(%e : tensor<1x1x6x2xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.5 : f64} -> tensor<1x1x6x2xf32>
  %f = tensor.empty() : tensor<1x1x8x2xf32>
  %0 = ropegrad.expand ins(%x, %G : tensor<1x1x8x2xf32>, tensor<1x1x6x2xf32>) outs(%f : tensor<1x1x8x2xf32>) {degree = 2 : i64} -> tensor<1x1x8x2xf32>
  return %0 : tensor<1x1x8x2xf32>
}

// A strided slice is copied before a kernel reads it.
// CHECK-LABEL: func.func @slice(
// CHECK: %[[S:.*]] = memref.subview %{{.*}} to memref<1x1x8x2xf32, strided<[32, 32, 4, 1]>>
// CHECK: %[[C:.*]] = memref.alloc() : memref<1x1x8x2xf32>
// CHECK: linalg.copy ins(%[[S]] : {{.*}}) outs(%[[C]] : memref<1x1x8x2xf32>)
// CHECK: ropegrad.rotate ins(%[[C]] :
func.func @slice(%x: tensor<1x1x8x4xf32>) -> tensor<1x1x8x2xf32> {
  %s = tensor.extract_slice %x[0, 0, 0, 0] [1, 1, 8, 2] [1, 1, 1, 1] : tensor<1x1x8x4xf32> to tensor<1x1x8x2xf32>
  %e = tensor.empty() : tensor<1x1x8x2xf32>
  %0 = ropegrad.rotate ins(%s : tensor<1x1x8x2xf32>) outs(%e : tensor<1x1x8x2xf32>) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>} -> tensor<1x1x8x2xf32>
  return %0 : tensor<1x1x8x2xf32>
}

// The body of tiles speaks of buffers too.
// CHECK-LABEL: func.func @tiles(
// CHECK: ropegrad.tiles ins(%{{.*}} : memref<1x1x8x4xf32>) outs(%{{.*}} : memref<1x1x8xf32>) {
// CHECK-NEXT: ^bb0(%[[A:.*]]: memref<1x1x8x4xf32>):
// CHECK-NEXT: ropegrad.outer %[[A]], %[[A]] : (memref<1x1x8x4xf32>, memref<1x1x8x4xf32>)
// CHECK-NEXT: ropegrad.row_sums %{{.*}} -> memref<1x1x8xf32>
// CHECK-NEXT: ropegrad.yield %{{.*}} : memref<1x1x8xf32>
func.func @tiles(%u: tensor<1x1x8x4xf32>) -> tensor<1x1x8xf32> {
  %e = tensor.empty() : tensor<1x1x8xf32>
  %0 = ropegrad.tiles ins(%u : tensor<1x1x8x4xf32>) outs(%e : tensor<1x1x8xf32>) {
  ^bb0(%a: tensor<1x1x8x4xf32>):
    %A = ropegrad.outer %a, %a : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
    %1 = ropegrad.row_sums %A : (!ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
    ropegrad.yield %1 : tensor<1x1x8xf32>
  } -> tensor<1x1x8xf32>
  return %0 : tensor<1x1x8xf32>
}

// Two results that are one value get a destination each.
// CHECK-LABEL: func.func @twice(
// CHECK-SAME: %[[X:.*]]: memref<1x1x8x4xf32>, %[[Y:.*]]: memref<1x1x8x4xf32>, %[[Z:.*]]: memref<1x1x8x4xf32>) {
// CHECK: ropegrad.rotate ins(%[[X]] : {{.*}}) outs(%[[Y]] :
// CHECK: linalg.copy ins(%[[Y]] : {{.*}}) outs(%[[Z]] :
func.func @twice(%x: tensor<1x1x8x4xf32>) -> (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) {
  %e = tensor.empty() : tensor<1x1x8x4xf32>
  %0 = ropegrad.rotate ins(%x : tensor<1x1x8x4xf32>) outs(%e : tensor<1x1x8x4xf32>) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>} -> tensor<1x1x8x4xf32>
  return %0, %0 : tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>
}

// Another width is another buffer.
// CHECK-LABEL: func.func @convert(
// CHECK-SAME: %[[X:.*]]: memref<1x1x8x4xbf16>, %[[Y:.*]]: memref<1x1x8x4xbf16>) {
// CHECK: %[[W:.*]] = memref.alloc() {{.*}} : memref<1x1x8x4xf32>
// CHECK: ropegrad.convert ins(%[[X]] : memref<1x1x8x4xbf16>) outs(%[[W]] : memref<1x1x8x4xf32>)
// CHECK: ropegrad.convert ins(%[[W]] : memref<1x1x8x4xf32>) outs(%[[Y]] : memref<1x1x8x4xbf16>)
func.func @convert(%x: tensor<1x1x8x4xbf16>) -> tensor<1x1x8x4xbf16> {
  %e = tensor.empty() : tensor<1x1x8x4xf32>
  %0 = ropegrad.convert ins(%x : tensor<1x1x8x4xbf16>) outs(%e : tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  %f = tensor.empty() : tensor<1x1x8x4xbf16>
  %1 = ropegrad.convert ins(%0 : tensor<1x1x8x4xf32>) outs(%f : tensor<1x1x8x4xbf16>) -> tensor<1x1x8x4xbf16>
  return %1 : tensor<1x1x8x4xbf16>
}

// A check only looks: the column that it hands on is not copied, nor is the
// rest of its array, which is read afterwards.
// CHECK-LABEL: func.func @looked_at(
// CHECK-SAME: %[[COLUMN:[a-z0-9]+]]: memref<1x1x8xf32>, %[[N:[a-z0-9]+]]: memref<1x1x8x3xf32>
// CHECK-NEXT: ropegrad.append_column ins({{.*}}) outs(%[[N]]
// CHECK-NEXT: %[[D:.*]] = memref.subview %[[N]][0, 0, 0, 2]
// CHECK-NEXT: ropegrad.require_positive outs(%[[D]]
// CHECK-NEXT: linalg.copy ins(%[[D]] {{.*}} outs(%[[COLUMN]]
// CHECK-NEXT: return
func.func @looked_at(%x: tensor<1x1x8x2xf32>) -> (tensor<1x1x8xf32>, tensor<1x1x8x3xf32>) {
  %0 = tensor.empty() : tensor<1x1x8x3xf32>
  %N = ropegrad.append_column ins(%x : tensor<1x1x8x2xf32>) outs(%0 : tensor<1x1x8x3xf32>) -> tensor<1x1x8x3xf32>
  %d = tensor.extract_slice %N[0, 0, 0, 2] [1, 1, 8, 1] [1, 1, 1, 1] : tensor<1x1x8x3xf32> to tensor<1x1x8xf32>
  %D = ropegrad.require_positive outs(%d : tensor<1x1x8xf32>) -> tensor<1x1x8xf32>
  return %D, %N : tensor<1x1x8xf32>, tensor<1x1x8x3xf32>
}

// Convolutions read contiguous buffers and write to the result's own.
// CHECK-LABEL: func.func @convolve(
// CHECK-SAME: %[[X:.*]]: memref<1x1x8x4xf32>, %[[T:.*]]: memref<15xf32>, %[[Y:.*]]: memref<1x1x8x4xf32>, %[[D:.*]]: memref<15xf32>) {
// CHECK: ropegrad.toeplitz_apply ins(%[[X]], %[[T]] : {{.*}}) outs(%[[Y]] :
// CHECK: ropegrad.toeplitz_correlate ins(%[[Y]], %[[X]] : {{.*}}) outs(%[[D]] :
func.func @convolve(%x: tensor<1x1x8x4xf32>, %T: tensor<15xf32>) -> (tensor<1x1x8x4xf32>, tensor<15xf32>) {
  %e = tensor.empty() : tensor<1x1x8x4xf32>
  %0 = ropegrad.toeplitz_apply ins(%x, %T : tensor<1x1x8x4xf32>, tensor<15xf32>) outs(%e : tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  %f = tensor.empty() : tensor<15xf32>
  %1 = ropegrad.toeplitz_correlate ins(%0, %x : tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) outs(%f : tensor<15xf32>) -> tensor<15xf32>
  return %0, %1 : tensor<1x1x8x4xf32>, tensor<15xf32>
}
