//===- MatmulRows.cpp - Lowering of linalg.matmul --------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Products with one small side, plain or transposed, block by block: in
// parallel over rows, with partial sums where rows are summed over.
//
//===----------------------------------------------------------------------===//

#include "passes/RowLowerings.h"

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

constexpr int64_t rowBlock = 64;
/// Short enough for sums in f32; a longer reduction is a sum of such sums.
constexpr int64_t reductionBlock = 256;

/// A flat operand, where it begins, and the strides of its two indices.
struct Operand {
  Value buffer, start;
  int64_t row, column;

  Value at(Emitter &e, Value i, Value j) const {
    return e.add(start, e.add(e.mul(i, row), e.mul(j, column)));
  }
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

/// The same over [0, total) of the call: whole blocks, then smaller ones.
void forBlocksOfCall(Emitter &e, Value total, ArrayRef<int64_t> sizes,
                     function_ref<void(Value, int64_t)> body) {
  if (auto constant = constantIndex(total))
    return forBlocks(e, *constant, sizes.front(), body);
  Value done = e.index(0);
  for (int64_t size : sizes) {
    Value whole = e.sub(total, e.rem(total, e.index(size)));
    e.loop(done, whole, size, [&](Value start) { body(start, size); });
    done = whole;
  }
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

/// C += A·B for C (m × n), B contiguous (k × n).
class Product {
public:
  Product(Emitter &e, linalg::MatmulOp op, bool plainA) : e(e), op(op) {
    auto sizeOf = [](Value value, unsigned dimension) {
      return cast<MemRefType>(value.getType()).getDimSize(dimension);
    };
    m = sizeOf(op.getDpsInits()[0], 0);
    n = sizeOf(op.getDpsInits()[0], 1);
    k = sizeOf(op.getDpsInputs()[0], plainA ? 1 : 0);
    a = {e.flat(op.getDpsInputs()[0]), e.index(0), plainA ? k : 1,
         plainA ? 1 : m};
    b = {e.flat(op.getDpsInputs()[1]), e.index(0), n, 1};
    c = {e.flat(op.getDpsInits()[0]), e.index(0), n, 1};
  }

  bool isEmpty() const { return m == 0 || n == 0 || k == 0; }
  void transposeB() { b.buffer = packTransposed(e, b.buffer, k, n); }
  void emit();
  void emitRows();
  void emitSumOverRows();

private:
  void gemm(Value i, int64_t rows, Value p, int64_t terms, const Operand &to) {
    Gemm gemm{rows, n, terms, a.row, a.column, n, n, /*accumulate=*/true};
    Value zero = e.index(0);
    emitGemm(e, op, gemm, a.buffer, a.at(e, i, p), b.buffer, b.at(e, p, zero),
             to.buffer, to.at(e, i, zero));
  }
  void addPartialSums(Value partials, Value units);

  Emitter &e;
  linalg::MatmulOp op;
  int64_t m, n, k;
  Operand a, b, c;
};

} // namespace

/// The longer side outside: what the inner loop passes over again is small.
void Product::emit() {
  auto forTerms = [&](function_ref<void(Value, int64_t)> body) {
    forBlocks(e, k, reductionBlock, body);
  };
  auto forParts = [&](function_ref<void(Value, int64_t)> body) {
    forBlocks(e, m, rowBlock, body);
  };
  if (k > m)
    forTerms([&](Value p, int64_t terms) {
      forParts([&](Value i, int64_t rows) { gemm(i, rows, p, terms, c); });
    });
  else
    forParts([&](Value i, int64_t rows) {
      forTerms([&](Value p, int64_t terms) { gemm(i, rows, p, terms, c); });
    });
}

/// C has one row per position: row blocks of every unit.
void Product::emitRows() {
  Value tall = asTall(e, op.getDpsInits()[0]);
  forRows(e, rowSpace(e, op, tall), [&](const RowUnit &unit) {
    forBlocksOfCall(
        e, unit.count, {rowBlock, 8, 1}, [&](Value start, int64_t rows) {
          Value i = e.add(unit.from, start);
          forBlocks(e, k, reductionBlock, [&](Value p, int64_t terms) {
            gemm(i, rows, p, terms, c);
          });
        });
  });
}

/// The sum runs over positions: one partial sum per unit, added in order.
void Product::emitSumOverRows() {
  Value tall = asTall(e, op.getDpsInputs()[0]);
  RowSpace space = rowSpace(e, op, tall);
  int64_t size = m * n;
  Value partials = e.scratch(space.maxUnits() * size);
  forRows(e, space, [&](const RowUnit &unit) {
    Operand sum{partials, e.mul(unit.index, size), n, 1};
    forPieces(e, size, e.lanes, [&](Value at, int64_t width) {
      e.store(e.splat(0.0, width), partials, e.add(sum.start, at));
    });
    forBlocksOfCall(e, unit.count, {reductionBlock, 16, 1},
                    [&](Value start, int64_t terms) {
                      Value p = e.add(unit.from, start);
                      forBlocks(e, m, rowBlock, [&](Value i, int64_t rows) {
                        gemm(i, rows, p, terms, sum);
                      });
                    });
  });
  addPartialSums(partials, unitsOf(e, space));
}

void Product::addPartialSums(Value partials, Value units) {
  int64_t size = m * n;
  forPieces(e, size, e.lanes, [&](Value at, int64_t width) {
    Value sum =
        e.loop(e.index(0), units, 1, e.load(c.buffer, at, width),
               [&](Value unit, ValueRange state) -> SmallVector<Value> {
                 Value from = e.add(e.mul(unit, size), at);
                 return {e.addf(state[0], e.load(partials, from, width))};
               })
            .front();
    e.store(sum, c.buffer, at);
  });
}

LogicalResult mlir::ropegrad::lowerMatmul(Emitter &e, linalg::MatmulOp op,
                                          const RowBuffers &buffers) {
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  bool plainA = isMap(maps[0], 0, 2), plainB = isMap(maps[1], 2, 1);
  if (!(plainA || isMap(maps[0], 2, 0)) || !(plainB || isMap(maps[1], 1, 2)) ||
      !isMap(maps[2], 0, 1))
    return op.emitOpError("expected plain or transposed operands, but got ")
           << op.getIndexingMaps();
  std::optional<unsigned> loop = buffers.rowLoop(op);
  bool overRows = loop == 0 && plainA,
       sumsRows = loop == 2 && !plainA && plainB;
  if (loop && !overRows && !sumsRows)
    return op.emitOpError(
               "expected positions in the rows of A and C, or summed "
               "over in Aᵀ B, but got ")
           << op.getIndexingMaps();
  Product product(e, op, plainA);
  if (product.isEmpty())
    return success();
  if (!plainB)
    product.transposeB();
  if (overRows)
    product.emitRows();
  else if (sumsRows)
    product.emitSumOverRows();
  else
    product.emit();
  return success();
}
