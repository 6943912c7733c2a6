//===- Halves.h - bf16 and f16 in registers --------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Vectors of 16-bit floats to and from f32, without calls of a runtime library
// on any target.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_HALVES_H
#define ROPEGRAD_PASSES_HALVES_H

#include "passes/Emitter.h"

namespace mlir::ropegrad {

/// Whether arrays may have these elements though nothing computes with them.
inline bool isHalf(Type type) { return type.isBF16() || type.isF16(); }

/// A vector of bf16 or f16 as f32; exact. `e` has elements of f32.
Value widen(Emitter &e, Value halves);

/// A vector of f32 as `type`, bf16 or f16: to nearest, ties to even; what is
/// too large becomes an infinity; nan stays nan.
Value narrow(Emitter &e, Value singles, FloatType type);

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_HALVES_H
