//===- FuseFourier.cpp - Exits on the route fft ----------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Level 2 to level 3: exits of b ∘ p(Z) to products with monomial pairs. Each
// exit is the sum of two: blocks of the matrix by transforms and, under a mask,
// the blocks on the diagonal element by element.
//
//===----------------------------------------------------------------------===//

#include "passes/FuseFourier.h"

#include "passes/Algebra.h"
#include "passes/FuseChannels.h"
#include "passes/Pairs.h"
#include "passes/Similarity.h"
#include "passes/ToeplitzBlocks.h"

#include <cmath>
#include <utility>

namespace mlir::ropegrad {
namespace {

/// On the route fft, and not itself the part next to the diagonal.
std::optional<Similarity> fourierSimilarity(Value matrix) {
  auto similarity = similarityOf(matrix);
  if (!similarity || similarity->route() != Route::FFT)
    return std::nullopt;
  return similarity;
}

std::optional<WeightedSimilarity> fourierWeighted(Value matrix) {
  auto weighted = weightedSimilarityOf(matrix);
  if (!weighted || weighted->similarity.route() != Route::FFT)
    return std::nullopt;
  return weighted;
}

/// Makes the structured ops that stand for one similarity.
class PairBuilder {
public:
  PairBuilder(RewriterBase &rewriter, Location loc, Similarity similarity)
      : a(rewriter, loc), b(rewriter), loc(loc), similarity(similarity),
        logits(similarity.logits()),
        type(cast<RankedTensorType>(logits.getQ().getType())),
        blocks(type.getDimSize(2), static_cast<::ropegrad::Mask>(mask()),
               window() ? window().getInt() : 0) {}

  /// Whether some block is left to transforms: without a mask all of them,
  /// under a mask none of a few rows.
  bool hasBlocks() const { return !blocks.levels.empty(); }
  bool hasBand() const { return blocks.band > 0; }

  /// `matrix` on the blocks of the diagonal, 0 elsewhere.
  Value band(Value matrix) {
    auto matrixType = cast<MatrixType>(matrix.getType());
    Value near = BlockBandOp::create(b, loc, matrixType,
                                     b.getI64IntegerAttr(blocks.band),
                                     b.getDenseI64ArrayAttr({0}));
    return HadamardOp::create(b, loc, matrixType, near, matrix);
  }

  Value apply(Value x, Value y, Value factor, bool transposed) {
    return apply(x, y, factor, transposed, spectrum());
  }
  Value apply(Value x, Value y, Value factor, bool transposed, Value spectra) {
    return a.structured<PairApplyOp>(
        withWidth(x, widthOf(factor)), ValueRange{x, y, factor, spectra},
        coefficients(), scale(), support(), maskAttr(), window(),
        transposed ? b.getUnitAttr() : UnitAttr());
  }

  Value reverse(Value x, Value y, Value factor, Value u, bool transposed) {
    return a.structured<PairReverseOp>(
        cast<RankedTensorType>(x.getType()),
        ValueRange{x, y, factor, u, spectrum()}, coefficients(), scale(),
        support(), maskAttr(), window(),
        transposed ? b.getUnitAttr() : UnitAttr());
  }

  Value correlate(Value u, Value v) {
    return a.structured<PairCorrelateOp>(
        tableType(), ValueRange{logits.getQ(), logits.getK(), u, v},
        coefficients(), scale(), support(), maskAttr(), window());
  }

  Value biasGradient(Value u, Value v, Value near, RankedTensorType out) {
    SmallVector<Value> ins = {table(), correlate(u, v)};
    if (near)
      ins.push_back(near);
    return a.structured<PairBiasGradientOp>(out, ins);
  }

  Value positionGradient(Value u, Value v, Value near, RankedTensorType out) {
    SmallVector<Value> ins = {correlate(u, v)};
    Value bias = prefactorBias();
    if (bias)
      ins.push_back(bias);
    ins.push_back(logits.getW());
    if (near)
      ins.push_back(near);
    return a.structured<PairTableReverseOp>(
        out, ins, coefficients(), scale(), support(), maskAttr(), window(),
        slopes(), width(), bias ? b.getUnitAttr() : UnitAttr());
  }

  Value add(Value x, Value y) { return x && y ? a.add(x, y) : x ? x : y; }

  bool hasBias() { return prefactorBias() != nullptr; }

