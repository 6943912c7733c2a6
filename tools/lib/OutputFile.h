//===- OutputFile.h - Writes all of a set of files or none -----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Output files that appear under their names together, complete, at the end;
// after a failure or a signal there is no trace of them.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_OUTPUTFILE_H
#define ROPEGRAD_TOOLS_LIB_OUTPUTFILE_H

#include "llvm/ADT/StringRef.h"

#include <string>
#include <vector>

namespace ropegrad {

/// A set of files that is committed as a whole. Each is a temporary file in
/// the folder of its destination until then; what is not committed is removed
/// by the destructor. Methods return one message, empty if all is well.
class OutputFiles {
public:
  OutputFiles() = default;
  OutputFiles(const OutputFiles &) = delete;
  OutputFiles &operator=(const OutputFiles &) = delete;
  ~OutputFiles() { discard(); }

  /// Reserves `path` for someone else to write (a linker): `temporary` is the
  /// empty file to write to.
  std::string reserve(llvm::StringRef path, std::string &temporary);

  /// Writes `contents` to be `path`.
  std::string write(llvm::StringRef path, llvm::StringRef contents);

  size_t size() const { return files.size(); }

  /// Gives every file its name. If one cannot have it, none of them stays.
  std::string commit();

private:
  struct File {
    std::string path, temporary;
  };

  std::string create(llvm::StringRef path, int &descriptor);
  void discard();

  std::vector<File> files;
};

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_OUTPUTFILE_H
