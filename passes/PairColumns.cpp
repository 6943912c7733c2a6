//===- PairColumns.cpp - Between panels and transforms ---------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// A monomial is multiplied from its factors wherever it is met: with the rows
// in lanes that is a multiplication for each degree, next to a transform of
// many, and no feature is ever stored.
//
//===----------------------------------------------------------------------===//

#include "passes/PairProducts.h"

#include "passes/Monomials.h"

#include <cstring>
#include <numeric>

using namespace mlir;
using namespace mlir::ropegrad;
using ::ropegrad::Monomials;

//===----------------------------------------------------------------------===//
// Polynomials
//===----------------------------------------------------------------------===//

std::vector<int64_t> PairPolynomial::monomials(bool right) const {
  if (pairs)
    return right ? pairs->right : pairs->left;
  std::vector<int64_t> all(Monomials(d, degree()).size());
  std::iota(all.begin(), all.end(), 0);
  return all;
}

std::vector<double> PairPolynomial::weights(bool right) const {
  if (pairs)
    return std::vector<double>(monomials(right).size(), 1.0);
  return Monomials(d, degree()).weights(coefficients, scale);
}

//===----------------------------------------------------------------------===//
// Panels
//===----------------------------------------------------------------------===//

Panels::Panels(Emitter &e, const RowSpace &space, int64_t width, bool ones)
    : e(e), space(space), width(width), ones(ones),
      tiles(llvm::divideCeil(space.maxN, e.lanes)),
      buffer(e.scratch(space.maxBatch * space.heads * tiles * tileSize())) {}

Slice Panels::at(Value batch, Value head, Value row) const {
  Value first = e.mul(e.add(e.mul(batch, space.heads), head), tiles);
  return {buffer, e.mul(e.add(first, e.div(row, e.lanes)), tileSize())};
}

void Panels::pack(Operation *anchor, const Tall &tall) {
  forRows(e, space, [&](const RowUnit &unit) {
    Rows rows = rowsOf(e, tall, unit);
    Slice panel = at(unit.batch, unit.head, unit.from);
    e.loop(e.index(0), unit.count, e.lanes, [&](Value i) {
      Value count = e.min(e.sub(unit.count, i), e.index(e.lanes));
      Value to = e.add(panel.offset, e.mul(e.div(i, e.lanes), tileSize()));
      if (ones)
        e.store(e.splat(1.0, e.lanes), buffer, to);
      emitPack(e, anchor, width, e.lanes, rows.from(e, i), buffer,
               e.add(to, ones ? e.lanes : 0), count, e.index(e.lanes));
      e.store(e.splat(0.0, e.lanes), buffer,
              e.add(to, (columns() - 1) * e.lanes));
    });
  });
}

//===----------------------------------------------------------------------===//
// Slots
//===----------------------------------------------------------------------===//

/// Tells tables apart in the names of kernels.
static uint64_t fingerprint(ArrayRef<int64_t> factors,
                            ArrayRef<double> weights) {
  uint64_t hash = 0xcbf29ce484222325;
  auto mix = [&](uint64_t bits) { hash = (hash ^ bits) * 0x100000001b3; };
  for (int64_t factor : factors)
    mix(factor);
  for (double weight : weights) {
    uint64_t bits = 0;
    std::memcpy(&bits, &weight, sizeof(bits));
    mix(bits);
  }
  return hash;
}

