//===- AttentionTiles.cpp - Recognising softmax attention ------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Matches the bodies that differentiate and outline-tiles leave, with factors
// in any order.
//
//===----------------------------------------------------------------------===//

#include "passes/AttentionTiles.h"

using namespace mlir;
using namespace mlir::ropegrad;

LiveColumns AttentionTiles::live() const {
  ToeplitzOp op = prefactor;
  if (!op)
    return {};
  return {op.getMask(), static_cast<int64_t>(op.getWindow().value_or(0)), {}};
}

namespace {

/// The buffer that an argument of the body stands for; null for other values.
Value bufferOf(TilesOp op, Value value) {
  auto argument = dyn_cast_or_null<BlockArgument>(value);
  return argument ? op.getIns()[argument.getArgNumber()] : Value();
}

double scaleOf(Operation *op) {
  auto scale = op->getAttrOfType<FloatAttr>("scale");
  return scale ? scale.getValueAsDouble() : 1.0;
}

/// E or b ∘ E in either order, with E = exp(shift_rows(Z, L)).
struct Weights {
  LogitsOp logits;
  ToeplitzOp prefactor;
  Value rows; ///< L

  static std::optional<Weights> match(Value matrix) {
    Weights weights;
    ExpOp exp = matrix.getDefiningOp<ExpOp>();
    if (auto product = matrix.getDefiningOp<HadamardOp>()) {
      for (auto [a, b] : {std::pair(product.getLhs(), product.getRhs()),
                          std::pair(product.getRhs(), product.getLhs())}) {
        auto toeplitz = a.getDefiningOp<ToeplitzOp>();
        if (!toeplitz || !b.getDefiningOp<ExpOp>())
          continue;
        weights.prefactor = toeplitz;
        exp = b.getDefiningOp<ExpOp>();
      }
    }
    auto shift = exp ? exp.getMatrix().getDefiningOp<ShiftRowsOp>() : nullptr;
    weights.logits =
        shift ? shift.getMatrix().getDefiningOp<LogitsOp>() : nullptr;
    if (!weights.logits || weights.logits.getW())
      return std::nullopt;
    weights.rows = shift.getRows();
    return weights;
  }
};

/// Fills what both passes share; false where the weights do not fit.
bool bind(AttentionTiles &to, const TileBody &body, Weights &weights) {
  to.op = body.op;
  to.matrix = body.matrix;
  to.scale = scaleOf(weights.logits);
  to.prefactor = weights.prefactor;
  to.q = bufferOf(body.op, weights.logits.getQ());
  to.k = bufferOf(body.op, weights.logits.getK());
  return to.q && to.k;
}

} // namespace

std::optional<AttentionForward> AttentionForward::match(const TileBody &body) {
  TilesOp op = body.op;
  RowLogSumExpOp lse = body.logSumExp;
  ApplyOp apply;
  AttentionForward result;
  for (auto [exit, out] : llvm::zip(body.exits, op.getOuts())) {
    if (isa<RowLogSumExpOp>(exit)) {
      result.l.push_back(out);
      continue;
    }
    if (apply || !isa<ApplyOp>(exit))
      return std::nullopt;
    apply = cast<ApplyOp>(exit);
    result.o = out;
  }
  if (!lse || !apply)
    return std::nullopt;
  auto weights = Weights::match(apply.getMatrix());
  Value prefactor = lse.getPrefactor();
  if (!weights || weights->rows != lse.getResult() ||
      lse.getMatrix() != weights->logits.getResult() ||
      (prefactor ? prefactor.getDefiningOp() : nullptr) !=
          weights->prefactor.getOperation() ||
      !bind(result, body, *weights))
    return std::nullopt;
  result.v = bufferOf(op, apply->getOperand(1));
  result.scaleO = scaleOf(apply);
  if (!result.v)
    return std::nullopt;
  return result;
}

namespace {

/// S = P ∘ shift_rows(outer(U, V), s).
struct Errors {
  Value weights; ///< P
  OuterOp outer;
  Value rows; ///< s

  static std::optional<Errors> match(Value matrix) {
    auto product = matrix.getDefiningOp<HadamardOp>();
    if (!product)
      return std::nullopt;
    for (auto [a, b] : {std::pair(product.getLhs(), product.getRhs()),
                        std::pair(product.getRhs(), product.getLhs())}) {
      auto shift = b.getDefiningOp<ShiftRowsOp>();
      auto outer = shift ? shift.getMatrix().getDefiningOp<OuterOp>() : nullptr;
      if (outer)
        return Errors{a, outer, shift.getRows()};
    }
    return std::nullopt;
  }
};

} // namespace

std::optional<AttentionBackward>
AttentionBackward::match(const TileBody &body) {
  TilesOp op = body.op;
  if (body.logSumExp)
    return std::nullopt;
  // S, where some exit reads it, says which matrix is P.
  std::optional<Errors> errors;
  for (Operation *exit : body.exits)
    if (auto found = Errors::match(exit->getOperand(0)))
      errors = found;
  if (!errors)
    return std::nullopt;
  auto weights = Weights::match(errors->weights);
  AttentionBackward result;
  if (!weights || !bind(result, body, *weights))
    return std::nullopt;
  Value u = errors->outer->getOperand(0), v = errors->outer->getOperand(1);
  result.l = bufferOf(op, weights->rows);
  result.u = bufferOf(op, u);
  result.v = bufferOf(op, v);
  result.s = bufferOf(op, errors->rows);
  Value matrix = errors->outer.getResult();
  for (auto [exit, out] : llvm::zip(body.exits, op.getOuts())) {
    bool ofWeights = exit->getOperand(0) == errors->weights;
    auto found = Errors::match(exit->getOperand(0));
    bool ofErrors = found && found->outer.getResult() == matrix &&
                    found->weights == errors->weights &&
                    found->rows == errors->rows;
    auto take = [&, exit = exit, out = out](Value &slot, double &scale) {
      if (slot)
        return false;
      slot = out;
      scale = scaleOf(exit);
      return true;
    };
    Value other = exit->getNumOperands() > 1 ? exit->getOperand(1) : Value();
    bool taken = false;
    if (isa<ApplyOp>(exit) && ofErrors && other == weights->logits.getK())
      taken = take(result.dq, result.scaleQ);
    else if (isa<ApplyTransposedOp>(exit) && ofErrors &&
             other == weights->logits.getQ())
      taken = take(result.dk, result.scaleK);
    else if (isa<ApplyTransposedOp>(exit) && ofWeights && other == u)
      taken = take(result.dv, result.scaleV);
    else if (isa<DiagonalSumsOp>(exit) && ofErrors)
      taken = take(result.diagonals, result.scaleDiagonals);
    if (!taken)
      return std::nullopt;
  }
  if (!result.l || !result.u || !result.v || !result.s)
    return std::nullopt;
  return result;
}
