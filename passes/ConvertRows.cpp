//===- ConvertRows.cpp - Lowering of convert -------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Arrays of 16-bit storage to and from f32, and of f32 to f64: by rows, or as
// one long row where an array has none.
//
//===----------------------------------------------------------------------===//

#include "passes/Halves.h"
#include "passes/RowLowerings.h"

using namespace mlir;
using namespace mlir::ropegrad;

/// Elements of an array without rows that one thread converts at a time.
static constexpr int64_t kPart = 16384;

bool mlir::ropegrad::convertsRows(ConvertOp op) {
  if (cast<ShapedType>(op.getIns()[0].getType()).getRank() >= 3)
    return true;
  return llvm::any_of(op->getOperands(), isMatrixOfRows);
}

static Value convertPiece(Emitter &e, Value x, FloatType from, FloatType to) {
  if (to.isF64()) {
    Type wide = cast<VectorType>(x.getType()).clone(to);
    return arith::ExtFOp::create(e.b, e.loc, wide, x);
  }
  return isHalf(from) ? widen(e, x) : narrow(e, x, to);
}

/// (x, at, stride, y, at, stride, count): `count` rows of x to those of y.
/// Where they lie next to one another in both they are one long row.
static func::FuncOp convertKernel(Emitter &e, ConvertOp op, int64_t width) {
  FloatType from = elementOf(op.getIns()[0]), to = elementOf(op.getOuts()[0]);
  auto flat = [](FloatType element) {
    return MemRefType::get({ShapedType::kDynamic}, element);
  };
  std::string name = "convert_" + std::to_string(width) + "_";
  llvm::raw_string_ostream(name) << from << "_" << to;
  Type index = e.b.getIndexType();
  return e.kernel(
      op, name, {flat(from), index, index, flat(to), index, index, index},
      [&](Emitter &e, ValueRange a) {
        auto isWidth = [&](Value stride) {
          return arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::eq,
                                       stride, e.index(width));
        };
        Value adjacent =
            arith::AndIOp::create(e.b, e.loc, isWidth(a[2]), isWidth(a[5]));
        auto choose = [&](Value yes, Value no) {
          return arith::SelectOp::create(e.b, e.loc, adjacent, yes, no);
        };
        Value segments = choose(e.index(1), a[6]);
        Value length = choose(e.mul(a[6], width), e.index(width));
        e.loop(e.index(0), segments, 1, [&](Value row) {
          Value source = e.add(a[1], e.mul(row, a[2]));
          Value target = e.add(a[4], e.mul(row, a[5]));
          Value done = e.index(0);
          for (int64_t size = e.lanes; size > 0; size /= 2) {
            Value whole = e.sub(length, e.rem(length, e.index(size)));
            e.loop(done, whole, size, [&](Value at) {
              Value x = e.load(a[0], e.add(source, at), size);
              x = convertPiece(e, x, from, to);
              e.store(x, a[3], e.add(target, at));
            });
            done = whole;
          }
        });
      });
}

static LogicalResult convertRows(Emitter &e, ConvertOp op) {
  Value from = asTall(e, op.getIns()[0]), to = asTall(e, op.getOuts()[0]);
  FailureOr<Tall> x = tallOf(e, op, from), y = tallOf(e, op, to);
  if (failed(x) || failed(y))
    return failure();
  func::FuncOp kernel = convertKernel(e, op, x->width);
  forRows(e, rowSpace(e, op, to), [&](const RowUnit &unit) {
    e.call(kernel, {x->buffer, x->at(e, unit), x->rowStride, y->buffer,
                    y->at(e, unit), y->rowStride, unit.count});
  });
  return success();
}

/// All elements of the call, which lie at the beginning of the array.
static void convertArray(Emitter &e, ConvertOp op) {
  Value from = op.getIns()[0], to = op.getOuts()[0];
  Value count = elementsOfCall(e, op, isHalf(elementOf(to)) ? to : from);
  Value x = e.flat(from), y = e.flat(to), one = e.index(1);
  func::FuncOp kernel = convertKernel(e, op, /*width=*/1);
  auto convert = [&](Value at, Value some) {
    e.call(kernel, {x, at, one, y, at, one, some});
  };
  if (cast<ShapedType>(from.getType()).getNumElements() <= kPart)
    return convert(e.index(0), count);
  e.parallel(e.div(e.add(count, kPart - 1), kPart), "", [&](Value part) {
    Value at = e.mul(part, kPart);
    convert(at, e.min(e.sub(count, at), e.index(kPart)));
  });
}

LogicalResult mlir::ropegrad::lowerConvert(Emitter &e, ConvertOp op) {
  for (Type type : op->getOperandTypes())
    if (!cast<MemRefType>(type).getLayout().isIdentity())
      return op.emitOpError("expected contiguous buffers, but got ") << type;
  if (convertsRows(op))
    return convertRows(e, op);
  convertArray(e, op);
  return success();
}
