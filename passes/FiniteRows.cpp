//===- FiniteRows.cpp - Outputs are finite, or status 4 --------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// A scan of all outputs before a kernel reports success. It tests exponents as
// integers: no assumption on nan and infinity can remove it.
//
//===----------------------------------------------------------------------===//

#include "passes/RowLowerings.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

/// Numbers of f32 that are 0 where all is well.
struct Marks {
  Value buffer, count;
};

/// The scan of one output.
class FiniteScan {
public:
  FiniteScan(OpBuilder &b, func::ReturnOp op, BlockArgument output,
             int64_t vectorBits)
      : e(b, op.getLoc(), cast<FloatType>(getElementTypeOrSelf(output)),
          vectorBits),
        marks(b, op.getLoc(), b.getF32Type(), vectorBits), op(op),
        output(output) {}

  /// Whether the array has one row per position.
  bool hasRows() const { return marked(kStridesAttr) || marked(kRowsAttr); }
  FailureOr<Marks> scanRows();
  Marks scanArray();
  Value isClear(const Marks &found);

private:
  bool marked(StringRef attribute) const {
    auto function = cast<func::FuncOp>(op->getParentOp());
    return function.getArgAttr(output.getArgNumber(), attribute) != nullptr;
  }
  Value bits(uint64_t value, int64_t size);
  Value overflows(Value buffer, Value at, int64_t size);
  func::FuncOp kernel(int64_t width);
  Value emitKernel(ValueRange a, int64_t width);

  Emitter e;
  Emitter marks; ///< numbers that say what was found
  func::ReturnOp op;
  BlockArgument output;
};

} // namespace

Value FiniteScan::bits(uint64_t value, int64_t size) {
  unsigned width = e.element.getWidth();
  auto type = VectorType::get({size}, e.b.getIntegerType(width));
  return arith::ConstantOp::create(
      e.b, e.loc, DenseElementsAttr::get(type, APInt(width, value)));
}

/// Integers whose sign says that an element's exponent is all ones: the least
/// normal number, added to the magnitude, carries into the sign.
Value FiniteScan::overflows(Value buffer, Value at, int64_t size) {
  unsigned width = e.element.getWidth();
  Value mask = bits(~0ull >> (65 - width), size);
  Value one = bits(1ull << (e.element.getFPMantissaWidth() - 1), size);
  Value magnitude =
      arith::AndIOp::create(e.b, e.loc,
                            arith::BitcastOp::create(e.b, e.loc, mask.getType(),
                                                     e.load(buffer, at, size)),
                            mask);
  return arith::AddIOp::create(e.b, e.loc, magnitude, one);
}

/// (x, at, stride, count, marks, i): whether one of `count` rows from `at` on
/// holds a number that is not finite. Adjacent rows are one long row.
Value FiniteScan::emitKernel(ValueRange a, int64_t width) {
  Value count = a[3];
  Value adjacent = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::eq,
                                         a[2], e.index(width));
  auto choose = [&](Value yes, Value no) {
    return arith::SelectOp::create(e.b, e.loc, adjacent, yes, no);
  };
  Value segments = choose(e.index(1), count);
  Value length = choose(e.mul(count, width), e.index(width));
  // Rows may have to be read one by one; a row of one element stands for an
  // array.
  int64_t lanes = e.lanes;
  while (width > 1 && lanes > width)
    lanes /= 2;
  auto found = [&](Value from, Value to, int64_t size, Value at, Value before) {
    return e
        .loop(from, to, size, before,
              [&](Value k, ValueRange state) -> SmallVector<Value> {
                Value more = overflows(a[0], e.add(at, k), size);
                return {arith::OrIOp::create(e.b, e.loc, state[0], more)};
              })
        .front();
  };
  Value whole = e.sub(length, e.rem(length, e.index(lanes)));
  auto sums = e.loop(e.index(0), segments, 1, {bits(0, lanes), bits(0, 1)},
                     [&](Value row, ValueRange state) -> SmallVector<Value> {
                       Value at = e.add(a[1], e.mul(row, a[2]));
                       return {found(e.index(0), whole, lanes, at, state[0]),
                               found(whole, length, 1, at, state[1])};
                     });
  auto any = [&](Value v) {
    return vector::ReductionOp::create(e.b, e.loc, vector::CombiningKind::OR,
                                       v);
  };
  Value all = arith::OrIOp::create(e.b, e.loc, any(sums[0]), any(sums[1]));
  Value zero =
      arith::ConstantOp::create(e.b, e.loc, e.b.getZeroAttr(all.getType()));
  return arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::slt, all,
                               zero);
}

