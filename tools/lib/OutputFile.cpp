//===- OutputFile.cpp - Writes all of a set of files or none --------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/OutputFile.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Signals.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace ropegrad {

static std::string cannotWrite(const Twine &path, const Twine &reason) {
  return ("cannot write '" + path + "': " + reason).str();
}

/// Why `path` cannot become a file of ours; empty if it can.
static std::string checkDestination(StringRef path) {
  StringRef folder = sys::path::parent_path(path);
  if (!folder.empty() && !sys::fs::exists(folder))
    return cannotWrite(path, "no folder '" + folder + "'");
  if (!folder.empty() && !sys::fs::is_directory(folder))
    return cannotWrite(path, "'" + folder + "' is no folder");
  sys::fs::file_status status;
  if (sys::fs::status(path, status))
    return ""; // nothing there yet
  if (sys::fs::is_directory(status))
    return cannotWrite(path, "it is a folder");
  // A rename would replace /dev/null by a file instead of writing to it.
  if (!sys::fs::is_regular_file(status))
    return cannotWrite(path, "it is no regular file");
  if (sys::fs::access(path, sys::fs::AccessMode::Write))
    return cannotWrite(path, "it is read-only");
  return "";
}

std::string OutputFiles::create(StringRef path, int &descriptor) {
  std::string message = checkDestination(path);
  if (!message.empty())
    return message;
  for (const File &file : files)
    if (path == file.path)
      return cannotWrite(path, "it is written twice");
  SmallString<128> model(sys::path::parent_path(path)), temporary;
  sys::path::append(model, ".ropegrad-%%%%%%%%%%.tmp");
  std::error_code error =
      sys::fs::createUniqueFile(model, descriptor, temporary);
  if (error)
    return cannotWrite(path, error.message());
  sys::RemoveFileOnSignal(temporary);
  files.push_back({path.str(), std::string(temporary)});
  return "";
}

std::string OutputFiles::reserve(StringRef path, std::string &temporary) {
  int descriptor;
  std::string message = create(path, descriptor);
  if (!message.empty())
    return message;
  sys::fs::file_t handle = sys::fs::convertFDToNativeFile(descriptor);
  if (std::error_code error = sys::fs::closeFile(handle))
    return cannotWrite(path, error.message());
  temporary = files.back().temporary;
  return "";
}

std::string OutputFiles::write(StringRef path, StringRef contents) {
  int descriptor;
  std::string message = create(path, descriptor);
  if (!message.empty())
    return message;
  raw_fd_ostream os(descriptor, /*shouldClose=*/true);
  os << contents;
  os.close(); // flushes, and the disk may only now turn out to be full
  if (!os.has_error())
    return "";
  message = cannotWrite(path, os.error().message());
  os.clear_error();
  return message;
}

std::string OutputFiles::commit() {
  for (const File &file : files) {
    std::string message = checkDestination(file.path);
    if (!message.empty()) {
      discard();
      return message;
    }
  }
  for (size_t i = 0; i < files.size(); ++i) {
    std::error_code error = sys::fs::rename(files[i].temporary, files[i].path);
    if (!error)
      continue;
    for (size_t done = 0; done < i; ++done)
      (void)sys::fs::remove(files[done].path);
    std::string path = files[i].path;
    discard();
    return cannotWrite(path, error.message());
  }
  for (const File &file : files)
    sys::DontRemoveFileOnSignal(file.temporary);
  files.clear();
  return "";
}

void OutputFiles::discard() {
  for (const File &file : files) {
    (void)sys::fs::remove(file.temporary);
    sys::DontRemoveFileOnSignal(file.temporary);
  }
  files.clear();
}

} // namespace ropegrad
