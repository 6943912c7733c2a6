//===- RunArrays.cpp - The arrays of one kernel call ----------------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Memory and inputs; RunOutput.cpp writes the results.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/RunArrays.h"

#include "llvm/Support/FileSystem.h"

#include <cmath>
#include <cstring>
#include <sys/mman.h>
#include <sys/sysinfo.h>

using namespace llvm;
using namespace ropegrad;

static int64_t bytesOf(const KernelArg &arg) {
  return elementCount(arg.shape) * sizeInBytes(arg.type);
}

/// Memory in huge pages where it is large, if the system has them: transforms
/// and tall arrays are walked through in steps of whole pages.
Memory ropegrad::allocateAligned(int64_t bytes) {
  void *pointer = nullptr;
  constexpr size_t promised = 64; // to kernels
  constexpr size_t hugePage = size_t(2) << 20;
  size_t size = std::max<size_t>(bytes, 1);
  bool isLarge = size >= 2 * hugePage;
  if (::posix_memalign(&pointer, isLarge ? hugePage : promised, size) != 0)
    return nullptr;
  if (isLarge)
    (void)::madvise(pointer, size, MADV_HUGEPAGE); // a hint
  return Memory(pointer);
}

/// Linux grants more memory than there is and kills whoever uses it; so ask
/// first.
static bool exceedsMachine(double bytes) {
  struct sysinfo info;
  return ::sysinfo(&info) == 0 &&
         bytes > (static_cast<double>(info.totalram) + info.totalswap) *
                     info.mem_unit;
}

std::string RunArrays::allocate() {
  double total = static_cast<double>(workspaceBytes);
  for (const KernelArg &arg : args)
    total += static_cast<double>(bytesOf(arg));
  bool good = !exceedsMachine(total);
  for (const KernelArg &arg : args) {
    if (!good)
      break;
    memory.push_back(allocateAligned(bytesOf(arg)));
    addresses.push_back(memory.back().get());
    good = memory.back() != nullptr;
  }
  if (good)
    workspaceMemory = allocateAligned(workspaceBytes);
  if (good && workspaceMemory)
    return "";
  char text[96];
  std::snprintf(text, sizeof(text),
                "expected %.1f MiB of memory, but got less (out of memory)",
                total / (1 << 20));
  return text;
}

/// Whether `shape` is one bias for all of the heads that `arg` is for.
static bool isSharedBias(const KernelArg &arg, const Shape &shape) {
  return arg.name == "bias" && arg.shape.size() == 2 && shape.size() == 1 &&
         shape[0] == arg.shape[1];
}

std::string RunArrays::readInput(const KernelArg &arg, void *to,
                                 const std::string &path) {
  NpyReader reader;
  std::string error = reader.open(path);
  if (!error.empty())
    return error;
  bool shared = isSharedBias(arg, reader.shape());
  if (!shared && reader.shape() != arg.shape)
    return "expected shape " + toString(arg.shape) + ", but got " +
           toString(reader.shape());
  error = reader.read(arg.type, to);
  exact = exact && reader.isExact();
  if (!error.empty() || !shared)
    return error;
  sharedBias = true;
  size_t row = arg.shape[1] * sizeInBytes(arg.type);
  for (int64_t head = 1; head < arg.shape[0]; ++head)
    std::memcpy(static_cast<char *>(to) + head * row, to, row);
  return "";
}

std::string RunArrays::readInputs(const std::string &folder) {
  for (size_t i = 0; i < args.size(); ++i) {
    if (args[i].role != Role::In) {
      // All bits set is a nan: an output that is never written shows.
      std::memset(addresses[i], 0xFF, bytesOf(args[i]));
      continue;
    }
    std::string path = folder + "/" + args[i].name + ".npy";
    std::string error = readInput(args[i], addresses[i], path);
    if (!error.empty())
      return "array " + args[i].name + " (" + path + "): " + error;
  }
  return "";
}

