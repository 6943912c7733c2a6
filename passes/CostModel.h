//===- CostModel.h - What a route costs ------------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Flops, bytes and milliseconds of each route: the numbers `plan` compares.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_COSTMODEL_H
#define ROPEGRAD_PASSES_COSTMODEL_H

#include "dialect/Problem.h"

#include "llvm/ADT/StringRef.h"

#include <optional>
#include <string>
#include <vector>

namespace ropegrad {

/// Times of one machine, from which those of a problem are predicted. Measured
/// by `./dev bench --calibrate`; what ships is passes/Calibration.json.
struct CostModel {
  /// One head and one thread at a width d: nanoseconds for each row, and for
  /// 10^9 of the flops that exactFlops or featuresFlops count, one second per
  /// `gflops`. f32, forward pass and gradient.
  struct Rate {
    double d = 0, rowNs = 0, gflops = 0;
  };
  std::vector<Rate> exact, features; ///< by d, ascending, not empty
  /// How many times longer the features route takes than its rate says where
  /// `stored` monomials of a row (those of degree < g) are held at once: blocks
  /// of rows then leave the caches.
  struct Slowdown {
    double stored = 0, factor = 1;
  };
  std::vector<Slowdown> slowdowns; ///< by stored, ascending
  double generalGFlops = 0; ///< exact, where attention's own loops do not serve
  double callUs = 0;        ///< of a call, whatever it does
  int64_t vectorBits = 0;   ///< of the kernels that were measured

  /// What the project ships.
  static const CostModel &shipped();
  /// Reads what `./dev bench --calibrate` writes; otherwise says what is wrong.
  static std::string parse(llvm::StringRef json, CostModel &model);
  /// parse() of a file, with its name in the message.
  static std::string read(const std::string &path, CostModel &model);
  /// For kernels with vectors of `bits`: rates in proportion.
  CostModel forVectors(int64_t bits) const;

  /// Per head 14 n^2 d with gradients and 4 n^2 d without, n^2 being the pairs
  /// that the mask leaves; plus the projections of the loss entry and, for
  /// the gradient of X, 2 n^2 c + 2 n c^2 for each entry of the support.
  static double exactFlops(const Problem &problem);

  /// Per head 12 n M (d+1) with gradients and 4 n M (d+1) without; plus the
  /// projections and, for the gradient of X, 6 n M' c (d+1) for each entry of
  /// the support (M' features of degree < g).
  /// Where only some monomials are kept, M is that number.
  static double featuresFlops(const Problem &problem, unsigned degree,
                              std::optional<int64_t> kept = std::nullopt);

  /// Inputs, outputs and the tall arrays between them (eight n x d a head).
  static double exactBytes(const Problem &problem);
  /// The same, and G and dG (M x (d+1) each) a head.
  static double featuresBytes(const Problem &problem, unsigned degree,
                              std::optional<int64_t> kept = std::nullopt);

  /// Of a call on `threads` threads whose flops are `flops`; `degree` is that
  /// of the polynomial on an almost-linear route, `stored` the number of
  /// monomials of lower degree where it is not that of all.
  double milliseconds(const Problem &problem, Route route, double flops,
                      int64_t threads,
                      std::optional<unsigned> degree = std::nullopt,
                      std::optional<int64_t> stored = std::nullopt) const;
};

} // namespace ropegrad

#endif // ROPEGRAD_PASSES_COSTMODEL_H
