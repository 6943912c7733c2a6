//===- CallMemory.cpp - Where the arrays of a call lie ---------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Most arrays are apart because their ranges of addresses are: two comparisons.
// Where the ranges meet, arrays of rows may still lie in each other's gaps: if
// m divides all distances beyond blocks of e and f bytes, two arrays are apart
// when [0, e) and [delta, delta + f) are, modulo m.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/CallMemory.h"

#include "llvm/AsmParser/Parser.h"
#include "llvm/Support/SourceMgr.h"

using namespace llvm;

namespace ropegrad {
namespace {

constexpr unsigned kAddressBits = 47; // of a program on x86-64

const char *const kOverlap = R"(
; Address; bytes of a row, of rows in the first dimension, in two, in all;
; distances in the three dimensions, ascending, 0 where there is none.
%ropegrad.extent = type { i64, [4 x i64], [3 x i64] }

define internal i64 @ropegrad.gcd(i64 %a, i64 %b) {
entry:
  br label %loop
loop:
  %x = phi i64 [ %a, %entry ], [ %y, %next ]
  %y = phi i64 [ %b, %entry ], [ %r, %next ]
  %done = icmp eq i64 %y, 0
  br i1 %done, label %exit, label %next
next:
  %r = urem i64 %x, %y
  br label %loop
exit:
  ret i64 %x
}

; What divides all distances from dimension %level on.
define internal i64 @ropegrad.modulus(ptr %extent, i64 %level) {
entry:
  br label %loop
loop:
  %k = phi i64 [ %level, %entry ], [ %next.k, %next ]
  %m = phi i64 [ 0, %entry ], [ %next.m, %next ]
  %done = icmp eq i64 %k, 3
  br i1 %done, label %exit, label %next
next:
  %at = getelementptr %ropegrad.extent, ptr %extent, i64 0, i32 2, i64 %k
  %stride = load i64, ptr %at
  %next.m = call i64 @ropegrad.gcd(i64 %m, i64 %stride)
  %next.k = add i64 %k, 1
  br label %loop
exit:
  ret i64 %m
}

; Whether blocks of %a and of %b, around %i and %j dimensions, never meet.
define internal i1 @ropegrad.apart(ptr %a, ptr %b, i64 %delta, i64 %i, i64 %j) {
entry:
  %m.a = call i64 @ropegrad.modulus(ptr %a, i64 %i)
  %m.b = call i64 @ropegrad.modulus(ptr %b, i64 %j)
  %m = call i64 @ropegrad.gcd(i64 %m.a, i64 %m.b)
  %whole = icmp eq i64 %m, 0
  br i1 %whole, label %exit, label %compare
compare:
  %at.a = getelementptr %ropegrad.extent, ptr %a, i64 0, i32 1, i64 %i
  %at.b = getelementptr %ropegrad.extent, ptr %b, i64 0, i32 1, i64 %j
  %e = load i64, ptr %at.a
  %f = load i64, ptr %at.b
  %r = srem i64 %delta, %m
  %negative = icmp slt i64 %r, 0
  %r.plus = add i64 %r, %m
  %offset = select i1 %negative, i64 %r.plus, i64 %r
  %behind = icmp uge i64 %offset, %e
  %end = add i64 %offset, %f
  %before = icmp ule i64 %end, %m
  %both = and i1 %behind, %before
  br label %exit
exit:
  %result = phi i1 [ false, %entry ], [ %both, %compare ]
  ret i1 %result
}

define internal i1 @ropegrad.overlap(ptr %a, ptr %b) noinline {
entry:
  %address.a = load i64, ptr %a
  %address.b = load i64, ptr %b
  %delta = sub i64 %address.b, %address.a
  %back = sub i64 %address.a, %address.b
  %at.a = getelementptr %ropegrad.extent, ptr %a, i64 0, i32 1, i64 3
  %at.b = getelementptr %ropegrad.extent, ptr %b, i64 0, i32 1, i64 3
  %all.a = load i64, ptr %at.a
  %all.b = load i64, ptr %at.b
  %inside.a = icmp ult i64 %delta, %all.a
  %inside.b = icmp ult i64 %back, %all.b
  %meet = or i1 %inside.a, %inside.b
  br i1 %meet, label %loop, label %exit
loop:
  %k = phi i64 [ 0, %entry ], [ %next.k, %next ]
  %i = udiv i64 %k, 4
  %j = urem i64 %k, 4
  %apart = call i1 @ropegrad.apart(ptr %a, ptr %b, i64 %delta, i64 %i, i64 %j)
  br i1 %apart, label %exit, label %next
next:
  %next.k = add i64 %k, 1
  %last = icmp eq i64 %next.k, 16
  br i1 %last, label %exit, label %loop
exit:
  %result = phi i1 [ false, %entry ], [ false, %loop ], [ true, %next ]
  ret i1 %result
}
)";

} // namespace

