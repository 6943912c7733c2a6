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
    polynomial. Times are predicted from rates that were measured, for vectors
    of another width in proportion.

    ```mlir
    ropegrad.attention(%Q, %K, %V) {scale = 0.25 : f64, radius = 0.5 : f64, tolerance = 0.01 : f64} ...
      ==>
    ropegrad.attention(%Q, %K, %V) {..., plan = #ropegrad.plan<route = features, fit = minimax, degree = 3 : i64, ...>} ...
    ```
  }];
  let options = [
    Option<"threads", "threads", "int64_t", "1", "threads that the kernel may use">,
    Option<"vectorBits", "vector-bits", "int64_t", "256", "width of the target's vectors: 128, 256 or 512">,
    Option<"calibration", "calibration", "std::string", "", "file with the machine's rates (./dev bench --calibrate); without: the rates that ship">
  ];
}

def Certify : Pass<"ropegrad-certify", "::mlir::ModuleOp"> {
  let summary = "level 1: a function that bounds the errors of what a kernel computed";
  let description = [{
    Adds the function `certify` to a module with a planned function `gradient`,
    `loss_gradient` or, without these, `forward`, whose arguments and results have
    names. It takes the arguments of that function and its results, and returns
    one number for each result: a bound of its largest absolute error against
    exact arithmetic, infinite where none is known (docs/contract.md).

    It computes every result again in f64 and measures how far off the given one
    is. What remains between that and the truth is bounded: rounding in f64 by the
    lengths of sums and the condition of the weights; where exp is a polynomial,
    by sums of an even polynomial that is proved to be at least its error. That
    polynomial is the certificate's own, of the planned degree. Nothing has more
    terms than the kernel's own sums, so the cost is that of the kernel in f64.

    With `alone` all other functions are taken out of the module.

    ```mlir
    func.func @forward(%Q, %K, %V) {
      %O = ropegrad.attention(%Q, %K, %V) {plan = ...}
      return %O
    }
      ==>
    func.func @certify(%Q, %K, %V, %O) {
      %O64 = ropegrad.attention(%Q64, %K64, %V64) {plan = ...}
      %e = ...
      %0 = ropegrad.largest ins(%O, %O64, %e)
      return %0
    }
    ```

    Other modules are left alone.
  }];
  let dependentDialects = ["::mlir::ropegrad::RopeGradDialect", "::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
                           "::mlir::tensor::TensorDialect"];
  let options = [Option<"alone", "alone", "bool", "false",
                        "leave no function but this one">];
}

