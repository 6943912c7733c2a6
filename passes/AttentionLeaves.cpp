//===- AttentionLeaves.cpp - Microkernels of exact attention ---*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Padding, packing, the shared products, masks and the prefactor's table.
//
//===----------------------------------------------------------------------===//

#include "passes/AttentionLeaves.h"

#include "llvm/ADT/StringExtras.h"

#include <cmath>

using namespace mlir;
using namespace mlir::ropegrad;

//===----------------------------------------------------------------------===//
// The register tile
//===----------------------------------------------------------------------===//

SmallVector<Value> RegisterTile::multiply(Emitter &e, Slice a, Slice b,
                                          Value steps,
                                          ArrayRef<Value> sums) const {
  return e.loop(e.index(0), steps, 1, sums, [&](Value k, ValueRange sums) {
    SmallVector<Value> row, next;
    Slice aAt = e.advance(a, e.mul(k, aStep * unit));
    Slice bAt = e.advance(b, e.mul(k, bStep));
    for (int64_t v = 0; v < vectors; ++v)
      row.push_back(e.load(e.advance(bAt, v * e.lanes), e.lanes));
    for (int64_t r = 0; r < rows; ++r) {
      Value x = broadcast(e, e.advance(aAt, r * aRow));
      for (int64_t v = 0; v < vectors; ++v)
        next.push_back(e.fma(x, row[v], sums[r * vectors + v]));
    }
    return next;
  });
}

/// The element at `a` in all lanes, or it and the next one in turn.
Value RegisterTile::broadcast(Emitter &e, Slice a) const {
  if (unit == 1)
    return e.broadcast(e.load(a.buffer, a.offset), e.lanes);
  // Two of f32 as one of f64: one broadcast from memory.
  Type wide = e.b.getF64Type();
  Value pair = vector::BitCastOp::create(e.b, e.loc, VectorType::get({1}, wide),
                                         e.load(a, 2));
  Value all = vector::BroadcastOp::create(
      e.b, e.loc, VectorType::get({e.lanes / 2}, wide),
      vector::ExtractOp::create(e.b, e.loc, pair, 0));
  return vector::BitCastOp::create(e.b, e.loc, e.vector(e.lanes), all);
}

SmallVector<Value> RegisterTile::load(Emitter &e, Slice c,
                                      int64_t pitch) const {
  SmallVector<Value> sums;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t v = 0; v < vectors; ++v)
      sums.push_back(e.load(e.advance(c, r * pitch + v * e.lanes), e.lanes));
  return sums;
}

void RegisterTile::store(Emitter &e, ValueRange sums, Slice c,
                         int64_t pitch) const {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t v = 0; v < vectors; ++v)
      e.store(sums[r * vectors + v], e.advance(c, r * pitch + v * e.lanes));
}

//===----------------------------------------------------------------------===//
// Before the loops
//===----------------------------------------------------------------------===//

Slice PaddedRows::at(Emitter &e, Value batch, Value head, int64_t ofHeads,
                     Value row) const {
  Value index = e.add(e.mul(batch, heads), e.div(head, ofHeads / heads));
  return {buffer, e.mul(e.add(e.mul(index, rows), row), pitch)};
}

AttentionLeaves::AttentionLeaves(Emitter &e, const AttentionTiles &attention,
                                 Lanes lanesOver)
    : e(e), anchor(attention.op), space(rowSpace(e, anchor, attention.q)),
      lanesOver(lanesOver), rows(e.lanes * e.element.getWidth() >= 512 ? 8 : 4),
      panel(vectors * e.lanes), live(attention.live()), attention(attention) {
  constexpr double log2e = 1.44269504088896340736;
  unit = attention.scale * log2e;
  if (e.element.isF32())
    unit = static_cast<float>(unit);
  logUnit = attention.scale != 0 ? unit / attention.scale : log2e;
}

PaddedRows AttentionLeaves::pad(Value tall, int64_t block, int64_t pitch) {
  Tall from = *tallOf(e, anchor, tall);
  PaddedRows to;
  to.heads = from.heads;
  to.rows = llvm::alignTo(space.maxN, block);
  to.width = from.width;
  to.pitch = pitch;
  to.buffer = e.scratch(space.maxBatch * to.heads * to.rows * pitch);
  Value blocks = e.div(e.add(space.n, block - 1), block);
  std::string name = ("pad" + Twine(to.heads) + "x" + Twine(block)).str();
  Value units = e.mul(e.mul(space.batch, to.heads), blocks);
  e.parallel(units, name, [&](Value index) {
    Value head = e.div(index, blocks);
    Value batch = e.div(head, to.heads);
    head = e.rem(head, e.index(to.heads));
    Value first = e.mul(e.rem(index, blocks), block);
    Value end = e.add(first, block), alive = e.min(end, space.n);
    e.loop(first, alive, 1, [&](Value row) {
      Slice target = to.at(e, batch, head, to.heads, row);
      Slice source{from.buffer, from.at(e, batch, head, row)};
      e.forPieces(from.width, [&](Value at, int64_t width) {
        e.store(e.load(e.advance(source, at), width), e.advance(target, at));
      });
      e.zero(e.advance(target, from.width), pitch - from.width);
    });
    e.loop(alive, end, 1, [&](Value row) {
      e.zero(to.at(e, batch, head, to.heads, row), pitch);
    });
  });
  return to;
}

