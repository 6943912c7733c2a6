// What a gradient and its halves do with tiles is compiled once, although they
// differ in their arguments and in the size of their workspace.
// RUN: ropegrad-opt %s --ropegrad-pipeline | FileCheck %s

// CHECK-LABEL: llvm.func @gradient(
// CHECK: llvm.call @ropegrad_unit_0(
// CHECK: llvm.call @ropegrad_unit_1(
// CHECK: llvm.call @[[FORWARD:ropegrad_unit_2]](
// CHECK: llvm.call @ropegrad_unit_3(
// CHECK: llvm.call @[[COPIES:ropegrad_unit_4]](
// CHECK-LABEL: llvm.func @forward_train(
// CHECK: llvm.call @[[FORWARD]](
// CHECK-LABEL: llvm.func @backward(
// CHECK: llvm.call @[[COPIES]](
// CHECK: llvm.func @[[FORWARD]](
// CHECK: llvm.call @ropegrad_attention_weights_
// CHECK: llvm.func @ropegrad_unit_3(
func.func @gradient(%Q: tensor<1x2x64x2xf32> {ropegrad.name = "Q"}, %K: tensor<1x1x64x2xf32> {ropegrad.name = "K"}, %V: tensor<1x1x64x2xf32> {ropegrad.name = "V"}, %dO: tensor<1x2x64x2xf32> {ropegrad.name = "dO"}) -> (tensor<1x2x64x2xf32> {ropegrad.name = "O"}, tensor<1x2x64x2xf32> {ropegrad.name = "dQ"}, tensor<1x1x64x2xf32> {ropegrad.name = "dK"}, tensor<1x1x64x2xf32> {ropegrad.name = "dV"}) {
  %O = ropegrad.attention(%Q, %K, %V) {mask = #ropegrad.mask<causal>, route = #ropegrad.route<exact>, scale = 0.5 : f64} : (tensor<1x2x64x2xf32>, tensor<1x1x64x2xf32>, tensor<1x1x64x2xf32>) -> tensor<1x2x64x2xf32>
  %d:3 = ropegrad.attention_vjp(%Q, %K, %V, %dO) {mask = #ropegrad.mask<causal>, route = #ropegrad.route<exact>, scale = 0.5 : f64, wrt = ["Q", "K", "V"]} : (tensor<1x2x64x2xf32>, tensor<1x1x64x2xf32>, tensor<1x1x64x2xf32>, tensor<1x2x64x2xf32>) -> (tensor<1x2x64x2xf32>, tensor<1x1x64x2xf32>, tensor<1x1x64x2xf32>)
  return %O, %d#0, %d#1, %d#2 : tensor<1x2x64x2xf32>, tensor<1x2x64x2xf32>, tensor<1x1x64x2xf32>, tensor<1x1x64x2xf32>
}
