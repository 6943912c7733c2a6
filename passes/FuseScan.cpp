//===- FuseScan.cpp - Exits on the scan route ------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Level 2 to level 3 on the scan route. A mask or ALiBi splits by chunks of
// rows: what is near stays an exit of an implicit matrix, times a block band;
// what is far goes through the states at the chunks' boundaries.
//
//===----------------------------------------------------------------------===//

#include "passes/FuseScan.h"

#include "passes/Algebra.h"
#include "passes/FuseChannels.h"
#include "passes/Monomials.h"
#include "passes/ScanShape.h"
#include "passes/Similarity.h"

namespace mlir::ropegrad {
namespace {

RankedTensorType tensorOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

/// (B, heads, n, w) like `tall`.
RankedTensorType withHeads(Value tall, int64_t heads) {
  SmallVector<int64_t> shape(tensorOf(tall).getShape());
  shape[1] = heads;
  return RankedTensorType::get(shape, tensorOf(tall).getElementType());
}

/// Emits the far part of exits of one similarity.
class FarBuilder {
public:
  FarBuilder(Algebra &a, Similarity similarity, int64_t chunk)
      : a(a), similarity(similarity), logits(similarity.logits()) {
    ToeplitzOp b = similarity.prefactor;
    auto q = tensorOf(logits.getQ());
    int64_t d = q.getDimSize(3);
    monomials = ::ropegrad::Monomials(d, similarity.degree()).size();
    auto window = static_cast<int64_t>(b.getWindow().value_or(0));
    shape =
        ::ropegrad::scanShape({q.getDimSize(2), d, monomials, window}, chunk);
    if (auto alibi = b.getAlibi())
      for (double slope : *alibi)
        slopes.push_back(slope);
    if (llvm::all_of(slopes, [](double slope) { return slope == 0; }))
      slopes.clear();
    if (!slopes.empty() && llvm::all_equal(slopes))
      slopes.resize(1);
  }

  bool hasFar() const { return shape.hasFar; }
  int64_t chunk() const { return shape.chunk; }
  /// The band of the near part.
  Value band(Type matrix) {
    return BlockBandOp::create(a.b, a.loc, matrix,
                               a.b.getI64IntegerAttr(shape.chunk),
                               a.b.getDenseI64ArrayAttr(shape.near));
  }

  /// Calls `part(reversed)` for each side of the diagonal that b leaves alive,
  /// as rows of the exit see it, and adds the parts up.
  Value sum(bool isTransposed, function_ref<Value(bool)> part) {
    ToeplitzOp b = similarity.prefactor;
    if (b.getMask() != Mask::None)
      return part(isTransposed);
    return a.add(part(isTransposed), part(!isTransposed));
  }

  /// What rows see of X on the side of x: states of `heads` heads, or of all
  /// where slopes differ.
  Value states(Value x, Value factor, int64_t heads, bool reversed) {
    if (hasOwnSlopes())
      heads = allHeads();
    Value decayed =
        decay(factor, hasOwnSlopes() ? heads : headsOf(factor),
              reversed ? 0 : shape.chunk - 1, /*descending=*/!reversed);
    auto type = tensorOf(x);
    int64_t chunks = llvm::divideCeil(type.getDimSize(2), shape.chunk);
    auto result =
        RankedTensorType::get({type.getDimSize(0), heads, chunks, monomials,
                               tensorOf(factor).getDimSize(3)},
                              type.getElementType());
    return a.structured<ChunkStatesOp>(
        result, ValueRange{x, decayed},
        a.b.getDenseF64ArrayAttr(similarity.polynomial.getCoefficients()),
        logits.getScaleAttr(), a.b.getI64IntegerAttr(shape.chunk),
        shape.reach > 0 ? a.b.getI64IntegerAttr(shape.reach) : IntegerAttr(),
        slopes.empty() ? DenseF64ArrayAttr() : a.b.getDenseF64ArrayAttr(slopes),
        reversed ? a.b.getUnitAttr() : UnitAttr());
  }

  /// Φ(x) S for `heads` heads.
  Value expand(Value x, Value states, int64_t heads, bool reversed) {
    int64_t made = std::max(headsOf(states), headsOf(x));
    auto type = withHeads(x, made);
    type = RankedTensorType::get({type.getDimSize(0), made, type.getDimSize(2),
                                  tensorOf(states).getDimSize(4)},
                                 type.getElementType());
    Value n = a.structured<ChunkExpandOp>(type, ValueRange{x, states}, degree(),
                                          a.b.getI64IntegerAttr(shape.chunk));
    return decayAfter(n, heads, reversed);
  }

