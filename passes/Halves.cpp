//===- Halves.cpp - bf16 and f16 in registers ------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Conversions by integer arithmetic. Targets with vectors of 256 bits or more
// have F16C, whose instructions convert f16; for bf16 only some have any, and
// those take subnormal numbers for 0.
//
//===----------------------------------------------------------------------===//

#include "passes/Halves.h"

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

/// Bits of `lanes` singles.
class Bits {
public:
  Bits(Emitter &e, int64_t lanes)
      : e(e), type(VectorType::get({lanes}, e.b.getI32Type())) {}

  Value of(Value singles) {
    return arith::BitcastOp::create(e.b, e.loc, type, singles);
  }
  Value singles(Value bits) {
    return arith::BitcastOp::create(e.b, e.loc, type.clone(e.b.getF32Type()),
                                    bits);
  }
  Value ofHalves(Value halves) {
    Type narrow = type.clone(e.b.getI16Type());
    return arith::ExtUIOp::create(
        e.b, e.loc, type, arith::BitcastOp::create(e.b, e.loc, narrow, halves));
  }
  Value halves(Value bits, FloatType element) {
    Type narrow = type.clone(e.b.getI16Type());
    return arith::BitcastOp::create(
        e.b, e.loc, type.clone(element),
        arith::TruncIOp::create(e.b, e.loc, narrow, bits));
  }

  Value constant(uint32_t value) {
    return arith::ConstantOp::create(
        e.b, e.loc, DenseElementsAttr::get(type, APInt(32, value)));
  }
  Value left(Value x, uint32_t by) {
    return arith::ShLIOp::create(e.b, e.loc, x, constant(by));
  }
  Value right(Value x, uint32_t by) {
    return arith::ShRUIOp::create(e.b, e.loc, x, constant(by));
  }
  Value bitAnd(Value x, uint32_t mask) {
    return arith::AndIOp::create(e.b, e.loc, x, constant(mask));
  }
  Value bitOr(Value x, Value y) {
    return arith::OrIOp::create(e.b, e.loc, x, y);
  }
  Value add(Value x, Value y) {
    return arith::AddIOp::create(e.b, e.loc, x, y);
  }
  Value add(Value x, uint32_t y) { return add(x, constant(y)); }
  /// x < y as signed numbers.
  Value isLess(Value x, uint32_t y) {
    return arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::slt, x,
                                 constant(y));
  }
  Value choose(Value condition, Value yes, Value no) {
    return arith::SelectOp::create(e.b, e.loc, condition, yes, no);
  }

private:
  Emitter &e;
  VectorType type;
};

constexpr uint32_t kMagnitude = 0x7fffffff, kSign = 0x80000000;
constexpr uint32_t kInfinity = 0x7f800000; ///< 2^128, the bits of an f32
/// The bits of 2^exponent.
constexpr uint32_t power(int exponent) {
  return static_cast<uint32_t>(127 + exponent) << 23;
}
/// From an exponent of f16 to that of f32, in place.
constexpr uint32_t kRebias = static_cast<uint32_t>(127 - 15) << 23;

/// bf16 is the upper half of f32. Half a unit in the last place, less where the
/// last place is even, carries into it; nan must not be carried to 0.
Value narrowToBF16(Bits &bits, Value x) {
  Value odd = bits.bitAnd(bits.right(x, 16), 1);
  Value rounded = bits.right(bits.add(bits.add(x, odd), 0x7fff), 16);
  Value quiet = bits.bitOr(bits.right(x, 16), bits.constant(0x40));
  Value isNumber = bits.isLess(bits.bitAnd(x, kMagnitude), kInfinity + 1);
  return bits.choose(isNumber, rounded, quiet);
}

/// Exponents are moved; those of all ones once more; subnormal numbers are the
/// mantissa in units of 2^-24, which a subtraction normalises.
Value widenF16(Emitter &e, Bits &bits, Value h) {
  Value sign = bits.left(bits.bitAnd(h, 0x8000), 16);
  Value shifted = bits.left(bits.bitAnd(h, 0x7fff), 13);
  Value normal = bits.add(shifted, kRebias);
  Value infinite = bits.add(shifted, 2 * kRebias);
  Value unit = bits.singles(bits.constant(power(-14)));
  Value subnormal =
      bits.of(e.subf(bits.singles(bits.add(shifted, power(-14))), unit));
  Value result =
      bits.choose(bits.isLess(shifted, 0x7c00 << 13), normal, infinite);
  result = bits.choose(bits.isLess(shifted, 0x0400 << 13), subnormal, result);
  return bits.bitOr(result, sign);
}

/// As for bf16 with 13 bits to drop. Below 2^-14 an addition to a number whose
/// last place is 2^-24 rounds; from 2^16 on all is infinite, if not nan.
Value narrowToF16(Emitter &e, Bits &bits, Value x) {
  Value sign = bits.right(bits.bitAnd(x, kSign), 16);
  Value size = bits.bitAnd(x, kMagnitude);
  Value odd = bits.bitAnd(bits.right(size, 13), 1);
  Value normal = bits.right(bits.add(bits.add(size, odd), 0xfff - kRebias), 13);
  Value half = bits.singles(bits.constant(power(-1)));
  Value subnormal =
      bits.add(bits.of(e.addf(bits.singles(size), half)), -power(-1));
  Value large = bits.choose(bits.isLess(size, kInfinity + 1),
                            bits.constant(0x7c00), bits.constant(0x7e00));
  Value result = bits.choose(bits.isLess(size, power(16)), normal, large);
  result = bits.choose(bits.isLess(size, power(-14)), subnormal, result);
  return bits.bitOr(result, sign);
}

/// Whether the target converts f16 by itself.
bool hasF16C(Emitter &e) { return e.lanes * e.element.getWidth() >= 256; }

} // namespace

Value mlir::ropegrad::widen(Emitter &e, Value halves) {
  auto type = cast<VectorType>(halves.getType());
  VectorType wide = e.vector(type.getNumElements());
  bool isF16 = type.getElementType().isF16();
  if (isF16 && hasF16C(e))
    return arith::ExtFOp::create(e.b, e.loc, wide, halves);
  Bits bits(e, type.getNumElements());
  Value h = bits.ofHalves(halves);
  return bits.singles(isF16 ? widenF16(e, bits, h) : bits.left(h, 16));
}

Value mlir::ropegrad::narrow(Emitter &e, Value singles, FloatType type) {
  auto wide = cast<VectorType>(singles.getType());
  if (type.isF16() && hasF16C(e))
    return arith::TruncFOp::create(e.b, e.loc, wide.clone(type), singles);
  Bits bits(e, wide.getNumElements());
  Value x = bits.of(singles);
  return bits.halves(
      type.isF16() ? narrowToF16(e, bits, x) : narrowToBF16(bits, x), type);
}
