//===- MatmulRows.cpp - Lowering of linalg.matmul --------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Products with one small side, plain or transposed, block by block.
//
//===----------------------------------------------------------------------===//

#include "passes/RowLowerings.h"

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

constexpr int64_t rowBlock = 64;
/// Short enough for sums in f32; a longer reduction is a sum of such sums.
constexpr int64_t reductionBlock = 256;

/// A flat operand and the strides of its two indices.
struct Operand {
  Value buffer;
  int64_t row, column;
};

/// Whether `map` takes (d0, d1, d2) to (first, second).
bool isMap(AffineMap map, unsigned first, unsigned second) {
  MLIRContext *context = map.getContext();
  return map == AffineMap::get(3, 0,
                               {getAffineDimExpr(first, context),
                                getAffineDimExpr(second, context)},
                               context);
}

/// body(start, size) over [0, total): whole blocks in a loop, then the rest.
void forBlocks(Emitter &e, int64_t total, int64_t block,
               function_ref<void(Value, int64_t)> body) {
  int64_t whole = total / block * block;
  if (whole == block)
    body(e.index(0), block);
  else if (whole)
    e.loop(0, whole, block, [&](Value start) { body(start, block); });
  if (whole < total)
    body(e.index(whole), total - whole);
}

/// Bᵀ (rows × columns) in scratch, for B of shape (columns, rows).
Value packTransposed(Emitter &e, Value source, int64_t rows, int64_t columns) {
  Value packed = e.scratch(rows * columns);
  e.loop(0, columns, 1, [&](Value j) {
    e.loop(0, rows, 1, [&](Value i) {
      e.store(e.load(source, e.add(e.mul(j, rows), i)), packed,
              e.add(e.mul(i, columns), j));
    });
  });
  return packed;
}

} // namespace

LogicalResult mlir::ropegrad::lowerMatmul(Emitter &e, linalg::MatmulOp op) {
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  bool plainA = isMap(maps[0], 0, 2), plainB = isMap(maps[1], 2, 1);
  if (!(plainA || isMap(maps[0], 2, 0)) || !(plainB || isMap(maps[1], 1, 2)) ||
      !isMap(maps[2], 0, 1))
    return op.emitOpError("expected plain or transposed operands, but got ")
           << op.getIndexingMaps();
  auto shapeOf = [](Value value) {
    return cast<MemRefType>(value.getType()).getShape();
  };
  Value inputA = op.getDpsInputs()[0], inputB = op.getDpsInputs()[1];
  Value output = op.getDpsInits()[0];
  int64_t m = shapeOf(output)[0], n = shapeOf(output)[1];
  int64_t k = shapeOf(inputA)[plainA ? 1 : 0];
  if (m == 0 || n == 0 || k == 0)
    return success();
  Operand a{e.flat(inputA), plainA ? k : 1, plainA ? 1 : m};
  Value b = e.flat(inputB), c = e.flat(output);
  if (!plainB)
    b = packTransposed(e, b, k, n);

  auto product = [&](Value i, int64_t rows, Value p, int64_t terms) {
    Gemm gemm{rows, n, terms, a.row, a.column, n, n, /*accumulate=*/true};
    emitGemm(e, op, gemm, a.buffer, e.add(e.mul(i, a.row), e.mul(p, a.column)),
             b, e.mul(p, n), c, e.mul(i, n));
  };
  // The longer side outside: what the inner loop passes over again is small.
  if (k > m)
    forBlocks(e, k, reductionBlock, [&](Value p, int64_t terms) {
      forBlocks(e, m, rowBlock,
                [&](Value i, int64_t rows) { product(i, rows, p, terms); });
    });
  else
    forBlocks(e, m, rowBlock, [&](Value i, int64_t rows) {
      forBlocks(e, k, reductionBlock,
                [&](Value p, int64_t terms) { product(i, rows, p, terms); });
    });
  return success();
}
