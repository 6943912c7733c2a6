//===- LowerToeplitz.cpp - Toeplitz products to transforms -----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The pass ropegrad-lower-toeplitz: toeplitz_apply and toeplitz_correlate on
// buffers to transforms of blocks of columns.
//
//===----------------------------------------------------------------------===//

#include "passes/Fourier.h"
#include "passes/Tall.h"

namespace mlir::ropegrad {
#define GEN_PASS_DEF_LOWERTOEPLITZ
#include "passes/Passes.h.inc"
} // namespace mlir::ropegrad

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

/// At most so many partial sums for the tables of all heads.
constexpr int64_t kParts = 16;

/// The columns that one table serves, in blocks of 2 · lanes: column c of entry
/// x is number x · w + c; entries are batch entries where heads have tables of
/// their own, otherwise batch entries × heads.
class ColumnBlocks {
public:
  ColumnBlocks(Emitter &e, Operation *anchor, const RowSpace &space,
               int64_t width, bool perHead)
      : e(e), anchor(anchor), space(space), width(width), perHead(perHead) {}

  int64_t tables() const { return perHead ? space.heads : 1; }
  int64_t block() const { return 2 * e.lanes; }
  Value entries() {
    return perHead ? space.batch : e.mul(space.batch, space.heads);
  }
  /// Blocks of one table in this call, and at most.
  Value count() {
    return e.div(e.add(e.mul(entries(), width), block() - 1), block());
  }
  int64_t maxCount() const {
    int64_t most = space.maxBatch * (perHead ? 1 : space.heads);
    return llvm::divideCeil(most * width, block());
  }

  /// Columns of a block of a table to or from a block of f; loading fills the
  /// rows that a transform touches, and missing columns, with zeros.
  void load(const Fourier &f, const Tall &tall, Value table, Value number,
            Value to) {
    Value first = e.mul(number, block());
    Value end = e.mul(entries(), width);
    Value partial = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::slt,
                                          end, e.add(first, block()));
    e.when(partial, [&] { zeroRows(f, to, e.index(0), space.n); });
    zeroRows(f, to, space.n, e.index(f.touched(space.maxN)));
    copy(f, tall, table, first, to, /*store=*/false);
  }
  void store(const Fourier &f, const Tall &tall, Value table, Value number,
             Value from) {
    copy(f, tall, table, e.mul(number, block()), from, /*store=*/true);
  }
  void zeroRows(const Fourier &f, Value buffer, Value from, Value to) {
    e.loop(from, to, 1, [&](Value row) {
      e.zero({buffer, elementAt(e, f, e.index(0), row)}, block());
    });
  }

private:
  /// (tall, at, stride, rows, block, first of its columns, columns).
  func::FuncOp copyKernel(const Fourier &f, bool store) {
    auto body = [&](Emitter &, ValueRange a) {
      e.loop(e.index(0), a[6], e.lanes, [&](Value c) {
        Value some = e.sub(a[6], c);
        auto type = VectorType::get({e.lanes}, e.b.getI1Type());
        Value mask =
            vector::CreateMaskOp::create(e.b, e.loc, type, ValueRange{some});
        Value zero = e.splat(0.0, e.lanes);
        e.loop(e.index(0), a[3], 1, [&](Value row) {
          Value tall = e.add(e.add(a[1], c), e.mul(row, a[2]));
          Value inBlock = e.add(elementAt(e, f, a[5], row), c);
          Value from = store ? a[4] : a[0], to = store ? a[0] : a[4];
          Value v =
              vector::MaskedLoadOp::create(e.b, e.loc, e.vector(e.lanes), from,
                                           store ? inBlock : tall, mask, zero);
          vector::MaskedStoreOp::create(e.b, e.loc, to, store ? tall : inBlock,
                                        mask, v);
        });
      });
    };
    Type buffer = e.bufferType(), index = e.b.getIndexType();
    std::string name = store ? "ropegrad_columns_store" : "ropegrad_columns";
    name += "_" + std::to_string(f.columns) + "_" + std::to_string(f.pitch) +
            "_f" + std::to_string(e.element.getWidth()) + "x" +
            std::to_string(e.lanes);
    return e.kernel(anchor, name,
                    {buffer, index, index, index, buffer, index, index}, body);
  }

  void copy(const Fourier &f, const Tall &tall, Value table, Value first,
            Value data, bool store) {
    func::FuncOp kernel = copyKernel(f, store);
    Value end = e.min(e.add(first, block()), e.mul(entries(), width));
    Value last = e.div(e.add(end, width - 1), width);
    e.loop(e.div(first, width), last, 1, [&](Value entry) {
      Value start = e.mul(entry, width);
      Value from = e.max(first, start);
      Value to = e.min(end, e.add(start, width));
      Value batch = perHead ? entry : e.div(entry, space.heads);
      Value head = perHead ? table : e.rem(entry, e.index(space.heads));
      Value at = e.add(tall.at(e, batch, head, e.index(0)), e.sub(from, start));
      e.call(kernel, {tall.buffer, at, tall.rowStride, space.n, data,
                      e.sub(from, first), e.sub(to, from)});
    });
  }

  Emitter &e;
  Operation *anchor;
  RowSpace space;
  int64_t width;
  bool perHead;
};

