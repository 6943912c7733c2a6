//===- PairMatrices.cpp - Products with pairs of monomials -----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// With a general W the transforms of all monomials of keys meet at every
// frequency: a sparse matrix of spectra between transforms there and back. Head
// by head, in three steps over all threads: columns, frequencies, columns. In
// the second, frequencies are in lanes and what a tile of them holds in cache.
//
//===----------------------------------------------------------------------===//

#include "passes/PairMatrices.h"

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

/// (real, imaginary) parts of as many frequencies as a vector has lanes.
struct Frequencies {
  Value re, im;
};

/// Columns of one side of one level, and the blocks that hold them: piece by
/// piece, block by block.
struct Side {
  PairColumns columns;
  Value buffer;
  int64_t pieceSize, blockStride;

  Side(Emitter &e, Operation *anchor, const PairPolynomial &polynomial,
       bool right, const ToeplitzLevel &level, int64_t width, int64_t pieces)
      : columns(e, anchor, polynomial, right, level.fourier, width),
        blockStride(blockSize(e, level.fourier)) {
    pieceSize = columns.lanes.blocks() * blockStride;
    buffer = e.scratch(pieces * pieceSize);
  }
  Slice block(Emitter &e, Value piece, Value number) const {
    return {buffer, e.add(e.mul(piece, pieceSize), e.mul(number, blockStride))};
  }
  /// Floats of all columns of a tile of frequencies.
  int64_t tileSize(Emitter &e) const {
    return columns.lanes.blocks() * e.lanes * 2 * e.lanes;
  }
};

/// What products and correlations have in common.
class PairMatrix {
public:
  PairMatrix(Emitter &e, Operation *op, const PairPolynomial &polynomial,
             const ToeplitzBlocks &blocks, const PairRows &rows, int64_t width)
      : e(e), op(op), polynomial(polynomial), pairs(*polynomial.pairs),
        blocks(blocks), rows(rows), width(width),
        columns(llvm::divideCeil(width, 2)) {}

protected:
  /// Pieces of a level that a call, or the longest one, has.
  int64_t maxPieces(const ToeplitzLevel &level) const {
    int64_t from = level.first * level.size, step = level.step * level.size;
    int64_t n = rows.x.maxN;
    return n <= from ? 1 : llvm::divideCeil(n - from, step);
  }
  Value pieces(const ToeplitzLevel &level) {
    int64_t from = level.first * level.size, step = level.step * level.size;
    Value rest = e.max(e.sub(rows.x.n, from), e.index(0));
    return e.div(e.add(rest, step - 1), step);
  }
  /// Piece number `number`, of which `side` has rows that start at the second.
  std::pair<Value, Value> piece(const ToeplitzLevel &level, Value number,
                                bool ofColumns) {
    int64_t from = level.first * level.size, step = level.step * level.size;
    Value row = e.add(e.mul(number, step), from);
    if (ofColumns)
      row = e.sub(row, level.distance);
    Value count = e.min(e.sub(rows.x.n, row), e.index(level.size));
    return {row, e.div(e.add(count, e.lanes - 1), e.lanes)};
  }

  /// Step one: products of monomials and columns, transformed.
  void transform(const ToeplitzLevel &level, Side &side, bool ofColumns,
                 const Panels &x, const Panels &factor, Value batch,
                 Value head) {
    int64_t number = side.columns.lanes.blocks();
    e.parallel(e.mul(pieces(level), number), "", [&](Value unit) {
      Value which = e.div(unit, number), block = e.rem(unit, e.index(number));
      auto [row, tiles] = piece(level, which, ofColumns);
      Value work = e.scratch(workSize(e, level.fourier));
      Slice to = side.block(e, which, block);
      side.columns.gather(x.at(batch, head, row), factor.at(batch, head, row),
                          e.mul(block, e.lanes), tiles, to, false);
      side.columns.clear(to, e.mul(tiles, e.lanes),
                         e.index(level.fourier.touched(level.size)));
      emitForward(e, op, level.fourier, to, work, level.size);
    });
  }

