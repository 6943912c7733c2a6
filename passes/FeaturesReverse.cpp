//===- FeaturesReverse.cpp - The gradient of Phi(x) ------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Rows in lanes: S = <u, G_mu> + dphi_mu for a few monomials at once, which are
// then handed down to their factors. Of the top two degrees no dphi is stored:
// a register tile of the lower one meets all monomials of the top degree above
// it, whose S it gathers in registers, before it is handed down itself. The
// gradient with respect to x gathers in the rows of degree 1.
//
//===----------------------------------------------------------------------===//

#include "passes/Chunks.h"

#include "passes/Monomials.h"

#include <algorithm>

using namespace mlir;
using namespace mlir::ropegrad;

/// Vectors of rows in a block, where `rows` follow one another.
static int64_t blockVectors(Emitter &e, int64_t rows) {
  int64_t all = llvm::divideCeil(rows, e.lanes);
  if (registerCount(e) != 32 || all <= 3)
    return std::min<int64_t>(3, all);
  // Four are 5 % faster, unless they leave more of the last block empty.
  return 20 * llvm::alignTo(all, 4) <= 21 * llvm::alignTo(all, 3) ? 4 : 3;
}

namespace {
class Reverser {
public:
  Reverser(Emitter &e, Operation *anchor, const FeatureShape &shape,
           int64_t rows)
      : e(e), anchor(anchor), shape(shape),
        // Only factors are looked at, so the top degree is never made.
        all(shape.d, shape.degree, shape.kept),
        features(shape.d,
                 std::max<int64_t>(shape.degree - (hasNest() ? 2 : 1), 1),
                 shape.kept),
        vectors(blockVectors(e, rows)), monomials(12 / vectors),
        pitch(vectors * e.lanes) {
    features.stored = features.degree;
    features.rows = features.size;
  }

  void emit(const RowSpace &space, const Tall &x, Value g, const Tall &u,
            const Tall &dx);
  void emitChunks(const RowSpace &space, int64_t chunk, const Tall &x,
                  const ChunkStates &states, const Tall &u, const Tall &dx);

private:
  struct Scratch {
    Value phi, dphi, columns;
  };
  Scratch makeScratch();
  void callRows(const Rows &x, Value g, Value at, const Rows &u, const Rows &dx,
                Value count, const Scratch &scratch);
  std::string name(const Twine &what) const {
    return kernelName(e, "ropegrad_reverse_" + what + "_" + all.name() + "_w" +
                             Twine(shape.w) + "_u" + Twine(vectors));
  }
  /// Whether the top two degrees are one nest of loops: not where some of them
  /// are left out.
  bool hasNest() const { return !shape.kept; }
  SmallVector<Value> products(int64_t count, Value g, Value at, Value u,
                              ValueRange inits);
  void emitTile(int64_t count, ValueRange a, Value factor, Value source,
                Value target, bool isTop);
  func::FuncOp degreesKernel(StringRef what, int64_t highest, int64_t lowest,
                             bool isTop);
  void handDown(int64_t count, ValueRange s, ValueRange a, Value factor,
                Value source);
  void emitNest(int64_t count, ValueRange a, Value factor, Value source,
                Value target, Value above);
  SmallVector<Value> emitAbove(int64_t count, ValueRange a, Value row, Value v,
                               Value g, ValueRange dphi);
  SmallVector<Value> emitAllAbove(int64_t count, ValueRange a, Value row,
                                  Value q, Value from, Value above,
                                  ValueRange dphi);
  void emitSquares(int64_t count, ValueRange a, Value q, Value above);
  void emitLinear(ValueRange a);
  Value numberAt(Value table, Value i) {
    return arith::IndexCastOp::create(e.b, e.loc, e.b.getIndexType(),
                                      e.load(table, i));
  }
  func::FuncOp tileKernel(StringRef what,
                          function_ref<void(Emitter &, ValueRange)> body);
  func::FuncOp topKernel();
  func::FuncOp lowerKernel();
  func::FuncOp linearKernel();
  func::FuncOp rowsKernel();
  Value at(Value row, int64_t i, int64_t vector) {
    return e.add(e.mul(row, pitch), i * pitch + vector * e.lanes);
  }
  /// Calls body(first, count) for runs of `monomials`, then for what is left of
  /// a `length` that is one of those of `segments`.
  void forRuns(Value length, ArrayRef<Segment> segments,
               function_ref<void(Value, int64_t)> body);

