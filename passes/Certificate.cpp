//===- Certificate.cpp - Bounds of the errors of a kernel ------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The theorem of docs/contract.md as algebra on the implicit matrices of the
// kernel: sums of majorants of the polynomial's error over rows and columns.
//
//===----------------------------------------------------------------------===//

#include "passes/Certificate.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

/// Share of a row's majorant, at the largest logits, that covers the rounding
/// of its sum.
constexpr double kMajorantSlack = 0x1p-26;
/// Covers the relative error of sums of weights, at most kMostEpsilon.
constexpr double kWeightSlack = 0x1p-8;
constexpr double kNormSlack = 0x1p-20;

/// Columns of a stack, at least: one set of kernels serves all of them.
constexpr size_t kColumns = 3;

using Coefficients = std::vector<double>;

/// m(z) with its slack for |z| <= radius.
Coefficients withSlack(Coefficients m, double radius) {
  double size = 0.0, power = 1.0;
  for (size_t k = 0; k < m.size(); ++k, power *= std::max(1.0, radius))
    size += m[k] * std::pow(std::max<double>(1, k), 2) * power;
  m[0] += size * kMajorantSlack;
  return m;
}

/// p + m + m', at least p, |p'| and κ exp, with the slack of a sum.
Coefficients dominating(const ::ropegrad::CertificatePolynomial &polynomial) {
  Coefficients sum = polynomial.approximation.coefficients;
  for (const Coefficients *m :
       {&polynomial.majorant, &polynomial.majorantPrime})
    for (size_t k = 0; k < m->size(); ++k)
      sum[k] += (*m)[k];
  for (double &c : sum)
    c *= 1 + kWeightSlack;
  return sum;
}

class Rows {
public:
  Rows(Algebra &a, const CertifiedProblem &certified,
       const CertifiedValues &values, const RoundingErrors &rounding,
       PlanAttr plan)
      : f(a), a(a), b(a.b), certified(certified), problem(certified.problem),
        values(values), rounding(rounding), plan(plan),
        isLoss(certified.isLoss() ? 1.0 : 0.0), scale(std::abs(problem.scale)) {
    makeLogits();
    const auto &polynomial = *certified.polynomial;
    double radius = polynomial.approximation.radius;
    majorant = withSlack(polynomial.majorant, radius);
    if (!polynomial.majorantPrime.empty())
      slope = withSlack(polynomial.majorantPrime, radius);
  }

  RowErrors run(bool gradient, bool slopes) {
    boundOutput();
    RowErrors result;
    result.output = output;
    if (!gradient)
      return result;
    boundQueries(slopes);
    result.gradientOfQ = queries;
    result.slopes = differences;
    boundKeys(result);
    return result;
  }

private:
  void makeLogits() {
    auto type = cast<RankedTensorType>(values.q.getType());
    matrixType = MatrixType::get(b.getContext(),
                                 {type.getDimSize(0), type.getDimSize(1),
                                  type.getDimSize(2), type.getDimSize(2)},
                                 b.getF64Type());
    logits =
        LogitsOp::create(b, a.loc, matrixType, values.q, values.k, Value(),
                         b.getF64FloatAttr(problem.scale), DenseI64ArrayAttr());
    bool hasMask = problem.mask != ::ropegrad::Mask::None;
    if (!hasMask && problem.alibi.empty())
      return;
    prefactor = ToeplitzOp::create(
        b, a.loc, matrixType, Value(),
        MaskAttr::get(b.getContext(), static_cast<Mask>(problem.mask)),
        problem.mask == ::ropegrad::Mask::Window
            ? b.getI64IntegerAttr(problem.window)
            : IntegerAttr(),
        problem.alibi.empty() ? DenseF64ArrayAttr()
                              : b.getDenseF64ArrayAttr(problem.alibi),
        ArrayAttr(), RouteAttr());
  }

