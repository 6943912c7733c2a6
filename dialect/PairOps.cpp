//===- PairOps.cpp - Ops of the route fft: verifiers, effects --*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Verifiers and memory effects. How many pairs there are and how large spectra
// is known to passes/ alone, which check it again.
//
//===----------------------------------------------------------------------===//

#include "dialect/StructuredChecks.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace mlir::ropegrad;

#define ROPEGRAD_EFFECTS(OP)                                                   \
  void OP::getEffects(                                                         \
      SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>      \
          &effects) {                                                          \
    addEffects(*this, effects);                                                \
  }
ROPEGRAD_EFFECTS(PairTableOp)
ROPEGRAD_EFFECTS(PairSpectrumOp)
ROPEGRAD_EFFECTS(RequireShareOp)
ROPEGRAD_EFFECTS(PairApplyOp)
ROPEGRAD_EFFECTS(PairReverseOp)
ROPEGRAD_EFFECTS(PairCorrelateOp)
ROPEGRAD_EFFECTS(PairBiasGradientOp)
ROPEGRAD_EFFECTS(PairTableReverseOp)
#undef ROPEGRAD_EFFECTS

namespace {

/// The window is given exactly under mask window.
LogicalResult expectMask(Operation *op, Mask mask,
                         std::optional<int64_t> window) {
  if ((mask == Mask::Window) != window.has_value())
    return op->emitOpError("expected a window exactly under mask window");
  if (window && *window < 1)
    return op->emitOpError("expected a window of at least 1, but got ")
           << *window;
  return success();
}

/// Polynomial, mask and support of an op whose rows have `d` elements.
template <typename OpTy> LogicalResult expectPairs(OpTy op, int64_t d) {
  if (op.getCoefficients().empty())
    return op.emitOpError("expected at least one coefficient, but got none");
  if (op.getSupport() && (op.getSupport()->empty() ||
                          failed(expectSupport(op, *op.getSupport(), d))))
    return op.getSupport()->empty()
               ? op.emitOpError("expected a support of at least one pair, but "
                                "got none")
               : failure();
  return expectMask(op, op.getMask(), op.getWindow());
}

/// A table (heads, P, 2n−1) of functions of the distance; P = 1 unless the op
/// has a support.
LogicalResult expectTable(Operation *op, Value table, StringRef name,
                          int64_t n) {
  if (failed(expectRank(op, table, name, 3)))
    return failure();
  ArrayRef<int64_t> s = shapeOf(table);
  bool single = !op->hasAttr("support") && op->hasAttr("coefficients");
  if (single && s[1] != 1)
    return op->emitOpError("expected one pair without support, but got ")
           << s[1];
  if (n < 0 ? s[2] % 2 == 1 : s[2] == 2 * n - 1)
    return success();
  if (n < 0)
    return op->emitOpError("expected 2n-1 distances, but got ") << s[2];
  return op->emitOpError("expected ")
         << 2 * n - 1 << " distances, but got " << s[2];
}

/// A bias (2n−1) or (heads, 2n−1).
LogicalResult expectBias(Operation *op, Value bias, StringRef name,
                         ArrayRef<int64_t> table) {
  ArrayRef<int64_t> s = shapeOf(bias);
  bool perHead = s.size() == 2 && s[0] == table[0];
  if ((s.size() == 1 || perHead) && s.back() == table[2])
    return success();
  return op->emitOpError() << "expected " << name << " to be (" << table[2]
                           << ") or (" << table[0] << ", " << table[2]
                           << "), but got " << bias.getType();
}

/// W (2n−1, s).
template <typename OpTy>
LogicalResult expectW(OpTy op, Value w, StringRef name,
                      ArrayRef<int64_t> table) {
  int64_t s = op.getSupport()->size() / 2;
  return expectShape(op, w, name, {table[2], s});
}

template <typename OpTy>
LogicalResult expectSlopes(OpTy op, ArrayRef<int64_t> table) {
  if (!op.getAlibi() || op.getAlibi()->size() == 1 ||
      static_cast<int64_t>(op.getAlibi()->size()) == table[0])
    return success();
  return op.emitOpError("expected one slope or one per head, but got ")
         << op.getAlibi()->size();
}

/// x, y, X and maybe u of pair_apply and pair_reverse, and `out` with rows as x
/// and `width` elements.
template <typename OpTy>
LogicalResult expectRows(OpTy op, Value x, Value y, Value factor) {
  if (failed(expectRank(op, x, "x", 4)) || failed(expectRank(op, y, "y", 4)) ||
      failed(expectRank(op, factor, "X", 4)))
    return failure();
  ArrayRef<int64_t> s = shapeOf(x), t = shapeOf(y);
  bool transposed = op->hasAttr("transposed");
  int64_t more = transposed ? t[1] : s[1], fewer = transposed ? s[1] : t[1];
  if (more % fewer != 0)
    return op.emitOpError("expected the heads of keys to divide ")
           << more << ", but got " << fewer;
  if (failed(expectShape(op, y, "y", {s[0], t[1], s[2], s[3]})))
    return failure();
  return expectShape(op, factor, "X", {s[0], t[1], s[2], shapeOf(factor)[3]});
}

/// A spectrum (1 or the query heads, P, m).
template <typename OpTy>
LogicalResult expectSpectrum(OpTy op, Value spectrum, int64_t heads) {
  if (failed(expectRank(op, spectrum, "S", 3)))
    return failure();
  ArrayRef<int64_t> s = shapeOf(spectrum);
  if (s[0] != 1 && s[0] != heads)
    return op.emitOpError("expected a spectrum for all heads or for each of ")
           << heads << ", but got " << s[0];
  if (!op.getSupport() && s[1] != 1)
    return op.emitOpError("expected one pair without support, but got ")
           << s[1];
  return success();
}

int64_t queryHeads(Operation *op, Value x, Value y) {
  return shapeOf(op->hasAttr("transposed") ? y : x)[1];
}

} // namespace

