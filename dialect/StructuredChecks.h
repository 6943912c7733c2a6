//===- StructuredChecks.h - What structured ops check ----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Pieces of the verifiers of destination-style ops. Each emits an error at the
// op and fails, or succeeds.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_DIALECT_STRUCTUREDCHECKS_H
#define ROPEGRAD_DIALECT_STRUCTUREDCHECKS_H

#include "dialect/RopeGrad.h"

namespace mlir::ropegrad {

ArrayRef<int64_t> shapeOf(Value value);

LogicalResult expectCounts(DestinationStyleOpInterface op, size_t ins,
                           size_t outs);
LogicalResult expectShape(Operation *op, Value value, StringRef name,
                          ArrayRef<int64_t> expected);
LogicalResult expectRank(Operation *op, Value value, StringRef name,
                         size_t rank);
/// Results on tensors are tied to the outputs; on buffers there are none.
LogicalResult expectTied(DestinationStyleOpInterface op);
/// Pairs (row, column) within d×d.
LogicalResult expectSupport(Operation *op, ArrayRef<int64_t> support,
                            int64_t d);

/// Reads of all operands that are buffers, writes of the outputs.
void addEffects(
    DestinationStyleOpInterface op,
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &out);
/// C(d + degree, degree) for verifying M, saturating. It at least doubles at
/// every step, so that no degree or width takes long.
int64_t countMonomials(int64_t d, int64_t degree);

} // namespace mlir::ropegrad

#endif // ROPEGRAD_DIALECT_STRUCTUREDCHECKS_H