  /// b ∘ c(Z).
  Value matrix(const Coefficients &c) {
    Value p = PolynomialOp::create(
        b, a.loc, matrixType, logits, b.getDenseF64ArrayAttr(c),
        b.getI64IntegerAttr(0), FloatAttr(), FloatAttr(), FloatAttr(), plan);
    if (prefactor)
      p = HadamardOp::create(b, a.loc, matrixType, prefactor, p);
    return p;
  }

  /// xs as one tall tensor.
  Value stack(ArrayRef<Value> xs) {
    SmallVector<Value> columns(xs);
    while (columns.size() < kColumns)
      columns.push_back(columns.back());
    return f.stack(columns);
  }

  /// The first `count` columns.
  SmallVector<Value> unstack(Value sums, size_t count) {
    SmallVector<Value> result;
    for (size_t i = 0; i < count; ++i)
      result.push_back(f.column(sums, static_cast<int64_t>(i)));
    return result;
  }

  /// One row of a stack for each row of `like`.
  RankedTensorType stackType(Value like, Value stacked) {
    auto type = cast<RankedTensorType>(stacked.getType());
    return withWidth(like, type.getDimSize(3));
  }

  /// Σ_j c(Z_ij) x_j for each x: (B, H, n).
  SmallVector<Value> overKeys(const Coefficients &c, ArrayRef<Value> xs) {
    Value stacked = stack(xs);
    Value sums = ApplyOp::create(b, a.loc, stackType(values.q, stacked),
                                 matrix(c), stacked, b.getF64FloatAttr(1.0));
    return unstack(sums, xs.size());
  }

  /// Σ_i c(Z_ij) x_i for each x, over the heads of a group: (B, H', n).
  SmallVector<Value> overQueries(const Coefficients &c, ArrayRef<Value> xs) {
    Value stacked = stack(xs);
    Value sums =
        ApplyTransposedOp::create(b, a.loc, stackType(values.k, stacked),
                                  matrix(c), stacked, b.getF64FloatAttr(1.0));
    return unstack(sums, xs.size());
  }

  /// Norms of rows, at least those of the exact rows.
  Value outwardNorms(Value tall, Value most) {
    return f.rows({f.norms(tall), most},
                  [](ArrayRef<Number> x) { return x[0] + x[1] * kNormSlack; });
  }

  Value ones(Value like) {
    return f.rows({like},
                  [](ArrayRef<Number> x) { return x[0].constant(1.0); });
  }

  void boundOutput() {
    widths = outwardNorms(values.v, rounding.v);
    outputs = f.rows({f.norms(values.output), rounding.output},
                     [](ArrayRef<Number> x) { return x[0] + x[1]; });
    SmallVector<Value> sums = overKeys(majorant, {ones(widths), widths});
    errors = sums[0];
    least = f.rows({values.denominators, errors}, [](ArrayRef<Number> x) {
      Number bound = x[0] * (1 - 0x1p-9) - x[1];
      return bound.max(bound.constant(0.0));
    });
    output = f.rows(
        {errors, sums[1], outputs, least, rounding.output},
        [](ArrayRef<Number> x) { return (x[1] + x[2] * x[0]) / x[3] + x[4]; });
  }

