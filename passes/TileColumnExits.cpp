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
/// the width; written when the last head of a group is done. Where units share
/// the row tiles of a head, each has its own sums, which are added in the end.
class ColumnExit : public TileExit {
public:
  explicit ColumnExit(const Context &context)
      : TileExit(context), width(resultShape(op)[3]),
        groups(resultShape(op)[1]), rows(*tallOf(e, nest.anchor, out)),
        size(nest.shape.paddedColumns() * width) {
    if (chunks() > 1)
      sums.buffer = e.scratch(nest.space.maxBatch * groups * chunks() * size);
  }

  void beginUnit() override {
    if (chunks() == 1)
      sums = {e.scratch(size), e.index(0)};
  }

  void beginHead() override {
    if (chunks() > 1)
      sums.offset =
          e.add(partials(nest.groupIndex(groups)), e.mul(nest.chunk, size));
    nest.atGroup(groups, /*last=*/false, [&] { nest.e.zero(sums, size); });
  }

  void endHead() override {
    if (chunks() > 1)
      return;
    nest.atGroup(groups, /*last=*/true, [&] {
      Value group = e.div(nest.head, nest.heads() / groups);
      write(nest.batch, group, sums.offset);
    });
  }

  void end() override {
    if (chunks() == 1)
      return;
    e.parallel(e.mul(nest.space.batch, groups), "", [&](Value index) {
      write(e.div(index, groups), e.rem(index, e.index(groups)),
            partials(index));
    });
  }

protected:
  int64_t width, groups;
  Slice sums;

private:
  int64_t chunks() const { return nest.units.chunks; }

  /// Where the sums of the first chunk start, of a head of the result.
  Value partials(Value groupIndex) {
    return e.mul(groupIndex, chunks() * size);
  }

  /// The sum of all chunks' sums at `from`, in their order.
  Value total(Value from, int64_t lanes) {
    Value sum = e.load(sums.buffer, from, lanes);
    for (int64_t chunk = 1; chunk < chunks(); ++chunk)
      sum = e.addf(sum, e.load(sums.buffer, e.add(from, chunk * size), lanes));
    return e.mulf(sum, e.splat(scale, lanes));
  }

  void write(Value batch, Value group, Value from) {
    int64_t columns = nest.shape.columns;
    e.loop(e.index(0), nest.n(), columns, [&](Value j0) {
      Value live = e.min(e.index(columns), e.sub(nest.n(), j0));
      Value tile = e.add(from, e.mul(j0, width));
      nest.forBlocks(live, width, [&](Value j, Value c, int64_t side) {
        SmallVector<Value> block;
        Value at = e.add(tile, e.add(e.mul(c, columns), j));
        for (int64_t i = 0; i < side; ++i)
          block.push_back(total(e.add(at, i * columns), side));
        Value to = e.add(rows.at(e, batch, group, e.add(j0, j)), c);
        for (auto [i, lanes] : llvm::enumerate(nest.e.transpose(block)))
          e.store(lanes, rows.buffer, e.add(to, e.mul(rows.rowStride, i)));
      });
    });
  }

  Tall rows; ///< of the output
  int64_t size;
};

class ApplyTransposedExit : public ColumnExit {
public:
  ApplyTransposedExit(const Context &context, Value x)
      : ColumnExit(context), x(x) {
    operands.needTileRows(x);
  }

  /// Yᵀ += Xᵀ A on the tile.
  void addTile() override {
    const TileShape &s = nest.shape;
    Gemm gemm{width, s.columns, s.rows, 1, width, s.pitch, s.columns, true};
    Slice rows = operands.tileRows(x);
    emitGemm(e, nest.anchor, gemm, rows.buffer, rows.offset, tile(), e.index(0),
             sums.buffer, e.add(sums.offset, e.mul(nest.j0, width)));
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
    operands.needTileRows(apply.getX());
    operands.needReversed(apply.getW());
  }

  void addTile() override {
    const TileShape &s = nest.shape;
    Slice x = operands.tileRows(apply.getX());
    Value w = operands.reversed(apply.getW());
    e.loop(0, pairs, 1, [&](Value c) {
      Value a = nest.supportIndex(support, c, 0);
      Value b = nest.supportIndex(support, c, 1);
      Value wBase = e.mul(c, s.diagonals());
      Value to =
          e.add(e.add(sums.offset, e.mul(nest.j0, width)), e.mul(b, s.columns));
      Value xAt = e.add(x.offset, a);
      e.loop(0, s.columns, e.lanes, [&](Value column) {
        Value at = e.add(to, column), j = e.add(nest.j0, column);
        Value sum = e.loop(
            e.index(0), nest.liveRows, 1, e.load(sums.buffer, at, e.lanes),
            [&](Value row, ValueRange sum) -> SmallVector<Value> {
              Value t = nest.diagonal(e.add(nest.i0, row), j);
              Value wt = e.load(w, e.add(wBase, t), e.lanes);
              Value y = e.load(tile(), nest.inTile(row, column), e.lanes);
              Value u = e.load(x.buffer, e.add(xAt, e.mul(row, width)));
              return {e.fma(e.mulf(y, wt), e.broadcast(u, e.lanes), sum[0])};
            })[0];
        e.store(sum, sums.buffer, at);
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
