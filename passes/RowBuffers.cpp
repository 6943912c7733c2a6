//===- RowBuffers.cpp - Which buffers hold rows ----------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// A small analysis of level 4: buffers with one row per position.
//
//===----------------------------------------------------------------------===//

#include "passes/RowLowerings.h"

#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::ropegrad;

/// The allocation or argument that a buffer is a view of.
static Value rootOf(Value memref) {
  while (auto view = memref.getDefiningOp<ViewLikeOpInterface>())
    memref = view.getViewSource();
  return memref;
}

static int64_t rankOf(Value value) {
  auto type = dyn_cast<MemRefType>(value.getType());
  return type ? type.getRank() : 0;
}

/// The operands of an op of this dialect that have one row per position.
static SmallVector<Value> rowOperands(Operation *op) {
  return llvm::TypeSwitch<Operation *, SmallVector<Value>>(op)
      .Case<RotateOp, AppendColumnOp, RequirePositiveOp, DecayRowsOp,
            SpreadChannelsOp>(
          [](auto rows) { return SmallVector<Value>(rows->getOperands()); })
      .Case<CentreRowsOp, KeyWeightsOp>([](auto rows) -> SmallVector<Value> {
        return {rows.getIns()[0], rows.getOuts()[0]};
      })
      .Case([](AddOuterOp add) -> SmallVector<Value> {
        return {add.getIns()[0], add.getIns()[1], add.getOuts()[0]};
      })
      .Case([](GuardOp guard) {
        return SmallVector<Value>(guard.getOuts().drop_front());
      })
      .Case([](ConvertOp convert) {
        return convertsRows(convert)
                   ? SmallVector<Value>(convert->getOperands())
                   : SmallVector<Value>();
      })
      .Case([](LargestOp largest) {
        return isOverRows(largest) ? SmallVector<Value>(largest.getIns())
                                   : SmallVector<Value>();
      })
      .Case<AccumulateOp, ChunkStatesOp, KroneckerFeaturesOp, GatherChannelsOp>(
          [](auto sum) { return SmallVector<Value>(sum.getIns()); })
      .Case<ExpandOp, ChunkExpandOp>([](auto expand) -> SmallVector<Value> {
        return {expand.getIns()[0], expand.getOuts()[0]};
      })
      .Case<ReverseOp, ChunkReverseOp>([](auto reverse) -> SmallVector<Value> {
        return {reverse.getIns()[0], reverse.getIns()[2], reverse.getOuts()[0]};
      })
      .Case([](PairApplyOp apply) {
        SmallVector<Value> rows(apply.getIns().drop_back());
        llvm::append_range(rows, apply.getOuts());
        return rows;
      })
      .Case([](PairReverseOp reverse) {
        SmallVector<Value> rows(reverse.getIns().take_front(4));
        llvm::append_range(rows, reverse.getIns().drop_front(5));
        llvm::append_range(rows, reverse.getOuts().take_front(2));
        return rows;
      })
      .Case([](PairCorrelateOp correlate) {
        return SmallVector<Value>(correlate.getIns());
      })
      .Case([](TilesOp tiles) {
        // Tables of the relative position and gradients of X are matrices.
        return llvm::filter_to_vector(tiles->getOperands(), [](Value operand) {
          return rankOf(operand) >= 3;
        });
      })
      .Default([](Operation *) { return SmallVector<Value>(); });
}

