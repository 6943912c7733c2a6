//===- Validate.cpp - Does a problem make sense ----------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Every check of a problem's meaning, in one place for the command line, JSON
// and the IR. Each check returns its message, or nothing.
//
//===----------------------------------------------------------------------===//

#include "dialect/Format.h"
#include "dialect/Problem.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace ropegrad {
namespace {

/// Wider heads do not exist; a list of 2d support entries stays small.
constexpr int64_t kMaxWidth = 65536;

/// No array may have this many elements: byte offsets stay far from overflow.
constexpr double kMaxElements = 0x1p40;

std::string expected(const std::string &what, const std::string &got) {
  return "expected " + what + ", but got " + got;
}

std::string text(const SupportEntry &entry) {
  return format(entry.first) + ":" + format(entry.second);
}

std::string checkPositive(const char *name, int64_t value) {
  if (value > 0)
    return "";
  return expected(std::string(name) + " to be positive", format(value));
}

std::string checkPositive(const char *name, double value) {
  if (value > 0.0 && std::isfinite(value))
    return "";
  return expected(std::string(name) + " to be positive and finite",
                  format(value));
}

std::string checkCounts(const Problem &p) {
  std::vector<std::pair<const char *, int64_t>> counts = {
      {"n", p.n},
      {"d", p.d},
      {"batch", p.batch},
      {"heads", p.heads},
      {"kv-heads", p.kvHeads}};
  if (p.entry == Entry::LossGradient)
    counts.emplace_back("channels", p.channels);
  for (auto [name, value] : counts) {
    if (std::string error = checkPositive(name, value); !error.empty())
      return error;
    if (static_cast<double>(value) >= kMaxElements)
      return expected(std::string(name) + " to be below 2^40", format(value));
  }
  if (p.d > kMaxWidth) // before anything makes a list of d entries
    return expected("d to be at most " + format(kMaxWidth), format(p.d));
  if (p.heads % p.kvHeads != 0)
    return expected("kv-heads to divide heads (" + format(p.heads) + ")",
                    format(p.kvHeads));
  if (p.entry == Entry::LossGradient)
    for (auto [name, value] :
         {std::pair{"batch", p.batch}, std::pair{"heads", p.heads}})
      if (value != 1)
        return expected(std::string(name) + " to be 1 for entry loss-gradient",
                        format(value));
  return "";
}

std::string checkElements(const Problem &p) {
  double n = static_cast<double>(p.n), d = static_cast<double>(p.d);
  double offsets = 2 * n - 1;
  // Not supportSize(), whose product could overflow before this check.
  double s = p.position == Position::General
                 ? static_cast<double>(p.support.size())
             : p.position == Position::Rotary ? 2 * d
                                              : d;
  double heads = static_cast<double>(p.heads);
  double channels = static_cast<double>(p.channels);
  std::vector<std::pair<const char *, double>> arrays;
  if (p.entry == Entry::Attention) {
    arrays.emplace_back("batch * heads * n * d",
                        static_cast<double>(p.batch) * heads * n * d);
  } else {
    arrays.emplace_back("n * d", n * d);
    arrays.emplace_back("n * channels", n * channels);
    arrays.emplace_back("channels * d", channels * d);
  }
  if (p.position == Position::General)
    arrays.emplace_back("(2n - 1) * support", offsets * s);
  if (p.learnedBias)
    arrays.emplace_back("heads * (2n - 1)",
                        (p.biasPerHead ? heads : 1.0) * offsets);
  if (p.wants("X"))
    arrays.emplace_back("channels^2 * support", channels * channels * s);
  for (auto [name, count] : arrays)
    if (count >= kMaxElements)
      return expected(std::string(name) + " to be below 2^40", format(count));
  return "";
}

std::string checkGeneralSupport(const Problem &p) {
  if (p.support.empty())
    return expected("a support for position general", "none");
  // An entry may come twice (as with d = 1 in a cyclic band): its columns of W
  // add up.
  for (const SupportEntry &entry : p.support)
    if (entry.first < 0 || entry.first >= p.d || entry.second < 0 ||
        entry.second >= p.d)
      return expected("support entries from 0:0 to " + text({p.d - 1, p.d - 1}),
                      text(entry));
  return "";
}

std::string checkPosition(const Problem &p) {
  if (p.position == Position::General)
    return checkGeneralSupport(p);
  if (p.position == Position::Rotary) {
    if (p.d % 2 != 0)
      return expected("d to be even for rotary position", format(p.d));
    if (std::string error = checkPositive("base", p.base); !error.empty())
      return error;
  }
  if (p.support.empty())
    return "";
  std::string what =
      std::string("the support to be a permutation of that of ") +
      toString(p.position) + " position";
  if (static_cast<int64_t>(p.support.size()) != p.supportSize())
    return expected(what + " (" + format(p.supportSize()) + " entries)",
                    format(int64_t(p.support.size())) + " entries");
  std::vector<SupportEntry> given = p.support;
  std::vector<SupportEntry> own = defaultSupport(p.position, p.layout, p.d);
  std::sort(given.begin(), given.end());
  std::sort(own.begin(), own.end());
  if (given == own)
    return "";
  auto difference = std::mismatch(given.begin(), given.end(), own.begin());
  return expected(what + " (with " + text(*difference.second) + ")",
                  text(*difference.first));
}

std::string checkMaskAndBias(const Problem &p) {
  if (p.mask == Mask::Window && p.window < 1)
    return expected("a window of at least 1 under mask window",
                    format(p.window));
  size_t slopes = p.alibi.size();
  if (slopes > 1 && slopes != static_cast<size_t>(p.heads))
    return expected("1 or " + format(p.heads) + " alibi slopes",
                    format(int64_t(slopes)));
  for (double slope : p.alibi)
    if (!(slope >= 0.0 && std::isfinite(slope)))
      return expected("alibi slopes to be finite and not negative",
                      format(slope));
  if (p.learnedBias && !p.isExp())
    return expected("similarity exp beside a learned bias", "a polynomial");
  return "";
}

std::string checkSimilarity(const Problem &p) {
  bool zero = true;
  for (double coefficient : p.similarity) {
    if (!std::isfinite(coefficient))
      return expected("similarity coefficients to be finite",
                      format(coefficient));
    double size = std::abs(coefficient);
    if (p.dtype != DType::F64 && size != 0.0 &&
        !(size >= std::numeric_limits<float>::min() &&
          size <= std::numeric_limits<float>::max()))
      return expected("similarity coefficients that f32 can hold",
                      format(coefficient));
    zero = zero && coefficient == 0.0;
  }
  if (!p.isExp() && zero)
    return expected("a similarity coefficient other than 0", "none");
  return "";
}

/// Errors below a few roundings of the type cannot be observed: 4 times its
/// machine epsilon, 4.8e-7 for f32 and 8.9e-16 for f64. Types of storage round
/// once, whatever was computed: half an epsilon, 3.9e-3 for bf16 and 4.9e-4 for
/// f16.
double smallestTolerance(DType dtype) {
  switch (dtype) {
  case DType::F64:
    return 4 * std::numeric_limits<double>::epsilon();
  case DType::BF16:
    return 0x1p-8;
  case DType::F16:
    return 0x1p-11;
  case DType::F32:
    break;
  }
  return 4.0 * double(std::numeric_limits<float>::epsilon());
}

/// One for each coordinate, of a logit that is a sum over coordinates.
std::string checkBounds(const Problem &p) {
  if (p.bounds.empty())
    return "";
  if (p.position == Position::General)
    return expected("position rotary or none with bounds of coordinates",
                    toString(p.position));
  if (!p.isExp())
    return expected("similarity exp with bounds of coordinates",
                    "a polynomial");
  if (p.bounds.size() != static_cast<size_t>(p.d))
    return expected(format(p.d) + " bounds, one for each coordinate",
                    format(int64_t(p.bounds.size())));
  for (double bound : p.bounds)
    if (std::string error = checkPositive("bounds", bound); !error.empty())
      return error;
  return "";
}

std::string checkNumbers(const Problem &p) {
  std::vector<std::pair<const char *, std::optional<double>>> numbers = {
      {"scale", p.scale},
      {"bound", p.bound},
      {"radius", p.radius},
      {"sigma", p.sigma}};
  for (auto [name, value] : numbers)
    if (value)
      if (std::string error = checkPositive(name, *value); !error.empty())
        return error;
  if (std::string error = checkBounds(p); !error.empty())
    return error;
  if (!p.tolerance)
    return "";
  if (!(*p.tolerance > 0.0 && *p.tolerance < 1.0))
    return expected("a tolerance between 0 and 1", format(*p.tolerance));
  if (*p.tolerance < smallestTolerance(p.dtype))
    return expected(std::string("a tolerance of at least ") +
                        format(smallestTolerance(p.dtype), 2) +
                        ", which is what " + toString(p.dtype) + " can hold",
                    format(*p.tolerance));
  return "";
}

/// What can make weights of keys differ from those of other rows' keys by more
/// than logits do: a row that sees small weights alone would lose its sum.
std::string checkKeyWeights(const Problem &p) {
  if (p.mask != Mask::None)
    return expected("no mask with centred queries, whose keys have weights "
                    "that may be too small for a row that sees no others",
                    toString(p.mask));
  if (!p.alibi.empty() || p.learnedBias)
    return expected("no alibi and no bias with centred queries, whose keys "
                    "have weights of their own",
                    p.learnedBias ? "a learned bias" : "alibi");
  if (p.route != Route::Auto && p.route != Route::Features)
    return expected("route auto or features for centred queries",
                    toString(p.route));
  return "";
}

/// A constant of each row or column of logits must cancel.
std::string checkCentre(const Problem &p) {
  if (!centresKeys(p.centre) && !centresQueries(p.centre))
    return "";
  std::string rows = centresKeys(p.centre) ? "keys" : "queries";
  if (!p.isExp())
    return expected("similarity exp with centred " + rows +
                        ", whose logits differ by a constant of each " +
                        (rows == "keys" ? "row" : "column"),
                    "a polynomial");
  if (p.position == Position::General)
    return expected("position rotary or none with centred " + rows,
                    toString(p.position));
  if (p.route == Route::Exact)
    return expected("a route with a polynomial for centred " + rows, "exact");
  return centresQueries(p.centre) ? checkKeyWeights(p) : "";
}

std::string checkDegree(const Problem &p) {
  if (!p.degree)
    return "";
  int64_t degree = *p.degree;
  if (p.isExp()) {
    if (degree > kMaxDegree)
      return expected("a degree of at most " + format(kMaxDegree),
                      format(degree));
    return "";
  }
  if (degree != polynomialDegree(p.similarity))
    return expected("degree " + format(polynomialDegree(p.similarity)) +
                        ", that of the polynomial similarity",
                    format(degree));
  return "";
}

std::string checkGradients(const Problem &p) {
  static const std::vector<std::string> ofLoss = {"X1", "X2", "Y", "X",   "A1",
                                                  "A2", "A3", "W", "bias"};
  static const std::vector<std::string> ofAttention = {"Q", "K", "V", "W",
                                                       "bias"};
  const std::vector<std::string> &legal =
      p.entry == Entry::LossGradient ? ofLoss : ofAttention;
  std::set<std::string> seen;
  for (const std::string &name : p.wrt) {
    if (std::find(legal.begin(), legal.end(), name) == legal.end()) {
      std::string list;
      for (const std::string &each : legal)
        list += (list.empty() ? "" : ", ") + each;
      return expected("wrt of entry " + std::string(toString(p.entry)) +
                          " to be among " + list,
                      "'" + name + "'");
    }
    if (!seen.insert(name).second)
      return expected("distinct names in wrt", "'" + name + "' twice");
  }
  if (p.wants("W") && p.position != Position::General)
    return expected("position general for W in wrt", toString(p.position));
  if (p.wants("bias") && !p.learnedBias)
    return expected("a learned bias for bias in wrt", "none");
  return "";
}

} // namespace

std::string validate(const Problem &problem) {
  for (auto check : {checkCounts, checkElements, checkPosition,
                     checkMaskAndBias, checkSimilarity, checkNumbers,
                     checkCentre, checkDegree, checkGradients})
    if (std::string error = check(problem); !error.empty())
      return error;
  return "";
}

} // namespace ropegrad
