// RUN: ropegrad-opt %s --ropegrad-plan | FileCheck %s
// RUN: ropegrad-opt %s --ropegrad-plan=threads=4 | FileCheck %s

// Nothing known about the logits: exact.
// CHECK-LABEL: func.func @unbounded
// CHECK: ropegrad.attention{{.*}}plan = #ropegrad.plan<route = exact, fit = minimax, flops = {{.*}}, bytes = {{.*}}, predicted_ms = {{.*}}>
func.func @unbounded(%q: tensor<1x1x64x4xf32>) -> tensor<1x1x64x4xf32> {
  %0 = ropegrad.attention(%q, %q, %q) {scale = 0.25 : f64} : (tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>) -> tensor<1x1x64x4xf32>
  return %0 : tensor<1x1x64x4xf32>
}

// A mask is a scan.
// CHECK-LABEL: func.func @causal
// CHECK: ropegrad.attention{{.*}}plan = #ropegrad.plan<route = scan, fit = minimax, degree = 2 : i64
func.func @causal(%q: tensor<1x1x65536x4xf32>) -> tensor<1x1x65536x4xf32> {
  %0 = ropegrad.attention(%q, %q, %q) {mask = #ropegrad.mask<causal>, radius = 0.5 : f64, scale = 0.25 : f64, tolerance = 0.01 : f64} : (tensor<1x1x65536x4xf32>, tensor<1x1x65536x4xf32>, tensor<1x1x65536x4xf32>) -> tensor<1x1x65536x4xf32>
  return %0 : tensor<1x1x65536x4xf32>
}

// Forward alone needs p only; beside a gradient both share the polynomial that
// keeps p' within the tolerance too.
// CHECK-LABEL: func.func @forward
// CHECK: ropegrad.attention{{.*}}plan = #ropegrad.plan<route = features, fit = minimax, degree = 2 : i64, radius = 0.50048828125 : f64, delta = {{.*}}, delta_prime = {{.*}}, features = 15 : i64
func.func @forward(%q: tensor<1x1x65536x4xf32>) -> tensor<1x1x65536x4xf32> {
  %0 = ropegrad.attention(%q, %q, %q) {radius = 0.5 : f64, scale = 0.25 : f64, tolerance = 0.0101 : f64} : (tensor<1x1x65536x4xf32>, tensor<1x1x65536x4xf32>, tensor<1x1x65536x4xf32>) -> tensor<1x1x65536x4xf32>
  return %0 : tensor<1x1x65536x4xf32>
}

// CHECK-LABEL: func.func @both
// CHECK: ropegrad.attention({{.*}}plan = [[PLAN:#ropegrad.plan<route = features, fit = minimax, degree = 3 : i64.*features = 35 : i64.*>]], radius
// CHECK: ropegrad.attention_vjp({{.*}}plan = [[PLAN]], radius
func.func @both(%q: tensor<1x1x65536x4xf32>) -> (tensor<1x1x65536x4xf32>, tensor<1x1x65536x4xf32>) {
  %0 = ropegrad.attention(%q, %q, %q) {radius = 0.5 : f64, scale = 0.25 : f64, tolerance = 0.01 : f64} : (tensor<1x1x65536x4xf32>, tensor<1x1x65536x4xf32>, tensor<1x1x65536x4xf32>) -> tensor<1x1x65536x4xf32>
  %1 = ropegrad.attention_vjp(%q, %q, %q, %q) {radius = 0.5 : f64, scale = 0.25 : f64, tolerance = 0.01 : f64, wrt = ["Q"]} : (tensor<1x1x65536x4xf32>, tensor<1x1x65536x4xf32>, tensor<1x1x65536x4xf32>, tensor<1x1x65536x4xf32>) -> tensor<1x1x65536x4xf32>
  return %0, %1 : tensor<1x1x65536x4xf32>, tensor<1x1x65536x4xf32>
}

// A forward pass beside a gradient of the same problem gets its polynomial.
// CHECK-LABEL: func.func @forward_of_both
// CHECK: ropegrad.attention({{.*}}plan = [[PLAN]], radius
func.func @forward_of_both(%q: tensor<1x1x65536x4xf32>) -> tensor<1x1x65536x4xf32> {
  %0 = ropegrad.attention(%q, %q, %q) {radius = 0.5 : f64, scale = 0.25 : f64, tolerance = 0.01 : f64} : (tensor<1x1x65536x4xf32>, tensor<1x1x65536x4xf32>, tensor<1x1x65536x4xf32>) -> tensor<1x1x65536x4xf32>
  return %0 : tensor<1x1x65536x4xf32>
}

// What the user forces is honoured.
// CHECK-LABEL: func.func @forced_exact
// CHECK: ropegrad.attention{{.*}}plan = #ropegrad.plan<route = exact
func.func @forced_exact(%q: tensor<1x1x65536x4xf32>) -> tensor<1x1x65536x4xf32> {
  %0 = ropegrad.attention(%q, %q, %q) {radius = 0.5 : f64, route = #ropegrad.route<exact>, scale = 0.25 : f64, tolerance = 0.01 : f64} : (tensor<1x1x65536x4xf32>, tensor<1x1x65536x4xf32>, tensor<1x1x65536x4xf32>) -> tensor<1x1x65536x4xf32>
  return %0 : tensor<1x1x65536x4xf32>
}

// CHECK-LABEL: func.func @forced_taylor
// CHECK: ropegrad.attention{{.*}}plan = #ropegrad.plan<route = features, fit = taylor, degree = 5 : i64, radius = 0.50048828125 : f64, delta = {{.*}}, features = 126 : i64
func.func @forced_taylor(%q: tensor<1x1x64x4xf32>) -> tensor<1x1x64x4xf32> {
  %0 = ropegrad.attention(%q, %q, %q) {degree = 5 : i64, fit = #ropegrad.fit<taylor>, radius = 0.5 : f64, route = #ropegrad.route<features>, scale = 0.25 : f64} : (tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>) -> tensor<1x1x64x4xf32>
  return %0 : tensor<1x1x64x4xf32>
}

// CHECK-LABEL: func.func @weighted
// CHECK: ropegrad.attention{{.*}}plan = #ropegrad.plan<route = features, fit = weighted, degree = 3 : i64, radius = 0.50048828125 : f64, sigma = 1.000000e-01 : f64
func.func @weighted(%q: tensor<1x1x64x4xf32>) -> tensor<1x1x64x4xf32> {
  %0 = ropegrad.attention(%q, %q, %q) {degree = 3 : i64, fit = #ropegrad.fit<weighted>, radius = 0.5 : f64, route = #ropegrad.route<features>, scale = 0.25 : f64, sigma = 0.1 : f64} : (tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>) -> tensor<1x1x64x4xf32>
  return %0 : tensor<1x1x64x4xf32>
}
