//===- FeaturesBlock.cpp - Transposed blocks of rows -----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Transposes blocks of rows by trees of two-vector shuffles, and makes the
// monomials of a transposed block.
//
//===----------------------------------------------------------------------===//

#include "passes/Features.h"

using namespace mlir;
using namespace mlir::ropegrad;

//===----------------------------------------------------------------------===//
// Shuffles
//===----------------------------------------------------------------------===//

static Value shuffle(Emitter &e, Value a, Value b, ArrayRef<int64_t> mask) {
  return vector::ShuffleOp::create(e.b, e.loc, a, b, mask);
}

/// The `count` elements first, first + step, ... of [a, b].
static Value pick(Emitter &e, Value a, Value b, int64_t first, int64_t step,
                  int64_t count) {
  SmallVector<int64_t> mask;
  for (int64_t i = 0; i < count; ++i)
    mask.push_back(first + i * step);
  return shuffle(e, a, b, mask);
}

/// Alternating elements of a and b from `first` on.
static Value interleave(Emitter &e, Value a, Value b, int64_t first) {
  SmallVector<int64_t> mask;
  for (int64_t i = 0; i < e.lanes; ++i)
    mask.push_back(first + i / 2 + (i % 2) * e.lanes);
  return shuffle(e, a, b, mask);
}

/// One vector of all `parts`, a power of two of equal ones, in order.
static Value concatenate(Emitter &e, SmallVector<Value> parts) {
  while (parts.size() > 1) {
    SmallVector<Value> joined;
    int64_t width = cast<VectorType>(parts[0].getType()).getNumElements() * 2;
    for (size_t i = 0; i < parts.size(); i += 2)
      joined.push_back(pick(e, parts[i], parts[i + 1], 0, 1, width));
    parts.swap(joined);
  }
  return parts[0];
}

/// Transposes `lanes` rows × p columns (p > 1 a power of two) at `from`, rows
/// `stride` apart, to p columns, number i at to(i). Stage s moves bit s of
/// the column from the lane number to the vector number, and bit s of the
/// vector number (of the row) to the top of the lane number.
static void packPiece(Emitter &e, int64_t p, Value stride, Value rows,
                      Value from, Value block,
                      function_ref<Value(int64_t)> to) {
  int64_t perVector = e.lanes / p;
  SmallVector<Value> vectors;
  for (int64_t i = 0; i < p; ++i) {
    SmallVector<Value> parts;
    for (int64_t h = 0; h < perVector; ++h)
      parts.push_back(
          e.load(rows, e.add(from, e.mul(stride, i * perVector + h)), p));
    vectors.push_back(concatenate(e, parts));
  }
  for (int64_t bit = 1; bit < p; bit *= 2)
    for (int64_t i = 0; i < p; ++i)
      if (!(i & bit)) {
        Value a = vectors[i], b = vectors[i | bit];
        vectors[i] = pick(e, a, b, 0, 2, e.lanes);
        vectors[i | bit] = pick(e, a, b, 1, 2, e.lanes);
      }
  for (int64_t c = 0; c < p; ++c)
    e.store(vectors[c], block, to(c));
}

/// The inverse of packPiece, stages in reverse.
static void unpackPiece(Emitter &e, int64_t p, Value stride, Value block,
                        function_ref<Value(int64_t)> from, Value rows,
                        Value to) {
  SmallVector<Value> vectors;
  for (int64_t c = 0; c < p; ++c)
    vectors.push_back(e.load(block, from(c), e.lanes));
  for (int64_t bit = p / 2; bit > 0; bit /= 2)
    for (int64_t i = 0; i < p; ++i)
      if (!(i & bit)) {
        Value a = vectors[i], b = vectors[i | bit];
        vectors[i] = interleave(e, a, b, 0);
        vectors[i | bit] = interleave(e, a, b, e.lanes / 2);
      }
  int64_t perVector = e.lanes / p;
  for (int64_t r = 0; r < e.lanes; ++r) {
    Value part = vectors[r / perVector];
    if (p < e.lanes)
      part = pick(e, part, part, (r % perVector) * p, 1, p);
    e.store(part, rows, e.add(to, e.mul(stride, r)));
  }
}

//===----------------------------------------------------------------------===//
// Pack and unpack
//===----------------------------------------------------------------------===//

