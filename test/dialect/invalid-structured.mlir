// Levels 3 and 4: every constraint of the structured ops.
// RUN: ropegrad-opt %s -split-input-file -verify-diagnostics -allow-unregistered-dialect

// rotate C1: one input
func.func @rotate_c1_counts(%i0: tensor<1x2x8x2xf32>, %i1: tensor<1x2x8x2xf32>, %o0: tensor<1x2x8x2xf32>) {
  // expected-error @+1 {{expected 1 inputs and 1 outputs, but got 2 and 1}}
  %r = ropegrad.rotate ins(%i0, %i1 : tensor<1x2x8x2xf32>, tensor<1x2x8x2xf32>) outs(%o0 : tensor<1x2x8x2xf32>) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>} -> tensor<1x2x8x2xf32>
  return
}

// -----

// rotate C1: x is (B, H, n, d)
func.func @rotate_c1_rank(%i0: tensor<8x2xf32>, %o0: tensor<8x2xf32>) {
  // expected-error @+1 {{expected x of rank 4, but got 'tensor<8x2xf32>'}}
  %r = ropegrad.rotate ins(%i0 : tensor<8x2xf32>) outs(%o0 : tensor<8x2xf32>) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>} -> tensor<8x2xf32>
  return
}

// -----

// rotate C1: d is even
func.func @rotate_c1_even(%i0: tensor<1x2x8x3xf32>, %o0: tensor<1x2x8x3xf32>) {
  // expected-error @+1 {{expected d to be even for rotary position, but got 3}}
  %r = ropegrad.rotate ins(%i0 : tensor<1x2x8x3xf32>) outs(%o0 : tensor<1x2x8x3xf32>) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>} -> tensor<1x2x8x3xf32>
  return
}

// -----

// rotate C1: y has the shape of x
func.func @rotate_c1_y(%i0: tensor<1x2x8x2xf32>, %o0: tensor<1x2x9x2xf32>) {
  // expected-error @+1 {{expected y to be (1, 2, 8, 2), but got 'tensor<1x2x9x2xf32>'}}
  %r = ropegrad.rotate ins(%i0 : tensor<1x2x8x2xf32>) outs(%o0 : tensor<1x2x9x2xf32>) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>} -> tensor<1x2x9x2xf32>
  return
}

// -----

// centre_rows C1: one input
func.func @centre_rows_c1_counts(%x: tensor<1x2x8x2xf32>, %y: tensor<1x2x8x2xf32>) {
  // expected-error @+1 {{expected 1 inputs and 1 outputs, but got 2 and 1}}
  %r = ropegrad.centre_rows ins(%x, %x : tensor<1x2x8x2xf32>, tensor<1x2x8x2xf32>) outs(%y : tensor<1x2x8x2xf32>) -> tensor<1x2x8x2xf32>
  return
}

// -----

// centre_rows C1: x is (B, H, n, w)
func.func @centre_rows_c1_rank(%x: tensor<8x2xf32>, %y: tensor<8x2xf32>) {
  // expected-error @+1 {{expected x of rank 4, but got 'tensor<8x2xf32>'}}
  %r = ropegrad.centre_rows ins(%x : tensor<8x2xf32>) outs(%y : tensor<8x2xf32>) -> tensor<8x2xf32>
  return
}

// -----

// centre_rows C1: y has the shape of x
func.func @centre_rows_c1_y(%x: tensor<1x2x8x2xf32>, %y: tensor<1x2x8x3xf32>) {
  // expected-error @+1 {{expected y to be (1, 2, 8, 2), but got 'tensor<1x2x8x3xf32>'}}
  %r = ropegrad.centre_rows ins(%x : tensor<1x2x8x2xf32>) outs(%y : tensor<1x2x8x3xf32>) -> tensor<1x2x8x3xf32>
  return
}

// -----

// centre_rows C2: whole groups of heads
func.func @centre_rows_c2_heads(%x: tensor<1x3x8x2xf32>, %m: tensor<1x2x1x2xf32>) {
  // expected-error @+1 {{expected the heads of the mean to divide 3, but got 2}}
  %r:2 = ropegrad.centre_rows ins(%x : tensor<1x3x8x2xf32>) outs(%x, %m : tensor<1x3x8x2xf32>, tensor<1x2x1x2xf32>) -> tensor<1x3x8x2xf32>, tensor<1x2x1x2xf32>
  return
}

// -----

// centre_rows C2: one row of each
func.func @centre_rows_c2_rows(%x: tensor<1x2x8x2xf32>, %m: tensor<1x1x8x2xf32>) {
  // expected-error @+1 {{expected the mean to be (1, 1, 1, 2), but got 'tensor<1x1x8x2xf32>'}}
  %r:2 = ropegrad.centre_rows ins(%x : tensor<1x2x8x2xf32>) outs(%x, %m : tensor<1x2x8x2xf32>, tensor<1x1x8x2xf32>) -> tensor<1x2x8x2xf32>, tensor<1x1x8x2xf32>
  return
}

// -----

// key_weights C1: keys and one row
func.func @key_weights_c1_counts(%k: tensor<1x2x8x2xf32>, %w: tensor<1x2x8x1xf32>) {
  // expected-error @+1 {{expected 2 inputs and 1 outputs, but got 1 and 1}}
  %r = ropegrad.key_weights ins(%k : tensor<1x2x8x2xf32>) outs(%w : tensor<1x2x8x1xf32>) {scale = 0.5 : f64} -> tensor<1x2x8x1xf32>
  return
}

// -----

// key_weights C1: a mean for each head
func.func @key_weights_c1_mean(%k: tensor<1x2x8x2xf32>, %m: tensor<1x1x1x2xf32>, %w: tensor<1x2x8x1xf32>) {
  // expected-error @+1 {{expected m to be (1, 2, 1, 2), but got 'tensor<1x1x1x2xf32>'}}
  %r = ropegrad.key_weights ins(%k, %m : tensor<1x2x8x2xf32>, tensor<1x1x1x2xf32>) outs(%w : tensor<1x2x8x1xf32>) {scale = 0.5 : f64} -> tensor<1x2x8x1xf32>
  return
}

// -----

// key_weights C1: a weight for each key
func.func @key_weights_c1_weights(%k: tensor<1x2x8x2xf32>, %m: tensor<1x2x1x2xf32>) {
  // expected-error @+1 {{expected w to be (1, 2, 8, 1), but got 'tensor<1x2x8x2xf32>'}}
  %r = ropegrad.key_weights ins(%k, %m : tensor<1x2x8x2xf32>, tensor<1x2x1x2xf32>) outs(%k : tensor<1x2x8x2xf32>) {scale = 0.5 : f64} -> tensor<1x2x8x2xf32>
  return
}

