//===- LowerTiles.cpp - Tile loops of implicit matrices --------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// ropegrad-lower-tiles: the exact route as loops over batch, heads, row tiles
// and column tiles.
//
//===----------------------------------------------------------------------===//

#include "passes/OnlineSoftmax.h"
#include "passes/TileExits.h"

namespace mlir::ropegrad {
#define GEN_PASS_DEF_LOWERTILES
#include "passes/Passes.h.inc"
} // namespace mlir::ropegrad

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

/// The loop nest of one `tiles` op.
class TileLoops {
public:
  TileLoops(Emitter &e, const TileBody &body)
      : e(e), body(body),
        nest{e,
             body.op,
             TileShape::choose(body.matrix.getRows(), e.lanes),
             body.matrix.getHeads(),
             {},
             {},
             {},
             {},
             {}},
        operands(nest) {}

  void emit() {
    prepare();
    e.loop(0, body.matrix.getBatch(), 1, [&](Value batch) {
      nest.batch = batch;
      e.loop(0, nest.heads, 1, [&](Value head) {
        nest.head = head;
        emitHead();
      });
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
    if (body.logSumExp)
      softmax =
          std::make_unique<OnlineSoftmax>(nest, *matrices, body.logSumExp);
    for (auto [exit, out] : llvm::zip(body.exits, op.getOuts())) {
      if (isa<RowLogSumExpOp>(exit)) {
        logOutputs.push_back(e.flat(out));
        continue;
      }
      exits.push_back(makeExit(exit, e.flat(out)));
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

  void emitHead() {
    operands.refresh();
    matrices->beginHead();
    for (auto &exit : exits)
      exit->beginHead();
    e.loop(0, nest.shape.n, nest.shape.rows, [&](Value i0) {
      nest.i0 = i0;
      emitRows();
    });
    for (auto &exit : exits)
      exit->endHead();
  }

  void emitRows() {
    const TileShape &s = nest.shape;
    nest.liveRows = s.hasDeadRows()
                        ? e.min(e.index(s.rows), e.sub(e.index(s.n), nest.i0))
                        : e.index(s.rows);
    for (auto &exit : exits)
      exit->beginRows();
    if (softmax)
      softmax->beginRows();
    auto [from, to] = liveRange();
    e.loop(from, to, s.columns, [&](Value j0) {
      nest.j0 = j0;
      emitTile();
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
    Value from = e.index(0), to = e.index(s.n);
    if (body.live.mask != Mask::None)
      to = e.min(to, e.add(nest.i0, s.rows));
    if (body.live.mask == Mask::Window) {
      Value first = e.sub(nest.i0, body.live.window - 1);
      first = e.max(first, e.index(0));
      from = e.mul(e.div(first, s.columns), s.columns);
    }
    return {from, to};
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
      Value scalar;
      if (rows.getDefiningOp())
        scalar = softmax->maximum(row);
      else
        scalar = e.load(operands.whole(rows),
                        e.add(e.mul(nest.groupIndex(nest.heads), nest.shape.n),
                              e.add(nest.i0, row)));
      values[rows] = e.broadcast(scalar, e.lanes);
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
  SmallVector<Value> logOutputs;
};

struct LowerTiles : mlir::ropegrad::impl::LowerTilesBase<LowerTiles> {
  using LowerTilesBase::LowerTilesBase;

  void runOnOperation() override {
    if (vectorBits != 128 && vectorBits != 256 && vectorBits != 512) {
      getOperation().emitError("expected vector-bits of 128, 256 or 512, but "
                               "got ")
          << vectorBits.getValue();
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
      TileLoops(e, *body).emit();
      op.erase();
    }
  }
};

} // namespace
