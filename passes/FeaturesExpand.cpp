//===- FeaturesExpand.cpp - N = Phi(x) G -----------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Rows in lanes: a few vectors of rows by a tile of columns stay in registers
// while a run of monomials is contracted. The first column tile makes the
// monomials that it multiplies; the top degree, which is not kept, by Horner.
//
//===----------------------------------------------------------------------===//

#include "passes/Chunks.h"

using namespace mlir;
using namespace mlir::ropegrad;

namespace {
class Expander {
public:
  Expander(Emitter &e, Operation *anchor, const FeatureShape &shape)
      : e(e), anchor(anchor), shape(shape),
        features(shape.d, shape.degree, shape.kept), linear(features.upTo(1)),
        tile(
            chooseTile(shape.w, registerCount(e),
                       std::min<int64_t>(12, (shape.n + e.lanes - 1) / e.lanes),
                       /*overhead=*/0.5, /*perAccumulator=*/0.0)),
        pitch(tile.rows * e.lanes) {}

  void emit(const RowSpace &space, const Tall &x, const Tall &g,
            const Tall &out);
  void emitChunks(const RowSpace &space, int64_t chunk, const Tall &x,
                  const ChunkStates &states, const Tall &out);

private:
  std::string name(const Twine &what) const {
    return kernelName(e, "ropegrad_expand_" + what + "_" + features.name() +
                             "_u" + Twine(tile.rows));
  }
  func::FuncOp packKernel();
  func::FuncOp tileKernel(int64_t width, bool first);
  func::FuncOp topKernel(int64_t width);
  func::FuncOp rowsKernel();
  SmallVector<Value> addRun(Monomial monomial, int64_t width, ValueRange a,
                            ValueRange sums, Value factor, Value source,
                            Value length, Value target);
  void emitTile(int64_t width, bool first, ValueRange a);

