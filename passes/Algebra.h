//===- Algebra.h - Shorthand for tensors at levels 1 to 3 ------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Small tensor expressions (products, row-wise arithmetic, reshapes) for the
// passes that rewrite problems into algebra on matrices and tall tensors.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_ALGEBRA_H
#define ROPEGRAD_PASSES_ALGEBRA_H

#include "passes/Passes.h"

namespace mlir::ropegrad {

class Algebra {
public:
  Algebra(OpBuilder &builder, Location loc) : b(builder), loc(loc) {}

  OpBuilder &b;
  Location loc;

  Value empty(ArrayRef<int64_t> shape, Type element);
  Value filled(ArrayRef<int64_t> shape, Type element, double value);

  /// A B, Aᵀ B or A Bᵀ of rank-2 tensors (linalg.matmul).
  Value matmul(Value a, Value c);
  Value matmulTransposedA(Value a, Value c);
  Value matmulTransposedB(Value a, Value c);

  /// (n, w) as (1, 1, n, w) and back.
  Value asTall(Value matrix);
  Value asMatrix(Value tall);

  /// Elementwise x + y.
  Value add(Value x, Value y);
  /// Elementwise x − y.
  Value subtract(Value x, Value y);
  /// Elementwise x · y.
  Value multiply(Value x, Value y);
  /// Elementwise 1/x.
  Value reciprocal(Value x);
  /// (B, H, n, w) times (B, H, n): every row by its own number.
  Value scaleRows(Value tall, Value rows);
  /// (B, H, n, w), (B, H, n, w) → (B, H, n): ⟨x_i, y_i⟩.
  Value rowDots(Value x, Value y);
  /// Columns [from, from + width) of a (B, H, n, w).
  Value columns(Value tall, int64_t from, int64_t width);
  /// One of them as (B, H, n).
  Value column(Value tall, int64_t index);
  /// ½ Σ x², rank 0, summed in double.
  Value halfSquaredNorm(Value x);

  /// A structured op with one output of type `type`, made from tensor.empty.
  template <typename OpTy, typename... Args>
  Value structured(RankedTensorType type, ValueRange ins, Args &&...args) {
    Value out = empty(type.getShape(), type.getElementType());
    return OpTy::create(b, loc, TypeRange{type}, ins, ValueRange{out},
                        std::forward<Args>(args)...)
        .getResults()[0];
  }

private:
  Value slice(Value tall, int64_t from, int64_t width, bool drop);
  Value product(Value a, Value c, bool transposeA, bool transposeB);
  /// linalg.generic over the index space of `out`, all maps the identity except
  /// those given, all loops parallel but the last `reductions`.
  Value generic(ValueRange ins, Value out, ArrayRef<AffineMap> maps,
                unsigned loops, unsigned reductions,
                function_ref<Value(OpBuilder &, ValueRange)> body);
  Value elementwise(ValueRange ins,
                    function_ref<Value(OpBuilder &, ValueRange)> body);
};

/// (B, H, n, w) and (w') to (B, H, n, w').
RankedTensorType withWidth(Value tall, int64_t width);

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_ALGEBRA_H
