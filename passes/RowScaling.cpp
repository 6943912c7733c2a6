//===- RowScaling.cpp - Row scalings leave the matrices --------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// diag(r) commutes out of products, so that D = row sums and N = P V come from
// one pass and no matrix is scaled elementwise.
//
//===----------------------------------------------------------------------===//

#include "passes/RowScaling.h"

#include "passes/Algebra.h"

namespace mlir::ropegrad {
namespace {

/// hadamard(A, diag(r) B) ⇒ diag(r) hadamard(A, B), either side.
struct ScaleOutOfHadamard : OpRewritePattern<HadamardOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(HadamardOp op,
                                PatternRewriter &rewriter) const final {
    Value other = op.getLhs();
    auto scale = op.getRhs().getDefiningOp<ScaleRowsOp>();
    if (!scale) {
      scale = op.getLhs().getDefiningOp<ScaleRowsOp>();
      other = op.getRhs();
    }
    if (!scale)
      return rewriter.notifyMatchFailure(op, "no scaled operand");
    Value product = HadamardOp::create(rewriter, op.getLoc(), op.getType(),
                                       other, scale.getMatrix());
    rewriter.replaceOpWithNewOp<ScaleRowsOp>(op, op.getType(), product,
                                             scale.getRows());
    return success();
  }
};

/// (diag(r) A) X ⇒ diag(r) (A X).
struct ScaleOutOfApply : OpRewritePattern<ApplyOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ApplyOp op,
                                PatternRewriter &rewriter) const final {
    auto scale = op.getMatrix().getDefiningOp<ScaleRowsOp>();
    if (!scale)
      return rewriter.notifyMatchFailure(op, "the matrix is not scaled");
    Algebra a(rewriter, op.getLoc());
    Value product =
        ApplyOp::create(rewriter, op.getLoc(), op.getType(), scale.getMatrix(),
                        op.getX(), op.getScaleAttr());
    rewriter.replaceOp(op, a.scaleRows(product, scale.getRows()));
    return success();
  }
};

/// (diag(r) A)ᵀ X ⇒ Aᵀ (diag(r) X).
struct ScaleOutOfApplyTransposed : OpRewritePattern<ApplyTransposedOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ApplyTransposedOp op,
                                PatternRewriter &rewriter) const final {
    auto scale = op.getMatrix().getDefiningOp<ScaleRowsOp>();
    if (!scale)
      return rewriter.notifyMatchFailure(op, "the matrix is not scaled");
    Algebra a(rewriter, op.getLoc());
    rewriter.replaceOpWithNewOp<ApplyTransposedOp>(
        op, op.getType(), scale.getMatrix(),
        a.scaleRows(op.getX(), scale.getRows()), op.getScaleAttr());
    return success();
  }
};

} // namespace

void populateRowScalingPatterns(RewritePatternSet &patterns) {
  patterns.add<ScaleOutOfHadamard, ScaleOutOfApply, ScaleOutOfApplyTransposed>(
      patterns.getContext());
}

} // namespace mlir::ropegrad
