// RUN: ropegrad-opt %s --ropegrad-lower-rows=vector-bits=512 | FileCheck %s
// RUN: ropegrad-opt %s --ropegrad-lower-rows=vector-bits=128 | FileCheck %s --check-prefix=NARROW

// One pair of tables serves every rotation of the same n, d and base.
// CHECK-COUNT-2: memref.global "private" constant @rotary_64x4_{{.*}} : memref<{{[0-9]+}}xf64>
// CHECK-NOT: memref.global

// CHECK-LABEL: func.func @rotate
// CHECK-SAME: -> i32
// CHECK: scf.parallel
// CHECK: memref.alloc()
// CHECK: call @rotate_interleaved_64x4_f32
// CHECK: ropegrad.space = "rows2"
// CHECK: scf.parallel
// CHECK: call @rotate_inverse_half_64x4_f32
// CHECK: ropegrad.space = "rows2"
// CHECK: %[[OK:.*]] = arith.constant 0 : i32
// CHECK: return %[[OK]] : i32
func.func @rotate(%x: memref<1x2x64x4xf32>, %y: memref<1x2x64x4xf32>) {
  ropegrad.rotate ins(%x : memref<1x2x64x4xf32>) outs(%y : memref<1x2x64x4xf32>) {position = #ropegrad.rotary<interleaved, base = 1.0e+4 : f64>}
  ropegrad.rotate ins(%y : memref<1x2x64x4xf32>) outs(%y : memref<1x2x64x4xf32>) {inverse, position = #ropegrad.rotary<half, base = 1.0e+4 : f64>}
  return
}

// Angles in double, rounded once.
// NARROW-LABEL: func.func private @rotate_interleaved_64x4_f32
// NARROW: arith.truncf {{.*}} : vector<2xf64> to vector<2xf32>
// NARROW: vector.fma {{.*}} : vector<4xf32>

// The sizes and strides of a call: units of 16 rows, x by its own strides.
// CHECK-LABEL: func.func @sizes
// CHECK-SAME: %[[BATCH:[a-z0-9]+]]: index {ropegrad.size = "batch"}, %[[N:[a-z0-9]+]]: index
// CHECK-DAG: memref.load
// CHECK-DAG: %[[ROUNDED:.*]] = arith.addi %[[N]], %{{.*}} : index
// CHECK: arith.divui %[[ROUNDED]]
// CHECK: scf.parallel
// CHECK: arith.minsi
// CHECK: call @rotate_half_64x4_f32
func.func @sizes(%x: memref<3x2x64x4xf32> {ropegrad.strides = 0 : i64}, %y: memref<3x2x64x4xf32>,
                 %batch: index {ropegrad.size = "batch"}, %n: index {ropegrad.size = "n"},
                 %strides: memref<3xi64> {ropegrad.size = "strides"}) attributes {ropegrad.chunk = 16 : i64} {
  ropegrad.rotate ins(%x : memref<3x2x64x4xf32>) outs(%y : memref<3x2x64x4xf32>) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>}
  return
}

// CHECK-LABEL: func.func @append
// CHECK: scf.parallel
// CHECK: vector.load {{.*}} vector<4xf32>
// CHECK: memref.store
// CHECK: ropegrad.space = "rows1"
func.func @append(%x: memref<1x1x64x4xf32>, %r: memref<1x1x64xf32>, %y: memref<1x1x64x5xf32>) {
  ropegrad.append_column ins(%x, %r : memref<1x1x64x4xf32>, memref<1x1x64xf32>) outs(%y : memref<1x1x64x5xf32>) {scale = -1.0 : f64}
  return
}

// One number a unit, then the largest in the order of the units.
// CHECK-LABEL: func.func @guards
// CHECK-SAME: -> i32
// CHECK: scf.parallel
// CHECK: call @max_norm_4_f32
// CHECK: ropegrad.space = "rows2"
// CHECK: scf.parallel
// CHECK: call @max_norm_4_f32
// CHECK: ropegrad.space = "rows1"
// CHECK: arith.maximumf
// CHECK: memref.store %{{.*}}, %{{.*}}[] : memref<f32>
// CHECK: %[[WITHIN:.*]] = arith.cmpf ole
// CHECK: cf.cond_br %[[WITHIN]], ^[[NEXT:bb[0-9]+]], ^[[EXCEEDED:bb[0-9]+]]
// CHECK: ^[[NEXT]]:
// CHECK: cf.cond_br
// CHECK: ^[[EXCEEDED]]:
// CHECK-NEXT: %[[ONE:.*]] = arith.constant 1 : i32
// CHECK-NEXT: return %[[ONE]] : i32
func.func @guards(%r: memref<f32>, %s: memref<f32>, %q: memref<1x2x64x4xf32>, %k: memref<1x1x64x4xf32>) {
  "ropegrad.guard"(%r, %q, %k) <{limit = 0.5 : f64, scale = 0.25 : f64, operandSegmentSizes = array<i32: 0, 3>}> : (memref<f32>, memref<1x2x64x4xf32>, memref<1x1x64x4xf32>) -> ()
  "ropegrad.guard"(%s, %q, %k) <{limit = 0.5 : f64, scale = 0.25 : f64, operandSegmentSizes = array<i32: 0, 3>}> : (memref<f32>, memref<1x2x64x4xf32>, memref<1x1x64x4xf32>) -> ()
  return
}

// A radius for each key head, and no early return.
// CHECK-LABEL: func.func @measures
// CHECK-NOT: cf.cond_br
// CHECK: scf.for %[[HEAD:.*]] = %{{.*}} to %{{.*}} step
// CHECK: %[[B:.*]] = arith.div{{[su]}}i %[[HEAD]],
// CHECK: %[[H:.*]] = arith.rem{{[su]}}i %[[HEAD]],
// CHECK: memref.store %{{.*}}, %{{.*}}[%[[B]], %[[H]]] : memref<2x2xf32>
// CHECK: return
func.func @measures(%r: memref<2x2xf32>, %q: memref<2x4x64x4xf32>, %k: memref<2x2x64x4xf32>) {
  "ropegrad.guard"(%r, %q, %k) <{limit = 0.5 : f64, scale = 0.25 : f64, operandSegmentSizes = array<i32: 0, 3>}> : (memref<2x2xf32>, memref<2x4x64x4xf32>, memref<2x2x64x4xf32>) -> ()
  return
}

// CHECK-LABEL: func.func @sums
// CHECK: scf.parallel
// CHECK: arith.cmpf ugt
// CHECK: scf.for
// CHECK: cf.cond_br
// CHECK: arith.constant 5 : i32
func.func @sums(%r: memref<1x2x64xf32>) {
  "ropegrad.require_positive"(%r) <{operandSegmentSizes = array<i32: 0, 1>}> : (memref<1x2x64xf32>) -> ()
  return
}

// A row sum is no smaller than a share of what stands at frequency 0; where that
// overflows, only what is not finite in the bias is let pass.
// CHECK-LABEL: func.func @shares
// CHECK: scf.parallel
// CHECK: arith.mulf
// CHECK: arith.cmpf ogt
// CHECK: arith.cmpf olt
// CHECK: arith.subf
// CHECK: arith.cmpf oeq
// CHECK: cf.cond_br
// CHECK: arith.constant 13 : i32
func.func @shares(%s: memref<2x1x256xf32>, %bias: memref<2x127xf32>, %d: memref<1x2x64xf32>) {
  "ropegrad.require_share"(%s, %bias, %d) <{share = 1.0e-3 : f64, operandSegmentSizes = array<i32: 2, 1>}> : (memref<2x1x256xf32>, memref<2x127xf32>, memref<1x2x64xf32>) -> ()
  return
}

// A table of the call's n: row t + n - 1.
// CHECK-LABEL: func.func @table
// CHECK-SAME: %[[N:[a-z0-9]+]]: index
// CHECK: memref.get_global @rotary_64x4
// CHECK: scf.parallel
// CHECK: arith.addi %{{.*}}, %[[N]]
// CHECK: arith.negf
func.func @table(%w: memref<127x2xf32>, %n: index {ropegrad.size = "n"}) {
  "ropegrad.position_table"(%w) <{d = 4 : i64, position = #ropegrad.rotary<half, base = 1.0e+4 : f64>, support = array<i64: 0, 0, 0, 2>, operandSegmentSizes = array<i32: 0, 1>}> : (memref<127x2xf32>) -> ()
  return
}

// A long reduction is cut into blocks of 256, and C is added to.
// CHECK-LABEL: func.func @transposed_a
// CHECK: arith.constant 256 : index
// CHECK: scf.for
// CHECK: call @ropegrad_gemm_{{.*}}8x4x256{{.*}}_add
// CHECK: call @ropegrad_gemm_{{.*}}8x4x232{{.*}}_add
// CHECK-NOT: linalg.matmul
func.func @transposed_a(%a: memref<1000x8xf32>, %b: memref<1000x4xf32>, %c: memref<8x4xf32>) {
  linalg.matmul indexing_maps = [affine_map<(i, j, k) -> (k, i)>, affine_map<(i, j, k) -> (k, j)>, affine_map<(i, j, k) -> (i, j)>] ins(%a, %b : memref<1000x8xf32>, memref<1000x4xf32>) outs(%c : memref<8x4xf32>)
  return
}

// B transposed is packed first.
// CHECK-LABEL: func.func @transposed_b
// CHECK: memref.alloc() {{.*}} : memref<32xf64>
// CHECK: call @ropegrad_gemm_{{.*}}64x8x4
func.func @transposed_b(%a: memref<1000x4xf64>, %b: memref<8x4xf64>, %c: memref<1000x8xf64>) {
  linalg.matmul indexing_maps = [affine_map<(i, j, k) -> (i, k)>, affine_map<(i, j, k) -> (j, k)>, affine_map<(i, j, k) -> (i, j)>] ins(%a, %b : memref<1000x4xf64>, memref<8x4xf64>) outs(%c : memref<1000x8xf64>)
  return
}

// A has one row per position: blocks of the rows of every unit.
// CHECK-LABEL: func.func @rows
// CHECK: scf.parallel
// CHECK: call @ropegrad_gemm_{{.*}}_64x4x8_{{.*}}_add
// CHECK: call @ropegrad_gemm_{{.*}}_8x4x8_{{.*}}_add
// CHECK: call @ropegrad_gemm_{{.*}}_1x4x8_{{.*}}_add
// CHECK: ropegrad.space = "rows1"
func.func @rows(%a: memref<1000x8xf32> {ropegrad.rows}, %b: memref<8x4xf32>, %c: memref<1000x4xf32>,
                %n: index {ropegrad.size = "n"}) attributes {ropegrad.chunk = 96 : i64} {
  linalg.matmul ins(%a, %b : memref<1000x8xf32>, memref<8x4xf32>) outs(%c : memref<1000x4xf32>)
  return
}

// A sum over positions: one of 8 x 4 for each of 11 units, then those in order.
// CHECK-LABEL: func.func @sum_over_rows
// CHECK: memref.alloc() {{.*}} : memref<352xf32>
// CHECK: scf.parallel
// CHECK: call @ropegrad_gemm_{{.*}}_8x4x256_{{.*}}_add
// CHECK: call @ropegrad_gemm_{{.*}}_8x4x1_{{.*}}_add
// CHECK: ropegrad.space = "rows1"
// CHECK: scf.for
// CHECK: arith.addf
func.func @sum_over_rows(%a: memref<1000x8xf32> {ropegrad.rows}, %x: memref<1x1x1000x4xf32>, %c: memref<8x4xf32>,
                         %n: index {ropegrad.size = "n"}) attributes {ropegrad.chunk = 96 : i64} {
  %b = memref.collapse_shape %x [[0, 1, 2], [3]] : memref<1x1x1000x4xf32> into memref<1000x4xf32>
  linalg.matmul indexing_maps = [affine_map<(i, j, k) -> (k, i)>, affine_map<(i, j, k) -> (k, j)>, affine_map<(i, j, k) -> (i, j)>] ins(%a, %b : memref<1000x8xf32>, memref<1000x4xf32>) outs(%c : memref<8x4xf32>)
  return
}

// Private functions keep their type.
// CHECK: func.func private @helper(%{{.*}}: memref<4xf32>) {
func.func private @helper(%x: memref<4xf32>) {
  return
}

#row = affine_map<(b, h, i, c) -> (b, h, i)>
#all = affine_map<(b, h, i, c) -> (b, h, i, c)>
#none = affine_map<(b, h, i, c) -> ()>
#column = affine_map<(b, h, i) -> (b, h, i)>

// Elementwise with one factor a row: 12 = 8 + 4 columns.
// CHECK-LABEL: func.func @scale_rows
// CHECK: scf.parallel
// CHECK: scf.for
// CHECK: vector.broadcast {{.*}} : f32 to vector<8xf32>
// CHECK: arith.mulf {{.*}} : vector<8xf32>
// CHECK: arith.mulf {{.*}} : vector<4xf32>
// CHECK: ropegrad.space = "rows2"
// CHECK-NOT: linalg
func.func @scale_rows(%x: memref<1x2x64x12xf32> {ropegrad.strides = 0 : i64}, %r: memref<1x2x64xf32>, %y: memref<1x2x64x12xf32>,
                      %strides: memref<3xi64> {ropegrad.size = "strides"}) {
  linalg.generic {indexing_maps = [#all, #row, #all], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
    ins(%x, %r : memref<1x2x64x12xf32>, memref<1x2x64xf32>) outs(%y : memref<1x2x64x12xf32>) {
  ^bb0(%a: f32, %f: f32, %out: f32):
    %0 = arith.mulf %a, %f : f32
    linalg.yield %0 : f32
  }
  return
}

// A column of wider rows in, contiguous numbers out: vectors all the same.
// CHECK-LABEL: func.func @column
// CHECK: vector.from_elements {{.*}} : vector<16xf32>
// CHECK: arith.divf {{.*}} : vector<16xf32>
// CHECK: vector.store {{.*}} vector<16xf32>
// CHECK-NOT: linalg
func.func @column(%x: memref<1x2x64x9xf32>, %y: memref<1x2x64xf32>) {
  %one = arith.constant 1.0 : f32
  %last = memref.subview %x[0, 0, 0, 8] [1, 2, 64, 1] [1, 1, 1, 1] : memref<1x2x64x9xf32> to memref<1x2x64xf32, strided<[1152, 576, 9], offset: 8>>
  linalg.generic {indexing_maps = [#column, #column], iterator_types = ["parallel", "parallel", "parallel"]}
    ins(%last : memref<1x2x64xf32, strided<[1152, 576, 9], offset: 8>>) outs(%y : memref<1x2x64xf32>) {
  ^bb0(%a: f32, %out: f32):
    %0 = arith.divf %one, %a : f32
    linalg.yield %0 : f32
  }
  return
}

// CHECK-LABEL: func.func @row_sums
// CHECK: scf.parallel
// CHECK: vector.reduction <add>, {{.*}} : vector<8xf32> into f32
// CHECK: memref.store
// CHECK-NOT: linalg
func.func @row_sums(%x: memref<1x2x64x8xf32>, %y: memref<1x2x64xf32>) {
  linalg.generic {indexing_maps = [#all, #row], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
    ins(%x : memref<1x2x64x8xf32>) outs(%y : memref<1x2x64xf32>) {
  ^bb0(%a: f32, %out: f32):
    %0 = arith.addf %a, %out : f32
    linalg.yield %0 : f32
  }
  return
}

// One sum a unit in double, then those in order.
// CHECK-LABEL: func.func @total
// CHECK: memref.alloc() {{.*}} : memref<4xf64>
// CHECK: scf.parallel
// CHECK: arith.extf {{.*}} : vector<16xf32> to vector<16xf64>
// CHECK: vector.reduction <add>, {{.*}} : vector<16xf64> into f64
// CHECK: scf.for
// CHECK: arith.addf {{.*}} : f64
// CHECK-NOT: linalg
func.func @total(%x: memref<1x1x64x8xf32>, %y: memref<1x1x64x8xf32>, %s: memref<f64>) attributes {ropegrad.chunk = 16 : i64} {
  ropegrad.rotate ins(%x : memref<1x1x64x8xf32>) outs(%y : memref<1x1x64x8xf32>) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>}
  linalg.generic {indexing_maps = [#all, #none], iterator_types = ["reduction", "reduction", "reduction", "reduction"]}
    ins(%y : memref<1x1x64x8xf32>) outs(%s : memref<f64>) {
  ^bb0(%a: f32, %out: f64):
    %0 = arith.extf %a : f32 to f64
    %1 = arith.addf %out, %0 : f64
    linalg.yield %1 : f64
  }
  return
}

// Rows of monomials are no positions: all of them, whatever n is, and not merged.
// CHECK-LABEL: func.func @monomials
// CHECK-SAME: %[[N:[a-z0-9]+]]: index
// CHECK-NOT: %[[N]]
// CHECK: scf.parallel
// CHECK-NOT: ropegrad.space
// CHECK: return
func.func @monomials(%x: memref<1x2x36x4xf32>, %y: memref<1x2x36x4xf32>, %n: index {ropegrad.size = "n"}) {
  linalg.copy ins(%x : memref<1x2x36x4xf32>) outs(%y : memref<1x2x36x4xf32>)
  return
}

// n = c: an array of the caller with n rows was to lend its zeros to a matrix of
// c rows, which now has its own.
// CHECK-LABEL: func.func @square
// CHECK-SAME: %[[DX:[a-z0-9]+]]: memref<8x8xf32>, %{{.*}}: memref<8x8xf32> {ropegrad.rows}, %{{[a-z0-9]+}}: memref<8x8xf32>, %{{.*}}: index
// CHECK: scf.parallel
// CHECK: ropegrad.space = "rows1"
// CHECK: linalg.fill {{.*}} outs(%[[DX]]
// CHECK: scf.parallel
// CHECK: call @ropegrad_gemm
// CHECK-NOT: linalg
// CHECK: return
func.func @square(%a: memref<8x8xf32> {ropegrad.rows}, %dx: memref<8x8xf32>, %da: memref<8x8xf32> {ropegrad.rows}, %x: memref<8x8xf32>,
                  %n: index {ropegrad.size = "n"}) {
  %zero = arith.constant 0.0 : f32
  linalg.fill ins(%zero : f32) outs(%da : memref<8x8xf32>)
  linalg.copy ins(%da : memref<8x8xf32>) outs(%dx : memref<8x8xf32>)
  linalg.matmul ins(%a, %x : memref<8x8xf32>, memref<8x8xf32>) outs(%da : memref<8x8xf32>)
  return
}

// Matrices that have no positions are left to others.
// CHECK-LABEL: func.func @small
// CHECK: linalg.fill
func.func @small(%y: memref<4x4xf32>) {
  %zero = arith.constant 0.0 : f32
  linalg.fill ins(%zero : f32) outs(%y : memref<4x4xf32>)
  return
}

// Outputs are scanned before a return of 0: rows in parallel, tables of the
// call's n.
// CHECK-LABEL: func.func @outputs
// CHECK-SAME: %[[N:[a-z0-9]+]]: index
// CHECK: scf.parallel
// CHECK: call @not_finite_4_f32
// CHECK: %[[TWICE:.*]] = arith.muli %[[N]]
// CHECK: arith.subi %[[TWICE]]
// CHECK: call @not_finite_1_f32
// CHECK: cf.cond_br
// CHECK: arith.constant 4 : i32
func.func @outputs(%x: memref<1x1x64x4xf32> {ropegrad.strides = 0 : i64, ropegrad.output, ropegrad.name = "O"},
                   %w: memref<127x4xf32> {ropegrad.output, ropegrad.name = "dW"},
                   %n: index {ropegrad.size = "n"}, %strides: memref<3xi64> {ropegrad.size = "strides"}) {
  return
}
// CHECK-LABEL: func.func private @not_finite_4_f32
// CHECK: arith.andi {{.*}} : vector<4xi32>
