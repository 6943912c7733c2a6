//===- AttentionForward.cpp - Exact softmax attention ----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Lanes are queries: a panel of queries meets block after block of keys. Most
// blocks need no maximum: they are taken with the one so far, and only where a
// sum leaves the range of safe numbers (rare after the first block) is the
// block done again with its true maximum and everything before it rescaled.
// Online softmax: Milakov, Gimelshein, arXiv:1805.02867.
//
//===----------------------------------------------------------------------===//

#include "passes/AttentionLeaves.h"

#include <numeric>

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

/// Below every logit that occurs, yet finite: differences stay free of nan.
constexpr double dead = -1e30;
/// At least this as a maximum, so that dead logits weigh nothing.
constexpr double lowest = -1e29;
/// A lane's sum over a block that exceeds this is taken again.
constexpr double safeSum = 16777216.0;

class Forward {
public:
  Forward(Emitter &e, const AttentionForward &attention)
      : e(e), attention(attention), leaves(e, attention, Lanes::Queries),
        d(widthOf(attention.q)), w(widthOf(attention.v)),
        heads(attention.matrix.getHeads()), panel(leaves.panel),
        keys(d <= 16   ? 128
             : d <= 64 ? 96
                       : 64) {
    // Several panels share a block of keys and values that would otherwise be
    // fetched from outside the second cache for each.
    bool fits =
        leaves.space.maxN * (d + w) * e.element.getWidth() / 8 <= 1 << 20;
    group = fits ? 1 : 4;
    early = d <= 16;
    maximaAt = (d + w) * panel;
    sumsAt = maximaAt + panel;
    blockSumsAt = sumsAt + panel;
    stateSize = blockSumsAt + panel;
  }

  void emit();

private:
  void emitGroup(Value unit);
  void beginPanel(Slice state, Value i0);
  void emitBlock(Slice state, Value i0, Value j0, Value from, Value to);
  void endPanel(Slice state, Value i0);
  /// [from, to) of the keys that a panel of queries meets, `from` at the
  /// beginning of a block.
  std::pair<Value, Value> keyRange(Value i0);

  func::FuncOp logitsKernel(bool weights);
  func::FuncOp renewKernel();
  SmallVector<Value> kernelArguments(Slice state, Value i0, Value j0,
                                     Value count);
  void emitLogits(ValueRange args, bool weights);
  void emitRenewal(ValueRange args);
  Value isUnsafe(Slice state);
  Value vectorAt(Slice state, int64_t at, int64_t v) {
    return e.load(e.advance(state, at + v * e.lanes), e.lanes);
  }
  void setVector(Value value, Slice state, int64_t at, int64_t v) {
    e.store(value, e.advance(state, at + v * e.lanes));
  }

  Emitter &e;
  const AttentionForward &attention;
  AttentionLeaves leaves;
  int64_t d, w, heads, panel;
  int64_t keys;  ///< of a block
  int64_t group; ///< panels of a unit
  /// Sums start at −m, which saves an operation but rounds every step at |m|.
  bool early;
  /// A panel's state: packed queries, O transposed, then −m, l and l of the
  /// block, all in lanes.
  int64_t maximaAt, sumsAt, blockSumsAt, stateSize;
  PaddedRows q, k, v;
  Tall o;
  SmallVector<Tall> l;
  Value states, weights, room; ///< private to a thread
  Value batch, head;
};

} // namespace

