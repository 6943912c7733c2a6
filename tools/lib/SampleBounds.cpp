//===- SampleBounds.cpp - Bounds of coordinates from a sample -------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// One sample stands for all heads: of each head the largest entries of its
// queries times those of the keys that they meet, then the largest over heads.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/SampleBounds.h"

#include "tools/lib/Npy.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace ropegrad {
namespace {

struct Array {
  Shape shape;
  std::vector<double> values;
};

std::string readArray(const std::string &folder, const std::string &name,
                      size_t rank, Array &array) {
  std::string path = folder + "/" + name + ".npy";
  NpyReader reader;
  std::string error = reader.open(path);
  if (error.empty() && reader.shape().size() != rank)
    error = "expected an array of rank " + std::to_string(rank) +
            ", but got shape " + toString(reader.shape());
  if (error.empty()) {
    array.shape = reader.shape();
    array.values.resize(elementCount(array.shape));
    error = reader.read(FloatType::F64, array.values.data());
  }
  return error.empty() ? "" : "--bounds-from: " + path + ": " + error;
}

/// Q = A1 X1 as (1, 1, n, d).
std::string multiply(const std::string &folder, const std::string &left,
                     const std::string &right, Array &product) {
  Array a, x;
  std::string error = readArray(folder, left, 2, a);
  if (error.empty())
    error = readArray(folder, right, 2, x);
  if (!error.empty())
    return error;
  int64_t n = a.shape[0], c = a.shape[1], d = x.shape[1];
  if (x.shape[0] != c)
    return "--bounds-from: expected " + right + " with " + std::to_string(c) +
           " rows, as many as " + left + " has columns, but got " +
           std::to_string(x.shape[0]);
  product = {{1, 1, n, d}, std::vector<double>(n * d)};
  for (int64_t i = 0; i < n; ++i)
    for (int64_t k = 0; k < c; ++k)
      for (int64_t j = 0; j < d; ++j)
        product.values[i * d + j] += a.values[i * c + k] * x.values[k * d + j];
  return "";
}

/// The other coordinate of a's rotary pair; a itself where there is none.
int64_t partnerOf(const Problem &p, int64_t a) {
  if (p.position != Position::Rotary)
    return a;
  if (p.layout == Layout::Interleaved)
    return a ^ 1;
  return a < p.d / 2 ? a + p.d / 2 : a - p.d / 2;
}

/// R_i x_i for every row i, under rotary position.
void rotateRows(const Problem &p, Array &x) {
  int64_t n = x.shape[2], d = p.d;
  for (size_t at = 0; at < x.values.size(); at += d) {
    double position = static_cast<double>(static_cast<int64_t>(at) / d % n);
    for (int64_t a = 0; a < d; ++a) {
      int64_t b = partnerOf(p, a);
      if (b <= a)
        continue;
      double k =
          static_cast<double>(p.layout == Layout::Interleaved ? a / 2 : a);
      double angle =
          position * std::pow(p.base, -2 * k / static_cast<double>(d));
      double &first = x.values[at + a], &second = x.values[at + b];
      double one = first * std::cos(angle) - second * std::sin(angle);
      second = first * std::sin(angle) + second * std::cos(angle);
      first = one;
    }
  }
}

/// Rotated rows without the mean of `group` heads, as kernels make them.
void centreRows(const Problem &p, Array &x, int64_t group) {
  rotateRows(p, x);
  int64_t heads = x.shape[0] * x.shape[1] / group, n = x.shape[2] * group,
          d = p.d;
  for (int64_t head = 0; head < heads; ++head)
    for (int64_t a = 0; a < d; ++a) {
      double *column = x.values.data() + head * n * d + a, sum = 0;
      for (int64_t i = 0; i < n; ++i)
        sum += column[i * d];
      for (int64_t i = 0; i < n; ++i)
        column[i * d] -= sum / static_cast<double>(n);
    }
}

/// Of each batch entry and head the largest norm of each coordinate's group.
std::vector<double> largestNorms(const Problem &p, const Array &x) {
  int64_t heads = x.shape[0] * x.shape[1], n = x.shape[2], d = p.d;
  std::vector<double> result(heads * d);
  for (int64_t row = 0; row < heads * n; ++row)
    for (int64_t a = 0; a < d; ++a) {
      int64_t b = partnerOf(p, a);
      double one = x.values[row * d + a], other = x.values[row * d + b];
      double size = a == b ? std::abs(one) : std::hypot(one, other);
      double &most = result[row / n * d + a];
      most = std::max(most, size);
    }
  return result;
}

/// The largest product of norms of queries and the keys that they meet.
double largestProduct(const Array &q, const Array &k) {
  int64_t heads = q.shape[0] * q.shape[1], group = q.shape[1] / k.shape[1];
  auto longest = [](const Array &x, int64_t head) {
    int64_t n = x.shape[2], d = x.shape[3];
    double most = 0;
    for (int64_t row = head * n; row < (head + 1) * n; ++row) {
      double squares = 0;
      for (int64_t a = 0; a < d; ++a)
        squares += x.values[row * d + a] * x.values[row * d + a];
      most = std::max(most, squares);
    }
    return std::sqrt(most);
  };
  double most = 0;
  for (int64_t head = 0; head < heads; ++head)
    most = std::max(most, longest(q, head) * longest(k, head / group));
  return most;
}

/// The plan of a problem with the bounds of its sample. Where it keeps all
/// monomials, its guard knows of no coordinates: if that refused the sample,
/// all bounds become larger by one factor.
PlanResult planSampled(SampledProblem &sampled, int64_t threads,
                       const CostModel &model) {
  Problem &p = sampled.problem;
  PlanResult result = makePlan(p, threads, model);
  double sum = std::accumulate(p.bounds.begin(), p.bounds.end(), 0.0);
  if (!result.plan || result.plan->route == Route::Exact ||
      result.plan->truncation || p.radius || p.bound ||
      sampled.normProduct <= sum)
    return result;
  for (double &bound : p.bounds)
    bound *= sampled.normProduct / sum;
  return makePlan(p, threads, model);
}

} // namespace

