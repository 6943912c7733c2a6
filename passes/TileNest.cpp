//===- TileNest.cpp - Where the loop over tiles stands ---------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Choice of tile shapes and units; copies, panels and reversed tables of
// operands.
//
//===----------------------------------------------------------------------===//

#include "passes/TileNest.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"

#include <algorithm>

using namespace mlir;
using namespace mlir::ropegrad;

/// A side of about 64: the least multiple of `unit` from 64 to 128 that divides
/// n, or else the one of about 64 that pads n least.
static int64_t chooseSide(int64_t n, int64_t unit) {
  constexpr int64_t wanted = 64, most = 128;
  for (int64_t side = wanted; side <= most; side += unit)
    if (n % side == 0)
      return side;
  int64_t blocks = (n + wanted - 1) / wanted;
  int64_t even = (n + blocks - 1) / blocks;
  return (even + unit - 1) / unit * unit;
}

/// A side of both rows and columns that divides `block`, as near to 64 as can
/// be; 0 if none does.
static int64_t sideWithin(int64_t block, int64_t lanes) {
  constexpr int64_t wanted = 64, least = 32, most = 128;
  int64_t unit = std::max<int64_t>(lanes, 8), best = 0;
  for (int64_t side = least; side <= most; side += unit)
    if (block % side == 0 && std::abs(side - wanted) <= std::abs(best - wanted))
      best = side;
  return best;
}

TileShape TileShape::choose(int64_t n, bool isFixed, int64_t lanes,
                            int64_t block) {
  constexpr int64_t oneTile = 96;
  TileShape shape;
  shape.n = n;
  shape.isFixed = isFixed;
  shape.rows = n <= oneTile ? n : chooseSide(n, 8);
  shape.columns = chooseSide(n, lanes);
  int64_t side = block > 0 && block < n ? sideWithin(block, lanes) : 0;
  if (side > 0)
    shape.rows = shape.columns = side;
  // One vector more than the columns: rows a power of two apart would meet in
  // the same few sets of the first cache.
  shape.pitch = shape.columns + lanes;
  return shape;
}

TileUnits TileUnits::choose(const RowSpace &space, const TileShape &shape,
                            int64_t groups, bool sumsHeads) {
  // More are not worth their partial sums, nor packing the operands of a head
  // once for each chunk.
  constexpr int64_t wanted = 8, mostChunks = 4;
  int64_t heads = space.maxBatch * groups;
  int64_t most = std::min(mostChunks, shape.paddedRows() / shape.rows);
  TileUnits units;
  units.groups = groups;
  units.chunks = std::clamp<int64_t>((wanted + heads - 1) / heads, 1, most);
  units.shares = sumsHeads ? std::min(wanted, heads * units.chunks) : 0;
  return units;
}

static Value equals(Emitter &e, Value x, int64_t y) {
  return arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::eq, x,
                               e.index(y));
}

void TileNest::atGroup(int64_t groupHeads, bool last,
                       function_ref<void()> body) {
  int64_t size = heads() / groupHeads;
  if (size == 1)
    return body();
  Value member = e.rem(head, e.index(size));
  e.when(equals(e, member, last ? size - 1 : 0), body);
}

Value TileNest::groupIndex(int64_t groupHeads) {
  return e.add(e.mul(batch, groupHeads), e.div(head, heads() / groupHeads));
}

void TileNest::forBlocks(Value rows, int64_t width,
                         function_ref<void(Value, Value, int64_t)> body) {
  e.forPieces(width, [&](Value column, int64_t side) {
    Value whole = e.mul(e.div(rows, side), side);
    e.loop(e.index(0), whole, side,
           [&](Value row) { body(row, column, side); });
    if (side == 1)
      return;
    e.loop(whole, rows, 1, [&](Value row) {
      e.loop(0, side, 1, [&](Value c) { body(row, e.add(column, c), 1); });
    });
  });
}

Value TileNest::supportIndex(Value table, Value c, int64_t which) {
  Value index = e.load(table, e.add(e.mul(c, 2), which));
  return arith::IndexCastOp::create(e.b, e.loc, e.b.getIndexType(), index);
}

