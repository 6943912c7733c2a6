//===- MatrixOps.cpp - Level 2: implicit matrices and exits ----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Verifiers of the level-2 ops, and how each matrix emits a piece of itself.
//
//===----------------------------------------------------------------------===//

#include "dialect/RopeGrad.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

ArrayRef<int64_t> shapeOf(Value value) {
  return cast<ShapedType>(value.getType()).getShape();
}

/// A tall operand (B, H or a divisor of H, n, width) that fits `matrix`.
LogicalResult expectTall(Operation *op, Value tall, StringRef name,
                         MatrixType matrix, int64_t width = -1) {
  ArrayRef<int64_t> s = shapeOf(tall);
  if (s.size() == 4 && s[0] == matrix.getBatch() && s[1] > 0 &&
      matrix.getHeads() % s[1] == 0 && s[2] == matrix.getRows() &&
      (width < 0 || s[3] == width))
    return success();
  InFlightDiagnostic diag = op->emitOpError()
                            << "expected " << name << " to be ("
                            << matrix.getBatch() << ", " << matrix.getHeads()
                            << " or a divisor, " << matrix.getRows() << ", ";
  if (width < 0)
    diag << "width";
  else
    diag << width;
  return diag << "), but got " << tall.getType();
}

/// Rows (B, H, n) that fit `matrix`.
LogicalResult expectRows(Operation *op, Value rows, MatrixType matrix) {
  if (shapeOf(rows) == matrix.getShape().take_front(3))
    return success();
  return op->emitOpError() << "expected one number per row of " << matrix
                           << ", but got " << rows.getType();
}

LogicalResult expectSupport(Operation *op, ArrayRef<int64_t> pairs,
                            int64_t columns, int64_t d) {
  if (pairs.size() != static_cast<size_t>(2 * columns))
    return op->emitOpError()
           << "expected a support of " << columns << " pairs, but got "
           << pairs.size() << " numbers";
  for (int64_t index : pairs)
    if (index < 0 || index >= d)
      return op->emitOpError() << "expected support indices in [0, " << d
                               << "), but got " << index;
  return success();
}

/// W is (2n-1, s) and the support has s pairs.
LogicalResult expectPosition(Operation *op, Value w, ArrayRef<int64_t> support,
                             MatrixType matrix, int64_t d) {
  ArrayRef<int64_t> s = shapeOf(w);
  if (s.size() != 2 || s[0] != 2 * matrix.getRows() - 1)
    return op->emitOpError() << "expected W to be (" << 2 * matrix.getRows() - 1
                             << ", s), but got " << w.getType();
  return expectSupport(op, support, s[1], d);
}

MatrixType matrixOf(Value value) { return cast<MatrixType>(value.getType()); }

/// The tall operands and results have the elements of `matrix`.
LogicalResult expectElements(Operation *op, MatrixType matrix) {
  auto check = [&](TypeRange types) -> LogicalResult {
    for (Type type : types)
      if (auto shaped = dyn_cast<ShapedType>(type))
        if (shaped.getElementType() != matrix.getElementType())
          return op->emitOpError("expected elements ")
                 << matrix.getElementType() << ", but got " << type;
    return success();
  };
  if (failed(check(op->getOperandTypes())))
    return failure();
  return check(op->getResultTypes());
}

} // namespace

//===----------------------------------------------------------------------===//
// Verifiers
//===----------------------------------------------------------------------===//

LogicalResult LogitsOp::verify() {
  MatrixType matrix = getType();
  if (failed(expectElements(*this, matrix)))
    return failure();
  int64_t d = shapeOf(getQ()).empty() ? -1 : shapeOf(getQ()).back();
  if (failed(expectTall(*this, getQ(), "q", matrix)) ||
      failed(expectTall(*this, getK(), "k", matrix, d)))
    return failure();
  if (shapeOf(getQ())[1] != matrix.getHeads())
    return emitOpError("expected q to have ")
           << matrix.getHeads() << " heads, but got " << shapeOf(getQ())[1];
  if (static_cast<bool>(getW()) != getSupport().has_value())
    return emitOpError("expected W and support together, but got one of them");
  if (getW())
    return expectPosition(*this, getW(), *getSupport(), matrix, d);
  return success();
}

LogicalResult PolynomialOp::verify() {
  if (getCoefficients().empty())
    return emitOpError("expected at least one coefficient, but got none");
  for (double c : getCoefficients())
    if (!std::isfinite(c))
      return emitOpError("expected finite coefficients, but got ") << c;
  return success();
}

