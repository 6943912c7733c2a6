//===- FeaturesKronecker.cpp - The gradient w.r.t. X1 (x) X2 ---*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// With U_f[a] = Phi(q)^T (f A1[:,a] u) and V_f[b] likewise, f = cos or sin of
// the positions, <U_f[a], diag(c) V_h[b]> are the four products that make a
// rotary pair: cos(i-j) and sin(i-j) are of rank two.
//
//===----------------------------------------------------------------------===//

#include "passes/Features.h"
#include "passes/Rotary.h"

using namespace mlir;
using namespace mlir::ropegrad;

FailureOr<SmallVector<int64_t>>
mlir::ropegrad::supportColumns(Attribute position, int64_t d,
                               ArrayRef<int64_t> support) {
  auto columnOf = [&](int64_t row, int64_t column) -> int64_t {
    for (size_t i = 0; i + 1 < support.size(); i += 2)
      if (support[i] == row && support[i + 1] == column)
        return i / 2;
    return -1;
  };
  auto rotary = dyn_cast<RotaryAttr>(position);
  int64_t expected = rotary ? 4 * (d / 2) : d;
  SmallVector<int64_t> columns;
  for (int64_t p = 0; rotary && p < d / 2; ++p) {
    bool half = rotary.getLayout() == Layout::Half;
    int64_t a = half ? p : 2 * p, b = half ? p + d / 2 : 2 * p + 1;
    columns.append(
        {columnOf(a, a), columnOf(a, b), columnOf(b, a), columnOf(b, b)});
  }
  for (int64_t a = 0; !rotary && a < d; ++a)
    columns.push_back(columnOf(a, a));
  if (static_cast<int64_t>(support.size()) != 2 * expected ||
      (rotary && d % 2) || llvm::is_contained(columns, -1))
    return failure();
  if (!rotary)
    columns.clear();
  return columns;
}

namespace {
class KroneckerEmitter {
public:
  KroneckerEmitter(Emitter &e, Operation *anchor, const FeatureShape &shape,
                   Value n, int64_t channels, bool rotary);
  void clear();
  void emitPair(const KroneckerOperands &operands, ArrayRef<double> weights,
                Rotary *rotary, Value pair);
  /// The element of the Gram matrix for functions f, h and channels a, b.
  Value gramAt(int64_t f, int64_t h, Value a, Value b) {
    return e.load(gram, e.add(e.mul(e.add(a, f * channels), rows),
                              e.add(b, h * channels)));
  }

private:
  void emitSide(Value x, Value tall, Value factors, ArrayRef<double> weights,
                Value stack);
  void emitScaled(Value tall, Value factors, Value function, Value a,
                  Value from, Value count, Value scaled);
  void emitGram();

  Emitter &e;
  Operation *anchor;
  FeatureShape shape;
  Value n; ///< rows of the call
  int64_t channels;
  int64_t rows;      ///< functions × channels
  int64_t length;    ///< M·w
  int64_t pitch;     ///< of a row of a stack: the length, padded with zeros
  Value left, right; ///< (rows, pitch): all U and all V of a pair
  Value gram;        ///< (rows, rows)
  Value positions;   ///< (functions, n): cos and sin, or 1
  static constexpr int64_t unroll = 4;  ///< independent sums of a dot product
  static constexpr int64_t block = 512; ///< rows of a right-hand side at a time
};
} // namespace

KroneckerEmitter::KroneckerEmitter(Emitter &e, Operation *anchor,
                                   const FeatureShape &shape, Value n,
                                   int64_t channels, bool rotary)
    : e(e), anchor(anchor), shape(shape), n(n), channels(channels),
      rows((rotary ? 2 : 1) * channels),
      length(Features(shape.d, shape.degree).size * shape.w),
      pitch(llvm::alignTo(length, unroll * e.lanes)),
      left(e.scratch(rows * pitch)), right(e.scratch(rows * pitch)),
      gram(e.scratch(rows * rows)),
      positions(e.scratch((rotary ? 2 : 1) * shape.n)) {}

void KroneckerEmitter::clear() {
  e.loop(0, rows * pitch, e.lanes, [&](Value at) {
    Value zero = e.splat(0.0, e.lanes);
    e.store(zero, left, at);
    e.store(zero, right, at);
  });
}

/// scaled[i] = f(j) · factors[j, a] · tall[j], j = from + i.
void KroneckerEmitter::emitScaled(Value tall, Value factors, Value function,
                                  Value a, Value from, Value count,
                                  Value scaled) {
  e.loop(e.index(0), count, 1, [&](Value i) {
    Value j = e.add(from, i);
    Value position = e.load(positions, e.add(e.mul(function, shape.n), j));
    Value factor =
        e.mulf(position, e.load(factors, e.add(e.mul(j, channels), a)));
    Value row = e.mul(j, shape.w), to = e.mul(i, shape.w);
    e.loop(0, shape.w, 1, [&](Value c) {
      e.store(e.mulf(factor, e.load(tall, e.add(row, c))), scaled,
              e.add(to, c));
    });
  });
}

