//===- Problem.cpp - One attention problem, as plain data ------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Names of the enumerations, and what follows from a problem at once.
//
//===----------------------------------------------------------------------===//

#include "dialect/Problem.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace ropegrad {

const char *toString(Entry entry) {
  return entry == Entry::LossGradient ? "loss-gradient" : "attention";
}

const char *toString(Position position) {
  switch (position) {
  case Position::Rotary:
    return "rotary";
  case Position::General:
    return "general";
  case Position::None:
    break;
  }
  return "none";
}

const char *toString(Layout layout) {
  return layout == Layout::Interleaved ? "interleaved" : "half";
}

const char *toString(Mask mask) {
  switch (mask) {
  case Mask::Causal:
    return "causal";
  case Mask::Window:
    return "window";
  case Mask::None:
    break;
  }
  return "none";
}

const char *toString(DType dtype) {
  switch (dtype) {
  case DType::F64:
    return "f64";
  case DType::BF16:
    return "bf16";
  case DType::F16:
    return "f16";
  case DType::F32:
    break;
  }
  return "f32";
}

const char *toString(Route route) {
  switch (route) {
  case Route::Exact:
    return "exact";
  case Route::Features:
    return "features";
  case Route::Scan:
    return "scan";
  case Route::FFT:
    return "fft";
  case Route::Auto:
    break;
  }
  return "auto";
}

const char *toString(Fit fit) {
  switch (fit) {
  case Fit::Taylor:
    return "taylor";
  case Fit::Weighted:
    return "weighted";
  case Fit::Minimax:
    break;
  }
  return "minimax";
}

const char *toString(Centre centre) {
  switch (centre) {
  case Centre::Keys:
    return "keys";
  case Centre::Queries:
    return "queries";
  case Centre::Both:
    return "both";
  case Centre::Auto:
    return "auto";
  case Centre::None:
    break;
  }
  return "none";
}

bool Problem::operator==(const Problem &other) const {
  auto fields = [](const Problem &p) {
    return std::tie(p.entry, p.n, p.d, p.channels, p.batch, p.heads, p.kvHeads,
                    p.scale, p.position, p.layout, p.base, p.support, p.mask,
                    p.window, p.alibi, p.learnedBias, p.biasPerHead,
                    p.similarity, p.dtype, p.wrt, p.bound, p.bounds, p.radius,
                    p.tolerance, p.route, p.degree, p.fit, p.sigma, p.centre);
  };
  return fields(*this) == fields(other);
}

bool Problem::wants(const std::string &name) const {
  return std::find(wrt.begin(), wrt.end(), name) != wrt.end();
}

int64_t Problem::supportSize() const {
  switch (position) {
  case Position::Rotary:
    return 2 * d;
  case Position::None:
    return d;
  case Position::General:
    break;
  }
  return static_cast<int64_t>(support.size());
}

std::optional<double> Problem::impliedRadius() const {
  if (radius)
    return radius;
  std::optional<double> sum;
  if (!bounds.empty())
    sum = scale * std::accumulate(bounds.begin(), bounds.end(), 0.0);
  if (!bound)
    return sum;
  // Rotations keep the norm, so a logit is at most scale * (sqrt(d) B)^2; a
  // general W sums s products of size B^2, given |W| <= 1.
  int64_t terms = position == Position::General ? supportSize() : d;
  double product = scale * static_cast<double>(terms) * *bound * *bound;
  return sum ? std::min(*sum, product) : product;
}

std::vector<SupportEntry> defaultSupport(Position position, Layout layout,
                                         int64_t d) {
  std::vector<SupportEntry> support;
  if (position == Position::None)
    for (int64_t i = 0; i < d; ++i)
      support.emplace_back(i, i);
  if (position == Position::Rotary)
    for (int64_t k = 0; k < d / 2; ++k) {
      bool interleaved = layout == Layout::Interleaved;
      int64_t a = interleaved ? 2 * k : k;
      int64_t b = interleaved ? 2 * k + 1 : k + d / 2;
      support.insert(support.end(), {{a, a}, {a, b}, {b, a}, {b, b}});
    }
  return support;
}

int64_t polynomialDegree(const std::vector<double> &coefficients) {
  int64_t degree = static_cast<int64_t>(coefficients.size()) - 1;
  while (degree > 0 && coefficients[degree] == 0.0)
    --degree;
  return std::max<int64_t>(degree, 0);
}

} // namespace ropegrad
