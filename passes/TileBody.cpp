//===- TileBody.cpp - What the body of `tiles` asks for --------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Reachability, masks, and the conditions of the online softmax.
//
//===----------------------------------------------------------------------===//

#include "passes/TileBody.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

void reach(Operation *op, DenseSet<Operation *> &seen) {
  if (!op || !seen.insert(op).second)
    return;
  for (Value operand : op->getOperands())
    reach(operand.getDefiningOp(), seen);
}

Value matrixOf(Operation *exit) { return exit->getOperand(0); }

bool dependsOn(Value value, Operation *source) {
  Operation *op = value.getDefiningOp();
  if (!op || !source)
    return false;
  return op == source || llvm::any_of(op->getOperands(), [&](Value operand) {
           return dependsOn(operand, source);
         });
}

/// Whether `matrix` is E ∘ M (in any order of factors) with E = exp(Z − L) and
/// M free of L.
bool isLinearInWeights(Value matrix, RowLogSumExpOp lse) {
  Operation *op = matrix.getDefiningOp();
  if (auto exp = dyn_cast<ExpOp>(op)) {
    auto shift = exp.getMatrix().getDefiningOp<ShiftRowsOp>();
    return shift && shift.getRows() == lse.getResult() &&
           shift.getMatrix() == lse.getMatrix();
  }
  if (auto product = dyn_cast<HadamardOp>(op)) {
    Value a = product.getLhs(), b = product.getRhs();
    if (dependsOn(a, lse) == dependsOn(b, lse))
      return false;
    return isLinearInWeights(dependsOn(a, lse) ? a : b, lse);
  }
  if (auto scaled = dyn_cast<ScaleRowsOp>(op))
    return !dependsOn(scaled.getRows(), lse) &&
           isLinearInWeights(scaled.getMatrix(), lse);
  return false;
}

/// Exits whose row i gathers from row i of the matrix only.
bool isRowExit(Operation *exit) {
  if (auto apply = dyn_cast<ApplyPositionOp>(exit))
    return !apply.getTransposed();
  return isa<ApplyOp, RowSumsOp>(exit);
}

LiveColumns liveColumns(ToeplitzOp op) {
  return {op.getMask(), static_cast<int64_t>(op.getWindow().value_or(0)), {}};
}

/// Columns that are live under both; of two masks or bands the first, which is
/// never less than their intersection.
LiveColumns intersect(LiveColumns a, LiveColumns b) {
  if (a.mask == Mask::None) {
    a.mask = b.mask;
    a.window = b.window;
  }
  if (!a.band)
    a.band = b.band;
  return a;
}

/// The masks that make `matrix` zero, whatever else it holds.
LiveColumns liveColumns(Value matrix) {
  Operation *op = matrix.getDefiningOp();
  if (auto toeplitz = dyn_cast<ToeplitzOp>(op))
    return liveColumns(toeplitz);
  if (auto band = dyn_cast<BlockBandOp>(op))
    return {Mask::None, 0, band};
  if (auto scaled = dyn_cast<ScaleRowsOp>(op))
    return liveColumns(scaled.getMatrix());
  if (auto product = dyn_cast<HadamardOp>(op))
    return intersect(liveColumns(product.getLhs()),
                     liveColumns(product.getRhs()));
  return {};
}

/// Columns that are live under one or the other, or more.
LiveColumns unite(LiveColumns a, LiveColumns b) {
  LiveColumns both;
  if (a.band && b.band &&
      a.band->getAttrDictionary() == b.band->getAttrDictionary())
    both.band = a.band;
  if (a.mask == Mask::None || b.mask == Mask::None)
    return both;
  if (a.mask == Mask::Window && b.mask == Mask::Window) {
    both.mask = Mask::Window;
    both.window = std::max(a.window, b.window);
    return both;
  }
  both.mask = Mask::Causal;
  return both;
}

LogicalResult checkBuffers(TilesOp op, FloatType element) {
  for (Value operand : op->getOperands()) {
    auto type = dyn_cast<MemRefType>(operand.getType());
    if (!type)
      return op.emitOpError("expected buffers, but got ") << operand.getType();
    if (!type.getLayout().isIdentity())
      return op.emitOpError("expected contiguous buffers, but got ") << type;
    if (type.getElementType() != element)
      return op.emitOpError("expected elements of ")
             << element << ", but got " << type;
  }
  if (!element.isF32() && !element.isF64())
    return op.emitOpError("expected f32 or f64, but got ") << element;
  return success();
}

