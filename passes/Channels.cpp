//===- Channels.cpp - spread_channels and gather_channels ------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The gradient with respect to X under a prefactor: what goes into products
// with every channel, and what is made of them.
//
//===----------------------------------------------------------------------===//

#include "passes/Features.h"
#include "passes/RowLowerings.h"

using namespace mlir;
using namespace mlir::ropegrad;

/// Where all of `values` lie.
static FailureOr<SmallVector<Tall>> tallsOf(Emitter &e, Operation *op,
                                            ValueRange values) {
  SmallVector<Tall> talls;
  for (Value value : values) {
    FailureOr<Tall> tall = tallOf(e, op, value);
    if (failed(tall))
      return failure();
    talls.push_back(*tall);
  }
  return talls;
}

LogicalResult mlir::ropegrad::lowerSpreadChannels(Emitter &e,
                                                  SpreadChannelsOp op) {
  auto ins = tallsOf(e, op, op.getIns());
  FailureOr<Tall> out = tallOf(e, op, op.getOuts()[0]);
  if (failed(ins) || failed(out))
    return failure();
  const Tall &a = (*ins)[0], &x = (*ins)[1];
  const Tall *functions = ins->size() > 2 ? &(*ins)[2] : nullptr;
  Value zero = e.index(0);
  forRows(e, rowSpace(e, op, op.getOuts()[0]), [&](const RowUnit &unit) {
    e.loop(zero, unit.count, 1, [&](Value i) {
      Value row = e.add(unit.from, i);
      Value channel =
          e.load(a.buffer, e.add(a.at(e, unit.batch, zero, row), unit.head));
      Value xAt = x.at(e, unit.batch, zero, row);
      Value to = out->at(e, unit.batch, unit.head, row);
      if (!functions)
        return forPieces(e, x.width, e.lanes, [&](Value at, int64_t size) {
          Value value = e.load(x.buffer, e.add(xAt, at), size);
          e.store(e.mulf(value, e.broadcast(channel, size)), out->buffer,
                  e.add(to, at));
        });
      Value from = functions->at(e, unit.batch, zero, row);
      e.loop(0, x.width, 1, [&](Value column) {
        Value factor = e.mulf(channel, e.load(x.buffer, e.add(xAt, column)));
        Value first = e.add(to, e.mul(column, functions->width));
        forPieces(e, functions->width, e.lanes, [&](Value at, int64_t size) {
          Value value = e.load(functions->buffer, e.add(from, at), size);
          e.store(e.mulf(value, e.broadcast(factor, size)), out->buffer,
                  e.add(first, at));
        });
      });
    });
  });
  return success();
}

namespace {

/// Which sum over rows each column of G is, and what it is multiplied by.
struct Columns {
  int64_t sums = 1;
  SmallVector<int64_t> of;
  SmallVector<double> factors;
};

/// Sums over rows, channel by channel of the keys: blocks of rows first.
class Gatherer {
public:
  Gatherer(Emitter &e, GatherChannelsOp op, Columns columns, ArrayRef<Tall> ins)
      : e(e), op(op), columns(std::move(columns)), a(ins[0]), u(ins[1]),
        isRotary(isa<RotaryAttr>(op.getPosition())),
        products(ins.drop_front(isRotary ? 3 : 2)) {
    if (isRotary)
      functions = ins[2];
  }

  void emit();

private:
  void emitBlock(Value b, Value first, Value last, Value part, Value row);
  void emitRow(Value b, Value row, Value to);
  void emitRotated(Value b, Value row, Value to);
  Value dot(const Tall &product, Value b, Value row);
  void store(Value b, Value total);

  static constexpr int64_t block = 128; ///< rows that are added up alone

  Emitter &e;
  GatherChannelsOp op;
  Columns columns;
  Tall a, u;
  bool isRotary;
  ArrayRef<Tall> products;
  Tall functions;
};

} // namespace

/// ⟨U_row, N[b, row]⟩.
Value Gatherer::dot(const Tall &product, Value b, Value row) {
  Value zero = e.index(0);
  Value left = u.at(e, zero, zero, row), right = product.at(e, zero, b, row);
  return e
      .loop(zero, e.index(u.width), 1, e.scalar(0.0),
            [&](Value i, ValueRange sum) -> SmallVector<Value> {
              return {e.fma(e.load(u.buffer, e.add(left, i)),
                            e.load(product.buffer, e.add(right, i)), sum[0])};
            })
      .front();
}

/// to[f] = y of the functions of a pair: 2k that of the diagonal, 2k + 1 the
/// one beside it.
void Gatherer::emitRotated(Value b, Value row, Value to) {
  const Tall &product = products[0];
  int64_t d = functions.width;
  Value zero = e.index(0);
  Value left = u.at(e, zero, zero, row), right = product.at(e, zero, b, row);
  forPieces(e, d, e.lanes, [&](Value at, int64_t size) {
    Value start = e.add(right, at);
    Value sum =
        e.loop(zero, e.index(u.width), 1, e.splat(0.0, size),
               [&](Value i, ValueRange sum) -> SmallVector<Value> {
                 Value factor =
                     e.broadcast(e.load(u.buffer, e.add(left, i)), size);
                 Value from = e.add(start, e.mul(i, d));
                 return {
                     e.fma(e.load(product.buffer, from, size), factor, sum[0])};
               })
            .front();
    e.store(sum, to, at);
  });
  Value from = functions.at(e, zero, zero, row);
  e.loop(0, d, 2, [&](Value even) {
    Value odd = e.add(even, 1);
    Value r0 = e.load(to, even), r1 = e.load(to, odd);
    Value h0 = e.load(functions.buffer, e.add(from, even));
    Value h1 = e.load(functions.buffer, e.add(from, odd));
    e.store(e.fma(h0, r0, e.mulf(h1, r1)), to, even);
    e.store(e.subf(e.mulf(h1, r0), e.mulf(h0, r1)), to, odd);
  });
}

