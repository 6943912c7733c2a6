//===- CentreQueries.cpp - ropegrad-centre-queries -------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Level 2: queries may lose their mean, which shrinks the radius, where every
// key gets a weight in exchange.
//
//===----------------------------------------------------------------------===//

#include "passes/Algebra.h"
#include "passes/LogitGradient.h"

#include "llvm/ADT/MapVector.h"

#include <tuple>

namespace mlir::ropegrad {

#define GEN_PASS_DEF_CENTREQUERIES
#include "passes/Passes.h.inc"

namespace {

/// The logits of exponentials that are normalised by their own log-sum-exp.
class Weighting {
public:
  explicit Weighting(LogitsOp logits) : logits(logits) {}

  void add(ExpOp exp) { exponentials.push_back(exp); }

  /// An error of `op` where weights would have to be merged with others.
  LogicalResult check() {
    for (ExpOp exp : exponentials) {
      auto shift = exp.getMatrix().getDefiningOp<ShiftRowsOp>();
      sum = shift ? shift.getRows().getDefiningOp<RowLogSumExpOp>()
                  : RowLogSumExpOp();
      if (!sum || sum.getMatrix() != logits.getResult())
        return exp.emitError("expected a normalised exponential of the logits "
                             "to centre their queries, but got another");
      if (sum.getPrefactor())
        return exp.emitError("expected logits without a prefactor to centre "
                             "their queries, but got one");
    }
    if (Operation *other = findOther())
      return other->emitError("expected no use of logits whose queries are "
                              "centred but by one normalised exponential, but "
                              "got ")
             << other->getName();
    return success();
  }

  void apply() {
    findGradients();
    OpBuilder b(logits);
    Algebra a(b, logits.getLoc());
    Value q = logits.getQ(), k = logits.getK();
    centreQueries(a, q, k);
    Value weight = weightMatrix(a, k);
    logits.getQMutable().assign(centred);
    sum.getPrefactorMutable().assign(weight);
    for (ExpOp exp : exponentials) {
      b.setInsertionPointAfter(exp);
      auto weighted = HadamardOp::create(b, exp.getLoc(), exp.getType(), weight,
                                         exp.getResult());
      exp.getResult().replaceAllUsesExcept(weighted.getResult(), weighted);
    }
    for (auto &[op, gamma, exp] : gradients)
      addMean(op, gamma, exp);
  }

private:
  /// What reads the logits, or what is made of them, and would read another
  /// value; null if there is nothing.
  Operation *findOther() {
    for (Operation *user : logits->getUsers()) {
      if (user == sum)
        continue;
      auto shift = dyn_cast<ShiftRowsOp>(user);
      if (!shift || shift.getRows() != sum.getResult())
        return user;
      for (Operation *reader : shift->getUsers())
        if (auto exp = dyn_cast<ExpOp>(reader);
            !exp || !llvm::is_contained(exponentials, exp))
          return reader;
    }
    for (Operation *user : sum->getUsers())
      if (auto shift = dyn_cast<ShiftRowsOp>(user);
          !shift || shift.getMatrix() != logits.getResult())
        return user;
    return nullptr;
  }

  /// What makes dK of the queries, before any of it changes.
  void findGradients() {
    Value q = logits.getQ();
    int64_t heads = headsOf(logits.getK());
    for (Operation *user : q.getUsers()) {
      auto op = dyn_cast<ApplyTransposedOp>(user);
      if (!op || op.getX() != q || headsOf(op.getResult()) != heads)
        continue;
      auto gamma = logitGradient(logits, op.getMatrix());
      if (!gamma || headsOf(gamma->v) != heads)
        continue;
      auto exp = gamma->slopes.getDefiningOp<ExpOp>();
      if (exp && llvm::is_contained(exponentials, exp))
        gradients.push_back({op, *gamma, exp});
    }
  }

