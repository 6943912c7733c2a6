//===- ChunkOps.cpp - Verifiers of the ops over chunks ---------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// decay_rows, chunk_states, chunk_expand and chunk_reverse.
//
//===----------------------------------------------------------------------===//

#include "dialect/RopeGrad.h"
#include "dialect/StructuredChecks.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace mlir::ropegrad;

static LogicalResult expectSlopes(Operation *op, ArrayRef<double> slopes,
                                  int64_t heads) {
  if (slopes.size() != 1 && slopes.size() != static_cast<size_t>(heads))
    return op->emitOpError("expected one slope or ")
           << heads << ", but got " << slopes.size();
  for (double slope : slopes)
    if (!(slope >= 0) || !std::isfinite(slope))
      return op->emitOpError("expected slopes to be finite and >= 0, but got ")
             << slope;
  return success();
}

static LogicalResult expectPositive(Operation *op, StringRef name,
                                    int64_t value) {
  if (value >= 1)
    return success();
  return op->emitOpError("expected ")
         << name << " to be at least 1, but got " << value;
}

static LogicalResult expectDivides(Operation *op, StringRef name, int64_t heads,
                                   int64_t all) {
  if (heads > 0 && all % heads == 0)
    return success();
  return op->emitOpError("expected the heads of ")
         << name << " to divide " << all << ", but got " << heads;
}

/// tall (B, H, n, w), x (B, Hx, n, d), S (B, Hs, chunks, M, w).
static LogicalResult expectChunks(Operation *op, Value x, Value states,
                                  Value tall, int64_t degree, int64_t chunk) {
  if (failed(expectPositive(op, "chunk", chunk)) ||
      failed(expectRank(op, x, "x", 4)) ||
      failed(expectRank(op, states, "S", 5)) ||
      failed(expectRank(op, tall, "the tall factor", 4)))
    return failure();
  if (degree < 0)
    return op->emitOpError("expected a degree >= 0, but got ") << degree;
  ArrayRef<int64_t> s = shapeOf(x), t = shapeOf(states), all = shapeOf(tall);
  if (failed(expectDivides(op, "x", s[1], all[1])) ||
      failed(expectDivides(op, "S", t[1], all[1])) ||
      failed(expectShape(op, x, "x", {all[0], s[1], all[2], s[3]})))
    return failure();
  int64_t chunks = (all[2] - 1) / chunk + 1;
  return expectShape(
      op, states, "S",
      {all[0], t[1], chunks, countMonomials(s[3], degree), all[3]});
}

LogicalResult DecayRowsOp::verify() {
  if (failed(expectCounts(*this, 1, 1)) || failed(expectTied(*this)) ||
      failed(expectRank(*this, getIns()[0], "x", 4)) ||
      failed(expectRank(*this, getOuts()[0], "y", 4)))
    return failure();
  ArrayRef<int64_t> x = shapeOf(getIns()[0]), y = shapeOf(getOuts()[0]);
  int64_t more = std::max(x[1], y[1]);
  if (failed(expectDivides(*this, x[1] < y[1] ? "x" : "y", std::min(x[1], y[1]),
                           more)) ||
      failed(expectShape(*this, getOuts()[0], "y", {x[0], y[1], x[2], x[3]})) ||
      failed(expectSlopes(*this, getSlopes(), more)))
    return failure();
  int64_t chunk = getChunk(), first = getFirst();
  if (failed(expectPositive(*this, "chunk", chunk)))
    return failure();
  int64_t least = getDescending() ? first - (chunk - 1) : first;
  if (least < 0)
    return emitOpError("expected distances >= 0, but got ") << least;
  return success();
}

LogicalResult ChunkStatesOp::verify() {
  if (failed(expectCounts(*this, 2, 1)) || failed(expectTied(*this)))
    return failure();
  if (getCoefficients().empty())
    return emitOpError("expected at least one coefficient, but got none");
  Value states = getOuts()[0];
  if (failed(expectChunks(*this, getIns()[0], states, getIns()[1],
                          getCoefficients().size() - 1, getChunk())))
    return failure();
  if (getReach() && failed(expectPositive(*this, "reach", *getReach())))
    return failure();
  if (!getSlopes())
    return success();
  return expectSlopes(*this, *getSlopes(), shapeOf(states)[1]);
}

LogicalResult ChunkExpandOp::verify() {
  if (failed(expectCounts(*this, 2, 1)) || failed(expectTied(*this)))
    return failure();
  return expectChunks(*this, getIns()[0], getIns()[1], getOuts()[0],
                      getDegree(), getChunk());
}

LogicalResult ChunkReverseOp::verify() {
  if (failed(expectCounts(*this, 3, 1)) || failed(expectTied(*this)) ||
      failed(expectChunks(*this, getIns()[0], getIns()[1], getIns()[2],
                          getDegree(), getChunk())))
    return failure();
  SmallVector<int64_t> shape(shapeOf(getIns()[2]));
  shape[3] = shapeOf(getIns()[0])[3];
  return expectShape(*this, getOuts()[0], "dx", shape);
}
