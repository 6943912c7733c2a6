//===- PlanTextTest.cpp - What --explain says ------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// What a plan says has to hold: advice is taken and planned again.
//
//===----------------------------------------------------------------------===//

#include "passes/PlanText.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

#include <gtest/gtest.h>

#include <regex>

using namespace ropegrad;

namespace {

Problem problem(int64_t n, int64_t d) {
  Problem p;
  p.n = n;
  p.d = d;
  p.channels = d;
  p.scale = 1.0 / static_cast<double>(d);
  p.wrt = {"X1", "X2", "Y"};
  return p;
}

Problem bounded(int64_t n, int64_t d, double radius, double tolerance) {
  Problem p = problem(n, d);
  p.radius = radius;
  p.tolerance = tolerance;
  return p;
}

Plan planOf(const Problem &p) {
  EXPECT_EQ(validate(p), "");
  PlanResult result = makePlan(p, 2);
  EXPECT_TRUE(result.plan) << result.error;
  return result.plan.value_or(Plan());
}

std::string explained(const Problem &p) {
  return planToText(p, planOf(p), 2, CostModel::shipped());
}

/// The paragraph of a route, on one line.
std::string paragraph(const std::string &text, const std::string &route) {
  size_t begin = text.find("\n\n" + route + " ");
  EXPECT_NE(begin, std::string::npos) << text;
  std::string part =
      text.substr(begin + 2, text.find("\n\n", begin + 2) - begin - 2);
  return std::regex_replace(part, std::regex("\\s+"), " ");
}

/// The number behind `words`, of which `part` has to hold one.
double numberAfter(const std::string &part, const std::string &words) {
  std::smatch match;
  bool found =
      std::regex_search(part, match, std::regex(words + " ([0-9.e+-]*[0-9])"));
  EXPECT_TRUE(found) << words << " in: " << part;
  return found ? std::stod(match[1]) : 0.0;
}

bool admits(const Problem &p) { return planOf(p).alternatives[1].admissible; }

TEST(PlanText, ListsEveryRouteWithinEightyColumns) {
  Problem general = problem(64, 8);
  general.degree = 3;
  general.radius = 4;
  general.tolerance = 1e-3;
  for (const Problem &p : {bounded(16384, 8, .5, 1e-3), problem(4096, 64),
                           bounded(64, 128, 9, 1e-4), general}) {
    std::string text = explained(p);
    llvm::SmallVector<llvm::StringRef> lines;
    llvm::StringRef(text).split(lines, '\n');
    for (llvm::StringRef line : lines)
      EXPECT_LE(line.size(), 80u) << line.str();
    for (const char *route : {"exact", "features", "scan", "fft"})
      EXPECT_EQ(paragraph(text, route).find(route), 0u);
  }
}

TEST(PlanText, TableHasWhatThePlanHas) {
  std::string text = explained(bounded(16384, 8, .5, 1e-3));
  EXPECT_TRUE(std::regex_search(
      text, std::regex("\nfeatures +4 +495 +[0-9.e-]+ +[0-9.e-]+ +[0-9.]+ ms"
                       "  chosen\n")))
      << text;
  EXPECT_TRUE(std::regex_search(
      text, std::regex("\nexact +- +- +- +- +[0-9.]+ ms  admissible\n")))
      << text;
}

TEST(PlanText, RadiusAndWidthThatItNamesAreAdmissible) {
  std::string part =
      paragraph(explained(bounded(4096, 16, 9, 1e-3)), "features");
  EXPECT_NE(part.find("not admissible: degree 16"), std::string::npos) << part;
  double radius = numberAfter(part, "would be with a radius of at most");
  EXPECT_TRUE(admits(bounded(4096, 16, radius, 1e-3)));
  EXPECT_FALSE(admits(bounded(4096, 16, 1.15 * radius, 1e-3)));
  int64_t d = static_cast<int64_t>(numberAfter(part, "d of at most"));
  EXPECT_TRUE(admits(bounded(4096, d, 9, 1e-3)));
  EXPECT_FALSE(admits(bounded(4096, d + 2, 9, 1e-3)));
  radius = numberAfter(part, "the fastest with a radius of at most");
  EXPECT_EQ(planOf(bounded(4096, 16, radius, 1e-3)).route, Route::Features);
  EXPECT_EQ(planOf(bounded(4096, 16, 1.15 * radius, 1e-3)).route, Route::Exact);
}

TEST(PlanText, BoundThatItNamesImpliesTheRadius) {
  std::string part = paragraph(explained(problem(4096, 16)), "features");
  Problem p = problem(4096, 16);
  p.tolerance = numberAfter(part, "With a tolerance of");
  p.bound = numberAfter(part, "\\(a bound of");
  EXPECT_TRUE(admits(p));
  p.bound = 1.1 * *p.bound;
  EXPECT_FALSE(admits(p));
}

TEST(PlanText, DegreeThatItNamesMeetsTheTolerance) {
  Problem p = bounded(256, 4, 2, 1e-3);
  p.degree = 2;
  std::string part = paragraph(explained(p), "features");
  auto degree = static_cast<unsigned>(numberAfter(part, "with degree"));
  double radius = numberAfter(part, "or a radius of at most");
  double tolerance = numberAfter(part, "or a tolerance of at least");
  p.degree = degree;
  EXPECT_TRUE(admits(p));
  p.degree = degree - 1;
  EXPECT_FALSE(admits(p));
  p.degree = 2;
  p.radius = radius;
  EXPECT_TRUE(admits(p));
  p = bounded(256, 4, 2, tolerance);
  p.degree = 2;
  EXPECT_TRUE(admits(p));
}

TEST(PlanText, LengthThatItNamesPays) {
  Problem p = bounded(256, 8, .5, 1e-3);
  EXPECT_EQ(planOf(p).route, Route::Exact);
  std::string part = paragraph(explained(p), "features");
  EXPECT_NE(part.find("Admissible, but not the fastest"), std::string::npos);
  p.n = static_cast<int64_t>(numberAfter(part, "n of at least"));
  EXPECT_GT(p.n, 256);
  EXPECT_EQ(planOf(p).route, Route::Features);
}

TEST(PlanText, SaysWhyARouteWasChosen) {
  Problem p = bounded(16384, 8, .5, 1e-3);
  auto says = [&](const char *route, const char *words) {
    std::string part = paragraph(explained(p), route);
    EXPECT_NE(part.find(words), std::string::npos) << part;
  };
  says("features", "Chosen as the fastest by prediction.");
  p.route = Route::Exact;
  says("exact", "Chosen because --route asks for it; features is the fastest");
  p = problem(64, 8);
  says("exact", "Chosen as the only route that is admissible.");
}

} // namespace
