// RUN: ropegrad-opt %s --ropegrad-lower-rows -split-input-file -verify-diagnostics
// RUN: not ropegrad-opt %s --ropegrad-lower-rows=vector-bits=96 2>&1 | FileCheck %s
// CHECK: expected vector-bits of 128, 256 or 512, but got 96

func.func @strided(%x: memref<1x1x8x4xf32, strided<[64, 64, 8, 1]>>, %y: memref<1x1x8x4xf32>) {
  // expected-error @+1 {{expected contiguous static buffers of f32 or f64, but got 'memref<1x1x8x4xf32, strided<[64, 64, 8, 1]>>'}}
  ropegrad.rotate ins(%x : memref<1x1x8x4xf32, strided<[64, 64, 8, 1]>>) outs(%y : memref<1x1x8x4xf32>) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>}
  return
}

// -----

func.func @mixed(%x: memref<1x1x8x4xf32>, %y: memref<1x1x8x5xf64>) {
  // expected-error @+1 {{expected operands of 'f32', but got 'memref<1x1x8x5xf64>'}}
  ropegrad.append_column ins(%x : memref<1x1x8x4xf32>) outs(%y : memref<1x1x8x5xf64>)
  return
}

// -----

func.func @nested(%r: memref<f32>, %q: memref<1x1x8x4xf32>, %go: i1) {
  scf.if %go {
    // expected-error @+1 {{expected the top level of a function, but got a place inside scf.if}}
    "ropegrad.guard"(%r, %q, %q) <{limit = 0.5 : f64, scale = 0.25 : f64, operandSegmentSizes = array<i32: 0, 3>}> : (memref<f32>, memref<1x1x8x4xf32>, memref<1x1x8x4xf32>) -> ()
  }
  return
}

// -----

func.func private @unseen(%r: memref<f32>, %q: memref<1x1x8x4xf32>) {
  // expected-error @+1 {{expected a public function without results, but got @unseen}}
  "ropegrad.guard"(%r, %q, %q) <{limit = 0.5 : f64, scale = 0.25 : f64, operandSegmentSizes = array<i32: 0, 3>}> : (memref<f32>, memref<1x1x8x4xf32>, memref<1x1x8x4xf32>) -> ()
  return
}

// -----

func.func @callee(%x: memref<4xf32>) {
  return
}
func.func @caller(%x: memref<4xf32>) {
  // expected-error @+1 {{expected no call of a public function, whose status would be lost, but got @callee}}
  call @callee(%x) : (memref<4xf32>) -> ()
  return
}

// -----

