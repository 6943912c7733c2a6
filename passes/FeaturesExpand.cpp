//===- FeaturesExpand.cpp - N = Phi(x) G -----------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Rows in lanes: a few vectors of rows by a tile of columns stay in registers
// while a run of monomials is contracted; the top degree by Horner.
//
//===----------------------------------------------------------------------===//

#include "passes/Features.h"

using namespace mlir;
using namespace mlir::ropegrad;

namespace {
class Expander {
public:
  Expander(Emitter &e, Operation *anchor, const FeatureShape &shape)
      : e(e), anchor(anchor), shape(shape), features(shape.d, shape.degree),
        tile(
            chooseTile(shape.w, registerCount(e),
                       std::min<int64_t>(12, (shape.n + e.lanes - 1) / e.lanes),
                       /*overhead=*/0.5, /*perAccumulator=*/0.0)),
        pitch(tile.rows * e.lanes) {}

  void emit(const RowSpace &space, const Tall &x, const Tall &g,
            const Tall &out);

private:
  std::string name(const Twine &what) const {
    return kernelName(e, "ropegrad_expand_" + what + "_" + features.name() +
                             "_u" + Twine(tile.rows));
  }
  func::FuncOp packKernel();
  func::FuncOp tileKernel(int64_t width);
  func::FuncOp rowsKernel();
  void emitTile(int64_t width, ValueRange a);

  Emitter &e;
  Operation *anchor;
  FeatureShape shape;
  Features features;
  RegisterTile tile; ///< vectors of rows × columns
  int64_t pitch;     ///< rows of x in a block
};
} // namespace

/// (G, at, packed): packed[c0·M + μ·width + c] = G[μ, c0 + c] for every column
/// tile, so that a tile reads one stream.
func::FuncOp Expander::packKernel() {
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  return e.kernel(
      anchor, name("pack_w" + Twine(shape.w)),
      {buffer, index, index, buffer, index}, [&](Emitter &e, ValueRange a) {
        forColumnTiles(e, tile, shape.w, [&](Value c0, int64_t width, Value) {
          e.loop(0, features.size, 1, [&](Value m) {
            Value from = e.add(a[1], e.add(e.mul(m, a[2]), c0));
            Value to = e.add(e.mul(c0, features.size), e.mul(m, width));
            to = e.add(a[4], to);
            for (auto [c, piece] : vectorPieces(width, e.lanes))
              e.store(e.load(a[0], e.add(from, c), piece), a[3], e.add(to, c));
          });
        });
      });
}

/// Arguments (block, packed, its offset, sums, its offset).
void Expander::emitTile(int64_t width, ValueRange a) {
  int64_t vectors = tile.rows;
  SmallVector<Value> zeros(vectors * width, e.splat(0.0, e.lanes));
  auto sumAt = [&](int64_t u, int64_t c) {
    return e.add(a[4], c * pitch + u * e.lanes);
  };
  for (int64_t c = 0; c < width; ++c)
    for (int64_t u = 0; u < vectors; ++u)
      e.store(zeros[0], a[3], sumAt(u, c));

  forSegments(
      e, anchor, "ropegrad_products_" + features.name(), features.products(),
      [&](Value factor, Value source, Value length, Value target, Value) {
        Value row = e.mul(source, pitch);
        Value coefficient = e.add(a[2], e.mul(target, width));
        auto step = [&](Value q, ValueRange sums) {
          Value at = e.add(row, e.mul(q, pitch));
          SmallVector<Value> phi, next(sums);
          for (int64_t u = 0; u < vectors; ++u)
            phi.push_back(e.load(a[0], e.add(at, u * e.lanes), e.lanes));
          Value g = e.add(coefficient, e.mul(q, width));
          for (int64_t c = 0; c < width; ++c) {
            Value b = e.broadcast(e.load(a[1], e.add(g, c)), e.lanes);
            for (int64_t u = 0; u < vectors; ++u)
              next[c * vectors + u] = e.fma(b, phi[u], next[c * vectors + u]);
          }
          return next;
        };
        SmallVector<Value> sums = e.loop(e.index(0), length, 1, zeros, step);
        Value x = e.mul(factor, pitch);
        for (int64_t u = 0; u < vectors; ++u) {
          Value xu = e.load(a[0], e.add(x, u * e.lanes), e.lanes);
          for (int64_t c = 0; c < width; ++c) {
            Value old = e.load(a[3], sumAt(u, c), e.lanes);
            e.store(e.fma(xu, sums[c * vectors + u], old), a[3], sumAt(u, c));
          }
        }
      });
}

func::FuncOp Expander::tileKernel(int64_t width) {
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  return e.kernel(anchor, name("tile_c" + Twine(width)),
                  {buffer, buffer, index, buffer, index},
                  [&](Emitter &, ValueRange a) { emitTile(width, a); });
}

/// One head: (x, at, packed, out, at, block, sums).
/// (x, at, stride, packed G, at, out, at, stride, count, block, sums).
func::FuncOp Expander::rowsKernel() {
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  auto body = [&](Emitter &e, ValueRange a) {
    Rows x{a[0], a[1], a[2]}, out{a[5], a[6], a[7]};
    Value count = a[8], block = a[9], sums = a[10];
    e.loop(e.index(0), count, pitch, [&](Value i) {
      Value inBlock = e.min(e.sub(count, i), e.index(pitch));
      emitFeatures(e, anchor, features, pitch, x.from(e, i), block, inBlock,
                   e.index(tile.rows));
      forColumnTiles(e, tile, shape.w, [&](Value c0, int64_t width, Value) {
        e.call(tileKernel(width),
               {block, a[3], e.add(a[4], e.mul(c0, features.size)), sums,
                e.mul(c0, pitch)});
      });
      emitUnpack(e, anchor, shape.w, pitch, sums, e.index(0), out.from(e, i),
                 inBlock);
    });
  };
  return e.kernel(anchor, name("rows_w" + Twine(shape.w)),
                  {buffer, index, index, buffer, index, buffer, index, index,
                   index, buffer, buffer},
                  body);
}

void Expander::emit(const RowSpace &space, const Tall &x, const Tall &g,
                    const Tall &out) {
  int64_t size = features.size * shape.w;
  Value packed = e.scratch(shape.batch * shape.kvHeads * size);
  forHeads(e, space, shape.kvHeads, [&](Value batch, Value head) {
    Value at = e.mul(e.add(e.mul(batch, shape.kvHeads), head), size);
    Value from = g.at(e, batch, head, e.index(0));
    e.call(packKernel(), {g.buffer, from, g.rowStride, packed, at});
  });
  forRows(e, space, [&](const RowUnit &unit) {
    Value block = e.scratch(features.rows * pitch);
    Value sums = e.scratch(shape.w * pitch);
    Value kv = e.add(e.mul(unit.batch, shape.kvHeads),
                     e.div(unit.head, shape.group()));
    Rows from = rowsOf(e, x, unit), to = rowsOf(e, out, unit);
    e.call(rowsKernel(),
           {from.buffer, from.at, from.stride, packed, e.mul(kv, size),
            to.buffer, to.at, to.stride, unit.count, block, sums});
  });
}

void mlir::ropegrad::emitExpand(Emitter &e, Operation *anchor,
                                const FeatureShape &shape,
                                const RowSpace &space, const Tall &x,
                                const Tall &g, const Tall &out) {
  Expander(e, anchor, shape).emit(space, x, g, out);
}
