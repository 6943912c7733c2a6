//===- ElementwiseRows.cpp - linalg ops over rows --------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Elementwise linalg ops and sums on buffers (B, H, n[, w]) to parallel loops,
// their scalar bodies on vectors.
//
//===----------------------------------------------------------------------===//

#include "passes/RowLowerings.h"

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

enum class Kind { Elementwise, RowSum, TotalSum };

/// A buffer of rows, or a value that all elements share.
struct Operand {
  BlockArgument argument;   ///< of the op's body
  std::optional<Tall> rows; ///< none where it is a value
  Value value;
  bool isFull; ///< indexed by all loops, not only by those of a row's own value
  bool isInput;
  Value at; ///< first element of the current unit or row
};

/// The loops over one op.
class RowsOp {
public:
  RowsOp(Emitter &e, linalg::LinalgOp op, Kind kind) : e(e), op(op) {
    if (kind != Kind::Elementwise)
      sum = op.getBlock()->getTerminator()->getOperand(0).getDefiningOp();
  }

  LogicalResult bind(const RowBuffers &buffers);
  void emitElementwise();
  void emitRowSum();
  void emitTotalSum();

private:
  LogicalResult bindOperand(OpOperand &operand);
  void forUnits(function_ref<void(const RowUnit &)> body);
  void forRow(Value row, function_ref<void()> body);
  bool isAdjacent();
  bool isColumn() { return op.getNumLoops() == 3; }
  Value elementAt(const Operand &operand, Value i);

  Value load(const Operand &operand, Value at, int64_t size);
  void store(Value value, const Operand &operand, Value at);
  SmallVector<Value> evaluate(Value at, int64_t size);
  void compute(Value at, int64_t size);
  Value sumOfRow();
  Value sumOfElements(Value count);
  Value sumOfRows(Value count);

  Emitter &e;
  linalg::LinalgOp op;
  Operation *sum = nullptr; ///< the last addition of a summand's body
  SmallVector<Operand> operands;
  RowSpace space;
  bool isLocal = false;
  int64_t width = 1;
};

} // namespace

/// Whether the body adds something to its output, and does nothing else with
/// it.
static bool addsToOutput(linalg::LinalgOp op) {
  BlockArgument out = op.getRegionOutputArgs()[0];
  auto sum = op.getBlock()
                 ->getTerminator()
                 ->getOperand(0)
                 .getDefiningOp<arith::AddFOp>();
  return sum && out.hasOneUse() && *out.user_begin() == sum;
}

/// What an op is, if this file lowers it: every operand is indexed by leading
/// loops, and the last loops may be summed over.
static std::optional<Kind> classify(linalg::LinalgOp op) {
  unsigned loops = op.getNumLoops(), sums = op.getNumReductionLoops();
  AffineMap all = AffineMap::getMultiDimIdentityMap(loops, op->getContext());
  for (OpOperand &operand : op->getOpOperands()) {
    AffineMap map = op.getMatchingIndexingMap(&operand);
    unsigned rank = map.getNumResults();
    bool isRow = rank == 3 && loops == 4;
    if (rank != 0 && map != all && !(isRow && map == all.getMajorSubMap(3)))
      return std::nullopt;
  }
  for (Operation &inner : op.getBlock()->without_terminator())
    if (!isa<arith::ConstantOp>(inner) &&
        !OpTrait::hasElementwiseMappableTraits(&inner))
      return std::nullopt;
  if (sums == 0)
    return Kind::Elementwise;
  if (op.getNumDpsInits() != 1 || !addsToOutput(op))
    return std::nullopt;
  auto out = cast<MemRefType>(op.getDpsInits()[0].getType());
  if (sums == 1 && loops == 4 && out.getRank() == 3)
    return Kind::RowSum;
  if (sums == loops && out.getRank() == 0)
    return Kind::TotalSum;
  return std::nullopt;
}

LogicalResult RowsOp::bindOperand(OpOperand &operand) {
  Operand bound;
  bound.argument = op.getMatchingBlockArgument(&operand);
  bound.isInput = op.isDpsInput(&operand);
  unsigned rank = op.getMatchingIndexingMap(&operand).getNumResults();
  bound.isFull = rank == op.getNumLoops();
  if (rank == 0) {
    bound.value = operand.get();
    if (isa<MemRefType>(bound.value.getType()))
      bound.value = e.flat(bound.value);
    if (bound.isInput && isa<MemRefType>(bound.value.getType()))
      bound.value = e.load(bound.value, e.index(0));
    operands.push_back(bound);
    return success();
  }
  Value tall = asTall(e, operand.get());
  FailureOr<Tall> rows = tallOf(e, op, tall);
  if (failed(rows))
    return failure();
  bound.rows = *rows;
  if (bound.isFull) {
    width = rows->width;
    space = rowSpace(e, op, tall);
  }
  operands.push_back(bound);
  return success();
}

