//===- HalideMaker.cpp - Blocks of attention by Halide ---------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Algorithm and schedule of the two blocks. Storage inside is of constant size
// and on the stack: no kernel allocates.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/HalideMaker.h"

#if ROPEGRAD_HALIDE
#include <Halide.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <unistd.h>

namespace ropegrad {
namespace {

using Halide::Expr;
using Halide::Func;
using Halide::ImageParam;
using Halide::MemoryType;
using Halide::RDom;
using Halide::RVar;
using Halide::TailStrategy;
using Halide::Var;

/// Below every logit that occurs, yet finite: differences stay free of nan.
constexpr double kDead = -1e30;
/// At least this as a maximum, so that dead logits weigh nothing.
constexpr double kLowest = -1e29;

/// The largest divisor of `size` up to `most`, if it fills at least half of
/// what `most` would; otherwise `most`, and the last tile is guarded.
int64_t tileOf(int64_t size, int64_t most) {
  for (int64_t tile = std::min(size, most); 2 * tile >= std::min(size, most);
       --tile)
    if (size % tile == 0)
      return tile;
  return most;
}

class Maker {
public:
  explicit Maker(const HalideBlock &block)
      : block(block), type(Halide::Float(static_cast<int>(block.bits))) {}

  HalideCode make() {
    if (block.isBackward)
      backward();
    else
      forward();
    return compile();
  }

private:
  void forward();
  void backward();
  HalideCode compile();

  //===--- arguments ---===//
  /// A buffer of contiguous rows of `extents[0]`, the innermost first.
  ImageParam input(const char *name, const std::vector<int64_t> &extents) {
    ImageParam buffer(type, static_cast<int>(extents.size()), name);
    arguments.push_back(buffer);
    HalideArgument argument;
    int64_t stride = 1;
    for (size_t i = 0; i < extents.size(); ++i) {
      buffer.dim(i)
          .set_bounds(0, narrow(extents[i]))
          .set_stride(narrow(stride));
      argument.dimensions.push_back({extents[i], stride});
      stride *= extents[i];
    }
    result.arguments.push_back(argument);
    return buffer;
  }

  Expr integer(const char *name) {
    Halide::Param<int32_t> number(name);
    arguments.push_back(number);
    result.arguments.emplace_back();
    return number;
  }

  void output(Func func, const std::vector<int64_t> &extents) {
    HalideArgument argument;
    int64_t stride = 1;
    for (size_t i = 0; i < extents.size(); ++i) {
      func.output_buffer().dim(i).set_bounds(0, narrow(extents[i]));
      func.output_buffer().dim(i).set_stride(narrow(stride));
      func.bound(func.args()[i], 0, narrow(extents[i]));
      argument.dimensions.push_back({extents[i], stride});
      stride *= extents[i];
    }
    result.arguments.push_back(argument);
    outputs.push_back(func);
  }

  static int narrow(int64_t value) { return static_cast<int>(value); }

  //===--- expressions ---===//
  Expr number(double value) { return Halide::cast(type, Expr(value)); }
  Expr exp2(Expr x);
  /// Whether element (query, key) counts; `cut` = 0 says that all of the block
  /// do.
  Expr isAlive(const Expr &query, const Expr &key) {
    Expr alive = key < n;
    if (block.isCausal)
      alive = alive && key <= query;
    if (block.window > 0)
      alive = alive && query - key < narrow(block.window);
    return cut == 0 || alive;
  }
  /// The part of a logit that depends on lane − row alone.
  Expr fromTable(const Expr &lane, const Expr &row) {
    if (!block.hasTable)
      return number(0.0);
    return table(lane - row + narrow(block.steps - 1));
  }

