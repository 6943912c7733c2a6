//===- FuzzProblem.cpp - Any bytes as problem.json ---------------*- C++
//-*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// What both tools do with a problem and ropegrad-run with a manifest, up to the
// plan of a valid problem of moderate size.
//
//===----------------------------------------------------------------------===//

#include "passes/Planner.h"
#include "tools/lib/ProblemFile.h"
#include "tools/lib/RunJson.h"
#include "tools/lib/RunManifest.h"
#include "tools/lib/RunProblem.h"

#include <cstdint>
#include <cstdlib>

using namespace ropegrad;

static void plan(const Problem &problem) {
  // Numbers of any size are for the checks; a plan of a wide head takes long.
  if (problem.d > 4096 || problem.similarity.size() > 64)
    return;
  PlanResult result = makePlan(problem, 2);
  if (result.plan ? planToJson(*result.plan).empty() : result.error.empty())
    std::abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  llvm::StringRef text(reinterpret_cast<const char *>(data), size);
  ProblemSpecResult read = parseProblemJson(text);
  if (!read.spec && read.error.empty())
    std::abort();
  if (read.spec && applyDefaults(*read.spec).empty() &&
      validate(read.spec->problem).empty())
    plan(read.spec->problem);

  KernelManifest manifest;
  llvm::json::Object object;
  bool isManifest = parseManifest(text, manifest).empty();
  if (parseJsonObject(text, object).empty())
    (void)compareProblem(isManifest ? manifest.fields : object, object);
  return 0;
}
