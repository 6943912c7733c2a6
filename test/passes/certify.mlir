// RUN: ropegrad-opt %s --ropegrad-plan --ropegrad-certify | FileCheck %s
// RUN: ropegrad-opt %s --ropegrad-plan --ropegrad-certify=alone=true | FileCheck %s --check-prefix=ALONE

// ALONE-LABEL: func.func @certify(
// ALONE-NOT: func.func

// What was computed goes in beside the inputs, one bound for each output out.
// CHECK-LABEL: func.func @certify(
// CHECK-SAME: ropegrad.name = "Q"
// CHECK-SAME: ropegrad.name = "O"
// CHECK: ropegrad.largest
// CHECK: return
// CHECK-LABEL: func.func @forward(
func.func @forward(%q: tensor<1x1x8x4xf32> {ropegrad.name = "Q"}, %k: tensor<1x1x8x4xf32> {ropegrad.name = "K"}, %v: tensor<1x1x8x4xf32> {ropegrad.name = "V"}) -> (tensor<1x1x8x4xf32> {ropegrad.name = "O"}) {
  %0 = ropegrad.attention(%q, %k, %v) {scale = 0.25 : f64} : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  return %0 : tensor<1x1x8x4xf32>
}

// Other functions are left alone, and there is one certificate.
// CHECK-NOT: func.func @certify
func.func @unnamed(%q: tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32> {
  %0 = ropegrad.attention(%q, %q, %q) {scale = 0.25 : f64} : (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) -> tensor<1x1x8x4xf32>
  return %0 : tensor<1x1x8x4xf32>
}