LogicalResult RowsOp::bind(const RowBuffers &buffers) {
  for (OpOperand &operand : op->getOpOperands()) {
    if (failed(bindOperand(operand)))
      return failure();
  }
  isLocal = buffers.rowLoop(op).has_value();
  if (!isLocal) { // dimension 2 counts something that all calls share
    space.n = e.index(space.maxN);
    space.chunk = space.maxN;
  }
  return success();
}

void RowsOp::forUnits(function_ref<void(const RowUnit &)> body) {
  auto atUnit = [&](const RowUnit &unit) {
    for (Operand &operand : operands)
      if (operand.rows)
        operand.at = operand.rows->at(e, unit);
    body(unit);
  };
  forRows(e, space, atUnit, isLocal);
}

/// `body` with the operands at a row of the current unit.
void RowsOp::forRow(Value row, function_ref<void()> body) {
  SmallVector<Operand> atUnit = operands;
  for (Operand &operand : operands)
    if (operand.rows)
      operand.at = e.add(operand.at, e.mul(row, operand.rows->rowStride));
  body();
  operands = atUnit;
}

/// Whether the rows of a unit are one long row in every buffer.
bool RowsOp::isAdjacent() {
  return llvm::all_of(operands, [](const Operand &operand) {
    return !operand.rows ||
           (operand.isFull &&
            constantIndex(operand.rows->rowStride) == operand.rows->width);
  });
}

//===----------------------------------------------------------------------===//
// Bodies
//===----------------------------------------------------------------------===//

/// Where element i of a row is, or that of row i where rows have one element.
Value RowsOp::elementAt(const Operand &operand, Value i) {
  if (isColumn())
    i = e.mul(i, operand.rows->rowStride);
  return e.add(operand.at, i);
}

Value RowsOp::load(const Operand &operand, Value at, int64_t size) {
  Value buffer = operand.rows->buffer;
  Type element = cast<MemRefType>(buffer.getType()).getElementType();
  auto type = VectorType::get({size}, element);
  if (!operand.isFull)
    return vector::BroadcastOp::create(e.b, e.loc, type,
                                       e.load(buffer, operand.at));
  if (!isColumn() || constantIndex(operand.rows->rowStride) == 1)
    return e.load(buffer, elementAt(operand, at), size);
  SmallVector<Value> lanes;
  for (int64_t lane = 0; lane < size; ++lane)
    lanes.push_back(e.load(buffer, elementAt(operand, e.add(at, lane))));
  return vector::FromElementsOp::create(e.b, e.loc, type, lanes);
}

void RowsOp::store(Value value, const Operand &operand, Value at) {
  Value buffer = operand.rows->buffer;
  if (!isColumn() || constantIndex(operand.rows->rowStride) == 1)
    return e.store(value, buffer, elementAt(operand, at));
  int64_t size = cast<VectorType>(value.getType()).getNumElements();
  for (int64_t lane = 0; lane < size; ++lane)
    e.store(vector::ExtractOp::create(e.b, e.loc, value, lane), buffer,
            elementAt(operand, e.add(at, lane)));
}

/// The values that the body yields for elements [at, at + size), or what it
/// adds to its output, as vectors.
SmallVector<Value> RowsOp::evaluate(Value at, int64_t size) {
  IRMapping map;
  auto vectorOf = [&](Value value) -> Value {
    value = map.lookupOrDefault(value);
    if (isa<VectorType>(value.getType()))
      return value;
    return vector::BroadcastOp::create(
        e.b, e.loc, VectorType::get({size}, value.getType()), value);
  };
  for (const Operand &operand : operands)
    if (operand.rows && !operand.argument.use_empty() &&
        (operand.isInput || !sum))
      map.map(operand.argument, load(operand, at, size));
    else if (operand.value && operand.isInput)
      map.map(operand.argument, operand.value);
  for (Operation &inner : op.getBlock()->without_terminator()) {
    if (&inner == sum)
      continue;
    for (Value value : inner.getOperands())
      map.map(value, vectorOf(value));
    Operation *copy = e.b.clone(inner, map);
    if (inner.getNumOperands() > 0)
      for (Value result : copy->getResults())
        result.setType(VectorType::get({size}, result.getType()));
  }
  SmallVector<Value> results;
  if (sum) {
    bool first = sum->getOperand(0) == op.getRegionOutputArgs()[0];
    return {vectorOf(sum->getOperand(first ? 1 : 0))};
  }
  for (Value value : op.getBlock()->getTerminator()->getOperands())
    results.push_back(vectorOf(value));
  return results;
}

/// One piece of every output.
void RowsOp::compute(Value at, int64_t size) {
  SmallVector<Value> results = evaluate(at, size);
  auto outputs = ArrayRef(operands).take_back(op.getNumDpsInits());
  for (auto [operand, value] : llvm::zip_equal(outputs, results))
    store(value, operand, at);
}

