//===- PairProducts.h - Code for products with pairs -----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The pieces of ropegrad-lower-pairs. Rows are held in *panels*: tiles of as
// many rows as a vector has lanes, transposed, so that column c of a tile is
// one vector. Products of a monomial and a column are made from panels, become
// the columns of a block of passes/Fourier.h, and come back the same way.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_PAIRPRODUCTS_H
#define ROPEGRAD_PASSES_PAIRPRODUCTS_H

#include "passes/Features.h"
#include "passes/Fourier.h"
#include "passes/Pairs.h"
#include "passes/ToeplitzBlocks.h"

namespace mlir::ropegrad {

using ::ropegrad::Pairs;
using ::ropegrad::ToeplitzBlocks;
using ::ropegrad::ToeplitzLevel;

/// What the ops of the route say about their polynomial.
struct PairPolynomial {
  int64_t d;
  std::vector<double> coefficients;
  double scale;
  std::optional<Pairs> pairs; ///< with a support only

  int64_t degree() const {
    return static_cast<int64_t>(coefficients.size()) - 1;
  }
  /// Numbers of the monomials of one side, and what their products with rows
  /// are multiplied by: c_μ without pairs, 1 with them.
  std::vector<int64_t> monomials(bool right) const;
  std::vector<double> weights(bool right) const;
};

/// The rows of a (B, H, n, w) buffer as panels, `before` constant columns in
/// front (0 or 1, ones) and one of zeros behind.
class Panels {
public:
  Panels(Emitter &e, const RowSpace &space, int64_t width, bool ones);
  /// Fills them; a loop over rows.
  void pack(Operation *anchor, const Tall &tall);
  /// The tile of row `row`, a multiple of the lanes.
  Slice at(Value batch, Value head, Value row) const;
  int64_t columns() const { return width + (ones ? 1 : 0) + 1; }
  int64_t tileSize() const { return columns() * e.lanes; }

private:
  Emitter &e;
  RowSpace space;
  int64_t width;
  bool ones;
  int64_t tiles;
  Value buffer;
};

/// Which products stand in the lanes of a block. Lane number L of all blocks
/// holds two real columns: without pairs two monomials times one column,
///   (2 inner, outer) and (2 inner + 1, outer),
/// with pairs one monomial, whose transforms T_p differ, times two columns,
///   (outer, 2 inner) and (outer, 2 inner + 1),
/// where outer, inner = divmod(L, limit).
struct Lanes {
  bool paired;
  int64_t monomials; ///< of one side
  int64_t width;     ///< columns of the factor
  int64_t lanes;     ///< of a block

  int64_t limit() const {
    return paired ? llvm::divideCeil(width, 2) : llvm::divideCeil(monomials, 2);
  }
  int64_t count() const { return limit() * (paired ? monomials : width); }
  int64_t blocks() const { return llvm::divideCeil(count(), lanes); }
  /// Monomials that may be asked for, those beyond the last included.
  int64_t monomialsAsked() const {
    return paired ? blocks() * lanes / limit() + 1 : 2 * limit();
  }
};

/// Panels that sum up columns `from` to `from + reach - 1` of a factor and of
/// the rubbish column behind its last, one or more numbers for each.
struct ColumnPanels {
  Slice at; ///< of the first row
  Value from;
  int64_t reach;
};

/// Kernels between panels and blocks for one side of a polynomial. Those that
/// add to sums take what stands there for zeros if `fresh` is 1 and not 0.
class PairColumns {
public:
  PairColumns(Emitter &e, Operation *anchor, const PairPolynomial &polynomial,
              bool right, const Fourier &fourier, int64_t width);

  Lanes lanes;

  /// Block = products of `x` and `factor` for `tiles` tiles; the block starts
  /// with lane number `first`. With `weighted` times the weights.
  void gather(Slice x, Slice factor, Value first, Value tiles, Slice block,
              bool weighted);
  /// sums += weight · monomial of x · column of the block.
  void scatter(Slice block, Value first, Value tiles, Slice x,
               const ColumnPanels &sums, Value fresh);
  /// dx += gradient of Σ weight · ⟨u, column⟩ · monomial of x by x: panels of
  /// d + 2 columns of which the first and the last are rubbish. With `sums`
  /// also what scatter does.
  void reverse(Slice block, Value first, Value tiles, Slice x, Slice u,
               Slice dx, std::optional<ColumnPanels> sums, Value fresh);
  /// sums as scatter does, and slopes += its derivative by x: d + 2 numbers for
  /// each column, of which the first and the last are rubbish. Both hold the
  /// same columns.
  void derive(Slice block, Value first, Value tiles, Slice x,
              const ColumnPanels &sums, const ColumnPanels &slopes,
              Value fresh);
  /// Between all blocks, which follow one another, and their lanes for one tile
  /// of elements: elements in lanes, real parts, imaginary parts, lane by lane.
  void unpack(Slice blocks, Value tile, Slice columns);
  void pack(Slice columns, Value tile, Slice blocks);
  /// Zeroes elements [from, to) of a block.
  void clear(Slice block, Value from, Value to);

private:
  struct Slot {
    SmallVector<Value> factors; ///< offsets in a tile of x
    Value weight, column;       ///< column: offset in a tile of the factor
  };
  std::string name(const Twine &what) const;
  SmallVector<Slot> slots(Value first, int64_t part);
  int64_t xColumns() const { return d + 2; }
  int64_t vColumns() const { return lanes.width + 1; }
  Value monomial(const Slot &slot, Slice x);
  void callKernel(const Twine &what, ArrayRef<Value> arguments,
                  function_ref<void(Emitter &, ValueRange)> body);
  void forTiles(Value first, Value tiles,
                function_ref<void(Value, int64_t, ArrayRef<Slot>)> body);
  Slice sumsOf(Slice panels, Value tile, int64_t columns, int64_t part,
               Value fresh);
  void addProduct(const Slot &slot, Value y, Slice x, Slice sums, Value from);
  Value elementOfRow(Value at, Value tile, int64_t row);
  void storeTile(ArrayRef<Value> columns, Value block, Value at, Value tile,
                 int64_t part);
  SmallVector<Value> loadTile(Value block, Value at, Value tile, int64_t part);

  Emitter &e;
  Operation *anchor;
  Fourier fourier;
  int64_t d, degree, factorsEach;
  std::string side;
  std::vector<int64_t> factorTable;
  std::vector<double> weightTable;
};

/// dx[f] += s · the product of all factors but f, for every factor: vectors at
/// these offsets of x and dx. Returns s · the product of all.
Value emitReverseProduct(Emitter &e, ValueRange factors, Value s, Slice x,
                         Slice dx);

//===--- the ops; each emits code at the op's place ---===//

LogicalResult lowerPairTable(Emitter &e, PairTableOp op);
LogicalResult lowerPairTableReverse(Emitter &e, PairTableReverseOp op);
LogicalResult lowerPairBiasGradient(Emitter &e, PairBiasGradientOp op);
LogicalResult lowerPairSpectrum(Emitter &e, PairSpectrumOp op);
LogicalResult lowerPairApply(Emitter &e, PairApplyOp op);
LogicalResult lowerPairReverse(Emitter &e, PairReverseOp op);
LogicalResult lowerPairCorrelate(Emitter &e, PairCorrelateOp op);

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_PAIRPRODUCTS_H
