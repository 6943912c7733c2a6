// RUN: ropegrad-opt %s --ropegrad-plan -split-input-file -verify-diagnostics
// RUN: not ropegrad-opt %s --ropegrad-plan=threads=0 -split-input-file 2>&1 | FileCheck %s
// CHECK: error: expected threads to be at least 1, but got 0
// RUN: not ropegrad-opt %s --ropegrad-plan=vector-bits=96 -split-input-file 2>&1 | FileCheck %s --check-prefix=BITS
// BITS: error: expected vector-bits of 128, 256 or 512, but got 96
// RUN: not ropegrad-opt %s --ropegrad-plan=calibration=%t.none -split-input-file 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: error: expected a calibration in {{.*}}.none, but got: No such file or directory
// RUN: echo '{"vector_bits": 512}' > %t.json
// RUN: not ropegrad-opt %s --ropegrad-plan=calibration=%t.json -split-input-file 2>&1 | FileCheck %s --check-prefix=EMPTY
// EMPTY: error: {{.*}}.json: expected exact to be a list of

func.func @unknown_radius(%q: tensor<1x1x64x4xf32>) -> tensor<1x1x64x4xf32> {
  // expected-error @+1 {{expected an admissible route, but got features: no bound or radius, and no tolerance or degree is given, so no polynomial can be proved}}
  %0 = ropegrad.attention(%q, %q, %q) {route = #ropegrad.route<features>, scale = 0.25 : f64} : (tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>) -> tensor<1x1x64x4xf32>
  return %0 : tensor<1x1x64x4xf32>
}

// -----

func.func @masked(%q: tensor<1x1x64x4xf32>) -> tensor<1x1x64x4xf32> {
  // expected-error @+1 {{expected an admissible route, but got features: mask causal needs route scan}}
  %0 = ropegrad.attention(%q, %q, %q) {route = #ropegrad.route<features>, mask = #ropegrad.mask<causal>, radius = 0.5 : f64, tolerance = 0.01 : f64, scale = 0.25 : f64} : (tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>) -> tensor<1x1x64x4xf32>
  return %0 : tensor<1x1x64x4xf32>
}

// -----

func.func @wide(%q: tensor<1x1x64x4xf32>) -> tensor<1x1x64x4xf32> {
  // expected-error @+1 {{no degree up to 24 meets tolerance 0.01 on radius 50; a radius of at most 16 would do}}
  %0 = ropegrad.attention(%q, %q, %q) {route = #ropegrad.route<features>, radius = 50.0 : f64, tolerance = 0.01 : f64, scale = 0.25 : f64} : (tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>) -> tensor<1x1x64x4xf32>
  return %0 : tensor<1x1x64x4xf32>
}

// -----

func.func @no_tolerance(%q: tensor<1x1x64x4xf32>) -> tensor<1x1x64x4xf32> {
  // expected-error @+1 {{expected an admissible route, but got features: no tolerance or degree is given, so no polynomial can be chosen}}
  %0 = ropegrad.attention(%q, %q, %q) {route = #ropegrad.route<features>, radius = 0.5 : f64, scale = 0.25 : f64} : (tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>) -> tensor<1x1x64x4xf32>
  return %0 : tensor<1x1x64x4xf32>
}

// -----

func.func @scan(%q: tensor<1x1x64x4xf32>) -> tensor<1x1x64x4xf32> {
  // expected-error @+1 {{expected an admissible route, but got scan: without mask and alibi there is nothing to scan: route features takes it}}
  %0 = ropegrad.attention(%q, %q, %q) {route = #ropegrad.route<scan>, radius = 0.5 : f64, tolerance = 0.01 : f64, scale = 0.25 : f64} : (tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>) -> tensor<1x1x64x4xf32>
  return %0 : tensor<1x1x64x4xf32>
}

// -----

func.func @fft(%q: tensor<1x1x64x4xf32>) -> tensor<1x1x64x4xf32> {
  // expected-error @+1 {{expected an admissible route, but got fft: weights depend on no distance, so that route features needs no transform; no bound or radius, and no tolerance or degree is given, so no polynomial can be proved}}
  %0 = ropegrad.attention(%q, %q, %q) {route = #ropegrad.route<fft>, scale = 0.25 : f64} : (tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>) -> tensor<1x1x64x4xf32>
  return %0 : tensor<1x1x64x4xf32>
}
