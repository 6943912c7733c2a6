//===- RunHeads.cpp - What each head of a call was computed with ----------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Batch entries whose heads went the same way are named together.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/RunHeads.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>
#include <limits>
#include <map>

using namespace llvm;
using namespace ropegrad;

std::optional<int64_t> HeadReports::highestDegree() const {
  std::optional<int64_t> highest;
  for (const HeadReport &head : each)
    if (head.degree)
      highest = std::max(highest.value_or(0), *head.degree);
  return highest;
}

int64_t HeadReports::exactHeads() const {
  return count_if(each, [](const HeadReport &head) { return !head.degree; });
}

/// "0-3, 5" for sorted numbers.
static std::string ranges(const std::vector<int64_t> &numbers) {
  std::string text;
  for (size_t i = 0; i < numbers.size();) {
    size_t end = i + 1;
    while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1)
      ++end;
    text += (text.empty() ? "" : ", ") + std::to_string(numbers[i]);
    if (end > i + 1)
      text += "-" + std::to_string(numbers[end - 1]);
    i = end;
  }
  return text;
}

static std::string named(const char *what,
                         const std::vector<int64_t> &numbers) {
  return std::string(what) + (numbers.size() > 1 ? "s " : " ") +
         ranges(numbers);
}

/// The query heads of one degree, and in which batch entries.
static std::string headsOf(const HeadReports &reports,
                           std::optional<int64_t> degree) {
  auto count = static_cast<size_t>(reports.heads);
  size_t batch = reports.each.size() / count;
  std::map<std::vector<int64_t>, std::vector<int64_t>> entries;
  for (size_t entry = 0; entry < batch; ++entry) {
    std::vector<int64_t> heads;
    for (size_t i = 0; i < count; ++i)
      if (reports.each[entry * count + i].degree == degree)
        for (int64_t j = 0; j < reports.group; ++j)
          heads.push_back(static_cast<int64_t>(i) * reports.group + j);
    if (!heads.empty())
      entries[heads].push_back(static_cast<int64_t>(entry));
  }
  std::string text;
  for (const auto &[heads, where] : entries) {
    text += (text.empty() ? "" : "; ") + named("head", heads);
    if (where.size() < batch)
      text += " of batch " + ranges(where);
  }
  return text;
}

std::vector<std::string> ropegrad::headLines(const HeadReports &reports) {
  constexpr int64_t last = std::numeric_limits<int64_t>::max(); // exact
  std::map<int64_t, double> radii;
  for (const HeadReport &head : reports.each) {
    double &radius = radii[head.degree.value_or(last)];
    radius = radius >= head.radius ? radius : head.radius; // a nan stays
  }
  std::vector<std::string> lines;
  for (auto [degree, radius] : radii) {
    bool isExact = degree == last;
    std::string &line = lines.emplace_back();
    raw_string_ostream stream(line);
    stream << headsOf(reports, isExact ? std::nullopt : std::optional(degree))
           << ": ";
    if (isExact)
      stream << "exact";
    else
      stream << "degree " << degree;
    stream << format(", radius %.4g", radius);
  }
  return lines;
}

json::Object ropegrad::headsJson(const HeadReports &reports) {
  json::Array radii, degrees;
  for (size_t i = 0; i < reports.each.size(); ++i) {
    if (i % static_cast<size_t>(reports.heads) == 0) {
      radii.push_back(json::Array());
      degrees.push_back(json::Array());
    }
    const HeadReport &head = reports.each[i];
    radii.back().getAsArray()->push_back(std::isfinite(head.radius)
                                             ? json::Value(head.radius)
                                             : json::Value(nullptr));
    degrees.back().getAsArray()->push_back(
        head.degree ? json::Value(*head.degree) : json::Value(nullptr));
  }
  return json::Object{{"radius_found", std::move(radii)},
                      {"degree", std::move(degrees)}};
}
