//===- PlanFourier.cpp - What the route fft takes --------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Counts monomials, pairs and transforms, and says what stands against them.
//
//===----------------------------------------------------------------------===//

#include "passes/PlanFourier.h"

#include "dialect/Format.h"
#include "passes/Monomials.h"
#include "passes/Pairs.h"
#include "passes/ToeplitzBlocks.h"

#include <algorithm>
#include <cmath>

namespace ropegrad {
namespace {

/// Rate of the flops counted here next to that of the features route: measured
/// at d = 8, n = 4096 and 16384, on one core
/// with vectors of 512 bits.
constexpr double kRateOfFeatures = 0.4;

/// Exponents of the entries of W, of which pairs are made.
int64_t countExponents(const Problem &p, unsigned degree) {
  return p.position == Position::General
             ? Monomials(p.supportSize(), degree).size()
             : 1;
}

/// Monomials of queries and keys, and pairs of them.
struct Counts {
  double left, right, pairs;
};

Counts count(const Problem &p, unsigned degree) {
  if (p.position != Position::General) {
    auto m = static_cast<double>(Monomials(p.d, degree).size());
    return {m, m, 0};
  }
  // Which pairs there are does not depend on the coefficients.
  Pairs pairs(p.d, p.support, std::vector<double>(degree + 1, 1.0), 1.0);
  return {static_cast<double>(pairs.left.size()),
          static_cast<double>(pairs.right.size()),
          static_cast<double>(pairs.pairs.size())};
}

/// What one product by transforms takes.
struct Product {
  double transforms; ///< flops of a transform of one real column, all blocks
  double elements;   ///< frequencies of a column, all blocks
};

Product measure(const Problem &p) {
  Product result{0, 0};
  for (const ToeplitzLevel &level :
       ToeplitzBlocks(p.n, p.mask, p.window).levels) {
    auto length = static_cast<double>(level.fourier.length);
    auto rows = static_cast<double>(p.n) / static_cast<double>(level.size);
    double number =
        std::max(1.0, std::ceil((rows - static_cast<double>(level.first)) /
                                static_cast<double>(level.step)));
    result.transforms += number * 2.5 * length * std::log2(length + 1);
    result.elements += number * length / 2;
  }
  return result;
}

/// Products by transforms, there and back, after ropegrad-join-pairs.
double countProducts(const Problem &p) {
  if (!p.needsGradient())
    return 1;
  bool general = p.position == Position::General;
  // The output and dq share one where derivatives are kept, dk and dV always.
  double products = !general && keepsSlopes(p.d, p.d + 1) ? 2 : 3;
  // A correlation transforms both sides, or joins dk and transforms one.
  if (p.wants("W") || p.wants("bias"))
    products += general ? 1 : 0.5;
  return products;
}

/// A product with `width` columns, there and back.
double productFlops(const Counts &c, const Product &product, double n,
                    unsigned degree, double width) {
  double g = std::max(1.0, static_cast<double>(degree));
  return (c.left + c.right) * width * (product.transforms + n * (g + 1)) +
         8 * std::max(c.pairs, c.left) * product.elements * width;
}

} // namespace

double fourierFlops(const Problem &p, unsigned degree) {
  Counts c = count(p, degree);
  Product product = measure(p);
  auto n = static_cast<double>(p.n), d = static_cast<double>(p.d);
  double heads = static_cast<double>(p.batch) * static_cast<double>(p.heads);
  double each = productFlops(c, product, n, degree, d + 1);
  double spectra = c.pairs * 2 * product.transforms;
  ToeplitzBlocks blocks(p.n, p.mask, p.window);
  double pairs = n * static_cast<double>(blocks.band) / 2;
  double flops = heads * (countProducts(p) * each + 14 * pairs * d) + spectra;
  if (!p.wants("X") || degree == 0)
    return flops;
  // A product for every channel and, with a rotary position, every function of
  // it, with a general one every entry.
  double s = static_cast<double>(p.supportSize());
  double channels = static_cast<double>(p.channels);
  double more = p.position == Position::General  ? s
                : p.position == Position::Rotary ? d
                                                 : 1;
  Counts derived = count(p, degree - 1);
  return flops +
         productFlops(derived, product, n, degree - 1,
                      channels * (d + 1) * more) +
         derived.pairs * 2 * product.transforms * more +
         2 * pairs * channels * s;
}

double fourierBytes(const Problem &p, unsigned degree) {
  Counts c = count(p, degree);
  double element = p.dtype == DType::F64 ? 8 : 4;
  double length = 0;
  for (const ToeplitzLevel &level :
       ToeplitzBlocks(p.n, p.mask, p.window).levels)
    length += 2 * static_cast<double>(level.fourier.length);
  double tables =
      std::max(c.pairs, 1.0) * (length + 2 * static_cast<double>(2 * p.n - 1));
  double spectra = c.pairs > 0 ? (c.left + c.right) *
                                     static_cast<double>(p.d + 1) * length / 2
                               : 0.0;
  return CostModel::exactBytes(p) + element * (tables + spectra);
}

Alternative judgeFourier(const Problem &p, const PolynomialChoice &polynomial,
                         const CostModel &model, int64_t threads) {
  Alternative result;
  result.route = Route::FFT;
  result.degree = polynomial.degree;
  std::vector<std::string> obstacles;
  bool hasAlibi = std::any_of(p.alibi.begin(), p.alibi.end(),
                              [](double slope) { return slope != 0.0; });
  if (p.position != Position::General && !p.learnedBias &&
      p.mask == Mask::None && !hasAlibi)
    obstacles.emplace_back("weights depend on no distance, so that route "
                           "features needs no transform");
  if (!polynomial.obstacle.empty())
    obstacles.push_back(polynomial.obstacle);
  else if (int64_t exponents = countExponents(p, *polynomial.degree);
           exponents > kMaxFeatures)
    obstacles.push_back("degree " + format(int64_t(*polynomial.degree)) +
                        " at a support of " + format(p.supportSize()) +
                        " has " + format(exponents) + " exponents, more than " +
                        format(kMaxFeatures));
  result.admissible = obstacles.empty();
  for (const std::string &obstacle : obstacles)
    result.reason += (result.reason.empty() ? "" : "; ") + obstacle;
  if (!result.admissible)
    return result;
  double flops = fourierFlops(p, *polynomial.degree);
  Counts c = count(p, *polynomial.degree);
  result.predictedMs =
      model.milliseconds(p, Route::FFT, flops / kRateOfFeatures, threads);
  result.reason = format(static_cast<int64_t>(c.left)) + " monomials";
  if (c.pairs > 0)
    result.reason += " and " + format(static_cast<int64_t>(c.pairs)) + " pairs";
  result.reason += " a row: " + format(flops, 3) + " flops";
  return result;
}

} // namespace ropegrad
