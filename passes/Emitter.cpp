//===- Emitter.cpp - Shorthand for level-4 code ----------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Implementation of the emitter: folding index arithmetic, loops, buffers, exp.
//
//===----------------------------------------------------------------------===//

#include "passes/Emitter.h"

#include "passes/Approximation.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Matchers.h"

#include <cmath>

using namespace mlir;
using namespace mlir::ropegrad;

static std::optional<int64_t> constantOf(Value value) {
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)))
    return constant.getSExtValue();
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Indices
//===----------------------------------------------------------------------===//

Value Emitter::index(int64_t value) {
  return arith::ConstantIndexOp::create(b, loc, value);
}

Value Emitter::add(Value x, Value y) {
  auto cx = constantOf(x), cy = constantOf(y);
  if (cx && cy)
    return index(*cx + *cy);
  if (cx && *cx == 0)
    return y;
  if (cy && *cy == 0)
    return x;
  return arith::AddIOp::create(b, loc, x, y);
}

Value Emitter::sub(Value x, Value y) {
  auto cx = constantOf(x), cy = constantOf(y);
  if (cx && cy)
    return index(*cx - *cy);
  if (cy && *cy == 0)
    return x;
  return arith::SubIOp::create(b, loc, x, y);
}

Value Emitter::mul(Value x, Value y) {
  auto cx = constantOf(x), cy = constantOf(y);
  if (cx && cy)
    return index(*cx * *cy);
  if ((cx && *cx == 0) || (cy && *cy == 0))
    return index(0);
  if (cx && *cx == 1)
    return y;
  if (cy && *cy == 1)
    return x;
  return arith::MulIOp::create(b, loc, x, y);
}

Value Emitter::div(Value x, Value y) {
  auto cx = constantOf(x), cy = constantOf(y);
  if (cx && cy)
    return index(*cx / *cy);
  if (cy && *cy == 1)
    return x;
  return arith::DivUIOp::create(b, loc, x, y);
}

Value Emitter::rem(Value x, Value y) {
  auto cx = constantOf(x), cy = constantOf(y);
  if (cx && cy)
    return index(*cx % *cy);
  if (cy && *cy == 1)
    return index(0);
  return arith::RemUIOp::create(b, loc, x, y);
}

Value Emitter::min(Value x, Value y) {
  auto cx = constantOf(x), cy = constantOf(y);
  if (cx && cy)
    return index(std::min(*cx, *cy));
  return arith::MinSIOp::create(b, loc, x, y);
}

Value Emitter::max(Value x, Value y) {
  auto cx = constantOf(x), cy = constantOf(y);
  if (cx && cy)
    return index(std::max(*cx, *cy));
  return arith::MaxSIOp::create(b, loc, x, y);
}

//===----------------------------------------------------------------------===//
// Floats
//===----------------------------------------------------------------------===//

Value Emitter::scalar(double value) {
  return arith::ConstantOp::create(b, loc, b.getFloatAttr(element, value));
}

Value Emitter::splat(double value, int64_t width) {
  auto type = vector(width);
  return arith::ConstantOp::create(
      b, loc,
      DenseElementsAttr::get(type, b.getFloatAttr(element, value).getValue()));
}

Value Emitter::broadcast(Value value, int64_t width) {
  return vector::BroadcastOp::create(b, loc, vector(width), value);
}

Value Emitter::addf(Value x, Value y) {
  return arith::AddFOp::create(b, loc, x, y);
}
Value Emitter::subf(Value x, Value y) {
  return arith::SubFOp::create(b, loc, x, y);
}
Value Emitter::mulf(Value x, Value y) {
  return arith::MulFOp::create(b, loc, x, y);
}
Value Emitter::divf(Value x, Value y) {
  return arith::DivFOp::create(b, loc, x, y);
}

Value Emitter::maxf(Value x, Value y) {
  // This form is one vmaxps; arith.maximumf is three instructions.
  Value greater =
      arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, x, y);
  return arith::SelectOp::create(b, loc, greater, x, y);
}

Value Emitter::maximum(Value x, Value y) {
  return arith::MaximumFOp::create(b, loc, x, y);
}

Value Emitter::toDouble(Value x) {
  Type wide = b.getF64Type();
  if (auto vector = dyn_cast<VectorType>(x.getType()))
    wide = vector.clone(wide);
  if (x.getType() == wide)
    return x;
  return arith::ExtFOp::create(b, loc, wide, x);
}

Value Emitter::fma(Value x, Value y, Value z) {
  if (isa<VectorType>(x.getType()))
    return vector::FMAOp::create(b, loc, x, y, z);
  return math::FmaOp::create(b, loc, x, y, z);
}

