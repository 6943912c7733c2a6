//===- Formula.cpp - Formulas over rows and over single numbers *- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// linalg ops in the forms that ropegrad-lower-rows takes.
//
//===----------------------------------------------------------------------===//

#include "passes/Formula.h"
#include "passes/Halves.h"

#include <limits>

using namespace mlir;
using namespace mlir::ropegrad;

static RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

Number Number::where(Number x, double limit) const {
  Value holds = arith::CmpFOp::create(*b, loc, arith::CmpFPredicate::OLE,
                                      x.value, x.constant(limit).value);
  double infinity = std::numeric_limits<double>::infinity();
  return {
      *b, loc,
      arith::SelectOp::create(*b, loc, holds, value, constant(infinity).value)};
}

/// A linalg.generic over the index space of the first input, or over nothing
/// where that is one number.
Value RowFormulas::generic(ArrayRef<Value> ins, Value out, bool sums,
                           Formula formula) {
  unsigned loops = typeOf(ins.front()).getRank();
  SmallVector<AffineMap> maps;
  auto map = [&](Value value) {
    AffineMap all = AffineMap::getMultiDimIdentityMap(loops, b.getContext());
    unsigned rank = typeOf(value).getRank();
    maps.push_back(rank == 0 ? AffineMap::get(loops, 0, {}, b.getContext())
                             : all.getMajorSubMap(rank));
  };
  for (Value in : ins)
    map(in);
  map(out);
  SmallVector<utils::IteratorType> iterators(
      loops,
      sums ? utils::IteratorType::reduction : utils::IteratorType::parallel);
  auto op = linalg::GenericOp::create(
      b, loc, out.getType(), ins, out, maps, iterators,
      [&](OpBuilder &inner, Location, ValueRange args) {
        SmallVector<Number> numbers;
        for (Value arg : args.drop_back())
          numbers.emplace_back(inner, loc, arg);
        Value value = formula(numbers).get();
        if (sums)
          value = arith::AddFOp::create(inner, loc, args.back(), value);
        linalg::YieldOp::create(inner, loc, value);
      });
  return op.getResult(0);
}

Value RowFormulas::rows(ArrayRef<Value> ins, Formula formula) {
  return generic(ins, a.empty(typeOf(ins.front()).getShape(), b.getF64Type()),
                 /*sums=*/false, formula);
}

Value RowFormulas::total(ArrayRef<Value> ins, Formula formula) {
  return generic(ins, a.filled({}, b.getF64Type(), 0.0), /*sums=*/true,
                 formula);
}

Value RowFormulas::single(ArrayRef<Value> ins, Formula formula) {
  return generic(ins, a.empty({}, b.getF64Type()), /*sums=*/false, formula);
}

Value RowFormulas::constant(double value) {
  return a.filled({}, b.getF64Type(), value);
}

Value RowFormulas::norms(Value tall) {
  return rows({a.rowDots(tall, tall)},
              [](ArrayRef<Number> x) { return x[0].sqrt(); });
}

Value RowFormulas::frobenius(Value matrix) {
  return single({a.halfSquaredNorm(matrix)},
                [](ArrayRef<Number> x) { return (2.0 * x[0]).sqrt(); });
}

Value RowFormulas::magnitudes(Value matrix) {
  Value tall = a.asTall(matrix);
  Value out = a.empty(typeOf(tall).getShape(), b.getF64Type());
  return a.asMatrix(generic({tall}, out, /*sums=*/false,
                            [](ArrayRef<Number> x) { return x[0].abs(); }));
}

Value RowFormulas::largest(Value x, Value y, Value e) {
  SmallVector<Value> ins = {x};
  if (y)
    ins.push_back(y);
  if (e)
    ins.push_back(e);
  return a.structured<LargestOp>(RankedTensorType::get({}, b.getF64Type()),
                                 ins);
}

Value RowFormulas::stack(ArrayRef<Value> rows) {
  SmallVector<int64_t> shape(typeOf(rows.front()).getShape());
  shape.push_back(1);
  auto type = RankedTensorType::get(shape, b.getF64Type());
  Value tall = tensor::ExpandShapeOp::create(
      b, loc, type, rows.front(),
      ArrayRef<ReassociationIndices>{{0}, {1}, {2, 3}});
  for (Value next : rows.drop_front())
    tall = a.structured<AppendColumnOp>(
        withWidth(tall, typeOf(tall).getDimSize(3) + 1), ValueRange{tall, next},
        b.getF64FloatAttr(1.0));
  return tall;
}

Value RowFormulas::column(Value tall, int64_t index) {
  return a.column(tall, index);
}

Value RowFormulas::asColumn(Value rows) { return a.asMatrix(stack(rows)); }

Value RowFormulas::widen(Value x) {
  auto convert = [&](FloatType element) {
    auto type = cast<RankedTensorType>(typeOf(x).clone(element));
    x = a.structured<ConvertOp>(type, x);
  };
  if (isHalf(typeOf(x).getElementType()))
    convert(b.getF32Type());
  if (typeOf(x).getElementType().isF32())
    convert(b.getF64Type());
  return x;
}