LogicalResult ToeplitzOp::verify() {
  MatrixType matrix = getType();
  if (failed(expectElements(*this, matrix)))
    return failure();
  if ((getMask() == Mask::Window) != getWindow().has_value())
    return emitOpError("expected window exactly under mask window");
  if (getWindow() && *getWindow() < 1)
    return emitOpError("expected window to be at least 1, but got ")
           << *getWindow();
  if (auto alibi = getAlibi()) {
    int64_t count = alibi->size();
    if (count != 1 && count != matrix.getHeads())
      return emitOpError("expected one slope or one per head, but got ")
             << count;
    for (double slope : *alibi)
      if (!(slope >= 0) || !std::isfinite(slope))
        return emitOpError("expected slopes to be finite and >= 0, but got ")
               << slope;
  }
  if (Value bias = getBias()) {
    ArrayRef<int64_t> s = shapeOf(bias);
    bool rankOk = s.size() == 1 || (s.size() == 2 && s[0] == matrix.getHeads());
    if (!rankOk || s.back() != 2 * matrix.getRows() - 1)
      return emitOpError("expected a bias of ")
             << 2 * matrix.getRows() - 1
             << " numbers, alone or per head, but got " << bias.getType();
  }
  return success();
}

LogicalResult BlockBandOp::verify() {
  if (static_cast<int64_t>(getSize()) < 1)
    return emitOpError("expected size to be at least 1, but got ")
           << static_cast<int64_t>(getSize());
  ArrayRef<int64_t> offsets = getOffsets();
  if (offsets.empty())
    return emitOpError("expected at least one offset, but got none");
  for (size_t i = 1; i < offsets.size(); ++i)
    if (offsets[i] <= offsets[i - 1])
      return emitOpError("expected offsets to ascend, but got ")
             << offsets[i - 1] << " before " << offsets[i];
  return success();
}

LogicalResult OuterOp::verify() {
  MatrixType matrix = getType();
  if (failed(expectElements(*this, matrix)))
    return failure();
  int64_t rank = shapeOf(getU()).empty() ? -1 : shapeOf(getU()).back();
  if (failed(expectTall(*this, getU(), "U", matrix)) ||
      failed(expectTall(*this, getV(), "V", matrix, rank)))
    return failure();
  if (shapeOf(getU())[1] != matrix.getHeads())
    return emitOpError("expected U to have ")
           << matrix.getHeads() << " heads, but got " << shapeOf(getU())[1];
  return success();
}

LogicalResult ScaleRowsOp::verify() {
  if (failed(expectElements(*this, getType())))
    return failure();
  return expectRows(*this, getRows(), getType());
}

LogicalResult ShiftRowsOp::verify() {
  if (failed(expectElements(*this, getType())))
    return failure();
  return expectRows(*this, getRows(), getType());
}

LogicalResult RowLogSumExpOp::verify() {
  MatrixType matrix = matrixOf(getMatrix());
  if (failed(expectElements(*this, matrix)))
    return failure();
  if (getPrefactor() && getPrefactor().getType() != matrix)
    return emitOpError("expected the prefactor to be ")
           << matrix << ", but got " << getPrefactor().getType();
  return expectRows(*this, getResult(), matrix);
}

LogicalResult RowSumsOp::verify() {
  MatrixType matrix = matrixOf(getMatrix());
  if (failed(expectElements(*this, matrix)))
    return failure();
  return expectRows(*this, getResult(), matrix);
}

LogicalResult ApplyOp::verify() {
  MatrixType matrix = matrixOf(getMatrix());
  if (failed(expectElements(*this, matrix)))
    return failure();
  if (failed(expectTall(*this, getX(), "X", matrix)))
    return failure();
  SmallVector<int64_t> expected(matrix.getShape());
  expected[3] = shapeOf(getX())[3];
  if (shapeOf(getResult()) != ArrayRef<int64_t>(expected))
    return emitOpError("expected a result of ")
           << matrix.getHeads() << " heads and width " << expected[3]
           << ", but got " << getResult().getType();
  return success();
}

LogicalResult ApplyTransposedOp::verify() {
  MatrixType matrix = matrixOf(getMatrix());
  if (failed(expectElements(*this, matrix)))
    return failure();
  if (failed(expectTall(*this, getX(), "X", matrix)))
    return failure();
  return expectTall(*this, getResult(), "the result", matrix,
                    shapeOf(getX())[3]);
}

LogicalResult DiagonalSumsOp::verify() {
  MatrixType matrix = matrixOf(getMatrix());
  if (failed(expectElements(*this, matrix)))
    return failure();
  ArrayRef<int64_t> s = shapeOf(getResult());
  bool rankOk = s.size() == 1 || (s.size() == 2 && s[0] == matrix.getHeads());
  if (!rankOk || s.back() != 2 * matrix.getRows() - 1)
    return emitOpError("expected ")
           << 2 * matrix.getRows() - 1
           << " diagonals, summed over heads or per head, but got "
           << getResult().getType();
  return success();
}

