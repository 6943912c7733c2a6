//===- Ball.h - Numbers with a proved error --------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Ball arithmetic: a 113-bit middle and a radius that bounds every rounding
// error made so far. The fits use the middle alone, the proofs use both.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_BALL_H
#define ROPEGRAD_PASSES_BALL_H

#include <cfloat>
#include <cmath>

namespace ropegrad {

#if LDBL_MANT_DIG == 113
using Quad = long double;
#else
__extension__ typedef __float128 Quad;
#endif

inline Quad magnitude(Quad x) { return x < 0 ? -x : x; }

/// All reals within `radius` of `mid`. Rounding model: Quad is IEEE binary128,
/// whose +, -, *, / are off by at most 2^-113 of their result; the radius is
/// computed in double and pushed up by `up`, which outweighs the fewer than 16
/// double roundings (2^-53 each) of any formula below and all underflow.
struct Ball {
  Quad mid = 0;
  double radius = 0.0;

  Ball() = default;
  Ball(Quad exact) : mid(exact) {}
  Ball(Quad mid, double radius) : mid(mid), radius(radius) {}

  static double up(double x) { return x * (1.0 + 0x1p-48) + 1e-300; }
  static double rounding(Quad x) {
    return static_cast<double>(magnitude(x)) * 0x1p-113;
  }

  /// Upper and lower bounds of |x| over the ball.
  double upper() const {
    return up(static_cast<double>(magnitude(mid)) + radius);
  }
  double lower() const {
    double low =
        static_cast<double>(magnitude(mid)) * (1.0 - 0x1p-48) - up(radius);
    return low > 0.0 ? low : 0.0;
  }
};

inline Ball operator+(const Ball &a, const Ball &b) {
  Quad mid = a.mid + b.mid;
  return {mid, Ball::up(a.radius + b.radius + Ball::rounding(mid))};
}

inline Ball operator-(const Ball &a, const Ball &b) {
  return a + Ball(-b.mid, b.radius);
}

inline Ball operator*(const Ball &a, const Ball &b) {
  Quad mid = a.mid * b.mid;
  double x = static_cast<double>(magnitude(a.mid));
  double y = static_cast<double>(magnitude(b.mid));
  return {mid, Ball::up(x * b.radius + y * a.radius + a.radius * b.radius +
                        Ball::rounding(mid))};
}

/// Division by a small positive integer.
inline Ball operator/(const Ball &a, int k) {
  Quad mid = a.mid / k;
  return {mid, Ball::up(a.radius / k + Ball::rounding(mid))};
}

/// e^x for |x| <= 1000: the Taylor series of x / 2^j, |x| / 2^j <= 1/2, whose
/// remainder after degree 30 is below 2 (1/2)^31 / 31! < 2e-43, squared j
/// times.
inline Ball exponential(Quad x) {
  int halvings = 0;
  for (; magnitude(x) > Quad(0.5); ++halvings)
    x /= 2; // exact
  Ball y(x), sum(1);
  for (int k = 30; k >= 1; --k)
    sum = Ball(1) + y * sum / k;
  sum.radius = Ball::up(sum.radius + 2e-43);
  for (; halvings > 0; --halvings)
    sum = sum * sum;
  return sum;
}

} // namespace ropegrad

#endif // ROPEGRAD_PASSES_BALL_H
