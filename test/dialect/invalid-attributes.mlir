// Types and attributes that make no sense are refused where they stand.
// RUN: ropegrad-opt %s -split-input-file -verify-diagnostics

// matrix: rank 4
// expected-error @+1 {{expected a matrix of shape (batch, heads, n, n), but got rank 2}}
func.func private @rank(!ropegrad.matrix<8x8xf32>)

// -----

// matrix: square
// expected-error @+1 {{expected a square matrix, but got 8 rows and 9 columns}}
func.func private @square(!ropegrad.matrix<1x1x8x9xf32>)

// -----

// matrix: positive sizes
// expected-error @+1 {{expected matrix sizes to be positive, but got 0}}
func.func private @positive(!ropegrad.matrix<0x1x8x8xf32>)

// -----

// matrix: static
// expected-error @+1 {{expected static shape}}
func.func private @dynamic(!ropegrad.matrix<1x1x?x?xf32>)

// -----

// matrix: float elements
// expected-error @+1 {{invalid kind of type specified}}
func.func private @element(!ropegrad.matrix<1x1x8x8xi32>)

// -----

// layout: a known name
// expected-error @+2 {{failed to parse RopeGrad_LayoutAttr parameter 'value' which is to be a `::mlir::ropegrad::Layout`}}
// expected-error @+1 {{expected ::mlir::ropegrad::Layout to be one of: interleaved, half}}
func.func private @layout() attributes {a = #ropegrad.layout<quarter>}

// -----

// mask: a known name
// expected-error @+2 {{failed to parse RopeGrad_MaskAttr parameter 'value' which is to be a `::mlir::ropegrad::Mask`}}
// expected-error @+1 {{expected ::mlir::ropegrad::Mask to be one of: none, causal, window}}
func.func private @mask() attributes {a = #ropegrad.mask<diagonal>}

// -----

// route: a known name
// expected-error @+2 {{failed to parse RopeGrad_RouteAttr parameter 'value' which is to be a `::mlir::ropegrad::Route`}}
// expected-error @+1 {{expected ::mlir::ropegrad::Route to be one of: auto, exact, features, scan, fft}}
func.func private @route() attributes {a = #ropegrad.route<fast>}

// -----

// fit: a known name
// expected-error @+2 {{failed to parse RopeGrad_FitAttr parameter 'value' which is to be a `::mlir::ropegrad::Fit`}}
// expected-error @+1 {{expected ::mlir::ropegrad::Fit to be one of: minimax, taylor, weighted}}
func.func private @fit() attributes {a = #ropegrad.fit<pade>}

// -----

// rotary: a layout
// expected-error @+2 {{failed to parse RopeGrad_RotaryAttr parameter 'layout' which is to be a `::mlir::ropegrad::Layout`}}
// expected-error @+1 {{expected ::mlir::ropegrad::Layout to be one of: interleaved, half}}
func.func private @rotary() attributes {a = #ropegrad.rotary<none, base = 1.0 : f64>}

// -----

// rotary: a base of f64
// expected-error @+1 {{expected a base of 'f64', but got 'f16'}}
func.func private @base() attributes {a = #ropegrad.rotary<half, base = 1.0 : f16>}

// -----

// general: pairs
// expected-error @+1 {{expected pairs of a row and a column, but got 3 numbers}}
func.func private @general() attributes {a = #ropegrad.general<[0, 1, 2]>}

// -----

// general: integers
// expected-error @+2 {{failed to parse RopeGrad_GeneralAttr parameter 'pairs' which is to be a `::llvm::ArrayRef<int64_t>`}}
// expected-error @+1 {{expected integer value}}
func.func private @general() attributes {a = #ropegrad.general<[0.5]>}

// -----

// general: a pair
// expected-error @+2 {{failed to parse RopeGrad_GeneralAttr parameter 'pairs' which is to be a `::llvm::ArrayRef<int64_t>`}}
// expected-error @+1 {{expected integer value}}
func.func private @none() attributes {a = #ropegrad.general<[]>}

// -----

// plan: a route and a fit
// expected-error @+1 {{struct is missing required parameter: fit}}
func.func private @plan() attributes {a = #ropegrad.plan<route = exact>}

// -----

// plan: numbers of f64
// expected-error @+1 {{expected numbers of 'f64', but got 1.000000e+00 : f16}}
func.func private @plan() attributes {a = #ropegrad.plan<route = exact, fit = minimax, radius = 1.0 : f16>}

// -----

// plan: integers of i64
// expected-error @+1 {{expected integers of 'i64', but got 3 : i128}}
func.func private @plan() attributes {a = #ropegrad.plan<route = exact, fit = minimax, degree = 3 : i128>}

// -----

// plan: known parts
// expected-error @+1 {{duplicate or unknown struct parameter name: speed}}
func.func private @plan() attributes {a = #ropegrad.plan<route = exact, fit = minimax, speed = 1 : i64>}

// -----

// attributes: a known mnemonic
// expected-error @+1 {{unknown attribute `positions` in dialect `ropegrad`}}
func.func private @attribute() attributes {a = #ropegrad.positions}

// -----

// types: a known mnemonic
// expected-error @+1 {{unknown  type `vector` in dialect `ropegrad`}}
func.func private @type(!ropegrad.vector)
