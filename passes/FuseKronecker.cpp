//===- FuseKronecker.cpp - ropegrad-fuse-kronecker -------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Level 2 to level 3 on the features route: polynomials of logits to products
// with monomial features (Facts 3.9, 3.11, Lemmas 6.2-6.6).
//
//===----------------------------------------------------------------------===//

#include "passes/Algebra.h"
#include "passes/FuseFourier.h"
#include "passes/FuseScan.h"
#include "passes/KeyWeighting.h"
#include "passes/Monomials.h"
#include "passes/RowScaling.h"
#include "passes/Similarity.h"

#include "mlir/Transforms/CSE.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::ropegrad {

#define GEN_PASS_DEF_FUSEKRONECKER
#include "passes/Passes.h.inc"

namespace {

/// The polynomial of a matrix on route features, which has no prefactor.
PolynomialOp featurePolynomial(Value matrix) {
  std::optional<Similarity> similarity = similarityOf(matrix);
  if (!similarity || similarity->route() != Route::Features)
    return nullptr;
  return similarity->polynomial;
}

LogitsOp logitsOf(PolynomialOp polynomial) {
  return polynomial.getMatrix().getDefiningOp<LogitsOp>();
}

int64_t degreeOf(PolynomialOp polynomial) {
  return static_cast<int64_t>(polynomial.getCoefficients().size()) - 1;
}

/// Emits the structured ops that stand for one polynomial of logits.
struct FeatureBuilder {
  Algebra &a;
  PolynomialOp polynomial;

  RankedTensorType coefficientType(Value k, Value factor, int64_t heads) {
    auto x = cast<RankedTensorType>(k.getType());
    int64_t m =
        ::ropegrad::Monomials(x.getDimSize(3), degreeOf(polynomial)).size();
    if (KeptAttr kept = this->kept())
      m = ::ropegrad::KeptTable::make(kept.monomials(), ::ropegrad::kMostKept)
              ->size();
    return RankedTensorType::get({x.getDimSize(0), heads, m, widthOf(factor)},
                                 x.getElementType());
  }

  /// diag(c) Φ(x)ᵀ factor, summed to `heads` heads.
  Value accumulate(Value x, Value factor, int64_t heads) {
    return a.structured<AccumulateOp>(
        coefficientType(x, factor, heads), ValueRange{x, factor},
        a.b.getDenseF64ArrayAttr(polynomial.getCoefficients()),
        logitsOf(polynomial).getScaleAttr(), kept());
  }

  Value expand(Value x, Value g) {
    auto width = widthOf(g);
    return a.structured<ExpandOp>(withWidth(x, width), ValueRange{x, g},
                                  degree(), kept());
  }

  Value reverse(Value x, Value g, Value u) {
    return a.structured<ReverseOp>(cast<RankedTensorType>(x.getType()),
                                   ValueRange{x, g, u}, degree(), kept());
  }

  /// Which monomials the plan leaves; null where all of them.
  KeptAttr kept() {
    std::optional<PlanAttr> plan = polynomial.getPlan();
    return plan ? plan->getKept() : KeptAttr();
  }

  IntegerAttr degree() { return a.b.getI64IntegerAttr(degreeOf(polynomial)); }
};

/// x with one more column: scale · r, or ones.
Value appendColumn(Algebra &a, Value x, Value r, double scale) {
  auto width = widthOf(x);
  SmallVector<Value> ins = {x};
  if (r)
    ins.push_back(r);
  return a.structured<AppendColumnOp>(withWidth(x, width + 1), ins,
                                      a.b.getF64FloatAttr(scale));
}

//===----------------------------------------------------------------------===//
// Normal form
//===----------------------------------------------------------------------===//

/// diag(r) (A ∘ (U Vᵀ − w 1ᵀ)) ⇒ A ∘ [rU, −rw] [V, 1]ᵀ: one low-rank factor.
struct FoldIntoOuter : OpRewritePattern<HadamardOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(HadamardOp op,
                                PatternRewriter &rewriter) const final {
    auto scaled = op.getLhs().getDefiningOp<ScaleRowsOp>();
    auto shifted = op.getRhs().getDefiningOp<ShiftRowsOp>();
    if (!scaled || !shifted ||
        !similarityOf(withoutKeyWeights(scaled.getMatrix())))
      return rewriter.notifyMatchFailure(op, "not a scaled similarity times "
                                             "a shifted outer product");
    auto outer = shifted.getMatrix().getDefiningOp<OuterOp>();
    if (!outer)
      return rewriter.notifyMatchFailure(op, "not an outer product");
    Algebra a(rewriter, op.getLoc());
    Value r = scaled.getRows();
    Value u = appendColumn(a, a.scaleRows(outer.getU(), r),
                           a.multiply(r, shifted.getRows()), -1.0);
    Value v = appendColumn(a, outer.getV(), Value(), 1.0);
    Value lowRank = OuterOp::create(rewriter, op.getLoc(), op.getType(), u, v);
    rewriter.replaceOpWithNewOp<HadamardOp>(op, op.getType(),
                                            scaled.getMatrix(), lowRank);
    return success();
  }
};

