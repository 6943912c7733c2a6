//===- Rotary.cpp - cos and sin of rotary position -------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Makes the tables at compile time and emits their combination.
//
//===----------------------------------------------------------------------===//

#include "passes/Rotary.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/bit.h"

#include <cmath>

using namespace mlir;
using namespace mlir::ropegrad;

static long double frequency(int64_t k, int64_t d, double base) {
  return std::pow(static_cast<long double>(base), -2.0L * k / d);
}

/// The table `name` of the module as `memref<?xf64>`, made by `fill` at first.
static Value table(Emitter &e, Operation *anchor, const std::string &name,
                   function_ref<std::vector<double>()> fill) {
  auto module = anchor->getParentOfType<ModuleOp>();
  auto global = module.lookupSymbol<memref::GlobalOp>(name);
  if (!global) {
    std::vector<double> values = fill();
    auto size = static_cast<int64_t>(values.size());
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(module.getBody());
    auto data = DenseElementsAttr::get(
        RankedTensorType::get({size}, e.b.getF64Type()), ArrayRef(values));
    global = memref::GlobalOp::create(
        e.b, e.loc, name, e.b.getStringAttr("private"),
        MemRefType::get({size}, e.b.getF64Type()), data, /*constant=*/true,
        e.b.getI64IntegerAttr(64));
  }
  return e.flat(
      memref::GetGlobalOp::create(e.b, e.loc, global.getType(), name));
}

Rotary::Rotary(Emitter &emitter, Operation *anchor, int64_t n, int64_t d,
               double base)
    : half(d / 2), step(std::ceil(std::sqrt(static_cast<double>(n)))),
      e(emitter) {
  std::string name =
      ("rotary_" + Twine(n) + "x" + Twine(d) + "_" +
       llvm::utohexstr(llvm::bit_cast<uint64_t>(base), /*LowerCase=*/true))
          .str();
  coarse = table(e, anchor, name + "_coarse", [&] {
    int64_t blocks = (n + step - 1) / step, pitch = half + maxWidth;
    std::vector<double> values(2 * blocks * pitch);
    for (int64_t hi = 0; hi < blocks; ++hi)
      for (int64_t k = 0; k < pitch; ++k) {
        long double angle = hi * step * frequency(k % half, d, base);
        values[2 * hi * pitch + k] = std::cos(angle);
        values[(2 * hi + 1) * pitch + k] = std::sin(angle);
      }
    return values;
  });
  fine = table(e, anchor, name + "_fine", [&] {
    int64_t plane = step * half + maxWidth;
    std::vector<double> values(2 * plane);
    for (int64_t at = 0; at < step * half; ++at) {
      int64_t row = at / half;
      long double angle =
          static_cast<long double>(row) * frequency(at % half, d, base);
      values[at] = std::cos(angle);
      values[plane + at] = std::sin(angle);
    }
    return values;
  });
}

Rotary::CosSin Rotary::combine(function_ref<Value(Value, Value)> load, Value hi,
                               Value fineAt, Value k) {
  int64_t pitch = half + maxWidth;
  Value coarseAt = e.add(e.mul(hi, 2 * pitch), k);
  Value cosHi = load(coarse, coarseAt);
  Value sinHi = load(coarse, e.add(coarseAt, pitch));
  Value cosLo = load(fine, fineAt);
  Value sinLo = load(fine, e.add(fineAt, step * half + maxWidth));
  Value sines = arith::NegFOp::create(e.b, e.loc, e.mulf(sinHi, sinLo));
  return {e.fma(cosHi, cosLo, sines),
          e.fma(sinHi, cosLo, e.mulf(cosHi, sinLo))};
}

Rotary::CosSin Rotary::at(Value i, Value k) {
  Value lo = e.rem(i, e.index(step));
  return combine([&](Value buffer, Value at) { return e.load(buffer, at); },
                 e.div(i, step), e.add(e.mul(lo, half), k), k);
}

Rotary::CosSin Rotary::at(Value hi, Value fineAt, Value k, int64_t width) {
  assert(width <= maxWidth && "the tables are padded by maxWidth");
  return combine(
      [&](Value buffer, Value at) { return e.load(buffer, at, width); }, hi,
      fineAt, k);
}
