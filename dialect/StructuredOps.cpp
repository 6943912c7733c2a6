//===- StructuredOps.cpp - Levels 3 and 4: verifiers, effects --*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Verifiers and memory effects of the destination-style ops.
//
//===----------------------------------------------------------------------===//

#include "dialect/StructuredChecks.h"

#include "mlir/IR/TypeUtilities.h"

#include <algorithm>
#include <limits>

using namespace mlir;
using namespace mlir::ropegrad;

#define GET_OP_CLASSES
#include "dialect/RopeGradOps.cpp.inc"

ArrayRef<int64_t> mlir::ropegrad::shapeOf(Value value) {
  return cast<ShapedType>(value.getType()).getShape();
}

LogicalResult mlir::ropegrad::expectCounts(DestinationStyleOpInterface op,
                                           size_t ins, size_t outs) {
  if (op.getDpsInputs().size() != ins ||
      static_cast<size_t>(op.getNumDpsInits()) != outs)
    return op->emitOpError("expected ")
           << ins << " inputs and " << outs << " outputs, but got "
           << op.getDpsInputs().size() << " and " << op.getNumDpsInits();
  return success();
}

LogicalResult mlir::ropegrad::expectShape(Operation *op, Value value,
                                          StringRef name,
                                          ArrayRef<int64_t> expected) {
  if (shapeOf(value) == expected)
    return success();
  InFlightDiagnostic diag = op->emitOpError()
                            << "expected " << name << " to be (";
  llvm::interleaveComma(expected, diag);
  return diag << "), but got " << value.getType();
}

LogicalResult mlir::ropegrad::expectRank(Operation *op, Value value,
                                         StringRef name, size_t rank) {
  if (shapeOf(value).size() == rank)
    return success();
  return op->emitOpError() << "expected " << name << " of rank " << rank
                           << ", but got " << value.getType();
}

int64_t mlir::ropegrad::countMonomials(int64_t d, int64_t degree) {
  __int128 result = 1, larger = std::max(d, degree);
  for (int64_t i = 1; i <= std::min(d, degree); ++i) {
    result = result * (larger + i) / i;
    if (result > std::numeric_limits<int64_t>::max())
      return std::numeric_limits<int64_t>::max();
  }
  return static_cast<int64_t>(result);
}

LogicalResult mlir::ropegrad::expectTied(DestinationStyleOpInterface op) {
  bool tensors =
      llvm::any_of(op->getOperandTypes(), llvm::IsaPred<RankedTensorType>);
  bool buffers = llvm::any_of(op->getOperandTypes(), llvm::IsaPred<MemRefType>);
  if (tensors && buffers)
    return op->emitOpError("expected all tensors or all buffers, but got both");
  for (Type type : op->getOperandTypes())
    if (!cast<ShapedType>(type).hasStaticShape())
      return op->emitOpError("expected static shapes, but got ")
             << type << ": dynamic shapes are not supported yet";
  for (Type type : op->getOperandTypes())
    if (llvm::is_contained(cast<ShapedType>(type).getShape(), 0))
      return op->emitOpError("expected positive sizes, but got ") << type;
  size_t wanted = buffers ? 0 : op.getNumDpsInits();
  if (op->getNumResults() != wanted)
    return op->emitOpError("expected ")
           << wanted << " results, but got " << op->getNumResults();
  if (!buffers)
    for (auto [init, result] : llvm::zip(op.getDpsInits(), op->getResults()))
      if (init.getType() != result.getType())
        return op->emitOpError("expected a result of ")
               << init.getType() << ", but got " << result.getType();
  return success();
}