/// Emits the lowering of one op.
class ToeplitzLowering {
public:
  ToeplitzLowering(Emitter &e, Operation *op, Value x, Value table)
      : e(e), op(op), space(rowSpace(e, op, x)),
        columns(e, op, space, widthOf(x),
                cast<MemRefType>(table.getType()).getRank() == 2),
        f(planFourier(2 * space.maxN - 1)) {}

  void apply(const Tall &x, Value table, const Tall &y, bool transposed);
  void correlate(const Tall &u, const Tall &x, Value table);

private:
  Value diagonals() { return e.sub(e.mul(space.n, 2), 1); }
  Value block() { return e.scratch(blockSize(e, f)); }
  Value work() { return e.scratch(workSize(e, f)); }
  Value spectrumAt(Value number) { return e.mul(number, spectrumSize(f)); }

  void makeSpectra(Value table, bool transposed, Value spectra);
  void loadTables(Value table, bool transposed, Value first, Value count,
                  Value to);
  void copyTable(Value table, Value tableAt, bool transposed, Value block,
                 Value lane, bool store);
  void sumProducts(const Tall &u, const Tall &x, int64_t parts, Value sums);
  void addParts(int64_t parts, Value first, Value sums);

  Emitter &e;
  Operation *op;
  RowSpace space;
  ColumnBlocks columns;
  Fourier f;
};

} // namespace

/// Between a table, T(t) at t + n - 1, and the real parts of a lane, T(t) at t
/// modulo the length, or T(-t) there if `transposed`.
void ToeplitzLowering::copyTable(Value table, Value tableAt, bool transposed,
                                 Value block, Value lane, bool store) {
  auto move = [&](Value inTable, Value t) {
    Value to = elementAt(e, f, lane, t);
    if (store)
      e.store(e.load(block, to), table, inTable);
    else
      e.store(e.load(table, inTable), block, to);
  };
  Value zero = e.add(tableAt, e.sub(space.n, 1));
  e.loop(e.index(0), space.n, 1, [&](Value t) {
    move(transposed ? e.sub(zero, t) : e.add(zero, t), t);
  });
  e.loop(e.index(1), space.n, 1, [&](Value t) {
    move(transposed ? e.add(zero, t) : e.sub(zero, t),
         e.sub(e.index(f.length), t));
  });
}

void ToeplitzLowering::loadTables(Value table, bool transposed, Value first,
                                  Value count, Value to) {
  columns.zeroRows(f, to, e.index(0), e.index(f.length));
  e.loop(e.index(0), count, 1, [&](Value lane) {
    copyTable(table, e.mul(e.add(first, lane), diagonals()), transposed, to,
              lane, /*store=*/false);
  });
}

/// The spectra of all tables, divided by the length.
void ToeplitzLowering::makeSpectra(Value table, bool transposed,
                                   Value spectra) {
  int64_t tables = columns.tables();
  e.parallel(e.index(llvm::divideCeil(tables, e.lanes)), "", [&](Value group) {
    Value data = block(), scratch = work();
    Value first = e.mul(group, e.lanes);
    Value count = e.min(e.sub(e.index(tables), first), e.index(e.lanes));
    loadTables(table, transposed, first, count, data);
    emitForward(e, op, f, {data, e.index(0)}, scratch, f.length);
    e.loop(e.index(0), count, 1, [&](Value lane) {
      emitSpectrum(e, op, f, {data, e.index(0)}, lane,
                   {spectra, spectrumAt(e.add(first, lane))},
                   1.0 / static_cast<double>(f.length));
    });
  });
}

void ToeplitzLowering::apply(const Tall &x, Value table, const Tall &y,
                             bool transposed) {
  Value spectra = e.scratch(columns.tables() * spectrumSize(f));
  makeSpectra(table, transposed, spectra);
  Value blocks = columns.count();
  e.parallel(e.mul(blocks, columns.tables()), "", [&](Value unit) {
    Value data = block(), scratch = work();
    Value head = e.div(unit, blocks), number = e.rem(unit, blocks);
    columns.load(f, x, head, number, data);
    emitConvolve(e, op, f, {data, e.index(0)}, {spectra, spectrumAt(head)},
                 scratch, space.maxN, space.maxN);
    columns.store(f, y, head, number, data);
  });
}

/// sums[table · parts + part] = Σ over the part's blocks of the products of
/// their transforms.
void ToeplitzLowering::sumProducts(const Tall &u, const Tall &x, int64_t parts,
                                   Value sums) {
  Value blocks = columns.count();
  e.parallel(e.index(columns.tables() * parts), "", [&](Value unit) {
    Value left = block(), right = block(), scratch = work();
    Value head = e.div(unit, parts), part = e.rem(unit, e.index(parts));
    Slice sum{sums, spectrumAt(unit)};
    e.zero(sum, spectrumSize(f));
    e.loop(part, blocks, parts, [&](Value number) {
      for (auto [tall, data] : {std::pair(u, left), std::pair(x, right)}) {
        columns.load(f, tall, head, number, data);
        emitForward(e, op, f, {data, e.index(0)}, scratch, space.maxN);
      }
      emitCorrelate(e, op, f, {left, e.index(0)}, {right, e.index(0)}, sum);
    });
  });
}