LogicalResult PairTableOp::verify() {
  size_t matrices = getSupport() ? 1 : 0;
  size_t ins = getIns().size() == matrices + 1 ? matrices + 1 : matrices;
  if (failed(expectCounts(*this, ins, 1)) || failed(expectTied(*this)) ||
      failed(expectPairs(*this, getD())) ||
      failed(expectTable(*this, getOuts()[0], "T", -1)))
    return failure();
  ArrayRef<int64_t> table = shapeOf(getOuts()[0]);
  if (ins > matrices &&
      failed(expectBias(*this, getIns()[0], "the bias", table)))
    return failure();
  if (matrices && failed(expectW(*this, getIns().back(), "W", table)))
    return failure();
  auto pairs =
      static_cast<int64_t>(getSupport() ? getSupport()->size() / 2 : 0);
  if (auto column = getColumnAttr())
    if (column.getInt() < 0 || column.getInt() >= pairs)
      return emitOpError("expected a column below ")
             << pairs << ", but got " << column.getInt();
  return expectSlopes(*this, table);
}

LogicalResult PairSpectrumOp::verify() {
  if (failed(expectCounts(*this, 1, 1)) || failed(expectTied(*this)) ||
      failed(expectTable(*this, getIns()[0], "T", -1)) ||
      failed(expectMask(*this, getMask(), getWindow())) ||
      failed(expectRank(*this, getOuts()[0], "S", 3)))
    return failure();
  ArrayRef<int64_t> t = shapeOf(getIns()[0]), s = shapeOf(getOuts()[0]);
  return expectShape(*this, getOuts()[0], "S", {t[0], t[1], s[2]});
}

LogicalResult RequireShareOp::verify() {
  if (failed(expectCounts(*this, 2, 1)) || failed(expectTied(*this)) ||
      failed(expectMask(*this, getMask(), getWindow())) ||
      failed(expectRank(*this, getIns()[0], "S", 3)) ||
      failed(expectRank(*this, getOuts()[0], "D", 3)))
    return failure();
  size_t rank = shapeOf(getIns()[1]).size();
  if (rank != 1 && rank != 2)
    return emitOpError("expected a bias of rank 1 or 2, but got ") << rank;
  double share = getShare().convertToDouble();
  if (!std::isfinite(share) || share <= 0)
    return emitOpError("expected share to be positive and finite, but got ")
           << share;
  int64_t tables = shapeOf(getIns()[0])[0], heads = shapeOf(getOuts()[0])[1];
  if (tables != 1 && tables != heads)
    return emitOpError("expected S for 1 or ")
           << heads << " heads, but got " << tables;
  return success();
}

LogicalResult PairApplyOp::verify() {
  size_t outs = std::clamp<size_t>(getOuts().size(), 1, 2);
  if (failed(expectCounts(*this, 4, outs)) || failed(expectTied(*this)))
    return failure();
  Value x = getIns()[0], y = getIns()[1], factor = getIns()[2];
  if (failed(expectRows(*this, x, y, factor)) ||
      failed(expectPairs(*this, shapeOf(x)[3])) ||
      failed(expectSpectrum(*this, getIns()[3], queryHeads(*this, x, y))))
    return failure();
  ArrayRef<int64_t> s = shapeOf(x);
  int64_t width = shapeOf(factor)[3];
  if (failed(expectShape(*this, getOuts()[0], "N", {s[0], s[1], s[2], width})))
    return failure();
  if (outs == 1)
    return success();
  if (getSupport())
    return emitOpError("expected J only without support");
  return expectShape(*this, getOuts()[1], "J",
                     {s[0], s[1], s[2], width * s[3]});
}

