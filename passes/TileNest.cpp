//===- TileNest.cpp - Where the loop over tiles stands ---------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Choice of tile shapes; copies, panels and reversed tables of operands.
//
//===----------------------------------------------------------------------===//

#include "passes/TileNest.h"

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

TileShape TileShape::choose(int64_t n, int64_t lanes) {
  constexpr int64_t oneTile = 96;
  TileShape shape;
  shape.n = n;
  shape.rows = n <= oneTile ? n : chooseSide(n, 8);
  shape.columns = chooseSide(n, lanes);
  // One vector more than the columns: rows a power of two apart would meet in
  // the same few sets of the first cache.
  shape.pitch = shape.columns + lanes;
  return shape;
}

static Value equals(Emitter &e, Value x, int64_t y) {
  return arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::eq, x,
                               e.index(y));
}

void TileNest::atGroup(int64_t groupHeads, bool last,
                       function_ref<void()> body) {
  int64_t size = heads / groupHeads;
  if (size == 1)
    return body();
  Value member = e.rem(head, e.index(size));
  e.when(equals(e, member, last ? size - 1 : 0), body);
}

Value TileNest::groupIndex(int64_t groupHeads) {
  return e.add(e.mul(batch, groupHeads), e.div(head, heads / groupHeads));
}

void TileNest::zero(Value buffer, int64_t size) {
  int64_t whole = size / e.lanes * e.lanes;
  if (whole > 0)
    e.loop(0, whole, e.lanes,
           [&](Value at) { e.store(e.splat(0.0, e.lanes), buffer, at); });
  for (auto [offset, width] : vectorPieces(size - whole, e.lanes))
    e.store(e.splat(0.0, width), buffer, e.index(whole + offset));
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

static int64_t headsOf(Value tall) {
  return cast<MemRefType>(tall.getType()).getDimSize(1);
}

void TileOperands::bind(Value argument, Value memref) {
  bound[argument] = nest.e.flat(memref);
}

void TileOperands::needRows(Value tall) {
  const TileShape &s = nest.shape;
  if ((!s.hasDeadRows() && !s.hasDeadColumns()) || rowCopies.count(tall))
    return;
  int64_t rows = std::max(s.paddedRows(), s.paddedColumns());
  Value copy = nest.e.scratch(rows * width(tall));
  nest.zero(copy, rows * width(tall));
  rowCopies[tall] = copy;
  rowOrder.push_back(tall);
}

void TileOperands::needPanels(Value tall) {
  if (panelCopies.count(tall))
    return;
  int64_t size = nest.shape.paddedColumns() * width(tall);
  Value copy = nest.e.scratch(size);
  nest.zero(copy, size);
  panelCopies[tall] = copy;
  panelOrder.push_back(tall);
}

void TileOperands::needReversed(Value table) {
  if (reversedTables.count(table))
    return;
  Emitter &e = nest.e;
  int64_t count = 2 * nest.shape.n - 1, pitch = nest.shape.diagonals();
  ArrayRef<int64_t> shape = cast<MemRefType>(table.getType()).getShape();
  // W has the diagonals in rows, a bias in columns.
  bool byRows = shape.size() == 2 &&
                llvm::none_of(table.getUsers(), llvm::IsaPred<ToeplitzOp>);
  int64_t rows = shape.size() == 1 ? 1 : shape[byRows ? 1 : 0];
  int64_t step = byRows ? rows : 1, rowStep = byRows ? 1 : count;
  Value copy = e.scratch(rows * pitch), from = whole(table);
  nest.zero(copy, rows * pitch);
  e.loop(0, rows, 1, [&](Value row) {
    e.loop(0, count, 1, [&](Value at) {
      Value source = e.add(e.mul(e.sub(e.index(count - 1), at), step),
                           e.mul(row, rowStep));
      e.store(e.load(from, source), copy, e.add(e.mul(row, pitch), at));
    });
  });
  reversedTables[table] = copy;
}

void TileOperands::copyRows(Value tall, Value to) {
  Emitter &e = nest.e;
  int64_t size = nest.shape.n * width(tall);
  Value from = whole(tall), base = e.mul(nest.groupIndex(headsOf(tall)), size);
  int64_t vectors = size / e.lanes * e.lanes;
  if (vectors > 0)
    e.loop(0, vectors, e.lanes, [&](Value at) {
      e.store(e.load(from, e.add(base, at), e.lanes), to, at);
    });
  for (auto [offset, piece] : vectorPieces(size - vectors, e.lanes)) {
    Value at = e.index(vectors + offset);
    e.store(e.load(from, e.add(base, at), piece), to, at);
  }
}

void TileOperands::packPanels(Value tall, Value to) {
  Emitter &e = nest.e;
  int64_t n = nest.shape.n, columns = nest.shape.columns, w = width(tall);
  Value from = whole(tall), base = e.mul(nest.groupIndex(headsOf(tall)), n * w);
  e.loop(0, n, columns, [&](Value j0) {
    Value live = e.min(e.index(columns), e.sub(e.index(n), j0));
    Value source = e.add(base, e.mul(j0, w)), target = e.mul(j0, w);
    e.loop(0, w, 1, [&](Value c) {
      e.loop(e.index(0), live, 1, [&](Value j) {
        Value x = e.load(from, e.add(e.add(source, e.mul(j, w)), c));
        e.store(x, to, e.add(e.add(target, e.mul(c, columns)), j));
      });
    });
  });
}

void TileOperands::refresh() {
  for (Value tall : rowOrder)
    nest.atGroup(headsOf(tall), /*last=*/false,
                 [&] { copyRows(tall, rowCopies[tall]); });
  for (Value tall : panelOrder)
    nest.atGroup(headsOf(tall), /*last=*/false,
                 [&] { packPanels(tall, panelCopies[tall]); });
}

Slice TileOperands::rows(Value tall) {
  if (Value copy = rowCopies.lookup(tall))
    return {copy, nest.e.index(0)};
  Value index = nest.groupIndex(headsOf(tall));
  return {whole(tall), nest.e.mul(index, nest.shape.n * width(tall))};
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