namespace {

/// (C2): which monomials there are, of `degree` and d coordinates.
LogicalResult expectKept(Operation *op, KeptAttr kept, int64_t d,
                         std::optional<int64_t> degree) {
  if (static_cast<int64_t>(kept.getOrder().size()) != d)
    return op->emitOpError("expected kept of ")
           << d << " coordinates, but got " << kept.getOrder().size();
  auto own = static_cast<int64_t>(kept.getBudgets().size()) + 1;
  if (degree && own != *degree)
    return op->emitOpError("expected kept of degree ")
           << *degree << ", but got " << own;
  return success();
}

/// M of `degree` in d variables, or as `kept` says.
int64_t monomialsOf(int64_t d, int64_t degree,
                    const std::optional<KeptAttr> &kept) {
  if (!kept)
    return countMonomials(d, degree);
  auto table =
      ::ropegrad::KeptTable::make(kept->monomials(), ::ropegrad::kMostKept);
  return table ? table->size() : 0;
}

/// x (B, H, n, d), G (B, H', M, w), tall (B, H, n, w).
LogicalResult expectFeatures(Operation *op, Value x, Value g, Value tall,
                             int64_t degree,
                             const std::optional<KeptAttr> &kept) {
  if (failed(expectRank(op, x, "x", 4)) || failed(expectRank(op, g, "G", 4)) ||
      failed(expectRank(op, tall, "the tall factor", 4)))
    return failure();
  ArrayRef<int64_t> s = shapeOf(x), t = shapeOf(g);
  if (degree < 0)
    return op->emitOpError("expected a degree >= 0, but got ") << degree;
  if (t[1] == 0 || s[1] % t[1] != 0)
    return op->emitOpError("expected the heads of G to divide ")
           << s[1] << ", but got " << t[1];
  if (kept && failed(expectKept(op, *kept, s[3], degree)))
    return failure();
  int64_t m = monomialsOf(s[3], degree, kept);
  if (failed(expectShape(op, g, "G", {s[0], t[1], m, t[3]})))
    return failure();
  return expectShape(op, tall, "the tall factor", {s[0], s[1], s[2], t[3]});
}

} // namespace

void mlir::ropegrad::addEffects(
    DestinationStyleOpInterface op,
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &out) {
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<MemRefType>(operand.get().getType()))
      continue;
    out.emplace_back(MemoryEffects::Read::get(), &operand);
    if (op.isDpsInit(&operand))
      out.emplace_back(MemoryEffects::Write::get(), &operand);
  }
}

LogicalResult mlir::ropegrad::expectSupport(Operation *op,
                                            ArrayRef<int64_t> support,
                                            int64_t d) {
  if (support.size() % 2 != 0)
    return op->emitOpError("expected a support of pairs, but got ")
           << support.size() << " numbers";
  for (int64_t index : support)
    if (index < 0 || index >= d)
      return op->emitOpError("expected support indices in [0, ")
             << d << "), but got " << index;
  return success();
}

namespace {

bool isPositive(const APFloat &value) {
  return value.isFinite() && !value.isZero() && !value.isNegative();
}

} // namespace

#define ROPEGRAD_EFFECTS(OP)                                                   \
  void OP::getEffects(                                                         \
      SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>      \
          &effects) {                                                          \
    addEffects(*this, effects);                                                \
  }
ROPEGRAD_EFFECTS(RotateOp)
ROPEGRAD_EFFECTS(CentreRowsOp)
ROPEGRAD_EFFECTS(KeyWeightsOp)
ROPEGRAD_EFFECTS(AddOuterOp)
ROPEGRAD_EFFECTS(AppendColumnOp)
ROPEGRAD_EFFECTS(ConvertOp)
ROPEGRAD_EFFECTS(LargestOp)
ROPEGRAD_EFFECTS(GuardOp)
ROPEGRAD_EFFECTS(RequirePositiveOp)
ROPEGRAD_EFFECTS(AccumulateOp)
ROPEGRAD_EFFECTS(ExpandOp)
ROPEGRAD_EFFECTS(ReverseOp)
ROPEGRAD_EFFECTS(DecayRowsOp)
ROPEGRAD_EFFECTS(ChunkStatesOp)
ROPEGRAD_EFFECTS(ChunkExpandOp)
ROPEGRAD_EFFECTS(ChunkReverseOp)
ROPEGRAD_EFFECTS(KroneckerFeaturesOp)
ROPEGRAD_EFFECTS(PositionTableOp)
ROPEGRAD_EFFECTS(ToeplitzApplyOp)
ROPEGRAD_EFFECTS(ToeplitzCorrelateOp)
ROPEGRAD_EFFECTS(TilesOp)
#undef ROPEGRAD_EFFECTS

LogicalResult RotateOp::verify() {
  if (failed(expectCounts(*this, 1, 1)) || failed(expectTied(*this)) ||
      failed(expectRank(*this, getIns()[0], "x", 4)))
    return failure();
  int64_t d = shapeOf(getIns()[0]).back();
  if (d % 2)
    return emitOpError("expected d to be even for rotary position, but got ")
           << d;
  return expectShape(*this, getOuts()[0], "y", shapeOf(getIns()[0]));
}

