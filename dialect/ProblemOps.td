//===- ProblemOps.td - Level 1: the problem as the user says it -*- tablegen -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_DIALECT_PROBLEM_OPS_TD
#define ROPEGRAD_DIALECT_PROBLEM_OPS_TD

include "dialect/RopeGradBase.td"
include "dialect/RopeGradInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class RopeGrad_ProblemOp<string opMnemonic>
    : RopeGrad_Op<opMnemonic, [Pure, AttrSizedOperandSegments,
                               DeclareOpInterfaceMethods<ProblemOpInterface>]> {
  /// What every problem says beside its operands.
  dag problem = (ins
    OptionalAttr<RopeGrad_PositionAttr>:$position,
    OptionalAttr<DenseI64ArrayAttr>:$support,
    DefaultValuedAttr<RopeGrad_MaskAttr, "::mlir::ropegrad::Mask::None">:$mask,
    OptionalAttr<I64Attr>:$window,
    OptionalAttr<DenseF64ArrayAttr>:$alibi,
    OptionalAttr<DenseF64ArrayAttr>:$similarity,
    F64Attr:$scale,
    OptionalAttr<F64Attr>:$bound,
    OptionalAttr<DenseF64ArrayAttr>:$bounds,
    OptionalAttr<F64Attr>:$radius,
    OptionalAttr<F64Attr>:$tolerance,
    OptionalAttr<RopeGrad_RouteAttr>:$route,
    OptionalAttr<I64Attr>:$degree,
    OptionalAttr<RopeGrad_FitAttr>:$fit,
    OptionalAttr<F64Attr>:$sigma,
    OptionalAttr<RopeGrad_CentreAttr>:$centre,
    OptionalAttr<RopeGrad_PlanAttr>:$plan);
  let hasVerifier = 1;

  /// Text that all four descriptions share.
  string attributes = [{

    | attribute | meaning | default |
    |---|---|---|
    | `position` | `#ropegrad.rotary<layout, base = b>`, `#ropegrad.general<[a0, b0, a1, b1, ...]>` (operand W of shape (2n−1, s)) or `#ropegrad.no_position` | no position |
    | `support` | order of the columns of dX under rotary or no position | rotary: aa, ab, ba, bb per pair |
    | `mask`, `window` | none, causal (j ≤ i) or window (i − window < j ≤ i) | none |
    | `alibi` | slopes m of b(t) = exp(−m·abs(t)), one or one per head | none |
    | `bias` (operand) | b(t) = exp(bias[t + n − 1]), shape (2n−1) or (heads, 2n−1) | none |
    | `similarity` | coefficients p0, p1, ... of a polynomial in place of exp | exp |
    | `scale` | of the logits Z = scale · Q W Kᵀ | required |
    | `bound`, `radius` | entry bound B of Q and K, or the logit radius R itself (wins) | unbounded |
    | `bounds` | of max_i abs(Q_ia) · max_j abs(K_ja) for each coordinate a, the same for norms of the rotary pair (a, b) with bounds[a] + bounds[b]; R is at most scale · their sum | none |
    | `tolerance` | relative error ε of every attention weight and its derivative | exact |
    | `route`, `degree`, `fit`, `sigma` | forced by the user; honoured by `ropegrad-plan` | chosen |
    | `centre` | `#ropegrad.centre<keys>`: `bound`, `bounds` and `radius` are those of keys whose mean, taken after the rotation over all keys of a head, has been subtracted, which changes no softmax; `<queries>`: of queries without the mean of all that meet one key head, which a weight of each key makes up for; `<both>`: of both | none |
    | `plan` | written by `ropegrad-plan` | absent |

    Elements are f32 or f64, or bf16 or f16, which are storage alone: what is
    computed with them is f32.

    Constraints: (C1) d is even under rotary position; (C2) W is given exactly
    under general position, with shape (2n−1, s); (C3) window is given exactly
    under mask window and is ≥ 1; (C4) bound, radius, tolerance and scale are
    finite and positive, so are bounds, tolerance < 1; (C5) shapes are static and agree;
    (C6) heads is a multiple of kv_heads; (C7) a support has pairs within d×d;
    (C8) keys are centred under rotary or no position, beside exp and on a route
    with a polynomial only, queries without mask, alibi and bias, too.
    Not supported, and said so by the verifier: dynamic shapes, a learned bias
    beside a polynomial similarity, another length or width for K and V.
  }];
}

