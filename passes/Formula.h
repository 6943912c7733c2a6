//===- Formula.h - Formulas over rows and over single numbers --*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Arithmetic in f64 that is written once and evaluated for every row of tall
// tensors, as linalg ops: what the bounds of a certificate are made of.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_FORMULA_H
#define ROPEGRAD_PASSES_FORMULA_H

#include "passes/Algebra.h"

namespace mlir::ropegrad {

/// A number of f64 while a formula is written down.
class Number {
public:
  Number(OpBuilder &b, Location loc, Value value)
      : b(&b), loc(loc), value(value) {}

  Value get() const { return value; }

  friend Number operator+(Number x, Number y) {
    return {*x.b, x.loc, arith::AddFOp::create(*x.b, x.loc, x.value, y.value)};
  }
  friend Number operator-(Number x, Number y) {
    return {*x.b, x.loc, arith::SubFOp::create(*x.b, x.loc, x.value, y.value)};
  }
  friend Number operator*(Number x, Number y) {
    return {*x.b, x.loc, arith::MulFOp::create(*x.b, x.loc, x.value, y.value)};
  }
  friend Number operator/(Number x, Number y) {
    return {*x.b, x.loc, arith::DivFOp::create(*x.b, x.loc, x.value, y.value)};
  }
  friend Number operator+(Number x, double y) { return x + x.constant(y); }
  friend Number operator*(Number x, double y) { return x * x.constant(y); }
  friend Number operator*(double x, Number y) { return y * x; }

  Number constant(double x) const {
    return {*b, loc, arith::ConstantOp::create(*b, loc, b->getF64FloatAttr(x))};
  }
  Number sqrt() const {
    return {*b, loc, math::SqrtOp::create(*b, loc, value)};
  }
  Number exp() const { return {*b, loc, math::ExpOp::create(*b, loc, value)}; }
  Number abs() const { return {*b, loc, math::AbsFOp::create(*b, loc, value)}; }
  /// nan where either is nan.
  Number max(Number y) const {
    return {*b, loc, arith::MaximumFOp::create(*b, loc, value, y.value)};
  }
  Number min(Number y) const {
    return {*b, loc, arith::MinimumFOp::create(*b, loc, value, y.value)};
  }
  /// This number where x <= limit, infinity where not or where x is nan. Of
  /// single numbers only.
  Number where(Number x, double limit) const;

private:
  OpBuilder *b;
  Location loc;
  Value value;
};

/// One number, or one per row.
using Formula = function_ref<Number(ArrayRef<Number>)>;

/// Tall tensors of f64: (B, H, n, w), and (B, H, n) for numbers of rows.
/// Tensors of rank 0 are single numbers.
class RowFormulas {
public:
  explicit RowFormulas(Algebra &a) : a(a), b(a.b), loc(a.loc) {}

  /// The formula for every row; inputs have rank 3 or 0, the first one 3.
  Value rows(ArrayRef<Value> ins, Formula formula);
  /// The sum of the formula over all rows.
  Value total(ArrayRef<Value> ins, Formula formula);
  /// The formula of single numbers.
  Value single(ArrayRef<Value> ins, Formula formula);
  /// The same without any input.
  Value constant(double value);

  /// ‖x_i‖ of every row.
  Value norms(Value tall);
  /// ‖x‖_F of a matrix (c, d).
  Value frobenius(Value matrix);
  /// |x| of every element of a matrix (n, w).
  Value magnitudes(Value matrix);
  /// max |x − y| + e: see ropegrad.largest.
  Value largest(Value x, Value y = {}, Value e = {});

  /// Numbers of rows as the columns of one tall tensor, and back.
  Value stack(ArrayRef<Value> rows);
  Value column(Value tall, int64_t index);
  /// (1, 1, n) as (n, 1).
  Value asColumn(Value rows);

  /// In f64, exactly.
  Value widen(Value x);

private:
  Value generic(ArrayRef<Value> ins, Value out, bool sums, Formula formula);

  Algebra &a;
  OpBuilder &b;
  Location loc;
};

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_FORMULA_H
