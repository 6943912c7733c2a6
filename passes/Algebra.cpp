//===- Algebra.cpp - Shorthand for tensors at levels 1 to 3 ----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Small tensor expressions as linalg and tensor ops.
//
//===----------------------------------------------------------------------===//

#include "passes/Algebra.h"

using namespace mlir;
using namespace mlir::ropegrad;

static RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

RankedTensorType mlir::ropegrad::withWidth(Value tall, int64_t width) {
  SmallVector<int64_t> shape(typeOf(tall).getShape());
  shape.back() = width;
  return RankedTensorType::get(shape, typeOf(tall).getElementType());
}

Value Algebra::empty(ArrayRef<int64_t> shape, Type element) {
  return tensor::EmptyOp::create(b, loc, shape, element);
}

Value Algebra::filled(ArrayRef<int64_t> shape, Type element, double value) {
  Value constant =
      arith::ConstantOp::create(b, loc, b.getFloatAttr(element, value));
  return linalg::FillOp::create(b, loc, constant, empty(shape, element))
      .getResult(0);
}

Value Algebra::product(Value a, Value c, bool transposeA, bool transposeB) {
  ArrayRef<int64_t> sa = typeOf(a).getShape(), sb = typeOf(c).getShape();
  Type element = typeOf(a).getElementType();
  Value out =
      filled({sa[transposeA ? 1 : 0], sb[transposeB ? 0 : 1]}, element, 0.0);
  if (!transposeA && !transposeB)
    return linalg::MatmulOp::create(b, loc, ValueRange{a, c}, ValueRange{out})
        .getResult(0);
  AffineExpr m, n, k;
  bindDims(b.getContext(), m, n, k);
  auto map = [&](AffineExpr x, AffineExpr y) {
    return AffineMapAttr::get(AffineMap::get(3, 0, {x, y}, b.getContext()));
  };
  auto op = linalg::MatmulOp::create(b, loc, ValueRange{a, c}, ValueRange{out});
  op.setIndexingMapsAttr(
      b.getArrayAttr({transposeA ? map(k, m) : map(m, k),
                      transposeB ? map(n, k) : map(k, n), map(m, n)}));
  return op.getResult(0);
}

Value Algebra::matmul(Value a, Value c) { return product(a, c, false, false); }
Value Algebra::matmulTransposedA(Value a, Value c) {
  return product(a, c, true, false);
}
Value Algebra::matmulTransposedB(Value a, Value c) {
  return product(a, c, false, true);
}

Value Algebra::asTall(Value matrix) {
  auto type = typeOf(matrix);
  auto tall = RankedTensorType::get(
      {1, 1, type.getDimSize(0), type.getDimSize(1)}, type.getElementType());
  return tensor::ExpandShapeOp::create(
      b, loc, tall, matrix, ArrayRef<ReassociationIndices>{{0, 1, 2}, {3}});
}

Value Algebra::asMatrix(Value tall) {
  auto type = typeOf(tall);
  auto matrix = RankedTensorType::get({type.getDimSize(2), type.getDimSize(3)},
                                      type.getElementType());
  return tensor::CollapseShapeOp::create(
      b, loc, matrix, tall, ArrayRef<ReassociationIndices>{{0, 1, 2}, {3}});
}

Value Algebra::generic(ValueRange ins, Value out, ArrayRef<AffineMap> maps,
                       unsigned loops, unsigned reductions,
                       function_ref<Value(OpBuilder &, ValueRange)> body) {
  SmallVector<utils::IteratorType> iterators(loops,
                                             utils::IteratorType::parallel);
  for (unsigned i = 0; i < reductions; ++i)
    iterators[loops - 1 - i] = utils::IteratorType::reduction;
  auto op = linalg::GenericOp::create(
      b, loc, out.getType(), ins, out, maps, iterators,
      [&](OpBuilder &inner, Location, ValueRange args) {
        linalg::YieldOp::create(inner, loc, body(inner, args));
      });
  return op.getResult(0);
}

Value Algebra::elementwise(ValueRange ins,
                           function_ref<Value(OpBuilder &, ValueRange)> body) {
  auto type = typeOf(ins[0]);
  AffineMap identity =
      AffineMap::getMultiDimIdentityMap(type.getRank(), b.getContext());
  SmallVector<AffineMap> maps(ins.size() + 1, identity);
  return generic(ins, empty(type.getShape(), type.getElementType()), maps,
                 type.getRank(), 0, body);
}

