//===- TileDiagonalExits.cpp - Sums along diagonals ------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Gradients with respect to functions of i - j, and the one with respect to X,
// which weighs the matrix by such functions.
//
//===----------------------------------------------------------------------===//

#include "passes/TileExits.h"

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

ArrayRef<int64_t> resultShape(Operation *op) {
  return cast<ShapedType>(op->getResult(0).getType()).getShape();
}

/// Sums over heads and batch entries: one per unit, added in the end in the
/// order of the units.
class SharedSums : public TileExit {
public:
  SharedSums(const Context &context, int64_t size)
      : TileExit(context), flat(e.flat(out)), size(size),
        all(e.scratch(nest.units.shares * size)) {}

  void beginUnit() override {
    sums = e.mul(nest.unit, size);
    nest.e.zero({all, sums}, size);
  }

protected:
  /// The scaled sum of all units' numbers at `from`.
  Value total(Value from) {
    Value sum = e.load(all, from);
    for (int64_t unit = 1; unit < nest.units.shares; ++unit)
      sum = e.addf(sum, e.load(all, e.add(from, unit * size)));
    return e.mulf(sum, e.scalar(scale));
  }

  Value flat; ///< output buffer
  int64_t size;
  Value all, sums; ///< of all units; where those of the current one start
};

//===----------------------------------------------------------------------===//
// Sums along diagonals
//===----------------------------------------------------------------------===//

/// Reversed sums: diagonal t of slot r at r · pitch + n − 1 − t.
class DiagonalExit : public SharedSums {
public:
  DiagonalExit(const Context &context, int64_t slots, bool slotsInColumns)
      : SharedSums(context, slots * context.nest.shape.diagonals()),
        slots(slots), slotsInColumns(slotsInColumns) {}

  void end() override {
    Value count = nest.diagonalCount();
    int64_t pitch = nest.shape.diagonals();
    e.parallel(e.index(slots), "", [&](Value slot) {
      e.loop(e.index(0), count, 1, [&](Value t) {
        Value from = e.add(e.mul(slot, pitch), e.sub(e.sub(count, 1), t));
        Value to = slotsInColumns ? e.add(e.mul(t, slots), slot)
                                  : e.add(e.mul(slot, count), t);
        e.store(total(from), flat, to);
      });
    });
  }

protected:
  void addLanes(Value slotBase, Value row, Value column, Value lanes) {
    Value t = nest.diagonal(e.add(nest.i0, row), e.add(nest.j0, column));
    Value at = e.add(e.add(sums, slotBase), t);
    e.store(e.addf(e.load(all, at, e.lanes), lanes), all, at);
  }

  int64_t slots;
  bool slotsInColumns;
};

class DiagonalSumsExit : public DiagonalExit {
public:
  explicit DiagonalSumsExit(const Context &context)
      : DiagonalExit(context,
                     resultShape(context.op).size() == 2
                         ? resultShape(context.op)[0]
                         : 1,
                     /*slotsInColumns=*/false) {}

  void addTile() override {
    Value base =
        slots == 1 ? e.index(0) : e.mul(nest.head, nest.shape.diagonals());
    e.loop(e.index(0), nest.liveRows, 1, [&](Value row) {
      e.loop(0, nest.shape.columns, e.lanes, [&](Value column) {
        addLanes(base, row, column,
                 e.load(tile(), nest.inTile(row, column), e.lanes));
      });
    });
  }
};

/// dW[t+n−1, c] += A_ij Q_i[a_c] K_j[b_c].
class PositionGradientExit : public DiagonalExit {
public:
  PositionGradientExit(const Context &context, PositionGradientOp gradient)
      : DiagonalExit(context, gradient.getSupport().size() / 2,
                     /*slotsInColumns=*/true),
        gradient(gradient),
        support(supportTable(e, nest.anchor, gradient.getSupport())) {
    operands.needTileRows(gradient.getQ());
    operands.needPanels(gradient.getK());
  }

