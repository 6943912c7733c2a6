//===- RunCertificate.cpp - Bounds of the errors of a call ----------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// A certificate is about the numbers that the kernel read: where these are not
// those of the files, it says nothing.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/RunCertificate.h"

using namespace ropegrad;

/// Names of the last `count` arrays before the bounds: the outputs.
static std::vector<std::string> outputsOf(const KernelEntry &entry,
                                          size_t count) {
  std::vector<std::string> names;
  size_t end = entry.args.size() - 1;
  for (size_t i = end - std::min(end, count); i < end; ++i)
    names.push_back(entry.args[i].name);
  return names;
}

void ropegrad::certifyOutputs(ropegrad_packed_fn certify,
                              const KernelEntry &entry, const RunArrays &arrays,
                              RunReport &report) {
  if (!arrays.inputsExact()) {
    report.notCertified = "inputs were rounded to the kernel's type";
    return;
  }
  auto count = static_cast<size_t>(elementCount(entry.args.back().shape));
  std::vector<std::string> names = outputsOf(entry, count);
  std::vector<double> bounds(count);
  std::vector<void *> addresses;
  for (size_t i = 0; i + 1 < entry.args.size(); ++i)
    addresses.push_back(arrays.find(entry.args[i].name));
  addresses.push_back(bounds.data());
  int64_t bytes = entry.workspaceFor(report.threads);
  Memory workspace = allocateAligned(bytes);
  if (!workspace) {
    report.notCertified = "out of memory";
    return;
  }
  int status =
      certify(addresses.data(), workspace.get(), bytes, report.threads);
  if (status != ROPEGRAD_OK) {
    report.notCertified = ropegrad_status_name(status);
    return;
  }
  for (size_t i = 0; i < names.size(); ++i)
    report.certified.emplace_back(names[i],
                                  arrays.boundAsWritten(names[i], bounds[i]));
}
