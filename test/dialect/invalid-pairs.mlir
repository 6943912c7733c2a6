// RUN: ropegrad-opt %s -split-input-file -verify-diagnostics

func.func @table_needs_coefficients(%t: tensor<1x1x127xf32>) {
  // expected-error @+1 {{expected at least one coefficient, but got none}}
  %0 = ropegrad.pair_table outs(%t : tensor<1x1x127xf32>) {coefficients = array<f64>, d = 4 : i64, scale = 0.25 : f64} -> tensor<1x1x127xf32>
  return
}

// -----

func.func @table_bias(%b: tensor<63xf32>, %t: tensor<1x1x127xf32>) {
  // expected-error @+1 {{expected the bias to be (127) or (1, 127), but got 'tensor<63xf32>'}}
  %0 = ropegrad.pair_table ins(%b : tensor<63xf32>) outs(%t : tensor<1x1x127xf32>) {coefficients = array<f64: 1.0>, d = 4 : i64, scale = 0.25 : f64} -> tensor<1x1x127xf32>
  return
}

// -----

func.func @table_support(%w: tensor<127x1xf32>, %t: tensor<1x3x127xf32>) {
  // expected-error @+1 {{expected support indices in [0, 4), but got 4}}
  %0 = ropegrad.pair_table ins(%w : tensor<127x1xf32>) outs(%t : tensor<1x3x127xf32>) {coefficients = array<f64: 1.0, 1.0>, d = 4 : i64, scale = 0.25 : f64, support = array<i64: 0, 4>} -> tensor<1x3x127xf32>
  return
}

// -----

func.func @table_slopes(%t: tensor<2x1x127xf32>) {
  // expected-error @+1 {{expected one slope or one per head, but got 3}}
  %0 = ropegrad.pair_table outs(%t : tensor<2x1x127xf32>) {alibi = array<f64: 0.5, 0.5, 0.5>, coefficients = array<f64: 1.0>, d = 4 : i64, scale = 0.25 : f64} -> tensor<2x1x127xf32>
  return
}

// -----

