//===- PairTables.cpp - Toeplitz functions and their gradients -*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Distances in lanes: the prefactor, monomials of W, and what leads from the
// gradient of the functions back to bias and W.
//
//===----------------------------------------------------------------------===//

#include "passes/PairConvolution.h"

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

/// b(t) of one op, for every head of its table.
class Prefactor {
public:
  template <typename OpTy>
  Prefactor(Emitter &e, OpTy op, Value bias, int64_t n)
      : e(e), mask(op.getMask()), window(op.getWindow().value_or(0)),
        last(e.sub(rowsOfCall(e, op, n), 1)) {
    if (op.getAlibi())
      slopes.assign(op.getAlibi()->begin(), op.getAlibi()->end());
    if (llvm::all_of(slopes, [](double slope) { return slope == 0.0; }))
      slopes.clear();
    if (bias) {
      this->bias = e.flat(bias);
      biasHeads = bufferShape(bias).size() == 2 ? bufferShape(bias)[0] : 1;
    }
  }

  /// 2n − 1 of the call.
  Value distances() const { return e.add(e.mul(last, 2), 1); }

  /// b(t) at t = index − (n − 1) for a head of the table.
  Value at(Operation *anchor, Value head, Value index) {
    Value t = e.sub(index, last), log;
    if (bias) {
      Value row = biasHeads == 1 ? e.index(0) : e.mul(head, distances());
      log = e.load(bias, e.add(row, index));
    }
    if (!slopes.empty()) {
      Value distance = e.max(t, e.sub(e.index(0), t));
      Value decay = e.mulf(slope(anchor, head), toFloat(distance));
      log = log ? e.subf(log, decay) : e.subf(e.scalar(0.0), decay);
    }
    Value b = log ? e.exp(log) : e.scalar(1.0);
    return masked(t, b);
  }

private:
  Value slope(Operation *anchor, Value head) {
    if (slopes.size() == 1)
      return e.scalar(slopes[0]);
    return e.load(
        constantFloats(e, anchor, "ropegrad_pair_slopes", e.element, slopes),
        head);
  }

  Value toFloat(Value index) {
    Value integer =
        arith::IndexCastOp::create(e.b, e.loc, e.b.getI64Type(), index);
    return arith::SIToFPOp::create(e.b, e.loc, e.element, integer);
  }

  Value masked(Value t, Value b) {
    if (mask == Mask::None)
      return b;
    auto when = [&](arith::CmpIPredicate predicate, int64_t bound) {
      Value live =
          arith::CmpIOp::create(e.b, e.loc, predicate, t, e.index(bound));
      b = arith::SelectOp::create(e.b, e.loc, live, b, e.scalar(0.0));
    };
    when(arith::CmpIPredicate::sge, 0);
    if (mask == Mask::Window)
      when(arith::CmpIPredicate::slt, window);
    return b;
  }

  Emitter &e;
  Mask mask;
  int64_t window, biasHeads = 0;
  SmallVector<double> slopes;
  Value last, bias;
};

/// Exponents of W as tables: for each pair where its exponents start, and for
/// each exponent its factors and weight.
class Exponents {
public:
  Exponents(Emitter &e, Operation *anchor, const PairPolynomial &polynomial,
            int64_t entries)
      : e(e), each(std::max<int64_t>(polynomial.degree(), 1)) {
    const Pairs &pairs = *polynomial.pairs;
    std::vector<int64_t> all = ::ropegrad::monomialFactors(
        entries, static_cast<unsigned>(polynomial.degree()));
    SmallVector<int64_t> start{0}, chosen;
    for (const Pairs::Pair &pair : pairs.pairs)
      start.push_back(pair.last);
    for (int64_t number : pairs.exponents)
      chosen.append(all.begin() + number * each,
                    all.begin() + (number + 1) * each);
    starts = constantIndices(e, anchor, "ropegrad_pair_starts", start);
    factors = constantIndices(e, anchor, "ropegrad_pair_entries", chosen);
    weights = constantFloats(e, anchor, "ropegrad_pair_terms", e.element,
                             ArrayRef(pairs.weights));
    count = pairs.pairs.size();
  }

  /// Runs body(exponent, state) over the exponents of a pair.
  SmallVector<Value>
  forPair(Value pair, ValueRange state,
          function_ref<SmallVector<Value>(Value, ValueRange)> body) {
    return e.loop(number(starts, pair), number(starts, e.add(pair, 1)), 1,
                  state, body);
  }
  Value weight(Value exponent) {
    return e.broadcast(e.load(weights, exponent), e.lanes);
  }
  /// Offsets in a tile of W.
  SmallVector<Value> factorsOf(Value exponent) {
    SmallVector<Value> result;
    for (int64_t f = 0; f < each; ++f)
      result.push_back(
          e.mul(number(factors, e.add(e.mul(exponent, each), f)), e.lanes));
    return result;
  }

