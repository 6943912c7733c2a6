// RUN: ropegrad-opt %s -split-input-file -verify-diagnostics

// spread_channels, C1
func.func @spread_shape(%A: tensor<1x1x64x3xf32>, %X: tensor<1x1x64x5xf32>, %e: tensor<1x3x64x6xf32>) {
  // expected-error @+1 {{expected Y to be (1, 3, 64, 5), but got 'tensor<1x3x64x6xf32>'}}
  %0 = ropegrad.spread_channels ins(%A, %X : tensor<1x1x64x3xf32>, tensor<1x1x64x5xf32>) outs(%e : tensor<1x3x64x6xf32>) -> tensor<1x3x64x6xf32>
  return
}

// -----

func.func @spread_rows(%A: tensor<1x1x64x3xf32>, %X: tensor<1x2x64x5xf32>, %e: tensor<1x3x64x5xf32>) {
  // expected-error @+1 {{expected X to be (1, 1, 64, 5), but got 'tensor<1x2x64x5xf32>'}}
  %0 = ropegrad.spread_channels ins(%A, %X : tensor<1x1x64x3xf32>, tensor<1x2x64x5xf32>) outs(%e : tensor<1x3x64x5xf32>) -> tensor<1x3x64x5xf32>
  return
}

// -----

// gather_channels, C1
func.func @gather_products(%A: tensor<1x1x64x3xf32>, %U: tensor<1x1x64x5xf32>, %N: tensor<1x3x64x4xf32>, %g: tensor<9x2xf32>) {
  // expected-error @+1 {{expected N to be (1, 3, 64, 5), but got 'tensor<1x3x64x4xf32>'}}
  %0 = ropegrad.gather_channels ins(%A, %U, %N : tensor<1x1x64x3xf32>, tensor<1x1x64x5xf32>, tensor<1x3x64x4xf32>) outs(%g : tensor<9x2xf32>) {position = #ropegrad.no_position, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>} -> tensor<9x2xf32>
  return
}

// -----

// gather_channels, C2
func.func @gather_count(%A: tensor<1x1x64x3xf32>, %U: tensor<1x1x64x5xf32>, %N: tensor<1x3x64x5xf32>, %g: tensor<9x2xf32>) {
  // expected-error @+1 {{expected 4 inputs and 1 outputs, but got 3 and 1}}
  %0 = ropegrad.gather_channels ins(%A, %U, %N : tensor<1x1x64x3xf32>, tensor<1x1x64x5xf32>, tensor<1x3x64x5xf32>) outs(%g : tensor<9x2xf32>) {position = #ropegrad.general<[0, 0, 1, 1]>, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>} -> tensor<9x2xf32>
  return
}

// -----

// gather_channels, C3
func.func @gather_shape(%A: tensor<1x1x64x3xf32>, %U: tensor<1x1x64x5xf32>, %N: tensor<1x3x64x5xf32>, %g: tensor<9x3xf32>) {
  // expected-error @+1 {{expected G to be (9, 2), but got 'tensor<9x3xf32>'}}
  %0 = ropegrad.gather_channels ins(%A, %U, %N : tensor<1x1x64x3xf32>, tensor<1x1x64x5xf32>, tensor<1x3x64x5xf32>) outs(%g : tensor<9x3xf32>) {position = #ropegrad.no_position, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>} -> tensor<9x3xf32>
  return
}

// -----

// pair_table, C4
func.func @table_column(%W: tensor<127x2xf32>, %t: tensor<1x6x127xf32>) {
  // expected-error @+1 {{expected a column below 2, but got 2}}
  %0 = ropegrad.pair_table ins(%W : tensor<127x2xf32>) outs(%t : tensor<1x6x127xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, column = 2 : i64, d = 2 : i64, scale = 0.25 : f64, support = array<i64: 0, 0, 1, 1>} -> tensor<1x6x127xf32>
  return
}