LogicalResult CentreRowsOp::verify() {
  bool givesMean = getOuts().size() == 2;
  if (failed(expectCounts(*this, 1, givesMean ? 2 : 1)) ||
      failed(expectTied(*this)) ||
      failed(expectRank(*this, getIns()[0], "x", 4)) ||
      failed(expectShape(*this, getOuts()[0], "y", shapeOf(getIns()[0]))))
    return failure();
  if (!givesMean)
    return success();
  if (failed(expectRank(*this, getOuts()[1], "the mean", 4)))
    return failure();
  ArrayRef<int64_t> x = shapeOf(getIns()[0]);
  int64_t heads = shapeOf(getOuts()[1])[1];
  if (x[1] % heads != 0)
    return emitOpError("expected the heads of the mean to divide ")
           << x[1] << ", but got " << heads;
  return expectShape(*this, getOuts()[1], "the mean", {x[0], heads, 1, x[3]});
}

/// One row of every head of `rows`.
static LogicalResult expectMean(Operation *op, Value mean, Value rows) {
  ArrayRef<int64_t> x = shapeOf(rows);
  return expectShape(op, mean, "m", {x[0], x[1], 1, x[3]});
}

LogicalResult KeyWeightsOp::verify() {
  if (failed(expectCounts(*this, 2, 1)) || failed(expectTied(*this)) ||
      failed(expectRank(*this, getIns()[0], "k", 4)) ||
      failed(expectMean(*this, getIns()[1], getIns()[0])))
    return failure();
  ArrayRef<int64_t> k = shapeOf(getIns()[0]);
  return expectShape(*this, getOuts()[0], "w", {k[0], k[1], k[2], 1});
}

LogicalResult AddOuterOp::verify() {
  if (failed(expectCounts(*this, 3, 1)) || failed(expectTied(*this)) ||
      failed(expectRank(*this, getIns()[0], "x", 4)) ||
      failed(expectShape(*this, getIns()[1], "c",
                         shapeOf(getIns()[0]).drop_back())) ||
      failed(expectMean(*this, getIns()[2], getIns()[0])))
    return failure();
  return expectShape(*this, getOuts()[0], "y", shapeOf(getIns()[0]));
}

LogicalResult AppendColumnOp::verify() {
  if (failed(expectCounts(*this, getIns().size() == 2 ? 2 : 1, 1)) ||
      failed(expectTied(*this)) ||
      failed(expectRank(*this, getIns()[0], "X", 4)))
    return failure();
  SmallVector<int64_t> shape(shapeOf(getIns()[0]));
  if (getIns().size() == 2 &&
      failed(
          expectShape(*this, getIns()[1], "r", ArrayRef(shape).take_front(3))))
    return failure();
  ++shape[3];
  return expectShape(*this, getOuts()[0], "Y", shape);
}

LogicalResult ConvertOp::verify() {
  if (failed(expectCounts(*this, 1, 1)) || failed(expectTied(*this)) ||
      failed(expectShape(*this, getOuts()[0], "y", shapeOf(getIns()[0]))))
    return failure();
  Type from = getElementTypeOrSelf(getIns()[0].getType());
  Type to = getElementTypeOrSelf(getOuts()[0].getType());
  auto isStorage = [](Type type) { return type.isBF16() || type.isF16(); };
  if ((isStorage(from) && to.isF32()) || (from.isF32() && isStorage(to)) ||
      (from.isF32() && to.isF64()))
    return success();
  return emitOpError("expected bf16 or f16 on one side and f32 on the other, "
                     "or f32 to f64, but got ")
         << from << " and " << to;
}

LogicalResult LargestOp::verify() {
  size_t ins = std::clamp<size_t>(getIns().size(), 1, 3);
  if (failed(expectCounts(*this, ins, 1)) || failed(expectTied(*this)) ||
      failed(expectShape(*this, getOuts()[0], "r", {})))
    return failure();
  for (Value value : llvm::drop_begin(getOperands()))
    if (!getElementTypeOrSelf(value.getType()).isF64())
      return emitOpError("expected elements of f64 but for x, but got ")
             << value.getType();
  ArrayRef<int64_t> x = shapeOf(getIns()[0]);
  if (ins > 1 && failed(expectShape(*this, getIns()[1], "y", x)))
    return failure();
  if (ins < 3)
    return success();
  if (x.size() != 2 && x.size() != 4)
    return emitOpError("expected x of rank 2 or 4 with an allowance, but got ")
           << getIns()[0].getType();
  SmallVector<int64_t> rows = {1, 1, x[0]};
  if (x.size() == 4)
    rows.assign(x.begin(), x.end() - 1);
  return expectShape(*this, getIns()[2], "e", rows);
}

