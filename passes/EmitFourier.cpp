//===- EmitFourier.cpp - ropegrad-emit-fourier -----------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The transforms of one length as functions of their own, for tests,
// measurements and callers that have blocks already.
//
//===----------------------------------------------------------------------===//

#include "passes/Fourier.h"

namespace mlir::ropegrad {

#define GEN_PASS_DEF_EMITFOURIER
#include "passes/Passes.h.inc"

namespace {

struct EmitFourierPass : impl::EmitFourierBase<EmitFourierPass> {
  using EmitFourierBase::EmitFourierBase;

  LogicalResult refuse(StringRef what, int64_t got) {
    return getOperation().emitError("expected ") << what << ", but got " << got;
  }

  LogicalResult check() {
    if (vectorBits != 128 && vectorBits != 256 && vectorBits != 512)
      return refuse("vector-bits of 128, 256 or 512", vectorBits);
    if (elementBits != 32 && elementBits != 64)
      return refuse("element-bits of 32 or 64", elementBits);
    if (length < 1 || length > kLongest || !::ropegrad::fourierOfLength(length))
      return refuse("a length from 1 to 2^26 without prime factors above 7",
                    length);
    if (filled == 0)
      filled = length.getValue();
    if (filled < 1 || filled > length)
      return refuse("filled from 1 to the length", filled);
    return success();
  }

  void runOnOperation() final {
    if (failed(check()))
      return signalPassFailure();
    Fourier f = *::ropegrad::fourierOfLength(length);
    OpBuilder b = OpBuilder::atBlockEnd(getOperation().getBody());
    FloatType element = elementBits == 64 ? FloatType(b.getF64Type())
                                          : FloatType(b.getF32Type());
    Emitter e(b, getOperation().getLoc(), element, vectorBits);
    auto buffer = [&](int64_t size) {
      return MemRefType::get({size}, element);
    };
    Type block = buffer(blockSize(e, f)), work = buffer(workSize(e, f)),
         spectrum = buffer(spectrumSize(f));
    add(e, f, "forward", {block, work}, [&](Operation *anchor, ValueRange a) {
      emitForward(e, anchor, f, {a[0], e.index(0)}, a[1], filled);
    });
    add(e, f, "inverse", {block, work}, [&](Operation *anchor, ValueRange a) {
      emitInverse(e, anchor, f, {a[0], e.index(0)}, a[1], filled);
    });
    add(e, f, "convolve", {block, work, spectrum},
        [&](Operation *anchor, ValueRange a) {
          emitConvolve(e, anchor, f, {a[0], e.index(0)}, {a[2], e.index(0)},
                       a[1], filled, filled);
        });
    add(e, f, "multiply", {block, spectrum},
        [&](Operation *anchor, ValueRange a) {
          emitMultiply(e, anchor, f, {a[0], e.index(0)}, {a[1], e.index(0)});
        });
    add(e, f, "spectrum", {block, spectrum},
        [&](Operation *anchor, ValueRange a) {
          emitSpectrum(e, anchor, f, {a[0], e.index(0)}, e.index(0),
                       {a[1], e.index(0)}, 1.0 / static_cast<double>(f.length));
        });
    add(e, f, "correlate", {block, block, spectrum},
        [&](Operation *anchor, ValueRange a) {
          emitCorrelate(e, anchor, f, {a[0], e.index(0)}, {a[1], e.index(0)},
                        {a[2], e.index(0)});
        });
    add(e, f, "spread", {spectrum, block},
        [&](Operation *anchor, ValueRange a) {
          emitSpread(e, anchor, f, {a[0], e.index(0)}, e.index(1),
                     {a[1], e.index(0)});
        });
  }

  /// A public function of flat buffers.
  void add(Emitter &e, const Fourier &f, StringRef name, TypeRange arguments,
           function_ref<void(Operation *, ValueRange)> body) {
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToEnd(getOperation().getBody());
    auto function = func::FuncOp::create(
        e.b, e.loc, name, e.b.getFunctionType(arguments, TypeRange()));
    function->setAttr("llvm.bareptr", e.b.getUnitAttr());
    function->setAttr("ropegrad.down", e.b.getDenseI64ArrayAttr(f.down));
    function->setAttr("ropegrad.along", e.b.getDenseI64ArrayAttr(f.along));
    function->setAttr("ropegrad.pitch", e.b.getI64IntegerAttr(f.pitch));
    Block *entry = function.addEntryBlock();
    e.b.setInsertionPointToStart(entry);
    SmallVector<Value> flat;
    for (Value argument : entry->getArguments())
      flat.push_back(e.flat(argument));
    body(function, flat);
    func::ReturnOp::create(e.b, e.loc);
  }

  static constexpr int64_t kLongest = int64_t(1) << 26;
};

} // namespace
} // namespace mlir::ropegrad
