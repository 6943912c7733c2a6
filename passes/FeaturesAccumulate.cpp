//===- FeaturesAccumulate.cpp - G = diag(c) Phi(x)^T V ---------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Rows in lanes: a tile of monomials × columns stays in registers over the
// vectors of a block. The first column tile makes the monomials that it reads.
// For the top degree V is scaled by x_v or, where x_v has few monomials, these
// are made and not kept. The lanes are added by a tree once per block, so that
// a float sum has few terms.
//
//===----------------------------------------------------------------------===//

#include "passes/Features.h"

#include <algorithm>

using namespace mlir;
using namespace mlir::ropegrad;

/// Vectors of a block: enough to hide the tree of additions, as long as a
/// column tile of V and its scaled copy stay in the nearest cache and the
/// block's monomials within a megabyte.
static int64_t blockVectors(Emitter &e, int64_t rows,
                            const Features &features) {
  constexpr int64_t cacheBytes = 1 << 20;
  int64_t row = e.lanes * e.element.getWidth() / 8;
  int64_t fitting = std::clamp<int64_t>(cacheBytes / (features.rows * row), 8,
                                        registerCount(e) == 32 ? 26 : 32);
  // Blocks of one size: a short last one has the same tree to add.
  int64_t all = llvm::divideCeil(rows, e.lanes);
  return llvm::divideCeil(all, llvm::divideCeil(all, fitting));
}

Rows mlir::ropegrad::rowsOf(Emitter &e, const Tall &tall, const RowUnit &unit) {
  return {tall.buffer, tall.at(e, unit), tall.rowStride};
}

Accumulator::Accumulator(Emitter &e, Operation *anchor,
                         const FeatureShape &shape, int64_t rows)
    : e(e), anchor(anchor), shape(shape),
      features(shape.d, shape.degree, shape.kept), linear(features.upTo(1)),
      vectors(blockVectors(e, rows, features)), pitch(vectors * e.lanes),
      tile(chooseTile(shape.w, registerCount(e), /*maxRows=*/12,
                      /*overhead=*/0.5, /*perAccumulator=*/2.0 / vectors)),
      slotSize((tile.rows * tile.width + e.lanes - 1) / e.lanes * e.lanes) {
  // Degrees 0 and 1, the degrees that are made, the top, its short ones first.
  products.push_back({0, 0, linear.rows, 0});
  for (int64_t k = 2; k <= features.degree; ++k)
    for (const Segment &segment : features.segments(k))
      products.push_back(segment);
  for (Segment &segment : products) {
    segment.slot = slots;
    slots += (segment.length + tile.rows - 1) / tile.rows;
  }
}

void Accumulator::makeScratch() {
  phi = e.scratch(features.rows * pitch);
  columns = e.scratch(shape.w * pitch);
  scaled = e.scratch(tile.width * pitch);
}

std::string Accumulator::name(const Twine &what) const {
  return kernelName(e, "ropegrad_accumulate_" + what + "_" + features.name() +
                           "_j" + Twine(vectors) + "_t" + Twine(tile.rows) +
                           "x" + Twine(tile.width));
}

//===----------------------------------------------------------------------===//
// Microkernels
//===----------------------------------------------------------------------===//

/// Vectors whose lanes are the sums of the lanes of `values`, in order. Of a
/// pair of vectors, lanes with the bit `half` clear stay with the first and the
/// others with the second, each plus its neighbour at this distance: a blend
/// and one shuffle, which only one port can do, in place of two.
static SmallVector<Value> addLanes(Emitter &e, SmallVector<Value> values) {
  Value zero = e.splat(0.0, e.lanes);
  for (int64_t half = 1; half < e.lanes; half *= 2) {
    SmallVector<int64_t> own, neighbours;
    for (int64_t i = 0; i < e.lanes; ++i) {
      int64_t vector = (i & half) != 0 ? e.lanes : 0;
      own.push_back(vector + i);
      neighbours.push_back(vector + (i ^ half));
    }
    SmallVector<Value> next;
    for (size_t i = 0; i < values.size(); i += 2) {
      Value a = values[i], b = i + 1 < values.size() ? values[i + 1] : zero;
      next.push_back(
          e.addf(vector::ShuffleOp::create(e.b, e.loc, a, b, own),
                 vector::ShuffleOp::create(e.b, e.loc, a, b, neighbours)));
    }
    values.swap(next);
  }
  return values;
}

