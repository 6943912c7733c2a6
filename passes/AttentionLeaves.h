//===- AttentionLeaves.h - Microkernels of exact attention -----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// What both passes of attention do on panels: a panel is three native vectors
// of positions, one position per lane. Every product is the same register tile,
// C[i][v] += A(i, k) · B[k][v]: A broadcast from memory in its row-major place,
// B a row of a panel, 8×3 sums (4×3 where there are 16 registers).
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_ATTENTIONLEAVES_H
#define ROPEGRAD_PASSES_ATTENTIONLEAVES_H

#include "passes/AttentionTiles.h"
#include "passes/Tall.h"
#include "passes/TileNest.h"

namespace mlir::ropegrad {

/// A register tile: sums[i · vectors + v] += Σ_k a(i, k) · b[k][v].
struct RegisterTile {
  int64_t rows, vectors;
  int64_t aRow, aStep; ///< element strides of A
  int64_t bStep;       ///< element stride of the rows of B
  /// 2: a step takes two neighbours in a row of A, for even and odd lanes.
  int64_t unit = 1;

  SmallVector<Value> multiply(Emitter &e, Slice a, Slice b, Value steps,
                              ArrayRef<Value> sums) const;
  Value broadcast(Emitter &e, Slice a) const;
  /// The sums with what is at `c`, whose rows are `pitch` apart.
  SmallVector<Value> load(Emitter &e, Slice c, int64_t pitch) const;
  void store(Emitter &e, ValueRange sums, Slice c, int64_t pitch) const;
};

/// Rows of a tall buffer with a fixed pitch and zero rows behind the last one,
/// so that microkernels need neither the caller's strides nor a tail.
struct PaddedRows {
  Value buffer;
  int64_t heads, rows, width, pitch;

  /// Row `row` of head `head` of `ofHeads` heads, which share these evenly.
  Slice at(Emitter &e, Value batch, Value head, int64_t ofHeads,
           Value row) const;
};

/// What the gradient needs per row of a head: −L in units of the exponent, as a
/// number and what rounding it left out, and −s. Rows beyond n weigh nothing.
struct RowTerms {
  Value minusL, minusLow, minusS;
  int64_t heads, rows;

  /// Where row i stands in each.
  Value at(Emitter &e, Value batch, Value head, Value i) const {
    Value index = e.add(e.mul(batch, heads), head);
    return e.add(e.mul(index, rows), i);
  }
};

/// Which index of P_ij runs over the lanes.
enum class Lanes { Queries, Keys };

/// Leaves for one `tiles` op.
class AttentionLeaves {
public:
  AttentionLeaves(Emitter &e, const AttentionTiles &attention, Lanes lanesOver);

  Emitter &e;
  Operation *anchor;
  RowSpace space; ///< of the queries
  Lanes lanesOver;
  int64_t vectors = 3; ///< of a panel's row
  int64_t rows;        ///< of a register tile
  int64_t panel;       ///< positions of a panel
  LiveColumns live;
  /// Logits are multiplied by this, so that weights are powers of two.
  double unit;
  /// unit / scale: what L, m and log b are multiplied by. Makes the rounding of
  /// `unit` a factor of the exponent Z − L, harmless where weights are large.
  double logUnit;

  //===--- before the loops, in parallel ---===//
  /// Copies `tall`, `block` rows at a time; rows beyond n up to the next
  /// multiple of `block`, and columns up to `pitch`, are zero.
  PaddedRows pad(Value tall, int64_t block, int64_t pitch);
  /// For n rounded up to a multiple of `block`.
  RowTerms makeRowTerms(const AttentionBackward &gradient, int64_t block);
  /// Floats of a table over t = i − j, or j − i: element t at
  /// `diagonalMargin` + n − 1 + t, with room on both sides for tiles that reach
  /// beyond n.
  int64_t diagonalPitch() const { return 2 * space.maxN + 2 * diagonalMargin; }
  static constexpr int64_t diagonalMargin = 256;
  /// The table of log b(i−j) over t = i − j: bias and ALiBi in one, per head,
  /// in units of the exponent; reversed where lanes are keys. Nothing is made
  /// where b is a mask at most.
  void makeTable();
  bool hasTable() const { return static_cast<bool>(table); }

  //===--- on panels ---===//
  /// to[c][lane] = factor · from[lane][c] for a panel's rows of `from`.
  void pack(Slice from, int64_t width, int64_t pitch, Slice to, double factor);
  /// x[row + lane][c] = from[c][lane] · factor for the `live` first lanes;
  /// `room` holds a panel's rows.
  void unpack(Slice from, const Tall &x, Value at, Value live, double factor,
              Slice room);
  /// c[f][lane] += Σ_{k < steps} a[k][f] · b[k][lane] for f < width; rows of a
  /// and b are `aPitch` and `bPitch` apart.
  void accumulate(Slice c, Slice a, int64_t width, int64_t aPitch, Slice b,
                  int64_t bPitch, Value steps);

  //===--- inside microkernels ---===//
  /// Row r of a register tile is position `broadcast` + r, lane x of vector v
  /// position `lane` + v · lanes + x; n and table are arguments.
  struct Place {
    Value broadcast, lane, n;
    Slice table;
  };
  /// Place whose element is that of lane 0 for row 0.
  Slice tableAt(Value head, Value broadcast, Value lane);
  /// x plus the table's vector for row r, vector v.
  Value addTable(Value x, const Place &at, int64_t r, int64_t v);
  /// body(false) where a register tile lies inside the mask and the keys,
  /// body(true) where it does not.
  void whereCut(const Place &at, function_ref<void(bool cut)> body);
  /// x on the lanes of row r, vector v that are alive, `other` elsewhere.
  Value select(Value x, double other, const Place &at, int64_t r, int64_t v);

  /// A name for a microkernel that says all it depends on.
  std::string name(StringRef what, ArrayRef<int64_t> numbers) const;

private:
  Value isCut(const Place &at);

  const AttentionTiles &attention;
  Value table;
  int64_t tableHeads = 0;
};

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_ATTENTIONLEAVES_H