  Emitter &e;
  Operation *anchor;
  FeatureShape shape;
  Features features;
  Features linear;   ///< its degrees 0 and 1, which are made beforehand
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

/// Products of `length` monomials with their rows of G, added to `sums`. The
/// monomials are the rows from `source` on, or their products with the row
/// `factor`, which `Keep` stores from `target` on.
SmallVector<Value> Expander::addRun(Monomial monomial, int64_t width,
                                    ValueRange a, ValueRange sums, Value factor,
                                    Value source, Value length, Value target) {
  Value x = e.mul(factor, pitch), from = e.mul(source, pitch);
  Value to = e.mul(target, pitch);
  Value coefficients = e.add(a[2], e.mul(target, width));
  auto step = [&](Value q, ValueRange sums) {
    Value row = e.mul(q, pitch);
    SmallVector<Value> phi, next(sums);
    for (int64_t u = 0; u < tile.rows; ++u) {
      Value lane = e.index(u * e.lanes);
      phi.push_back(e.load(a[0], e.add(e.add(from, row), lane), e.lanes));
      if (monomial != Monomial::Read)
        phi[u] = e.mulf(e.load(a[0], e.add(x, lane), e.lanes), phi[u]);
      if (monomial == Monomial::Keep)
        e.store(phi[u], a[0], e.add(e.add(to, row), lane));
    }
    Value g = e.add(coefficients, e.mul(q, width));
    for (int64_t c = 0; c < width; ++c) {
      Value b = e.broadcast(e.load(a[1], e.add(g, c)), e.lanes);
      for (int64_t u = 0; u < tile.rows; ++u)
        next[c * tile.rows + u] = e.fma(b, phi[u], next[c * tile.rows + u]);
    }
    return next;
  };
  return e.loop(e.index(0), length, 1, sums, step);
}

/// Arguments (block, packed, its offset, sums, its offset). The first column
/// tile makes the monomials that the others read.
void Expander::emitTile(int64_t width, bool first, ValueRange a) {
  SmallVector<Value> zeros(tile.rows * width, e.splat(0.0, e.lanes));
  std::vector<Segment> made, few, many;
  for (int64_t k = 2; k <= features.degree; ++k)
    for (const Segment &s : features.segments(k))
      // Scaling the sums costs as much as multiplying some monomials.
      (k <= features.stored    ? made
       : s.length <= 2 * width ? few
                               : many)
          .push_back(s);
  Value zero = e.index(0);
  int64_t linear = first ? std::min(features.rows, 1 + shape.d) : features.rows;
  SmallVector<Value> sums = addRun(Monomial::Read, width, a, zeros, zero, zero,
                                   e.index(linear), zero);
  auto multiply = [&](StringRef what, ArrayRef<Segment> segments,
                      Monomial monomial) {
    sums = forSegments(e, anchor,
                       ("ropegrad_" + what + "_" + features.name()).str(),
                       segments, sums,
                       [&](Value factor, Value source, Value length,
                           Value target, Value, ValueRange sums) {
                         return addRun(monomial, width, a, sums, factor, source,
                                       length, target);
                       });
  };
  if (first)
    multiply("keep", made, Monomial::Keep);
  multiply("pass", few, Monomial::Pass);
  for (int64_t c = 0; c < width; ++c)
    for (int64_t u = 0; u < tile.rows; ++u)
      e.store(sums[c * tile.rows + u], a[3],
              e.add(a[4], c * pitch + u * e.lanes));
  func::FuncOp top = many.empty() ? func::FuncOp() : topKernel(width);
  forSegments(
      e, anchor, "ropegrad_top_" + features.name(), many,
      [&](Value factor, Value source, Value length, Value target, Value) {
        e.call(top,
               {a[0], a[1], a[2], a[3], a[4], factor, source, length, target});
      });
}

/// The same with (factor, source, length, target): sums += x_v times the
/// products of a run. A function of its own, so that the sums of all runs are
/// in no registers meanwhile.
func::FuncOp Expander::topKernel(int64_t width) {
  auto body = [&](Emitter &e, ValueRange a) {
    SmallVector<Value> zeros(tile.rows * width, e.splat(0.0, e.lanes));
    SmallVector<Value> sums =
        addRun(Monomial::Read, width, a, zeros, a[5], a[6], a[7], a[8]);
    for (int64_t u = 0; u < tile.rows; ++u) {
      Value lane = e.index(u * e.lanes);
      Value x = e.load(a[0], e.add(e.mul(a[5], pitch), lane), e.lanes);
      for (int64_t c = 0; c < width; ++c) {
        Value at = e.add(a[4], e.add(lane, c * pitch));
        Value old = e.load(a[3], at, e.lanes);
        e.store(e.fma(x, sums[c * tile.rows + u], old), a[3], at);
      }
    }
  };
  Type b = e.bufferType(), i = e.b.getIndexType();
  return e.kernel(anchor, name("top_c" + Twine(width)),
                  {b, b, i, b, i, i, i, i, i}, body);
}

func::FuncOp Expander::tileKernel(int64_t width, bool first) {
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  return e.kernel(anchor,
                  name(Twine(first ? "make" : "read") + "_c" + Twine(width)),
                  {buffer, buffer, index, buffer, index},
                  [&](Emitter &, ValueRange a) { emitTile(width, first, a); });
}

/// (x, at, stride, packed G, at, out, at, stride, count, block, sums).
func::FuncOp Expander::rowsKernel() {
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  auto body = [&](Emitter &e, ValueRange a) {
    Rows x{a[0], a[1], a[2]}, out{a[5], a[6], a[7]};
    Value count = a[8], block = a[9], sums = a[10];
    e.loop(e.index(0), count, pitch, [&](Value i) {
      Value inBlock = e.min(e.sub(count, i), e.index(pitch));
      emitFeatures(e, anchor, linear, pitch, x.from(e, i), block, inBlock,
                   e.index(tile.rows));
      forColumnTiles(
          e, tile, shape.w, [&](Value c0, int64_t width, Value number) {
            SmallVector<Value> operands{block, a[3],
                                        e.add(a[4], e.mul(c0, features.size)),
                                        sums, e.mul(c0, pitch)};
            Value isFirst = arith::CmpIOp::create(
                e.b, e.loc, arith::CmpIPredicate::eq, number, e.index(0));
            auto choose =
                scf::IfOp::create(e.b, e.loc, isFirst, /*withElse=*/true);
            OpBuilder::InsertionGuard guard(e.b);
            e.b.setInsertionPointToStart(choose.thenBlock());
            if (width == tile.width)
              e.call(tileKernel(width, true), operands);
            e.b.setInsertionPointToStart(choose.elseBlock());
            if (tile.wide + tile.narrow > 1)
              e.call(tileKernel(width, false), operands);
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

/// A chunk's state is packed where it is used: by the loop over chunks.
void Expander::emitChunks(const RowSpace &space, int64_t chunk, const Tall &x,
                          const ChunkStates &states, const Tall &out) {
  forRows(e, space, [&](const RowUnit &unit) {
    Value packed = e.scratch(features.size * shape.w);
    Value block = e.scratch(features.rows * pitch);
    Value sums = e.scratch(shape.w * pitch);
    Value head = e.div(unit.head, shape.group());
    forChunks(e, unit, chunk, /*reversed=*/false,
              [&](Value number, Value first, Value count) {
                Value g = states.at(e, unit.batch, head, number);
                e.call(packKernel(),
                       {states.buffer, g, e.index(states.rowStride), packed,
                        e.index(0)});
                Rows from = rowsOfGroup(e, x, space, unit, first);
                Rows to = rowsOfGroup(e, out, space, unit, first);
                e.call(rowsKernel(),
                       {from.buffer, from.at, from.stride, packed, e.index(0),
                        to.buffer, to.at, to.stride, count, block, sums});
              });
  });
}

void mlir::ropegrad::emitChunkExpand(Emitter &e, Operation *anchor,
                                     const ChunkShape &shape,
                                     const RowSpace &space, const Tall &x,
                                     const ChunkStates &states,
                                     const Tall &out) {
  FeatureShape features = shape.features;
  features.n = std::min(features.n, shape.chunk);
  Expander(e, anchor, features).emitChunks(space, shape.chunk, x, states, out);
}

void mlir::ropegrad::emitExpand(Emitter &e, Operation *anchor,
                                const FeatureShape &shape,
                                const RowSpace &space, const Tall &x,
                                const Tall &g, const Tall &out) {
  Expander(e, anchor, shape).emit(space, x, g, out);
}
