//===- Pairs.cpp - Monomials of queries by monomials of keys ---*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Enumerates the exponents of the entries of W and groups them by their
// marginals.
//
//===----------------------------------------------------------------------===//

#include "passes/Pairs.h"

#include "passes/Monomials.h"

#include <algorithm>
#include <map>

namespace ropegrad {

std::vector<int64_t> monomialFactors(int64_t variables, unsigned degree) {
  // Each monomial is a variable times one of the degree below.
  Monomials monomials(variables, degree);
  int64_t width = std::max(degree, 1U);
  std::vector<int64_t> factors(monomials.size() * width, 0);
  for (unsigned k = 1; k <= degree; ++k) {
    int64_t target = monomials.offset(k), source = monomials.offset(k - 1);
    for (int64_t v = 0; v < variables; ++v)
      for (int64_t i = 0; i < Monomials::prefix(k - 1, v + 1); ++i, ++target) {
        auto from = factors.begin() + (source + i) * width;
        std::copy(from, from + k - 1, factors.begin() + target * width);
        factors[target * width + k - 1] = v + 1;
      }
  }
  return factors;
}

namespace {

/// Finds the number of a monomial by its exponents.
class Numbering {
public:
  Numbering(int64_t variables, unsigned degree) {
    auto exponents = Monomials(variables, degree).exponents();
    for (size_t i = 0; i < exponents.size(); ++i)
      numbers.emplace(std::move(exponents[i]), static_cast<int64_t>(i));
  }
  int64_t operator()(const std::vector<unsigned> &exponents) const {
    return numbers.find(exponents)->second;
  }

private:
  std::map<std::vector<unsigned>, int64_t> numbers;
};

/// Position of each distinct value, which `values` becomes.
std::map<int64_t, int64_t> positions(std::vector<int64_t> &values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  std::map<int64_t, int64_t> result;
  for (size_t i = 0; i < values.size(); ++i)
    result[values[i]] = static_cast<int64_t>(i);
  return result;
}

} // namespace

Pairs::Pairs(int64_t d, const std::vector<std::pair<int64_t, int64_t>> &support,
             const std::vector<double> &coefficients, double scale) {
  unsigned degree = coefficients.empty() ? 0 : coefficients.size() - 1;
  auto entries = static_cast<int64_t>(support.size());
  Monomials ofW(entries, degree);
  std::vector<double> all = ofW.weights(coefficients, scale);
  Numbering number(d, degree);
  std::map<std::pair<int64_t, int64_t>, std::vector<int64_t>> groups;
  std::vector<std::vector<unsigned>> alphas = ofW.exponents();
  for (size_t i = 0; i < alphas.size(); ++i) {
    if (i > 0 && all[i] == 0.0)
      continue;
    std::vector<unsigned> mu(d), nu(d);
    for (int64_t c = 0; c < entries; ++c) {
      mu[support[c].first] += alphas[i][c];
      nu[support[c].second] += alphas[i][c];
    }
    groups[{number(mu), number(nu)}].push_back(static_cast<int64_t>(i));
  }
  for (const auto &[pair, members] : groups) {
    left.push_back(pair.first);
    right.push_back(pair.second);
  }
  auto leftAt = positions(left), rightAt = positions(right);
  for (const auto &[pair, members] : groups) {
    auto first = static_cast<int64_t>(exponents.size());
    for (int64_t i : members) {
      exponents.push_back(i);
      weights.push_back(all[i]);
    }
    pairs.push_back({leftAt[pair.first], rightAt[pair.second], first,
                     static_cast<int64_t>(exponents.size())});
  }
}

} // namespace ropegrad
