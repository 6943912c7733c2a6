//===- PairProducts.cpp - Products under a prefactor -----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// pair_apply, pair_reverse and pair_correlate without W: all products of a
// monomial and a column meet the same Toeplitz function, so that a block of
// columns is transformed, multiplied and transformed back on its own.
//
//===----------------------------------------------------------------------===//

#include "passes/PairMatrices.h"

using namespace mlir;
using namespace mlir::ropegrad;

//===----------------------------------------------------------------------===//
// Spectra
//===----------------------------------------------------------------------===//

namespace {
/// Fills blocks with `count` functions each and transforms them.
class SpectrumMaker {
public:
  SpectrumMaker(Emitter &e, PairSpectrumOp op, const ToeplitzBlocks &blocks)
      : e(e), op(op), blocks(blocks),
        n((bufferShape(op.getIns()[0])[2] + 1) / 2),
        pairs(bufferShape(op.getIns()[0])[1]),
        groups(llvm::divideCeil(pairs, e.lanes)), rows(rowsOfCall(e, op, n)) {}

  void emit() {
    Value table = e.flat(op.getIns()[0]), out = e.flat(op.getOuts()[0]);
    int64_t heads = bufferShape(op.getIns()[0])[0];
    e.parallel(e.index(heads * groups), "", [&](Value unit) {
      Value head = e.div(unit, groups);
      Value first = e.mul(e.rem(unit, e.index(groups)), e.lanes);
      Value count = e.min(e.sub(e.index(pairs), first), e.index(e.lanes));
      first = e.add(e.mul(head, pairs), first);
      for (const ToeplitzLevel &level : blocks.levels)
        emitLevel(level, table, first, count, out);
    });
  }

private:
  void emitLevel(const ToeplitzLevel &level, Value table, Value first,
                 Value count, Value out) {
    const Fourier &f = level.fourier;
    Slice block{e.scratch(blockSize(e, f)), e.index(0)};
    Value work = e.scratch(workSize(e, f));
    e.loop(0, blockSize(e, f), e.lanes,
           [&](Value at) { e.store(e.splat(0.0, e.lanes), block.buffer, at); });
    forDistances(e, level, rows, [&](Value position, Value distance) {
      Value at = elementAt(e, f, e.index(0), position);
      e.loop(e.index(0), count, 1, [&](Value lane) {
        Value function = e.mul(e.add(first, lane), 2 * n - 1);
        e.store(e.load(table, e.add(function, distance)), block.buffer,
                e.add(at, lane));
      });
    });
    emitForward(e, op, f, block, work, f.length);
    e.loop(e.index(0), count, 1, [&](Value lane) {
      Value at = e.mul(e.add(first, lane), blocks.spectrumSize());
      emitSpectrum(e, op, f, block, lane, {out, e.add(at, level.spectrumAt)},
                   1.0 / f.length);
    });
  }

  Emitter &e;
  PairSpectrumOp op;
  const ToeplitzBlocks &blocks;
  int64_t n, pairs, groups;
  Value rows; ///< of the call
};
} // namespace

