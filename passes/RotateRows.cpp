//===- RotateRows.cpp - Lowering of rotate and position_table --*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Rotations of rows, vectorised over positions and coordinates alike, and the
// table of W_t.
//
//===----------------------------------------------------------------------===//

#include "passes/Rotary.h"
#include "passes/RowLowerings.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

/// Elements of x that one block of cos and sin serves: all of it stays in L1.
constexpr int64_t blockElements = 1024;

Value roundTo(Emitter &e, Value value) {
  if (e.element.isF64())
    return value;
  Type type = e.element;
  if (auto vector = dyn_cast<VectorType>(value.getType()))
    type = vector.clone(type);
  return arith::TruncFOp::create(e.b, e.loc, type, value);
}

Value negate(Emitter &e, Value value) {
  return arith::NegFOp::create(e.b, e.loc, value);
}

/// The body of a rotation kernel. cos and sin of a few rows are rounded into a
/// buffer, which then serves these rows of every head. Two ways to pair:
///  - partners meet in one vector (interleaved rows, or short ones): the buffer
///    holds cos and signed sin of every coordinate, y = x·C + swap(x)·S;
///  - they lie d/2 apart in two vectors: the buffer holds those of every pair.
class Rotation {
public:
  Rotation(Emitter &e, RotateOp op)
      : e(e), shape(cast<MemRefType>(op.getIns()[0].getType()).getShape()),
        n(shape[2]), d(shape[3]), inverse(op.getInverse()),
        base(op.getPosition().getBase().getValueAsDouble()) {
    // Interleaved pairs are rows of two in the other layout.
    bool interleaved = op.getPosition().getLayout() == Layout::Interleaved;
    unit = interleaved ? 2 : d;
    swapped = e.lanes % unit == 0;
    rows = std::max<int64_t>(1, blockElements / d);
    plane =
        llvm::alignTo(rows * (swapped ? d : d / 2) + 2 * Rotary::maxWidth, 64);
    name = ("rotate_" + Twine(inverse ? "inverse_" : "") +
            (interleaved ? "interleaved_" : "half_") +
            Twine(shape[0] * shape[1]) + "x" + Twine(n) + "x" + Twine(d) +
            "_f" + Twine(e.element.getWidth()) + "_" +
            llvm::utohexstr(llvm::bit_cast<uint64_t>(base), /*LowerCase=*/true))
               .str();
  }

  void emit(Operation *anchor, ValueRange arguments);
  int64_t bufferSize() const { return 2 * plane; }

  std::string name;

private:
  void fill(Rotary &rotary, Value hi, Value lo, Value count);
  SmallVector<int64_t> coordinates(function_ref<int64_t(int64_t, bool)> map);
  void applySwapped(Value offset, Value count);
  void applyApart(Value offset, Value count);
  void applyPair(Value offset, Value at);
  Value mulAdd(Value x, Value c, Value y, Value s) {
    return e.fma(x, c, e.mulf(y, s));
  }

  Emitter &e;
  ArrayRef<int64_t> shape;
  int64_t n, d;
  bool inverse;
  double base;
  int64_t unit;  ///< partners are unit/2 apart within `unit` coordinates
  bool swapped;  ///< partners meet in one vector
  int64_t rows;  ///< that one filling of the buffer serves
  int64_t plane; ///< from cos to sin in the buffer
  Value x, y, buffer;
};

} // namespace

void Rotation::emit(Operation *anchor, ValueRange arguments) {
  x = arguments[0];
  y = arguments[1];
  buffer = arguments[2];
  Rotary rotary(e, anchor, n, d, base);
  e.loop(0, (n + rotary.step - 1) / rotary.step, 1, [&](Value hi) {
    Value first = e.mul(hi, rotary.step);
    Value size = e.min(e.index(rotary.step), e.sub(e.index(n), first));
    e.loop(e.index(0), size, rows, [&](Value lo) {
      Value count = e.min(e.index(rows), e.sub(size, lo));
      fill(rotary, hi, lo, count);
      e.loop(0, shape[0] * shape[1], 1, [&](Value head) {
        Value row = e.add(e.mul(head, n), e.add(first, lo));
        if (swapped)
          applySwapped(e.mul(row, d), count);
        else
          applyApart(e.mul(row, d), count);
      });
    });
  });
}

