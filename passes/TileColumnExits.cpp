//===- TileColumnExits.cpp - Sums over rows --------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Exits whose row j needs column j of the matrix: all column tiles at once.
//
//===----------------------------------------------------------------------===//

#include "passes/TileExits.h"

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

ArrayRef<int64_t> resultShape(Operation *op) {
  return cast<ShapedType>(op->getResult(0).getType()).getShape();
}

/// Transposed sums [column tile][w][columns], so that lanes run over j whatever
/// the width; written when the last head of a group is done.
class ColumnExit : public TileExit {
public:
  explicit ColumnExit(const Context &context)
      : TileExit(context), width(resultShape(op)[3]),
        groups(resultShape(op)[1]),
        sums(e.scratch(nest.shape.paddedColumns() * width)) {}

  void beginHead() override {
    nest.atGroup(groups, /*last=*/false,
                 [&] { nest.zero(sums, nest.shape.paddedColumns() * width); });
  }

  void endHead() override {
    nest.atGroup(groups, /*last=*/true, [&] { write(); });
  }

protected:
  int64_t width, groups;
  Value sums;

private:
  void write() {
    int64_t n = nest.shape.n, columns = nest.shape.columns;
    Value base = e.mul(nest.groupIndex(groups), n * width);
    e.loop(0, n, columns, [&](Value j0) {
      Value live = e.min(e.index(columns), e.sub(e.index(n), j0));
      Value tile = e.mul(j0, width);
      e.loop(e.index(0), live, 1, [&](Value j) {
        Value to = e.add(base, e.mul(e.add(j0, j), width));
        e.loop(0, width, 1, [&](Value c) {
          Value sum = e.load(sums, e.add(tile, e.add(e.mul(c, columns), j)));
          e.store(e.mulf(sum, e.scalar(scale)), out, e.add(to, c));
        });
      });
    });
  }
};

class ApplyTransposedExit : public ColumnExit {
public:
  ApplyTransposedExit(const Context &context, Value x)
      : ColumnExit(context), x(x) {
    operands.needRows(x);
  }

  /// Yᵀ += Xᵀ A on the tile.
  void addTile() override {
    const TileShape &s = nest.shape;
    Gemm gemm{width, s.columns, s.rows, 1, width, s.pitch, s.columns, true};
    Slice rows = operands.rows(x);
    emitGemm(e, nest.anchor, gemm, rows.buffer,
             e.add(rows.offset, e.mul(nest.i0, width)), tile, e.index(0), sums,
             e.mul(nest.j0, width));
  }

private:
  Value x;
};

/// Y_j[b_c] += A_ij X_i[a_c] W[i−j+n−1, c].
class ApplyPositionTransposedExit : public ColumnExit {
public:
  ApplyPositionTransposedExit(const Context &context, ApplyPositionOp apply)
      : ColumnExit(context), apply(apply), pairs(apply.getSupport().size() / 2),
        support(supportTable(e, nest.anchor, apply.getSupport())) {
    operands.needRows(apply.getX());
    operands.needReversed(apply.getW());
  }

  void addTile() override {
    const TileShape &s = nest.shape;
    Slice x = operands.rows(apply.getX());
    Value w = operands.reversed(apply.getW());
    e.loop(0, pairs, 1, [&](Value c) {
      Value a = nest.supportIndex(support, c, 0);
      Value b = nest.supportIndex(support, c, 1);
      Value wBase = e.mul(c, s.diagonals());
      Value to = e.add(e.mul(nest.j0, width), e.mul(b, s.columns));
      Value xAt = e.add(x.offset, e.add(e.mul(nest.i0, width), a));
      e.loop(0, s.columns, e.lanes, [&](Value column) {
        Value at = e.add(to, column), j = e.add(nest.j0, column);
        Value sum = e.loop(
            e.index(0), nest.liveRows, 1, e.load(sums, at, e.lanes),
            [&](Value row, ValueRange sum) -> SmallVector<Value> {
              Value t = nest.diagonal(e.add(nest.i0, row), j);
              Value wt = e.load(w, e.add(wBase, t), e.lanes);
              Value y = e.load(tile, nest.inTile(row, column), e.lanes);
              Value u = e.load(x.buffer, e.add(xAt, e.mul(row, width)));
              return {e.fma(e.mulf(y, wt), e.broadcast(u, e.lanes), sum[0])};
            })[0];
        e.store(sum, sums, at);
      });
    });
  }

private:
  ApplyPositionOp apply;
  int64_t pairs;
  Value support;
};

} // namespace

std::unique_ptr<TileExit>
mlir::ropegrad::makeColumnExit(const TileExit::Context &context) {
  if (auto op = dyn_cast<ApplyTransposedOp>(context.op))
    return std::make_unique<ApplyTransposedExit>(context, op.getX());
  if (auto op = dyn_cast<ApplyPositionOp>(context.op); op && op.getTransposed())
    return std::make_unique<ApplyPositionTransposedExit>(context, op);
  return nullptr;
}