/// row_sums(P) beside apply(P, V) ⇒ one apply(P, [V, 1]) and its columns.
struct JoinDenominator : OpRewritePattern<RowSumsOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(RowSumsOp op,
                                PatternRewriter &rewriter) const final {
    if (!similarityOf(withoutKeyWeights(op.getMatrix())))
      return rewriter.notifyMatchFailure(op, "not a similarity");
    ApplyOp apply;
    for (Operation *user : op.getMatrix().getUsers())
      if (auto candidate = dyn_cast<ApplyOp>(user))
        if (candidate.getScale().convertToDouble() == 1.0 &&
            candidate->getBlock() == op->getBlock())
          apply = candidate;
    if (!apply)
      return rewriter.notifyMatchFailure(op, "no numerator to join");
    // V may be defined after the row sums: build where both are known.
    Operation *v = apply.getX().getDefiningOp();
    if (v && v->getBlock() == op->getBlock() && op->isBeforeInBlock(v))
      return rewriter.notifyMatchFailure(op, "the numerator comes too late");
    Algebra a(rewriter, op.getLoc());
    Value joined = appendColumn(a, apply.getX(), Value(), 1.0);
    auto width = widthOf(joined);
    auto out = cast<RankedTensorType>(withWidth(apply.getResult(), width));
    Value both = ApplyOp::create(rewriter, op.getLoc(), out, op.getMatrix(),
                                 joined, rewriter.getF64FloatAttr(1.0));
    Value numerator = a.columns(both, 0, width - 1);
    Value denominator = a.column(both, width - 1);
    rewriter.replaceOp(apply, numerator);
    rewriter.replaceOp(op, denominator);
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Exits
//===----------------------------------------------------------------------===//

/// apply(P, X) ⇒ expand(q, accumulate(k, X)).
struct ApplyFeatures : OpRewritePattern<ApplyOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ApplyOp op,
                                PatternRewriter &rewriter) const final {
    PolynomialOp p = featurePolynomial(op.getMatrix());
    if (!p || p.getOrder() != 0 || op.getScale().convertToDouble() != 1.0)
      return rewriter.notifyMatchFailure(op, "not an unscaled apply(p)");
    Algebra a(rewriter, op.getLoc());
    FeatureBuilder features{a, p};
    LogitsOp z = logitsOf(p);
    Value g = features.accumulate(z.getK(), op.getX(), headsOf(z.getK()));
    rewriter.replaceOp(op, features.expand(z.getQ(), g));
    return success();
  }
};

/// row_sums(P) with no numerator ⇒ expand(q, accumulate(k, 1)).
struct RowSumFeatures : OpRewritePattern<RowSumsOp> {
  RowSumFeatures(MLIRContext *context) : OpRewritePattern(context, 0) {}
  LogicalResult matchAndRewrite(RowSumsOp op,
                                PatternRewriter &rewriter) const final {
    PolynomialOp p = featurePolynomial(op.getMatrix());
    if (!p || p.getOrder() != 0)
      return rewriter.notifyMatchFailure(op, "not row sums of p");
    Algebra a(rewriter, op.getLoc());
    FeatureBuilder features{a, p};
    LogitsOp z = logitsOf(p);
    auto type = withWidth(z.getK(), 1);
    Value ones = a.filled(type.getShape(), type.getElementType(), 1.0);
    Value g = features.accumulate(z.getK(), ones, headsOf(z.getK()));
    rewriter.replaceOp(op, a.column(features.expand(z.getQ(), g), 0));
    return success();
  }
};

