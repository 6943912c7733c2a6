//===- Plan.cpp - ropegrad-plan --------------------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Writes the planner's choice on every level-1 op.
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"
#include "passes/Planner.h"

namespace mlir::ropegrad {

#define GEN_PASS_DEF_PLAN
#include "passes/Passes.h.inc"

namespace {

FloatAttr floatAttr(Builder &b, std::optional<double> value) {
  return value ? b.getF64FloatAttr(*value) : FloatAttr();
}

KeptAttr keptAttribute(Builder &b,
                       const std::optional<::ropegrad::Truncation> &some) {
  if (!some)
    return KeptAttr();
  auto list = [&](const std::vector<int64_t> &values) {
    return b.getDenseI64ArrayAttr(values);
  };
  const ::ropegrad::KeptMonomials &kept = some->kept;
  return KeptAttr::get(b.getContext(), list(kept.order), list(kept.costs),
                       list(kept.budgets), list(kept.ends),
                       b.getDenseF64ArrayAttr(some->limits));
}

PlanAttr toAttribute(MLIRContext *context, const ::ropegrad::Plan &plan,
                     const ::ropegrad::Problem &problem) {
  Builder b(context);
  const auto &fit = plan.approximation;
  auto integer = [&](auto value) {
    return value ? b.getI64IntegerAttr(*value) : IntegerAttr();
  };
  return PlanAttr::get(
      context, static_cast<Route>(plan.route), static_cast<Fit>(plan.fit),
      integer(plan.degree), floatAttr(b, plan.radius),
      fit ? floatAttr(b, problem.sigma) : FloatAttr(),
      fit ? floatAttr(b, fit->bounds.delta) : FloatAttr(),
      fit ? floatAttr(b, fit->bounds.deltaPrime) : FloatAttr(),
      integer(plan.features), floatAttr(b, plan.flops),
      floatAttr(b, plan.bytes), floatAttr(b, plan.predictedMs),
      fit ? b.getBoolAttr(problem.needsGradient()) : BoolAttr(),
      keptAttribute(b, plan.truncation),
      plan.centre == ::ropegrad::Centre::None
          ? CentreAttr()
          : CentreAttr::get(context, static_cast<Centre>(plan.centre)));
}

struct PlanPass : impl::PlanBase<PlanPass> {
  using PlanBase::PlanBase;

  void runOnOperation() final {
    if (threads < 1) {
      getOperation().emitError("expected threads to be at least 1, but got ")
          << threads.getValue();
      return signalPassFailure();
    }
    if (vectorBits != 128 && vectorBits != 256 && vectorBits != 512) {
      getOperation().emitError("expected vector-bits of 128, 256 or 512, but "
                               "got ")
          << vectorBits.getValue();
      return signalPassFailure();
    }
    model = ::ropegrad::CostModel::shipped();
    if (!calibration.empty())
      if (std::string error = ::ropegrad::CostModel::read(calibration, model);
          !error.empty()) {
        getOperation().emitError(error);
        return signalPassFailure();
      }
    model = model.forVectors(vectorBits);
    SmallVector<ProblemOpInterface> ops;
    getOperation().walk([&](ProblemOpInterface op) { ops.push_back(op); });
    for (ProblemOpInterface op : ops)
      if (failed(plan(op, ops)))
        return signalPassFailure();
  }

  /// Ops of one module that pose the same problem are planned as one, for every
  /// gradient that any of them asks for: the forward pass of a kernel and its
  /// gradient must share route and polynomial.
  LogicalResult plan(ProblemOpInterface op, ArrayRef<ProblemOpInterface> ops) {
    ::ropegrad::Problem problem = op.getProblem();
    problem.wrt.clear();
    std::vector<std::string> wrt;
    for (ProblemOpInterface other : ops) {
      ::ropegrad::Problem same = other.getProblem();
      std::vector<std::string> names = std::move(same.wrt);
      same.wrt.clear();
      if (!(same == problem))
        continue;
      for (std::string &name : names)
        if (llvm::find(wrt, name) == wrt.end())
          wrt.push_back(std::move(name));
    }
    problem.wrt = std::move(wrt);
    ::ropegrad::PlanResult result =
        ::ropegrad::makePlan(problem, threads, model);
    if (!result.plan)
      return op->emitError(result.error);
    op->setAttr("plan", toAttribute(&getContext(), *result.plan, problem));
    return success();
  }

  ::ropegrad::CostModel model;
};

} // namespace
} // namespace mlir::ropegrad
