//===- MatrixOps.td - Level 2: implicit matrices and exits -*- tablegen -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_DIALECT_MATRIX_OPS_TD
#define ROPEGRAD_DIALECT_MATRIX_OPS_TD

include "dialect/RopeGradBase.td"
include "dialect/RopeGradInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

/// An op that yields an implicit matrix.
class RopeGrad_MatrixOp<string opMnemonic, list<Trait> traits = []>
    : RopeGrad_Op<opMnemonic, !listconcat([Pure, DeclareOpInterfaceMethods<TileOpInterface>], traits)> {
  let results = (outs RopeGrad_MatrixType:$result);
}

def RopeGrad_LogitsOp : RopeGrad_MatrixOp<"logits"> {
  let summary = "implicit logits";
  let description = [{
    Z_ij = scale · q_i · k_j, or with a general position operand W of shape
    (2n−1, s) and support σ_1 … σ_s (flat pairs (a, b)):
    Z_ij = scale · Σ_c q_i[a_c] W[i−j+n−1, c] k_j[b_c].

    (C1) q is (B, H, n, d) and k (B, H', n, d) with H' dividing H; (C2) W and
    support come together and agree; (C3) the result is B×H×n×n.

    ```mlir
    %Z = ropegrad.logits %q, %k {scale = 2.5e-1 : f64} : (tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>) -> !ropegrad.matrix<1x2x64x64xf32>
    ```
  }];
  let arguments = (ins RopeGrad_Tall:$q, RopeGrad_Tall:$k, Optional<RopeGrad_Tall>:$w,
                       F64Attr:$scale, OptionalAttr<DenseI64ArrayAttr>:$support);
  let assemblyFormat = "$q `,` $k (`position` `(` $w^ `)`)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

class RopeGrad_UnaryMatrixOp<string opMnemonic>
    : RopeGrad_MatrixOp<opMnemonic, [SameOperandsAndResultType]> {
  let assemblyFormat = "$matrix attr-dict `:` qualified(type($matrix))";
}

def RopeGrad_ExpOp : RopeGrad_UnaryMatrixOp<"exp"> {
  let summary = "exp of every element";
  let description = [{
    E_ij = exp(Z_ij). `order` is 1 where the value stands for the *derivative* of
    exp: exp itself, but `ropegrad-approximate-exp` replaces it by p' there.
    `plan` is handed down from the problem op.

    ```mlir
    %E = ropegrad.exp %Z {order = 1 : i64} : !ropegrad.matrix<1x2x64x64xf32>
    ```
  }];
  let arguments = (ins RopeGrad_MatrixType:$matrix, DefaultValuedAttr<ConfinedAttr<I64Attr, [IntMinValue<0>, IntMaxValue<1>]>, "0">:$order,
                       OptionalAttr<RopeGrad_PlanAttr>:$plan);
}

def RopeGrad_PolynomialOp : RopeGrad_UnaryMatrixOp<"polynomial"> {
  let summary = "a polynomial, or its derivative, of every element";
  let description = [{
    P_ij = Σ_k c_k Z_ij^k for `order` 0, Σ_k k c_k Z_ij^(k−1) for `order` 1
    (Lemma 3.4). `delta` and `delta_prime` bound the relative errors of p and p'
    against exp on |z| ≤ `radius`, proved on the whole interval; absent where the
    polynomial is the model itself. `plan` is handed down from the problem op.

    ```mlir
    %P = ropegrad.polynomial %Z {coefficients = array<f64: 1.0, 1.0, 0.5>} : !ropegrad.matrix<1x2x64x64xf32>
    ```
  }];
  let arguments = (ins RopeGrad_MatrixType:$matrix, DenseF64ArrayAttr:$coefficients,
                       DefaultValuedAttr<ConfinedAttr<I64Attr, [IntMinValue<0>, IntMaxValue<1>]>, "0">:$order,
                       OptionalAttr<F64Attr>:$radius, OptionalAttr<F64Attr>:$delta,
                       OptionalAttr<F64Attr>:$delta_prime, OptionalAttr<RopeGrad_PlanAttr>:$plan);
  let hasVerifier = 1;
}

def RopeGrad_ToeplitzOp : RopeGrad_MatrixOp<"toeplitz"> {
  let summary = "the Toeplitz prefactor b(i−j) ≥ 0";
  let description = [{
    b(t) = mask(t) · exp(−m·abs(t)) · exp(bias[t + n − 1]) with
    mask(t) = 1 (none), [t ≥ 0] (causal) or [0 ≤ t < window] (window).
    `alibi` holds one slope or one per head; `bias` is (2n−1) or (heads, 2n−1).

    (C1) window is given exactly under mask window and is ≥ 1; (C2) one slope or
    one per head, finite and ≥ 0; (C3) the bias has 2n−1 columns.

    `factors` and `lowering` are what `ropegrad-classify-toeplitz` found: the
    factors of b, by kind, and the cheapest route that takes their product.

    ```mlir
    %b = ropegrad.toeplitz {mask = #ropegrad.mask<window>, window = 33 : i64, alibi = array<f64: 0.5>} : () -> !ropegrad.matrix<1x2x64x64xf32>
    ```
  }];
  let arguments = (ins Optional<RopeGrad_Tall>:$bias,
                       DefaultValuedAttr<RopeGrad_MaskAttr, "::mlir::ropegrad::Mask::None">:$mask,
                       OptionalAttr<I64Attr>:$window, OptionalAttr<DenseF64ArrayAttr>:$alibi,
                       OptionalAttr<RopeGrad_FactorsAttr>:$factors, OptionalAttr<RopeGrad_RouteAttr>:$lowering);
  let assemblyFormat = "(`bias` `(` $bias^ `)`)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def RopeGrad_BlockBandOp : RopeGrad_MatrixOp<"block_band"> {
  let summary = "the 0/1 matrix of blocks on some block diagonals";
  let description = [{
    A_ij = [⌊i/size⌋ − ⌊j/size⌋ ∈ offsets]: of the blocks of size × size elements,
    those on the diagonals `offsets`. What an almost-linear route computes
    exactly is a product with it; tiles loops skip the dead blocks.

    (C1) size is ≥ 1; (C2) there is an offset, and offsets ascend.

    ```mlir
    %A = ropegrad.block_band {offsets = array<i64: 0, 3>, size = 16 : i64} : () -> !ropegrad.matrix<1x2x64x64xf32>
    ```
  }];
  let arguments = (ins I64Attr:$size, DenseI64ArrayAttr:$offsets);
  let assemblyFormat = "attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def RopeGrad_HadamardOp : RopeGrad_MatrixOp<"hadamard", [SameOperandsAndResultType]> {
  let summary = "elementwise product";
  let description = [{
    C_ij = A_ij · B_ij, and 0 wherever a Toeplitz operand is masked or a block
    band is 0, whatever the other element is.

    ```mlir
    %C = ropegrad.hadamard %A, %B : !ropegrad.matrix<1x2x64x64xf32>
    ```
  }];
  let arguments = (ins RopeGrad_MatrixType:$lhs, RopeGrad_MatrixType:$rhs);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` qualified(type($result))";
}

def RopeGrad_OuterOp : RopeGrad_MatrixOp<"outer"> {
  let summary = "the low-rank matrix U Vᵀ";
  let description = [{
    A_ij = ⟨U_i, V_j⟩, U: (B, H, n, r), V: (B, H', n, r).

    (C1) shapes as in `logits`.

    ```mlir
    %A = ropegrad.outer %U, %V : (tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>) -> !ropegrad.matrix<1x2x64x64xf32>
    ```
  }];
  let arguments = (ins RopeGrad_Tall:$u, RopeGrad_Tall:$v);
  let assemblyFormat = "$u `,` $v attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

class RopeGrad_RowOp<string opMnemonic> : RopeGrad_MatrixOp<opMnemonic, [AllTypesMatch<["matrix", "result"]>]> {
  let arguments = (ins RopeGrad_MatrixType:$matrix, RopeGrad_Tall:$rows);
  let assemblyFormat = "$matrix `,` $rows attr-dict `:` qualified(type($matrix)) `,` type($rows)";
  let hasVerifier = 1;
}

def RopeGrad_ScaleRowsOp : RopeGrad_RowOp<"scale_rows"> {
  let summary = "diag(r) A";
  let description = [{
    C_ij = r_i · A_ij; (C1) r is (B, H, n).

    ```mlir
    %C = ropegrad.scale_rows %A, %r : !ropegrad.matrix<1x2x64x64xf32>, tensor<1x2x64xf32>
    ```
  }];
}

def RopeGrad_ShiftRowsOp : RopeGrad_RowOp<"shift_rows"> {
  let summary = "A − r 1ᵀ";
  let description = [{
    C_ij = A_ij − r_i; (C1) r is (B, H, n).

    ```mlir
    %C = ropegrad.shift_rows %A, %r : !ropegrad.matrix<1x2x64x64xf32>, tensor<1x2x64xf32>
    ```
  }];
}

//===----------------------------------------------------------------------===//
// Exits: the only ways from an implicit matrix to a tall tensor
//===----------------------------------------------------------------------===//

def RopeGrad_ExitTrait : NativeOpTrait<"IsExit"> { let cppNamespace = "::mlir::ropegrad"; }

class RopeGrad_ExitOp<string opMnemonic> : RopeGrad_Op<opMnemonic, [Pure, RopeGrad_ExitTrait]> {
  let results = (outs RopeGrad_Tall:$result);
  let hasVerifier = 1;
}

def RopeGrad_RowLogSumExpOp : RopeGrad_ExitOp<"row_logsumexp"> {
  let summary = "row-wise log-sum-exp of logits under a Toeplitz prefactor";
  let description = [{
    L_i = log Σ_j b(i−j) exp(Z_ij), computed with the running row maximum so that
    logits of any size are harmless; (C1) the result is (B, H, n).

    ```mlir
    %L = ropegrad.row_logsumexp %Z prefactor(%b) : (!ropegrad.matrix<1x2x64x64xf32>, !ropegrad.matrix<1x2x64x64xf32>) -> tensor<1x2x64xf32>
    ```
  }];
  let arguments = (ins RopeGrad_MatrixType:$matrix, Optional<RopeGrad_MatrixType>:$prefactor);
  let assemblyFormat = "$matrix (`prefactor` `(` $prefactor^ `)`)? attr-dict `:` functional-type(operands, results)";
}

def RopeGrad_RowSumsOp : RopeGrad_ExitOp<"row_sums"> {
  let summary = "row sums A 1";
  let description = [{
    D_i = Σ_j A_ij; (C1) the result is (B, H, n).

    ```mlir
    %D = ropegrad.row_sums %A : (!ropegrad.matrix<1x2x64x64xf32>) -> tensor<1x2x64xf32>
    ```
  }];
  let arguments = (ins RopeGrad_MatrixType:$matrix);
  let assemblyFormat = "$matrix attr-dict `:` functional-type(operands, results)";
}

def RopeGrad_ApplyOp : RopeGrad_ExitOp<"apply"> {
  let summary = "scale · A X";
  let description = [{
    Y_i = scale · Σ_j A_ij X_j; X: (B, H', n, w), Y: (B, H, n, w) (C1).

    ```mlir
    %Y = ropegrad.apply %A, %X : (!ropegrad.matrix<1x2x64x64xf32>, tensor<1x1x64x4xf32>) -> tensor<1x2x64x4xf32>
    ```
  }];
  let arguments = (ins RopeGrad_MatrixType:$matrix, RopeGrad_Tall:$x, DefaultValuedAttr<F64Attr, "1.0">:$scale);
  let assemblyFormat = "$matrix `,` $x attr-dict `:` functional-type(operands, results)";
}

def RopeGrad_ApplyTransposedOp : RopeGrad_ExitOp<"apply_transposed"> {
  let summary = "scale · Aᵀ X, summed over the heads of a group";
  let description = [{
    Y_j = scale · Σ_h Σ_i A_ij X_i, h over the query heads of one key/value head;
    X: (B, H, n, w), Y: (B, H', n, w) (C1).

    ```mlir
    %Y = ropegrad.apply_transposed %A, %X : (!ropegrad.matrix<1x2x64x64xf32>, tensor<1x2x64x4xf32>) -> tensor<1x1x64x4xf32>
    ```
  }];
  let arguments = (ins RopeGrad_MatrixType:$matrix, RopeGrad_Tall:$x, DefaultValuedAttr<F64Attr, "1.0">:$scale);
  let assemblyFormat = "$matrix `,` $x attr-dict `:` functional-type(operands, results)";
}

def RopeGrad_DiagonalSumsOp : RopeGrad_ExitOp<"diagonal_sums"> {
  let summary = "sums along diagonals";
  let description = [{
    y[t + n − 1] = Σ_{i−j=t} A_ij, summed over the batch, and over heads when the
    result is (2n−1) instead of (H, 2n−1) (C1).

    ```mlir
    %y = ropegrad.diagonal_sums %A : (!ropegrad.matrix<1x2x64x64xf32>) -> tensor<2x127xf32>
    ```
  }];
  let arguments = (ins RopeGrad_MatrixType:$matrix);
  let assemblyFormat = "$matrix attr-dict `:` functional-type(operands, results)";
}

def RopeGrad_ApplyPositionOp : RopeGrad_ExitOp<"apply_position"> {
  let summary = "scale · Σ A_ij X W_{i−j}ᵀ or, transposed, scale · Σ A_ij X W_{i−j}";
  let description = [{
    Y_i = scale Σ_j A_ij X_j W_{i−j}ᵀ, or with `transposed`
    Y_j = scale Σ_h Σ_i A_ij X_i W_{i−j} (sum over the group's heads).

    (C1) W is (2n−1, s) and `support` has s pairs within d×d; (C2) shapes as in
    `apply` and `apply_transposed`.

    ```mlir
    %Y = ropegrad.apply_position %A, %X, %W {support = array<i64: 0, 0, 0, 1>} : (!ropegrad.matrix<1x2x64x64xf32>, tensor<1x1x64x4xf32>, tensor<127x2xf32>) -> tensor<1x2x64x4xf32>
    ```
  }];
  let arguments = (ins RopeGrad_MatrixType:$matrix, RopeGrad_Tall:$x, RopeGrad_Tall:$w,
                       DenseI64ArrayAttr:$support, UnitAttr:$transposed, DefaultValuedAttr<F64Attr, "1.0">:$scale);
  let assemblyFormat = "$matrix `,` $x `,` $w attr-dict `:` functional-type(operands, results)";
}

def RopeGrad_PositionGradientOp : RopeGrad_ExitOp<"position_gradient"> {
  let summary = "gradient with respect to W";
  let description = [{
    dW[t + n − 1, c] = scale Σ_{i−j=t} A_ij Q_i[a_c] K_j[b_c], summed over batch
    and heads; (C1) the result is (2n−1, s) with s pairs in `support`.

    ```mlir
    %dW = ropegrad.position_gradient %A, %Q, %K {support = array<i64: 0, 0, 0, 1>} : (!ropegrad.matrix<1x2x64x64xf32>, tensor<1x2x64x4xf32>, tensor<1x1x64x4xf32>) -> tensor<127x2xf32>
    ```
  }];
  let arguments = (ins RopeGrad_MatrixType:$matrix, RopeGrad_Tall:$q, RopeGrad_Tall:$k,
                       DenseI64ArrayAttr:$support, DefaultValuedAttr<F64Attr, "1.0">:$scale);
  let assemblyFormat = "$matrix `,` $q `,` $k attr-dict `:` functional-type(operands, results)";
}

def RopeGrad_KroneckerGradientOp : RopeGrad_ExitOp<"kronecker_gradient"> {
  let summary = "the paper's gradient with respect to X = X1 ⊗ X2, on the support";
  let description = [{
    G[(a, b), c] = scale Σ_ij A_ij A1[i,a] A2[j,b] W_{i−j}[σ_c], shape (c², s)
    (math of Lemma 4.1; (C1)). `position` says how W depends on i−j; only under
    general position is it an operand.

    ```mlir
    %G = ropegrad.kronecker_gradient %A, %A1, %A2 {position = #ropegrad.no_position, support = array<i64: 0, 0, 1, 1>} : (!ropegrad.matrix<1x1x64x64xf32>, tensor<1x1x64x2xf32>, tensor<1x1x64x2xf32>) -> tensor<4x2xf32>
    ```
  }];
  let arguments = (ins RopeGrad_MatrixType:$matrix, RopeGrad_Tall:$a1, RopeGrad_Tall:$a2, Optional<RopeGrad_Tall>:$w,
                       RopeGrad_PositionAttr:$position, DenseI64ArrayAttr:$support,
                       DefaultValuedAttr<F64Attr, "1.0">:$scale);
  let assemblyFormat = "$matrix `,` $a1 `,` $a2 (`position` `(` $w^ `)`)? attr-dict `:` functional-type(operands, results)";
}

#endif // ROPEGRAD_DIALECT_MATRIX_OPS_TD