  Frequencies load(Value buffer, Value at) {
    return {e.load(buffer, at, e.lanes),
            e.load(buffer, e.add(at, e.lanes), e.lanes)};
  }
  void store(const Frequencies &x, Value buffer, Value at) {
    e.store(x.re, buffer, at);
    e.store(x.im, buffer, e.add(at, e.lanes));
  }
  /// From or to pairs (real, imaginary).
  Frequencies loadPairs(Value buffer, Value at) {
    Frequencies x = load(buffer, at);
    return {shuffle(x, 0, 2), shuffle(x, 1, 2)};
  }
  void storePairs(const Frequencies &x, Value buffer, Value at) {
    SmallVector<int64_t> low, high;
    for (int64_t i = 0; i < e.lanes / 2; ++i) {
      low.append({i, e.lanes + i});
      high.append({e.lanes / 2 + i, e.lanes + e.lanes / 2 + i});
    }
    store({vector::ShuffleOp::create(e.b, e.loc, x.re, x.im, low),
           vector::ShuffleOp::create(e.b, e.loc, x.re, x.im, high)},
          buffer, at);
  }
  Value shuffle(const Frequencies &x, int64_t first, int64_t step) {
    SmallVector<int64_t> mask;
    for (int64_t i = 0; i < e.lanes; ++i)
      mask.push_back(first + i * step);
    return vector::ShuffleOp::create(e.b, e.loc, x.re, x.im, mask);
  }
  Value number(Value table, Value at) {
    return arith::IndexCastOp::create(e.b, e.loc, e.b.getIndexType(),
                                      e.load(table, at));
  }
  Value negate(Value x) { return arith::NegFOp::create(e.b, e.loc, x); }
  std::string name(const Twine &what, const ToeplitzLevel &level) {
    return kernelName(e, "ropegrad_pair_" + what + "_w" + Twine(width) + "_l" +
                             Twine(level.fourier.length) + "_" + fingerprint());
  }
  std::string fingerprint() {
    uint64_t hash = 0xcbf29ce484222325;
    for (const Pairs::Pair &pair : pairs.pairs)
      for (int64_t value : {pair.left, pair.right})
        hash = (hash ^ static_cast<uint64_t>(value)) * 0x100000001b3;
    return llvm::utohexstr(hash);
  }
  /// Sequential loops over batch entries, heads of x and members.
  void forHeadsInTurn(function_ref<void(Value, Value, Value)> body) {
    e.loop(e.index(0), rows.x.batch, 1, [&](Value batch) {
      e.loop(0, rows.x.heads, 1, [&](Value head) {
        e.loop(0, rows.members(), 1,
               [&](Value member) { body(batch, head, member); });
      });
    });
  }

  Emitter &e;
  Operation *op;
  const PairPolynomial &polynomial;
  const Pairs &pairs;
  const ToeplitzBlocks &blocks;
  const PairRows &rows;
  int64_t width;
  int64_t columns; ///< complex ones of a monomial
};

/// pair_apply, and pair_reverse where there is a u.
class MatrixProduct : PairMatrix {
public:
  MatrixProduct(Emitter &e, Operation *op, const PairPolynomial &polynomial,
                const ToeplitzBlocks &blocks, const PairRows &rows,
                int64_t width, bool reverse)
      : PairMatrix(e, op, polynomial, blocks, rows, width), isReverse(reverse) {
  }

