// Level 3: every constraint of the ops over chunks of rows.
// RUN: ropegrad-opt %s -split-input-file -verify-diagnostics

// decay_rows C1: one number of heads divides the other
func.func @decay_rows_c1_heads(%x: tensor<1x2x10x2xf32>, %y: tensor<1x3x10x2xf32>) {
  // expected-error @+1 {{expected the heads of x to divide 3, but got 2}}
  %0 = ropegrad.decay_rows ins(%x : tensor<1x2x10x2xf32>) outs(%y : tensor<1x3x10x2xf32>) {chunk = 4 : i64, first = 3 : i64, descending, slopes = array<f64: 0.5>} -> tensor<1x3x10x2xf32>
  return
}

// -----

// decay_rows C1: the same rows
func.func @decay_rows_c1_shape(%x: tensor<1x1x10x2xf32>, %y: tensor<1x2x9x2xf32>) {
  // expected-error @+1 {{expected y to be (1, 2, 10, 2), but got 'tensor<1x2x9x2xf32>'}}
  %0 = ropegrad.decay_rows ins(%x : tensor<1x1x10x2xf32>) outs(%y : tensor<1x2x9x2xf32>) {chunk = 4 : i64, first = 3 : i64, descending, slopes = array<f64: 0.5>} -> tensor<1x2x9x2xf32>
  return
}

// -----

// decay_rows C1: rank 4
func.func @decay_rows_c1_rank(%x: tensor<1x10x2xf32>, %y: tensor<1x2x10x2xf32>) {
  // expected-error @+1 {{expected x of rank 4, but got 'tensor<1x10x2xf32>'}}
  %0 = ropegrad.decay_rows ins(%x : tensor<1x10x2xf32>) outs(%y : tensor<1x2x10x2xf32>) {chunk = 4 : i64, first = 3 : i64, descending, slopes = array<f64: 0.5>} -> tensor<1x2x10x2xf32>
  return
}

// -----

// decay_rows C2: one slope or one per head
func.func @decay_rows_c2_count(%x: tensor<1x1x10x2xf32>, %y: tensor<1x2x10x2xf32>) {
  // expected-error @+1 {{expected one slope or 2, but got 3}}
  %0 = ropegrad.decay_rows ins(%x : tensor<1x1x10x2xf32>) outs(%y : tensor<1x2x10x2xf32>) {chunk = 4 : i64, first = 3 : i64, descending, slopes = array<f64: 1.0, 2.0, 3.0>} -> tensor<1x2x10x2xf32>
  return
}

// -----

// decay_rows C2: slopes are finite and >= 0
func.func @decay_rows_c2_sign(%x: tensor<1x1x10x2xf32>, %y: tensor<1x2x10x2xf32>) {
  // expected-error @+1 {{expected slopes to be finite and >= 0, but got -1.000000e+00}}
  %0 = ropegrad.decay_rows ins(%x : tensor<1x1x10x2xf32>) outs(%y : tensor<1x2x10x2xf32>) {chunk = 4 : i64, first = 3 : i64, descending, slopes = array<f64: -1.0>} -> tensor<1x2x10x2xf32>
  return
}

// -----

// decay_rows C3: chunk is at least 1
func.func @decay_rows_c3_chunk(%x: tensor<1x1x10x2xf32>, %y: tensor<1x2x10x2xf32>) {
  // expected-error @+1 {{expected chunk to be at least 1, but got 0}}
  %0 = ropegrad.decay_rows ins(%x : tensor<1x1x10x2xf32>) outs(%y : tensor<1x2x10x2xf32>) {chunk = 0 : i64, first = 3 : i64, descending, slopes = array<f64: 0.5>} -> tensor<1x2x10x2xf32>
  return
}

// -----

// decay_rows C3: distances are >= 0
func.func @decay_rows_c3_distance(%x: tensor<1x1x10x2xf32>, %y: tensor<1x2x10x2xf32>) {
  // expected-error @+1 {{expected distances >= 0, but got -1}}
  %0 = ropegrad.decay_rows ins(%x : tensor<1x1x10x2xf32>) outs(%y : tensor<1x2x10x2xf32>) {chunk = 4 : i64, first = 2 : i64, descending, slopes = array<f64: 0.5>} -> tensor<1x2x10x2xf32>
  return
}

// -----

// chunk_states C1: a state for every chunk
func.func @chunk_states_c1_chunks(%x: tensor<1x1x10x2xf32>, %v: tensor<1x2x10x3xf32>, %S: tensor<1x1x2x6x3xf32>) {
  // expected-error @+1 {{expected S to be (1, 1, 3, 6, 3), but got 'tensor<1x1x2x6x3xf32>'}}
  %0 = ropegrad.chunk_states ins(%x, %v : tensor<1x1x10x2xf32>, tensor<1x2x10x3xf32>) outs(%S : tensor<1x1x2x6x3xf32>) {chunk = 4 : i64, coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.5 : f64} -> tensor<1x1x2x6x3xf32>
  return
}