/// Adds the other parts of a table to its first, which moves to where tables
/// follow one another.
void ToeplitzLowering::addParts(int64_t parts, Value table, Value sums) {
  Value from = spectrumAt(e.mul(table, parts)), to = spectrumAt(table);
  e.forPieces(spectrumSize(f), [&](Value at, int64_t width) {
    Value sum = e.load(sums, e.add(from, at), width);
    for (int64_t part = 1; part < parts; ++part)
      sum = e.addf(
          sum,
          e.load(sums, e.add(e.add(from, at), part * spectrumSize(f)), width));
    e.store(sum, sums, e.add(to, at));
  });
}

void ToeplitzLowering::correlate(const Tall &u, const Tall &x, Value table) {
  int64_t tables = columns.tables();
  int64_t parts =
      std::min<int64_t>(columns.maxCount(), llvm::divideCeil(kParts, tables));
  Value sums = e.scratch(tables * parts * spectrumSize(f));
  sumProducts(u, x, parts, sums);
  if (parts > 1)
    e.loop(0, tables, 1, [&](Value head) { addParts(parts, head, sums); });
  e.parallel(e.index(llvm::divideCeil(tables, e.lanes)), "", [&](Value group) {
    Value data = block(), scratch = work();
    Value first = e.mul(group, e.lanes);
    Value count = e.min(e.sub(e.index(tables), first), e.index(e.lanes));
    emitSpread(e, op, f, {sums, spectrumAt(first)}, count, {data, e.index(0)});
    emitInverse(e, op, f, {data, e.index(0)}, scratch, f.length);
    e.loop(e.index(0), count, 1, [&](Value lane) {
      copyTable(table, e.mul(e.add(first, lane), diagonals()),
                /*transposed=*/false, data, lane, /*store=*/true);
    });
  });
}

namespace {

LogicalResult lower(ToeplitzApplyOp op, Emitter &e) {
  Value x = op.getIns()[0], table = op.getIns()[1];
  FailureOr<Tall> from = tallOf(e, op, x), to = tallOf(e, op, op.getOuts()[0]);
  if (failed(from) || failed(to))
    return failure();
  ToeplitzLowering(e, op, x, table)
      .apply(*from, e.flat(table), *to, op.getTransposed());
  return success();
}

LogicalResult lower(ToeplitzCorrelateOp op, Emitter &e) {
  Value x = op.getIns()[1], table = op.getOuts()[0];
  FailureOr<Tall> u = tallOf(e, op, op.getIns()[0]), right = tallOf(e, op, x);
  if (failed(u) || failed(right))
    return failure();
  ToeplitzLowering(e, op, x, table).correlate(*u, *right, e.flat(table));
  return success();
}

struct LowerToeplitzPass
    : public mlir::ropegrad::impl::LowerToeplitzBase<LowerToeplitzPass> {
  using LowerToeplitzBase::LowerToeplitzBase;

  LogicalResult checkOperands(Operation *op) {
    for (Type type : op->getOperandTypes()) {
      auto buffer = dyn_cast<MemRefType>(type);
      if (!buffer || !buffer.getLayout().isIdentity())
        return op->emitOpError("expected contiguous buffers, but got ") << type;
    }
    int64_t n = cast<MemRefType>(op->getOperand(0).getType()).getDimSize(2);
    if (n > kMostRows)
      return op->emitOpError("expected n to be at most 2^25, but got ") << n;
    return success();
  }

  template <typename OpT> LogicalResult lowerAndErase(OpT op) {
    if (failed(checkOperands(op)))
      return failure();
    OpBuilder builder(op);
    auto element = cast<FloatType>(
        cast<MemRefType>(op.getIns()[0].getType()).getElementType());
    Emitter emitter(builder, op.getLoc(), element, vectorBits);
    if (failed(lower(op, emitter)))
      return failure();
    op.erase();
    return success();
  }

  void runOnOperation() override {
    if (vectorBits != 128 && vectorBits != 256 && vectorBits != 512) {
      getOperation().emitError(
          "expected vector-bits of 128, 256 or 512, but got ")
          << vectorBits.getValue();
      return signalPassFailure();
    }
    SmallVector<ToeplitzApplyOp> products;
    SmallVector<ToeplitzCorrelateOp> gradients;
    getOperation().walk([&](ToeplitzApplyOp op) { products.push_back(op); });
    getOperation().walk(
        [&](ToeplitzCorrelateOp op) { gradients.push_back(op); });
    for (ToeplitzApplyOp op : products)
      if (failed(lowerAndErase(op)))
        return signalPassFailure();
    for (ToeplitzCorrelateOp op : gradients)
      if (failed(lowerAndErase(op)))
        return signalPassFailure();
  }

  /// Tables of twiddle factors stay small, and lengths are quick to choose.
  static constexpr int64_t kMostRows = int64_t(1) << 25;
};

} // namespace
