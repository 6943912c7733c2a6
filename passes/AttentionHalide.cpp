//===- AttentionHalide.cpp - Exact attention by Halide ---------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Forward: a panel of queries in lanes meets block after block of keys.
// Backward: a panel of keys in lanes meets block after block of queries, five
// products in one pass; dQ is summed in partial results, one per chunk of key
// panels.
//
//===----------------------------------------------------------------------===//

#include "passes/AttentionHalide.h"
#include "passes/AttentionLeaves.h"

#include <numeric>

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

/// An exponent whose power of 2 is 0, yet finite.
constexpr double dead = -1e30;

/// What both passes share.
class Blocks {
public:
  Blocks(Emitter &e, const AttentionTiles &tiles, Value v, Lanes lanesOver)
      : e(e), tiles(tiles), leaves(e, tiles, lanesOver), d(widthOf(tiles.q)),
        w(widthOf(v)), heads(tiles.matrix.getHeads()), panel(leaves.panel) {}

protected:
  /// `count` more numbers of the call, in whole register tiles.
  Value wholeTiles(Value count) {
    return e.mul(e.div(e.add(count, leaves.rows - 1), leaves.rows),
                 leaves.rows);
  }
  /// 1 where an element of rows [i, i + iCount), columns [j, j + jCount) is
  /// masked or a column beyond n.
  Value isCut(Value i, Value iCount, Value j, Value jCount);
  /// Calls the function that `attributes` describe, declared where it is not.
  void call(StringRef name, ArrayRef<NamedAttribute> attributes,
            ArrayRef<Slice> inputs, ArrayRef<Value> numbers,
            ArrayRef<Slice> outputs);
  NamedAttribute attribute(StringRef name, int64_t value) {
    return e.b.getNamedAttr(name, e.b.getI64IntegerAttr(value));
  }
  NamedAttribute flag(StringRef name, bool value) {
    return e.b.getNamedAttr(name, e.b.getBoolAttr(value));
  }
  SmallVector<NamedAttribute> describe(bool isBackward, int64_t steps);
  /// Where the terms of a block's logits begin.
  Slice tableFrom(Value head, Value row, Value lane, int64_t steps) {
    Slice at = leaves.tableAt(head, row, lane);
    return {at.buffer, e.sub(at.offset, steps - 1)};
  }

  Emitter &e;
  const AttentionTiles &tiles;
  AttentionLeaves leaves;
  int64_t d, w, heads, panel;
};

} // namespace

Value Blocks::isCut(Value i, Value iCount, Value j, Value jCount) {
  auto greater = [&](Value x, Value y) -> Value {
    return arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::sgt, x, y);
  };
  auto either = [&](Value x, Value y) -> Value {
    return arith::OrIOp::create(e.b, e.loc, x, y);
  };
  Value jEnd = e.add(j, jCount);
  Value result = greater(jEnd, leaves.space.n);
  if (leaves.live.mask != Mask::None)
    result = either(result, greater(jEnd, e.add(i, 1)));
  if (leaves.live.mask == Mask::Window)
    result = either(result, greater(e.sub(e.add(i, iCount), j),
                                    e.index(leaves.live.window)));
  return arith::SelectOp::create(e.b, e.loc, result, e.index(1), e.index(0));
}

SmallVector<NamedAttribute> Blocks::describe(bool isBackward, int64_t steps) {
  bool isWindow = leaves.live.mask == Mask::Window;
  return {flag("backward", isBackward),
          attribute("bits", e.element.getWidth()),
          attribute("d", d),
          attribute("w", w),
          attribute("lanes", e.lanes),
          attribute("panel", panel),
          attribute("rows", leaves.rows),
          attribute("steps", steps),
          flag("causal", leaves.live.mask != Mask::None),
          attribute("window", isWindow ? leaves.live.window : 0),
          flag("table", leaves.hasTable())};
}