void KroneckerEmitter::emitSide(Value x, Value tall, Value factors,
                                ArrayRef<double> weights, Value stack) {
  e.parallel(e.index(rows), "", [&](Value row) {
    int64_t most = std::min(block, shape.n);
    Accumulator accumulator(e, anchor, shape, most);
    accumulator.makeScratch();
    Value sums = e.scratch(accumulator.sumsSize());
    Value scaled = e.scratch(most * shape.w);
    Value function = e.div(row, channels), a = e.rem(row, e.index(channels));
    accumulator.clear(sums, e.index(0));
    e.loop(e.index(0), n, most, [&](Value i) {
      Value count = e.min(e.sub(n, i), e.index(most));
      emitScaled(tall, factors, function, a, i, count, scaled);
      accumulator.add({x, e.mul(i, shape.d), e.index(shape.d)},
                      {scaled, e.index(0), e.index(shape.w)}, count, sums,
                      e.index(0));
    });
    accumulator.finish(weights, sums, e.index(0), stack, e.mul(row, pitch));
  });
}

/// gram = left · rightᵀ.
void KroneckerEmitter::emitGram() {
  auto body = [&](Emitter &e, ValueRange a) {
    SmallVector<Value> zeros(unroll, e.splat(0.0, e.lanes));
    e.loop(0, rows, 1, [&](Value i) {
      e.loop(0, rows, 1, [&](Value j) {
        Value l = e.mul(i, pitch), r = e.mul(j, pitch);
        SmallVector<Value> sums =
            e.loop(e.index(0), e.index(pitch), unroll * e.lanes, zeros,
                   [&](Value k, ValueRange sums) {
                     SmallVector<Value> next;
                     for (int64_t u = 0; u < unroll; ++u) {
                       Value at = e.add(k, u * e.lanes);
                       next.push_back(e.fma(e.load(a[0], e.add(l, at), e.lanes),
                                            e.load(a[1], e.add(r, at), e.lanes),
                                            sums[u]));
                     }
                     return next;
                   });
        Value sum = e.addf(e.addf(sums[0], sums[1]), e.addf(sums[2], sums[3]));
        e.store(e.reduceAdd(sum), a[2], e.add(e.mul(i, rows), j));
      });
    });
  };
  Type buffer = e.bufferType();
  std::string name =
      kernelName(e, "ropegrad_gram_" + Twine(rows) + "_" + Twine(pitch));
  e.call(e.kernel(anchor, name, {buffer, buffer, buffer}, body),
         {left, right, gram});
}

void KroneckerEmitter::emitPair(const KroneckerOperands &operands,
                                ArrayRef<double> weights, Rotary *rotary,
                                Value pair) {
  e.loop(e.index(0), n, 1, [&](Value i) {
    if (!rotary)
      return e.store(e.scalar(1.0), positions, i);
    auto [cosine, sine] = rotary->at(i, pair);
    auto rounded = [&](Value x) -> Value {
      if (e.element.isF64())
        return x;
      return arith::TruncFOp::create(e.b, e.loc, e.element, x);
    };
    e.store(rounded(cosine), positions, i);
    e.store(rounded(sine), positions, e.add(i, shape.n));
  });
  emitSide(operands.q, operands.u, operands.a1, {}, left);
  emitSide(operands.k, operands.v, operands.a2, weights, right);
  emitGram();
}

void mlir::ropegrad::emitKronecker(Emitter &e, Operation *anchor,
                                   const FeatureShape &shape, Value n,
                                   int64_t channels, ArrayRef<double> weights,
                                   Attribute position,
                                   ArrayRef<int64_t> columns,
                                   int64_t supportSize,
                                   const KroneckerOperands &operands) {
  auto rotary = dyn_cast<RotaryAttr>(position);
  KroneckerEmitter pairs(e, anchor, shape, n, channels, rotary != nullptr);
  auto forChannels = [&](function_ref<void(Value, Value, Value)> body) {
    e.loop(0, channels, 1, [&](Value a) {
      e.loop(0, channels, 1, [&](Value b) {
        Value row = e.add(e.mul(a, channels), b);
        body(a, b, e.mul(row, supportSize));
      });
    });
  };
  pairs.clear();
  if (!rotary) {
    pairs.emitPair(operands, weights, nullptr, Value());
    return forChannels([&](Value a, Value b, Value row) {
      Value sum = pairs.gramAt(0, 0, a, b);
      e.loop(0, supportSize, 1,
             [&](Value c) { e.store(sum, operands.out, e.add(row, c)); });
    });
  }
  Rotary tables(e, anchor, shape.n, shape.d,
                rotary.getBase().getValueAsDouble());
  Value columnTable = constantIndices(e, anchor, "ropegrad_support", columns);
  e.loop(0, shape.d / 2, 1, [&](Value pair) {
    pairs.emitPair(operands, weights, &tables, pair);
    forChannels([&](Value a, Value b, Value row) {
      Value cosine = e.addf(pairs.gramAt(0, 0, a, b), pairs.gramAt(1, 1, a, b));
      Value sine = e.subf(pairs.gramAt(1, 0, a, b), pairs.gramAt(0, 1, a, b));
      Value minus = arith::NegFOp::create(e.b, e.loc, sine);
      Value entries[] = {cosine, sine, minus, cosine}; // aa, ab, ba, bb
      for (auto [i, entry] : llvm::enumerate(entries)) {
        Value column = arith::IndexCastOp::create(
            e.b, e.loc, e.b.getIndexType(),
            e.load(columnTable, e.add(e.mul(pair, 4), i)));
        e.store(entry, operands.out, e.add(row, column));
      }
    });
  });
}
