//===- AttentionBackward.cpp - Gradient of softmax attention ---*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Lanes are keys. One pass over the index space and five products: a block of
// keys, with its dK and dV in the first caches, meets every block of queries;
// dQ is summed in partial results, one per chunk of key blocks, which a second
// loop adds up in a fixed order.
//
//===----------------------------------------------------------------------===//

#include "passes/AttentionLeaves.h"

#include <numeric>

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

class Backward {
public:
  Backward(Emitter &e, const AttentionBackward &attention);
  void emit();

private:
  void chooseUnits();
  void emitUnit(Value unit);
  void emitKeys(Value j0);
  void pairKeys(Value j0);
  void emitQueries(Value j0, Value i0);
  void emitPanel(Value j0, Value i0, Value count, Value number);
  void endKeys(Value j0);
  Value columnsOf(Slice row, Value at, int64_t lanes);
  void addPartials();
  void addDiagonals();

  /// Number of panel `number` in a buffer of packed panels of `width`.
  Slice packed(Value buffer, Value number, int64_t width) {
    return {buffer, e.mul(number, width * panel)};
  }
  Slice partial(Value batch, Value head, Value chunk, Value row);
  Value diagonalsAt(Value batch, Value head, Value chunk);

  func::FuncOp weightsKernel();
  func::FuncOp errorsKernel();
  func::FuncOp queriesKernel();
  func::FuncOp diagonalsKernel();
  void emitWeights(ValueRange args);
  void emitErrors(ValueRange args);
  void emitColumns(ValueRange args);

  Emitter &e;
  const AttentionBackward &attention;
  AttentionLeaves leaves;
  int64_t d, w, heads, groups, panel;
  int64_t keys, queries; ///< of a block
  int64_t chunks;        ///< of the key blocks of a head, dealt out in turn
  int64_t padded;        ///< floats of a row of dQ's partial results
  /// Where a row of dQ fills half a vector: lane 2c + p sums column c over the
  /// keys of parity p, fed by two neighbouring weights at a time.
  bool paired;
  int64_t pitch;  ///< of a row of P and S
  int64_t margin; ///< zeros before and behind a row of S
  PaddedRows q, k, u, v;
  RowTerms terms;
  Value partials;
  /// Sums along diagonals j − i of a chunk of a head.
  Value diagonals;
  /// Private to a thread: packed k and V, dK and dV transposed, P, S.
  Value kPanels, vPanels, dkPanels, dvPanels, weights, errors, room;
  Value kPairs; ///< the block's rows of k, two in a vector, where `paired`
  Value batch, group, head, chunk;
};

} // namespace

Backward::Backward(Emitter &e, const AttentionBackward &attention)
    : e(e), attention(attention), leaves(e, attention, Lanes::Keys),
      d(widthOf(attention.q)), w(widthOf(attention.v)),
      heads(attention.matrix.getHeads()), groups(headsOf(attention.k)),
      panel(leaves.panel) {
  // Large blocks save traffic to the second cache, small ones balance.
  bool isLong = leaves.space.maxN >= 2048;
  int64_t width = std::max(d, w);
  keys = panel * (!isLong || width <= 8 ? 1 : width <= 64 ? 2 : 4);
  queries = isLong && width > 16 && width <= 64 ? 96 : 48;
  padded = llvm::alignTo(d, e.lanes);
  paired = e.element.isF32() && 2 * d <= e.lanes;
  // Rows a power of two apart would meet in the same sets of the first cache.
  pitch = keys + (keys % (4 * panel) == 0 ? e.lanes : 0);
  // A diagonal enters and leaves a block of S through as many columns as the
  // block has rows.
  margin = attention.diagonals ? llvm::alignTo(queries, e.lanes) : 0;
  pitch += 2 * margin;
  chooseUnits();
}

void Backward::chooseUnits() {
  // As the general loops: chunks are worth their partial sums up to about this
  // many units.
  constexpr int64_t wanted = 8, mostChunks = 4;
  int64_t units = leaves.space.maxBatch * groups;
  int64_t blocks = (leaves.space.maxN + keys - 1) / keys;
  chunks = std::clamp<int64_t>((wanted + units - 1) / units, 1,
                               std::min(mostChunks, blocks));
}