LogicalResult GuardOp::verify() {
  if (!isPositive(getLimit()) || !isPositive(getScale()))
    return emitOpError("expected limit and scale to be positive and finite, "
                       "but got ")
           << getLimitAttr() << " and " << getScaleAttr();
  if (failed(expectCounts(*this, getSupport() ? 1 : 0, 3)) ||
      failed(expectTied(*this)) ||
      failed(expectRank(*this, getOuts()[1], "q", 4)) ||
      failed(expectRank(*this, getOuts()[2], "k", 4)))
    return failure();
  ArrayRef<int64_t> q = shapeOf(getOuts()[1]), k = shapeOf(getOuts()[2]);
  if (k[1] == 0 || q[1] % k[1] != 0)
    return emitOpError("expected the heads of k to divide ")
           << q[1] << ", but got " << k[1];
  if (failed(expectShape(*this, getOuts()[2], "k", {q[0], k[1], q[2], q[3]})))
    return failure();
  if (getKept()) {
    if (getSupport())
      return emitOpError("expected kept without a support of W, but got both");
    if (isPerHead())
      return emitOpError("expected kept with one radius for all heads, but got "
                         "one for each key head");
    if (failed(expectKept(*this, *getKept(), q[3], std::nullopt)))
      return failure();
  }
  if (getSupport()) {
    auto entries = static_cast<int64_t>(getSupport()->size() / 2);
    if (failed(expectSupport(*this, *getSupport(), q[3])) ||
        failed(expectShape(*this, getIns()[0], "W", {2 * q[2] - 1, entries})))
      return failure();
  }
  if (isPerHead())
    return expectShape(*this, getOuts()[0], "radius", {k[0], k[1]});
  return expectShape(*this, getOuts()[0], "radius", {});
}

LogicalResult RequirePositiveOp::verify() {
  if (failed(expectCounts(*this, 0, 1)) || failed(expectTied(*this)))
    return failure();
  return expectRank(*this, getOuts()[0], "D", 3);
}

LogicalResult AccumulateOp::verify() {
  if (failed(expectCounts(*this, 2, 1)) || failed(expectTied(*this)))
    return failure();
  if (getCoefficients().empty())
    return emitOpError("expected at least one coefficient, but got none");
  return expectFeatures(*this, getIns()[0], getOuts()[0], getIns()[1],
                        getCoefficients().size() - 1, getKept());
}

LogicalResult ExpandOp::verify() {
  if (failed(expectCounts(*this, 2, 1)) || failed(expectTied(*this)))
    return failure();
  return expectFeatures(*this, getIns()[0], getIns()[1], getOuts()[0],
                        getDegree(), getKept());
}

LogicalResult ReverseOp::verify() {
  if (failed(expectCounts(*this, 3, 1)) || failed(expectTied(*this)) ||
      failed(expectFeatures(*this, getIns()[0], getIns()[1], getIns()[2],
                            getDegree(), getKept())))
    return failure();
  return expectShape(*this, getOuts()[0], "dx", shapeOf(getIns()[0]));
}

LogicalResult KroneckerFeaturesOp::verify() {
  if (failed(expectCounts(*this, 6, 1)) || failed(expectTied(*this)))
    return failure();
  for (Value value : getIns())
    if (failed(expectRank(*this, value, "every input", 4)))
      return failure();
  ArrayRef<int64_t> q = shapeOf(getIns()[0]), u = shapeOf(getIns()[2]),
                    a = shapeOf(getIns()[4]);
  if (q[0] != 1 || q[1] != 1)
    return emitOpError("expected one batch and one head, but got ")
           << getIns()[0].getType();
  if (isa<GeneralAttr>(getPosition()))
    return emitOpError("expected rotary or no position, but got general");
  if (getCoefficients().empty())
    return emitOpError("expected at least one coefficient, but got none");
  if (failed(expectSupport(*this, getSupport(), q[3])) ||
      failed(expectShape(*this, getIns()[1], "k", q)) ||
      failed(expectShape(*this, getIns()[2], "u", {1, 1, q[2], u[3]})) ||
      failed(expectShape(*this, getIns()[3], "v", {1, 1, q[2], u[3]})) ||
      failed(expectShape(*this, getIns()[4], "A1", {1, 1, q[2], a[3]})) ||
      failed(expectShape(*this, getIns()[5], "A2", {1, 1, q[2], a[3]})))
    return failure();
  int64_t s = getSupport().size() / 2;
  return expectShape(*this, getOuts()[0], "G", {a[3] * a[3], s});
}

