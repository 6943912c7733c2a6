//===- RunReport.cpp - Prints what a run measured -------------------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The keys of the JSON object and their order are part of the command line.
//
//===----------------------------------------------------------------------===//

#include "runtime/ropegrad_runtime.h"
#include "tools/lib/RunKernel.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"

#include <cmath>

using namespace llvm;
using namespace ropegrad;

/// JSON has no nan and no infinity: null stands for them.
static json::Value jsonNumber(std::optional<double> value) {
  return value && std::isfinite(*value) ? json::Value(*value)
                                        : json::Value(nullptr);
}

/// Of which rows the radius is, for people.
static std::string withoutMean(const std::string &centred) {
  if (centred == "none")
    return "";
  return centred == "both" ? ", of keys and queries without their means"
                           : ", of " + centred + " without their mean";
}

static void printJson(const RunReport &report, raw_ostream &stream) {
  json::OStream out(stream);
  out.object([&] {
    out.attribute("status", ropegrad_status_name(report.status));
    out.attribute("route", report.route);
    out.attribute("degree", report.degree ? json::Value(*report.degree)
                                          : json::Value(nullptr));
    out.attribute("radius_limit", jsonNumber(report.radiusLimit));
    out.attribute("radius_found", jsonNumber(report.radiusFound));
    if (report.centred != "none")
      out.attribute("centred", report.centred);
    if (report.heads)
      out.attribute("heads", headsJson(*report.heads));
    out.attributeObject("certified", [&] {
      for (const auto &[name, bound] : report.certified)
        out.attribute(name, jsonNumber(bound));
    });
    out.attribute("ms_best", jsonNumber(report.msBest));
    out.attribute("ms_median", jsonNumber(report.msMedian));
    out.attribute("threads", report.threads);
    out.attribute("workspace_bytes", report.workspaceBytes);
  });
  stream << "\n";
}

/// Why this route: what the plan said of each.
static void printPlan(const RunReport &report, raw_ostream &stream) {
  StringRef label = "plan";
  for (const PlannedRoute &each : report.planned) {
    stream << left_justify(label, 11) << left_justify(each.route, 9);
    if (!each.admissible)
      stream << "not admissible: " << each.reason;
    else if (each.predictedMs)
      stream << format("%.4g ms predicted", *each.predictedMs);
    else
      stream << each.reason;
    stream << (each.route == report.plannedRoute ? ", chosen\n" : "\n");
    label = "";
  }
}

static void printText(const RunReport &report, raw_ostream &stream) {
  stream << "status     " << ropegrad_status_name(report.status) << "\n"
         << "route      " << report.route;
  if (report.degree)
    stream << ", degree " << *report.degree;
  int64_t exact = report.heads ? report.heads->exactHeads() : 0;
  if (report.route != report.plannedRoute)
    stream << (report.radiusFound <= report.radiusLimit
                   ? ", for a coordinate exceeds the bounds of "
                   : ", for the radius exceeds that of ")
           << report.plannedRoute;
  else if (exact > 0)
    stream << "; exact for " << exact * report.heads->group << " of "
           << report.heads->each.size() * report.heads->group
           << " heads, whose radii exceed that of " << report.plannedRoute;
  else if (report.degree != report.plannedDegree)
    stream << ", enough for the radius; planned " << *report.plannedDegree;
  stream << "\n";
  if (report.heads)
    for (const auto &[index, line] : enumerate(headLines(*report.heads)))
      stream << left_justify(index ? "" : "heads", 11) << line << "\n";
  printPlan(report, stream);
  if (report.radiusFound && report.radiusLimit)
    stream << "radius     "
           << format("%.6g found, %.6g allowed", *report.radiusFound,
                     *report.radiusLimit)
           << withoutMean(report.centred) << "\n";
  // An exact kernel has no use for one.
  if (report.tolerance && report.degree)
    stream << "tolerance  "
           << format("%.4g relative, of each weight\n", *report.tolerance);
  if (report.msBest && report.msMedian)
    stream << "time       "
           << format("%.4g ms best, %.4g ms median\n", *report.msBest,
                     *report.msMedian);
  stream << "certified  ";
  if (report.certified.empty())
    stream << "nothing" << (report.notCertified.empty() ? "" : ": ")
           << report.notCertified;
  for (const auto &[index, entry] : enumerate(report.certified))
    stream << (index ? ", " : "") << entry.first
           << format(" %.2g", entry.second);
  stream << "\n";
  stream << "threads    " << report.threads << "\n"
         << "workspace  " << report.workspaceBytes << " bytes\n";
}

void ropegrad::printReport(const RunReport &report, bool json,
                           raw_ostream &stream) {
  json ? printJson(report, stream) : printText(report, stream);
}
