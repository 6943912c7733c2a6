//===- RunProblem.cpp - Does problem.json fit the kernel ------------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The kernel's side decides which keys matter: a window, say, only under the
// window mask.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/RunProblem.h"

#include "tools/lib/RunJson.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"

#include <cmath>
#include <system_error>

using namespace llvm;
using namespace ropegrad;

static bool agree(const json::Value &left, const json::Value &right) {
  if (left.kind() == json::Value::Number && right.kind() == left.kind()) {
    double a = *left.getAsNumber(), b = *right.getAsNumber();
    return std::abs(a - b) <= 1e-12 * std::max(std::abs(a), std::abs(b));
  }
  const json::Array *a = left.getAsArray(), *b = right.getAsArray();
  if (!a || !b)
    return left == right;
  return a->size() == b->size() &&
         std::equal(a->begin(), a->end(), b->begin(), agree);
}

/// One value in the single form in which two ways to say the same are equal.
static json::Value normalised(StringRef key, const json::Value &value,
                              int64_t heads) {
  const json::Array *list = value.getAsArray();
  if (key == "alibi" && !list) // one slope for all heads
    return json::Array(std::vector<json::Value>(heads, value));
  if (key == "alibi" && list->size() == 1)
    return normalised(key, list->front(), heads);
  if (key != "similarity" || !list)
    return value;
  json::Array coefficients = *list;
  while (!coefficients.empty() && agree(coefficients.back(), 0))
    coefficients.pop_back();
  return coefficients;
}

/// The keys that change a result of the manifest's kernel.
static SmallVector<StringRef> keysThatMatter(const json::Object &manifest) {
  SmallVector<StringRef> keys = {"entry",    "n",          "d",
                                 "position", "mask",       "bias",
                                 "alibi",    "similarity", "scale"};
  if (manifest.getString("entry") == StringRef("attention"))
    keys.append({"batch", "heads", "kv_heads"});
  else
    keys.push_back("channels");
  if (manifest.getString("position") == StringRef("rotary"))
    keys.append({"layout", "base"});
  if (manifest.getString("mask") == StringRef("window"))
    keys.push_back("window");
  // Columns of W, or of the gradient with respect to X.
  const json::Array *wrt = manifest.getArray("wrt");
  if (manifest.getString("position") == StringRef("general") ||
      (wrt && is_contained(*wrt, json::Value("X"))))
    keys.push_back("support");
  return keys;
}

std::string ropegrad::compareProblem(const json::Object &manifest,
                                     const json::Object &problem) {
  int64_t heads = manifest.getInteger("heads").value_or(1);
  for (StringRef key : keysThatMatter(manifest)) {
    const json::Value *want = manifest.get(key), *got = problem.get(key);
    if (!want || !got)
      continue;
    if (!agree(normalised(key, *want, heads), normalised(key, *got, heads)))
      return "expected " + key.str() + " to be " + jsonText(*want) +
             ", as the kernel was compiled for, but got " + jsonText(*got);
  }
  return "";
}

std::string ropegrad::checkProblemFile(const json::Object &manifest,
                                       const std::string &folder) {
  std::string path = folder + "/problem.json";
  sys::fs::file_status status;
  if (sys::fs::status(path, status) == std::errc::no_such_file_or_directory)
    return "";
  std::string error;
  json::Object problem;
  if (!sys::fs::is_regular_file(status)) {
    error = "expected a regular file, but got none";
  } else if (auto file = MemoryBuffer::getFile(path)) {
    error = parseJsonObject((*file)->getBuffer(), problem);
    if (error.empty())
      error = compareProblem(manifest, problem);
  } else {
    error = StringRef(file.getError().message()).lower();
  }
  return error.empty() ? "" : path + ": " + error;
}