  void emit(const PairProductOperands &in) {
    Panels x(e, rows.x, polynomial.d, true), y(e, rows.y, polynomial.d, true);
    Panels factor(e, rows.y, width, false);
    x.pack(op, in.x);
    y.pack(op, in.y);
    factor.pack(op, in.factor);
    std::optional<Panels> u;
    if (isReverse) {
      u.emplace(e, rows.x, width, false);
      u->pack(op, in.u);
    }
    SmallVector<Side> from, to;
    int64_t fewest = INT64_MAX;
    for (const ToeplitzLevel &level : blocks.levels) {
      int64_t pieces = maxPieces(level);
      from.emplace_back(e, op, polynomial, !rows.transposed, level, width,
                        pieces);
      to.emplace_back(e, op, polynomial, rows.transposed, level, width, pieces);
      fewest = std::min(fewest, to.back().columns.lanes.blocks());
    }
    parts = std::min<int64_t>(fewest, 8);
    PairSums out(e, rows.x, isReverse ? polynomial.d + 2 : width + 1, parts);
    std::optional<PairSums> sums;
    if (in.sums)
      sums.emplace(e, rows.x, width + 1, parts);
    Value all = e.mul(e.mul(rows.x.batch, rows.x.heads), parts);
    e.parallel(all, "", [&](Value index) {
      Value head = e.div(index, parts), part = e.rem(index, e.index(parts));
      Value batch = e.div(head, rows.x.heads);
      head = e.rem(head, e.index(rows.x.heads));
      out.clear(batch, head, part);
      if (sums)
        sums->clear(batch, head, part);
    });
    forHeadsInTurn([&](Value batch, Value head, Value member) {
      Value yHead = rows.yHead(e, head, member);
      Value table = rows.table(e, rows.queryHead(e, head, member));
      for (auto [i, level] : llvm::enumerate(blocks.levels)) {
        transform(level, from[i], !rows.transposed, y, factor, batch, yHead);
        Value spectra =
            e.add(e.mul(table, static_cast<int64_t>(pairs.pairs.size()) *
                                   blocks.spectrumSize()),
                  level.spectrumAt);
        multiply(level, from[i], to[i], in.spectra, spectra);
        finish(level, to[i], x, u, out, sums, batch, head);
      }
    });
    out.finish(op, in.out, isReverse ? 1 : 0);
    if (sums)
      sums->finish(op, *in.sums, 0);
  }

private:
  /// Step two: the sparse matrix at all frequencies.
  void multiply(const ToeplitzLevel &level, Side &from, Side &to, Value spectra,
                Value spectraAt) {
    int64_t tiles = level.fourier.length / e.lanes;
    func::FuncOp kernel = productKernel(level);
    e.parallel(e.mul(pieces(level), tiles), "", [&](Value unit) {
      Value which = e.div(unit, tiles), tile = e.rem(unit, e.index(tiles));
      Value x = e.scratch(from.tileSize(e)), y = e.scratch(to.tileSize(e));
      from.columns.unpack(from.block(e, which, e.index(0)), tile,
                          {x, e.index(0)});
      Value at = e.add(spectraAt, e.mul(tile, 2 * e.lanes));
      e.call(kernel, {x, spectra, at, y});
      to.columns.pack({y, e.index(0)}, tile, to.block(e, which, e.index(0)));
    });
  }

  /// Pairs in the order of the monomials of x: where those of each start, and
  /// (number of the pair, monomial of y) of each.
  void tables(SmallVector<int64_t> &starts, SmallVector<int64_t> &entries) {
    int64_t count = (rows.transposed ? pairs.right : pairs.left).size();
    starts.push_back(0);
    for (int64_t monomial = 0; monomial < count; ++monomial) {
      for (auto [number, pair] : llvm::enumerate(pairs.pairs))
        if ((rows.transposed ? pair.right : pair.left) == monomial)
          entries.append({static_cast<int64_t>(number),
                          rows.transposed ? pair.left : pair.right});
      starts.push_back(static_cast<int64_t>(entries.size()) / 2);
    }
  }