void Gatherer::emitRow(Value b, Value row, Value to) {
  if (isRotary)
    return emitRotated(b, row, to);
  for (auto [index, product] : llvm::enumerate(products))
    e.store(dot(product, b, row), to, e.index(static_cast<int64_t>(index)));
}

void Gatherer::emitBlock(Value b, Value first, Value last, Value part,
                         Value row) {
  Value zero = e.index(0);
  e.zero({part, zero}, a.width * columns.sums);
  e.loop(first, last, 1, [&](Value i) {
    emitRow(b, i, row);
    Value from = a.at(e, zero, zero, i);
    e.loop(0, a.width, 1, [&](Value channel) {
      Value factor = e.load(a.buffer, e.add(from, channel));
      Value to = e.mul(channel, columns.sums);
      forPieces(e, columns.sums, e.lanes, [&](Value at, int64_t size) {
        Value sum = e.fma(e.load(row, at, size), e.broadcast(factor, size),
                          e.load(part, e.add(to, at), size));
        e.store(sum, part, e.add(to, at));
      });
    });
  });
}

void Gatherer::store(Value b, Value total) {
  auto pairs = static_cast<int64_t>(columns.of.size());
  Value out = e.flat(op.getOuts()[0]);
  Value numbers = constantIndices(e, op, "ropegrad_gather_sums", columns.of);
  Value factors = constantFloats(e, op, "ropegrad_gather_factors", e.element,
                                 columns.factors);
  e.loop(0, a.width, 1, [&](Value channel) {
    Value to = e.mul(e.add(e.mul(channel, a.width), b), pairs);
    e.loop(0, pairs, 1, [&](Value c) {
      Value number = arith::IndexCastOp::create(e.b, e.loc, e.b.getIndexType(),
                                                e.load(numbers, c));
      Value sum = e.load(total, e.add(e.mul(channel, columns.sums), number));
      e.store(e.mulf(sum, e.load(factors, c)), out, e.add(to, c));
    });
  });
}

void Gatherer::emit() {
  Value n = rowSpace(e, op, op.getIns()[0]).n;
  int64_t size = a.width * columns.sums;
  e.parallel(e.index(a.width), "", [&](Value b) {
    Value total = e.scratch(size), part = e.scratch(size);
    Value row = e.scratch(columns.sums);
    e.zero({total, e.index(0)}, size);
    e.loop(e.index(0), n, block, [&](Value first) {
      emitBlock(b, first, e.min(e.add(first, block), n), part, row);
      forPieces(e, size, e.lanes, [&](Value at, int64_t lanes) {
        e.store(e.addf(e.load(total, at, lanes), e.load(part, at, lanes)),
                total, at);
      });
    });
    store(b, total);
  });
}

/// Columns of the op's support; fails where it is not that of its position.
static FailureOr<Columns> columnsOf(GatherChannelsOp op, int64_t d) {
  Columns columns;
  size_t pairs = op.getSupport().size() / 2;
  double scale = op.getScale().convertToDouble();
  columns.of.assign(pairs, 0);
  columns.factors.assign(pairs, scale);
  if (isa<GeneralAttr>(op.getPosition())) {
    columns.sums = static_cast<int64_t>(pairs);
    for (size_t c = 0; c < pairs; ++c)
      columns.of[c] = static_cast<int64_t>(c);
  }
  if (!isa<RotaryAttr>(op.getPosition()))
    return columns;
  auto places = supportColumns(op.getPosition(), d, op.getSupport());
  if (failed(places))
    return failure();
  columns.sums = d;
  for (auto [place, column] : llvm::enumerate(*places)) {
    // Of pair place / 4: aa, ab, ba, bb.
    int64_t pair = static_cast<int64_t>(place) / 4, entry = place % 4;
    columns.of[column] = 2 * pair + (entry == 1 || entry == 2 ? 1 : 0);
    columns.factors[column] = entry == 2 ? -scale / 2 : scale / 2;
  }
  return columns;
}

LogicalResult mlir::ropegrad::lowerGatherChannels(Emitter &e,
                                                  GatherChannelsOp op) {
  auto ins = tallsOf(e, op, op.getIns());
  if (failed(ins))
    return failure();
  int64_t d = ins->size() > 2 ? (*ins)[2].width : 0;
  FailureOr<Columns> columns = columnsOf(op, d);
  if (failed(columns))
    return op.emitOpError("expected the support of its position in some "
                          "order, but got ")
           << op.getSupportAttr();
  Gatherer(e, op, *columns, *ins).emit();
  return success();
}
