//===- RunOptions.h - Command line of ropegrad-run --------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// What the user asks ropegrad-run to do.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_RUNOPTIONS_H
#define ROPEGRAD_TOOLS_LIB_RUNOPTIONS_H

#include "llvm/ADT/ArrayRef.h"

#include <optional>
#include <string>

namespace ropegrad {

struct RunOptions {
  std::string kernel;         ///< path of K.so
  std::string in;             ///< folder of the input arrays
  std::string out;            ///< folder for the output arrays
  int repeat = 1;             ///< timed calls, after one untimed
  std::optional<int> threads; ///< default: the kernel's, or the machine's
  bool certify = true;
  bool json = false;
  bool help = false; ///< then nothing else is checked or set
};

/// Parses the arguments after the program's name; `--flag value` and
/// `--flag=value` are the same, the last of repeated flags counts. Returns an
/// error or "".
std::string parseRunOptions(llvm::ArrayRef<const char *> arguments,
                            RunOptions &options);

/// What --help prints.
extern const char *const kRunHelp;

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_RUNOPTIONS_H
