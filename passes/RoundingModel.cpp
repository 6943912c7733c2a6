//===- RoundingModel.cpp - Rounding errors of a certificate ----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The model of docs/contract.md: everything that a certificate computes is
// computed in double, by sums in any order; their lengths and the condition of
// the weights bound what rounding can do.
//
//===----------------------------------------------------------------------===//

#include "passes/Certificate.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

constexpr double kUnit = 0x1p-53; ///< u
/// Of an inner product and a rotation of rows beside their widths.
constexpr double kRowRoundings = 40;
/// Of a weight beside what sums add: exp, log, the prefactor.
constexpr double kWeightRoundings = 64;
/// A product's error in its majorant is at most γ_K / kProductShare.
constexpr double kProductShare = 16;
constexpr double kOutputRoundings = 4;
constexpr double kGradientRoundings = 48;
/// Largest ε for which second-order terms are below first-order ones' slack.
constexpr double kMostEpsilon = 0x1p-10;

double gamma(double count) { return count * kUnit / (1 - count * kUnit); }

/// What the compiler knows of the model.
struct Model {
  double rows;  ///< τ: relative error of a row's product and rotation
  double sums;  ///< γ_K
  double scale; ///< |scale|
  double width; ///< terms of a logit beside one inner product: |S| or 1
  double heads; ///< query heads of a key head
  double n;
  double all; ///< pairs that one diagonal has at most

  explicit Model(const CertifiedProblem &certified) {
    const ::ropegrad::Problem &p = certified.problem;
    double d = p.d, c = certified.isLoss() ? p.channels : 0;
    n = p.n;
    rows = gamma(c + d + kRowRoundings + n / 64);
    double terms = n + static_cast<double>(certified.monomials) +
                   kProductShare * (c + 2 * d + kRowRoundings);
    sums = gamma(terms);
    scale = std::abs(p.scale);
    bool general = p.position == ::ropegrad::Position::General;
    width = general ? static_cast<double>(p.supportSize()) : 1.0;
    heads = static_cast<double>(p.heads) / static_cast<double>(p.kvHeads);
    all = static_cast<double>(p.batch * p.heads) * n;
  }
};

/// Σ_k |c_k| max(1, k)² R^k ≥ Σ |c_k| R^k and its first two derivatives, R ≥ 1.
double sizeAt(const std::vector<double> &coefficients, double radius) {
  double sum = 0.0, power = 1.0, r = std::max(1.0, radius);
  for (size_t k = 0; k < coefficients.size(); ++k, power *= r)
    sum +=
        std::abs(coefficients[k]) * std::pow(std::max<double>(1, k), 2) * power;
  return sum;
}

Number sizeAt(const std::vector<double> &coefficients, Number radius) {
  Number r = radius.max(radius.constant(1.0)), sum = radius.constant(0.0);
  for (size_t k = coefficients.size(); k-- > 0;)
    sum = sum * r +
          std::abs(coefficients[k]) * std::pow(std::max<double>(1, k), 2);
  return sum;
}

class Rounding {
public:
  Rounding(Algebra &a, const CertifiedProblem &certified,
           const CertifiedValues &values)
      : f(a), a(a), certified(certified), problem(certified.problem),
        values(values), model(certified) {}

  RoundingErrors run() {
    RoundingErrors result;
    findSizes(result);
    findCondition(result);
    result.output = f.single({epsilon, result.v}, [](ArrayRef<Number> x) {
      return kOutputRoundings * x[0] * x[1];
    });
    if (values.upstream)
      boundGradients(result);
    return result;
  }

private:
  /// The largest row norm of a value and, where it is a product, of the
  /// product of the norms of its factors.
  struct Size {
    Value computed, majorant;
  };

