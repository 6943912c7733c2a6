//===- PlanJson.cpp - A plan as JSON ---------------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The object that `--plan` prints; numbers carry 17 digits, keys a fixed order.
//
//===----------------------------------------------------------------------===//

#include "passes/Planner.h"

#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

namespace ropegrad {
namespace {

template <typename T> llvm::json::Value orNull(const std::optional<T> &value) {
  if (!value)
    return nullptr;
  return *value;
}

llvm::json::Value degreeOrNull(const std::optional<unsigned> &degree) {
  if (!degree)
    return nullptr;
  return static_cast<int64_t>(*degree);
}

void write(llvm::json::OStream &json, const Alternative &alternative) {
  json.object([&] {
    json.attribute("route", toString(alternative.route));
    json.attribute("degree", degreeOrNull(alternative.degree));
    json.attribute("admissible", alternative.admissible);
    json.attribute("reason", alternative.reason);
    json.attribute("predicted_ms", orNull(alternative.predictedMs));
  });
}

void write(llvm::json::OStream &json, const CentringGain &gain) {
  json.attributeObject("centring", [&] {
    json.attribute("rows", toString(gain.rows));
    json.attribute("radius", gain.radius);
    json.attribute("radius_centred", gain.centredRadius);
    json.attribute("predicted_ms", orNull(gain.predictedMs));
    json.attribute("predicted_ms_centred", gain.centredMs);
  });
}

} // namespace

std::string planToJson(const Plan &plan) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  llvm::json::OStream json(stream, /*IndentSize=*/2);
  std::optional<double> delta, deltaPrime;
  if (plan.approximation) {
    delta = plan.approximation->bounds.delta;
    deltaPrime = plan.approximation->bounds.deltaPrime;
  }
  json.object([&] {
    json.attribute("route", toString(plan.route));
    json.attribute("degree", degreeOrNull(plan.degree));
    json.attribute("fit", plan.approximation
                              ? llvm::json::Value(toString(plan.fit))
                              : llvm::json::Value(nullptr));
    json.attribute("features", orNull(plan.features));
    if (plan.truncation) {
      json.attribute("monomials", *plan.monomials);
      json.attribute("monomials_kept", plan.truncation->size);
    }
    json.attribute("radius", orNull(plan.radius));
    if (plan.centre != Centre::None || plan.centring)
      json.attribute("centred", toString(plan.centre));
    if (plan.centring)
      write(json, *plan.centring);
    json.attribute("delta", orNull(delta));
    json.attribute("delta_prime", orNull(deltaPrime));
    json.attribute("flops", plan.flops);
    json.attribute("bytes", plan.bytes);
    json.attribute("predicted_ms", plan.predictedMs);
    json.attributeArray("alternatives", [&] {
      for (const Alternative &alternative : plan.alternatives)
        write(json, alternative);
    });
  });
  stream.flush();
  return text;
}

} // namespace ropegrad