/// For the coordinates of one vector: map(pair within the vector, is first).
SmallVector<int64_t>
Rotation::coordinates(function_ref<int64_t(int64_t, bool)> map) {
  SmallVector<int64_t> result;
  for (int64_t at = 0; at < e.lanes; ++at) {
    int64_t pair = at / unit * (unit / 2) + at % (unit / 2);
    result.push_back(map(pair, at % unit < unit / 2));
  }
  return result;
}

void Rotation::fill(Rotary &rotary, Value hi, Value lo, Value count) {
  int64_t half = d / 2;
  int64_t width = swapped ? e.lanes / 2 : std::min(e.lanes, Rotary::maxWidth);
  Value start = e.mul(lo, half);
  // k, the pair of the first lane, runs cyclically along.
  e.loop(e.index(0), e.mul(count, half), width, e.index(0),
         [&](Value at, ValueRange state) -> SmallVector<Value> {
           Value k = state[0];
           auto [c, s] = rotary.at(hi, e.add(start, at), k, width);
           c = roundTo(e, c);
           s = roundTo(e, s);
           Value minus = negate(e, s);
           if (inverse)
             std::swap(s, minus);
           if (swapped) {
             at = e.mul(at, 2);
             c = vector::ShuffleOp::create(
                 e.b, e.loc, c, c,
                 coordinates([](int64_t pair, bool) { return pair; }));
             s = vector::ShuffleOp::create(
                 e.b, e.loc, minus, s,
                 coordinates([&](int64_t pair, bool first) {
                   return first ? pair : pair + width;
                 }));
           }
           e.store(c, buffer, at);
           e.store(s, buffer, e.add(at, plane));
           if (width % half == 0)
             return {k};
           Value next = e.add(k, width % half);
           Value wraps = arith::CmpIOp::create(
               e.b, e.loc, arith::CmpIPredicate::uge, next, e.index(half));
           return {arith::SelectOp::create(e.b, e.loc, wraps, e.sub(next, half),
                                           next)};
         });
}

void Rotation::applySwapped(Value offset, Value count) {
  SmallVector<int64_t> partner;
  for (int64_t at = 0; at < e.lanes; ++at)
    partner.push_back(at / unit * unit + (at + unit / 2) % unit);
  Value size = e.mul(count, d);
  Value whole = e.sub(size, e.rem(size, e.index(e.lanes)));
  e.loop(e.index(0), whole, e.lanes, [&](Value at) {
    Value here = e.add(offset, at);
    Value v = e.load(x, here, e.lanes);
    Value w = vector::ShuffleOp::create(e.b, e.loc, v, v, partner);
    e.store(mulAdd(v, e.load(buffer, at, e.lanes), w,
                   e.load(buffer, e.add(at, plane), e.lanes)),
            y, here);
  });
  e.loop(whole, size, unit, [&](Value at) {
    for (int64_t k = 0; k < unit / 2; ++k)
      applyPair(offset, e.add(at, k));
  });
}

/// The rest of a block: coordinates `at` and its partner.
void Rotation::applyPair(Value offset, Value at) {
  Value other = e.add(at, unit / 2);
  Value hereAt = e.add(offset, at), thereAt = e.add(offset, other);
  Value first = e.load(x, hereAt), second = e.load(x, thereAt);
  auto sine = [&](Value of) { return e.load(buffer, e.add(of, plane)); };
  e.store(mulAdd(first, e.load(buffer, at), second, sine(at)), y, hereAt);
  e.store(mulAdd(second, e.load(buffer, other), first, sine(other)), y,
          thereAt);
}