RowTerms AttentionLeaves::makeRowTerms(const AttentionBackward &gradient,
                                       int64_t block) {
  /// Exponent of the weights of rows beyond n.
  constexpr double dead = -1e30;
  RowTerms terms;
  terms.heads = attention.matrix.getHeads();
  terms.rows = llvm::alignTo(space.maxN, block);
  int64_t size = space.maxBatch * terms.heads * terms.rows;
  terms.minusL = e.scratch(size);
  terms.minusLow = e.scratch(size);
  terms.minusS = e.scratch(size);
  Tall l = *tallOf(e, anchor, gradient.l), s = *tallOf(e, anchor, gradient.s);
  double high = e.element.isF32() ? static_cast<float>(logUnit) : logUnit;
  e.parallel(e.mul(space.batch, terms.heads), "", [&](Value index) {
    Value batch = e.div(index, terms.heads);
    Value head = e.rem(index, e.index(terms.heads));
    e.loop(e.index(0), space.n, 1, [&](Value i) {
      Value at = terms.at(e, batch, head, i);
      Value x = e.load(l.buffer, l.at(e, batch, head, i));
      Value product = e.mulf(x, e.scalar(-high));
      // What rounding the product left out, and what rounding the unit did.
      Value rest =
          e.fma(x, e.scalar(-high), arith::NegFOp::create(e.b, e.loc, product));
      rest = e.fma(x, e.scalar(high - logUnit), rest);
      e.store(product, terms.minusL, at);
      e.store(rest, terms.minusLow, at);
      Value y = e.load(s.buffer, s.at(e, batch, head, i));
      e.store(arith::NegFOp::create(e.b, e.loc, y), terms.minusS, at);
    });
    Value end = e.mul(e.div(e.add(space.n, block - 1), block), block);
    e.loop(space.n, end, 1, [&](Value i) {
      Value at = terms.at(e, batch, head, i);
      e.store(e.scalar(dead), terms.minusL, at);
      e.store(e.scalar(0.0), terms.minusLow, at);
      e.store(e.scalar(0.0), terms.minusS, at);
    });
  });
  return terms;
}

void AttentionLeaves::makeTable() {
  ToeplitzOp op = attention.prefactor;
  if (!op || (!op.getBias() && !op.getAlibi()))
    return;
  auto alibi = op.getAlibi();
  Value bias;
  int64_t biasHeads = 0;
  if (op.getBias()) {
    auto argument = cast<BlockArgument>(op.getBias());
    Value buffer = anchor->getOperand(argument.getArgNumber());
    auto type = cast<MemRefType>(buffer.getType());
    biasHeads = type.getRank() == 2 ? type.getDimSize(0) : 1;
    bias = e.flat(buffer);
  }
  int64_t slopes = alibi ? alibi->size() : 0;
  tableHeads = std::max(biasHeads, slopes);
  int64_t tablePitch = diagonalPitch();
  Value slopeTable;
  if (slopes > 1) {
    SmallVector<double> values(alibi->begin(), alibi->end());
    auto type = RankedTensorType::get({slopes}, e.b.getF64Type());
    slopeTable = constantTable(e, anchor, "ropegrad_slopes",
                               DenseElementsAttr::get(type, ArrayRef(values)));
  }
  table = e.scratch(tableHeads * tablePitch);
  Value last = e.sub(space.n, 1), count = e.add(last, space.n);
  e.parallel(e.index(tableHeads), "", [&](Value head) {
    Slice to{table, e.mul(head, tablePitch)};
    e.zero(to, tablePitch);
    Value slope;
    if (slopes > 1) {
      slope = e.load(slopeTable, head);
      if (e.element.isF32())
        slope = arith::TruncFOp::create(e.b, e.loc, e.element, slope);
    } else if (slopes == 1) {
      slope = e.scalar((*alibi)[0]);
    }
    e.loop(e.index(0), count, 1, [&](Value x) {
      Value at = lanesOver == Lanes::Keys ? e.sub(e.sub(count, 1), x) : x;
      Value log;
      if (slope) {
        Value t = e.sub(at, last);
        t = arith::IndexCastOp::create(e.b, e.loc, e.b.getI64Type(), t);
        t = arith::SIToFPOp::create(e.b, e.loc, e.element, t);
        t = math::AbsFOp::create(e.b, e.loc, t);
        log = arith::NegFOp::create(e.b, e.loc, e.mulf(t, slope));
      }
      if (bias) {
        Value from = biasHeads > 1 ? e.add(at, e.mul(head, count)) : at;
        Value value = e.load(bias, from);
        log = log ? e.addf(log, value) : value;
      }
      e.store(e.mulf(log, e.scalar(logUnit)),
              e.advance(to, e.add(x, diagonalMargin)));
    });
  });
}

