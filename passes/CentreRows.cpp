//===- CentreRows.cpp - Lowering of centre_rows ----------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Sums of columns by units of rows, the mean of each head, or of neighbouring
// heads, from these, and the rows without it, all of them in double.
//
//===----------------------------------------------------------------------===//

#include "passes/RowLowerings.h"

using namespace mlir;
using namespace mlir::ropegrad;

using Piece = std::pair<int64_t, int64_t>; ///< first column and lanes

/// The columns of a row in runs that fit the registers.
static SmallVector<SmallVector<Piece>> columnRuns(int64_t width,
                                                  int64_t lanes) {
  constexpr size_t most = 8;
  SmallVector<SmallVector<Piece>> runs;
  for (Piece piece : vectorPieces(width, lanes)) {
    if (runs.empty() || runs.back().size() == most)
      runs.emplace_back();
    runs.back().push_back(piece);
  }
  return runs;
}

static std::string kernelName(StringRef what, int64_t width, Value buffer) {
  return (what + "_" + Twine(width) + "_f" +
          Twine(elementOf(buffer).getWidth()))
      .str();
}

/// (x, at, stride, count, sums, at): the sums of the columns of `count` rows.
static func::FuncOp sumKernel(Emitter &wide, Operation *anchor, const Tall &x) {
  Type index = wide.b.getIndexType();
  int64_t width = x.width;
  return wide.kernel(
      anchor, kernelName("sum_rows", width, x.buffer),
      {x.buffer.getType(), index, index, index, wide.bufferType(), index},
      [width](Emitter &e, ValueRange a) {
        for (const SmallVector<Piece> &run : columnRuns(width, e.lanes)) {
          SmallVector<Value> sums;
          for (auto [at, size] : run)
            sums.push_back(e.splat(0.0, size));
          sums =
              e.loop(e.index(0), a[3], 1, sums,
                     [&](Value row, ValueRange state) -> SmallVector<Value> {
                       Value from = e.add(a[1], e.mul(row, a[2]));
                       SmallVector<Value> next;
                       for (auto [piece, sum] : llvm::zip(run, state)) {
                         Value at = e.add(from, piece.first);
                         next.push_back(e.addf(
                             sum, e.toDouble(e.load(a[0], at, piece.second))));
                       }
                       return next;
                     });
          for (auto [piece, sum] : llvm::zip(run, sums))
            e.store(sum, a[4], e.add(a[5], piece.first));
        }
      });
}

/// (x, at, stride, count, mean, at, y, at, stride): y = x − mean for `count`
/// rows, rounded once.
static func::FuncOp subtractKernel(Emitter &wide, Operation *anchor,
                                   const Tall &x) {
  Type index = wide.b.getIndexType(), rows = x.buffer.getType();
  int64_t width = x.width;
  FloatType element = elementOf(x.buffer);
  return wide.kernel(
      anchor, kernelName("centre_rows", width, x.buffer),
      {rows, index, index, index, wide.bufferType(), index, rows, index, index},
      [=](Emitter &e, ValueRange a) {
        for (const SmallVector<Piece> &run : columnRuns(width, e.lanes)) {
          SmallVector<Value> mean;
          for (auto [at, size] : run)
            mean.push_back(e.load(a[4], e.add(a[5], at), size));
          e.loop(e.index(0), a[3], 1, [&](Value row) {
            Value from = e.add(a[1], e.mul(row, a[2]));
            Value to = e.add(a[7], e.mul(row, a[8]));
            for (auto [i, piece] : llvm::enumerate(run)) {
              auto [at, size] = piece;
              Value y = e.subf(e.toDouble(e.load(a[0], e.add(from, at), size)),
                               mean[i]);
              if (element != e.element)
                y = arith::TruncFOp::create(
                    e.b, e.loc, VectorType::get({size}, element), y);
              e.store(y, a[6], e.add(to, at));
            }
          });
        }
      });
}

/// Means of `heads` groups of neighbouring heads.
namespace {
struct Means {
  int64_t heads, width;
  Value buffer;              ///< of doubles
  std::optional<Tall> asked; ///< where they go as well, rounded
};
} // namespace