func.func @window(%t: tensor<1x1x127xf32>, %s: tensor<1x1x256xf32>) {
  // expected-error @+1 {{expected a window exactly under mask window}}
  %0 = ropegrad.pair_spectrum ins(%t : tensor<1x1x127xf32>) outs(%s : tensor<1x1x256xf32>) {mask = #ropegrad.mask<window>} -> tensor<1x1x256xf32>
  return
}

// -----

func.func @spectrum_heads(%t: tensor<1x1x127xf32>, %s: tensor<2x1x256xf32>) {
  // expected-error @+1 {{expected S to be (1, 1, 256), but got 'tensor<2x1x256xf32>'}}
  %0 = ropegrad.pair_spectrum ins(%t : tensor<1x1x127xf32>) outs(%s : tensor<2x1x256xf32>) -> tensor<2x1x256xf32>
  return
}

// -----

func.func @apply_heads(%q: tensor<1x3x64x4xf32>, %k: tensor<1x2x64x4xf32>, %v: tensor<1x2x64x5xf32>, %s: tensor<1x1x256xf32>, %n: tensor<1x3x64x5xf32>) {
  // expected-error @+1 {{expected the heads of keys to divide 3, but got 2}}
  %0 = ropegrad.pair_apply ins(%q, %k, %v, %s : tensor<1x3x64x4xf32>, tensor<1x2x64x4xf32>, tensor<1x2x64x5xf32>, tensor<1x1x256xf32>) outs(%n : tensor<1x3x64x5xf32>) {coefficients = array<f64: 1.0>, scale = 0.25 : f64} -> tensor<1x3x64x5xf32>
  return
}

// -----

func.func @apply_spectrum(%q: tensor<1x2x64x4xf32>, %v: tensor<1x2x64x5xf32>, %s: tensor<3x1x256xf32>, %n: tensor<1x2x64x5xf32>) {
  // expected-error @+1 {{expected a spectrum for all heads or for each of 2, but got 3}}
  %0 = ropegrad.pair_apply ins(%q, %q, %v, %s : tensor<1x2x64x4xf32>, tensor<1x2x64x4xf32>, tensor<1x2x64x5xf32>, tensor<3x1x256xf32>) outs(%n : tensor<1x2x64x5xf32>) {coefficients = array<f64: 1.0>, scale = 0.25 : f64} -> tensor<1x2x64x5xf32>
  return
}

// -----

func.func @reverse_u(%q: tensor<1x2x64x4xf32>, %v: tensor<1x2x64x5xf32>, %s: tensor<1x1x256xf32>) {
  // expected-error @+1 {{expected u to be (1, 2, 64, 5), but got 'tensor<1x2x64x4xf32>'}}
  %0 = ropegrad.pair_reverse ins(%q, %q, %v, %q, %s : tensor<1x2x64x4xf32>, tensor<1x2x64x4xf32>, tensor<1x2x64x5xf32>, tensor<1x2x64x4xf32>, tensor<1x1x256xf32>) outs(%q : tensor<1x2x64x4xf32>) {coefficients = array<f64: 1.0>, scale = 0.25 : f64} -> tensor<1x2x64x4xf32>
  return
}

// -----

func.func @reverse_sums(%q: tensor<1x2x64x4xf32>, %v: tensor<1x2x64x5xf32>, %n: tensor<1x2x64x6xf32>, %s: tensor<1x1x256xf32>) {
  // expected-error @+1 {{expected N of at most 5 columns, but got 6}}
  %0:2 = ropegrad.pair_reverse ins(%q, %q, %v, %v, %s : tensor<1x2x64x4xf32>, tensor<1x2x64x4xf32>, tensor<1x2x64x5xf32>, tensor<1x2x64x5xf32>, tensor<1x1x256xf32>) outs(%q, %n : tensor<1x2x64x4xf32>, tensor<1x2x64x6xf32>) {coefficients = array<f64: 1.0>, scale = 0.25 : f64} -> tensor<1x2x64x4xf32>, tensor<1x2x64x6xf32>
  return
}

// -----

func.func @apply_slopes(%q: tensor<1x2x64x4xf32>, %v: tensor<1x2x64x5xf32>, %s: tensor<1x1x256xf32>) {
  // expected-error @+1 {{expected J to be (1, 2, 64, 20), but got 'tensor<1x2x64x4xf32>'}}
  %0:2 = ropegrad.pair_apply ins(%q, %q, %v, %s : tensor<1x2x64x4xf32>, tensor<1x2x64x4xf32>, tensor<1x2x64x5xf32>, tensor<1x1x256xf32>) outs(%v, %q : tensor<1x2x64x5xf32>, tensor<1x2x64x4xf32>) {coefficients = array<f64: 1.0>, scale = 0.25 : f64} -> tensor<1x2x64x5xf32>, tensor<1x2x64x4xf32>
  return
}

// -----

func.func @apply_slopes_position(%q: tensor<1x2x64x4xf32>, %v: tensor<1x2x64x5xf32>, %j: tensor<1x2x64x20xf32>, %s: tensor<1x3x256xf32>) {
  // expected-error @+1 {{expected J only without support}}
  %0:2 = ropegrad.pair_apply ins(%q, %q, %v, %s : tensor<1x2x64x4xf32>, tensor<1x2x64x4xf32>, tensor<1x2x64x5xf32>, tensor<1x3x256xf32>) outs(%v, %j : tensor<1x2x64x5xf32>, tensor<1x2x64x20xf32>) {coefficients = array<f64: 1.0, 1.0>, scale = 0.25 : f64, support = array<i64: 0, 0, 1, 1>} -> tensor<1x2x64x5xf32>, tensor<1x2x64x20xf32>
  return
}

// -----

func.func @reverse_slopes(%q: tensor<1x2x64x4xf32>, %v: tensor<1x2x64x5xf32>, %s: tensor<1x1x256xf32>) {
  // expected-error @+1 {{expected J to be (1, 2, 64, 20), but got 'tensor<1x2x64x5xf32>'}}
  %0 = ropegrad.pair_reverse ins(%q, %q, %v, %v, %s, %v : tensor<1x2x64x4xf32>, tensor<1x2x64x4xf32>, tensor<1x2x64x5xf32>, tensor<1x2x64x5xf32>, tensor<1x1x256xf32>, tensor<1x2x64x5xf32>) outs(%q : tensor<1x2x64x4xf32>) {coefficients = array<f64: 1.0>, scale = 0.25 : f64} -> tensor<1x2x64x4xf32>
  return
}

// -----

func.func @reverse_table(%q: tensor<1x2x64x4xf32>, %v: tensor<1x2x64x5xf32>, %r: tensor<1x1x127xf32>, %s: tensor<1x1x256xf32>) {
  // expected-error @+1 {{expected R only of transposed products without support}}
  %0:3 = ropegrad.pair_reverse ins(%q, %q, %v, %v, %s : tensor<1x2x64x4xf32>, tensor<1x2x64x4xf32>, tensor<1x2x64x5xf32>, tensor<1x2x64x5xf32>, tensor<1x1x256xf32>) outs(%q, %v, %r : tensor<1x2x64x4xf32>, tensor<1x2x64x5xf32>, tensor<1x1x127xf32>) {coefficients = array<f64: 1.0>, scale = 0.25 : f64} -> tensor<1x2x64x4xf32>, tensor<1x2x64x5xf32>, tensor<1x1x127xf32>
  return
}

// -----

func.func @correlate_distances(%q: tensor<1x2x64x4xf32>, %u: tensor<1x2x64x5xf32>, %r: tensor<1x1x128xf32>) {
  // expected-error @+1 {{expected 127 distances, but got 128}}
  %0 = ropegrad.pair_correlate ins(%q, %q, %u, %u : tensor<1x2x64x4xf32>, tensor<1x2x64x4xf32>, tensor<1x2x64x5xf32>, tensor<1x2x64x5xf32>) outs(%r : tensor<1x1x128xf32>) {coefficients = array<f64: 1.0>, scale = 0.25 : f64} -> tensor<1x1x128xf32>
  return
}

// -----

func.func @correlate_pairs(%q: tensor<1x2x64x4xf32>, %u: tensor<1x2x64x5xf32>, %r: tensor<1x2x127xf32>) {
  // expected-error @+1 {{expected one pair without support, but got 2}}
  %0 = ropegrad.pair_correlate ins(%q, %q, %u, %u : tensor<1x2x64x4xf32>, tensor<1x2x64x4xf32>, tensor<1x2x64x5xf32>, tensor<1x2x64x5xf32>) outs(%r : tensor<1x2x127xf32>) {coefficients = array<f64: 1.0>, scale = 0.25 : f64} -> tensor<1x2x127xf32>
  return
}

// -----

func.func @bias_gradient(%t: tensor<2x1x127xf32>, %y: tensor<3x127xf32>) {
  // expected-error @+1 {{expected y to be (127) or (2, 127), but got 'tensor<3x127xf32>'}}
  %0 = ropegrad.pair_bias_gradient ins(%t, %t : tensor<2x1x127xf32>, tensor<2x1x127xf32>) outs(%y : tensor<3x127xf32>) -> tensor<3x127xf32>
  return
}

// -----

func.func @table_reverse(%r: tensor<1x2x127xf32>, %w: tensor<127x2xf32>) {
  // expected-error @+1 {{expected the support of W, but got none}}
  %0 = ropegrad.pair_table_reverse ins(%r, %w : tensor<1x2x127xf32>, tensor<127x2xf32>) outs(%w : tensor<127x2xf32>) {coefficients = array<f64: 1.0>, d = 2 : i64, scale = 0.25 : f64} -> tensor<127x2xf32>
  return
}

// -----

func.func @guard(%e: tensor<f32>, %q: tensor<1x2x64x4xf32>, %W: tensor<127x2xf32>) {
  // expected-error @+1 {{expected W to be (127, 1), but got 'tensor<127x2xf32>'}}
  %r, %q2, %k2 = ropegrad.guard ins(%W : tensor<127x2xf32>) outs(%e, %q, %q : tensor<f32>, tensor<1x2x64x4xf32>, tensor<1x2x64x4xf32>) {limit = 0.5 : f64, scale = 0.25 : f64, support = array<i64: 0, 0>} -> tensor<f32>, tensor<1x2x64x4xf32>, tensor<1x2x64x4xf32>
  return
}

// -----

func.func @share_of_nothing(%s: tensor<1x1x256xf32>, %bias: tensor<127xf32>, %d: tensor<1x2x64xf32>) {
  // expected-error @+1 {{expected share to be positive and finite, but got 0}}
  %0 = ropegrad.require_share ins(%s, %bias : tensor<1x1x256xf32>, tensor<127xf32>) outs(%d : tensor<1x2x64xf32>) {share = 0.0 : f64} -> tensor<1x2x64xf32>
  return
}

// -----

func.func @share_heads(%s: tensor<3x1x256xf32>, %bias: tensor<127xf32>, %d: tensor<1x2x64xf32>) {
  // expected-error @+1 {{expected S for 1 or 2 heads, but got 3}}
  %0 = ropegrad.require_share ins(%s, %bias : tensor<3x1x256xf32>, tensor<127xf32>) outs(%d : tensor<1x2x64xf32>) {share = 0.1 : f64} -> tensor<1x2x64xf32>
  return
}

// -----

func.func @share_window(%s: tensor<1x1x256xf32>, %bias: tensor<127xf32>, %d: tensor<1x2x64xf32>) {
  // expected-error @+1 {{expected a window exactly under mask window}}
  %0 = ropegrad.require_share ins(%s, %bias : tensor<1x1x256xf32>, tensor<127xf32>) outs(%d : tensor<1x2x64xf32>) {share = 0.1 : f64, window = 3 : i64} -> tensor<1x2x64xf32>
  return
}

// -----

func.func @share_bias(%s: tensor<1x1x256xf32>, %bias: tensor<1x1x127xf32>, %d: tensor<1x2x64xf32>) {
  // expected-error @+1 {{expected a bias of rank 1 or 2, but got 3}}
  %0 = ropegrad.require_share ins(%s, %bias : tensor<1x1x256xf32>, tensor<1x1x127xf32>) outs(%d : tensor<1x2x64xf32>) {share = 0.1 : f64} -> tensor<1x2x64xf32>
  return
}
