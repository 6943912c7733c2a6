//===- KeyWeighting.cpp - Weights of keys leave the matrices ---*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// (P diag(w)) X = P (diag(w) X) and (P diag(w))ᵀ X = diag(w) (Pᵀ X): exits of
// weighted similarities become those of similarities.
//
//===----------------------------------------------------------------------===//

#include "passes/KeyWeighting.h"

#include "passes/Algebra.h"
#include "passes/Similarity.h"

#include "mlir/IR/Matchers.h"

namespace mlir::ropegrad {
namespace {

/// (1 wᵀ) ∘ P.
struct Weighted {
  Value matrix;  ///< P
  Value weights; ///< w, (B, H', n, 1)

  int64_t heads() const { return headsOf(weights); }

  /// w as (B, H', n).
  Value rows(Algebra &a) const { return a.column(weights, 0); }
};

bool isOnes(Value tall) {
  auto fill = tall.getDefiningOp<linalg::FillOp>();
  return fill && matchPattern(fill.getInputs()[0], m_OneFloat());
}

std::optional<Weighted> weightedMatrix(Value matrix) {
  auto product = matrix.getDefiningOp<HadamardOp>();
  if (!product)
    return std::nullopt;
  for (auto [factor, other] : {std::pair(product.getLhs(), product.getRhs()),
                               std::pair(product.getRhs(), product.getLhs())})
    if (auto outer = factor.getDefiningOp<OuterOp>();
        outer && isOnes(outer.getU()) && widthOf(outer.getV()) == 1)
      return Weighted{other, outer.getV()};
  return std::nullopt;
}

/// The same where an almost-linear route takes P.
std::optional<Weighted> weightedSimilarity(Value matrix) {
  auto weighted = weightedMatrix(matrix);
  if (!weighted || !similarityOf(weighted->matrix))
    return std::nullopt;
  return weighted;
}

/// (P diag(w)) X ⇒ P (diag(w) X).
struct WeightsOutOfApply : OpRewritePattern<ApplyOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ApplyOp op,
                                PatternRewriter &rewriter) const final {
    auto weighted = weightedSimilarity(op.getMatrix());
    if (!weighted || weighted->heads() != headsOf(op.getX()))
      return rewriter.notifyMatchFailure(op, "no weighted similarity");
    Algebra a(rewriter, op.getLoc());
    Value x = a.scaleRows(op.getX(), weighted->rows(a));
    rewriter.replaceOpWithNewOp<ApplyOp>(op, op.getType(), weighted->matrix, x,
                                         op.getScaleAttr());
    return success();
  }
};

/// (P diag(w))ᵀ X ⇒ diag(w) (Pᵀ X).
struct WeightsOutOfApplyTransposed : OpRewritePattern<ApplyTransposedOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ApplyTransposedOp op,
                                PatternRewriter &rewriter) const final {
    auto weighted = weightedSimilarity(op.getMatrix());
    if (!weighted || weighted->heads() != headsOf(op.getResult()))
      return rewriter.notifyMatchFailure(op, "no weighted similarity");
    Algebra a(rewriter, op.getLoc());
    Value product = ApplyTransposedOp::create(rewriter, op.getLoc(),
                                              op.getType(), weighted->matrix,
                                              op.getX(), op.getScaleAttr());
    rewriter.replaceOp(op, a.scaleRows(product, weighted->rows(a)));
    return success();
  }
};

/// (P diag(w)) 1 ⇒ P w.
struct WeightsOutOfRowSums : OpRewritePattern<RowSumsOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(RowSumsOp op,
                                PatternRewriter &rewriter) const final {
    auto weighted = weightedSimilarity(op.getMatrix());
    if (!weighted)
      return rewriter.notifyMatchFailure(op, "no weighted similarity");
    Algebra a(rewriter, op.getLoc());
    SmallVector<int64_t> shape(cast<RankedTensorType>(op.getType()).getShape());
    shape.push_back(1);
    auto element = cast<RankedTensorType>(op.getType()).getElementType();
    Value sums = ApplyOp::create(
        rewriter, op.getLoc(), RankedTensorType::get(shape, element),
        weighted->matrix, weighted->weights, rewriter.getF64FloatAttr(1.0));
    rewriter.replaceOp(op, a.column(sums, 0));
    return success();
  }
};

