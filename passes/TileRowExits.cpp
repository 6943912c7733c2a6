//===- TileRowExits.cpp - Sums over columns --------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Exits whose row i needs row i of the matrix only: one row tile at a time.
//
//===----------------------------------------------------------------------===//

#include "passes/TileExits.h"

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

/// Sums of `width` numbers per row, written when the row tile is done.
class RowExit : public TileExit {
public:
  RowExit(const Context &context, int64_t width)
      : TileExit(context), width(width), rows(*tallOf(e, nest.anchor, out)) {}

  void beginUnit() override { sums = e.scratch(nest.shape.rows * width); }

  void beginRows() override {
    nest.e.zero({sums, e.index(0)}, nest.shape.rows * width);
  }

  void rescale(Value row, Value factor) override {
    Value at = e.mul(row, width);
    nest.e.forPieces(width, [&](Value offset, int64_t lanes) {
      Value to = e.add(at, offset);
      e.store(e.mulf(e.load(sums, to, lanes), e.broadcast(factor, lanes)), sums,
              to);
    });
  }

  void endRows(Value factors) override {
    e.loop(e.index(0), nest.liveRows, 1, [&](Value row) {
      Value factor = e.scalar(scale);
      if (factors)
        factor = e.mulf(factor, e.load(factors, row));
      Value from = e.mul(row, width);
      Value to = rows.at(e, nest.batch, nest.head, e.add(nest.i0, row));
      nest.e.forPieces(width, [&](Value offset, int64_t lanes) {
        Value sum = e.load(sums, e.add(from, offset), lanes);
        e.store(e.mulf(sum, e.broadcast(factor, lanes)), rows.buffer,
                e.add(to, offset));
      });
    });
  }

protected:
  int64_t width;
  Tall rows; ///< of the output
  Value sums;
};

class ApplyExit : public RowExit {
public:
  ApplyExit(const Context &context, Value x)
      : RowExit(context, TileOperands::width(x)), x(x) {
    operands.needRows(x);
  }

  void addTile() override {
    const TileShape &s = nest.shape;
    Gemm gemm{s.rows, width, s.columns, s.pitch, 1, width, width, true};
    Slice rows = operands.rows(x);
    emitGemm(e, nest.anchor, gemm, tile(), e.index(0), rows.buffer,
             e.add(rows.offset, e.mul(nest.j0, width)), sums, e.index(0));
  }

private:
  Value x;
};

class RowSumsExit : public RowExit {
public:
  explicit RowSumsExit(const Context &context) : RowExit(context, 1) {}

  void addTile() override {
    e.loop(e.index(0), nest.liveRows, 1, [&](Value row) {
      Value zero = e.splat(0.0, e.lanes);
      Value sum =
          e.loop(e.index(0), e.index(nest.shape.columns), e.lanes, zero,
                 [&](Value column, ValueRange sum) -> SmallVector<Value> {
                   Value a = e.load(tile(), nest.inTile(row, column), e.lanes);
                   return {e.addf(sum[0], a)};
                 })[0];
      e.store(e.addf(e.load(sums, row), e.reduceAdd(sum)), sums, row);
    });
  }
};

/// Y_i[a_c] += A_ij W[i−j+n−1, c] X_j[b_c].
class ApplyPositionExit : public RowExit {
public:
  ApplyPositionExit(const Context &context, ApplyPositionOp apply)
      : RowExit(context, TileOperands::width(apply.getX())), apply(apply),
        pairs(apply.getSupport().size() / 2),
        support(supportTable(e, nest.anchor, apply.getSupport())) {
    operands.needPanels(apply.getX());
    operands.needReversed(apply.getW());
  }

  void addTile() override {
    const TileShape &s = nest.shape;
    Value x = operands.panels(apply.getX());
    Value w = operands.reversed(apply.getW());
    Value panel = e.mul(nest.j0, width);
    e.loop(e.index(0), nest.liveRows, 1, [&](Value row) {
      Value t = nest.diagonal(e.add(nest.i0, row), nest.j0);
      e.loop(0, pairs, 1, [&](Value c) {
        Value to = e.add(e.mul(row, width), nest.supportIndex(support, c, 0));
        Value b = nest.supportIndex(support, c, 1);
        Value xAt = e.add(panel, e.mul(b, s.columns));
        Value wAt = e.add(t, e.mul(c, s.diagonals()));
        Value zero = e.splat(0.0, e.lanes);
        Value sum =
            e.loop(e.index(0), e.index(s.columns), e.lanes, zero,
                   [&](Value column, ValueRange sum) -> SmallVector<Value> {
                     Value a =
                         e.load(tile(), nest.inTile(row, column), e.lanes);
                     Value wt = e.load(w, e.add(wAt, column), e.lanes);
                     Value y = e.load(x, e.add(xAt, column), e.lanes);
                     return {e.fma(e.mulf(a, wt), y, sum[0])};
                   })[0];
        e.store(e.addf(e.load(sums, to), e.reduceAdd(sum)), sums, to);
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
mlir::ropegrad::makeRowExit(const TileExit::Context &context) {
  if (auto op = dyn_cast<ApplyOp>(context.op))
    return std::make_unique<ApplyExit>(context, op.getX());
  if (isa<RowSumsOp>(context.op))
    return std::make_unique<RowSumsExit>(context);
  if (auto op = dyn_cast<ApplyPositionOp>(context.op);
      op && !op.getTransposed())
    return std::make_unique<ApplyPositionExit>(context, op);
  return nullptr;
}