LogicalResult mlir::ropegrad::lowerPairSpectrum(Emitter &e, PairSpectrumOp op) {
  int64_t n = (bufferShape(op.getIns()[0])[2] + 1) / 2;
  ToeplitzBlocks blocks = blocksOf(op, n);
  if (failed(checkSpectrum(op, op.getOuts()[0], blocks)))
    return failure();
  SpectrumMaker(e, op, blocks).emit();
  return success();
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

namespace {

/// pair_apply, and pair_reverse where there is a u.
class Product {
public:
  Product(Emitter &e, Operation *op, const PairPolynomial &polynomial,
          const ToeplitzBlocks &blocks, const PairRows &rows, int64_t width,
          bool reverse)
      : e(e), op(op), polynomial(polynomial), blocks(blocks), rows(rows),
        width(width), isReverse(reverse), x(e, rows.x, polynomial.d, true),
        y(e, rows.y, polynomial.d, true), factor(e, rows.y, width, false),
        blocksOfLanes(columnsOf(blocks.levels.empty()
                                    ? Fourier{}
                                    : blocks.levels[0].fourier)
                          .lanes.blocks()),
        units(rows.x, blocksOfLanes) {
    if (reverse)
      gradient.emplace(e, rows.x, polynomial.d + 2, units.parts);
  }

  void emit(const PairProductOperands &in) {
    pack(in);
    Value heads = e.mul(rows.x.batch, rows.x.heads);
    e.parallel(e.mul(heads, units.parts), "", [&](Value index) {
      Unit unit;
      unit.part = e.rem(index, e.index(units.parts));
      Value head = e.div(index, units.parts);
      unit.batch = e.div(head, rows.x.heads);
      unit.head = e.rem(head, e.index(rows.x.heads));
      unit.first = e.mul(unit.part, units.blocksEach);
      unit.last =
          e.min(e.add(unit.first, units.blocksEach), e.index(blocksOfLanes));
      clear(unit);
      for (const ToeplitzLevel &level : blocks.levels)
        emitLevel(level, unit);
    });
    if (gradient)
      gradient->finish(op, in.out, 1);
    if (slopes)
      slopes->finish(op, *in.slopes);
    if (sums)
      sums->finish(op, isReverse ? *in.sums : in.out);
    if (distances)
      distances->finish(in.correlation);
  }

private:
  /// One part of the columns of one head.
  struct Unit {
    Value batch, head, part, first, last;
  };

  PairColumns columnsOf(const Fourier &f) {
    return PairColumns(e, op, polynomial, /*right=*/false, f, width);
  }

  void pack(const PairProductOperands &in) {
    x.pack(op, in.x);
    y.pack(op, in.y);
    factor.pack(op, in.factor);
    if (isReverse)
      u.emplace(e, rows.x, width, false).pack(op, in.u);
    Lanes lanes = columnsOf(Fourier{}).lanes;
    if (in.slopes)
      slopes.emplace(e, rows.x, lanes, units.parts, units.blocksEach,
                     polynomial.d + 2, 1, polynomial.d);
    if (in.sums || !isReverse)
      sums.emplace(e, rows.x, lanes, units.parts, units.blocksEach, 1, 0, 1);
    if (in.correlation)
      distances.emplace(e, op, blocks, rows.y, rows.spectra, units.parts);
    spectra = rows.transposed ? conjugate(in.spectra) : in.spectra;
  }

  /// Whether the first block of columns meets all rows, and so can start their
  /// sums; it spares memory that has left the caches by then.
  bool startsSums() const { return blocks.band == 0; }

  void clear(const Unit &unit) {
    if (!startsSums()) {
      if (gradient)
        gradient->clear(unit.batch, unit.head, unit.part);
      if (slopes)
        slopes->clear(unit.batch, unit.head, unit.part);
      if (sums)
        sums->clear(unit.batch, unit.head, unit.part);
    }
    if (distances)
      e.loop(0, rows.members(), 1, [&](Value member) {
        distances->clear(unit.batch, rows.queryHead(e, unit.head, member),
                         unit.part);
      });
  }

  void emitLevel(const ToeplitzLevel &level, const Unit &unit) {
    const Fourier &f = level.fourier;
    Slice block{e.scratch(blockSize(e, f)), e.index(0)}, other;
    if (distances)
      other = {e.scratch(blockSize(e, f)), e.index(0)};
    Value work = e.scratch(workSize(e, f));
    e.loop(unit.first, unit.last, 1, [&](Value number) {
      e.loop(0, rows.members(), 1, [&](Value member) {
        forPieces(
            e, level, rows.x.n, rows.transposed, [&](const PairPiece &piece) {
              emitPiece(level, unit, number, member, piece, block, other, work);
            });
      });
    });
  }

  /// One block of the matrix times one block of columns.
  void emitPiece(const ToeplitzLevel &level, const Unit &unit, Value number,
                 Value member, const PairPiece &piece, Slice block, Slice other,
                 Value work) {
    const Fourier &f = level.fourier;
    PairColumns columns = columnsOf(f);
    Value lane = e.mul(number, e.lanes),
          touched = e.index(f.touched(level.size));
    Value yHead = rows.yHead(e, unit.head, member);
    Value queryHead = rows.queryHead(e, unit.head, member);
    Value spectrumAt =
        e.add(e.mul(rows.table(e, queryHead), blocks.spectrumSize()),
              level.spectrumAt);
    columns.gather(y.at(unit.batch, yHead, piece.from),
                   factor.at(unit.batch, yHead, piece.from), lane,
                   piece.fromTiles, block, false);
    columns.clear(block, e.mul(piece.fromTiles, e.lanes), touched);
    Slice xs = x.at(unit.batch, unit.head, piece.to), us;
    if (isReverse)
      us = u->at(unit.batch, unit.head, piece.to);
    if (distances) {
      columns.gather(xs, us, lane, piece.toTiles, other, true);
      columns.clear(other, e.mul(piece.toTiles, e.lanes), touched);
      Slice sum = distances->at(unit.batch, queryHead, unit.part);
      emitCorrelateConvolve(e, op, f, block, {spectra, spectrumAt}, other,
                            e.advance(sum, level.spectrumAt), work, level.size,
                            level.size);
    } else {
      emitConvolve(e, op, f, block, {spectra, spectrumAt}, work, level.size,
                   level.size);
    }
    auto of = [&](auto &each) {
      return each.at(unit.batch, unit.head, unit.part, piece.to);
    };
    Value one = e.index(1), fresh = e.index(0);
    if (startsSums())
      fresh = e.sub(one, e.min(e.add(e.sub(number, unit.first), member), one));
    if (slopes)
      return columns.derive(block, lane, piece.toTiles, xs, of(*sums),
                            of(*slopes), fresh);
    if (!isReverse)
      return columns.scatter(block, lane, piece.toTiles, xs, of(*sums), fresh);
    std::optional<ColumnPanels> also;
    if (sums)
      also = of(*sums);
    columns.reverse(block, lane, piece.toTiles, xs, us, of(*gradient), also,
                    fresh);
  }

  /// The spectra of t ↦ T(−t).
  Value conjugate(Value spectra) {
    int64_t size = rows.spectra * blocks.spectrumSize();
    Value copy = e.scratch(size);
    e.parallel(e.index(rows.spectra), "", [&](Value head) {
      Value from = e.mul(head, blocks.spectrumSize());
      e.loop(from, e.add(from, blocks.spectrumSize()), 2, [&](Value at) {
        e.store(e.load(spectra, at), copy, at);
        Value imaginary = e.add(at, 1);
        e.store(e.mulf(e.load(spectra, imaginary), e.scalar(-1.0)), copy,
                imaginary);
      });
    });
    return copy;
  }

  Emitter &e;
  Operation *op;
  const PairPolynomial &polynomial;
  const ToeplitzBlocks &blocks;
  const PairRows &rows;
  int64_t width;
  bool isReverse;
  Panels x, y, factor;
  std::optional<Panels> u;
  Value spectra; ///< transposed, those of t ↦ T(−t)
  int64_t blocksOfLanes;
  PairUnits units;
  std::optional<PairSums> gradient; ///< of a pair_reverse
  std::optional<PairColumnSums> slopes, sums;
  std::optional<DistanceSums> distances;
};

/// Reads the operands of pair_apply or pair_reverse and emits it.
template <typename OpTy>
LogicalResult lowerProduct(Emitter &e, OpTy op, Value u, Value spectra) {
  // A pair_apply has up to one output more, a pair_reverse up to two.
  size_t outs = op.getOuts().size();
  Value more = outs > 1 ? op.getOuts()[1] : Value();
  Value x = op.getIns()[0], y = op.getIns()[1], factor = op.getIns()[2];
  int64_t n = bufferShape(x)[2];
  PairPolynomial polynomial = polynomialOf(op, bufferShape(x)[3]);
  ToeplitzBlocks blocks = blocksOf(op, n);
  if (failed(checkPairs(op, spectra, polynomial)) ||
      failed(checkSpectrum(op, spectra, blocks)))
    return failure();
  PairRows rows{rowSpace(e, op, x), rowSpace(e, op, y), op.getTransposed(),
                bufferShape(spectra)[0]};
  PairProductOperands in;
  in.spectra = e.flat(spectra);
  for (auto [value, tall] :
       {std::pair(x, &in.x), std::pair(y, &in.y), std::pair(factor, &in.factor),
        std::pair(u, &in.u), std::pair(Value(op.getOuts()[0]), &in.out)}) {
    if (!value)
      continue;
    FailureOr<Tall> found = tallOf(e, op, value);
    if (failed(found))
      return failure();
    *tall = *found;
  }
  int64_t width = bufferShape(factor)[3];
  bool isReverse = u != nullptr;
  if (more) {
    FailureOr<Tall> found = tallOf(e, op, more);
    if (failed(found))
      return failure();
    (isReverse ? in.sums : in.slopes) = *found;
  }
  if (outs > 2)
    in.correlation = e.flat(op.getOuts()[2]);
  if (polynomial.pairs)
    emitPairProduct(e, op, polynomial, blocks, rows, width, isReverse, in);
  else
    Product(e, op, polynomial, blocks, rows, width, isReverse).emit(in);
  return success();
}

} // namespace

LogicalResult mlir::ropegrad::lowerPairApply(Emitter &e, PairApplyOp op) {
  return lowerProduct(e, op, Value(), op.getIns()[3]);
}

LogicalResult mlir::ropegrad::lowerPairReverse(Emitter &e, PairReverseOp op) {
  if (op.getIns().size() > 5)
    return lowerReverseBySlopes(e, op);
  return lowerProduct(e, op, op.getIns()[3], op.getIns()[4]);
}

//===----------------------------------------------------------------------===//
// Correlations
//===----------------------------------------------------------------------===//

namespace {

/// Without W: the spectra of all blocks of columns and of all heads that share
/// a function are added, so that one transform leads back.
class Correlation {
public:
  Correlation(Emitter &e, PairCorrelateOp op, const PairPolynomial &polynomial,
              const ToeplitzBlocks &blocks, const PairRows &rows, int64_t width)
      : e(e), op(op), polynomial(polynomial), blocks(blocks), rows(rows),
        width(width) {}

  void emit(const Tall &q, const Tall &k, const Tall &u, const Tall &v,
            Value out) {
    Panels qs(e, rows.x, polynomial.d, true), ks(e, rows.y, polynomial.d, true);
    Panels us(e, rows.x, width, false), vs(e, rows.y, width, false);
    qs.pack(op, q);
    us.pack(op, u);
    ks.pack(op, k);
    vs.pack(op, v);
    int64_t lanes =
        PairColumns(
            e, op, polynomial, false,
            blocks.levels.empty() ? Fourier{} : blocks.levels[0].fourier, width)
            .lanes.blocks();
    PairUnits units(rows.x, lanes);
    DistanceSums sums(e, op, blocks, rows.x, rows.spectra, units.parts);
    e.parallel(e.mul(e.mul(rows.x.batch, rows.x.heads), units.parts), "",
               [&](Value index) {
                 Value part = e.rem(index, e.index(units.parts));
                 Value head = e.div(index, units.parts);
                 Value batch = e.div(head, rows.x.heads);
                 head = e.rem(head, e.index(rows.x.heads));
                 sums.clear(batch, head, part);
                 Slice spectrum = sums.at(batch, head, part);
                 Value first = e.mul(part, units.blocksEach);
                 Value last =
                     e.min(e.add(first, units.blocksEach), e.index(lanes));
                 for (const ToeplitzLevel &level : blocks.levels)
                   emitLevel(level, qs, ks, us, vs,
                             e.advance(spectrum, level.spectrumAt), batch, head,
                             first, last);
               });
    sums.finish(out);
  }

private:
  void emitLevel(const ToeplitzLevel &level, const Panels &q, const Panels &k,
                 const Panels &u, const Panels &v, Slice sums, Value batch,
                 Value head, Value first, Value last) {
    const Fourier &f = level.fourier;
    PairColumns columns(e, op, polynomial, false, f, width);
    Slice left{e.scratch(blockSize(e, f)), e.index(0)};
    Slice right{e.scratch(blockSize(e, f)), e.index(0)};
    Value work = e.scratch(workSize(e, f));
    Value kHead = rows.yHead(e, head, e.index(0));
    e.loop(first, last, 1, [&](Value number) {
      Value lane = e.mul(number, e.lanes);
      auto transform = [&](Slice x, Slice factor, Value tiles, Slice block,
                           bool weighted) {
        columns.gather(x, factor, lane, tiles, block, weighted);
        columns.clear(block, e.mul(tiles, e.lanes),
                      e.index(f.touched(level.size)));
        emitForward(e, op, f, block, work, level.size);
      };
      forPieces(e, level, rows.x.n, false, [&](const PairPiece &piece) {
        transform(q.at(batch, head, piece.to), u.at(batch, head, piece.to),
                  piece.toTiles, left, true);
        transform(k.at(batch, kHead, piece.from),
                  v.at(batch, kHead, piece.from), piece.fromTiles, right,
                  false);
        emitCorrelate(e, op, f, left, right, sums);
      });
    });
  }

  Emitter &e;
  PairCorrelateOp op;
  const PairPolynomial &polynomial;
  const ToeplitzBlocks &blocks;
  const PairRows &rows;
  int64_t width;
};

} // namespace

LogicalResult mlir::ropegrad::lowerPairCorrelate(Emitter &e,
                                                 PairCorrelateOp op) {
  Value q = op.getIns()[0], k = op.getIns()[1], out = op.getOuts()[0];
  SmallVector<Tall> talls;
  for (Value value : op.getIns()) {
    FailureOr<Tall> tall = tallOf(e, op, value);
    if (failed(tall))
      return failure();
    talls.push_back(*tall);
  }
  PairPolynomial polynomial = polynomialOf(op, bufferShape(q)[3]);
  if (failed(checkPairs(op, out, polynomial)))
    return failure();
  ToeplitzBlocks blocks = blocksOf(op, bufferShape(q)[2]);
  PairRows rows{rowSpace(e, op, q), rowSpace(e, op, k), false,
                bufferShape(out)[0]};
  int64_t width = bufferShape(op.getIns()[2])[3];
  if (polynomial.pairs)
    emitPairCorrelation(e, op, polynomial, blocks, rows, width, talls[0],
                        talls[1], talls[2], talls[3], e.flat(out));
  else
    Correlation(e, op, polynomial, blocks, rows, width)
        .emit(talls[0], talls[1], talls[2], talls[3], e.flat(out));
  return success();
}