/// (P diag(w)) ∘ U Vᵀ ⇒ P ∘ U (diag(w) V)ᵀ.
struct WeightsIntoOuter : OpRewritePattern<HadamardOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(HadamardOp op,
                                PatternRewriter &rewriter) const final {
    auto weighted = weightedSimilarity(op.getLhs());
    auto outer = op.getRhs().getDefiningOp<OuterOp>();
    if (!weighted || !outer || weighted->heads() != headsOf(outer.getV()))
      return rewriter.notifyMatchFailure(op, "no weighted similarity times a "
                                             "low-rank matrix");
    Algebra a(rewriter, op.getLoc());
    Value v = a.scaleRows(outer.getV(), weighted->rows(a));
    Value lowRank =
        OuterOp::create(rewriter, op.getLoc(), op.getType(), outer.getU(), v);
    rewriter.replaceOpWithNewOp<HadamardOp>(op, op.getType(), weighted->matrix,
                                            lowRank);
    return success();
  }
};

/// (diag(r) A)ᵀ [U, s x] ⇒ Aᵀ [diag(r) U, s diag(r) x].
struct ScaleIntoColumns : OpRewritePattern<ApplyTransposedOp> {
  ScaleIntoColumns(MLIRContext *context)
      : OpRewritePattern(context, PatternBenefit(2)) {}
  LogicalResult matchAndRewrite(ApplyTransposedOp op,
                                PatternRewriter &rewriter) const final {
    auto scale = op.getMatrix().getDefiningOp<ScaleRowsOp>();
    auto append = op.getX().getDefiningOp<AppendColumnOp>();
    if (!scale || !append || append.getIns().size() != 2)
      return rewriter.notifyMatchFailure(op, "no scaled matrix times appended "
                                             "columns");
    Algebra a(rewriter, op.getLoc());
    Value r = scale.getRows();
    Value x = a.structured<AppendColumnOp>(
        cast<RankedTensorType>(op.getX().getType()),
        ValueRange{a.scaleRows(append.getIns()[0], r),
                   a.multiply(r, append.getIns()[1])},
        append.getScaleAttr());
    rewriter.replaceOpWithNewOp<ApplyTransposedOp>(
        op, op.getType(), scale.getMatrix(), x, op.getScaleAttr());
    return success();
  }
};

/// p'(Z)ᵀ X ⇒ p̂(Z)ᵀ X.
struct SlopeAsPolynomial : OpRewritePattern<ApplyTransposedOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ApplyTransposedOp op,
                                PatternRewriter &rewriter) const final {
    auto slope = op.getMatrix().getDefiningOp<PolynomialOp>();
    if (!slope || slope.getOrder() != 1 || !similarityOf(slope) ||
        similarityOf(slope)->route() != Route::Features ||
        slope.getPlan()->getKept())
      return rewriter.notifyMatchFailure(op, "not all of a slope");
    ArrayRef<double> p = slope.getCoefficients();
    SmallVector<double> derivative;
    for (size_t k = 1; k < p.size(); ++k)
      derivative.push_back(static_cast<double>(k) * p[k]);
    if (derivative.empty())
      derivative.push_back(0.0);
    Value matrix = PolynomialOp::create(
        rewriter, op.getLoc(), slope.getType(), slope.getMatrix(),
        rewriter.getDenseF64ArrayAttr(derivative),
        rewriter.getI64IntegerAttr(0), FloatAttr(), FloatAttr(), FloatAttr(),
        slope.getPlanAttr());
    rewriter.modifyOpInPlace(op, [&] { op.getMatrixMutable().assign(matrix); });
    return success();
  }
};

} // namespace

Value withoutKeyWeights(Value matrix) {
  auto weighted = weightedMatrix(matrix);
  return weighted ? weighted->matrix : matrix;
}

void populateRowFactorPatterns(RewritePatternSet &patterns) {
  patterns.add<ScaleIntoColumns>(patterns.getContext());
}

void populateSlopePatterns(RewritePatternSet &patterns) {
  patterns.add<SlopeAsPolynomial>(patterns.getContext());
}

void populateKeyWeightPatterns(RewritePatternSet &patterns) {
  patterns.add<WeightsOutOfApply, WeightsOutOfApplyTransposed,
               WeightsOutOfRowSums, WeightsIntoOuter>(patterns.getContext());
}

} // namespace mlir::ropegrad
