// A matrix has no buffer: it cannot leave level 3.
func.func @matrix(%u: tensor<1x1x8x4xf32>) -> tensor<1x1x8xf32> {
  %A = ropegrad.outer %u, %u : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %0 = ropegrad.row_sums %A : (!ropegrad.matrix<1x1x8x8xf32>) -> tensor<1x1x8xf32>
  return %0 : tensor<1x1x8xf32>
}