//===----------------------------------------------------------------------===//
// On panels
//===----------------------------------------------------------------------===//

std::string AttentionLeaves::name(StringRef what,
                                  ArrayRef<int64_t> numbers) const {
  std::string text;
  llvm::raw_string_ostream out(text);
  out << "ropegrad_attention_" << what << "_f" << e.element.getWidth() << "x"
      << e.lanes;
  if (vectors != 3)
    out << "_v" << vectors;
  for (int64_t number : numbers)
    out << "_" << number;
  return text;
}

void AttentionLeaves::pack(Slice from, int64_t width, int64_t pitch, Slice to,
                           double factor) {
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  std::string suffix = name("pack", {width, pitch});
  if (factor != 1.0)
    suffix += "_s" + llvm::utohexstr(llvm::bit_cast<uint64_t>(factor));
  func::FuncOp kernel =
      e.kernel(anchor, suffix, {buffer, index, buffer, index},
               [&](Emitter &, ValueRange args) {
                 Slice x{args[0], args[1]}, t{args[2], args[3]};
                 e.forPieces(width, [&](Value c, int64_t side) {
                   e.loop(0, panel, side, [&](Value row) {
                     SmallVector<Value> block;
                     Slice source = e.advance(x, e.add(e.mul(row, pitch), c));
                     for (int64_t i = 0; i < side; ++i) {
                       Value values =
                           e.load(e.advance(source, i * pitch), side);
                       if (factor != 1.0)
                         values = e.mulf(values, e.splat(factor, side));
                       block.push_back(values);
                     }
                     Slice target = e.advance(t, e.add(e.mul(c, panel), row));
                     for (auto [i, lanes] : llvm::enumerate(e.transpose(block)))
                       e.store(lanes, e.advance(target, i * panel));
                   });
                 });
               });
  e.call(kernel, {from.buffer, from.offset, to.buffer, to.offset});
}

void AttentionLeaves::unpack(Slice from, const Tall &x, Value at, Value live,
                             double factor, Slice room) {
  int64_t width = x.width;
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  func::FuncOp kernel = e.kernel(
      anchor, name("unpack", {width}), {buffer, index, buffer, index},
      [&](Emitter &, ValueRange args) {
        Slice t{args[0], args[1]}, to{args[2], args[3]};
        e.forPieces(width, [&](Value c, int64_t side) {
          e.loop(0, panel, side, [&](Value row) {
            SmallVector<Value> block;
            Slice source = e.advance(t, e.add(e.mul(c, panel), row));
            for (int64_t i = 0; i < side; ++i)
              block.push_back(e.load(e.advance(source, i * panel), side));
            Slice target = e.advance(to, e.add(e.mul(row, width), c));
            for (auto [i, lanes] : llvm::enumerate(e.transpose(block)))
              e.store(lanes, e.advance(target, i * width));
          });
        });
      });
  e.call(kernel, {from.buffer, from.offset, room.buffer, room.offset});
  e.loop(e.index(0), live, 1, [&](Value row) {
    Slice source = e.advance(room, e.mul(row, width));
    Slice target{x.buffer, e.add(at, e.mul(row, x.rowStride))};
    e.forPieces(width, [&](Value c, int64_t lanes) {
      Value values = e.load(e.advance(source, c), lanes);
      if (factor != 1.0)
        values = e.mulf(values, e.splat(factor, lanes));
      e.store(values, e.advance(target, c));
    });
  });
}

void AttentionLeaves::accumulate(Slice c, Slice a, int64_t width,
                                 int64_t aPitch, Slice b, int64_t bPitch,
                                 Value steps) {
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  func::FuncOp kernel = e.kernel(
      anchor, name("accumulate", {width, aPitch, bPitch}),
      {buffer, index, buffer, index, buffer, index, index},
      [&](Emitter &, ValueRange args) {
        Slice to{args[0], args[1]}, left{args[2], args[3]},
            right{args[4], args[5]};
        auto emitTile = [&](Value f, int64_t count) {
          RegisterTile tile{count, vectors, 1, aPitch, bPitch};
          Slice target = e.advance(to, e.mul(f, panel));
          tile.store(e,
                     tile.multiply(e, e.advance(left, f), right, args[6],
                                   tile.load(e, target, panel)),
                     target, panel);
        };
        int64_t whole = width / rows * rows;
        if (whole > 0)
          e.loop(0, whole, rows, [&](Value f) { emitTile(f, rows); });
        if (whole < width)
          emitTile(e.index(whole), width - whole);
      });
  e.call(kernel,
         {c.buffer, c.offset, a.buffer, a.offset, b.buffer, b.offset, steps});
}

