//===- TileLanes.cpp - The elementwise part of a tile ----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Products per tile, Toeplitz prefactors and masks by index arithmetic.
//
//===----------------------------------------------------------------------===//

#include "passes/TileLanes.h"

using namespace mlir;
using namespace mlir::ropegrad;

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

TileMatrices::TileMatrices(TileNest &nest, TileOperands &operands,
                           const TileBody &body)
    : nest(nest), operands(operands), body(body) {
  Emitter &e = nest.e;
  for (Operation *op : body.products) {
    operands.needTileRows(op->getOperand(0));
    operands.needPanels(op->getOperand(1));
    auto logits = dyn_cast<LogitsOp>(op);
    if (logits && logits.getW()) {
      operands.needReversed(logits.getW());
      supports[op] = supportTable(e, nest.anchor, *logits.getSupport());
    }
  }
  for (ToeplitzOp op : body.toeplitz) {
    if (op.getBias())
      operands.needReversed(op.getBias());
    if (auto alibi = op.getAlibi(); alibi && alibi->size() > 1) {
      auto type = RankedTensorType::get({static_cast<int64_t>(alibi->size())},
                                        e.b.getF64Type());
      slopeTables[op] = constantTable(e, nest.anchor, "ropegrad_slopes",
                                      DenseElementsAttr::get(type, *alibi));
    }
  }
}

void TileMatrices::allocate() {
  int64_t size = nest.shape.rows * nest.shape.pitch;
  SmallVector<Value> buffers;
  while (buffers.size() <
         std::max(body.products.size(), body.exitMatrices.size()))
    buffers.push_back(nest.e.scratch(size));
  // An element of an exit's matrix may take the place of an element of a
  // product: all products of a position are read before anything is stored.
  for (auto [op, buffer] : llvm::zip(body.products, buffers))
    products[op->getResult(0)] = buffer;
  for (auto [matrix, buffer] : llvm::zip(body.exitMatrices, buffers))
    tiles[matrix] = buffer;
}

void TileMatrices::beginHead() {
  Emitter &e = nest.e;
  for (ToeplitzOp op : body.toeplitz) {
    auto alibi = op.getAlibi();
    if (!alibi)
      continue;
    Value slope;
    if (Value table = slopeTables.lookup(op)) {
      slope = e.load(table, nest.head);
      if (e.element.isF32())
        slope = arith::TruncFOp::create(e.b, e.loc, e.element, slope);
    } else {
      slope = e.scalar((*alibi)[0]);
    }
    slopes[op] = e.broadcast(slope, e.lanes);
  }
}

void TileMatrices::emitProducts() {
  for (Operation *op : body.products) {
    Value to = products[op->getResult(0)], u = op->getOperand(0),
          v = op->getOperand(1);
    auto logits = dyn_cast<LogitsOp>(op);
    if (logits && logits.getW()) {
      emitGeneralLogits(logits, to);
      continue;
    }
    Emitter &e = nest.e;
    const TileShape &s = nest.shape;
    int64_t width = TileOperands::width(u);
    Gemm gemm{s.rows,
              s.columns,
              width,
              width,
              1,
              s.columns,
              s.pitch,
              /*accumulate=*/false,
              logits ? logits.getScale().convertToDouble() : 1.0};
    Slice rows = operands.tileRows(u);
    emitGemm(e, nest.anchor, gemm, rows.buffer, rows.offset, operands.panels(v),
             e.mul(nest.j0, width), to, e.index(0));
  }
}

