//===- OutlineTiles.cpp - ropegrad-outline-tiles ---------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Level 2 to level 3 on the exact route: independent exits of implicit matrices
// become one tile loop with the expression that they share.
//
//===----------------------------------------------------------------------===//

#include "passes/Algebra.h"
#include "passes/RowScaling.h"

#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/CSE.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

#include <algorithm>

namespace mlir::ropegrad {

#define GEN_PASS_DEF_OUTLINETILES
#include "passes/Passes.h.inc"

namespace {

bool isMatrix(Value value) { return isa<MatrixType>(value.getType()); }

/// On the exact route the paper's gradient reads W from a table.
struct TabulatePosition : OpRewritePattern<KroneckerGradientOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(KroneckerGradientOp op,
                                PatternRewriter &rewriter) const final {
    if (op.getW() || isa<GeneralAttr>(op.getPosition()))
      return rewriter.notifyMatchFailure(op, "W is given");
    Algebra a(rewriter, op.getLoc());
    auto matrix = cast<MatrixType>(op.getMatrix().getType());
    auto table = RankedTensorType::get(
        {2 * matrix.getRows() - 1,
         static_cast<int64_t>(op.getSupport().size() / 2)},
        matrix.getElementType());
    int64_t d = 1;
    for (int64_t index : op.getSupport())
      d = std::max(d, index + 1);
    if (auto z = logitsOf(op.getMatrix()))
      d = widthOf(z.getQ());
    Value w = a.structured<PositionTableOp>(
        table, ValueRange{}, op.getPosition(), op.getSupportAttr(),
        rewriter.getI64IntegerAttr(d));
    rewriter.modifyOpInPlace(op, [&] { op.getWMutable().assign(w); });
    return success();
  }

  /// The width d comes from the logits below, where they can be found.
  static LogitsOp logitsOf(Value matrix) {
    SmallVector<Value> todo = {matrix};
    while (!todo.empty()) {
      Operation *op = todo.pop_back_val().getDefiningOp();
      if (!op)
        continue;
      if (auto logits = dyn_cast<LogitsOp>(op))
        return logits;
      for (Value operand : op->getOperands())
        if (isMatrix(operand))
          todo.push_back(operand);
    }
    return nullptr;
  }
};

/// The exits of one block, in groups that can share a loop.
class Grouping {
public:
  explicit Grouping(Block &block) {
    for (Operation &op : block) {
      unsigned level = 0;
      for (Value operand : op.getOperands())
        level = std::max(level, levelOf(operand, op));
      for (Region &region : op.getRegions())
        region.walk([&](Operation *nested) {
          for (Value operand : nested->getOperands())
            level = std::max(level, valueLevel(operand));
        });
      if (!op.hasTrait<IsExit>()) {
        setLevel(op, level);
        continue;
      }
      auto matrix = cast<MatrixType>(op.getOperand(0).getType());
      setLevel(op, level + 1);
      groups[{level, matrix}].push_back(&op);
    }
    delayTerminalExits();
  }

  using Group = SmallVector<Operation *>;
  llvm::MapVector<std::pair<unsigned, Type>, Group> groups;

private:
  unsigned valueLevel(Value value) const { return levels.lookup(value); }

  /// A column exit that no other exit waits for (dV) joins the last loop over
  /// its matrices, where the weights are made anyway.
  void delayTerminalExits() {
    for (auto &[key, exits] : groups) {
      auto last = &exits;
      for (auto &[otherKey, others] : groups)
        if (otherKey.second == key.second && otherKey.first > key.first)
          last = &others;
      if (last == &exits)
        continue;
      auto waits = [](Operation *exit) {
        return isa<ApplyOp, RowSumsOp, RowLogSumExpOp>(exit) ||
               feedsExit(exit->getResult(0));
      };
      auto moved = std::partition(exits.begin(), exits.end(), waits);
      last->append(moved, exits.end());
      exits.erase(moved, exits.end());
    }
    groups.remove_if([](auto &group) { return group.second.empty(); });
    for (auto &[key, exits] : groups)
      llvm::sort(exits, [](Operation *a, Operation *b) {
        return a->isBeforeInBlock(b);
      });
  }

  static bool feedsExit(Value value) {
    for (Operation *user : value.getUsers()) {
      if (user->hasTrait<IsExit>())
        return true;
      for (Value result : user->getResults())
        if (feedsExit(result))
          return true;
    }
    return false;
  }

  void setLevel(Operation &op, unsigned level) {
    for (Value result : op.getResults())
      levels[result] = level;
  }