  //===--- schedules ---===//
  /// Innermost over `lane`, in vectors.
  template <typename Stage> void inLanes(Stage stage, const Var &lane) {
    stage.vectorize(lane, narrow(block.lanes)).unroll(lane);
  }
  void onStack(Func func) { func.compute_root().store_in(MemoryType::Stack); }
  /// A matrix of `panel` lanes and whole tiles of rows, made in one pass; the
  /// products that it reads stay in registers.
  void inTiles(Func matrix, const std::vector<Func> &products,
               const std::vector<RVar> &sums);
  /// out(x, y) op= product(x, y), by register tiles of `columns` × `rows`.
  void accumulate(Func out, Func product, const RVar &sum, int64_t columns,
                  int64_t rows, bool guarded);

  const HalideBlock &block;
  Halide::Type type;
  std::vector<Halide::Argument> arguments;
  std::vector<Func> outputs;
  HalideCode result;
  Var lane{"lane"}, row{"row"}, x{"x"}, y{"y"};
  Var outer{"outer"}, inner{"inner"};
  ImageParam table;
  Expr cut, i0, j0, n, count;
};

/// 2^x by a polynomial on [-1/2, 1/2] whose error is below the rounding of the
/// type; 0 below the smallest normal number, nan stays nan.
Expr Maker::exp2(Expr x) {
  bool single = block.bits == 32;
  int degree = single ? 7 : 13, bias = single ? 127 : 1023;
  int mantissa = single ? 23 : 52;
  // Adding this rounds to a whole number, which then is in the lowest bits.
  Expr magic = number(std::ldexp(1.5, mantissa));
  x = Halide::strict_float(Halide::select(x < number(-bias), number(-bias), x));
  Expr shifted = Halide::strict_float(x + magic);
  Expr f = x - Halide::strict_float(shifted - magic);
  std::vector<double> c{1.0};
  for (int k = 1; k <= degree; ++k)
    c.push_back(c.back() * std::log(2.0) / k);
  Expr value = number(c[degree]);
  for (int k = degree - 1; k >= 0; --k)
    value = value * f + number(c[k]);
  Halide::Type integer = Halide::Int(narrow(block.bits));
  Expr exponent = Halide::reinterpret(integer, shifted) << mantissa;
  exponent += Halide::reinterpret(integer, number(1.0));
  return value * Halide::reinterpret(type, exponent);
}

void Maker::inTiles(Func matrix, const std::vector<Func> &products,
                    const std::vector<RVar> &sums) {
  onStack(matrix);
  matrix.bound(lane, 0, narrow(block.panel))
      .bound_storage(row, narrow(block.steps))
      .split(row, outer, inner, narrow(block.rows), TailStrategy::RoundUp)
      .reorder(lane, inner, outer);
  inLanes(matrix, lane);
  matrix.unroll(inner);
  for (size_t i = 0; i < products.size(); ++i) {
    Func product = products[i];
    product.compute_at(matrix, outer).bound_extent(lane, narrow(block.panel));
    inLanes(product, lane);
    product.unroll(row);
    product.update().reorder({lane, row, sums[i]});
    inLanes(product.update(), lane);
    product.update().unroll(row);
  }
}

void Maker::accumulate(Func out, Func product, const RVar &sum, int64_t columns,
                       int64_t rows, bool guarded) {
  Var xo("xo"), xi("xi"), yo("yo"), yi("yi");
  TailStrategy tail =
      guarded ? TailStrategy::GuardWithIf : TailStrategy::RoundUp;
  Halide::Stage stage = out.update();
  stage.split(x, xo, xi, narrow(columns), TailStrategy::RoundUp)
      .split(y, yo, yi, narrow(rows), tail)
      .reorder(xi, yi, xo, yo);
  inLanes(stage, xi);
  stage.unroll(yi);
  product.compute_at(out, xo).bound_extent(x, narrow(columns));
  if (guarded)
    product.bound_extent(y, narrow(rows));
  inLanes(product, x);
  product.unroll(y);
  product.update().reorder({x, y, sum});
  inLanes(product.update(), x);
  product.update().unroll(y);
}

/// A panel of queries in lanes meets `count` keys; online softmax:
///   m' = max(m, t), l = l 2^(m − m') + Σ p, o = o 2^(m − m') + p v,
///   t = q k + table, p = 2^(t − m').
/// (q[d][panel], k[steps][d], v[steps][w], m[panel], [table,] cut, i0, j0, n,
/// count; m'[panel], l[panel], o[w][panel]): l and o in place.
void Maker::forward() {
  ImageParam q = input("q", {block.panel, block.d});
  ImageParam k = input("k", {block.d, block.steps});
  ImageParam v = input("v", {block.w, block.steps});
  ImageParam m = input("m", {block.panel});
  if (block.hasTable)
    table = input("table", {block.panel + block.steps - 1});
  cut = integer("cut");
  i0 = integer("i0");
  j0 = integer("j0");
  n = integer("n");
  count = integer("count");

  Func product("product"), t("t"), most("most"), next("next"), p("p");
  Func part("part"), total("total"), weighted("weighted"), o("o");
  RDom feature(0, narrow(block.d), "feature");
  product(lane, row) = number(0.0);
  product(lane, row) += q(lane, feature) * k(feature, row);
  Expr logit = product(lane, row) + fromTable(lane, row);
  t(lane, row) =
      Halide::select(isAlive(i0 + lane, j0 + row), logit, number(kDead));
  RDom key(0, count, "key");
  most(lane) = number(kLowest);
  most(lane) = Halide::max(most(lane), t(lane, key));
  next(lane) = Halide::max(most(lane), m(lane));
  p(lane, row) = exp2(t(lane, row) - next(lane));
  part(lane) = number(0.0);
  part(lane) += p(lane, key);
  Func factor("factor");
  factor(lane) = exp2(m(lane) - next(lane));
  total(lane) = Halide::undef(type);
  total(lane) = total(lane) * factor(lane) + part(lane);
  weighted(x, y) = number(0.0);
  weighted(x, y) += p(x, key) * v(y, key);
  o(x, y) = Halide::undef(type);
  o(x, y) = o(x, y) * factor(x) + weighted(x, y);

  inTiles(t, {product}, {feature});
  t.specialize(cut == 0);
  onStack(p);
  p.bound(lane, 0, narrow(block.panel)).bound_storage(row, narrow(block.steps));
  inLanes(p, lane);
  for (Func sum : {most, part}) {
    onStack(sum);
    sum.bound(lane, 0, narrow(block.panel));
    inLanes(sum, lane);
    sum.update().reorder(lane, key);
    inLanes(sum.update(), lane);
  }
  onStack(factor);
  factor.bound(lane, 0, narrow(block.panel));
  inLanes(factor, lane);
  int64_t features = tileOf(block.w, block.rows);
  accumulate(o, weighted, key, block.panel, features, block.w % features != 0);
  output(next, {block.panel});
  output(total, {block.panel});
  output(o, {block.panel, block.w});
  inLanes(next, lane);
  inLanes(total.update(), lane);
}

/// A panel of keys in lanes meets `count` queries: with
///   p = 2^(q k + table − L), s = p (u v − r),
/// dQ += s k, dK += sᵀ q, dV += pᵀ u, all three in place.
/// (q[steps][d], u[steps][w], kᵀ[d][panel], vᵀ[w][panel], k[panel][padded],
/// −L[steps], the rest of −L, −r, [table,] cut, i0, j0, n, count;
/// [dQ[steps][padded],] [dKᵀ[d][panel],] [dVᵀ[w][panel]]).
void Maker::backward() {
  ImageParam q = input("q", {block.d, block.steps});
  ImageParam u = input("u", {block.w, block.steps});
  ImageParam kT = input("kT", {block.panel, block.d});
  ImageParam vT = input("vT", {block.panel, block.w});
  ImageParam k = input("k", {block.padded, block.panel});
  ImageParam minusL = input("minusL", {block.steps});
  ImageParam rest = input("rest", {block.steps});
  ImageParam minusR = input("minusR", {block.steps});
  if (block.hasTable)
    table = input("table", {block.panel + block.steps - 1});
  cut = integer("cut");
  i0 = integer("i0");
  j0 = integer("j0");
  n = integer("n");
  count = integer("count");

  Func logit("logit"), p("p"), error("error"), s("s");
  RDom feature(0, narrow(block.d), "feature");
  logit(lane, row) = rest(row);
  logit(lane, row) += q(feature, row) * kT(lane, feature);
  Expr t = logit(lane, row) + fromTable(lane, row) + minusL(row);
  p(lane, row) =
      Halide::select(isAlive(i0 + row, j0 + lane), exp2(t), number(0.0));
  inTiles(p, {logit}, {feature});
  p.specialize(cut == 0);

  RDom column(0, narrow(block.w), "column");
  RDom query(0, count, "query"), key(0, narrow(block.panel), "key");
  if (block.dq || block.dk) {
    error(lane, row) = minusR(row);
    error(lane, row) += u(column, row) * vT(lane, column);
    s(lane, row) = p(lane, row) * error(lane, row);
    inTiles(s, {error}, {column});
  }
  auto add = [&](const char *name, const Expr &term, const RVar &sum,
                 int64_t columns, int64_t rows, bool guarded) {
    Func product("product"), out(name);
    product(x, y) = number(0.0);
    product(x, y) += term;
    out(x, y) = Halide::undef(type);
    out(x, y) = out(x, y) + product(x, y);
    accumulate(out, product, sum, columns, rows, guarded);
    return out;
  };
  if (block.dq) {
    int64_t vectors = tileOf(block.padded / block.lanes, 3);
    Func dq = add("dq", s(key, y) * k(x, key), key, vectors * block.lanes,
                  block.rows, false);
    output(dq, {block.padded, block.steps});
  }
  auto addRows = [&](const char *name, const Func &weights,
                     const ImageParam &rows, int64_t width) {
    int64_t features = tileOf(width, block.rows);
    output(add(name, weights(x, query) * rows(y, query), query, block.panel,
               features, width % features != 0),
           {block.panel, width});
  };
  if (block.dk)
    addRows("dk", s, q, block.d);
  if (block.dv)
    addRows("dv", p, u, block.w);
}

HalideCode Maker::compile() {
  using Halide::Target;
  Target target(Target::Linux, Target::X86, 64,
                {Target::NoRuntime, Target::NoAsserts, Target::NoBoundsQuery});
  if (block.hasSse41 || block.vectorBits >= 256)
    target.set_feature(Target::SSE41);
  if (block.vectorBits >= 256)
    target.set_features({Target::AVX, Target::AVX2, Target::FMA});
  if (block.vectorBits >= 512)
    target.set_features({Target::AVX512, Target::AVX512_Skylake});
  char path[] = "/tmp/ropegrad-XXXXXX";
  int descriptor = mkstemp(path);
  if (descriptor < 0)
    throw Halide::RuntimeError("cannot create a temporary file");
  close(descriptor);
  try {
    Halide::Pipeline(outputs).compile_to_bitcode(path, arguments, block.name,
                                                 target);
  } catch (...) {
    std::remove(path);
    throw;
  }
  std::ifstream file(path, std::ios::binary);
  result.bitcode.assign(std::istreambuf_iterator<char>(file), {});
  std::remove(path);
  return result;
}

} // namespace

std::string makeHalideBlock(const HalideBlock &block, HalideCode &code) {
  try {
    code = Maker(block).make();
  } catch (const Halide::Error &error) {
    std::string text = error.what();
    return "expected Halide to compile " + block.name +
           ", but it says: " + text.substr(0, text.find('\n'));
  }
  return code.bitcode.empty() ? "expected bitcode of Halide, but got none" : "";
}

} // namespace ropegrad

#else // ROPEGRAD_HALIDE

std::string ropegrad::makeHalideBlock(const HalideBlock &, HalideCode &) {
  return "expected a build with Halide, but this one has none";
}

#endif // ROPEGRAD_HALIDE
