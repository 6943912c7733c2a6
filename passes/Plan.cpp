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
      floatAttr(b, plan.bytes), floatAttr(b, plan.predictedMs));
}

struct PlanPass : impl::PlanBase<PlanPass> {
  using PlanBase::PlanBase;

  void runOnOperation() final {
    if (threads < 1) {
      getOperation().emitError("expected threads to be at least 1, but got ")
          << threads.getValue();
      return signalPassFailure();
    }
    getOperation().walk([&](func::FuncOp function) {
      if (failed(planFunction(function)))
        signalPassFailure();
    });
  }

  /// Forward pass and gradient of one function share a polynomial, so all its
  /// problems are planned for every gradient that any of them asks for.
  LogicalResult planFunction(func::FuncOp function) {
    std::vector<std::string> wrt;
    SmallVector<ProblemOpInterface> problems;
    function.walk([&](ProblemOpInterface op) {
      problems.push_back(op);
      for (const std::string &name : op.getProblem().wrt)
        if (llvm::find(wrt, name) == wrt.end())
          wrt.push_back(name);
    });
    for (ProblemOpInterface op : problems) {
      ::ropegrad::Problem problem = op.getProblem();
      problem.wrt = wrt;
      ::ropegrad::PlanResult result = ::ropegrad::makePlan(problem, threads);
      if (!result.plan)
        return op->emitError(result.error);
      op->setAttr("plan", toAttribute(&getContext(), *result.plan, problem));
    }
    return success();
  }
};

} // namespace
} // namespace mlir::ropegrad
