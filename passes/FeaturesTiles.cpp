//===- FeaturesTiles.cpp - Segments, tables, register tiles ----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The bookkeeping of the feature products: which monomials are made from which,
// constant tables of them, and the shape of register tiles.
//
//===----------------------------------------------------------------------===//

#include "passes/Features.h"

#include "passes/Monomials.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/xxhash.h"

#include <algorithm>

using namespace mlir;
using namespace mlir::ropegrad;
using ::ropegrad::Monomials;

//===----------------------------------------------------------------------===//
// Monomials
//===----------------------------------------------------------------------===//

std::vector<int64_t> KeptFeatures::places() const {
  std::vector<int64_t> result(rule.order.size());
  for (auto [v, coordinate] : llvm::enumerate(rule.order))
    result[coordinate] = static_cast<int64_t>(v);
  return result;
}

Kept mlir::ropegrad::keptFeatures(std::optional<KeptAttr> attribute) {
  if (!attribute)
    return nullptr;
  ::ropegrad::KeptMonomials rule = attribute->monomials();
  auto table = ::ropegrad::KeptTable::make(rule, ::ropegrad::kMostKept);
  if (!table)
    return nullptr; // which the attribute's verifier rules out
  std::string text;
  llvm::raw_string_ostream stream(text);
  for (const std::vector<int64_t> &list :
       {rule.order, rule.costs, rule.budgets, rule.ends})
    llvm::interleaveComma(list, stream << ";");
  std::string name = "k" + std::to_string(table->size()) + "_" +
                     llvm::utohexstr(llvm::xxh3_64bits(text), true);
  return std::make_shared<KeptFeatures>(
      KeptFeatures{std::move(rule), std::move(*table), std::move(name)});
}

Features::Features(int64_t variables, int64_t degree, Kept kept)
    : variables(variables), degree(degree),
      // Segments of length 1 only: Horner would save nothing.
      stored(degree <= 1 || variables == 1 ? degree : degree - 1),
      kept(std::move(kept)) {
  size = offset(degree + 1);
  rows = offset(stored + 1);
}

int64_t Features::offset(int64_t k) const {
  return kept ? kept->table.offsets[k] : Monomials(variables, degree).offset(k);
}

std::vector<Segment> Features::segments(int64_t k) const {
  std::vector<Segment> result;
  if (kept) {
    for (const ::ropegrad::KeptRun &run : kept->table.runs(k))
      result.push_back({1 + run.factor, run.source, run.length, run.target});
    return result;
  }
  Monomials monomials(variables, degree);
  int64_t target = monomials.offset(k);
  for (int64_t v = 0; v < variables; ++v) {
    int64_t length = Monomials::prefix(k - 1, v + 1);
    result.push_back({1 + v, monomials.offset(k - 1), length, target});
    target += length;
  }
  return result;
}

Features Features::upTo(int64_t highest) const {
  Features result = *this;
  result.stored = std::min(stored, highest);
  result.rows = offset(result.stored + 1);
  return result;
}