  /// D, if none of its elements is lost in rounding.
  Value requireShare(Value d) {
    return RequireShareOp::create(
               b, loc, d.getType(), ValueRange{spectrum(), prefactorBias()}, d,
               b.getF64FloatAttr(leastShare()), maskAttr(), window())
        .getResults()[0];
  }

private:
  /// What D_i must be of the sum of all T for rounding to stay far below the
  /// polynomial's own error, if that is not below what a bias that hardly
  /// varies loses. A product of transforms of length N rounds by some u log2(N)
  /// Σ T times the size of the products of monomials, e^R at most; measured,
  /// the largest of 256 rows is off by 1.5 times that, and dQ, which cancels
  /// more, by up to 100 times as much of its own size.
  double leastShare() {
    constexpr double kSafety = 2, kOrdinary = 8, kOfError = 1.0 / 32;
    auto n = static_cast<double>(type.getDimSize(2));
    double unit = type.getElementType().isF64() ? 0x1p-53 : 0x1p-24;
    double rounding = kSafety * unit * std::log2(2 * n + 2);
    FloatAttr radius = similarity.polynomial.getRadiusAttr();
    FloatAttr error = similarity.polynomial.getDeltaPrimeAttr();
    double growth = std::exp(radius ? radius.getValueAsDouble() : 0.0);
    double allowed = error ? kOfError * error.getValueAsDouble() : 0.0;
    return rounding * growth /
           std::max(allowed, kOrdinary * rounding * growth * growth);
  }

  Mask mask() {
    return similarity.prefactor ? similarity.prefactor.getMask() : Mask::None;
  }
  MaskAttr maskAttr() { return MaskAttr::get(b.getContext(), mask()); }
  IntegerAttr window() {
    return similarity.prefactor ? similarity.prefactor.getWindowAttr()
                                : IntegerAttr();
  }
  Value prefactorBias() {
    return similarity.prefactor ? similarity.prefactor.getBias() : Value();
  }
  DenseF64ArrayAttr slopes() {
    return similarity.prefactor ? similarity.prefactor.getAlibiAttr()
                                : DenseF64ArrayAttr();
  }
  DenseF64ArrayAttr coefficients() {
    return b.getDenseF64ArrayAttr(similarity.polynomial.getCoefficients());
  }
  FloatAttr scale() { return logits.getScaleAttr(); }
  DenseI64ArrayAttr support() { return logits.getSupportAttr(); }
  IntegerAttr width() { return b.getI64IntegerAttr(type.getDimSize(3)); }

  /// Functions of the distance: for all heads alike, or one for each.
  int64_t tables() {
    Value bias = prefactorBias();
    bool perHead = (slopes() && slopes().size() > 1) ||
                   (bias && cast<ShapedType>(bias.getType()).getRank() == 2);
    return perHead ? type.getDimSize(1) : 1;
  }

  int64_t pairs() {
    if (!support())
      return 1;
    std::vector<std::pair<int64_t, int64_t>> entries;
    ArrayRef<int64_t> flat = support();
    for (size_t i = 0; i < flat.size(); i += 2)
      entries.emplace_back(flat[i], flat[i + 1]);
    ArrayRef<double> p = similarity.polynomial.getCoefficients();
    return static_cast<int64_t>(::ropegrad::Pairs(type.getDimSize(3), entries,
                                                  {p.begin(), p.end()},
                                                  scale().getValueAsDouble())
                                    .pairs.size());
  }

  RankedTensorType tableType() {
    return RankedTensorType::get(
        {tables(), pairs(), 2 * type.getDimSize(2) - 1}, type.getElementType());
  }

  Value table(IntegerAttr column = {}) {
    SmallVector<Value> ins;
    if (Value bias = prefactorBias())
      ins.push_back(bias);
    if (logits.getW())
      ins.push_back(logits.getW());
    return a.structured<PairTableOp>(tableType(), ins, coefficients(), scale(),
                                     support(), maskAttr(), window(), slopes(),
                                     width(), column);
  }

public:
  /// Of the functions of the distance or, with `column`, of these times an
  /// entry of W.
  Value spectrum(IntegerAttr column = {}) {
    RankedTensorType t = tableType();
    auto s = RankedTensorType::get(
        {t.getDimSize(0), t.getDimSize(1), blocks.spectrumSize()},
        t.getElementType());
    return a.structured<PairSpectrumOp>(s, table(column), maskAttr(), window());
  }

private:
  Algebra a;
  RewriterBase &b;
  Location loc;
  Similarity similarity;
  LogitsOp logits;
  RankedTensorType type;
  ::ropegrad::ToeplitzBlocks blocks;
};

/// apply(P, X).
struct ApplyPairs : OpRewritePattern<ApplyOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ApplyOp op,
                                PatternRewriter &rewriter) const final {
    auto p = fourierSimilarity(op.getMatrix());
    if (!p || p->polynomial.getOrder() != 0 ||
        op.getScale().convertToDouble() != 1.0)
      return rewriter.notifyMatchFailure(op, "not an unscaled apply(b p)");
    LogitsOp z = p->logits();
    if (headsOf(op.getX()) != headsOf(z.getK()))
      return rewriter.notifyMatchFailure(op, "heads differ from those of k");
    PairBuilder pairs(rewriter, op.getLoc(), *p);
    Value near, far;
    if (pairs.hasBand())
      near = ApplyOp::create(rewriter, op.getLoc(), op.getType(),
                             pairs.band(op.getMatrix()), op.getX(),
                             op.getScaleAttr());
    if (pairs.hasBlocks())
      far = pairs.apply(z.getQ(), z.getK(), op.getX(), false);
    rewriter.replaceOp(op, pairs.add(far, near));
    return success();
  }
};