void Rotation::applyApart(Value offset, Value count) {
  int64_t half = d / 2;
  e.loop(e.index(0), count, 1, [&](Value row) {
    Value start = e.add(offset, e.mul(row, d));
    Value angles = e.mul(row, half);
    forPieces(e, half, e.lanes, [&](Value k, int64_t width) {
      Value firstAt = e.add(start, k), secondAt = e.add(firstAt, half);
      Value at = e.add(angles, k);
      Value c = e.load(buffer, at, width);
      Value s = e.load(buffer, e.add(at, plane), width);
      Value first = e.load(x, firstAt, width);
      Value second = e.load(x, secondAt, width);
      e.store(mulAdd(first, c, negate(e, second), s), y, firstAt);
      e.store(mulAdd(second, c, first, s), y, secondAt);
    });
  });
}

void mlir::ropegrad::lowerRotate(Emitter &e, RotateOp op) {
  Rotation rotation(e, op);
  Value buffer = e.scratch(rotation.bufferSize());
  auto kernel = e.kernel(
      op, rotation.name, {e.bufferType(), e.bufferType(), e.bufferType()},
      [&](Emitter &, ValueRange arguments) { rotation.emit(op, arguments); });
  e.call(kernel, {e.flat(op.getIns()[0]), e.flat(op.getOuts()[0]), buffer});
}

//===----------------------------------------------------------------------===//
// position_table
//===----------------------------------------------------------------------===//

/// W_t = 1: ones on the diagonal of the support.
static void fillIdentity(Emitter &e, PositionTableOp op, int64_t n) {
  ArrayRef<int64_t> support = op.getSupport();
  int64_t columns = support.size() / 2;
  Value table = e.flat(op.getOuts()[0]);
  e.loop(0, 2 * n - 1, 1, [&](Value t) {
    for (int64_t c = 0; c < columns; ++c)
      e.store(e.scalar(support[2 * c] == support[2 * c + 1]), table,
              e.add(e.mul(t, columns), c));
  });
}

LogicalResult mlir::ropegrad::lowerPositionTable(Emitter &e,
                                                 PositionTableOp op) {
  ArrayRef<int64_t> support = op.getSupport();
  int64_t columns = support.size() / 2;
  if (columns == 0)
    return success();
  auto rows = cast<MemRefType>(op.getOuts()[0].getType()).getShape()[0];
  int64_t n = (rows + 1) / 2, d = op.getD(), half = d / 2;
  auto rotary = dyn_cast<RotaryAttr>(op.getPosition());
  if (!rotary) {
    fillIdentity(e, op, n);
    return success();
  }
  bool interleaved = rotary.getLayout() == Layout::Interleaved;
  auto pairOf = [&](int64_t a) { return interleaved ? a / 2 : a % half; };
  for (int64_t c = 0; c < columns; ++c) {
    int64_t a = support[2 * c], b = support[2 * c + 1];
    if (std::min(a, b) < 0 || std::max(a, b) >= d || pairOf(a) != pairOf(b))
      return op.emitOpError(
                 "expected coordinates of one rotary pair, but got (")
             << a << ", " << b << ")";
  }
  Value table = e.flat(op.getOuts()[0]);
  Rotary angles(e, op, n, d, rotary.getBase().getValueAsDouble());
  e.loop(0, n, 1, [&](Value t) {
    // Row −t differs from row t in the sign of the sines.
    Value later = e.mul(e.add(t, n - 1), columns);
    Value earlier = e.mul(e.sub(e.index(n - 1), t), columns);
    llvm::SmallMapVector<int64_t, std::pair<Value, Value>, 8> known;
    for (int64_t c = 0; c < columns; ++c) {
      int64_t a = support[2 * c], b = support[2 * c + 1], k = pairOf(a);
      if (!known.contains(k)) {
        auto [cosine, sine] = angles.at(t, e.index(k));
        known[k] = {roundTo(e, cosine), roundTo(e, sine)};
      }
      auto [cosine, sine] = known[k];
      Value minus = a == b ? cosine : negate(e, sine);
      Value plus = a == b ? cosine : sine;
      if (a > b)
        std::swap(plus, minus);
      e.store(minus, table, e.add(earlier, c));
      e.store(plus, table, e.add(later, c));
    }
  });
  return success();
}