PairColumns::PairColumns(Emitter &e, Operation *anchor,
                         const PairPolynomial &polynomial, bool right,
                         const Fourier &fourier, int64_t width)
    : lanes{polynomial.pairs.has_value(), 0, width, e.lanes}, e(e),
      anchor(anchor), fourier(fourier), d(polynomial.d),
      degree(polynomial.degree()),
      factorsEach(std::max<int64_t>(polynomial.degree(), 1)) {
  std::vector<int64_t> monomials = polynomial.monomials(right);
  std::vector<int64_t> all =
      ::ropegrad::monomialFactors(d, static_cast<unsigned>(degree));
  lanes.monomials = static_cast<int64_t>(monomials.size());
  for (int64_t monomial : monomials)
    factorTable.insert(factorTable.end(), all.begin() + monomial * factorsEach,
                       all.begin() + (monomial + 1) * factorsEach);
  weightTable = polynomial.weights(right);
  factorTable.resize(lanes.monomialsAsked() * factorsEach, 0);
  weightTable.resize(lanes.monomialsAsked(), 0.0);
  side = llvm::utohexstr(fingerprint(factorTable, weightTable));
}

std::string PairColumns::name(const Twine &what) const {
  return kernelName(e, "ropegrad_pair_" + what + "_d" + Twine(d) + "_w" +
                           Twine(lanes.width) + "_l" + Twine(fourier.length) +
                           "_" + side);
}

/// Lanes first, first + 1, ...: those of the real (part 0) or of the imaginary
/// columns.
SmallVector<PairColumns::Slot> PairColumns::slots(Value first, int64_t part) {
  Value factors =
      constantIndices(e, anchor, "ropegrad_pair_factors_" + side, factorTable);
  Value weights = constantFloats(e, anchor, "ropegrad_pair_weights_" + side,
                                 e.element, weightTable);
  Value limit = e.index(lanes.limit());
  Value inner = e.rem(first, limit), outer = e.div(first, limit);
  SmallVector<Slot> result;
  for (int64_t lane = 0; lane < e.lanes; ++lane) {
    Value split = e.add(e.mul(inner, 2), part);
    Value monomial = lanes.paired ? outer : split;
    Value column = lanes.paired ? split : e.min(outer, e.index(lanes.width));
    Slot slot;
    for (int64_t f = 0; f < factorsEach; ++f) {
      Value number = e.load(factors, e.add(e.mul(monomial, factorsEach), f));
      number =
          arith::IndexCastOp::create(e.b, e.loc, e.b.getIndexType(), number);
      slot.factors.push_back(e.mul(number, e.lanes));
    }
    slot.weight = e.load(weights, monomial);
    slot.column = e.mul(column, e.lanes);
    result.push_back(std::move(slot));
    Value next = e.add(inner, 1);
    Value wraps = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::eq,
                                        next, limit);
    inner = arith::SelectOp::create(e.b, e.loc, wraps, e.index(0), next);
    outer = arith::SelectOp::create(e.b, e.loc, wraps, e.add(outer, 1), outer);
  }
  return result;
}

Value PairColumns::monomial(const Slot &slot, Slice x) {
  Value product;
  for (Value factor : slot.factors) {
    Value value = e.load(e.advance(x, factor), e.lanes);
    product = product ? e.mulf(product, value) : value;
  }
  return product;
}

//===----------------------------------------------------------------------===//
// Tiles of a block
//===----------------------------------------------------------------------===//

/// Where row `row` of a tile stands in a block that starts at `at`.
Value PairColumns::elementOfRow(Value at, Value tile, int64_t row) {
  Value first = e.mul(tile, e.lanes);
  if (fourier.columns % e.lanes != 0)
    return elementAt(e, fourier, at, e.add(first, row));
  return e.add(elementAt(e, fourier, at, first), row * 2 * e.lanes);
}

SmallVector<Value> PairColumns::loadTile(Value block, Value at, Value tile,
                                         int64_t part) {
  SmallVector<Value> rows;
  for (int64_t row = 0; row < e.lanes; ++row)
    rows.push_back(e.load(
        block, e.add(elementOfRow(at, tile, row), part * e.lanes), e.lanes));
  return e.transpose(rows);
}

