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
/// buffer, which then serves these rows. Two ways to pair:
///  - partners meet in one vector (interleaved rows, or short ones): the buffer
///    holds cos and signed sin of every coordinate, y = x·C + swap(x)·S;
///  - they lie d/2 apart in two vectors: the buffer holds those of every pair.
class Rotation {
public:
  Rotation(Emitter &e, RotateOp op)
      : e(e), n(cast<MemRefType>(op.getIns()[0].getType()).getDimSize(2)),
        d(widthOf(op.getIns()[0])), inverse(op.getInverse()),
        base(op.getPosition().getBase().getValueAsDouble()) {
    // Interleaved pairs are rows of two in the other layout.
    bool interleaved = op.getPosition().getLayout() == Layout::Interleaved;
    unit = interleaved ? 2 : d;
    swapped = e.lanes % unit == 0;
    rows = std::max<int64_t>(1, blockElements / d);
    plane =
        llvm::alignTo(rows * (swapped ? d : d / 2) + 2 * Rotary::maxWidth, 64);
    name = ("rotate_" + Twine(inverse ? "inverse_" : "") +
            (interleaved ? "interleaved_" : "half_") + Twine(n) + "x" +
            Twine(d) + "_f" + Twine(e.element.getWidth()) + "_" +
            llvm::utohexstr(llvm::bit_cast<uint64_t>(base), /*LowerCase=*/true))
               .str();
  }

  /// Arguments (x, its offset, row stride, y, its offset, row stride, buffer,
  /// first position, count).
  SmallVector<Type> arguments() const {
    Type buffer = e.bufferType(), index = e.b.getIndexType();
    return {buffer, index, index, buffer, index, index, buffer, index, index};
  }
  void emit(Operation *anchor, ValueRange arguments);
  int64_t bufferSize() const { return 2 * plane; }

  std::string name;

private:
  void fill(Rotary &rotary, Value hi, Value lo, Value count);
  SmallVector<int64_t> coordinates(function_ref<int64_t(int64_t, bool)> map);
  void applySwapped(Value first, Value count);
  void swapPiece(Value xAt, Value yAt, Value at, int64_t width);
  void applyApart(Value first, Value count);
  Value mulAdd(Value x, Value c, Value y, Value s) {
    return e.fma(x, c, e.mulf(y, s));
  }

  Emitter &e;
  int64_t n, d;
  bool inverse;
  double base;
  int64_t unit;  ///< partners are unit/2 apart within `unit` coordinates
  bool swapped;  ///< partners meet in one vector
  int64_t rows;  ///< that one filling of the buffer serves
  int64_t plane; ///< from cos to sin in the buffer
  Value x, xStart, xStride, y, yStart, yStride, buffer;
};

} // namespace

