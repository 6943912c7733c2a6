//===- JoinPairs.cpp - ropegrad-join-pairs ---------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Level 3: products with monomial pairs that transform the same columns, as one
// op.
//
//===----------------------------------------------------------------------===//

#include "passes/Algebra.h"
#include "passes/ToeplitzBlocks.h"

#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace mlir::ropegrad {

#define GEN_PASS_DEF_JOINPAIRS
#include "passes/Passes.h.inc"

namespace {

/// Whether two ops state the same polynomial of the same logits.
template <typename OpTy, typename OtherTy>
bool samePolynomial(OpTy x, OtherTy y) {
  return x.getCoefficients() == y.getCoefficients() &&
         x.getScaleAttr() == y.getScaleAttr() &&
         x.getSupportAttr() == y.getSupportAttr() &&
         x.getMask() == y.getMask() && x.getWindowAttr() == y.getWindowAttr();
}

/// Whether `columns` are the leading ones of `factor`.
bool isLeading(Value columns, Value factor) {
  if (columns == factor)
    return true;
  auto append = factor.getDefiningOp<AppendColumnOp>();
  return append && append.getIns()[0] == columns;
}

/// Whether `user` needs a result of `op`, in the block of both.
bool dependsOn(Operation *user, Operation *op) {
  DenseSet<Operation *> seen;
  SmallVector<Operation *> open = {user};
  while (!open.empty()) {
    Operation *next = open.pop_back_val();
    if (next == op)
      return true;
    next->walk([&](Operation *inner) {
      for (Value operand : inner->getOperands()) {
        Operation *from = operand.getDefiningOp();
        if (from && from->getBlock() == op->getBlock() &&
            seen.insert(from).second)
          open.push_back(from);
      }
    });
  }
  return false;
}

/// Finds what joins one pair_reverse in its block, and joins it.
class Joiner {
public:
  explicit Joiner(PairReverseOp reverse)
      : reverse(reverse), x(reverse.getIns()[0]), y(reverse.getIns()[1]),
        factor(reverse.getIns()[2]), u(reverse.getIns()[3]) {}

  /// Whether anything joined; then the op is gone.
  bool run() {
    if (reverse.getOuts().size() != 1 || reverse.getIns().size() != 5)
      return false;
    if (!reverse.getTransposed())
      return keepSlopes();
    for (Operation &op : *reverse->getBlock()) {
      if (auto other = dyn_cast<PairApplyOp>(op); other && joins(other))
        apply = other;
      if (auto other = dyn_cast<PairCorrelateOp>(op); other && joins(other))
        correlate = other;
    }
    if (!apply && !correlate)
      return false;
    replace();
    return true;
  }

private:
  /// The derivatives of the numerators, from where these are made.
  bool keepSlopes() {
    auto type = cast<RankedTensorType>(x.getType());
    int64_t d = type.getDimSize(3);
    int64_t width = widthOf(factor);
    if (reverse.getSupport() || !::ropegrad::keepsSlopes(d, width))
      return false;
    for (Operation &op : *reverse->getBlock()) {
      auto other = dyn_cast<PairApplyOp>(op);
      if (!other || other.getIns()[2] != factor || !sameMatrix(other))
        continue;
      if (!other->isBeforeInBlock(reverse))
        continue;
      replaceBySlopes(other, withWidth(x, d * width));
      return true;
    }
    return false;
  }

  void replaceBySlopes(PairApplyOp other, RankedTensorType type) {
    OpBuilder b(other);
    Algebra a(b, other.getLoc());
    SmallVector<Value> outs = {other.getOuts()[0],
                               a.empty(type.getShape(), type.getElementType())};
    auto both = PairApplyOp::create(
        b, other.getLoc(), TypeRange(ValueRange(outs)), other.getIns(), outs,
        other.getCoefficientsAttr(), other.getScaleAttr(),
        other.getSupportAttr(), other.getMaskAttr(), other.getWindowAttr(),
        other.getTransposedAttr());
    other.getResult(0).replaceAllUsesWith(both.getResult(0));
    other->erase();
    b.setInsertionPoint(reverse);
    SmallVector<Value> ins(reverse.getIns());
    ins.push_back(both.getResult(1));
    auto by = PairReverseOp::create(
        b, reverse.getLoc(), reverse->getResultTypes(), ins, reverse.getOuts(),
        reverse.getCoefficientsAttr(), reverse.getScaleAttr(),
        reverse.getSupportAttr(), reverse.getMaskAttr(),
        reverse.getWindowAttr(), reverse.getTransposedAttr());
    reverse.getResult(0).replaceAllUsesWith(by.getResult(0));
    reverse->erase();
  }

  /// Whether `other` multiplies by the same matrix.
  bool sameMatrix(PairApplyOp other) {
    return other.getOuts().size() == 1 && samePolynomial(reverse, other) &&
           other.getIns()[0] == x && other.getIns()[1] == y &&
           other.getIns()[3] == reverse.getIns()[4] &&
           other.getTransposed() == reverse.getTransposed();
  }

  bool joins(PairApplyOp other) {
    return sameMatrix(other) && isLeading(other.getIns()[2], factor) &&
           !dependsOn(reverse, other);
  }

  bool joins(PairCorrelateOp other) {
    auto table = cast<ShapedType>(other.getOuts()[0].getType());
    auto spectra = cast<ShapedType>(reverse.getIns()[4].getType());
    return reverse.getTransposed() && !reverse.getSupport() &&
           samePolynomial(reverse, other) && other.getIns()[0] == y &&
           other.getIns()[1] == x && other.getIns()[2] == factor &&
           other.getIns()[3] == u &&
           table.getDimSize(0) == spectra.getDimSize(0) &&
           !dependsOn(reverse, other);
  }

  void replace() {
    OpBuilder b(reverse);
    Algebra a(b, reverse.getLoc());
    SmallVector<Value> outs(reverse.getOuts());
    auto addOut = [&](RankedTensorType type) {
      outs.push_back(a.empty(type.getShape(), type.getElementType()));
    };
    addOut(apply ? cast<RankedTensorType>(apply.getResult(0).getType())
                 : withWidth(x, 1));
    if (correlate)
      addOut(cast<RankedTensorType>(correlate.getResult(0).getType()));
    auto joined = PairReverseOp::create(
        b, reverse.getLoc(), TypeRange(ValueRange(outs)), reverse.getIns(),
        outs, reverse.getCoefficientsAttr(), reverse.getScaleAttr(),
        reverse.getSupportAttr(), reverse.getMaskAttr(),
        reverse.getWindowAttr(), reverse.getTransposedAttr());
    Operation *found[] = {reverse, apply, correlate};
    for (auto [index, op] : llvm::enumerate(found)) {
      if (!op)
        continue;
      op->getResult(0).replaceAllUsesWith(joined.getResult(index));
      op->erase();
    }
    // Users of the others may stand in front of what was the reverse.
    sortTopologically(joined->getBlock());
  }

  PairReverseOp reverse;
  Value x, y, factor, u;
  PairApplyOp apply;
  PairCorrelateOp correlate;
};

struct JoinPairsPass : impl::JoinPairsBase<JoinPairsPass> {
  void runOnOperation() final {
    SmallVector<PairReverseOp> ops;
    getOperation().walk([&](PairReverseOp op) {
      if (isa<RankedTensorType>(op.getIns()[0].getType()))
        ops.push_back(op);
    });
    for (PairReverseOp op : ops)
      Joiner(op).run();
  }
};

} // namespace
} // namespace mlir::ropegrad
