//===- LowerFeatures.cpp - Feature products to kernels ---------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The pass ropegrad-lower-features: accumulate, expand and reverse, the same
// over chunks, and kronecker_features on buffers to scf, vector and memref.
//
//===----------------------------------------------------------------------===//

#include "passes/Chunks.h"

#include "passes/Monomials.h"

#include "llvm/ADT/TypeSwitch.h"

namespace mlir::ropegrad {
#define GEN_PASS_DEF_LOWERFEATURES
#include "passes/Passes.h.inc"
} // namespace mlir::ropegrad

using namespace mlir;
using namespace mlir::ropegrad;
using ::ropegrad::Monomials;

namespace {

ArrayRef<int64_t> shapeOf(Value value) {
  return cast<ShapedType>(value.getType()).getShape();
}

/// All operands are buffers of one type that we have kernels for.
LogicalResult checkOperands(Operation *op) {
  for (Value operand : op->getOperands()) {
    auto type = dyn_cast<MemRefType>(operand.getType());
    if (!type)
      return op->emitOpError("expected buffers, but got ") << operand.getType();
    // Columns of G: the first ones of the forward pass' G+ are those of dV.
    bool isG = isa<ExpandOp, ChunkExpandOp>(op) && operand == op->getOperand(1);
    if (!type.getLayout().isIdentity() && !isG)
      return op->emitOpError("expected an identity layout, but got ") << type;
    Type element = type.getElementType();
    if (!element.isF32() && !element.isF64())
      return op->emitOpError("expected elements f32 or f64, but got ")
             << element;
    auto first = cast<MemRefType>(op->getOperand(0).getType());
    if (element != first.getElementType())
      return op->emitOpError("expected one element type, but got ")
             << first.getElementType() << " and " << element;
  }
  return success();
}

SmallVector<Value> flatten(Emitter &e, ValueRange values) {
  SmallVector<Value> result;
  for (Value value : values)
    result.push_back(e.flat(value));
  return result;
}

std::vector<double> weightsOf(int64_t d, ArrayRef<double> coefficients,
                              double scale) {
  return Monomials(d, coefficients.size() - 1)
      .weights({coefficients.begin(), coefficients.end()}, scale);
}

/// The same of the monomials of an op.
std::vector<double> weightsOf(const FeatureShape &shape,
                              ArrayRef<double> coefficients, double scale) {
  if (!shape.kept)
    return weightsOf(shape.d, coefficients, scale);
  const ::ropegrad::KeptTable &table = shape.kept->table;
  std::vector<double> weights;
  double power = 1.0;
  for (auto [k, coefficient] : llvm::enumerate(coefficients)) {
    for (int64_t i = table.offsets[k]; i < table.offsets[k + 1]; ++i)
      weights.push_back(coefficient * power * table.monomials[i].multinomial);
    power *= scale;
  }
  return weights;
}

/// x (B, H, n, d) against G (B, H', M, w).
FeatureShape shapeAgainst(Value x, Value g, int64_t degree,
                          std::optional<KeptAttr> kept) {
  ArrayRef<int64_t> s = shapeOf(x), t = shapeOf(g);
  return {s[0], s[1], t[1], s[2], s[3], t[3], degree, keptFeatures(kept)};
}

/// The rows of all `values`, or nothing after an error.
FailureOr<SmallVector<Tall>> tallsOf(Emitter &e, Operation *op,
                                     ValueRange values) {
  SmallVector<Tall> talls;
  for (Value value : values) {
    FailureOr<Tall> tall = tallOf(e, op, value);
    if (failed(tall))
      return failure();
    talls.push_back(*tall);
  }
  return talls;
}

LogicalResult lower(AccumulateOp op, Emitter &e) {
  Value x = op.getIns()[0], g = op.getOuts()[0];
  ArrayRef<double> c = op.getCoefficients();
  FeatureShape shape = shapeAgainst(x, g, c.size() - 1, op.getKept());
  auto talls = tallsOf(e, op, {x, op.getIns()[1]});
  if (failed(talls))
    return failure();
  emitAccumulate(e, op, shape, rowSpace(e, op, x),
                 weightsOf(shape, c, op.getScale().convertToDouble()),
                 (*talls)[0], (*talls)[1], e.flat(g));
  return success();
}

LogicalResult lower(ExpandOp op, Emitter &e) {
  Value x = op.getIns()[0], g = op.getIns()[1];
  auto talls = tallsOf(e, op, {x, g, op.getOuts()[0]});
  if (failed(talls))
    return failure();
  emitExpand(e, op, shapeAgainst(x, g, op.getDegree(), op.getKept()),
             rowSpace(e, op, x), (*talls)[0], (*talls)[1], (*talls)[2]);
  return success();
}

LogicalResult lower(ReverseOp op, Emitter &e) {
  Value x = op.getIns()[0], g = op.getIns()[1];
  auto talls = tallsOf(e, op, {x, op.getIns()[2], op.getOuts()[0]});
  if (failed(talls))
    return failure();
  emitReverse(e, op, shapeAgainst(x, g, op.getDegree(), op.getKept()),
              rowSpace(e, op, x), (*talls)[0], e.flat(g), (*talls)[1],
              (*talls)[2]);
  return success();
}

/// Tall (B, H, n, w) and x of width d with states (B, Hs, chunks, M, w).
ChunkShape chunkShape(Value x, Value tall, Value states, int64_t degree,
                      int64_t chunk) {
  ArrayRef<int64_t> s = shapeOf(tall), t = shapeOf(states);
  return {{s[0], s[1], t[1], s[2], shapeOf(x)[3], s[3], degree}, chunk};
}

LogicalResult lower(ChunkStatesOp op, Emitter &e) {
  Value x = op.getIns()[0], v = op.getIns()[1];
  ArrayRef<double> c = op.getCoefficients();
  int64_t chunk = static_cast<int64_t>(op.getChunk());
  auto talls = tallsOf(e, op, {x, v});
  FailureOr<ChunkStates> states = chunkStatesOf(e, op, op.getOuts()[0]);
  FailureOr<RowSpace> space = chunkSpace(e, op, v, chunk);
  if (failed(talls) || failed(states) || failed(space))
    return failure();
  space->heads = states->heads;
  ChunkShape shape = chunkShape(x, v, op.getOuts()[0], c.size() - 1, chunk);
  ChunkSums sums{
      weightsOf(shape.features.d, c, op.getScale().convertToDouble()),
      {},
      static_cast<int64_t>(op.getReach().value_or(0)),
      op.getReversed()};
  if (auto slopes = op.getSlopes())
    sums.slopes.assign(slopes->begin(), slopes->end());
  emitChunkStates(e, op, shape, *space, sums, (*talls)[0], (*talls)[1],
                  *states);
  return success();
}

LogicalResult lower(ChunkExpandOp op, Emitter &e) {
  Value x = op.getIns()[0], out = op.getOuts()[0];
  int64_t chunk = static_cast<int64_t>(op.getChunk());
  auto talls = tallsOf(e, op, {x, out});
  FailureOr<ChunkStates> states = chunkStatesOf(e, op, op.getIns()[1]);
  FailureOr<RowSpace> space = chunkSpace(e, op, out, chunk);
  if (failed(talls) || failed(states) || failed(space))
    return failure();
  emitChunkExpand(e, op,
                  chunkShape(x, out, op.getIns()[1], op.getDegree(), chunk),
                  *space, (*talls)[0], *states, (*talls)[1]);
  return success();
}

LogicalResult lower(ChunkReverseOp op, Emitter &e) {
  Value x = op.getIns()[0], u = op.getIns()[2];
  int64_t chunk = static_cast<int64_t>(op.getChunk());
  auto talls = tallsOf(e, op, {x, u, op.getOuts()[0]});
  FailureOr<ChunkStates> states = chunkStatesOf(e, op, op.getIns()[1]);
  FailureOr<RowSpace> space = chunkSpace(e, op, u, chunk);
  if (failed(talls) || failed(states) || failed(space))
    return failure();
  emitChunkReverse(e, op,
                   chunkShape(x, u, op.getIns()[1], op.getDegree(), chunk),
                   *space, (*talls)[0], *states, (*talls)[1], (*talls)[2]);
  return success();
}

LogicalResult lower(KroneckerFeaturesOp op, Emitter &e) {
  ArrayRef<int64_t> q = shapeOf(op.getIns()[0]), u = shapeOf(op.getIns()[2]);
  ArrayRef<double> c = op.getCoefficients();
  if (c.empty())
    return op.emitOpError("expected at least one coefficient, but got none");
  FeatureShape shape{
      1, 1, 1, q[2], q[3], u[3], static_cast<int64_t>(c.size()) - 1};
  auto columns = supportColumns(op.getPosition(), shape.d, op.getSupport());
  if (failed(columns))
    return op.emitOpError("expected the support of its position in some "
                          "order, but got ")
           << op.getSupportAttr();
  double scale = op.getScale().convertToDouble();
  std::vector<double> weights = weightsOf(shape.d, c, scale);
  for (double &weight : weights)
    weight *= scale;
  SmallVector<Value> in = flatten(e, op.getIns());
  emitKronecker(
      e, op, shape, rowSpace(e, op, op.getIns()[0]).n,
      shapeOf(op.getIns()[4])[3], weights, op.getPosition(), *columns,
      op.getSupport().size() / 2,
      {in[0], in[1], in[2], in[3], in[4], in[5], e.flat(op.getOuts()[0])});
  return success();
}

struct LowerFeaturesPass
    : public mlir::ropegrad::impl::LowerFeaturesBase<LowerFeaturesPass> {
  using LowerFeaturesBase::LowerFeaturesBase;

  template <typename OpT> LogicalResult lowerAndErase(OpT op) {
    if (failed(checkOperands(op)))
      return failure();
    OpBuilder builder(op);
    auto element = cast<FloatType>(
        cast<MemRefType>(op.getIns()[0].getType()).getElementType());
    Emitter emitter(builder, op.getLoc(), element, vectorBits);
    if (failed(lower(op, emitter)))
      return failure();
    op.erase();
    return success();
  }

  void runOnOperation() override {
    if (vectorBits != 128 && vectorBits != 256 && vectorBits != 512) {
      getOperation().emitError(
          "expected vector-bits of 128, 256 or 512, but got ")
          << vectorBits.getValue();
      return signalPassFailure();
    }
    SmallVector<Operation *> ops;
    getOperation().walk([&](Operation *op) {
      if (isa<AccumulateOp, ExpandOp, ReverseOp, ChunkStatesOp, ChunkExpandOp,
              ChunkReverseOp, KroneckerFeaturesOp>(op))
        ops.push_back(op);
    });
    for (Operation *op : ops) {
      LogicalResult done =
          llvm::TypeSwitch<Operation *, LogicalResult>(op)
              .Case<AccumulateOp, ExpandOp, ReverseOp, ChunkStatesOp,
                    ChunkExpandOp, ChunkReverseOp, KroneckerFeaturesOp>(
                  [&](auto typed) { return lowerAndErase(typed); })
              .Default([](Operation *) { return failure(); });
      if (failed(done))
        return signalPassFailure();
    }
  }
};

} // namespace