/// The operands of an op of this dialect that it needs as a whole: dimension 2
/// counts monomials, or none counts positions.
static SmallVector<Value> wholeOperands(Operation *op) {
  return llvm::TypeSwitch<Operation *, SmallVector<Value>>(op)
      .Case<AccumulateOp, ChunkStatesOp>(
          [](auto sum) { return SmallVector<Value>(sum.getOuts()); })
      .Case([](CentreRowsOp rows) {
        return SmallVector<Value>(rows.getOuts().drop_front());
      })
      .Case([](KeyWeightsOp weights) -> SmallVector<Value> {
        return {weights.getIns()[1]};
      })
      .Case([](AddOuterOp add) -> SmallVector<Value> {
        return {add.getIns()[2]};
      })
      .Case<ExpandOp, ReverseOp, ChunkExpandOp, ChunkReverseOp>(
          [](auto product) -> SmallVector<Value> {
            return {product.getIns()[1]};
          })
      .Case([](ConvertOp convert) {
        return convertsRows(convert)
                   ? SmallVector<Value>()
                   : SmallVector<Value>(convert->getOperands());
      })
      .Case([](LargestOp largest) {
        return isOverRows(largest) ? SmallVector<Value>()
                                   : SmallVector<Value>(largest.getIns());
      })
      .Default([](Operation *) { return SmallVector<Value>(); });
}

/// The loop that runs over the positions of an operand, if it had some.
static std::optional<unsigned> rowLoopOf(linalg::LinalgOp op,
                                         OpOperand &operand) {
  int64_t rank = rankOf(operand.get());
  AffineMap map = op.getMatchingIndexingMap(&operand);
  if (rank < 2 || map.getNumResults() != rank)
    return std::nullopt;
  auto dim = dyn_cast<AffineDimExpr>(map.getResult(rowDimension(rank)));
  return dim ? std::optional<unsigned>(dim.getPosition()) : std::nullopt;
}

RowBuffers::RowBuffers(ModuleOp module) {
  SmallVector<linalg::LinalgOp> ops;
  module.walk([&](Operation *op) {
    if (auto function = dyn_cast<func::FuncOp>(op))
      addArguments(function);
    for (Value operand : rowOperands(op))
      rows.insert(rootOf(operand));
    for (Value operand : wholeOperands(op))
      whole.insert(rootOf(operand));
    if (auto structured = dyn_cast<linalg::LinalgOp>(op))
      ops.push_back(structured);
  });
  bool changed = true;
  while (changed) {
    changed = false;
    for (linalg::LinalgOp op : ops)
      changed |= passRowsOn(op);
  }
}

void RowBuffers::addArguments(func::FuncOp function) {
  for (BlockArgument argument : function.getArguments()) {
    unsigned number = argument.getArgNumber();
    if (function.getArgAttr(number, kRowsAttr) ||
        function.getArgAttr(number, kStridesAttr))
      ofCaller.insert(argument);
    else if (rankOf(argument) == 2)
      whole.insert(argument);
  }
  rows.insert(ofCaller.begin(), ofCaller.end());
}

bool RowBuffers::passRowsOn(linalg::LinalgOp op) {
  DenseSet<unsigned> loops;
  for (OpOperand &operand : op->getOpOperands())
    if (auto loop = rowLoopOf(op, operand);
        loop && rows.contains(rootOf(operand.get())))
      loops.insert(*loop);
  bool changed = false;
  for (OpOperand &operand : op->getOpOperands())
    if (auto loop = rowLoopOf(op, operand); loop && loops.contains(*loop))
      changed |= rows.insert(rootOf(operand.get())).second;
  return changed;
}

std::optional<unsigned> RowBuffers::rowLoop(linalg::LinalgOp op) const {
  auto find = [&](const DenseSet<Value> &roots) -> std::optional<unsigned> {
    for (OpOperand &operand : op->getOpOperands())
      if (auto loop = rowLoopOf(op, operand);
          loop && roots.contains(rootOf(operand.get())))
        return loop;
    return std::nullopt;
  };
  // An array of the caller ends where the rows of the call do.
  if (auto loop = find(ofCaller))
    return loop;
  // A buffer of this function holds the rows of the longest call: it may as
  // well be written as a whole, and must be where something else needs all of
  // it.
  bool isMatmul = isa<linalg::MatmulOp>(op.getOperation());
  for (Value init : op.getDpsInits())
    if (!isMatmul && rankOf(init) >= 2 && whole.contains(rootOf(init)))
      return std::nullopt;
  return find(rows);
}

