//===- StructuredOps.td - Levels 3 and 4: tall operands only -*- tablegen -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_DIALECT_STRUCTURED_OPS_TD
#define ROPEGRAD_DIALECT_STRUCTURED_OPS_TD

include "dialect/RopeGradBase.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

/// Destination style: `outs` are tied to the results on tensors; on buffers
/// there are no results.
class RopeGrad_StructuredOp<string opMnemonic, list<Trait> traits = []>
    : RopeGrad_Op<opMnemonic, !listconcat([DestinationStyleOpInterface,
          DeclareOpInterfaceMethods<MemoryEffectsOpInterface>], traits)> {
  let results = (outs Variadic<RopeGrad_TallTensor>:$results);
  let hasVerifier = 1;
  string dpsDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutsMutable(); }
  }];
  let extraClassDeclaration = dpsDeclaration;
}

class RopeGrad_MapOp<string opMnemonic> : RopeGrad_StructuredOp<opMnemonic, [AttrSizedOperandSegments]> {
  let assemblyFormat = [{
    (`ins` `(` $ins^ `:` type($ins) `)`)? `outs` `(` $outs `:` type($outs) `)`
    attr-dict (`->` type($results)^)?
  }];
}

def RopeGrad_RotateOp : RopeGrad_MapOp<"rotate"> {
  let summary = "rotary position applied to rows";
  let description = [{
    y_i = R_i x_i (or R_iᵀ x_i with `inverse`), R_i the rotation of coordinate
    pair k by i · base^(−2k/d), so that ⟨R_i q, R_j k⟩ = q W_{i−j} kᵀ: a character,
    absorbed into Q and K (math: rotary needs no FFT). Angles in double, cos and
    sin rounded once.

    (C1) one input, one output, both (B, H, n, d), d even.

    ```mlir
    %y = ropegrad.rotate ins(%x : tensor<1x2x64x4xf32>) outs(%e : tensor<1x2x64x4xf32>) {position = #ropegrad.rotary<half, base = 1.0e+4 : f64>} -> tensor<1x2x64x4xf32>
    ```
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs,
                       RopeGrad_RotaryAttr:$position, UnitAttr:$inverse);
}

def RopeGrad_CentreRowsOp : RopeGrad_MapOp<"centre_rows"> {
  let summary = "rows without their mean";
  let description = [{
    y_j = x_j − m with m = Σ_j x_j / n, for every batch entry and head. With keys
    for rows the logits of query i all lose scale · ⟨q_i, m⟩, which cancels in a
    softmax, whatever m is. The sum is in double, in an order that depends on the
    compiled problem alone; each element is rounded once.

    A second output takes the mean, and its heads say over how many of x it is
    taken: H / H' neighbours, those queries that meet one key head. It is then
    rounded before it is subtracted, so that y_j + m is x_j but for one rounding.

    (C1) one input, one output, both (B, H, n, w); (C2) the mean, where it is
    asked for, is (B, H', 1, w), H' a divisor of H.

    ```mlir
    %z:2 = ropegrad.centre_rows ins(%x : tensor<1x2x64x4xf32>) outs(%e, %m : tensor<1x2x64x4xf32>, tensor<1x1x1x4xf32>) -> tensor<1x2x64x4xf32>, tensor<1x1x1x4xf32>
    %y = ropegrad.centre_rows ins(%x : tensor<1x2x64x4xf32>) outs(%e : tensor<1x2x64x4xf32>) -> tensor<1x2x64x4xf32>
    ```
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs);
}

def RopeGrad_KeyWeightsOp : RopeGrad_MapOp<"key_weights"> {
  let summary = "the weights of keys whose queries were centred";
  let description = [{
    w_j = exp(e_j − max_j e_j) with e_j = scale · ⟨m, k_j⟩, for every batch entry
    and head: exp(scale · ⟨q_i, k_j⟩) is w_j exp(scale · ⟨q_i − m, k_j⟩) but for a
    factor which is the same for all keys. The largest weight of a head is 1;
    what would be no normal number is 0. Exponents are made in double.

    (C1) two inputs, k (B, H, n, d) and m (B, H, 1, d); one output (B, H, n, 1).

    ```mlir
    %w = ropegrad.key_weights ins(%k, %m : tensor<1x2x64x4xf32>, tensor<1x2x1x4xf32>) outs(%e : tensor<1x2x64x1xf32>) {scale = 2.5e-1 : f64} -> tensor<1x2x64x1xf32>
    ```
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs, F64Attr:$scale);
}

def RopeGrad_AddOuterOp : RopeGrad_MapOp<"add_outer"> {
  let summary = "rows plus multiples of one row";
  let description = [{
    y_j = x_j + scale · c_j m, for every batch entry and head: with the sums c of
    the columns of γ what the mean of the queries adds to dK.

    (C1) three inputs, x (B, H, n, w), c (B, H, n) and m (B, H, 1, w); one output
    (B, H, n, w).

    ```mlir
    %y = ropegrad.add_outer ins(%x, %c, %m : tensor<1x2x64x4xf32>, tensor<1x2x64xf32>, tensor<1x2x1x4xf32>) outs(%e : tensor<1x2x64x4xf32>) {scale = 2.5e-1 : f64} -> tensor<1x2x64x4xf32>
    ```
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs, F64Attr:$scale);
}

def RopeGrad_AppendColumnOp : RopeGrad_MapOp<"append_column"> {
  let summary = "Y = [X, scale · r], or [X, 1]";
  let description = [{
    Appends one column to every row: `scale` · r_i where a second input r of
    shape (B, H, n) is given, 1 otherwise. Makes V⁺ = [V, 1] and
    dN⁺ = [dN, −r] (math: numerator and denominator in one product).

    (C1) X is (B, H, n, w), r (B, H, n), Y (B, H, n, w+1).

    ```mlir
    %y = ropegrad.append_column ins(%x : tensor<1x2x64x4xf32>) outs(%e : tensor<1x2x64x5xf32>) -> tensor<1x2x64x5xf32>
    ```
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs,
                       DefaultValuedAttr<F64Attr, "1.0">:$scale);
}

def RopeGrad_ConvertOp : RopeGrad_MapOp<"convert"> {
  let summary = "every element in another width: storage to f32, or back, or f32 to f64";
  let description = [{
    y = x, from bf16 or f16 to f32 or from f32 to f64, which hold every one of
    their numbers, or from f32 to the nearest bf16 or f16, ties to even; what is
    too large becomes an infinity, nan stays nan. The one place where a kernel of
    16-bit storage meets it: all arithmetic is in f32. A certificate computes in
    f64.

    (C1) one input and one output of the same shape; (C2) one has elements of
    bf16 or f16, the other of f32; or the input of f32 and the output of f64.
    Arrays of rank 3 and 4 have one row per position in dimension 2.

    ```mlir
    %y = ropegrad.convert ins(%x : tensor<1x2x64x4xbf16>) outs(%e : tensor<1x2x64x4xf32>) -> tensor<1x2x64x4xf32>
    ```
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs);
}

def RopeGrad_LargestOp : RopeGrad_MapOp<"largest"> {
  let summary = "the largest distance between two arrays, each row with an allowance";
  let description = [{
    r = max over all elements of |x − y| + e, y being 0
    where it is not given and e the number of the element's row or 0: the last
    step of a certificate. x is an array of any float type, everything else is of f64, in
    which r is computed. A nan makes r nan.

    (C1) inputs x, y where there are two or more, and e where there are three,
    one output of rank 0; (C2) y has the shape of x; (C3) x with an e has rank 4,
    or rank 2 and one row per position, and e has one number a row: (B, H, n).

    ```mlir
    %r = ropegrad.largest ins(%x, %y : tensor<1x2x64x4xf32>, tensor<1x2x64x4xf64>) outs(%e : tensor<f64>) -> tensor<f64>
    ```
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs);
}

def RopeGrad_GuardOp : RopeGrad_MapOp<"guard"> {
  let summary = "go on only if the logit radius is within the proved interval";
  let description = [{
    Computes radius = scale · max_heads (max_i ‖q_i‖ · max_j ‖k_j‖) with outward
    rounding. If it is at most `limit` the values of q and k pass through;
    otherwise the function returns status 1 at once and computes nothing else
    (a polynomial is trusted only where its error is proved).

    With an input W, (2n−1, s), and its `support`, the radius is the smaller of
    scale · max ‖q_i‖ · max ‖k_j‖ · max_t ω_t, where ω_t ≥ ‖W_t‖₂ is the smaller of
    the Frobenius norm and the geometric mean of the largest sums of absolute
    values by row and by column, and
    scale · Σ_c max_i abs(q_i[a_c]) · max_t abs(W_t[σ_c]) · max_j abs(k_j[b_c]).

    With `kept` (`#ropegrad.kept`) the radius is the smaller of the above and of
    scale · Σ_G max_i ‖q_i[G]‖ · max_j ‖k_j[G]‖ over the groups G of coordinates
    that share a limit. If it is within the interval, but a term is above its
    limit, the function returns status 10.

    A radius of shape (B, H') is each key head's own, with its query heads; the
    function then goes on whatever the radii are, and its caller compares them
    with `limit` (`ropegrad-split-guard`).

    (C1) no inputs, or W exactly with `support`; outputs are radius (rank 0 or
    (B, H')), q (B, H, n, d), k (B, H', n, d); (C2) `kept` is of d coordinates
    and stands without W and with a radius of rank 0.

    ```mlir
    %r, %q2, %k2 = ropegrad.guard outs(%e, %q, %k : tensor<f32>, tensor<1x2x64x4xf32>, tensor<1x2x64x4xf32>) {limit = 0.5 : f64, scale = 0.25 : f64} -> tensor<f32>, tensor<1x2x64x4xf32>, tensor<1x2x64x4xf32>
    ```
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs,
                       F64Attr:$limit, F64Attr:$scale,
                       OptionalAttr<DenseI64ArrayAttr>:$support,
                       OptionalAttr<RopeGrad_KeptAttr>:$kept);
  let extraClassDeclaration = dpsDeclaration # [{
    /// Whether each key head has a radius, which the caller compares.
    bool isPerHead() {
      auto type = ::llvm::cast<::mlir::ShapedType>(getOuts()[0].getType());
      return type.hasRank() && type.getRank() == 2;
    }
  }];
}

def RopeGrad_RequirePositiveOp : RopeGrad_MapOp<"require_positive"> {
  let summary = "go on only if every row sum is positive";
  let description = [{
    Under a polynomial similarity the weights P_ij / D_i mean something only
    where D_i > 0. If no element is zero or less the values pass through;
    otherwise the function returns status 5 at once. A nan passes: it comes from
    inputs or logits that are not finite, which outputs are tested for.

    (C1) no inputs, one output of shape (B, H, n).

    ```mlir
    %D2 = ropegrad.require_positive outs(%D : tensor<1x2x64xf32>) -> tensor<1x2x64xf32>
    ```
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs);
}

def RopeGrad_AccumulateOp : RopeGrad_MapOp<"accumulate"> {
  let summary = "G = diag(c) Φ(x)ᵀ V";
  let description = [{
    Φ(x)_{i,μ} = x_i^μ over the M = C(d+g, g) monomials of degree at most
    g = size(coefficients) − 1, without duplicates (Fact 3.9, Lemma 6.2), and
    c_μ = coefficients[|μ|] · scale^|μ| · |μ|!/μ!. The only reduction over n.
    Φ is never stored for all n.

    With `kept` only some of the monomials are there: see `#ropegrad.kept`.

    (C1) x is (B, H, n, d), V (B, H, n, w), G (B, H', M, w) with H' dividing H:
    heads of a group are summed; (C2) `kept` is of d coordinates and degree g,
    and M its number of monomials.

    ```mlir
    %G = ropegrad.accumulate ins(%x, %v : tensor<1x2x64x2xf32>, tensor<1x2x64x3xf32>) outs(%e : tensor<1x1x6x3xf32>) {coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.5 : f64} -> tensor<1x1x6x3xf32>
    ```
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs,
                       DenseF64ArrayAttr:$coefficients, F64Attr:$scale,
                       OptionalAttr<RopeGrad_KeptAttr>:$kept);
}

def RopeGrad_ExpandOp : RopeGrad_MapOp<"expand"> {
  let summary = "N = Φ(x) G";
  let description = [{
    The other half of `apply(polynomial(logits(q, k)), V)`:
    N = Φ(q) (diag(c) Φ(k)ᵀ V) (Lemma 6.2), Φ made tile by tile.

    (C1) x is (B, H, n, d), G (B, H', M, w), N (B, H, n, w), M = C(d+g, g) for
    g = `degree`, H' dividing H; (C2) with `kept` M is as in `accumulate`.

    ```mlir
    %N = ropegrad.expand ins(%x, %G : tensor<1x2x64x2xf32>, tensor<1x1x6x3xf32>) outs(%e : tensor<1x2x64x3xf32>) {degree = 2 : i64} -> tensor<1x2x64x3xf32>
    ```
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs, I64Attr:$degree,
                       OptionalAttr<RopeGrad_KeptAttr>:$kept);
}

def RopeGrad_ReverseOp : RopeGrad_MapOp<"reverse"> {
  let summary = "gradient of Σ_i ⟨u_i, Φ(x_i) G⟩ with respect to x";
  let description = [{
    dx_i = Σ_μ ⟨u_i, G_μ⟩ ∇φ_μ(x_i), by the reverse of the monomial recursion. It
    is `apply(hadamard(p'(logits), outer(u, V)), k)` with the G of the forward
    pass, because p'(q·k) k = ∇_q p(q·k) (Fact 3.9, Lemmas 6.4–6.6).

    (C1) x is (B, H, n, d), G (B, H', M, w), u (B, H, n, w), dx (B, H, n, d);
    (C2) with `kept` M is as in `accumulate`.

    ```mlir
    %dx = ropegrad.reverse ins(%x, %G, %u : tensor<1x2x64x2xf32>, tensor<1x1x6x3xf32>, tensor<1x2x64x3xf32>) outs(%e : tensor<1x2x64x2xf32>) {degree = 2 : i64} -> tensor<1x2x64x2xf32>
    ```
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs, I64Attr:$degree,
                       OptionalAttr<RopeGrad_KeptAttr>:$kept);
}

def RopeGrad_DecayRowsOp : RopeGrad_MapOp<"decay_rows"> {
  let summary = "rows times exp(−m · distance) within their chunk";
  let description = [{
    y_i = exp(−m · s(i)) x_i with s(i) = `first` + (i mod `chunk`), or with
    `descending` s(i) = `first` − (i mod `chunk`): the part of an ALiBi prefactor
    that lies inside a chunk, a factor ≤ 1 of every row. m is one of `slopes`, or
    one per head. Where y has more heads than x, heads of a group read the same
    x; where it has fewer, heads of a group are summed.

    (C1) x is (B, H, n, w), y (B, H', n, w), one of H, H' divides the other;
    (C2) one slope or one for each of the larger number of heads, finite and
    ≥ 0; (C3) chunk ≥ 1 and s(i) ≥ 0 for every i.

    ```mlir
    %y = ropegrad.decay_rows ins(%x : tensor<1x1x64x4xf32>) outs(%e : tensor<1x2x64x4xf32>) {chunk = 16 : i64, first = 15 : i64, descending, slopes = array<f64: 0.5, 0.25>} -> tensor<1x2x64x4xf32>
    ```
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs,
                       DenseF64ArrayAttr:$slopes, I64Attr:$chunk, I64Attr:$first, UnitAttr:$descending);
}

def RopeGrad_ChunkStatesOp : RopeGrad_MapOp<"chunk_states"> {
  let summary = "what the rows of each chunk see of the chunks before it";
  let description = [{
    With A_c = diag(coefficients) Φ(x)ᵀ V over the rows of chunk c (see
    `accumulate`; chunks have `chunk` rows, the last one maybe fewer),

    S_c = Σ_{t = 1, 2, ...} exp(−m · chunk · (t − 1)) A_{c−t}

    over all chunks before c, or, with `reach`, t ≤ reach only. With `reversed`,
    A_{c+t} takes the place of A_{c−t}. m is one of `slopes`, or one per head of
    S; no slopes: 0. Nothing is ever subtracted, and sums over many chunks are
    made in double.

    (C1) V is (B, H, n, w), x (B, Hx, n, d), S (B, Hs, ⌈n/chunk⌉, M, w) with
    M = C(d+g, g), Hx and Hs divide H: heads of a group of S are summed;
    (C2) chunk ≥ 1, reach ≥ 1; (C3) slopes as many as heads of S or one, finite
    and ≥ 0.

    ```mlir
    %S = ropegrad.chunk_states ins(%x, %v : tensor<1x2x64x2xf32>, tensor<1x2x64x3xf32>) outs(%e : tensor<1x1x4x6x3xf32>) {chunk = 16 : i64, coefficients = array<f64: 1.0, 1.0, 0.5>, scale = 0.5 : f64} -> tensor<1x1x4x6x3xf32>
    ```
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs,
                       DenseF64ArrayAttr:$coefficients, F64Attr:$scale, I64Attr:$chunk,
                       OptionalAttr<I64Attr>:$reach, OptionalAttr<DenseF64ArrayAttr>:$slopes,
                       UnitAttr:$reversed);
}

def RopeGrad_ChunkExpandOp : RopeGrad_MapOp<"chunk_expand"> {
  let summary = "N = Φ(x) S, each chunk of rows with its own state";
  let description = [{
    N_i = φ(x_i) S_c for the rows i of chunk c: `expand` with the states that
    `chunk_states` made.

    (C1) N is (B, H, n, w), x (B, Hx, n, d), S (B, Hs, ⌈n/chunk⌉, M, w) with
    M = C(d+g, g) for g = `degree`, Hx and Hs divide H; (C2) chunk ≥ 1.

    ```mlir
    %N = ropegrad.chunk_expand ins(%x, %S : tensor<1x2x64x2xf32>, tensor<1x1x4x6x3xf32>) outs(%e : tensor<1x2x64x3xf32>) {chunk = 16 : i64, degree = 2 : i64} -> tensor<1x2x64x3xf32>
    ```
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs,
                       I64Attr:$degree, I64Attr:$chunk);
}

def RopeGrad_ChunkReverseOp : RopeGrad_MapOp<"chunk_reverse"> {
  let summary = "gradient of Σ_i ⟨u_i, φ(x_i) S_c⟩ with respect to x";
  let description = [{
    `reverse` with the states that `chunk_states` made: dx_i =
    Σ_μ ⟨u_i, S_cμ⟩ ∇φ_μ(x_i) for the rows i of chunk c.

    (C1) u is (B, H, n, w), x (B, Hx, n, d), S (B, Hs, ⌈n/chunk⌉, M, w),
    dx (B, H, n, d) with M = C(d+g, g) for g = `degree`, Hx and Hs divide H;
    (C2) chunk ≥ 1.

    ```mlir
    %dx = ropegrad.chunk_reverse ins(%x, %S, %u : tensor<1x2x64x2xf32>, tensor<1x1x4x6x3xf32>, tensor<1x2x64x3xf32>) outs(%e : tensor<1x2x64x2xf32>) {chunk = 16 : i64, degree = 2 : i64} -> tensor<1x2x64x2xf32>
    ```
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs,
                       I64Attr:$degree, I64Attr:$chunk);
}

def RopeGrad_KroneckerFeaturesOp : RopeGrad_MapOp<"kronecker_features"> {
  let summary = "the paper's gradient with respect to X on the features route";
  let description = [{
    G[(a, b), c] = scale Σ_ij p'(Z_ij) ⟨u_i, v_j⟩ A1[i,a] A2[j,b] W_{i−j}[σ_c] with
    Z_ij = scale q_i·k_j, p' = Σ coefficients[k] z^k. For rotary position W_{i−j}[σ]
    is of rank two (cos and sin of i and of j), so three tall products a pair
    do: O(n · M' · d³) with M' = C(d+g−1, g−1).

    (C1) inputs q, k, u, v, A1, A2 with one batch and one head, output (c², s).

    ```mlir
    %G = ropegrad.kronecker_features ins(%q, %k, %u, %v, %A1, %A2 : tensor<1x1x64x2xf32>, tensor<1x1x64x2xf32>, tensor<1x1x64x3xf32>, tensor<1x1x64x3xf32>, tensor<1x1x64x2xf32>, tensor<1x1x64x2xf32>) outs(%e : tensor<4x2xf32>) {coefficients = array<f64: 1.0, 1.0>, position = #ropegrad.no_position, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>} -> tensor<4x2xf32>
    ```
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs,
                       DenseF64ArrayAttr:$coefficients, F64Attr:$scale,
                       RopeGrad_PositionAttr:$position, DenseI64ArrayAttr:$support);
}

def RopeGrad_PositionTableOp : RopeGrad_MapOp<"position_table"> {
  let summary = "the (2n−1, s) table of W_t for rotary or no position";
  let description = [{
    W[t + n − 1, c] = cos, ±sin of t · base^(−2k/d) for the pair of σ_c, or 1:
    what `kronecker_gradient` reads on the exact route.

    (C1) no inputs, one output (2n−1, s) with s pairs in `support`.

    ```mlir
    %W = ropegrad.position_table outs(%e : tensor<127x2xf32>) {d = 2 : i64, position = #ropegrad.no_position, support = array<i64: 0, 0, 1, 1>} -> tensor<127x2xf32>
    ```
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs,
                       RopeGrad_PositionAttr:$position, DenseI64ArrayAttr:$support, I64Attr:$d);
}

def RopeGrad_ToeplitzApplyOp : RopeGrad_MapOp<"toeplitz_apply"> {
  let summary = "Y_i = Σ_j T(i−j) X_j: a long convolution of every column";
  let description = [{
    The product with a Toeplitz matrix that stands for itself, not inside of an
    attention: element T(t) = T[t + n − 1] for −n < t < n, one table for all heads
    or one per head. With `transposed` Y_j = Σ_i T(i−j) X_i. Lowered to a
    transform of a smooth length ≥ 2n−1 (ropegrad-lower-toeplitz), so that it takes
    O(n log n · w); its gradient with respect to X is the other one of the two,
    the one with respect to T is `toeplitz_correlate`.

    Rounding is relative to the largest rows of a column and, since columns go
    through a transform in pairs, to the larger of the two.

    (C1) X and Y are (B, H, n, w), T is (2n−1) or (H, 2n−1); (C2) all elements are
    f32, or all are f64.

    ```mlir
    %Y = ropegrad.toeplitz_apply ins(%X, %T : tensor<1x2x64x4xf32>, tensor<127xf32>) outs(%e : tensor<1x2x64x4xf32>) -> tensor<1x2x64x4xf32>
    %Z = ropegrad.toeplitz_apply ins(%Y, %T : tensor<1x2x64x4xf32>, tensor<127xf32>) outs(%e : tensor<1x2x64x4xf32>) {transposed} -> tensor<1x2x64x4xf32>
    ```
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs, UnitAttr:$transposed);
}

def RopeGrad_ToeplitzCorrelateOp : RopeGrad_MapOp<"toeplitz_correlate"> {
  let summary = "D(t) = Σ_{i−j=t} ⟨U_i, X_j⟩: the gradient with respect to T";
  let description = [{
    The adjoint of `toeplitz_apply` in its table: if U is the gradient with
    respect to Y, D is the one with respect to T, D[t + n − 1] for −n < t < n, summed
    over batch entries and columns, and over heads where they share a table. Sums
    are made in a fixed order: the result does not depend on the threads.

    (C1) U and X are (B, H, n, w), D is (2n−1) or (H, 2n−1); (C2) all elements are
    f32, or all are f64.

    ```mlir
    %D = ropegrad.toeplitz_correlate ins(%U, %X : tensor<1x2x64x4xf32>, tensor<1x2x64x4xf32>) outs(%e : tensor<2x127xf32>) -> tensor<2x127xf32>
    ```
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs);
}

def RopeGrad_TilesOp : RopeGrad_MapOp<"tiles"> {
  let summary = "exits of implicit matrices, computed together tile by tile";
  let description = [{
    The body is a level-2 expression: its arguments stand for the inputs, its
    `yield` names one exit per output. One loop over tiles of the n×n index space
    computes all of them; a sub-expression that several exits share is computed
    once per tile, and nothing n×n is stored. A `row_logsumexp` that another exit
    of the same body reads is made with the online softmax recurrence.

    (C1) as many body arguments as inputs and yielded values as outputs, of the
    same types; (C2) the body holds level-2 ops only and yields exits;
    (C3) it reads its arguments only.

    ```mlir
    %Y = ropegrad.tiles ins(%u, %v : tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>) outs(%e : tensor<1x1x64x4xf32>) {
    ^bb0(%a: tensor<1x1x64x4xf32>, %b: tensor<1x1x64x4xf32>):
      %A = ropegrad.outer %a, %b : (tensor<1x1x64x4xf32>, tensor<1x1x64x4xf32>) -> !ropegrad.matrix<1x1x64x64xf32>
      %0 = ropegrad.apply %A, %b : (!ropegrad.matrix<1x1x64x64xf32>, tensor<1x1x64x4xf32>) -> tensor<1x1x64x4xf32>
      ropegrad.yield %0 : tensor<1x1x64x4xf32>
    } -> tensor<1x1x64x4xf32>
    ```
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    (`ins` `(` $ins^ `:` type($ins) `)`)? `outs` `(` $outs `:` type($outs) `)`
    attr-dict-with-keyword $body (`->` type($results)^)?
  }];
}

def RopeGrad_YieldOp : RopeGrad_Op<"yield", [Pure, Terminator, HasParent<"TilesOp">]> {
  let summary = "names the exits that a `tiles` body computes";
  let description = [{
    See `ropegrad.tiles`, whose example shows it.
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$exits);
  let assemblyFormat = "$exits attr-dict `:` type($exits)";
}

#endif // ROPEGRAD_DIALECT_STRUCTURED_OPS_TD