  /// (x, spectra, at, y): y = T x for one tile of frequencies.
  func::FuncOp productKernel(const ToeplitzLevel &level) {
    std::string suffix = rows.transposed ? "transposed" : "product";
    auto body = [&](Emitter &, ValueRange a) {
      SmallVector<int64_t> startValues, entryValues;
      tables(startValues, entryValues);
      Value starts = constantIndices(
          e, op, "ropegrad_pair_starts_" + suffix + fingerprint(), startValues);
      Value entries = constantIndices(
          e, op, "ropegrad_pair_entries_" + suffix + fingerprint(),
          entryValues);
      e.loop(0, static_cast<int64_t>(startValues.size()) - 1, 1,
             [&](Value monomial) {
               Value from = number(starts, monomial);
               Value to = number(starts, e.add(monomial, 1));
               constexpr int64_t most = 5; // accumulators stay in registers
               int64_t groups = llvm::divideCeil(columns, most);
               int64_t each = llvm::divideCeil(columns, groups);
               for (int64_t first = 0; first < columns; first += each)
                 emitRow(a, entries, from, to, monomial, first,
                         std::min(each, columns - first),
                         static_cast<double>(level.fourier.length));
             });
      // What stands in no column must be a number all the same.
      int64_t used = (static_cast<int64_t>(startValues.size()) - 1) * columns;
      int64_t all = llvm::alignTo(used, e.lanes);
      e.loop(used * 2 * e.lanes, all * 2 * e.lanes, e.lanes,
             [&](Value at) { e.store(e.splat(0.0, e.lanes), a[3], at); });
    };
    Type b = e.bufferType(), i = e.b.getIndexType();
    return e.kernel(op, name(suffix, level), {b, b, i, b}, body);
  }

  /// Columns [first, first + count) of one monomial of x.
  void emitRow(ValueRange a, Value entries, Value from, Value to,
               Value monomial, int64_t first, int64_t count, double factor) {
    SmallVector<Value> zeros(2 * count, e.splat(0.0, e.lanes));
    auto step = [&](Value i, ValueRange state) {
      SmallVector<Value> next(state);
      Value pair = number(entries, e.mul(i, 2));
      Value other = number(entries, e.add(e.mul(i, 2), 1));
      Frequencies t =
          loadPairs(a[1], e.add(a[2], e.mul(pair, blocks.spectrumSize())));
      if (rows.transposed)
        t.im = negate(t.im);
      Value minus = negate(t.im);
      for (int64_t c = 0; c < count; ++c) {
        Frequencies x = load(a[0], columnAt(other, first + c));
        Value &re = next[2 * c], &im = next[2 * c + 1];
        re = e.fma(t.re, x.re, re);
        im = e.fma(t.re, x.im, im);
        re = e.fma(minus, x.im, re);
        im = e.fma(t.im, x.re, im);
      }
      return next;
    };
    SmallVector<Value> sums = e.loop(from, to, 1, zeros, step);
    Value scale = e.splat(factor, e.lanes);
    for (int64_t c = 0; c < count; ++c)
      store({e.mulf(sums[2 * c], scale), e.mulf(sums[2 * c + 1], scale)}, a[3],
            columnAt(monomial, first + c));
  }

  /// Where a column stands in a tile of frequencies.
  Value columnAt(Value monomial, int64_t column) {
    return e.mul(e.add(e.mul(monomial, columns), column), 2 * e.lanes);
  }

  /// Step three: back, times the monomials of x.
  void finish(const ToeplitzLevel &level, Side &to, const Panels &x,
              const std::optional<Panels> &u, const PairSums &out,
              const std::optional<PairSums> &sums, Value batch, Value head) {
    int64_t number = to.columns.lanes.blocks();
    int64_t each = llvm::divideCeil(number, parts);
    e.parallel(e.mul(pieces(level), parts), "", [&](Value unit) {
      Value which = e.div(unit, parts), part = e.rem(unit, e.index(parts));
      auto [row, tiles] = piece(level, which, rows.transposed);
      Value work = e.scratch(workSize(e, level.fourier));
      Value first = e.mul(part, each);
      Value last = e.min(e.add(first, each), e.index(number));
      Slice xs = x.at(batch, head, row);
      Slice result = out.at(batch, head, part, row);
      Slice us = u ? u->at(batch, head, row) : Slice();
      auto wide = [&](Slice panel) {
        return ColumnPanels{panel, e.index(0), width + 1};
      };
      std::optional<ColumnPanels> also;
      if (sums)
        also = wide(sums->at(batch, head, part, row));
      Value count = tiles;
      e.loop(first, last, 1, [&](Value block) {
        Slice at = to.block(e, which, block);
        emitInverse(e, op, level.fourier, at, work, level.size);
        Value lane = e.mul(block, e.lanes);
        if (isReverse)
          to.columns.reverse(at, lane, count, xs, us, result, also, e.index(0));
        else
          to.columns.scatter(at, lane, count, xs, wide(result), e.index(0));
      });
    });
  }

