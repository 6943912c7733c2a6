//===- ChunkStates.cpp - States at the boundaries of chunks ----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// chunk_states in three steps. Units of whole chunks run in parallel, and each
// leaves what its own rows add to its states; what all units before add is
// summed in double, unit by unit; then it is added to the states. With a reach
// the sums of single chunks are made first, then windows over them: what is
// left of one block of `reach` chunks and the beginning of the next (van Herk,
// Gil and Werman), so that nothing is ever subtracted.
//
//===----------------------------------------------------------------------===//

#include "passes/Chunks.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace mlir::ropegrad;

FailureOr<ChunkStates> mlir::ropegrad::chunkStatesOf(Emitter &e, Operation *op,
                                                     Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  SmallVector<int64_t> strides;
  int64_t offset = 0;
  if (type.getRank() != 5 ||
      failed(type.getStridesAndOffset(strides, offset)) ||
      ShapedType::isDynamic(offset) ||
      llvm::any_of(strides, ShapedType::isDynamic) || strides[4] != 1 ||
      strides[0] != strides[1] * type.getDimSize(1))
    return op->emitOpError("expected states of contiguous rows, but got ")
           << type;
  return ChunkStates{flatBase(e, memref), offset,     strides[1],
                     strides[2],          strides[3], type.getDimSize(1)};
}

FailureOr<RowSpace> mlir::ropegrad::chunkSpace(Emitter &e, Operation *op,
                                               Value tall, int64_t chunk) {
  RowSpace space = rowSpace(e, op, tall);
  if (space.chunk < space.maxN && space.chunk % chunk != 0)
    return op->emitOpError("expected units of whole chunks of ")
           << chunk << " rows, but got units of " << space.chunk;
  return space;
}

void mlir::ropegrad::forChunks(Emitter &e, const RowUnit &unit, int64_t chunk,
                               bool reversed,
                               function_ref<void(Value, Value, Value)> body) {
  Value number = e.div(e.add(unit.count, chunk - 1), chunk);
  Value before = e.div(unit.from, chunk);
  e.loop(e.index(0), number, 1, [&](Value t) {
    if (reversed)
      t = e.sub(e.sub(number, 1), t);
    Value skipped = e.mul(t, chunk);
    body(e.add(before, t), e.add(unit.from, skipped),
         e.min(e.sub(unit.count, skipped), e.index(chunk)));
  });
}

namespace {

/// What one emission shares.
class StateSums {
public:
  StateSums(Emitter &e, Operation *anchor, const ChunkShape &shape,
            const RowSpace &space, const ChunkSums &sums, const Tall &x,
            const Tall &v, const ChunkStates &states)
      : e(e), wide(e.b, e.loc, e.b.getF64Type(), e.lanes * bits(e)),
        anchor(anchor), shape(shape), space(space), sums(sums), x(x), v(v),
        states(states),
        elements(Features(shape.features.d, shape.features.degree).size *
                 shape.features.w) {}

  void emitPrefixes();
  void emitWindows();

private:
  static int64_t bits(Emitter &e) { return e.element.getWidth(); }
  bool decays() const {
    return llvm::any_of(sums.slopes, [](double slope) { return slope > 0; });
  }
  int64_t unitChunks() const {
    return llvm::divideCeil(std::min(space.chunk, space.maxN), shape.chunk);
  }
  Value decay(Value head, Value chunks, int64_t most);
  void addChunk(Accumulator &accumulator, const RowUnit &unit, Value first,
                Value count, Value partial);
  void scale(Value buffer, int64_t size, Value factor);
  void emitOwnSums(Value totals);
  void emitSumsBefore(Value totals);
  void emitAdd(Value totals);
  void emitChunkSums(Value chunkSums);
  void emitWindow(Value chunkSums, Value sumsAt, Value batch, Value head,
                  Value from, Value count);
  void forParts(function_ref<void(Value, Value, Value, Value)> body);
  void forElements(Value count, function_ref<void(Value, int64_t)> body);
  Value loadWide(Value buffer, Value at, int64_t width);
  void storeNarrow(Value value, Value buffer, Value at);
  Value factorOf(Value scalar, int64_t width) {
    return scalar ? wide.broadcast(scalar, width) : Value();
  }