/// row_sums(P) with no numerator ⇒ apply(P, 1).
struct RowSumPairs : OpRewritePattern<RowSumsOp> {
  RowSumPairs(MLIRContext *context) : OpRewritePattern(context, 0) {}
  LogicalResult matchAndRewrite(RowSumsOp op,
                                PatternRewriter &rewriter) const final {
    auto p = fourierSimilarity(op.getMatrix());
    if (!p || p->polynomial.getOrder() != 0)
      return rewriter.notifyMatchFailure(op, "not row sums of b p");
    Algebra a(rewriter, op.getLoc());
    auto one = withWidth(p->logits().getK(), 1);
    Value ones = a.filled(one.getShape(), one.getElementType(), 1.0);
    Value sums =
        ApplyOp::create(rewriter, op.getLoc(), withWidth(p->logits().getQ(), 1),
                        op.getMatrix(), ones, rewriter.getF64FloatAttr(1.0));
    rewriter.replaceOpWithNewOp<tensor::CollapseShapeOp>(
        op, op.getType(), sums,
        ArrayRef<ReassociationIndices>{{0}, {1}, {2, 3}});
    return success();
  }
};

/// applyᵀ(P, X).
struct ApplyTransposedPairs : OpRewritePattern<ApplyTransposedOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ApplyTransposedOp op,
                                PatternRewriter &rewriter) const final {
    auto p = fourierSimilarity(op.getMatrix());
    if (!p || p->polynomial.getOrder() != 0 ||
        op.getScale().convertToDouble() != 1.0)
      return rewriter.notifyMatchFailure(op, "not an unscaled applyᵀ(b p)");
    LogitsOp z = p->logits();
    if (headsOf(op.getResult()) != headsOf(z.getK()) ||
        headsOf(op.getX()) != headsOf(z.getQ()))
      return rewriter.notifyMatchFailure(op, "heads differ from q and k");
    PairBuilder pairs(rewriter, op.getLoc(), *p);
    Value near, far;
    if (pairs.hasBand())
      near = ApplyTransposedOp::create(rewriter, op.getLoc(), op.getType(),
                                       pairs.band(op.getMatrix()), op.getX(),
                                       op.getScaleAttr());
    if (pairs.hasBlocks())
      far = pairs.apply(z.getK(), z.getQ(), op.getX(), true);
    rewriter.replaceOp(op, pairs.add(far, near));
    return success();
  }
};

/// Heads of U and V as those of q and k.
bool hasHeadsOfLogits(WeightedSimilarity &weighted) {
  LogitsOp z = weighted.similarity.logits();
  return headsOf(weighted.outer.getU()) == headsOf(z.getQ()) &&
         headsOf(weighted.outer.getV()) == headsOf(z.getK());
}

/// The gradient with respect to q or, transposed, to k: `far` of a slope.
Value reverseOf(PairBuilder &pairs, WeightedSimilarity &slope,
                bool transposed) {
  LogitsOp z = slope.similarity.logits();
  Value u = slope.outer.getU(), v = slope.outer.getV();
  return transposed ? pairs.reverse(z.getK(), z.getQ(), u, v, true)
                    : pairs.reverse(z.getQ(), z.getK(), v, u, false);
}

/// apply(slope, k), without W.
struct ReversePairs : OpRewritePattern<ApplyOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ApplyOp op,
                                PatternRewriter &rewriter) const final {
    auto slope = fourierWeighted(op.getMatrix());
    if (!slope || slope->similarity.polynomial.getOrder() != 1)
      return rewriter.notifyMatchFailure(op, "not b p' times low rank");
    LogitsOp z = slope->similarity.logits();
    if (z.getW() || op.getX() != z.getK() ||
        op.getScaleAttr() != z.getScaleAttr() || !hasHeadsOfLogits(*slope))
      return rewriter.notifyMatchFailure(op, "not the gradient of the logits");
    PairBuilder pairs(rewriter, op.getLoc(), slope->similarity);
    Value near, far;
    if (pairs.hasBand())
      near = ApplyOp::create(rewriter, op.getLoc(), op.getType(),
                             pairs.band(op.getMatrix()), op.getX(),
                             op.getScaleAttr());
    if (pairs.hasBlocks())
      far = reverseOf(pairs, *slope, false);
    rewriter.replaceOp(op, pairs.add(far, near));
    return success();
  }
};