/// The fill that `op` copies all of, if `filled` knows it.
static linalg::FillOp
copiedFill(linalg::CopyOp op, const DenseMap<Value, linalg::FillOp> &filled) {
  Value from = op.getInputs()[0];
  auto type = dyn_cast<MemRefType>(from.getType());
  return type && type == op.getOutputs()[0].getType() ? filled.lookup(from)
                                                      : linalg::FillOp();
}

static void forwardFills(Block &block) {
  DenseMap<Value, linalg::FillOp> filled; // buffers that hold one value
  for (Operation &op : llvm::make_early_inc_range(block)) {
    auto fill = dyn_cast<linalg::FillOp>(op);
    if (auto copy = dyn_cast<linalg::CopyOp>(op))
      if (auto known = copiedFill(copy, filled)) {
        OpBuilder b(copy);
        fill = linalg::FillOp::create(b, copy.getLoc(), known.getInputs(),
                                      copy.getOutputs());
        copy.erase();
      }
    Operation *now = fill ? fill.getOperation() : &op;
    auto structured = dyn_cast<DestinationStyleOpInterface>(now);
    for (OpOperand &operand : now->getOpOperands())
      if (!structured || structured.isDpsInit(&operand))
        filled.erase(rootOf(operand.get()));
    if (!fill)
      continue;
    Value to = fill.getOutputs()[0];
    if (rootOf(to) == to)
      filled[to] = fill;
  }
}

void mlir::ropegrad::forwardFills(ModuleOp module) {
  for (auto function : module.getOps<func::FuncOp>())
    for (Block &block : function.getBody())
      ::forwardFills(block);
}

Value mlir::ropegrad::asTall(Emitter &e, Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  if (type.getRank() != 2)
    return memref;
  auto view = memref.getDefiningOp<memref::CollapseShapeOp>();
  if (view && view.getSrcType().getRank() == 4)
    return view.getSrc();
  auto tall = MemRefType::get({1, 1, type.getDimSize(0), type.getDimSize(1)},
                              type.getElementType());
  return memref::ExpandShapeOp::create(
      e.b, e.loc, tall, memref, ArrayRef<ReassociationIndices>{{0, 1, 2}, {3}});
}

std::optional<int64_t> mlir::ropegrad::constantIndex(Value value) {
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)))
    return constant.getSExtValue();
  return std::nullopt;
}

Value mlir::ropegrad::sizeOfCall(Emitter &e, Operation *op, StringRef size,
                                 int64_t otherwise) {
  auto function = op->getParentOfType<func::FuncOp>();
  for (BlockArgument argument : function.getArguments()) {
    auto mark = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(),
                                                      kSizeAttr);
    if (mark && mark.getValue() == size)
      return argument;
  }
  return e.index(otherwise);
}

Value mlir::ropegrad::elementsOfCall(Emitter &e, Operation *op, Value array) {
  auto type = cast<MemRefType>(array.getType());
  int64_t all = type.getNumElements();
  auto argument = dyn_cast<BlockArgument>(array);
  auto function =
      argument ? dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp())
               : func::FuncOp();
  auto attribute = function ? function.getArgAttrOfType<StringAttr>(
                                  argument.getArgNumber(), "ropegrad.name")
                            : StringAttr();
  StringRef name = attribute ? attribute.getValue() : StringRef();
  name.consume_front("d");
  if (name != "W" && name != "bias")
    return e.index(all);
  // W has the diagonals in rows, a bias in columns.
  int64_t diagonals =
      name == "W" ? type.getShape().front() : type.getShape().back();
  Value n = sizeOfCall(e, op, "n", (diagonals + 1) / 2);
  return e.mul(e.sub(e.mul(n, 2), 1), all / diagonals);
}
