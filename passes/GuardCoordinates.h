//===- GuardCoordinates.h - The limits of coordinates ----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// What a guard needs to know about single coordinates of queries and keys where
// monomials are left out because of their limits.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_GUARDCOORDINATES_H
#define ROPEGRAD_PASSES_GUARDCOORDINATES_H

#include "passes/RowLowerings.h"

namespace mlir::ropegrad {

/// Measures max_i ‖q_i[G]‖ and max_j ‖k_j[G]‖ for the groups G of coordinates
/// that share a limit of `kept`, in double.
class CoordinateLimits {
public:
  CoordinateLimits(Emitter &e, GuardOp op, const RowSpace &q,
                   const RowSpace &k);
  /// Emits the loops over rows.
  void measure();
  struct Found {
    Value sum;   ///< Σ_G max ‖q_i[G]‖ · max ‖k_j[G]‖
    Value share; ///< the largest of scale · these, as a share of their limits
  };
  /// For a head of keys, batch · heads + head, and its queries. nan where one
  /// of the measured numbers is.
  Found of(Value head);

private:
  Value measureSide(const RowSpace &space, Value tall);
  func::FuncOp kernel();
  Value largest(Value squares, Value first, Value count, Value coordinate);

  Emitter &e;
  Emitter wide; ///< doubles
  GuardOp op;
  KeptAttr kept;
  RowSpace q, k;
  int64_t d;
  Value queries, keys; ///< by unit of rows, d squares each
  Value first, limits; ///< of each group: a coordinate, and the limit
};

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_GUARDCOORDINATES_H
