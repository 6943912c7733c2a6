//===- Parallelize.cpp - ropegrad-parallelize ------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Parallel loops to OpenMP, with the number of threads that the caller gives.
//
//===----------------------------------------------------------------------===//

#include "passes/Tall.h"

namespace mlir::ropegrad {

#define GEN_PASS_DEF_PARALLELIZE
#include "passes/Passes.h.inc"

namespace {

/// upstream's convert-scf-to-openmp knows only a constant number of threads and
/// a default schedule; units of work differ (masks), so threads fetch them.
void convert(scf::ParallelOp loop, Value threads) {
  Location loc = loop.getLoc();
  OpBuilder b(loop);
  omp::ParallelOperands team;
  team.numThreads = threads;
  auto parallel = omp::ParallelOp::create(b, loc, team);
  b.createBlock(&parallel.getRegion());
  omp::WsloopOperands sharing;
  sharing.scheduleKind = omp::ClauseScheduleKindAttr::get(
      b.getContext(), omp::ClauseScheduleKind::Dynamic);
  auto shared = omp::WsloopOp::create(b, loc, sharing);
  omp::TerminatorOp::create(b, loc);
  b.createBlock(&shared.getRegion());
  omp::LoopNestOperands bounds;
  bounds.loopLowerBounds = llvm::to_vector(loop.getLowerBound());
  bounds.loopUpperBounds = llvm::to_vector(loop.getUpperBound());
  bounds.loopSteps = llvm::to_vector(loop.getStep());
  auto nest = omp::LoopNestOp::create(b, loc, bounds);
  loop.getBody()->getTerminator()->erase();
  nest.getRegion().takeBody(loop.getRegion());
  b.setInsertionPointToEnd(&nest.getRegion().front());
  omp::YieldOp::create(b, loc, ValueRange());
  loop.erase();
}

struct ParallelizePass : impl::ParallelizeBase<ParallelizePass> {
  void runOnOperation() final {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (failed(parallelize(function)))
        return signalPassFailure();
  }

  LogicalResult parallelize(func::FuncOp function) {
    SmallVector<scf::ParallelOp> loops;
    function.walk([&](scf::ParallelOp loop) { loops.push_back(loop); });
    bool isKernel = function.isPublic() && !function.isExternal();
    if (!isKernel && loops.empty())
      return success();
    if (!isKernel)
      return loops[0].emitOpError("expected parallel loops in public functions "
                                  "only, but got @")
             << function.getName();
    for (scf::ParallelOp loop : loops)
      if (loop->getParentOfType<scf::ParallelOp>() || loop.getNumResults() != 0)
        return loop.emitOpError("expected a parallel loop without results and "
                                "in no other");
    Builder b(&getContext());
    unsigned number = function.getNumArguments();
    if (failed(
            function.insertArgument(number, b.getI32Type(),
                                    b.getDictionaryAttr(b.getNamedAttr(
                                        kSizeAttr, b.getStringAttr("threads"))),
                                    function.getLoc())))
      return failure();
    for (scf::ParallelOp loop : loops)
      convert(loop, function.getArgument(number));
    return success();
  }
};

} // namespace
} // namespace mlir::ropegrad
