//===- ApproximateExp.cpp - ropegrad-approximate-exp -----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// exp to a polynomial with a proved error (Lemma 3.4), behind a guard of the
// logit radius.
//
//===----------------------------------------------------------------------===//

#include "passes/Algebra.h"
#include "passes/Approximation.h"

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::ropegrad {

#define GEN_PASS_DEF_APPROXIMATEEXP
#include "passes/Passes.h.inc"

namespace {

bool isAlmostLinear(std::optional<PlanAttr> plan) {
  return plan && plan->getRoute() != Route::Exact &&
         plan->getRoute() != Route::Auto;
}

/// The polynomial that the plan describes, fitted and proved again: the plan
/// holds what is needed to reproduce it exactly.
std::optional<::ropegrad::Approximation> fitOf(PlanAttr plan, bool gradient) {
  if (!plan.getDegree() || !plan.getRadius())
    return std::nullopt;
  int64_t degree = plan.getDegree().getInt();
  if (degree < 0 || degree > ::ropegrad::kMaxDegree)
    return std::nullopt;
  std::optional<double> sigma;
  if (plan.getSigma())
    sigma = plan.getSigma().getValueAsDouble();
  return ::ropegrad::approximateExp(
      plan.getRadius().getValueAsDouble(), static_cast<unsigned>(degree),
      static_cast<::ropegrad::Fit>(plan.getFit()), gradient, sigma);
}

/// exp' = exp: off the almost-linear routes the order carries nothing.
struct DropOrder : OpRewritePattern<ExpOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ExpOp op,
                                PatternRewriter &rewriter) const final {
    if (isAlmostLinear(op.getPlan()))
      return rewriter.notifyMatchFailure(op, "the plan wants a polynomial");
    if (!op.getPlan() && op.getOrder() == 0)
      return rewriter.notifyMatchFailure(op, "nothing to drop");
    rewriter.modifyOpInPlace(op, [&] {
      op.setOrder(0);
      op.removePlanAttr();
    });
    return success();
  }
};

/// exp(Z − log Σ b exp(Z)) ⇒ p(Z) / Σ b p(Z).
struct Approximate : OpRewritePattern<ExpOp> {
  Approximate(MLIRContext *context,
              const DenseMap<Value, ::ropegrad::Approximation> &fits)
      : OpRewritePattern(context), fits(fits) {}

  LogicalResult matchAndRewrite(ExpOp op,
                                PatternRewriter &rewriter) const final {
    auto shift = op.getMatrix().getDefiningOp<ShiftRowsOp>();
    auto l = shift ? shift.getRows().getDefiningOp<RowLogSumExpOp>() : nullptr;
    if (!l || l.getMatrix() != shift.getMatrix())
      return rewriter.notifyMatchFailure(op, "not a normalised exponential");
    auto fit = fits.find(shift.getMatrix());
    if (fit == fits.end() || !isAlmostLinear(op.getPlan()))
      return rewriter.notifyMatchFailure(op, "the plan wants exp itself");

    Algebra a(rewriter, op.getLoc());
    auto polynomial = [&](int64_t order) -> Value {
      return PolynomialOp::create(
          rewriter, op.getLoc(), op.getType(), shift.getMatrix(),
          rewriter.getDenseF64ArrayAttr(fit->second.coefficients),
          rewriter.getI64IntegerAttr(order),
          rewriter.getF64FloatAttr(fit->second.radius),
          rewriter.getF64FloatAttr(fit->second.bounds.delta),
          rewriter.getF64FloatAttr(fit->second.bounds.deltaPrime),
          op.getPlanAttr());
    };
    Value weights = polynomial(0);
    if (l.getPrefactor())
      weights = HadamardOp::create(rewriter, op.getLoc(), op.getType(),
                                   l.getPrefactor(), weights);
    Value d = RowSumsOp::create(rewriter, op.getLoc(), l.getType(), weights);
    rewriter.replaceOpWithNewOp<ScaleRowsOp>(
        op, op.getType(), polynomial(op.getOrder()), a.reciprocal(d));
    return success();
  }

private:
  const DenseMap<Value, ::ropegrad::Approximation> &fits;
};

