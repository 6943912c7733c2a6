//===- RunManifest.cpp - What a kernel says about itself ------------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// A kernel may be older or newer than this tool: whatever is read from its
// manifest is checked.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/RunManifest.h"

#include "tools/lib/RunJson.h"

#include "llvm/ADT/StringExtras.h"

using namespace llvm;
using namespace ropegrad;

/// "expected manifest key 'n' to be ..., but got ...".
static std::string wrong(const json::Object &object, StringRef key,
                         StringRef expected) {
  const json::Value *value = object.get(key);
  return "expected manifest key '" + key.str() + "' to be " + expected.str() +
         ", but got " + (value ? jsonText(*value) : "none");
}

static std::string readString(const json::Object &object, StringRef key,
                              std::string &to) {
  std::optional<StringRef> text = object.getString(key);
  if (!text)
    return wrong(object, key, "a string");
  to = text->str();
  return "";
}

static std::string readArg(const json::Value &value, KernelArg &arg) {
  const json::Object *object = value.getAsObject();
  if (!object)
    return "expected manifest key 'args' to hold objects, but got " +
           jsonText(value);
  std::string role, type, error = readString(*object, "name", arg.name);
  if (error.empty())
    error = readString(*object, "role", role);
  if (error.empty())
    error = readString(*object, "dtype", type);
  if (!error.empty())
    return error;
  // The name becomes a file's name.
  if (arg.name.empty() ||
      !all_of(arg.name, [](char c) { return isAlnum(c) || c == '_'; }))
    return wrong(*object, "name", "letters, digits and _");
  if (role != "in" && role != "out" && role != "report")
    return wrong(*object, "role", "in, out or report");
  arg.role = role == "in" ? Role::In : role == "out" ? Role::Out : Role::Report;
  bool known = false;
  for (FloatType each :
       {FloatType::F32, FloatType::F64, FloatType::BF16, FloatType::F16})
    if (type == toString(each)) {
      arg.type = each;
      known = true;
    }
  if (!known)
    return wrong(*object, "dtype", "f32, f64, bf16 or f16");

  const json::Array *shape = object->getArray("shape");
  if (!shape)
    return wrong(*object, "shape", "a list of sizes");
  for (const json::Value &dimension : *shape)
    arg.shape.push_back(dimension.getAsInteger().value_or(-1));
  if (elementCount(arg.shape) < 1)
    return wrong(*object, "shape", "a list of positive sizes");
  return "";
}

/// A size small enough that one for each of kMostThreads does not overflow.
static std::string readBytes(const json::Object &object, StringRef key,
                             int64_t &to) {
  constexpr int64_t most = int64_t(1) << 50;
  to = object.getInteger(key).value_or(-1);
  return to >= 0 && to <= most ? "" : wrong(object, key, "a number of bytes");
}

static std::string readFunction(const json::Object &function,
                                KernelEntry &entry) {
  std::string error = readString(function, "packed", entry.packed);
  if (!error.empty())
    return error;
  error = readBytes(function, "workspace_bytes", entry.workspaceBytes);
  if (error.empty())
    error = readBytes(function, "workspace_bytes_per_thread",
                      entry.workspaceBytesPerThread);
  if (!error.empty())
    return error;
  const json::Array *args = function.getArray("args");
  if (!args || args->empty())
    return wrong(function, "args", "a list of arrays");
  for (const json::Value &value : *args) {
    error = readArg(value, entry.args.emplace_back());
    if (!error.empty())
      return error;
  }
  return "";
}

/// The function whose symbol is `symbol`, or null.
static const json::Object *findFunction(const json::Object &fields,
                                        const std::string &symbol) {
  const json::Array *functions = fields.getArray("functions");
  if (functions)
    for (const json::Value &value : *functions)
      if (const json::Object *function = value.getAsObject())
        if (function->getString("symbol") == StringRef(symbol))
          return function;
  return nullptr;
}

static std::string chooseFunction(KernelManifest &manifest) {
  const json::Object &fields = manifest.fields;
  std::string name, error = readString(fields, "name", name);
  if (!error.empty())
    return error;
  const json::Object *function = nullptr;
  if (manifest.entry == "loss-gradient") {
    function = findFunction(fields, name + "_loss_gradient");
  } else {
    function = findFunction(fields, name + "_gradient");
    if (!function)
      function = findFunction(fields, name + "_forward");
  }
  if (!function)
    return wrong(fields, "functions",
                 "a list with a function for entry " + manifest.entry);
  error = readFunction(*function, manifest);
  const json::Object *certify = findFunction(fields, name + "_certify");
  if (!error.empty() || !certify)
    return error;
  error = readFunction(*certify, manifest.certify.emplace());
  const KernelArg &bounds = manifest.certify->args.back();
  if (error.empty() &&
      (bounds.role != Role::Report || bounds.type != FloatType::F64))
    return wrong(*certify, "args", "a list that ends in a report of f64");
  return error;
}