LogicalResult PositionTableOp::verify() {
  if (failed(expectCounts(*this, 0, 1)) || failed(expectTied(*this)) ||
      failed(expectRank(*this, getOuts()[0], "W", 2)))
    return failure();
  if (isa<GeneralAttr>(getPosition()))
    return emitOpError("expected rotary or no position, but got general");
  if (failed(expectSupport(*this, getSupport(), getD())))
    return failure();
  ArrayRef<int64_t> w = shapeOf(getOuts()[0]);
  if (w[0] % 2 == 0)
    return emitOpError("expected 2n-1 rows, but got ") << w[0];
  return expectShape(*this, getOuts()[0], "W",
                     {w[0], static_cast<int64_t>(getSupport().size() / 2)});
}

/// X and another tall operand (B, H, n, w), a table (2n-1) or (H, 2n-1), all of
/// f32 or all of f64.
static LogicalResult verifyConvolution(DestinationStyleOpInterface op, Value x,
                                       Value other, StringRef otherName,
                                       Value table, StringRef tableName) {
  if (failed(expectTied(op)) || failed(expectRank(op, x, "X", 4)) ||
      failed(expectShape(op, other, otherName, shapeOf(x))))
    return failure();
  int64_t heads = shapeOf(x)[1], diagonals = 2 * shapeOf(x)[2] - 1;
  ArrayRef<int64_t> s = shapeOf(table);
  if (s != ArrayRef{diagonals} && s != ArrayRef{heads, diagonals})
    return op->emitOpError("expected ")
           << tableName << " to be (" << diagonals << ") or (" << heads << ", "
           << diagonals << "), but got " << table.getType();
  Type element = getElementTypeOrSelf(x.getType());
  for (Type type : op->getOperandTypes()) {
    Type got = getElementTypeOrSelf(type);
    if (got != element || (!got.isF32() && !got.isF64()))
      return op->emitOpError("expected all elements to be f32 or all f64, but "
                             "got ")
             << element << " and " << got;
  }
  return success();
}

LogicalResult ToeplitzApplyOp::verify() {
  if (failed(expectCounts(*this, 2, 1)))
    return failure();
  return verifyConvolution(*this, getIns()[0], getOuts()[0], "Y", getIns()[1],
                           "T");
}

LogicalResult ToeplitzCorrelateOp::verify() {
  if (failed(expectCounts(*this, 2, 1)))
    return failure();
  return verifyConvolution(*this, getIns()[1], getIns()[0], "U", getOuts()[0],
                           "D");
}

LogicalResult TilesOp::verify() {
  if (failed(expectTied(*this)))
    return failure();
  Block &body = getBody().front();
  if (TypeRange(body.getArgumentTypes()) != TypeRange(getIns().getTypes()))
    return emitOpError("expected one body argument per input, of its type");
  auto yield = body.empty() ? nullptr : dyn_cast<YieldOp>(body.back());
  if (!yield)
    return emitOpError("expected the body to end in ropegrad.yield");
  if (TypeRange(yield.getExits().getTypes()) != TypeRange(getOuts().getTypes()))
    return emitOpError("expected one yielded exit per output, of its type");
  for (Operation &op : body)
    if (!isa<TileOpInterface, YieldOp>(op) && !op.hasTrait<IsExit>())
      return emitOpError("expected level-2 ops in the body, but got ")
             << op.getName();
  for (Operation &op : body)
    for (Value operand : op.getOperands())
      if (operand.getParentBlock() != &body)
        return emitOpError("expected the body to read its arguments only, but "
                           "got an outer operand of ")
               << op.getName();
  for (Value exit : yield.getExits())
    if (!exit.getDefiningOp() || !exit.getDefiningOp()->hasTrait<IsExit>())
      return emitOpError("expected exits to be yielded");
  return success();
}