LogicalResult ApplyPositionOp::verify() {
  MatrixType matrix = matrixOf(getMatrix());
  if (failed(expectElements(*this, matrix)))
    return failure();
  if (failed(expectTall(*this, getX(), "X", matrix)))
    return failure();
  int64_t d = shapeOf(getX())[3];
  if (failed(expectPosition(*this, getW(), getSupport(), matrix, d)))
    return failure();
  return expectTall(*this, getResult(), "the result", matrix, d);
}

LogicalResult PositionGradientOp::verify() {
  MatrixType matrix = matrixOf(getMatrix());
  if (failed(expectElements(*this, matrix)))
    return failure();
  if (failed(expectTall(*this, getQ(), "Q", matrix)) ||
      failed(expectTall(*this, getK(), "K", matrix, shapeOf(getQ())[3])))
    return failure();
  return expectPosition(*this, getResult(), getSupport(), matrix,
                        shapeOf(getQ())[3]);
}

LogicalResult KroneckerGradientOp::verify() {
  MatrixType matrix = matrixOf(getMatrix());
  if (failed(expectElements(*this, matrix)))
    return failure();
  if (matrix.getBatch() != 1 || matrix.getHeads() != 1)
    return emitOpError("expected one batch and one head, but got ") << matrix;
  if (failed(expectTall(*this, getA1(), "A1", matrix)) ||
      failed(expectTall(*this, getA2(), "A2", matrix, shapeOf(getA1())[3])))
    return failure();
  if (getSupport().size() % 2 != 0)
    return emitOpError("expected a support of pairs, but got ")
           << getSupport().size() << " numbers";
  if (isa<GeneralAttr>(getPosition()) && !getW())
    return emitOpError("expected W under general position, but got none");
  if (getW() && failed(expectPosition(*this, getW(), getSupport(), matrix,
                                      std::numeric_limits<int64_t>::max())))
    return failure();
  int64_t c = shapeOf(getA1())[3], s = getSupport().size() / 2;
  if (shapeOf(getResult()) != ArrayRef<int64_t>({c * c, s}))
    return emitOpError("expected a result of ")
           << c * c << "x" << s << ", but got " << getResult().getType();
  return success();
}

//===----------------------------------------------------------------------===//
// Pieces of tiles
//===----------------------------------------------------------------------===//

Value LogitsOp::emitLanes(TileBuilder &tile) { return tile.product(*this); }

Value OuterOp::emitLanes(TileBuilder &tile) { return tile.product(*this); }

Value ExpOp::emitLanes(TileBuilder &tile) {
  return tile.exp(tile.get(getMatrix()));
}

/// Horner's rule on p or p'.
Value PolynomialOp::emitLanes(TileBuilder &tile) {
  SmallVector<double> c(getCoefficients());
  if (getOrder() == 1) {
    for (size_t k = 1; k < c.size(); ++k)
      c[k - 1] = c[k] * static_cast<double>(k);
    c.back() = 0.0;
    if (c.size() > 1)
      c.pop_back();
  }
  Value z = tile.get(getMatrix());
  Value sum = tile.constant(c.back());
  for (size_t k = c.size() - 1; k-- > 0;)
    sum = tile.fma(sum, z, tile.constant(c[k]));
  return sum;
}

Value ToeplitzOp::emitLanes(TileBuilder &tile) {
  Value log = tile.logPrefactor(*this);
  Value b = log ? tile.exp(log) : tile.constant(1.0);
  return tile.masked(*this, b);
}

Value BlockBandOp::emitLanes(TileBuilder &tile) {
  return tile.masked(*this, tile.constant(1.0));
}

/// A Toeplitz prefactor of an exponential enters the exponent: b alone may
/// overflow where b·exp(z) does not.
Value HadamardOp::emitLanes(TileBuilder &tile) {
  Value a = getLhs(), b = getRhs();
  if (b.getDefiningOp<BlockBandOp>())
    std::swap(a, b);
  if (auto band = a.getDefiningOp<BlockBandOp>())
    return tile.masked(band, tile.get(b));
  if (b.getDefiningOp<ToeplitzOp>())
    std::swap(a, b);
  auto toeplitz = a.getDefiningOp<ToeplitzOp>();
  if (!toeplitz)
    return tile.mul(tile.get(a), tile.get(b));
  Value log = tile.logPrefactor(toeplitz);
  Value value;
  if (auto exp = b.getDefiningOp<ExpOp>()) {
    Value z = tile.get(exp.getMatrix());
    value = tile.exp(log ? tile.add(z, log) : z);
  } else {
    value = tile.get(b);
    if (log)
      value = tile.mul(value, tile.exp(log));
  }
  return tile.masked(toeplitz, value);
}

Value ScaleRowsOp::emitLanes(TileBuilder &tile) {
  return tile.mul(tile.get(getMatrix()), tile.row(getRows()));
}

Value ShiftRowsOp::emitLanes(TileBuilder &tile) {
  return tile.sub(tile.get(getMatrix()), tile.row(getRows()));
}