// -----

// add_outer C1: a multiple for each row
func.func @add_outer_c1_c(%x: tensor<1x2x8x2xf32>, %c: tensor<1x1x8xf32>, %m: tensor<1x2x1x2xf32>) {
  // expected-error @+1 {{expected c to be (1, 2, 8), but got 'tensor<1x1x8xf32>'}}
  %r = ropegrad.add_outer ins(%x, %c, %m : tensor<1x2x8x2xf32>, tensor<1x1x8xf32>, tensor<1x2x1x2xf32>) outs(%x : tensor<1x2x8x2xf32>) {scale = 0.5 : f64} -> tensor<1x2x8x2xf32>
  return
}

// -----

// add_outer C1: one row of each head
func.func @add_outer_c1_m(%x: tensor<1x2x8x2xf32>, %c: tensor<1x2x8xf32>, %m: tensor<1x2x8x2xf32>) {
  // expected-error @+1 {{expected m to be (1, 2, 1, 2), but got 'tensor<1x2x8x2xf32>'}}
  %r = ropegrad.add_outer ins(%x, %c, %m : tensor<1x2x8x2xf32>, tensor<1x2x8xf32>, tensor<1x2x8x2xf32>) outs(%x : tensor<1x2x8x2xf32>) {scale = 0.5 : f64} -> tensor<1x2x8x2xf32>
  return
}

// -----

// convert C1: one input
func.func @convert_c1_counts(%x: tensor<8x2xbf16>, %y: tensor<8x2xf32>) {
  // expected-error @+1 {{expected 1 inputs and 1 outputs, but got 2 and 1}}
  %r = ropegrad.convert ins(%x, %x : tensor<8x2xbf16>, tensor<8x2xbf16>) outs(%y : tensor<8x2xf32>) -> tensor<8x2xf32>
  return
}

// -----

// convert C1: the same shape
func.func @convert_c1_shape(%x: tensor<8x2xbf16>, %y: tensor<8x3xf32>) {
  // expected-error @+1 {{expected y to be (8, 2), but got 'tensor<8x3xf32>'}}
  %r = ropegrad.convert ins(%x : tensor<8x2xbf16>) outs(%y : tensor<8x3xf32>) -> tensor<8x3xf32>
  return
}

// -----

// convert C2: 16 bits on one side
func.func @convert_c2_wide(%x: tensor<8x2xf64>, %y: tensor<8x2xf32>) {
  // expected-error @+1 {{expected bf16 or f16 on one side and f32 on the other, or f32 to f64, but got 'f64' and 'f32'}}
  %r = ropegrad.convert ins(%x : tensor<8x2xf64>) outs(%y : tensor<8x2xf32>) -> tensor<8x2xf32>
  return
}

// -----

// convert C2: f32 on the other
func.func @convert_c2_narrow(%x: tensor<8x2xf16>, %y: tensor<8x2xbf16>) {
  // expected-error @+1 {{expected bf16 or f16 on one side and f32 on the other, or f32 to f64, but got 'f16' and 'bf16'}}
  %r = ropegrad.convert ins(%x : tensor<8x2xf16>) outs(%y : tensor<8x2xbf16>) -> tensor<8x2xbf16>
  return
}

// -----

// All tensors or all buffers
func.func @rotate_mixed(%i0: memref<1x2x8x2xf32>, %o0: tensor<1x2x8x2xf32>) {
  // expected-error @+1 {{expected all tensors or all buffers, but got both}}
  %r = ropegrad.rotate ins(%i0 : memref<1x2x8x2xf32>) outs(%o0 : tensor<1x2x8x2xf32>) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>} -> tensor<1x2x8x2xf32>
  return
}

// -----

// Static shapes
func.func @rotate_dynamic(%i0: tensor<1x2x?x2xf32>, %o0: tensor<1x2x?x2xf32>) {
  // expected-error @+1 {{expected static shapes, but got 'tensor<1x2x?x2xf32>': dynamic shapes are not supported yet}}
  %r = ropegrad.rotate ins(%i0 : tensor<1x2x?x2xf32>) outs(%o0 : tensor<1x2x?x2xf32>) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>} -> tensor<1x2x?x2xf32>
  return
}

// -----

// One result per output on tensors
func.func @rotate_no_result(%i0: tensor<1x2x8x2xf32>, %o0: tensor<1x2x8x2xf32>) {
  // expected-error @+1 {{expected 1 results, but got 0}}
  ropegrad.rotate ins(%i0 : tensor<1x2x8x2xf32>) outs(%o0 : tensor<1x2x8x2xf32>) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>}
  return
}

// -----

// No results on buffers
func.func @rotate_buffer_result(%i0: memref<1x2x8x2xf32>, %o0: memref<1x2x8x2xf32>) {
  // expected-error @+1 {{expected 0 results, but got 1}}
  %r = ropegrad.rotate ins(%i0 : memref<1x2x8x2xf32>) outs(%o0 : memref<1x2x8x2xf32>) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>} -> tensor<1x2x8x2xf32>
  return
}

// -----

// A result has the type of its output
func.func @rotate_result(%i0: tensor<1x2x8x2xf32>, %o0: tensor<1x2x8x2xf32>) {
  // expected-error @+1 {{expected a result of 'tensor<1x2x8x2xf32>', but got 'tensor<1x2x8x3xf32>'}}
  %r = ropegrad.rotate ins(%i0 : tensor<1x2x8x2xf32>) outs(%o0 : tensor<1x2x8x2xf32>) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>} -> tensor<1x2x8x3xf32>
  return
}

// -----

// No empty dimension
func.func @rotate_empty(%i0: tensor<1x2x0x2xf32>, %o0: tensor<1x2x0x2xf32>) {
  // expected-error @+1 {{expected positive sizes, but got 'tensor<1x2x0x2xf32>'}}
  %r = ropegrad.rotate ins(%i0 : tensor<1x2x0x2xf32>) outs(%o0 : tensor<1x2x0x2xf32>) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>} -> tensor<1x2x0x2xf32>
  return
}

// -----

