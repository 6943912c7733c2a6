// Level 1: every constraint of the problem ops, refused by its name.
// RUN: ropegrad-opt %s -split-input-file -verify-diagnostics

// C1: d is even under rotary position
func.func @attention_c1_odd(%q: tensor<1x2x8x5xf32>, %k: tensor<1x1x8x5xf32>, %v: tensor<1x1x8x5xf32>) {
  // expected-error @+1 {{expected d to be even for rotary position, but got 5}}
  %0 = ropegrad.attention(%q, %k, %v) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>, scale = 0.5 : f64} : (tensor<1x2x8x5xf32>, tensor<1x1x8x5xf32>, tensor<1x1x8x5xf32>) -> tensor<1x2x8x5xf32>
  return
}

// -----

// C1: the base is positive
func.func @attention_c1_base(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected base to be positive and finite, but got 0}}
  %0 = ropegrad.attention(%q, %k, %v) {position = #ropegrad.rotary<half, base = 0.0 : f64>, scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// C2: W is given exactly under general position
func.func @attention_c2_missing(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected the operand W exactly under general position, but it is missing}}
  %0 = ropegrad.attention(%q, %k, %v) {position = #ropegrad.general<[0, 0, 0, 1]>, scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// C2: W is given exactly under general position
func.func @attention_c2_other(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>, %w: tensor<15x2xf32>) {
  // expected-error @+1 {{expected the operand W exactly under general position, but it is given under another position}}
  %0 = ropegrad.attention(%q, %k, %v) position(%w) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>, scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<15x2xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// C2: W is (2n-1, s)
func.func @attention_c2_shape(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>, %w: tensor<15x3xf32>) {
  // expected-error @+1 {{expected W to be 'tensor<15x2xf32>', but got 'tensor<15x3xf32>'}}
  %0 = ropegrad.attention(%q, %k, %v) position(%w) {position = #ropegrad.general<[0, 0, 0, 1]>, scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<15x3xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// C3: window is given exactly under mask window
func.func @attention_c3_missing(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected a window of at least 1 under mask window, but got 0}}
  %0 = ropegrad.attention(%q, %k, %v) {mask = #ropegrad.mask<window>, scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// C3: window is given exactly under mask window
func.func @attention_c3_other(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected window only under mask window, but got mask none}}
  %0 = ropegrad.attention(%q, %k, %v) {window = 3 : i64, scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// C3: window is at least 1
func.func @attention_c3_zero(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected a window of at least 1 under mask window, but got 0}}
  %0 = ropegrad.attention(%q, %k, %v) {mask = #ropegrad.mask<window>, window = 0 : i64, scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// C4: bound is finite and positive
func.func @attention_c4_bound(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected bound to be positive and finite, but got -1}}
  %0 = ropegrad.attention(%q, %k, %v) {bound = -1.0 : f64, scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// C4: radius is finite and positive
func.func @attention_c4_radius(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected radius to be positive and finite, but got 0}}
  %0 = ropegrad.attention(%q, %k, %v) {radius = 0.0 : f64, scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// C4: radius is finite and positive
func.func @attention_c4_nan(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected radius to be positive and finite, but got nan}}
  %0 = ropegrad.attention(%q, %k, %v) {radius = 0x7FF8000000000000 : f64, scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// C4: tolerance is below 1
func.func @attention_c4_tolerance(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected a tolerance between 0 and 1, but got 1}}
  %0 = ropegrad.attention(%q, %k, %v) {tolerance = 1.0 : f64, scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// C4: tolerance is what the type can hold
func.func @attention_c4_small_tolerance(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected a tolerance of at least 4.8e-07, which is what f32 can hold, but got 1e-08}}
  %0 = ropegrad.attention(%q, %k, %v) {tolerance = 1.0e-8 : f64, scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// C4: scale is finite and positive
func.func @attention_c4_scale(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected scale to be positive and finite, but got inf}}
  %0 = ropegrad.attention(%q, %k, %v) {scale = 0x7FF0000000000000 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// C4: sigma is finite and positive
func.func @attention_c4_sigma(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected sigma to be positive and finite, but got 0}}
  %0 = ropegrad.attention(%q, %k, %v) {sigma = 0.0 : f64, scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// C5: shapes are static
func.func @attention_c5_dynamic(%q: tensor<1x2x?x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected static shapes, but got 'tensor<1x2x?x4xf32>': dynamic shapes are not supported yet}}
  %0 = ropegrad.attention(%q, %k, %v) {scale = 0.5 : f64} : (tensor<1x2x?x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x?x4xf32>
  return
}

// -----

// C5: shapes agree
func.func @attention_c5_rank(%q: tensor<8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected operands of shape (batch, heads, n, d), but got 'tensor<8x4xf32>'}}
  %0 = ropegrad.attention(%q, %k, %v) {scale = 0.5 : f64} : (tensor<8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<8x4xf32>
  return
}

// -----

// C5: K has n rows of width d
func.func @attention_c5_k(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x9x4xf32>, %v: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected K to be 'tensor<1x1x8x4xf32>', but got 'tensor<1x1x9x4xf32>'}}
  %0 = ropegrad.attention(%q, %k, %v) {scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x9x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// C5: V has n rows of width d
func.func @attention_c5_v(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x3xf32>) {
  // expected-error @+1 {{expected V to be 'tensor<1x1x8x4xf32>', but got 'tensor<1x1x8x3xf32>'}}
  %0 = ropegrad.attention(%q, %k, %v) {scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x3xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// C5: O has the shape of Q
func.func @attention_c5_o(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected O to be 'tensor<1x2x8x4xf32>', but got 'tensor<1x1x8x4xf32>'}}
  %0 = ropegrad.attention(%q, %k, %v) {scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  return
}

// -----

// C5: the bias has 2n-1 columns
func.func @attention_c5_bias(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>, %b: tensor<16xf32>) {
  // expected-error @+1 {{expected bias to be 'tensor<15xf32>', but got 'tensor<16xf32>'}}
  %0 = ropegrad.attention(%q, %k, %v) bias(%b) {scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<16xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// C5: the bias has one row per head
func.func @attention_c5_bias_heads(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>, %b: tensor<3x15xf32>) {
  // expected-error @+1 {{expected bias to be 'tensor<2x15xf32>', but got 'tensor<3x15xf32>'}}
  %0 = ropegrad.attention(%q, %k, %v) bias(%b) {scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<3x15xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// C5: one element type
func.func @attention_c5_element(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf64>) {
  // expected-error @+1 {{expected V to be 'tensor<1x1x8x4xf32>', but got 'tensor<1x1x8x4xf64>'}}
  %0 = ropegrad.attention(%q, %k, %v) {scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf64>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// C5: no empty dimension
func.func @attention_c5_zero(%q: tensor<1x2x0x4xf32>, %k: tensor<1x1x0x4xf32>, %v: tensor<1x1x0x4xf32>) {
  // expected-error @+1 {{expected n to be positive, but got 0}}
  %0 = ropegrad.attention(%q, %k, %v) {scale = 0.5 : f64} : (tensor<1x2x0x4xf32>, tensor<1x1x0x4xf32>, tensor<1x1x0x4xf32>) -> tensor<1x2x0x4xf32>
  return
}

// -----

// C6: heads is a multiple of kv_heads
func.func @attention_c6(%q: tensor<1x2x8x4xf32>, %k: tensor<1x3x8x4xf32>, %v: tensor<1x3x8x4xf32>) {
  // expected-error @+1 {{expected kv-heads to divide heads (2), but got 3}}
  %0 = ropegrad.attention(%q, %k, %v) {scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x3x8x4xf32>, tensor<1x3x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// C7: a support has pairs within d x d
func.func @attention_c7_range(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>, %w: tensor<15x1xf32>) {
  // expected-error @+1 {{expected support entries from 0:0 to 3:3, but got 0:4}}
  %0 = ropegrad.attention(%q, %k, %v) position(%w) {position = #ropegrad.general<[0, 4]>, scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<15x1xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// C7: a support of no position is a permutation of the diagonal
func.func @attention_c7_order(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected the support to be a permutation of that of none position (with 0:0), but got 0:1}}
  %0 = ropegrad.attention(%q, %k, %v) {support = array<i64: 0, 1, 1, 1, 2, 2, 3, 3>, scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// C7: position is one of three attributes
func.func @attention_position(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{attribute 'position' failed to satisfy constraint: rotary, general or no_position attribute}}
  %0 = ropegrad.attention(%q, %k, %v) {position = 3 : i64, scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// C7: a support has whole pairs
func.func @attention_half_support(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected a support of pairs, but got 9 numbers}}
  %0 = ropegrad.attention(%q, %k, %v) {support = array<i64: 0, 0, 1, 1, 2, 2, 3, 3, 0>, scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// Slopes are one or one per head
func.func @attention_alibi(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected 1 or 2 alibi slopes, but got 3}}
  %0 = ropegrad.attention(%q, %k, %v) {alibi = array<f64: 1.0, 2.0, 3.0>, scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// Slopes are finite and not negative
func.func @attention_alibi_negative(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected alibi slopes to be finite and not negative, but got -1}}
  %0 = ropegrad.attention(%q, %k, %v) {alibi = array<f64: -1.0>, scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// A similarity is not identically zero
func.func @attention_similarity(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected a similarity coefficient other than 0, but got none}}
  %0 = ropegrad.attention(%q, %k, %v) {similarity = array<f64: 0.0>, scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// A similarity has coefficients
func.func @attention_no_similarity(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected at least one similarity coefficient, but got none}}
  %0 = ropegrad.attention(%q, %k, %v) {similarity = array<f64>, scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// A degree is not negative
func.func @attention_degree(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected a degree from 0 to 2147483647, but got -1}}
  %0 = ropegrad.attention(%q, %k, %v) {degree = -1 : i64, scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// Not supported: a learned bias beside a polynomial similarity
func.func @attention_bias_similarity(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %v: tensor<1x1x8x4xf32>, %b: tensor<15xf32>) {
  // expected-error @+1 {{expected similarity exp beside a learned bias, but got a polynomial}}
  %0 = ropegrad.attention(%q, %k, %v) bias(%b) {similarity = array<f64: 1.0, 1.0>, scale = 0.5 : f64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<15xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// (C4) A tolerance that the elements can hold
func.func @attention_c4_half(%q: tensor<1x2x8x4xbf16>, %k: tensor<1x1x8x4xbf16>, %v: tensor<1x1x8x4xbf16>) {
  // expected-error @+1 {{expected a tolerance of at least 0.0039, which is what bf16 can hold, but got 0.001}}
  %0 = ropegrad.attention(%q, %k, %v) {scale = 0.5 : f64, tolerance = 0.001 : f64} : (tensor<1x2x8x4xbf16>, tensor<1x1x8x4xbf16>, tensor<1x1x8x4xbf16>) -> tensor<1x2x8x4xbf16>
  return
}

// -----

// (C5) Elements agree
func.func @attention_c5_elements(%q: tensor<1x2x8x4xf16>, %k: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected K to be 'tensor<1x1x8x4xf16>', but got 'tensor<1x1x8x4xf32>'}}
  %0 = ropegrad.attention(%q, %k, %k) {scale = 0.5 : f64} : (tensor<1x2x8x4xf16>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf16>
  return
}

// -----

// (C5) A loss is no 16-bit number
func.func @loss_c5_half(%a: tensor<8x4xbf16>, %x: tensor<4x4xbf16>) {
  // expected-error @+1 {{expected loss to be 'tensor<f32>', but got 'tensor<bf16>'}}
  %0 = ropegrad.loss(%a, %a, %a, %x, %x, %x, %a) {scale = 0.5 : f64} : (tensor<8x4xbf16>, tensor<8x4xbf16>, tensor<8x4xbf16>, tensor<4x4xbf16>, tensor<4x4xbf16>, tensor<4x4xbf16>, tensor<8x4xbf16>) -> tensor<bf16>
  return
}

// -----

// Not supported: other elements
func.func @attention_f80(%q: tensor<1x2x8x4xf80>, %k: tensor<1x1x8x4xf80>, %v: tensor<1x1x8x4xf80>) {
  // expected-error @+1 {{expected elements f32, f64, bf16 or f16, but got 'f80'}}
  %0 = ropegrad.attention(%q, %k, %v) {scale = 0.5 : f64} : (tensor<1x2x8x4xf80>, tensor<1x1x8x4xf80>, tensor<1x1x8x4xf80>) -> tensor<1x2x8x4xf80>
  return
}

// -----

// Tensors of floats
func.func @attention_integers(%q: tensor<1x2x8x4xi32>, %k: tensor<1x1x8x4xi32>, %v: tensor<1x1x8x4xi32>) {
  // expected-error @+1 {{operand #0 must be ranked tensor of floating-point values, but got 'tensor<1x2x8x4xi32>'}}
  %0 = ropegrad.attention(%q, %k, %v) {scale = 0.5 : f64} : (tensor<1x2x8x4xi32>, tensor<1x1x8x4xi32>, tensor<1x1x8x4xi32>) -> tensor<1x2x8x4xi32>
  return
}

// -----

// One result per name in wrt
func.func @attention_vjp_results(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %d: tensor<1x2x8x4xf32>) {
  // expected-error @+1 {{expected one result per name in wrt, but got 1 results and 2 names}}
  %0 = ropegrad.attention_vjp(%q, %k, %k, %d) {scale = 0.5 : f64, wrt = ["Q", "K"]} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x2x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// Names of attention's variables
func.func @attention_vjp_name(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %d: tensor<1x2x8x4xf32>) {
  // expected-error @+1 {{expected wrt of entry attention to be among Q, K, V, W, bias, but got 'A1'}}
  %0 = ropegrad.attention_vjp(%q, %k, %k, %d) {scale = 0.5 : f64, wrt = ["A1"]} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x2x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// Each name once
func.func @attention_vjp_twice(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %d: tensor<1x2x8x4xf32>) {
  // expected-error @+1 {{expected distinct names in wrt, but got 'Q' twice}}
  %0:2 = ropegrad.attention_vjp(%q, %k, %k, %d) {scale = 0.5 : f64, wrt = ["Q", "Q"]} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x2x8x4xf32>) -> (tensor<1x2x8x4xf32>, tensor<1x2x8x4xf32>)
  return
}

// -----

// C5: a gradient has the shape of its variable
func.func @attention_vjp_shape(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %d: tensor<1x2x8x4xf32>) {
  // expected-error @+1 {{expected dK to be 'tensor<1x1x8x4xf32>', but got 'tensor<1x2x8x4xf32>'}}
  %0 = ropegrad.attention_vjp(%q, %k, %k, %d) {scale = 0.5 : f64, wrt = ["K"]} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x2x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// C5: dO has the shape of O
func.func @attention_vjp_upstream(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %d: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected dO to be 'tensor<1x2x8x4xf32>', but got 'tensor<1x1x8x4xf32>'}}
  %0 = ropegrad.attention_vjp(%q, %k, %k, %d) {scale = 0.5 : f64, wrt = ["Q"]} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// C2: the gradient of W needs W
func.func @attention_vjp_w(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %d: tensor<1x2x8x4xf32>) {
  // expected-error @+1 {{expected position general for W in wrt, but got none}}
  %0 = ropegrad.attention_vjp(%q, %k, %k, %d) {scale = 0.5 : f64, wrt = ["W"]} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x2x8x4xf32>) -> tensor<15x2xf32>
  return
}

// -----

// The gradient of the bias needs a bias
func.func @attention_vjp_bias(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %d: tensor<1x2x8x4xf32>) {
  // expected-error @+1 {{expected a learned bias for bias in wrt, but got none}}
  %0 = ropegrad.attention_vjp(%q, %k, %k, %d) {scale = 0.5 : f64, wrt = ["bias"]} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x2x8x4xf32>) -> tensor<15xf32>
  return
}

// -----

// C3: window is given exactly under mask window
func.func @attention_vjp_c3(%q: tensor<1x2x8x4xf32>, %k: tensor<1x1x8x4xf32>, %d: tensor<1x2x8x4xf32>) {
  // expected-error @+1 {{expected window only under mask window, but got mask causal}}
  %0 = ropegrad.attention_vjp(%q, %k, %k, %d) {scale = 0.5 : f64, wrt = ["Q"], mask = #ropegrad.mask<causal>, window = 1 : i64} : (tensor<1x2x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x2x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// C5: A2 agrees with A1 and X1
func.func @loss_c5_a2(%a1: tensor<8x3xf32>, %a2: tensor<9x3xf32>, %a3: tensor<8x3xf32>, %x1: tensor<3x4xf32>, %x2: tensor<3x4xf32>, %y: tensor<3x4xf32>, %e: tensor<8x4xf32>) {
  // expected-error @+1 {{expected A2 to be 'tensor<8x3xf32>', but got 'tensor<9x3xf32>'}}
  %0 = ropegrad.loss(%a1, %a2, %a3, %x1, %x2, %y, %e) {scale = 0.5 : f64} : (tensor<8x3xf32>, tensor<9x3xf32>, tensor<8x3xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<8x4xf32>) -> tensor<f32>
  return
}

// -----

// C5: A3 agrees with A1 and X1
func.func @loss_c5_a3(%a1: tensor<8x3xf32>, %a2: tensor<8x3xf32>, %a3: tensor<8x2xf32>, %x1: tensor<3x4xf32>, %x2: tensor<3x4xf32>, %y: tensor<3x4xf32>, %e: tensor<8x4xf32>) {
  // expected-error @+1 {{expected A3 to be 'tensor<8x3xf32>', but got 'tensor<8x2xf32>'}}
  %0 = ropegrad.loss(%a1, %a2, %a3, %x1, %x2, %y, %e) {scale = 0.5 : f64} : (tensor<8x3xf32>, tensor<8x3xf32>, tensor<8x2xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<8x4xf32>) -> tensor<f32>
  return
}

// -----

// C5: X1 has one row per channel
func.func @loss_c5_x1(%a1: tensor<8x3xf32>, %a2: tensor<8x3xf32>, %a3: tensor<8x3xf32>, %x1: tensor<2x4xf32>, %x2: tensor<3x4xf32>, %y: tensor<3x4xf32>, %e: tensor<8x4xf32>) {
  // expected-error @+1 {{expected X1 to be 'tensor<3x4xf32>', but got 'tensor<2x4xf32>'}}
  %0 = ropegrad.loss(%a1, %a2, %a3, %x1, %x2, %y, %e) {scale = 0.5 : f64} : (tensor<8x3xf32>, tensor<8x3xf32>, tensor<8x3xf32>, tensor<2x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<8x4xf32>) -> tensor<f32>
  return
}

// -----

// C5: X2 agrees with A1 and X1
func.func @loss_c5_x2(%a1: tensor<8x3xf32>, %a2: tensor<8x3xf32>, %a3: tensor<8x3xf32>, %x1: tensor<3x4xf32>, %x2: tensor<3x5xf32>, %y: tensor<3x4xf32>, %e: tensor<8x4xf32>) {
  // expected-error @+1 {{expected X2 to be 'tensor<3x4xf32>', but got 'tensor<3x5xf32>'}}
  %0 = ropegrad.loss(%a1, %a2, %a3, %x1, %x2, %y, %e) {scale = 0.5 : f64} : (tensor<8x3xf32>, tensor<8x3xf32>, tensor<8x3xf32>, tensor<3x4xf32>, tensor<3x5xf32>, tensor<3x4xf32>, tensor<8x4xf32>) -> tensor<f32>
  return
}

// -----

// C5: Y agrees with A1 and X1
func.func @loss_c5_y(%a1: tensor<8x3xf32>, %a2: tensor<8x3xf32>, %a3: tensor<8x3xf32>, %x1: tensor<3x4xf32>, %x2: tensor<3x4xf32>, %y: tensor<2x4xf32>, %e: tensor<8x4xf32>) {
  // expected-error @+1 {{expected Y to be 'tensor<3x4xf32>', but got 'tensor<2x4xf32>'}}
  %0 = ropegrad.loss(%a1, %a2, %a3, %x1, %x2, %y, %e) {scale = 0.5 : f64} : (tensor<8x3xf32>, tensor<8x3xf32>, tensor<8x3xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<2x4xf32>, tensor<8x4xf32>) -> tensor<f32>
  return
}

// -----

// C5: E agrees with A1 and X1
func.func @loss_c5_e(%a1: tensor<8x3xf32>, %a2: tensor<8x3xf32>, %a3: tensor<8x3xf32>, %x1: tensor<3x4xf32>, %x2: tensor<3x4xf32>, %y: tensor<3x4xf32>, %e: tensor<8x3xf32>) {
  // expected-error @+1 {{expected E to be 'tensor<8x4xf32>', but got 'tensor<8x3xf32>'}}
  %0 = ropegrad.loss(%a1, %a2, %a3, %x1, %x2, %y, %e) {scale = 0.5 : f64} : (tensor<8x3xf32>, tensor<8x3xf32>, tensor<8x3xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<8x3xf32>) -> tensor<f32>
  return
}

// -----

// C5: operands of rank 2
func.func @loss_c5_rank(%a1: tensor<8x3xf32>, %a2: tensor<1x8x3xf32>, %a3: tensor<8x3xf32>, %x1: tensor<3x4xf32>, %x2: tensor<3x4xf32>, %y: tensor<3x4xf32>, %e: tensor<8x4xf32>) {
  // expected-error @+1 {{expected operands of rank 2, but got 'tensor<1x8x3xf32>'}}
  %0 = ropegrad.loss(%a1, %a2, %a3, %x1, %x2, %y, %e) {scale = 0.5 : f64} : (tensor<8x3xf32>, tensor<1x8x3xf32>, tensor<8x3xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<8x4xf32>) -> tensor<f32>
  return
}

// -----

// C5: shapes are static
func.func @loss_c5_dynamic(%a1: tensor<?x3xf32>, %a2: tensor<8x3xf32>, %a3: tensor<8x3xf32>, %x1: tensor<3x4xf32>, %x2: tensor<3x4xf32>, %y: tensor<3x4xf32>, %e: tensor<8x4xf32>) {
  // expected-error @+1 {{expected static shapes, but got 'tensor<?x3xf32>': dynamic shapes are not supported yet}}
  %0 = ropegrad.loss(%a1, %a2, %a3, %x1, %x2, %y, %e) {scale = 0.5 : f64} : (tensor<?x3xf32>, tensor<8x3xf32>, tensor<8x3xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<8x4xf32>) -> tensor<f32>
  return
}

// -----

// C5: the loss is a scalar
func.func @loss_c5_result(%a1: tensor<8x3xf32>, %a2: tensor<8x3xf32>, %a3: tensor<8x3xf32>, %x1: tensor<3x4xf32>, %x2: tensor<3x4xf32>, %y: tensor<3x4xf32>, %e: tensor<8x4xf32>) {
  // expected-error @+1 {{expected loss to be 'tensor<f32>', but got 'tensor<1xf32>'}}
  %0 = ropegrad.loss(%a1, %a2, %a3, %x1, %x2, %y, %e) {scale = 0.5 : f64} : (tensor<8x3xf32>, tensor<8x3xf32>, tensor<8x3xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<8x4xf32>) -> tensor<1xf32>
  return
}

// -----

// C1: d is even under rotary position
func.func @loss_c1(%a1: tensor<8x3xf32>, %a2: tensor<8x3xf32>, %a3: tensor<8x3xf32>, %x1: tensor<3x3xf32>, %x2: tensor<3x3xf32>, %y: tensor<3x3xf32>, %e: tensor<8x3xf32>) {
  // expected-error @+1 {{expected d to be even for rotary position, but got 3}}
  %0 = ropegrad.loss(%a1, %a2, %a3, %x1, %x2, %y, %e) {scale = 0.5 : f64, position = #ropegrad.rotary<half, base = 1.0e+4 : f64>} : (tensor<8x3xf32>, tensor<8x3xf32>, tensor<8x3xf32>, tensor<3x3xf32>, tensor<3x3xf32>, tensor<3x3xf32>, tensor<8x3xf32>) -> tensor<f32>
  return
}

// -----

// C2: W is given exactly under general position
func.func @loss_c2(%a1: tensor<8x3xf32>, %a2: tensor<8x3xf32>, %a3: tensor<8x3xf32>, %x1: tensor<3x4xf32>, %x2: tensor<3x4xf32>, %y: tensor<3x4xf32>, %e: tensor<8x4xf32>) {
  // expected-error @+1 {{expected the operand W exactly under general position, but it is missing}}
  %0 = ropegrad.loss(%a1, %a2, %a3, %x1, %x2, %y, %e) {scale = 0.5 : f64, position = #ropegrad.general<[0, 0, 0, 1]>} : (tensor<8x3xf32>, tensor<8x3xf32>, tensor<8x3xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<8x4xf32>) -> tensor<f32>
  return
}

// -----

// C3: window is given exactly under mask window
func.func @loss_c3(%a1: tensor<8x3xf32>, %a2: tensor<8x3xf32>, %a3: tensor<8x3xf32>, %x1: tensor<3x4xf32>, %x2: tensor<3x4xf32>, %y: tensor<3x4xf32>, %e: tensor<8x4xf32>) {
  // expected-error @+1 {{expected window only under mask window, but got mask none}}
  %0 = ropegrad.loss(%a1, %a2, %a3, %x1, %x2, %y, %e) {scale = 0.5 : f64, window = 1 : i64} : (tensor<8x3xf32>, tensor<8x3xf32>, tensor<8x3xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<8x4xf32>) -> tensor<f32>
  return
}

// -----

// C4: tolerance is positive
func.func @loss_c4(%a1: tensor<8x3xf32>, %a2: tensor<8x3xf32>, %a3: tensor<8x3xf32>, %x1: tensor<3x4xf32>, %x2: tensor<3x4xf32>, %y: tensor<3x4xf32>, %e: tensor<8x4xf32>) {
  // expected-error @+1 {{expected a tolerance between 0 and 1, but got 0}}
  %0 = ropegrad.loss(%a1, %a2, %a3, %x1, %x2, %y, %e) {scale = 0.5 : f64, tolerance = 0.0 : f64} : (tensor<8x3xf32>, tensor<8x3xf32>, tensor<8x3xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<8x4xf32>) -> tensor<f32>
  return
}

// -----

// C7: a support has pairs within d x d
func.func @loss_c7(%a1: tensor<8x3xf32>, %a2: tensor<8x3xf32>, %a3: tensor<8x3xf32>, %x1: tensor<3x4xf32>, %x2: tensor<3x4xf32>, %y: tensor<3x4xf32>, %e: tensor<8x4xf32>, %w: tensor<15x1xf32>) {
  // expected-error @+1 {{expected support entries from 0:0 to 3:3, but got 4:0}}
  %0 = ropegrad.loss(%a1, %a2, %a3, %x1, %x2, %y, %e) position(%w) {scale = 0.5 : f64, position = #ropegrad.general<[4, 0]>} : (tensor<8x3xf32>, tensor<8x3xf32>, tensor<8x3xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<8x4xf32>, tensor<15x1xf32>) -> tensor<f32>
  return
}

// -----

// Names of the loss's variables
func.func @loss_vjp_name(%a1: tensor<8x3xf32>, %a2: tensor<8x3xf32>, %a3: tensor<8x3xf32>, %x1: tensor<3x4xf32>, %x2: tensor<3x4xf32>, %y: tensor<3x4xf32>, %e: tensor<8x4xf32>) {
  // expected-error @+1 {{expected wrt of entry loss-gradient to be among X1, X2, Y, X, A1, A2, A3, W, bias, but got 'Q'}}
  %0 = ropegrad.loss_vjp(%a1, %a2, %a3, %x1, %x2, %y, %e) {scale = 0.5 : f64, wrt = ["Q"]} : (tensor<8x3xf32>, tensor<8x3xf32>, tensor<8x3xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<8x4xf32>) -> tensor<3x4xf32>
  return
}

// -----

// One result per name in wrt
func.func @loss_vjp_results(%a1: tensor<8x3xf32>, %a2: tensor<8x3xf32>, %a3: tensor<8x3xf32>, %x1: tensor<3x4xf32>, %x2: tensor<3x4xf32>, %y: tensor<3x4xf32>, %e: tensor<8x4xf32>) {
  // expected-error @+1 {{expected one result per name in wrt, but got 1 results and 2 names}}
  %0 = ropegrad.loss_vjp(%a1, %a2, %a3, %x1, %x2, %y, %e) {scale = 0.5 : f64, wrt = ["X1", "X2"]} : (tensor<8x3xf32>, tensor<8x3xf32>, tensor<8x3xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<8x4xf32>) -> tensor<3x4xf32>
  return
}

// -----

// C5: the gradient of X is (c^2, s)
func.func @loss_vjp_x(%a1: tensor<8x3xf32>, %a2: tensor<8x3xf32>, %a3: tensor<8x3xf32>, %x1: tensor<3x4xf32>, %x2: tensor<3x4xf32>, %y: tensor<3x4xf32>, %e: tensor<8x4xf32>) {
  // expected-error @+1 {{expected dX to be 'tensor<9x4xf32>', but got 'tensor<9x8xf32>'}}
  %0 = ropegrad.loss_vjp(%a1, %a2, %a3, %x1, %x2, %y, %e) {scale = 0.5 : f64, wrt = ["X"]} : (tensor<8x3xf32>, tensor<8x3xf32>, tensor<8x3xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<8x4xf32>) -> tensor<9x8xf32>
  return
}

// -----

// C5: a gradient has the shape of its variable
func.func @loss_vjp_a1(%a1: tensor<8x3xf32>, %a2: tensor<8x3xf32>, %a3: tensor<8x3xf32>, %x1: tensor<3x4xf32>, %x2: tensor<3x4xf32>, %y: tensor<3x4xf32>, %e: tensor<8x4xf32>) {
  // expected-error @+1 {{expected dA1 to be 'tensor<8x3xf32>', but got 'tensor<3x4xf32>'}}
  %0 = ropegrad.loss_vjp(%a1, %a2, %a3, %x1, %x2, %y, %e) {scale = 0.5 : f64, wrt = ["A1"]} : (tensor<8x3xf32>, tensor<8x3xf32>, tensor<8x3xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<8x4xf32>) -> tensor<3x4xf32>
  return
}

// -----

// wrt holds names
func.func @loss_vjp_strings(%a1: tensor<8x3xf32>, %a2: tensor<8x3xf32>, %a3: tensor<8x3xf32>, %x1: tensor<3x4xf32>, %x2: tensor<3x4xf32>, %y: tensor<3x4xf32>, %e: tensor<8x4xf32>) {
  // expected-error @+1 {{attribute 'wrt' failed to satisfy constraint: string array attribute}}
  %0 = ropegrad.loss_vjp(%a1, %a2, %a3, %x1, %x2, %y, %e) {scale = 0.5 : f64, wrt = [1]} : (tensor<8x3xf32>, tensor<8x3xf32>, tensor<8x3xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<8x4xf32>) -> tensor<3x4xf32>
  return
}

// -----

// C5: the gradient of the bias has its shape
func.func @loss_vjp_bias(%a1: tensor<8x3xf32>, %a2: tensor<8x3xf32>, %a3: tensor<8x3xf32>, %x1: tensor<3x4xf32>, %x2: tensor<3x4xf32>, %y: tensor<3x4xf32>, %e: tensor<8x4xf32>, %b: tensor<15xf32>) {
  // expected-error @+1 {{expected dbias to be 'tensor<15xf32>', but got 'tensor<14xf32>'}}
  %0 = ropegrad.loss_vjp(%a1, %a2, %a3, %x1, %x2, %y, %e) bias(%b) {scale = 0.5 : f64, wrt = ["bias"]} : (tensor<8x3xf32>, tensor<8x3xf32>, tensor<8x3xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<8x4xf32>, tensor<15xf32>) -> tensor<14xf32>
  return
}

// -----

// C8: a polynomial similarity changes with its keys' mean
func.func @c8_similarity(%Q: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected similarity exp with centred keys, whose logits differ by a constant of each row, but got a polynomial}}
  %O = ropegrad.attention(%Q, %Q, %Q) {centre = #ropegrad.centre<keys>, scale = 0.25 : f64, similarity = array<f64: 1.0, 1.0>} : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  return
}

// -----

// C8: weights of keys may be too small for a row that sees no others
func.func @c8_mask(%Q: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected no mask with centred queries, whose keys have weights that may be too small for a row that sees no others, but got causal}}
  %O = ropegrad.attention(%Q, %Q, %Q) {centre = #ropegrad.centre<queries>, mask = #ropegrad.mask<causal>, scale = 0.25 : f64} : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  return
}

// -----

// C8: q W k̄ is no constant of the row
func.func @c8_general(%Q: tensor<1x1x8x2xf32>, %W: tensor<15x1xf32>) {
  // expected-error @+1 {{expected position rotary or none with centred keys, but got general}}
  %O = ropegrad.attention(%Q, %Q, %Q) position(%W) {centre = #ropegrad.centre<keys>, position = #ropegrad.general<[0, 1]>, scale = 0.25 : f64} : (tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<15x1xf32>) -> tensor<1x1x8x2xf32>
  return
}

// -----

// C8: the exact route has no radius
func.func @c8_exact(%Q: tensor<1x1x8x4xf32>) {
  // expected-error @+1 {{expected a route with a polynomial for centred keys, but got exact}}
  %O = ropegrad.attention(%Q, %Q, %Q) {centre = #ropegrad.centre<keys>, route = #ropegrad.route<exact>, scale = 0.25 : f64} : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  return
}