std::string RunArrays::prepare(const KernelManifest &manifest, int threads,
                               const std::string &folder) {
  if (!sys::fs::is_directory(folder))
    return "expected --in to be a folder, but got '" + folder + "'";
  args = manifest.args;
  workspaceBytes = manifest.workspaceFor(threads);
  std::string error = allocate();
  return error.empty() ? readInputs(folder) : error;
}

static bool allFinite(const FloatArray &values, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    if (!std::isfinite(values.get(i)))
      return false;
  return true;
}

std::string RunArrays::findNotFinite() const {
  for (size_t i = 0; i < args.size(); ++i) {
    int64_t count = elementCount(args[i].shape);
    if (args[i].role == Role::Out &&
        !allFinite(FloatArray(args[i].type, addresses[i]), count))
      return args[i].name;
  }
  return "";
}

double RunArrays::boundAsWritten(const std::string &name, double bound) const {
  if (!sharedBias || name != "dbias")
    return bound;
  for (size_t i = 0; i < args.size(); ++i) {
    if (args[i].name != name)
      continue;
    const FloatArray values(args[i].type, addresses[i]);
    double largest = 0.0;
    for (int64_t k = 0; k < elementCount(args[i].shape); ++k)
      largest = std::max(largest, std::abs(values.get(k)));
    double unit = args[i].type == FloatType::F64    ? 0x1p-53
                  : args[i].type == FloatType::F32  ? 0x1p-24
                  : args[i].type == FloatType::BF16 ? 0x1p-8
                                                    : 0x1p-11;
    auto heads = static_cast<double>(args[i].shape[0]);
    // The last term: numbers below the smallest normal one of f16.
    return heads * (bound + 2 * unit * largest) + 0x1p-24 * unit;
  }
  return bound;
}

void *RunArrays::find(const std::string &name) const {
  for (size_t i = 0; i < args.size(); ++i)
    if (args[i].name == name)
      return addresses[i];
  return nullptr;
}

/// The report of this name, or null.
const KernelArg *RunArrays::report(const std::string &name) const {
  for (const KernelArg &arg : args)
    if (arg.role == Role::Report && arg.name == name)
      return &arg;
  return nullptr;
}

std::optional<int64_t> RunArrays::degreeUsed() const {
  const KernelArg *arg = report("degree_used");
  if (!arg || !arg->shape.empty())
    return std::nullopt;
  double degree = FloatArray(arg->type, find(arg->name)).get(0);
  if (std::isnan(degree)) // A call that was wrong reports nothing.
    return std::nullopt;
  return static_cast<int64_t>(degree);
}

std::optional<HeadReports> RunArrays::headReports(int64_t heads) const {
  const KernelArg *used = report("degree_used"),
                  *found = report("radius_found");
  if (!used || !found || used->shape.size() != 2 || found->shape != used->shape)
    return std::nullopt;
  HeadReports reports;
  reports.heads = used->shape[1];
  reports.group = std::max<int64_t>(heads / reports.heads, 1);
  const FloatArray degrees(used->type, find(used->name)),
      radii(found->type, find(found->name));
  for (int64_t i = 0; i < elementCount(used->shape); ++i) {
    double degree = degrees.get(i);
    if (std::isnan(degree))
      return std::nullopt;
    HeadReport &head = reports.each.emplace_back();
    head.radius = radii.get(i);
    if (degree >= 0)
      head.degree = static_cast<int64_t>(degree);
  }
  return reports;
}

std::optional<double> RunArrays::radiusFound() const {
  for (size_t i = 0; i < args.size(); ++i) {
    if (args[i].role != Role::Report || args[i].name != "radius_found")
      continue;
    double largest = 0.0;
    const FloatArray radii(args[i].type, addresses[i]);
    for (int64_t k = 0; k < elementCount(args[i].shape); ++k) {
      double radius = radii.get(k);
      // A nan stays.
      largest = largest >= radius ? largest : radius;
    }
    return largest;
  }
  return std::nullopt;
}
