//===- PairConvolution.h - What products with pairs share ------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Operands, blocks and partial sums of pair_apply, pair_reverse and
// pair_correlate.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_PAIRCONVOLUTION_H
#define ROPEGRAD_PASSES_PAIRCONVOLUTION_H

#include "passes/PairProducts.h"

namespace mlir::ropegrad {

inline ArrayRef<int64_t> bufferShape(Value value) {
  return cast<MemRefType>(value.getType()).getShape();
}

/// The polynomial that an op of the route states.
template <typename OpTy> PairPolynomial polynomialOf(OpTy op, int64_t d) {
  ArrayRef<double> p = op.getCoefficients();
  PairPolynomial result{
      d, {p.begin(), p.end()}, op.getScale().convertToDouble(), {}};
  if (!op.getSupport())
    return result;
  std::vector<std::pair<int64_t, int64_t>> support;
  ArrayRef<int64_t> flat = *op.getSupport();
  for (size_t i = 0; i < flat.size(); i += 2)
    support.emplace_back(flat[i], flat[i + 1]);
  result.pairs.emplace(d, support, result.coefficients, result.scale);
  return result;
}

/// How the matrix of an op is cut.
template <typename OpTy> ToeplitzBlocks blocksOf(OpTy op, int64_t n) {
  return {n, static_cast<::ropegrad::Mask>(op.getMask()),
          static_cast<int64_t>(op.getWindow().value_or(0))};
}

/// The pairs of `table` (heads, P, ...) are those of the polynomial.
LogicalResult checkPairs(Operation *op, Value table,
                         const PairPolynomial &polynomial);
LogicalResult checkSpectrum(Operation *op, Value spectrum,
                            const ToeplitzBlocks &blocks);

/// Rows of queries and keys: x takes the results of a product, y is summed
/// over. Transposed, x are the keys.
struct PairRows {
  RowSpace x, y;
  bool transposed;
  int64_t spectra; ///< heads of the tables: 1 or all query heads

  /// Query heads that meet one head of x: 1, or those of its group.
  int64_t members() const { return transposed ? y.heads / x.heads : 1; }
  Value yHead(Emitter &e, Value xHead, Value member) const;
  Value queryHead(Emitter &e, Value xHead, Value member) const;
  /// Which of `spectra` tables a query head reads.
  Value table(Emitter &e, Value queryHead) const;
};

/// One block of the matrix: where its rows and columns start, and how many
/// tiles of them the call has.
struct PairPiece {
  Value to, from;
  Value toTiles, fromTiles;
};

/// Runs `body` for all blocks of a level that have rows in this call.
void forPieces(Emitter &e, const ToeplitzLevel &level, Value n, bool transposed,
               function_ref<void(const PairPiece &)> body);

/// out[base + distance + t + n − 1] += the real part of lane `lane` of a block
/// at t, for all distances of the level that a call of n rows has.
void addDistances(Emitter &e, const ToeplitzLevel &level, Value n, Slice block,
                  Value lane, Value out, Value base);

/// n of the call around `op`, or `otherwise`.
Value rowsOfCall(Emitter &e, Operation *op, int64_t otherwise);

/// Runs `body` (position in a transform, distance + n − 1) for the distances of
/// the level that a call of n rows has.
void forDistances(Emitter &e, const ToeplitzLevel &level, Value n,
                  function_ref<void(Value, Value)> body);

/// Panels of sums that `parts` units of a head make side by side, added up in
/// the order of the units.
class PairSums {
public:
  PairSums(Emitter &e, const RowSpace &space, int64_t columns, int64_t parts);
  /// The panel of row `row` of a part.
  Slice at(Value batch, Value head, Value part, Value row) const;
  void clear(Value batch, Value head, Value part);
  /// out = the sum of all parts, columns from `first` on; a loop over rows.
  void finish(Operation *anchor, const Tall &out, int64_t first);

private:
  Emitter &e;
  RowSpace space;
  int64_t columns, parts, tiles;
  Value buffer;
};

/// PairSums of what belongs to columns of a factor, `each` numbers to a column:
/// a part holds those of the columns that its lanes meet.
class PairColumnSums {
public:
  /// Of the `each` numbers, `kept` from `skipped` on are wanted.
  PairColumnSums(Emitter &e, const RowSpace &space, const Lanes &lanes,
                 int64_t parts, int64_t blocksEach, int64_t each,
                 int64_t skipped, int64_t kept);
  /// The panels of a part from row `row` on.
  ColumnPanels at(Value batch, Value head, Value part, Value row) const;
  void clear(Value batch, Value head, Value part) {
    sums.clear(batch, head, part);
  }
  /// out[c · kept + a] = the sum of all parts; a loop over rows.
  void finish(Operation *anchor, const Tall &out);

private:
  static int64_t widest(const Lanes &lanes, int64_t parts, int64_t lanesEach);
  static int64_t first(const Lanes &lanes, int64_t part, int64_t lanesEach);
  /// The rubbish column included.
  static int64_t last(const Lanes &lanes, int64_t part, int64_t lanesEach);
  void addParts(const RowUnit &unit, Value row, int64_t column, Value total);

  Emitter &e;
  RowSpace space;
  Lanes lanes;
  int64_t parts, lanesEach, reach, each, skipped, kept;
  PairSums sums;
};

/// A pair_reverse that is given the derivatives of the sums.
LogicalResult lowerReverseBySlopes(Emitter &e, PairReverseOp op);

/// Spectra of functions of the distance that units of work add to, one for
/// each query head and part, and their way back. A function may be that of all
/// heads.
class DistanceSums {
public:
  /// `queries` are the rows of queries, `functions` 1 or their heads.
  DistanceSums(Emitter &e, Operation *anchor, const ToeplitzBlocks &blocks,
               const RowSpace &queries, int64_t functions, int64_t parts);
  Slice at(Value batch, Value queryHead, Value part) const;
  void clear(Value batch, Value queryHead, Value part);
  /// Adds the spectra of all units in their order and transforms back:
  /// out[h, t + n − 1] is the function at distance t.
  void finish(Value out);

private:
  void emitBack(const ToeplitzLevel &level, Slice spectrum, Value out,
                Value base);
  SmallVector<Value> addHeads(Value function, Value batch, Value at,
                              ValueRange state);

  Emitter &e;
  Operation *anchor;
  const ToeplitzBlocks &blocks;
  RowSpace queries;
  int64_t functions, parts, size;
  Value sums;
};

/// Parts of a head among which `blocks` blocks of columns are dealt out: some
/// 16 units in all, whatever the number of threads.
struct PairUnits {
  int64_t parts, blocksEach;
  PairUnits(const RowSpace &space, int64_t blocks);
};

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_PAIRCONVOLUTION_H
