//===- PolynomialTiles.cpp - Attention by a polynomial ---------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Two passes with rows in lanes: sums over keys with queries in lanes, sums
// over queries with keys in lanes. Weights of a panel and a block of the other
// index are made once and multiplied from a buffer in the nearest cache. Logits
// are computed in both passes, which costs less than sums of several units of
// work.
//
//===----------------------------------------------------------------------===//

#include "passes/PolynomialTiles.h"

#include "passes/AttentionLeaves.h"

#include "llvm/Support/xxhash.h"

#include <numeric>

using namespace mlir;
using namespace mlir::ropegrad;

//===----------------------------------------------------------------------===//
// Recognition
//===----------------------------------------------------------------------===//

namespace {

/// The buffer that an argument of the body stands for; null for other values.
Value bufferOf(TilesOp op, Value value) {
  auto argument = dyn_cast_or_null<BlockArgument>(value);
  return argument ? op.getIns()[argument.getArgNumber()] : Value();
}

/// A product of at most one of each of these factors.
struct Factors {
  BlockBandOp band;
  ToeplitzOp prefactor;
  OuterOp outer;
  PolynomialOp polynomial;

  static std::optional<Factors> match(Value matrix) {
    Factors factors;
    if (!factors.add(matrix) || !factors.polynomial)
      return std::nullopt;
    return factors;
  }

private:
  template <typename OpTy> static bool set(OpTy &slot, OpTy op) {
    bool isFirst = !slot;
    slot = op;
    return isFirst;
  }

  bool add(Value matrix) {
    Operation *op = matrix.getDefiningOp();
    if (auto product = dyn_cast<HadamardOp>(op))
      return add(product.getLhs()) && add(product.getRhs());
    if (auto factor = dyn_cast<BlockBandOp>(op))
      return set(band, factor);
    if (auto factor = dyn_cast<ToeplitzOp>(op))
      return set(prefactor, factor);
    if (auto factor = dyn_cast<OuterOp>(op))
      return set(outer, factor);
    if (auto factor = dyn_cast<PolynomialOp>(op))
      return set(polynomial, factor);
    return false;
  }
};

bool same(Operation *a, Operation *b) {
  return a == b || (a && b && a->getName() == b->getName() &&
                    a->getAttrDictionary() == b->getAttrDictionary() &&
                    a->getOperands() == b->getOperands());
}

/// Collects the exits of one body.
struct Matcher {
  TilesOp op;
  PolynomialTiles result;
  Factors first;
  OuterOp outer;

  bool setFactors(const Factors &factors) {
    if (!first.polynomial)
      first = factors;
    Factors all = factors;
    if (!same(all.band, first.band) || !same(all.prefactor, first.prefactor) ||
        all.polynomial.getMatrix() != first.polynomial.getMatrix() ||
        all.polynomial.getCoefficients() != first.polynomial.getCoefficients())
      return false;
    if (all.outer && outer && !same(all.outer, outer))
      return false;
    if (all.outer)
      outer = all.outer;
    return (all.polynomial.getOrder() == 1) == static_cast<bool>(all.outer);
  }

  bool add(Operation *exit, Value out) {
    auto factors = Factors::match(exit->getOperand(0));
    if (!factors || !setFactors(*factors))
      return false;
    auto z = factors->polynomial.getMatrix().getDefiningOp<LogitsOp>();
    PolynomialTiles::Exit *slot = nullptr;
    Value factor = exit->getNumOperands() > 1 ? exit->getOperand(1) : Value();
    bool isSlope = static_cast<bool>(factors->outer);
    if (isa<ApplyOp>(exit))
      slot = !isSlope ? &result.px : factor == z.getK() ? &result.sk : nullptr;
    else if (isa<ApplyTransposedOp>(exit))
      slot = !isSlope ? &result.py : factor == z.getQ() ? &result.sq : nullptr;
    if (!slot || slot->out || !bufferOf(op, factor))
      return false;
    auto scale = exit->getAttrOfType<FloatAttr>("scale");
    *slot = {out, bufferOf(op, factor), scale ? scale.getValueAsDouble() : 1.0};
    return true;
  }
};

} // namespace

