//===- FeaturesAccumulate.cpp - G = diag(c) Phi(x)^T V ---------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Rows in lanes: a tile of monomials × columns stays in registers over the
// vectors of a block; V is scaled by x_v for the top degree. The lanes are
// added by a tree once per block, so that a float sum has few terms.
//
//===----------------------------------------------------------------------===//

#include "passes/Features.h"

#include <algorithm>

using namespace mlir;
using namespace mlir::ropegrad;

/// Vectors of a block: enough to hide the tree of additions, as long as the
/// block's monomials stay within a megabyte of cache.
static int64_t blockVectors(Emitter &e, const FeatureShape &shape,
                            const Features &features) {
  constexpr int64_t cacheBytes = 1 << 20;
  int64_t row = e.lanes * e.element.getWidth() / 8;
  int64_t fitting =
      std::clamp<int64_t>(cacheBytes / (features.rows * row), 8, 32);
  return std::min(fitting, (shape.n + e.lanes - 1) / e.lanes);
}

Accumulator::Accumulator(Emitter &e, Operation *anchor,
                         const FeatureShape &shape)
    : e(e), anchor(anchor), shape(shape), features(shape.d, shape.degree),
      vectors(blockVectors(e, shape, features)), pitch(vectors * e.lanes),
      tile(chooseTile(shape.w, registerCount(e), /*maxRows=*/12,
                      /*overhead=*/0.5, /*perAccumulator=*/2.0 / vectors)),
      slotSize((tile.rows * tile.width + e.lanes - 1) / e.lanes * e.lanes),
      products(features.products()) {
  for (Segment &segment : products) {
    segment.slot = slots;
    slots += (segment.length + tile.rows - 1) / tile.rows;
  }
  sums = e.scratch((tile.wide + tile.narrow) * slots * slotSize);
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

/// Vectors whose lanes are the sums of the lanes of `values`, in order. Adding
/// the even to the odd elements of a pair of vectors halves both numbers.
static SmallVector<Value> addLanes(Emitter &e, SmallVector<Value> values) {
  Value zero = e.splat(0.0, e.lanes);
  SmallVector<int64_t> even, odd;
  for (int64_t i = 0; i < e.lanes; ++i) {
    even.push_back(2 * i);
    odd.push_back(2 * i + 1);
  }
  for (int64_t left = e.lanes; left > 1; left /= 2) {
    SmallVector<Value> next;
    for (size_t i = 0; i < values.size(); i += 2) {
      Value a = values[i], b = i + 1 < values.size() ? values[i + 1] : zero;
      next.push_back(e.addf(vector::ShuffleOp::create(e.b, e.loc, a, b, even),
                            vector::ShuffleOp::create(e.b, e.loc, a, b, odd)));
    }
    values.swap(next);
  }
  return values;
}

static void prefetch(Emitter &e, Value buffer, Value at) {
  memref::PrefetchOp::create(e.b, e.loc, buffer, at, /*isWrite=*/false,
                             /*localityHint=*/3, /*isDataCache=*/true);
}

/// (phi, from, scaled, sums, at, vectors, tiles): adds `tiles` register tiles
/// of `rows` monomials × `width` columns. The next tile's monomials are fetched
/// meanwhile: their runs are too short for the hardware to foresee.
func::FuncOp Accumulator::tileKernel(int64_t rows, int64_t width) {
  auto body = [&](Emitter &e, ValueRange a) {
    SmallVector<Value> zeros(rows * width, e.splat(0.0, e.lanes));
    e.loop(e.index(0), a[6], 1, [&](Value t) {
      Value from = e.add(a[1], e.mul(t, rows * pitch));
      int64_t last = std::max<int64_t>(0, features.rows - rows) * pitch;
      Value following = e.min(e.add(from, rows * pitch), e.index(last));
      auto step = [&](Value j, ValueRange sums) {
        Value lane = e.mul(j, e.lanes), at = e.add(from, lane);
        SmallVector<Value> monomials, next(sums);
        for (int64_t r = 0; r < rows; ++r)
          prefetch(e, a[0], e.add(e.add(following, lane), r * pitch));
        for (int64_t r = 0; r < rows; ++r)
          monomials.push_back(e.load(a[0], e.add(at, r * pitch), e.lanes));
        for (int64_t c = 0; c < width; ++c) {
          Value v =
              e.load(a[2], e.add(e.mul(lane, width), c * e.lanes), e.lanes);
          for (int64_t r = 0; r < rows; ++r)
            next[r * width + c] = e.fma(monomials[r], v, next[r * width + c]);
        }
        return next;
      };
      SmallVector<Value> totals =
          addLanes(e, e.loop(e.index(0), a[5], 1, zeros, step));
      Value to = e.add(a[4], e.mul(t, slotSize));
      for (size_t i = 0; i < totals.size(); ++i) {
        Value at = e.add(to, i * e.lanes);
        e.store(e.addf(totals[i], e.load(a[3], at, e.lanes)), a[3], at);
      }
    });
  };
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  return e.kernel(anchor, name("tile_" + Twine(rows) + "x" + Twine(width)),
                  {buffer, index, buffer, buffer, index, index, index}, body);
}

/// (phi, row, columns, at, scaled, vectors): scaled[j][c] = phi row · column c.
func::FuncOp Accumulator::scaleKernel(int64_t width) {
  auto body = [&](Emitter &e, ValueRange a) {
    e.loop(e.index(0), a[5], 1, [&](Value j) {
      Value lane = e.mul(j, e.lanes);
      Value x = e.load(a[0], e.add(a[1], lane), e.lanes);
      for (int64_t c = 0; c < width; ++c) {
        Value v = e.load(a[2], e.add(e.add(a[3], c * pitch), lane), e.lanes);
        e.store(e.mulf(x, v), a[4], e.add(e.mul(lane, width), c * e.lanes));
      }
    });
  };
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  return e.kernel(anchor, name("scale_" + Twine(width)),
                  {buffer, index, buffer, index, buffer, index}, body);
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

/// Whole register tiles of a segment, then the one that is left, if any.
void Accumulator::emitTiles(Value phi, Value from, Value length, Value sums,
                            Value sumsAt, Value vectors, int64_t width,
                            Value scaled) {
  Value whole = e.div(length, tile.rows);
  e.call(tileKernel(tile.rows, width),
         {phi, from, scaled, sums, sumsAt, vectors, whole});
  if (tile.rows == 1)
    return;
  Value restFrom = e.add(from, e.mul(whole, tile.rows * pitch));
  Value restAt = e.add(sumsAt, e.mul(whole, slotSize));
  Value rest = e.rem(length, e.index(tile.rows));
  SmallVector<int64_t> cases;
  for (int64_t r = 1; r < tile.rows; ++r)
    if (llvm::any_of(products, [&](const Segment &segment) {
          return segment.length % tile.rows == r;
        }))
      cases.push_back(r);
  if (cases.empty())
    return;
  auto choose = scf::IndexSwitchOp::create(e.b, e.loc, TypeRange(), rest, cases,
                                           cases.size());
  OpBuilder::InsertionGuard guard(e.b);
  for (auto [i, r] : llvm::enumerate(cases)) {
    e.b.createBlock(&choose.getCaseRegions()[i]);
    e.call(tileKernel(r, width),
           {phi, restFrom, scaled, sums, restAt, vectors, e.index(1)});
    scf::YieldOp::create(e.b, e.loc);
  }
  e.b.createBlock(&choose.getDefaultRegion());
  scf::YieldOp::create(e.b, e.loc);
}

/// Adds `count` rows; buffers are {sums, phi, columns, scaled}.
void Accumulator::emitBlock(Value x, Value xAt, Value v, Value vAt, Value count,
                            ValueRange buffers) {
  Value used = e.div(e.add(count, e.lanes - 1), e.lanes);
  emitFeatures(e, anchor, features, pitch, x, xAt, buffers[1], count, used);
  emitPack(e, anchor, shape.w, pitch, v, vAt, buffers[2], e.index(0), count,
           e.mul(used, e.lanes));
  forColumnTiles(e, tile, shape.w, [&](Value c0, int64_t width, Value number) {
    Value base = e.mul(number, slots * slotSize);
    forSegments(
        e, anchor, name("products"), products,
        [&](Value factor, Value source, Value length, Value, Value slot) {
          e.call(scaleKernel(width),
                 {buffers[1], e.mul(factor, pitch), buffers[2],
                  e.mul(c0, pitch), buffers[3], used});
          emitTiles(buffers[1], e.mul(source, pitch), length, buffers[0],
                    e.add(base, e.mul(slot, slotSize)), used, width,
                    buffers[3]);
        });
  });
}

void Accumulator::clear() {
  int64_t size = (tile.wide + tile.narrow) * slots * slotSize;
  e.loop(0, size, e.lanes,
         [&](Value at) { e.store(e.splat(0.0, e.lanes), sums, at); });
}

void Accumulator::add(Value x, Value xAt, Value v, Value vAt) {
  auto body = [&](Emitter &e, ValueRange a) {
    e.loop(0, shape.n, pitch, [&](Value i) {
      Value count = e.min(e.sub(e.index(shape.n), i), e.index(pitch));
      emitBlock(a[0], e.add(a[1], e.mul(i, shape.d)), a[2],
                e.add(a[3], e.mul(i, shape.w)), count, a.drop_front(4));
    });
  };
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  auto kernel = e.kernel(
      anchor, name("head_n" + Twine(shape.n) + "_w" + Twine(shape.w)),
      {buffer, index, buffer, index, buffer, buffer, buffer, buffer}, body);
  e.call(kernel, {x, xAt, v, vAt, sums, phi, columns, scaled});
}

void Accumulator::finish(ArrayRef<double> weights, Value g, Value at) {
  Value weight;
  if (!weights.empty())
    weight = constantFloats(e, anchor, "ropegrad_weights_" + features.name(),
                            e.element, weights);
  forColumnTiles(e, tile, shape.w, [&](Value c0, int64_t width, Value number) {
    Value base = e.mul(number, slots);
    forSegments(e, anchor, name("products"), products,
                [&](Value, Value, Value length, Value target, Value slot) {
                  e.loop(e.index(0), length, 1, [&](Value q) {
                    Value t = e.add(slot, e.div(q, tile.rows));
                    Value from =
                        e.add(e.mul(e.add(base, t), slotSize),
                              e.mul(e.rem(q, e.index(tile.rows)), width));
                    Value m = e.add(target, q);
                    Value to = e.add(e.add(at, e.mul(m, shape.w)), c0);
                    Value factor = weight ? e.load(weight, m) : Value();
                    for (auto [c, piece] : vectorPieces(width, e.lanes)) {
                      Value sum = e.load(sums, e.add(from, c), piece);
                      if (factor)
                        sum = e.mulf(sum, e.broadcast(factor, piece));
                      e.store(sum, g, e.add(to, c));
                    }
                  });
                });
  });
}

void mlir::ropegrad::emitAccumulate(Emitter &e, Operation *anchor,
                                    const FeatureShape &shape,
                                    ArrayRef<double> weights, Value x, Value v,
                                    Value g) {
  Accumulator accumulator(e, anchor, shape);
  int64_t size = Features(shape.d, shape.degree).size * shape.w;
  e.loop(0, shape.batch * shape.kvHeads, 1, [&](Value kv) {
    accumulator.clear();
    e.loop(0, shape.group(), 1, [&](Value i) {
      Value row = e.mul(e.add(e.mul(kv, shape.group()), i), shape.n);
      accumulator.add(x, e.mul(row, shape.d), v, e.mul(row, shape.w));
    });
    accumulator.finish(weights, g, e.mul(kv, size));
  });
}