  /// Loops that must have finished before `value` is known. A row-wise
  /// log-sum-exp that only normalises its own logits runs online with the row
  /// exits that use it: it costs them no loop of its own.
  unsigned levelOf(Value value, Operation &user) {
    if (!isa<ApplyOp, RowSumsOp>(user) || !isMatrix(value))
      return valueLevel(value);
    return onlineLevel(value);
  }

  unsigned onlineLevel(Value matrix) {
    Operation *op = matrix.getDefiningOp();
    if (!op)
      return 0;
    unsigned level = 0;
    for (Value operand : op->getOperands()) {
      auto l = operand.getDefiningOp<RowLogSumExpOp>();
      bool online = isa<ShiftRowsOp>(op) && l &&
                    l.getMatrix() == op->getOperand(0) &&
                    operand == op->getOperand(1);
      unsigned own = online              ? valueLevel(operand) - 1
                     : isMatrix(operand) ? onlineLevel(operand)
                                         : valueLevel(operand);
      level = std::max(level, own);
    }
    return level;
  }

  DenseMap<Value, unsigned> levels;
};

/// Clones the expression of a group of exits into the body of a tiles op.
class Outliner {
public:
  Outliner(OpBuilder &b, ArrayRef<Operation *> exits)
      : b(b), exits(exits.begin(), exits.end()) {}

  void run() {
    for (Operation *exit : exits)
      visit(exit);
    Location loc = exits.back()->getLoc();
    b.setInsertionPoint(exits.back());
    Algebra a(b, loc);
    SmallVector<Value> outs;
    SmallVector<Type> types;
    for (Operation *exit : exits) {
      auto type = cast<RankedTensorType>(exit->getResult(0).getType());
      outs.push_back(a.empty(type.getShape(), type.getElementType()));
      types.push_back(type);
    }
    auto tiles = TilesOp::create(b, loc, types, leaves.getArrayRef(), outs);
    fillBody(tiles);
    for (auto [exit, result] : llvm::zip(exits, tiles.getResults()))
      exit->getResult(0).replaceAllUsesWith(result);
    for (Operation *exit : llvm::reverse(exits))
      exit->erase();
  }

private:
  /// Post-order over the expression: operands before users.
  void visit(Operation *op) {
    if (!seen.insert(op).second)
      return;
    for (Value operand : op->getOperands()) {
      Operation *definition = operand.getDefiningOp();
      bool inside = definition && (isMatrix(operand) ||
                                   llvm::is_contained(exits, definition));
      if (inside)
        visit(definition);
      else
        leaves.insert(operand);
    }
    order.push_back(op);
  }

  void fillBody(TilesOp tiles) {
    Block *body = new Block();
    tiles.getBody().push_back(body);
    IRMapping mapping;
    for (Value leaf : leaves)
      mapping.map(leaf, body->addArgument(leaf.getType(), leaf.getLoc()));
    OpBuilder inner = OpBuilder::atBlockEnd(body);
    for (Operation *op : order)
      inner.clone(*op, mapping);
    SmallVector<Value> yielded;
    for (Operation *exit : exits)
      yielded.push_back(mapping.lookup(exit->getResult(0)));
    YieldOp::create(inner, tiles.getLoc(), yielded);
  }

  OpBuilder &b;
  SmallVector<Operation *> exits, order;
  DenseSet<Operation *> seen;
  llvm::SetVector<Value> leaves;
};

struct OutlineTilesPass : impl::OutlineTilesBase<OutlineTilesPass> {
  void runOnOperation() final {
    RewritePatternSet patterns(&getContext());
    populateRowScalingPatterns(patterns);
    patterns.add<TabulatePosition>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      return signalPassFailure();
    IRRewriter rewriter(&getContext());
    DominanceInfo dominance(getOperation());
    eliminateCommonSubExpressions(rewriter, dominance, getOperation());
    getOperation().walk([&](func::FuncOp function) {
      for (Block &block : function.getBody())
        outline(block);
    });
    eliminateDeadMatrices();
  }

  void outline(Block &block) {
    Grouping grouping(block);
    OpBuilder b(&getContext());
    for (auto &[key, exits] : grouping.groups) {
      Outliner(b, exits).run();
      sortTopologically(&block);
    }
  }

  void eliminateDeadMatrices() {
    SmallVector<Operation *> dead;
    getOperation().walk<WalkOrder::PostOrder>([&](Operation *op) {
      if (isa<TileOpInterface>(op) && !op->getParentOfType<TilesOp>())
        dead.push_back(op);
    });
    for (Operation *op : llvm::reverse(dead))
      if (op->use_empty())
        op->erase();
  }
};

} // namespace
} // namespace mlir::ropegrad
