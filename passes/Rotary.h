//===- Rotary.h - cos and sin of rotary position ---------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Constant tables of about sqrt(n) positions each, and the code that combines
// them to the angle of any position and coordinate pair.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_ROTARY_H
#define ROPEGRAD_PASSES_ROTARY_H

#include "passes/Emitter.h"

namespace mlir::ropegrad {

/// cos and sin of i·θ_k, θ_k = base^(−2k/d), for 0 ≤ i < n and 0 ≤ k < d/2, in
/// double: absolute error below 2^-51 + n·2^-62, of which the second is that of
/// θ_k in long double. With i = hi·step + lo the tables
/// hold the angles of hi·step and of lo, rounded once from long double; the
/// angle addition theorem joins them at run time.
class Rotary {
public:
  /// Reads the tables of (n, d, base) at the insertion point of `emitter`, and
  /// adds them to the module of `anchor` where it has none yet.
  Rotary(Emitter &emitter, Operation *anchor, int64_t n, int64_t d,
         double base);

  using CosSin = std::pair<Value, Value>;
  /// cos and sin (f64) of pair k at position i.
  CosSin at(Value i, Value k);
  /// `width` ≤ maxWidth consecutive (position, pair) values of block hi, from
  /// (lo, k) on, pairs fastest, as vectors of f64; `fine` is lo·d/2 + k. Values
  /// beyond the block's last position are meaningless but safe to read.
  CosSin at(Value hi, Value fine, Value k, int64_t width);

  static constexpr int64_t maxWidth = 8;
  int64_t half; ///< d/2
  int64_t step; ///< positions of a block: the least integer ≥ sqrt(n)

private:
  CosSin combine(function_ref<Value(Value, Value)> load, Value hi, Value fine,
                 Value k);

  Emitter &e;
  Value coarse; ///< [hi][cos, sin][d/2 + maxWidth], pairs repeated cyclically
  Value fine;   ///< [cos, sin][step·d/2 + maxWidth]
};

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_ROTARY_H