def WidenStorage : Pass<"ropegrad-widen-storage", "::mlir::ModuleOp"> {
  let summary = "problems on bf16 or f16 to problems on f32";
  let description = [{
    16-bit types are storage: every operand of a level-1 op is converted to f32
    once, every result back once. What the ops say, their plan included, stays.

    ```mlir
    %O = ropegrad.attention(%Q, %K, %V) ... : (tensor<1x1x64x4xbf16>, ...) -> tensor<1x1x64x4xbf16>
      ==>
    %q = ropegrad.convert ins(%Q : tensor<1x1x64x4xbf16>) outs(...) -> tensor<1x1x64x4xf32>
    ...
    %o = ropegrad.attention(%q, %k, %v) ... : (tensor<1x1x64x4xf32>, ...) -> tensor<1x1x64x4xf32>
    %O = ropegrad.convert ins(%o : tensor<1x1x64x4xf32>) outs(...) -> tensor<1x1x64x4xbf16>
    ```
  }];
  let dependentDialects = ["::mlir::ropegrad::RopeGradDialect", "::mlir::tensor::TensorDialect"];
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

def CentreKeys : Pass<"ropegrad-centre-keys", "::mlir::ModuleOp"> {
  let summary = "level 2: logits of keys without their mean";
  let description = [{
    Where the plan says `centre = <keys>` or `<both>`, subtracts from every (rotated) key the
    mean of all keys of its head. Z_ij loses scale · ⟨q_i, k̄⟩, which is the same for
    all j and cancels in the softmax, under any prefactor b(i−j); the radius may
    become far smaller. In the gradient γ with respect to Z, whose rows sum to 0,
    γ k = γ (k − k̄): that product takes the centred keys as well, so that what is
    left of Σ_j γ_ij, where a polynomial stands for exp, does not meet k̄. All else
    stays.

    ```mlir
    %Z = ropegrad.logits %q, %k
    %L = ropegrad.row_logsumexp %Z
    %S = ropegrad.shift_rows %Z, %L
    %s = ropegrad.exp %S {plan = #ropegrad.plan<..., centre = <keys>>}
      ==>
    %c = ropegrad.centre_rows ins(%k)
    %Z = ropegrad.logits %q, %c
    ...
    ```

    Logits with W, where ⟨q_i, W_{i−j} k̄⟩ is no constant of the row, are an error. A
    `polynomial` with such a plan is taken for what stands for exp, as in a
    certificate. Keys that are centred already stay as they are.
  }];
  let dependentDialects = ["::mlir::ropegrad::RopeGradDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect"];
}

def CentreQueries : Pass<"ropegrad-centre-queries", "::mlir::ModuleOp"> {
  let summary = "level 2: logits of queries without their mean";
  let description = [{
    Where the plan says `centre = <queries>` or `<both>`, subtracts from every
    (rotated) query the mean q̄ of all that meet one key head. Z_ij loses
    scale · ⟨q̄, k_j⟩, the same for all i: exp(Z_ij) is w_j exp(scale · ⟨q_i − q̄, k_j⟩)
    with a weight w_j of each key, but for a constant of the head, so that 1 wᵀ is
    the prefactor that Z has without it. The gradient with respect to k_j, whose γ
    does not change, gets back what the mean adds, scale · (Σ_i γ_ij) q̄; these sums
    are ⟨Σ_i s'_ij [U_i, −r_i], [V_j, 1]⟩, of the same γ where a polynomial stands for
    exp, so that what most rows lose and get back cancels. All else stays.

    ```mlir
    %Z = ropegrad.logits %q, %k
    %L = ropegrad.row_logsumexp %Z
    %S = ropegrad.shift_rows %Z, %L
    %s = ropegrad.exp %S {plan = #ropegrad.plan<..., centre = <queries>>}
      ==>
    %c:2 = ropegrad.centre_rows ins(%q)
    %w = ropegrad.key_weights ins(%k, %c#1)
    %W = ropegrad.outer %ones, %w
    %Z = ropegrad.logits %c#0, %k
    %L = ropegrad.row_logsumexp %Z prefactor(%W)
    %S = ropegrad.shift_rows %Z, %L
    %e = ropegrad.exp %S
    %s = ropegrad.hadamard %W, %e
    ...
    ```

    Logits with W, where ⟨q̄, W_{i−j} k_j⟩ depends on i, and logits under a prefactor,
    where a row may see small weights alone, are errors. Queries that are centred
    already stay as they are.
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

def ClassifyToeplitz : Pass<"ropegrad-classify-toeplitz", "::mlir::ModuleOp"> {
  let summary = "names the factors of every Toeplitz prefactor";
  let description = [{
    Writes on every `toeplitz` op of which factors it is a product, and the
    cheapest route that takes them all:

    | factor | of b(t) or W_t | route |
    |---|---|---|
    | `constant` | 1 | features: rank one |
    | `character` | rotary position, which Q and K have absorbed | features |
    | `step` | [t ≥ 0] | scan |
    | `window` | [0 ≤ t < window] | scan |
    | `decay` | exp(−m·abs(t)) | scan |
    | `general` | a learned bias | fft |

    What is simpler than it looks is said more simply first: slopes that are all
    0 and factors of ones are dropped, a window of n rows or more is a step.

    ```mlir
    %b = ropegrad.toeplitz {mask = #ropegrad.mask<window>, window = 100 : i64, alibi = array<f64: 0.5>} : () -> !ropegrad.matrix<1x1x64x64xf32>
      ==>
    %b = ropegrad.toeplitz {alibi = array<f64: 0.5>, factors = [#ropegrad.factor<step>, #ropegrad.factor<decay>], lowering = #ropegrad.route<scan>, mask = #ropegrad.mask<causal>} : () -> !ropegrad.matrix<1x1x64x64xf32>
    ```
  }];
  let dependentDialects = ["::mlir::ropegrad::RopeGradDialect"];
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

    Row scalings and weights of keys are moved out of the matrices first, numerator and denominator
    share one product with [V, 1], and equal reductions over n are made once.

    On route scan, where a mask or ALiBi b multiplies the polynomial, rows are cut
    into chunks. Blocks near the diagonal stay implicit matrices, and the rest
    goes through the states at the chunks' boundaries:

    ```mlir
    apply(b ∘ polynomial(logits(q, k)), X)
      ==>
    apply(block_band ∘ b ∘ polynomial(logits(q, k)), X) + chunk_expand(q, chunk_states(k, X))
    ```

    ALiBi becomes factors ≤ 1 of rows (`decay_rows`) and from state to state; the
    transposed exits are scans from the other end, ALiBi without a mask is two
    scans. What the route of the plan does not take is left alone.

    On these routes and on route fft the gradient with respect to X becomes
    products with the rows of every channel (`spread_channels`), of which
    `gather_channels` makes the result:

    ```mlir
    kronecker_gradient(b ∘ polynomial'(logits(q, k)) ∘ outer(U, V), A1, A2)
      ==>
    %N = apply(b ∘ polynomial'(logits(q, k)), spread_channels(A2, V, H))
    gather_channels(A1, U, H, %N)
    ```
  }];
  let options = [
    Option<"chunk", "chunk", "int64_t", "0", "rows of a chunk on route scan; 0: as many as cost least">
  ];
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

def SplitGradient : Pass<"ropegrad-split-gradient", "::mlir::ModuleOp"> {
  let summary = "level 3: a gradient in one call as a forward and a backward pass";
  let description = [{
    Adds two functions to a module whose public function `gradient` has an
    argument named dO: `forward_train`, the part that does not depend on dO, and
    `backward`, the rest. A value that crosses is made again in `backward` where
    that is linear in its size (rotations, elementwise arithmetic), and otherwise
    it is a residual: a last result of `forward_train` and a last argument of
    `backward`, both marked `ropegrad.residual`, in the order of the ops.

    ```mlir
    func.func @gradient(%Q, %K, %V, %dO) {
      %G = ropegrad.accumulate(%K, %V)
      %O = ropegrad.expand(%Q, %G)
      %dQ = ropegrad.reverse(%Q, %G, %dO)
      return %O, %dQ
    }
      ==>
    func.func @forward_train(%Q, %K, %V) {
      %G = ropegrad.accumulate(%K, %V)
      %O = ropegrad.expand(%Q, %G)
      return %O, %G
    }
    func.func @backward(%Q, %K, %V, %dO, %G) {
      %dQ = ropegrad.reverse(%Q, %G, %dO)
      return %dQ
    }
    ```

    `backward` does not repeat `guard` and `require_positive`: its residuals come
    from a forward pass over the same arguments that returned 0. What a guard
    reports is a result of `forward_train` alone. Modules that have both
    functions, or no such gradient on tensors, are left alone.
  }];
}

def SplitGuard : Pass<"ropegrad-split-guard", "::mlir::ModuleOp"> {
  let summary = "level 3: the logit radius as a function of its own";
  let description = [{
    For callers that choose, head by head, which kernel computes a head: adds a
    function `measure`, which returns the radius of every key head, (B, H'), and
    takes the `guard` out of the functions that return what it finds. Nothing
    checks the radius any longer but the caller, who calls each of them for the
    batch entries that are within its `limit`. Rotations keep norms, so
    `measure` leaves them out where norms alone are measured; what rounds in a
    rotation is within what a guard rounds outward by. Guards whose radius stays
    in the function (`ropegrad-certify`) are left alone, as are modules with a
    function `measure`.

    ```mlir
    func.func @forward(%Q, %K, %V) {
      %q = ropegrad.rotate(%Q)
      %k = ropegrad.rotate(%K)
      %r, %q2, %k2 = ropegrad.guard(%q, %k)
      %O = ...(%q2, %k2, %V)
      return %O, %r
    }
      ==>
    func.func @measure(%Q, %K) {
      %r, %q, %k = ropegrad.guard(%Q, %K) -> tensor<2x4xf32>, ...
      return %r
    }
    func.func @forward(%Q, %K, %V) {
      %q = ropegrad.rotate(%Q)
      %k = ropegrad.rotate(%K)
      %O = ...(%q, %k, %V)
      return %O
    }
    ```
  }];
}

def HoistSpectra : Pass<"ropegrad-hoist-spectra", "::mlir::ModuleOp"> {
  let summary = "level 3: what depends on W and bias alone as a function of its own";
  let description = [{
    Adds a function `prepare` to a module whose public functions of named arrays
    have a `pair_spectrum` that follows from the arguments named W and bias, and
    from nothing else. Its results, the spectra and those functions of the
    distance (`pair_table`) that something else reads, become last arguments of
    all these functions; both are marked `ropegrad.prepared`. They can be computed
    once for many calls with other rows. Equal ones of several functions are one
    result. What a function named `certify` computes stays where it is.

    ```mlir
    func.func @forward(%Q, %K, %V, %bias) {
      %T = ropegrad.pair_table(%bias)
      %S = ropegrad.pair_spectrum(%T)
      %O = ropegrad.pair_apply(%Q, %K, %V, %S)
      return %O
    }
      ==>
    func.func @forward(%Q, %K, %V, %bias, %S) {
      %O = ropegrad.pair_apply(%Q, %K, %V, %S)
      return %O
    }
    func.func @prepare(%bias) {
      %T = ropegrad.pair_table(%bias)
      %S = ropegrad.pair_spectrum(%T)
      return %S
    }
    ```

    Functions without such spectra are left alone.
  }];
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

    The two bodies that softmax attention comes down to (any width, mask, ALiBi
    and bias; no table of W) have loops of their own: the forward pass with
    queries in lanes, the gradient with keys in lanes and five products in one
    pass. So have the bodies of attention by a polynomial under a mask and a
    block band: one pass with queries in lanes, one with keys. `general` turns them
    off: both ways compute the same.

    With `exact-by=halide` these two bodies, and no others, become loops around
    calls of private functions without body, one per block of the index space;
    their attribute `ropegrad.halide` says what each computes
    (`passes/AttentionHalide.h`). `ropegrad-compile` has Halide make them.

    One unit of the parallel loop has the heads that share a key head or, where
    there are few of these, a part of their row tiles. Which part, and the order
    in which partial sums are added, depend on the compiled problem alone.

    ```mlir
    ropegrad.tiles ins(%q, %k, %v) outs(%l, %o) {...}
      ==>
    scf.parallel (%unit) = ... {
      scf.for %i0 = ... { scf.for %j0 = ... { call @gemm ... vector.fma ... } }
    }
    ```
  }];
  let options = [
    Option<"vectorBits", "vector-bits", "int64_t", "256", "width of the target's vectors: 128, 256 or 512">,
    Option<"scalef", "scalef", "bool", "false", "use vreduceps and vscalefps, which an x86 target with AVX-512 DQ has">,
    Option<"general", "general", "bool", "false", "use the general loops for attention too">,
    Option<"exactBy", "exact-by", "std::string", "\"mlir\"", "maker of the blocks of attention: mlir or halide">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::cf::ControlFlowDialect",
                           "::mlir::func::FuncDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect",
                           "::mlir::math::MathDialect", "::mlir::LLVM::LLVMDialect"];
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

def JoinPairs : Pass<"ropegrad-join-pairs", "::mlir::ModuleOp"> {
  let summary = "products with monomial pairs that share their transforms become one";
  let description = [{
    A gradient meets the same products of monomials and columns more than once,
    and their transforms are most of what the route fft takes. With U = dN⁺ the
    gradients with respect to k and V, and without W that of the table, read one
    transform of φ(q_i) U_i each:

    ```mlir
    %dk = pair_reverse(%k, %q, %U, %V, %S) {transposed}
    %dV = pair_apply(%k, %q, %U, %S) {transposed}
    %R = pair_correlate(%q, %k, %U, %V)
      ==>
    %dk, %dV, %R = pair_reverse(%k, %q, %U, %V, %S) {transposed}
    ```

    A pair_apply of dN joins as well, where U is dN with a column appended. Without
    W and for few columns the output and the gradient with respect to q share
    theirs, though the latter waits for the denominator: the derivative of each
    numerator is kept in between.

    ```mlir
    %N = pair_apply(%q, %k, %V, %S)
    %dq = pair_reverse(%q, %k, %V, %U, %S)
      ==>
    %N, %J = pair_apply(%q, %k, %V, %S)
    %dq = pair_reverse(%q, %k, %V, %U, %S, %J)
    ```
  }];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
}

def LowerPairs : KernelPass<"ropegrad-lower-pairs"> {
  let summary = "products with monomial pairs to transforms and vector leaf kernels";
  let description = [{
    Lowers `pair_table`, `pair_spectrum`, `pair_apply`, `pair_reverse`,
    `pair_correlate`, `pair_bias_gradient` and `pair_table_reverse` on buffers.
    Products of monomials and columns are made for as many columns at a time as
    two vectors hold, transformed in place, multiplied by the spectra, transformed
    back and summed up; nothing with one row per monomial is stored.

    ```mlir
    ropegrad.pair_apply ins(%q, %k, %v, %S) outs(%N) {...}
      ==>
    scf.parallel (%unit) = ... {
      scf.for %block = ... { call @pair_gather ... call @fourier_convolve ... call @pair_scatter ... }
    }
    ```
  }];
}

def LowerRows : KernelPass<"ropegrad-lower-rows"> {
  let summary = "row-wise ops and small products to parallel loops of vector code";
  let description = [{
    Lowers `rotate`, `append_column`, `convert`, `guard`, `require_positive`,
    `require_share`, `position_table`, `spread_channels`, `gather_channels`, `linalg.matmul` (plain or
    transposed) and elementwise linalg ops and sums over rows on buffers. Work over rows becomes `scf.parallel` over
    batch entries, heads and chunks of rows; what a later step needs of all rows
    passes through one number or one small matrix per unit, combined in their
    order. A call of fewer rows than the types say (`ropegrad-runtime-sizes`)
    touches its own rows only.

    `convert` from and to bf16 is integer arithmetic on every target; that of f16
    is so below 256 bits, and otherwise left to the F16C instructions, which every
    processor with AVX2 has.

    Functions return a status: 0, 1 as soon as a radius exceeds its limit, 4 where
    an output (an argument with `ropegrad.output`) is not finite, 5 where a row sum
    is not positive.

    ```mlir
    ropegrad.guard outs(%r, %q, %k) {limit = 0.5, scale = 0.25}
      ==>
    scf.parallel (%unit) = ... { func.call @max_norm_4_f32(%q, ..., %norms, %unit) }
    scf.parallel (%unit) = ... { ... }
    memref.store %radius, %r[]
    cf.cond_br %within, ^next, ^exceeded   // ^exceeded: return 1
    ```

    Runs before the passes that lower the other structured ops: they tell which
    buffers have one row per position.
  }];
}

def RuntimeSizes : Pass<"ropegrad-runtime-sizes", "::mlir::ModuleOp"> {
  let summary = "sizes and strides of a call as arguments of the kernel";
  let description = [{
    Types say the largest sizes of a kernel. This pass adds arguments for the
    batch entries and rows of a call and for the strides, in elements, of the
    caller's arrays (batch, head, row of each array of rank 4, in order), marks
    what the lowerings must know of the arguments, and chooses how many rows a
    unit of parallel work has, from the compiled problem alone: results do not
    depend on the number of threads.

    ```mlir
    func.func @forward(%Q: memref<1x2x64x4xf32> {ropegrad.name = "Q"}, ...) { ... }
      ==>
    func.func @forward(%Q: memref<1x2x64x4xf32> {ropegrad.name = "Q", ropegrad.strides = 0 : i64}, ...,
        %batch: index {ropegrad.size = "batch"}, %n: index {ropegrad.size = "n"},
        %strides: memref<12xi64> {ropegrad.size = "strides"}) attributes {ropegrad.chunk = 576 : i64} { ... }
    ```

    With `listed` a call may be for some of the caller's batch entries: a last
    argument, of size "entries", says for each of the arrays of rank 4 at which
    element each batch entry begins, and no batch stride is read.

    ```mlir
        ..., %entries: memref<4xi64> {ropegrad.size = "entries"}) ...
    ```
  }];
  let options = [Option<"listed", "listed", "bool", "false",
                        "calls list the batch entries that they are for">];
}

def LowerToeplitz : KernelPass<"ropegrad-lower-toeplitz"> {
  let summary = "Toeplitz products to fast Fourier transforms";
  let description = [{
    Lowers `toeplitz_apply` and `toeplitz_correlate` on buffers. Columns of all
    batch entries (and heads, where they share a table) are gathered in blocks of
    two columns per lane, the units of a parallel loop; each is transformed,
    multiplied by the table's spectrum and transformed back in one go
    (passes/Fourier.h). Products for the gradient of a table are summed per head
    in at most 16 parts, in their order.

    ```mlir
    ropegrad.toeplitz_apply ins(%X, %T) outs(%Y)
      ==>
    call @ropegrad_fourier_forward_128_128(%table, ...)
    scf.parallel (%i) = ... { ... call @ropegrad_fourier_convolve_128_64_64(%block, ...) ... }
    ```
  }];
}

def EmitFourier : Pass<"ropegrad-emit-fourier", "::mlir::ModuleOp"> {
  let summary = "the fast Fourier transforms of one length as functions";
  let description = [{
    Adds the functions that the Toeplitz lowerings are made of, for tests and
    measurements and for callers that have blocks of their own. A block holds as
    many complex columns as a vector has lanes: element t is a vector of real
    parts and one of imaginary parts, at place t / N2 · pitch + t mod N2; a
    spectrum holds a pair for each frequency, in the order of the transform
    (passes/Fourier.h). The functions say how the length is split: radices of the
    columns (`ropegrad.down`, product N1) and rows (`ropegrad.along`, product
    N2), and the pitch.

    `forward` and `inverse` (divided by the length) take (block, work),
    `convolve` (block, work, spectrum) is forward · spectrum · inverse without
    the division, `multiply` (block, spectrum), `spectrum` (block, spectrum) reads
    lane 0 of a transformed block and divides by the length, `correlate` (block u,
    block x, spectrum) adds the lanes' sum of u · conj(x), `spread` (spectrum,
    block) fills lane 0 and zeroes the others. All pointers are aligned to 64
    bytes. Inputs from element `filled` on are zero and outputs from there on not
    wanted.

    ```mlir
    module {}
      ==>  length=8 filled=4 vector-bits=512
    func.func @forward(%block: memref<256xf32>, %work: memref<1xf32>) attributes {llvm.bareptr, ropegrad.along = array<i64: 8>, ropegrad.down = array<i64>, ropegrad.pitch = 8 : i64}
    ...
    ```
  }];
  let options = [
    Option<"length", "length", "int64_t", "1", "a product of 2, 3, 5 and 7, at most 2^26">,
    Option<"filled", "filled", "int64_t", "0", "leading elements that are not zero, or wanted; 0: all">,
    Option<"elementBits", "element-bits", "int64_t", "32", "32 or 64">,
    Option<"vectorBits", "vector-bits", "int64_t", "256", "width of the target's vectors: 128, 256 or 512">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect"];
}

def FuseParallel : Pass<"ropegrad-fuse-parallel", "::mlir::ModuleOp"> {
  let summary = "row-wise loops that follow one another to one";
  let description = [{
    Merges neighbouring `scf.parallel` loops of one `ropegrad.space`: a unit of
    such a loop reads of what the loops before it wrote only its own rows.

    ```mlir
    scf.parallel (%i) = ... { A } {ropegrad.space = "rows2"}
    scf.parallel (%i) = ... { B } {ropegrad.space = "rows2"}
      ==>
    scf.parallel (%i) = ... { A B } {ropegrad.space = "rows2"}
    ```
  }];
}

def Parallelize : Pass<"ropegrad-parallelize", "::mlir::ModuleOp"> {
  let summary = "parallel loops to OpenMP";
  let description = [{
    Gives every public function an argument for the number of threads, and lets a
    team of so many share the units of every parallel loop.

    ```mlir
    scf.parallel (%i) = (%c0) to (%n) step (%c1) { ... }
      ==>
    omp.parallel num_threads(%threads : i32) {
      omp.wsloop schedule(dynamic) { omp.loop_nest (%i) : index = (%c0) to (%n) step (%c1) { ... } }
    }
    ```
  }];
  let dependentDialects = ["::mlir::omp::OpenMPDialect"];
}

def PackWorkspace : Pass<"ropegrad-pack-workspace", "::mlir::ModuleOp"> {
  let summary = "allocations to slices of a workspace that the caller provides";
  let description = [{
    Gives every public function a last argument, the workspace, and lays all its
    allocations out in it; buffers whose lives do not overlap share memory. Those
    inside `omp.parallel` exist once per thread, behind all others. The sizes
    become the attributes `ropegrad.workspace_bytes` and
    `ropegrad.workspace_bytes_per_thread`. Arguments marked `ropegrad.residual`
    become one of bytes in the place of the first (`ropegrad.residual_bytes`),
    those marked `ropegrad.prepared` one behind the workspace
    (`ropegrad.prepared_bytes`).

    ```mlir
    func.func @f(%x: memref<4xf32>) { %a = memref.alloc() : memref<64xf32> ... }
      ==>
    func.func @f(%x: memref<4xf32>, %w: memref<256xi8>) { %a = memref.view %w[%c0][] ... }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect"];
}

def OutlineUnits : Pass<"ropegrad-outline-units", "::mlir::ModuleOp"> {
  let summary = "bodies of parallel loops to functions, equal ones to one";
  let description = [{
    Moves what one unit of an OpenMP loop does to a private function of the values
    that it reads and of the loop's indices. Loops that do the same call the same
    function: of a gradient and its two halves most is compiled once. Bodies of
    several blocks stay where they are.

    ```mlir
    func.func @forward(...)  { ... omp.loop_nest (%i) : index = ... { A(%q, %o, %i) } ... }
    func.func @gradient(...) { ... omp.loop_nest (%i) : index = ... { A(%r, %p, %i) } ... }
      ==>
    func.func @forward(...)  { ... omp.loop_nest (%i) : index = ... { func.call @unit(%q, %o, %i) } ... }
    func.func @gradient(...) { ... omp.loop_nest (%i) : index = ... { func.call @unit(%r, %p, %i) } ... }
    func.func private @unit(%q, %o, %i) { A(%q, %o, %i) }
    ```
  }];
}

def FetchUnits : Pass<"ropegrad-fetch-units", "::mlir::ModuleOp"> {
  let summary = "dynamic OpenMP loops to a counter that threads fetch units from";
  let description = [{
    A loop with a dynamic schedule that is the only one of its team becomes a loop
    of each thread over the units that it fetches from a counter by an atomic
    addition. That takes a call of the OpenMP runtime for every unit, and one of
    two barriers, off a kernel.

    ```mlir
    omp.parallel {
      omp.wsloop schedule(dynamic) { omp.loop_nest (%i) : index = (%c0) to (%n) step (%c1) { A(%i) } }
    }
      ==>
    memref.store %c0, %counter[]
    omp.parallel {
      %first = memref.atomic_rmw addi %c1, %counter[]
      scf.while (%i = %first) { scf.condition(%i < %n) %i } do { A(%i) ; scf.yield (memref.atomic_rmw addi %c1, %counter[]) }
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect"];
}

#endif // ROPEGRAD_PASSES_TD