void Blocks::call(StringRef name, ArrayRef<NamedAttribute> attributes,
                  ArrayRef<Slice> inputs, ArrayRef<Value> numbers,
                  ArrayRef<Slice> outputs) {
  SmallVector<Value> arguments;
  for (Slice input : inputs)
    arguments.append({input.buffer, input.offset});
  arguments.append(numbers.begin(), numbers.end());
  for (Slice output : outputs)
    arguments.append({output.buffer, output.offset});
  auto module = leaves.anchor->getParentOfType<ModuleOp>();
  auto function = module.lookupSymbol<func::FuncOp>(name);
  if (!function) {
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToEnd(module.getBody());
    function = func::FuncOp::create(
        e.b, e.loc, name,
        e.b.getFunctionType(ValueRange(arguments).getTypes(), TypeRange()));
    function.setPrivate();
    function->setAttr(kHalideAttr, e.b.getDictionaryAttr(attributes));
  }
  e.call(function, arguments);
}

//===----------------------------------------------------------------------===//
// Forward
//===----------------------------------------------------------------------===//

namespace {

class Forward : Blocks {
public:
  Forward(Emitter &e, const AttentionForward &attention)
      : Blocks(e, attention, attention.v, Lanes::Queries),
        attention(attention) {}

  void emit();

private:
  void emitPanel();
  std::pair<Value, Value> keyRange();
  void emitBlock(Value j0, Value to, Value parity);
  void endPanel(Value parity);
  /// The maxima before (0) or after (1) a block of the given parity.
  Slice maxima(Value parity, int64_t after) {
    Value other = after ? e.sub(e.index(1), parity) : parity;
    return {state, e.add(e.mul(other, panel), (d + w) * panel)};
  }
  Slice sums() { return {state, e.index((d + w + 2) * panel)}; }
  Slice output() { return {state, e.index(d * panel)}; }

  const AttentionForward &attention;
  static constexpr int64_t steps = 64;
  PaddedRows q, k, v;
  /// Of a panel, private to a thread: qᵀ, oᵀ, maxima twice, sums.
  Value state, room;
  Value batch, head, i0;
};

} // namespace

void Forward::emit() {
  const RowSpace &space = leaves.space;
  q = leaves.pad(attention.q, panel, d);
  k = leaves.pad(attention.k, steps, d);
  v = leaves.pad(attention.v, steps, w);
  leaves.makeTable();
  Value panels = e.div(e.add(space.n, panel - 1), panel);
  Value headCount = e.mul(space.batch, heads);
  e.parallel(e.mul(headCount, panels), "", [&](Value unit) {
    state = e.scratch((d + w + 3) * panel);
    room = e.scratch(panel * w);
    Value index = e.rem(unit, headCount), number = e.div(unit, headCount);
    batch = e.div(index, heads);
    head = e.rem(index, e.index(heads));
    // Under a mask the last rows are the longest: first come, best balance.
    if (leaves.live.mask != Mask::None)
      number = e.sub(e.sub(panels, 1), number);
    i0 = e.mul(number, panel);
    emitPanel();
  });
}

/// [from, to) of the keys that the panel meets, `from` at the beginning of a
/// block.
std::pair<Value, Value> Forward::keyRange() {
  Value from = e.index(0), to = leaves.space.n;
  if (leaves.live.mask != Mask::None)
    to = e.min(to, e.add(i0, panel));
  if (leaves.live.mask == Mask::Window) {
    Value first = e.max(e.sub(i0, leaves.live.window - 1), e.index(0));
    from = e.mul(e.div(first, steps), steps);
  }
  return {from, to};
}

void Forward::emitPanel() {
  leaves.pack(q.at(e, batch, head, heads, i0), d, d, {state, e.index(0)},
              leaves.unit);
  e.zero(output(), w * panel);
  for (int64_t at = 0; at < panel; at += e.lanes) {
    e.store(e.splat(dead, e.lanes), e.advance(maxima(e.index(0), 0), at));
    e.store(e.splat(0.0, e.lanes), e.advance(sums(), at));
  }
  auto [from, to] = keyRange();
  auto numberOf = [&, from = from](Value j) {
    return e.div(e.sub(j, from), steps);
  };
  auto parityOf = [&](Value number) { return e.rem(number, e.index(2)); };
  e.loop(from, to, steps,
         [&, to = to](Value j0) { emitBlock(j0, to, parityOf(numberOf(j0))); });
  endPanel(parityOf(numberOf(e.add(to, steps - 1))));
}