def RopeGrad_AttentionOp : RopeGrad_ProblemOp<"attention"> {
  let summary = "attention with relative positions";
  let description = [{
    O = s V with s_ij = P_ij / Σ_j P_ij, P_ij = b(i−j) · exp(Z_ij),
    Z_ij = scale · Q_i W_{i−j} K_jᵀ (paper, Definitions 3.1–3.3; with a
    polynomial similarity p, P_ij = b(i−j) · p(Z_ij)).

    Q, O: (batch, heads, n, d); K, V: (batch, kv_heads, n, d).

    ```mlir
    %O = ropegrad.attention(%Q, %K, %V) {mask = #ropegrad.mask<causal>, position = #ropegrad.rotary<interleaved, base = 1.0e+4 : f64>, scale = 2.5e-1 : f64} : (tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>) -> tensor<1x2x64x4xf32>
    ```
  }] # attributes;
  let arguments = !con((ins RopeGrad_TallTensor:$q, RopeGrad_TallTensor:$k, RopeGrad_TallTensor:$v,
                            Optional<RopeGrad_TallTensor>:$w, Optional<RopeGrad_TallTensor>:$bias), problem);
  let results = (outs RopeGrad_TallTensor:$o);
  let assemblyFormat = [{
    `(` $q `,` $k `,` $v `)` (`position` `(` $w^ `)`)? (`bias` `(` $bias^ `)`)?
    attr-dict `:` functional-type(operands, results)
  }];
}

def RopeGrad_AttentionVjpOp : RopeGrad_ProblemOp<"attention_vjp"> {
  let summary = "gradient of attention for an upstream gradient dO";
  let description = [{
    With γ = s ∘ (dO Vᵀ − r 1ᵀ), r_i = ⟨O_i, dO_i⟩ (Lemmas 5.1–5.3):

    dQ_i = scale Σ_j γ_ij K_j W_{i−j}ᵀ, dK_j = scale Σ_i γ_ij Q_i W_{i−j},
    dV = sᵀ dO, dW_t[a,b] = scale Σ_{i−j=t} γ_ij Q_i[a] K_j[b],
    dbias_t = Σ_{i−j=t} γ_ij.

    `wrt` names the gradients, in the order of the results: Q, K, V, W, bias.

    ```mlir
    %dQ, %dV = ropegrad.attention_vjp(%Q, %K, %V, %dO) {scale = 2.5e-1 : f64, wrt = ["Q", "V"]} : (tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x2x64x4xf32>) -> (tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>)
    ```
  }] # attributes;
  let arguments = !con((ins RopeGrad_TallTensor:$q, RopeGrad_TallTensor:$k, RopeGrad_TallTensor:$v,
                            RopeGrad_TallTensor:$upstream,
                            Optional<RopeGrad_TallTensor>:$w, Optional<RopeGrad_TallTensor>:$bias,
                            StrArrayAttr:$wrt), problem);
  let results = (outs Variadic<RopeGrad_TallTensor>:$gradients);
  let assemblyFormat = [{
    `(` $q `,` $k `,` $v `,` $upstream `)` (`position` `(` $w^ `)`)? (`bias` `(` $bias^ `)`)?
    attr-dict `:` functional-type(operands, results)
  }];
}

