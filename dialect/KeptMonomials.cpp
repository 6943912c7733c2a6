//===- KeptMonomials.cpp - A part of the monomials of a degree -*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Lists the monomials that a rule keeps.
//
//===----------------------------------------------------------------------===//

#include "dialect/KeptMonomials.h"

#include "dialect/Format.h"

#include <algorithm>
#include <tuple>

namespace ropegrad {
namespace {

/// So that no sum of costs overflows.
constexpr int64_t kMostCost = int64_t(1) << 32;

std::string expected(const std::string &what, const std::string &got) {
  return "expected " + what + ", but got " + got;
}

std::string expectedCount(const char *what, int64_t wanted, size_t got) {
  return expected(format(wanted) + " " + what,
                  format(static_cast<int64_t>(got)));
}

} // namespace

bool KeptMonomials::operator==(const KeptMonomials &other) const {
  return std::tie(order, costs, budgets, ends) ==
         std::tie(other.order, other.costs, other.budgets, other.ends);
}

std::string KeptMonomials::check(int64_t d) const {
  std::vector<int64_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  bool isPermutation = static_cast<int64_t>(sorted.size()) == d;
  for (size_t i = 0; i < sorted.size(); ++i)
    isPermutation &= sorted[i] == static_cast<int64_t>(i);
  if (!isPermutation)
    return expected("an order of all " + format(d) + " coordinates",
                    "another list");
  if (static_cast<int64_t>(costs.size()) != d)
    return expectedCount("costs", d, costs.size());
  for (int64_t cost : costs)
    if (cost < 0 || cost > kMostCost)
      return expected("costs from 0 to 2^32", format(cost));
  if (ends.size() != budgets.size())
    return expectedCount("ends, one for each budget",
                         static_cast<int64_t>(budgets.size()), ends.size());
  for (int64_t end : ends)
    if (end < 0 || end > d)
      return expected("ends from 0 to " + format(d), format(end));
  return "";
}

std::optional<KeptTable> KeptTable::make(const KeptMonomials &kept,
                                         int64_t most) {
  KeptTable table;
  auto d = static_cast<int64_t>(kept.order.size());
  if (1 + d > most)
    return std::nullopt;
  table.monomials.push_back({-1, -1, 0, 0, 1.0});
  table.offsets = {0, 1};
  std::vector<int64_t> factors;
  for (int64_t v = 0; v < d; ++v) {
    if (!kept.budgets.empty() && kept.costs[v] <= kept.budgets.front())
      factors.push_back(table.size());
    table.monomials.push_back({0, v, 1, kept.costs[v], 1.0});
  }
  table.offsets.push_back(table.size());
  for (unsigned k = 2; k <= kept.degree(); ++k) {
    // Before they are made: a degree may have far too many.
    auto room = static_cast<double>(most - table.size());
    for (int64_t factor : factors)
      room -= static_cast<double>(std::max<int64_t>(
          kept.ends[k - 2] - table.monomials[factor].last, 0));
    if (room < 0)
      return std::nullopt;
    table.addDegree(kept, k, factors);
  }
  return table;
}

/// `factors`: those of degree k - 1 by last variable; then those of degree k.
void KeptTable::addDegree(const KeptMonomials &kept, unsigned k,
                          std::vector<int64_t> &factors) {
  std::vector<Monomial> first, rest;
  bool isTop = k == kept.degree();
  for (int64_t v = 0; v < kept.ends[k - 2]; ++v)
    for (int64_t factor : factors) {
      const Monomial &t = monomials[factor];
      if (t.last > v)
        break;
      int64_t exponent = t.last == v ? t.exponent + 1 : 1;
      Monomial made{factor, v, exponent, t.cost + kept.costs[v],
                    t.multinomial * k / static_cast<double>(exponent)};
      bool isFactor = !isTop && made.cost <= kept.budgets[k - 1];
      (isFactor ? first : rest).push_back(made);
    }
  factors.clear();
  for (size_t i = 0; i < first.size(); ++i)
    factors.push_back(size() + static_cast<int64_t>(i));
  monomials.insert(monomials.end(), first.begin(), first.end());
  monomials.insert(monomials.end(), rest.begin(), rest.end());
  offsets.push_back(size());
}

std::vector<KeptRun> KeptTable::runs(unsigned k) const {
  std::vector<KeptRun> result;
  for (int64_t i = offsets[k]; i < offsets[k + 1]; ++i) {
    const Monomial &each = monomials[i];
    if (!result.empty()) {
      KeptRun &run = result.back();
      if (run.factor == each.last && run.source + run.length == each.parent) {
        ++run.length;
        continue;
      }
    }
    result.push_back({each.last, each.parent, 1, i});
  }
  return result;
}

} // namespace ropegrad
