//===- TileNest.h - Where the loop over tiles stands -----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Shape of the tiles, the position in their loop nest, and the operands as the
// nest reads them: rows, transposed panels and reversed tables.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_TILENEST_H
#define ROPEGRAD_PASSES_TILENEST_H

#include "passes/Emitter.h"

namespace mlir::ropegrad {

/// How the n×n index space is cut.
struct TileShape {
  int64_t n;
  int64_t rows, columns; ///< of a tile; columns is a multiple of the lanes
  int64_t pitch;         ///< of a row of a tile's buffer

  /// About 64×64, so that a tile and the panel it meets share the first cache;
  /// sides between 64 and 128 that divide n where there are any (nothing is
  /// padded then), otherwise the least padding. Few rows make one tile.
  static TileShape choose(int64_t n, int64_t lanes);

  int64_t paddedRows() const { return (n + rows - 1) / rows * rows; }
  int64_t paddedColumns() const {
    return (n + columns - 1) / columns * columns;
  }
  bool hasDeadRows() const { return n % rows != 0; }
  bool hasDeadColumns() const { return n % columns != 0; }
  /// Room for every j - i + n - 1 with i < n and j < paddedColumns().
  int64_t diagonals() const { return n + paddedColumns(); }
};

/// A buffer and the offset at which something starts in it.
struct Slice {
  Value buffer, offset;
};

/// The loop nest over batch, heads, row tiles and column tiles. Values are
/// valid inside the loop that sets them.
struct TileNest {
  Emitter &e;
  Operation *anchor;
  TileShape shape;
  int64_t heads;
  Value batch, head;
  Value i0, liveRows; ///< the row tile and its number of rows below n
  Value j0;           ///< the column tile

  /// Index of the first lane of row `i`, column `j` in a reversed table.
  Value diagonal(Value i, Value j) { return e.add(e.sub(j, i), shape.n - 1); }
  /// Element (row, column) of a tile's buffer.
  Value inTile(Value row, Value column) {
    return e.add(e.mul(row, shape.pitch), column);
  }
  /// Runs `body` on the first (`last` = false) or last head of each group that
  /// shares one of `groupHeads` heads.
  void atGroup(int64_t groupHeads, bool last, function_ref<void()> body);
  /// Which of `groupHeads` heads of which batch: batch · groupHeads + head.
  Value groupIndex(int64_t groupHeads);
  void zero(Value buffer, int64_t size);
  /// Number `which` (0 or 1) of pair c of a support table.
  Value supportIndex(Value table, Value c, int64_t which);
  /// Clears the rows of a tile's buffer that lie at or beyond n.
  void zeroDeadRows(Value tile);
};

/// Tall operands (B, H', n, w) and diagonal tables as tiles want to read them.
/// All `need...` before the loops, `refresh` in the head's loop, then reads.
class TileOperands {
public:
  explicit TileOperands(TileNest &nest) : nest(nest) {}

  /// Binds a value of the body to the buffer it stands for.
  void bind(Value argument, Value memref);
  void needRows(Value tall);
  void needPanels(Value tall);
  void needReversed(Value table);
  void refresh();

  /// The current head, row-major, padded with zero rows to whole tiles.
  Slice rows(Value tall);
  /// The current head as [column tile][w][columns]: tile j0 starts at j0 · w.
  Value panels(Value tall);
  /// Bias (2n−1) or (H, 2n−1), or W (2n−1, s), reversed: row r of pitch
  /// `shape.diagonals()` holds t at index n − 1 − t, so that lanes over j are
  /// contiguous; zero beyond.
  Value reversed(Value table);
  /// The whole buffer behind an argument.
  Value whole(Value argument) { return bound.lookup(argument); }

  static int64_t width(Value tall);

private:
  void copyRows(Value tall, Value to);
  void packPanels(Value tall, Value to);

  TileNest &nest;
  DenseMap<Value, Value> bound, rowCopies, panelCopies, reversedTables;
  SmallVector<Value> rowOrder, panelOrder;
};

/// A private constant table of the module.
Value constantTable(Emitter &e, Operation *anchor, StringRef name,
                    DenseElementsAttr values);

/// The flat pairs of a support.
Value supportTable(Emitter &e, Operation *anchor, ArrayRef<int64_t> pairs);

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_TILENEST_H