  int64_t count; ///< pairs

private:
  Value number(Value table, Value at) {
    return arith::IndexCastOp::create(e.b, e.loc, e.b.getIndexType(),
                                      e.load(table, at));
  }
  Emitter &e;
  int64_t each;
  Value starts, factors, weights;
};

/// Tiles of distances: runs `body` (first, number of distances) in parallel.
void forDistanceTiles(Emitter &e, Value distances,
                      function_ref<void(Value, Value)> body) {
  Value tiles = e.div(e.add(distances, e.lanes - 1), e.lanes);
  e.parallel(tiles, "", [&](Value tile) {
    Value first = e.mul(tile, e.lanes);
    body(first, e.min(e.index(e.lanes), e.sub(distances, first)));
  });
}

/// The first `count` lanes of a scratch tile to or from a buffer.
void copyLanes(Emitter &e, Slice from, Slice to, Value count) {
  e.loop(e.index(0), count, 1, [&](Value lane) {
    e.store(e.load(from.buffer, e.add(from.offset, lane)), to.buffer,
            e.add(to.offset, lane));
  });
}

/// A tile of W: ones, its entries, zeros.
Slice packEntries(Emitter &e, Operation *anchor, Value w, int64_t entries,
                  Value first, Value count) {
  Slice tile{e.scratch((entries + 2) * e.lanes), e.index(0)};
  e.store(e.splat(1.0, e.lanes), tile.buffer, e.index(0));
  Rows rows{w, e.mul(first, entries), e.index(entries)};
  emitPack(e, anchor, entries, e.lanes, rows, tile.buffer, e.index(e.lanes),
           count, e.index(e.lanes));
  e.store(e.splat(0.0, e.lanes), tile.buffer, e.index((entries + 1) * e.lanes));
  return tile;
}

/// b of every head for a tile of distances, 0 beyond the last: heads vectors.
Value packPrefactor(Emitter &e, Operation *anchor, Prefactor &prefactor,
                    int64_t heads, Value first, Value count) {
  Value tile = e.scratch(heads * e.lanes);
  e.loop(0, heads, 1, [&](Value head) {
    Value at = e.mul(head, e.lanes);
    e.store(e.splat(0.0, e.lanes), tile, at);
    e.loop(e.index(0), count, 1, [&](Value lane) {
      e.store(prefactor.at(anchor, head, e.add(first, lane)), tile,
              e.add(at, lane));
    });
  });
  return tile;
}

} // namespace

LogicalResult mlir::ropegrad::lowerPairTable(Emitter &e, PairTableOp op) {
  ArrayRef<int64_t> shape = bufferShape(op.getOuts()[0]);
  int64_t heads = shape[0], n = (shape[2] + 1) / 2;
  PairPolynomial polynomial = polynomialOf(op, op.getD());
  if (failed(checkPairs(op, op.getOuts()[0], polynomial)))
    return failure();
  size_t matrices = op.getSupport() ? 1 : 0;
  Value bias = op.getIns().size() > matrices ? Value(op.getIns()[0]) : Value();
  Prefactor prefactor(e, op, bias, n);
  Value out = e.flat(op.getOuts()[0]);
  if (!matrices) {
    forDistanceTiles(e, prefactor.distances(), [&](Value first, Value count) {
      e.loop(0, heads, 1, [&](Value head) {
        e.loop(e.index(0), count, 1, [&](Value lane) {
          Value index = e.add(first, lane);
          e.store(prefactor.at(op, head, index), out,
                  e.add(e.mul(head, shape[2]), index));
        });
      });
    });
    return success();
  }
  Value w = e.flat(op.getIns().back());
  int64_t entries = bufferShape(op.getIns().back())[1];
  Exponents exponents(e, op, polynomial, entries);
  forDistanceTiles(e, prefactor.distances(), [&](Value first, Value count) {
    Value b = packPrefactor(e, op, prefactor, heads, first, count);
    Slice tile = packEntries(e, op, w, entries, first, count);
    Value result = e.scratch(e.lanes);
    if (auto column = op.getColumnAttr())
      e.loop(0, heads, 1, [&](Value head) {
        Value at = e.mul(head, e.lanes);
        Value entry = e.load(tile.buffer,
                             e.index((column.getInt() + 1) * e.lanes), e.lanes);
        e.store(e.mulf(e.load(b, at, e.lanes), entry), b, at);
      });
    e.loop(0, exponents.count, 1, [&](Value pair) {
      Value zero = e.splat(0.0, e.lanes);
      Value t =
          exponents
              .forPair(pair, zero,
                       [&](Value i, ValueRange sum) -> SmallVector<Value> {
                         Value term = exponents.weight(i);
                         for (Value factor : exponents.factorsOf(i))
                           term = e.mulf(term,
                                         e.load(tile.buffer, factor, e.lanes));
                         return {e.addf(sum[0], term)};
                       })
              .front();
      e.loop(0, heads, 1, [&](Value head) {
        Value ofHead = e.load(b, e.mul(head, e.lanes), e.lanes);
        e.store(e.mulf(t, ofHead), result, e.index(0));
        Value row = e.add(e.mul(head, exponents.count), pair);
        copyLanes(e, {result, e.index(0)},
                  {out, e.add(e.mul(row, shape[2]), first)}, count);
      });
    });
  });
  return success();
}