void TileNest::zeroDeadRows(Value tile) {
  if (!shape.hasDeadRows())
    return;
  e.loop(liveRows, e.index(shape.rows), 1, [&](Value row) {
    e.loop(0, shape.columns, e.lanes, [&](Value column) {
      e.store(e.splat(0.0, e.lanes), tile, inTile(row, column));
    });
  });
}

int64_t TileOperands::width(Value tall) {
  return cast<MemRefType>(tall.getType()).getShape().back();
}

void TileOperands::bind(Value argument, Value memref) {
  if (cast<MemRefType>(memref.getType()).getRank() < 3)
    tables[argument] = nest.e.flat(memref);
  else
    bound[argument] = *tallOf(nest.e, nest.anchor, memref);
}

/// Whether rows of `tall` follow one another without a gap.
bool TileOperands::isPacked(Value tall) {
  return isConstantIntValue(bound.find(tall)->second.rowStride, width(tall));
}

void TileOperands::needTileRows(Value tall) {
  if (nest.shape.hasDeadRows() || !isPacked(tall))
    tileCopies.insert({tall, Value()});
}

void TileOperands::needRows(Value tall) {
  if (nest.shape.hasDeadColumns() || !isPacked(tall))
    rowCopies.insert({tall, Value()});
}

void TileOperands::needPanels(Value tall) {
  panelCopies.insert({tall, Value()});
}

void TileOperands::needReversed(Value table) {
  if (reversedTables.count(table))
    return;
  Emitter &e = nest.e;
  int64_t pitch = nest.shape.diagonals();
  Value count = nest.diagonalCount();
  ArrayRef<int64_t> shape = cast<MemRefType>(table.getType()).getShape();
  // W has the diagonals in rows, a bias in columns.
  bool byRows = shape.size() == 2 &&
                llvm::none_of(table.getUsers(), llvm::IsaPred<ToeplitzOp>);
  int64_t rows = shape.size() == 1 ? 1 : shape[byRows ? 1 : 0];
  Value step = e.index(byRows ? rows : 1);
  Value rowStep = byRows ? e.index(1) : count;
  Value copy = e.scratch(rows * pitch), from = tables.lookup(table);
  e.parallel(e.index(rows), "", [&](Value row) {
    Value to = e.mul(row, pitch);
    e.loop(e.index(0), count, 1, [&](Value at) {
      Value source =
          e.add(e.mul(e.sub(e.sub(count, 1), at), step), e.mul(row, rowStep));
      e.store(e.load(from, source), copy, e.add(to, at));
    });
    e.loop(count, e.index(pitch), 1,
           [&](Value at) { e.store(e.scalar(0.0), copy, e.add(to, at)); });
  });
  reversedTables[table] = copy;
}

void TileOperands::allocate() {
  const TileShape &s = nest.shape;
  auto make = [&](llvm::MapVector<Value, Value> &copies, int64_t rows) {
    for (auto &[tall, copy] : copies)
      copy = nest.e.scratch(rows * width(tall));
  };
  make(tileCopies, s.rows);
  make(rowCopies, s.paddedColumns());
  make(panelCopies, s.paddedColumns());
}

/// Rows [from, from + live) of the current head and zero rows up to `padded`.
void TileOperands::copyRows(Value tall, Value from, Value live, Value padded,
                            Value to) {
  Emitter &e = nest.e;
  int64_t w = width(tall);
  e.loop(e.index(0), live, 1, [&](Value row) {
    Slice source = this->row(tall, e.add(from, row));
    Value target = e.mul(row, w);
    nest.e.forPieces(w, [&](Value at, int64_t lanes) {
      Value x = e.load(source.buffer, e.add(source.offset, at), lanes);
      e.store(x, to, e.add(target, at));
    });
  });
  e.loop(e.mul(live, w), e.mul(padded, w), 1,
         [&](Value at) { e.store(e.scalar(0.0), to, at); });
}