Value Algebra::add(Value x, Value y) {
  return elementwise({x, y}, [&](OpBuilder &inner, ValueRange args) {
    return arith::AddFOp::create(inner, loc, args[0], args[1]);
  });
}

Value Algebra::subtract(Value x, Value y) {
  return elementwise({x, y}, [&](OpBuilder &inner, ValueRange args) {
    return arith::SubFOp::create(inner, loc, args[0], args[1]);
  });
}

Value Algebra::multiply(Value x, Value y) {
  return elementwise({x, y}, [&](OpBuilder &inner, ValueRange args) {
    return arith::MulFOp::create(inner, loc, args[0], args[1]);
  });
}

Value Algebra::reciprocal(Value x) {
  return elementwise({x}, [&](OpBuilder &inner, ValueRange args) {
    Value one = arith::ConstantOp::create(
        inner, loc, inner.getFloatAttr(args[0].getType(), 1.0));
    return arith::DivFOp::create(inner, loc, one, args[0]);
  });
}

Value Algebra::scaleRows(Value tall, Value rows) {
  auto type = typeOf(tall);
  AffineMap all = AffineMap::getMultiDimIdentityMap(4, b.getContext());
  AffineMap row = all.getMajorSubMap(3);
  return generic({tall, rows}, empty(type.getShape(), type.getElementType()),
                 {all, row, all}, 4, 0, [&](OpBuilder &inner, ValueRange args) {
                   return arith::MulFOp::create(inner, loc, args[0], args[1]);
                 });
}

Value Algebra::rowDots(Value x, Value y) {
  auto type = typeOf(x);
  AffineMap all = AffineMap::getMultiDimIdentityMap(4, b.getContext());
  AffineMap row = all.getMajorSubMap(3);
  Value out = filled(type.getShape().take_front(3), type.getElementType(), 0.0);
  return generic({x, y}, out, {all, all, row}, 4, 1,
                 [&](OpBuilder &inner, ValueRange args) -> Value {
                   Value product =
                       arith::MulFOp::create(inner, loc, args[0], args[1]);
                   return arith::AddFOp::create(inner, loc, args[2], product);
                 });
}

Value Algebra::slice(Value tall, int64_t from, int64_t width, bool drop) {
  auto type = typeOf(tall);
  auto size = [&](int64_t value) -> OpFoldResult {
    return b.getIndexAttr(value);
  };
  SmallVector<OpFoldResult> offsets(4, size(0)), sizes, strides(4, size(1));
  for (int64_t s : type.getShape())
    sizes.push_back(size(s));
  offsets[3] = size(from);
  sizes[3] = size(width);
  SmallVector<int64_t> shape(type.getShape());
  shape[3] = width;
  if (drop)
    shape.pop_back();
  return tensor::ExtractSliceOp::create(
      b, loc, RankedTensorType::get(shape, type.getElementType()), tall,
      offsets, sizes, strides);
}

Value Algebra::columns(Value tall, int64_t from, int64_t width) {
  return slice(tall, from, width, /*drop=*/false);
}

Value Algebra::column(Value tall, int64_t index) {
  return slice(tall, index, 1, /*drop=*/true);
}

Value Algebra::halfSquaredNorm(Value x) {
  auto type = typeOf(x);
  Type wide = b.getF64Type(), element = type.getElementType();
  int64_t rank = type.getRank();
  MLIRContext *context = b.getContext();
  AffineMap all = AffineMap::getMultiDimIdentityMap(rank, context);
  AffineMap none = AffineMap::get(rank, 0, {}, context);
  Value sum =
      generic({x}, filled({}, wide, 0.0), {all, none}, rank, rank,
              [&](OpBuilder &inner, ValueRange args) -> Value {
                Value v = args[0];
                if (v.getType() != wide)
                  v = arith::ExtFOp::create(inner, loc, wide, v);
                Value square = arith::MulFOp::create(inner, loc, v, v);
                return arith::AddFOp::create(inner, loc, args[1], square);
              });
  AffineMap scalar = AffineMap::get(0, 0, {}, context);
  return generic({sum}, empty({}, element), {scalar, scalar}, 0, 0,
                 [&](OpBuilder &inner, ValueRange args) -> Value {
                   Value half = arith::ConstantOp::create(
                       inner, loc, inner.getF64FloatAttr(0.5));
                   Value v = arith::MulFOp::create(inner, loc, args[0], half);
                   if (v.getType() != element)
                     v = arith::TruncFOp::create(inner, loc, element, v);
                   return v;
                 });
}