  Emitter &e;
  Emitter wide; ///< of sums in double
  Operation *anchor;
  const ChunkShape &shape;
  const RowSpace &space; ///< of heads of S
  const ChunkSums &sums;
  const Tall &x, &v;
  const ChunkStates &states;
  int64_t elements; ///< of a state
};

} // namespace

/// exp(−m · chunk · chunks) for chunks ≤ most, as a scalar in double; null
/// where m is 0. Numbers too small for the element type are 0.
Value StateSums::decay(Value head, Value chunks, int64_t most) {
  if (!decays())
    return {};
  std::vector<double> table;
  double least = e.element.isF32() ? 0x1p-126 : 0x1p-1022;
  for (double slope : sums.slopes)
    for (int64_t k = 0; k <= most; ++k) {
      double factor = std::exp(-slope * static_cast<double>(k * shape.chunk));
      table.push_back(factor < least ? 0.0 : factor);
    }
  Value values =
      constantFloats(wide, anchor, "ropegrad_decays", wide.element, table);
  Value at = chunks;
  if (sums.slopes.size() > 1)
    at = e.add(at, e.mul(head, most + 1));
  return wide.load(values, at);
}

/// Adds a chunk's rows of all heads that the unit's head of S sums.
void StateSums::addChunk(Accumulator &accumulator, const RowUnit &unit,
                         Value first, Value count, Value partial) {
  int64_t group = shape.features.group();
  e.loop(0, group, 1, [&](Value member) {
    Value head = e.add(e.mul(unit.head, group), member);
    auto rows = [&](const Tall &tall) {
      Value own = e.div(head, shape.features.heads / tall.heads);
      return Rows{tall.buffer, tall.at(e, unit.batch, own, first),
                  tall.rowStride};
    };
    accumulator.add(rows(x), rows(v), count, partial, e.index(0));
  });
}

void StateSums::scale(Value buffer, int64_t size, Value factor) {
  if (!factor)
    return;
  if (e.element.isF32())
    factor = arith::TruncFOp::create(e.b, e.loc, e.element, factor);
  Value lanes = e.broadcast(factor, e.lanes);
  e.loop(0, size, e.lanes, [&](Value at) {
    e.store(e.mulf(e.load(buffer, at, e.lanes), lanes), buffer, at);
  });
}

//===----------------------------------------------------------------------===//
// All chunks before
//===----------------------------------------------------------------------===//

/// S_c = what the chunks of the same unit add; totals: what the unit adds to
/// the units behind it.
void StateSums::emitOwnSums(Value totals) {
  Accumulator accumulator(e, anchor, shape.features, shape.chunk);
  forRows(e, space, [&](const RowUnit &unit) {
    accumulator.makeScratch();
    Value partial = e.scratch(accumulator.sumsSize());
    accumulator.clear(partial, e.index(0));
    Value step = decay(unit.head, e.index(1), 1);
    forChunks(e, unit, shape.chunk, sums.reversed,
              [&](Value number, Value first, Value count) {
                accumulator.finish(sums.weights, partial, e.index(0),
                                   states.buffer,
                                   states.at(e, unit.batch, unit.head, number));
                scale(partial, accumulator.sumsSize(), step);
                // No state sees the chunk that the scan ends with.
                Value isSeen = arith::CmpIOp::create(
                    e.b, e.loc, arith::CmpIPredicate::slt,
                    sums.reversed ? e.index(0) : e.add(first, count),
                    sums.reversed ? first : space.n);
                e.when(isSeen, [&] {
                  addChunk(accumulator, unit, first, count, partial);
                });
              });
    accumulator.finish(sums.weights, partial, e.index(0), totals,
                       e.mul(unit.index, elements));
  });
}

/// Runs body(batch, head, first element, elements) in parallel.
void StateSums::forParts(function_ref<void(Value, Value, Value, Value)> body) {
  constexpr int64_t part = 1 << 12;
  int64_t parts = llvm::divideCeil(elements, part);
  Value all = e.mul(space.batch, space.heads * parts);
  e.parallel(all, "", [&](Value index) {
    Value from = e.mul(e.rem(index, e.index(parts)), part);
    Value headIndex = e.div(index, parts);
    body(e.div(headIndex, space.heads), e.rem(headIndex, e.index(space.heads)),
         from, e.min(e.sub(e.index(elements), from), e.index(part)));
  });
}

