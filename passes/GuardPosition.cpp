//===- GuardPosition.cpp - Bounds of logits with a general W ---*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Norms of W_t and largest entries by column, in double. Sums of non-negative
// numbers, so that rounding is far below what the guard rounds outward by.
//
//===----------------------------------------------------------------------===//

#include "passes/GuardPosition.h"

#include "passes/TileNest.h"

using namespace mlir;
using namespace mlir::ropegrad;

/// Chunks of distances, whatever the number of threads.
static constexpr int64_t kChunks = 16;

static Value absolute(Emitter &e, Value value) {
  return math::AbsFOp::create(e.b, e.loc, e.toDouble(value));
}

/// at = max(at, value).
static void raise(Emitter &e, Value buffer, Value at, Value value) {
  e.store(e.maximum(e.load(buffer, at), value), buffer, at);
}

PositionBound::PositionBound(Emitter &e, GuardOp op, const RowSpace &q,
                             const RowSpace &k)
    : e(e), wide(e.b, e.loc, e.b.getF64Type(), /*vectorBits=*/512), op(op),
      q(q), k(k), d(widthOf(op.getOuts()[1])),
      entries(static_cast<int64_t>(op.getSupport()->size() / 2)) {}

/// max |x_i[c]| over each unit of rows.
Value PositionBound::measureColumns(const RowSpace &space, Value tall) {
  Tall rows = *tallOf(e, op, tall);
  Value maxima = wide.scratch(space.maxUnits() * d);
  forRows(e, space, [&](const RowUnit &unit) {
    Value to = e.mul(unit.index, d), from = rows.at(e, unit);
    e.loop(0, d, 1,
           [&](Value c) { e.store(wide.scalar(0.0), maxima, e.add(to, c)); });
    e.loop(e.index(0), unit.count, 1, [&](Value row) {
      Value start = e.add(from, e.mul(row, rows.rowStride));
      e.loop(0, d, 1, [&](Value c) {
        Value x = absolute(e, e.load(rows.buffer, e.add(start, c)));
        raise(wide, maxima, e.add(to, c), x);
      });
    });
  });
  return maxima;
}

/// Of each chunk of distances the largest bound of ‖W_t‖₂ and the largest
/// entries.
void PositionBound::measureDistances() {
  Value w = e.flat(op.getIns()[0]);
  Value count = e.sub(e.mul(q.n, 2), 1);
  Value each = e.div(e.add(count, kChunks - 1), kChunks);
  e.parallel(e.index(kChunks), "", [&](Value chunk) {
    Value sums = wide.scratch(2 * d); // of a W_t by row, by column
    Value most = e.mul(chunk, entries);
    auto zero = [&](Value buffer, Value from, int64_t size) {
      e.loop(0, size, 1, [&](Value i) {
        e.store(wide.scalar(0.0), buffer, e.add(from, i));
      });
    };
    zero(largest, most, entries);
    e.store(wide.scalar(0.0), norms, chunk);
    Value from = e.mul(chunk, each), to = e.min(e.add(from, each), count);
    e.loop(from, to, 1, [&](Value t) {
      zero(sums, e.index(0), 2 * d);
      Value squares = wide.scalar(0.0);
      for (int64_t c = 0; c < entries; ++c) {
        Value x = absolute(e, e.load(w, e.add(e.mul(t, entries), c)));
        raise(wide, largest, e.add(most, c), x);
        squares = wide.fma(x, x, squares);
        ArrayRef<int64_t> pairs = *op.getSupport();
        for (int64_t at : {pairs[2 * c], d + pairs[2 * c + 1]}) {
          Value sum = wide.addf(e.load(sums, e.index(at)), x);
          e.store(sum, sums, e.index(at));
        }
      }
      auto most = [&](int64_t from) {
        return e
            .loop(e.index(from), e.index(from + d), 1, wide.scalar(0.0),
                  [&](Value i, ValueRange state) -> SmallVector<Value> {
                    return {wide.maximum(state[0], e.load(sums, i))};
                  })
            .front();
      };
      Value mean = wide.mulf(most(0), most(d));
      Value least = arith::MinimumFOp::create(e.b, e.loc, mean, squares);
      raise(wide, norms, chunk, math::SqrtOp::create(e.b, e.loc, least));
    });
  });
}

void PositionBound::measure() {
  queries = measureColumns(q, op.getOuts()[1]);
  keys = measureColumns(k, op.getOuts()[2]);
  norms = wide.scratch(kChunks);
  largest = wide.scratch(kChunks * entries);
  measureDistances();
  support = supportTable(e, op, *op.getSupport());
  norm = e.loop(e.index(0), e.index(kChunks), 1, wide.scalar(0.0),
                [&](Value chunk, ValueRange state) -> SmallVector<Value> {
                  return {wide.maximum(state[0], e.load(norms, chunk))};
                })
             .front();
}

Value PositionBound::largestColumn(Value maxima, Value first, Value count,
                                   Value column) {
  return e
      .loop(first, e.add(first, count), 1, wide.scalar(0.0),
            [&](Value unit, ValueRange state) -> SmallVector<Value> {
              Value at = e.add(e.mul(unit, d), column);
              return {wide.maximum(state[0], e.load(maxima, at))};
            })
      .front();
}

Value PositionBound::of(Value head, Value rowNorms) {
  Value chunks = k.chunks(e), group = e.mul(chunks, q.heads / k.heads);
  Value sum =
      e.loop(
           e.index(0), e.index(entries), 1, wide.scalar(0.0),
           [&](Value c, ValueRange state) -> SmallVector<Value> {
             auto coordinate = [&](int64_t which) {
               Value at = e.add(e.mul(c, 2), which);
               return arith::IndexCastOp::create(e.b, e.loc, e.b.getIndexType(),
                                                 e.load(support, at));
             };
             Value x = largestColumn(queries, e.mul(head, group), group,
                                     coordinate(0));
             Value y = largestColumn(keys, e.mul(head, chunks), chunks,
                                     coordinate(1));
             Value w =
                 e.loop(
                      e.index(0), e.index(kChunks), 1, wide.scalar(0.0),
                      [&](Value chunk, ValueRange state) -> SmallVector<Value> {
                        Value at = e.add(e.mul(chunk, entries), c);
                        return {wide.maximum(state[0], e.load(largest, at))};
                      })
                     .front();
             return {wide.fma(wide.mulf(x, y), w, state[0])};
           })
          .front();
  return arith::MinimumFOp::create(e.b, e.loc, wide.mulf(rowNorms, norm), sum);
}
