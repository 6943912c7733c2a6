// Every attribute, and every case of every enumeration.
// RUN: ropegrad-opt %s | ropegrad-opt | FileCheck %s
// RUN: ropegrad-opt %s -mlir-print-op-generic | ropegrad-opt | FileCheck %s

// CHECK-LABEL: func.func private @layouts
// CHECK-SAME: a = #ropegrad.layout<interleaved>
// CHECK-SAME: b = #ropegrad.layout<half>
func.func private @layouts() attributes {a = #ropegrad.layout<interleaved>, b = #ropegrad.layout<half>}

// CHECK-LABEL: func.func private @masks
// CHECK-SAME: a = #ropegrad.mask<none>
// CHECK-SAME: b = #ropegrad.mask<causal>
// CHECK-SAME: c = #ropegrad.mask<window>
func.func private @masks() attributes {a = #ropegrad.mask<none>, b = #ropegrad.mask<causal>, c = #ropegrad.mask<window>}

// CHECK-LABEL: func.func private @routes
// CHECK-SAME: a = #ropegrad.route<auto>
// CHECK-SAME: b = #ropegrad.route<exact>
// CHECK-SAME: c = #ropegrad.route<features>
// CHECK-SAME: d = #ropegrad.route<scan>
// CHECK-SAME: e = #ropegrad.route<fft>
func.func private @routes() attributes {a = #ropegrad.route<auto>, b = #ropegrad.route<exact>, c = #ropegrad.route<features>, d = #ropegrad.route<scan>, e = #ropegrad.route<fft>}

// CHECK-LABEL: func.func private @centres
// CHECK-SAME: a = #ropegrad.centre<none>
// CHECK-SAME: b = #ropegrad.centre<keys>
// CHECK-SAME: c = #ropegrad.plan<route = features, fit = minimax, centre = <keys>>
// CHECK-SAME: d = #ropegrad.centre<queries>
// CHECK-SAME: e = #ropegrad.centre<both>
func.func private @centres() attributes {a = #ropegrad.centre<none>, b = #ropegrad.centre<keys>, d = #ropegrad.centre<queries>, e = #ropegrad.centre<both>, c = #ropegrad.plan<route = features, fit = minimax, centre = <keys>>}

// CHECK-LABEL: func.func private @fits
// CHECK-SAME: a = #ropegrad.fit<minimax>
// CHECK-SAME: b = #ropegrad.fit<taylor>
// CHECK-SAME: c = #ropegrad.fit<weighted>
func.func private @fits() attributes {a = #ropegrad.fit<minimax>, b = #ropegrad.fit<taylor>, c = #ropegrad.fit<weighted>}

// CHECK-LABEL: func.func private @positions
// CHECK-SAME: a = #ropegrad.rotary<interleaved, base = 1.000000e+04 : f64>
// CHECK-SAME: b = #ropegrad.rotary<half, base = 5.000000e+05 : f64>
// CHECK-SAME: c = #ropegrad.general<[0, 0, 0, 1]>
// CHECK-SAME: d = #ropegrad.no_position
func.func private @positions() attributes {
  a = #ropegrad.rotary<interleaved, base = 1.0e+4 : f64>,
  b = #ropegrad.rotary<half, base = 5.0e+5 : f64>,
  c = #ropegrad.general<[0, 0, 0, 1]>,
  d = #ropegrad.no_position}

// The order in which a plan is written does not matter; absent parts stay so.
// CHECK-LABEL: func.func private @plans
// CHECK-SAME: a = #ropegrad.plan<route = exact, fit = minimax>
// CHECK-SAME: b = #ropegrad.plan<route = features, fit = weighted, degree = 4 : i64, radius = 5.000000e-01 : f64, sigma = 1.000000e-01 : f64, delta = 1.000000e-03 : f64, delta_prime = 2.000000e-03 : f64, features = 495 : i64, flops = 1.000000e+09 : f64, bytes = 2.000000e+06 : f64, predicted_ms = 2.500000e-01 : f64>
// CHECK-SAME: c = #ropegrad.plan<route = features, fit = taylor, degree = 2 : i64>
func.func private @plans() attributes {
  a = #ropegrad.plan<route = exact, fit = minimax>,
  b = #ropegrad.plan<route = features, fit = weighted, degree = 4 : i64, radius = 5.0e-1 : f64, sigma = 0.1 : f64, delta = 1.0e-3 : f64, delta_prime = 2.0e-3 : f64, features = 495 : i64, flops = 1.0e+9 : f64, bytes = 2.0e+6 : f64, predicted_ms = 0.25 : f64>,
  c = #ropegrad.plan<degree = 2 : i64, fit = taylor, route = features>}
