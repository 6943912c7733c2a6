//===- SplitGuard.cpp - ropegrad-split-guard -------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Level 3: the logit radius as a function of its own, for callers that choose a
// kernel by it.
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"

namespace mlir::ropegrad {

#define GEN_PASS_DEF_SPLITGUARD
#include "passes/Passes.h.inc"

namespace {

constexpr StringLiteral kMeasure = "measure";

/// A guard and where its function returns the radius.
struct Reported {
  GuardOp guard;
  unsigned result = 0;
};

/// The guard whose radius `function` returns; null if there is none.
Reported reportedGuard(func::FuncOp function) {
  if (!function.isPublic() || function.isExternal() ||
      !function.getBody().hasOneBlock())
    return {};
  for (auto guard : function.getOps<GuardOp>()) {
    if (guard->getNumResults() == 0 || !guard->getResult(0).hasOneUse())
      continue;
    OpOperand &use = *guard->getResult(0).use_begin();
    if (isa<func::ReturnOp>(use.getOwner()))
      return {guard, use.getOperandNumber()};
  }
  return {};
}

/// What has the norms of `rows`, whatever else of them a rotation changes.
Value withoutRotation(GuardOp guard, Value rows) {
  auto rotation = rows.getDefiningOp<RotateOp>();
  bool onlyNorms =
      llvm::all_of(guard->getAttrDictionary(), [](NamedAttribute each) {
        StringRef name = each.getName();
        return name == "limit" || name == "scale" ||
               name == GuardOp::getOperandSegmentSizeAttr();
      });
  return rotation && onlyNorms ? rotation.getIns()[0] : rows;
}

/// Operands, and what the regions of `op` read from outside.
SetVector<Value> valuesReadBy(Operation *op) {
  SetVector<Value> values(op->operand_begin(), op->operand_end());
  getUsedValuesDefinedAbove(op->getRegions(), values);
  return values;
}

/// The ops that make `values`, in their order.
SmallVector<Operation *> opsBehind(ArrayRef<Value> values) {
  SetVector<Operation *> found;
  SmallVector<Value> open(values);
  while (!open.empty())
    if (Operation *op = open.pop_back_val().getDefiningOp();
        op && found.insert(op))
      llvm::append_range(open, valuesReadBy(op));
  SmallVector<Operation *> ops = found.takeVector();
  llvm::sort(ops,
             [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  return ops;
}

/// The function that returns what `guard` measures, for every key head.
class Measure {
public:
  Measure(func::FuncOp from, GuardOp guard) : from(from), guard(guard) {}

  void add() {
    Value q = withoutRotation(guard, guard.getOuts()[1]);
    Value k = withoutRotation(guard, guard.getOuts()[2]);
    SmallVector<Value> needed{q, k};
    llvm::append_range(needed, guard.getIns());
    SmallVector<Operation *> ops = opsBehind(needed);
    auto shape = cast<RankedTensorType>(k.getType()).getShape();
    auto element =
        cast<RankedTensorType>(guard.getOuts()[0].getType()).getElementType();
    auto radii = RankedTensorType::get(shape.take_front(2), element);
    func::FuncOp function = begin(ops, needed, radii);
    OpBuilder b = OpBuilder::atBlockEnd(&function.front());
    for (Operation *op : ops)
      b.clone(*op, mapping);
    Value empty = tensor::EmptyOp::create(b, guard.getLoc(), radii.getShape(),
                                          radii.getElementType());
    mapping.map(guard.getOuts()[0], empty);
    mapping.map(guard.getOuts()[1], mapping.lookup(q));
    mapping.map(guard.getOuts()[2], mapping.lookup(k));
    Value radius = b.clone(*guard, mapping)->getResult(0);
    radius.setType(radii);
    func::ReturnOp::create(b, guard.getLoc(), radius);
  }

private:
  /// An empty function of those arguments that are read, behind all others.
  func::FuncOp begin(ArrayRef<Operation *> ops, ArrayRef<Value> needed,
                     Type result) {
    DenseSet<Value> read(needed.begin(), needed.end());
    for (Operation *op : ops)
      for (Value value : valuesReadBy(op))
        read.insert(value);
    SmallVector<BlockArgument> arguments;
    for (BlockArgument argument : from.getArguments())
      if (read.contains(argument))
        arguments.push_back(argument);
    auto module = from->getParentOfType<ModuleOp>();
    OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
    SmallVector<Value> values(arguments.begin(), arguments.end());
    auto function = func::FuncOp::create(
        b, from.getLoc(), kMeasure,
        b.getFunctionType(TypeRange(ValueRange(values)), result));
    Block *entry = function.addEntryBlock();
    for (auto [old, argument] : llvm::zip(arguments, entry->getArguments())) {
      mapping.map(old, argument);
      if (DictionaryAttr attributes = from.getArgAttrDict(old.getArgNumber()))
        function.setArgAttrs(argument.getArgNumber(), attributes);
    }
    return function;
  }

  func::FuncOp from;
  GuardOp guard;
  IRMapping mapping;
};

void removeGuard(func::FuncOp function, Reported reported) {
  GuardOp guard = reported.guard;
  for (unsigned i : {1, 2})
    guard->getResult(i).replaceAllUsesWith(guard.getOuts()[i]);
  function.front().getTerminator()->eraseOperand(reported.result);
  (void)function.eraseResult(reported.result);
  guard.erase();
}

struct SplitGuardPass : impl::SplitGuardBase<SplitGuardPass> {
  void runOnOperation() final {
    if (getOperation().lookupSymbol(kMeasure))
      return;
    SmallVector<func::FuncOp> functions(getOperation().getOps<func::FuncOp>());
    bool isMeasured = false;
    for (func::FuncOp function : functions) {
      Reported reported = reportedGuard(function);
      if (!reported.guard)
        continue;
      if (!isMeasured)
        Measure(function, reported.guard).add();
      isMeasured = true;
      removeGuard(function, reported);
    }
  }
};

} // namespace
} // namespace mlir::ropegrad