  Size sizeOf(Value rows, unsigned index) {
    Size size{f.largest(f.norms(rows)), {}};
    size.majorant = size.computed;
    if (const auto &product = values.products[index])
      size.majorant = f.single({f.largest(f.norms(a.asTall(product->left))),
                                f.frobenius(product->right)},
                               [](ArrayRef<Number> x) { return x[0] * x[1]; });
    return size;
  }

  void findSizes(RoundingErrors &result) {
    Size q = sizeOf(values.q, 0), k = sizeOf(values.k, 1),
         v = sizeOf(values.v, 2);
    // Rounding of rows is relative to what they were before they lost their
    // mean, which itself may be as long.
    if (values.uncentred)
      k.majorant = f.single({sizeOf(values.uncentred, 1).majorant},
                            [](ArrayRef<Number> x) { return x[0] * 2.0; });
    auto effective = [&](const Size &size) {
      if (size.computed == size.majorant)
        return size.computed;
      return f.single({size.computed, size.majorant}, [](ArrayRef<Number> x) {
        return x[0] + x[1] * (1 / kProductShare);
      });
    };
    result.q = effective(q);
    result.k = effective(k);
    result.v = effective(v);
    table = values.w ? f.largest(values.w) : f.constant(1.0);
    double factor = model.scale * model.width;
    auto logits = [&](ArrayRef<Number> x) {
      return factor * x[0] * x[1] * x[2];
    };
    radius = values.radius ? values.radius
                           : f.single({q.computed, k.computed, table}, logits);
    Value majorant = f.single({q.majorant, k.majorant, table}, logits);
    double rows = 4 * model.rows;
    logitError =
        f.single({majorant}, [&](ArrayRef<Number> x) { return rows * x[0]; });
  }

  /// ε, the relative error of sums of weights, and their condition.
  void findCondition(RoundingErrors &result) {
    if (certified.polynomial)
      conditionOfApproximation(result);
    else if (problem.isExp())
      conditionOfExp(result);
    else
      conditionOfSimilarity(result);
  }

  void conditionOfExp(RoundingErrors &result) {
    Value bias = values.bias ? f.largest(values.bias) : f.constant(0.0);
    double slope = 0.0;
    for (double each : problem.alibi)
      slope = std::max(slope, std::abs(each));
    double fixed = 1 + slope * model.n + std::log(model.n);
    double unit = kWeightRoundings * kUnit, sums = model.sums;
    Value epsilonFound =
        f.single({logitError, radius, bias}, [&](ArrayRef<Number> x) {
          return 8.0 * (x[0] + (x[1] + x[2] + fixed) * unit + sums);
        });
    condition = f.constant(1.0);
    double n = model.n, heads = model.heads;
    // Σ_i s_ij is at most n, and at most e^2R where all weights are alike.
    bool alike = !certified.isWeighted();
    columns = f.single({radius}, [&](ArrayRef<Number> x) {
      Number most = x[0].constant(n * heads);
      return alike ? most.min((2.0 * x[0]).exp() * heads) : most;
    });
    accept(result, epsilonFound);
  }

  void conditionOfApproximation(RoundingErrors &result) {
    const ::ropegrad::Approximation &p = certified.polynomial->approximation;
    double least = (1 - p.bounds.delta) * std::exp(-p.radius) * (1 - 0x1p-20);
    double fixed = sizeAt(p.coefficients, p.radius) / least;
    double sums = model.sums;
    condition = f.constant(fixed);
    Value epsilonFound = f.single({logitError}, [&](ArrayRef<Number> x) {
      return (4.0 * x[0] + sums) * fixed;
    });
    bool masked = problem.mask != ::ropegrad::Mask::None;
    bool decays = !problem.alibi.empty() || problem.learnedBias;
    double rows = decays ? model.n : masked ? 2 + std::log(model.n) : 1;
    columns = f.constant(model.heads * rows);
    accept(result, epsilonFound);
    // A logit may lie outside of the interval by its own error. The radius is
    // there to keep the guard: what it finds within its limit is below this
    // one.
    double margin = p.radius * 0x1p-21, limit = p.radius * 2;
    result.isValid =
        f.single({result.isValid, logitError, radius}, [&](ArrayRef<Number> x) {
          return x[0]
              .where(x[1], margin)
              .where(4.0 * x[1] + sums, 0x1p-28)
              .where(x[2], limit);
        });
  }