// -----

// chunk_states C1: M monomials
func.func @chunk_states_c1_monomials(%x: tensor<1x1x10x2xf32>, %v: tensor<1x2x10x3xf32>, %S: tensor<1x1x3x5x3xf32>) {
  // expected-error @+1 {{expected S to be (1, 1, 3, 6, 3), but got 'tensor<1x1x3x5x3xf32>'}}
  %0 = ropegrad.chunk_states ins(%x, %v : tensor<1x1x10x2xf32>, tensor<1x2x10x3xf32>) outs(%S : tensor<1x1x3x5x3xf32>) {chunk = 4 : i64, coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.5 : f64} -> tensor<1x1x3x5x3xf32>
  return
}

// -----

// chunk_states C1: heads of x divide those of V
func.func @chunk_states_c1_x(%x: tensor<1x3x10x2xf32>, %v: tensor<1x2x10x3xf32>, %S: tensor<1x1x3x6x3xf32>) {
  // expected-error @+1 {{expected the heads of x to divide 2, but got 3}}
  %0 = ropegrad.chunk_states ins(%x, %v : tensor<1x3x10x2xf32>, tensor<1x2x10x3xf32>) outs(%S : tensor<1x1x3x6x3xf32>) {chunk = 4 : i64, coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.5 : f64} -> tensor<1x1x3x6x3xf32>
  return
}

// -----

// chunk_states C1: heads of S divide those of V
func.func @chunk_states_c1_states(%x: tensor<1x1x10x2xf32>, %v: tensor<1x2x10x3xf32>, %S: tensor<1x3x3x6x3xf32>) {
  // expected-error @+1 {{expected the heads of S to divide 2, but got 3}}
  %0 = ropegrad.chunk_states ins(%x, %v : tensor<1x1x10x2xf32>, tensor<1x2x10x3xf32>) outs(%S : tensor<1x3x3x6x3xf32>) {chunk = 4 : i64, coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.5 : f64} -> tensor<1x3x3x6x3xf32>
  return
}

// -----

// chunk_states C1: S of rank 5
func.func @chunk_states_c1_rank(%x: tensor<1x1x10x2xf32>, %v: tensor<1x2x10x3xf32>, %S: tensor<1x3x6x3xf32>) {
  // expected-error @+1 {{expected S of rank 5, but got 'tensor<1x3x6x3xf32>'}}
  %0 = ropegrad.chunk_states ins(%x, %v : tensor<1x1x10x2xf32>, tensor<1x2x10x3xf32>) outs(%S : tensor<1x3x6x3xf32>) {chunk = 4 : i64, coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.5 : f64} -> tensor<1x3x6x3xf32>
  return
}

// -----

// chunk_states C2: chunk is at least 1
func.func @chunk_states_c2_chunk(%x: tensor<1x1x10x2xf32>, %v: tensor<1x2x10x3xf32>, %S: tensor<1x1x3x6x3xf32>) {
  // expected-error @+1 {{expected chunk to be at least 1, but got -4}}
  %0 = ropegrad.chunk_states ins(%x, %v : tensor<1x1x10x2xf32>, tensor<1x2x10x3xf32>) outs(%S : tensor<1x1x3x6x3xf32>) {chunk = -4 : i64, coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.5 : f64} -> tensor<1x1x3x6x3xf32>
  return
}

// -----

// chunk_states C2: reach is at least 1
func.func @chunk_states_c2_reach(%x: tensor<1x1x10x2xf32>, %v: tensor<1x2x10x3xf32>, %S: tensor<1x1x3x6x3xf32>) {
  // expected-error @+1 {{expected reach to be at least 1, but got 0}}
  %0 = ropegrad.chunk_states ins(%x, %v : tensor<1x1x10x2xf32>, tensor<1x2x10x3xf32>) outs(%S : tensor<1x1x3x6x3xf32>) {chunk = 4 : i64, coefficients = array<f64: 1.0, 1.0, 0.5>, reach = 0 : i64, scale = 0.5 : f64} -> tensor<1x1x3x6x3xf32>
  return
}

// -----

// chunk_states C3: one slope or one per head of S
func.func @chunk_states_c3_count(%x: tensor<1x1x10x2xf32>, %v: tensor<1x2x10x3xf32>, %S: tensor<1x1x3x6x3xf32>) {
  // expected-error @+1 {{expected one slope or 1, but got 2}}
  %0 = ropegrad.chunk_states ins(%x, %v : tensor<1x1x10x2xf32>, tensor<1x2x10x3xf32>) outs(%S : tensor<1x1x3x6x3xf32>) {chunk = 4 : i64, coefficients = array<f64: 1.0, 1.0, 0.5>, slopes = array<f64: 1.0, 2.0>, scale = 0.5 : f64} -> tensor<1x1x3x6x3xf32>
  return
}

// -----