void PairColumns::storeTile(ArrayRef<Value> columns, Value block, Value at,
                            Value tile, int64_t part) {
  SmallVector<Value> rows = e.transpose(SmallVector<Value>(columns));
  for (auto [row, value] : llvm::enumerate(rows))
    e.store(value, block, e.add(elementOfRow(at, tile, row), part * e.lanes));
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

namespace {
/// The arguments of a kernel, in their order.
class Arguments {
public:
  explicit Arguments(ValueRange all) : rest(all) {}
  Value value() { return take(1).front(); }
  Slice slice() {
    ValueRange both = take(2);
    return {both[0], both[1]};
  }

private:
  ValueRange take(size_t count) {
    ValueRange taken = rest.take_front(count);
    rest = rest.drop_front(count);
    return taken;
  }
  ValueRange rest;
};
} // namespace

void PairColumns::callKernel(const Twine &what, ArrayRef<Value> arguments,
                             function_ref<void(Emitter &, ValueRange)> body) {
  e.call(e.kernel(anchor, name(what), ValueRange(arguments).getTypes(), body),
         arguments);
}

/// Emits body(tile, part, slots) for both parts of the block that starts with
/// lane number `first`, in a loop over tiles.
void PairColumns::forTiles(
    Value first, Value tiles,
    function_ref<void(Value, int64_t, ArrayRef<Slot>)> body) {
  SmallVector<Slot> real = slots(first, 0), imaginary = slots(first, 1);
  e.loop(e.index(0), tiles, 1, [&](Value tile) {
    body(tile, 0, real);
    body(tile, 1, imaginary);
  });
}

/// The columns of a tile; with `fresh` 1, not 0, they are zeroed before `part`
/// 0.
Slice PairColumns::sumsOf(Slice panels, Value tile, int64_t columns,
                          int64_t part, Value fresh) {
  Slice here = e.advance(panels, e.mul(tile, columns * e.lanes));
  if (part == 0)
    e.loop(e.index(0), e.mul(fresh, columns * e.lanes), e.lanes, [&](Value c) {
      e.store(e.splat(0.0, e.lanes), e.advance(here, c));
    });
  return here;
}

/// sums[column of the slot] += weight · y · monomial, columns from `from` on.
void PairColumns::addProduct(const Slot &slot, Value y, Slice x, Slice sums,
                             Value from) {
  Value phi = e.mulf(monomial(slot, x), e.broadcast(slot.weight, e.lanes));
  Slice to = e.advance(sums, e.sub(slot.column, e.mul(from, e.lanes)));
  e.store(e.fma(phi, y, e.load(to, e.lanes)), to);
}

void PairColumns::gather(Slice x, Slice factor, Value first, Value tiles,
                         Slice block, bool weighted) {
  auto body = [&](Emitter &, ValueRange arguments) {
    Arguments a(arguments);
    Slice x = a.slice(), factor = a.slice(), block = a.slice();
    Value first = a.value(), tiles = a.value();
    forTiles(first, tiles, [&](Value tile, int64_t part, ArrayRef<Slot> all) {
      Slice xs = e.advance(x, e.mul(tile, xColumns() * e.lanes));
      Slice vs = e.advance(factor, e.mul(tile, vColumns() * e.lanes));
      SmallVector<Value> columns;
      for (const Slot &slot : all) {
        Value v = e.load(e.advance(vs, slot.column), e.lanes);
        v = e.mulf(v, monomial(slot, xs));
        if (weighted)
          v = e.mulf(v, e.broadcast(slot.weight, e.lanes));
        columns.push_back(v);
      }
      storeTile(columns, block.buffer, block.offset, tile, part);
    });
  };
  callKernel((weighted ? "weigh" : "gather"),
             {x.buffer, x.offset, factor.buffer, factor.offset, block.buffer,
              block.offset, first, tiles},
             body);
}

void PairColumns::scatter(Slice block, Value first, Value tiles, Slice x,
                          const ColumnPanels &sums, Value fresh) {
  auto body = [&](Emitter &, ValueRange arguments) {
    Arguments a(arguments);
    Slice block = a.slice(), x = a.slice(), panels = a.slice();
    Value first = a.value(), tiles = a.value();
    Value column = a.value(), fresh = a.value();
    forTiles(first, tiles, [&](Value tile, int64_t part, ArrayRef<Slot> all) {
      Slice xs = e.advance(x, e.mul(tile, xColumns() * e.lanes));
      Slice to = sumsOf(panels, tile, sums.reach, part, fresh);
      SmallVector<Value> columns =
          loadTile(block.buffer, block.offset, tile, part);
      for (auto [slot, y] : llvm::zip(all, columns))
        addProduct(slot, y, xs, to, column);
    });
  };
  callKernel("scatter" + Twine(sums.reach),
             {block.buffer, block.offset, x.buffer, x.offset, sums.at.buffer,
              sums.at.offset, first, tiles, sums.from, fresh},
             body);
}

Value mlir::ropegrad::emitReverseProduct(Emitter &e, ValueRange factors,
                                         Value s, Slice x, Slice dx) {
  SmallVector<Value> before = {s}, values;
  for (Value factor : factors)
    values.push_back(e.load(x.buffer, e.add(x.offset, factor), e.lanes));
  for (Value value : values)
    before.push_back(e.mulf(before.back(), value));
  Value after;
  for (size_t f = values.size(); f-- > 0;) {
    Value term = after ? e.mulf(before[f], after) : before[f];
    Value at = e.add(dx.offset, factors[f]);
    e.store(e.addf(term, e.load(dx.buffer, at, e.lanes)), dx.buffer, at);
    after = after ? e.mulf(after, values[f]) : values[f];
  }
  return before.back();
}

void PairColumns::reverse(Slice block, Value first, Value tiles, Slice x,
                          Slice u, Slice dx, std::optional<ColumnPanels> sums,
                          Value fresh) {
  auto body = [&](Emitter &, ValueRange arguments) {
    Arguments a(arguments);
    Slice block = a.slice(), x = a.slice(), u = a.slice(), dx = a.slice();
    Value first = a.value(), tiles = a.value(), fresh = a.value();
    Slice panels = sums ? a.slice() : Slice();
    Value column = sums ? a.value() : Value();
    forTiles(first, tiles, [&](Value tile, int64_t part, ArrayRef<Slot> all) {
      Slice xs = e.advance(x, e.mul(tile, xColumns() * e.lanes));
      Slice us = e.advance(u, e.mul(tile, vColumns() * e.lanes));
      Slice dxs = sumsOf(dx, tile, xColumns(), part, fresh), to;
      if (sums)
        to = sumsOf(panels, tile, sums->reach, part, fresh);
      SmallVector<Value> columns =
          loadTile(block.buffer, block.offset, tile, part);
      for (auto [slot, y] : llvm::zip(all, columns)) {
        Value factor = e.load(e.advance(us, slot.column), e.lanes);
        Value weighted = e.mulf(y, e.broadcast(slot.weight, e.lanes));
        emitReverseProduct(e, slot.factors, e.mulf(factor, weighted), xs, dxs);
        if (sums)
          addProduct(slot, y, xs, to, column);
      }
    });
  };
  SmallVector<Value> all = {block.buffer, block.offset, x.buffer,  x.offset,
                            u.buffer,     u.offset,     dx.buffer, dx.offset,
                            first,        tiles,        fresh};
  std::string what = "reverse";
  if (sums) {
    all.append({sums->at.buffer, sums->at.offset, sums->from});
    what += "_scatter" + std::to_string(sums->reach);
  }
  callKernel(what, all, body);
}

void PairColumns::derive(Slice block, Value first, Value tiles, Slice x,
                         const ColumnPanels &sums, const ColumnPanels &slopes,
                         Value fresh) {
  auto body = [&](Emitter &, ValueRange arguments) {
    Arguments a(arguments);
    Slice block = a.slice(), x = a.slice(), panels = a.slice();
    Slice derivatives = a.slice();
    Value first = a.value(), tiles = a.value();
    Value column = a.value(), fresh = a.value();
    forTiles(first, tiles, [&](Value tile, int64_t part, ArrayRef<Slot> all) {
      Slice xs = e.advance(x, e.mul(tile, xColumns() * e.lanes));
      Slice to = sumsOf(panels, tile, sums.reach, part, fresh);
      Slice dxs =
          sumsOf(derivatives, tile, slopes.reach * xColumns(), part, fresh);
      SmallVector<Value> columns =
          loadTile(block.buffer, block.offset, tile, part);
      for (auto [slot, y] : llvm::zip(all, columns)) {
        Value weighted = e.mulf(y, e.broadcast(slot.weight, e.lanes));
        Value place = e.sub(slot.column, e.mul(column, e.lanes));
        emitReverseProduct(e, slot.factors, weighted, xs,
                           e.advance(dxs, e.mul(place, xColumns())));
        addProduct(slot, y, xs, to, column);
      }
    });
  };
  callKernel("derive" + Twine(slopes.reach),
             {block.buffer, block.offset, x.buffer, x.offset, sums.at.buffer,
              sums.at.offset, slopes.at.buffer, slopes.at.offset, first, tiles,
              sums.from, fresh},
             body);
}

void PairColumns::unpack(Slice blocks, Value tile, Slice columns) {
  auto body = [&](Emitter &, ValueRange a) {
    e.loop(0, lanes.blocks(), 1, [&](Value number) {
      Value at = e.add(a[1], e.mul(number, blockSize(e, fourier)));
      Value to = e.add(a[4], e.mul(number, 2 * e.lanes * e.lanes));
      for (int64_t part : {0, 1})
        for (auto [lane, column] :
             llvm::enumerate(loadTile(a[0], at, a[2], part)))
          e.store(column, a[3], e.add(to, (2 * lane + part) * e.lanes));
    });
  };
  Type b = e.bufferType(), i = e.b.getIndexType();
  auto kernel = e.kernel(anchor, name("unpack"), {b, i, i, b, i}, body);
  e.call(kernel,
         {blocks.buffer, blocks.offset, tile, columns.buffer, columns.offset});
}

void PairColumns::pack(Slice columns, Value tile, Slice blocks) {
  auto body = [&](Emitter &, ValueRange a) {
    e.loop(0, lanes.blocks(), 1, [&](Value number) {
      Value at = e.add(a[4], e.mul(number, blockSize(e, fourier)));
      Value from = e.add(a[1], e.mul(number, 2 * e.lanes * e.lanes));
      for (int64_t part : {0, 1}) {
        SmallVector<Value> all;
        for (int64_t lane = 0; lane < e.lanes; ++lane)
          all.push_back(
              e.load(a[0], e.add(from, (2 * lane + part) * e.lanes), e.lanes));
        storeTile(all, a[3], at, a[2], part);
      }
    });
  };
  Type b = e.bufferType(), i = e.b.getIndexType();
  auto kernel = e.kernel(anchor, name("pack"), {b, i, i, b, i}, body);
  e.call(kernel,
         {columns.buffer, columns.offset, tile, blocks.buffer, blocks.offset});
}

void PairColumns::clear(Slice block, Value from, Value to) {
  auto body = [&](Emitter &, ValueRange a) {
    e.loop(a[2], a[3], 1, [&](Value t) {
      Value at = elementAt(e, fourier, a[1], t);
      for (int64_t part : {0, 1})
        e.store(e.splat(0.0, e.lanes), a[0], e.add(at, part * e.lanes));
    });
  };
  Type b = e.bufferType(), i = e.b.getIndexType();
  auto kernel = e.kernel(
      anchor, kernelName(e, "ropegrad_pair_clear_" + Twine(fourier.length)),
      {b, i, i, i}, body);
  e.call(kernel, {block.buffer, block.offset, from, to});
}
