//===- CostModel.cpp - What a route costs ----------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Counts in double, which cannot overflow where int64_t would.
//
//===----------------------------------------------------------------------===//

#include "passes/CostModel.h"
#include "passes/Monomials.h"

#include <algorithm>
#include <cmath>

namespace ropegrad {
namespace {

double allHeads(const Problem &p) {
  return static_cast<double>(p.batch) * static_cast<double>(p.heads);
}

/// The pairs (i, j) whose weight is not masked away.
double pairs(const Problem &p) {
  double n = static_cast<double>(p.n);
  if (p.mask == Mask::None)
    return n * n;
  double width =
      p.mask == Mask::Causal ? n : std::min(n, static_cast<double>(p.window));
  return width * n - width * (width - 1) / 2;
}

/// Q = A1 X1, K = A2 X2, V = A3 Y and one product for each gradient of theirs.
double projectionFlops(const Problem &p) {
  if (p.entry == Entry::Attention)
    return 0.0;
  double products = 3;
  for (const char *name : {"X1", "X2", "Y", "A1", "A2", "A3"})
    products += p.wants(name) ? 1 : 0;
  return 2 * products * static_cast<double>(p.n) *
         static_cast<double>(p.channels) * static_cast<double>(p.d);
}

double featureCount(const Problem &p, unsigned degree,
                    std::optional<int64_t> kept = std::nullopt) {
  return static_cast<double>(kept ? *kept : Monomials(p.d, degree).size());
}

/// Elements of everything that goes in or comes out.
double argumentElements(const Problem &p) {
  double n = static_cast<double>(p.n), d = static_cast<double>(p.d);
  double c = static_cast<double>(p.channels);
  double s = static_cast<double>(p.supportSize());
  double queries = allHeads(p) * n * d;
  double keys =
      static_cast<double>(p.batch) * static_cast<double>(p.kvHeads) * n * d;
  double encoding = p.position == Position::General ? (2 * n - 1) * s : 0.0;
  double bias =
      p.learnedBias
          ? (p.biasPerHead ? static_cast<double>(p.heads) : 1.0) * (2 * n - 1)
          : 0.0;
  double total = encoding + bias;
  if (p.entry == Entry::Attention)
    total += 2 * queries + 2 * keys + (p.needsGradient() ? queries : 0.0);
  else
    total += 3 * n * c + 3 * c * d + n * d + 1;
  for (const std::string &name : p.wrt) {
    if (name == "Q")
      total += queries;
    else if (name == "K" || name == "V")
      total += keys;
    else if (name == "W")
      total += encoding;
    else if (name == "bias")
      total += bias;
    else if (name == "X")
      total += c * c * s;
    else if (name[0] == 'A')
      total += n * c;
    else
      total += c * d;
  }
  return total;
}

/// Of what a kernel computes with.
double elementBytes(const Problem &p) { return p.dtype == DType::F64 ? 8 : 4; }

/// Of the caller's arrays.
double storageBytes(const Problem &p) {
  bool isHalf = p.dtype == DType::BF16 || p.dtype == DType::F16;
  return isHalf ? 2 : elementBytes(p);
}

} // namespace

double CostModel::exactFlops(const Problem &p) {
  double n = static_cast<double>(p.n), d = static_cast<double>(p.d);
  double c = static_cast<double>(p.channels);
  double flops = (p.needsGradient() ? 14 : 4) * pairs(p) * d * allHeads(p);
  if (p.wants("X"))
    flops += static_cast<double>(p.supportSize()) *
             (2 * pairs(p) * c + 2 * n * c * c);
  return flops + projectionFlops(p);
}

double CostModel::featuresFlops(const Problem &p, unsigned degree,
                                std::optional<int64_t> kept) {
  double n = static_cast<double>(p.n), width = static_cast<double>(p.d + 1);
  double flops = (p.needsGradient() ? 12 : 4) * n *
                 featureCount(p, degree, kept) * width * allHeads(p);
  if (p.wants("X") && degree > 0)
    flops += 6 * n * featureCount(p, degree - 1) *
             static_cast<double>(p.channels) * width *
             static_cast<double>(p.supportSize());
  return flops + projectionFlops(p);
}

double CostModel::exactBytes(const Problem &p) {
  double tall =
      allHeads(p) * static_cast<double>(p.n) * static_cast<double>(p.d);
  return storageBytes(p) * argumentElements(p) + elementBytes(p) * 8 * tall;
}

double CostModel::featuresBytes(const Problem &p, unsigned degree,
                                std::optional<int64_t> kept) {
  return exactBytes(p) + elementBytes(p) * 2 * allHeads(p) *
                             featureCount(p, degree, kept) *
                             static_cast<double>(p.d + 1);
}

namespace {

/// Between two widths, on straight lines over log d; beyond, the nearest.
CostModel::Rate interpolate(const std::vector<CostModel::Rate> &rates,
                            double d) {
  auto above = std::find_if(rates.begin(), rates.end(),
                            [&](const auto &rate) { return rate.d >= d; });
  if (above == rates.end())
    return rates.back();
  if (above == rates.begin())
    return rates.front();
  const CostModel::Rate &low = *std::prev(above), &high = *above;
  double part = std::log(d / low.d) / std::log(high.d / low.d);
  auto mix = [&](double x, double y) { return x + part * (y - x); };
  return {d, mix(low.rowNs, high.rowNs), mix(low.gflops, high.gflops)};
}

/// Between two numbers of monomials, on straight lines over their logarithm;
/// beyond, the nearest.
double interpolate(const std::vector<CostModel::Slowdown> &slowdowns,
                   double stored) {
  if (slowdowns.empty())
    return 1.0;
  auto above =
      std::find_if(slowdowns.begin(), slowdowns.end(),
                   [&](const auto &each) { return each.stored >= stored; });
  if (above == slowdowns.end())
    return slowdowns.back().factor;
  if (above == slowdowns.begin())
    return above->factor;
  const CostModel::Slowdown &low = *std::prev(above);
  double part =
      std::log(stored / low.stored) / std::log(above->stored / low.stored);
  return low.factor + part * (above->factor - low.factor);
}

/// Whether the exact route runs the loops of softmax attention
/// (AttentionTiles.h) and not the general ones.
bool hasOwnLoops(const Problem &p) {
  return p.similarity.empty() && p.position != Position::General &&
         !p.wants("X");
}

} // namespace

double CostModel::milliseconds(const Problem &p, Route route, double flops,
                               int64_t threads, std::optional<unsigned> degree,
                               std::optional<int64_t> stored) const {
  bool isExact = route == Route::Exact;
  Rate rate = interpolate(isExact ? exact : features, static_cast<double>(p.d));
  if (isExact && !hasOwnLoops(p))
    rate.gflops = generalGFlops;
  if (!isExact && degree && *degree > 0)
    rate.gflops /= interpolate(slowdowns, featureCount(p, *degree - 1, stored));
  if (p.dtype == DType::F64)
    rate.gflops /= 2;
  // A forward pass is about a third of the work, on rows as on pairs.
  double perRow = rate.rowNs * (p.needsGradient() ? 1.0 : 1.0 / 3);
  double rows = allHeads(p) * static_cast<double>(p.n) * perRow * 1e-6;
  return callUs * 1e-3 +
         (rows + flops / (rate.gflops * 1e6)) / static_cast<double>(threads);
}

} // namespace ropegrad
