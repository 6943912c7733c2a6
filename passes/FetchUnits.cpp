//===- FetchUnits.cpp - ropegrad-fetch-units -------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// A counter in place of OpenMP's dispatcher: what distributions ship of libomp
// writes a debug message for every unit, to drop it.
//
//===----------------------------------------------------------------------===//

#include "passes/Tall.h"

namespace mlir::ropegrad {

#define GEN_PASS_DEF_FETCHUNITS
#include "passes/Passes.h.inc"

namespace {

/// The only loop of its team, over one index, or null.
omp::LoopNestOp fetchedLoop(omp::WsloopOp shared) {
  auto team = dyn_cast<omp::ParallelOp>(shared->getParentOp());
  auto schedule = shared.getScheduleKind();
  if (!team || !schedule || *schedule != omp::ClauseScheduleKind::Dynamic ||
      !llvm::hasSingleElement(team.getRegion().getOps<omp::WsloopOp>()))
    return nullptr;
  auto loop = dyn_cast<omp::LoopNestOp>(shared.getWrappedLoop());
  if (!loop || loop.getLoopLowerBounds().size() != 1 ||
      !loop.getRegion().hasOneBlock())
    return nullptr;
  return loop;
}

struct FetchUnitsPass : impl::FetchUnitsBase<FetchUnitsPass> {
  void runOnOperation() final {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      SmallVector<omp::WsloopOp> loops;
      function.walk([&](omp::WsloopOp shared) {
        if (fetchedLoop(shared))
          loops.push_back(shared);
      });
      if (loops.empty())
        continue;
      // One for all: a team has ended before the next one starts.
      OpBuilder b = OpBuilder::atBlockBegin(&function.getBody().front());
      auto type = MemRefType::get({}, b.getI64Type());
      Value counter =
          memref::AllocaOp::create(b, function.getLoc(), type,
                                   /*alignment=*/b.getI64IntegerAttr(64));
      for (omp::WsloopOp shared : loops)
        convert(shared, counter);
    }
  }

  void convert(omp::WsloopOp shared, Value counter) {
    omp::LoopNestOp loop = fetchedLoop(shared);
    Location loc = loop.getLoc();
    OpBuilder b(shared->getParentOfType<omp::ParallelOp>());
    Type number = b.getI64Type();
    auto asNumber = [&](Value index) -> Value {
      return arith::IndexCastOp::create(b, loc, number, index);
    };
    memref::StoreOp::create(b, loc, asNumber(loop.getLoopLowerBounds()[0]),
                            counter);
    b.setInsertionPoint(shared);
    Value step = asNumber(loop.getLoopSteps()[0]);
    Value end = asNumber(loop.getLoopUpperBounds()[0]);
    auto predicate = loop.getLoopInclusive() ? arith::CmpIPredicate::sle
                                             : arith::CmpIPredicate::slt;
    auto fetch = [&](OpBuilder &b) -> Value {
      return memref::AtomicRMWOp::create(b, loc, arith::AtomicRMWKind::addi,
                                         step, counter, ValueRange());
    };
    auto repeat = scf::WhileOp::create(
        b, loc, TypeRange{number}, ValueRange{fetch(b)},
        [&](OpBuilder &b, Location loc, ValueRange i) {
          Value more = arith::CmpIOp::create(b, loc, predicate, i[0], end);
          scf::ConditionOp::create(b, loc, more, i);
        },
        [&](OpBuilder &b, Location loc, ValueRange i) {
          Value index =
              arith::IndexCastOp::create(b, loc, b.getIndexType(), i[0]);
          Block &body = loop.getRegion().front();
          body.getArgument(0).replaceAllUsesWith(index);
          body.getTerminator()->erase();
          Block *to = b.getInsertionBlock();
          to->getOperations().splice(to->end(), body.getOperations());
          b.setInsertionPointToEnd(to);
          scf::YieldOp::create(b, loc, fetch(b));
        });
    (void)repeat;
    shared.erase();
  }
};

} // namespace
} // namespace mlir::ropegrad