func.func @pair(%w: memref<15x1xf32>) {
  // expected-error @+1 {{expected coordinates of one rotary pair, but got (0, 3)}}
  "ropegrad.position_table"(%w) <{d = 4 : i64, position = #ropegrad.rotary<half, base = 1.0e+4 : f64>, support = array<i64: 0, 3>, operandSegmentSizes = array<i32: 0, 1>}> : (memref<15x1xf32>) -> ()
  return
}

// -----

func.func @batched(%a: memref<4xf32>, %b: memref<4x8xf32>, %c: memref<2x8xf32>) {
  // expected-error @+1 {{expected plain or transposed operands, but got}}
  linalg.matmul indexing_maps = [affine_map<(i, j, k) -> (k)>, affine_map<(i, j, k) -> (k, j)>, affine_map<(i, j, k) -> (i, j)>] ins(%a, %b : memref<4xf32>, memref<4x8xf32>) outs(%c : memref<2x8xf32>)
  return
}

// -----

func.func @both_transposed(%a: memref<4x8xf32> {ropegrad.rows}, %b: memref<8x4xf32>, %c: memref<8x8xf32>) {
  // expected-error @+1 {{expected positions in the rows of A and C, or summed over in Aᵀ B, but got}}
  linalg.matmul indexing_maps = [affine_map<(i, j, k) -> (k, i)>, affine_map<(i, j, k) -> (j, k)>, affine_map<(i, j, k) -> (i, j)>] ins(%a, %b : memref<4x8xf32>, memref<8x4xf32>) outs(%c : memref<8x8xf32>)
  return
}

// -----

func.func @transposes(%a: memref<1x1x8x8xf32> {ropegrad.strides = 0 : i64}, %b: memref<1x1x8x8xf32>, %s: memref<3xi64> {ropegrad.size = "strides"}) {
  // expected-error @+1 {{expected an elementwise op over rows, or a sum over their elements or over everything, but got another}}
  linalg.generic {indexing_maps = [affine_map<(b, h, i, c) -> (b, h, c, i)>, affine_map<(b, h, i, c) -> (b, h, i, c)>], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%a : memref<1x1x8x8xf32>) outs(%b : memref<1x1x8x8xf32>) {
  ^bb0(%x: f32, %out: f32):
    linalg.yield %x : f32
  }
  return
}

// -----

func.func @largest(%a: memref<1x1x8x8xf32> {ropegrad.strides = 0 : i64}, %b: memref<1x1x8xf32>, %s: memref<3xi64> {ropegrad.size = "strides"}) {
  // expected-error @+1 {{expected an elementwise op over rows, or a sum over their elements or over everything, but got another}}
  linalg.generic {indexing_maps = [affine_map<(b, h, i, c) -> (b, h, i, c)>, affine_map<(b, h, i, c) -> (b, h, i)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%a : memref<1x1x8x8xf32>) outs(%b : memref<1x1x8xf32>) {
  ^bb0(%x: f32, %out: f32):
    %0 = arith.maximumf %x, %out : f32
    linalg.yield %0 : f32
  }
  return
}

// -----

func.func @convert_strided(%x: memref<8x4xbf16, strided<[8, 1]>>, %y: memref<8x4xf32>) {
  // expected-error @+1 {{expected contiguous buffers, but got 'memref<8x4xbf16, strided<[8, 1]>>'}}
  ropegrad.convert ins(%x : memref<8x4xbf16, strided<[8, 1]>>) outs(%y : memref<8x4xf32>)
  return
}

// -----

func.func @no_strides(%x: memref<1x2x64x4xf16> {ropegrad.strides = 0 : i64}, %y: memref<1x2x64x4xf32>) {
  // expected-error @+1 {{expected strides 0 in an argument that is marked as strides, but got none}}
  ropegrad.convert ins(%x : memref<1x2x64x4xf16>) outs(%y : memref<1x2x64x4xf32>)
  return
}

// -----

func.func @too_few_strides(%x: memref<1x2x64x4xf16> {ropegrad.strides = 1 : i64}, %y: memref<1x2x64x4xf32>, %s: memref<5xi64> {ropegrad.size = "strides"}) {
  // expected-error @+1 {{expected strides 1 in an argument that is marked as strides, but got none}}
  ropegrad.convert ins(%x : memref<1x2x64x4xf16>) outs(%y : memref<1x2x64x4xf32>)
  return
}

// -----

// Listed batch entries: one number for each of each array.
func.func @entries(%q: memref<2x1x8x2xf32> {ropegrad.strides = 1 : i64}, %y: memref<2x1x8x3xf32>, %strides: memref<6xi64> {ropegrad.size = "strides"}, %entries: memref<3xi64> {ropegrad.size = "entries"}) {
  // expected-error @+1 {{expected 4 entries of i64 in the argument that is marked as entries, but got 'memref<3xi64>'}}
  ropegrad.append_column ins(%q : memref<2x1x8x2xf32>) outs(%y : memref<2x1x8x3xf32>)
  return
}

// -----

func.func @share_of_other_spectra(%s: memref<1x1x100xf32>, %bias: memref<127xf32>, %d: memref<1x2x64xf32>) {
  // expected-error @+1 {{expected spectra of 256 numbers, but got 100}}
  "ropegrad.require_share"(%s, %bias, %d) <{share = 1.0e-3 : f64, operandSegmentSizes = array<i32: 2, 1>}> : (memref<1x1x100xf32>, memref<127xf32>, memref<1x2x64xf32>) -> ()
  return
}