/// applyᵀ(P, X) ⇒ expand(k, accumulate(q, X)).
struct ApplyTransposedFeatures : OpRewritePattern<ApplyTransposedOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ApplyTransposedOp op,
                                PatternRewriter &rewriter) const final {
    PolynomialOp p = featurePolynomial(op.getMatrix());
    if (!p || p.getOrder() != 0 || op.getScale().convertToDouble() != 1.0)
      return rewriter.notifyMatchFailure(op, "not an unscaled applyᵀ(p)");
    LogitsOp z = logitsOf(p);
    if (headsOf(op.getResult()) != headsOf(z.getK()))
      return rewriter.notifyMatchFailure(op, "heads differ from those of k");
    Algebra a(rewriter, op.getLoc());
    FeatureBuilder features{a, p};
    Value g = features.accumulate(z.getQ(), op.getX(), headsOf(z.getK()));
    rewriter.replaceOp(op, features.expand(z.getK(), g));
    return success();
  }
};

/// hadamard(p'(Z), U Vᵀ) on route features.
std::optional<WeightedSimilarity> featureSlope(Value matrix) {
  auto slope = slopeOf(matrix);
  if (!slope || slope->similarity.route() != Route::Features)
    return std::nullopt;
  return slope;
}

/// apply(P' ∘ U Vᵀ, k) ⇒ reverse(q, accumulate(k, V), U), because
/// p'(scale q·k) scale k = ∇_q p(scale q·k): G is that of the forward pass.
struct ReverseFeatures : OpRewritePattern<ApplyOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ApplyOp op,
                                PatternRewriter &rewriter) const final {
    auto slope = featureSlope(op.getMatrix());
    if (!slope)
      return rewriter.notifyMatchFailure(op, "not p' times a low-rank matrix");
    LogitsOp z = slope->similarity.logits();
    if (op.getX() != z.getK() || op.getScaleAttr() != z.getScaleAttr())
      return rewriter.notifyMatchFailure(op, "not the gradient of the logits");
    Algebra a(rewriter, op.getLoc());
    FeatureBuilder features{a, slope->similarity.polynomial};
    Value g =
        features.accumulate(z.getK(), slope->outer.getV(), headsOf(z.getK()));
    rewriter.replaceOp(op, features.reverse(z.getQ(), g, slope->outer.getU()));
    return success();
  }
};

/// applyᵀ(P' ∘ U Vᵀ, q) ⇒ reverse(k, accumulate(q, U), V).
struct ReverseTransposedFeatures : OpRewritePattern<ApplyTransposedOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ApplyTransposedOp op,
                                PatternRewriter &rewriter) const final {
    auto slope = featureSlope(op.getMatrix());
    if (!slope)
      return rewriter.notifyMatchFailure(op, "not p' times a low-rank matrix");
    LogitsOp z = slope->similarity.logits();
    if (op.getX() != z.getQ() || op.getScaleAttr() != z.getScaleAttr() ||
        headsOf(op.getResult()) != headsOf(z.getK()) ||
        headsOf(slope->outer.getV()) != headsOf(z.getK()))
      return rewriter.notifyMatchFailure(op, "not the gradient of the logits");
    Algebra a(rewriter, op.getLoc());
    FeatureBuilder features{a, slope->similarity.polynomial};
    Value g =
        features.accumulate(z.getQ(), slope->outer.getU(), headsOf(z.getK()));
    rewriter.replaceOp(op, features.reverse(z.getK(), g, slope->outer.getV()));
    return success();
  }
};

