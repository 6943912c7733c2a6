//===- PairConvolution.cpp - What products with pairs share ----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Heads, blocks of the matrix, and partial sums.
//
//===----------------------------------------------------------------------===//

#include "passes/PairConvolution.h"

#include "passes/RowLowerings.h"

using namespace mlir;
using namespace mlir::ropegrad;

LogicalResult mlir::ropegrad::checkPairs(Operation *op, Value table,
                                         const PairPolynomial &polynomial) {
  auto pairs = static_cast<int64_t>(
      polynomial.pairs ? polynomial.pairs->pairs.size() : 1);
  if (bufferShape(table)[1] == pairs)
    return success();
  return op->emitOpError("expected ")
         << pairs << " pairs of monomials, but got " << bufferShape(table)[1];
}

LogicalResult mlir::ropegrad::checkSpectrum(Operation *op, Value spectrum,
                                            const ToeplitzBlocks &blocks) {
  int64_t size = bufferShape(spectrum)[2];
  if (size == blocks.spectrumSize())
    return success();
  return op->emitOpError("expected spectra of ")
         << blocks.spectrumSize() << " numbers, but got " << size;
}

Value PairRows::yHead(Emitter &e, Value xHead, Value member) const {
  if (transposed)
    return e.add(e.mul(xHead, members()), member);
  return e.div(xHead, x.heads / y.heads);
}

Value PairRows::queryHead(Emitter &e, Value xHead, Value member) const {
  return transposed ? yHead(e, xHead, member) : xHead;
}

Value PairRows::table(Emitter &e, Value queryHead) const {
  return spectra == 1 ? e.index(0) : queryHead;
}

void mlir::ropegrad::forPieces(Emitter &e, const ToeplitzLevel &level, Value n,
                               bool transposed,
                               function_ref<void(const PairPiece &)> body) {
  auto tiles = [&](Value from) {
    Value rows = e.min(e.sub(n, from), e.index(level.size));
    return e.div(e.add(rows, e.lanes - 1), e.lanes);
  };
  e.loop(e.index(level.first * level.size), n, level.step * level.size,
         [&](Value row) {
           PairPiece piece{row, e.sub(row, level.distance), {}, {}};
           if (transposed)
             std::swap(piece.to, piece.from);
           piece.toTiles = tiles(piece.to);
           piece.fromTiles = tiles(piece.from);
           body(piece);
         });
}

void mlir::ropegrad::forDistances(Emitter &e, const ToeplitzLevel &level,
                                  Value n,
                                  function_ref<void(Value, Value)> body) {
  // -size < t < size and |distance + t| < n; negative t stand at the end.
  Value zero = e.index(0), last = e.sub(n, 1);
  Value low =
      e.max(e.index(1 - level.size), e.sub(e.sub(zero, last), level.distance));
  Value high = e.min(e.index(level.size), e.sub(n, level.distance));
  Value shift = e.add(last, level.distance);
  e.loop(low, e.min(high, zero), 1, [&](Value t) {
    body(e.add(t, level.fourier.length), e.add(t, shift));
  });
  e.loop(e.max(low, zero), high, 1, [&](Value t) { body(t, e.add(t, shift)); });
}

void mlir::ropegrad::addDistances(Emitter &e, const ToeplitzLevel &level,
                                  Value n, Slice block, Value lane, Value out,
                                  Value base) {
  forDistances(e, level, n, [&](Value position, Value distance) {
    Value from = elementAt(e, level.fourier, block.offset, position);
    Value to = e.add(base, distance);
    Value sum =
        e.addf(e.load(out, to), e.load(block.buffer, e.add(from, lane)));
    e.store(sum, out, to);
  });
}

Value mlir::ropegrad::rowsOfCall(Emitter &e, Operation *op, int64_t otherwise) {
  return sizeOfCall(e, op, "n", otherwise);
}

PairSums::PairSums(Emitter &e, const RowSpace &space, int64_t columns,
                   int64_t parts)
    : e(e), space(space), columns(columns), parts(parts),
      tiles(llvm::divideCeil(space.maxN, e.lanes)),
      buffer(e.scratch(space.maxBatch * space.heads * parts * tiles * columns *
                       e.lanes)) {}

Slice PairSums::at(Value batch, Value head, Value part, Value row) const {
  Value first = e.mul(e.add(e.mul(batch, space.heads), head), parts);
  first = e.mul(e.add(first, part), tiles);
  Value tile = e.add(first, e.div(row, e.lanes));
  return {buffer, e.mul(tile, columns * e.lanes)};
}

