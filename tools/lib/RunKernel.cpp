//===- RunKernel.cpp - Runs one kernel on one folder ----------------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Everything that can be checked is checked before any code of the kernel runs.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/RunKernel.h"

#include "runtime/ropegrad_runtime.h"
#include "tools/lib/RunArrays.h"
#include "tools/lib/RunCertificate.h"
#include "tools/lib/RunProblem.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/TargetParser/Host.h"

#include <chrono>
#include <thread>

using namespace llvm;
using namespace ropegrad;

namespace {
struct CloseKernel {
  void operator()(ropegrad_kernel *kernel) const { ropegrad_close(kernel); }
};
using Kernel = std::unique_ptr<ropegrad_kernel, CloseKernel>;
} // namespace

/// Opens the kernel and reads its manifest; its code is not loaded yet.
static std::string openKernel(const std::string &path, Kernel &kernel,
                              KernelManifest &manifest) {
  char error[512];
  ropegrad_kernel *opened = nullptr;
  if (ropegrad_open(path.c_str(), &opened, error, sizeof(error)))
    return error;
  kernel.reset(opened);
  std::string problem = parseManifest(ropegrad_manifest(opened), manifest);
  return problem.empty() ? "" : "kernel '" + path + "': " + problem;
}

static std::string findFunction(ropegrad_kernel *kernel,
                                const KernelEntry &entry,
                                ropegrad_packed_fn &function) {
  if (ropegrad_find(kernel, entry.packed.c_str(), &function))
    return "expected a kernel with function " + entry.packed +
           ", as its manifest says, but got none";
  return "";
}

/// The functions to call; `certify` stays null where there is none.
struct Functions {
  ropegrad_packed_fn call = nullptr, certify = nullptr;
};

static std::string loadFunctions(ropegrad_kernel *kernel,
                                 const KernelManifest &manifest,
                                 Functions &functions) {
  char error[512];
  if (ropegrad_load(kernel, error, sizeof(error)))
    return error;
  std::string missing = findFunction(kernel, manifest, functions.call);
  if (missing.empty() && manifest.certify)
    missing = findFunction(kernel, *manifest.certify, functions.certify);
  return missing;
}

/// Calls once untimed and options.repeat times timed.
static void callKernel(ropegrad_packed_fn function, const RunArrays &arrays,
                       int repeat, RunReport &report) {
  auto call = [&] {
    report.status = function(arrays.pointers(), arrays.workspace(),
                             report.workspaceBytes, report.threads);
    return report.status == ROPEGRAD_OK;
  };
  if (!call())
    return;
  std::vector<double> ms;
  for (int i = 0; i < repeat; ++i) {
    auto start = std::chrono::steady_clock::now();
    if (!call())
      return;
    std::chrono::duration<double, std::milli> elapsed =
        std::chrono::steady_clock::now() - start;
    ms.push_back(elapsed.count());
  }
  llvm::sort(ms);
  size_t half = ms.size() / 2;
  report.msBest = ms.front();
  report.msMedian = ms.size() % 2 ? ms[half] : (ms[half - 1] + ms[half]) / 2;
}

static int threadsOfMachine() {
  unsigned threads = std::thread::hardware_concurrency(); // 0: not known
  return static_cast<int>(std::clamp(threads, 1u, unsigned(kMostThreads)));
}

static std::string number(std::optional<double> value) {
  char text[32] = "unknown";
  if (value)
    std::snprintf(text, sizeof(text), "%.9g", *value);
  return text;
}

/// What the kernel's status means, in one sentence.
static std::string explain(const RunReport &report,
                           const std::string &notFinite) {
  std::string name = ropegrad_status_name(report.status);
  switch (report.status) {
  case ROPEGRAD_OK:
    return "";
  case ROPEGRAD_RADIUS_EXCEEDED:
    return name + ": expected a logit radius of at most " +
           number(report.radiusLimit) + ", but got " +
           number(report.radiusFound);
  case ROPEGRAD_BOUND_EXCEEDED:
    return name + ": expected every coordinate of queries and keys within the "
                  "bounds that the kernel was compiled for, but got one "
                  "beyond its own";
  case ROPEGRAD_NOT_FINITE:
    return name + ": expected finite outputs, but got nan or inf" +
           (notFinite.empty() ? "" : " in " + notFinite);
  case ROPEGRAD_NON_POSITIVE_ROW_SUM:
    return name + ": expected every row of the polynomial similarity to have "
                  "a positive sum, but got one of zero or less";
  case ROPEGRAD_ROW_SUM_TOO_SMALL:
    return name + ": expected a bias under which rounding of the transforms is "
                  "small beside the sum of every row's weights, but got a more "
                  "uneven one";
  }
  return name + ": expected the kernel to return 0, but got " +
         std::to_string(report.status);
}

/// Calls the kernel, bounds its errors and writes what it computed.
static std::string callAndWrite(const Functions &functions,
                                const KernelManifest &manifest,
                                RunArrays &arrays, const RunOptions &options,
                                RunReport &report) {
  callKernel(functions.call, arrays, options.repeat, report);
  report.radiusFound = arrays.radiusFound();
  if (std::optional<int64_t> degree = arrays.degreeUsed()) {
    report.degree = degree;
    if (*degree < 0) {
      report.route = "exact";
      report.degree = std::nullopt;
    }
  }
  report.heads =
      arrays.headReports(manifest.fields.getInteger("heads").value_or(1));
  if (report.heads) {
    report.degree = report.heads->highestDegree();
    if (!report.degree)
      report.route = "exact";
  }
  std::string notFinite;
  if (report.status == ROPEGRAD_OK || report.status == ROPEGRAD_NOT_FINITE)
    notFinite = arrays.findNotFinite();
  if (!notFinite.empty())
    report.status = ROPEGRAD_NOT_FINITE;
  if (report.status == ROPEGRAD_OK) {
    arrays.freeWorkspace();
    if (functions.certify && options.certify)
      certifyOutputs(functions.certify, *manifest.certify, arrays, report);
    else
      report.notCertified =
          functions.certify ? "--no-certify" : "the kernel has no certificate";
    return arrays.write(options.out);
  }
  report.msBest = report.msMedian = std::nullopt;
  return explain(report, notFinite);
}

std::string ropegrad::runKernel(const RunOptions &options,
                                std::optional<RunReport> &report) {
  Kernel kernel;
  KernelManifest manifest;
  RunArrays arrays;
  Functions functions;
  std::string error = openKernel(options.kernel, kernel, manifest);
  if (error.empty())
    error = checkCpu(manifest, sys::getHostCPUFeatures());
  if (error.empty())
    error = checkOutputFolder(options.out);
  if (error.empty())
    error = checkProblemFile(manifest.fields, options.in);
  int threads =
      options.threads.value_or(std::min(manifest.threads, threadsOfMachine()));
  if (error.empty())
    error = arrays.prepare(manifest, threads, options.in);
  if (error.empty())
    error = loadFunctions(kernel.get(), manifest, functions);
  if (!error.empty())
    return error;

  RunReport result;
  result.route = result.plannedRoute = manifest.route;
  result.degree = result.plannedDegree = manifest.degree;
  result.radiusLimit = manifest.radiusLimit;
  result.tolerance = manifest.tolerance;
  result.centred = manifest.centred;
  result.planned = manifest.planned;
  result.workspaceBytes = manifest.workspaceFor(threads);
  result.threads = threads;
  error = callAndWrite(functions, manifest, arrays, options, result);
  // A disk that is full is no property of the kernel: no report then.
  if (error.empty() || result.status != ROPEGRAD_OK)
    report = result;
  return error;
}
