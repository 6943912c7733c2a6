//===- PairOps.td - Levels 3 and 4 of the route fft -------*- tablegen -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_DIALECT_PAIR_OPS_TD
#define ROPEGRAD_DIALECT_PAIR_OPS_TD

include "dialect/StructuredOps.td"

/// With the polynomial p = Σ coefficients[k] z^k of degree g and a support of W
/// or none,
///
///     b(t) p(scale q W_t kᵀ) = Σ_p φ_left(p)(q) T_p(t) φ_right(p)(k).
///
/// With a support, (left, right) are the pairs of monomials of degree ≤ g that
/// exponents of the entries of W add up to (P of them, see passes/Pairs.h).
/// Without one q k takes the place of q W kᵀ, left = right, and P = 1: T is b
/// and the coefficients c_μ of Φ are those of `accumulate`.
class RopeGrad_PairOp<string opMnemonic> : RopeGrad_MapOp<opMnemonic> {
  dag pairArguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs,
                       DenseF64ArrayAttr:$coefficients, F64Attr:$scale,
                       OptionalAttr<DenseI64ArrayAttr>:$support,
                       DefaultValuedAttr<RopeGrad_MaskAttr, "::mlir::ropegrad::Mask::None">:$mask,
                       OptionalAttr<I64Attr>:$window);
}