/// The numbers that are null where the kernel is exact.
static std::string readLimits(KernelManifest &manifest) {
  const json::Object &fields = manifest.fields;
  manifest.degree = fields.getInteger("degree");
  const json::Value *degree = fields.get("degree");
  if (degree && !manifest.degree && degree->kind() != json::Value::Null)
    return wrong(fields, "degree", "an integer or null");
  manifest.radiusLimit = fields.getNumber("radius_limit");
  manifest.centred = fields.getString("centred").value_or("none").str();
  const json::Value *limit = fields.get("radius_limit");
  if (limit && !manifest.radiusLimit && limit->kind() != json::Value::Null)
    return wrong(fields, "radius_limit", "a number or null");
  return "";
}

/// What the plan says of each route; a kernel need not have a plan.
static std::string readPlan(KernelManifest &manifest) {
  const json::Object &fields = manifest.fields;
  manifest.tolerance = fields.getNumber("tolerance");
  const json::Object *plan = fields.getObject("plan");
  const json::Array *routes = plan ? plan->getArray("alternatives") : nullptr;
  if (!routes)
    return "";
  for (const json::Value &value : *routes) {
    const json::Object *object = value.getAsObject();
    if (!object)
      return wrong(*plan, "alternatives", "a list of objects");
    PlannedRoute &route = manifest.planned.emplace_back();
    std::string error = readString(*object, "route", route.route);
    if (error.empty())
      error = readString(*object, "reason", route.reason);
    if (!error.empty())
      return error;
    route.admissible = object->getBoolean("admissible").value_or(false);
    route.predictedMs = object->getNumber("predicted_ms");
  }
  return "";
}

static std::string readTarget(KernelManifest &manifest) {
  const json::Object &fields = manifest.fields;
  std::string target, error = readString(fields, "target", target);
  if (error.empty())
    error = readString(fields, "cpu", manifest.cpu);
  if (!error.empty())
    return error;
  if (target != "cpu")
    return wrong(fields, "target", "cpu");
  const json::Array *features = fields.getArray("cpu_features");
  if (!features)
    return wrong(fields, "cpu_features", "a list of names");
  for (const json::Value &feature : *features) {
    std::optional<StringRef> name = feature.getAsString();
    if (!name)
      return wrong(fields, "cpu_features", "a list of names");
    manifest.cpuFeatures.push_back(name->str());
  }
  int64_t threads = fields.getInteger("threads").value_or(0);
  if (threads < 1 || threads > INT_MAX)
    return wrong(fields, "threads", "a positive integer");
  manifest.threads = static_cast<int>(threads);
  return "";
}

std::string ropegrad::parseManifest(StringRef text, KernelManifest &manifest) {
  std::string error = parseJsonObject(text, manifest.fields);
  if (!error.empty())
    return "manifest: " + error;
  if (manifest.fields.getInteger("ropegrad") != 1)
    return wrong(manifest.fields, "ropegrad", "1, the version this tool reads");
  error = readString(manifest.fields, "entry", manifest.entry);
  if (!error.empty())
    return error;
  if (manifest.entry != "loss-gradient" && manifest.entry != "attention")
    return wrong(manifest.fields, "entry", "loss-gradient or attention");
  error = readString(manifest.fields, "route", manifest.route);
  if (error.empty())
    error = readLimits(manifest);
  if (error.empty())
    error = readPlan(manifest);
  if (error.empty())
    error = readTarget(manifest);
  return error.empty() ? chooseFunction(manifest) : error;
}

std::string ropegrad::checkCpu(const KernelManifest &manifest,
                               const StringMap<bool> &host) {
  constexpr size_t named = 3;
  std::vector<StringRef> missing;
  for (StringRef feature : manifest.cpuFeatures)
    // Every x86-64 has x87; getHostCPUFeatures does not list it.
    if (feature != "x87" && !host.lookup(feature))
      missing.push_back(feature);
  if (missing.empty())
    return "";
  size_t shown = std::min(named, missing.size());
  std::string names = join(ArrayRef(missing).take_front(shown), ", ");
  if (missing.size() > shown)
    names += " and " + std::to_string(missing.size() - shown) + " more";
  return "kernel was compiled for " + manifest.cpu + ", which needs " + names +
         ", but this machine lacks " + (missing.size() > 1 ? "them" : "it");
}
