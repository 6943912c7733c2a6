//===- SplitGradient.cpp - ropegrad-split-gradient -------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Level 3: a gradient in one call as two calls, a forward pass that keeps
// residuals and a backward pass that reads them.
//
//===----------------------------------------------------------------------===//

#include "passes/Tall.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"

#include <algorithm>

namespace mlir::ropegrad {

#define GEN_PASS_DEF_SPLITGRADIENT
#include "passes/Passes.h.inc"

namespace {

constexpr StringLiteral kName = "ropegrad.name";
constexpr StringLiteral kForward = "forward_train";
constexpr StringLiteral kBackward = "backward";

StringRef nameOf(DictionaryAttr attributes) {
  auto name = attributes ? attributes.getAs<StringAttr>(kName) : StringAttr();
  return name ? name.getValue() : StringRef();
}

/// Operands, and what the regions of `op` read from outside.
SetVector<Value> valuesReadBy(Operation *op) {
  SetVector<Value> values(op->operand_begin(), op->operand_end());
  getUsedValuesDefinedAbove(op->getRegions(), values);
  return values;
}

/// At most one point of the index space per element of the largest operand: a
/// product of matrices has more.
bool isLinear(linalg::LinalgOp op) {
  int64_t points = 1, largest = 1;
  for (int64_t range : op.getStaticLoopRanges())
    if (ShapedType::isDynamic(range) ||
        llvm::MulOverflow(points, range, points))
      return false;
  for (Type type : op->getOperandTypes())
    if (auto shaped = dyn_cast<ShapedType>(type))
      if (shaped.hasStaticShape())
        largest = std::max(largest, shaped.getNumElements());
  return points <= largest;
}

/// Whether making the results again takes no more than a pass over memory, as
/// reading them back would.
bool isCheap(Operation *op) {
  if (auto product = dyn_cast<linalg::LinalgOp>(op))
    return isLinear(product);
  return isa<RotateOp, CentreRowsOp, AppendColumnOp, PositionTableOp, ConvertOp,
             PairTableOp, PairSpectrumOp>(op) ||
         isa<arith::ArithDialect, tensor::TensorDialect>(op->getDialect());
}

/// What a check hands on as this result; nothing for what it computes itself.
Value passedThrough(OpResult result) {
  Operation *op = result.getOwner();
  bool handsOn = isa<RequirePositiveOp, RequireShareOp>(op) ||
                 (isa<GuardOp>(op) && result.getResultNumber() > 0);
  if (!handsOn)
    return nullptr;
  return cast<DestinationStyleOpInterface>(op).getTiedOpOperand(result)->get();
}

/// Where a gradient is cut: what depends on dO is the backward pass, and of
/// the rest it reads the arguments, the residuals and what is cheap to make of
/// them.
class Cut {
public:
  Cut(func::FuncOp gradient, BlockArgument upstream) : upstream(upstream) {
    Block &body = gradient.front();
    for (Operation &op : body)
      if (llvm::any_of(valuesReadBy(&op),
                       [&](Value value) { return isBackward(value); }))
        backward.insert(&op);
    OperandRange returned = body.getTerminator()->getOperands();
    gradients.resize(returned.size());
    for (auto [index, value] : llvm::enumerate(returned)) {
      // A gradient that is constant does not depend on dO.
      StringRef name = nameOf(gradient.getResultAttrDict(index));
      gradients[index] = isBackward(value) || name.starts_with("d");
      if (gradients[index])
        require(value);
    }
    llvm::sort(residuals, [](OpResult a, OpResult b) {
      if (a.getOwner() != b.getOwner())
        return a.getOwner()->isBeforeInBlock(b.getOwner());
      return a.getResultNumber() < b.getResultNumber();
    });
  }

  bool isBackward(Value value) const {
    return value == upstream || backward.contains(value.getDefiningOp());
  }

  /// Which results of the gradient are gradients.
  BitVector gradients;
  /// What the forward pass keeps, in the order of the ops.
  SmallVector<OpResult> residuals;

private:
  /// Makes `value` known in the backward pass.
  void require(Value value) {
    auto result = dyn_cast<OpResult>(value);
    if (!result || !required.insert(value).second)
      return;
    Operation *op = result.getOwner();
    Value passed = isBackward(value) ? Value() : passedThrough(result);
    if (passed)
      require(passed);
    else if (isBackward(value) || (isCheap(op) && !joinsResiduals(op)))
      for (Value operand : valuesReadBy(op))
        require(operand);
    else
      residuals.push_back(result);
  }

  /// Whether `op` makes one tensor of several that would have to be kept
  /// instead, such as the sum of what is near and what is far.
  bool joinsResiduals(Operation *op) const {
    auto isKept = [&](Value value) {
      auto result = dyn_cast<OpResult>(value);
      return result && !isBackward(value) && !isCheap(result.getOwner()) &&
             !passedThrough(result);
    };
    return isa<linalg::LinalgOp>(op) &&
           llvm::count_if(valuesReadBy(op), isKept) > 1;
  }

