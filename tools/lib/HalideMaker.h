//===- HalideMaker.h - Blocks of attention by Halide -----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The one place that knows Halide. Free of LLVM's headers: Halide has an LLVM
// of its own inside, and what passes between the two is bitcode.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_HALIDEMAKER_H
#define ROPEGRAD_TOOLS_LIB_HALIDEMAKER_H

#include <cstdint>
#include <string>
#include <vector>

namespace ropegrad {

/// What one function computes; see the two makers in HalideMaker.cpp and
/// passes/AttentionHalide.cpp, which calls them.
struct HalideBlock {
  std::string name;
  bool isBackward = false;
  int64_t bits = 32; ///< of an element, 32 or 64
  int64_t d = 0, w = 0;
  int64_t lanes = 0;  ///< of a vector
  int64_t panel = 0;  ///< positions in lanes, whole vectors
  int64_t rows = 0;   ///< of a register tile
  int64_t steps = 0;  ///< most positions over which a call sums, whole tiles
  int64_t padded = 0; ///< elements of a row of k and dQ, whole vectors
  bool isCausal = false;
  int64_t window = 0; ///< 0: none
  bool hasTable = false;
  bool dq = false, dk = false, dv = false; ///< the outputs of a backward block

  // The target.
  int64_t vectorBits = 128;
  bool hasSse41 = false;
};

/// One argument of the function: a buffer of elements whose dimensions are the
/// innermost first, or (no dimensions) an int32.
struct HalideArgument {
  struct Dimension {
    int64_t extent, stride;
  };
  std::vector<Dimension> dimensions;
};

struct HalideCode {
  std::string bitcode; ///< readable by any later LLVM
  std::vector<HalideArgument> arguments;
};

/// Compiles a block to int NAME(arguments...), buffers as halide_buffer_t *,
/// which neither allocates nor calls anything but libm. Returns one message,
/// empty if all is well.
std::string makeHalideBlock(const HalideBlock &block, HalideCode &code);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_HALIDEMAKER_H
