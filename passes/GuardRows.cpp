//===- GuardRows.cpp - Lowering of guard -----------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The logit radius by row norms, what row sums must satisfy, and the status
// that functions return.
//
//===----------------------------------------------------------------------===//

#include "passes/GuardCoordinates.h"
#include "passes/GuardPosition.h"

#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"

#include <cmath>

using namespace mlir;
using namespace mlir::ropegrad;

static void returnStatus(OpBuilder &b, Location loc, int64_t status) {
  Value value = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(status));
  func::ReturnOp::create(b, loc, value);
}

static bool hasStatus(func::FuncOp function) {
  return function.isPublic() && !function.isExternal() &&
         function.getNumResults() == 0;
}

LogicalResult mlir::ropegrad::addStatus(ModuleOp module) {
  WalkResult calls = module.walk([&](func::CallOp call) {
    auto callee = module.lookupSymbol<func::FuncOp>(call.getCallee());
    if (!callee || !hasStatus(callee))
      return WalkResult::advance();
    call.emitOpError("expected no call of a public function, whose status "
                     "would be lost, but got @")
        << call.getCallee();
    return WalkResult::interrupt();
  });
  if (calls.wasInterrupted())
    return failure();
  for (auto function : module.getOps<func::FuncOp>()) {
    if (!hasStatus(function))
      continue;
    OpBuilder b(function.getContext());
    function.setFunctionType(
        b.getFunctionType(function.getArgumentTypes(), {b.getI32Type()}));
    for (auto old :
         llvm::make_early_inc_range(function.getOps<func::ReturnOp>())) {
      b.setInsertionPoint(old);
      returnStatus(b, old.getLoc(), 0);
      old.erase();
    }
  }
  return success();
}

static Value constant(Emitter &e, double value) {
  return arith::ConstantOp::create(e.b, e.loc, e.b.getF64FloatAttr(value));
}

/// ‖x‖² of the d elements from `at` on, in double.
static Value squaredNorm(Emitter &e, Value buffer, Value at, int64_t d) {
  int64_t lanes = e.lanes * e.element.getWidth() / 64;
  int64_t whole = d / lanes * lanes;
  Value sum;
  if (whole) {
    auto type = VectorType::get({lanes}, e.b.getF64Type());
    Value zero = arith::ConstantOp::create(e.b, e.loc, e.b.getZeroAttr(type));
    Value squares =
        e.loop(e.index(0), e.index(whole), lanes, zero,
               [&](Value k, ValueRange state) -> SmallVector<Value> {
                 Value x = e.toDouble(e.load(buffer, e.add(at, k), lanes));
                 return {e.fma(x, x, state[0])};
               })
            .front();
    sum = e.reduceAdd(squares);
  }
  for (auto [k, width] : vectorPieces(d - whole, lanes)) {
    Value x = e.toDouble(e.load(buffer, e.add(at, whole + k), width));
    Value squares = e.reduceAdd(e.mulf(x, x));
    sum = sum ? e.addf(sum, squares) : squares;
  }
  return sum;
}

/// One vector of the sums of `d` neighbours, a power of two, in `d` vectors of
/// whole rows: a tree that halves the number of vectors and of lanes to a row.
static Value sumWithinRows(Emitter &e, SmallVector<Value> squares) {
  int64_t lanes = cast<VectorType>(squares[0].getType()).getNumElements();
  auto every = [&](Value x, Value y, int64_t first) -> Value {
    SmallVector<int64_t> mask;
    for (int64_t lane = 0; lane < lanes; ++lane)
      mask.push_back(first + 2 * lane);
    return vector::ShuffleOp::create(e.b, e.loc, x, y, mask);
  };
  while (squares.size() > 1) {
    SmallVector<Value> sums;
    for (size_t i = 0; i < squares.size(); i += 2) {
      Value x = squares[i], y = squares[i + 1];
      sums.push_back(e.addf(every(x, y, 0), every(x, y, 1)));
    }
    squares.swap(sums);
  }
  return squares[0];
}

/// max ‖x_i‖² over the short rows of which d whole vectors, and so `size`
/// contiguous elements, consist.
static Value maxOfShortRows(Emitter &e, Value buffer, Value at, Value size,
                            int64_t lanes, int64_t d) {
  auto type = VectorType::get({lanes}, e.b.getF64Type());
  Value zero = arith::ConstantOp::create(e.b, e.loc, e.b.getZeroAttr(type));
  Value largest =
      e.loop(e.index(0), size, lanes * d, zero,
             [&](Value k, ValueRange state) -> SmallVector<Value> {
               SmallVector<Value> squares;
               for (int64_t i = 0; i < d; ++i) {
                 Value from = e.add(e.add(at, k), i * lanes);
                 Value x = e.toDouble(e.load(buffer, from, lanes));
                 squares.push_back(e.mulf(x, x));
               }
               return {e.maximum(state[0], sumWithinRows(e, squares))};
             })
          .front();
  return vector::ReductionOp::create(e.b, e.loc,
                                     vector::CombiningKind::MAXIMUMF, largest);
}