  void boundQueries(bool slopes) {
    double isLoss = this->isLoss, scale = this->scale;
    keys = outwardNorms(values.k, rounding.k);
    upstream =
        f.rows({f.norms(values.upstream), rounding.output},
               [&](ArrayRef<Number> x) { return x[0] + x[1] * (2 * isLoss); });
    // |ζ_ij| ≤ o_i · spread_i.
    spread = f.rows({outputs, upstream, output, rounding.v},
                    [&](ArrayRef<Number> x) {
                      return (x[3] + x[0] + x[2]) * isLoss + x[1];
                    });
    Value product =
        f.rows({keys, widths}, [](ArrayRef<Number> x) { return x[0] * x[1]; });
    SmallVector<Value> xs = {keys, product};
    if (slopes)
      xs.append({ones(keys), widths});
    SmallVector<Value> sums = overKeys(slope, xs);
    Value gradient = f.norms(values.gradientOfQ);
    queries = f.rows({sums[0], sums[1], outputs, upstream, errors, gradient,
                      least, output, spread, rounding.k, rounding.gradientOfQ},
                     [&](ArrayRef<Number> x) {
                       Number first = (x[1] + x[2] * x[0]) * x[3] * scale +
                                      x[4] * (x[5] + x[10]);
                       return first / x[6] + x[7] * x[8] * x[9] * scale + x[10];
                     });
    if (slopes)
      differences =
          f.rows({sums[2], sums[3], outputs, upstream, errors,
                  values.denominators, least, output, spread, rounding.v},
                 [](ArrayRef<Number> x) {
                   Number mass = x[5] * (1 + kWeightSlack) + x[4] + x[0];
                   Number first = x[1] + x[2] * x[0];
                   Number second = x[4] * mass / x[6] * (x[9] + x[2]);
                   return (first + second) * x[3] / x[6] + x[7] * x[8];
                 });
  }

  void boundKeys(RowErrors &result) {
    double isLoss = this->isLoss, scale = this->scale;
    Value norms = outwardNorms(values.q, rounding.q);
    // Of the weights' own error, and of what the output's error makes of it.
    Value shift =
        f.rows({errors, least, upstream, output}, [&](ArrayRef<Number> x) {
          return x[0] / x[1] * x[2] + x[3] * isLoss;
        });
    auto overLeast = [](ArrayRef<Number> x) { return x[0] / x[1]; };
    Value y0 = f.rows({upstream, least}, overLeast);
    Value u0 = f.rows({shift, least}, overLeast);
    auto product = [](ArrayRef<Number> x) { return x[0] * x[1]; };
    Value y1 = f.rows({y0, norms}, product);
    Value y2 = f.rows({y1, outputs}, product);
    Value u1 = f.rows({u0, norms}, product);
    Value u2 = f.rows({norms, least, outputs, shift, output, upstream},
                      [&](ArrayRef<Number> x) {
                        return x[0] / x[1] *
                               (x[2] * x[3] + x[4] * (x[5] + x[4] * isLoss));
                      });
    SmallVector<Value> t = overQueries(slope, {y1, y2});
    SmallVector<Value> u =
        overQueries(dominating(*certified.polynomial), {u0, u1, u2});
    SmallVector<Value> t0 = overQueries(majorant, {y0});
    result.gradientOfK =
        f.rows({widths, t[0], t[1], u[1], u[2], rounding.gradientOfK},
               [&](ArrayRef<Number> x) {
                 return (x[0] * (x[1] + x[3]) + x[2] + x[4]) * scale + x[5];
               });
    result.gradientOfV =
        f.rows({t0[0], u[0], rounding.gradientOfV},
               [](ArrayRef<Number> x) { return x[0] + x[1] + x[2]; });
  }

  RowFormulas f;
  Algebra &a;
  OpBuilder &b;
  const CertifiedProblem &certified;
  const ::ropegrad::Problem &problem;
  const CertifiedValues &values;
  const RoundingErrors &rounding;
  PlanAttr plan;
  double isLoss, scale;
  MatrixType matrixType;
  Value logits, prefactor;
  Coefficients majorant, slope;
  // Of query rows, but for widths and keys.
  Value widths, keys, outputs, upstream, errors, least, output, spread, queries,
      differences;
};

} // namespace

RowErrors mlir::ropegrad::rowErrors(Algebra &a,
                                    const CertifiedProblem &certified,
                                    const CertifiedValues &values,
                                    const RoundingErrors &rounding,
                                    PlanAttr plan, bool gradient, bool slopes) {
  return Rows(a, certified, values, rounding, plan).run(gradient, slopes);
}