void RowsOp::emitElementwise() {
  forUnits([&](const RowUnit &unit) {
    auto piece = [&](Value at, int64_t size) { compute(at, size); };
    if (isColumn() || isAdjacent())
      forElements(e, e.mul(unit.count, isColumn() ? 1 : width), e.lanes, piece);
    else
      e.loop(e.index(0), unit.count, 1, [&](Value row) {
        forRow(row, [&] { forPieces(e, width, e.lanes, piece); });
      });
  });
}

//===----------------------------------------------------------------------===//
// Sums
//===----------------------------------------------------------------------===//

/// What the body adds for the elements of one row, summed up.
Value RowsOp::sumOfRow() {
  int64_t whole = width / e.lanes * e.lanes;
  Value total;
  auto add = [&](Value term) { total = total ? e.addf(total, term) : term; };
  if (whole > 0) {
    Value first = evaluate(e.index(0), e.lanes).front();
    Value lanes =
        e.loop(e.index(e.lanes), e.index(whole), e.lanes, first,
               [&](Value at, ValueRange state) -> SmallVector<Value> {
                 return {e.addf(state[0], evaluate(at, e.lanes).front())};
               })
            .front();
    add(e.reduceAdd(lanes));
  }
  for (auto [at, size] : vectorPieces(width - whole, e.lanes))
    add(e.reduceAdd(evaluate(e.index(whole + at), size).front()));
  return total;
}

void RowsOp::emitRowSum() {
  forUnits([&](const RowUnit &unit) {
    e.loop(e.index(0), unit.count, 1, [&](Value row) {
      forRow(row, [&] {
        const Operand &out = operands.back();
        Value old = e.load(out.rows->buffer, out.at);
        e.store(e.addf(old, sumOfRow()), out.rows->buffer, out.at);
      });
    });
  });
}

/// The same over all elements of a unit: rows next to one another.
Value RowsOp::sumOfElements(Value count) {
  Value length = e.mul(count, width);
  Value whole = e.sub(length, e.rem(length, e.index(e.lanes)));
  auto sumOver = [&](Value from, Value to, int64_t size) {
    auto type = VectorType::get({size}, sum->getResult(0).getType());
    Value zero = arith::ConstantOp::create(e.b, e.loc, e.b.getZeroAttr(type));
    Value lanes =
        e.loop(from, to, size, zero,
               [&](Value at, ValueRange state) -> SmallVector<Value> {
                 return {e.addf(state[0], evaluate(at, size).front())};
               })
            .front();
    return e.reduceAdd(lanes);
  };
  return e.addf(sumOver(e.index(0), whole, e.lanes), sumOver(whole, length, 1));
}

/// The same, row by row.
Value RowsOp::sumOfRows(Value count) {
  Type type = sum->getResult(0).getType();
  Value zero = arith::ConstantOp::create(e.b, e.loc, e.b.getZeroAttr(type));
  return e
      .loop(e.index(0), count, 1, zero,
            [&](Value row, ValueRange state) -> SmallVector<Value> {
              Value total;
              forRow(row, [&] { total = e.addf(state[0], sumOfRow()); });
              return {total};
            })
      .front();
}

void RowsOp::emitTotalSum() {
  auto type = cast<FloatType>(sum->getResult(0).getType());
  Value out = operands.back().value;
  Emitter wide(e.b, e.loc, type, e.lanes * e.element.getWidth());
  Value partials = wide.scratch(space.maxUnits());
  forUnits([&](const RowUnit &unit) {
    Value part =
        isAdjacent() ? sumOfElements(unit.count) : sumOfRows(unit.count);
    e.store(part, partials, unit.index);
  });
  Value zero = e.index(0);
  Value total = e.loop(zero, unitsOf(e, space), 1, e.load(out, zero),
                       [&](Value unit, ValueRange state) -> SmallVector<Value> {
                         return {e.addf(state[0], e.load(partials, unit))};
                       })
                    .front();
  e.store(total, out, zero);
}

bool mlir::ropegrad::isElementwiseOfRows(linalg::LinalgOp op,
                                         const RowBuffers &buffers) {
  if (isa<linalg::MatmulOp>(op.getOperation()))
    return false;
  return buffers.rowLoop(op) ||
         (op.getNumLoops() >= 3 && op.getNumLoops() <= 4 && classify(op));
}

LogicalResult mlir::ropegrad::lowerElementwise(Emitter &e, linalg::LinalgOp op,
                                               const RowBuffers &buffers) {
  std::optional<Kind> kind = classify(op);
  if (!kind)
    return op.emitOpError("expected an elementwise op over rows, or a sum over "
                          "their elements or over everything, but got another");
  RowsOp rows(e, op, *kind);
  if (failed(rows.bind(buffers)))
    return failure();
  if (*kind == Kind::Elementwise)
    rows.emitElementwise();
  else if (*kind == Kind::RowSum)
    rows.emitRowSum();
  else
    rows.emitTotalSum();
  return success();
}
