//===- RowLowerings.h - Pieces of ropegrad-lower-rows ----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// One function per op that the pass lowers. Operands have been checked: static
// contiguous buffers of one element type, f32 or f64.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_ROWLOWERINGS_H
#define ROPEGRAD_PASSES_ROWLOWERINGS_H

#include "passes/Emitter.h"

namespace mlir::ropegrad {

/// Each emits code at the op's place; the caller erases the op.
void lowerRotate(Emitter &e, RotateOp op);
void lowerAppendColumn(Emitter &e, AppendColumnOp op);
LogicalResult lowerPositionTable(Emitter &e, PositionTableOp op);
LogicalResult lowerMatmul(Emitter &e, linalg::MatmulOp op);

/// Gives every public function without results a status: 0 at its returns.
LogicalResult addStatus(ModuleOp module);
/// Stores the radius, and returns status 1 where it exceeds the limit. Leaves
/// the emitter's insertion point in the block that goes on.
LogicalResult lowerGuard(Emitter &e, GuardOp op);

/// Returns status 5 where an element is not positive, like lowerGuard.
LogicalResult lowerRequirePositive(Emitter &e, RequirePositiveOp op);

/// Covers [0, width) by vectors of at most `lanes` elements: body(at, width).
/// Many whole vectors become a loop, few are unrolled.
void forPieces(Emitter &e, int64_t width, int64_t lanes,
               function_ref<void(Value, int64_t)> body);

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_ROWLOWERINGS_H
