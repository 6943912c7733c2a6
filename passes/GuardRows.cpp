//===- GuardRows.cpp - Lowering of guard -----------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The logit radius by row norms, and the status that functions return.
//
//===----------------------------------------------------------------------===//

#include "passes/RowLowerings.h"

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

static Value extend(Emitter &e, Value value) {
  if (e.element.isF64())
    return value;
  Type type = e.b.getF64Type();
  if (auto vector = dyn_cast<VectorType>(value.getType()))
    type = vector.clone(type);
  return arith::ExtFOp::create(e.b, e.loc, type, value);
}

static Value constant(Emitter &e, double value) {
  return arith::ConstantOp::create(e.b, e.loc, e.b.getF64FloatAttr(value));
}

/// The larger of two; nan where either is nan.
static Value maximum(Emitter &e, Value x, Value y) {
  return arith::MaximumFOp::create(e.b, e.loc, x, y);
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
                 Value x = extend(e, e.load(buffer, e.add(at, k), lanes));
                 return {e.fma(x, x, state[0])};
               })
            .front();
    sum = e.reduceAdd(squares);
  }
  for (auto [k, width] : vectorPieces(d - whole, lanes)) {
    Value x = extend(e, e.load(buffer, e.add(at, whole + k), width));
    Value squares = e.reduceAdd(e.mulf(x, x));
    sum = sum ? e.addf(sum, squares) : squares;
  }
  return sum;
}

/// Of each row's d lanes in a vector of whole rows of squares, the sum in all
/// of them; d is a power of two.
static Value sumWithinRows(Emitter &e, Value squares, int64_t d) {
  int64_t lanes = cast<VectorType>(squares.getType()).getNumElements();
  for (int64_t distance = 1; distance < d; distance *= 2) {
    SmallVector<int64_t> partner;
    for (int64_t lane = 0; lane < lanes; ++lane)
      partner.push_back(lane ^ distance);
    squares = e.addf(squares, vector::ShuffleOp::create(e.b, e.loc, squares,
                                                        squares, partner));
  }
  return squares;
}

/// max ‖x_i‖² over the short rows of which whole vectors consist.
static Value maxOfShortRows(Emitter &e, Value buffer, Value at, int64_t size,
                            int64_t lanes, int64_t d) {
  auto type = VectorType::get({lanes}, e.b.getF64Type());
  Value zero = arith::ConstantOp::create(e.b, e.loc, e.b.getZeroAttr(type));
  Value largest = e.loop(e.index(0), e.index(size), lanes, zero,
                         [&](Value k, ValueRange state) -> SmallVector<Value> {
                           Value x =
                               extend(e, e.load(buffer, e.add(at, k), lanes));
                           Value squares = sumWithinRows(e, e.mulf(x, x), d);
                           return {maximum(e, state[0], squares)};
                         })
                      .front();
  return vector::ReductionOp::create(e.b, e.loc,
                                     vector::CombiningKind::MAXIMUMF, largest);
}

/// max ‖x_i‖ over `rows` rows of d elements from `at` on, in double.
static Value maxNorm(Emitter &e, Value buffer, Value at, int64_t rows,
                     int64_t d) {
  int64_t lanes = e.lanes * e.element.getWidth() / 64;
  Value largest = constant(e, 0);
  int64_t done = 0;
  if (lanes % d == 0 && rows * d >= lanes) {
    int64_t size = rows * d / lanes * lanes;
    largest = maxOfShortRows(e, buffer, at, size, lanes, d);
    done = size / d;
  }
  if (done < rows)
    largest = e.loop(e.index(done), e.index(rows), 1, largest,
                     [&](Value row, ValueRange state) -> SmallVector<Value> {
                       Value start = e.add(at, e.mul(row, d));
                       Value norm = squaredNorm(e, buffer, start, d);
                       return {maximum(e, state[0], norm)};
                     })
                  .front();
  // Squares of doubles may underflow; those of singles cannot.
  if (e.element.isF64())
    largest = e.addf(largest, constant(e, 0x1p-1022));
  return math::SqrtOp::create(e.b, e.loc, largest);
}

/// Stores `radius` rounded up by more than all rounding errors together.
static void storeRadius(Emitter &e, Value radius, Value into) {
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
  memref::StoreOp::create(e.b, e.loc, outward, into);
}

/// Goes on in a new block if `within`, and returns `status` otherwise.
static void branch(Emitter &e, Operation *op, Value within, int64_t status) {
  Block *here = op->getBlock();
  Block *next = here->splitBlock(op);
  auto *exceeded = new Block;
  here->getParent()->push_back(exceeded);
  e.b.setInsertionPointToEnd(here);
  cf::CondBranchOp::create(e.b, e.loc, within, next, exceeded);
  e.b.setInsertionPointToEnd(exceeded);
  returnStatus(e.b, e.loc, status);
  e.b.setInsertionPointToStart(next);
}

/// A guard ends its function early, which must have a status to return.
static LogicalResult expectStatus(Operation *op) {
  auto function = cast<func::FuncOp>(op->getParentOp());
  if (function.isPrivate() || function.getNumResults() != 1 ||
      !function.getResultTypes()[0].isInteger(32))
    return op->emitOpError("expected a public function without results, but "
                           "got @")
           << function.getName();
  return success();
}

LogicalResult mlir::ropegrad::lowerRequirePositive(Emitter &e,
                                                   RequirePositiveOp op) {
  if (failed(expectStatus(op)))
    return failure();
  auto type = cast<MemRefType>(op.getOuts()[0].getType());
  Value rows = e.flat(op.getOuts()[0]);
  Value yes = arith::ConstantOp::create(e.b, e.loc, e.b.getBoolAttr(true));
  Value positive =
      e.loop(e.index(0), e.index(type.getNumElements()), 1, yes,
             [&](Value at, ValueRange state) -> SmallVector<Value> {
               // An ordered comparison: nan is not positive.
               Value greater =
                   arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OGT,
                                         e.load(rows, at), e.scalar(0.0));
               return {arith::AndIOp::create(e.b, e.loc, state[0], greater)};
             })
          .front();
  branch(e, op, positive, /*status=*/5);
  return success();
}

LogicalResult mlir::ropegrad::lowerGuard(Emitter &e, GuardOp op) {
  if (failed(expectStatus(op)))
    return failure();
  Value q = e.flat(op.getOuts()[1]), k = e.flat(op.getOuts()[2]);
  auto shape = cast<MemRefType>(op.getOuts()[2].getType()).getShape();
  int64_t heads = cast<MemRefType>(op.getOuts()[1].getType()).getShape()[1];
  // The query heads of one key head lie next to one another.
  int64_t n = shape[2], d = shape[3], group = heads / shape[1];
  Value largest =
      e.loop(e.index(0), e.index(shape[0] * shape[1]), 1, constant(e, 0),
             [&](Value head, ValueRange state) -> SmallVector<Value> {
               Value at = e.mul(head, n * d);
               Value queries = maxNorm(e, q, e.mul(at, group), group * n, d);
               Value keys = maxNorm(e, k, at, n, d);
               return {maximum(e, state[0], e.mulf(queries, keys))};
             })
          .front();
  double scale = std::abs(op.getScale().convertToDouble());
  Value radius = e.mulf(largest, constant(e, scale));
  storeRadius(e, radius, op.getOuts()[0]);
  // An ordered comparison: nan does not pass.
  Value within =
      arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OLE, radius,
                            constant(e, op.getLimit().convertToDouble()));
  branch(e, op, within, /*status=*/1);
  return success();
}
