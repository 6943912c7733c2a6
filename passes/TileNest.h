//===- TileNest.h - Where the loop over tiles stands -----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Shape of the tiles, the units that run in parallel, the position in the loop
// nest, and the operands as the nest reads them: rows, transposed panels and
// reversed tables.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_TILENEST_H
#define ROPEGRAD_PASSES_TILENEST_H

#include "passes/Tall.h"

#include "llvm/ADT/MapVector.h"

namespace mlir::ropegrad {

/// How the n×n index space is cut.
struct TileShape {
  int64_t n;             ///< of a call, at most
  bool isFixed;          ///< whether every call has n rows
  int64_t rows, columns; ///< of a tile; columns is a multiple of the lanes
  int64_t pitch;         ///< of a row of a tile's buffer

  /// About 64×64, so that a tile and the panel it meets share the first cache;
  /// sides between 64 and 128 that divide n where there are any (nothing is
  /// padded then), otherwise the least padding. Few rows make one tile. Where
  /// only blocks of `block` rows and columns are live (0: all are), sides that
  /// divide a block, if one of 32 to 128 does.
  static TileShape choose(int64_t n, bool isFixed, int64_t lanes,
                          int64_t block = 0);

  int64_t paddedRows() const { return (n + rows - 1) / rows * rows; }
  int64_t paddedColumns() const {
    return (n + columns - 1) / columns * columns;
  }
  bool hasDeadRows() const { return !isFixed || n % rows != 0; }
  bool hasDeadColumns() const { return !isFixed || n % columns != 0; }
  /// Room for every j - i + n - 1 with i < n and j < paddedColumns().
  int64_t diagonals() const { return n + paddedColumns(); }
};

/// Who does what in parallel. Heads that share a head of some operand or result
/// are a group, whose sums one unit adds up in the order of its heads. Depends
/// on the compiled problem alone, and so does the order of every sum.
struct TileUnits {
  int64_t groups;
  /// The row tiles of a head are dealt out to so many units in turn, which
  /// balances those that a mask cuts short.
  int64_t chunks;
  /// Units that share the (batch entry, group, chunk) of a call between them;
  /// 0: each has a unit of its own. For sums over heads or batch: one partial
  /// sum per unit.
  int64_t shares;

  /// `sumsHeads`: some result is a sum over heads or batch entries.
  static TileUnits choose(const RowSpace &space, const TileShape &shape,
                          int64_t groups, bool sumsHeads);
};

/// The loop nest over units, heads, row tiles and column tiles. Values are
/// valid inside the loop that sets them.
struct TileNest {
  Emitter &e;
  Operation *anchor;
  RowSpace space;
  TileShape shape;
  TileUnits units;
  Value unit;
  Value batch, head, chunk;
  Value i0, liveRows; ///< the row tile and its number of rows below n
  Value j0;           ///< the column tile

  int64_t heads() const { return space.heads; }
  Value n() const { return space.n; } ///< of the call
  /// 2n − 1.
  Value diagonalCount() { return e.sub(e.mul(n(), 2), 1); }
  /// Index of the first lane of row `i`, column `j` in a reversed table.
  Value diagonal(Value i, Value j) { return e.add(e.sub(j, i), e.sub(n(), 1)); }
  /// Element (row, column) of a tile's buffer.
  Value inTile(Value row, Value column) {
    return e.add(e.mul(row, shape.pitch), column);
  }
  /// Runs `body` on the first (`last` = false) or last head of each group that
  /// shares one of `groupHeads` heads.
  void atGroup(int64_t groupHeads, bool last, function_ref<void()> body);
  /// Which of `groupHeads` heads of which batch: batch · groupHeads + head.
  Value groupIndex(int64_t groupHeads);
  /// Cuts `rows` rows of `width` elements into square blocks with sides of at
  /// most a native vector: first row, first column, side.
  void forBlocks(Value rows, int64_t width,
                 function_ref<void(Value, Value, int64_t)> body);
  /// Number `which` (0 or 1) of pair c of a support table.
  Value supportIndex(Value table, Value c, int64_t which);
  /// Clears the rows of a tile's buffer that lie at or beyond n.
  void zeroDeadRows(Value tile);
};

/// Tall operands (B, H', n, w) and diagonal tables as tiles want to read them.
/// All `need...` before the loops, `allocate` in the unit, `refreshHead` and
/// `refreshRows` in the loops over heads and row tiles, then reads.
class TileOperands {
public:
  explicit TileOperands(TileNest &nest) : nest(nest) {}

  /// Binds a value of the body to the buffer it stands for.
  void bind(Value argument, Value memref);
  void needTileRows(Value tall);
  void needRows(Value tall);
  void needPanels(Value tall);
  void needReversed(Value table);
  void allocate();
  void refreshHead();
  void refreshRows();

  /// The current row tile, row-major, padded with zero rows.
  Slice tileRows(Value tall);
  /// The current head, row-major, padded with zero rows to whole column tiles.
  Slice rows(Value tall);
  /// The current head as [column tile][w][columns]: tile j0 starts at j0 · w.
  Value panels(Value tall);
  /// Bias (2n−1) or (H, 2n−1), or W (2n−1, s), reversed: row r of pitch
  /// `shape.diagonals()` holds t at index n − 1 − t, so that lanes over j are
  /// contiguous; zero beyond.
  Value reversed(Value table);
  /// Element 0 of row `row` of the current head.
  Slice row(Value tall, Value row);

  static int64_t width(Value tall);

private:
  bool isPacked(Value tall);
  void copyRows(Value tall, Value from, Value live, Value padded, Value to);
  void packPanels(Value tall, Value to);

  TileNest &nest;
  DenseMap<Value, Tall> bound;
  DenseMap<Value, Value> tables, reversedTables;
  /// Copies private to a unit, null until allocated.
  llvm::MapVector<Value, Value> tileCopies, rowCopies, panelCopies;
};

/// A private constant table of the module.
Value constantTable(Emitter &e, Operation *anchor, StringRef name,
                    DenseElementsAttr values);

/// The flat pairs of a support.
Value supportTable(Emitter &e, Operation *anchor, ArrayRef<int64_t> pairs);

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_TILENEST_H
