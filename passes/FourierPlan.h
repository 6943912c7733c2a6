//===- FourierPlan.h - Lengths and orders of transforms --------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Which length a convolution is padded to, how a transform of it is split into
// rows, columns and butterflies, and in which order its frequencies come out.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_FOURIERPLAN_H
#define ROPEGRAD_PASSES_FOURIERPLAN_H

#include <cstdint>
#include <optional>
#include <vector>

namespace ropegrad {

/// A complex discrete Fourier transform of length N = N1 · N2. Element
/// t = t1 · N2 + t2 stands in row t1 and column t2 of an N1 × N2 array whose
/// rows lie `pitch` elements apart. Forward transforms go down every column,
/// multiply by exp(-2πi k1 t2 / N), and go along every row; nothing is
/// permuted, so that frequencies come out in an order of their own
/// (`frequencies`), which depends on the length alone. N1 is 1 where a row of
/// all elements stays in the nearest caches.
struct Fourier {
  int64_t length = 1;
  std::vector<int64_t> down;  ///< radices of the columns, product N1
  std::vector<int64_t> along; ///< radices of the rows, product N2
  int64_t rows = 1;           ///< N1
  int64_t columns = 1;        ///< N2
  int64_t pitch = 1;          ///< elements from row to row

  /// How many of the leading elements a transform reads where those from
  /// `filled` on are zero, or an inverse writes where `filled` are wanted: a
  /// multiple of the length by the first radix. Those in between must be zero.
  int64_t touched(int64_t filled) const;
  /// Where element t stands, in elements.
  int64_t place(int64_t t) const { return t / columns * pitch + t % columns; }
  /// Elements of a block, gaps between rows included.
  int64_t elements() const { return (rows - 1) * pitch + columns; }
};

/// The transform of this length, or nothing: lengths are products of 2, 3, 5
/// and 7.
std::optional<Fourier> fourierOfLength(int64_t length);

/// The cheapest transform, by operations and memory accesses, of a length
/// >= `atLeast` (which is at least 1).
Fourier planFourier(int64_t atLeast);

/// The frequency of position p = row · N2 + column of a forward transform.
std::vector<int64_t> frequencies(const Fourier &fourier);

/// The frequency of every position of an unpermuted transform by butterflies of
/// these radices, decimated in frequency.
std::vector<int64_t> digitReversal(const std::vector<int64_t> &radices);

} // namespace ropegrad

#endif // ROPEGRAD_PASSES_FOURIERPLAN_H
