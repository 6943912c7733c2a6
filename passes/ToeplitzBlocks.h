//===- ToeplitzBlocks.h - How a Toeplitz matrix is cut ---------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Square blocks of a Toeplitz matrix, each a convolution of its own. An error
// of a Fourier transform is relative to the largest row that takes part: under
// a mask no row shall meet a transform that is larger than its own sum.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_TOEPLITZBLOCKS_H
#define ROPEGRAD_PASSES_TOEPLITZBLOCKS_H

#include "dialect/Problem.h"
#include "passes/FourierPlan.h"

#include <vector>

namespace ropegrad {

/// Equal blocks of `size` rows: those that start at row m · size, m = first,
/// first + step, ..., each with the columns that start at m · size - distance.
/// All meet the same distances i - j = distance + t, |t| < size.
struct ToeplitzLevel {
  int64_t size, distance, first, step;
  Fourier fourier;
  int64_t spectrumAt; ///< where its spectrum starts among those of all levels
};

/// Without mask one block of all rows. Under a mask blocks of doubling size
/// below the diagonal; the blocks of `band` rows on the diagonal are left out.
struct ToeplitzBlocks {
  int64_t band = 0; ///< 0: none are left out
  std::vector<ToeplitzLevel> levels;

  ToeplitzBlocks(int64_t n, Mask mask, int64_t window);
  /// Floats of the spectra of one function.
  int64_t spectrumSize() const { return size; }

private:
  void addLevel(int64_t rows, int64_t distance, int64_t first, int64_t step,
                int64_t length);
  int64_t size = 0;
};

/// Derivatives of sums of w columns by d variables are kept (see pair_apply)
/// where they are at most some hundred numbers a row: then to read them back
/// takes less than the transforms of a second product.
inline bool keepsSlopes(int64_t d, int64_t columns) {
  return d * columns <= 320;
}

/// Rows of a block and frequencies of a transform come in whole multiples of
/// this, as many as a vector may have lanes.
constexpr int64_t kTileRows = 16;

} // namespace ropegrad

#endif // ROPEGRAD_PASSES_TOEPLITZBLOCKS_H
