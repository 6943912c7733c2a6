//===- Differentiate.cpp - ropegrad-differentiate --------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Level 1 to level 2: the closed forms of the loss and its gradient (Lemmas
// 4.1, 5.1-5.3) as algebra on implicit matrices.
//
//===----------------------------------------------------------------------===//

#include "passes/Algebra.h"

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::ropegrad {

#define GEN_PASS_DEF_DIFFERENTIATE
#include "passes/Passes.h.inc"

namespace {

/// Attention and its gradient for operands Q, K, V (B, H, n, d), as values.
class Attention {
public:
  template <typename OpTy>
  Attention(Algebra &a, OpTy op, Value q, Value k, Value v)
      : a(a), b(a.b), loc(a.loc), problem(op.getProblem()), original{q, k},
        v(v), w(op.getW()), bias(op.getBias()), plan(op.getPlanAttr()),
        position(op.getPosition().value_or(Attribute())) {
    auto type = cast<RankedTensorType>(q.getType());
    matrixType = MatrixType::get(b.getContext(),
                                 {type.getDimSize(0), type.getDimSize(1),
                                  type.getDimSize(2), type.getDimSize(2)},
                                 cast<FloatType>(type.getElementType()));
    rotated[0] = rotate(q, /*inverse=*/false);
    rotated[1] = rotate(k, /*inverse=*/false);
    makeWeights(op.getMaskAttr(), op.getWindowAttr(), op.getAlibiAttr());
    output = ApplyOp::create(b, loc, q.getType(), weights, v, one());
  }

  Value getOutput() const { return output; }

  /// Sets the upstream gradient dLoss/dO: γ = s' ∘ (dO Vᵀ − r 1ᵀ).
  void setUpstream(Value gradient) {
    upstream = gradient;
    Value r = a.rowDots(output, upstream);
    Value beta = OuterOp::create(b, loc, matrixType, upstream, v);
    centred = ShiftRowsOp::create(b, loc, matrixType, beta, r);
    gamma = HadamardOp::create(b, loc, matrixType, slopes, centred);
  }

  Value gradientOfQ() {
    Type type = original[0].getType();
    if (w)
      return ApplyPositionOp::create(b, loc, type, gamma, original[1], w,
                                     support(), /*transposed=*/UnitAttr(),
                                     scale());
    return rotate(ApplyOp::create(b, loc, type, gamma, rotated[1], scale()),
                  /*inverse=*/true);
  }

  Value gradientOfK() {
    Type type = original[1].getType();
    if (w)
      return ApplyPositionOp::create(b, loc, type, gamma, original[0], w,
                                     support(), b.getUnitAttr(), scale());
    return rotate(
        ApplyTransposedOp::create(b, loc, type, gamma, rotated[0], scale()),
        /*inverse=*/true);
  }

  Value gradientOfV() {
    return ApplyTransposedOp::create(b, loc, v.getType(), weights, upstream,
                                     one());
  }

  Value gradientOfW() {
    return PositionGradientOp::create(b, loc, w.getType(), gamma, original[0],
                                      original[1], support(), scale());
  }

  /// ∂/∂b of the weights themselves, hence s and not its slope.
  Value gradientOfBias() {
    Value direct = HadamardOp::create(b, loc, matrixType, weights, centred);
    return DiagonalSumsOp::create(b, loc, bias.getType(), direct);
  }

  /// The paper's gradient with respect to X = X1 ⊗ X2.
  Value gradientOfX(Value a1, Value a2, Type type) {
    return KroneckerGradientOp::create(b, loc, type, gamma, a1, a2, w,
                                       positionOrNone(), support(), scale());
  }

private:
  void makeWeights(MaskAttr mask, IntegerAttr window, DenseF64ArrayAttr alibi) {
    DenseI64ArrayAttr pairs = w ? support() : DenseI64ArrayAttr();
    logits = LogitsOp::create(b, loc, matrixType, rotated[0], rotated[1], w,
                              scale(), pairs);
    bool hasMask = mask && mask.getValue() != Mask::None;
    Value prefactor;
    if (hasMask || alibi || bias)
      prefactor = ToeplitzOp::create(b, loc, matrixType, bias, mask,
                                     hasMask ? window : IntegerAttr(), alibi,
                                     /*factors=*/ArrayAttr(),
                                     /*lowering=*/RouteAttr());
    if (problem.isExp())
      makeExponential(prefactor);
    else
      makePolynomial(prefactor);
  }

  /// s = b ∘ exp(Z − L): already normalised, so logits of any size are safe.
  void makeExponential(Value prefactor) {
    Value l = RowLogSumExpOp::create(b, loc, rowsType(), logits, prefactor);
    Value shifted = ShiftRowsOp::create(b, loc, matrixType, logits, l);
    auto make = [&](int64_t order) -> Value {
      return times(prefactor, ExpOp::create(b, loc, matrixType, shifted,
                                            b.getI64IntegerAttr(order), plan));
    };
    weights = make(0);
    slopes = make(1);
  }

  /// s = b ∘ p(Z) / D, its slope b ∘ p'(Z) / D.
  void makePolynomial(Value prefactor) {
    auto make = [&](int64_t order) -> Value {
      return times(prefactor, PolynomialOp::create(
                                  b, loc, matrixType, logits,
                                  b.getDenseF64ArrayAttr(problem.similarity),
                                  b.getI64IntegerAttr(order), FloatAttr(),
                                  FloatAttr(), FloatAttr(), plan));
    };
    Value p = make(0);
    Value d = RowSumsOp::create(b, loc, rowsType(), p);
    d = RequirePositiveOp::create(b, loc, TypeRange{rowsType()}, ValueRange{},
                                  ValueRange{d})
            .getResults()[0];
    Value r = a.reciprocal(d);
    weights = ScaleRowsOp::create(b, loc, matrixType, p, r);
    slopes = ScaleRowsOp::create(b, loc, matrixType, make(1), r);
  }

  Value times(Value prefactor, Value matrix) {
    if (!prefactor)
      return matrix;
    return HadamardOp::create(b, loc, matrixType, prefactor, matrix);
  }

  Value rotate(Value x, bool inverse) {
    auto rotary = dyn_cast_if_present<RotaryAttr>(position);
    if (!rotary)
      return x;
    return a.structured<RotateOp>(cast<RankedTensorType>(x.getType()), x,
                                  rotary, inverse);
  }

  RankedTensorType rowsType() {
    return RankedTensorType::get(matrixType.getShape().take_front(3),
                                 matrixType.getElementType());
  }

  DenseI64ArrayAttr support() {
    SmallVector<int64_t> flat;
    for (auto [row, column] : problem.support)
      flat.append({row, column});
    return b.getDenseI64ArrayAttr(flat);
  }

  Attribute positionOrNone() {
    return position ? position : NoPositionAttr::get(b.getContext());
  }

  FloatAttr scale() { return b.getF64FloatAttr(problem.scale); }
  FloatAttr one() { return b.getF64FloatAttr(1.0); }

  Algebra &a;
  OpBuilder &b;
  Location loc;
  ::ropegrad::Problem problem;
  Value original[2], rotated[2], v, w, bias;
  PlanAttr plan;
  Attribute position;
  MatrixType matrixType;
  Value logits, weights, slopes, output, upstream, centred, gamma;
};

struct LowerAttention : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AttentionOp op,
                                PatternRewriter &rewriter) const final {
    Algebra a(rewriter, op.getLoc());
    Attention attention(a, op, op.getQ(), op.getK(), op.getV());
    rewriter.replaceOp(op, attention.getOutput());
    return success();
  }
};

