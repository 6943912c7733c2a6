//===- Truncation.cpp - Monomials too small to matter ----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The rule is one of logarithms: a product of k-1 variables is multiplied by a
// k-th where |p_k| k! times its size is above a threshold, which bisection
// makes as large as the tolerance allows.
//
//===----------------------------------------------------------------------===//

#include "passes/Truncation.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace ropegrad {
namespace {

/// More than the rounding errors of any sum of positive doubles below, relative
/// to the sum: at most kMostKept terms, each of some hundred roundings.
constexpr double kSumSlack = 0x1p-36;
/// Costs are in units of 1/32 of a factor of two.
constexpr double kUnits = 32;

double power(double x, size_t k) {
  double result = 1;
  for (size_t i = 0; i < k; ++i)
    result *= x;
  return result;
}

/// sum_k |p_k| k^(0 or 1) radius^(k or k-1): what all monomials together are.
double totalSize(const std::vector<double> &p, double radius, bool derivative) {
  double total = 0;
  for (size_t k = derivative ? 1 : 0; k < p.size(); ++k)
    total += std::abs(p[k]) * (derivative ? static_cast<double>(k) : 1.0) *
             power(radius, derivative ? k - 1 : k);
  return total;
}

/// Sizes of the monomials of a table, and their sums.
struct KeptSizes {
  double value = 0;
  std::vector<double> slopes; ///< by variable

  KeptSizes(const std::vector<double> &p, const std::vector<double> &radii,
            const KeptTable &table)
      : slopes(radii.size()) {
    std::vector<double> products(table.monomials.size(), 1.0);
    for (size_t k = 0; k + 1 < table.offsets.size() && k < p.size(); ++k)
      for (int64_t i = table.offsets[k]; i < table.offsets[k + 1]; ++i) {
        const KeptTable::Monomial &each = table.monomials[i];
        if (k > 0)
          products[i] = products[each.parent] * radii[each.last];
        double size = std::abs(p[k]) * each.multinomial * products[i];
        value += size;
        addSlopes(table, i, size, radii);
      }
  }

private:
  /// d/dr_a of r^mu is mu_a r^mu / r_a: 1 / r_a for each factor x_a.
  void addSlopes(const KeptTable &table, int64_t i, double size,
                 const std::vector<double> &radii) {
    for (; table.monomials[i].parent >= 0; i = table.monomials[i].parent) {
      int64_t v = table.monomials[i].last;
      slopes[v] += size / radii[v];
    }
  }
};

/// The rule for a threshold: what is multiplied further is, with all further
/// variables, at least about `threshold` in size.
KeptMonomials ruleFor(double threshold, const std::vector<double> &p,
                      const CoordinateBounds &bounds, bool gradient) {
  std::vector<double> radii = bounds.radii();
  double largest = radii.front();
  KeptMonomials kept;
  kept.order = bounds.order;
  for (double radius : radii)
    kept.costs.push_back(
        std::llround(kUnits * std::min(std::log2(largest / radius), 1000.0)));
  double factorial = 1;
  for (size_t k = 2; k < p.size(); ++k) {
    factorial *= static_cast<double>(k);
    double size = std::abs(p[k]) * factorial * power(largest, k - 1);
    // Without a gradient the last factor counts as well.
    if (!gradient)
      size *= largest;
    double room = std::floor(kUnits * std::log2(size / threshold));
    auto budget = static_cast<int64_t>(std::clamp(room, -1.0, 0x1p30));
    kept.budgets.push_back(size > 0 ? budget : -1);
    int64_t end = 0;
    while (end < static_cast<int64_t>(radii.size()) &&
           (gradient || kept.costs[end] <= kept.budgets.back()))
      ++end;
    kept.ends.push_back(end);
  }
  return kept;
}

/// Errors of p and of what is lost together.
double errorOf(const Approximation &p, const Truncation &truncation,
               bool gradient) {
  double value = p.bounds.delta + truncation.dropped.delta;
  double slope = p.bounds.deltaPrime + truncation.dropped.deltaPrime;
  return gradient ? std::max(value, slope) : value;
}

} // namespace

std::vector<double> CoordinateBounds::radii() const {
  std::vector<double> result;
  size_t size = order.size() / limits.size();
  for (double limit : limits)
    result.insert(result.end(), size, limit / static_cast<double>(size));
  return result;
}

double CoordinateBounds::radius() const {
  return std::accumulate(limits.begin(), limits.end(), 0.0) * (1 + kSumSlack);
}

CoordinateBounds coordinateBounds(const Problem &p) {
  std::vector<std::vector<int64_t>> groups;
  bool isRotary = p.position == Position::Rotary;
  for (int64_t a = 0; a < (isRotary ? p.d / 2 : p.d); ++a) {
    if (!isRotary)
      groups.push_back({a});
    else if (p.layout == Layout::Interleaved)
      groups.push_back({2 * a, 2 * a + 1});
    else
      groups.push_back({a, a + p.d / 2});
  }
  auto sizeOf = [&](const std::vector<int64_t> &group) {
    double sum = 0;
    for (int64_t a : group)
      sum += p.bounds[a];
    return sum;
  };
  std::sort(groups.begin(), groups.end(), [&](const auto &a, const auto &b) {
    return std::pair(-sizeOf(a), a) < std::pair(-sizeOf(b), b);
  });
  CoordinateBounds result;
  for (const std::vector<int64_t> &group : groups) {
    result.order.insert(result.order.end(), group.begin(), group.end());
    result.limits.push_back(widenedRadius(p.scale * sizeOf(group)));
  }
  return result;
}

std::optional<Truncation> truncate(const std::vector<double> &p,
                                   const CoordinateBounds &bounds, double limit,
                                   KeptMonomials kept) {
  std::optional<KeptTable> table = KeptTable::make(kept, kMostKept);
  if (!table)
    return std::nullopt;
  unsigned degree = kept.degree();
  Truncation result{std::move(kept),
                    bounds.limits,
                    table->size(),
                    table->offsets[degree],
                    {}};
  KeptSizes sizes(p, bounds.radii(), *table);
  double radius = bounds.radius();
  // e^-z <= e^limit on the interval.
  double relative = std::exp(std::min(limit, radius)) * (1 + kSumSlack);
  double all = totalSize(p, radius, false);
  double allSlopes = totalSize(p, radius, true);
  auto lost = [&](double total, double left) {
    return relative * (std::max(total - left, 0.0) + kSumSlack * total);
  };
  result.dropped.delta = lost(all, sizes.value);
  double least = *std::min_element(sizes.slopes.begin(), sizes.slopes.end());
  result.dropped.deltaPrime = lost(allSlopes, least);
  return result;
}

std::optional<Truncation> dropMonomials(const Approximation &p,
                                        const CoordinateBounds &bounds,
                                        double tolerance, bool gradient) {
  constexpr int steps = 60;
  double low = -100, high = 10; // log2 of the threshold
  std::optional<Truncation> best;
  for (int step = 0; step < steps && high - low > 0.5 / kUnits; ++step) {
    double middle = (low + high) / 2;
    std::optional<Truncation> found =
        truncate(p.coefficients, bounds, p.radius,
                 ruleFor(std::exp2(middle), p.coefficients, bounds, gradient));
    // Too many are kept at a threshold that is too small.
    bool isEnough = !found || errorOf(p, *found, gradient) <= tolerance;
    (isEnough ? low : high) = middle;
    if (found && isEnough && (!best || found->size < best->size))
      best = std::move(found);
  }
  return best;
}

} // namespace ropegrad