  void centreQueries(Algebra &a, Value q, Value k) {
    auto type = cast<RankedTensorType>(q.getType());
    auto one = RankedTensorType::get(
        {type.getDimSize(0), headsOf(k), 1, type.getDimSize(3)},
        type.getElementType());
    Value rows = a.empty(type.getShape(), type.getElementType());
    Value row = a.empty(one.getShape(), one.getElementType());
    auto op = CentreRowsOp::create(a.b, a.loc, TypeRange{type, one},
                                   ValueRange{q}, ValueRange{rows, row});
    centred = op.getResults()[0];
    mean = op.getResults()[1];
  }

  /// 1 wᵀ.
  Value weightMatrix(Algebra &a, Value k) {
    weights = a.structured<KeyWeightsOp>(withWidth(k, 1), ValueRange{k, mean},
                                         logits.getScaleAttr());
    auto type = withWidth(centred, 1);
    Value ones = a.filled(type.getShape(), type.getElementType(), 1.0);
    return OuterOp::create(a.b, a.loc, logits.getType(), ones, weights);
  }

  /// dK_j = scale (Σ_i γ_ij (q_i − m) + c_j m) with c_j = Σ_i γ_ij, which is
  /// ⟨Σ_i s'_ij [U_i, −r_i], [V_j, 1]⟩.
  void addMean(ApplyTransposedOp op, const LogitGradient &gamma, ExpOp exp) {
    OpBuilder b(op);
    Algebra a(b, op.getLoc());
    int64_t width = widthOf(gamma.v);
    Value u = a.structured<AppendColumnOp>(withWidth(gamma.u, width + 1),
                                           ValueRange{gamma.u, gamma.dots},
                                           b.getF64FloatAttr(-1.0));
    Value v = a.structured<AppendColumnOp>(withWidth(gamma.v, width + 1),
                                           ValueRange{gamma.v},
                                           b.getF64FloatAttr(1.0));
    Value product = ApplyTransposedOp::create(
        b, a.loc, v.getType(), exp.getResult(), u, b.getF64FloatAttr(1.0));
    Value sums = a.rowDots(product, a.scaleRows(v, a.column(weights, 0)));
    op.getXMutable().assign(centred);
    b.setInsertionPointAfter(op);
    Value whole = a.structured<AddOuterOp>(
        cast<RankedTensorType>(op.getType()),
        ValueRange{op.getResult(), sums, mean}, op.getScaleAttr());
    op.getResult().replaceAllUsesExcept(whole, whole.getDefiningOp());
  }

  LogitsOp logits;
  RowLogSumExpOp sum;
  SmallVector<ExpOp> exponentials;
  SmallVector<std::tuple<ApplyTransposedOp, LogitGradient, ExpOp>> gradients;
  Value centred, mean; ///< of the queries
  Value weights;       ///< w of the keys, (B, H', n, 1)
};

struct CentreQueriesPass : impl::CentreQueriesBase<CentreQueriesPass> {
  void runOnOperation() final {
    llvm::MapVector<Operation *, Weighting> wanted;
    WalkResult walk = getOperation().walk([&](ExpOp op) {
      std::optional<PlanAttr> plan = op.getPlan();
      if (!plan || !plan->centresQueries())
        return WalkResult::advance();
      LogitsOp logits = logitsBehind(op);
      if (!logits || logits.getW()) {
        op.emitError("expected a function of logits without W to centre "
                     "their queries, but got ")
            << (logits ? "W" : "another matrix");
        return WalkResult::interrupt();
      }
      auto centred = logits.getQ().getDefiningOp<CentreRowsOp>();
      if (!centred || centred.getOuts().size() == 1)
        wanted.try_emplace(logits, logits).first->second.add(op);
      return WalkResult::advance();
    });
    if (walk.wasInterrupted())
      return signalPassFailure();
    for (auto &[logits, weighting] : wanted) {
      if (failed(weighting.check()))
        return signalPassFailure();
      weighting.apply();
    }
  }
};

} // namespace
} // namespace mlir::ropegrad