/// applyᵀ(slope, q), without W.
struct ReverseTransposedPairs : OpRewritePattern<ApplyTransposedOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ApplyTransposedOp op,
                                PatternRewriter &rewriter) const final {
    auto slope = fourierWeighted(op.getMatrix());
    if (!slope || slope->similarity.polynomial.getOrder() != 1)
      return rewriter.notifyMatchFailure(op, "not b p' times low rank");
    LogitsOp z = slope->similarity.logits();
    if (z.getW() || op.getX() != z.getQ() ||
        op.getScaleAttr() != z.getScaleAttr() || !hasHeadsOfLogits(*slope) ||
        headsOf(op.getResult()) != headsOf(z.getK()))
      return rewriter.notifyMatchFailure(op, "not the gradient of the logits");
    PairBuilder pairs(rewriter, op.getLoc(), slope->similarity);
    Value near, far;
    if (pairs.hasBand())
      near = ApplyTransposedOp::create(rewriter, op.getLoc(), op.getType(),
                                       pairs.band(op.getMatrix()), op.getX(),
                                       op.getScaleAttr());
    if (pairs.hasBlocks())
      far = reverseOf(pairs, *slope, true);
    rewriter.replaceOp(op, pairs.add(far, near));
    return success();
  }
};

/// apply_position(slope, k or q, W).
struct ReversePositionPairs : OpRewritePattern<ApplyPositionOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ApplyPositionOp op,
                                PatternRewriter &rewriter) const final {
    auto slope = fourierWeighted(op.getMatrix());
    if (!slope || slope->similarity.polynomial.getOrder() != 1)
      return rewriter.notifyMatchFailure(op, "not b p' times low rank");
    LogitsOp z = slope->similarity.logits();
    bool transposed = op.getTransposed();
    if (op.getX() != (transposed ? z.getQ() : z.getK()) ||
        op.getW() != z.getW() || op.getSupportAttr() != z.getSupportAttr() ||
        op.getScaleAttr() != z.getScaleAttr() || !hasHeadsOfLogits(*slope))
      return rewriter.notifyMatchFailure(op, "not the gradient of the logits");
    PairBuilder pairs(rewriter, op.getLoc(), slope->similarity);
    Value near, far;
    if (pairs.hasBand())
      near = ApplyPositionOp::create(rewriter, op.getLoc(), op.getType(),
                                     pairs.band(op.getMatrix()), op.getX(),
                                     op.getW(), op.getSupportAttr(),
                                     op.getTransposedAttr(), op.getScaleAttr());
    if (pairs.hasBlocks())
      far = reverseOf(pairs, *slope, transposed);
    rewriter.replaceOp(op, pairs.add(far, near));
    return success();
  }
};

/// position_gradient(slope, q, k).
struct PositionGradientPairs : OpRewritePattern<PositionGradientOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(PositionGradientOp op,
                                PatternRewriter &rewriter) const final {
    auto slope = fourierWeighted(op.getMatrix());
    if (!slope || slope->similarity.polynomial.getOrder() != 1)
      return rewriter.notifyMatchFailure(op, "not b p' times low rank");
    LogitsOp z = slope->similarity.logits();
    if (!z.getW() || op.getQ() != z.getQ() || op.getK() != z.getK() ||
        op.getSupportAttr() != z.getSupportAttr() ||
        op.getScaleAttr() != z.getScaleAttr() || !hasHeadsOfLogits(*slope))
      return rewriter.notifyMatchFailure(op, "not the gradient of the logits");
    PairBuilder pairs(rewriter, op.getLoc(), slope->similarity);
    Value near;
    if (pairs.hasBand())
      near = PositionGradientOp::create(
          rewriter, op.getLoc(), op.getType(), pairs.band(op.getMatrix()),
          op.getQ(), op.getK(), op.getSupportAttr(), op.getScaleAttr());
    Value all = near;
    if (pairs.hasBlocks())
      all = pairs.positionGradient(slope->outer.getU(), slope->outer.getV(),
                                   near, cast<RankedTensorType>(op.getType()));
    rewriter.replaceOp(op, all);
    return success();
  }
};

