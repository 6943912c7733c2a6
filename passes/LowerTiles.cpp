//===- LowerTiles.cpp - Tile loops of implicit matrices --------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// ropegrad-lower-tiles: the exact route as loops over heads, row tiles and
// column tiles, in units that run in parallel.
//
//===----------------------------------------------------------------------===//

#include "passes/AttentionHalide.h"
#include "passes/OnlineSoftmax.h"
#include "passes/PolynomialTiles.h"
#include "passes/TileExits.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"

namespace mlir::ropegrad {
#define GEN_PASS_DEF_LOWERTILES
#include "passes/Passes.h.inc"
} // namespace mlir::ropegrad

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

/// Batch, heads and n of the matrices of `body`.
RowSpace spaceOf(Emitter &e, const TileBody &body) {
  TilesOp op = body.op;
  Value tall = *llvm::find_if(op->getOperands(), [](Value operand) {
    return cast<MemRefType>(operand.getType()).getRank() >= 3;
  });
  RowSpace space = rowSpace(e, op, tall);
  space.heads = body.matrix.getHeads();
  return space;
}

/// The fewest heads of an operand or result.
int64_t countGroups(const TileBody &body) {
  TilesOp op = body.op;
  int64_t groups = body.matrix.getHeads();
  for (Value operand : op->getOperands())
    if (auto type = cast<MemRefType>(operand.getType()); type.getRank() >= 3)
      groups = std::min(groups, type.getDimSize(1));
  return groups;
}

TileUnits chooseUnits(const TileBody &body, const RowSpace &space,
                      const TileShape &shape) {
  bool sumsHeads = llvm::any_of(
      body.exits,
      llvm::IsaPred<DiagonalSumsOp, PositionGradientOp, KroneckerGradientOp>);
  return TileUnits::choose(space, shape, countGroups(body), sumsHeads);
}

TileNest makeNest(Emitter &e, const TileBody &body) {
  TileNest nest{e,  body.op, spaceOf(e, body), {}, {}, {}, {}, {}, {}, {},
                {}, {}};
  int64_t n = body.matrix.getRows();
  BlockBandOp band = body.live.band;
  nest.shape =
      TileShape::choose(n, isConstantIntValue(nest.n(), n), e.lanes,
                        band ? static_cast<int64_t>(band.getSize()) : 0);
  nest.units = chooseUnits(body, nest.space, nest.shape);
  return nest;
}

/// The loop nest of one `tiles` op.
class TileLoops {
public:
  TileLoops(Emitter &e, const TileBody &body)
      : e(e), body(body), nest(makeNest(e, body)), operands(nest) {}

  void emit() {
    prepare();
    const TileUnits &units = nest.units;
    Value items = e.mul(nest.space.batch, units.groups * units.chunks);
    e.parallel(units.shares ? e.index(units.shares) : items, "",
               [&](Value unit) {
                 nest.unit = unit;
                 beginUnit();
                 if (!units.shares)
                   return emitItem(unit);
                 e.loop(unit, items, units.shares,
                        [&](Value item) { emitItem(item); });
               });
    for (auto &exit : exits)
      exit->end();
  }

private:
  void prepare() {
    TilesOp op = body.op;
    for (auto [argument, input] :
         llvm::zip(op.getBody().front().getArguments(), op.getIns()))
      operands.bind(argument, input);
    matrices = std::make_unique<TileMatrices>(nest, operands, body);
    for (auto [exit, out] : llvm::zip(body.exits, op.getOuts())) {
      if (isa<RowLogSumExpOp>(exit)) {
        logOutputs.push_back(*tallOf(e, op, out));
        continue;
      }
      exits.push_back(makeExit(exit, out));
      if (body.logSumExp && body.isOnline(exit))
        online.insert(exits.back().get());
    }
  }

  std::unique_ptr<TileExit> makeExit(Operation *op, Value out) {
    auto scale = op->getAttrOfType<FloatAttr>("scale");
    TileExit::Context context{
        nest, operands, *matrices,
        op,   out,      scale ? scale.getValueAsDouble() : 1.0};
    if (auto exit = makeRowExit(context))
      return exit;
    if (auto exit = makeColumnExit(context))
      return exit;
    return makeDiagonalExit(context);
  }

  void beginUnit() {
    operands.allocate();
    matrices->allocate();
    if (body.logSumExp)
      softmax =
          std::make_unique<OnlineSoftmax>(nest, *matrices, body.logSumExp);
    for (auto &exit : exits)
      exit->beginUnit();
  }