/// (phi, factor, from, to, V, at, step, sums, at, vectors, tiles): adds `tiles`
/// register tiles of `rows` monomials × `width` columns; columns of V are
/// lanes apart, its vectors `step`. The monomials are the rows from `from` on,
/// or their products with the row `factor`, which `Keep` stores from `to` on.
func::FuncOp Accumulator::tileKernel(int64_t rows, int64_t width,
                                     Monomial monomial) {
  auto step = [&](ValueRange a, Value from, Value to, Value j,
                  ValueRange sums) {
    Value lane = e.mul(j, e.lanes), x;
    if (monomial != Monomial::Read)
      x = e.load(a[0], e.add(a[1], lane), e.lanes);
    SmallVector<Value> phi, next(sums);
    for (int64_t r = 0; r < rows; ++r) {
      phi.push_back(e.load(a[0], e.add(e.add(from, lane), r * pitch), e.lanes));
      if (monomial != Monomial::Read)
        phi[r] = e.mulf(x, phi[r]);
      if (monomial == Monomial::Keep)
        e.store(phi[r], a[0], e.add(e.add(to, lane), r * pitch));
    }
    Value column = e.add(a[5], e.mul(j, a[6]));
    for (int64_t c = 0; c < width; ++c) {
      Value v = e.load(a[4], e.add(column, c * e.lanes), e.lanes);
      for (int64_t r = 0; r < rows; ++r)
        next[r * width + c] = e.fma(phi[r], v, next[r * width + c]);
    }
    return next;
  };
  auto body = [&](Emitter &e, ValueRange a) {
    SmallVector<Value> zeros(rows * width, e.splat(0.0, e.lanes));
    e.loop(e.index(0), a[10], 1, [&](Value t) {
      Value skip = e.mul(t, rows * pitch), from = e.add(a[2], skip);
      SmallVector<Value> totals = addLanes(
          e, e.loop(e.index(0), a[9], 1, zeros, [&](Value j, ValueRange sums) {
            return step(a, from, e.add(a[3], skip), j, sums);
          }));
      Value to = e.add(a[8], e.mul(t, slotSize));
      for (size_t i = 0; i < totals.size(); ++i) {
        Value at = e.add(to, i * e.lanes);
        e.store(e.addf(totals[i], e.load(a[7], at, e.lanes)), a[7], at);
      }
    });
  };
  StringRef what = monomial == Monomial::Read   ? "read"
                   : monomial == Monomial::Keep ? "keep"
                                                : "pass";
  Type b = e.bufferType(), i = e.b.getIndexType();
  return e.kernel(anchor,
                  name(Twine(what) + "_" + Twine(rows) + "x" + Twine(width)),
                  {b, i, i, i, b, i, i, b, i, i, i}, body);
}