/// Z_ij = scale Σ_c q_i[a_c] W[i−j+n−1, c] k_j[b_c], lanes over j.
void TileMatrices::emitGeneralLogits(LogitsOp op, Value to) {
  Emitter &e = nest.e;
  const TileShape &s = nest.shape;
  int64_t d = TileOperands::width(op.getQ());
  int64_t pairs = op.getSupport()->size() / 2;
  Slice q = operands.tileRows(op.getQ());
  Value k = operands.panels(op.getK()), w = operands.reversed(op.getW());
  Value support = supports[op];
  e.loop(e.index(0), nest.liveRows, 1, [&](Value row) {
    Value i = e.add(nest.i0, row), qi = e.add(q.offset, e.mul(row, d));
    e.loop(0, s.columns, e.lanes, [&](Value column) {
      Value t = nest.diagonal(i, e.add(nest.j0, column));
      Value kj = e.add(e.mul(nest.j0, d), column);
      Value zero = e.splat(0.0, e.lanes);
      Value z = e.loop(
          e.index(0), e.index(pairs), 1, zero,
          [&](Value c, ValueRange sum) -> SmallVector<Value> {
            Value a = nest.supportIndex(support, c, 0);
            Value b = nest.supportIndex(support, c, 1);
            Value x = e.broadcast(e.load(q.buffer, e.add(qi, a)), e.lanes);
            Value wt = e.load(w, e.add(e.mul(c, s.diagonals()), t), e.lanes);
            Value y = e.load(k, e.add(kj, e.mul(b, s.columns)), e.lanes);
            return {e.fma(e.mulf(x, wt), y, sum[0])};
          })[0];
      z = e.mulf(z, e.splat(op.getScale().convertToDouble(), e.lanes));
      e.store(z, to, nest.inTile(row, column));
    });
  });
}

/// Whether every tile that the loops visit has ones of `band` alone.
bool TileMatrices::isDense(BlockBandOp band) const {
  BlockBandOp live = body.live.band;
  int64_t size = static_cast<int64_t>(band.getSize());
  return live && live->getAttrDictionary() == band->getAttrDictionary() &&
         size % nest.shape.rows == 0 && size % nest.shape.columns == 0;
}

/// Whether some element of the tile is masked or beyond the last column; null
/// where that cannot be.
Value TileMatrices::emitCut() {
  Emitter &e = nest.e;
  const TileShape &s = nest.shape;
  Value result;
  auto orGreater = [&](Value x, Value y) {
    Value greater =
        arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::sgt, x, y);
    result = result ? Value(arith::OrIOp::create(e.b, e.loc, result, greater))
                    : greater;
  };
  if (!llvm::all_of(body.bands, [&](BlockBandOp op) { return isDense(op); }))
    return arith::ConstantIntOp::create(e.b, e.loc, 1, /*width=*/1);
  Value last = e.add(nest.j0, s.columns - 1);
  if (s.hasDeadColumns())
    orGreater(last, e.sub(nest.n(), 1));
  for (ToeplitzOp op : body.toeplitz) {
    if (op.getMask() != Mask::None)
      orGreater(last, nest.i0);
    if (op.getMask() == Mask::Window)
      orGreater(e.sub(e.add(nest.i0, s.rows), nest.j0),
                e.index(static_cast<int64_t>(*op.getWindow())));
  }
  return result;
}

