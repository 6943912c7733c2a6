//===- Passes.td - The passes of the road ------------------*- tablegen -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_TD
#define ROPEGRAD_PASSES_TD

include "mlir/Pass/PassBase.td"

def Plan : Pass<"ropegrad-plan", "::mlir::ModuleOp"> {
  let summary = "choose route and degree of every problem and write them down";
  let description = [{
    Sets the `plan` attribute of every level-1 op by the cost model: exact where
    the data or the request allow nothing else, otherwise the cheapest
    admissible route with the smallest degree whose proved error meets the
    tolerance (Lemma 3.4, Theorem 7.1). A forced `route`, `degree` or `fit` is
    honoured, or refused with the reason. Ops of one module that pose the same
    problem are planned as one, so that forward pass and gradient share a
    polynomial.

    ```mlir
    ropegrad.attention(%Q, %K, %V) {scale = 0.25 : f64, radius = 0.5 : f64, tolerance = 0.01 : f64} ...
      ==>
    ropegrad.attention(%Q, %K, %V) {..., plan = #ropegrad.plan<route = features, fit = minimax, degree = 3 : i64, ...>} ...
    ```
  }];
  let options = [
    Option<"threads", "threads", "int64_t", "1", "threads that the kernel may use">
  ];
}

def Differentiate : Pass<"ropegrad-differentiate", "::mlir::ModuleOp"> {
  let summary = "level 1 to level 2: the closed-form loss and gradient on implicit matrices";
  let description = [{
    Writes every problem op as algebra on implicit matrices: s, β, γ of Lemmas
    4.1 and 5.1–5.3. Rotary position becomes a rotation of the rows of Q and K.

    ```mlir
    %dV = ropegrad.attention_vjp(%Q, %K, %V, %dO) {wrt = ["V"], ...}
      ==>
    %Z = ropegrad.logits %Q, %K
    %L = ropegrad.row_logsumexp %Z
    %S = ropegrad.shift_rows %Z, %L
    %s = ropegrad.exp %S
    %dV = ropegrad.apply_transposed %s, %dO
    ```
  }];
  let dependentDialects = ["::mlir::ropegrad::RopeGradDialect", "::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

def ApproximateExp : Pass<"ropegrad-approximate-exp", "::mlir::ModuleOp"> {
  let summary = "exp to a polynomial with a proved error";
  let description = [{
    On an almost-linear route, replaces the normalised exponential by a normalised
    polynomial of the planned degree (Lemma 3.4); an exponential of `order` 1 by
    its derivative. The errors δ, δ', proved on the whole interval, become
    attributes of the polynomial.

    ```mlir
    %L = ropegrad.row_logsumexp %Z
    %S = ropegrad.shift_rows %Z, %L
    %s = ropegrad.exp %S
      ==>
    %P = ropegrad.polynomial %Z {coefficients = ..., delta = ..., delta_prime = ..., radius = ...}
    %D = ropegrad.row_sums %P
    %r = 1 / %D
    %s = ropegrad.scale_rows %P, %r
    ```
  }];
  let dependentDialects = ["::mlir::ropegrad::RopeGradDialect", "::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

def FuseKronecker : Pass<"ropegrad-fuse-kronecker", "::mlir::ModuleOp"> {
  let summary = "level 2 to level 3: polynomials of logits to monomial features";
  let description = [{
    Replaces exits of polynomials of logits by products with the M = C(d+g, g)
    distinct monomials (Facts 3.9, 3.11, Lemmas 6.2–6.6). The duplicate columns
    of the paper's row-wise Kronecker powers are never made.

    ```mlir
    apply(polynomial(logits(q, k)), X)
      ==>
    expand(q, accumulate(k, X))

    apply(hadamard(polynomial'(logits(q, k)), outer(U, V)), k)
      ==>
    reverse(q, accumulate(k, V), U)
    ```

    Row scalings are moved out of the matrices first, numerator and denominator
    share one product with [V, 1], and equal reductions over n are made once. A
    polynomial under a prefactor other than 1 or with general W is left alone.
  }];
  let dependentDialects = ["::mlir::ropegrad::RopeGradDialect", "::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

def OutlineTiles : Pass<"ropegrad-outline-tiles", "::mlir::ModuleOp"> {
  let summary = "level 2 to level 3: exits of implicit matrices to tile loops";
  let description = [{
    Gathers the exits that do not depend on one another into one `tiles` op with
    the expression that they share: the forward pass becomes one loop (online
    softmax), the whole backward pass another (five products). Every expression
    that can be said has this way out.

    ```mlir
    %L = ropegrad.row_logsumexp %Z
    %O = ropegrad.apply %s, %V        // s = exp(Z − L)
      ==>
    %L, %O = ropegrad.tiles ins(%q, %k, %V) outs(%l, %o) {...}
    ```
  }];
  let dependentDialects = ["::mlir::ropegrad::RopeGradDialect", "::mlir::tensor::TensorDialect"];
}

def Bufferize : Pass<"ropegrad-bufferize", "::mlir::ModuleOp"> {
  let summary = "level 3 to level 4: tensors to buffers, results to destinations";
  let description = [{
    One-shot bufferization with identity layouts; results become trailing
    destination arguments of the function (destination-passing style).

    ```mlir
    func.func @f(%x: tensor<4xf32>) -> tensor<4xf32>
      ==>
    func.func @f(%x: memref<4xf32>, %y: memref<4xf32>)
    ```
  }];
  let dependentDialects = ["::mlir::bufferization::BufferizationDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::scf::SCFDialect"];
}

class KernelPass<string flag> : Pass<flag, "::mlir::ModuleOp"> {
  let options = [
    Option<"vectorBits", "vector-bits", "int64_t", "256", "width of the target's vectors: 128, 256 or 512">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::cf::ControlFlowDialect",
                           "::mlir::func::FuncDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect", "::mlir::math::MathDialect"];
}

def LowerTiles : KernelPass<"ropegrad-lower-tiles"> {
  let summary = "tile loops of implicit matrices to scf and vector";
  let description = [{
    Lowers `tiles` on buffers to loops over tiles of the index space, skipping
    tiles that the mask kills. Products (logits, outer) are made per tile by a
    register-tiled microkernel; the elementwise rest of the expression is emitted
    lane by lane through `TileOpInterface`; row-wise log-sum-exp runs online.

    ```mlir
    ropegrad.tiles ins(%q, %k, %v) outs(%l, %o) {...}
      ==>
    scf.for %i0 = ... { scf.for %j0 = ... { call @gemm ... vector.fma ... } }
    ```
  }];
}

def LowerFeatures : KernelPass<"ropegrad-lower-features"> {
  let summary = "feature products to scf and vector leaf kernels";
  let description = [{
    Lowers `accumulate`, `expand`, `reverse` and `kronecker_features` on buffers.
    Φ is made for one block of rows at a time, rows in lanes, in prefix-closed
    graded order; the top degree is never made (Horner).

    ```mlir
    ropegrad.expand ins(%x, %G) outs(%N) {degree = 4}
      ==>
    scf.for %block = ... { call @expand_low ... scf.for %v = ... { call @expand_top ... } }
    ```
  }];
}

def LowerRows : KernelPass<"ropegrad-lower-rows"> {
  let summary = "row-wise ops and small products to scf and vector";
  let description = [{
    Lowers `rotate`, `append_column`, `guard`, `require_positive`,
    `position_table` and `linalg.matmul` (plain or transposed) on buffers.
    Guards make the function return a status: 0, 1 as soon as a radius exceeds
    its limit, 5 where a row sum is not positive.

    ```mlir
    ropegrad.guard outs(%r, %q, %k) {limit = 0.5, scale = 0.25}
      ==>
    memref.store %radius, %r[]
    cf.cond_br %within, ^next, ^exceeded   // ^exceeded: return 1
    ```
  }];
}

def PackWorkspace : Pass<"ropegrad-pack-workspace", "::mlir::ModuleOp"> {
  let summary = "allocations to slices of a workspace that the caller provides";
  let description = [{
    Gives every public function a last argument, the workspace, and lays all its
    allocations out in it; buffers whose lives do not overlap share memory.
    Its size becomes the attribute `ropegrad.workspace_bytes`.

    ```mlir
    func.func @f(%x: memref<4xf32>) { %a = memref.alloc() : memref<64xf32> ... }
      ==>
    func.func @f(%x: memref<4xf32>, %w: memref<256xi8>) { %a = memref.view %w[%c0][] ... }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect"];
}

#endif // ROPEGRAD_PASSES_TD
