// RUN: ropegrad-opt %s --ropegrad-runtime-sizes | FileCheck %s
// RUN: ropegrad-opt %s --ropegrad-runtime-sizes=listed=true | FileCheck %s --check-prefix=LISTED

// Sizes and strides follow the arrays; those of rank 4 are numbered, in order,
// and what a caller reads is marked. A residual has no strides of its own.
// CHECK-LABEL: func.func @backward(
// CHECK-SAME: memref<2x4x1000x8xf32> {ropegrad.name = "Q", ropegrad.strides = 0 : i64}
// CHECK-SAME: memref<2x4x1000x9xf32> {ropegrad.name = "residual0", ropegrad.residual}
// CHECK-SAME: memref<1999xf32> {ropegrad.name = "bias"}
// CHECK-SAME: memref<2x4x1000x8xf32> {ropegrad.name = "dQ", ropegrad.output, ropegrad.strides = 1 : i64}
// CHECK-SAME: index {ropegrad.size = "batch"}
// CHECK-SAME: index {ropegrad.size = "n"}
// CHECK-SAME: memref<6xi64> {ropegrad.size = "strides"}
// 8 heads in all: two chunks for each, of whole blocks of rows.
// CHECK-SAME: attributes {ropegrad.chunk = 576 : i64}
// Where batch entries are listed, each array has a place for each of them.
// LISTED-LABEL: func.func @backward(
// LISTED-SAME: memref<6xi64> {ropegrad.size = "strides"}, %{{[^:]*}}: memref<4xi64> {ropegrad.size = "entries"})
// LISTED-LABEL: func.func @loss_gradient(
// LISTED-NOT: "entries"
// LISTED-LABEL: func.func @features(
func.func @backward(%q: memref<2x4x1000x8xf32> {ropegrad.name = "Q"},
    %r: memref<2x4x1000x9xf32> {ropegrad.name = "residual0", ropegrad.residual},
    %b: memref<1999xf32> {ropegrad.name = "bias"},
    %dq: memref<2x4x1000x8xf32> {ropegrad.name = "dQ"}) {
  return
}

// Few rows are one chunk; arrays (n, c) have one row per position.
// CHECK-LABEL: func.func @loss_gradient(
// CHECK-SAME: memref<17x4xf32> {ropegrad.name = "A1", ropegrad.rows}
// CHECK-SAME: memref<4x4xf32> {ropegrad.name = "X1"}
// CHECK-SAME: memref<f32> {ropegrad.name = "loss", ropegrad.output}
// CHECK-SAME: memref<1xi64> {ropegrad.size = "strides"}
// CHECK-SAME: attributes {ropegrad.chunk = 576 : i64}
func.func @loss_gradient(%a: memref<17x4xf32> {ropegrad.name = "A1"},
    %x: memref<4x4xf32> {ropegrad.name = "X1"},
    %loss: memref<f32> {ropegrad.name = "loss"}) {
  return
}

// Partial sums of 12341 monomials are worth chunks of a quarter as many rows.
// CHECK-LABEL: func.func @features(
// CHECK-SAME: attributes {ropegrad.chunk = 3264 : i64}
func.func @features(%q: memref<1x1x16384x40xf32> {ropegrad.name = "Q"}) {
  %v = memref.alloc() : memref<1x1x16384x3xf32>
  %g = memref.alloc() : memref<1x1x12341x3xf32>
  ropegrad.accumulate ins(%q, %v : memref<1x1x16384x40xf32>, memref<1x1x16384x3xf32>) outs(%g : memref<1x1x12341x3xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5, 0.1>, scale = 1.0 : f64}
  return
}

// Units of work have whole chunks of rows that share a state.
// CHECK-LABEL: func.func @chunks(
// CHECK-SAME: attributes {ropegrad.chunk = 1920 : i64}
func.func @chunks(%q: memref<1x1x16384x2xf32> {ropegrad.name = "Q"}) {
  %v = memref.alloc() : memref<1x1x16384x3xf32>
  %s = memref.alloc() : memref<1x1x52x3x3xf32>
  ropegrad.chunk_states ins(%q, %v : memref<1x1x16384x2xf32>, memref<1x1x16384x3xf32>) outs(%s : memref<1x1x52x3x3xf32>) {chunk = 320 : i64, coefficients = array<f64: 1.0, 1.0>, scale = 1.0 : f64}
  return
}

// Functions that say nothing of their arrays have the sizes of their types.
// CHECK-LABEL: func.func @anonymous(
// CHECK-SAME: %{{[^:]*}}: memref<1x2x64x4xf32>) {
func.func @anonymous(%q: memref<1x2x64x4xf32>) {
  return
}