void PairSums::clear(Value batch, Value head, Value part) {
  Slice all = at(batch, head, part, e.index(0));
  e.loop(0, tiles * columns, 1, [&](Value i) {
    e.store(e.splat(0.0, e.lanes), buffer,
            e.add(all.offset, e.mul(i, e.lanes)));
  });
}

void PairSums::finish(Operation *anchor, const Tall &out, int64_t first) {
  forRows(e, space, [&](const RowUnit &unit) {
    Rows rows = rowsOf(e, out, unit);
    Value total = e.scratch(columns * e.lanes);
    e.loop(e.index(0), unit.count, e.lanes, [&](Value i) {
      Value row = e.add(unit.from, i);
      Slice head = at(unit.batch, unit.head, e.index(0), row);
      e.loop(0, columns * e.lanes, e.lanes, [&](Value c) {
        Value sum = e.load(buffer, e.add(head.offset, c), e.lanes);
        Value here = e.add(head.offset, c);
        for (int64_t part = 1; part < parts; ++part)
          sum = e.addf(
              sum, e.load(buffer, e.add(here, part * tiles * columns * e.lanes),
                          e.lanes));
        e.store(sum, total, c);
      });
      Value count = e.min(e.sub(unit.count, i), e.index(e.lanes));
      emitUnpack(e, anchor, out.width, e.lanes, total, e.index(first * e.lanes),
                 rows.from(e, i), count);
    });
  });
}

DistanceSums::DistanceSums(Emitter &e, Operation *anchor,
                           const ToeplitzBlocks &blocks,
                           const RowSpace &queries, int64_t functions,
                           int64_t parts)
    : e(e), anchor(anchor), blocks(blocks), queries(queries),
      functions(functions), parts(parts), size(blocks.spectrumSize()),
      sums(e.scratch(std::max<int64_t>(
          queries.maxBatch * queries.heads * parts * size, 1))) {}

Slice DistanceSums::at(Value batch, Value queryHead, Value part) const {
  Value unit = e.mul(e.add(e.mul(batch, queries.heads), queryHead), parts);
  return {sums, e.mul(e.add(unit, part), size)};
}

void DistanceSums::clear(Value batch, Value queryHead, Value part) {
  e.zero(at(batch, queryHead, part), size);
}

void DistanceSums::finish(Value out) {
  int64_t distances = 2 * queries.maxN - 1;
  e.parallel(e.index(functions), "", [&](Value function) {
    Value base = e.mul(function, distances);
    e.zero({out, base}, distances);
    Value total = e.scratch(std::max<int64_t>(size, 1));
    e.loop(0, size, 1, [&](Value at) {
      Value sum = e.loop(e.index(0), queries.batch, 1, e.scalar(0.0),
                         [&](Value batch, ValueRange state) {
                           return addHeads(function, batch, at, state);
                         })
                      .front();
      e.store(sum, total, at);
    });
    for (const ToeplitzLevel &level : blocks.levels)
      emitBack(level, {total, e.index(level.spectrumAt)}, out, base);
  });
}

SmallVector<Value> DistanceSums::addHeads(Value function, Value batch, Value at,
                                          ValueRange state) {
  int64_t each = functions == 1 ? queries.heads : 1;
  Value head = functions == 1 ? e.index(0) : function;
  Value unit = e.mul(e.add(e.mul(batch, queries.heads), head), parts);
  return e.loop(e.index(0), e.index(each * parts), 1, state,
                [&](Value i, ValueRange state) -> SmallVector<Value> {
                  Value from = e.add(e.mul(e.add(unit, i), size), at);
                  return {e.addf(state[0], e.load(sums, from))};
                });
}

/// out[distance + t + n − 1] += the function with this spectrum at t.
void DistanceSums::emitBack(const ToeplitzLevel &level, Slice spectrum,
                            Value out, Value base) {
  const Fourier &f = level.fourier;
  Slice block{e.scratch(blockSize(e, f)), e.index(0)};
  Value work = e.scratch(workSize(e, f));
  emitSpread(e, anchor, f, spectrum, e.index(1), block);
  emitInverse(e, anchor, f, block, work, f.length);
  addDistances(e, level, queries.n, block, e.index(0), out, base);
}

PairUnits::PairUnits(const RowSpace &space, int64_t blocks) {
  constexpr int64_t units = 16;
  int64_t heads = space.maxBatch * space.heads;
  parts =
      std::min(llvm::divideCeil(units, heads), static_cast<uint64_t>(blocks));
  blocksEach = llvm::divideCeil(blocks, parts);
  parts = llvm::divideCeil(blocks, blocksEach);
}