/// diagonal_sums(P ∘ U Vᵀ).
struct DiagonalSumPairs : OpRewritePattern<DiagonalSumsOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(DiagonalSumsOp op,
                                PatternRewriter &rewriter) const final {
    auto weighted = fourierWeighted(op.getMatrix());
    if (!weighted || weighted->similarity.polynomial.getOrder() != 0 ||
        !hasHeadsOfLogits(*weighted))
      return rewriter.notifyMatchFailure(op, "not b p times low rank");
    auto type = cast<RankedTensorType>(op.getType());
    PairBuilder pairs(rewriter, op.getLoc(), weighted->similarity);
    Value near;
    if (pairs.hasBand())
      near = DiagonalSumsOp::create(rewriter, op.getLoc(), op.getType(),
                                    pairs.band(op.getMatrix()));
    Value all = near;
    if (pairs.hasBlocks())
      all = pairs.biasGradient(weighted->outer.getU(), weighted->outer.getV(),
                               near, type);
    rewriter.replaceOp(op, all);
    return success();
  }
};

/// kronecker_gradient(slope): products of b ∘ p' with the rows of all channels
/// or, with a general W, of b ∘ W[σ] ∘ p' for every entry σ.
struct KroneckerGradientPairs : OpRewritePattern<KroneckerGradientOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(KroneckerGradientOp op,
                                PatternRewriter &rewriter) const final {
    auto slope = fourierWeighted(op.getMatrix());
    if (!slope || slope->similarity.polynomial.getOrder() != 1)
      return rewriter.notifyMatchFailure(op, "not b p' times low rank");
    LogitsOp z = slope->similarity.logits();
    if (op.getW() != z.getW() || op.getScaleAttr() != z.getScaleAttr() ||
        (z.getW() && op.getSupportAttr() != z.getSupportAttr()))
      return rewriter.notifyMatchFailure(op, "not the gradient of the logits");
    PairBuilder pairs(rewriter, op.getLoc(), slope->similarity);
    Value near, far;
    if (pairs.hasBand()) {
      auto band = cast<KroneckerGradientOp>(rewriter.clone(*op));
      band.getMatrixMutable().assign(pairs.band(op.getMatrix()));
      // Its operand has to stand in front of it.
      rewriter.moveOpBefore(band, op);
      near = band;
    }
    if (pairs.hasBlocks())
      far = blocks(rewriter, op, *slope, pairs);
    rewriter.replaceOp(op, pairs.add(far, near));
    return success();
  }

private:
  static Value blocks(PatternRewriter &rewriter, KroneckerGradientOp op,
                      const WeightedSimilarity &slope, PairBuilder &pairs) {
    Algebra a(rewriter, op.getLoc());
    ChannelProducts products(a, op, slope);
    Similarity derived = products.derivative();
    PairBuilder factors(rewriter, op.getLoc(), derived);
    LogitsOp z = derived.logits();
    Value q = products.repeat(z.getQ()), k = products.repeat(z.getK());
    Value rows = products.spread();
    if (!z.getW())
      return products.gather(
          factors.apply(q, k, rows, false, pairs.spectrum()));
    SmallVector<Value> all;
    for (size_t c = 0; c < op.getSupport().size() / 2; ++c)
      all.push_back(factors.apply(q, k, rows, false,
                                  factors.spectrum(rewriter.getI64IntegerAttr(
                                      static_cast<int64_t>(c)))));
    return products.gather(all);
  }
};

} // namespace

void requireShares(Operation *module) {
  SmallVector<RowSumsOp> sums;
  module->walk([&](RowSumsOp op) { sums.push_back(op); });
  for (RowSumsOp op : sums) {
    auto p = fourierSimilarity(op.getMatrix());
    if (!p || p->polynomial.getOrder() != 0)
      continue;
    IRRewriter rewriter(op.getContext());
    rewriter.setInsertionPointAfter(op);
    PairBuilder pairs(rewriter, op.getLoc(), *p);
    if (!pairs.hasBias() || !pairs.hasBlocks())
      continue;
    Value checked = pairs.requireShare(op);
    rewriter.replaceAllUsesExcept(op, checked, checked.getDefiningOp());
  }
}

void populateFourierPatterns(RewritePatternSet &patterns) {
  patterns.add<ApplyPairs, RowSumPairs, ApplyTransposedPairs, ReversePairs,
               ReverseTransposedPairs, ReversePositionPairs,
               PositionGradientPairs, DiagonalSumPairs, KroneckerGradientPairs>(
      patterns.getContext());
}

} // namespace mlir::ropegrad