  bool isReverse;
  int64_t parts = 1;
};

/// pair_correlate.
class MatrixCorrelation : PairMatrix {
public:
  using PairMatrix::PairMatrix;

  void emit(const Tall &q, const Tall &k, const Tall &u, const Tall &v,
            Value out) {
    Panels qs(e, rows.x, polynomial.d, true), ks(e, rows.y, polynomial.d, true);
    Panels us(e, rows.x, width, false), vs(e, rows.y, width, false);
    qs.pack(op, q);
    us.pack(op, u);
    ks.pack(op, k);
    vs.pack(op, v);
    auto count = static_cast<int64_t>(pairs.pairs.size());
    SmallVector<Side> left, right;
    SmallVector<Value> sums;
    for (const ToeplitzLevel &level : blocks.levels) {
      int64_t pieces = maxPieces(level), length = level.fourier.length;
      left.emplace_back(e, op, polynomial, false, level, width, pieces);
      right.emplace_back(e, op, polynomial, true, level, width, pieces);
      int64_t size = rows.spectra * count * 2 * length;
      sums.push_back(e.scratch(size));
      Value buffer = sums.back();
      e.parallel(e.index(rows.spectra * count), "", [&](Value pair) {
        Value at = e.mul(pair, 2 * length);
        e.loop(0, 2 * length, e.lanes, [&](Value i) {
          e.store(e.splat(0.0, e.lanes), buffer, e.add(at, i));
        });
      });
    }
    forHeadsInTurn([&](Value batch, Value head, Value member) {
      Value kHead = rows.yHead(e, head, member);
      Value table = e.mul(rows.table(e, head), count);
      for (auto [i, level] : llvm::enumerate(blocks.levels)) {
        transform(level, left[i], false, qs, us, batch, head);
        transform(level, right[i], true, ks, vs, batch, kHead);
        Value at = e.mul(table, 2 * level.fourier.length);
        multiply(level, left[i], right[i], {sums[i], at});
      }
    });
    emitBack(sums, out, count);
  }

private:
  void multiply(const ToeplitzLevel &level, Side &left, Side &right,
                Slice sums) {
    int64_t tiles = level.fourier.length / e.lanes;
    func::FuncOp kernel = correlationKernel(level);
    // None in a call without pieces. Never a constant: a loop of one unit would
    // be unrolled, and its scratch with it, into the loop over heads.
    Value units = e.min(e.index(tiles), e.mul(pieces(level), tiles));
    e.parallel(units, "", [&](Value tile) {
      Value x = e.scratch(left.tileSize(e)), y = e.scratch(right.tileSize(e));
      Value at = e.add(sums.offset, e.mul(tile, 2 * e.lanes));
      e.loop(e.index(0), pieces(level), 1, [&](Value which) {
        left.columns.unpack(left.block(e, which, e.index(0)), tile,
                            {x, e.index(0)});
        right.columns.unpack(right.block(e, which, e.index(0)), tile,
                             {y, e.index(0)});
        e.call(kernel, {x, y, sums.buffer, at});
      });
    });
  }

