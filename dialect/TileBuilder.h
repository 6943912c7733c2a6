//===- TileBuilder.h - How a matrix emits a piece of itself ----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// What an implicit matrix may ask of the loop nest that wants a piece of it:
// the position, its operands' pieces, products, rows and arithmetic.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_DIALECT_TILEBUILDER_H
#define ROPEGRAD_DIALECT_TILEBUILDER_H

#include "mlir/IR/Value.h"

namespace mlir {
class OpBuilder;
class Operation;
namespace ropegrad {

/// A position in the tile loop nest: row i and `lanes` columns from j on. Every
/// Value is a vector of `lanes` floats of the matrix's element type.
class TileBuilder {
public:
  virtual ~TileBuilder() = default;
  /// The lanes of another implicit matrix here, emitted at most once.
  virtual Value get(Value matrix) = 0;
  /// The lanes of a matrix product (logits or outer), made for the whole tile
  /// before the elementwise part.
  virtual Value product(Operation *op) = 0;
  /// Element i of a tall operand of shape (B, H, n), in every lane.
  virtual Value row(Value tall) = 0;
  /// The logarithm of the Toeplitz prefactor here, without its mask; null if 0.
  virtual Value logPrefactor(Operation *toeplitz) = 0;
  /// `value` where the mask of a Toeplitz prefactor or a block band is 1, 0
  /// elsewhere.
  virtual Value masked(Operation *mask, Value value) = 0;

  virtual Value constant(double value) = 0;
  virtual Value add(Value a, Value b) = 0;
  virtual Value sub(Value a, Value b) = 0;
  virtual Value mul(Value a, Value b) = 0;
  virtual Value fma(Value a, Value b, Value c) = 0;
  virtual Value exp(Value x) = 0;
};

} // namespace ropegrad
} // namespace mlir

#endif // ROPEGRAD_DIALECT_TILEBUILDER_H