Slice Backward::partial(Value batch, Value head, Value chunk, Value row) {
  Value index = e.add(e.mul(batch, heads), head);
  index = e.add(e.mul(index, chunks), chunk);
  return {partials, e.mul(e.add(e.mul(index, q.rows), row), padded)};
}

void Backward::emit() {
  const RowSpace &space = leaves.space;
  int64_t block = std::lcm(keys, queries);
  q = leaves.pad(attention.q, block, d);
  u = leaves.pad(attention.u, block, w);
  k = leaves.pad(attention.k, block, paired ? e.lanes / 2 : padded);
  v = leaves.pad(attention.v, block, w);
  leaves.makeTable();
  terms = leaves.makeRowTerms(attention, block);
  if (attention.dq)
    partials = e.scratch(space.maxBatch * heads * chunks * q.rows * padded);
  if (attention.diagonals)
    diagonals =
        e.scratch(space.maxBatch * heads * chunks * leaves.diagonalPitch());
  Value units = e.mul(space.batch, groups * chunks);
  e.parallel(units, "", [&](Value unit) { emitUnit(unit); });
  if (attention.dq)
    addPartials();
  if (attention.diagonals)
    addDiagonals();
}

/// Where the sums of a chunk start.
Value Backward::diagonalsAt(Value batch, Value head, Value chunk) {
  Value index = e.add(e.mul(batch, heads), head);
  return e.mul(e.add(e.mul(index, chunks), chunk), leaves.diagonalPitch());
}

/// Number `unit` of (batch entry, key head, chunk), in this order.
void Backward::emitUnit(Value unit) {
  int64_t panels = keys / panel;
  kPanels = e.scratch(panels * panel * d);
  if (paired)
    kPairs = e.scratch(keys / 2 * e.lanes);
  vPanels = e.scratch(panels * panel * w);
  dkPanels = e.scratch(panels * panel * d);
  dvPanels = e.scratch(panels * panel * w);
  // Of P and S the same element lies at different distances from 4096 bytes.
  weights = e.scratch(queries * pitch + 5 * e.lanes);
  errors = e.scratch(queries * pitch + margin + 5 * e.lanes);
  room = e.scratch(panel * std::max(d, w));
  chunk = e.rem(unit, e.index(chunks));
  Value index = e.div(unit, chunks);
  batch = e.div(index, groups);
  group = e.rem(index, e.index(groups));
  int64_t members = heads / groups;
  if (attention.diagonals)
    e.loop(0, members, 1, [&](Value member) {
      head = e.add(e.mul(group, members), member);
      e.zero({diagonals, diagonalsAt(batch, head, chunk)},
             leaves.diagonalPitch());
    });
  if (attention.dq)
    e.loop(0, members, 1, [&](Value member) {
      head = e.add(e.mul(group, members), member);
      Slice from = partial(batch, head, chunk, e.index(0));
      Value size = e.mul(e.div(e.add(leaves.space.n, queries - 1), queries),
                         queries * padded);
      e.loop(e.index(0), size, e.lanes, [&](Value at) {
        e.store(e.splat(0.0, e.lanes), e.advance(from, at));
      });
    });
  e.loop(e.mul(chunk, keys), leaves.space.n, keys * chunks,
         [&](Value j0) { emitKeys(j0); });
}

/// Panels of the block of keys from j0.
static Value panelsOf(Emitter &e, Value n, Value j0, int64_t keys,
                      int64_t panel) {
  Value count = e.min(e.sub(n, j0), e.index(keys));
  return e.div(e.add(count, panel - 1), panel);
}