/// Loops over the column pieces of `width`: (first column, power of two).
static void forPieces(Emitter &e, int64_t width,
                      function_ref<void(Value, int64_t)> body) {
  int64_t full = width / e.lanes * e.lanes;
  if (full > 0)
    e.loop(0, full, e.lanes, [&](Value c) { body(c, e.lanes); });
  for (auto [c, p] : vectorPieces(width - full, e.lanes))
    body(e.index(full + c), p);
}

/// Where columns of rows lie in a block: in their order, or where `kept` has
/// their variables.
namespace {
class Columns {
public:
  Columns(Emitter &e, Operation *anchor, int64_t pitch, const Kept &kept)
      : e(e), pitch(pitch) {
    if (kept)
      places = constantIndices(e, anchor, "ropegrad_places_" + kept->name,
                               kept->places());
  }

  Value at(Value column) const {
    if (places)
      column = arith::IndexCastOp::create(e.b, e.loc, e.b.getIndexType(),
                                          e.load(places, column));
    return e.mul(column, pitch);
  }

private:
  Emitter &e;
  int64_t pitch;
  Value places;
};
} // namespace

static std::string nameOf(Emitter &e, StringRef what, int64_t width,
                          int64_t pitch, const Kept &kept) {
  return kernelName(e, "ropegrad_" + what + "_" + Twine(width) + "_" +
                           Twine(pitch) + (kept ? "_" + kept->name : ""));
}

void mlir::ropegrad::emitPack(Emitter &e, Operation *anchor, int64_t width,
                              int64_t pitch, const Rows &rows, Value block,
                              Value blockAt, Value count, Value padded,
                              const Kept &kept) {
  std::string name = nameOf(e, "pack", width, pitch, kept);
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  auto body = [&](Emitter &e, ValueRange a) {
    Value rows = a[0], at = a[1], stride = a[2], block = a[3], blockAt = a[4];
    Value count = a[5], padded = a[6];
    Columns columns(e, anchor, pitch, kept);
    Value full = e.mul(e.div(count, e.lanes), e.lanes);
    e.loop(e.index(0), full, e.lanes, [&](Value r) {
      Value row = e.add(at, e.mul(r, stride)), lane = e.add(blockAt, r);
      forPieces(e, width, [&](Value c, int64_t p) {
        Value from = e.add(row, c);
        auto to = [&](int64_t i) {
          return e.add(lane, columns.at(e.add(c, i)));
        };
        if (p > 1)
          return packPiece(e, p, stride, rows, from, block, to);
        Value column = to(0);
        e.loop(0, e.lanes, 1, [&](Value i) {
          e.store(e.load(rows, e.add(from, e.mul(i, stride))), block,
                  e.add(column, i));
        });
      });
    });
    e.loop(full, padded, 1, [&](Value r) {
      Value inside = arith::CmpIOp::create(e.b, e.loc,
                                           arith::CmpIPredicate::slt, r, count);
      // Never read beyond the rows: the last one stands for those.
      Value row = e.mul(e.min(r, e.sub(count, 1)), stride);
      e.loop(0, width, 1, [&](Value c) {
        Value x = e.load(rows, e.add(at, e.add(row, c)));
        x = arith::SelectOp::create(e.b, e.loc, inside, x, e.scalar(0.0));
        e.store(x, block, e.add(e.add(blockAt, r), columns.at(c)));
      });
    });
  };
  auto kernel = e.kernel(
      anchor, name, {buffer, index, index, buffer, index, index, index}, body);
  e.call(kernel,
         {rows.buffer, rows.at, rows.stride, block, blockAt, count, padded});
}

