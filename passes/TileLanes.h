//===- TileLanes.h - The elementwise part of a tile ------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Products of a tile, and the loops over its rows and vectors in which every
// matrix emits its elements through TileOpInterface.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_TILELANES_H
#define ROPEGRAD_PASSES_TILELANES_H

#include "passes/TileBody.h"
#include "passes/TileNest.h"

namespace mlir::ropegrad {

/// The buffers of a tile and what its elements are made from.
class TileMatrices {
public:
  TileMatrices(TileNest &nest, TileOperands &operands, const TileBody &body);

  /// The tiles of a unit.
  void allocate();
  /// Slopes of the current head, read once.
  void beginHead();
  /// Emits the products of the current tile into their buffers.
  void emitProducts();
  /// Emits `body` for tiles that a mask or the last column cuts and again, with
  /// no masks, for all others.
  void whereCut(function_ref<void(bool cut)> body);
  /// Where an exit finds its matrix after the elementwise part.
  Value tileOf(Value matrix) const { return tiles.lookup(matrix); }

private:
  friend class TileLanes;
  void emitGeneralLogits(LogitsOp op, Value to);
  bool isDense(BlockBandOp band) const;
  Value emitCut();

  TileNest &nest;
  TileOperands &operands;
  const TileBody &body;
  DenseMap<Value, Value> products, tiles;
  DenseMap<Operation *, Value> slopeTables, slopes;
  DenseMap<Operation *, Value> supports;
};

/// One row of a tile, then `lanes` columns of it from `column` on.
class TileLanes : public TileBuilder {
public:
  /// `rows` holds what row() gives, one scalar in all lanes, by operand.
  TileLanes(TileMatrices &matrices, Value row, Value column, bool cut,
            const DenseMap<Value, Value> &rows)
      : m(matrices), e(matrices.nest.e), inRow(row), inColumn(column), cut(cut),
        rows(rows) {}

  Value get(Value matrix) override;
  Value product(Operation *op) override;
  Value row(Value tall) override { return rows.lookup(tall); }
  Value logPrefactor(Operation *toeplitz) override;
  Value masked(Operation *mask, Value value) override;
  Value constant(double value) override { return e.splat(value, e.lanes); }
  Value add(Value a, Value b) override { return e.addf(a, b); }
  Value sub(Value a, Value b) override { return e.subf(a, b); }
  Value mul(Value a, Value b) override { return e.mulf(a, b); }
  Value fma(Value a, Value b, Value c) override { return e.fma(a, b, c); }
  Value exp(Value x) override { return e.exp(x); }

  /// `value` in live lanes, `other` where the mask (if any) of a Toeplitz
  /// prefactor or a block band is 0 or the column is n or more.
  Value select(Operation *mask, Value value, double other);
  Value position() { return m.nest.inTile(inRow, inColumn); }

private:
  Value columnMinusRow();
  Value isLive(Operation *mask);
  Value isInBand(BlockBandOp band);

  TileMatrices &m;
  Emitter &e;
  Value inRow, inColumn;
  bool cut;
  const DenseMap<Value, Value> &rows;
  DenseMap<Value, Value> made;
};

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_TILELANES_H