func::FuncOp FiniteScan::kernel(int64_t width) {
  Type index = e.b.getIndexType();
  std::string name = "not_finite_" + std::to_string(width) + "_";
  llvm::raw_string_ostream(name) << e.element;
  return e.kernel(
      op, name,
      {e.bufferType(), index, index, index, marks.bufferType(), index},
      [&](Emitter &, ValueRange a) {
        Value found = emitKernel(a, width);
        Value mark = arith::SelectOp::create(
            e.b, e.loc, found, marks.scalar(1.0), marks.scalar(0.0));
        e.store(mark, a[4], a[5]);
      });
}

FailureOr<Marks> FiniteScan::scanRows() {
  Value tall = asTall(e, output);
  FailureOr<Tall> rows = tallOf(e, op, tall);
  if (failed(rows))
    return failure();
  RowSpace space = rowSpace(e, op, tall);
  Value found = marks.scratch(space.maxUnits());
  func::FuncOp function = kernel(rows->width);
  forRows(e, space, [&](const RowUnit &unit) {
    e.call(function, {rows->buffer, rows->at(e, unit), rows->rowStride,
                      unit.count, found, unit.index});
  });
  return Marks{found, unitsOf(e, space)};
}

Marks FiniteScan::scanArray() {
  Value found = marks.scratch(1), zero = e.index(0), one = e.index(1);
  e.call(kernel(/*width=*/1), {e.flat(output), zero, one,
                               elementsOfCall(e, op, output), found, zero});
  return {found, one};
}

Value FiniteScan::isClear(const Marks &found) {
  Value yes = arith::ConstantOp::create(e.b, e.loc, e.b.getBoolAttr(true));
  return e
      .loop(e.index(0), found.count, 1, yes,
            [&](Value i, ValueRange state) -> SmallVector<Value> {
              Value clear = arith::CmpFOp::create(
                  e.b, e.loc, arith::CmpFPredicate::OEQ,
                  e.load(found.buffer, i), marks.scalar(0.0));
              return {arith::AndIOp::create(e.b, e.loc, state[0], clear)};
            })
      .front();
}

/// All outputs before one return: first those with rows, whose loops merge.
static LogicalResult checkReturn(func::ReturnOp op, int64_t vectorBits) {
  auto function = cast<func::FuncOp>(op->getParentOp());
  OpBuilder b(op);
  SmallVector<std::pair<FiniteScan, Marks>> scans;
  for (bool hasRows : {true, false})
    for (BlockArgument argument : function.getArguments()) {
      if (!function.getArgAttr(argument.getArgNumber(), kOutputAttr))
        continue;
      FiniteScan scan(b, op, argument, vectorBits);
      if (scan.hasRows() != hasRows)
        continue;
      FailureOr<Marks> marks = hasRows ? scan.scanRows() : scan.scanArray();
      if (failed(marks))
        return failure();
      scans.emplace_back(scan, *marks);
    }
  if (scans.empty())
    return success();
  Value clear;
  for (auto &[scan, marks] : scans) {
    Value one = scan.isClear(marks);
    clear = clear ? arith::AndIOp::create(b, op.getLoc(), clear, one) : one;
  }
  Emitter e(b, op.getLoc(), b.getF32Type(), vectorBits);
  returnUnless(e, op, clear, /*status=*/4);
  return success();
}

LogicalResult mlir::ropegrad::checkOutputs(ModuleOp module,
                                           int64_t vectorBits) {
  SmallVector<func::ReturnOp> returns;
  for (auto function : module.getOps<func::FuncOp>())
    if (function.isPublic() && function.getNumResults() == 1)
      for (auto op : function.getOps<func::ReturnOp>())
        if (matchPattern(op.getOperand(0), m_Zero()))
          returns.push_back(op);
  for (func::ReturnOp op : returns)
    if (failed(checkReturn(op, vectorBits)))
      return failure();
  return success();
}