  Emitter &e;
  Operation *anchor;
  FeatureShape shape;
  Features all;      ///< the monomials of G
  Features features; ///< those of which dphi is stored
  int64_t vectors;   ///< of rows in a block
  int64_t monomials; ///< of a register tile: 12 accumulators hide the latency
  int64_t pitch;     ///< rows of x in a block
};
} // namespace

void Reverser::forRuns(Value length, ArrayRef<Segment> segments,
                       function_ref<void(Value, int64_t)> body) {
  Value whole = e.mul(e.div(length, monomials), monomials);
  e.loop(e.index(0), whole, monomials, [&](Value q) { body(q, monomials); });
  SmallVector<int64_t> cases;
  for (int64_t r = 1; r < monomials; ++r)
    if (llvm::any_of(segments, [&](const Segment &segment) {
          return segment.length % monomials == r;
        }))
      cases.push_back(r);
  if (cases.empty())
    return;
  auto choose = scf::IndexSwitchOp::create(e.b, e.loc, TypeRange(),
                                           e.rem(length, e.index(monomials)),
                                           cases, cases.size());
  OpBuilder::InsertionGuard guard(e.b);
  for (auto [i, count] : llvm::enumerate(cases)) {
    e.b.createBlock(&choose.getCaseRegions()[i]);
    body(whole, count);
    scf::YieldOp::create(e.b, e.loc);
  }
  e.b.createBlock(&choose.getDefaultRegion());
  scf::YieldOp::create(e.b, e.loc);
}

/// inits + ⟨u, G_μ⟩ for `count` rows of G from `at` on.
SmallVector<Value> Reverser::products(int64_t count, Value g, Value at, Value u,
                                      ValueRange inits) {
  auto step = [&](Value c, ValueRange sums) {
    SmallVector<Value> column, next(sums);
    for (int64_t v = 0; v < vectors; ++v)
      column.push_back(e.load(u, this->at(c, 0, v), e.lanes));
    for (int64_t i = 0; i < count; ++i) {
      Value b = e.load(g, e.add(e.add(at, c), i * shape.w));
      b = e.broadcast(b, e.lanes);
      for (int64_t v = 0; v < vectors; ++v)
        next[i * vectors + v] = e.fma(b, column[v], next[i * vectors + v]);
    }
    return next;
  };
  auto steps = [&](Value c, int64_t number, ValueRange inits) {
    SmallVector<Value> sums(inits);
    for (int64_t i = 0; i < number; ++i)
      sums = step(e.add(c, i), sums);
    return sums;
  };
  // A short loop is left too often.
  int64_t unroll = shape.w <= 12 ? shape.w : 4;
  int64_t rest = shape.w % unroll;
  SmallVector<Value> sums = steps(e.index(0), rest, inits);
  if (rest + unroll == shape.w)
    return steps(e.index(rest), unroll, sums);
  return e.loop(
      e.index(rest), e.index(shape.w), unroll, sums,
      [&](Value c, ValueRange sums) { return steps(c, unroll, sums); });
}

/// Arguments of the kernels: (phi, dphi, u, G, its offset). `source` and
/// `target` are those of the first of `count` monomials, which have a dphi
/// unless they are of the top degree.
void Reverser::emitTile(int64_t count, ValueRange a, Value factor, Value source,
                        Value target, bool isTop) {
  SmallVector<Value> inits;
  for (int64_t i = 0; i < count; ++i)
    for (int64_t v = 0; v < vectors; ++v)
      inits.push_back(isTop ? e.splat(0.0, e.lanes)
                            : e.load(a[1], at(target, i, v), e.lanes));
  Value g = e.add(a[4], e.mul(target, shape.w));
  handDown(count, products(count, a[3], g, a[2], inits), a, factor, source);
}