/// (x, at, stride, count, norms, i): norms[i] = max ‖x_r‖² over `count` rows of
/// d elements from `at` on, in double.
static func::FuncOp maxNormKernel(Emitter &e, Operation *anchor, int64_t d) {
  Type index = e.b.getIndexType();
  auto norms = MemRefType::get({ShapedType::kDynamic}, e.b.getF64Type());
  std::string name =
      ("max_norm_" + Twine(d) + "_f" + Twine(e.element.getWidth())).str();
  return e.kernel(
      anchor, name, {e.bufferType(), index, index, index, norms, index},
      [&](Emitter &e, ValueRange a) {
        Value x = a[0], at = a[1], stride = a[2], count = a[3];
        int64_t lanes = e.lanes * e.element.getWidth() / 64;
        Value largest = constant(e, 0), done = e.index(0);
        if (lanes % d == 0) {
          Value adjacent = arith::CmpIOp::create(
              e.b, e.loc, arith::CmpIPredicate::eq, stride, e.index(d));
          Value whole = e.sub(count, e.rem(count, e.index(lanes)));
          done =
              arith::SelectOp::create(e.b, e.loc, adjacent, whole, e.index(0));
          largest = maxOfShortRows(e, x, at, e.mul(done, d), lanes, d);
        }
        largest =
            e.loop(done, count, 1, largest,
                   [&](Value row, ValueRange state) -> SmallVector<Value> {
                     Value start = e.add(at, e.mul(row, stride));
                     return {e.maximum(state[0], squaredNorm(e, x, start, d))};
                   })
                .front();
        e.store(largest, a[4], a[5]);
      });
}

namespace {
/// The largest squared norm of each unit of rows.
struct UnitNorms {
  RowSpace space;
  Value norms;
};
} // namespace

static FailureOr<UnitNorms> unitNorms(Emitter &e, Operation *op, Value tall) {
  FailureOr<Tall> rows = tallOf(e, op, tall);
  if (failed(rows))
    return failure();
  RowSpace space = rowSpace(e, op, tall);
  Emitter wide(e.b, e.loc, e.b.getF64Type(), /*vectorBits=*/512);
  Value norms = wide.scratch(space.maxUnits());
  func::FuncOp kernel = maxNormKernel(e, op, rows->width);
  forRows(e, space, [&](const RowUnit &unit) {
    e.call(kernel, {rows->buffer, rows->at(e, unit), rows->rowStride,
                    unit.count, norms, unit.index});
  });
  return UnitNorms{space, norms};
}

/// max ‖x_i‖ over the rows of `count` units from `first` on.
static Value maxNorm(Emitter &e, Value norms, Value first, Value count) {
  Value largest =
      e.loop(first, e.add(first, count), 1, constant(e, 0),
             [&](Value unit, ValueRange state) -> SmallVector<Value> {
               return {e.maximum(state[0], e.load(norms, unit))};
             })
          .front();
  // Squares of doubles may underflow; those of singles cannot.
  if (e.element.isF64())
    largest = e.addf(largest, constant(e, 0x1p-1022));
  return math::SqrtOp::create(e.b, e.loc, largest);
}

/// Stores `radius` rounded up by more than all rounding errors together.
static void storeRadius(Emitter &e, Value radius, Value into,
                        ValueRange at = {}) {
  auto type =
      cast<FloatType>(cast<MemRefType>(into.getType()).getElementType());
  bool isDouble = type.isF64();
  Value positive = arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OGT,
                                         radius, constant(e, 0));
  Value least = arith::SelectOp::create(
      e.b, e.loc, positive, constant(e, isDouble ? 0x1p-1074 : 0x1p-149),
      constant(e, 0));
  Value outward =
      e.fma(radius, constant(e, 1 + (isDouble ? 0x1p-36 : 0x1p-20)), least);
  if (!isDouble)
    outward = arith::TruncFOp::create(e.b, e.loc, type, outward);
  memref::StoreOp::create(e.b, e.loc, outward, into, at);
}

void mlir::ropegrad::returnUnless(Emitter &e, Operation *op, Value condition,
                                  int64_t status) {
  Block *here = op->getBlock();
  Block *next = here->splitBlock(op);
  auto *otherwise = new Block;
  here->getParent()->push_back(otherwise);
  e.b.setInsertionPointToEnd(here);
  cf::CondBranchOp::create(e.b, e.loc, condition, next, otherwise);
  e.b.setInsertionPointToEnd(otherwise);
  returnStatus(e.b, e.loc, status);
  e.b.setInsertionPointToStart(next);
}

