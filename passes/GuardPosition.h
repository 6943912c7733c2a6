//===- GuardPosition.h - Bounds of logits with a general W -----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// What a guard needs to know about W and the columns of queries and keys.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_GUARDPOSITION_H
#define ROPEGRAD_PASSES_GUARDPOSITION_H

#include "passes/RowLowerings.h"

namespace mlir::ropegrad {

/// Bounds |q_i W_t k_jᵀ|, in double: the smaller of ‖q‖ ‖k‖ ‖W_t‖ and of the
/// sum over the support of the largest products of entries.
class PositionBound {
public:
  PositionBound(Emitter &e, GuardOp op, const RowSpace &q, const RowSpace &k);
  /// Emits the loops over rows and over distances.
  void measure();
  /// For a head of keys, batch · heads + head, and its queries: `norms` is
  /// max ‖q_i‖ · max ‖k_j‖. nan where one of the measured numbers is.
  Value of(Value head, Value norms);

private:
  Value measureColumns(const RowSpace &space, Value tall);
  void measureDistances();
  Value largestColumn(Value maxima, Value first, Value count, Value column);

  Emitter &e;
  Emitter wide; ///< doubles
  GuardOp op;
  RowSpace q, k;
  int64_t d, entries;
  Value queries, keys;  ///< by unit of rows, d numbers each
  Value norms, largest; ///< of W by chunk: 1 and `entries` numbers each
  Value norm, support;  ///< of all of W, and the pairs of the support
};

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_GUARDPOSITION_H