void Backward::emitKeys(Value j0) {
  Value n = leaves.space.n;
  Value panels = panelsOf(e, n, j0, keys, panel);
  e.loop(e.index(0), panels, 1, [&](Value number) {
    Value j = e.add(j0, e.mul(number, panel));
    leaves.pack(k.at(e, batch, group, groups, j), d, k.pitch,
                packed(kPanels, number, d), leaves.unit);
    leaves.pack(v.at(e, batch, group, groups, j), w, w,
                packed(vPanels, number, w), 1.0);
  });
  if (paired && attention.dq)
    pairKeys(j0);
  e.zero({dkPanels, e.index(0)}, keys * d);
  e.zero({dvPanels, e.index(0)}, keys * w);
  // Margins, and panels that the last block may not have.
  if (attention.diagonals)
    e.zero({errors, e.index(0)}, queries * pitch + margin);
  Value from = e.index(0), to = n;
  if (leaves.live.mask != Mask::None)
    from = e.mul(e.div(j0, queries), queries);
  if (leaves.live.mask == Mask::Window)
    to = e.min(to, e.add(j0, keys + leaves.live.window - 1));
  int64_t members = heads / groups;
  e.loop(0, members, 1, [&](Value member) {
    head = e.add(e.mul(group, members), member);
    e.loop(from, to, queries, [&](Value i0) { emitQueries(j0, i0); });
  });
  endKeys(j0);
}

/// Interleaves the rows of each two keys.
void Backward::pairKeys(Value j0) {
  int64_t half = e.lanes / 2;
  SmallVector<int64_t> order;
  for (int64_t c = 0; c < half; ++c)
    order.append({c, half + c});
  Slice rows = k.at(e, batch, group, groups, j0);
  e.loop(0, keys, 2, [&](Value j) {
    Slice from = e.advance(rows, e.mul(j, half));
    Value even = e.load(from, half), odd = e.load(e.advance(from, half), half);
    Value pairs = vector::ShuffleOp::create(e.b, e.loc, even, odd, order);
    e.store(pairs, kPairs, e.mul(j, half));
  });
}

void Backward::emitQueries(Value j0, Value i0) {
  Value n = leaves.space.n;
  Value alive = e.min(e.sub(n, i0), e.index(queries));
  Value count =
      e.mul(e.div(e.add(alive, leaves.rows - 1), leaves.rows), leaves.rows);
  Value panels = panelsOf(e, n, j0, keys, panel);
  e.loop(e.index(0), panels, 1,
         [&](Value number) { emitPanel(j0, i0, count, number); });
  if (attention.diagonals) {
    // Column 0 of row 0 lies on diagonal j0 − i0.
    Value at = e.add(e.sub(j0, i0), e.sub(n, 1));
    at = e.add(at, leaves.diagonalMargin - (queries - 1));
    e.call(
        diagonalsKernel(),
        {diagonals, e.add(diagonalsAt(batch, head, chunk), at), errors, alive});
  }
  if (!attention.dq)
    return;
  Slice to = partial(batch, head, chunk, i0);
  Slice from = k.at(e, batch, group, groups, j0);
  // Keys beyond n have weight 0.
  Value steps = e.min(e.sub(n, j0), e.index(keys));
  if (paired) {
    from = {kPairs, e.index(0)};
    steps = e.div(e.add(steps, 1), 2);
  }
  e.call(queriesKernel(), {to.buffer, to.offset, errors, from.buffer,
                           from.offset, count, steps});
}

void Backward::emitPanel(Value j0, Value i0, Value count, Value number) {
  Value j = e.add(j0, e.mul(number, panel)), at = e.mul(number, panel);
  Slice qRows = q.at(e, batch, head, heads, i0);
  Slice uRows = u.at(e, batch, head, heads, i0);
  Slice kPanel = packed(kPanels, number, d),
        vPanel = packed(vPanels, number, w);
  Value term = terms.at(e, batch, head, i0);
  SmallVector<Value> arguments = {qRows.buffer,
                                  qRows.offset,
                                  kPanel.buffer,
                                  kPanel.offset,
                                  terms.minusL,
                                  terms.minusLow,
                                  term,
                                  weights,
                                  at,
                                  i0,
                                  j,
                                  count,
                                  leaves.space.n};
  if (leaves.hasTable()) {
    Slice table = leaves.tableAt(head, i0, j);
    arguments.append({table.buffer, table.offset});
  }
  e.call(weightsKernel(), arguments);
  if (attention.dv)
    leaves.accumulate(packed(dvPanels, number, w), uRows, w, w, {weights, at},
                      pitch, count);
  if (!attention.dq && !attention.dk && !attention.diagonals)
    return;
  e.call(errorsKernel(),
         {uRows.buffer, uRows.offset, vPanel.buffer, vPanel.offset,
          terms.minusS, term, weights, errors, at, count});
  if (attention.dk)
    leaves.accumulate(packed(dkPanels, number, d), qRows, d, d,
                      {errors, e.add(at, margin)}, pitch, count);
}