void Forward::emitBlock(Value j0, Value to, Value parity) {
  Value count = wholeTiles(e.min(e.sub(to, j0), e.index(steps)));
  SmallVector<Slice> inputs = {{state, e.index(0)},
                               k.at(e, batch, head, heads, j0),
                               v.at(e, batch, head, heads, j0),
                               maxima(parity, 0)};
  if (leaves.hasTable())
    inputs.push_back(tableFrom(head, j0, i0, steps));
  std::string name = leaves.name(
      "halide_forward", {d, w, steps, static_cast<int64_t>(leaves.live.mask),
                         leaves.live.window, leaves.hasTable()});
  call(name, describe(/*isBackward=*/false, steps), inputs,
       {isCut(i0, e.index(panel), j0, count), i0, j0, leaves.space.n, count},
       {maxima(parity, 1), sums(), output()});
}

void Forward::endPanel(Value parity) {
  for (int64_t at = 0; at < panel; at += e.lanes) {
    Slice sumAt = e.advance(sums(), at);
    Value sum = e.load(sumAt, e.lanes);
    Value factor = e.divf(e.splat(attention.scaleO, e.lanes), sum);
    e.loop(0, w, 1, [&](Value c) {
      Slice to = e.advance(output(), e.add(e.mul(c, panel), at));
      e.store(e.mulf(e.load(to, e.lanes), factor), to);
    });
    // L = m + log l, m in units of the exponent.
    Value m = e.load(e.advance(maxima(parity, 0), at), e.lanes);
    Value log = e.fma(m, e.splat(1.0 / leaves.logUnit, e.lanes), e.log(sum));
    e.store(log, sumAt);
  }
  Value alive = e.min(e.sub(leaves.space.n, i0), e.index(panel));
  for (Value out : attention.l) {
    Tall l = *tallOf(e, attention.op, out);
    Slice to{l.buffer, l.at(e, batch, head, i0)};
    e.loop(e.index(0), alive, 1, [&](Value row) {
      Slice from = e.advance(sums(), row);
      e.store(e.load(from.buffer, from.offset),
              e.advance(to, e.mul(row, l.rowStride)));
    });
  }
  Tall o = *tallOf(e, attention.op, attention.o);
  leaves.unpack(output(), o, o.at(e, batch, head, i0), alive, 1.0,
                {room, e.index(0)});
}

void mlir::ropegrad::emitAttentionByHalide(Emitter &e,
                                           const AttentionForward &attention) {
  Forward(e, attention).emit();
}

//===----------------------------------------------------------------------===//
// Backward
//===----------------------------------------------------------------------===//

namespace {

class Backward : Blocks {
public:
  Backward(Emitter &e, const AttentionBackward &attention);
  void emit();

private:
  void emitUnit(Value unit);
  void emitKeys(Value j0);
  void emitBlock(Value j0, Value i0, Value number);
  void endKeys(Value j0, Value panels);
  void addPartials();

  Slice packed(Value buffer, Value number, int64_t width) {
    return {buffer, e.mul(number, width * panel)};
  }
  Slice partial(Value chunk, Value row) {
    Value index = e.add(e.mul(batch, heads), head);
    index = e.add(e.mul(index, chunks), chunk);
    return {partials, e.mul(e.add(e.mul(index, q.rows), row), padded)};
  }