void Rotation::emit(Operation *anchor, ValueRange arguments) {
  x = arguments[0];
  xStart = arguments[1];
  xStride = arguments[2];
  y = arguments[3];
  yStart = arguments[4];
  yStride = arguments[5];
  buffer = arguments[6];
  Value from = arguments[7], end = e.add(from, arguments[8]);
  Rotary rotary(e, anchor, n, d, base);
  // The part of [from, end) in each block of the tables.
  Value last = e.div(e.add(end, rotary.step - 1), rotary.step);
  e.loop(e.div(from, rotary.step), last, 1, [&](Value hi) {
    Value start = e.mul(hi, rotary.step);
    Value lowest = e.sub(e.max(start, from), start);
    Value size = e.sub(e.min(e.add(start, rotary.step), end), start);
    e.loop(lowest, size, rows, [&](Value lo) {
      Value count = e.min(e.index(rows), e.sub(size, lo));
      fill(rotary, hi, lo, count);
      Value first = e.sub(e.add(start, lo), from);
      if (swapped)
        applySwapped(first, count);
      else
        applyApart(first, count);
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

/// Rows [first, first + count) of the call. Where they lie next to one another
/// in both buffers they are one long row.
void Rotation::applySwapped(Value first, Value count) {
  auto isWidth = [&](Value stride) {
    return arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::eq, stride,
                                 e.index(d));
  };
  Value adjacent =
      arith::AndIOp::create(e.b, e.loc, isWidth(xStride), isWidth(yStride));
  auto choose = [&](Value ifAdjacent, Value otherwise) {
    return arith::SelectOp::create(e.b, e.loc, adjacent, ifAdjacent, otherwise);
  };
  Value segments = choose(e.index(1), count);
  Value length = choose(e.mul(count, d), e.index(d));
  e.loop(e.index(0), segments, 1, [&](Value segment) {
    Value row = e.add(first, segment);
    Value xAt = e.add(xStart, e.mul(row, xStride));
    Value yAt = e.add(yStart, e.mul(row, yStride));
    Value angles = e.mul(segment, d), done = e.index(0);
    for (int64_t width = e.lanes; width >= unit; width /= 2) {
      Value whole = e.sub(length, e.rem(length, e.index(width)));
      e.loop(done, whole, width, [&](Value at) {
        swapPiece(e.add(xAt, at), e.add(yAt, at), e.add(angles, at), width);
      });
      done = whole;
      if (d % width == 0)
        break;
    }
  });
}

void Rotation::swapPiece(Value xAt, Value yAt, Value at, int64_t width) {
  SmallVector<int64_t> partner;
  for (int64_t lane = 0; lane < width; ++lane)
    partner.push_back(lane / unit * unit + (lane + unit / 2) % unit);
  Value v = e.load(x, xAt, width);
  Value w = vector::ShuffleOp::create(e.b, e.loc, v, v, partner);
  e.store(mulAdd(v, e.load(buffer, at, width), w,
                 e.load(buffer, e.add(at, plane), width)),
          y, yAt);
}

void Rotation::applyApart(Value first, Value count) {
  int64_t half = d / 2;
  e.loop(e.index(0), count, 1, [&](Value i) {
    Value row = e.add(first, i), angles = e.mul(i, half);
    Value xAt = e.add(xStart, e.mul(row, xStride));
    Value yAt = e.add(yStart, e.mul(row, yStride));
    forPieces(e, half, e.lanes, [&](Value k, int64_t width) {
      Value at = e.add(angles, k);
      Value c = e.load(buffer, at, width);
      Value s = e.load(buffer, e.add(at, plane), width);
      Value one = e.load(x, e.add(xAt, k), width);
      Value two = e.load(x, e.add(e.add(xAt, k), half), width);
      e.store(mulAdd(one, c, negate(e, two), s), y, e.add(yAt, k));
      e.store(mulAdd(two, c, one, s), y, e.add(e.add(yAt, k), half));
    });
  });
}

LogicalResult mlir::ropegrad::lowerRotate(Emitter &e, RotateOp op) {
  FailureOr<Tall> x = tallOf(e, op, op.getIns()[0]);
  FailureOr<Tall> y = tallOf(e, op, op.getOuts()[0]);
  if (failed(x) || failed(y))
    return failure();
  Rotation rotation(e, op);
  auto kernel = e.kernel(
      op, rotation.name, rotation.arguments(),
      [&](Emitter &, ValueRange arguments) { rotation.emit(op, arguments); });
  forRows(e, rowSpace(e, op, op.getIns()[0]), [&](const RowUnit &unit) {
    Value buffer = e.scratch(rotation.bufferSize());
    e.call(kernel,
           {x->buffer, x->at(e, unit), x->rowStride, y->buffer, y->at(e, unit),
            y->rowStride, buffer, unit.from, unit.count});
  });
  return success();
}

//===----------------------------------------------------------------------===//
// position_table
//===----------------------------------------------------------------------===//

namespace {

/// Where the rows ±t of a table go: in parallel over blocks of t.
class PositionTable {
public:
  PositionTable(Emitter &e, PositionTableOp op)
      : e(e), support(op.getSupport()), columns(support.size() / 2) {
    auto type = cast<MemRefType>(op.getOuts()[0].getType());
    maxN = (type.getDimSize(0) + 1) / 2;
    n = sizeOfCall(e, op, "n", maxN);
    table = e.flat(op.getOuts()[0]);
  }

  void fillIdentity();
  void fillRotary(PositionTableOp op, RotaryAttr rotary);

private:
  void forOffsets(function_ref<void(Value)> body) {
    constexpr int64_t block = 256;
    e.parallel(e.div(e.add(n, block - 1), block), /*space=*/"",
               [&](Value index) {
                 Value first = e.mul(index, block);
                 e.loop(first, e.min(e.add(first, block), n), 1, body);
               });
  }
  Value laterRow(Value t) { return e.mul(e.sub(e.add(t, n), 1), columns); }
  Value earlierRow(Value t) { return e.mul(e.sub(e.sub(n, t), 1), columns); }

  Emitter &e;
  ArrayRef<int64_t> support;
  int64_t columns, maxN;
  Value n, table;
};

} // namespace

/// W_t = 1: ones on the diagonal of the support.
void PositionTable::fillIdentity() {
  forOffsets([&](Value t) {
    for (Value row : {earlierRow(t), laterRow(t)})
      for (int64_t c = 0; c < columns; ++c)
        e.store(e.scalar(support[2 * c] == support[2 * c + 1]), table,
                e.add(row, c));
  });
}

static int64_t pairOf(int64_t coordinate, RotaryAttr rotary, int64_t d) {
  return rotary.getLayout() == Layout::Interleaved ? coordinate / 2
                                                   : coordinate % (d / 2);
}

void PositionTable::fillRotary(PositionTableOp op, RotaryAttr rotary) {
  int64_t d = op.getD();
  Rotary angles(e, op, maxN, d, rotary.getBase().getValueAsDouble());
  forOffsets([&](Value t) {
    // Row −t differs from row t in the sign of the sines.
    Value later = laterRow(t), earlier = earlierRow(t);
    llvm::SmallMapVector<int64_t, std::pair<Value, Value>, 8> known;
    for (int64_t c = 0; c < columns; ++c) {
      int64_t a = support[2 * c], b = support[2 * c + 1];
      int64_t k = pairOf(a, rotary, d);
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
}

LogicalResult mlir::ropegrad::lowerPositionTable(Emitter &e,
                                                 PositionTableOp op) {
  ArrayRef<int64_t> support = op.getSupport();
  auto rotary = dyn_cast<RotaryAttr>(op.getPosition());
  int64_t d = op.getD();
  for (size_t c = 0; rotary && c < support.size(); c += 2) {
    int64_t a = support[c], b = support[c + 1];
    if (std::min(a, b) < 0 || std::max(a, b) >= d ||
        pairOf(a, rotary, d) != pairOf(b, rotary, d))
      return op.emitOpError(
                 "expected coordinates of one rotary pair, but got (")
             << a << ", " << b << ")";
  }
  if (support.empty())
    return success();
  PositionTable table(e, op);
  if (rotary)
    table.fillRotary(op, rotary);
  else
    table.fillIdentity();
  return success();
}