void Forward::emit() {
  const RowSpace &space = leaves.space;
  q = leaves.pad(attention.q, panel, d);
  // A block ends with a whole register tile, which a panel need not hold.
  int64_t block = std::lcm(panel, leaves.rows);
  k = leaves.pad(attention.k, block, d);
  v = leaves.pad(attention.v, block, w);
  leaves.makeTable();
  o = *tallOf(e, attention.op, attention.o);
  for (Value out : attention.l)
    l.push_back(*tallOf(e, attention.op, out));
  int64_t rows = panel * group;
  Value groups = e.div(e.add(space.n, rows - 1), rows);
  Value units = e.mul(e.mul(space.batch, heads), groups);
  e.parallel(units, "", [&](Value unit) {
    states = e.scratch(group * stateSize);
    weights = e.scratch((keys + leaves.rows) * panel);
    room = e.scratch(panel * w);
    Value index = e.rem(unit, e.mul(space.batch, heads));
    batch = e.div(index, heads);
    head = e.rem(index, e.index(heads));
    Value number = e.div(unit, e.mul(space.batch, heads));
    // Under a mask the last rows are the longest: first come, best balance.
    if (leaves.live.mask != Mask::None)
      number = e.sub(e.sub(groups, 1), number);
    emitGroup(e.mul(number, rows));
  });
}

void Forward::emitGroup(Value first) {
  Value end = e.min(e.add(first, group * panel), leaves.space.n);
  auto forPanels = [&](function_ref<void(Slice, Value)> body) {
    e.loop(first, end, panel, [&](Value i0) {
      Value number = e.div(e.sub(i0, first), panel);
      if (group == 1)
        number = e.index(0);
      body({states, e.mul(number, stateSize)}, i0);
    });
  };
  forPanels([&](Slice state, Value i0) { beginPanel(state, i0); });
  // The first panel's keys begin first, the last one's end last.
  Value from = keyRange(first).first;
  Value last =
      e.add(first, e.mul(e.div(e.sub(e.sub(end, 1), first), panel), panel));
  Value to = keyRange(last).second;
  e.loop(from, to, keys, [&](Value j0) {
    forPanels([&](Slice state, Value i0) {
      std::pair<Value, Value> range = keyRange(i0);
      Value begun = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::sge,
                                          j0, range.first);
      Value open = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::slt,
                                         j0, range.second);
      e.when(arith::AndIOp::create(e.b, e.loc, begun, open),
             [&] { emitBlock(state, i0, j0, range.first, range.second); });
    });
  });
  forPanels([&](Slice state, Value i0) { endPanel(state, i0); });
}

std::pair<Value, Value> Forward::keyRange(Value i0) {
  Value from = e.index(0), to = leaves.space.n;
  if (leaves.live.mask != Mask::None)
    to = e.min(to, e.add(i0, panel));
  if (leaves.live.mask == Mask::Window) {
    Value first = e.max(e.sub(i0, leaves.live.window - 1), e.index(0));
    from = e.mul(e.div(first, keys), keys);
  }
  return {from, to};
}

void Forward::beginPanel(Slice state, Value i0) {
  Slice rows = q.at(e, batch, head, heads, i0);
  leaves.pack(rows, d, d, state, leaves.unit);
  e.zero(e.advance(state, d * panel), w * panel);
  for (int64_t v = 0; v < leaves.vectors; ++v) {
    setVector(e.splat(-dead, e.lanes), state, maximaAt, v);
    setVector(e.splat(0.0, e.lanes), state, sumsAt, v);
  }
}

SmallVector<Value> Forward::kernelArguments(Slice state, Value i0, Value j0,
                                            Value count) {
  Slice rows = k.at(e, batch, head, heads, j0);
  SmallVector<Value> arguments = {rows.buffer,  rows.offset, state.buffer,
                                  state.offset, weights,     i0,
                                  j0,           count,       leaves.space.n};
  if (leaves.hasTable()) {
    Slice table = leaves.tableAt(head, j0, i0);
    arguments.append({table.buffer, table.offset});
  }
  return arguments;
}

