// Level 2: every constraint of the implicit matrices and exits.
// RUN: ropegrad-opt %s -split-input-file -verify-diagnostics

// logits C1: q is (B, H, n, d)
func.func @logits_c1_q(%q: tensor<1x2x9x4xf32>, %k: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected q to be (1, 2 or a divisor, 8, width), but got 'tensor<1x2x9x4xf32>'}}
  %0 = ropegrad.logits %q, %k {scale = 1.0 : f64} : (tensor<1x2x9x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// logits C1: q is (B, H, n, d)
func.func @logits_c1_rank(%q: tensor<f32>, %k: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected q to be (1, 2 or a divisor, 8, width), but got 'tensor<f32>'}}
  %0 = ropegrad.logits %q, %k {scale = 1.0 : f64} : (tensor<f32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// logits C1: k has the width of q
func.func @logits_c1_k(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x3xf32>) {
  // expected-error @+1 {{expected k to be (1, 2 or a divisor, 8, 4), but got 'tensor<1x1x8x3xf32>'}}
  %0 = ropegrad.logits %q, %k {scale = 1.0 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x3xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// logits C1: H' divides H
func.func @logits_c1_kv_heads(%q: tensor<1x2x8x4xf32>, %k: tensor<1x3x8x4xf32>) {
  // expected-error @+1 {{expected k to be (1, 2 or a divisor, 8, 4), but got 'tensor<1x3x8x4xf32>'}}
  %0 = ropegrad.logits %q, %k {scale = 1.0 : f64} : (tensor<1x2x8x4xf32>, tensor<1x3x8x4xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// logits C1: q has the heads of the result
func.func @logits_c1_heads(%q: tensor<1x1x8x4xf32>, %k: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected q to have 2 heads, but got 1}}
  %0 = ropegrad.logits %q, %k {scale = 1.0 : f64} : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// logits C1: no empty dimension
func.func @logits_c1_zero_heads(%q: tensor<1x2x8x4xf32>, %k: tensor<1x0x8x4xf32>) {
  // expected-error @+1 {{expected k to be (1, 2 or a divisor, 8, 4), but got 'tensor<1x0x8x4xf32>'}}
  %0 = ropegrad.logits %q, %k {scale = 1.0 : f64} : (tensor<1x2x8x4xf32>, tensor<1x0x8x4xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// logits C2: W and support come together
func.func @logits_c2_no_support(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %w: tensor<15x2xf32>) {
  // expected-error @+1 {{expected W and support together, but got one of them}}
  %0 = ropegrad.logits %q, %k position(%w) {scale = 1.0 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<15x2xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// logits C2: W and support come together
func.func @logits_c2_no_w(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected W and support together, but got one of them}}
  %0 = ropegrad.logits %q, %k {scale = 1.0 : f64, support = array<i64: 0, 0>} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// logits C2: W has 2n-1 rows
func.func @logits_c2_rows(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %w: tensor<14x1xf32>) {
  // expected-error @+1 {{expected W to be (15, s), but got 'tensor<14x1xf32>'}}
  %0 = ropegrad.logits %q, %k position(%w) {scale = 1.0 : f64, support = array<i64: 0, 0>} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<14x1xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// logits C2: W has one column per pair
func.func @logits_c2_pairs(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %w: tensor<15x2xf32>) {
  // expected-error @+1 {{expected a support of 2 pairs, but got 2 numbers}}
  %0 = ropegrad.logits %q, %k position(%w) {scale = 1.0 : f64, support = array<i64: 0, 0>} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<15x2xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// logits C2: the support lies within d x d
func.func @logits_c2_range(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %w: tensor<15x1xf32>) {
  // expected-error @+1 {{expected support indices in [0, 4), but got 4}}
  %0 = ropegrad.logits %q, %k position(%w) {scale = 1.0 : f64, support = array<i64: 0, 4>} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<15x1xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// logits C3: the result is B x H x n x n
func.func @logits_c3(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected q to be (1, 2 or a divisor, 9, width), but got 'tensor<1x2x8x4xf32>'}}
  %0 = ropegrad.logits %q, %k {scale = 1.0 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x2x9x9xf32>
  return
}

// -----

// logits C4: one element type
func.func @logits_element(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf64>) {
  // expected-error @+1 {{expected elements 'f32', but got 'tensor<1x1x8x4xf64>'}}
  %0 = ropegrad.logits %q, %k {scale = 1.0 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf64>) -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// logits C3: the result is a matrix
func.func @logits_result(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{result #0 must be}}
  %0 = ropegrad.logits %q, %k {scale = 1.0 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x8xf32>
  return
}

// -----

// exp: order is 0 or 1
func.func @exp_order(%Z: !ropegrad.matrix<1x2x8x8xf32>) {
  // expected-error @+1 {{attribute 'order' failed to satisfy constraint: 64-bit signless integer attribute whose minimum value is 0 whose maximum value is 1}}
  %0 = ropegrad.exp %Z {order = 2 : i64} : !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// polynomial: at least one coefficient
func.func @polynomial_none(%Z: !ropegrad.matrix<1x2x8x8xf32>) {
  // expected-error @+1 {{expected at least one coefficient, but got none}}
  %0 = ropegrad.polynomial %Z {coefficients = array<f64>} : !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// polynomial: finite coefficients
func.func @polynomial_nan(%Z: !ropegrad.matrix<1x2x8x8xf32>) {
  // expected-error @+1 {{expected finite coefficients, but got}}
  %0 = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 0x7FF0000000000000>} : !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// polynomial: order is 0 or 1
func.func @polynomial_order(%Z: !ropegrad.matrix<1x2x8x8xf32>) {
  // expected-error @+1 {{attribute 'order' failed to satisfy constraint}}
  %0 = ropegrad.polynomial %Z {coefficients = array<f64: 1.0>, order = -1 : i64} : !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// toeplitz C1: window is given exactly under mask window
func.func @toeplitz_c1_missing() {
  // expected-error @+1 {{expected window exactly under mask window}}
  %0 = ropegrad.toeplitz {mask = #ropegrad.mask<window>} : () -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// toeplitz C1: window is given exactly under mask window
func.func @toeplitz_c1_other() {
  // expected-error @+1 {{expected window exactly under mask window}}
  %0 = ropegrad.toeplitz {mask = #ropegrad.mask<causal>, window = 3 : i64} : () -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// toeplitz C1: window is at least 1
func.func @toeplitz_c1_zero() {
  // expected-error @+1 {{expected window to be at least 1, but got 0}}
  %0 = ropegrad.toeplitz {mask = #ropegrad.mask<window>, window = 0 : i64} : () -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// block_band C1: size is at least 1
func.func @block_band_c1() {
  // expected-error @+1 {{expected size to be at least 1, but got 0}}
  %0 = ropegrad.block_band {offsets = array<i64: 0>, size = 0 : i64} : () -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// block_band C2: there is an offset
func.func @block_band_c2_none() {
  // expected-error @+1 {{expected at least one offset, but got none}}
  %0 = ropegrad.block_band {offsets = array<i64>, size = 4 : i64} : () -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// block_band C2: offsets ascend
func.func @block_band_c2_order() {
  // expected-error @+1 {{expected offsets to ascend, but got 1 before 1}}
  %0 = ropegrad.block_band {offsets = array<i64: 0, 1, 1>, size = 4 : i64} : () -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// toeplitz C2: one slope or one per head
func.func @toeplitz_c2_count() {
  // expected-error @+1 {{expected one slope or one per head, but got 3}}
  %0 = ropegrad.toeplitz {alibi = array<f64: 1.0, 1.0, 1.0>} : () -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// toeplitz C2: slopes are finite and not negative
func.func @toeplitz_c2_sign() {
  // expected-error @+1 {{expected slopes to be finite and >= 0, but got}}
  %0 = ropegrad.toeplitz {alibi = array<f64: -0.5>} : () -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// toeplitz C3: the bias has 2n-1 columns
func.func @toeplitz_c3_columns(%b: tensor<16xf32>) {
  // expected-error @+1 {{expected a bias of 15 numbers, alone or per head, but got 'tensor<16xf32>'}}
  %0 = ropegrad.toeplitz bias(%b) {} : (tensor<16xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// toeplitz C3: the bias has one row per head
func.func @toeplitz_c3_heads(%b: tensor<3x15xf32>) {
  // expected-error @+1 {{expected a bias of 15 numbers, alone or per head, but got 'tensor<3x15xf32>'}}
  %0 = ropegrad.toeplitz bias(%b) {} : (tensor<3x15xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// toeplitz C3: the bias has rank 1 or 2
func.func @toeplitz_c3_rank(%b: tensor<f32>) {
  // expected-error @+1 {{expected a bias of 15 numbers, alone or per head, but got 'tensor<f32>'}}
  %0 = ropegrad.toeplitz bias(%b) {} : (tensor<f32>) -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// row ops: the elements of the matrix
func.func @row_elements(%A: !ropegrad.matrix<1x2x8x8xf32>, %r: tensor<1x2x8xf64>) {
  // expected-error @+1 {{expected elements 'f32', but got 'tensor<1x2x8xf64>'}}
  %0 = ropegrad.scale_rows %A, %r : !ropegrad.matrix<1x2x8x8xf32>, tensor<1x2x8xf64>
  return
}

// -----

// hadamard: one type
func.func @hadamard_types(%A: !ropegrad.matrix<1x2x8x8xf32>, %B: !ropegrad.matrix<1x1x8x8xf32>) {
  // expected-error @+1 {{requires the same type for all operands and results}}
  %0 = "ropegrad.hadamard"(%A, %B) : (!ropegrad.matrix<1x2x8x8xf32>, !ropegrad.matrix<1x1x8x8xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// outer C1: U and V have one width
func.func @outer_c1_width(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x3xf32>) {
  // expected-error @+1 {{expected V to be (1, 2 or a divisor, 8, 4), but got 'tensor<1x1x8x3xf32>'}}
  %0 = ropegrad.outer %q, %k : (tensor<1x2x8x4xf32>, tensor<1x1x8x3xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// outer C1: U has the heads of the result
func.func @outer_c1_heads(%q: tensor<1x1x8x4xf32>, %k: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected U to have 2 heads, but got 1}}
  %0 = ropegrad.outer %q, %k : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// outer C1: U has n rows
func.func @outer_c1_rows(%q: tensor<1x2x7x4xf32>, %k: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected U to be (1, 2 or a divisor, 8, width), but got 'tensor<1x2x7x4xf32>'}}
  %0 = ropegrad.outer %q, %k : (tensor<1x2x7x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x2x8x8xf32>
  return
}

// -----

// scale_rows C1: r is (B, H, n)
func.func @scale_rows_c1(%A: !ropegrad.matrix<1x2x8x8xf32>, %r: tensor<1x2x9xf32>) {
  // expected-error @+1 {{expected one number per row of '!ropegrad.matrix<1x2x8x8xf32>', but got 'tensor<1x2x9xf32>'}}
  %0 = ropegrad.scale_rows %A, %r : !ropegrad.matrix<1x2x8x8xf32>, tensor<1x2x9xf32>
  return
}

// -----

// shift_rows C1: r is (B, H, n)
func.func @shift_rows_c1(%A: !ropegrad.matrix<1x2x8x8xf32>, %r: tensor<1x2x9xf32>) {
  // expected-error @+1 {{expected one number per row of '!ropegrad.matrix<1x2x8x8xf32>', but got 'tensor<1x2x9xf32>'}}
  %0 = ropegrad.shift_rows %A, %r : !ropegrad.matrix<1x2x8x8xf32>, tensor<1x2x9xf32>
  return
}

// -----

// row_logsumexp C1: the result is (B, H, n)
func.func @row_logsumexp_c1(%A: !ropegrad.matrix<1x2x8x8xf32>) {
  // expected-error @+1 {{expected one number per row of '!ropegrad.matrix<1x2x8x8xf32>', but got 'tensor<1x1x8xf32>'}}
  %0 = ropegrad.row_logsumexp %A : (!ropegrad.matrix<1x2x8x8xf32>) -> tensor<1x1x8xf32>
  return
}

// -----

// row_logsumexp: the prefactor has the type of the logits
func.func @row_logsumexp_prefactor(%A: !ropegrad.matrix<1x2x8x8xf32>, %b: !ropegrad.matrix<1x1x8x8xf32>) {
  // expected-error @+1 {{expected the prefactor to be '!ropegrad.matrix<1x2x8x8xf32>', but got '!ropegrad.matrix<1x1x8x8xf32>'}}
  %0 = ropegrad.row_logsumexp %A prefactor(%b) : (!ropegrad.matrix<1x2x8x8xf32>, !ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x2x8xf32>
  return
}

// -----

// row_sums C1: the result is (B, H, n)
func.func @row_sums_c1(%A: !ropegrad.matrix<1x2x8x8xf32>) {
  // expected-error @+1 {{expected one number per row of '!ropegrad.matrix<1x2x8x8xf32>', but got 'tensor<1x2x8x1xf32>'}}
  %0 = ropegrad.row_sums %A : (!ropegrad.matrix<1x2x8x8xf32>) -> tensor<1x2x8x1xf32>
  return
}

// -----

// apply C1: X has n rows
func.func @apply_c1_x(%A: !ropegrad.matrix<1x2x8x8xf32>, %x: tensor<1x1x9x4xf32>) {
  // expected-error @+1 {{expected X to be (1, 2 or a divisor, 8, width), but got 'tensor<1x1x9x4xf32>'}}
  %0 = ropegrad.apply %A, %x : (!ropegrad.matrix<1x2x8x8xf32>, tensor<1x1x9x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// apply C1: Y has the heads of A and the width of X
func.func @apply_c1_y(%A: !ropegrad.matrix<1x2x8x8xf32>, %x: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected a result of 2 heads and width 4, but got 'tensor<1x1x8x4xf32>'}}
  %0 = ropegrad.apply %A, %x : (!ropegrad.matrix<1x2x8x8xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  return
}

// -----

// apply_transposed C1: X has n rows
func.func @apply_transposed_c1_x(%A: !ropegrad.matrix<1x2x8x8xf32>, %x: tensor<1x2x9x4xf32>) {
  // expected-error @+1 {{expected X to be (1, 2 or a divisor, 8, width), but got 'tensor<1x2x9x4xf32>'}}
  %0 = ropegrad.apply_transposed %A, %x : (!ropegrad.matrix<1x2x8x8xf32>, tensor<1x2x9x4xf32>) -> tensor<1x1x8x4xf32>
  return
}

// -----

// apply_transposed C1: Y has the width of X
func.func @apply_transposed_c1_y(%A: !ropegrad.matrix<1x2x8x8xf32>, %x: tensor<1x2x8x4xf32>) {
  // expected-error @+1 {{expected the result to be (1, 2 or a divisor, 8, 4), but got 'tensor<1x1x8x3xf32>'}}
  %0 = ropegrad.apply_transposed %A, %x : (!ropegrad.matrix<1x2x8x8xf32>, tensor<1x2x8x4xf32>) -> tensor<1x1x8x3xf32>
  return
}

// -----

// diagonal_sums C1: the result has 2n-1 columns
func.func @diagonal_sums_c1(%A: !ropegrad.matrix<1x2x8x8xf32>) {
  // expected-error @+1 {{expected 15 diagonals, summed over heads or per head, but got 'tensor<2x16xf32>'}}
  %0 = ropegrad.diagonal_sums %A : (!ropegrad.matrix<1x2x8x8xf32>) -> tensor<2x16xf32>
  return
}

// -----

// diagonal_sums C1: the result has one row per head
func.func @diagonal_sums_c1_heads(%A: !ropegrad.matrix<1x2x8x8xf32>) {
  // expected-error @+1 {{expected 15 diagonals, summed over heads or per head, but got 'tensor<3x15xf32>'}}
  %0 = ropegrad.diagonal_sums %A : (!ropegrad.matrix<1x2x8x8xf32>) -> tensor<3x15xf32>
  return
}

// -----

// apply_position C1: W is (2n-1, s)
func.func @apply_position_c1_w(%A: !ropegrad.matrix<1x2x8x8xf32>, %x: tensor<1x1x8x4xf32>, %w: tensor<16x1xf32>) {
  // expected-error @+1 {{expected W to be (15, s), but got 'tensor<16x1xf32>'}}
  %0 = ropegrad.apply_position %A, %x, %w {support = array<i64: 0, 0>} : (!ropegrad.matrix<1x2x8x8xf32>, tensor<1x1x8x4xf32>, tensor<16x1xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// apply_position C1: the support lies within d x d
func.func @apply_position_c1_support(%A: !ropegrad.matrix<1x2x8x8xf32>, %x: tensor<1x1x8x4xf32>, %w: tensor<15x1xf32>) {
  // expected-error @+1 {{expected support indices in [0, 4), but got -1}}
  %0 = ropegrad.apply_position %A, %x, %w {support = array<i64: -1, 0>} : (!ropegrad.matrix<1x2x8x8xf32>, tensor<1x1x8x4xf32>, tensor<15x1xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// apply_position C2: X as in apply
func.func @apply_position_c2_x(%A: !ropegrad.matrix<1x2x8x8xf32>, %x: tensor<8x4xf32>, %w: tensor<15x1xf32>) {
  // expected-error @+1 {{expected X to be (1, 2 or a divisor, 8, width), but got 'tensor<8x4xf32>'}}
  %0 = ropegrad.apply_position %A, %x, %w {support = array<i64: 0, 0>} : (!ropegrad.matrix<1x2x8x8xf32>, tensor<8x4xf32>, tensor<15x1xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// apply_position C2: Y as in apply
func.func @apply_position_c2_y(%A: !ropegrad.matrix<1x2x8x8xf32>, %x: tensor<1x1x8x4xf32>, %w: tensor<15x1xf32>) {
  // expected-error @+1 {{expected the result to be (1, 2 or a divisor, 8, 4), but got 'tensor<1x2x8x3xf32>'}}
  %0 = ropegrad.apply_position %A, %x, %w {support = array<i64: 0, 0>} : (!ropegrad.matrix<1x2x8x8xf32>, tensor<1x1x8x4xf32>, tensor<15x1xf32>) -> tensor<1x2x8x3xf32>
  return
}

// -----

// position_gradient C1: the result has one column per pair
func.func @position_gradient_c1_pairs(%A: !ropegrad.matrix<1x2x8x8xf32>, %q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected a support of 2 pairs, but got 2 numbers}}
  %0 = ropegrad.position_gradient %A, %q, %k {support = array<i64: 0, 0>} : (!ropegrad.matrix<1x2x8x8xf32>, tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<15x2xf32>
  return
}

// -----

// position_gradient C1: the result has 2n-1 rows
func.func @position_gradient_c1_rows(%A: !ropegrad.matrix<1x2x8x8xf32>, %q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected W to be (15, s), but got 'tensor<8x1xf32>'}}
  %0 = ropegrad.position_gradient %A, %q, %k {support = array<i64: 0, 0>} : (!ropegrad.matrix<1x2x8x8xf32>, tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<8x1xf32>
  return
}

// -----

// kronecker_gradient C1: one batch and one head
func.func @kronecker_gradient_c1_heads(%A: !ropegrad.matrix<1x2x8x8xf32>, %a: tensor<1x1x8x3xf32>, %b: tensor<1x1x8x3xf32>) {
  // expected-error @+1 {{expected one batch and one head, but got '!ropegrad.matrix<1x2x8x8xf32>'}}
  %0 = ropegrad.kronecker_gradient %A, %a, %b {position = #ropegrad.no_position, support = array<i64: 0, 0>} : (!ropegrad.matrix<1x2x8x8xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x3xf32>) -> tensor<9x1xf32>
  return
}

// -----

// kronecker_gradient C1: A1 and A2 have one width
func.func @kronecker_gradient_c1_a2(%A: !ropegrad.matrix<1x1x8x8xf32>, %a: tensor<1x1x8x3xf32>, %b: tensor<1x1x8x2xf32>) {
  // expected-error @+1 {{expected A2 to be (1, 1 or a divisor, 8, 3), but got 'tensor<1x1x8x2xf32>'}}
  %0 = ropegrad.kronecker_gradient %A, %a, %b {position = #ropegrad.no_position, support = array<i64: 0, 0>} : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x2xf32>) -> tensor<9x1xf32>
  return
}

// -----

// kronecker_gradient C1: the result is (c^2, s)
func.func @kronecker_gradient_c1_result(%A: !ropegrad.matrix<1x1x8x8xf32>, %a: tensor<1x1x8x3xf32>, %b: tensor<1x1x8x3xf32>) {
  // expected-error @+1 {{expected a result of 9x1, but got 'tensor<3x1xf32>'}}
  %0 = ropegrad.kronecker_gradient %A, %a, %b {position = #ropegrad.no_position, support = array<i64: 0, 0>} : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x3xf32>) -> tensor<3x1xf32>
  return
}

// -----

// kronecker_gradient C2: W is given under general position
func.func @kronecker_gradient_c2_missing(%A: !ropegrad.matrix<1x1x8x8xf32>, %a: tensor<1x1x8x3xf32>, %b: tensor<1x1x8x3xf32>) {
  // expected-error @+1 {{expected W under general position, but got none}}
  %0 = ropegrad.kronecker_gradient %A, %a, %b {position = #ropegrad.general<[0, 0]>, support = array<i64: 0, 0>} : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x3xf32>) -> tensor<9x1xf32>
  return
}

// -----

// kronecker_gradient C2: W is (2n-1, s)
func.func @kronecker_gradient_c2_rows(%A: !ropegrad.matrix<1x1x8x8xf32>, %a: tensor<1x1x8x3xf32>, %b: tensor<1x1x8x3xf32>, %w: tensor<8x1xf32>) {
  // expected-error @+1 {{expected W to be (15, s), but got 'tensor<8x1xf32>'}}
  %0 = ropegrad.kronecker_gradient %A, %a, %b position(%w) {position = #ropegrad.general<[0, 0]>, support = array<i64: 0, 0>} : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x3xf32>, tensor<8x1xf32>) -> tensor<9x1xf32>
  return
}

// -----

// kronecker_gradient C2: a support has whole pairs
func.func @kronecker_gradient_c2_support(%A: !ropegrad.matrix<1x1x8x8xf32>, %a: tensor<1x1x8x3xf32>, %b: tensor<1x1x8x3xf32>) {
  // expected-error @+1 {{expected a support of pairs, but got 3 numbers}}
  %0 = ropegrad.kronecker_gradient %A, %a, %b {position = #ropegrad.no_position, support = array<i64: 0, 0, 1>} : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x3xf32>) -> tensor<9x1xf32>
  return
}

// -----

// exits: the elements of the matrix
func.func @apply_elements(%A: !ropegrad.matrix<1x2x8x8xf32>, %x: tensor<1x1x8x4xf64>) {
  // expected-error @+1 {{expected elements 'f32', but got 'tensor<1x1x8x4xf64>'}}
  %0 = ropegrad.apply %A, %x : (!ropegrad.matrix<1x2x8x8xf32>, tensor<1x1x8x4xf64>) -> tensor<1x2x8x4xf64>
  return
}
