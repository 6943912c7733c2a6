//===- TileExits.h - From the tiles of a matrix to tall tensors -*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// What each exit does at every stage of the loop over tiles.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_TILEEXITS_H
#define ROPEGRAD_PASSES_TILEEXITS_H

#include "passes/TileLanes.h"

#include <memory>

namespace mlir::ropegrad {

/// One exit of a `tiles` op. The constructor says what it needs and allocates
/// what units share, before the loops; the hooks emit code inside them.
class TileExit {
public:
  /// What every exit knows.
  struct Context {
    TileNest &nest;
    TileOperands &operands;
    TileMatrices &matrices;
    Operation *op;
    Value out;    ///< output buffer
    double scale; ///< of the result
  };

  explicit TileExit(const Context &context)
      : nest(context.nest), e(context.nest.e), operands(context.operands),
        op(context.op), out(context.out), scale(context.scale),
        matrices(context.matrices) {}
  virtual ~TileExit() = default;

  /// Allocates what is private to a unit, and clears what it sums up.
  virtual void beginUnit() {}
  virtual void beginHead() {}
  virtual void beginRows() {}
  /// Multiplies what a row of the row tile has summed so far by a scalar.
  virtual void rescale(Value, Value) {}
  /// Takes the current tile of the matrix.
  virtual void addTile() = 0;
  /// The argument, unless null, holds one more factor per row of the tile.
  virtual void endRows(Value) {}
  virtual void endHead() {}
  /// Runs after the loops.
  virtual void end() {}

protected:
  /// The current tile of the matrix.
  Value tile() const { return matrices.tileOf(op->getOperand(0)); }

  TileNest &nest;
  Emitter &e;
  TileOperands &operands;
  Operation *op;
  Value out;
  double scale;

private:
  TileMatrices &matrices;
};

/// The exit of `context.op`, or null where it is of another kind.
std::unique_ptr<TileExit> makeRowExit(const TileExit::Context &context);
std::unique_ptr<TileExit> makeColumnExit(const TileExit::Context &context);
std::unique_ptr<TileExit> makeDiagonalExit(const TileExit::Context &context);

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_TILEEXITS_H
