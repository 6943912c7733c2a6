//===- GuardShares.cpp - Lowering of require_share -------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Row sums beside what transforms of their blocks add up to. The spectrum has
// that sum at frequency 0, which stands first.
//
//===----------------------------------------------------------------------===//

#include "passes/PairConvolution.h"
#include "passes/RowLowerings.h"

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

class Shares {
public:
  Shares(Emitter &e, RequireShareOp op)
      : e(e), op(op), n(bufferShape(op.getOuts()[0])[2]),
        blocks(blocksOf(op, n)), tables(bufferShape(op.getIns()[0])[0]),
        each(bufferShape(op.getIns()[0])[1] * blocks.spectrumSize()),
        spectra(e.flat(op.getIns()[0])) {}

  LogicalResult emit() {
    if (failed(expectStatus(op)) ||
        failed(checkSpectrum(op, op.getIns()[0], blocks)))
      return failure();
    FailureOr<Tall> sums = tallOf(e, op, op.getOuts()[0]);
    if (failed(sums))
      return failure();
    RowSpace space = rowSpace(e, op, op.getOuts()[0]);
    Value passed = e.scratch(space.maxUnits());
    forRows(e, space, [&](const RowUnit &unit) {
      e.store(mark(areLarge(*sums, unit)), passed, unit.index);
    });
    Value good = both(areSmall(), e.index(0), unitsOf(e, space), [&](Value i) {
      return compare(arith::CmpFPredicate::OGT, e.load(passed, i),
                     e.scalar(0.5));
    });
    good = arith::OrIOp::create(e.b, e.loc, good, isBroken(good));
    returnUnless(e, op, good, /*status=*/13);
    return success();
  }

private:
  Value compare(arith::CmpFPredicate predicate, Value x, Value y) {
    return arith::CmpFOp::create(e.b, e.loc, predicate, x, y);
  }
  Value mark(Value condition) {
    return arith::SelectOp::create(e.b, e.loc, condition, e.scalar(1.0),
                                   e.scalar(0.0));
  }
  Value yes() {
    return arith::ConstantOp::create(e.b, e.loc, e.b.getBoolAttr(true));
  }

  /// Whether `first` and all of `condition` from..to hold.
  Value both(Value first, Value from, Value to,
             function_ref<Value(Value)> condition) {
    return e
        .loop(from, to, 1, first,
              [&](Value i, ValueRange state) -> SmallVector<Value> {
                return {
                    arith::AndIOp::create(e.b, e.loc, state[0], condition(i))};
              })
        .front();
  }

  /// Σ T over the distances of a level.
  Value total(const ToeplitzLevel &level, Value table) {
    Value sum = e.load(spectra, e.add(e.mul(table, each), level.spectrumAt));
    return e.mulf(sum, e.scalar(static_cast<double>(level.fourier.length)));
  }

  /// What the type holds with room for products.
  double most() const { return e.element.isF64() ? 0x1p+1000 : 0x1p+100; }

  /// Whether all sums of functions are below that.
  Value areSmall() {
    return both(yes(), e.index(0), e.index(tables), [&](Value table) {
      Value all = yes();
      for (const ToeplitzLevel &level : blocks.levels)
        all = arith::AndIOp::create(e.b, e.loc, all,
                                    compare(arith::CmpFPredicate::OLT,
                                            total(level, table),
                                            e.scalar(most())));
      return all;
    });
  }

  /// Unless `good`: whether the bias has a nan or an infinity, which shows in
  /// the outputs. Those of other inputs are the radius's.
  Value isBroken(Value good) {
    Value bias = e.flat(op.getIns()[1]);
    Value count = elementsOfCall(e, op, op.getIns()[1]);
    count = arith::SelectOp::create(e.b, e.loc, good, e.index(0), count);
    Value finite = both(yes(), e.index(0), count, [&](Value i) {
      Value x = e.load(bias, i);
      return compare(arith::CmpFPredicate::OEQ, e.subf(x, x), e.scalar(0.0));
    });
    return arith::XOrIOp::create(e.b, e.loc, finite, yes());
  }

  /// Whether the sums of a unit's rows are large enough and below `most`: no
  /// nan is.
  Value areLarge(const Tall &sums, const RowUnit &unit) {
    Value at = sums.at(e, unit), all = yes();
    auto check = [&](Value from, Value to, Value least) {
      from = e.max(e.sub(from, unit.from), e.index(0));
      to = e.min(e.sub(to, unit.from), unit.count);
      all = both(all, from, to, [&](Value i) {
        Value sum = e.load(sums.buffer, e.add(at, e.mul(i, sums.rowStride)));
        return arith::AndIOp::create(
            e.b, e.loc, compare(arith::CmpFPredicate::OGT, sum, least),
            compare(arith::CmpFPredicate::OLT, sum, e.scalar(most())));
      });
    };
    Value table = tables == 1 ? e.index(0) : unit.head;
    int64_t before = 0;
    Value least = e.scalar(0.0);
    for (const ToeplitzLevel &level : blocks.levels) {
      int64_t start = level.first * level.size;
      check(e.index(before), e.index(start), least);
      least = e.mulf(total(level, table),
                     e.scalar(op.getShare().convertToDouble()));
      before = start;
    }
    check(e.index(before), e.index(n), least);
    return all;
  }

  Emitter &e;
  RequireShareOp op;
  int64_t n;
  ToeplitzBlocks blocks;
  int64_t tables, each;
  Value spectra;
};

} // namespace

LogicalResult mlir::ropegrad::lowerRequireShare(Emitter &e, RequireShareOp op) {
  return Shares(e, op).emit();
}