void Forward::emitBlock(Slice state, Value i0, Value j0, Value from, Value to) {
  Value count = e.min(e.sub(to, j0), e.index(keys));
  Value whole =
      e.mul(e.div(e.add(count, leaves.rows - 1), leaves.rows), leaves.rows);
  SmallVector<Value> arguments = kernelArguments(state, i0, j0, whole);
  func::FuncOp weigh = logitsKernel(true), search = logitsKernel(false),
               renew = renewKernel();
  Value isFirst =
      arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::eq, j0, from);
  auto ifOp = scf::IfOp::create(e.b, e.loc, e.b.getI1Type(), isFirst,
                                /*withElseRegion=*/true);
  {
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(&ifOp.getThenRegion().front());
    scf::YieldOp::create(e.b, e.loc, isFirst);
    e.b.setInsertionPointToStart(&ifOp.getElseRegion().front());
    e.call(weigh, arguments);
    scf::YieldOp::create(e.b, e.loc, isUnsafe(state));
  }
  e.when(ifOp.getResult(0), [&] {
    e.call(search, arguments);
    e.call(renew, {state.buffer, state.offset, weights, whole});
  });
  for (int64_t v = 0; v < leaves.vectors; ++v)
    setVector(
        e.addf(vectorAt(state, sumsAt, v), vectorAt(state, blockSumsAt, v)),
        state, sumsAt, v);
  leaves.accumulate(e.advance(state, d * panel),
                    this->v.at(e, batch, head, heads, j0), w, w,
                    {weights, e.index(0)}, panel, whole);
}

Value Forward::isUnsafe(Slice state) {
  Value safe;
  for (int64_t v = 0; v < leaves.vectors; ++v) {
    Value holds = arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OLE,
                                        vectorAt(state, blockSumsAt, v),
                                        e.splat(safeSum, e.lanes));
    safe = safe ? Value(arith::AndIOp::create(e.b, e.loc, safe, holds)) : holds;
  }
  Value all =
      vector::ReductionOp::create(e.b, e.loc, vector::CombiningKind::AND, safe);
  Value yes = arith::ConstantOp::create(e.b, e.loc, e.b.getBoolAttr(true));
  return arith::XOrIOp::create(e.b, e.loc, all, yes);
}

/// (K, its offset, state, its offset, P, i0, j0, keys, n[, table, its offset]).
/// With `weights`: P = 2^(t − m) and its sums over the block; without: P = t
/// and its maxima, both for the logits t of a panel and some keys.
func::FuncOp Forward::logitsKernel(bool weights) {
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  SmallVector<Type> types = {buffer, index, buffer, index, buffer,
                             index,  index, index,  index};
  if (leaves.hasTable())
    types.append({buffer, index});
  std::string name = leaves.name(weights ? "weights" : "logits",
                                 {d, w, static_cast<int64_t>(leaves.live.mask),
                                  leaves.live.window, leaves.hasTable()});
  return e.kernel(attention.op, name, types, [&](Emitter &, ValueRange args) {
    emitLogits(args, weights);
  });
}

void Forward::emitLogits(ValueRange args, bool weights) {
  Slice rows{args[0], args[1]}, state{args[2], args[3]}, p{args[4], e.index(0)};
  RegisterTile tile{leaves.rows, leaves.vectors, d, 1, panel};
  for (int64_t v = 0; v < leaves.vectors; ++v)
    setVector(e.splat(weights ? 0.0 : dead, e.lanes), state, blockSumsAt, v);
  e.loop(e.index(0), args[7], leaves.rows, [&](Value key) {
    AttentionLeaves::Place at{e.add(args[6], key), args[5], args[8], {}};
    if (leaves.hasTable())
      at.table = {args[9], e.sub(args[10], key)};
    SmallVector<Value> sums, minusM;
    for (int64_t v = 0; v < leaves.vectors; ++v)
      minusM.push_back(vectorAt(state, maximaAt, v));
    for (int64_t i = 0; i < tile.rows * tile.vectors; ++i)
      sums.push_back(weights && early ? minusM[i % tile.vectors]
                                      : e.splat(0.0, e.lanes));
    sums = tile.multiply(e, e.advance(rows, e.mul(key, d)), state, e.index(d),
                         sums);
    leaves.whereCut(at, [&](bool cut) {
      for (int64_t v = 0; v < leaves.vectors; ++v) {
        Value total = vectorAt(state, blockSumsAt, v);
        for (int64_t r = 0; r < tile.rows; ++r) {
          Value t = leaves.addTable(sums[r * tile.vectors + v], at, r, v);
          if (weights) {
            if (!early)
              t = e.addf(t, vectorAt(state, maximaAt, v));
            t = e.exp2(t);
          }
          if (cut)
            t = leaves.select(t, weights ? 0.0 : dead, at, r, v);
          total = weights ? e.addf(total, t) : e.maxf(t, total);
          Value to = e.add(e.mul(e.add(key, r), panel), v * e.lanes);
          e.store(t, e.advance(p, to));
        }
        setVector(total, state, blockSumsAt, v);
      }
    });
  });
}