  /// ∇_x ⟨u, Φ(x) S⟩ for `heads` heads.
  Value reverse(Value x, Value states, Value u, int64_t heads, bool reversed) {
    int64_t made = std::max(headsOf(states), headsOf(u));
    Value decayed = decayAfter(u, made, reversed);
    Value dx = a.structured<ChunkReverseOp>(
        withHeads(x, made), ValueRange{x, states, decayed}, degree(),
        a.b.getI64IntegerAttr(shape.chunk));
    if (made == heads)
      return dx;
    return decayRows(dx, heads, a.b.getDenseF64ArrayAttr({0.0}), 0, false);
  }

private:
  bool hasOwnSlopes() const { return slopes.size() > 1; }
  int64_t allHeads() { return headsOf(logits.getQ()); }
  IntegerAttr degree() { return a.b.getI64IntegerAttr(similarity.degree()); }

  /// Rows of a chunk, decayed from the boundary that their state belongs to.
  Value decayAfter(Value rows, int64_t heads, bool reversed) {
    return decay(rows, heads, reversed ? shape.chunk : 1,
                 /*descending=*/reversed);
  }

  Value decay(Value rows, int64_t heads, int64_t first, bool descending) {
    if (slopes.empty())
      return rows;
    return decayRows(rows, heads, a.b.getDenseF64ArrayAttr(slopes), first,
                     descending);
  }

  Value decayRows(Value rows, int64_t heads, DenseF64ArrayAttr slopes,
                  int64_t first, bool descending) {
    return a.structured<DecayRowsOp>(
        withHeads(rows, heads), ValueRange{rows}, slopes,
        a.b.getI64IntegerAttr(shape.chunk), a.b.getI64IntegerAttr(first),
        descending ? a.b.getUnitAttr() : UnitAttr());
  }