//===----------------------------------------------------------------------===//
// Inside microkernels
//===----------------------------------------------------------------------===//

Slice AttentionLeaves::tableAt(Value head, Value broadcast, Value lane) {
  if (!hasTable())
    return {};
  // Over queries: i − j + n − 1 with i in lanes; over keys: j − i + n − 1 with
  // j in lanes.
  Value at = e.add(e.sub(lane, broadcast), e.sub(space.n, 1));
  at = e.add(at, diagonalMargin);
  if (tableHeads > 1)
    at = e.add(at, e.mul(head, diagonalPitch()));
  return {table, at};
}

Value AttentionLeaves::addTable(Value x, const Place &at, int64_t r,
                                int64_t v) {
  if (!hasTable())
    return x;
  return e.addf(x, e.load(e.advance(at.table, v * e.lanes - r), e.lanes));
}

Value AttentionLeaves::isCut(const Place &at) {
  Value result;
  auto orGreater = [&](Value x, Value y) {
    Value greater =
        arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::sgt, x, y);
    result = result ? Value(arith::OrIOp::create(e.b, e.loc, result, greater))
                    : greater;
  };
  bool keys = lanesOver == Lanes::Keys;
  Value i = keys ? at.broadcast : at.lane, j = keys ? at.lane : at.broadcast;
  int64_t iCount = keys ? rows : panel, jCount = keys ? panel : rows;
  Value jEnd = e.add(j, jCount);
  orGreater(jEnd, at.n);
  if (live.mask != Mask::None)
    orGreater(e.sub(jEnd, 1), i);
  if (live.mask == Mask::Window)
    orGreater(e.sub(e.add(i, iCount), j), e.index(live.window));
  return result;
}

void AttentionLeaves::whereCut(const Place &at, function_ref<void(bool)> body) {
  auto ifOp = scf::IfOp::create(e.b, e.loc, isCut(at), /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToStart(&ifOp.getThenRegion().front());
  body(true);
  e.b.setInsertionPointToStart(&ifOp.getElseRegion().front());
  body(false);
}

Value AttentionLeaves::select(Value x, double other, const Place &at, int64_t r,
                              int64_t v) {
  Type integer = e.b.getI32Type();
  auto type = VectorType::get({e.lanes}, integer);
  SmallVector<int32_t> numbers;
  for (int64_t lane = 0; lane < e.lanes; ++lane)
    numbers.push_back(lane);
  Value iota = arith::ConstantOp::create(
      e.b, e.loc, DenseElementsAttr::get(type, ArrayRef(numbers)));
  Value alive;
  // Alive where lane < bound, or lane > bound.
  auto require = [&](arith::CmpIPredicate predicate, Value bound) {
    bound = arith::IndexCastOp::create(e.b, e.loc, integer, bound);
    bound = vector::BroadcastOp::create(e.b, e.loc, type, bound);
    Value holds = arith::CmpIOp::create(e.b, e.loc, predicate, iota, bound);
    alive =
        alive ? Value(arith::AndIOp::create(e.b, e.loc, alive, holds)) : holds;
  };
  auto slt = arith::CmpIPredicate::slt, sgt = arith::CmpIPredicate::sgt;
  Value row = e.add(at.broadcast, r), lane = e.add(at.lane, v * e.lanes);
  Value ahead = e.sub(row, lane); ///< of the row over lane 0
  if (lanesOver == Lanes::Keys) {
    Value bound = e.sub(at.n, lane);
    if (live.mask != Mask::None)
      bound = e.min(bound, e.add(ahead, 1));
    require(slt, bound);
    if (live.mask == Mask::Window)
      require(sgt, e.sub(ahead, live.window));
  } else {
    // A key beyond the last: no lane is below 0.
    Value beyond =
        arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::sge, row, at.n);
    Value bound = e.index(e.lanes);
    if (live.mask == Mask::Window)
      bound = e.add(ahead, live.window);
    require(slt,
            arith::SelectOp::create(e.b, e.loc, beyond, e.index(0), bound));
    if (live.mask != Mask::None)
      require(sgt, e.sub(ahead, 1));
  }
  return arith::SelectOp::create(e.b, e.loc, alive, x, e.splat(other, e.lanes));
}
