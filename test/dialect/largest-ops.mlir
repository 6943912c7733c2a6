// RUN: ropegrad-opt %s | ropegrad-opt | FileCheck %s

// CHECK-LABEL: func.func @largest(
// CHECK: ropegrad.largest ins(%{{.*}} : tensor<1x2x8x4xf32>) outs(%{{.*}} : tensor<f64>) -> tensor<f64>
// CHECK: ropegrad.largest ins(%{{.*}}, %{{.*}} : tensor<1x2x8x4xf32>, tensor<1x2x8x4xf64>)
func.func @largest(%x: tensor<1x2x8x4xf32>, %y: tensor<1x2x8x4xf64>, %e: tensor<f64>) -> (tensor<f64>, tensor<f64>) {
  %0 = ropegrad.largest ins(%x : tensor<1x2x8x4xf32>) outs(%e : tensor<f64>) -> tensor<f64>
  %1 = ropegrad.largest ins(%x, %y : tensor<1x2x8x4xf32>, tensor<1x2x8x4xf64>) outs(%e : tensor<f64>) -> tensor<f64>
  return %0, %1 : tensor<f64>, tensor<f64>
}
