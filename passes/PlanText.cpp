//===- PlanText.cpp - A plan for people ------------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// A table of the routes, then a paragraph for each.
//
//===----------------------------------------------------------------------===//

#include "passes/PlanText.h"
#include "dialect/Format.h"
#include "passes/Monomials.h"
#include "passes/Polynomial.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

namespace ropegrad {
namespace {

constexpr size_t kWidth = 80, kIndent = 10;

/// `text` at the end of `line`, wrapped; further lines are indented.
std::string wrapped(std::string line, const std::string &text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find(' ', at), text.size());
    std::string word = text.substr(at, end - at);
    if (line.size() + 1 + word.size() > kWidth) {
      result += line + "\n";
      line.assign(kIndent - 1, ' ');
    }
    line += " " + word;
    at = end + 1;
  }
  return result + line + "\n";
}

std::string padded(std::string text, size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

std::string alignedRight(const std::string &text, size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

/// The largest (or smallest) x in [low, high] for which `holds`, supposed to
/// hold below (above) it, rounded to two digits on the side where it holds.
template <typename Predicate>
std::optional<double> boundary(double low, double high, bool largest,
                               Predicate holds) {
  double good = largest ? low : high, bad = largest ? high : low;
  if (!holds(good))
    return std::nullopt;
  if (holds(bad))
    return bad;
  while (std::max(good, bad) > 1.01 * std::min(good, bad)) {
    double middle = std::sqrt(good * bad);
    (holds(middle) ? good : bad) = middle;
  }
  double unit = std::pow(10.0, std::floor(std::log10(good)) - 1);
  double rounded =
      (largest ? std::floor(good / unit) : std::ceil(good / unit)) * unit;
  return holds(rounded) ? rounded : good;
}

class Explainer {
public:
  Explainer(const Problem &problem, const Plan &plan, int64_t threads,
            const CostModel &model)
      : problem(problem), plan(plan), threads(threads), model(model),
        polynomial(choosePolynomial(problem)) {}

  std::string text() {
    std::string result = wrapped("problem  ", describe()) + "\n";
    if (plan.centring)
      result += wrapped("centring ", describe(*plan.centring)) + "\n";
    result += table();
    for (const Alternative &each : plan.alternatives)
      result += "\n" + wrapped(padded(toString(each.route), kIndent - 1),
                               sentences(each));
    return result;
  }

private:
  std::string describe() const {
    const Problem &p = problem;
    std::string text = std::string(toString(p.entry)) + ", n = " + format(p.n) +
                       ", d = " + format(p.d);
    if (p.entry == Entry::Attention)
      text += ", batch " + format(p.batch) + ", heads " + format(p.heads);
    if (p.mask != Mask::None)
      text += std::string(", mask ") + toString(p.mask);
    text += std::string(", position ") + toString(p.position) + ", " +
            toString(p.dtype);
    if (!p.isExp())
      text += ", polynomial similarity";
    else if (std::optional<double> radius = p.impliedRadius())
      text += ", logits of at most " + format(*radius, 3) +
              (p.centre == Centre::None ? "" : " for " + withoutMean(p.centre));
    else
      text += ", logits of any size";
    text += p.tolerance ? ", tolerance " + format(*p.tolerance, 3)
                        : std::string(", no tolerance");
    return text + "; on " + format(threads) +
           (threads == 1 ? " thread" : " threads");
  }

  static std::string withoutMean(Centre centre) {
    if (centre == Centre::Both)
      return "keys and queries without their means";
    return std::string(toString(centre)) + " without their mean";
  }

  std::string describe(const CentringGain &gain) const {
    std::string asIs = gain.predictedMs ? format(*gain.predictedMs, 3) + " ms"
                                        : std::string("no plan");
    return "the sample has logits of at most " + format(gain.radius, 3) + ": " +
           asIs + "; with " + withoutMean(gain.rows) + " of at most " +
           format(gain.centredRadius, 3) + ": " + format(gain.centredMs, 3) +
           (plan.centre != Centre::None ? " ms, which pays."
                                        : " ms, which does not pay.");
  }

  static std::string row(const std::string &route, const std::string &degree,
                         const std::string &features, const std::string &delta,
                         const std::string &deltaPrime, const std::string &ms,
                         const std::string &verdict) {
    return padded(route, kIndent) + alignedRight(degree, 6) +
           alignedRight(features, 12) + alignedRight(delta, 10) +
           alignedRight(deltaPrime, 10) + alignedRight(ms, 15) + "  " +
           verdict + "\n";
  }

  std::string table() const {
    std::string text =
        row("route", "degree", "features", "delta", "delta'", "predicted", "");
    text.erase(text.find_last_not_of(" \n") + 1);
    text += "\n";
    for (const Alternative &each : plan.alternatives) {
      std::string degree = "-", features = "-", delta = "-", prime = "-";
      if (each.degree) {
        degree = format(static_cast<int64_t>(*each.degree));
        int64_t count =
            each.features.value_or(Monomials(problem.d, *each.degree).size());
        features = count < 10000000 ? format(count)
                                    : format(static_cast<double>(count), 3);
      }
      const auto &fit = polynomial.approximation;
      if (each.features) {
        delta = format(each.errors.delta, 2);
        prime = format(each.errors.deltaPrime, 2);
      } else if (fit && each.degree == polynomial.degree) {
        delta = format(fit->bounds.delta, 2);
        prime = format(fit->bounds.deltaPrime, 2);
      }
      std::string ms =
          each.predictedMs ? format(*each.predictedMs, 3) + " ms" : "-";
      std::string verdict = each.route == plan.route ? "chosen"
                            : each.admissible        ? "admissible"
                                                     : "no";
      text += row(toString(each.route), degree, features, delta, prime, ms,
                  verdict);
    }
    return text;
  }

  std::string sentences(const Alternative &each) const {
    if (each.route == plan.route)
      return each.reason + ". " + whyChosen(each);
    if (!each.admissible)
      return notAdmissible(each);
    return each.reason + ". Admissible, but not the fastest." +
           remedies(each.route);
  }

  std::string notAdmissible(const Alternative &each) const {
    std::string would = remedies(each.route), reason = each.reason;
    // The planner's advice, less than ours, ends the reason.
    const std::string ending = " would do";
    size_t begin = reason.rfind("; ");
    if (!would.empty() && begin != std::string::npos &&
        reason.compare(reason.size() - ending.size(), ending.size(), ending) ==
            0)
      reason.resize(begin);
    return "not admissible: " + reason + "." + would;
  }

  std::string whyChosen(const Alternative &chosen) const {
    const Alternative *best = nullptr;
    bool alone = true;
    for (const Alternative &each : plan.alternatives) {
      if (!each.admissible)
        continue;
      alone &= each.route == chosen.route;
      if (!best || each.predictedMs < best->predictedMs)
        best = &each;
    }
    if (alone)
      return "Chosen as the only route that is admissible.";
    if (best->route == chosen.route)
      return "Chosen as the fastest by prediction.";
    return std::string("Chosen because --route asks for it; ") +
           toString(best->route) + " is the fastest by prediction.";
  }

  /// The plan of another problem by --route auto; nothing where that problem
  /// makes no sense. Searches for several routes ask for the same ones.
  const std::optional<Plan> &planOf(Problem changed) const {
    auto key = std::make_tuple(changed.n, changed.d, changed.impliedRadius(),
                               changed.tolerance, changed.degree);
    auto [entry, isNew] = plans.try_emplace(key);
    changed.route = Route::Auto;
    if (isNew && validate(changed).empty())
      entry->second = makePlan(changed, threads, model).plan;
    return entry->second;
  }

  /// Whether `route` is admissible for another problem or, if `fastest`, what
  /// --route auto chooses.
  bool serves(const Problem &changed, Route route, bool fastest) const {
    const std::optional<Plan> &other = planOf(changed);
    if (!other || fastest)
      return other && other->route == route;
    return alternative(*other, route).admissible;
  }

  static const Alternative &alternative(const Plan &plan, Route route) {
    return *std::find_if(
        plan.alternatives.begin(), plan.alternatives.end(),
        [&](const Alternative &each) { return each.route == route; });
  }

  /// "a radius of at most 0.5 (a bound of 0.7)".
  std::string radiusOf(const Problem &p, double radius) const {
    Problem unit = p;
    unit.radius.reset();
    unit.bounds.clear();
    unit.bound = 1.0;
    double bound = std::sqrt(radius / *unit.impliedRadius());
    double digits = std::pow(10.0, std::floor(std::log10(bound)) - 1);
    return "a radius of at most " + format(radius, 2) + " (a bound of " +
           format(std::floor(bound / digits) * digits, 2) + ")";
  }

  /// Largest radius at the tolerance of `p` with which `route` serves.
  std::string radiusThatDoes(Problem p, Route route, bool fastest) const {
    constexpr double least = 1e-3, most = 16.0;
    double high = std::min(most, p.impliedRadius().value_or(most));
    if (!p.isExp() || high <= least)
      return "";
    std::optional<double> radius =
        boundary(least, high, true, [&](double value) {
          p.radius = value;
          return serves(p, route, fastest);
        });
    return radius ? radiusOf(p, *radius) : "";
  }

  std::string toleranceThatDoes(Route route) const {
    Problem p = problem;
    if (!p.isExp() || !p.tolerance || !p.impliedRadius())
      return "";
    std::optional<double> value =
        boundary(*p.tolerance, 0.9, false, [&](double tolerance) {
          p.tolerance = tolerance;
          return serves(p, route, false);
        });
    return value ? "a tolerance of at least " + format(*value, 2) : "";
  }

  std::string widthThatDoes(Route route) const {
    Problem p = problem;
    if (!p.impliedRadius() && p.isExp())
      return "";
    if (p.position == Position::General) // its support goes with its width
      return "";
    int64_t step = p.position == Position::Rotary ? 2 : 1;
    // The radius, if it follows from a bound, is that of the width as it is.
    p.radius = p.impliedRadius();
    p.support.clear();
    auto fits = [&](int64_t d) {
      p.d = d * step;
      if (p.entry == Entry::Attention)
        p.channels = p.d;
      return serves(p, route, false);
    };
    int64_t good = 0, bad = problem.d / step;
    while (bad - good > 1) {
      int64_t middle = good + (bad - good) / 2;
      (fits(middle) ? good : bad) = middle;
    }
    return good > 0 ? "d of at most " + format(good * step) : "";
  }

  std::string degreeThatDoes(Route route) const {
    Problem p = problem;
    p.degree.reset();
    if (!problem.degree || !p.isExp() || !serves(p, route, false))
      return "";
    std::optional<unsigned> degree = alternative(*planOf(p), route).degree;
    return degree ? "degree " + format(static_cast<int64_t>(*degree)) : "";
  }

  std::string lengthThatPays(Route route) const {
    constexpr double most = 1 << 24;
    double now = static_cast<double>(problem.n);
    if (now >= most)
      return "";
    Problem p = problem;
    std::optional<double> n = boundary(now, most, false, [&](double value) {
      p.n = static_cast<int64_t>(value);
      return serves(p, route, true);
    });
    return n ? "n of at least " + format(static_cast<int64_t>(*n)) : "";
  }

  static std::string anyOf(const std::vector<std::string> &parts) {
    std::string text;
    for (const std::string &part : parts)
      if (!part.empty())
        text += (text.empty() ? "" : "; or ") + part;
    return text;
  }

  /// What of radius, tolerance, width, degree and length would have `route`
  /// admissible and chosen; empty where nothing of them would.
  std::string remedies(Route route) const {
    if (route == Route::Exact)
      return "";
    bool admissible = serves(problem, route, false);
    std::string text;
    if (problem.isExp() && !problem.tolerance && !problem.degree) {
      for (double tolerance : {1e-1, 1e-2, 1e-3})
        text += radii(route, tolerance);
      return text;
    }
    if (!admissible) {
      std::string would =
          anyOf({degreeThatDoes(route), radiusThatDoes(problem, route, false),
                 toleranceThatDoes(route), widthThatDoes(route)});
      if (!would.empty())
        text += " It would be with " + would + ".";
    }
    std::string would =
        anyOf({radiusThatDoes(problem, route, true),
               admissible ? lengthThatPays(route) : std::string()});
    if (!would.empty())
      text += " It would be the fastest with " + would + ".";
    return text;
  }

  std::string radii(Route route, double tolerance) const {
    Problem p = problem;
    p.tolerance = tolerance;
    std::string does = radiusThatDoes(p, route, false);
    if (does.empty())
      return "";
    std::string pays = radiusThatDoes(p, route, true);
    return " With a tolerance of " + format(tolerance, 2) +
           " it would be with " + does +
           (pays.empty() ? std::string(", but never the fastest.")
                         : ", and the fastest with " + pays + ".");
  }

  const Problem &problem;
  const Plan &plan;
  int64_t threads;
  const CostModel &model;
  PolynomialChoice polynomial; ///< of the problem, whether or not it serves
  /// By n, d, radius, tolerance and degree: all that differs.
  mutable std::map<std::tuple<int64_t, int64_t, std::optional<double>,
                              std::optional<double>, std::optional<unsigned>>,
                   std::optional<Plan>>
      plans;
};

} // namespace

std::string planToText(const Problem &problem, const Plan &plan,
                       int64_t threads, const CostModel &model) {
  return Explainer(problem, plan, threads, model).text();
}

} // namespace ropegrad
