// Route scan of fuse-kronecker: blocks near the diagonal stay, the rest goes
// through states.
// RUN: ropegrad-opt %s --ropegrad-fuse-kronecker=chunk=4 -canonicalize -cse | FileCheck %s
// RUN: ropegrad-opt %s --ropegrad-fuse-kronecker -canonicalize -cse | FileCheck %s --check-prefix=NEAR
// RUN: not ropegrad-opt %s --ropegrad-fuse-kronecker=chunk=-1 2>&1 | FileCheck %s --check-prefix=CHUNK
// CHUNK: expected chunk to be at least 0, but got -1

// Ten rows are one chunk unless said otherwise.
// NEAR-NOT: ropegrad.block_band
// NEAR-NOT: ropegrad.chunk_

#plan = #ropegrad.plan<route = scan, fit = taylor, degree = 2 : i64, radius = 5.0e-1 : f64>

// Causal, forwards: states of the chunks before, from the keys.
// CHECK-LABEL: func.func @apply(
// CHECK-SAME: %[[Q:.*]]: tensor<1x2x10x2xf32>, %[[K:.*]]: tensor<1x1x10x2xf32>, %[[V:.*]]: tensor<1x1x10x3xf32>
// CHECK-DAG: %[[BAND:.*]] = ropegrad.block_band {offsets = array<i64: 0>, size = 4 : i64}
// CHECK-DAG: %[[S:.*]] = ropegrad.chunk_states ins(%[[K]], %[[V]] : {{.*}}) outs(%{{.*}} : tensor<1x1x3x6x3xf32>) {chunk = 4 : i64, coefficients = array<f64: 1.000000e+00, 1.000000e+00, 5.000000e-01>, scale = 5.000000e-01 : f64}
// CHECK-DAG: %[[FAR:.*]] = ropegrad.chunk_expand ins(%[[Q]], %[[S]] : {{.*}}) {chunk = 4 : i64, degree = 2 : i64} -> tensor<1x2x10x3xf32>
// CHECK-DAG: %[[BLOCKS:.*]] = ropegrad.hadamard %[[BAND]], %{{.*}}
// CHECK: %[[CLOSE:.*]] = ropegrad.apply %[[BLOCKS]], %[[V]]
// CHECK: %[[SUM:.*]] = linalg.generic {{.*}} ins(%[[CLOSE]], %[[FAR]] :
// CHECK: arith.addf
// CHECK: return %[[SUM]]
func.func @apply(%q: tensor<1x2x10x2xf32>, %k: tensor<1x1x10x2xf32>, %v: tensor<1x1x10x3xf32>) -> tensor<1x2x10x3xf32> {
  %Z = ropegrad.logits %q, %k {scale = 0.5 : f64} : (tensor<1x2x10x2xf32>, tensor<1x1x10x2xf32>) -> !ropegrad.matrix<1x2x10x10xf32>
  %P = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, plan = #plan} : !ropegrad.matrix<1x2x10x10xf32>
  %b = ropegrad.toeplitz {mask = #ropegrad.mask<causal>} : () -> !ropegrad.matrix<1x2x10x10xf32>
  %W = ropegrad.hadamard %b, %P : !ropegrad.matrix<1x2x10x10xf32>
  %0 = ropegrad.apply %W, %v : (!ropegrad.matrix<1x2x10x10xf32>, tensor<1x1x10x3xf32>) -> tensor<1x2x10x3xf32>
  return %0 : tensor<1x2x10x3xf32>
}

// Transposed, the scan runs from the other end; heads of a group are summed.
// CHECK-LABEL: func.func @apply_transposed(
// CHECK-SAME: %[[Q:.*]]: tensor<1x2x10x2xf32>, %[[K:.*]]: tensor<1x1x10x2xf32>, %[[U:.*]]: tensor<1x2x10x3xf32>
// CHECK: %[[S:.*]] = ropegrad.chunk_states ins(%[[Q]], %[[U]] : {{.*}}) outs(%{{.*}} : tensor<1x1x3x6x3xf32>) {{{.*}} reversed,
// CHECK: ropegrad.chunk_expand ins(%[[K]], %[[S]] : {{.*}} -> tensor<1x1x10x3xf32>
// CHECK: ropegrad.apply_transposed
func.func @apply_transposed(%q: tensor<1x2x10x2xf32>, %k: tensor<1x1x10x2xf32>, %u: tensor<1x2x10x3xf32>) -> tensor<1x1x10x3xf32> {
  %Z = ropegrad.logits %q, %k {scale = 0.5 : f64} : (tensor<1x2x10x2xf32>, tensor<1x1x10x2xf32>) -> !ropegrad.matrix<1x2x10x10xf32>
  %P = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, plan = #plan} : !ropegrad.matrix<1x2x10x10xf32>
  %b = ropegrad.toeplitz {mask = #ropegrad.mask<causal>} : () -> !ropegrad.matrix<1x2x10x10xf32>
  %W = ropegrad.hadamard %b, %P : !ropegrad.matrix<1x2x10x10xf32>
  %0 = ropegrad.apply_transposed %W, %u : (!ropegrad.matrix<1x2x10x10xf32>, tensor<1x2x10x3xf32>) -> tensor<1x1x10x3xf32>
  return %0 : tensor<1x1x10x3xf32>
}

// A window of 9 covers the chunk before, and parts of the two before that. Its
// numerator and denominator are one product.
// CHECK-LABEL: func.func @window(
// CHECK-DAG: ropegrad.block_band {offsets = array<i64: 0, 2>, size = 4 : i64}
// CHECK-DAG: ropegrad.chunk_states {{.*}} outs(%{{.*}} : tensor<1x1x3x6x4xf32>) {{{.*}} reach = 1 : i64
// CHECK-NOT: ropegrad.chunk_states
// CHECK: return
func.func @window(%q: tensor<1x1x10x2xf32>, %v: tensor<1x1x10x3xf32>) -> (tensor<1x1x10x3xf32>, tensor<1x1x10xf32>) {
  %Z = ropegrad.logits %q, %q {scale = 0.5 : f64} : (tensor<1x1x10x2xf32>, tensor<1x1x10x2xf32>) -> !ropegrad.matrix<1x1x10x10xf32>
  %P = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, plan = #plan} : !ropegrad.matrix<1x1x10x10xf32>
  %b = ropegrad.toeplitz {mask = #ropegrad.mask<window>, window = 9 : i64} : () -> !ropegrad.matrix<1x1x10x10xf32>
  %W = ropegrad.hadamard %b, %P : !ropegrad.matrix<1x1x10x10xf32>
  %D = ropegrad.row_sums %W : (!ropegrad.matrix<1x1x10x10xf32>) -> tensor<1x1x10xf32>
  %0 = ropegrad.apply %W, %v : (!ropegrad.matrix<1x1x10x10xf32>, tensor<1x1x10x3xf32>) -> tensor<1x1x10x3xf32>
  return %0, %D : tensor<1x1x10x3xf32>, tensor<1x1x10xf32>
}

// ALiBi without a mask is two scans; decays are factors of rows, and from state
// to state. Slopes of their own give heads states of their own.
// CHECK-LABEL: func.func @alibi(
// CHECK-SAME: %[[Q:.*]]: tensor<1x2x10x2xf32>, %[[K:.*]]: tensor<1x1x10x2xf32>, %[[V:.*]]: tensor<1x1x10x3xf32>
// CHECK-DAG: %[[V1:.*]] = ropegrad.decay_rows ins(%[[V]] : {{.*}}) outs(%{{.*}} : tensor<1x2x10x3xf32>) {chunk = 4 : i64, descending, first = 3 : i64, slopes = array<f64: 5.000000e-01, 2.500000e-01>}
// CHECK-DAG: %[[V2:.*]] = ropegrad.decay_rows ins(%[[V]] : {{.*}}) outs(%{{.*}} : tensor<1x2x10x3xf32>) {chunk = 4 : i64, first = 0 : i64
// CHECK-DAG: %[[S1:.*]] = ropegrad.chunk_states ins(%[[K]], %[[V1]] : {{.*}}) outs(%{{.*}} : tensor<1x2x3x6x3xf32>) {{{.*}} slopes = array<f64: 5.000000e-01, 2.500000e-01>}
// CHECK-DAG: %[[S2:.*]] = ropegrad.chunk_states ins(%[[K]], %[[V2]] : {{.*}}) {{{.*}} reversed,
// CHECK-DAG: %[[N1:.*]] = ropegrad.chunk_expand ins(%[[Q]], %[[S1]]
// CHECK-DAG: %[[N2:.*]] = ropegrad.chunk_expand ins(%[[Q]], %[[S2]]
// CHECK-DAG: ropegrad.decay_rows ins(%[[N1]] : {{.*}}) {{.*}} {chunk = 4 : i64, first = 1 : i64
// CHECK-DAG: ropegrad.decay_rows ins(%[[N2]] : {{.*}}) {{.*}} {chunk = 4 : i64, descending, first = 4 : i64
func.func @alibi(%q: tensor<1x2x10x2xf32>, %k: tensor<1x1x10x2xf32>, %v: tensor<1x1x10x3xf32>) -> tensor<1x2x10x3xf32> {
  %Z = ropegrad.logits %q, %k {scale = 0.5 : f64} : (tensor<1x2x10x2xf32>, tensor<1x1x10x2xf32>) -> !ropegrad.matrix<1x2x10x10xf32>
  %P = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, plan = #plan} : !ropegrad.matrix<1x2x10x10xf32>
  %b = ropegrad.toeplitz {alibi = array<f64: 0.5, 0.25>} : () -> !ropegrad.matrix<1x2x10x10xf32>
  %W = ropegrad.hadamard %b, %P : !ropegrad.matrix<1x2x10x10xf32>
  %0 = ropegrad.apply %W, %v : (!ropegrad.matrix<1x2x10x10xf32>, tensor<1x1x10x3xf32>) -> tensor<1x2x10x3xf32>
  return %0 : tensor<1x2x10x3xf32>
}

// The gradient of the logits: reverse with the states of the forward pass, and
// mirrored. V⁺ serves both: one more state, not two.
// CHECK-LABEL: func.func @slopes(
// CHECK-SAME: %[[Q:.*]]: tensor<1x1x10x2xf32>, %[[K:.*]]: tensor<1x1x10x2xf32>, %[[U:.*]]: tensor<1x1x10x3xf32>, %[[V:.*]]: tensor<1x1x10x3xf32>
// CHECK-DAG: %[[GK:.*]] = ropegrad.chunk_states ins(%[[K]], %[[V]] :
// CHECK-DAG: ropegrad.chunk_expand ins(%[[Q]], %[[GK]] :
// CHECK-DAG: ropegrad.chunk_reverse ins(%[[Q]], %[[GK]], %[[U]] :
// CHECK-DAG: %[[GQ:.*]] = ropegrad.chunk_states ins(%[[Q]], %[[U]] : {{.*}} reversed
// CHECK-DAG: ropegrad.chunk_reverse ins(%[[K]], %[[GQ]], %[[V]] :
// CHECK-NOT: ropegrad.chunk_states
// CHECK: return
func.func @slopes(%q: tensor<1x1x10x2xf32>, %k: tensor<1x1x10x2xf32>, %u: tensor<1x1x10x3xf32>, %v: tensor<1x1x10x3xf32>) -> (tensor<1x1x10x2xf32>, tensor<1x1x10x2xf32>, tensor<1x1x10x3xf32>) {
  %Z = ropegrad.logits %q, %k {scale = 0.5 : f64} : (tensor<1x1x10x2xf32>, tensor<1x1x10x2xf32>) -> !ropegrad.matrix<1x1x10x10xf32>
  %P = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, plan = #plan} : !ropegrad.matrix<1x1x10x10xf32>
  %R = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, order = 1 : i64, plan = #plan} : !ropegrad.matrix<1x1x10x10xf32>
  %b = ropegrad.toeplitz {mask = #ropegrad.mask<causal>} : () -> !ropegrad.matrix<1x1x10x10xf32>
  %W = ropegrad.hadamard %b, %P : !ropegrad.matrix<1x1x10x10xf32>
  %T = ropegrad.hadamard %b, %R : !ropegrad.matrix<1x1x10x10xf32>
  %B = ropegrad.outer %u, %v : (tensor<1x1x10x3xf32>, tensor<1x1x10x3xf32>) -> !ropegrad.matrix<1x1x10x10xf32>
  %C = ropegrad.hadamard %T, %B : !ropegrad.matrix<1x1x10x10xf32>
  %0 = ropegrad.apply %C, %k {scale = 0.5 : f64} : (!ropegrad.matrix<1x1x10x10xf32>, tensor<1x1x10x2xf32>) -> tensor<1x1x10x2xf32>
  %1 = ropegrad.apply_transposed %C, %q {scale = 0.5 : f64} : (!ropegrad.matrix<1x1x10x10xf32>, tensor<1x1x10x2xf32>) -> tensor<1x1x10x2xf32>
  %2 = ropegrad.apply %W, %v : (!ropegrad.matrix<1x1x10x10xf32>, tensor<1x1x10x3xf32>) -> tensor<1x1x10x3xf32>
  return %0, %1, %2 : tensor<1x1x10x2xf32>, tensor<1x1x10x2xf32>, tensor<1x1x10x3xf32>
}

// States of U are columns of those of [U, r].
// CHECK-LABEL: func.func @shared(
// CHECK-COUNT-1: ropegrad.chunk_states
// CHECK-NOT: ropegrad.chunk_states
// CHECK: tensor.extract_slice {{.*}} : tensor<1x1x3x6x4xf32> to tensor<1x1x3x6x3xf32>
func.func @shared(%q: tensor<1x1x10x2xf32>, %v: tensor<1x1x10x3xf32>) -> (tensor<1x1x10x4xf32>, tensor<1x1x10x3xf32>) {
  %e = tensor.empty() : tensor<1x1x10x4xf32>
  %v1 = ropegrad.append_column ins(%v : tensor<1x1x10x3xf32>) outs(%e : tensor<1x1x10x4xf32>) -> tensor<1x1x10x4xf32>
  %Z = ropegrad.logits %q, %q {scale = 0.5 : f64} : (tensor<1x1x10x2xf32>, tensor<1x1x10x2xf32>) -> !ropegrad.matrix<1x1x10x10xf32>
  %P = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, plan = #plan} : !ropegrad.matrix<1x1x10x10xf32>
  %b = ropegrad.toeplitz {mask = #ropegrad.mask<causal>, alibi = array<f64: 0.5>} : () -> !ropegrad.matrix<1x1x10x10xf32>
  %W = ropegrad.hadamard %b, %P : !ropegrad.matrix<1x1x10x10xf32>
  %0 = ropegrad.apply %W, %v1 : (!ropegrad.matrix<1x1x10x10xf32>, tensor<1x1x10x4xf32>) -> tensor<1x1x10x4xf32>
  %1 = ropegrad.apply %W, %v : (!ropegrad.matrix<1x1x10x10xf32>, tensor<1x1x10x3xf32>) -> tensor<1x1x10x3xf32>
  return %0, %1 : tensor<1x1x10x4xf32>, tensor<1x1x10x3xf32>
}

// Row sums alone; left alone: another route, no prefactor.
// CHECK-LABEL: func.func @others(
// CHECK-COUNT-1: ropegrad.chunk_states
// CHECK-NOT: ropegrad.chunk_states
// CHECK: return
func.func @others(%q: tensor<1x1x10x2xf32>) -> (tensor<1x1x10xf32>, tensor<1x1x10x2xf32>, tensor<1x1x10x2xf32>) {
  %Z = ropegrad.logits %q, %q {scale = 0.5 : f64} : (tensor<1x1x10x2xf32>, tensor<1x1x10x2xf32>) -> !ropegrad.matrix<1x1x10x10xf32>
  %P = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, plan = #plan} : !ropegrad.matrix<1x1x10x10xf32>
  %b = ropegrad.toeplitz {mask = #ropegrad.mask<causal>} : () -> !ropegrad.matrix<1x1x10x10xf32>
  %W = ropegrad.hadamard %b, %P : !ropegrad.matrix<1x1x10x10xf32>
  %0 = ropegrad.row_sums %W : (!ropegrad.matrix<1x1x10x10xf32>) -> tensor<1x1x10xf32>
  %1 = ropegrad.apply %P, %q : (!ropegrad.matrix<1x1x10x10xf32>, tensor<1x1x10x2xf32>) -> tensor<1x1x10x2xf32>
  %E = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, plan = #ropegrad.plan<route = exact, fit = minimax>} : !ropegrad.matrix<1x1x10x10xf32>
  %X = ropegrad.hadamard %b, %E : !ropegrad.matrix<1x1x10x10xf32>
  %2 = ropegrad.apply %X, %q : (!ropegrad.matrix<1x1x10x10xf32>, tensor<1x1x10x2xf32>) -> tensor<1x1x10x2xf32>
  return %0, %1, %2 : tensor<1x1x10xf32>, tensor<1x1x10x2xf32>, tensor<1x1x10x2xf32>
}

// The gradient with respect to X: products with the rows of all channels, times
// the functions of a rotary position, by states of p'; the same band.
// CHECK-LABEL: func.func @gradient_of_x(
// CHECK-SAME: %[[Q:.*]]: tensor<1x1x10x2xf32>, %[[U:.*]]: tensor<1x1x10x3xf32>, %[[A:.*]]: tensor<1x1x10x4xf32>
// CHECK-DAG: %[[BAND:.*]] = ropegrad.block_band {offsets = array<i64: 0>, size = 4 : i64}
// CHECK-DAG: %[[H:.*]] = ropegrad.rotate ins({{.*}}) {position = #ropegrad.rotary<interleaved,
// CHECK-DAG: %[[X:.*]] = ropegrad.spread_channels ins(%[[A]], %[[U]], %[[H]] : {{.*}} -> tensor<1x4x10x6xf32>
// CHECK-DAG: %[[S:.*]] = ropegrad.chunk_states ins(%[[Q]], %[[X]] : {{.*}} outs(%{{.*}} : tensor<1x4x3x3x6xf32>) {chunk = 4 : i64, coefficients = array<f64: 1.000000e+00, 1.000000e+00>, scale = 5.000000e-01 : f64}
// CHECK-DAG: %[[N:.*]] = ropegrad.chunk_expand ins(%[[Q]], %[[S]] : {{.*}} {chunk = 4 : i64, degree = 1 : i64} -> tensor<1x4x10x6xf32>
// CHECK-DAG: %[[FAR:.*]] = ropegrad.gather_channels ins(%[[A]], %[[U]], %[[H]], %[[N]] : {{.*}} -> tensor<16x4xf32>
// CHECK-DAG: %[[CLOSE:.*]] = ropegrad.kronecker_gradient
// CHECK: linalg.generic {{.*}} ins(%[[CLOSE]], %[[FAR]] :
func.func @gradient_of_x(%q: tensor<1x1x10x2xf32>, %u: tensor<1x1x10x3xf32>, %a: tensor<1x1x10x4xf32>) -> tensor<16x4xf32> {
  %Z = ropegrad.logits %q, %q {scale = 0.5 : f64} : (tensor<1x1x10x2xf32>, tensor<1x1x10x2xf32>) -> !ropegrad.matrix<1x1x10x10xf32>
  %P = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>, order = 1 : i64, plan = #plan} : !ropegrad.matrix<1x1x10x10xf32>
  %b = ropegrad.toeplitz {mask = #ropegrad.mask<causal>} : () -> !ropegrad.matrix<1x1x10x10xf32>
  %W = ropegrad.hadamard %b, %P : !ropegrad.matrix<1x1x10x10xf32>
  %A = ropegrad.outer %u, %u : (tensor<1x1x10x3xf32>, tensor<1x1x10x3xf32>) -> !ropegrad.matrix<1x1x10x10xf32>
  %g = ropegrad.hadamard %W, %A : !ropegrad.matrix<1x1x10x10xf32>
  %0 = ropegrad.kronecker_gradient %g, %a, %a {position = #ropegrad.rotary<interleaved, base = 1.0e+4 : f64>, scale = 0.5 : f64, support = array<i64: 0, 0, 0, 1, 1, 0, 1, 1>} : (!ropegrad.matrix<1x1x10x10xf32>, tensor<1x1x10x4xf32>, tensor<1x1x10x4xf32>) -> tensor<16x4xf32>
  return %0 : tensor<16x4xf32>
}