std::string Features::name() const {
  return ("d" + Twine(variables) + "_g" + Twine(degree) +
          (kept ? "_" + kept->name : ""))
      .str();
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

std::string mlir::ropegrad::kernelName(Emitter &e, const Twine &base) {
  return (base + "_f" + Twine(e.element.getWidth()) + "x" + Twine(e.lanes))
      .str();
}

/// `values` as a private constant of the module, as memref<?xT>.
static Value constantTable(Emitter &e, Operation *anchor, StringRef base,
                           DenseElementsAttr values) {
  auto module = anchor->getParentOfType<ModuleOp>();
  auto type = MemRefType::get(values.getType().getShape(),
                              values.getType().getElementType());
  std::string name = base.str();
  for (unsigned suffix = 0; Operation *taken = module.lookupSymbol(name);
       name = (base + "_" + Twine(++suffix)).str()) {
    auto global = dyn_cast<memref::GlobalOp>(taken);
    if (global && global.getInitialValueAttr() == values)
      break;
  }
  if (!module.lookupSymbol(name)) {
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(module.getBody());
    memref::GlobalOp::create(e.b, e.loc, name, e.b.getStringAttr("private"),
                             type, values, /*constant=*/true,
                             /*alignment=*/IntegerAttr());
  }
  return e.flat(memref::GetGlobalOp::create(e.b, e.loc, type, name));
}

Value mlir::ropegrad::constantIndices(Emitter &e, Operation *anchor,
                                      StringRef name,
                                      ArrayRef<int64_t> values) {
  auto type = RankedTensorType::get({static_cast<int64_t>(values.size())},
                                    e.b.getI64Type());
  return constantTable(e, anchor, name, DenseElementsAttr::get(type, values));
}

Value mlir::ropegrad::constantFloats(Emitter &e, Operation *anchor,
                                     StringRef name, FloatType type,
                                     ArrayRef<double> values) {
  SmallVector<APFloat> rounded;
  for (double value : values)
    rounded.push_back(e.b.getFloatAttr(type, value).getValue());
  auto tensor =
      RankedTensorType::get({static_cast<int64_t>(values.size())}, type);
  return constantTable(e, anchor, name,
                       DenseElementsAttr::get(tensor, rounded));
}

SmallVector<Value> mlir::ropegrad::forSegments(
    Emitter &e, Operation *anchor, StringRef name, ArrayRef<Segment> segments,
    ValueRange inits,
    function_ref<SmallVector<Value>(Value, Value, Value, Value, Value,
                                    ValueRange)>
        body) {
  if (segments.empty())
    return llvm::to_vector(inits);
  SmallVector<int64_t> values;
  for (const Segment &s : segments)
    values.append({s.factor, s.source, s.length, s.target, s.slot});
  Value table = constantIndices(e, anchor, name, values);
  int64_t fields = 5, size = values.size();
  return e.loop(
      e.index(0), e.index(size), fields, inits,
      [&](Value at, ValueRange state) {
        SmallVector<Value> field;
        for (int64_t i = 0; i < fields; ++i)
          field.push_back(arith::IndexCastOp::create(
              e.b, e.loc, e.b.getIndexType(), e.load(table, e.add(at, i))));
        return body(field[0], field[1], field[2], field[3], field[4], state);
      });
}

void mlir::ropegrad::forSegments(
    Emitter &e, Operation *anchor, StringRef name, ArrayRef<Segment> segments,
    function_ref<void(Value, Value, Value, Value, Value)> body) {
  forSegments(e, anchor, name, segments, ValueRange(),
              [&](Value factor, Value source, Value length, Value target,
                  Value slot, ValueRange) -> SmallVector<Value> {
                body(factor, source, length, target, slot);
                return {};
              });
}

//===----------------------------------------------------------------------===//
// Register tiles
//===----------------------------------------------------------------------===//

RegisterTile mlir::ropegrad::chooseTile(int64_t columns, int64_t registers,
                                        int64_t maxRows, double overhead,
                                        double perAccumulator) {
  auto step = [&](int64_t rows, int64_t width) {
    double product = rows * width;
    double operands = rows + width;
    return std::max({product / 2, operands / 2, 4.0}) + 0.1 * operands +
           overhead + perAccumulator * product;
  };
  RegisterTile best{1, 1, columns, 0};
  double bestCost = columns * step(1, 1);
  for (int64_t rows = 1; rows <= maxRows; ++rows)
    for (int64_t tiles = 1; tiles <= columns; ++tiles) {
      int64_t width = (columns + tiles - 1) / tiles;
      if (rows * width + rows + 1 > registers)
        continue;
      int64_t narrow = tiles * width - columns;
      double cost = ((tiles - narrow) * step(rows, width) +
                     narrow * (width > 1 ? step(rows, width - 1) : 0)) /
                    rows;
      // Differences below 1 % are noise; the fewest tiles come first.
      if (cost < 0.99 * bestCost) {
        best = {rows, width, tiles - narrow, narrow};
        bestCost = cost;
      }
      break; // more tiles of these rows are only slower
    }
  return best;
}

void mlir::ropegrad::forColumnTiles(
    Emitter &e, const RegisterTile &tile, int64_t columns,
    function_ref<void(Value, int64_t, Value)> body) {
  int64_t wide = tile.wide * tile.width;
  e.loop(0, wide, tile.width,
         [&](Value c) { body(c, tile.width, e.div(c, tile.width)); });
  if (tile.narrow == 0)
    return;
  e.loop(wide, columns, tile.width - 1, [&](Value c) {
    Value number = e.div(e.sub(c, wide), tile.width - 1);
    body(c, tile.width - 1, e.add(number, tile.wide));
  });
}