void CallMemory::define(Module &module) {
  SMDiagnostic problem;
  MemoryBufferRef text(kOverlap, "overlap");
  if (parseAssemblyInto(text, &module, nullptr, problem))
    report_fatal_error(problem.getMessage());
}

CallMemory::CallMemory(Module &module, IRBuilder<> &b)
    : module(module), b(b), misaligned(b.getFalse()), tooFar(b.getFalse()),
      folded(b.getFalse()) {}

Value *CallMemory::reach(const Dimension &dimension) {
  Value *steps = b.CreateSub(dimension.count, b.getInt64(1));
  Value *product = b.CreateBinaryIntrinsic(Intrinsic::umul_with_overflow, steps,
                                           dimension.stride);
  Value *value = b.CreateExtractValue(product, 0);
  tooFar = b.CreateOr(tooFar, b.CreateExtractValue(product, 1));
  tooFar = b.CreateOr(
      tooFar, b.CreateICmpUGE(value, b.getInt64(uint64_t(1) << kAddressBits)));
  return value;
}

void CallMemory::add(Value *address, std::array<Value *, 4> extents,
                     std::array<Value *, 3> strides, uint64_t alignment,
                     bool isWritten) {
  Value *number = b.CreatePtrToInt(address, b.getInt64Ty());
  misaligned =
      b.CreateOr(misaligned, b.CreateICmpNE(b.CreateAnd(number, alignment - 1),
                                            b.getInt64(0)));
  auto *type = ArrayType::get(b.getInt64Ty(), 8);
  Value *extent = b.CreateAlloca(type);
  unsigned next = 0;
  auto store = [&](Value *value) {
    b.CreateStore(value,
                  b.CreateConstInBoundsGEP1_64(b.getInt64Ty(), extent, next++));
  };
  store(number);
  llvm::for_each(extents, store);
  llvm::for_each(strides, store);
  arrays.push_back({extent, isWritten});
}

void CallMemory::addContiguous(Value *address, Value *bytes, uint64_t alignment,
                               bool isWritten) {
  Value *zero = b.getInt64(0);
  add(address, {bytes, bytes, bytes, bytes}, {zero, zero, zero}, alignment,
      isWritten);
}

void CallMemory::addRows(Value *address, uint64_t rowBytes,
                         std::array<Dimension, 3> dimensions,
                         uint64_t alignment, bool isWritten) {
  for (Dimension &each : dimensions) {
    Value *isOne = b.CreateICmpEQ(each.count, b.getInt64(1));
    each.stride = b.CreateSelect(isOne, b.getInt64(0), each.stride);
  }
  auto order = [&](unsigned i, unsigned j) {
    Dimension &x = dimensions[i], &y = dimensions[j];
    Value *swap = b.CreateICmpUGT(x.stride, y.stride);
    Dimension low{b.CreateSelect(swap, y.count, x.count),
                  b.CreateSelect(swap, y.stride, x.stride)};
    y = {b.CreateSelect(swap, x.count, y.count),
         b.CreateSelect(swap, x.stride, y.stride)};
    x = low;
  };
  order(0, 1);
  order(1, 2);
  order(0, 1);
  std::array<Value *, 4> extents{b.getInt64(rowBytes)};
  std::array<Value *, 3> strides;
  for (unsigned k = 0; k < 3; ++k) {
    const Dimension &each = dimensions[k];
    Value *several = b.CreateICmpUGT(each.count, b.getInt64(1));
    Value *tooNear = b.CreateICmpULT(each.stride, extents[k]);
    if (isWritten)
      folded = b.CreateOr(folded, b.CreateAnd(several, tooNear));
    extents[k + 1] = b.CreateAdd(extents[k], reach(each));
    strides[k] = each.stride;
  }
  add(address, extents, strides, alignment, isWritten);
}

Value *CallMemory::isShared() {
  Value *shared = folded;
  Function *overlap = module.getFunction("ropegrad.overlap");
  for (size_t i = 0; i < arrays.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (arrays[i].isWritten || arrays[j].isWritten)
        shared = b.CreateOr(shared, b.CreateCall(overlap, {arrays[i].extent,
                                                           arrays[j].extent}));
  return shared;
}

} // namespace ropegrad