  Algebra &a;
  Similarity similarity;
  LogitsOp logits;
  int64_t monomials;
  ::ropegrad::ScanShape shape;
  SmallVector<double> slopes; ///< none: 0; one, or one per head
};

bool isOnScan(std::optional<Similarity> similarity) {
  return similarity && similarity->route() == Route::Scan &&
         similarity->prefactor;
}

/// A pattern for exits of type OpTy.
template <typename OpTy> class ScanPattern : public OpRewritePattern<OpTy> {
public:
  ScanPattern(MLIRContext *context, int64_t chunk)
      : OpRewritePattern<OpTy>(context), chunk(chunk) {}

protected:
  /// The same exit of the near blocks, plus `far`.
  static void replace(OpTy op, PatternRewriter &rewriter, Algebra &a,
                      FarBuilder &builder, Value far) {
    Value matrix = op.getMatrix();
    Value band = builder.band(matrix.getType());
    Value blocks = HadamardOp::create(rewriter, op.getLoc(), matrix.getType(),
                                      band, matrix);
    auto near = cast<OpTy>(rewriter.clone(*op));
    near.getMatrixMutable().assign(blocks);
    rewriter.replaceOp(op, a.add(near.getResult(), far));
  }

  int64_t chunk;
};

/// apply(b ∘ P, X) ⇒ apply(band ∘ b ∘ P, X) + expand(q, states(k, X)).
struct ApplyScan : ScanPattern<ApplyOp> {
  using ScanPattern::ScanPattern;
  LogicalResult matchAndRewrite(ApplyOp op,
                                PatternRewriter &rewriter) const final {
    auto p = similarityOf(op.getMatrix());
    if (!isOnScan(p) || p->polynomial.getOrder() != 0 ||
        op.getScale().convertToDouble() != 1.0)
      return rewriter.notifyMatchFailure(op, "not an unscaled apply(b∘p)");
    Algebra a(rewriter, op.getLoc());
    FarBuilder far(a, *p, chunk);
    if (!far.hasFar())
      return rewriter.notifyMatchFailure(op, "everything is near");
    LogitsOp z = p->logits();
    Value sum = far.sum(/*isTransposed=*/false, [&](bool reversed) {
      Value s = far.states(z.getK(), op.getX(), headsOf(op.getX()), reversed);
      return far.expand(z.getQ(), s, headsOf(z.getQ()), reversed);
    });
    replace(op, rewriter, a, far, sum);
    return success();
  }
};

/// row_sums(b ∘ P) without a numerator: the same with X = 1.
struct RowSumsScan : ScanPattern<RowSumsOp> {
  using ScanPattern::ScanPattern;
  LogicalResult matchAndRewrite(RowSumsOp op,
                                PatternRewriter &rewriter) const final {
    auto p = similarityOf(op.getMatrix());
    if (!isOnScan(p) || p->polynomial.getOrder() != 0)
      return rewriter.notifyMatchFailure(op, "not row sums of b∘p");
    Algebra a(rewriter, op.getLoc());
    if (!FarBuilder(a, *p, chunk).hasFar())
      return rewriter.notifyMatchFailure(op, "everything is near");
    auto type = withWidth(p->logits().getK(), 1);
    Value ones = a.filled(type.getShape(), type.getElementType(), 1.0);
    auto sums = withWidth(p->logits().getQ(), 1);
    Value both = ApplyOp::create(rewriter, op.getLoc(), sums, op.getMatrix(),
                                 ones, rewriter.getF64FloatAttr(1.0));
    rewriter.replaceOpWithNewOp<tensor::CollapseShapeOp>(
        op, op.getType(), both,
        ArrayRef<ReassociationIndices>{{0}, {1}, {2, 3}});
    return success();
  }
};

/// applyᵀ(b ∘ P, X) ⇒ applyᵀ(band ∘ b ∘ P, X) + expand(k, states(q, X)), the
/// states reversed.
struct ApplyTransposedScan : ScanPattern<ApplyTransposedOp> {
  using ScanPattern::ScanPattern;
  LogicalResult matchAndRewrite(ApplyTransposedOp op,
                                PatternRewriter &rewriter) const final {
    auto p = similarityOf(op.getMatrix());
    if (!isOnScan(p) || p->polynomial.getOrder() != 0 ||
        op.getScale().convertToDouble() != 1.0)
      return rewriter.notifyMatchFailure(op, "not an unscaled applyᵀ(b∘p)");
    LogitsOp z = p->logits();
    int64_t heads = headsOf(z.getK());
    if (headsOf(op.getResult()) != heads ||
        headsOf(op.getX()) != headsOf(z.getQ()))
      return rewriter.notifyMatchFailure(op, "heads differ from the logits'");
    Algebra a(rewriter, op.getLoc());
    FarBuilder far(a, *p, chunk);
    if (!far.hasFar())
      return rewriter.notifyMatchFailure(op, "everything is near");
    Value sum = far.sum(/*isTransposed=*/true, [&](bool reversed) {
      Value s = far.states(z.getQ(), op.getX(), heads, reversed);
      return far.expand(z.getK(), s, heads, reversed);
    });
    replace(op, rewriter, a, far, sum);
    return success();
  }
};

/// apply(b ∘ P' ∘ U Vᵀ, k) ⇒ the same of the band + reverse(q, states(k, V),
/// U).
struct ReverseScan : ScanPattern<ApplyOp> {
  using ScanPattern::ScanPattern;
  LogicalResult matchAndRewrite(ApplyOp op,
                                PatternRewriter &rewriter) const final {
    auto slope = slopeOf(op.getMatrix());
    if (!slope || !isOnScan(slope->similarity))
      return rewriter.notifyMatchFailure(op, "not b∘p' times low rank");
    LogitsOp z = slope->similarity.logits();
    if (op.getX() != z.getK() || op.getScaleAttr() != z.getScaleAttr())
      return rewriter.notifyMatchFailure(op, "not the gradient of the logits");
    Algebra a(rewriter, op.getLoc());
    FarBuilder far(a, slope->similarity, chunk);
    if (!far.hasFar())
      return rewriter.notifyMatchFailure(op, "everything is near");
    Value u = slope->outer.getU(), v = slope->outer.getV();
    Value sum = far.sum(/*isTransposed=*/false, [&](bool reversed) {
      Value s = far.states(z.getK(), v, headsOf(v), reversed);
      return far.reverse(z.getQ(), s, u, headsOf(z.getQ()), reversed);
    });
    replace(op, rewriter, a, far, sum);
    return success();
  }
};

/// applyᵀ(b ∘ P' ∘ U Vᵀ, q) ⇒ the same of the band + reverse(k, states(q, U),
/// V).
struct ReverseTransposedScan : ScanPattern<ApplyTransposedOp> {
  using ScanPattern::ScanPattern;
  LogicalResult matchAndRewrite(ApplyTransposedOp op,
                                PatternRewriter &rewriter) const final {
    auto slope = slopeOf(op.getMatrix());
    if (!slope || !isOnScan(slope->similarity))
      return rewriter.notifyMatchFailure(op, "not b∘p' times low rank");
    LogitsOp z = slope->similarity.logits();
    Value u = slope->outer.getU(), v = slope->outer.getV();
    int64_t heads = headsOf(z.getK());
    if (op.getX() != z.getQ() || op.getScaleAttr() != z.getScaleAttr() ||
        headsOf(op.getResult()) != heads || headsOf(v) != heads)
      return rewriter.notifyMatchFailure(op, "not the gradient of the logits");
    Algebra a(rewriter, op.getLoc());
    FarBuilder far(a, slope->similarity, chunk);
    if (!far.hasFar())
      return rewriter.notifyMatchFailure(op, "everything is near");
    Value sum = far.sum(/*isTransposed=*/true, [&](bool reversed) {
      Value s = far.states(z.getQ(), u, heads, reversed);
      return far.reverse(z.getK(), s, v, heads, reversed);
    });
    replace(op, rewriter, a, far, sum);
    return success();
  }
};

/// The gradient with respect to X of b ∘ P' ∘ U Vᵀ ⇒ the same of the band +
/// what products of b ∘ P' with the rows of all channels give.
struct KroneckerScan : ScanPattern<KroneckerGradientOp> {
  using ScanPattern::ScanPattern;
  LogicalResult matchAndRewrite(KroneckerGradientOp op,
                                PatternRewriter &rewriter) const final {
    auto slope = slopeOf(op.getMatrix());
    if (!slope || !isOnScan(slope->similarity) || op.getW())
      return rewriter.notifyMatchFailure(op, "not b∘p' times low rank");
    LogitsOp z = slope->similarity.logits();
    if (op.getScaleAttr() != z.getScaleAttr())
      return rewriter.notifyMatchFailure(op, "scaled unlike the logits");
    Algebra a(rewriter, op.getLoc());
    FarBuilder whole(a, slope->similarity, chunk);
    if (!whole.hasFar())
      return rewriter.notifyMatchFailure(op, "everything is near");
    ChannelProducts products(a, op, *slope);
    // The band of the other exits: they share its elements.
    FarBuilder far(a, products.derivative(), whole.chunk());
    Value rows = products.spread();
    Value sum = far.sum(/*isTransposed=*/false, [&](bool reversed) {
      Value s = far.states(z.getK(), rows, headsOf(rows), reversed);
      return far.expand(z.getQ(), s, headsOf(rows), reversed);
    });
    replace(op, rewriter, a, far, products.gather(sum));
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Sharing
//===----------------------------------------------------------------------===//

/// What `rows` decays, and how; itself where nothing does.
std::pair<Value, DictionaryAttr> withoutDecay(Value rows) {
  if (auto decay = rows.getDefiningOp<DecayRowsOp>())
    return {decay.getIns()[0], decay->getAttrDictionary()};
  return {rows, DictionaryAttr()};
}

/// chunk_states(x, U) beside chunk_states(x, [U, r]) ⇒ its first columns.
struct ShareStates : OpRewritePattern<ChunkStatesOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ChunkStatesOp op,
                                PatternRewriter &rewriter) const final {
    Value x = op.getIns()[0];
    auto [u, decay] = withoutDecay(op.getIns()[1]);
    for (Operation *user : x.getUsers()) {
      auto wider = dyn_cast<ChunkStatesOp>(user);
      if (!wider || wider == op || wider.getIns()[0] != x ||
          wider->getBlock() != op->getBlock() ||
          wider->getAttrDictionary() != op->getAttrDictionary() ||
          headsOf(wider.getResults()[0]) != headsOf(op.getResults()[0]))
        continue;
      auto [joined, joinedDecay] = withoutDecay(wider.getIns()[1]);
      auto append = joined.getDefiningOp<AppendColumnOp>();
      if (!append || append.getIns()[0] != u || joinedDecay != decay)
        continue;
      return share(op, wider, rewriter);
    }
    return rewriter.notifyMatchFailure(op, "no wider states");
  }

