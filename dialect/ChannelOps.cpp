//===- ChannelOps.cpp - The paper's X: verifiers, effects ------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Verifiers and memory effects of spread_channels and gather_channels.
//
//===----------------------------------------------------------------------===//

#include "dialect/StructuredChecks.h"

using namespace mlir;
using namespace mlir::ropegrad;

void SpreadChannelsOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  addEffects(*this, effects);
}

void GatherChannelsOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  addEffects(*this, effects);
}

/// A (1, 1, n, w) with any w.
static LogicalResult expectSingle(Operation *op, Value value, StringRef name,
                                  int64_t n) {
  if (failed(expectRank(op, value, name, 4)))
    return failure();
  return expectShape(op, value, name, {1, 1, n, shapeOf(value)[3]});
}

LogicalResult SpreadChannelsOp::verify() {
  size_t ins = getIns().size() == 3 ? 3 : 2;
  if (failed(expectCounts(*this, ins, 1)) || failed(expectTied(*this)) ||
      failed(expectRank(*this, getIns()[0], "A", 4)))
    return failure();
  int64_t n = shapeOf(getIns()[0])[2], columns = 1;
  if (failed(expectSingle(*this, getIns()[0], "A", n)) ||
      failed(expectSingle(*this, getIns()[1], "X", n)))
    return failure();
  if (ins == 3) {
    if (failed(expectSingle(*this, getIns()[2], "H", n)))
      return failure();
    columns = shapeOf(getIns()[2])[3];
  }
  int64_t channels = shapeOf(getIns()[0])[3], width = shapeOf(getIns()[1])[3];
  return expectShape(*this, getOuts()[0], "Y",
                     {1, channels, n, width * columns});
}

LogicalResult GatherChannelsOp::verify() {
  bool isRotary = isa<RotaryAttr>(getPosition());
  size_t pairs = getSupport().size() / 2, first = isRotary ? 3 : 2;
  size_t products = isa<GeneralAttr>(getPosition()) ? pairs : 1;
  if (failed(expectCounts(*this, first + products, 1)) ||
      failed(expectTied(*this)) ||
      failed(expectRank(*this, getIns()[0], "A", 4)))
    return failure();
  int64_t n = shapeOf(getIns()[0])[2], columns = 1;
  if (failed(expectSingle(*this, getIns()[0], "A", n)) ||
      failed(expectSingle(*this, getIns()[1], "U", n)))
    return failure();
  if (isRotary) {
    if (failed(expectSingle(*this, getIns()[2], "H", n)))
      return failure();
    columns = shapeOf(getIns()[2])[3];
    if (failed(expectSupport(*this, getSupport(), columns)))
      return failure();
  }
  int64_t channels = shapeOf(getIns()[0])[3], width = shapeOf(getIns()[1])[3];
  for (Value product : getIns().drop_front(first))
    if (failed(expectShape(*this, product, "N",
                           {1, channels, n, width * columns})))
      return failure();
  return expectShape(*this, getOuts()[0], "G",
                     {channels * channels, static_cast<int64_t>(pairs)});
}