LogicalResult mlir::ropegrad::lowerPairBiasGradient(Emitter &e,
                                                    PairBiasGradientOp op) {
  ArrayRef<int64_t> shape = bufferShape(op.getIns()[0]);
  ArrayRef<int64_t> result = bufferShape(op.getOuts()[0]);
  int64_t n = (shape[2] + 1) / 2, heads = result.size() == 2 ? result[0] : 1;
  int64_t members = shape[0] / heads;
  Value t = e.flat(op.getIns()[0]), r = e.flat(op.getIns()[1]);
  Value more = op.getIns().size() == 3 ? e.flat(op.getIns()[2]) : Value();
  Value out = e.flat(op.getOuts()[0]);
  Value distances = e.sub(e.mul(rowsOfCall(e, op, n), 2), 1);
  forDistanceTiles(e, distances, [&](Value first, Value count) {
    e.loop(0, heads, 1, [&](Value head) {
      e.loop(e.index(0), count, 1, [&](Value lane) {
        Value index = e.add(first, lane);
        Value to = e.add(e.mul(head, distances), index);
        Value start = e.mul(head, members * shape[1]);
        Value sum = more ? e.load(more, to) : e.scalar(0.0);
        sum = e.loop(e.index(0), e.index(members * shape[1]), 1, sum,
                     [&](Value p, ValueRange state) -> SmallVector<Value> {
                       Value at =
                           e.add(e.mul(e.add(start, p), shape[2]), index);
                       return {e.fma(e.load(t, at), e.load(r, at), state[0])};
                     })
                  .front();
        e.store(sum, out, to);
      });
    });
  });
  return success();
}

LogicalResult mlir::ropegrad::lowerPairTableReverse(Emitter &e,
                                                    PairTableReverseOp op) {
  ArrayRef<int64_t> shape = bufferShape(op.getIns()[0]);
  int64_t heads = shape[0], n = (shape[2] + 1) / 2;
  PairPolynomial polynomial = polynomialOf(op, op.getD());
  if (failed(checkPairs(op, op.getIns()[0], polynomial)))
    return failure();
  size_t wAt = op.getBiased() ? 2 : 1;
  Prefactor prefactor(e, op, op.getBiased() ? Value(op.getIns()[1]) : Value(),
                      n);
  Value r = e.flat(op.getIns()[0]), w = e.flat(op.getIns()[wAt]);
  Value more =
      op.getIns().size() > wAt + 1 ? e.flat(op.getIns()[wAt + 1]) : Value();
  Value out = e.flat(op.getOuts()[0]);
  int64_t entries = bufferShape(op.getOuts()[0])[1];
  Exponents exponents(e, op, polynomial, entries);
  forDistanceTiles(e, prefactor.distances(), [&](Value first, Value count) {
    Value b = packPrefactor(e, op, prefactor, heads, first, count);
    Slice tile = packEntries(e, op, w, entries, first, count);
    Slice sums{e.scratch((entries + 2) * e.lanes), e.index(0)};
    Value ofPair = e.scratch(e.lanes);
    e.loop(0, (entries + 2) * e.lanes, e.lanes,
           [&](Value at) { e.store(e.splat(0.0, e.lanes), sums.buffer, at); });
    e.store(e.splat(0.0, e.lanes), ofPair, e.index(0));
    e.loop(0, exponents.count, 1, [&](Value pair) {
      Value zero = e.splat(0.0, e.lanes);
      Value s = e.loop(e.index(0), e.index(heads), 1, zero,
                       [&](Value head, ValueRange sum) -> SmallVector<Value> {
                         Value row = e.add(e.mul(head, exponents.count), pair);
                         copyLanes(e, {r, e.add(e.mul(row, shape[2]), first)},
                                   {ofPair, e.index(0)}, count);
                         return {e.fma(e.load(ofPair, e.index(0), e.lanes),
                                       e.load(b, e.mul(head, e.lanes), e.lanes),
                                       sum[0])};
                       })
                    .front();
      exponents.forPair(
          pair, ValueRange(), [&](Value i, ValueRange) -> SmallVector<Value> {
            emitReverseProduct(e, exponents.factorsOf(i),
                               e.mulf(s, exponents.weight(i)), tile, sums);
            return {};
          });
    });
    Rows rows{out, e.mul(first, entries), e.index(entries)};
    emitUnpack(e, op, entries, e.lanes, sums.buffer, e.index(e.lanes), rows,
               count);
    if (more)
      e.loop(rows.at, e.add(rows.at, e.mul(count, entries)), 1, [&](Value at) {
        e.store(e.addf(e.load(out, at), e.load(more, at)), out, at);
      });
  });
  return success();
}
