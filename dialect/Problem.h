//===- Problem.h - One attention problem, as plain data --------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The problem that a user poses (problem.json, flags, or a level-1 op), without
// MLIR: what the planner, the tools and the passes hand to one another.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_DIALECT_PROBLEM_H
#define ROPEGRAD_DIALECT_PROBLEM_H

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ropegrad {

enum class Entry { LossGradient, Attention };
enum class Position { Rotary, General, None };
enum class Layout { Interleaved, Half };
enum class Mask { None, Causal, Window };
enum class DType { F32, F64, BF16, F16 };
enum class Route { Auto, Exact, Features, Scan, FFT };
enum class Fit { Minimax, Taylor, Weighted };
/// Auto is for the tools to decide, None wherever it gets further.
enum class Centre { None, Keys, Queries, Both, Auto };
constexpr bool centresKeys(Centre centre) {
  return centre == Centre::Keys || centre == Centre::Both;
}
constexpr bool centresQueries(Centre centre) {
  return centre == Centre::Queries || centre == Centre::Both;
}

/// The names used on the command line, in JSON and in the IR.
const char *toString(Entry);
const char *toString(Position);
const char *toString(Layout);
const char *toString(Mask);
const char *toString(DType);
const char *toString(Route);
const char *toString(Fit);
const char *toString(Centre);

/// (row, column) of one entry of W_t that may be non-zero.
using SupportEntry = std::pair<int64_t, int64_t>;

struct Problem {
  Entry entry = Entry::LossGradient;
  int64_t n = 0;        ///< sequence length
  int64_t d = 0;        ///< width of one head
  int64_t channels = 0; ///< columns of A1, A2, A3 (entry loss-gradient)
  int64_t batch = 1, heads = 1, kvHeads = 1; ///< entry attention
  double scale = 0.0; ///< of the logits; 1/d unless the user says otherwise

  Position position = Position::Rotary;
  Layout layout = Layout::Interleaved;
  double base = 10000.0;
  /// Support S of W: given for general; for rotary and none the order of the
  /// columns of dX (filled in with the default order when empty).
  std::vector<SupportEntry> support;

  Mask mask = Mask::None;
  int64_t window = 0;        ///< only under Mask::Window
  std::vector<double> alibi; ///< empty: none; one slope; or one per head
  bool learnedBias = false;  ///< bias of 2n-1 numbers (per head: biasPerHead)
  bool biasPerHead = false;  ///< bias is (heads, 2n-1)
  /// Empty: exp. Otherwise the coefficients p0, p1, ... of the similarity.
  std::vector<double> similarity;

  DType dtype = DType::F32;
  /// Gradients asked for, by the name of their variable (X1, X2, Y, X, A1, A2,
  /// A3, W, bias; Q, K, V, W, bias). Empty: forward pass only.
  std::vector<std::string> wrt;

  std::optional<double> bound; ///< entry bound B of Q and K
  /// Empty, or for each coordinate a bound of |Q_ia K_ja|: for all rows i and
  /// j, max |Q_ia| max |K_ja| <= bounds[a]. Under rotary position, which mixes
  /// the coordinates of a pair, max ||Q_i,ab|| max ||K_j,ab|| <= bounds[a] +
  /// bounds[b], before the rotation or after it.
  std::vector<double> bounds;
  std::optional<double> radius;    ///< logit radius R; wins over bound
  std::optional<double> tolerance; ///< relative error of weights, 0 < eps < 1

  Route route = Route::Auto; ///< Auto, or the route that the user forces
  std::optional<unsigned> degree;
  Fit fit = Fit::Minimax;
  std::optional<double> sigma; ///< deviation of the weighted fit; default R/3
  /// Keys, Queries: bound, bounds and radius are those of rows without their
  /// mean, which is taken after the rotation, over all keys of a head and over
  /// all queries that meet them.
  Centre centre = Centre::None;

  bool operator==(const Problem &other) const;

  bool isExp() const { return similarity.empty(); }
  bool wants(const std::string &name) const;
  bool needsGradient() const { return !wrt.empty(); }
  /// Size of the support: s. Rotary 2d, none d, general support.size().
  int64_t supportSize() const;
  /// The logit radius that bound or radius imply, before widening:
  /// radius, else scale*d*B^2 (rotary, none), scale*s*B^2 (general) or
  /// scale*sum(bounds), the smaller of those that are given.
  std::optional<double> impliedRadius() const;
};

/// Default support order: rotary per pair aa, ab, ba, bb; none the diagonal.
std::vector<SupportEntry> defaultSupport(Position, Layout, int64_t d);

/// Degrees above this are not tried: in double their fits gain nothing.
constexpr int64_t kMaxDegree = 24;

/// The degree of sum_k coefficients[k] z^k, zero leading terms left out.
int64_t polynomialDegree(const std::vector<double> &coefficients);

/// The first reason why the problem makes no sense or is not supported
/// ("expected d to be even for rotary position, but got 7"); empty if none.
std::string validate(const Problem &problem);

} // namespace ropegrad

#endif // ROPEGRAD_DIALECT_PROBLEM_H
