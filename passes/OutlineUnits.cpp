//===- OutlineUnits.cpp - ropegrad-outline-units ---------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// What one unit of a parallel loop does, as a function: a gradient and its
// halves have most of their loops in common, and each is compiled once.
//
//===----------------------------------------------------------------------===//

#include "passes/Tall.h"

#include "mlir/IR/SymbolTable.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"

namespace mlir::ropegrad {

#define GEN_PASS_DEF_OUTLINEUNITS
#include "passes/Passes.h.inc"

namespace {

/// What `body` reads from outside, in the order in which it does; of constants
/// it gets copies.
SmallVector<Value> valuesFromOutside(Region &body) {
  SetVector<Value> used;
  getUsedValuesDefinedAbove(body, used);
  OpBuilder b = OpBuilder::atBlockBegin(&body.front());
  SmallVector<Value> values;
  for (Value value : used) {
    Operation *op = value.getDefiningOp();
    if (op && op->hasTrait<OpTrait::ConstantLike>())
      replaceAllUsesInRegionWith(value, b.clone(*op)->getResult(0), body);
    else
      values.push_back(value);
  }
  return values;
}

struct OutlineUnitsPass : impl::OutlineUnitsBase<OutlineUnitsPass> {
  void runOnOperation() final {
    units.clear();
    SmallVector<omp::LoopNestOp> loops;
    getOperation().walk([&](omp::LoopNestOp loop) {
      if (loop.getRegion().hasOneBlock())
        loops.push_back(loop);
    });
    SymbolTable symbols(getOperation());
    for (omp::LoopNestOp loop : loops)
      outline(loop, symbols);
  }

  void outline(omp::LoopNestOp loop, SymbolTable &symbols) {
    Block &body = loop.getRegion().front();
    SmallVector<Value> arguments = valuesFromOutside(loop.getRegion());
    llvm::append_range(arguments, body.getArguments());
    func::FuncOp unit = moveBody(loop, arguments);
    auto *same = llvm::find_if(units, [&](func::FuncOp other) {
      return OperationEquivalence::isRegionEquivalentTo(
          &unit.getBody(), &other.getBody(),
          OperationEquivalence::IgnoreLocations);
    });
    if (same != units.end()) {
      unit.erase();
      unit = *same;
    } else {
      symbols.insert(unit);
      units.push_back(unit);
    }
    OpBuilder b = OpBuilder::atBlockBegin(&body);
    func::CallOp::create(b, loop.getLoc(), unit, arguments);
  }

  /// A function of `arguments` that does what `loop` did, at the module's end.
  func::FuncOp moveBody(omp::LoopNestOp loop, ArrayRef<Value> arguments) {
    Block &body = loop.getRegion().front();
    OpBuilder b = OpBuilder::atBlockEnd(getOperation().getBody());
    auto unit = func::FuncOp::create(
        b, loop.getLoc(), "ropegrad_unit_" + std::to_string(units.size()),
        b.getFunctionType(ValueRange(arguments).getTypes(), {}));
    unit.setPrivate();
    Block *entry = unit.addEntryBlock();
    for (auto [outside, inside] : llvm::zip(arguments, entry->getArguments()))
      replaceAllUsesInRegionWith(outside, inside, loop.getRegion());
    entry->getOperations().splice(entry->end(), body.getOperations(),
                                  body.begin(), std::prev(body.end()));
    b.setInsertionPointToEnd(entry);
    func::ReturnOp::create(b, loop.getLoc());
    return unit;
  }

  SmallVector<func::FuncOp> units;
};

} // namespace
} // namespace mlir::ropegrad
