// Every op and type, pretty and generic, survives printing and parsing.
// RUN: ropegrad-opt %s | ropegrad-opt | FileCheck %s
// RUN: ropegrad-opt %s -mlir-print-op-generic | ropegrad-opt | FileCheck %s
// RUN: ropegrad-opt %s -mlir-print-op-generic | FileCheck %s --check-prefix=GENERIC

//===----------------------------------------------------------------------===//
// Level 1: problems
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func.func @attention(
// CHECK: ropegrad.attention(%{{.*}}, %{{.*}}, %{{.*}}) {mask = #ropegrad.mask<causal>, position = #ropegrad.rotary<interleaved, base = 1.000000e+04 : f64>, scale = 2.500000e-01 : f64} : (tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>) -> tensor<1x2x64x4xf32>
// GENERIC: "ropegrad.attention"
// GENERIC-SAME: operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>
func.func @attention(%q: tensor<1x2x64x4xf32>, %k: tensor<1x1x64x4xf32>) -> tensor<1x2x64x4xf32> {
  %0 = ropegrad.attention(%q, %k, %k) {mask = #ropegrad.mask<causal>, position = #ropegrad.rotary<interleaved, base = 1.0e+4 : f64>, scale = 2.5e-1 : f64} : (tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>) -> tensor<1x2x64x4xf32>
  return %0 : tensor<1x2x64x4xf32>
}

// CHECK-LABEL: func.func @attention_sides(
// CHECK: ropegrad.attention(%{{.*}}, %{{.*}}, %{{.*}}) position(%{{.*}}) bias(%{{.*}}) {alibi = array<f64: 5.000000e-01, 2.500000e-01>, mask = #ropegrad.mask<window>, position = #ropegrad.general<[0, 0, 0, 1]>, scale = 5.000000e-01 : f64, window = 3 : i64}
// GENERIC: "ropegrad.attention"
// GENERIC-SAME: operandSegmentSizes = array<i32: 1, 1, 1, 1, 1>
func.func @attention_sides(%q: tensor<1x2x8x4xf64>, %w: tensor<15x2xf64>, %b: tensor<2x15xf64>) -> tensor<1x2x8x4xf64> {
  %0 = ropegrad.attention(%q, %q, %q) position(%w) bias(%b) {alibi = array<f64: 0.5, 0.25>, mask = #ropegrad.mask<window>, position = #ropegrad.general<[0, 0, 0, 1]>, scale = 0.5 : f64, window = 3 : i64} : (tensor<1x2x8x4xf64>, tensor<1x2x8x4xf64>, tensor<1x2x8x4xf64>, tensor<15x2xf64>, tensor<2x15xf64>) -> tensor<1x2x8x4xf64>
  return %0 : tensor<1x2x8x4xf64>
}

// CHECK-LABEL: func.func @attention_vjp(
// CHECK: %{{.*}}:2 = ropegrad.attention_vjp(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) {scale = 2.500000e-01 : f64, wrt = ["Q", "V"]}
// GENERIC: "ropegrad.attention_vjp"
func.func @attention_vjp(%q: tensor<1x2x64x4xf32>, %k: tensor<1x1x64x4xf32>) -> (tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>) {
  %0:2 = ropegrad.attention_vjp(%q, %k, %k, %q) {scale = 2.5e-1 : f64, wrt = ["Q", "V"]} : (tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x2x64x4xf32>) -> (tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>)
  return %0#0, %0#1 : tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>
}

// CHECK-LABEL: func.func @loss(
// CHECK: ropegrad.loss(%{{.*}}) {degree = 3 : i64, fit = #ropegrad.fit<taylor>, radius = 5.000000e-01 : f64, route = #ropegrad.route<features>, scale = 2.500000e-01 : f64, tolerance = 1.000000e-02 : f64} : {{.*}} -> tensor<f32>
// GENERIC: "ropegrad.loss"
func.func @loss(%a: tensor<64x4xf32>, %x: tensor<4x4xf32>) -> tensor<f32> {
  %0 = ropegrad.loss(%a, %a, %a, %x, %x, %x, %a) {degree = 3 : i64, fit = #ropegrad.fit<taylor>, radius = 0.5 : f64, route = #ropegrad.route<features>, scale = 2.5e-1 : f64, tolerance = 1.0e-2 : f64} : (tensor<64x4xf32>, tensor<64x4xf32>, tensor<64x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>, tensor<64x4xf32>) -> tensor<f32>
  return %0 : tensor<f32>
}

// CHECK-LABEL: func.func @loss_vjp(
// CHECK: ropegrad.loss_vjp(%{{.*}}) position(%{{.*}}) bias(%{{.*}}) {position = #ropegrad.general<[0, 0, 0, 1]>, scale = 2.500000e-01 : f64, wrt = ["X1", "X2", "Y", "X", "A1", "A2", "A3", "W", "bias"]}
// GENERIC: "ropegrad.loss_vjp"
func.func @loss_vjp(%a: tensor<8x3xf32>, %x: tensor<3x4xf32>, %e: tensor<8x4xf32>, %w: tensor<15x2xf32>, %b: tensor<15xf32>) -> tensor<9x2xf32> {
  %0:9 = ropegrad.loss_vjp(%a, %a, %a, %x, %x, %x, %e) position(%w) bias(%b) {position = #ropegrad.general<[0, 0, 0, 1]>, scale = 2.5e-1 : f64, wrt = ["X1", "X2", "Y", "X", "A1", "A2", "A3", "W", "bias"]} : (tensor<8x3xf32>, tensor<8x3xf32>, tensor<8x3xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<8x4xf32>, tensor<15x2xf32>, tensor<15xf32>) -> (tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<9x2xf32>, tensor<8x3xf32>, tensor<8x3xf32>, tensor<8x3xf32>, tensor<15x2xf32>, tensor<15xf32>)
  return %0#3 : tensor<9x2xf32>
}

// CHECK-LABEL: func.func @loss_similarity(
// CHECK: ropegrad.loss(%{{.*}}) {scale = 1.000000e+00 : f64, similarity = array<f64: 1.000000e+00, 0.000000e+00, 5.000000e-01>, support = array<i64: 1, 1, 0, 0>}
func.func @loss_similarity(%a: tensor<5x2xf32>, %x: tensor<2x2xf32>) -> tensor<f32> {
  %0 = ropegrad.loss(%a, %a, %a, %x, %x, %x, %a) {scale = 1.0 : f64, similarity = array<f64: 1.0, 0.0, 0.5>, support = array<i64: 1, 1, 0, 0>} : (tensor<5x2xf32>, tensor<5x2xf32>, tensor<5x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<5x2xf32>) -> tensor<f32>
  return %0 : tensor<f32>
}

//===----------------------------------------------------------------------===//
// Level 2: implicit matrices
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func.func private @matrix_type(!ropegrad.matrix<2x3x5x5xf64>)
// GENERIC: !ropegrad.matrix<2x3x5x5xf64>
func.func private @matrix_type(!ropegrad.matrix<2x3x5x5xf64>)

// CHECK-LABEL: func.func @matrices(
func.func @matrices(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %w: tensor<15x2xf32>, %bias: tensor<2x15xf32>, %r: tensor<1x2x8xf32>) {
  // CHECK: %[[Z:.*]] = ropegrad.logits %{{.*}}, %{{.*}} {scale = 2.500000e-01 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  // GENERIC: "ropegrad.logits"
  %Z = ropegrad.logits %q, %k {scale = 2.5e-1 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  // CHECK: ropegrad.logits %{{.*}}, %{{.*}} position(%{{.*}}) {scale = 1.000000e+00 : f64, support = array<i64: 0, 0, 3, 1>} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<15x2xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  // GENERIC: "ropegrad.logits"
  %G = ropegrad.logits %q, %k position(%w) {scale = 1.0 : f64, support = array<i64: 0, 0, 3, 1>} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<15x2xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  // CHECK: ropegrad.exp %[[Z]] : !ropegrad.matrix<1x2x8x8xf32>
  // GENERIC: "ropegrad.exp"
  %E = ropegrad.exp %Z : !ropegrad.matrix<1x2x8x8xf32>
  // CHECK: ropegrad.exp %[[Z]] {order = 1 : i64, plan = #ropegrad.plan<route = exact, fit = minimax>} : !ropegrad.matrix<1x2x8x8xf32>
  // GENERIC: "ropegrad.exp"
  %E1 = ropegrad.exp %Z {order = 1 : i64, plan = #ropegrad.plan<route = exact, fit = minimax>} : !ropegrad.matrix<1x2x8x8xf32>
  // CHECK: ropegrad.polynomial %[[Z]] {coefficients = array<f64: 1.000000e+00, 1.000000e+00, 5.000000e-01>, delta = 1.000000e-02 : f64, delta_prime = 2.000000e-02 : f64, order = 1 : i64, radius = 5.000000e-01 : f64} : !ropegrad.matrix<1x2x8x8xf32>
  // GENERIC: "ropegrad.polynomial"
  %P = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, delta = 0.01 : f64, delta_prime = 0.02 : f64, order = 1 : i64, radius = 0.5 : f64} : !ropegrad.matrix<1x2x8x8xf32>
  // CHECK: ropegrad.toeplitz {alibi = array<f64: 5.000000e-01>, mask = #ropegrad.mask<window>, window = 3 : i64} : () -> !ropegrad.matrix<1x2x8x8xf32>
  // GENERIC: "ropegrad.toeplitz"
  %t = ropegrad.toeplitz {mask = #ropegrad.mask<window>, window = 3 : i64, alibi = array<f64: 0.5>} : () -> !ropegrad.matrix<1x2x8x8xf32>
  // CHECK: ropegrad.toeplitz bias(%{{.*}}) {mask = #ropegrad.mask<causal>} : (tensor<2x15xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  // GENERIC: "ropegrad.toeplitz"
  %tb = ropegrad.toeplitz bias(%bias) {mask = #ropegrad.mask<causal>} : (tensor<2x15xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  // CHECK: ropegrad.toeplitz {factors = [#ropegrad.factor<step>, #ropegrad.factor<general>], lowering = #ropegrad.route<fft>, mask = #ropegrad.mask<causal>} : () -> !ropegrad.matrix<1x2x8x8xf32>
  // GENERIC: "ropegrad.toeplitz"
  %classified = ropegrad.toeplitz {factors = [#ropegrad.factor<step>, #ropegrad.factor<general>], lowering = #ropegrad.route<fft>, mask = #ropegrad.mask<causal>} : () -> !ropegrad.matrix<1x2x8x8xf32>
  // CHECK: ropegrad.block_band {offsets = array<i64: -1, 0, 3>, size = 2 : i64} : () -> !ropegrad.matrix<1x2x8x8xf32>
  // GENERIC: "ropegrad.block_band"
  %band = ropegrad.block_band {offsets = array<i64: -1, 0, 3>, size = 2 : i64} : () -> !ropegrad.matrix<1x2x8x8xf32>
  // CHECK: ropegrad.hadamard %{{.*}}, %{{.*}} : !ropegrad.matrix<1x2x8x8xf32>
  // GENERIC: "ropegrad.hadamard"
  %H = ropegrad.hadamard %t, %E : !ropegrad.matrix<1x2x8x8xf32>
  // CHECK: ropegrad.outer %{{.*}}, %{{.*}} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  // GENERIC: "ropegrad.outer"
  %O = ropegrad.outer %q, %k : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  // CHECK: ropegrad.scale_rows %{{.*}}, %{{.*}} : !ropegrad.matrix<1x2x8x8xf32>, tensor<1x2x8xf32>
  // GENERIC: "ropegrad.scale_rows"
  %C = ropegrad.scale_rows %H, %r : !ropegrad.matrix<1x2x8x8xf32>, tensor<1x2x8xf32>
  // CHECK: ropegrad.shift_rows %{{.*}}, %{{.*}} : !ropegrad.matrix<1x2x8x8xf32>, tensor<1x2x8xf32>
  // GENERIC: "ropegrad.shift_rows"
  %S = ropegrad.shift_rows %O, %r : !ropegrad.matrix<1x2x8x8xf32>, tensor<1x2x8xf32>
  return
}

// CHECK-LABEL: func.func @exits(
func.func @exits(%A: !ropegrad.matrix<1x2x8x8xf32>, %q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %w: tensor<15x2xf32>) {
  // CHECK: ropegrad.row_logsumexp %{{.*}} : (!ropegrad.matrix<1x2x8x8xf32>) -> tensor<1x2x8xf32>
  // GENERIC: "ropegrad.row_logsumexp"
  %0 = ropegrad.row_logsumexp %A : (!ropegrad.matrix<1x2x8x8xf32>) -> tensor<1x2x8xf32>
  // CHECK: ropegrad.row_logsumexp %{{.*}} prefactor(%{{.*}}) : (!ropegrad.matrix<1x2x8x8xf32>, !ropegrad.matrix<1x2x8x8xf32>) -> tensor<1x2x8xf32>
  // GENERIC: "ropegrad.row_logsumexp"
  %1 = ropegrad.row_logsumexp %A prefactor(%A) : (!ropegrad.matrix<1x2x8x8xf32>, !ropegrad.matrix<1x2x8x8xf32>) -> tensor<1x2x8xf32>
  // CHECK: ropegrad.row_sums %{{.*}} : (!ropegrad.matrix<1x2x8x8xf32>) -> tensor<1x2x8xf32>
  // GENERIC: "ropegrad.row_sums"
  %2 = ropegrad.row_sums %A : (!ropegrad.matrix<1x2x8x8xf32>) -> tensor<1x2x8xf32>
  // CHECK: ropegrad.apply %{{.*}}, %{{.*}} : (!ropegrad.matrix<1x2x8x8xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32>
  // GENERIC: "ropegrad.apply"
  %3 = ropegrad.apply %A, %k : (!ropegrad.matrix<1x2x8x8xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32>
  // CHECK: ropegrad.apply_transposed %{{.*}}, %{{.*}} {scale = 5.000000e-01 : f64} : (!ropegrad.matrix<1x2x8x8xf32>, tensor<1x2x8x4xf32>) -> tensor<1x1x8x4xf32>
  // GENERIC: "ropegrad.apply_transposed"
  %4 = ropegrad.apply_transposed %A, %q {scale = 0.5 : f64} : (!ropegrad.matrix<1x2x8x8xf32>, tensor<1x2x8x4xf32>) -> tensor<1x1x8x4xf32>
  // CHECK: ropegrad.diagonal_sums %{{.*}} : (!ropegrad.matrix<1x2x8x8xf32>) -> tensor<2x15xf32>
  // GENERIC: "ropegrad.diagonal_sums"
  %5 = ropegrad.diagonal_sums %A : (!ropegrad.matrix<1x2x8x8xf32>) -> tensor<2x15xf32>
  // CHECK: ropegrad.diagonal_sums %{{.*}} : (!ropegrad.matrix<1x2x8x8xf32>) -> tensor<15xf32>
  // GENERIC: "ropegrad.diagonal_sums"
  %6 = ropegrad.diagonal_sums %A : (!ropegrad.matrix<1x2x8x8xf32>) -> tensor<15xf32>
  // CHECK: ropegrad.apply_position %{{.*}}, %{{.*}}, %{{.*}} {support = array<i64: 0, 0, 0, 1>} : (!ropegrad.matrix<1x2x8x8xf32>, tensor<1x1x8x4xf32>, tensor<15x2xf32>) -> tensor<1x2x8x4xf32>
  // GENERIC: "ropegrad.apply_position"
  %7 = ropegrad.apply_position %A, %k, %w {support = array<i64: 0, 0, 0, 1>} : (!ropegrad.matrix<1x2x8x8xf32>, tensor<1x1x8x4xf32>, tensor<15x2xf32>) -> tensor<1x2x8x4xf32>
  // CHECK: ropegrad.apply_position %{{.*}}, %{{.*}}, %{{.*}} {support = array<i64: 0, 0, 0, 1>, transposed} : (!ropegrad.matrix<1x2x8x8xf32>, tensor<1x2x8x4xf32>, tensor<15x2xf32>) -> tensor<1x1x8x4xf32>
  // GENERIC: "ropegrad.apply_position"
  %8 = ropegrad.apply_position %A, %q, %w {support = array<i64: 0, 0, 0, 1>, transposed} : (!ropegrad.matrix<1x2x8x8xf32>, tensor<1x2x8x4xf32>, tensor<15x2xf32>) -> tensor<1x1x8x4xf32>
  // CHECK: ropegrad.position_gradient %{{.*}}, %{{.*}}, %{{.*}} {scale = 2.500000e-01 : f64, support = array<i64: 0, 0, 0, 1>} : (!ropegrad.matrix<1x2x8x8xf32>, tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<15x2xf32>
  // GENERIC: "ropegrad.position_gradient"
  %9 = ropegrad.position_gradient %A, %q, %k {scale = 0.25 : f64, support = array<i64: 0, 0, 0, 1>} : (!ropegrad.matrix<1x2x8x8xf32>, tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<15x2xf32>
  return
}

// CHECK-LABEL: func.func @kronecker_gradient(
func.func @kronecker_gradient(%A: !ropegrad.matrix<1x1x8x8xf32>, %a: tensor<1x1x8x3xf32>, %w: tensor<15x2xf32>) {
  // CHECK: ropegrad.kronecker_gradient %{{.*}}, %{{.*}}, %{{.*}} {position = #ropegrad.no_position, support = array<i64: 0, 0, 1, 1>} : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x3xf32>) -> tensor<9x2xf32>
  // GENERIC: "ropegrad.kronecker_gradient"
  %0 = ropegrad.kronecker_gradient %A, %a, %a {position = #ropegrad.no_position, support = array<i64: 0, 0, 1, 1>} : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x3xf32>) -> tensor<9x2xf32>
  // CHECK: ropegrad.kronecker_gradient %{{.*}}, %{{.*}}, %{{.*}} position(%{{.*}}) {position = #ropegrad.general<[0, 0, 1, 1]>, support = array<i64: 0, 0, 1, 1>}
  // GENERIC: "ropegrad.kronecker_gradient"
  %1 = ropegrad.kronecker_gradient %A, %a, %a position(%w) {position = #ropegrad.general<[0, 0, 1, 1]>, support = array<i64: 0, 0, 1, 1>} : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x3xf32>, tensor<15x2xf32>) -> tensor<9x2xf32>
  return
}

//===----------------------------------------------------------------------===//
// Levels 3 and 4: structured ops on tensors and on buffers
//===----------------------------------------------------------------------===//

// CHECK-LABEL: func.func @structured(
func.func @structured(%x: tensor<1x2x8x2xf32>, %k: tensor<1x1x8x2xf32>, %y: tensor<1x2x8x3xf32>, %r: tensor<1x2x8xf32>, %G: tensor<1x1x6x3xf32>, %s: tensor<f32>) {
  // CHECK: ropegrad.rotate ins(%{{.*}} : tensor<1x2x8x2xf32>) outs(%{{.*}} : tensor<1x2x8x2xf32>) {position = #ropegrad.rotary<half, base = 1.000000e+04 : f64>} -> tensor<1x2x8x2xf32>
  // GENERIC: "ropegrad.rotate"
  %0 = ropegrad.rotate ins(%x : tensor<1x2x8x2xf32>) outs(%x : tensor<1x2x8x2xf32>) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>} -> tensor<1x2x8x2xf32>
  // CHECK: ropegrad.rotate {{.*}} {inverse, position = #ropegrad.rotary<interleaved, base = 5.000000e+05 : f64>} -> tensor<1x2x8x2xf32>
  // GENERIC: "ropegrad.rotate"
  %1 = ropegrad.rotate ins(%x : tensor<1x2x8x2xf32>) outs(%x : tensor<1x2x8x2xf32>) {inverse, position = #ropegrad.rotary<interleaved, base = 5.0e+5 : f64>} -> tensor<1x2x8x2xf32>
  // CHECK: ropegrad.centre_rows ins(%{{.*}} : tensor<1x2x8x2xf32>) outs(%{{.*}} : tensor<1x2x8x2xf32>) -> tensor<1x2x8x2xf32>
  // GENERIC: "ropegrad.centre_rows"
  %c = ropegrad.centre_rows ins(%x : tensor<1x2x8x2xf32>) outs(%x : tensor<1x2x8x2xf32>) -> tensor<1x2x8x2xf32>
  %m = tensor.empty() : tensor<1x1x1x2xf32>
  // CHECK: %{{.*}}:2 = ropegrad.centre_rows ins(%{{.*}} : tensor<1x2x8x2xf32>) outs(%{{.*}}, %{{.*}} : tensor<1x2x8x2xf32>, tensor<1x1x1x2xf32>) -> tensor<1x2x8x2xf32>, tensor<1x1x1x2xf32>
  // GENERIC: "ropegrad.centre_rows"
  %c2:2 = ropegrad.centre_rows ins(%x : tensor<1x2x8x2xf32>) outs(%x, %m : tensor<1x2x8x2xf32>, tensor<1x1x1x2xf32>) -> tensor<1x2x8x2xf32>, tensor<1x1x1x2xf32>
  %kw = tensor.empty() : tensor<1x1x8x1xf32>
  // CHECK: ropegrad.key_weights ins(%{{.*}}, %{{.*}} : tensor<1x1x8x2xf32>, tensor<1x1x1x2xf32>) outs(%{{.*}} : tensor<1x1x8x1xf32>) {scale = 2.500000e-01 : f64} -> tensor<1x1x8x1xf32>
  // GENERIC: "ropegrad.key_weights"
  %c3 = ropegrad.key_weights ins(%k, %m : tensor<1x1x8x2xf32>, tensor<1x1x1x2xf32>) outs(%kw : tensor<1x1x8x1xf32>) {scale = 0.25 : f64} -> tensor<1x1x8x1xf32>
  %mc = tensor.empty() : tensor<1x2x1x2xf32>
  // CHECK: ropegrad.add_outer ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<1x2x8x2xf32>, tensor<1x2x8xf32>, tensor<1x2x1x2xf32>) outs(%{{.*}} : tensor<1x2x8x2xf32>) {scale = 2.500000e-01 : f64} -> tensor<1x2x8x2xf32>
  // GENERIC: "ropegrad.add_outer"
  %c4 = ropegrad.add_outer ins(%x, %r, %mc : tensor<1x2x8x2xf32>, tensor<1x2x8xf32>, tensor<1x2x1x2xf32>) outs(%x : tensor<1x2x8x2xf32>) {scale = 0.25 : f64} -> tensor<1x2x8x2xf32>
  %h = tensor.empty() : tensor<1x2x8x2xf16>
  // CHECK: ropegrad.convert ins(%{{.*}} : tensor<1x2x8x2xf32>) outs(%{{.*}} : tensor<1x2x8x2xf16>) -> tensor<1x2x8x2xf16>
  // GENERIC: "ropegrad.convert"
  %w = ropegrad.convert ins(%x : tensor<1x2x8x2xf32>) outs(%h : tensor<1x2x8x2xf16>) -> tensor<1x2x8x2xf16>
  // CHECK: ropegrad.append_column ins(%{{.*}} : tensor<1x2x8x2xf32>) outs(%{{.*}} : tensor<1x2x8x3xf32>) -> tensor<1x2x8x3xf32>
  // GENERIC: "ropegrad.append_column"
  %2 = ropegrad.append_column ins(%x : tensor<1x2x8x2xf32>) outs(%y : tensor<1x2x8x3xf32>) -> tensor<1x2x8x3xf32>
  // CHECK: ropegrad.append_column ins(%{{.*}}, %{{.*}} : tensor<1x2x8x2xf32>, tensor<1x2x8xf32>) outs(%{{.*}} : tensor<1x2x8x3xf32>) {scale = -1.000000e+00 : f64} -> tensor<1x2x8x3xf32>
  // GENERIC: "ropegrad.append_column"
  %3 = ropegrad.append_column ins(%x, %r : tensor<1x2x8x2xf32>, tensor<1x2x8xf32>) outs(%y : tensor<1x2x8x3xf32>) {scale = -1.0 : f64} -> tensor<1x2x8x3xf32>
  // CHECK: %{{.*}}:3 = ropegrad.guard outs(%{{.*}}, %{{.*}}, %{{.*}} : tensor<f32>, tensor<1x2x8x2xf32>, tensor<1x1x8x2xf32>) {limit = 5.000000e-01 : f64, scale = 2.500000e-01 : f64} -> tensor<f32>, tensor<1x2x8x2xf32>, tensor<1x1x8x2xf32>
  // GENERIC: "ropegrad.guard"
  %4:3 = ropegrad.guard outs(%s, %x, %k : tensor<f32>, tensor<1x2x8x2xf32>, tensor<1x1x8x2xf32>) {limit = 0.5 : f64, scale = 0.25 : f64} -> tensor<f32>, tensor<1x2x8x2xf32>, tensor<1x1x8x2xf32>
  // CHECK: ropegrad.require_positive outs(%{{.*}} : tensor<1x2x8xf32>) -> tensor<1x2x8xf32>
  // GENERIC: "ropegrad.require_positive"
  %8 = ropegrad.require_positive outs(%r : tensor<1x2x8xf32>) -> tensor<1x2x8xf32>
  // CHECK: ropegrad.accumulate ins(%{{.*}}, %{{.*}} : tensor<1x2x8x2xf32>, tensor<1x2x8x3xf32>) outs(%{{.*}} : tensor<1x1x6x3xf32>) {coefficients = array<f64: 1.000000e+00, 1.000000e+00, 5.000000e-01>, scale = 5.000000e-01 : f64} -> tensor<1x1x6x3xf32>
  // GENERIC: "ropegrad.accumulate"
  %5 = ropegrad.accumulate ins(%x, %y : tensor<1x2x8x2xf32>, tensor<1x2x8x3xf32>) outs(%G : tensor<1x1x6x3xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.5 : f64} -> tensor<1x1x6x3xf32>
  // CHECK: ropegrad.expand ins(%{{.*}}, %{{.*}} : tensor<1x2x8x2xf32>, tensor<1x1x6x3xf32>) outs(%{{.*}} : tensor<1x2x8x3xf32>) {degree = 2 : i64} -> tensor<1x2x8x3xf32>
  // GENERIC: "ropegrad.expand"
  %6 = ropegrad.expand ins(%x, %G : tensor<1x2x8x2xf32>, tensor<1x1x6x3xf32>) outs(%y : tensor<1x2x8x3xf32>) {degree = 2 : i64} -> tensor<1x2x8x3xf32>
  // CHECK: ropegrad.reverse ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<1x2x8x2xf32>, tensor<1x1x6x3xf32>, tensor<1x2x8x3xf32>) outs(%{{.*}} : tensor<1x2x8x2xf32>) {degree = 2 : i64} -> tensor<1x2x8x2xf32>
  // GENERIC: "ropegrad.reverse"
  %7 = ropegrad.reverse ins(%x, %G, %y : tensor<1x2x8x2xf32>, tensor<1x1x6x3xf32>, tensor<1x2x8x3xf32>) outs(%x : tensor<1x2x8x2xf32>) {degree = 2 : i64} -> tensor<1x2x8x2xf32>
  return
}

// CHECK-LABEL: func.func @chunks(
func.func @chunks(%x: tensor<1x2x10x2xf32>, %k: tensor<1x1x10x2xf32>, %y: tensor<1x2x10x3xf32>, %S: tensor<1x1x3x6x3xf32>) {
  // CHECK: ropegrad.decay_rows ins(%{{.*}} : tensor<1x1x10x2xf32>) outs(%{{.*}} : tensor<1x2x10x2xf32>) {chunk = 4 : i64, descending, first = 3 : i64, slopes = array<f64: 5.000000e-01, 0.000000e+00>} -> tensor<1x2x10x2xf32>
  // GENERIC: "ropegrad.decay_rows"
  %0 = ropegrad.decay_rows ins(%k : tensor<1x1x10x2xf32>) outs(%x : tensor<1x2x10x2xf32>) {chunk = 4 : i64, descending, first = 3 : i64, slopes = array<f64: 0.5, 0.0>} -> tensor<1x2x10x2xf32>
  // CHECK: ropegrad.chunk_states ins(%{{.*}}, %{{.*}} : tensor<1x1x10x2xf32>, tensor<1x2x10x3xf32>) outs(%{{.*}} : tensor<1x1x3x6x3xf32>) {chunk = 4 : i64, coefficients = array<f64: 1.000000e+00, 1.000000e+00, 5.000000e-01>, reach = 2 : i64, reversed, scale = 5.000000e-01 : f64, slopes = array<f64: 2.500000e-01>} -> tensor<1x1x3x6x3xf32>
  // GENERIC: "ropegrad.chunk_states"
  %1 = ropegrad.chunk_states ins(%k, %y : tensor<1x1x10x2xf32>, tensor<1x2x10x3xf32>) outs(%S : tensor<1x1x3x6x3xf32>) {chunk = 4 : i64, coefficients = array<f64: 1.0, 1.0, 0.5>, reach = 2 : i64, reversed, scale = 0.5 : f64, slopes = array<f64: 0.25>} -> tensor<1x1x3x6x3xf32>
  // CHECK: ropegrad.chunk_expand ins(%{{.*}}, %{{.*}} : tensor<1x2x10x2xf32>, tensor<1x1x3x6x3xf32>) outs(%{{.*}} : tensor<1x2x10x3xf32>) {chunk = 4 : i64, degree = 2 : i64} -> tensor<1x2x10x3xf32>
  // GENERIC: "ropegrad.chunk_expand"
  %2 = ropegrad.chunk_expand ins(%x, %S : tensor<1x2x10x2xf32>, tensor<1x1x3x6x3xf32>) outs(%y : tensor<1x2x10x3xf32>) {chunk = 4 : i64, degree = 2 : i64} -> tensor<1x2x10x3xf32>
  // CHECK: ropegrad.chunk_reverse ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<1x1x10x2xf32>, tensor<1x1x3x6x3xf32>, tensor<1x2x10x3xf32>) outs(%{{.*}} : tensor<1x2x10x2xf32>) {chunk = 4 : i64, degree = 2 : i64} -> tensor<1x2x10x2xf32>
  // GENERIC: "ropegrad.chunk_reverse"
  %3 = ropegrad.chunk_reverse ins(%k, %S, %y : tensor<1x1x10x2xf32>, tensor<1x1x3x6x3xf32>, tensor<1x2x10x3xf32>) outs(%x : tensor<1x2x10x2xf32>) {chunk = 4 : i64, degree = 2 : i64} -> tensor<1x2x10x2xf32>
  return
}

// CHECK-LABEL: func.func @position_features(
func.func @position_features(%q: tensor<1x1x8x2xf32>, %u: tensor<1x1x8x3xf32>, %G: tensor<4x2xf32>, %W: tensor<15x2xf32>) {
  // CHECK: ropegrad.kronecker_features ins({{.*}}) outs(%{{.*}} : tensor<4x2xf32>) {coefficients = array<f64: 1.000000e+00, 1.000000e+00>, position = #ropegrad.no_position, scale = 5.000000e-01 : f64, support = array<i64: 0, 0, 1, 1>} -> tensor<4x2xf32>
  // GENERIC: "ropegrad.kronecker_features"
  %0 = ropegrad.kronecker_features ins(%q, %q, %u, %u, %q, %q : tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) outs(%G : tensor<4x2xf32>) {coefficients = array<f64: 1.0, 1.0>, position = #ropegrad.no_position, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>} -> tensor<4x2xf32>
  // CHECK: ropegrad.position_table outs(%{{.*}} : tensor<15x2xf32>) {d = 2 : i64, position = #ropegrad.no_position, support = array<i64: 0, 0, 1, 1>} -> tensor<15x2xf32>
  // GENERIC: "ropegrad.position_table"
  %1 = ropegrad.position_table outs(%W : tensor<15x2xf32>) {d = 2 : i64, position = #ropegrad.no_position, support = array<i64: 0, 0, 1, 1>} -> tensor<15x2xf32>
  return
}

// CHECK-LABEL: func.func @convolutions(
func.func @convolutions(%x: tensor<1x2x8x3xf32>, %T: tensor<15xf32>, %D: tensor<2x15xf32>) {
  // CHECK: ropegrad.toeplitz_apply ins(%{{.*}}, %{{.*}} : tensor<1x2x8x3xf32>, tensor<15xf32>) outs(%{{.*}} : tensor<1x2x8x3xf32>) -> tensor<1x2x8x3xf32>
  // GENERIC: "ropegrad.toeplitz_apply"
  %0 = ropegrad.toeplitz_apply ins(%x, %T : tensor<1x2x8x3xf32>, tensor<15xf32>) outs(%x : tensor<1x2x8x3xf32>) -> tensor<1x2x8x3xf32>
  // CHECK: ropegrad.toeplitz_apply ins(%{{.*}}, %{{.*}} : tensor<1x2x8x3xf32>, tensor<2x15xf32>) outs(%{{.*}} : tensor<1x2x8x3xf32>) {transposed} -> tensor<1x2x8x3xf32>
  %1 = ropegrad.toeplitz_apply ins(%x, %D : tensor<1x2x8x3xf32>, tensor<2x15xf32>) outs(%x : tensor<1x2x8x3xf32>) {transposed} -> tensor<1x2x8x3xf32>
  // CHECK: ropegrad.toeplitz_correlate ins(%{{.*}}, %{{.*}} : tensor<1x2x8x3xf32>, tensor<1x2x8x3xf32>) outs(%{{.*}} : tensor<2x15xf32>) -> tensor<2x15xf32>
  // GENERIC: "ropegrad.toeplitz_correlate"
  %2 = ropegrad.toeplitz_correlate ins(%x, %0 : tensor<1x2x8x3xf32>, tensor<1x2x8x3xf32>) outs(%D : tensor<2x15xf32>) -> tensor<2x15xf32>
  return
}

// CHECK-LABEL: func.func @tiles(
func.func @tiles(%u: tensor<1x1x8x4xf32>, %e: tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32> {
  // CHECK: %{{.*}} = ropegrad.tiles ins(%{{.*}} : tensor<1x1x8x4xf32>) outs(%{{.*}} : tensor<1x1x8x4xf32>) {
  // CHECK-NEXT: ^bb0(%[[ARG:.*]]: tensor<1x1x8x4xf32>):
  // CHECK: %[[Y:.*]] = ropegrad.apply %{{.*}}, %[[ARG]]
  // CHECK-NEXT: ropegrad.yield %[[Y]] : tensor<1x1x8x4xf32>
  // CHECK-NEXT: } -> tensor<1x1x8x4xf32>
  // GENERIC: "ropegrad.tiles"
  // GENERIC: "ropegrad.yield"
  %0 = ropegrad.tiles ins(%u : tensor<1x1x8x4xf32>) outs(%e : tensor<1x1x8x4xf32>) {
  ^bb0(%a: tensor<1x1x8x4xf32>):
    %A = ropegrad.outer %a, %a : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
    %1 = ropegrad.apply %A, %a : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
    ropegrad.yield %1 : tensor<1x1x8x4xf32>
  } -> tensor<1x1x8x4xf32>
  return %0 : tensor<1x1x8x4xf32>
}

// CHECK-LABEL: func.func @buffers(
func.func @buffers(%x: memref<1x2x8x2xf32>, %k: memref<1x1x8x2xf32>, %y: memref<1x2x8x3xf32>, %s: memref<f32>, %l: memref<1x2x8xf32>) {
  // CHECK: ropegrad.rotate ins(%{{.*}} : memref<1x2x8x2xf32>) outs(%{{.*}} : memref<1x2x8x2xf32>) {position = #ropegrad.rotary<half, base = 1.000000e+04 : f64>}{{$}}
  // GENERIC: "ropegrad.rotate"
  ropegrad.rotate ins(%x : memref<1x2x8x2xf32>) outs(%x : memref<1x2x8x2xf32>) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>}
  // CHECK: ropegrad.centre_rows ins(%{{.*}} : memref<1x2x8x2xf32>) outs(%{{.*}} : memref<1x2x8x2xf32>){{$}}
  // GENERIC: "ropegrad.centre_rows"
  ropegrad.centre_rows ins(%x : memref<1x2x8x2xf32>) outs(%x : memref<1x2x8x2xf32>)
  %h = memref.alloc() : memref<1x2x8x2xbf16>
  // CHECK: ropegrad.convert ins(%{{.*}} : memref<1x2x8x2xbf16>) outs(%{{.*}} : memref<1x2x8x2xf32>){{$}}
  // GENERIC: "ropegrad.convert"
  ropegrad.convert ins(%h : memref<1x2x8x2xbf16>) outs(%x : memref<1x2x8x2xf32>)
  // CHECK: ropegrad.append_column ins(%{{.*}} : memref<1x2x8x2xf32>) outs(%{{.*}} : memref<1x2x8x3xf32>){{$}}
  // GENERIC: "ropegrad.append_column"
  ropegrad.append_column ins(%x : memref<1x2x8x2xf32>) outs(%y : memref<1x2x8x3xf32>)
  // CHECK: ropegrad.guard outs(%{{.*}}, %{{.*}}, %{{.*}} : memref<f32>, memref<1x2x8x2xf32>, memref<1x1x8x2xf32>) {limit = 5.000000e-01 : f64, scale = 2.500000e-01 : f64}{{$}}
  // GENERIC: "ropegrad.guard"
  ropegrad.guard outs(%s, %x, %k : memref<f32>, memref<1x2x8x2xf32>, memref<1x1x8x2xf32>) {limit = 0.5 : f64, scale = 0.25 : f64}
  // CHECK: ropegrad.tiles ins(%{{.*}}, %{{.*}} : memref<1x2x8x2xf32>, memref<1x1x8x2xf32>) outs(%{{.*}} : memref<1x2x8xf32>) {
  // CHECK: ropegrad.row_sums %{{.*}} : (!ropegrad.matrix<1x2x8x8xf32>) -> memref<1x2x8xf32>
  // GENERIC: "ropegrad.tiles"
  ropegrad.tiles ins(%x, %k : memref<1x2x8x2xf32>, memref<1x1x8x2xf32>) outs(%l : memref<1x2x8xf32>) {
  ^bb0(%a: memref<1x2x8x2xf32>, %b: memref<1x1x8x2xf32>):
    %A = ropegrad.outer %a, %b : (memref<1x2x8x2xf32>, memref<1x1x8x2xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
    %1 = ropegrad.row_sums %A : (!ropegrad.matrix<1x2x8x8xf32>) -> memref<1x2x8xf32>
    ropegrad.yield %1 : memref<1x2x8xf32>
  }
  return
}