/// (q, its offset, k panel, its offset, −L, its rest, offset of both, P, its
/// offset, i0, j0, rows, n[, table, its offset]): P = 2^(t − L).
func::FuncOp Backward::weightsKernel() {
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  SmallVector<Type> types = {buffer, index, buffer, index, buffer,
                             buffer, index, buffer, index, index,
                             index,  index, index};
  if (leaves.hasTable())
    types.append({buffer, index});
  std::string name = leaves.name(
      "backward_weights", {d, pitch, static_cast<int64_t>(leaves.live.mask),
                           leaves.live.window, leaves.hasTable()});
  return e.kernel(attention.op, name, types,
                  [&](Emitter &, ValueRange args) { emitWeights(args); });
}

void Backward::emitWeights(ValueRange args) {
  RegisterTile tile{leaves.rows, leaves.vectors, d, 1, panel};
  Slice rows{args[0], args[1]}, columns{args[2], args[3]};
  e.loop(e.index(0), args[11], leaves.rows, [&](Value row) {
    AttentionLeaves::Place at{e.add(args[9], row), args[10], args[12], {}};
    if (leaves.hasTable())
      at.table = {args[13], e.sub(args[14], row)};
    Value term = e.add(args[6], row);
    SmallVector<Value> sums;
    for (int64_t r = 0; r < tile.rows; ++r)
      sums.append(tile.vectors,
                  e.broadcast(e.load(args[5], e.add(term, r)), e.lanes));
    sums = tile.multiply(e, e.advance(rows, e.mul(row, d)), columns, e.index(d),
                         sums);
    Slice p = {args[7], e.add(args[8], e.mul(row, pitch))};
    leaves.whereCut(at, [&](bool cut) {
      for (int64_t r = 0; r < tile.rows; ++r) {
        Value minusL = e.broadcast(e.load(args[4], e.add(term, r)), e.lanes);
        for (int64_t v = 0; v < tile.vectors; ++v) {
          Value t = leaves.addTable(sums[r * tile.vectors + v], at, r, v);
          t = e.exp2(e.addf(t, minusL));
          if (cut)
            t = leaves.select(t, 0.0, at, r, v);
          e.store(t, e.advance(p, r * pitch + v * e.lanes));
        }
      }
    });
  });
}

/// (U, its offset, V panel, its offset, −s, its offset, P, S, offset of both,
/// rows): S = P ∘ (U Vᵀ − s).
func::FuncOp Backward::errorsKernel() {
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  return e.kernel(attention.op,
                  leaves.name("backward_errors", {w, pitch, margin}),
                  {buffer, index, buffer, index, buffer, index, buffer, buffer,
                   index, index},
                  [&](Emitter &, ValueRange args) { emitErrors(args); });
}

void Backward::emitErrors(ValueRange args) {
  RegisterTile tile{leaves.rows, leaves.vectors, w, 1, panel};
  Slice rows{args[0], args[1]}, columns{args[2], args[3]};
  e.loop(e.index(0), args[9], leaves.rows, [&](Value row) {
    SmallVector<Value> sums;
    for (int64_t r = 0; r < tile.rows; ++r) {
      Value minusS = e.load(args[4], e.add(e.add(args[5], row), r));
      sums.append(tile.vectors, e.broadcast(minusS, e.lanes));
    }
    sums = tile.multiply(e, e.advance(rows, e.mul(row, w)), columns, e.index(w),
                         sums);
    Value at = e.add(args[8], e.mul(row, pitch));
    SmallVector<Value> p = tile.load(e, {args[6], at}, pitch);
    for (auto [sum, weight] : llvm::zip(sums, p))
      sum = e.mulf(sum, weight);
    tile.store(e, sums, {args[7], e.add(at, margin)}, pitch);
  });
}