/// (phi, row, V, at, step, scaled, vectors): scaled[j][c] = phi row · column c.
func::FuncOp Accumulator::scaleKernel(int64_t width) {
  auto body = [&](Emitter &e, ValueRange a) {
    e.loop(e.index(0), a[6], 1, [&](Value j) {
      Value lane = e.mul(j, e.lanes), from = e.add(a[3], e.mul(j, a[4]));
      Value x = e.load(a[0], e.add(a[1], lane), e.lanes);
      for (int64_t c = 0; c < width; ++c) {
        Value v = e.load(a[2], e.add(from, c * e.lanes), e.lanes);
        e.store(e.mulf(x, v), a[5], e.add(e.mul(lane, width), c * e.lanes));
      }
    });
  };
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  return e.kernel(anchor, name("scale_" + Twine(width)),
                  {buffer, index, buffer, index, index, buffer, index}, body);
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

/// Whole register tiles of one of `segments`, then the one that is left, if
/// any. `a` are the arguments of the tile kernels up to `vectors`.
void Accumulator::emitTiles(ArrayRef<Segment> segments, Monomial monomial,
                            int64_t width, Value length, SmallVector<Value> a) {
  Value whole = e.div(length, tile.rows);
  auto call = [&](int64_t rows, Value tiles) {
    a.push_back(tiles);
    e.call(tileKernel(rows, width, monomial), a);
    a.pop_back();
  };
  call(tile.rows, whole);
  SmallVector<int64_t> cases;
  for (int64_t r = 1; r < tile.rows; ++r)
    if (llvm::any_of(segments, [&](const Segment &segment) {
          return segment.length % tile.rows == r;
        }))
      cases.push_back(r);
  if (cases.empty())
    return;
  Value skip = e.mul(whole, tile.rows * pitch);
  a[2] = e.add(a[2], skip);
  a[3] = e.add(a[3], skip);
  a[8] = e.add(a[8], e.mul(whole, slotSize));
  Value rest = e.rem(length, e.index(tile.rows));
  auto choose = scf::IndexSwitchOp::create(e.b, e.loc, TypeRange(), rest, cases,
                                           cases.size());
  OpBuilder::InsertionGuard guard(e.b);
  for (auto [i, r] : llvm::enumerate(cases)) {
    e.b.createBlock(&choose.getCaseRegions()[i]);
    call(r, e.index(1));
    scf::YieldOp::create(e.b, e.loc);
  }
  e.b.createBlock(&choose.getDefaultRegion());
  scf::YieldOp::create(e.b, e.loc);
}

/// Those of the products of a column tile that are multiplied alike; buffers
/// are {phi, columns, scaled}. The sums of the column tile start at `base`.
void Accumulator::emitProducts(ArrayRef<Segment> segments, Monomial monomial,
                               bool scale, Value c0, int64_t width, Value sums,
                               Value base, Value vectors, ValueRange buffers) {
  Value at = e.mul(c0, e.lanes), step = e.index(shape.w * e.lanes);
  forSegments(
      e, anchor, name("products"), segments,
      [&](Value factor, Value source, Value length, Value target, Value slot) {
        Value x = e.mul(factor, pitch), from = e.mul(source, pitch);
        Value to = e.mul(target, pitch), v = buffers[1];
        Value vAt = at, vStep = step;
        if (scale) {
          e.call(scaleKernel(width),
                 {buffers[0], x, v, at, step, buffers[2], vectors});
          v = buffers[2];
          vAt = e.index(0);
          vStep = e.index(width * e.lanes);
        } else if (monomial == Monomial::Read) {
          from = to;
        }
        emitTiles(segments, monomial, width, length,
                  {buffers[0], x, from, to, v, vAt, vStep, sums,
                   e.add(base, e.mul(slot, slotSize)), vectors});
      });
}

/// All products of a column tile. The first one makes the monomials.
void Accumulator::emitColumnTile(Value c0, int64_t width, Value number,
                                 Value sums, Value sumsAt, Value vectors,
                                 ValueRange buffers) {
  Value base = e.add(sumsAt, e.mul(number, slots * slotSize));
  auto emit = [&](ArrayRef<Segment> segments, Monomial monomial,
                  bool scale = false) {
    emitProducts(segments, monomial, scale, c0, width, sums, base, vectors,
                 buffers);
  };
  // Scaling a column costs as much as multiplying three monomials: it is
  // stored.
  auto isMade = [&](const Segment &s) { return s.target < features.rows; };
  auto isShort = [&](const Segment &s) { return s.length <= 3 * tile.width; };
  ArrayRef<Segment> made = ArrayRef(products).drop_front();
  ArrayRef<Segment> top = made.drop_while(isMade);
  made = made.take_while(isMade);
  emit(products.front(), Monomial::Read);
  if (!made.empty()) {
    Value first = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::eq,
                                        number, e.index(0));
    auto choose = scf::IfOp::create(e.b, e.loc, first, /*withElse=*/true);
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(choose.thenBlock());
    if (width == tile.width)
      emit(made, Monomial::Keep);
    e.b.setInsertionPointToStart(choose.elseBlock());
    if (tile.wide + tile.narrow > 1)
      emit(made, Monomial::Read);
  }
  emit(top.take_while(isShort), Monomial::Pass);
  emit(top.drop_while(isShort), Monomial::Read, /*scale=*/true);
}

