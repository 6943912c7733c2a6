//===- GuardCoordinates.cpp - The limits of coordinates --------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// One pass over the rows with coordinates in lanes; a pair's sum of squares
// stands at both of its coordinates or at the first.
//
//===----------------------------------------------------------------------===//

#include "passes/GuardCoordinates.h"

#include "passes/Features.h"

#include <cmath>

using namespace mlir;
using namespace mlir::ropegrad;

/// Squares of `size` elements from `at` on, in double.
static Value squares(Emitter &e, Value buffer, Value at, int64_t size) {
  Value x = e.toDouble(e.load(buffer, at, size));
  return e.mulf(x, x);
}

CoordinateLimits::CoordinateLimits(Emitter &e, GuardOp op, const RowSpace &q,
                                   const RowSpace &k)
    : e(e), wide(e.b, e.loc, e.b.getF64Type(), /*vectorBits=*/512), op(op),
      kept(*op.getKept()), q(q), k(k), d(widthOf(op.getOuts()[1])) {}

/// (x, at, stride, count, maxima, to): maxima[to + c] = max over `count` rows
/// of the squared norm of the group of coordinate c, the first of its group.
func::FuncOp CoordinateLimits::kernel() {
  ArrayRef<int64_t> order = kept.getOrder().asArrayRef();
  bool isPair = kept.groupSize() == 2;
  bool isAdjacent = isPair && order[1] == order[0] + 1 && order[0] % 2 == 0;
  // Of d = 2 both are one.
  int64_t apart = isPair && !isAdjacent ? d / 2 : 0;
  int64_t lanes = e.lanes * e.element.getWidth() / 64;
  int64_t width = apart ? apart : d;
  std::string name =
      ("max_group_" + Twine(d) + "_" + Twine(isAdjacent ? 1 : apart) + "_f" +
       Twine(e.element.getWidth()))
          .str();
  Type index = e.b.getIndexType();
  auto maxima = MemRefType::get({ShapedType::kDynamic}, e.b.getF64Type());
  return e.kernel(
      op, name, {e.bufferType(), index, index, index, maxima, index},
      [&](Emitter &e, ValueRange a) {
        auto piece = [&](Value from, int64_t c, int64_t size) {
          Value x = squares(e, a[0], e.add(from, c), size);
          if (apart)
            return e.addf(x, squares(e, a[0], e.add(from, c + apart), size));
          if (!isAdjacent)
            return x;
          SmallVector<int64_t> partner;
          for (int64_t lane = 0; lane < size; ++lane)
            partner.push_back(lane ^ 1);
          return e.addf(x,
                        vector::ShuffleOp::create(e.b, e.loc, x, x, partner));
        };
        Emitter wide(e.b, e.loc, e.b.getF64Type(), /*vectorBits=*/512);
        auto pieces = vectorPieces(width, lanes);
        SmallVector<Value> zeros;
        for (auto [c, size] : pieces)
          zeros.push_back(wide.splat(0.0, size));
        SmallVector<Value> largest = e.loop(
            e.index(0), a[3], 1, zeros, [&](Value row, ValueRange state) {
              Value from = e.add(a[1], e.mul(row, a[2]));
              SmallVector<Value> next;
              for (auto [i, each] : llvm::enumerate(pieces))
                next.push_back(
                    e.maximum(state[i], piece(from, each.first, each.second)));
              return next;
            });
        for (auto [each, value] : llvm::zip(pieces, largest))
          e.store(value, a[4], e.add(a[5], each.first));
      });
}

Value CoordinateLimits::measureSide(const RowSpace &space, Value tall) {
  Tall rows = *tallOf(e, op, tall);
  Value maxima = wide.scratch(space.maxUnits() * d);
  func::FuncOp measure = kernel();
  forRows(e, space, [&](const RowUnit &unit) {
    e.call(measure, {rows.buffer, rows.at(e, unit), rows.rowStride, unit.count,
                     maxima, e.mul(unit.index, d)});
  });
  return maxima;
}

void CoordinateLimits::measure() {
  queries = measureSide(q, op.getOuts()[1]);
  keys = measureSide(k, op.getOuts()[2]);
  SmallVector<int64_t> coordinates;
  int64_t size = kept.groupSize();
  for (int64_t v = 0; v < d; v += size)
    coordinates.push_back(kept.getOrder().asArrayRef()[v]);
  first = constantIndices(e, op, "ropegrad_guarded", coordinates);
  limits = constantFloats(e, op, "ropegrad_limits", e.b.getF64Type(),
                          kept.getLimits().asArrayRef());
}

/// max ‖x_i[G]‖ over the rows of `count` units from `unit` on.
Value CoordinateLimits::largest(Value squares, Value unit, Value count,
                                Value coordinate) {
  Value most = e.loop(unit, e.add(unit, count), 1, wide.scalar(0.0),
                      [&](Value i, ValueRange state) -> SmallVector<Value> {
                        Value at = e.add(e.mul(i, d), coordinate);
                        return {e.maximum(state[0], e.load(squares, at))};
                      })
                   .front();
  // Squares of doubles may underflow; those of singles cannot.
  if (e.element.isF64())
    most = e.addf(most, wide.scalar(0x1p-1022));
  return math::SqrtOp::create(e.b, e.loc, most);
}

CoordinateLimits::Found CoordinateLimits::of(Value head) {
  Value chunks = k.chunks(e);
  Value group = e.mul(chunks, q.heads / k.heads);
  double scale = std::abs(op.getScale().convertToDouble());
  SmallVector<Value> zeros(2, wide.scalar(0.0));
  SmallVector<Value> found = e.loop(
      e.index(0), e.index(kept.getLimits().size()), 1, zeros,
      [&](Value i, ValueRange state) -> SmallVector<Value> {
        Value coordinate = arith::IndexCastOp::create(
            e.b, e.loc, e.b.getIndexType(), e.load(first, i));
        Value product =
            e.mulf(largest(queries, e.mul(head, group), group, coordinate),
                   largest(keys, e.mul(head, chunks), chunks, coordinate));
        Value share = arith::DivFOp::create(
            e.b, e.loc, e.mulf(product, wide.scalar(scale)), e.load(limits, i));
        return {e.addf(state[0], product), e.maximum(state[1], share)};
      });
  return {found[0], found[1]};
}
