//===- FuseParallel.cpp - ropegrad-fuse-parallel ---------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// One parallel loop for row-wise steps that follow one another: the rows of a
// chunk stay in cache between them, and threads meet less often.
//
//===----------------------------------------------------------------------===//

#include "passes/Tall.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace mlir::ropegrad {

#define GEN_PASS_DEF_FUSEPARALLEL
#include "passes/Passes.h.inc"

namespace {

/// Whether `op` may move in front of a loop that does not define its operands:
/// it computes nothing from memory, or reads the sizes of the call.
bool mayMove(Operation *op) {
  if (op->hasTrait<OpTrait::IsTerminator>())
    return false;
  if (isa<memref::AllocOp>(op) || isMemoryEffectFree(op))
    return true;
  auto load = dyn_cast<memref::LoadOp>(op);
  Value from = load ? load.getMemRef() : Value();
  while (from && from.getDefiningOp<memref::CastOp>())
    from = from.getDefiningOp<memref::CastOp>().getSource();
  auto argument = dyn_cast_if_present<BlockArgument>(from);
  auto function =
      argument ? dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp())
               : func::FuncOp();
  return function &&
         function.getArgAttr(argument.getArgNumber(), kSizeAttr) != nullptr;
}

bool sameSpace(scf::ParallelOp a, scf::ParallelOp b) {
  auto space = a->getAttrOfType<StringAttr>(kSpaceAttr);
  return space && a->getAttr(kSpaceAttr) == b->getAttr(kSpaceAttr) &&
         a.getInductionVars().size() == b.getInductionVars().size();
}

/// Appends the body of `second` to that of `first`.
void merge(scf::ParallelOp first, scf::ParallelOp second) {
  Block *from = second.getBody(), *to = first.getBody();
  for (auto [old, replacement] :
       llvm::zip(second.getInductionVars(), first.getInductionVars()))
    old.replaceAllUsesWith(replacement);
  from->getTerminator()->erase();
  to->getOperations().splice(to->getTerminator()->getIterator(),
                             from->getOperations());
  second.erase();
}

struct FuseParallelPass : impl::FuseParallelBase<FuseParallelPass> {
  void runOnOperation() final {
    for (auto function : getOperation().getOps<func::FuncOp>())
      for (Block &block : function.getBody())
        fuse(block);
  }

  void fuse(Block &block) {
    scf::ParallelOp last;
    for (Operation &op : llvm::make_early_inc_range(block)) {
      if (auto loop = dyn_cast<scf::ParallelOp>(op)) {
        if (last && sameSpace(last, loop))
          merge(last, loop);
        else
          last = loop;
      } else if (last && mayMove(&op)) {
        op.moveBefore(last);
      } else {
        last = {};
      }
    }
  }
};

} // namespace
} // namespace mlir::ropegrad