std::string measureBounds(const std::string &folder, SampledProblem &sampled) {
  Problem &p = sampled.problem;
  Array q, k;
  bool isLoss = p.entry == Entry::LossGradient;
  std::string error =
      isLoss ? multiply(folder, "A1", "X1", q) : readArray(folder, "Q", 4, q);
  if (error.empty())
    error =
        isLoss ? multiply(folder, "A2", "X2", k) : readArray(folder, "K", 4, k);
  if (!error.empty())
    return error;
  if (q.shape[3] != p.d || k.shape[3] != p.d)
    return "--bounds-from: expected rows of " + std::to_string(p.d) +
           " numbers, but got " + toString(q.shape) + " and " +
           toString(k.shape);
  if (q.shape[0] != k.shape[0] || k.shape[1] == 0 ||
      q.shape[1] % k.shape[1] != 0)
    return "--bounds-from: expected as many batch entries, and heads of K that "
           "divide those of Q, but got " +
           toString(q.shape) + " and " + toString(k.shape);
  int64_t group = q.shape[1] / k.shape[1];
  if (centresKeys(p.centre))
    centreRows(p, k, /*group=*/1);
  if (centresQueries(p.centre))
    centreRows(p, q, group);
  std::vector<double> queries = largestNorms(p, q), keys = largestNorms(p, k);
  p.bounds.assign(p.d, 0.0);
  for (size_t i = 0; i < queries.size(); ++i) {
    auto head = static_cast<int64_t>(i) / p.d,
         a = static_cast<int64_t>(i) % p.d;
    double product = queries[i] * keys[head / group * p.d + a];
    bool isPair = partnerOf(p, a) != a;
    p.bounds[a] = std::max(p.bounds[a], isPair ? product / 2 : product);
  }
  double largest = *std::max_element(p.bounds.begin(), p.bounds.end());
  for (double &bound : p.bounds)
    bound = std::max(bound, std::max(largest * 0x1p-100, 0x1p-900));
  sampled.normProduct = largestProduct(q, k);
  return "";
}

std::vector<SampledProblem> centredProblems(const Problem &problem) {
  std::vector<SampledProblem> result;
  if (problem.radius || problem.bound)
    return result;
  for (Centre rows : {Centre::Keys, Centre::Queries, Centre::Both}) {
    Problem centred = problem;
    centred.centre = rows;
    if (validate(centred).empty())
      result.push_back({std::move(centred)});
  }
  return result;
}

/// By how much centring has to be faster: predictions leave out what it takes.
static double leastGain(Centre centre) {
  return centresQueries(centre) ? 1.15 : 1.02;
}

PlanResult planWithSample(SampledProblem &sampled,
                          std::vector<SampledProblem> &centred, int64_t threads,
                          const CostModel &model) {
  PlanResult asIs = planSampled(sampled, threads, model);
  double asIsMs = asIs.plan ? asIs.plan->predictedMs
                            : std::numeric_limits<double>::infinity();
  const Problem *best = nullptr;
  PlanResult with;
  double least = 0.0; ///< predicted for `best`, and what centring takes
  for (SampledProblem &each : centred) {
    PlanResult result = planSampled(each, threads, model);
    if (!result.plan)
      continue;
    // Where the plan is exact, nothing is centred.
    double ms = result.plan->predictedMs * leastGain(each.problem.centre);
    bool isBetter = result.plan->centre != Centre::None &&
                    (ms < least || with.plan->centre == Centre::None);
    if (best && !isBetter)
      continue;
    best = &each.problem;
    with = std::move(result);
    least = ms;
  }
  if (!best)
    return asIs;
  CentringGain gain{sampled.problem.impliedRadius().value_or(0.0),
                    best->impliedRadius().value_or(0.0), std::nullopt,
                    with.plan->predictedMs, best->centre};
  if (asIs.plan)
    gain.predictedMs = asIsMs;
  bool pays = with.plan->centre != Centre::None && least <= asIsMs;
  if (pays)
    sampled.problem = *best;
  PlanResult &chosen = pays ? with : asIs;
  if (chosen.plan)
    chosen.plan->centring = gain;
  return chosen;
}

} // namespace ropegrad