  void addTile() override {
    const TileShape &s = nest.shape;
    int64_t d = TileOperands::width(gradient.getQ());
    Slice q = operands.tileRows(gradient.getQ());
    Value k = operands.panels(gradient.getK());
    e.loop(0, slots, 1, [&](Value c) {
      Value a = nest.supportIndex(support, c, 0);
      Value b = nest.supportIndex(support, c, 1);
      Value base = e.mul(c, s.diagonals());
      Value kAt = e.add(e.mul(nest.j0, d), e.mul(b, s.columns));
      e.loop(e.index(0), nest.liveRows, 1, [&](Value row) {
        Value qAt = e.add(e.mul(row, d), a);
        Value x = e.broadcast(e.load(q.buffer, e.add(q.offset, qAt)), e.lanes);
        e.loop(0, s.columns, e.lanes, [&](Value column) {
          Value y = e.load(tile(), nest.inTile(row, column), e.lanes);
          Value z = e.load(k, e.add(kAt, column), e.lanes);
          addLanes(base, row, column, e.mulf(e.mulf(y, x), z));
        });
      });
    });
  }

private:
  PositionGradientOp gradient;
  Value support;
};

//===----------------------------------------------------------------------===//
// The gradient with respect to X
//===----------------------------------------------------------------------===//

/// G_c += A1ᵀ ((A ∘ W_c) A2) on every tile, c over the support.
class KroneckerExit : public SharedSums {
public:
  KroneckerExit(const Context &context, KroneckerGradientOp gradient)
      : SharedSums(
            context,
            cast<ShapedType>(gradient.getResult().getType()).getNumElements()),
        gradient(gradient), channels(TileOperands::width(gradient.getA1())),
        pairs(gradient.getSupport().size() / 2) {
    operands.needTileRows(gradient.getA1());
    operands.needRows(gradient.getA2());
    operands.needReversed(gradient.getW());
  }

  void beginUnit() override {
    SharedSums::beginUnit();
    weighted = e.scratch(nest.shape.rows * nest.shape.pitch);
    half = e.scratch(nest.shape.rows * channels);
  }

  void addTile() override {
    const TileShape &s = nest.shape;
    Slice a1 = operands.tileRows(gradient.getA1());
    Slice a2 = operands.rows(gradient.getA2());
    Gemm first{s.rows, channels, s.columns, s.pitch,
               1,      channels, channels,  false};
    Gemm second{channels, channels, s.rows,   1,
                channels, channels, channels, true};
    nest.zeroDeadRows(weighted);
    e.loop(0, pairs, 1, [&](Value c) {
      weigh(c);
      emitGemm(e, nest.anchor, first, weighted, e.index(0), a2.buffer,
               e.add(a2.offset, e.mul(nest.j0, channels)), half, e.index(0));
      emitGemm(e, nest.anchor, second, a1.buffer, a1.offset, half, e.index(0),
               all, e.add(sums, e.mul(c, channels * channels)));
    });
  }

  void end() override {
    int64_t square = channels * channels;
    e.parallel(e.index(square), "", [&](Value ab) {
      e.loop(0, pairs, 1, [&](Value c) {
        e.store(total(e.add(e.mul(c, square), ab)), flat,
                e.add(e.mul(ab, pairs), c));
      });
    });
  }

private:
  void weigh(Value c) {
    Value w = operands.reversed(gradient.getW());
    Value base = e.mul(c, nest.shape.diagonals());
    e.loop(e.index(0), nest.liveRows, 1, [&](Value row) {
      Value t = nest.diagonal(e.add(nest.i0, row), nest.j0);
      Value from = e.add(base, t);
      e.loop(0, nest.shape.columns, e.lanes, [&](Value column) {
        Value at = nest.inTile(row, column);
        Value wt = e.load(w, e.add(from, column), e.lanes);
        e.store(e.mulf(e.load(tile(), at, e.lanes), wt), weighted, at);
      });
    });
  }

  KroneckerGradientOp gradient;
  int64_t channels, pairs;
  Value weighted, half;
};

} // namespace

std::unique_ptr<TileExit>
mlir::ropegrad::makeDiagonalExit(const TileExit::Context &context) {
  if (isa<DiagonalSumsOp>(context.op))
    return std::make_unique<DiagonalSumsExit>(context);
  if (auto op = dyn_cast<PositionGradientOp>(context.op))
    return std::make_unique<PositionGradientExit>(context, op);
  if (auto op = dyn_cast<KroneckerGradientOp>(context.op))
    return std::make_unique<KroneckerExit>(context, op);
  return nullptr;
}
