//===- ProblemTest.cpp - What follows from a problem -----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Names, support and radius of a problem, and every check of its meaning.
//
//===----------------------------------------------------------------------===//

#include "passes/Planner.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

using namespace ropegrad;

namespace {

const double kNan = std::nan("");
const double kInfinity = std::numeric_limits<double>::infinity();

Problem loss() {
  Problem p;
  p.n = 16;
  p.d = 4;
  p.channels = 4;
  p.scale = 0.25;
  p.wrt = {"X1", "X2", "Y"};
  return p;
}

Problem attention() {
  Problem p = loss();
  p.entry = Entry::Attention;
  p.batch = 2;
  p.heads = 6;
  p.kvHeads = 3;
  p.wrt = {"Q", "K", "V"};
  return p;
}

using Change = std::function<void(Problem &)>;

std::string errorAfter(Problem p, const Change &change) {
  change(p);
  return validate(p);
}

TEST(Problem, Names) {
  EXPECT_STREQ(toString(Entry::LossGradient), "loss-gradient");
  EXPECT_STREQ(toString(Entry::Attention), "attention");
  EXPECT_STREQ(toString(Position::Rotary), "rotary");
  EXPECT_STREQ(toString(Position::General), "general");
  EXPECT_STREQ(toString(Position::None), "none");
  EXPECT_STREQ(toString(Layout::Interleaved), "interleaved");
  EXPECT_STREQ(toString(Layout::Half), "half");
  EXPECT_STREQ(toString(Mask::None), "none");
  EXPECT_STREQ(toString(Mask::Causal), "causal");
  EXPECT_STREQ(toString(Mask::Window), "window");
  EXPECT_STREQ(toString(DType::F32), "f32");
  EXPECT_STREQ(toString(DType::F64), "f64");
  EXPECT_STREQ(toString(DType::BF16), "bf16");
  EXPECT_STREQ(toString(DType::F16), "f16");
  EXPECT_STREQ(toString(Route::Auto), "auto");
  EXPECT_STREQ(toString(Route::Exact), "exact");
  EXPECT_STREQ(toString(Route::Features), "features");
  EXPECT_STREQ(toString(Route::Scan), "scan");
  EXPECT_STREQ(toString(Route::FFT), "fft");
  EXPECT_STREQ(toString(Fit::Minimax), "minimax");
  EXPECT_STREQ(toString(Fit::Taylor), "taylor");
  EXPECT_STREQ(toString(Fit::Weighted), "weighted");
  EXPECT_STREQ(toString(Centre::None), "none");
  EXPECT_STREQ(toString(Centre::Keys), "keys");
  EXPECT_STREQ(toString(Centre::Queries), "queries");
  EXPECT_STREQ(toString(Centre::Both), "both");
  EXPECT_STREQ(toString(Centre::Auto), "auto");
}

TEST(Problem, DefaultSupport) {
  using Support = std::vector<SupportEntry>;
  EXPECT_EQ(
      defaultSupport(Position::Rotary, Layout::Interleaved, 4),
      (Support{
          {0, 0}, {0, 1}, {1, 0}, {1, 1}, {2, 2}, {2, 3}, {3, 2}, {3, 3}}));
  EXPECT_EQ(
      defaultSupport(Position::Rotary, Layout::Half, 4),
      (Support{
          {0, 0}, {0, 2}, {2, 0}, {2, 2}, {1, 1}, {1, 3}, {3, 1}, {3, 3}}));
  EXPECT_EQ(defaultSupport(Position::None, Layout::Half, 2),
            (Support{{0, 0}, {1, 1}}));
  EXPECT_TRUE(defaultSupport(Position::General, Layout::Half, 4).empty());
}

TEST(Problem, ImpliedRadius) {
  Problem p = loss();
  EXPECT_FALSE(p.impliedRadius());
  p.bound = 2.0;
  EXPECT_DOUBLE_EQ(*p.impliedRadius(), 0.25 * 4 * 4.0);
  p.position = Position::General;
  p.support = {{0, 0}, {1, 1}, {2, 0}};
  EXPECT_EQ(p.supportSize(), 3);
  EXPECT_DOUBLE_EQ(*p.impliedRadius(), 0.25 * 3 * 4.0);
  p.radius = 0.5;
  EXPECT_DOUBLE_EQ(*p.impliedRadius(), 0.5);
  p = loss();
  p.bounds = {4, 2, 1, 1};
  EXPECT_DOUBLE_EQ(*p.impliedRadius(), 0.25 * 8);
  p.bound = 2.0;
  EXPECT_DOUBLE_EQ(*p.impliedRadius(), 0.25 * 8);
  p.bound = 1.0;
  EXPECT_DOUBLE_EQ(*p.impliedRadius(), 0.25 * 4);
}

TEST(Problem, Wants) {
  Problem p = loss();
  EXPECT_TRUE(p.wants("X1"));
  EXPECT_FALSE(p.wants("X"));
  EXPECT_TRUE(p.needsGradient());
  p.wrt.clear();
  EXPECT_FALSE(p.needsGradient());
}

TEST(Validate, AcceptsSoundProblems) {
  EXPECT_EQ(validate(loss()), "");
  EXPECT_EQ(validate(attention()), "");
  const Change changes[] = {
      [](Problem &p) { p.n = 1; },
      [](Problem &p) { p.wrt.clear(); },
      [](Problem &p) { p.alibi = {0.0}; },
      [](Problem &p) { p.alibi = {0.5}; },
      [](Problem &p) { p.window = 0; },
      [](Problem &p) { p.tolerance = 1e-5; },
      [](Problem &p) { p.bound = 12.0; },
      [](Problem &p) { p.similarity = {1.0, 0.0, 0.5}; },
      [](Problem &p) { p.dtype = DType::F64, p.tolerance = 1e-12; },
      [](Problem &p) { p.dtype = DType::BF16, p.tolerance = 0x1p-8; },
      [](Problem &p) { p.dtype = DType::F16, p.tolerance = 0x1p-11; },
      [](Problem &p) { p.mask = Mask::Window, p.window = 99; },
      [](Problem &p) { p.position = Position::None, p.d = 5; },
      [](Problem &p) { p.learnedBias = true, p.wrt.push_back("bias"); },
      [](Problem &p) {
        p.position = Position::General;
        p.support = {{3, 0}, {0, 3}};
        p.wrt = {"W"};
      },
      [](Problem &p) {
        p.support = defaultSupport(p.position, p.layout, p.d);
        std::swap(p.support[0], p.support[5]);
      }};
  for (const Change &change : changes) {
    EXPECT_EQ(errorAfter(loss(), change), "");
    EXPECT_EQ(errorAfter(attention(), change), "");
  }
  EXPECT_EQ(
      errorAfter(attention(), [](Problem &p) { p.alibi.assign(6, 0.25); }), "");
}

struct Refusal {
  Change change;
  const char *message;
};

void expectRefusals(const Problem &base, const std::vector<Refusal> &refusals) {
  for (const Refusal &refusal : refusals)
    EXPECT_EQ(errorAfter(base, refusal.change), refusal.message);
}

TEST(Validate, Sizes) {
  expectRefusals(
      attention(),
      {{[](Problem &p) { p.n = 0; }, "expected n to be positive, but got 0"},
       {[](Problem &p) { p.d = -4; }, "expected d to be positive, but got -4"},
       {[](Problem &p) { p.batch = 0; },
        "expected batch to be positive, but got 0"},
       {[](Problem &p) { p.heads = 0; },
        "expected heads to be positive, but got 0"},
       {[](Problem &p) { p.kvHeads = 0; },
        "expected kv-heads to be positive, but got 0"},
       {[](Problem &p) { p.kvHeads = 4; },
        "expected kv-heads to divide heads (6), but got 4"},
       {[](Problem &p) { p.d = 7; },
        "expected d to be even for rotary position, but got 7"},
       {[](Problem &p) { p.n = int64_t(1) << 36; },
        "expected batch * heads * n * d to be below 2^40, but got "
        "3.29853e+12"}});
  expectRefusals(
      loss(),
      {{[](Problem &p) { p.channels = 0; },
        "expected channels to be positive, but got 0"},
       {[](Problem &p) { p.heads = 2; },
        "expected heads to be 1 for entry loss-gradient, but got 2"},
       {[](Problem &p) { p.batch = 3; },
        "expected batch to be 1 for entry loss-gradient, but got 3"},
       {[](Problem &p) { p.n = std::numeric_limits<int64_t>::max(); },
        "expected n to be below 2^40, but got 9223372036854775807"},
       {[](Problem &p) { p.d = std::numeric_limits<int64_t>::max() - 1; },
        "expected d to be below 2^40, but got 9223372036854775806"},
       {[](Problem &p) { p.channels = int64_t(1) << 20, p.wrt = {"X"}; },
        "expected channels^2 * support to be below 2^40, but got "
        "8.79609e+12"}});
}

TEST(Validate, Position) {
  auto general = [](const std::vector<SupportEntry> &support) {
    return [support](Problem &p) {
      p.position = Position::General;
      p.support = support;
    };
  };
  expectRefusals(
      loss(),
      {{general({}), "expected a support for position general, but got none"},
       {general({{0, 4}}),
        "expected support entries from 0:0 to 3:3, but got 0:4"},
       {general({{-1, 0}}),
        "expected support entries from 0:0 to 3:3, but got -1:0"},
       {[](Problem &p) { p.support = {{0, 0}}; },
        "expected the support to be a permutation of that of rotary position "
        "(8 entries), but got 1 entries"},
       {[](Problem &p) {
          p.support = defaultSupport(p.position, Layout::Half, p.d);
        },
        "expected the support to be a permutation of that of rotary position "
        "(with 0:1), but got 0:2"},
       {[](Problem &p) { p.base = 0.0; },
        "expected base to be positive and finite, but got 0"}});
}

TEST(Validate, MaskBiasAndSimilarity) {
  expectRefusals(
      attention(),
      {{[](Problem &p) { p.mask = Mask::Window; },
        "expected a window of at least 1 under mask window, but got 0"},
       {[](Problem &p) { p.alibi = {1.0, 2.0}; },
        "expected 1 or 6 alibi slopes, but got 2"},
       {[](Problem &p) { p.alibi = {-1.0}; },
        "expected alibi slopes to be finite and not negative, but got -1"},
       {[](Problem &p) { p.alibi = {kInfinity}; },
        "expected alibi slopes to be finite and not negative, but got inf"},
       {[](Problem &p) { p.learnedBias = true, p.similarity = {1, 1}; },
        "expected similarity exp beside a learned bias, but got a polynomial"},
       {[](Problem &p) { p.similarity = {1, kInfinity}; },
        "expected similarity coefficients to be finite, but got inf"},
       {[](Problem &p) { p.similarity = {0, 0}; },
        "expected a similarity coefficient other than 0, but got none"}});
}

TEST(Validate, Numbers) {
  for (double bad : {0.0, -1.0, kInfinity}) {
    std::string got =
        " to be positive and finite, but got " + std::string(bad == 0  ? "0"
                                                             : bad < 0 ? "-1"
                                                                       : "inf");
    EXPECT_EQ(errorAfter(loss(), [=](Problem &p) { p.scale = bad; }),
              "expected scale" + got);
    EXPECT_EQ(errorAfter(loss(), [=](Problem &p) { p.bound = bad; }),
              "expected bound" + got);
    EXPECT_EQ(errorAfter(loss(), [=](Problem &p) { p.radius = bad; }),
              "expected radius" + got);
    EXPECT_EQ(errorAfter(loss(), [=](Problem &p) { p.sigma = bad; }),
              "expected sigma" + got);
  }
  EXPECT_NE(errorAfter(loss(), [](Problem &p) { p.bound = kNan; }), "");
  for (double bad : {0.0, 1.0, -0.5, 2.0, kNan, kInfinity})
    EXPECT_NE(errorAfter(loss(), [=](Problem &p) { p.tolerance = bad; }), "");
  EXPECT_EQ(errorAfter(loss(), [](Problem &p) { p.tolerance = 1e-7; }),
            "expected a tolerance of at least 4.8e-07, which is what f32 can "
            "hold, but got 1e-07");
  EXPECT_EQ(errorAfter(loss(), [](Problem &p) { p.degree = 25; }),
            "expected a degree of at most 24, but got 25");
  EXPECT_EQ(errorAfter(loss(),
                       [](Problem &p) {
                         p.similarity = {1, 1, 0.5, 0};
                         p.degree = 3;
                       }),
            "expected degree 2, that of the polynomial similarity, but got 3");
}

TEST(Validate, CentredKeys) {
  auto centred = [](Problem &p) { p.centre = Centre::Keys; };
  EXPECT_EQ(errorAfter(loss(), centred), "");
  EXPECT_EQ(errorAfter(attention(), centred), "");
  EXPECT_EQ(errorAfter(loss(),
                       [&](Problem &p) {
                         centred(p);
                         p.similarity = {1, 1};
                       }),
            "expected similarity exp with centred keys, whose logits differ by "
            "a constant of each row, but got a polynomial");
  EXPECT_EQ(errorAfter(loss(),
                       [&](Problem &p) {
                         centred(p);
                         p.position = Position::General;
                         p.support = {{0, 0}};
                       }),
            "expected position rotary or none with centred keys, but got "
            "general");
  EXPECT_EQ(errorAfter(loss(),
                       [&](Problem &p) {
                         centred(p);
                         p.route = Route::Exact;
                       }),
            "expected a route with a polynomial for centred keys, but got "
            "exact");
}

TEST(Validate, CentredQueries) {
  for (Centre rows : {Centre::Queries, Centre::Both}) {
    auto with = [&](auto change) {
      return errorAfter(attention(), [&](Problem &p) {
        p.centre = rows;
        change(p);
      });
    };
    EXPECT_EQ(with([](Problem &) {}), "");
    EXPECT_EQ(with([](Problem &p) { p.route = Route::Features; }), "");
    EXPECT_EQ(with([](Problem &p) { p.mask = Mask::Causal; }),
              "expected no mask with centred queries, whose keys have weights "
              "that may be too small for a row that sees no others, but got "
              "causal");
    const char *others = "expected no alibi and no bias with centred queries, "
                         "whose keys have weights of their own, but got ";
    EXPECT_EQ(with([](Problem &p) { p.alibi = {0.5}; }),
              others + std::string("alibi"));
    EXPECT_EQ(with([](Problem &p) { p.learnedBias = true; }),
              others + std::string("a learned bias"));
    EXPECT_EQ(with([](Problem &p) { p.route = Route::FFT; }),
              "expected route auto or features for centred queries, but got "
              "fft");
  }
  EXPECT_EQ(errorAfter(loss(),
                       [](Problem &p) {
                         p.centre = Centre::Queries;
                         p.similarity = {1, 1};
                       }),
            "expected similarity exp with centred queries, whose logits differ "
            "by a constant of each column, but got a polynomial");
}

TEST(Validate, BoundsOfCoordinates) {
  EXPECT_EQ(errorAfter(loss(), [](Problem &p) { p.bounds = {1, 1, 2, 2}; }),
            "");
  EXPECT_EQ(errorAfter(loss(), [](Problem &p) { p.bounds = {1, 1, 2}; }),
            "expected 4 bounds, one for each coordinate, but got 3");
  for (double bad : {0.0, -1.0, kInfinity, kNan})
    EXPECT_NE(errorAfter(loss(), [=](Problem &p) { p.bounds = {1, bad, 1, 1}; })
                  .find("expected bounds to be positive and finite, but got"),
              std::string::npos);
  EXPECT_EQ(errorAfter(loss(),
                       [](Problem &p) {
                         p.bounds = {1, 1, 1, 1};
                         p.position = Position::General;
                         p.support = {{0, 0}};
                       }),
            "expected position rotary or none with bounds of coordinates, but "
            "got general");
  EXPECT_EQ(errorAfter(loss(),
                       [](Problem &p) {
                         p.bounds = {1, 1, 1, 1};
                         p.similarity = {1, 1};
                       }),
            "expected similarity exp with bounds of coordinates, but got a "
            "polynomial");
}

TEST(Validate, TypesAndGradients) {
  auto wrt = [](const std::vector<std::string> &names) {
    return [names](Problem &p) { p.wrt = names; };
  };
  expectRefusals(
      loss(),
      {{[](Problem &p) { p.dtype = DType::BF16, p.tolerance = 0.0039; },
        "expected a tolerance of at least 0.0039, which is what bf16 can hold, "
        "but got 0.0039"},
       {[](Problem &p) { p.dtype = DType::F16, p.tolerance = 4e-4; },
        "expected a tolerance of at least 0.00049, which is what f16 can hold, "
        "but got 0.0004"},
       {[](Problem &p) { p.dtype = DType::F16, p.similarity = {1, 1e-300}; },
        "expected similarity coefficients that f32 can hold, but got 1e-300"},
       {wrt({"Q"}), "expected wrt of entry loss-gradient to be among X1, X2, "
                    "Y, X, A1, A2, A3, W, bias, but got 'Q'"},
       {wrt({"X1", "X1"}),
        "expected distinct names in wrt, but got 'X1' twice"},
       {wrt({"W"}), "expected position general for W in wrt, but got rotary"},
       {wrt({"bias"}),
        "expected a learned bias for bias in wrt, but got none"}});
  expectRefusals(attention(),
                 {{wrt({"X"}), "expected wrt of entry attention to be among "
                               "Q, K, V, W, bias, but got 'X'"}});
}

} // namespace