/// Adds the dphi `s` of `count` monomials to those of their factors.
void Reverser::handDown(int64_t count, ValueRange s, ValueRange a, Value factor,
                        Value source) {
  for (int64_t v = 0; v < vectors; ++v) {
    Value x = e.load(a[0], at(factor, 0, v), e.lanes);
    for (int64_t i = 0; i < count; ++i) {
      Value to = at(source, i, v);
      e.store(e.fma(x, s[i * vectors + v], e.load(a[1], to, e.lanes)), a[1],
              to);
    }
    // After the stores: `source` may be the row of the factor itself.
    Value dx = e.load(a[1], at(factor, 0, v), e.lanes);
    for (int64_t i = 0; i < count; ++i)
      dx = e.fma(s[i * vectors + v], e.load(a[0], at(source, i, v), e.lanes),
                 dx);
    e.store(dx, a[1], at(factor, 0, v));
  }
}

/// Products of `count` monomials of the degree below the top, in the rows from
/// `row` on, with x_v, whose rows of G start at `g`: adds to dx_v and to their
/// own `dphi`.
SmallVector<Value> Reverser::emitAbove(int64_t count, ValueRange a, Value row,
                                       Value v, Value g, ValueRange dphi) {
  SmallVector<Value> zeros(count * vectors, e.splat(0.0, e.lanes)), next(dphi);
  SmallVector<Value> s =
      products(count, a[3], e.add(a[4], e.mul(g, shape.w)), a[2], zeros);
  Value factor = e.add(v, 1);
  for (int64_t u = 0; u < vectors; ++u) {
    Value x = e.load(a[0], at(factor, 0, u), e.lanes);
    Value dx = e.load(a[1], at(factor, 0, u), e.lanes);
    for (int64_t i = 0; i < count; ++i) {
      Value si = s[i * vectors + u];
      next[i * vectors + u] = e.fma(x, si, next[i * vectors + u]);
      dx = e.fma(si, e.load(a[0], at(row, i, u), e.lanes), dx);
    }
    e.store(dx, a[1], at(factor, 0, u));
  }
  return next;
}

/// The same for all x_v, v >= `from`, and the monomials from number `q` of
/// their degree on. `above`[v] is the first monomial of x_v in the top degree.
SmallVector<Value> Reverser::emitAllAbove(int64_t count, ValueRange a,
                                          Value row, Value q, Value from,
                                          Value above, ValueRange dphi) {
  return e.loop(from, e.index(shape.d), 1, dphi,
                [&](Value v, ValueRange state) {
                  Value g = e.add(numberAt(above, v), q);
                  return emitAbove(count, a, row, v, g, state);
                });
}

/// `count` monomials of the degree below the top, in the rows behind those of
/// `features`, with all that they are a factor of: what these hand down stays
/// in registers.
void Reverser::emitNest(int64_t count, ValueRange a, Value factor, Value source,
                        Value target, Value above) {
  Value row = e.index(features.rows);
  for (int64_t v = 0; v < vectors; ++v) {
    Value x = e.load(a[0], at(factor, 0, v), e.lanes);
    for (int64_t i = 0; i < count; ++i)
      e.store(e.mulf(x, e.load(a[0], at(source, i, v), e.lanes)), a[0],
              at(row, i, v));
  }
  int64_t first = Features(shape.d, shape.degree - 1)
                      .segments(shape.degree - 1)
                      .front()
                      .target;
  SmallVector<Value> own(count * vectors, e.splat(0.0, e.lanes));
  own = products(count, a[3], e.add(a[4], e.mul(target, shape.w)), a[2], own);
  Value q = e.sub(target, first), from = e.sub(factor, 1);
  handDown(count, emitAllAbove(count, a, row, q, from, above, own), a, factor,
           source);
}

/// Degree 2: x_q, ..., x_{q+count-1} with all of their products x_v x_q, v >=
/// q.
void Reverser::emitSquares(int64_t count, ValueRange a, Value q, Value above) {
  Value row = e.add(q, 1);
  SmallVector<Value> dphi(count * vectors, e.splat(0.0, e.lanes));
  dphi = products(count, a[3], e.add(a[4], e.mul(row, shape.w)), a[2], dphi);
  for (int64_t i = 0; i < count; ++i) {
    Value v = e.add(q, i);
    int64_t below = (i + 1) * vectors;
    SmallVector<Value> some =
        emitAbove(i + 1, a, row, v, e.add(numberAt(above, v), q),
                  ArrayRef(dphi).take_front(below));
    llvm::copy(some, dphi.begin());
  }
  dphi = emitAllAbove(count, a, row, q, e.add(q, count), above, dphi);
  for (int64_t i = 0; i < count; ++i)
    for (int64_t v = 0; v < vectors; ++v) {
      Value to = at(row, i, v);
      e.store(e.addf(e.load(a[1], to, e.lanes), dphi[i * vectors + v]), a[1],
              to);
    }
}