  void conditionOfSimilarity(RoundingErrors &result) {
    Value least =
        f.largest(f.rows({values.denominators}, [](ArrayRef<Number> x) {
          return x[0].constant(1.0) / x[0];
        }));
    const std::vector<double> &p = problem.similarity;
    double n = model.n * (1 + 0x1p-8), sums = model.sums;
    condition = f.single({radius, least}, [&](ArrayRef<Number> x) {
      return sizeAt(p, x[0]) * x[1] * n + 1.0;
    });
    Value epsilonFound =
        f.single({logitError, condition}, [&](ArrayRef<Number> x) {
          return 2.0 * (4.0 * x[0] + sums) * x[1];
        });
    columns = f.constant(model.heads);
    accept(result, epsilonFound);
  }

  void accept(RoundingErrors &result, Value found) {
    epsilon = found;
    result.isValid = f.single({found}, [](ArrayRef<Number> x) {
      return x[0].constant(0.0).where(x[0], kMostEpsilon);
    });
  }

  void boundGradients(RoundingErrors &result) {
    Value g = f.largest(f.norms(values.upstream));
    bool isLoss = certified.isLoss();
    // X: at least the norm of a row of dO, or of O − E computed and exact.
    result.upstream = f.single({g, result.v}, [&](ArrayRef<Number> x) {
      return isLoss ? x[0] + x[1] : x[0];
    });
    Value weights = f.single({epsilon, condition}, [](ArrayRef<Number> x) {
      return kGradientRoundings * x[0] * x[1];
    });
    double scale = model.scale * model.width;
    Value slopes = f.single(
        {weights, result.v, result.upstream, table},
        [&](ArrayRef<Number> x) { return scale * x[0] * x[1] * x[2] * x[3]; });
    auto product = [&](ArrayRef<Value> factors, double fixed = 1.0) {
      return f.single(factors, [&](ArrayRef<Number> x) {
        Number result = x[0] * fixed;
        for (Number each : x.drop_front())
          result = result * each;
        return result;
      });
    };
    result.gradientOfQ = product({slopes, result.k});
    result.gradientOfK = product({slopes, result.q, columns});
    result.gradientOfV = product({weights, result.upstream, columns});
    result.gradientOfW = product({slopes, result.q, result.k}, model.all);
    result.gradientOfBias =
        product({weights, result.v, result.upstream}, model.all);
    if (!certified.isLoss())
      return;
    Value left = f.largest(f.norms(a.asTall(values.products[0]->left)));
    Value right = f.largest(f.norms(a.asTall(values.products[1]->left)));
    result.gradientOfX = product({slopes, left, right}, 2 * model.n);
  }

  RowFormulas f;
  Algebra &a;
  const CertifiedProblem &certified;
  const ::ropegrad::Problem &problem;
  const CertifiedValues &values;
  Model model;
  Value radius, logitError, table, epsilon, condition, columns;
};

} // namespace

RoundingErrors mlir::ropegrad::roundingErrors(Algebra &a,
                                              const CertifiedProblem &certified,
                                              const CertifiedValues &values) {
  return Rounding(a, certified, values).run();
}

Value mlir::ropegrad::finishBound(RowFormulas &f, Value x, Value isValid) {
  return f.single({x, isValid}, [](ArrayRef<Number> x) {
    Number bound = (x[0] + x[1]) * (1 + 0x1p-16) + 0x1p-960;
    // The largest double stands for infinity here: nan and infinity are not
    // below it.
    return bound.where(bound, 0x1.fffffffffffffp+1023);
  });
}