Value Emitter::constantLike(Value x, double value) {
  auto type = dyn_cast<VectorType>(x.getType());
  return type ? splat(value, type.getNumElements()) : scalar(value);
}

/// Integers as wide as the elements of `x`.
Value Emitter::integersLike(Value x, int64_t value) {
  auto integer = b.getIntegerType(element.getWidth());
  auto attribute = b.getIntegerAttr(integer, value);
  auto type = dyn_cast<VectorType>(x.getType());
  if (!type)
    return arith::ConstantOp::create(b, loc, attribute);
  return arith::ConstantOp::create(
      b, loc,
      DenseElementsAttr::get(type.clone(integer), attribute.getValue()));
}

/// Below it 2^x is 0 in single precision.
static constexpr double kLeastLog2 = -100.0;

namespace {
/// What differs between single and double precision in exp. 2^x is taken of
/// logits relative to those of their row: what is far below a rounding of the
/// sum is 0 long before it is subnormal, for products with subnormal numbers,
/// or that are, take a hundred times as long. exp, also taken of a bias as it
/// is, has all normal numbers.
struct ExpConstants {
  unsigned degree;
  double magic; ///< adding it rounds to an integer in the low bits
  unsigned mantissa;
  double least, highest;   ///< logarithms: below `least` exp is 0
  double least2, highest2; ///< to base 2
  double ln2High;          ///< n * ln2High is exact for every n that occurs
};
} // namespace

Value Emitter::exp(Value x) { return exponential(x, /*base2=*/false); }

Value Emitter::exp2(Value x) {
  auto type = dyn_cast<VectorType>(x.getType());
  if (scalef && element.isF32() && type && type.getNumElements() == lanes)
    return scaledExp2(x);
  return exponential(x, /*base2=*/true);
}

Value Emitter::exponential(Value x, bool base2) {
  ExpConstants c = element.isF64()
                       ? ExpConstants{12,    0x1.8p52, 52,     -708.3,
                                      709.7, -1000.0,  1023.9, 0x1.62e42fep-1}
                       : ExpConstants{6,    0x1.8p23,   23,    -87.3,
                                      88.7, kLeastLog2, 127.9, 0x1.62ep-1};
  auto constant = [&](double value) { return constantLike(x, value); };
  // These keep nan: the comparison with nan is false.
  Value high = constant(base2 ? c.highest2 : c.highest);
  Value isZero = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, x,
                                       constant(base2 ? c.least2 : c.least));
  x = arith::SelectOp::create(
      b, loc, arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, x, high),
      high, x);
  Value magic = constant(c.magic);
  Value shifted = base2 ? addf(x, magic) : fma(x, constant(1.0 / M_LN2), magic);
  Value n = subf(shifted, magic), r;
  if (base2) {
    r = subf(x, n);
  } else {
    r = fma(n, constant(-c.ln2High), x);
    r = fma(n, constant(c.ln2High - M_LN2), r);
  }

  auto fit = ::ropegrad::approximateExp(M_LN2 / 2 * (1 + 0x1p-10), c.degree,
                                        ::ropegrad::Fit::Minimax,
                                        /*gradient=*/false);
  assert(fit && "exp on [-ln2/2, ln2/2] can be fitted");
  const std::vector<double> &p = fit->coefficients;
  auto coefficient = [&](size_t k) {
    return constant(p[k] * (base2 ? std::pow(M_LN2, k) : 1.0));
  };
  Value sum = coefficient(p.size() - 1);
  for (size_t k = p.size() - 1; k-- > 0;)
    sum = fma(sum, r, coefficient(k));

  // Multiply by 2^n: add n to the exponent bits.
  Value shift = integersLike(x, c.mantissa);
  Type bits = shift.getType();
  Value exponent = arith::ShLIOp::create(
      b, loc, arith::BitcastOp::create(b, loc, bits, shifted), shift);
  Value scaled = arith::AddIOp::create(
      b, loc, arith::BitcastOp::create(b, loc, bits, sum), exponent);
  return arith::SelectOp::create(
      b, loc, isZero, constant(0.0),
      arith::BitcastOp::create(b, loc, x.getType(), scaled));
}