  static LogicalResult share(ChunkStatesOp op, ChunkStatesOp wider,
                             PatternRewriter &rewriter) {
    for (Operation *user : op->getUsers())
      if (user->getBlock() == wider->getBlock() && user->isBeforeInBlock(wider))
        return rewriter.notifyMatchFailure(op, "needed before the wider one");
    rewriter.setInsertionPointAfter(wider);
    auto type = tensorOf(op.getResults()[0]);
    SmallVector<OpFoldResult> offsets(5, rewriter.getIndexAttr(0)), sizes,
        strides(5, rewriter.getIndexAttr(1));
    for (int64_t size : type.getShape())
      sizes.push_back(rewriter.getIndexAttr(size));
    rewriter.replaceOpWithNewOp<tensor::ExtractSliceOp>(
        op, type, wider.getResults()[0], offsets, sizes, strides);
    return success();
  }
};

} // namespace

void populateScanPatterns(RewritePatternSet &patterns, int64_t chunk) {
  patterns.add<ApplyScan, RowSumsScan, ApplyTransposedScan, ReverseScan,
               ReverseTransposedScan, KroneckerScan>(patterns.getContext(),
                                                     chunk);
}

void populateScanSharingPatterns(RewritePatternSet &patterns) {
  patterns.add<ShareStates>(patterns.getContext());
}

} // namespace mlir::ropegrad