/// (sums, offset of the first diagonal, S, rows): sums[x] += Σ_r S[r][c] over
/// the diagonals c − r = x − (queries − 1) of a block.
func::FuncOp Backward::diagonalsKernel() {
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  return e.kernel(
      attention.op, leaves.name("backward_diagonals", {queries, keys, pitch}),
      {buffer, index, buffer, index}, [&](Emitter &, ValueRange args) {
        // Four chains of additions hide each other's latency.
        constexpr int64_t chains = 4;
        int64_t width = llvm::alignTo(queries - 1 + keys, chains * e.lanes);
        e.loop(0, width, chains * e.lanes, [&](Value x) {
          RegisterTile tile{1, chains, 0, 0, 0};
          Slice to{args[0], e.add(args[1], x)};
          Value first = e.add(x, margin - (queries - 1));
          SmallVector<Value> sums =
              e.loop(e.index(0), args[3], 1, tile.load(e, to, 0),
                     [&](Value row, ValueRange sums) {
                       Slice from{args[2], e.add(first, e.mul(row, pitch + 1))};
                       SmallVector<Value> next = tile.load(e, from, 0);
                       for (auto [sum, more] : llvm::zip(sums, next))
                         more = e.addf(sum, more);
                       return next;
                     });
          tile.store(e, sums, to, 0);
        });
      });
}

/// (dQ, its offset, S, k, its offset, rows, steps): dQ += S k for whole blocks
/// of rows; what lies beyond the rows of the call is never read. A step is a
/// key, or a pair of keys.
func::FuncOp Backward::queriesKernel() {
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  return e.kernel(
      attention.op,
      leaves.name("backward_queries", {padded, pitch, margin, paired}),
      {buffer, index, buffer, buffer, index, index, index},
      [&](Emitter &, ValueRange args) { emitColumns(args); });
}

void Backward::emitColumns(ValueRange args) {
  Slice to{args[0], args[1]}, s{args[2], e.index(margin)},
      rows{args[3], args[4]};
  // 24 sums where there are 32 registers, 12 where there are 16.
  int64_t sums = leaves.rows * leaves.vectors;
  int64_t vectors = padded / e.lanes, most = leaves.rows == 8 ? 4 : 3;
  auto emit = [&](Value column, int64_t count) {
    RegisterTile tile{sums / count, count, pitch, 1, padded, paired ? 2 : 1};
    e.loop(e.index(0), args[5], tile.rows, [&](Value row) {
      Slice target = e.advance(to, e.add(e.mul(row, padded), column));
      tile.store(e,
                 tile.multiply(e, e.advance(s, e.mul(row, pitch)),
                               e.advance(rows, column), args[6],
                               tile.load(e, target, padded)),
                 target, padded);
    });
  };
  int64_t whole = vectors / most * most;
  if (whole > 0)
    e.loop(0, whole * e.lanes, most * e.lanes,
           [&](Value column) { emit(column, most); });
  if (whole < vectors)
    emit(e.index(whole * e.lanes), vectors - whole);
}

void Backward::endKeys(Value j0) {
  Value n = leaves.space.n;
  Value panels = panelsOf(e, n, j0, keys, panel);
  auto write = [&](Value out, Value from, int64_t width, double factor) {
    if (!out)
      return;
    Tall to = *tallOf(e, attention.op, out);
    e.loop(e.index(0), panels, 1, [&](Value number) {
      Value j = e.add(j0, e.mul(number, panel));
      Value alive = e.min(e.sub(n, j), e.index(panel));
      leaves.unpack(packed(from, number, width), to, to.at(e, batch, group, j),
                    alive, factor, {room, e.index(0)});
    });
  };
  write(attention.dk, dkPanels, d, attention.scaleK);
  write(attention.dv, dvPanels, w, attention.scaleV);
}