def RopeGrad_LossOp : RopeGrad_ProblemOp<"loss"> {
  let summary = "the RoPE attention loss ½‖O − E‖²";
  let description = [{
    Q = A1 X1, K = A2 X2, V = A3 Y, O as in `ropegrad.attention`,
    loss = ½ ‖O − E‖_F² (paper, Definition 3.3).

    A1, A2, A3: (n, c); X1, X2, Y: (c, d); E: (n, d); loss: a scalar, of f32
    where the arrays are of bf16 or f16.

    ```mlir
    %loss = ropegrad.loss(%A1, %A2, %A3, %X1, %X2, %Y, %E) {scale = 2.5e-1 : f64} : (tensor<64x4xf32>, tensor<64x4xf32>, tensor<64x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>, tensor<64x4xf32>) -> tensor<f32>
    ```
  }] # attributes;
  let arguments = !con((ins RopeGrad_TallTensor:$a1, RopeGrad_TallTensor:$a2, RopeGrad_TallTensor:$a3,
                            RopeGrad_TallTensor:$x1, RopeGrad_TallTensor:$x2, RopeGrad_TallTensor:$y,
                            RopeGrad_TallTensor:$e,
                            Optional<RopeGrad_TallTensor>:$w, Optional<RopeGrad_TallTensor>:$bias), problem);
  let results = (outs RopeGrad_TallTensor:$loss);
  let assemblyFormat = [{
    `(` $a1 `,` $a2 `,` $a3 `,` $x1 `,` $x2 `,` $y `,` $e `)`
    (`position` `(` $w^ `)`)? (`bias` `(` $bias^ `)`)?
    attr-dict `:` functional-type(operands, results)
  }];
}

def RopeGrad_LossVjpOp : RopeGrad_ProblemOp<"loss_vjp"> {
  let summary = "gradient of the RoPE attention loss";
  let description = [{
    With ℓ = O − E as upstream gradient of attention (Lemmas 4.1, 5.1–5.3):
    dX1 = A1ᵀ dQ, dX2 = A2ᵀ dK, dY = A3ᵀ dV, dA1 = dQ X1ᵀ, dA2 = dK X2ᵀ,
    dA3 = dV Yᵀ, dW and dbias as in `ropegrad.attention_vjp`, and the paper's
    gradient with respect to X = X1 ⊗ X2 on the support,

    dX[(a,b),(c,e)] = scale Σ_ij γ_ij A1[i,a] A2[j,b] W_{i−j}[c,e], shape (c², s).

    `wrt` names the gradients, in the order of the results: X1, X2, Y, X, A1,
    A2, A3, W, bias.

    ```mlir
    %dX1, %dY = ropegrad.loss_vjp(%A1, %A2, %A3, %X1, %X2, %Y, %E) {scale = 2.5e-1 : f64, wrt = ["X1", "Y"]} : (tensor<64x4xf32>, tensor<64x4xf32>, tensor<64x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>, tensor<64x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>)
    ```
  }] # attributes;
  let arguments = !con((ins RopeGrad_TallTensor:$a1, RopeGrad_TallTensor:$a2, RopeGrad_TallTensor:$a3,
                            RopeGrad_TallTensor:$x1, RopeGrad_TallTensor:$x2, RopeGrad_TallTensor:$y,
                            RopeGrad_TallTensor:$e,
                            Optional<RopeGrad_TallTensor>:$w, Optional<RopeGrad_TallTensor>:$bias,
                            StrArrayAttr:$wrt), problem);
  let results = (outs Variadic<RopeGrad_TallTensor>:$gradients);
  let assemblyFormat = [{
    `(` $a1 `,` $a2 `,` $a3 `,` $x1 `,` $x2 `,` $y `,` $e `)`
    (`position` `(` $w^ `)`)? (`bias` `(` $bias^ `)`)?
    attr-dict `:` functional-type(operands, results)
  }];
}

#endif // ROPEGRAD_DIALECT_PROBLEM_OPS_TD