/// f = x - floor(x) in one instruction, 2^f by a minimax polynomial of degree 5
/// on [0, 1) (relative error 1.5e-7), times 2^floor(x) in one instruction that
/// writes 0 where x is too small.
Value Emitter::scaledExp2(Value x) {
  constexpr double p[] = {9.999999251e-1, 6.931530731e-1, 2.401536173e-1,
                          5.582631767e-2, 8.989340283e-3, 1.877576681e-3};
  // Floor, all fraction bits dropped, no exceptions.
  constexpr int32_t floorMode = 0x09, roundAsIs = 4;
  Value mask = LLVM::ConstantOp::create(b, loc, b.getI16IntegerAttr(-1));
  Value mode = LLVM::ConstantOp::create(b, loc, b.getI32IntegerAttr(floorMode));
  Value asIs = LLVM::ConstantOp::create(b, loc, b.getI32IntegerAttr(roundAsIs));
  auto call = [&](StringRef name, ValueRange arguments) -> Value {
    return LLVM::CallIntrinsicOp::create(b, loc, x.getType(),
                                         b.getStringAttr(name), arguments)
        .getResult(0);
  };
  Value f =
      call("llvm.x86.avx512.mask.reduce.ps.512", {x, mode, x, mask, asIs});
  Value sum = constantLike(x, p[5]);
  for (size_t k = 5; k-- > 0;)
    sum = fma(sum, f, constantLike(x, p[k]));
  // A nan is not below anything.
  Value isCounted = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UGE, x,
                                          constantLike(x, kLeastLog2));
  return call("llvm.x86.avx512.mask.scalef.ps.512",
              {sum, x, constantLike(x, 0.0),
               LLVM::BitcastOp::create(b, loc, b.getI16Type(), isCounted),
               asIs});
}

Value Emitter::log(Value x) {
  bool isDouble = element.isF64();
  // x = 2^k f with 2/3 <= f < 4/3, log f = 2 artanh((f - 1) / (f + 1)).
  unsigned mantissa = isDouble ? 52 : 23;
  uint64_t twoThirds = isDouble ? 0x3fe5555555555555 : 0x3f2aaaab;
  Value bits =
      arith::BitcastOp::create(b, loc, integersLike(x, 0).getType(), x);
  Value above = arith::SubIOp::create(b, loc, bits, integersLike(x, twoThirds));
  Value k = arith::ShRSIOp::create(b, loc, above, integersLike(x, mantissa));
  Value fBits = arith::SubIOp::create(
      b, loc, bits,
      arith::ShLIOp::create(b, loc, k, integersLike(x, mantissa)));
  Value f = arith::BitcastOp::create(b, loc, x.getType(), fBits);
  Value one = constantLike(x, 1.0);
  Value s = divf(subf(f, one), addf(f, one)), square = mulf(s, s);
  int terms = isDouble ? 11 : 5; // |s| <= 1/5: 0.04^terms is below the rounding
  Value sum = constantLike(x, 2.0 / (2 * terms + 1));
  for (int term = terms; term-- > 0;)
    sum = fma(sum, square, constantLike(x, 2.0 / (2 * term + 1)));
  Value exponent = arith::SIToFPOp::create(b, loc, x.getType(), k);
  return fma(exponent, constantLike(x, M_LN2), mulf(sum, s));
}

Value Emitter::reduceAdd(Value v) {
  // Reassociation is what makes this a shuffle tree and not a chain; the order
  // is fixed by the lowering, so results stay reproducible.
  return vector::ReductionOp::create(b, loc, vector::CombiningKind::ADD, v,
                                     arith::FastMathFlags::reassoc);
}

Value Emitter::reduceMax(Value v) {
  return vector::ReductionOp::create(b, loc, vector::CombiningKind::MAXNUMF, v,
                                     arith::FastMathFlags::nnan);
}

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

Value Emitter::flat(Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  assert(type.hasStaticShape() && type.getLayout().isIdentity() &&
         "flat buffers are contiguous");
  if (type.getRank() == 0) {
    auto one = MemRefType::get({1}, type.getElementType());
    memref = memref::ExpandShapeOp::create(b, loc, one, memref,
                                           ArrayRef<ReassociationIndices>{});
  } else if (type.getRank() > 1) {
    ReassociationIndices all;
    for (int64_t i = 0; i < type.getRank(); ++i)
      all.push_back(i);
    memref = memref::CollapseShapeOp::create(
        b, loc, memref, ArrayRef<ReassociationIndices>{all});
  }
  return memref::CastOp::create(
      b, loc, MemRefType::get({ShapedType::kDynamic}, type.getElementType()),
      memref);
}

Value Emitter::scratch(int64_t size) {
  auto alloc =
      memref::AllocOp::create(b, loc, MemRefType::get({size}, element));
  alloc.setAlignment(64);
  return memref::CastOp::create(b, loc, bufferType(), alloc);
}

Value Emitter::load(Value buffer, Value at) {
  return memref::LoadOp::create(b, loc, buffer, at);
}

Value Emitter::load(Value buffer, Value at, int64_t width) {
  Type type = cast<MemRefType>(buffer.getType()).getElementType();
  return vector::LoadOp::create(b, loc, VectorType::get({width}, type), buffer,
                                at);
}

