//===- RunOutput.cpp - Writing the results of a call ----------------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// All or nothing: every array is first written beside its final place, and the
// renames come when no space is needed any more.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/RunArrays.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Signals.h"

#include <unistd.h>

using namespace llvm;
using namespace ropegrad;

std::string ropegrad::checkOutputFolder(const std::string &folder) {
  sys::fs::file_status status;
  if (!sys::fs::status(folder, status))
    return sys::fs::is_directory(status)
               ? ""
               : "expected --out to be a folder, but got '" + folder + "'";
  StringRef parent = sys::path::parent_path(StringRef(folder).rtrim('/'));
  if (parent.empty())
    parent = ".";
  if (sys::fs::is_directory(parent))
    return "";
  return "expected the parent of --out to be a folder, but got '" +
         parent.str() + "'";
}

namespace {
/// Files that become visible together. Whatever is not committed is removed.
class PendingFiles {
public:
  explicit PendingFiles(const std::string &folder) : folder(folder) {}
  ~PendingFiles();
  std::string createFolder();
  std::string add(const KernelArg &arg, const void *data);
  std::string commit();

private:
  std::string finalPath(const std::string &name) const {
    return folder + "/" + name + ".npy";
  }
  std::string temporaryPath(const std::string &name) const {
    return folder + "/." + name + "." + std::to_string(::getpid()) + ".tmp";
  }
  const std::string &folder;
  std::vector<std::string> names; ///< written, not yet renamed
  bool createdFolder = false, committed = false;
};
} // namespace

PendingFiles::~PendingFiles() {
  for (const std::string &name : names) {
    if (!committed)
      (void)sys::fs::remove(temporaryPath(name));
    sys::DontRemoveFileOnSignal(temporaryPath(name));
  }
  if (committed)
    return;
  if (createdFolder)
    (void)sys::fs::remove(folder);
}

std::string PendingFiles::createFolder() {
  createdFolder = !sys::fs::exists(folder);
  std::error_code code = sys::fs::create_directory(
      folder, /*IgnoreExisting=*/true, sys::fs::perms::all_all);
  if (!code)
    return "";
  createdFolder = false;
  return "cannot make folder '" + folder +
         "': " + StringRef(code.message()).lower();
}

std::string PendingFiles::add(const KernelArg &arg, const void *data) {
  names.push_back(arg.name);
  std::string path = finalPath(arg.name);
  // The one thing that a rename cannot replace.
  if (sys::fs::is_directory(path))
    return "expected '" + path + "' to be a file, but got a folder";
  sys::RemoveFileOnSignal(temporaryPath(arg.name));
  std::string error =
      writeNpy(temporaryPath(arg.name), arg.type, arg.shape, data);
  return error.empty() ? "" : "cannot write '" + path + "': " + error;
}

std::string PendingFiles::commit() {
  for (const std::string &name : names)
    if (std::error_code code =
            sys::fs::rename(temporaryPath(name), finalPath(name)))
      return "cannot write '" + finalPath(name) +
             "': " + StringRef(code.message()).lower();
  committed = true;
  return "";
}

/// The sums of the columns, in the first row.
static void sumRows(FloatArray values, const Shape &shape) {
  for (int64_t column = 0; column < shape[1]; ++column) {
    long double sum = 0;
    for (int64_t row = 0; row < shape[0]; ++row)
      sum += values.get(row * shape[1] + column);
    values.set(column, sum);
  }
}

void RunArrays::sumBiasOverHeads() {
  for (size_t i = 0; i < args.size(); ++i) {
    KernelArg &arg = args[i];
    if (arg.name != "dbias" || arg.role != Role::Out || arg.shape.size() != 2)
      continue;
    sumRows(FloatArray(arg.type, addresses[i]), arg.shape);
    arg.shape = {arg.shape[1]};
  }
}

std::string RunArrays::write(const std::string &folder) {
  if (sharedBias)
    sumBiasOverHeads();
  PendingFiles files(folder);
  std::string error = files.createFolder();
  for (size_t i = 0; i < args.size() && error.empty(); ++i)
    if (args[i].role == Role::Out)
      error = files.add(args[i], addresses[i]);
  return error.empty() ? files.commit() : error;
}
