//===- Certificate.h - Bounds of the errors of a kernel --------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The bounds of docs/contract.md, whose names these are: what one attention
// problem was computed to be in double, and how far that can be from the truth.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_CERTIFICATE_H
#define ROPEGRAD_PASSES_CERTIFICATE_H

#include "passes/Formula.h"
#include "passes/Majorant.h"

namespace mlir::ropegrad {

/// What is certified, as numbers of the compiler.
struct CertifiedProblem {
  ::ropegrad::Problem problem;
  int64_t monomials = 0; ///< M of the polynomial; 0 where there is none
  /// In place of exp, on almost-linear routes.
  std::optional<::ropegrad::CertificatePolynomial> polynomial;

  bool isLoss() const {
    return problem.entry == ::ropegrad::Entry::LossGradient;
  }
  /// The polynomial that stands for the similarity, whether it is the model or
  /// an approximation; empty for exp.
  const std::vector<double> &similarity() const {
    return polynomial ? polynomial->approximation.coefficients
                      : problem.similarity;
  }
  bool isWeighted() const { ///< a prefactor other than 1
    return problem.mask != ::ropegrad::Mask::None || problem.learnedBias ||
           !problem.alibi.empty();
  }
};

/// Values of f64 on tensors (B, H, n, d), rotated where rotary.
struct CertifiedValues {
  Value q, k, v;
  Value uncentred;    ///< k with its mean; null where it was not subtracted
  Value upstream;     ///< dO, or O − E; null without gradient
  Value output;       ///< O
  Value denominators; ///< D of a polynomial; null for exp
  Value gradientOfQ;  ///< for the approximate routes
  Value bias, w;      ///< null where there is none
  /// Of the loss entry, whose Q, K and V are products.
  struct Product {
    Value left, right; ///< A (n, c) and X (c, d)
  };
  std::optional<Product> products[3];
  Value radius; ///< as measured, where there is a guard
};

/// Largest errors of the values computed in double, against exact arithmetic,
/// by the rounding model: single numbers.
struct RoundingErrors {
  Value output, gradientOfQ, gradientOfK, gradientOfV;
  Value gradientOfW, gradientOfBias, gradientOfX;
  /// Rows' largest norms; the width of V and the upstream gradient together.
  Value q, k, v, upstream;
  Value isValid; ///< 0, or infinity where the model does not hold
};

RoundingErrors roundingErrors(Algebra &a, const CertifiedProblem &certified,
                              const CertifiedValues &values);

/// Largest errors of rows of the values computed in double against the truth,
/// exp's polynomial included: (B, H, n), and (B, H', n) for keys.
struct RowErrors {
  Value output;
  Value gradientOfQ, gradientOfK, gradientOfV; ///< null without gradient
  Value slopes; ///< Σ_j |γ̃_ij − γ_ij|, where asked for
};

RowErrors rowErrors(Algebra &a, const CertifiedProblem &certified,
                    const CertifiedValues &values,
                    const RoundingErrors &rounding, PlanAttr plan,
                    bool gradient, bool slopes);

/// (1 + 2^-16) x + 2^-960, and infinity for nan: the last word on a bound.
Value finishBound(RowFormulas &f, Value x, Value isValid);

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_CERTIFICATE_H
