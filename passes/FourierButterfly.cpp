//===- FourierButterfly.cpp - Transforms of a few elements -----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Even radices split in halves; odd ones pair element k with element r - k.
//
//===----------------------------------------------------------------------===//

#include "passes/FourierButterfly.h"

#include <cmath>

using namespace mlir;
using namespace mlir::ropegrad;

Term ComplexEmitter::add(Term x, Term y) {
  if (!x)
    return y;
  if (!y)
    return x;
  if (x.negative == y.negative)
    return {e.addf(x.value, y.value), x.negative};
  return x.negative ? Term{e.subf(y.value, x.value)}
                    : Term{e.subf(x.value, y.value)};
}

Term ComplexEmitter::mul(Term x, Value factor) {
  return x ? Term{e.mulf(x.value, factor), x.negative} : x;
}

Term ComplexEmitter::mul(Term x, double factor) {
  if (!x)
    return x;
  auto width = cast<VectorType>(x.value.getType()).getNumElements();
  return mul(x, e.splat(factor, width));
}

Term ComplexEmitter::fma(Term x, Value factor, Term sum) {
  if (!x)
    return sum;
  if (!sum)
    return mul(x, factor);
  Value value = x.value;
  if (x.negative != sum.negative) // a part of the fused instruction
    value = arith::NegFOp::create(e.b, e.loc, value);
  return {e.fma(value, factor, sum.value), sum.negative};
}

Term ComplexEmitter::fma(Term x, double factor, Term sum) {
  if (!x)
    return sum;
  // The sign goes into the constant.
  if (sum && x.negative != sum.negative) {
    x.negative = sum.negative;
    factor = -factor;
  }
  auto width = cast<VectorType>(x.value.getType()).getNumElements();
  return fma(x, e.splat(factor, width), sum);
}

Complex ComplexEmitter::mul(Complex x, Value re, Value im, bool conjugate) {
  Term a = conjugate ? -x.im : x.im, b = conjugate ? -x.re : x.re;
  return {fma(-a, im, mul(x.re, re)), fma(b, im, mul(x.im, re))};
}

Value ComplexEmitter::materialize(Term x) {
  if (!x)
    return e.splat(0.0, e.lanes);
  return x.negative ? arith::NegFOp::create(e.b, e.loc, x.value) : x.value;
}

/// x · exp(∓2πi k/n) for n = 2, 4 or 8.
Complex ComplexEmitter::rotate(Complex x, int64_t k, int64_t n, bool inverse) {
  k = k * (8 / n) % 8;
  if (!inverse)
    k = (8 - k) % 8;
  for (; k >= 2; k -= 2)
    x = x.timesI();
  if (k == 0)
    return x;
  return {mul(sub(x.re, x.im), M_SQRT1_2), mul(add(x.re, x.im), M_SQRT1_2)};
}

SmallVector<Complex> ComplexEmitter::even(ArrayRef<Complex> x, bool inverse) {
  auto r = static_cast<int64_t>(x.size()), half = r / 2;
  SmallVector<Complex> low, high;
  for (int64_t k = 0; k < half; ++k) {
    low.push_back(add(x[k], x[k + half]));
    high.push_back(rotate(sub(x[k], x[k + half]), k, r, inverse));
  }
  low = transform(low, inverse);
  high = transform(high, inverse);
  SmallVector<Complex> result;
  for (int64_t k = 0; k < half; ++k)
    result.append({low[k], high[k]});
  return result;
}

SmallVector<Complex> ComplexEmitter::odd(ArrayRef<Complex> x, bool inverse) {
  auto r = static_cast<int64_t>(x.size()), half = r / 2;
  SmallVector<Complex> sums, differences, result(r);
  for (int64_t k = 1; k <= half; ++k) {
    sums.push_back(add(x[k], x[r - k]));
    differences.push_back(sub(x[k], x[r - k]));
  }
  result[0] = x[0];
  for (Complex sum : sums)
    result[0] = add(result[0], sum);
  for (int64_t j = 1; j <= half; ++j) {
    Complex cosines = x[0], sines;
    for (int64_t k = 1; k <= half; ++k) {
      long double angle = 2 * M_PIl * static_cast<long double>(j * k % r) / r;
      auto c = static_cast<double>(std::cos(angle));
      auto s = static_cast<double>(std::sin(angle));
      const Complex &sum = sums[k - 1], &difference = differences[k - 1];
      cosines = {fma(sum.re, c, cosines.re), fma(sum.im, c, cosines.im)};
      sines = {fma(difference.re, s, sines.re),
               fma(difference.im, s, sines.im)};
    }
    Complex turned = sines.timesI();
    result[inverse ? j : r - j] = add(cosines, turned);
    result[inverse ? r - j : j] = sub(cosines, turned);
  }
  return result;
}

SmallVector<Complex> ComplexEmitter::transform(ArrayRef<Complex> x,
                                               bool inverse) {
  if (x.size() == 1)
    return llvm::to_vector(x);
  return x.size() % 2 ? odd(x, inverse) : even(x, inverse);
}
