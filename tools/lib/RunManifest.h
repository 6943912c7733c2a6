//===- RunManifest.h - What a kernel says about itself ----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The manifest of a kernel, checked, as far as calling the kernel needs it.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_RUNMANIFEST_H
#define ROPEGRAD_TOOLS_LIB_RUNMANIFEST_H

#include "tools/lib/Npy.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/JSON.h"

#include <optional>
#include <string>
#include <vector>

namespace ropegrad {

/// The most threads that a call of a kernel uses.
constexpr int kMostThreads = 1024;

enum class Role { In, Out, Report };

/// One array that a kernel function reads or writes.
struct KernelArg {
  std::string name;
  Role role = Role::In;
  Shape shape;
  FloatType type = FloatType::F32;
};

/// A route that the plan weighed.
struct PlannedRoute {
  std::string route;
  bool admissible = false;
  std::string reason; ///< why not, or what it costs
  std::optional<double> predictedMs;
};

/// One entry point of a kernel.
struct KernelEntry {
  std::string packed;                  ///< its symbol
  int64_t workspaceBytes = 0;          ///< whatever the threads
  int64_t workspaceBytesPerThread = 0; ///< and so many for each
  std::vector<KernelArg> args;

  /// Bytes that a call with so many threads, at most kMostThreads, needs.
  int64_t workspaceFor(int threads) const {
    return workspaceBytes + threads * workspaceBytesPerThread;
  }
};

/// The entry is the function to call: loss and gradient, else attention's
/// gradient (which includes its output), else attention alone.
struct KernelManifest : KernelEntry {
  llvm::json::Object fields; ///< the whole manifest
  std::string entry;         ///< "loss-gradient" or "attention"
  std::string route;
  std::optional<int64_t> degree;     ///< none: exact-only
  std::optional<double> radiusLimit; ///< none: any radius is fine
  std::optional<double> tolerance;
  std::string centred = "none";      ///< rows, before it measures the radius
  std::vector<PlannedRoute> planned; ///< empty: the kernel has no plan
  std::string cpu;
  std::vector<std::string> cpuFeatures; ///< LLVM's names
  int threads = 1;                      ///< that the kernel was planned for
  /// Bounds errors of what is called; none in kernels made without.
  std::optional<KernelEntry> certify;
};

/// Parses and checks a manifest. Returns an error or "".
std::string parseManifest(llvm::StringRef text, KernelManifest &manifest);

/// An error that names the first few features which the kernel needs and `host`
/// (as of llvm::sys::getHostCPUFeatures) lacks, or "".
std::string checkCpu(const KernelManifest &manifest,
                     const llvm::StringMap<bool> &host);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_RUNMANIFEST_H