void TileMatrices::whereCut(function_ref<void(bool cut)> emit) {
  Emitter &e = nest.e;
  Value cut = emitCut();
  if (!cut)
    return emit(false);
  auto ifOp = scf::IfOp::create(e.b, e.loc, cut, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToStart(&ifOp.getThenRegion().front());
  emit(true);
  e.b.setInsertionPointToStart(&ifOp.getElseRegion().front());
  emit(false);
}

//===----------------------------------------------------------------------===//
// Lanes
//===----------------------------------------------------------------------===//

Value TileLanes::get(Value matrix) {
  if (Value known = made.lookup(matrix))
    return known;
  auto op = cast<TileOpInterface>(matrix.getDefiningOp());
  Value lanes = op.emitLanes(*this);
  made[matrix] = lanes;
  return lanes;
}

Value TileLanes::product(Operation *op) {
  return e.load(m.products.lookup(op->getResult(0)), position(), e.lanes);
}

/// j − i of the first lane.
Value TileLanes::columnMinusRow() {
  return e.sub(e.add(m.nest.j0, inColumn), e.add(m.nest.i0, inRow));
}

Value TileLanes::logPrefactor(Operation *op) {
  auto toeplitz = cast<ToeplitzOp>(op);
  Value log;
  if (Value slope = m.slopes.lookup(op)) {
    SmallVector<APFloat> lanes;
    for (int64_t lane = 0; lane < e.lanes; ++lane)
      lanes.push_back(
          e.b.getFloatAttr(e.element, static_cast<double>(lane)).getValue());
    Value iota = arith::ConstantOp::create(
        e.b, e.loc, DenseElementsAttr::get(e.vector(e.lanes), lanes));
    Value first = arith::IndexCastOp::create(e.b, e.loc, e.b.getI64Type(),
                                             columnMinusRow());
    first = arith::SIToFPOp::create(e.b, e.loc, e.element, first);
    Value t = e.addf(e.broadcast(first, e.lanes), iota);
    Value distance = math::AbsFOp::create(e.b, e.loc, t);
    log = arith::NegFOp::create(e.b, e.loc, e.mulf(distance, slope));
  }
  if (Value bias = toeplitz.getBias()) {
    const TileShape &s = m.nest.shape;
    Value at =
        m.nest.diagonal(e.add(m.nest.i0, inRow), e.add(m.nest.j0, inColumn));
    if (cast<MemRefType>(bias.getType()).getRank() == 2)
      at = e.add(at, e.mul(m.nest.head, s.diagonals()));
    Value value = e.load(m.operands.reversed(bias), at, e.lanes);
    log = log ? e.addf(log, value) : value;
  }
  return log;
}

/// The numbers of the lanes, as integers of the width of an element.
static Value laneNumbers(Emitter &e) {
  auto integer = e.b.getIntegerType(e.element.getWidth());
  auto type = VectorType::get({e.lanes}, integer);
  SmallVector<APInt> lanes;
  for (int64_t lane = 0; lane < e.lanes; ++lane)
    lanes.push_back(APInt(integer.getWidth(), lane));
  return arith::ConstantOp::create(e.b, e.loc,
                                   DenseElementsAttr::get(type, lanes));
}

/// Lane numbers compared with an index, lane by lane.
static Value compareLanes(Emitter &e, arith::CmpIPredicate predicate,
                          Value bound) {
  Value lanes = laneNumbers(e);
  auto type = cast<VectorType>(lanes.getType());
  bound = arith::IndexCastOp::create(e.b, e.loc, type.getElementType(), bound);
  bound = vector::BroadcastOp::create(e.b, e.loc, type, bound);
  return arith::CmpIOp::create(e.b, e.loc, predicate, lanes, bound);
}

/// One comparison with either end of each run of offsets.
Value TileLanes::isInBand(BlockBandOp band) {
  int64_t size = static_cast<int64_t>(band.getSize());
  Value block = e.div(e.add(m.nest.i0, inRow), size);
  Value first = e.add(m.nest.j0, inColumn);
  // Lanes of columns in block b and later: lane >= b · size - first.
  auto from = [&](int64_t offset) {
    return e.sub(e.mul(e.sub(block, offset), size), first);
  };
  Value live;
  for (auto [least, most] : runsOf(band)) {
    Value in = arith::AndIOp::create(
        e.b, e.loc, compareLanes(e, arith::CmpIPredicate::sge, from(most)),
        compareLanes(e, arith::CmpIPredicate::slt, from(least - 1)));
    live = live ? Value(arith::OrIOp::create(e.b, e.loc, live, in)) : in;
  }
  return live;
}

Value TileLanes::isLive(Operation *op) {
  const TileShape &s = m.nest.shape;
  Value live;
  auto require = [&](Value holds) {
    live = live ? Value(arith::AndIOp::create(e.b, e.loc, live, holds)) : holds;
  };
  Value from = columnMinusRow();
  if (s.hasDeadColumns())
    require(compareLanes(e, arith::CmpIPredicate::slt,
                         e.sub(e.sub(m.nest.n(), m.nest.j0), inColumn)));
  auto toeplitz = dyn_cast_or_null<ToeplitzOp>(op);
  if (toeplitz && toeplitz.getMask() != Mask::None)
    require(
        compareLanes(e, arith::CmpIPredicate::sle, e.sub(e.index(0), from)));
  if (toeplitz && toeplitz.getMask() == Mask::Window)
    require(compareLanes(
        e, arith::CmpIPredicate::sgt,
        e.sub(e.index(-static_cast<int64_t>(*toeplitz.getWindow())), from)));
  auto band = dyn_cast_or_null<BlockBandOp>(op);
  if (band && !m.isDense(band))
    require(isInBand(band));
  return live;
}

Value TileLanes::select(Operation *mask, Value value, double other) {
  Value live = cut ? isLive(mask) : Value();
  if (!live)
    return value;
  return arith::SelectOp::create(e.b, e.loc, live, value, constant(other));
}

Value TileLanes::masked(Operation *mask, Value value) {
  return select(mask, value, 0.0);
}