/// Adds at most a block of rows; buffers are {phi, columns, scaled}.
void Accumulator::emitBlock(const Rows &x, const Rows &v, Value count,
                            Value sums, Value sumsAt, ValueRange buffers) {
  Value used = e.div(e.add(count, e.lanes - 1), e.lanes);
  emitFeatures(e, anchor, linear, pitch, x, buffers[0], count, used);
  e.loop(e.index(0), used, 1, [&](Value j) {
    Value row = e.mul(j, e.lanes);
    emitPack(e, anchor, shape.w, e.lanes, v.from(e, row), buffers[1],
             e.mul(row, shape.w), e.min(e.sub(count, row), e.index(e.lanes)),
             e.index(e.lanes));
  });
  forColumnTiles(e, tile, shape.w, [&](Value c0, int64_t width, Value number) {
    emitColumnTile(c0, width, number, sums, sumsAt, used, buffers);
  });
}

void Accumulator::clear(Value sums, Value sumsAt) {
  e.loop(0, sumsSize(), e.lanes, [&](Value at) {
    e.store(e.splat(0.0, e.lanes), sums, e.add(sumsAt, at));
  });
}

void Accumulator::add(const Rows &x, const Rows &v, Value count, Value sums,
                      Value sumsAt) {
  auto body = [&](Emitter &e, ValueRange a) {
    Rows x{a[0], a[1], a[2]}, v{a[3], a[4], a[5]};
    Value count = a[6];
    e.loop(e.index(0), count, pitch, [&](Value i) {
      Value inBlock = e.min(e.sub(count, i), e.index(pitch));
      emitBlock(x.from(e, i), v.from(e, i), inBlock, a[7], a[8],
                a.drop_front(9));
    });
  };
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  auto kernel = e.kernel(anchor, name("rows_w" + Twine(shape.w)),
                         {buffer, index, index, buffer, index, index, index,
                          buffer, index, buffer, buffer, buffer},
                         body);
  e.call(kernel, {x.buffer, x.at, x.stride, v.buffer, v.at, v.stride, count,
                  sums, sumsAt, phi, columns, scaled});
}