// rotate: position is rotary
func.func @rotate_position(%i0: tensor<1x2x8x2xf32>, %o0: tensor<1x2x8x2xf32>) {
  // expected-error @+1 {{attribute 'position' failed to satisfy constraint: }}
  %r = ropegrad.rotate ins(%i0 : tensor<1x2x8x2xf32>) outs(%o0 : tensor<1x2x8x2xf32>) {position = #ropegrad.no_position} -> tensor<1x2x8x2xf32>
  return
}

// -----

// append_column C1: r is (B, H, n)
func.func @append_column_c1_r(%i0: tensor<1x2x8x2xf32>, %i1: tensor<1x2x9xf32>, %o0: tensor<1x2x8x3xf32>) {
  // expected-error @+1 {{expected r to be (1, 2, 8), but got 'tensor<1x2x9xf32>'}}
  %r = ropegrad.append_column ins(%i0, %i1 : tensor<1x2x8x2xf32>, tensor<1x2x9xf32>) outs(%o0 : tensor<1x2x8x3xf32>) -> tensor<1x2x8x3xf32>
  return
}

// -----

// append_column C1: Y is (B, H, n, w+1)
func.func @append_column_c1_y(%i0: tensor<1x2x8x2xf32>, %o0: tensor<1x2x8x2xf32>) {
  // expected-error @+1 {{expected Y to be (1, 2, 8, 3), but got 'tensor<1x2x8x2xf32>'}}
  %r = ropegrad.append_column ins(%i0 : tensor<1x2x8x2xf32>) outs(%o0 : tensor<1x2x8x2xf32>) -> tensor<1x2x8x2xf32>
  return
}

// -----

// append_column C1: one or two inputs
func.func @append_column_c1_counts(%i0: tensor<1x2x8x2xf32>, %i1: tensor<1x2x8xf32>, %i2: tensor<1x2x8xf32>, %o0: tensor<1x2x8x3xf32>) {
  // expected-error @+1 {{expected 1 inputs and 1 outputs, but got 3 and 1}}
  %r = ropegrad.append_column ins(%i0, %i1, %i2 : tensor<1x2x8x2xf32>, tensor<1x2x8xf32>, tensor<1x2x8xf32>) outs(%o0 : tensor<1x2x8x3xf32>) -> tensor<1x2x8x3xf32>
  return
}

// -----

// append_column C1: X has rank 4
func.func @append_column_c1_rank(%i0: tensor<f32>, %o0: tensor<f32>) {
  // expected-error @+1 {{expected X of rank 4, but got 'tensor<f32>'}}
  %r = ropegrad.append_column ins(%i0 : tensor<f32>) outs(%o0 : tensor<f32>) -> tensor<f32>
  return
}

// -----

// guard C1: no inputs, three outputs
func.func @guard_c1_inputs(%i0: tensor<1x2x8x2xf32>, %o0: tensor<f32>, %o1: tensor<1x2x8x2xf32>, %o2: tensor<1x2x8x2xf32>) {
  // expected-error @+1 {{expected 0 inputs and 3 outputs, but got 1 and 3}}
  %r:3 = ropegrad.guard ins(%i0 : tensor<1x2x8x2xf32>) outs(%o0, %o1, %o2 : tensor<f32>, tensor<1x2x8x2xf32>, tensor<1x2x8x2xf32>) {limit = 0.5 : f64, scale = 0.25 : f64} -> tensor<f32>, tensor<1x2x8x2xf32>, tensor<1x2x8x2xf32>
  return
}

// -----

// guard C1: the radius has rank 0
func.func @guard_c1_radius(%o0: tensor<1xf32>, %o1: tensor<1x2x8x2xf32>, %o2: tensor<1x2x8x2xf32>) {
  // expected-error @+1 {{expected radius to be (), but got 'tensor<1xf32>'}}
  %r:3 = ropegrad.guard outs(%o0, %o1, %o2 : tensor<1xf32>, tensor<1x2x8x2xf32>, tensor<1x2x8x2xf32>) {limit = 0.5 : f64, scale = 0.25 : f64} -> tensor<1xf32>, tensor<1x2x8x2xf32>, tensor<1x2x8x2xf32>
  return
}

// -----

// guard C1: a radius of each key head is (B, H')
func.func @guard_c1_radii(%o0: tensor<1x2xf32>, %o1: tensor<1x2x8x2xf32>, %o2: tensor<1x1x8x2xf32>) {
  // expected-error @+1 {{expected radius to be (1, 1), but got 'tensor<1x2xf32>'}}
  %r:3 = ropegrad.guard outs(%o0, %o1, %o2 : tensor<1x2xf32>, tensor<1x2x8x2xf32>, tensor<1x1x8x2xf32>) {limit = 0.5 : f64, scale = 0.25 : f64} -> tensor<1x2xf32>, tensor<1x2x8x2xf32>, tensor<1x1x8x2xf32>
  return
}

// -----

// guard C1: H' divides H
func.func @guard_c1_heads(%o0: tensor<f32>, %o1: tensor<1x2x8x2xf32>, %o2: tensor<1x3x8x2xf32>) {
  // expected-error @+1 {{expected the heads of k to divide 2, but got 3}}
  %r:3 = ropegrad.guard outs(%o0, %o1, %o2 : tensor<f32>, tensor<1x2x8x2xf32>, tensor<1x3x8x2xf32>) {limit = 0.5 : f64, scale = 0.25 : f64} -> tensor<f32>, tensor<1x2x8x2xf32>, tensor<1x3x8x2xf32>
  return
}

// -----

// guard C1: q and k have one width
func.func @guard_c1_k(%o0: tensor<f32>, %o1: tensor<1x2x8x2xf32>, %o2: tensor<1x2x8x3xf32>) {
  // expected-error @+1 {{expected k to be (1, 2, 8, 2), but got 'tensor<1x2x8x3xf32>'}}
  %r:3 = ropegrad.guard outs(%o0, %o1, %o2 : tensor<f32>, tensor<1x2x8x2xf32>, tensor<1x2x8x3xf32>) {limit = 0.5 : f64, scale = 0.25 : f64} -> tensor<f32>, tensor<1x2x8x2xf32>, tensor<1x2x8x3xf32>
  return
}

// -----

// guard: limit is positive
func.func @guard_limit(%o0: tensor<f32>, %o1: tensor<1x2x8x2xf32>, %o2: tensor<1x2x8x2xf32>) {
  // expected-error @+1 {{expected limit and scale to be positive and finite, but got}}
  %r:3 = ropegrad.guard outs(%o0, %o1, %o2 : tensor<f32>, tensor<1x2x8x2xf32>, tensor<1x2x8x2xf32>) {limit = 0x7FF8000000000000 : f64, scale = 0.25 : f64} -> tensor<f32>, tensor<1x2x8x2xf32>, tensor<1x2x8x2xf32>
  return
}

// -----

// require_positive C1: no inputs, one output
func.func @require_positive_c1_inputs(%i0: tensor<1x2x8xf32>, %o0: tensor<1x2x8xf32>) {
  // expected-error @+1 {{expected 0 inputs and 1 outputs, but got 1 and 1}}
  %r = ropegrad.require_positive ins(%i0 : tensor<1x2x8xf32>) outs(%o0 : tensor<1x2x8xf32>) -> tensor<1x2x8xf32>
  return
}

// -----

// require_positive C1: the output is (B, H, n)
func.func @require_positive_c1_rank(%o0: tensor<1x2x8x2xf32>) {
  // expected-error @+1 {{expected D of rank 3, but got 'tensor<1x2x8x2xf32>'}}
  %r = ropegrad.require_positive outs(%o0 : tensor<1x2x8x2xf32>) -> tensor<1x2x8x2xf32>
  return
}

// -----

// accumulate C1: G has M = C(d+g, g) rows
func.func @accumulate_c1_m(%i0: tensor<1x2x8x2xf32>, %i1: tensor<1x2x8x3xf32>, %o0: tensor<1x1x5x3xf32>) {
  // expected-error @+1 {{expected G to be (1, 1, 6, 3), but got 'tensor<1x1x5x3xf32>'}}
  %r = ropegrad.accumulate ins(%i0, %i1 : tensor<1x2x8x2xf32>, tensor<1x2x8x3xf32>) outs(%o0 : tensor<1x1x5x3xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.5 : f64} -> tensor<1x1x5x3xf32>
  return
}

// -----

// accumulate C1: H' divides H
func.func @accumulate_c1_heads(%i0: tensor<1x2x8x2xf32>, %i1: tensor<1x2x8x3xf32>, %o0: tensor<1x3x6x3xf32>) {
  // expected-error @+1 {{expected the heads of G to divide 2, but got 3}}
  %r = ropegrad.accumulate ins(%i0, %i1 : tensor<1x2x8x2xf32>, tensor<1x2x8x3xf32>) outs(%o0 : tensor<1x3x6x3xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.5 : f64} -> tensor<1x3x6x3xf32>
  return
}

// -----

// accumulate C1: V is (B, H, n, w)
func.func @accumulate_c1_v(%i0: tensor<1x2x8x2xf32>, %i1: tensor<1x2x9x3xf32>, %o0: tensor<1x1x6x3xf32>) {
  // expected-error @+1 {{expected the tall factor to be (1, 2, 8, 3), but got 'tensor<1x2x9x3xf32>'}}
  %r = ropegrad.accumulate ins(%i0, %i1 : tensor<1x2x8x2xf32>, tensor<1x2x9x3xf32>) outs(%o0 : tensor<1x1x6x3xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.5 : f64} -> tensor<1x1x6x3xf32>
  return
}

// -----

// accumulate C1: x is (B, H, n, d)
func.func @accumulate_c1_rank(%i0: tensor<1x2x8xf32>, %i1: tensor<1x2x8x3xf32>, %o0: tensor<1x1x6x3xf32>) {
  // expected-error @+1 {{expected x of rank 4, but got 'tensor<1x2x8xf32>'}}
  %r = ropegrad.accumulate ins(%i0, %i1 : tensor<1x2x8xf32>, tensor<1x2x8x3xf32>) outs(%o0 : tensor<1x1x6x3xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.5 : f64} -> tensor<1x1x6x3xf32>
  return
}

// -----

// accumulate: at least one coefficient
func.func @accumulate_coefficients(%i0: tensor<1x2x8x2xf32>, %i1: tensor<1x2x8x3xf32>, %o0: tensor<1x1x6x3xf32>) {
  // expected-error @+1 {{expected at least one coefficient, but got none}}
  %r = ropegrad.accumulate ins(%i0, %i1 : tensor<1x2x8x2xf32>, tensor<1x2x8x3xf32>) outs(%o0 : tensor<1x1x6x3xf32>) {coefficients = array<f64>, scale = 0.5 : f64} -> tensor<1x1x6x3xf32>
  return
}

// -----

// accumulate C1: two inputs
func.func @accumulate_counts(%i0: tensor<1x2x8x2xf32>, %o0: tensor<1x1x6x3xf32>) {
  // expected-error @+1 {{expected 2 inputs and 1 outputs, but got 1 and 1}}
  %r = ropegrad.accumulate ins(%i0 : tensor<1x2x8x2xf32>) outs(%o0 : tensor<1x1x6x3xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.5 : f64} -> tensor<1x1x6x3xf32>
  return
}

// -----

// expand C1: G has M = C(d+g, g) rows
func.func @expand_c1_m(%i0: tensor<1x2x8x2xf32>, %i1: tensor<1x1x6x3xf32>, %o0: tensor<1x2x8x3xf32>) {
  // expected-error @+1 {{expected G to be (1, 1, 10, 3), but got 'tensor<1x1x6x3xf32>'}}
  %r = ropegrad.expand ins(%i0, %i1 : tensor<1x2x8x2xf32>, tensor<1x1x6x3xf32>) outs(%o0 : tensor<1x2x8x3xf32>) {degree = 3 : i64} -> tensor<1x2x8x3xf32>
  return
}

// -----

// expand C1: the degree is not negative
func.func @expand_c1_degree(%i0: tensor<1x2x8x2xf32>, %i1: tensor<1x1x6x3xf32>, %o0: tensor<1x2x8x3xf32>) {
  // expected-error @+1 {{expected a degree >= 0, but got -1}}
  %r = ropegrad.expand ins(%i0, %i1 : tensor<1x2x8x2xf32>, tensor<1x1x6x3xf32>) outs(%o0 : tensor<1x2x8x3xf32>) {degree = -1 : i64} -> tensor<1x2x8x3xf32>
  return
}

// -----

// expand C1: M stays countable
func.func @expand_c1_huge(%i0: tensor<1x2x8x2xf32>, %i1: tensor<1x1x6x3xf32>, %o0: tensor<1x2x8x3xf32>) {
  // expected-error @+1 {{expected G to be (1, 1, 9223372036854775807, 3), but got 'tensor<1x1x6x3xf32>'}}
  %r = ropegrad.expand ins(%i0, %i1 : tensor<1x2x8x2xf32>, tensor<1x1x6x3xf32>) outs(%o0 : tensor<1x2x8x3xf32>) {degree = 9223372036854775807 : i64} -> tensor<1x2x8x3xf32>
  return
}

// -----

// expand C1: N is (B, H, n, w)
func.func @expand_c1_n(%i0: tensor<1x2x8x2xf32>, %i1: tensor<1x1x6x3xf32>, %o0: tensor<1x2x8x4xf32>) {
  // expected-error @+1 {{expected the tall factor to be (1, 2, 8, 3), but got 'tensor<1x2x8x4xf32>'}}
  %r = ropegrad.expand ins(%i0, %i1 : tensor<1x2x8x2xf32>, tensor<1x1x6x3xf32>) outs(%o0 : tensor<1x2x8x4xf32>) {degree = 2 : i64} -> tensor<1x2x8x4xf32>
  return
}

// -----

// expand C1: two inputs
func.func @expand_counts(%i0: tensor<1x2x8x2xf32>, %i1: tensor<1x1x6x3xf32>, %i2: tensor<1x1x6x3xf32>, %o0: tensor<1x2x8x3xf32>) {
  // expected-error @+1 {{expected 2 inputs and 1 outputs, but got 3 and 1}}
  %r = ropegrad.expand ins(%i0, %i1, %i2 : tensor<1x2x8x2xf32>, tensor<1x1x6x3xf32>, tensor<1x1x6x3xf32>) outs(%o0 : tensor<1x2x8x3xf32>) {degree = 2 : i64} -> tensor<1x2x8x3xf32>
  return
}

// -----

// reverse C1: u is (B, H, n, w)
func.func @reverse_c1_u(%i0: tensor<1x2x8x2xf32>, %i1: tensor<1x1x6x3xf32>, %i2: tensor<1x2x8x2xf32>, %o0: tensor<1x2x8x2xf32>) {
  // expected-error @+1 {{expected the tall factor to be (1, 2, 8, 3), but got 'tensor<1x2x8x2xf32>'}}
  %r = ropegrad.reverse ins(%i0, %i1, %i2 : tensor<1x2x8x2xf32>, tensor<1x1x6x3xf32>, tensor<1x2x8x2xf32>) outs(%o0 : tensor<1x2x8x2xf32>) {degree = 2 : i64} -> tensor<1x2x8x2xf32>
  return
}

// -----

// reverse C1: dx has the shape of x
func.func @reverse_c1_dx(%i0: tensor<1x2x8x2xf32>, %i1: tensor<1x1x6x3xf32>, %i2: tensor<1x2x8x3xf32>, %o0: tensor<1x2x8x3xf32>) {
  // expected-error @+1 {{expected dx to be (1, 2, 8, 2), but got 'tensor<1x2x8x3xf32>'}}
  %r = ropegrad.reverse ins(%i0, %i1, %i2 : tensor<1x2x8x2xf32>, tensor<1x1x6x3xf32>, tensor<1x2x8x3xf32>) outs(%o0 : tensor<1x2x8x3xf32>) {degree = 2 : i64} -> tensor<1x2x8x3xf32>
  return
}

// -----

// reverse C1: three inputs
func.func @reverse_counts(%i0: tensor<1x2x8x2xf32>, %i1: tensor<1x1x6x3xf32>, %o0: tensor<1x2x8x2xf32>) {
  // expected-error @+1 {{expected 3 inputs and 1 outputs, but got 2 and 1}}
  %r = ropegrad.reverse ins(%i0, %i1 : tensor<1x2x8x2xf32>, tensor<1x1x6x3xf32>) outs(%o0 : tensor<1x2x8x2xf32>) {degree = 2 : i64} -> tensor<1x2x8x2xf32>
  return
}

// -----

// kronecker_features C1: one batch and one head
func.func @kronecker_features_c1_heads(%i0: tensor<1x2x8x2xf32>, %i1: tensor<1x1x8x2xf32>, %i2: tensor<1x1x8x3xf32>, %i3: tensor<1x1x8x3xf32>, %i4: tensor<1x1x8x2xf32>, %i5: tensor<1x1x8x2xf32>, %o0: tensor<4x2xf32>) {
  // expected-error @+1 {{expected one batch and one head, but got 'tensor<1x2x8x2xf32>'}}
  %r = ropegrad.kronecker_features ins(%i0, %i1, %i2, %i3, %i4, %i5 : tensor<1x2x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) outs(%o0 : tensor<4x2xf32>) {coefficients = array<f64: 1.0, 1.0>, position = #ropegrad.no_position, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>} -> tensor<4x2xf32>
  return
}

// -----

// kronecker_features C1: k has the shape of q
func.func @kronecker_features_c1_k(%i0: tensor<1x1x8x2xf32>, %i1: tensor<1x1x8x3xf32>, %i2: tensor<1x1x8x3xf32>, %i3: tensor<1x1x8x3xf32>, %i4: tensor<1x1x8x2xf32>, %i5: tensor<1x1x8x2xf32>, %o0: tensor<4x2xf32>) {
  // expected-error @+1 {{expected k to be (1, 1, 8, 2), but got 'tensor<1x1x8x3xf32>'}}
  %r = ropegrad.kronecker_features ins(%i0, %i1, %i2, %i3, %i4, %i5 : tensor<1x1x8x2xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) outs(%o0 : tensor<4x2xf32>) {coefficients = array<f64: 1.0, 1.0>, position = #ropegrad.no_position, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>} -> tensor<4x2xf32>
  return
}

// -----

// kronecker_features C1: u has n rows
func.func @kronecker_features_c1_u(%i0: tensor<1x1x8x2xf32>, %i1: tensor<1x1x8x2xf32>, %i2: tensor<1x1x9x3xf32>, %i3: tensor<1x1x8x3xf32>, %i4: tensor<1x1x8x2xf32>, %i5: tensor<1x1x8x2xf32>, %o0: tensor<4x2xf32>) {
  // expected-error @+1 {{expected u to be (1, 1, 8, 3), but got 'tensor<1x1x9x3xf32>'}}
  %r = ropegrad.kronecker_features ins(%i0, %i1, %i2, %i3, %i4, %i5 : tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x9x3xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) outs(%o0 : tensor<4x2xf32>) {coefficients = array<f64: 1.0, 1.0>, position = #ropegrad.no_position, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>} -> tensor<4x2xf32>
  return
}

// -----

// kronecker_features C1: v has the shape of u
func.func @kronecker_features_c1_v(%i0: tensor<1x1x8x2xf32>, %i1: tensor<1x1x8x2xf32>, %i2: tensor<1x1x8x3xf32>, %i3: tensor<1x1x8x2xf32>, %i4: tensor<1x1x8x2xf32>, %i5: tensor<1x1x8x2xf32>, %o0: tensor<4x2xf32>) {
  // expected-error @+1 {{expected v to be (1, 1, 8, 3), but got 'tensor<1x1x8x2xf32>'}}
  %r = ropegrad.kronecker_features ins(%i0, %i1, %i2, %i3, %i4, %i5 : tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) outs(%o0 : tensor<4x2xf32>) {coefficients = array<f64: 1.0, 1.0>, position = #ropegrad.no_position, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>} -> tensor<4x2xf32>
  return
}

// -----

// kronecker_features C1: A1 has n rows
func.func @kronecker_features_c1_a1(%i0: tensor<1x1x8x2xf32>, %i1: tensor<1x1x8x2xf32>, %i2: tensor<1x1x8x3xf32>, %i3: tensor<1x1x8x3xf32>, %i4: tensor<1x1x9x2xf32>, %i5: tensor<1x1x8x2xf32>, %o0: tensor<4x2xf32>) {
  // expected-error @+1 {{expected A1 to be (1, 1, 8, 2), but got 'tensor<1x1x9x2xf32>'}}
  %r = ropegrad.kronecker_features ins(%i0, %i1, %i2, %i3, %i4, %i5 : tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x3xf32>, tensor<1x1x9x2xf32>, tensor<1x1x8x2xf32>) outs(%o0 : tensor<4x2xf32>) {coefficients = array<f64: 1.0, 1.0>, position = #ropegrad.no_position, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>} -> tensor<4x2xf32>
  return
}

// -----

// kronecker_features C1: A2 has the shape of A1
func.func @kronecker_features_c1_a2(%i0: tensor<1x1x8x2xf32>, %i1: tensor<1x1x8x2xf32>, %i2: tensor<1x1x8x3xf32>, %i3: tensor<1x1x8x3xf32>, %i4: tensor<1x1x8x2xf32>, %i5: tensor<1x1x8x3xf32>, %o0: tensor<4x2xf32>) {
  // expected-error @+1 {{expected A2 to be (1, 1, 8, 2), but got 'tensor<1x1x8x3xf32>'}}
  %r = ropegrad.kronecker_features ins(%i0, %i1, %i2, %i3, %i4, %i5 : tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x3xf32>) outs(%o0 : tensor<4x2xf32>) {coefficients = array<f64: 1.0, 1.0>, position = #ropegrad.no_position, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>} -> tensor<4x2xf32>
  return
}

// -----

// kronecker_features C1: inputs of rank 4
func.func @kronecker_features_c1_rank(%i0: tensor<1x1x8x2xf32>, %i1: tensor<1x1x8x2xf32>, %i2: tensor<1x1x8x3xf32>, %i3: tensor<1x1x8x3xf32>, %i4: tensor<1x1x8x2xf32>, %i5: tensor<8x2xf32>, %o0: tensor<4x2xf32>) {
  // expected-error @+1 {{expected every input of rank 4, but got 'tensor<8x2xf32>'}}
  %r = ropegrad.kronecker_features ins(%i0, %i1, %i2, %i3, %i4, %i5 : tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x2xf32>, tensor<8x2xf32>) outs(%o0 : tensor<4x2xf32>) {coefficients = array<f64: 1.0, 1.0>, position = #ropegrad.no_position, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>} -> tensor<4x2xf32>
  return
}

// -----

// kronecker_features C1: the output is (c^2, s)
func.func @kronecker_features_c1_g(%i0: tensor<1x1x8x2xf32>, %i1: tensor<1x1x8x2xf32>, %i2: tensor<1x1x8x3xf32>, %i3: tensor<1x1x8x3xf32>, %i4: tensor<1x1x8x2xf32>, %i5: tensor<1x1x8x2xf32>, %o0: tensor<4x3xf32>) {
  // expected-error @+1 {{expected G to be (4, 2), but got 'tensor<4x3xf32>'}}
  %r = ropegrad.kronecker_features ins(%i0, %i1, %i2, %i3, %i4, %i5 : tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) outs(%o0 : tensor<4x3xf32>) {coefficients = array<f64: 1.0, 1.0>, position = #ropegrad.no_position, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>} -> tensor<4x3xf32>
  return
}

// -----

// kronecker_features: rotary or no position
func.func @kronecker_features_position(%i0: tensor<1x1x8x2xf32>, %i1: tensor<1x1x8x2xf32>, %i2: tensor<1x1x8x3xf32>, %i3: tensor<1x1x8x3xf32>, %i4: tensor<1x1x8x2xf32>, %i5: tensor<1x1x8x2xf32>, %o0: tensor<4x2xf32>) {
  // expected-error @+1 {{expected rotary or no position, but got general}}
  %r = ropegrad.kronecker_features ins(%i0, %i1, %i2, %i3, %i4, %i5 : tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) outs(%o0 : tensor<4x2xf32>) {coefficients = array<f64: 1.0, 1.0>, position = #ropegrad.general<[0, 0, 1, 1]>, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>} -> tensor<4x2xf32>
  return
}

// -----

// kronecker_features: at least one coefficient
func.func @kronecker_features_coefficients(%i0: tensor<1x1x8x2xf32>, %i1: tensor<1x1x8x2xf32>, %i2: tensor<1x1x8x3xf32>, %i3: tensor<1x1x8x3xf32>, %i4: tensor<1x1x8x2xf32>, %i5: tensor<1x1x8x2xf32>, %o0: tensor<4x2xf32>) {
  // expected-error @+1 {{expected at least one coefficient, but got none}}
  %r = ropegrad.kronecker_features ins(%i0, %i1, %i2, %i3, %i4, %i5 : tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) outs(%o0 : tensor<4x2xf32>) {coefficients = array<f64>, position = #ropegrad.no_position, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>} -> tensor<4x2xf32>
  return
}

// -----

// kronecker_features: a support has pairs within d x d
func.func @kronecker_features_support(%i0: tensor<1x1x8x2xf32>, %i1: tensor<1x1x8x2xf32>, %i2: tensor<1x1x8x3xf32>, %i3: tensor<1x1x8x3xf32>, %i4: tensor<1x1x8x2xf32>, %i5: tensor<1x1x8x2xf32>, %o0: tensor<4x2xf32>) {
  // expected-error @+1 {{expected support indices in [0, 2), but got 7}}
  %r = ropegrad.kronecker_features ins(%i0, %i1, %i2, %i3, %i4, %i5 : tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x3xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) outs(%o0 : tensor<4x2xf32>) {coefficients = array<f64: 1.0, 1.0>, position = #ropegrad.no_position, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 7>} -> tensor<4x2xf32>
  return
}

// -----

// position_table C1: no inputs
func.func @position_table_c1_inputs(%i0: tensor<1x2x8x2xf32>, %o0: tensor<15x2xf32>) {
  // expected-error @+1 {{expected 0 inputs and 1 outputs, but got 1 and 1}}
  %r = ropegrad.position_table ins(%i0 : tensor<1x2x8x2xf32>) outs(%o0 : tensor<15x2xf32>) {d = 2 : i64, position = #ropegrad.no_position, support = array<i64: 0, 0, 1, 1>} -> tensor<15x2xf32>
  return
}

// -----

// position_table C1: 2n-1 rows
func.func @position_table_c1_rows(%o0: tensor<16x2xf32>) {
  // expected-error @+1 {{expected 2n-1 rows, but got 16}}
  %r = ropegrad.position_table outs(%o0 : tensor<16x2xf32>) {d = 2 : i64, position = #ropegrad.no_position, support = array<i64: 0, 0, 1, 1>} -> tensor<16x2xf32>
  return
}

// -----

// position_table C1: one column per pair
func.func @position_table_c1_columns(%o0: tensor<15x3xf32>) {
  // expected-error @+1 {{expected W to be (15, 2), but got 'tensor<15x3xf32>'}}
  %r = ropegrad.position_table outs(%o0 : tensor<15x3xf32>) {d = 2 : i64, position = #ropegrad.no_position, support = array<i64: 0, 0, 1, 1>} -> tensor<15x3xf32>
  return
}

// -----

// position_table C1: rank 2
func.func @position_table_c1_rank(%o0: tensor<15xf32>) {
  // expected-error @+1 {{expected W of rank 2, but got 'tensor<15xf32>'}}
  %r = ropegrad.position_table outs(%o0 : tensor<15xf32>) {d = 2 : i64, position = #ropegrad.no_position, support = array<i64: 0, 0, 1, 1>} -> tensor<15xf32>
  return
}

// -----

// position_table: a support has pairs within d x d
func.func @position_table_support(%o0: tensor<15x2xf32>) {
  // expected-error @+1 {{expected support indices in [0, 2), but got -1}}
  %r = ropegrad.position_table outs(%o0 : tensor<15x2xf32>) {d = 2 : i64, position = #ropegrad.no_position, support = array<i64: 0, 0, 1, -1>} -> tensor<15x2xf32>
  return
}

// -----

// position_table: rotary or no position
func.func @position_table_position(%o0: tensor<15x2xf32>) {
  // expected-error @+1 {{expected rotary or no position, but got general}}
  %r = ropegrad.position_table outs(%o0 : tensor<15x2xf32>) {d = 2 : i64, position = #ropegrad.general<[0, 0, 1, 1]>, support = array<i64: 0, 0, 1, 1>} -> tensor<15x2xf32>
  return
}

// -----

// tiles C1: one body argument per input
func.func @tiles_c1_arguments(%i0: tensor<1x1x8x2xf32>, %o0: tensor<1x1x8xf32>) {
  // expected-error @+1 {{expected one body argument per input, of its type}}
  %r = ropegrad.tiles ins(%i0 : tensor<1x1x8x2xf32>) outs(%o0 : tensor<1x1x8xf32>) {
    ^bb0(%a: tensor<1x1x8x2xf32>, %b: tensor<1x1x8x2xf32>):
    %A = ropegrad.outer %a, %a : (tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
    %0 = ropegrad.row_sums %A : (!ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
    ropegrad.yield %0 : tensor<1x1x8xf32>
  } -> tensor<1x1x8xf32>
  return
}

// -----

// tiles C1: one yielded exit per output
func.func @tiles_c1_yield(%i0: tensor<1x1x8x2xf32>, %o0: tensor<1x1x8xf32>) {
  // expected-error @+1 {{expected one yielded exit per output, of its type}}
  %r = ropegrad.tiles ins(%i0 : tensor<1x1x8x2xf32>) outs(%o0 : tensor<1x1x8xf32>) {
    ^bb0(%a: tensor<1x1x8x2xf32>):
    %A = ropegrad.outer %a, %a : (tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
    %0 = ropegrad.row_sums %A : (!ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
    ropegrad.yield %0, %0 : tensor<1x1x8xf32>, tensor<1x1x8xf32>
  } -> tensor<1x1x8xf32>
  return
}

// -----

// tiles C2: level-2 ops only
func.func @tiles_c2_ops(%i0: tensor<1x1x8x2xf32>, %o0: tensor<1x1x8xf32>) {
  // expected-error @+1 {{expected level-2 ops in the body, but got arith.constant}}
  %r = ropegrad.tiles ins(%i0 : tensor<1x1x8x2xf32>) outs(%o0 : tensor<1x1x8xf32>) {
    ^bb0(%a: tensor<1x1x8x2xf32>):
    %c = arith.constant 1.0 : f32
    %A = ropegrad.outer %a, %a : (tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
    %0 = ropegrad.row_sums %A : (!ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
    ropegrad.yield %0 : tensor<1x1x8xf32>
  } -> tensor<1x1x8xf32>
  return
}

// -----

// tiles C2: exits are yielded
func.func @tiles_c2_exit(%i0: tensor<1x1x8xf32>, %o0: tensor<1x1x8xf32>) {
  // expected-error @+1 {{expected exits to be yielded}}
  %r = ropegrad.tiles ins(%i0 : tensor<1x1x8xf32>) outs(%o0 : tensor<1x1x8xf32>) {
    ^bb0(%a: tensor<1x1x8xf32>):
    ropegrad.yield %a : tensor<1x1x8xf32>
  } -> tensor<1x1x8xf32>
  return
}

// -----

// tiles: the body ends in yield
func.func @tiles_terminator(%i0: tensor<1x1x8x2xf32>, %o0: tensor<1x1x8xf32>) {
  // expected-error @+1 {{expected the body to end in ropegrad.yield}}
  %r = ropegrad.tiles ins(%i0 : tensor<1x1x8x2xf32>) outs(%o0 : tensor<1x1x8xf32>) {
    ^bb0(%a: tensor<1x1x8x2xf32>):
    %A = ropegrad.outer %a, %a : (tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
    %0 = ropegrad.row_sums %A : (!ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
    "test.end"() : () -> ()
  } -> tensor<1x1x8xf32>
  return
}

// -----

// tiles: the body is not empty
func.func @tiles_empty(%i0: tensor<1x1x8x2xf32>, %o0: tensor<1x1x8xf32>) {
  // expected-error @+1 {{region #0 ('body') failed to verify constraint: region with 1 blocks}}
  %r = ropegrad.tiles ins(%i0 : tensor<1x1x8x2xf32>) outs(%o0 : tensor<1x1x8xf32>) {

  } -> tensor<1x1x8xf32>
  return
}

// -----

// tiles C3: the body reads its arguments only
func.func @tiles_c3_capture(%q: tensor<1x1x8x2xf32>, %e: tensor<1x1x8xf32>) {
  %B = ropegrad.outer %q, %q : (tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  // expected-error @+1 {{expected the body to read its arguments only, but got an outer operand of ropegrad.row_sums}}
  %r = ropegrad.tiles outs(%e : tensor<1x1x8xf32>) {
    %0 = ropegrad.row_sums %B : (!ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
    ropegrad.yield %0 : tensor<1x1x8xf32>
  } -> tensor<1x1x8xf32>
  return
}

// -----

// toeplitz_apply C1: two inputs
func.func @toeplitz_apply_c1_counts(%x: tensor<1x2x8x3xf32>) {
  // expected-error @+1 {{expected 2 inputs and 1 outputs, but got 1 and 1}}
  %r = ropegrad.toeplitz_apply ins(%x : tensor<1x2x8x3xf32>) outs(%x : tensor<1x2x8x3xf32>) -> tensor<1x2x8x3xf32>
  return
}

// -----

// toeplitz_apply C1: X is (B, H, n, w)
func.func @toeplitz_apply_c1_rank(%x: tensor<8x3xf32>, %T: tensor<15xf32>, %y: tensor<8x3xf32>) {
  // expected-error @+1 {{expected X of rank 4, but got 'tensor<8x3xf32>'}}
  %r = ropegrad.toeplitz_apply ins(%x, %T : tensor<8x3xf32>, tensor<15xf32>) outs(%y : tensor<8x3xf32>) -> tensor<8x3xf32>
  return
}

// -----

// toeplitz_apply C1: Y has the shape of X
func.func @toeplitz_apply_c1_y(%x: tensor<1x2x8x3xf32>, %T: tensor<15xf32>, %y: tensor<1x2x8x4xf32>) {
  // expected-error @+1 {{expected Y to be (1, 2, 8, 3), but got 'tensor<1x2x8x4xf32>'}}
  %r = ropegrad.toeplitz_apply ins(%x, %T : tensor<1x2x8x3xf32>, tensor<15xf32>) outs(%y : tensor<1x2x8x4xf32>) -> tensor<1x2x8x4xf32>
  return
}

// -----

// toeplitz_apply C1: T has 2n-1 numbers
func.func @toeplitz_apply_c1_table(%x: tensor<1x2x8x3xf32>, %T: tensor<16xf32>, %y: tensor<1x2x8x3xf32>) {
  // expected-error @+1 {{expected T to be (15) or (2, 15), but got 'tensor<16xf32>'}}
  %r = ropegrad.toeplitz_apply ins(%x, %T : tensor<1x2x8x3xf32>, tensor<16xf32>) outs(%y : tensor<1x2x8x3xf32>) -> tensor<1x2x8x3xf32>
  return
}

// -----

// toeplitz_apply C1: T has a row per head
func.func @toeplitz_apply_c1_heads(%x: tensor<1x2x8x3xf32>, %T: tensor<3x15xf32>, %y: tensor<1x2x8x3xf32>) {
  // expected-error @+1 {{expected T to be (15) or (2, 15), but got 'tensor<3x15xf32>'}}
  %r = ropegrad.toeplitz_apply ins(%x, %T : tensor<1x2x8x3xf32>, tensor<3x15xf32>) outs(%y : tensor<1x2x8x3xf32>) -> tensor<1x2x8x3xf32>
  return
}

// -----

// toeplitz_apply C2: one element type
func.func @toeplitz_apply_c2_mixed(%x: tensor<1x2x8x3xf32>, %T: tensor<15xf64>, %y: tensor<1x2x8x3xf32>) {
  // expected-error @+1 {{expected all elements to be f32 or all f64, but got 'f32' and 'f64'}}
  %r = ropegrad.toeplitz_apply ins(%x, %T : tensor<1x2x8x3xf32>, tensor<15xf64>) outs(%y : tensor<1x2x8x3xf32>) -> tensor<1x2x8x3xf32>
  return
}

// -----

// toeplitz_apply C2: f32 or f64
func.func @toeplitz_apply_c2_half(%x: tensor<1x2x8x3xbf16>, %T: tensor<15xbf16>, %y: tensor<1x2x8x3xbf16>) {
  // expected-error @+1 {{expected all elements to be f32 or all f64, but got 'bf16' and 'bf16'}}
  %r = ropegrad.toeplitz_apply ins(%x, %T : tensor<1x2x8x3xbf16>, tensor<15xbf16>) outs(%y : tensor<1x2x8x3xbf16>) -> tensor<1x2x8x3xbf16>
  return
}

// -----

// toeplitz_correlate C1: two inputs
func.func @toeplitz_correlate_c1_counts(%x: tensor<1x2x8x3xf32>, %D: tensor<15xf32>) {
  // expected-error @+1 {{expected 2 inputs and 1 outputs, but got 1 and 1}}
  %r = ropegrad.toeplitz_correlate ins(%x : tensor<1x2x8x3xf32>) outs(%D : tensor<15xf32>) -> tensor<15xf32>
  return
}

// -----

// toeplitz_correlate C1: X is (B, H, n, w)
func.func @toeplitz_correlate_c1_rank(%u: tensor<1x2x8x3xf32>, %x: tensor<8x3xf32>, %D: tensor<15xf32>) {
  // expected-error @+1 {{expected X of rank 4, but got 'tensor<8x3xf32>'}}
  %r = ropegrad.toeplitz_correlate ins(%u, %x : tensor<1x2x8x3xf32>, tensor<8x3xf32>) outs(%D : tensor<15xf32>) -> tensor<15xf32>
  return
}

// -----

// toeplitz_correlate C1: U has the shape of X
func.func @toeplitz_correlate_c1_u(%u: tensor<1x2x9x3xf32>, %x: tensor<1x2x8x3xf32>, %D: tensor<15xf32>) {
  // expected-error @+1 {{expected U to be (1, 2, 8, 3), but got 'tensor<1x2x9x3xf32>'}}
  %r = ropegrad.toeplitz_correlate ins(%u, %x : tensor<1x2x9x3xf32>, tensor<1x2x8x3xf32>) outs(%D : tensor<15xf32>) -> tensor<15xf32>
  return
}

// -----

// toeplitz_correlate C1: D has 2n-1 numbers
func.func @toeplitz_correlate_c1_table(%u: tensor<1x2x8x3xf32>, %x: tensor<1x2x8x3xf32>, %D: tensor<8xf32>) {
  // expected-error @+1 {{expected D to be (15) or (2, 15), but got 'tensor<8xf32>'}}
  %r = ropegrad.toeplitz_correlate ins(%u, %x : tensor<1x2x8x3xf32>, tensor<1x2x8x3xf32>) outs(%D : tensor<8xf32>) -> tensor<8xf32>
  return
}

// -----

// toeplitz_correlate C2: one element type
func.func @toeplitz_correlate_c2_mixed(%u: tensor<1x2x8x3xf32>, %x: tensor<1x2x8x3xf32>, %D: tensor<15xf64>) {
  // expected-error @+1 {{expected all elements to be f32 or all f64, but got 'f32' and 'f64'}}
  %r = ropegrad.toeplitz_correlate ins(%u, %x : tensor<1x2x8x3xf32>, tensor<1x2x8x3xf32>) outs(%D : tensor<15xf64>) -> tensor<15xf64>
  return
}

// -----

// yield: only inside tiles
func.func @yield_parent(%x: tensor<1x2x8x2xf32>) {
  // expected-error @+1 {{expects parent op 'ropegrad.tiles'}}
  ropegrad.yield %x : tensor<1x2x8x2xf32>
}