/// What pair_reverse makes besides dx: N, and R.
static LogicalResult expectMore(PairReverseOp op) {
  ArrayRef<int64_t> s = shapeOf(op.getIns()[0]);
  int64_t width = shapeOf(op.getIns()[2])[3];
  Value n = op.getOuts()[1];
  if (failed(expectRank(op, n, "N", 4)))
    return failure();
  int64_t columns = shapeOf(n)[3];
  if (columns > width)
    return op.emitOpError("expected N of at most ")
           << width << " columns, but got " << columns;
  if (failed(expectShape(op, n, "N", {s[0], s[1], s[2], columns})))
    return failure();
  if (op.getOuts().size() < 3)
    return success();
  if (!op.getTransposed() || op.getSupport())
    return op.emitOpError("expected R only of transposed products without "
                          "support");
  if (failed(expectTable(op, op.getOuts()[2], "R", s[2])))
    return failure();
  return expectShape(op, op.getOuts()[2], "R",
                     {shapeOf(op.getIns()[4])[0], 1, 2 * s[2] - 1});
}

LogicalResult PairReverseOp::verify() {
  size_t outs = std::clamp<size_t>(getOuts().size(), 1, 3);
  size_t ins = getIns().size() == 6 && outs == 1 ? 6 : 5;
  if (failed(expectCounts(*this, ins, outs)) || failed(expectTied(*this)))
    return failure();
  Value x = getIns()[0], y = getIns()[1], factor = getIns()[2];
  if (failed(expectRows(*this, x, y, factor)) ||
      failed(expectPairs(*this, shapeOf(x)[3])) ||
      failed(expectSpectrum(*this, getIns()[4], queryHeads(*this, x, y))))
    return failure();
  ArrayRef<int64_t> s = shapeOf(x);
  if (failed(expectShape(*this, getIns()[3], "u",
                         {s[0], s[1], s[2], shapeOf(factor)[3]})))
    return failure();
  if (failed(expectShape(*this, getOuts()[0], "dx", s)))
    return failure();
  if (outs > 1)
    return expectMore(*this);
  if (ins == 5)
    return success();
  if (getSupport())
    return emitOpError("expected J only without support");
  return expectShape(*this, getIns()[5], "J",
                     {s[0], s[1], s[2], shapeOf(factor)[3] * s[3]});
}

LogicalResult PairCorrelateOp::verify() {
  if (failed(expectCounts(*this, 4, 1)) || failed(expectTied(*this)))
    return failure();
  Value q = getIns()[0], k = getIns()[1], u = getIns()[2], v = getIns()[3];
  if (failed(expectRows(*this, q, k, v)) ||
      failed(expectPairs(*this, shapeOf(q)[3])))
    return failure();
  ArrayRef<int64_t> s = shapeOf(q);
  if (failed(expectShape(*this, u, "u", {s[0], s[1], s[2], shapeOf(v)[3]})) ||
      failed(expectTable(*this, getOuts()[0], "R", s[2])))
    return failure();
  int64_t heads = shapeOf(getOuts()[0])[0];
  if (heads == 1 || heads == s[1])
    return success();
  return emitOpError("expected R for all heads or for each of ")
         << s[1] << ", but got " << heads;
}

LogicalResult PairBiasGradientOp::verify() {
  if (failed(expectCounts(*this, getIns().size() == 3 ? 3 : 2, 1)) ||
      failed(expectTied(*this)) ||
      failed(expectTable(*this, getIns()[0], "T", -1)))
    return failure();
  ArrayRef<int64_t> table = shapeOf(getIns()[0]);
  if (failed(expectShape(*this, getIns()[1], "R", table)) ||
      failed(expectBias(*this, getOuts()[0], "y", table)))
    return failure();
  return getIns().size() < 3 ? success()
                             : expectShape(*this, getIns()[2], "the summand",
                                           shapeOf(getOuts()[0]));
}

LogicalResult PairTableReverseOp::verify() {
  size_t fewest = getBiased() ? 3 : 2;
  size_t ins = getIns().size() == fewest + 1 ? fewest + 1 : fewest;
  if (failed(expectCounts(*this, ins, 1)) || failed(expectTied(*this)) ||
      failed(expectPairs(*this, getD())))
    return failure();
  if (!getSupport())
    return emitOpError("expected the support of W, but got none");
  if (failed(expectTable(*this, getIns()[0], "R", -1)))
    return failure();
  ArrayRef<int64_t> table = shapeOf(getIns()[0]);
  if (getBiased() && failed(expectBias(*this, getIns()[1], "the bias", table)))
    return failure();
  for (Value value : getIns().drop_front(fewest - 1))
    if (failed(expectW(*this, value, "W", table)))
      return failure();
  if (failed(expectW(*this, getOuts()[0], "dW", table)))
    return failure();
  return expectSlopes(*this, table);
}
