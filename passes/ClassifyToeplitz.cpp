//===- ClassifyToeplitz.cpp - ropegrad-classify-toeplitz -------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Names the factors of every Toeplitz prefactor and the cheapest route that
// takes their product; says the same prefactor with fewer factors where it can.
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::ropegrad {

#define GEN_PASS_DEF_CLASSIFYTOEPLITZ
#include "passes/Passes.h.inc"

namespace {

/// exp(−0·|t|) is 1.
struct DropZeroSlopes : OpRewritePattern<ToeplitzOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ToeplitzOp op,
                                PatternRewriter &rewriter) const final {
    auto alibi = op.getAlibi();
    if (!alibi || llvm::any_of(*alibi, [](double m) { return m != 0; }))
      return rewriter.notifyMatchFailure(op, "no slopes that are all 0");
    rewriter.modifyOpInPlace(op, [&] { op.removeAlibiAttr(); });
    return success();
  }
};

/// A window of n rows or more is the causal mask.
struct WidenWindow : OpRewritePattern<ToeplitzOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ToeplitzOp op,
                                PatternRewriter &rewriter) const final {
    int64_t rows = op.getType().getRows();
    if (op.getMask() != Mask::Window ||
        static_cast<int64_t>(*op.getWindow()) < rows)
      return rewriter.notifyMatchFailure(op, "no window beyond all rows");
    rewriter.modifyOpInPlace(op, [&] {
      op.setMask(Mask::Causal);
      op.removeWindowAttr();
    });
    return success();
  }
};

bool isConstant(Value matrix) {
  auto op = matrix ? matrix.getDefiningOp<ToeplitzOp>() : nullptr;
  return op && op.getMask() == Mask::None && !op.getAlibi() && !op.getBias();
}

/// 1 ∘ A ⇒ A.
struct DropConstantFactor : OpRewritePattern<HadamardOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(HadamardOp op,
                                PatternRewriter &rewriter) const final {
    if (!isConstant(op.getLhs()) && !isConstant(op.getRhs()))
      return rewriter.notifyMatchFailure(op, "no factor of ones");
    rewriter.replaceOp(op, isConstant(op.getLhs()) ? op.getRhs() : op.getLhs());
    return success();
  }
};

struct DropConstantPrefactor : OpRewritePattern<RowLogSumExpOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(RowLogSumExpOp op,
                                PatternRewriter &rewriter) const final {
    if (!isConstant(op.getPrefactor()))
      return rewriter.notifyMatchFailure(op, "no prefactor of ones");
    rewriter.modifyOpInPlace(op, [&] { op.getPrefactorMutable().clear(); });
    return success();
  }
};

/// Rows that a rotation made, maybe centred, maybe behind a guard.
bool isRotated(Value rows) {
  if (auto guard = rows.getDefiningOp<GuardOp>())
    rows = guard.getTiedOpOperand(cast<OpResult>(rows))->get();
  if (auto centred = rows.getDefiningOp<CentreRowsOp>())
    rows = centred.getIns()[0];
  return rows.getDefiningOp<RotateOp>() != nullptr;
}

/// Whether the logits that a matrix is a function of have rotary position: W_t
/// is a character then, and Q and K have absorbed it.
bool hasCharacter(Value matrix) {
  Operation *op = matrix.getDefiningOp();
  if (auto logits = dyn_cast_or_null<LogitsOp>(op))
    return isRotated(logits.getQ()) && isRotated(logits.getK());
  if (!isa_and_nonnull<PolynomialOp, ExpOp, ShiftRowsOp, ScaleRowsOp>(op))
    return false;
  return hasCharacter(op->getOperand(0));
}

/// The factors of a prefactor and of the position that it multiplies.
SmallVector<Factor> factorsOf(ToeplitzOp op) {
  SmallVector<Factor> factors;
  for (Operation *user : op->getUsers())
    if (auto product = dyn_cast<HadamardOp>(user);
        product && factors.empty() &&
        (hasCharacter(product.getLhs()) || hasCharacter(product.getRhs())))
      factors.push_back(Factor::Character);
  if (op.getMask() == Mask::Causal)
    factors.push_back(Factor::Step);
  if (op.getMask() == Mask::Window)
    factors.push_back(Factor::Window);
  if (op.getAlibi())
    factors.push_back(Factor::Decay);
  if (op.getBias())
    factors.push_back(Factor::General);
  if (factors.empty())
    factors.push_back(Factor::Constant);
  return factors;
}

/// Numbers need transforms, steps and decays a scan; a constant is of rank one.
Route loweringOf(ArrayRef<Factor> factors) {
  if (llvm::is_contained(factors, Factor::General))
    return Route::FFT;
  auto isFree = [](Factor factor) {
    return factor == Factor::Constant || factor == Factor::Character;
  };
  return llvm::all_of(factors, isFree) ? Route::Features : Route::Scan;
}

struct ClassifyToeplitzPass : impl::ClassifyToeplitzBase<ClassifyToeplitzPass> {
  void runOnOperation() final {
    RewritePatternSet patterns(&getContext());
    patterns.add<DropZeroSlopes, WidenWindow, DropConstantFactor,
                 DropConstantPrefactor>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      return signalPassFailure();
    getOperation().walk([&](ToeplitzOp op) {
      SmallVector<Factor> factors = factorsOf(op);
      Builder b(&getContext());
      SmallVector<Attribute> attributes;
      for (Factor factor : factors)
        attributes.push_back(FactorAttr::get(&getContext(), factor));
      op.setFactorsAttr(b.getArrayAttr(attributes));
      op.setLoweringAttr(RouteAttr::get(&getContext(), loweringOf(factors)));
    });
  }
};

} // namespace
} // namespace mlir::ropegrad