// chunk_states C3: slopes are finite and >= 0
func.func @chunk_states_c3_sign(%x: tensor<1x1x10x2xf32>, %v: tensor<1x2x10x3xf32>, %S: tensor<1x1x3x6x3xf32>) {
  // expected-error @+1 {{expected slopes to be finite and >= 0, but got -5.000000e-01}}
  %0 = ropegrad.chunk_states ins(%x, %v : tensor<1x1x10x2xf32>, tensor<1x2x10x3xf32>) outs(%S : tensor<1x1x3x6x3xf32>) {chunk = 4 : i64, coefficients = array<f64: 1.0, 1.0, 0.5>, slopes = array<f64: -0.5>, scale = 0.5 : f64} -> tensor<1x1x3x6x3xf32>
  return
}

// -----

// chunk_states has coefficients
func.func @chunk_states_coefficients(%x: tensor<1x1x10x2xf32>, %v: tensor<1x2x10x3xf32>, %S: tensor<1x1x3x6x3xf32>) {
  // expected-error @+1 {{expected at least one coefficient, but got none}}
  %0 = ropegrad.chunk_states ins(%x, %v : tensor<1x1x10x2xf32>, tensor<1x2x10x3xf32>) outs(%S : tensor<1x1x3x6x3xf32>) {chunk = 4 : i64, coefficients = array<f64>, scale = 0.5 : f64} -> tensor<1x1x3x6x3xf32>
  return
}

// -----

// chunk_expand C1: M monomials of that degree
func.func @chunk_expand_c1(%x: tensor<1x2x10x2xf32>, %S: tensor<1x1x3x6x3xf32>, %v: tensor<1x2x10x3xf32>) {
  // expected-error @+1 {{expected S to be (1, 1, 3, 10, 3), but got 'tensor<1x1x3x6x3xf32>'}}
  %0 = ropegrad.chunk_expand ins(%x, %S : tensor<1x2x10x2xf32>, tensor<1x1x3x6x3xf32>) outs(%v : tensor<1x2x10x3xf32>) {chunk = 4 : i64, degree = 3 : i64} -> tensor<1x2x10x3xf32>
  return
}

// -----

// chunk_expand C1: degree >= 0
func.func @chunk_expand_degree(%x: tensor<1x2x10x2xf32>, %S: tensor<1x1x3x6x3xf32>, %v: tensor<1x2x10x3xf32>) {
  // expected-error @+1 {{expected a degree >= 0, but got -1}}
  %0 = ropegrad.chunk_expand ins(%x, %S : tensor<1x2x10x2xf32>, tensor<1x1x3x6x3xf32>) outs(%v : tensor<1x2x10x3xf32>) {chunk = 4 : i64, degree = -1 : i64} -> tensor<1x2x10x3xf32>
  return
}

// -----

// chunk_expand C2: chunk is at least 1
func.func @chunk_expand_c2(%x: tensor<1x2x10x2xf32>, %S: tensor<1x1x3x6x3xf32>, %v: tensor<1x2x10x3xf32>) {
  // expected-error @+1 {{expected chunk to be at least 1, but got 0}}
  %0 = ropegrad.chunk_expand ins(%x, %S : tensor<1x2x10x2xf32>, tensor<1x1x3x6x3xf32>) outs(%v : tensor<1x2x10x3xf32>) {chunk = 0 : i64, degree = 2 : i64} -> tensor<1x2x10x3xf32>
  return
}

// -----

// chunk_reverse C1: dx has the heads of u
func.func @chunk_reverse_c1(%x: tensor<1x1x10x2xf32>, %S: tensor<1x1x3x6x3xf32>, %u: tensor<1x2x10x3xf32>, %y: tensor<1x1x10x2xf32>) {
  // expected-error @+1 {{expected dx to be (1, 2, 10, 2), but got 'tensor<1x1x10x2xf32>'}}
  %0 = ropegrad.chunk_reverse ins(%x, %S, %u : tensor<1x1x10x2xf32>, tensor<1x1x3x6x3xf32>, tensor<1x2x10x3xf32>) outs(%y : tensor<1x1x10x2xf32>) {chunk = 4 : i64, degree = 2 : i64} -> tensor<1x1x10x2xf32>
  return
}

// -----

// chunk_reverse C2: chunk is at least 1
func.func @chunk_reverse_c2(%x: tensor<1x1x10x2xf32>, %S: tensor<1x1x3x6x3xf32>, %u: tensor<1x2x10x3xf32>, %y: tensor<1x2x10x2xf32>) {
  // expected-error @+1 {{expected chunk to be at least 1, but got 0}}
  %0 = ropegrad.chunk_reverse ins(%x, %S, %u : tensor<1x1x10x2xf32>, tensor<1x1x3x6x3xf32>, tensor<1x2x10x3xf32>) outs(%y : tensor<1x2x10x2xf32>) {chunk = 0 : i64, degree = 2 : i64} -> tensor<1x2x10x2xf32>
  return
}
