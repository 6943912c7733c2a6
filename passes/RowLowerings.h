//===- RowLowerings.h - Pieces of ropegrad-lower-rows ----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Which buffers hold one row per position, and one function per op that the
// pass lowers. Operands of the ops of this dialect but convert have been
// checked: static contiguous buffers of one element type, f32 or f64.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_ROWLOWERINGS_H
#define ROPEGRAD_PASSES_ROWLOWERINGS_H

#include "passes/Tall.h"

namespace mlir::ropegrad {

/// Tells loops over positions from others: a call of fewer rows than the
/// compiled ones computes with the first rows only of buffers (B, H, n[, w])
/// and (n, w), but with all of others of the same rank, such as (B, H, M, w).
/// The structured ops of a function and the marks of its arguments say which is
/// which; views and linalg ops pass it on. One buffer may serve as both. To be
/// asked before ops are lowered.
class RowBuffers {
public:
  explicit RowBuffers(ModuleOp module);
  /// The loop of `op` that runs over the positions of this call, if one does.
  std::optional<unsigned> rowLoop(linalg::LinalgOp op) const;

private:
  void addArguments(func::FuncOp function);
  bool passRowsOn(linalg::LinalgOp op);

  // Of allocations and arguments:
  DenseSet<Value> ofCaller; ///< arrays of the caller with one row per position
  DenseSet<Value> rows;     ///< used with one row per position
  DenseSet<Value> whole;    ///< used as a whole
};

/// Where the position stands among the dimensions of a buffer of this rank.
inline int64_t rowDimension(int64_t rank) { return rank == 2 ? 0 : 2; }

/// A matrix (n, w) as (1, 1, n, w): what it is a view of, or a new view.
/// Buffers of another rank as they are.
Value asTall(Emitter &e, Value memref);

/// Copies of buffers that were filled with one value become fills: where n is a
/// width of a matrix, an array of the caller with rows may have been the
/// source.
void forwardFills(ModuleOp module);

/// The value of an index constant.
std::optional<int64_t> constantIndex(Value value);

/// The argument `batch` or `n` of the function around `op`, or `otherwise`.
Value sizeOfCall(Emitter &e, Operation *op, StringRef size, int64_t otherwise);

/// How many elements an array of the caller without rows has in this call: all,
/// but tables of the relative position end with its 2n − 1 diagonals. Other
/// buffers have all of theirs.
Value elementsOfCall(Emitter &e, Operation *op, Value array);

/// Whether the arrays have one row per position: those of rank 3 and 4, and the
/// caller's that say so.
bool convertsRows(ConvertOp op);

/// The same for largest: those of rank 3 and 4, those that an allowance says to
/// have rows, and the caller's that say so.
bool isOverRows(LargestOp op);

/// Units of rows in this call.
Value unitsOf(Emitter &e, const RowSpace &space);

/// Each emits code at the op's place; the caller erases the op.
LogicalResult lowerRotate(Emitter &e, RotateOp op);
LogicalResult lowerCentreRows(Emitter &e, CentreRowsOp op);
LogicalResult lowerKeyWeights(Emitter &e, KeyWeightsOp op);
LogicalResult lowerAddOuter(Emitter &e, AddOuterOp op);
LogicalResult lowerAppendColumn(Emitter &e, AppendColumnOp op);
LogicalResult lowerDecayRows(Emitter &e, DecayRowsOp op);
LogicalResult lowerConvert(Emitter &e, ConvertOp op);
LogicalResult lowerLargest(Emitter &e, LargestOp op);
LogicalResult lowerPositionTable(Emitter &e, PositionTableOp op);
LogicalResult lowerSpreadChannels(Emitter &e, SpreadChannelsOp op);
LogicalResult lowerGatherChannels(Emitter &e, GatherChannelsOp op);
LogicalResult lowerMatmul(Emitter &e, linalg::MatmulOp op,
                          const RowBuffers &buffers);

/// Whether lowerElementwise takes the op: the others have no dimension that
/// depends on the call.
bool isElementwiseOfRows(linalg::LinalgOp op, const RowBuffers &buffers);
/// Elementwise ops, sums over the last dimension, and sums over everything.
LogicalResult lowerElementwise(Emitter &e, linalg::LinalgOp op,
                               const RowBuffers &buffers);

/// Gives every public function without results a status: 0 at its returns.
LogicalResult addStatus(ModuleOp module);
/// Before every return of status 0 of the functions with outputs: returns
/// status 4 where an output holds a nan or an infinity.
LogicalResult checkOutputs(ModuleOp module, int64_t vectorBits);
/// Stores the radius, and returns status 1 where it exceeds the limit. Leaves
/// the emitter's insertion point in the block that goes on.
LogicalResult lowerGuard(Emitter &e, GuardOp op);

/// Returns status 5 where an element is not positive, like lowerGuard.
LogicalResult lowerRequirePositive(Emitter &e, RequirePositiveOp op);

/// Returns status 13 where a row sum is too small a share, like lowerGuard.
LogicalResult lowerRequireShare(Emitter &e, RequireShareOp op);

/// A guard ends its function early, which must have a status to return.
LogicalResult expectStatus(Operation *op);

/// Goes on with `op` in a new block if `condition`, and returns `status`
/// otherwise. Leaves the insertion point at the beginning of the new block.
void returnUnless(Emitter &e, Operation *op, Value condition, int64_t status);

/// Covers [0, width) by vectors of at most `lanes` elements: body(at, width).
/// Many whole vectors become a loop, few are unrolled.
void forPieces(Emitter &e, int64_t width, int64_t lanes,
               function_ref<void(Value, int64_t)> body);

/// Covers [0, length), a number of the call, by whole vectors and then single
/// elements (vectors of one).
void forElements(Emitter &e, Value length, int64_t lanes,
                 function_ref<void(Value, int64_t)> body);

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_ROWLOWERINGS_H