struct ApproximateExpPass : impl::ApproximateExpBase<ApproximateExpPass> {
  void runOnOperation() final {
    DenseMap<Value, ::ropegrad::Approximation> fits;
    SmallVector<std::pair<LogitsOp, KeptAttr>> approximated;
    if (failed(collect(fits, approximated)))
      return signalPassFailure();
    for (auto [logits, kept] : approximated)
      if (failed(guard(logits, fits.find(logits)->second.radius, kept)))
        return signalPassFailure();
    RewritePatternSet patterns(&getContext());
    patterns.add<DropOrder>(&getContext());
    patterns.add<Approximate>(&getContext(), fits);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }

private:
  /// One polynomial per logits: where the plan asks for it or any exponential
  /// of it is a derivative, the fit minimises the errors of p and p' together.
  LogicalResult
  collect(DenseMap<Value, ::ropegrad::Approximation> &fits,
          SmallVectorImpl<std::pair<LogitsOp, KeptAttr>> &approximated) {
    llvm::MapVector<Value, std::pair<ExpOp, bool>> wanted;
    ExpOp conflict;
    getOperation().walk([&](ExpOp op) {
      auto shift = op.getMatrix().getDefiningOp<ShiftRowsOp>();
      if (!shift || !isAlmostLinear(op.getPlan()))
        return;
      auto &entry = wanted[shift.getMatrix()];
      if (entry.first &&
          entry.first.getPlan()->getKept() != op.getPlan()->getKept())
        conflict = op;
      entry.first = op;
      BoolAttr both = op.getPlan()->getGradient();
      entry.second |= op.getOrder() == 1 || (both && both.getValue());
    });
    if (conflict)
      return conflict.emitError("expected one set of kept monomials for all "
                                "exponentials of the same logits, but got two");
    for (auto &[matrix, entry] : wanted) {
      auto [op, gradient] = entry;
      auto fit = fitOf(*op.getPlan(), gradient);
      if (!fit)
        return op.emitError("expected a plan with degree and radius at which "
                            "exp can be fitted, but got ")
               << *op.getPlan();
      auto logits = matrix.getDefiningOp<LogitsOp>();
      if (!logits)
        return op.emitError("expected an exponential of ropegrad.logits");
      fits.try_emplace(matrix, *fit);
      approximated.push_back({logits, op.getPlan()->getKept()});
    }
    return success();
  }

  /// Puts a guard in front of the logits and returns its radius from the
  /// function, so that a caller learns what was found.
  LogicalResult guard(LogitsOp logits, double radius, KeptAttr kept) {
    auto function = logits->getParentOfType<func::FuncOp>();
    if (!function || logits->getParentOp() != function ||
        !llvm::hasSingleElement(function.getBody()))
      return logits.emitError("expected approximated logits at the top level "
                              "of a function of one block");
    if (!SymbolTable::symbolKnownUseEmpty(function, getOperation()))
      return logits.emitError("expected a function without callers: it gains a "
                              "result, the radius found");
    OpBuilder b(logits);
    Algebra a(b, logits.getLoc());
    auto scalar = RankedTensorType::get({}, logits.getType().getElementType());
    Value empty = a.empty({}, scalar.getElementType());
    auto guarded = GuardOp::create(
        b, logits.getLoc(),
        TypeRange{scalar, logits.getQ().getType(), logits.getK().getType()},
        logits.getW() ? ValueRange{logits.getW()} : ValueRange{},
        ValueRange{empty, logits.getQ(), logits.getK()},
        b.getF64FloatAttr(radius), logits.getScaleAttr(),
        logits.getSupportAttr(), kept);
    Value q = logits.getQ(), k = logits.getK();
    auto after = [&](OpOperand &use) {
      return use.getOwner() != guarded &&
             guarded->getBlock()->findAncestorOpInBlock(*use.getOwner()) &&
             guarded->isBeforeInBlock(
                 guarded->getBlock()->findAncestorOpInBlock(*use.getOwner()));
    };
    q.replaceUsesWithIf(guarded.getResults()[1], after);
    if (k != q)
      k.replaceUsesWithIf(guarded.getResults()[2], after);
    Operation *terminator = function.getBody().front().getTerminator();
    terminator->insertOperands(terminator->getNumOperands(),
                               guarded.getResults()[0]);
    return function.insertResult(function.getNumResults(), scalar, {});
  }
};

} // namespace
} // namespace mlir::ropegrad