/// body(at, width) over [0, count) by vectors of double, then one by one.
void StateSums::forElements(Value count,
                            function_ref<void(Value, int64_t)> body) {
  Value whole = e.mul(e.div(count, wide.lanes), wide.lanes);
  e.loop(e.index(0), whole, wide.lanes,
         [&](Value at) { body(at, wide.lanes); });
  e.loop(whole, count, 1, [&](Value at) { body(at, 1); });
}

Value StateSums::loadWide(Value buffer, Value at, int64_t width) {
  return e.toDouble(e.load(buffer, at, width));
}

void StateSums::storeNarrow(Value value, Value buffer, Value at) {
  int64_t width = cast<VectorType>(value.getType()).getNumElements();
  if (e.element.isF32())
    value = arith::TruncFOp::create(e.b, e.loc, e.vector(width), value);
  e.store(value, buffer, at);
}

/// totals: of every unit, what all units before it add to it.
void StateSums::emitSumsBefore(Value totals) {
  Value chunks = space.chunks(e);
  forParts([&](Value batch, Value head, Value from, Value count) {
    Value first = e.mul(e.add(e.mul(batch, space.heads), head), chunks);
    Value factor = decay(head, e.index(unitChunks()), unitChunks());
    forElements(count, [&](Value at, int64_t width) {
      Value f = factorOf(factor, width);
      Value here = e.add(from, at);
      wide.loop(e.index(0), chunks, 1, wide.splat(0.0, width),
                [&](Value u, ValueRange before) -> SmallVector<Value> {
                  if (sums.reversed)
                    u = e.sub(e.sub(chunks, 1), u);
                  Value place = e.add(e.mul(e.add(first, u), elements), here);
                  Value own = loadWide(totals, place, width);
                  storeNarrow(before[0], totals, place);
                  Value decayed = f ? wide.mulf(before[0], f) : before[0];
                  return {wide.addf(decayed, own)};
                });
    });
  });
}

/// S_c += what the units before add.
void StateSums::emitAdd(Value totals) {
  forRows(e, space, [&](const RowUnit &unit) {
    forChunks(e, unit, shape.chunk, /*reversed=*/false,
              [&](Value number, Value, Value) {
                Value within = e.sub(number, e.div(unit.from, shape.chunk));
                Value distance = sums.reversed
                                     ? e.sub(e.index(unitChunks() - 1), within)
                                     : within;
                Value factor = decay(unit.head, distance, unitChunks());
                if (factor && e.element.isF32())
                  factor =
                      arith::TruncFOp::create(e.b, e.loc, e.element, factor);
                Value to = states.at(e, unit.batch, unit.head, number);
                Value from = e.mul(unit.index, elements);
                auto add = [&](Value at, int64_t width) {
                  Value before = e.load(totals, e.add(from, at), width);
                  if (factor)
                    before = e.mulf(before, e.broadcast(factor, width));
                  Value place = e.add(to, at);
                  e.store(e.addf(e.load(states.buffer, place, width), before),
                          states.buffer, place);
                };
                int64_t whole = elements / e.lanes * e.lanes;
                e.loop(0, whole, e.lanes, [&](Value at) { add(at, e.lanes); });
                for (auto [at, width] : vectorPieces(elements - whole, e.lanes))
                  add(e.index(whole + at), width);
              });
  });
}

void StateSums::emitPrefixes() {
  Value totals = e.scratch(space.maxUnits() * elements);
  emitOwnSums(totals);
  if (space.maxChunks() == 1)
    return;
  emitSumsBefore(totals);
  emitAdd(totals);
}

//===----------------------------------------------------------------------===//
// A window of chunks
//===----------------------------------------------------------------------===//

/// The sums of every chunk alone.
void StateSums::emitChunkSums(Value chunkSums) {
  Accumulator accumulator(e, anchor, shape.features, shape.chunk);
  forRows(e, space, [&](const RowUnit &unit) {
    accumulator.makeScratch();
    Value partial = e.scratch(accumulator.sumsSize());
    Value head = e.add(e.mul(unit.batch, space.heads), unit.head);
    forChunks(e, unit, shape.chunk, /*reversed=*/false,
              [&](Value number, Value first, Value count) {
                accumulator.clear(partial, e.index(0));
                addChunk(accumulator, unit, first, count, partial);
                Value at = e.add(e.mul(head, shape.maxChunks()), number);
                accumulator.finish(sums.weights, partial, e.index(0), chunkSums,
                                   e.mul(at, elements));
              });
  });
}