void TileOperands::packPanels(Value tall, Value to) {
  Emitter &e = nest.e;
  int64_t columns = nest.shape.columns, w = width(tall);
  Value stride = bound.find(tall)->second.rowStride;
  e.loop(e.index(0), nest.n(), columns, [&](Value j0) {
    Value live = e.min(e.index(columns), e.sub(nest.n(), j0));
    Slice source = row(tall, j0);
    Value target = e.mul(j0, w);
    nest.forBlocks(live, w, [&](Value j, Value c, int64_t side) {
      SmallVector<Value> rows;
      Value from = e.add(e.add(source.offset, e.mul(j, stride)), c);
      for (int64_t i = 0; i < side; ++i)
        rows.push_back(
            e.load(source.buffer, e.add(from, e.mul(stride, i)), side));
      Value at = e.add(e.add(target, e.mul(c, columns)), j);
      for (auto [i, lanes] : llvm::enumerate(nest.e.transpose(rows)))
        e.store(lanes, to, e.add(at, i * columns));
    });
    e.loop(0, w, 1, [&](Value c) {
      Value at = e.add(target, e.mul(c, columns));
      e.loop(live, e.index(columns), 1,
             [&](Value j) { e.store(e.scalar(0.0), to, e.add(at, j)); });
    });
  });
}

void TileOperands::refreshHead() {
  Emitter &e = nest.e;
  int64_t columns = nest.shape.columns;
  Value padded = e.mul(e.div(e.add(nest.n(), columns - 1), columns), columns);
  for (auto [tall, copy] : rowCopies)
    nest.atGroup(headsOf(tall), /*last=*/false, [&, tall = tall, copy = copy] {
      copyRows(tall, e.index(0), nest.n(), padded, copy);
    });
  for (auto [tall, copy] : panelCopies)
    nest.atGroup(headsOf(tall), /*last=*/false,
                 [&, tall = tall, copy = copy] { packPanels(tall, copy); });
}

void TileOperands::refreshRows() {
  for (auto [tall, copy] : tileCopies)
    copyRows(tall, nest.i0, nest.liveRows, nest.e.index(nest.shape.rows), copy);
}

Slice TileOperands::row(Value tall, Value row) {
  const Tall &t = bound.find(tall)->second;
  Value head = nest.e.div(nest.head, nest.heads() / t.heads);
  return {t.buffer, t.at(nest.e, nest.batch, head, row)};
}

Slice TileOperands::tileRows(Value tall) {
  if (Value copy = tileCopies.lookup(tall))
    return {copy, nest.e.index(0)};
  return row(tall, nest.i0);
}

Slice TileOperands::rows(Value tall) {
  if (Value copy = rowCopies.lookup(tall))
    return {copy, nest.e.index(0)};
  return row(tall, nest.e.index(0));
}

Value TileOperands::panels(Value tall) { return panelCopies.lookup(tall); }

Value TileOperands::reversed(Value table) {
  return reversedTables.lookup(table);
}

Value mlir::ropegrad::constantTable(Emitter &e, Operation *anchor,
                                    StringRef name, DenseElementsAttr values) {
  auto module = anchor->getParentOfType<ModuleOp>();
  std::string unique = name.str();
  for (unsigned i = 1; module.lookupSymbol(unique); ++i)
    unique = name.str() + "_" + std::to_string(i);
  auto type =
      MemRefType::get(values.getType().getShape(), values.getElementType());
  {
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(module.getBody());
    memref::GlobalOp::create(e.b, e.loc, unique, e.b.getStringAttr("private"),
                             type, values, /*constant=*/true,
                             /*alignment=*/IntegerAttr());
  }
  return memref::GetGlobalOp::create(e.b, e.loc, type, unique);
}

Value mlir::ropegrad::supportTable(Emitter &e, Operation *anchor,
                                   ArrayRef<int64_t> pairs) {
  auto type = RankedTensorType::get({static_cast<int64_t>(pairs.size())},
                                    e.b.getI64Type());
  return constantTable(e, anchor, "ropegrad_support",
                       DenseElementsAttr::get(type, pairs));
}