void mlir::ropegrad::emitUnpack(Emitter &e, Operation *anchor, int64_t width,
                                int64_t pitch, Value block, Value blockAt,
                                const Rows &rows, Value count,
                                const Kept &kept) {
  std::string name = nameOf(e, "unpack", width, pitch, kept);
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  auto body = [&](Emitter &e, ValueRange a) {
    Value block = a[0], blockAt = a[1], rows = a[2], at = a[3], stride = a[4];
    Value count = a[5], full = e.mul(e.div(count, e.lanes), e.lanes);
    Columns columns(e, anchor, pitch, kept);
    e.loop(e.index(0), full, e.lanes, [&](Value r) {
      Value row = e.add(at, e.mul(r, stride)), lane = e.add(blockAt, r);
      forPieces(e, width, [&](Value c, int64_t p) {
        Value to = e.add(row, c);
        auto from = [&](int64_t i) {
          return e.add(lane, columns.at(e.add(c, i)));
        };
        if (p > 1)
          return unpackPiece(e, p, stride, block, from, rows, to);
        Value column = from(0);
        e.loop(0, e.lanes, 1, [&](Value i) {
          e.store(e.load(block, e.add(column, i)), rows,
                  e.add(to, e.mul(i, stride)));
        });
      });
    });
    e.loop(full, count, 1, [&](Value r) {
      e.loop(0, width, 1, [&](Value c) {
        Value x = e.load(block, e.add(e.add(blockAt, r), columns.at(c)));
        e.store(x, rows, e.add(e.add(at, e.mul(r, stride)), c));
      });
    });
  };
  auto kernel = e.kernel(anchor, name,
                         {buffer, index, buffer, index, index, index}, body);
  e.call(kernel, {block, blockAt, rows.buffer, rows.at, rows.stride, count});
}

//===----------------------------------------------------------------------===//
// Monomials
//===----------------------------------------------------------------------===//

/// Row `to` = row `x` ∘ row `from` for `length` consecutive from and to.
static void multiplyRows(Emitter &e, int64_t pitch, Value block, Value x,
                         Value from, Value to, Value length, Value end) {
  int64_t vectors = pitch / e.lanes;
  auto product = [&](Value factor, Value i, Value r) {
    Value row = e.add(e.mul(i, pitch), r);
    Value source = e.load(block, e.add(from, row), e.lanes);
    e.store(e.mulf(factor, source), block, e.add(to, row));
  };
  auto factor = [&](Value r) { return e.load(block, e.add(x, r), e.lanes); };
  // A narrow block is always full, and x stays in registers.
  if (vectors <= 4) {
    SmallVector<Value> factors;
    for (int64_t v = 0; v < vectors; ++v)
      factors.push_back(factor(e.index(v * e.lanes)));
    return e.loop(e.index(0), length, 1, [&](Value i) {
      for (int64_t v = 0; v < vectors; ++v)
        product(factors[v], i, e.index(v * e.lanes));
    });
  }
  e.loop(e.index(0), length, 1, [&](Value i) {
    e.loop(e.index(0), end, e.lanes,
           [&](Value r) { product(factor(r), i, r); });
  });
}

/// Which rows are made depends on `stored` only, whatever the degree.
static std::string madeName(const Features &features) {
  return ("d" + Twine(features.variables) + "_s" + Twine(features.stored) +
          (features.kept ? "_" + features.kept->name : ""))
      .str();
}

/// Fills row 0 with ones and makes degrees 2..stored from the rows before.
static void makeFeatures(Emitter &e, Operation *anchor,
                         const Features &features, int64_t pitch, Value block,
                         Value vectors) {
  Value end = e.mul(vectors, e.lanes);
  e.loop(e.index(0), end, e.lanes,
         [&](Value r) { e.store(e.splat(1.0, e.lanes), block, r); });
  std::vector<Segment> made;
  for (int64_t k = 2; k <= features.stored; ++k)
    for (const Segment &segment : features.segments(k))
      made.push_back(segment);
  std::string name = "ropegrad_made_" + madeName(features);
  forSegments(
      e, anchor, name, made,
      [&](Value factor, Value source, Value length, Value target, Value) {
        multiplyRows(e, pitch, block, e.mul(factor, pitch),
                     e.mul(source, pitch), e.mul(target, pitch), length, end);
      });
}

void mlir::ropegrad::emitFeatures(Emitter &e, Operation *anchor,
                                  const Features &features, int64_t pitch,
                                  const Rows &x, Value block, Value count,
                                  Value vectors) {
  if (features.stored >= 1)
    emitPack(e, anchor, features.variables, pitch, x, block, e.index(pitch),
             count, e.mul(vectors, e.lanes), features.kept);
  std::string name = kernelName(e, "ropegrad_features_" + madeName(features) +
                                       "_" + Twine(pitch));
  auto kernel = e.kernel(anchor, name, {e.bufferType(), e.b.getIndexType()},
                         [&](Emitter &e, ValueRange a) {
                           makeFeatures(e, anchor, features, pitch, a[0], a[1]);
                         });
  e.call(kernel, {block, vectors});
}