/// The paper's gradient with respect to X (math of Lemma 6.6, rank-two W).
struct KroneckerGradientFeatures : OpRewritePattern<KroneckerGradientOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(KroneckerGradientOp op,
                                PatternRewriter &rewriter) const final {
    auto slope = featureSlope(op.getMatrix());
    if (!slope || op.getW())
      return rewriter.notifyMatchFailure(op, "not p' times a low-rank matrix");
    LogitsOp z = slope->similarity.logits();
    if (op.getScaleAttr() != z.getScaleAttr())
      return rewriter.notifyMatchFailure(op, "scaled unlike the logits");
    ArrayRef<double> p = slope->similarity.polynomial.getCoefficients();
    SmallVector<double> derivative;
    for (size_t k = 1; k < p.size(); ++k)
      derivative.push_back(static_cast<double>(k) * p[k]);
    if (derivative.empty())
      derivative.push_back(0.0);
    Algebra a(rewriter, op.getLoc());
    rewriter.replaceOp(
        op, a.structured<KroneckerFeaturesOp>(
                cast<RankedTensorType>(op.getType()),
                ValueRange{z.getQ(), z.getK(), slope->outer.getU(),
                           slope->outer.getV(), op.getA1(), op.getA2()},
                rewriter.getDenseF64ArrayAttr(derivative), z.getScaleAttr(),
                op.getPosition(), op.getSupportAttr()));
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Sharing
//===----------------------------------------------------------------------===//

/// accumulate(x, U) beside accumulate(x, [U, r]) ⇒ the latter's first columns.
struct ShareAccumulate : OpRewritePattern<AccumulateOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AccumulateOp op,
                                PatternRewriter &rewriter) const final {
    Value x = op.getIns()[0], u = op.getIns()[1];
    for (Operation *user : x.getUsers()) {
      auto wider = dyn_cast<AccumulateOp>(user);
      if (!wider || wider == op || wider.getIns()[0] != x ||
          wider->getBlock() != op->getBlock() ||
          wider.getCoefficientsAttr() != op.getCoefficientsAttr() ||
          wider.getScaleAttr() != op.getScaleAttr() ||
          wider.getKeptAttr() != op.getKeptAttr() ||
          headsOf(wider.getResults()[0]) != headsOf(op.getResults()[0]))
        continue;
      auto append = wider.getIns()[1].getDefiningOp<AppendColumnOp>();
      if (!append || append.getIns()[0] != u)
        continue;
      return share(op, wider, rewriter);
    }
    return rewriter.notifyMatchFailure(op, "no wider reduction");
  }

  static LogicalResult share(AccumulateOp op, AccumulateOp wider,
                             PatternRewriter &rewriter) {
    for (Operation *user : op->getUsers())
      if (user->getBlock() == wider->getBlock() && user->isBeforeInBlock(wider))
        return rewriter.notifyMatchFailure(op, "needed before the wider one");
    Algebra a(rewriter, op.getLoc());
    rewriter.setInsertionPointAfter(wider);
    auto width = widthOf(op.getResults()[0]);
    Value first = a.columns(wider.getResults()[0], 0, width);
    rewriter.replaceOp(op, first);
    for (Operation *user : llvm::make_early_inc_range(first.getUsers()))
      if (auto expand = dyn_cast<ExpandOp>(user))
        moveBehind(first.getDefiningOp(), expand, rewriter);
    return success();
  }

  /// What makes the gradient by V goes where that by K is made: steps over the
  /// same rows shall follow one another.
  static void moveBehind(Operation *place, ExpandOp expand,
                         PatternRewriter &rewriter) {
    SmallVector<Operation *> late;
    for (Value operand : expand->getOperands())
      if (Operation *maker = operand.getDefiningOp();
          maker && maker->getBlock() == place->getBlock() &&
          place->isBeforeInBlock(maker))
        late.push_back(maker);
    if (expand->getBlock() != place->getBlock() ||
        !llvm::all_of(late, llvm::IsaPred<tensor::EmptyOp>))
      return;
    rewriter.moveOpAfter(expand, place);
    for (Operation *maker : late)
      rewriter.moveOpAfter(maker, place);
  }
};

struct FuseKroneckerPass : impl::FuseKroneckerBase<FuseKroneckerPass> {
  using FuseKroneckerBase::FuseKroneckerBase;

  void runOnOperation() final {
    MLIRContext *context = &getContext();
    if (chunk < 0) {
      getOperation().emitError("expected chunk to be at least 0, but got ")
          << chunk.getValue();
      return signalPassFailure();
    }
    RewritePatternSet normal(context);
    normal.add<FoldIntoOuter>(context, PatternBenefit(2));
    populateRowScalingPatterns(normal);
    populateRowFactorPatterns(normal);
    // After equal products with a prefactor have become one.
    RewritePatternSet joining(context);
    joining.add<JoinDenominator>(context);
    RewritePatternSet weights(context);
    populateKeyWeightPatterns(weights);
    populateSlopePatterns(weights);
    RewritePatternSet exits(context);
    exits.add<ApplyFeatures, RowSumFeatures, ApplyTransposedFeatures,
              ReverseFeatures, ReverseTransposedFeatures,
              KroneckerGradientFeatures>(context);
    populateFourierPatterns(exits);
    populateScanPatterns(exits, chunk);
    RewritePatternSet sharing(context);
    sharing.add<ShareAccumulate>(context);
    populateScanSharingPatterns(sharing);
    for (RewritePatternSet *set :
         {&normal, &joining, &weights, &exits, &sharing}) {
      if (set == &joining)
        requireShares(getOperation());
      if (failed(applyPatternsGreedily(getOperation(), std::move(*set))))
        return signalPassFailure();
      IRRewriter rewriter(context);
      DominanceInfo dominance(getOperation());
      eliminateCommonSubExpressions(rewriter, dominance, getOperation());
    }
  }
};

} // namespace
} // namespace mlir::ropegrad