/// All monomials of some degrees, highest first.
func::FuncOp Reverser::degreesKernel(StringRef what, int64_t highest,
                                     int64_t lowest, bool isTop) {
  std::vector<Segment> segments;
  for (int64_t k = highest; k >= lowest; --k)
    for (const Segment &segment : all.segments(k))
      segments.push_back(segment);
  auto body = [&](Emitter &e, ValueRange a) {
    forSegments(
        e, anchor, ("ropegrad_" + what + "_" + all.name()).str(), segments,
        [&](Value factor, Value source, Value length, Value target, Value) {
          forRuns(length, segments, [&](Value q, int64_t count) {
            emitTile(count, a, factor, e.add(source, q), e.add(target, q),
                     isTop);
          });
        });
  };
  return tileKernel(what, body);
}

/// Degrees from 2 to that of `features`.
func::FuncOp Reverser::lowerKernel() {
  return degreesKernel("lower", features.degree, 2, /*isTop=*/false);
}

/// The top two degrees.
func::FuncOp Reverser::topKernel() {
  if (!hasNest())
    return degreesKernel("top", shape.degree, shape.degree, /*isTop=*/true);
  std::vector<Segment> segments = all.segments(shape.degree - 1);
  SmallVector<int64_t> starts;
  for (const Segment &segment : all.segments(shape.degree))
    starts.push_back(segment.target);
  auto body = [&](Emitter &e, ValueRange a) {
    Value above =
        constantIndices(e, anchor, "ropegrad_starts_" + all.name(), starts);
    if (shape.degree == 2)
      return forRuns(
          e.index(shape.d), Segment{0, 0, shape.d, 1},
          [&](Value q, int64_t count) { emitSquares(count, a, q, above); });
    forSegments(
        e, anchor, "ropegrad_nest_" + all.name(), segments,
        [&](Value factor, Value source, Value length, Value target, Value) {
          forRuns(length, segments, [&](Value q, int64_t count) {
            emitNest(count, a, factor, e.add(source, q), e.add(target, q),
                     above);
          });
        });
  };
  return tileKernel("top", body);
}

/// Degree 1: its monomials are x itself.
void Reverser::emitLinear(ValueRange a) {
  Segment all{0, 0, shape.d, 1};
  forRuns(e.index(shape.d), all, [&](Value q, int64_t count) {
    Value row = e.add(q, 1);
    SmallVector<Value> inits;
    for (int64_t i = 0; i < count; ++i)
      for (int64_t v = 0; v < vectors; ++v)
        inits.push_back(e.load(a[1], at(row, i, v), e.lanes));
    Value g = e.add(a[4], e.mul(row, shape.w));
    SmallVector<Value> s = products(count, a[3], g, a[2], inits);
    for (int64_t i = 0; i < count; ++i)
      for (int64_t v = 0; v < vectors; ++v)
        e.store(s[i * vectors + v], a[1], at(row, i, v));
  });
}

func::FuncOp Reverser::linearKernel() {
  return tileKernel("linear", [&](Emitter &, ValueRange a) { emitLinear(a); });
}

func::FuncOp
Reverser::tileKernel(StringRef what,
                     function_ref<void(Emitter &, ValueRange)> body) {
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  return e.kernel(anchor, name(what), {buffer, buffer, buffer, buffer, index},
                  body);
}