  /// Number `item` of (batch entry, group, chunk), in this order: the chunk of
  /// every head of the group.
  void emitItem(Value item) {
    const TileUnits &units = nest.units;
    nest.chunk = e.rem(item, e.index(units.chunks));
    Value group = e.div(item, units.chunks);
    nest.batch = e.div(group, units.groups);
    int64_t members = nest.heads() / units.groups;
    Value first = e.mul(e.rem(group, e.index(units.groups)), members);
    if (members == 1) {
      nest.head = first;
      return emitHead();
    }
    e.loop(0, members, 1, [&](Value member) {
      nest.head = e.add(first, member);
      emitHead();
    });
  }

  void emitHead() {
    operands.refreshHead();
    matrices->beginHead();
    for (auto &exit : exits)
      exit->beginHead();
    int64_t rows = nest.shape.rows;
    e.loop(e.mul(nest.chunk, rows), nest.n(), rows * nest.units.chunks,
           [&](Value i0) {
             nest.i0 = i0;
             emitRows();
           });
    for (auto &exit : exits)
      exit->endHead();
  }

  void emitRows() {
    const TileShape &s = nest.shape;
    nest.liveRows = s.hasDeadRows()
                        ? e.min(e.index(s.rows), e.sub(nest.n(), nest.i0))
                        : e.index(s.rows);
    operands.refreshRows();
    for (auto &exit : exits)
      exit->beginRows();
    if (softmax)
      softmax->beginRows();
    forLiveRanges([&](Value from, Value to) {
      e.loop(from, to, s.columns, [&](Value j0) {
        nest.j0 = j0;
        emitTile();
      });
    });
    if (softmax)
      softmax->endRows(logOutputs);
    for (auto &exit : exits)
      exit->endRows(online.count(exit.get()) ? softmax->factors() : Value());
  }

  /// Columns [from, to) that some exit's mask leaves alive in this row tile,
  /// from a tile's first column on.
  std::pair<Value, Value> liveRange() {
    const TileShape &s = nest.shape;
    Value from = e.index(0), to = nest.n();
    if (body.live.mask != Mask::None)
      to = e.min(to, e.add(nest.i0, s.rows));
    if (body.live.mask == Mask::Window) {
      Value first = e.sub(nest.i0, body.live.window - 1);
      first = e.max(first, e.index(0));
      from = e.mul(e.div(first, s.columns), s.columns);
    }
    return {from, to};
  }

  /// Calls `body` for the live columns of this row tile, from a tile's first
  /// column on: each tile once.
  void forLiveRanges(function_ref<void(Value from, Value to)> body) {
    auto [from, to] = liveRange();
    BlockBandOp band = this->body.live.band;
    if (!band)
      return body(from, to);
    auto columns = [&](Value first) { // rounded up to a tile's first one
      int64_t side = nest.shape.columns;
      return e.mul(e.div(e.add(first, side - 1), side), side);
    };
    int64_t size = static_cast<int64_t>(band.getSize());
    Value firstBlock = e.div(nest.i0, size);
    Value lastBlock = e.div(e.add(nest.i0, nest.shape.rows - 1), size);
    auto runs = runsOf(band);
    for (auto [least, most] : llvm::reverse(runs)) {
      Value first = e.mul(e.sub(firstBlock, most), size);
      Value end = e.mul(e.sub(lastBlock, least - 1), size);
      first = e.max(first, e.index(0));
      first = e.mul(e.div(first, nest.shape.columns), nest.shape.columns);
      first = e.max(first, from);
      end = e.min(end, to);
      body(first, end);
      from = e.max(from, columns(e.max(end, e.index(0))));
    }
  }

  void emitTile() {
    matrices->emitProducts();
    if (softmax)
      matrices->whereCut([&](bool cut) {
        softmax->updateMaxima(cut, [&](Value row, Value factor) {
          for (auto &exit : exits)
            if (online.count(exit.get()))
              exit->rescale(row, factor);
        });
      });
    if (!body.exitMatrices.empty() || softmax)
      matrices->whereCut([&](bool cut) { emitElements(cut); });
    for (Value matrix : body.exitMatrices)
      nest.zeroDeadRows(matrices->tileOf(matrix));
    for (auto &exit : exits)
      exit->addTile();
  }

