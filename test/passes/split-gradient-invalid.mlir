// RUN: ropegrad-opt %s --ropegrad-split-gradient -split-input-file -verify-diagnostics

func.func private @other(tensor<8xf32>) -> tensor<8xf32>
func.func @gradient(%dO: tensor<8xf32> {ropegrad.name = "dO"}) -> tensor<8xf32> {
  // expected-error@+1 {{expected a gradient without calls or effects on memory, but got func.call}}
  %0 = func.call @other(%dO) : (tensor<8xf32>) -> tensor<8xf32>
  return %0 : tensor<8xf32>
}

// -----

func.func @gradient(%dO: tensor<8xf32> {ropegrad.name = "dO"}, %m: memref<f32>) -> tensor<8xf32> {
  %x = arith.constant 1.0 : f32
  // expected-error@+1 {{expected a gradient without calls or effects on memory, but got memref.store}}
  memref.store %x, %m[] : memref<f32>
  return %dO : tensor<8xf32>
}

// -----

// expected-error@+1 {{expected a gradient of one block, but got 2}}
func.func @gradient(%dO: tensor<8xf32> {ropegrad.name = "dO"}) -> tensor<8xf32> {
  cf.br ^next
^next:
  return %dO : tensor<8xf32>
}

// -----

func.func @gradient(%q: tensor<1x1x8x2xf32>, %dO: tensor<1x1x8x2xf32> {ropegrad.name = "dO"}) -> tensor<1x1x8x2xf32> {
  // expected-error@+1 {{expected a tensor from forward to backward pass, but got '!ropegrad.matrix<1x1x8x8xf32>'}}
  %Z = ropegrad.outer %q, %q : (tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>) -> !ropegrad.matrix<1x1x8x8xf32>
  %0 = ropegrad.apply %Z, %dO : (!ropegrad.matrix<1x1x8x8xf32>, tensor<1x1x8x2xf32>) -> tensor<1x1x8x2xf32>
  return %0 : tensor<1x1x8x2xf32>
}

// -----

// expected-error@+1 {{expected a gradient with both of @forward_train and @backward or neither, but got one}}
func.func @backward() {
  return
}
func.func @gradient(%dO: tensor<8xf32> {ropegrad.name = "dO"}) -> tensor<8xf32> {
  return %dO : tensor<8xf32>
}