  const AttentionBackward &attention;
  static constexpr int64_t steps = 48;
  int64_t groups;
  int64_t panels; ///< that meet a block of queries in turn
  int64_t chunks; ///< of the panels of a head, dealt out in turn
  int64_t padded; ///< elements of a row of k and of dQ's partial results
  PaddedRows q, k, u, v;
  RowTerms terms;
  Value partials;
  /// Private to a thread: packed k and v, dK and dV transposed.
  Value kPanels, vPanels, dkPanels, dvPanels, room;
  Value batch, group, head, chunk;
};

} // namespace

Backward::Backward(Emitter &e, const AttentionBackward &attention)
    : Blocks(e, attention, attention.v, Lanes::Keys), attention(attention),
      groups(headsOf(attention.k)), panels(leaves.space.maxN < 2048 ? 1 : 2),
      padded(llvm::alignTo(d, e.lanes)) {
  // Chunks are worth their partial sums up to about this many units.
  constexpr int64_t wanted = 8, mostChunks = 4;
  int64_t units = leaves.space.maxBatch * groups, keys = panel * panels;
  chunks = std::clamp<int64_t>(
      (wanted + units - 1) / units, 1,
      std::min(mostChunks, (leaves.space.maxN + keys - 1) / keys));
}

void Backward::emit() {
  const RowSpace &space = leaves.space;
  int64_t block = std::lcm(panel, steps);
  q = leaves.pad(attention.q, block, d);
  u = leaves.pad(attention.u, block, w);
  k = leaves.pad(attention.k, block, padded);
  v = leaves.pad(attention.v, block, w);
  leaves.makeTable();
  terms = leaves.makeRowTerms(attention, block);
  if (attention.dq)
    partials = e.scratch(space.maxBatch * heads * chunks * q.rows * padded);
  e.parallel(e.mul(space.batch, groups * chunks), "",
             [&](Value unit) { emitUnit(unit); });
  if (attention.dq)
    addPartials();
}

/// Number `unit` of (batch entry, key head, chunk), in this order.
void Backward::emitUnit(Value unit) {
  kPanels = e.scratch(panels * panel * d);
  vPanels = e.scratch(panels * panel * w);
  dkPanels = e.scratch(panels * panel * d);
  dvPanels = e.scratch(panels * panel * w);
  room = e.scratch(panel * std::max(d, w));
  chunk = e.rem(unit, e.index(chunks));
  Value index = e.div(unit, chunks);
  batch = e.div(index, groups);
  group = e.rem(index, e.index(groups));
  int64_t members = heads / groups;
  if (attention.dq)
    e.loop(0, members, 1, [&](Value member) {
      head = e.add(e.mul(group, members), member);
      Slice to = partial(chunk, e.index(0));
      Value blocks = e.div(e.add(leaves.space.n, steps - 1), steps);
      e.loop(e.index(0), e.mul(blocks, steps * padded), e.lanes, [&](Value at) {
        e.store(e.splat(0.0, e.lanes), e.advance(to, at));
      });
    });
  int64_t keys = panels * panel;
  e.loop(e.mul(chunk, keys), leaves.space.n, keys * chunks,
         [&](Value j0) { emitKeys(j0); });
}

void Backward::emitKeys(Value j0) {
  Value n = leaves.space.n;
  int64_t keys = panels * panel, members = heads / groups;
  Value count =
      e.div(e.add(e.min(e.sub(n, j0), e.index(keys)), panel - 1), panel);
  e.loop(e.index(0), count, 1, [&](Value number) {
    Value j = e.add(j0, e.mul(number, panel));
    leaves.pack(k.at(e, batch, group, groups, j), d, padded,
                packed(kPanels, number, d), leaves.unit);
    leaves.pack(v.at(e, batch, group, groups, j), w, w,
                packed(vPanels, number, w), 1.0);
  });
  e.zero({dkPanels, e.index(0)}, keys * d);
  e.zero({dvPanels, e.index(0)}, keys * w);
  Value from = e.index(0), to = n;
  if (leaves.live.mask != Mask::None)
    from = e.mul(e.div(j0, steps), steps);
  if (leaves.live.mask == Mask::Window)
    to = e.min(to, e.add(j0, keys + leaves.live.window - 1));
  e.loop(0, members, 1, [&](Value member) {
    head = e.add(e.mul(group, members), member);
    e.loop(from, to, steps, [&](Value i0) {
      e.loop(e.index(0), count, 1,
             [&](Value number) { emitBlock(j0, i0, number); });
    });
  });
  endKeys(j0, count);
}