  /// Scalars of tall row operands in all lanes, for the row that is `row`th in
  /// its tile.
  DenseMap<Value, Value> rowValues(Value row) {
    DenseMap<Value, Value> values;
    for (Operation *op : body.rowOps) {
      Value rows = op->getOperand(1);
      if (values.count(rows))
        continue;
      if (rows.getDefiningOp()) {
        values[rows] = e.broadcast(softmax->maximum(row), e.lanes);
        continue;
      }
      Slice at = operands.row(rows, e.add(nest.i0, row));
      values[rows] = e.broadcast(e.load(at.buffer, at.offset), e.lanes);
    }
    return values;
  }

  /// All exits' matrices in one loop, so that what they share is made once.
  void emitElements(bool cut) {
    e.loop(e.index(0), nest.liveRows, 1, [&](Value row) {
      DenseMap<Value, Value> rows = rowValues(row);
      SmallVector<Value> sum;
      Value maximum;
      if (softmax) {
        sum.push_back(softmax->loadSum(row));
        maximum = e.broadcast(softmax->maximum(row), e.lanes);
      }
      sum = e.loop(
          e.index(0), e.index(nest.shape.columns), e.lanes, sum,
          [&](Value column, ValueRange sum) {
            TileLanes lanes(*matrices, row, column, cut, rows);
            SmallVector<Value> values, next;
            for (Value matrix : body.exitMatrices)
              values.push_back(lanes.select(nullptr, lanes.get(matrix), 0.0));
            for (auto [value, matrix] : llvm::zip(values, body.exitMatrices))
              e.store(value, matrices->tileOf(matrix), lanes.position());
            if (softmax)
              next.push_back(e.addf(sum[0], softmax->weight(lanes, maximum)));
            return next;
          });
      if (softmax)
        softmax->storeSum(row, sum[0]);
    });
  }

  Emitter &e;
  const TileBody &body;
  TileNest nest;
  TileOperands operands;
  std::unique_ptr<TileMatrices> matrices;
  std::unique_ptr<OnlineSoftmax> softmax;
  SmallVector<std::unique_ptr<TileExit>> exits;
  DenseSet<TileExit *> online;
  SmallVector<Tall> logOutputs;
};

/// Attention by Halide, nothing else: a kernel by two makers would hide which
/// of them made what.
LogicalResult lowerByHalide(Emitter &e, const TileBody &body) {
  if (auto forward = AttentionForward::match(body)) {
    emitAttentionByHalide(e, *forward);
    return success();
  }
  auto backward = AttentionBackward::match(body);
  if (backward && !backward->diagonals) {
    emitAttentionByHalide(e, *backward);
    return success();
  }
  TilesOp op = body.op;
  return op.emitError("expected softmax attention without W, and gradients by "
                      "Q or K, with or without V, for exact-by halide, but got "
                      "another expression");
}

/// Attention by its own loops, everything else by the general ones.
void lower(Emitter &e, const TileBody &body, bool general) {
  if (!general) {
    if (auto forward = AttentionForward::match(body))
      return emitAttention(e, *forward);
    if (auto backward = AttentionBackward::match(body))
      return emitAttention(e, *backward);
    if (auto polynomial = PolynomialTiles::match(body))
      if (emitAttention(e, *polynomial))
        return;
  }
  TileLoops(e, body).emit();
}

struct LowerTiles : mlir::ropegrad::impl::LowerTilesBase<LowerTiles> {
  using LowerTilesBase::LowerTilesBase;

  void runOnOperation() override {
    if (vectorBits != 128 && vectorBits != 256 && vectorBits != 512) {
      getOperation().emitError("expected vector-bits of 128, 256 or 512, but "
                               "got ")
          << vectorBits.getValue();
      return signalPassFailure();
    }
    if (exactBy != "mlir" && exactBy != "halide") {
      getOperation().emitError("expected exact-by mlir or halide, but got ")
          << exactBy.getValue();
      return signalPassFailure();
    }
    SmallVector<TilesOp> ops;
    getOperation().walk([&](TilesOp op) { ops.push_back(op); });
    for (TilesOp op : ops) {
      FailureOr<TileBody> body = TileBody::analyse(op);
      if (failed(body))
        return signalPassFailure();
      OpBuilder builder(op);
      Emitter e(builder, op.getLoc(), body->matrix.getElementType(),
                vectorBits);
      e.scalef = scalef;
      if (exactBy != "halide")
        lower(e, *body, general);
      else if (failed(lowerByHalide(e, *body)))
        return signalPassFailure();
      op.erase();
    }
  }
};

} // namespace
