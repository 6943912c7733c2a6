// Rules that make no sense, and ops that do not fit theirs.
// RUN: ropegrad-opt %s -split-input-file -verify-diagnostics

// kept C1: a permutation
// expected-error @+1 {{expected an order of all 2 coordinates, but got another list}}
func.func private @kept() attributes {a = #ropegrad.kept<order = [1, 1], costs = [0, 3], budgets = [0], ends = [2], limits = [0.5, 0.01]>}

// -----

// kept C1: as many costs
// expected-error @+1 {{expected 2 costs, but got 1}}
func.func private @kept() attributes {a = #ropegrad.kept<order = [1, 0], costs = [0], budgets = [0], ends = [2], limits = [0.5, 0.01]>}

// -----

// kept C1: no negative cost
// expected-error @+1 {{expected costs from 0 to 2^32, but got -1}}
func.func private @kept() attributes {a = #ropegrad.kept<order = [1, 0], costs = [0, -1], budgets = [0], ends = [2], limits = [0.5, 0.01]>}

// -----

// kept C2: as many ends as budgets
// expected-error @+1 {{expected 1 ends, one for each budget, but got 2}}
func.func private @kept() attributes {a = #ropegrad.kept<order = [1, 0], costs = [0, 3], budgets = [0], ends = [2, 2], limits = [0.5, 0.01]>}

// -----

// kept C2: ends within the variables
// expected-error @+1 {{expected ends from 0 to 2, but got 3}}
func.func private @kept() attributes {a = #ropegrad.kept<order = [1, 0], costs = [0, 3], budgets = [0], ends = [3], limits = [0.5, 0.01]>}

// -----

// kept C3: positive limits
// expected-error @+1 {{expected limits to be positive and finite, but got 0}}
func.func private @kept() attributes {a = #ropegrad.kept<order = [1, 0], costs = [0, 3], budgets = [0], ends = [2], limits = [0.5, 0.0]>}

// -----

// kept C3: a limit for each or for each two
// expected-error @+1 {{expected a limit for each or for each two of 2 coordinates, but got 3}}
func.func private @kept() attributes {a = #ropegrad.kept<order = [1, 0], costs = [0, 3], budgets = [0], ends = [2], limits = [0.5, 0.5, 0.5]>}

// -----

// kept C3: pairs
// expected-error @+1 {{expected pairs 2k, 2k+1 or k, k+d/2 in the order}}
func.func private @kept() attributes {a = #ropegrad.kept<order = [0, 3, 1, 2], costs = [0, 0, 0, 0], budgets = [0], ends = [4], limits = [0.5, 0.1]>}

// -----

// kept C4: not too many
// expected-error @+1 {{expected at most 65536 monomials to be kept, but got more}}
func.func private @kept() attributes {a = #ropegrad.kept<order = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63], costs = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], budgets = [0, 0, 0], ends = [64, 64, 64], limits = [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]>}

// -----

#kept = #ropegrad.kept<order = [1, 0], costs = [0, 3], budgets = [0], ends = [2], limits = [5.0e-1, 1.0e-2]>

// accumulate C2: M as many as are kept
func.func @accumulate_c2(%x: tensor<1x2x8x2xf32>, %v: tensor<1x2x8x3xf32>, %g: tensor<1x2x6x3xf32>) {
  // expected-error @+1 {{expected G to be (1, 2, 5, 3), but got 'tensor<1x2x6x3xf32>'}}
  %G = ropegrad.accumulate ins(%x, %v : tensor<1x2x8x2xf32>, tensor<1x2x8x3xf32>) outs(%g : tensor<1x2x6x3xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, kept = #kept, scale = 0.5 : f64} -> tensor<1x2x6x3xf32>
  return
}

// -----

#kept = #ropegrad.kept<order = [1, 0], costs = [0, 3], budgets = [0], ends = [2], limits = [5.0e-1, 1.0e-2]>

// expand C2: of its degree
func.func @expand_c2(%x: tensor<1x2x8x2xf32>, %v: tensor<1x2x8x3xf32>, %g: tensor<1x2x5x3xf32>) {
  // expected-error @+1 {{expected kept of degree 3, but got 2}}
  %N = ropegrad.expand ins(%x, %g : tensor<1x2x8x2xf32>, tensor<1x2x5x3xf32>) outs(%v : tensor<1x2x8x3xf32>) {degree = 3 : i64, kept = #kept} -> tensor<1x2x8x3xf32>
  return
}

// -----

#kept = #ropegrad.kept<order = [1, 0], costs = [0, 3], budgets = [0], ends = [2], limits = [5.0e-1, 1.0e-2]>

// reverse C2: of its width
func.func @reverse_c2(%x: tensor<1x2x8x3xf32>, %v: tensor<1x2x8x3xf32>, %g: tensor<1x2x5x3xf32>) {
  // expected-error @+1 {{expected kept of 3 coordinates, but got 2}}
  %dx = ropegrad.reverse ins(%x, %g, %v : tensor<1x2x8x3xf32>, tensor<1x2x5x3xf32>, tensor<1x2x8x3xf32>) outs(%x : tensor<1x2x8x3xf32>) {degree = 2 : i64, kept = #kept} -> tensor<1x2x8x3xf32>
  return
}

// -----

#kept = #ropegrad.kept<order = [1, 0], costs = [0, 3], budgets = [0], ends = [2], limits = [5.0e-1, 1.0e-2]>

// guard C2: without W
func.func @guard_c2(%W: tensor<15x1xf32>, %x: tensor<1x2x8x2xf32>, %e: tensor<f32>) {
  // expected-error @+1 {{expected kept without a support of W, but got both}}
  %r, %q, %k = ropegrad.guard ins(%W : tensor<15x1xf32>) outs(%e, %x, %x : tensor<f32>, tensor<1x2x8x2xf32>, tensor<1x2x8x2xf32>) {kept = #kept, limit = 0.5 : f64, scale = 0.5 : f64, support = array<i64: 0, 0>} -> tensor<f32>, tensor<1x2x8x2xf32>, tensor<1x2x8x2xf32>
  return
}

// -----

#kept = #ropegrad.kept<order = [1, 0], costs = [0, 3], budgets = [0], ends = [2], limits = [5.0e-1, 1.0e-2]>

// guard C2: one radius
func.func @guard_c2_radius(%x: tensor<1x2x8x2xf32>, %e: tensor<1x2xf32>) {
  // expected-error @+1 {{expected kept with one radius for all heads, but got one for each key head}}
  %r, %q, %k = ropegrad.guard outs(%e, %x, %x : tensor<1x2xf32>, tensor<1x2x8x2xf32>, tensor<1x2x8x2xf32>) {kept = #kept, limit = 0.5 : f64, scale = 0.5 : f64} -> tensor<1x2xf32>, tensor<1x2x8x2xf32>, tensor<1x2x8x2xf32>
  return
}

// -----

// problem C4: bounds are positive
func.func @bounds_c4(%q: tensor<1x1x8x2xf32>) {
  // expected-error @+1 {{expected bounds to be positive and finite, but got -1}}
  %0 = ropegrad.attention(%q, %q, %q) {bounds = array<f64: 1.0, -1.0>, scale = 0.5 : f64} : (tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) -> tensor<1x1x8x2xf32>
  return
}

// -----

// problem C4: one for each coordinate
func.func @bounds_count(%q: tensor<1x1x8x2xf32>) {
  // expected-error @+1 {{expected 2 bounds, one for each coordinate, but got 3}}
  %0 = ropegrad.attention(%q, %q, %q) {bounds = array<f64: 1.0, 1.0, 1.0>, scale = 0.5 : f64} : (tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) -> tensor<1x1x8x2xf32>
  return
}