  /// (x, y, sums, at): sums += x conj(y) summed over columns, for every pair
  /// and one tile of frequencies.
  func::FuncOp correlationKernel(const ToeplitzLevel &level) {
    auto body = [&](Emitter &, ValueRange a) {
      SmallVector<int64_t> members;
      for (const Pairs::Pair &pair : pairs.pairs)
        members.append({pair.left, pair.right});
      Value table = constantIndices(
          e, op, "ropegrad_pair_members_" + fingerprint(), members);
      e.loop(0, static_cast<int64_t>(pairs.pairs.size()), 1, [&](Value pair) {
        Value left = number(table, e.mul(pair, 2));
        Value right = number(table, e.add(e.mul(pair, 2), 1));
        int64_t size = columns * 2 * e.lanes;
        Value zero = e.splat(0.0, e.lanes);
        Value xAt = e.mul(left, size), yAt = e.mul(right, size);
        SmallVector<Value> sum = e.loop(
            e.index(0), e.index(size), 2 * e.lanes, {zero, zero},
            [&](Value c, ValueRange state) -> SmallVector<Value> {
              Frequencies x = load(a[0], e.add(xAt, c));
              Frequencies y = load(a[1], e.add(yAt, c));
              Value re = e.fma(x.re, y.re, state[0]);
              Value im = e.fma(x.im, y.re, state[1]);
              return {e.fma(x.im, y.im, re), e.fma(negate(x.re), y.im, im)};
            });
        Value to = e.add(a[3], e.mul(pair, 2 * level.fourier.length));
        Frequencies old = loadPairs(a[2], to);
        storePairs({e.addf(old.re, sum[0]), e.addf(old.im, sum[1])}, a[2], to);
      });
    };
    Type b = e.bufferType(), i = e.b.getIndexType();
    return e.kernel(op, name("correlate", level), {b, b, b, i}, body);
  }

  void emitBack(ArrayRef<Value> sums, Value out, int64_t count) {
    int64_t distances = 2 * rows.x.maxN - 1;
    int64_t groups = llvm::divideCeil(count, e.lanes);
    e.parallel(e.index(rows.spectra * groups), "", [&](Value unit) {
      Value table = e.div(unit, groups);
      Value first = e.mul(e.rem(unit, e.index(groups)), e.lanes);
      Value members = e.min(e.sub(e.index(count), first), e.index(e.lanes));
      first = e.add(e.mul(table, count), first);
      Value base = e.mul(first, distances);
      e.loop(base, e.add(base, e.mul(members, distances)), 1,
             [&](Value at) { e.store(e.scalar(0.0), out, at); });
      for (auto [i, level] : llvm::enumerate(blocks.levels)) {
        const Fourier &f = level.fourier;
        Slice block{e.scratch(blockSize(e, f)), e.index(0)};
        Value work = e.scratch(workSize(e, f));
        emitSpread(e, op, f, {sums[i], e.mul(first, 2 * f.length)}, members,
                   block);
        emitInverse(e, op, f, block, work, f.length);
        e.loop(e.index(0), members, 1, [&, &level = level](Value lane) {
          addDistances(e, level, rows.x.n, block, lane, out,
                       e.add(base, e.mul(lane, distances)));
        });
      }
    });
  }
};

} // namespace

void mlir::ropegrad::emitPairProduct(Emitter &e, Operation *op,
                                     const PairPolynomial &polynomial,
                                     const ToeplitzBlocks &blocks,
                                     const PairRows &rows, int64_t width,
                                     bool reverse,
                                     const PairProductOperands &operands) {
  MatrixProduct(e, op, polynomial, blocks, rows, width, reverse).emit(operands);
}

void mlir::ropegrad::emitPairCorrelation(
    Emitter &e, Operation *op, const PairPolynomial &polynomial,
    const ToeplitzBlocks &blocks, const PairRows &rows, int64_t width,
    const Tall &q, const Tall &k, const Tall &u, const Tall &v, Value out) {
  MatrixCorrelation(e, op, polynomial, blocks, rows, width)
      .emit(q, k, u, v, out);
}