void Accumulator::finish(ArrayRef<double> weights, Value sums, Value sumsAt,
                         Value g, Value at) {
  Value weight;
  if (!weights.empty())
    weight = constantFloats(e, anchor, "ropegrad_weights_" + features.name(),
                            e.element, weights);
  auto copy = [&](Value from, Value m, Value c0, int64_t width) {
    Value to = e.add(e.add(at, e.mul(m, shape.w)), c0);
    Value factor = weight ? e.load(weight, m) : Value();
    for (auto [c, piece] : vectorPieces(width, e.lanes)) {
      Value sum = e.load(sums, e.add(from, c), piece);
      if (factor)
        sum = e.mulf(sum, e.broadcast(factor, piece));
      e.store(sum, g, e.add(to, c));
    }
  };
  forColumnTiles(e, tile, shape.w, [&](Value c0, int64_t width, Value number) {
    Value base = e.add(sumsAt, e.mul(number, slots * slotSize));
    forSegments(e, anchor, name("products"), products,
                [&](Value, Value, Value length, Value target, Value slot) {
                  Value whole = e.div(length, tile.rows);
                  Value start = e.add(base, e.mul(slot, slotSize));
                  auto placeOf = [&](Value t) {
                    return e.add(start, e.mul(t, slotSize));
                  };
                  e.loop(e.index(0), whole, 1, [&](Value t) {
                    Value m = e.add(target, e.mul(t, tile.rows));
                    for (int64_t r = 0; r < tile.rows; ++r)
                      copy(e.add(placeOf(t), r * width), e.add(m, r), c0,
                           width);
                  });
                  Value done = e.mul(whole, tile.rows);
                  e.loop(e.index(0), e.sub(length, done), 1, [&](Value r) {
                    copy(e.add(placeOf(whole), e.mul(r, width)),
                         e.add(e.add(target, done), r), c0, width);
                  });
                });
  });
}

/// sums[at + ...] of the first unit of a group of heads += those of all others,
/// in their order, elements [from, to).
static void emitAddUnits(Emitter &e, Value sums, Value first, Value units,
                         int64_t size, Value from, Value to) {
  e.loop(from, to, e.lanes, [&](Value at) {
    Value here = e.add(e.mul(first, size), at);
    Value total = e.loop(e.index(1), units, 1, e.load(sums, here, e.lanes),
                         [&](Value unit, ValueRange sum) -> SmallVector<Value> {
                           Value x = e.load(
                               sums, e.add(here, e.mul(unit, size)), e.lanes);
                           return {e.addf(sum[0], x)};
                         })
                      .front();
    e.store(total, sums, here);
  });
}

void mlir::ropegrad::emitAccumulate(Emitter &e, Operation *anchor,
                                    const FeatureShape &shape,
                                    const RowSpace &space,
                                    ArrayRef<double> weights, const Tall &x,
                                    const Tall &v, Value g) {
  Accumulator accumulator(e, anchor, shape, std::min(space.chunk, space.maxN));
  int64_t size = accumulator.sumsSize();
  Value sums = e.scratch(space.maxUnits() * size);
  forRows(e, space, [&](const RowUnit &unit) {
    accumulator.makeScratch();
    Value at = e.mul(unit.index, size);
    accumulator.clear(sums, at);
    accumulator.add(rowsOf(e, x, unit), rowsOf(e, v, unit), unit.count, sums,
                    at);
  });
  // The units of a group of heads follow one another.
  Value units = e.mul(space.chunks(e), shape.group());
  auto firstUnit = [&](Value kv) { return e.mul(kv, units); };
  auto finish = [&](Value batch, Value head) {
    Value kv = e.add(e.mul(batch, shape.kvHeads), head);
    Value at = e.mul(firstUnit(kv), size);
    int64_t elements =
        Features(shape.d, shape.degree, shape.kept).size * shape.w;
    accumulator.finish(weights, sums, at, g, e.mul(kv, elements));
  };
  // Many sums are worth a loop of their own, with more units than heads.
  constexpr int64_t part = 1 << 14;
  if (size <= part)
    return forHeads(e, space, shape.kvHeads, [&](Value batch, Value head) {
      Value kv = e.add(e.mul(batch, shape.kvHeads), head);
      emitAddUnits(e, sums, firstUnit(kv), units, size, e.index(0),
                   e.index(size));
      finish(batch, head);
    });
  int64_t parts = llvm::divideCeil(size, part);
  Value all = e.mul(space.batch, shape.kvHeads * parts);
  e.parallel(all, "", [&](Value index) {
    Value from = e.mul(e.rem(index, e.index(parts)), part);
    emitAddUnits(e, sums, firstUnit(e.div(index, parts)), units, size, from,
                 e.min(e.add(from, part), e.index(size)));
  });
  forHeads(e, space, shape.kvHeads, finish);
}
