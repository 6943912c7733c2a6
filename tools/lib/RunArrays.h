//===- RunArrays.h - The arrays of one kernel call --------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Reads a kernel's inputs, holds its outputs and workspace, and writes the
// outputs.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_RUNARRAYS_H
#define ROPEGRAD_TOOLS_LIB_RUNARRAYS_H

#include "tools/lib/RunHeads.h"
#include "tools/lib/RunManifest.h"

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace ropegrad {

struct FreeMemory {
  void operator()(void *pointer) const { std::free(pointer); }
};
using Memory = std::unique_ptr<void, FreeMemory>;

/// Memory aligned as kernels are promised; null where there is none.
Memory allocateAligned(int64_t bytes);

/// What one call of a kernel reads and writes, all 64-byte aligned.
class RunArrays {
public:
  /// Allocates everything, the workspace for `threads` threads, and reads the
  /// inputs NAME.npy from `folder`; outputs start as nan. A bias of shape
  /// (2n-1,) is given to every head of a kernel that wants (heads, 2n-1).
  /// Returns an error or "".
  std::string prepare(const KernelManifest &manifest, int threads,
                      const std::string &folder);

  /// Pointers in the order of the manifest's args.
  void *const *pointers() const { return addresses.data(); }
  void *workspace() const { return workspaceMemory.get(); }

  /// Gives the workspace back: no call follows.
  void freeWorkspace() { workspaceMemory.reset(); }

  /// The name of the first output with a nan or infinite element; "" if none.
  std::string findNotFinite() const;

  /// Whether every input is what its file says, not rounded to the kernel's
  /// type.
  bool inputsExact() const { return exact; }

  /// What a bound of each head's errors becomes where write() adds heads up:
  /// the sum, and its rounding.
  double boundAsWritten(const std::string &name, double bound) const;

  /// The array of this name, or null.
  void *find(const std::string &name) const;

  /// The largest radius that the kernel found; none if it measures none.
  std::optional<double> radiusFound() const;

  /// The degree with which the kernel says that it computed, -1 on the exact
  /// route; none if it has no choice, chooses by head, or did not compute.
  std::optional<int64_t> degreeUsed() const;

  /// The radius and the degree of each key head; none if the kernel does not
  /// choose by head or did not compute. `heads`: of queries.
  std::optional<HeadReports> headReports(int64_t heads) const;

  /// Writes the outputs as NAME.npy into `folder`, which is made if its parent
  /// exists: all of them, or none and an error. Where the given bias had shape
  /// (2n-1,), so has dbias: the sum over heads.
  std::string write(const std::string &folder);

private:
  const KernelArg *report(const std::string &name) const;
  std::string allocate();
  std::string readInputs(const std::string &folder);
  std::string readInput(const KernelArg &arg, void *to,
                        const std::string &path);
  void sumBiasOverHeads();

  std::vector<KernelArg> args;
  std::vector<Memory> memory; ///< of each arg
  std::vector<void *> addresses;
  Memory workspaceMemory;
  int64_t workspaceBytes = 0;
  bool sharedBias = false; ///< one bias was given for all heads
  bool exact = true;
};

/// An error if RunArrays::write could not make or use `folder`, or "".
std::string checkOutputFolder(const std::string &folder);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_RUNARRAYS_H