LogicalResult mlir::ropegrad::expectStatus(Operation *op) {
  auto function = cast<func::FuncOp>(op->getParentOp());
  if (function.isPrivate() || function.getNumResults() != 1 ||
      !function.getResultTypes()[0].isInteger(32))
    return op->emitOpError("expected a public function without results, but "
                           "got @")
           << function.getName();
  return success();
}

/// Whether none of the elements is zero or less: what is nan comes from inputs
/// or logits that are not finite, and shows in the outputs (FiniteRows.cpp).
static Value allPositive(Emitter &e, Value buffer, Value at, Value stride,
                         Value count) {
  Value yes = arith::ConstantOp::create(e.b, e.loc, e.b.getBoolAttr(true));
  return e
      .loop(e.index(0), count, 1, yes,
            [&](Value i, ValueRange state) -> SmallVector<Value> {
              Value x = e.load(buffer, e.add(at, e.mul(i, stride)));
              Value positive = arith::CmpFOp::create(
                  e.b, e.loc, arith::CmpFPredicate::UGT, x, e.scalar(0.0));
              return {arith::AndIOp::create(e.b, e.loc, state[0], positive)};
            })
      .front();
}

LogicalResult mlir::ropegrad::lowerRequirePositive(Emitter &e,
                                                   RequirePositiveOp op) {
  if (failed(expectStatus(op)))
    return failure();
  FailureOr<Tall> rows = tallOf(e, op, op.getOuts()[0]);
  if (failed(rows))
    return failure();
  RowSpace space = rowSpace(e, op, op.getOuts()[0]);
  Value passed = e.scratch(space.maxUnits());
  forRows(e, space, [&](const RowUnit &unit) {
    Value positive = allPositive(e, rows->buffer, rows->at(e, unit),
                                 rows->rowStride, unit.count);
    Value mark = arith::SelectOp::create(e.b, e.loc, positive, e.scalar(1.0),
                                         e.scalar(0.0));
    e.store(mark, passed, unit.index);
  });
  Value positive =
      allPositive(e, passed, e.index(0), e.index(1), unitsOf(e, space));
  returnUnless(e, op, positive, /*status=*/5);
  return success();
}

LogicalResult mlir::ropegrad::lowerGuard(Emitter &e, GuardOp op) {
  if (failed(expectStatus(op)))
    return failure();
  FailureOr<UnitNorms> q = unitNorms(e, op, op.getOuts()[1]);
  FailureOr<UnitNorms> k = unitNorms(e, op, op.getOuts()[2]);
  if (failed(q) || failed(k))
    return failure();
  // The query heads of one key head lie next to one another.
  Value chunks = k->space.chunks(e);
  Value heads = e.mul(k->space.batch, k->space.heads);
  Value group = e.mul(chunks, q->space.heads / k->space.heads);
  std::optional<PositionBound> position;
  if (op.getSupport()) {
    position.emplace(e, op, q->space, k->space);
    position->measure();
  }
  std::optional<CoordinateLimits> coordinates;
  if (op.getKept()) {
    coordinates.emplace(e, op, q->space, k->space);
    coordinates->measure();
  }
  auto boundOf = [&](Value head) {
    Value queries = maxNorm(e, q->norms, e.mul(head, group), group);
    Value keys = maxNorm(e, k->norms, e.mul(head, chunks), chunks);
    Value bound = e.mulf(queries, keys);
    return position ? position->of(head, bound) : bound;
  };
  Value scale = constant(e, std::abs(op.getScale().convertToDouble()));
  if (op.isPerHead()) {
    e.loop(e.index(0), heads, 1, [&](Value head) {
      int64_t each = k->space.heads;
      storeRadius(e, e.mulf(boundOf(head), scale), op.getOuts()[0],
                  {e.div(head, each), e.rem(head, e.index(each))});
    });
    return success();
  }
  SmallVector<Value> zeros(coordinates ? 2 : 1, constant(e, 0));
  SmallVector<Value> found = e.loop(
      e.index(0), heads, 1, zeros,
      [&](Value head, ValueRange state) -> SmallVector<Value> {
        Value bound = boundOf(head);
        if (!coordinates)
          return {e.maximum(state[0], bound)};
        CoordinateLimits::Found each = coordinates->of(head);
        bound = arith::MinimumFOp::create(e.b, e.loc, bound, each.sum);
        return {e.maximum(state[0], bound), e.maximum(state[1], each.share)};
      });
  Value radius = e.mulf(found[0], scale);
  storeRadius(e, radius, op.getOuts()[0]);
  // An ordered comparison: nan does not pass.
  Value within =
      arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OLE, radius,
                            constant(e, op.getLimit().convertToDouble()));
  returnUnless(e, op, within, /*status=*/1);
  if (!coordinates)
    return success();
  Value withinLimits = arith::CmpFOp::create(
      e.b, e.loc, arith::CmpFPredicate::OLE, found[1], constant(e, 1));
  returnUnless(e, op, withinLimits, /*status=*/10);
  return success();
}