  BlockArgument upstream;
  DenseSet<Operation *> backward;
  DenseSet<Value> required;
};

/// Makes the two halves of a gradient from copies of it.
class Splitter {
public:
  Splitter(func::FuncOp gradient, BlockArgument upstream)
      : gradient(gradient), upstream(upstream.getArgNumber()),
        cut(gradient, upstream), b(gradient.getContext()) {}

  LogicalResult run() {
    for (OpResult residual : cut.residuals)
      if (!isa<RankedTensorType>(residual.getType()))
        return residual.getOwner()->emitError(
                   "expected a tensor from forward to backward pass, but got ")
               << residual.getType();
    b.setInsertionPointAfter(gradient);
    if (failed(makeForward()))
      return failure();
    return makeBackward();
  }

private:
  LogicalResult makeForward() {
    IRMapping mapping;
    func::FuncOp function = cloneAs(kForward, mapping);
    if (failed(eraseResults(function, cut.gradients)))
      return failure();
    Operation *end = function.front().getTerminator();
    for (auto [index, residual] : llvm::enumerate(cut.residuals)) {
      if (failed(function.insertResult(function.getNumResults(),
                                       residual.getType(), attributes(index))))
        return failure();
      end->insertOperands(end->getNumOperands(), mapping.lookup(residual));
    }
    eraseDeadOps(function);
    return function.eraseArgument(upstream);
  }

  LogicalResult makeBackward() {
    IRMapping mapping;
    func::FuncOp function = cloneAs(kBackward, mapping);
    BitVector values = cut.gradients;
    if (failed(eraseResults(function, values.flip())))
      return failure();
    for (auto [index, residual] : llvm::enumerate(cut.residuals)) {
      unsigned end = function.getNumArguments();
      if (failed(function.insertArgument(end, residual.getType(),
                                         attributes(index), residual.getLoc())))
        return failure();
      mapping.lookup(residual).replaceAllUsesWith(function.getArgument(end));
    }
    dropChecks(mapping);
    eraseDeadOps(function);
    return success();
  }

  func::FuncOp cloneAs(StringRef name, IRMapping &mapping) {
    func::FuncOp function = gradient.clone(mapping);
    function.setName(name);
    b.insert(function);
    return function;
  }

  DictionaryAttr attributes(size_t index) {
    std::string name = "residual" + std::to_string(index);
    return b.getDictionaryAttr(
        {b.getNamedAttr(kName, b.getStringAttr(name)),
         b.getNamedAttr(kResidualAttr, b.getUnitAttr())});
  }

  static LogicalResult eraseResults(func::FuncOp function,
                                    const BitVector &which) {
    function.front().getTerminator()->eraseOperands(which);
    return function.eraseResults(which);
  }

  /// The forward pass has checked what the backward pass reads.
  void dropChecks(IRMapping &mapping) {
    for (Operation &op : gradient.front())
      for (OpResult result : op.getResults())
        if (!cut.isBackward(result))
          if (Value passed = passedThrough(result))
            mapping.lookup<Value>(result).replaceAllUsesWith(
                passedThrough(cast<OpResult>(mapping.lookup<Value>(result))));
  }

  static void eraseDeadOps(func::FuncOp function) {
    for (Operation &op :
         llvm::make_early_inc_range(llvm::reverse(function.front())))
      if (isOpTriviallyDead(&op))
        op.erase();
  }

  func::FuncOp gradient;
  unsigned upstream;
  Cut cut;
  OpBuilder b;
};

/// dO among the arguments of a gradient on tensors; nothing if there is none.
BlockArgument upstreamOf(func::FuncOp gradient) {
  if (!gradient || !gradient.isPublic() || gradient.isExternal())
    return nullptr;
  for (BlockArgument argument : gradient.getArguments())
    if (nameOf(gradient.getArgAttrDict(argument.getArgNumber())) == "dO" &&
        isa<RankedTensorType>(argument.getType()))
      return argument;
  return nullptr;
}

/// Ops that only compute can be repeated, moved and dropped.
LogicalResult expectPureBlock(func::FuncOp gradient) {
  if (!gradient.getBody().hasOneBlock())
    return gradient.emitError("expected a gradient of one block, but got ")
           << gradient.getBlocks().size();
  for (Operation &op : gradient.front())
    if (!isMemoryEffectFree(&op))
      return op.emitError("expected a gradient without calls or effects on "
                          "memory, but got ")
             << op.getName();
  return success();
}

struct SplitGradientPass : impl::SplitGradientBase<SplitGradientPass> {
  void runOnOperation() final {
    auto gradient = getOperation().lookupSymbol<func::FuncOp>("gradient");
    BlockArgument upstream = upstreamOf(gradient);
    Operation *forward = getOperation().lookupSymbol(kForward);
    Operation *backward = getOperation().lookupSymbol(kBackward);
    if (!upstream || (forward && backward))
      return;
    if (forward || backward) {
      (forward ? forward : backward)
              ->emitError("expected a gradient with both of @")
          << kForward << " and @" << kBackward << " or neither, but got one";
      return signalPassFailure();
    }
    if (failed(expectPureBlock(gradient)) ||
        failed(Splitter(gradient, upstream).run()))
      signalPassFailure();
  }
};

} // namespace
} // namespace mlir::ropegrad
