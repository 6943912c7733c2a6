//===- Gemm.cpp - The register-tiled product of tiles ----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Emits one noinline function per shape: blocks of rows by vectors, the sums
// of a block in registers over the whole of k.
//
//===----------------------------------------------------------------------===//

#include "passes/Emitter.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

/// `count` times `vectors` adjacent vectors of `width` floats from column `at`.
struct ColumnGroups {
  int64_t at, count, vectors, width;
};

/// Arguments of the kernel: three buffers, each with an offset.
struct Operands {
  Value a, aOffset, b, bOffset, c, cOffset;
};

std::string kernelName(Emitter &e, const Gemm &g) {
  std::string name;
  llvm::raw_string_ostream out(name);
  out << "ropegrad_gemm_f" << e.element.getWidth() << "x" << e.lanes << "_"
      << g.m << "x" << g.n << "x" << g.k << "_a" << g.aRow << "x" << g.aColumn
      << "_b" << g.bRow << "_c" << g.cRow << (g.accumulate ? "_add" : "_set");
  if (g.scale != 1.0)
    out << "_s" << llvm::utohexstr(llvm::bit_cast<uint64_t>(g.scale));
  return name;
}

bool isWide(Emitter &e) { return e.lanes * e.element.getWidth() >= 512; }

/// Native vectors in groups of almost equal size, then the narrow pieces.
SmallVector<ColumnGroups> splitColumns(Emitter &e, int64_t n) {
  SmallVector<ColumnGroups> groups;
  int64_t vectors = n / e.lanes, most = isWide(e) ? 4 : 3, at = 0;
  int64_t count = (vectors + most - 1) / most;
  if (count > 0) {
    int64_t size = vectors / count, larger = vectors % count;
    if (larger > 0)
      groups.push_back({0, larger, size + 1, e.lanes});
    at = larger * (size + 1) * e.lanes;
    groups.push_back({at, count - larger, size, e.lanes});
    at = vectors * e.lanes;
  }
  for (auto [offset, width] : vectorPieces(n - at, e.lanes))
    groups.push_back({at + offset, 1, 1, width});
  return groups;
}

/// Rows of a register block: 24 sums leave room for operands among 32
/// registers, 12 among 16; a single column of sums needs no more than 12.
int64_t blockRows(Emitter &e, int64_t vectors) {
  return std::min<int64_t>((isWide(e) ? 24 : 12) / vectors, 12);
}

/// One block of C: `rows` rows from `row`, `g.vectors` vectors from `column`.
void emitBlock(Emitter &e, const Gemm &gemm, const Operands &p, Value row,
               int64_t rows, Value column, const ColumnGroups &g) {
  Value aBase = e.add(p.aOffset, e.mul(row, gemm.aRow));
  Value bBase = e.add(p.bOffset, column);
  SmallVector<Value> zeros(rows * g.vectors, e.splat(0.0, g.width));
  auto sums = e.loop(
      e.index(0), e.index(gemm.k), 1, zeros, [&](Value k, ValueRange sums) {
        SmallVector<Value> b, next;
        Value bAt = e.add(bBase, e.mul(k, gemm.bRow));
        Value aAt = e.add(aBase, e.mul(k, gemm.aColumn));
        for (int64_t v = 0; v < g.vectors; ++v)
          b.push_back(e.load(p.b, e.add(bAt, v * g.width), g.width));
        for (int64_t r = 0; r < rows; ++r) {
          Value a =
              e.broadcast(e.load(p.a, e.add(aAt, r * gemm.aRow)), g.width);
          for (int64_t v = 0; v < g.vectors; ++v)
            next.push_back(e.fma(a, b[v], sums[r * g.vectors + v]));
        }
        return next;
      });
  Value cBase = e.add(p.cOffset, e.add(e.mul(row, gemm.cRow), column));
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t v = 0; v < g.vectors; ++v) {
      Value at = e.add(cBase, r * gemm.cRow + v * g.width);
      Value sum = sums[r * g.vectors + v];
      if (gemm.scale != 1.0)
        sum = e.mulf(sum, e.splat(gemm.scale, g.width));
      if (gemm.accumulate)
        sum = e.addf(e.load(p.c, at, g.width), sum);
      e.store(sum, p.c, at);
    }
}

void emitColumns(Emitter &e, const Gemm &gemm, const Operands &p,
                 const ColumnGroups &g) {
  int64_t step = g.vectors * g.width, rows = blockRows(e, g.vectors);
  int64_t whole = gemm.m / rows * rows;
  e.loop(g.at, g.at + g.count * step, step, [&](Value column) {
    if (whole > 0)
      e.loop(0, whole, rows,
             [&](Value row) { emitBlock(e, gemm, p, row, rows, column, g); });
    if (whole < gemm.m)
      emitBlock(e, gemm, p, e.index(whole), gemm.m - whole, column, g);
  });
}

} // namespace

void mlir::ropegrad::emitGemm(Emitter &e, Operation *anchor, const Gemm &gemm,
                              Value a, Value aOffset, Value bBuffer,
                              Value bOffset, Value c, Value cOffset) {
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  func::FuncOp kernel = e.kernel(
      anchor, kernelName(e, gemm),
      {buffer, index, buffer, index, buffer, index},
      [&](Emitter &inner, ValueRange args) {
        Operands p{args[0], args[1], args[2], args[3], args[4], args[5]};
        for (const ColumnGroups &groups : splitColumns(inner, gemm.n))
          emitColumns(inner, gemm, p, groups);
      });
  e.call(kernel, {a, aOffset, bBuffer, bOffset, c, cOffset});
}