/// Columns [at, at + lanes) of a row of a partial result.
Value Backward::columnsOf(Slice row, Value at, int64_t lanes) {
  if (!paired)
    return e.load(e.advance(row, at), lanes);
  Value both = e.load(e.advance(row, e.mul(at, 2)), 2 * lanes);
  SmallVector<int64_t> even, odd;
  for (int64_t lane = 0; lane < lanes; ++lane) {
    even.push_back(2 * lane);
    odd.push_back(2 * lane + 1);
  }
  return e.addf(vector::ShuffleOp::create(e.b, e.loc, both, both, even),
                vector::ShuffleOp::create(e.b, e.loc, both, both, odd));
}

void Backward::addPartials() {
  const RowSpace &space = leaves.space;
  Tall to = *tallOf(e, attention.op, attention.dq);
  constexpr int64_t block = 48;
  Value blocks = e.div(e.add(space.n, block - 1), block);
  Value units = e.mul(e.mul(space.batch, heads), blocks);
  e.parallel(units, "", [&](Value index) {
    Value headIndex = e.div(index, blocks);
    Value batch = e.div(headIndex, heads);
    Value head = e.rem(headIndex, e.index(heads));
    Value first = e.mul(e.rem(index, blocks), block);
    Value end = e.min(e.add(first, block), space.n);
    e.loop(first, end, 1, [&](Value row) {
      SmallVector<Slice> from;
      for (int64_t c = 0; c < chunks; ++c)
        from.push_back(partial(batch, head, e.index(c), row));
      Slice target{to.buffer, to.at(e, batch, head, row)};
      e.forPieces(d, [&](Value at, int64_t lanes) {
        Value sum = columnsOf(from[0], at, lanes);
        for (int64_t c = 1; c < chunks; ++c)
          sum = e.addf(sum, columnsOf(from[c], at, lanes));
        e.store(e.mulf(sum, e.splat(attention.scaleQ, lanes)),
                e.advance(target, at));
      });
    });
  });
}

/// Sums of all chunks and batch entries (and heads, where they share a bias),
/// in their order; diagonal t = i − j at n − 1 + t.
void Backward::addDiagonals() {
  const RowSpace &space = leaves.space;
  auto type = cast<MemRefType>(attention.diagonals.getType());
  int64_t slots = type.getRank() == 2 ? heads : 1, each = heads / slots;
  Value out = e.flat(attention.diagonals);
  Value last = e.mul(e.sub(space.n, 1), 2), count = e.add(last, 1);
  constexpr int64_t block = 1024;
  Value blocks = e.div(e.add(count, block - 1), block);
  e.parallel(e.mul(blocks, slots), "", [&](Value unit) {
    Value slot = e.div(unit, blocks), from = e.mul(e.rem(unit, blocks), block);
    Value to = e.min(e.add(from, block), count);
    e.loop(from, to, 1, [&](Value t) {
      Value at = e.add(e.sub(last, t), leaves.diagonalMargin);
      auto add = [&](Value batch, Value sum) {
        for (int64_t i = 0; i < each; ++i)
          for (int64_t c = 0; c < chunks; ++c) {
            Value head = e.add(e.mul(slot, each), i);
            Value start = diagonalsAt(batch, head, e.index(c));
            sum = e.addf(sum, e.load(diagonals, e.add(start, at)));
          }
        return sum;
      };
      Value sum =
          e.loop(e.index(0), space.batch, 1, e.scalar(0.0),
                 [&](Value batch, ValueRange sum) -> SmallVector<Value> {
                   return {add(batch, sum[0])};
                 })[0];
      e.store(e.mulf(sum, e.scalar(attention.scaleDiagonals)), out,
              e.add(e.mul(slot, count), t));
    });
  });
}

void mlir::ropegrad::emitAttention(Emitter &e,
                                   const AttentionBackward &attention) {
  Backward(e, attention).emit();
}