/// Every exit but the log-sum-exp reads inputs and L only.
LogicalResult checkExits(const TileBody &body) {
  for (Operation *exit : body.exits) {
    bool known =
        isRowExit(exit) ||
        isa<RowLogSumExpOp, ApplyTransposedOp, DiagonalSumsOp, ApplyPositionOp,
            PositionGradientOp, KroneckerGradientOp>(exit);
    if (!known)
      return exit->emitOpError("expected an exit with a tile form");
    if (auto kronecker = dyn_cast<KroneckerGradientOp>(exit))
      if (!kronecker.getW())
        return exit->emitOpError("expected a table of W, but got none");
    if (isa<RowLogSumExpOp>(exit) || !body.isOnline(exit))
      continue;
    if (!isRowExit(exit) || !isLinearInWeights(matrixOf(exit), body.logSumExp))
      return exit->emitOpError("expected rows linear in exp(Z - L) beside the "
                               "row_logsumexp L of the same tiles");
  }
  return success();
}

LogicalResult checkLogSumExp(RowLogSumExpOp lse, const TileBody &body) {
  if (body.logSumExp && body.logSumExp != lse)
    return lse.emitOpError("expected one row_logsumexp per tiles");
  if (lse.getPrefactor() && !lse.getPrefactor().getDefiningOp<ToeplitzOp>())
    return lse.emitOpError("expected a toeplitz prefactor");
  return success();
}

LogicalResult sort(Operation &op, TileBody &body, bool isYielded) {
  if (isa<LogitsOp, OuterOp>(op))
    body.products.push_back(&op);
  else if (auto toeplitz = dyn_cast<ToeplitzOp>(op))
    body.toeplitz.push_back(toeplitz);
  else if (auto band = dyn_cast<BlockBandOp>(op))
    body.bands.push_back(band);
  else if (isa<ShiftRowsOp, ScaleRowsOp>(op))
    body.rowOps.push_back(&op);
  else if (auto lse = dyn_cast<RowLogSumExpOp>(op)) {
    if (failed(checkLogSumExp(lse, body)))
      return failure();
    body.logSumExp = lse;
  } else if (op.hasTrait<IsExit>() && !isYielded)
    return op.emitOpError("expected no exit but row_logsumexp to be read "
                          "inside tiles");
  for (Value result : op.getResults())
    if (auto type = dyn_cast<MatrixType>(result.getType())) {
      if (body.matrix && body.matrix != type)
        return op.emitOpError("expected matrices of one shape, but got ")
               << body.matrix << " and " << type;
      body.matrix = type;
    }
  return success();
}

} // namespace

SmallVector<std::pair<int64_t, int64_t>>
mlir::ropegrad::runsOf(BlockBandOp band) {
  SmallVector<std::pair<int64_t, int64_t>> runs;
  for (int64_t offset : band.getOffsets())
    if (!runs.empty() && runs.back().second + 1 == offset)
      runs.back().second = offset;
    else
      runs.push_back({offset, offset});
  return runs;
}

bool TileBody::isOnline(Operation *exit) const {
  RowLogSumExpOp lse = logSumExp;
  return lse && exit != lse.getOperation() && dependsOn(matrixOf(exit), lse);
}

FailureOr<TileBody> TileBody::analyse(TilesOp op) {
  TileBody body;
  body.op = op;
  Block &block = op.getBody().front();
  DenseSet<Operation *> seen, yielded;
  for (Value exit : block.getTerminator()->getOperands()) {
    reach(exit.getDefiningOp(), seen);
    yielded.insert(exit.getDefiningOp());
    body.exits.push_back(exit.getDefiningOp());
  }
  for (Operation &inner : block.without_terminator())
    if (seen.count(&inner) &&
        failed(sort(inner, body, yielded.count(&inner) != 0)))
      return failure();
  if (!body.matrix)
    return op.emitOpError("expected a matrix in the body, but got none"),
           failure();
  if (failed(checkBuffers(op, body.matrix.getElementType())) ||
      failed(checkExits(body)))
    return failure();

  llvm::SetVector<Value> matrices;
  std::optional<LiveColumns> live;
  auto widen = [&](LiveColumns more) {
    live = live ? unite(*live, more) : more;
  };
  for (Operation *exit : body.exits)
    if (!isa<RowLogSumExpOp>(exit)) {
      matrices.insert(matrixOf(exit));
      widen(liveColumns(matrixOf(exit)));
    }
  if (body.logSumExp) {
    Value prefactor = body.logSumExp.getPrefactor();
    widen(prefactor ? liveColumns(prefactor) : LiveColumns());
  }
  body.exitMatrices.assign(matrices.begin(), matrices.end());
  body.live = live.value_or(LiveColumns());
  return body;
}