/// (state, its offset, P, keys): logits and their maxima become weights and
/// sums; what has been summed so far is rescaled to the new maximum.
func::FuncOp Forward::renewKernel() {
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  return e.kernel(attention.op, leaves.name("renew", {d, w}),
                  {buffer, index, buffer, index},
                  [&](Emitter &, ValueRange args) { emitRenewal(args); });
}

void Forward::emitRenewal(ValueRange args) {
  Slice state{args[0], args[1]}, p{args[2], e.index(0)};
  for (int64_t v = 0; v < leaves.vectors; ++v) {
    Value before = vectorAt(state, maximaAt, v);
    Value most = vectorAt(state, blockSumsAt, v);
    most = e.maxf(most, e.splat(lowest, e.lanes));
    most = e.maxf(most, arith::NegFOp::create(e.b, e.loc, before));
    Value factor =
        e.exp2(arith::NegFOp::create(e.b, e.loc, e.addf(before, most)));
    Value sum =
        e.loop(e.index(0), args[3], 1, e.splat(0.0, e.lanes),
               [&](Value key, ValueRange sum) -> SmallVector<Value> {
                 Slice at = e.advance(p, e.add(e.mul(key, panel), v * e.lanes));
                 Value weight = e.exp2(e.subf(e.load(at, e.lanes), most));
                 e.store(weight, at);
                 return {e.addf(sum[0], weight)};
               })[0];
    setVector(arith::NegFOp::create(e.b, e.loc, most), state, maximaAt, v);
    setVector(sum, state, blockSumsAt, v);
    setVector(e.mulf(vectorAt(state, sumsAt, v), factor), state, sumsAt, v);
    e.loop(0, w, 1, [&](Value c) {
      Slice at =
          e.advance(state, e.add(e.mul(c, panel), d * panel + v * e.lanes));
      e.store(e.mulf(e.load(at, e.lanes), factor), at);
    });
  }
}

void Forward::endPanel(Slice state, Value i0) {
  Value alive = e.min(e.sub(leaves.space.n, i0), e.index(panel));
  for (int64_t v = 0; v < leaves.vectors; ++v) {
    Value sum = vectorAt(state, sumsAt, v);
    Value factor = e.divf(e.splat(attention.scaleO, e.lanes), sum);
    e.loop(0, w, 1, [&](Value c) {
      Slice at =
          e.advance(state, e.add(e.mul(c, panel), d * panel + v * e.lanes));
      e.store(e.mulf(e.load(at, e.lanes), factor), at);
    });
    // L = m + log l, m in units of the exponent.
    Value minusM = vectorAt(state, maximaAt, v);
    Value log =
        e.fma(minusM, e.splat(-1.0 / leaves.logUnit, e.lanes), e.log(sum));
    setVector(log, state, sumsAt, v);
  }
  for (const Tall &out : l) {
    Slice to{out.buffer, out.at(e, batch, head, i0)};
    e.loop(e.index(0), alive, 1, [&](Value row) {
      Slice from = e.advance(state, e.add(row, sumsAt));
      e.store(e.load(from.buffer, from.offset),
              e.advance(to, e.mul(row, out.rowStride)));
    });
  }
  leaves.unpack(e.advance(state, d * panel), o, o.at(e, batch, head, i0), alive,
                1.0, {room, e.index(0)});
}

void mlir::ropegrad::emitAttention(Emitter &e,
                                   const AttentionForward &attention) {
  Forward(e, attention).emit();
}
