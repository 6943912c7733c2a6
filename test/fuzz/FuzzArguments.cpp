//===- FuzzArguments.cpp - Any lines as a command line -----------*- C++
//-*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// One argument a line, for ropegrad-compile and ropegrad-run. No file is read:
// inputs are taken for missing.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/CompileOptions.h"
#include "tools/lib/RunOptions.h"

#include <cstdint>

using namespace ropegrad;

/// Without its files, which are for other targets and not ours to open.
static void complete(CompileOptions &options) {
  if (options.inputKind == InputKind::None && !options.showHelp &&
      !options.showVersion)
    (void)resolve(options);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::vector<std::string> lines(1);
  for (size_t i = 0; i < size; ++i) {
    if (data[i] == '\n')
      lines.emplace_back();
    else if (data[i] != 0) // ends an argument
      lines.back() += static_cast<char>(data[i]);
  }
  std::vector<const char *> arguments;
  arguments.reserve(lines.size());
  for (const std::string &line : lines)
    arguments.push_back(line.c_str());
  CompileOptions compile;
  if (parseCommandLine(arguments, compile).empty())
    complete(compile);
  RunOptions run;
  (void)parseRunOptions(arguments, run);
  return 0;
}