/// (x, at, stride, G, at, u, at, stride, dx, at, stride, count, phi, dphi,
/// columns of u).
func::FuncOp Reverser::rowsKernel() {
  auto body = [&](Emitter &e, ValueRange a) {
    Rows x{a[0], a[1], a[2]}, u{a[5], a[6], a[7]}, dx{a[8], a[9], a[10]};
    Value count = a[11], phi = a[12], dphi = a[13], columns = a[14];
    SmallVector<Value> operands{phi, dphi, columns, a[3], a[4]};
    e.loop(e.index(0), count, pitch, [&](Value i) {
      Value inBlock = e.min(e.sub(count, i), e.index(pitch));
      e.loop(0, features.rows * pitch, e.lanes,
             [&](Value at) { e.store(e.splat(0.0, e.lanes), dphi, at); });
      emitPack(e, anchor, shape.w, pitch, u.from(e, i), columns, e.index(0),
               inBlock, e.index(pitch));
      if (shape.degree >= 2) {
        emitFeatures(e, anchor, features, pitch, x.from(e, i), phi, inBlock,
                     e.index(vectors));
        e.call(topKernel(), operands);
      }
      if (features.degree >= 2)
        e.call(lowerKernel(), operands);
      if (shape.degree == 1 || shape.degree >= 3 ||
          (shape.degree == 2 && !hasNest()))
        e.call(linearKernel(), operands);
      emitUnpack(e, anchor, shape.d, pitch, dphi, e.index(pitch), dx.from(e, i),
                 inBlock, shape.kept);
    });
  };
  Type b = e.bufferType(), i = e.b.getIndexType();
  return e.kernel(anchor, name("rows"),
                  {b, i, i, b, i, b, i, i, b, i, i, i, b, b, b}, body);
}

Reverser::Scratch Reverser::makeScratch() {
  int64_t rows =
      features.rows + (shape.degree >= 3 && hasNest() ? monomials : 0);
  Value phi = e.scratch(rows * pitch);
  Value dphi = e.scratch(features.rows * pitch);
  return {phi, dphi, e.scratch(shape.w * pitch)};
}

void Reverser::callRows(const Rows &x, Value g, Value at, const Rows &u,
                        const Rows &dx, Value count, const Scratch &scratch) {
  e.call(rowsKernel(),
         {x.buffer, x.at, x.stride, g, at, u.buffer, u.at, u.stride, dx.buffer,
          dx.at, dx.stride, count, scratch.phi, scratch.dphi, scratch.columns});
}

void Reverser::emit(const RowSpace &space, const Tall &x, Value g,
                    const Tall &u, const Tall &dx) {
  int64_t size = all.size * shape.w;
  forRows(e, space, [&](const RowUnit &unit) {
    Scratch scratch = makeScratch();
    Value kv = e.add(e.mul(unit.batch, shape.kvHeads),
                     e.div(unit.head, shape.group()));
    callRows(rowsOf(e, x, unit), g, e.mul(kv, size), rowsOf(e, u, unit),
             rowsOf(e, dx, unit), unit.count, scratch);
  });
}

void Reverser::emitChunks(const RowSpace &space, int64_t chunk, const Tall &x,
                          const ChunkStates &states, const Tall &u,
                          const Tall &dx) {
  forRows(e, space, [&](const RowUnit &unit) {
    Scratch scratch = makeScratch();
    Value head = e.div(unit.head, shape.group());
    forChunks(e, unit, chunk, /*reversed=*/false,
              [&](Value number, Value first, Value count) {
                callRows(rowsOfGroup(e, x, space, unit, first), states.buffer,
                         states.at(e, unit.batch, head, number),
                         rowsOfGroup(e, u, space, unit, first),
                         rowsOfGroup(e, dx, space, unit, first), count,
                         scratch);
              });
  });
}

void mlir::ropegrad::emitChunkReverse(Emitter &e, Operation *anchor,
                                      const ChunkShape &shape,
                                      const RowSpace &space, const Tall &x,
                                      const ChunkStates &states, const Tall &u,
                                      const Tall &dx) {
  Reverser(e, anchor, shape.features, std::min(shape.chunk, shape.features.n))
      .emitChunks(space, shape.chunk, x, states, u, dx);
}

void mlir::ropegrad::emitReverse(Emitter &e, Operation *anchor,
                                 const FeatureShape &shape,
                                 const RowSpace &space, const Tall &x, Value g,
                                 const Tall &u, const Tall &dx) {
  Reverser(e, anchor, shape, std::min(space.chunk, space.maxN))
      .emit(space, x, g, u, dx);
}
