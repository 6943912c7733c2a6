//===- FourierButterfly.h - Transforms of a few elements -------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Discrete Fourier transforms of 2, 3, 4, 5, 7 or 8 complex vectors in
// registers. Signs are carried along and zeros left out, so that neither costs
// an instruction.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_FOURIERBUTTERFLY_H
#define ROPEGRAD_PASSES_FOURIERBUTTERFLY_H

#include "passes/Emitter.h"

namespace mlir::ropegrad {

/// A vector, its negative, or zero (no value).
struct Term {
  Value value;
  bool negative = false;

  explicit operator bool() const { return value != nullptr; }
  Term operator-() const { return {value, !negative}; }
};

struct Complex {
  Term re, im;

  Complex operator-() const { return {-re, -im}; }
  Complex timesI() const { return {-im, re}; }
};

/// Arithmetic on terms.
class ComplexEmitter {
public:
  explicit ComplexEmitter(Emitter &e) : e(e) {}

  Term add(Term x, Term y);
  Term sub(Term x, Term y) { return add(x, -y); }
  Term mul(Term x, Value factor);
  Term mul(Term x, double factor);
  Term fma(Term x, Value factor, Term sum); ///< x · factor + sum
  Term fma(Term x, double factor, Term sum);
  Complex add(Complex x, Complex y) {
    return {add(x.re, y.re), add(x.im, y.im)};
  }
  Complex sub(Complex x, Complex y) { return add(x, -y); }
  /// x · (re + i im), or by its conjugate.
  Complex mul(Complex x, Value re, Value im, bool conjugate);
  /// The vector itself, a zero included.
  Value materialize(Term x);

  /// y_k = Σ_j x_j exp(∓2πi jk / r), r = 2, 3, 4, 5, 7 or 8; the upper sign is
  /// the forward one.
  SmallVector<Complex> transform(ArrayRef<Complex> x, bool inverse);

private:
  SmallVector<Complex> odd(ArrayRef<Complex> x, bool inverse);
  SmallVector<Complex> even(ArrayRef<Complex> x, bool inverse);
  Complex rotate(Complex x, int64_t k, int64_t n, bool inverse);

  Emitter &e;
};

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_FOURIERBUTTERFLY_H