void Emitter::store(Value value, Value buffer, Value at) {
  if (isa<VectorType>(value.getType()))
    vector::StoreOp::create(b, loc, value, buffer, at);
  else
    memref::StoreOp::create(b, loc, value, buffer, at);
}

void Emitter::zero(Slice to, int64_t size) {
  forPieces(size, [&](Value at, int64_t width) {
    store(splat(0.0, width), to.buffer, add(to.offset, at));
  });
}

SmallVector<Value> Emitter::transpose(SmallVector<Value> rows) {
  // Interleaving row i with row i + side/2, for all i, rotates the bits of the
  // position (row, column) by one; after log2(side) times they have changed
  // places.
  int64_t side = rows.size(), half = side / 2;
  SmallVector<int64_t> low, high;
  for (int64_t i = 0; i < half; ++i) {
    low.append({i, side + i});
    high.append({half + i, side + half + i});
  }
  for (int64_t stage = 1; stage < side; stage *= 2) {
    SmallVector<Value> next;
    auto interleave = [&](int64_t i, ArrayRef<int64_t> mask) {
      next.push_back(
          vector::ShuffleOp::create(b, loc, rows[i], rows[i + half], mask));
    };
    for (int64_t i = 0; i < half; ++i) {
      interleave(i, low);
      interleave(i, high);
    }
    rows = next;
  }
  return rows;
}

//===----------------------------------------------------------------------===//
// Control
//===----------------------------------------------------------------------===//

void Emitter::loop(Value from, Value to, int64_t step,
                   function_ref<void(Value)> body) {
  auto forOp = scf::ForOp::create(b, loc, from, to, index(step));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(forOp.getBody());
  body(forOp.getInductionVar());
}

SmallVector<Value>
Emitter::loop(Value from, Value to, int64_t step, ValueRange inits,
              function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  auto forOp = scf::ForOp::create(b, loc, from, to, index(step), inits);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(forOp.getBody());
  SmallVector<Value> next =
      body(forOp.getInductionVar(), forOp.getRegionIterArgs());
  if (!inits.empty()) // scf.for without results brings its own
    scf::YieldOp::create(b, loc, next);
  return SmallVector<Value>(forOp.getResults());
}

void Emitter::forPieces(int64_t width,
                        function_ref<void(Value, int64_t)> body) {
  int64_t whole = width / lanes * lanes;
  if (whole > 0)
    loop(0, whole, lanes, [&](Value at) { body(at, lanes); });
  for (auto [offset, piece] : vectorPieces(width - whole, lanes))
    body(index(whole + offset), piece);
}

void Emitter::when(Value condition, function_ref<void()> body) {
  auto ifOp = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&ifOp.getThenRegion().front());
  body();
}

void Emitter::parallel(Value units, StringRef space,
                       function_ref<void(Value)> body) {
  auto loop = scf::ParallelOp::create(b, loc, ValueRange{index(0)},
                                      ValueRange{units}, ValueRange{index(1)});
  if (!space.empty())
    loop->setAttr("ropegrad.space", b.getStringAttr(space));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVars()[0]);
}

func::FuncOp Emitter::kernel(Operation *anchor, StringRef name,
                             TypeRange arguments,
                             function_ref<void(Emitter &, ValueRange)> body) {
  auto module = anchor->getParentOfType<ModuleOp>();
  if (auto existing = module.lookupSymbol<func::FuncOp>(name))
    return existing;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(module.getBody());
  auto function = func::FuncOp::create(
      b, loc, name, b.getFunctionType(arguments, TypeRange()));
  function.setPrivate();
  function->setAttr("passthrough",
                    b.getArrayAttr({b.getStringAttr("noinline")}));
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToStart(entry);
  body(*this, entry->getArguments());
  b.setInsertionPointToEnd(entry);
  func::ReturnOp::create(b, loc);
  return function;
}

void Emitter::call(func::FuncOp function, ValueRange arguments) {
  func::CallOp::create(b, loc, function, arguments);
}

FloatType mlir::ropegrad::elementOf(Value memref) {
  return cast<FloatType>(getElementTypeOrSelf(memref.getType()));
}

SmallVector<std::pair<int64_t, int64_t>>
mlir::ropegrad::vectorPieces(int64_t width, int64_t lanes) {
  SmallVector<std::pair<int64_t, int64_t>> pieces;
  for (int64_t at = 0; at < width;) {
    while (lanes > width - at)
      lanes /= 2;
    pieces.emplace_back(at, lanes);
    at += lanes;
  }
  return pieces;
}
