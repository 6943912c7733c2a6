//===- ChannelOps.td - The paper's X under a prefactor ----*- tablegen -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_DIALECT_CHANNEL_OPS_TD
#define ROPEGRAD_DIALECT_CHANNEL_OPS_TD

include "dialect/StructuredOps.td"

def RopeGrad_SpreadChannelsOp : RopeGrad_MapOp<"spread_channels"> {
  let summary = "rows times every channel, and times every function of the position";
  let description = [{
    Y[b, i, e·F + f] = A[i, b] X[i, e] H[i, f]: channels become heads, functions of
    the position columns; without H, F = 1 and the function is 1 (math: the
    gradient with respect to X, under a prefactor).

    (C1) A is (1, 1, n, c), X (1, 1, n, w), H (1, 1, n, F), Y (1, c, n, w·F).

    ```mlir
    %Y = ropegrad.spread_channels ins(%A, %X : tensor<1x1x64x4xf32>, tensor<1x1x64x3xf32>) outs(%e : tensor<1x4x64x3xf32>) -> tensor<1x4x64x3xf32>
    ```
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs);
}

def RopeGrad_GatherChannelsOp : RopeGrad_MapOp<"gather_channels"> {
  let summary = "the gradient with respect to X from products with spread channels";
  let description = [{
    G[(a, b), c] = scale Σ_i A[i, a] y_c[b, i], where N, from `spread_channels`, is
    a product of a matrix and its result, and

    - without position y_c[b, i] = ⟨U_i, N[b, i]⟩ for every c;
    - with a general position the same with N_c, one for each entry of the
      support;
    - with a rotary one, for c in pair k and N[b, i, e·d + f],
      r_f = Σ_e U[i, e] N[b, i, e·d + f] and y_c = ½ (H[i, 2k] r_2k +
      H[i, 2k+1] r_2k+1) on the diagonal of the pair and
      ±½ (H[i, 2k+1] r_2k − H[i, 2k] r_2k+1) beside it: with rows H_i, rotated ones,
      this is cos and sin of the difference of two positions.

    (C1) inputs A (1, 1, n, c), U (1, 1, n, w), with a rotary position H
    (1, 1, n, d), then N, (1, c, n, w) or with a rotary position (1, c, n, w·d);
    (C2) one N, or as many as pairs in `support` with a general position;
    (C3) G is (c², s) with s pairs in `support`.

    ```mlir
    %G = ropegrad.gather_channels ins(%A, %U, %N : tensor<1x1x64x4xf32>, tensor<1x1x64x3xf32>, tensor<1x4x64x3xf32>) outs(%e : tensor<16x2xf32>) {position = #ropegrad.no_position, scale = 0.5 : f64, support = array<i64: 0, 0, 1, 1>} -> tensor<16x2xf32>
    ```
  }];
  let arguments = (ins Variadic<RopeGrad_Tall>:$ins, Variadic<RopeGrad_Tall>:$outs,
                       F64Attr:$scale, RopeGrad_PositionAttr:$position, DenseI64ArrayAttr:$support);
}

#endif // ROPEGRAD_DIALECT_CHANNEL_OPS_TD