/// `count` elements of all states of a head. Chunks are counted from the end
/// that a state looks at; states of block b take the end of block b − 1, from
/// their first chunk on, and the beginning of their own.
void StateSums::emitWindow(Value chunkSums, Value sumsAt, Value batch,
                           Value head, Value from, Value count) {
  int64_t reach = sums.reach;
  Value chunks = e.div(e.add(space.n, shape.chunk - 1), shape.chunk);
  auto number = [&](Value c) {
    return sums.reversed ? e.sub(e.sub(chunks, 1), c) : c;
  };
  Value running = wide.scratch(1 << 12);
  auto load = [&](Value c, Value at, int64_t width) {
    Value place = e.add(sumsAt, e.mul(number(c), elements));
    return loadWide(chunkSums, e.add(e.add(place, from), at), width);
  };
  auto place = [&](Value c, Value at) {
    return e.add(e.add(states.at(e, batch, head, number(c)), from), at);
  };
  auto clear = [&] {
    forElements(count, [&](Value at, int64_t width) {
      wide.store(wide.splat(0.0, width), running, at);
    });
  };
  e.loop(e.index(0), chunks, reach, [&](Value block) {
    Value end = e.min(e.add(block, reach), chunks);
    Value isFirst = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::eq,
                                          block, e.index(0));
    Value isLater = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::ne,
                                          block, e.index(0));
    e.when(isFirst, [&] {
      e.loop(block, end, 1, [&](Value c) {
        forElements(count, [&](Value at, int64_t width) {
          storeNarrow(wide.splat(0.0, width), states.buffer, place(c, at));
        });
      });
    });
    // The end of the block before: from its last chunk backwards.
    e.when(isLater, [&] {
      clear();
      e.loop(e.index(0), e.index(reach), 1, [&](Value back) {
        Value c = e.sub(e.sub(block, 1), back), target = e.add(c, reach);
        Value own = decay(head, back, reach);
        Value rest = decay(head, e.sub(e.index(reach - 1), back), reach);
        Value exists = arith::CmpIOp::create(
            e.b, e.loc, arith::CmpIPredicate::slt, target, chunks);
        forElements(count, [&](Value at, int64_t width) {
          Value add = load(c, at, width);
          if (own)
            add = wide.mulf(add, factorOf(own, width));
          wide.store(wide.addf(wide.load(running, at, width), add), running,
                     at);
        });
        e.when(exists, [&] {
          forElements(count, [&](Value at, int64_t width) {
            Value sum = wide.load(running, at, width);
            if (rest)
              sum = wide.mulf(sum, factorOf(rest, width));
            storeNarrow(sum, states.buffer, place(target, at));
          });
        });
      });
    });
    // The beginning of its own.
    clear();
    Value step = decay(head, e.index(1), 1);
    e.loop(block, end, 1, [&](Value c) {
      forElements(count, [&](Value at, int64_t width) {
        Value sum = wide.load(running, at, width);
        Value to = place(c, at);
        Value before = loadWide(states.buffer, to, width);
        storeNarrow(wide.addf(before, sum), states.buffer, to);
        if (step)
          sum = wide.mulf(sum, factorOf(step, width));
        wide.store(wide.addf(sum, load(c, at, width)), running, at);
      });
    });
  });
}

void StateSums::emitWindows() {
  int64_t heads = space.maxBatch * space.heads;
  Value chunkSums = e.scratch(heads * shape.maxChunks() * elements);
  emitChunkSums(chunkSums);
  forParts([&](Value batch, Value head, Value from, Value count) {
    Value index = e.add(e.mul(batch, space.heads), head);
    emitWindow(chunkSums, e.mul(index, shape.maxChunks() * elements), batch,
               head, from, count);
  });
}

void mlir::ropegrad::emitChunkStates(Emitter &e, Operation *anchor,
                                     const ChunkShape &shape,
                                     const RowSpace &space,
                                     const ChunkSums &sums, const Tall &x,
                                     const Tall &v, const ChunkStates &states) {
  StateSums made(e, anchor, shape, space, sums, x, v, states);
  if (sums.reach > 0)
    made.emitWindows();
  else
    made.emitPrefixes();
}