void Backward::emitBlock(Value j0, Value i0, Value number) {
  Value j = e.add(j0, e.mul(number, panel)),
        term = terms.at(e, batch, head, i0);
  Value count = wholeTiles(e.min(e.sub(leaves.space.n, i0), e.index(steps)));
  SmallVector<Slice> inputs = {
      q.at(e, batch, head, heads, i0),  u.at(e, batch, head, heads, i0),
      packed(kPanels, number, d),       packed(vPanels, number, w),
      k.at(e, batch, group, groups, j), {terms.minusL, term},
      {terms.minusLow, term},           {terms.minusS, term}};
  if (leaves.hasTable())
    inputs.push_back(tableFrom(head, i0, j, steps));
  SmallVector<Slice> outputs;
  if (attention.dq)
    outputs.push_back(partial(chunk, i0));
  if (attention.dk)
    outputs.push_back(packed(dkPanels, number, d));
  if (attention.dv)
    outputs.push_back(packed(dvPanels, number, w));
  bool dq = !!attention.dq, dk = !!attention.dk, dv = !!attention.dv;
  SmallVector<NamedAttribute> attributes = describe(/*isBackward=*/true, steps);
  attributes.append({attribute("padded", padded), flag("dq", dq),
                     flag("dk", dk), flag("dv", dv)});
  std::string name = leaves.name(
      "halide_backward", {d, w, steps, static_cast<int64_t>(leaves.live.mask),
                          leaves.live.window, leaves.hasTable(), dq, dk, dv});
  call(name, attributes, inputs,
       {isCut(i0, count, j, e.index(panel)), i0, j, leaves.space.n, count},
       outputs);
}

void Backward::endKeys(Value j0, Value panels) {
  auto write = [&](Value out, Value from, int64_t width, double factor) {
    if (!out)
      return;
    Tall to = *tallOf(e, attention.op, out);
    e.loop(e.index(0), panels, 1, [&](Value number) {
      Value j = e.add(j0, e.mul(number, panel));
      Value alive = e.min(e.sub(leaves.space.n, j), e.index(panel));
      leaves.unpack(packed(from, number, width), to, to.at(e, batch, group, j),
                    alive, factor, {room, e.index(0)});
    });
  };
  write(attention.dk, dkPanels, d, attention.scaleK);
  write(attention.dv, dvPanels, w, attention.scaleV);
}

void Backward::addPartials() {
  const RowSpace &space = leaves.space;
  Tall to = *tallOf(e, attention.op, attention.dq);
  Value blocks = e.div(e.add(space.n, steps - 1), steps);
  Value units = e.mul(e.mul(space.batch, heads), blocks);
  e.parallel(units, "", [&](Value index) {
    Value headIndex = e.div(index, blocks);
    batch = e.div(headIndex, heads);
    head = e.rem(headIndex, e.index(heads));
    Value first = e.mul(e.rem(index, blocks), steps);
    Value end = e.min(e.add(first, steps), space.n);
    e.loop(first, end, 1, [&](Value row) {
      Slice target{to.buffer, to.at(e, batch, head, row)};
      e.forPieces(d, [&](Value at, int64_t lanes) {
        Value sum;
        for (int64_t c = 0; c < chunks; ++c) {
          Slice from = e.advance(partial(e.index(c), row), at);
          Value x = e.load(from, lanes);
          sum = sum ? e.addf(sum, x) : x;
        }
        e.store(e.mulf(sum, e.splat(attention.scaleQ, lanes)),
                e.advance(target, at));
      });
    });
  });
}

void mlir::ropegrad::emitAttentionByHalide(Emitter &e,
                                           const AttentionBackward &attention) {
  Backward(e, attention).emit();
}