/// Stores a piece of a mean, rounded as it is asked for.
static void storeMean(Emitter &wide, const Means &means, Value mean, Value to,
                      Value asked) {
  if (means.asked) {
    FloatType element = elementOf(means.asked->buffer);
    Value rounded = mean;
    if (element != wide.element) {
      auto type = cast<VectorType>(mean.getType());
      rounded =
          arith::TruncFOp::create(wide.b, wide.loc, type.clone(element), mean);
      mean = wide.toDouble(rounded);
    }
    wide.store(rounded, means.asked->buffer, asked);
  }
  wide.store(mean, means.buffer, to);
}

/// means[group] = the sum of the units of a group of heads over their rows.
static void findMeans(Emitter &wide, const RowSpace &space, Value sums,
                      const Means &means) {
  int64_t width = means.width;
  Value chunks = wide.mul(space.chunks(wide), space.heads / means.heads);
  Value n =
      arith::IndexCastOp::create(wide.b, wide.loc, wide.b.getI64Type(),
                                 wide.mul(space.n, space.heads / means.heads));
  n = arith::UIToFPOp::create(wide.b, wide.loc, wide.element, n);
  forHeads(wide, space, means.heads, [&](Value batch, Value head) {
    Value index = wide.add(wide.mul(batch, means.heads), head);
    Value first = wide.mul(wide.mul(index, chunks), width);
    Value to = wide.mul(index, width);
    Value asked =
        means.asked ? means.asked->at(wide, batch, head, wide.index(0)) : to;
    forPieces(wide, width, wide.lanes, [&](Value at, int64_t size) {
      Value sum =
          wide.loop(wide.index(0), chunks, 1, wide.splat(0.0, size),
                    [&](Value i, ValueRange state) -> SmallVector<Value> {
                      Value from = wide.add(first, wide.mul(i, width));
                      Value next = wide.load(sums, wide.add(from, at), size);
                      return {wide.addf(state[0], next)};
                    })
              .front();
      storeMean(wide, means, wide.divf(sum, wide.broadcast(n, size)),
                wide.add(to, at), wide.add(asked, at));
    });
  });
}

LogicalResult mlir::ropegrad::lowerCentreRows(Emitter &e, CentreRowsOp op) {
  FailureOr<Tall> x = tallOf(e, op, op.getIns()[0]);
  FailureOr<Tall> y = tallOf(e, op, op.getOuts()[0]);
  if (failed(x) || failed(y))
    return failure();
  Emitter wide(e.b, e.loc, e.b.getF64Type(), e.lanes * e.element.getWidth());
  RowSpace space = rowSpace(e, op, op.getIns()[0]);
  int64_t width = x->width;
  Value sums = wide.scratch(space.maxUnits() * width);
  Means means{space.heads, width, Value(), std::nullopt};
  if (op.getOuts().size() == 2) {
    FailureOr<Tall> asked = tallOf(e, op, op.getOuts()[1]);
    if (failed(asked))
      return failure();
    means.heads = asked->heads;
    means.asked = *asked;
  }
  means.buffer = wide.scratch(space.maxBatch * means.heads * width);
  func::FuncOp sum = sumKernel(wide, op, *x);
  func::FuncOp subtract = subtractKernel(wide, op, *x);
  forRows(e, space, [&](const RowUnit &unit) {
    e.call(sum, {x->buffer, x->at(e, unit), x->rowStride, unit.count, sums,
                 e.mul(unit.index, width)});
  });
  findMeans(wide, space, sums, means);
  forRows(e, space, [&](const RowUnit &unit) {
    Value head = e.add(e.mul(unit.batch, means.heads),
                       e.div(unit.head, space.heads / means.heads));
    e.call(subtract,
           {x->buffer, x->at(e, unit), x->rowStride, unit.count, means.buffer,
            e.mul(head, width), y->buffer, y->at(e, unit), y->rowStride});
  });
  return success();
}