struct LowerAttentionVjp : OpRewritePattern<AttentionVjpOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AttentionVjpOp op,
                                PatternRewriter &rewriter) const final {
    Algebra a(rewriter, op.getLoc());
    Attention attention(a, op, op.getQ(), op.getK(), op.getV());
    attention.setUpstream(op.getUpstream());
    SmallVector<Value> gradients;
    for (const std::string &name : op.getProblem().wrt)
      gradients.push_back(name == "Q"   ? attention.gradientOfQ()
                          : name == "K" ? attention.gradientOfK()
                          : name == "V" ? attention.gradientOfV()
                          : name == "W" ? attention.gradientOfW()
                                        : attention.gradientOfBias());
    rewriter.replaceOp(op, gradients);
    return success();
  }
};

struct LowerLoss : OpRewritePattern<LossOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(LossOp op,
                                PatternRewriter &rewriter) const final {
    Algebra a(rewriter, op.getLoc());
    Attention attention(a, op, a.asTall(a.matmul(op.getA1(), op.getX1())),
                        a.asTall(a.matmul(op.getA2(), op.getX2())),
                        a.asTall(a.matmul(op.getA3(), op.getY())));
    Value residual = a.subtract(attention.getOutput(), a.asTall(op.getE()));
    rewriter.replaceOp(op, a.halfSquaredNorm(residual));
    return success();
  }
};

struct LowerLossVjp : OpRewritePattern<LossVjpOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(LossVjpOp op,
                                PatternRewriter &rewriter) const final {
    Algebra a(rewriter, op.getLoc());
    Attention attention(a, op, a.asTall(a.matmul(op.getA1(), op.getX1())),
                        a.asTall(a.matmul(op.getA2(), op.getX2())),
                        a.asTall(a.matmul(op.getA3(), op.getY())));
    attention.setUpstream(
        a.subtract(attention.getOutput(), a.asTall(op.getE())));
    SmallVector<Value> gradients;
    for (auto [name, result] : llvm::zip(op.getProblem().wrt, op.getResults()))
      gradients.push_back(gradient(a, attention, op, name, result.getType()));
    rewriter.replaceOp(op, gradients);
    return success();
  }

private:
  /// dX1 = A1ᵀ dQ, dA1 = dQ X1ᵀ and their likes; equal products are merged by
  /// CSE afterwards.
  static Value gradient(Algebra &a, Attention &attention, LossVjpOp op,
                        StringRef name, Type type) {
    if (name == "W")
      return attention.gradientOfW();
    if (name == "bias")
      return attention.gradientOfBias();
    if (name == "X")
      return attention.gradientOfX(a.asTall(op.getA1()), a.asTall(op.getA2()),
                                   type);
    bool ofQ = name == "X1" || name == "A1", ofK = name == "X2" || name == "A2";
    Value upstream = a.asMatrix(ofQ   ? attention.gradientOfQ()
                                : ofK ? attention.gradientOfK()
                                      : attention.gradientOfV());
    Value left = ofQ ? op.getA1() : ofK ? op.getA2() : op.getA3();
    Value right = ofQ ? op.getX1() : ofK ? op.getX2() : op.getY();
    if (name.starts_with("A"))
      return a.matmulTransposedB(upstream, right);
    return a.matmulTransposedA(left, upstream);
  }
};

struct DifferentiatePass : impl::DifferentiateBase<DifferentiatePass> {
  void runOnOperation() final {
    RewritePatternSet patterns(&getContext());
    patterns.add<LowerAttention, LowerAttentionVjp, LowerLoss, LowerLossVjp>(
        &getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace mlir::ropegrad