std::optional<PolynomialTiles> PolynomialTiles::match(const TileBody &body) {
  TilesOp op = body.op;
  Matcher matcher{op, {}, {}, {}};
  if (body.logSumExp)
    return std::nullopt;
  for (auto [exit, out] : llvm::zip(body.exits, op.getOuts()))
    if (!matcher.add(exit, out))
      return std::nullopt;
  auto z = matcher.first.polynomial.getMatrix().getDefiningOp<LogitsOp>();
  ToeplitzOp b = matcher.first.prefactor;
  if (!z || z.getW() || (b && (b.getBias() || b.getAlibi())))
    return std::nullopt;
  PolynomialTiles result = std::move(matcher.result);
  result.op = op;
  result.matrix = body.matrix;
  result.scale = z.getScale().convertToDouble();
  result.prefactor = b;
  result.q = bufferOf(op, z.getQ());
  result.k = bufferOf(op, z.getK());
  result.band = matcher.first.band;
  result.coefficients.assign(matcher.first.polynomial.getCoefficients().begin(),
                             matcher.first.polynomial.getCoefficients().end());
  if (!result.q || !result.k)
    return std::nullopt;
  if (matcher.outer) {
    result.u = bufferOf(op, matcher.outer.getU());
    result.v = bufferOf(op, matcher.outer.getV());
    if (!result.u || !result.v)
      return std::nullopt;
  }
  // Units of the pass over keys have the heads of k.
  int64_t heads = headsOf(result.k);
  for (const Exit *exit : {&result.py, &result.sq})
    if (exit->out && headsOf(exit->out) != heads)
      return std::nullopt;
  if (result.sq.out && headsOf(result.v) != heads)
    return std::nullopt;
  return result;
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

namespace {

/// One pass: lanes over queries or keys, sums over the other index.
class LaneSums {
public:
  using Padded = DenseMap<Value, PaddedRows>;

  /// `padded`: copies of operands that an earlier pass made.
  LaneSums(Emitter &e, const PolynomialTiles &attention, Lanes lanes,
           Padded &padded);
  /// Whether chunks of the band have whole panels and register tiles.
  bool fits() const { return span % std::lcm(leaves.panel, leaves.rows) == 0; }
  void emit();

private:
  bool isOverQueries() const { return lanes == Lanes::Queries; }
  const PolynomialTiles::Exit &ofWeights() const {
    return isOverQueries() ? attention.px : attention.py;
  }
  const PolynomialTiles::Exit &ofSlopes() const {
    return isOverQueries() ? attention.sk : attention.sq;
  }
  struct Operand {
    Tall tall;
    PaddedRows rows; ///< of the call, or with `isLocal` of the unit
  };
  Operand pad(Value memref);
  void copyLocal(Operand &operand);
  func::FuncOp copyKernel(int64_t width);
  Slice rowsAt(const Operand &operand, Value row);
  void emitPanel(Value first);
  void emitRange(Value from, Value to, Value first);
  void forRanges(Value first, function_ref<void(Value, Value)> body);
  func::FuncOp weightsKernel();
  void emitTile(ValueRange args, Value row);
  SmallVector<Value> evaluate(ValueRange z, bool derivative);
  void accumulate(Slice c, Slice a, int64_t width, Value steps, Slice weights);
  std::string name(StringRef what, ArrayRef<int64_t> numbers) const;

  Emitter &e;
  const PolynomialTiles &attention;
  Lanes lanes;
  Padded &padded;
  AttentionLeaves leaves;
  int64_t heads, groups, d;
  int64_t wOuter = 0, wWeights = 0; ///< widths of V and of X or Y
  int64_t span;                     ///< rows of a unit
  int64_t block;                    ///< rows of the other index
  /// Whether a unit's panels meet the rows of its own span only: it copies
  /// these to where they stay in cache.
  bool isLocal = false;
  Operand lane, other, laneFactor, otherFactor, weightsFactor;
  Tall weightsOut, slopesOut;
  Slice lanePanel, factorPanel, weightsSum, slopesSum, weights, slopes, room;
  Value batch, head;
  Value firstHead, firstRow; ///< of the unit
};

} // namespace

LaneSums::LaneSums(Emitter &e, const PolynomialTiles &attention, Lanes lanes,
                   Padded &padded)
    : e(e), attention(attention), lanes(lanes), padded(padded),
      leaves(e, attention, lanes), heads(attention.matrix.getHeads()),
      groups(lanes == Lanes::Queries ? heads : headsOf(attention.k)),
      d(widthOf(attention.q)), span(128), block(64) {
  // Sums of a panel then are two vectors for each of up to twelve columns.
  leaves.vectors = 2;
  leaves.panel = leaves.vectors * e.lanes;
  if (attention.band) {
    span = static_cast<int64_t>(BlockBandOp(attention.band).getSize());
    ArrayRef<int64_t> offsets = BlockBandOp(attention.band).getOffsets();
    isLocal = offsets.size() == 1 && offsets[0] == 0;
  }
  if (ofSlopes().out)
    wOuter = widthOf(attention.v);
  if (ofWeights().out)
    wWeights = widthOf(ofWeights().factor);
}

std::string LaneSums::name(StringRef what, ArrayRef<int64_t> numbers) const {
  return leaves.name(("polynomial_" + what).str(), numbers);
}

LaneSums::Operand LaneSums::pad(Value memref) {
  if (isLocal)
    return {*tallOf(e, attention.op, memref), {}};
  auto [place, isNew] = padded.try_emplace(memref);
  int64_t rows = std::lcm(std::lcm(leaves.panel, leaves.rows), block);
  if (isNew)
    place->second = leaves.pad(memref, rows, widthOf(memref));
  return {Tall(), place->second};
}

/// (from, at, its stride, to, at, rows, all rows): copies rows of `width`
/// elements, and zeros behind them.
func::FuncOp LaneSums::copyKernel(int64_t width) {
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  auto body = [&](Emitter &, ValueRange args) {
    Slice from{args[0], args[1]}, to{args[3], args[4]};
    Value stride = args[2], rows = args[5], size = e.mul(rows, width);
    auto isStride = [&](arith::CmpIPredicate what) {
      return arith::CmpIOp::create(e.b, e.loc, what, stride, e.index(width));
    };
    e.when(isStride(arith::CmpIPredicate::eq), [&] {
      Value whole = e.mul(e.div(size, e.lanes), e.lanes);
      auto copy = [&](Value at, int64_t lanes) {
        e.store(e.load(e.advance(from, at), lanes), e.advance(to, at));
      };
      e.loop(e.index(0), whole, e.lanes, [&](Value at) { copy(at, e.lanes); });
      e.loop(whole, size, 1, [&](Value at) { copy(at, 1); });
    });
    e.when(isStride(arith::CmpIPredicate::ne), [&] {
      e.loop(e.index(0), rows, 1, [&](Value row) {
        Slice source = e.advance(from, e.mul(row, stride));
        Slice target = e.advance(to, e.mul(row, width));
        e.forPieces(width, [&](Value at, int64_t lanes) {
          e.store(e.load(e.advance(source, at), lanes), e.advance(target, at));
        });
      });
    });
    e.loop(size, e.mul(args[6], width), 1,
           [&](Value at) { e.store(e.splat(0.0, 1), e.advance(to, at)); });
  };
  return e.kernel(attention.op, name("copy", {width}),
                  {buffer, index, index, buffer, index, index, index}, body);
}

/// The rows of the unit, of all heads that its own share.
void LaneSums::copyLocal(Operand &operand) {
  const Tall &from = operand.tall;
  if (!from.buffer)
    return;
  int64_t own = std::max<int64_t>(from.heads / groups, 1);
  operand.rows = {{}, from.heads, span, from.width, from.width};
  operand.rows.buffer = e.scratch(own * span * from.width);
  Value first = e.div(firstHead, heads / from.heads);
  Value live = e.min(e.sub(leaves.space.n, firstRow), e.index(span));
  e.loop(0, own, 1, [&](Value member) {
    e.call(copyKernel(from.width),
           {from.buffer, from.at(e, batch, e.add(first, member), firstRow),
            from.rowStride, operand.rows.buffer,
            e.mul(member, span * from.width), live, e.index(span)});
  });
}

/// Row `row` of the current head.
Slice LaneSums::rowsAt(const Operand &operand, Value row) {
  const PaddedRows &rows = operand.rows;
  if (!isLocal)
    return rows.at(e, batch, head, heads, row);
  int64_t shared = heads / rows.heads;
  Value member = e.sub(e.div(head, shared), e.div(firstHead, shared));
  Value at = e.add(e.mul(member, span), e.sub(row, firstRow));
  return {rows.buffer, e.mul(at, rows.pitch)};
}

void LaneSums::emit() {
  if (!ofWeights().out && !ofSlopes().out)
    return;
  Value own = isOverQueries() ? attention.q : attention.k;
  lane = pad(own);
  other = pad(isOverQueries() ? attention.k : attention.q);
  Operation *op = attention.op;
  if (ofSlopes().out) {
    laneFactor = pad(isOverQueries() ? attention.u : attention.v);
    otherFactor = pad(isOverQueries() ? attention.v : attention.u);
    slopesOut = *tallOf(e, op, ofSlopes().out);
  }
  if (ofWeights().out) {
    weightsFactor = pad(ofWeights().factor);
    weightsOut = *tallOf(e, op, ofWeights().out);
  }
  const RowSpace &space = leaves.space;
  Value spans = e.div(e.add(space.n, span - 1), span);
  Value units = e.mul(e.mul(space.batch, groups), spans);
  e.parallel(units, "", [&](Value unit) {
    auto scratch = [&](int64_t size) {
      return Slice{size > 0 ? e.scratch(size) : Value(), e.index(0)};
    };
    int64_t panel = leaves.panel;
    lanePanel = scratch(d * panel);
    factorPanel = scratch(wOuter * panel);
    weightsSum = scratch(wWeights * panel);
    slopesSum = scratch(ofSlopes().out ? d * panel : 0);
    weights = scratch(ofWeights().out ? block * panel : 0);
    slopes = scratch(ofSlopes().out ? block * panel : 0);
    room = scratch(std::max(d, wWeights) * panel);
    Value index = e.div(unit, spans);
    batch = e.div(index, groups);
    Value group = e.rem(index, e.index(groups));
    firstHead = head = e.mul(group, heads / groups);
    firstRow = e.mul(e.rem(unit, spans), span);
    for (Operand *operand :
         {&lane, &other, &laneFactor, &otherFactor, &weightsFactor})
      copyLocal(*operand);
    e.loop(firstRow, e.min(e.add(firstRow, span), space.n), panel,
           [&](Value first) { emitPanel(first); });
  });
}

/// The sums of a panel from row `first` on, of all heads of a group.
void LaneSums::emitPanel(Value first) {
  int64_t panel = leaves.panel;
  if (ofWeights().out)
    e.zero(weightsSum, wWeights * panel);
  if (ofSlopes().out)
    e.zero(slopesSum, d * panel);
  e.loop(0, heads / groups, 1, [&](Value member) {
    head = e.add(firstHead, member);
    leaves.pack(rowsAt(lane, first), d, d, lanePanel, attention.scale);
    if (ofSlopes().out)
      leaves.pack(rowsAt(laneFactor, first), wOuter, wOuter, factorPanel, 1.0);
    forRanges(first, [&](Value from, Value to) { emitRange(from, to, first); });
  });
  head = firstHead;
  Value group = e.div(head, heads / groups);
  Value live = e.min(e.sub(leaves.space.n, first), e.index(panel));
  auto write = [&](const PolynomialTiles::Exit &exit, const Tall &out,
                   Slice sums) {
    if (exit.out)
      leaves.unpack(sums, out, out.at(e, batch, group, first), live, exit.scale,
                    room);
  };
  write(ofWeights(), weightsOut, weightsSum);
  write(ofSlopes(), slopesOut, slopesSum);
}

/// Runs `body` on the ranges of the other index that meet the panel from row
/// `first` on; a range begins with a whole register tile.
void LaneSums::forRanges(Value first, function_ref<void(Value, Value)> body) {
  Value least = e.index(0), most = leaves.space.n;
  Value end = e.add(first, leaves.panel);
  int64_t window = leaves.live.window;
  bool isMasked = leaves.live.mask != Mask::None;
  bool isWindow = leaves.live.mask == Mask::Window;
  if (isMasked && isOverQueries())
    most = e.min(most, end);
  if (isMasked && !isOverQueries())
    least = first;
  if (isWindow && isOverQueries())
    least = e.max(least, e.sub(first, window - 1));
  if (isWindow && !isOverQueries())
    most = e.min(most, e.add(end, window - 1));
  auto run = [&](Value from, Value to) {
    from = e.mul(e.div(e.max(from, least), leaves.rows), leaves.rows);
    body(from, e.min(to, most));
  };
  if (!attention.band)
    return run(least, most);
  Value chunk = e.div(first, span);
  for (auto [low, high] : runsOf(attention.band)) {
    // Offsets count chunks from that of a key to that of a query.
    int64_t before = isOverQueries() ? -high : low;
    int64_t after = isOverQueries() ? -low : high;
    run(e.mul(e.add(chunk, before), span),
        e.mul(e.add(chunk, after + 1), span));
  }
}

void LaneSums::emitRange(Value from, Value to, Value first) {
  e.loop(from, to, block, [&](Value start) {
    Value count = e.min(e.sub(to, start), e.index(block));
    Slice rows = rowsAt(other, start);
    Slice none{lanePanel.buffer, e.index(0)};
    bool hasSlopes = static_cast<bool>(ofSlopes().out);
    Slice factorRows = hasSlopes ? rowsAt(otherFactor, start) : none;
    SmallVector<Value> args;
    for (Slice slice :
         {lanePanel, rows, hasSlopes ? factorPanel : none, factorRows,
          ofWeights().out ? weights : none, hasSlopes ? slopes : none})
      args.append({slice.buffer, slice.offset});
    args.append({start, first, leaves.space.n, count});
    e.call(weightsKernel(), args);
    if (ofWeights().out)
      accumulate(weightsSum, rowsAt(weightsFactor, start), wWeights, count,
                 weights);
    if (hasSlopes)
      accumulate(slopesSum, rows, d, count, slopes);
  });
}

/// (lane panel, at, rows, at, factor panel, at, factor rows, at, weights, at,
/// slopes, at, first row, first lane, n, count).
func::FuncOp LaneSums::weightsKernel() {
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  SmallVector<Type> types;
  for (int i = 0; i < 6; ++i)
    types.append({buffer, index});
  types.append(4, index);
  ArrayRef<double> c = attention.coefficients;
  auto hash = llvm::xxh3_64bits(
      ArrayRef(reinterpret_cast<const uint8_t *>(c.data()), c.size() * 8));
  std::string text = name(
      "weights", {static_cast<int64_t>(lanes), d, wOuter, wWeights,
                  static_cast<int64_t>(leaves.live.mask), leaves.live.window});
  return e.kernel(attention.op, text + "_c" + llvm::utohexstr(hash), types,
                  [&](Emitter &, ValueRange args) {
                    e.loop(e.index(0), args[15], leaves.rows,
                           [&](Value row) { emitTile(args, row); });
                  });
}

/// p or p' of every vector, all of them at one degree at a time.
SmallVector<Value> LaneSums::evaluate(ValueRange z, bool derivative) {
  SmallVector<double> c(attention.coefficients);
  if (derivative) {
    for (size_t k = 1; k < c.size(); ++k)
      c[k - 1] = c[k] * static_cast<double>(k);
    c.back() = 0.0;
    if (c.size() > 1)
      c.pop_back();
  }
  SmallVector<Value> sums(z.size(), e.splat(c.back(), e.lanes));
  for (size_t k = c.size() - 1; k-- > 0;) {
    Value coefficient = e.splat(c[k], e.lanes);
    for (auto [sum, x] : llvm::zip(sums, z))
      sum = e.fma(sum, x, coefficient);
  }
  return sums;
}

void LaneSums::emitTile(ValueRange args, Value row) {
  int64_t panel = leaves.panel;
  SmallVector<Value> zeros(leaves.rows * leaves.vectors, e.splat(0.0, e.lanes));
  auto product = [&](int64_t width, unsigned panelAt, unsigned rowsAt) {
    RegisterTile tile{leaves.rows, leaves.vectors, width, 1, panel};
    Slice a{args[rowsAt], e.add(args[rowsAt + 1], e.mul(row, width))};
    return tile.multiply(e, a, {args[panelAt], args[panelAt + 1]},
                         e.index(width), zeros);
  };
  SmallVector<Value> z = product(d, 0, 2);
  AttentionLeaves::Place place{e.add(args[12], row), args[13], args[14], {}};
  auto store = [&](ArrayRef<Value> values, unsigned at) {
    leaves.whereCut(place, [&](bool cut) {
      for (int64_t r = 0; r < leaves.rows; ++r)
        for (int64_t v = 0; v < leaves.vectors; ++v) {
          Value x = values[r * leaves.vectors + v];
          Value to = e.add(args[at + 1], e.mul(e.add(row, r), panel));
          e.store(cut ? leaves.select(x, 0.0, place, r, v) : x, args[at],
                  e.add(to, v * e.lanes));
        }
    });
  };
  if (ofWeights().out)
    store(evaluate(z, /*derivative=*/false), 8);
  if (!ofSlopes().out)
    return;
  SmallVector<Value> slope = evaluate(z, /*derivative=*/true);
  SmallVector<Value> errors = product(wOuter, 4, 6);
  for (auto [x, y] : llvm::zip(slope, errors))
    x = e.mulf(x, y);
  store(slope, 10);
}

/// c[f][lane] += Σ_{i < steps} a[i][f] · weights[i][lane] for f < width, in
/// register tiles of about the same number of columns.
void LaneSums::accumulate(Slice c, Slice a, int64_t width, Value steps,
                          Slice weights) {
  int64_t most = e.lanes * e.element.getWidth() >= 512 ? 12 : 5,
          panel = leaves.panel;
  int64_t tiles = llvm::divideCeil(width, most);
  Type buffer = e.bufferType(), index = e.b.getIndexType();
  func::FuncOp kernel = e.kernel(
      attention.op, name("accumulate", {width}),
      {buffer, index, buffer, index, buffer, index, index},
      [&](Emitter &, ValueRange args) {
        for (int64_t t = 0; t < tiles; ++t) {
          int64_t from = t * width / tiles, to = (t + 1) * width / tiles;
          RegisterTile tile{to - from, leaves.vectors, 1, width, panel};
          Slice target{args[0], e.add(args[1], from * panel)};
          Slice left{args[2], e.add(args[3], from)};
          tile.store(e,
                     tile.multiply(e, left, {args[4], args[5]}, args[6],
                                   tile.load(e, target, panel)),
                     target, panel);
        }
      });
  e.call(kernel, {c.buffer, c.offset, a.buffer, a.offset, weights.buffer,
                  weights.offset, steps});
}

bool mlir::ropegrad::emitAttention(Emitter &e,
                                   const PolynomialTiles &attention) {
  DenseMap<Value, PaddedRows> padded;
  LaneSums queries(e, attention, Lanes::Queries, padded);
  LaneSums keys(e, attention, Lanes::Keys, padded);
  if (!queries.fits() || !keys.fits())
    return false;
  queries.emit();
  keys.emit();
  return true;
}