def RopeGrad_PairTableOp : RopeGrad_PairOp<"pair_table"> {
  let summary = "the Toeplitz functions T_p of a prefactor and a general W";
  let description = [{
    T[h, p, t + n − 1] = b_h(t) Σ_α c_α W_t^α over the exponents α of pair p, with
    b(t) = mask(t) · exp(−m_h·abs(t)) · exp(bias[t + n − 1]) as in `toeplitz` and
    c_α = p_abs(α) scale^abs(α) abs(α)!/α!; without `support` T[h, 0, ·] = b_h
    (math: general W, monomial pairs). With `column` all are multiplied by
    W_t[σ_column], entry t + n − 1 of this column of W.

    (C1) inputs are the bias, (2n−1) or (H', 2n−1), where there is one, and W,
    (2n−1, s), exactly with `support`; (C2) T is (H', P, 2n−1), H' = 1 unless
    bias or slopes differ between heads; (C3) coordinates of the support are less
    than `d`; (C4) `column` is a pair of the support.

    ```mlir
    %T = ropegrad.pair_table ins(%bias : tensor<127xf32>) outs(%e : tensor<1x1x127xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, d = 4 : i64, scale = 0.25 : f64} -> tensor<1x1x127xf32>
    ```
  }];
  let arguments = !con(pairArguments, (ins OptionalAttr<DenseF64ArrayAttr>:$alibi, I64Attr:$d,
                                           OptionalAttr<I64Attr>:$column));
}

def RopeGrad_PairSpectrumOp : RopeGrad_MapOp<"pair_spectrum"> {
  let summary = "Fourier transforms of Toeplitz functions, for pair_apply and pair_reverse";
  let description = [{
    S[h, p, ·] holds, one behind the other, the spectra of the square blocks that
    the n×n matrix of T[h, p, ·] is cut into, divided by their length: pairs
    (real, imaginary) in the order of frequencies of passes/Fourier.h. Without
    mask there is one block; under a mask there are blocks of doubling size below
    the diagonal, next to which a band is left to `tiles`.

    (C1) T is (H', P, 2n−1), S (H', P, m) with m the size of all blocks' spectra.

    ```mlir
    %S = ropegrad.pair_spectrum ins(%T : tensor<1x1x127xf32>) outs(%e : tensor<1x1x256xf32>) -> tensor<1x1x256xf32>
    ```
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs,
                       DefaultValuedAttr<RopeGrad_MaskAttr, "::mlir::ropegrad::Mask::None">:$mask,
                       OptionalAttr<I64Attr>:$window);
}

def RopeGrad_RequireShareOp : RopeGrad_MapOp<"require_share"> {
  let summary = "go on only if rounding of transforms is small beside every row sum";
  let description = [{
    A transform rounds relative to all that it transforms at once. Where a
    function of the distance is large at distances that a row does not have, the
    sum D_i of that row, and what is divided by it, may be less than rounding.
    If D_i > share · Σ_t T(t) for all rows, t running over all distances of the
    blocks that the row is in and T being the function of the constant
    monomial, the values pass through; otherwise the function returns status 13
    at once, also if D_i or Σ_t T(t) is 2^100 or more (2^1000 in f64) or nan. A
    bias with a nan or an infinity passes: outputs are tested for those.

    (C1) inputs S (1 or H, P, m) of `pair_spectrum` with the same mask and
    window, and the bias in its functions, of rank 1 or 2; output D (B, H, n);
    (C2) share is positive and finite.

    ```mlir
    %D2 = ropegrad.require_share ins(%S, %bias : tensor<1x1x256xf32>, tensor<127xf32>) outs(%D : tensor<1x2x64xf32>) {share = 1.0e-3 : f64} -> tensor<1x2x64xf32>
    ```
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs,
                       F64Attr:$share,
                       DefaultValuedAttr<RopeGrad_MaskAttr, "::mlir::ropegrad::Mask::None">:$mask,
                       OptionalAttr<I64Attr>:$window);
}

def RopeGrad_PairApplyOp : RopeGrad_PairOp<"pair_apply"> {
  let summary = "N = (b ∘ p(Z)) X, by fast Fourier transforms";
  let description = [{
    N_i = Σ_p φ_left(p)(x_i) Σ_j T_p(i−j) φ_right(p)(y_j) X_j; with `transposed`
    N_i = Σ_p φ_right(p)(x_i) Σ_j T_p(j−i) φ_left(p)(y_j) X_j, summed over the
    heads of y that share a head of x. What stands next to the diagonal under a
    mask is left out (see `pair_spectrum`). Without `support` a second output may
    take the derivative, J[i, c·d + a] = ∂N[i, c]/∂x[i, a], of the same
    transforms, for `pair_reverse`.

    (C1) inputs x (B, H, n, d), y (B, H', n, d), X (B, H', n, w) and S
    (heads, P, m), N (B, H, n, w); H' divides H or, transposed, H divides H';
    (C2) J is (B, H, n, w·d).

    ```mlir
    %N = ropegrad.pair_apply ins(%q, %k, %v, %S : tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x5xf32>, tensor<1x1x256xf32>) outs(%e : tensor<1x2x64x5xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.25 : f64} -> tensor<1x2x64x5xf32>
    ```
  }];
  let arguments = !con(pairArguments, (ins UnitAttr:$transposed));
}

def RopeGrad_PairReverseOp : RopeGrad_PairOp<"pair_reverse"> {
  let summary = "gradient of Σ_i ⟨u_i, N_i⟩ with respect to x";
  let description = [{
    N is that of `pair_apply` with the same x, y, X and S:
    dx_i = Σ_p ⟨u_i, Σ_j T_p(i−j) φ_right(p)(y_j) X_j⟩ ∇φ_left(p)(x_i). It is
    `apply(hadamard(b ∘ p'(logits), outer(u, X)), y)`, or `apply_position` where
    there is a W.

    With the second output J of `pair_apply` of the same x, y, X and S as a sixth
    input nothing is transformed: dx[i, a] = Σ_c u[i, c] J[i, c·d + a].

    Two more outputs share its transforms: the leading columns of N itself and,
    `transposed` and without `support`, the R of `pair_correlate` for queries y
    and keys x.

    (C1) inputs x, y, X, u (B, H, n, w) and S as in `pair_apply`, dx as x;
    (C2) a second output N is (B, H, n, w') with w' ≤ w, a third R
    (heads of S, 1, 2n−1); (C3) J is (B, H, n, w·d), without `support` and with
    one output only.

    ```mlir
    %dx = ropegrad.pair_reverse ins(%q, %k, %v, %u, %S : tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x1x64x5xf32>, tensor<1x2x64x5xf32>, tensor<1x1x256xf32>) outs(%e : tensor<1x2x64x4xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.25 : f64} -> tensor<1x2x64x4xf32>
    ```
  }];
  let arguments = !con(pairArguments, (ins UnitAttr:$transposed));
}

def RopeGrad_PairCorrelateOp : RopeGrad_PairOp<"pair_correlate"> {
  let summary = "gradient of Σ_i ⟨u_i, N_i⟩ with respect to T";
  let description = [{
    R[h, p, t + n − 1] = Σ_{i−j=t} φ_left(p)(q_i) φ_right(p)(k_j) ⟨u_i, v_j⟩, summed
    over the batch, and over heads where R has one; without `support`
    R[h, 0, ·] = Σ_{i−j=t} p(scale q_i·k_j) ⟨u_i, v_j⟩. What stands next to the
    diagonal under a mask is left out.

    (C1) inputs q (B, H, n, d), k (B, H', n, d), u (B, H, n, w), v (B, H', n, w),
    R (1 or H, P, 2n−1).

    ```mlir
    %R = ropegrad.pair_correlate ins(%q, %k, %u, %v : tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>, tensor<1x2x64x5xf32>, tensor<1x1x64x5xf32>) outs(%e : tensor<1x1x127xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.25 : f64} -> tensor<1x1x127xf32>
    ```
  }];
  let arguments = pairArguments;
}

def RopeGrad_PairBiasGradientOp : RopeGrad_MapOp<"pair_bias_gradient"> {
  let summary = "gradient with respect to the logarithm of the prefactor";
  let description = [{
    y[h, t + n − 1] = Σ_p T[h, p, t + n − 1] R[h, p, t + n − 1], summed over heads
    where y is (2n−1), plus a third input of the type of y where one is given.

    (C1) T and R are (H', P, 2n−1), y is (2n−1) or (H', 2n−1).

    ```mlir
    %y = ropegrad.pair_bias_gradient ins(%T, %R : tensor<1x1x127xf32>, tensor<1x1x127xf32>) outs(%e : tensor<127xf32>) -> tensor<127xf32>
    ```
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs);
}

def RopeGrad_PairTableReverseOp : RopeGrad_PairOp<"pair_table_reverse"> {
  let summary = "gradient of Σ R ∘ pair_table with respect to W";
  let description = [{
    dW[t + n − 1, c] = Σ_h b_h(t) Σ_p R[h, p, t + n − 1] ∂T⁰_p/∂W_t[σ_c] with
    T = b T⁰ as in `pair_table`, by the reverse of the monomials of W, plus an
    input of the type of dW at the end where one is given.

    (C1) inputs R (H', P, 2n−1), the bias where there is one (`biased`), W
    (2n−1, s), dW as W.

    ```mlir
    %dW = ropegrad.pair_table_reverse ins(%R, %W : tensor<1x6x127xf32>, tensor<127x2xf32>) outs(%e : tensor<127x2xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, d = 2 : i64, scale = 0.25 : f64, support = array<i64: 0, 0, 1, 1>} -> tensor<127x2xf32>
    ```
  }];
  let arguments = !con(pairArguments, (ins OptionalAttr<DenseF64ArrayAttr>:$alibi, I64Attr:$d, UnitAttr:$biased));
}

#endif // ROPEGRAD_DIALECT_PAIR_OPS_TD
