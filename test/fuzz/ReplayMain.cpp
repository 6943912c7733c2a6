//===- ReplayMain.cpp - Runs a fuzz target on files -------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Stands in for libFuzzer where a build is not for fuzzing: each file of the
// folders given is one input, in the order of their names.
//
//===----------------------------------------------------------------------===//

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

using namespace llvm;

static std::vector<std::string> filesIn(StringRef folder) {
  std::vector<std::string> paths;
  std::error_code error;
  for (sys::fs::directory_iterator it(folder, error), end; it != end && !error;
       it.increment(error))
    paths.push_back(it->path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

int main(int argc, char **argv) {
  size_t count = 0;
  for (int i = 1; i < argc; ++i) {
    if (argv[i][0] == '-') // what libFuzzer understands
      continue;
    for (const std::string &path : filesIn(argv[i])) {
      auto file = MemoryBuffer::getFile(path);
      if (!file) {
        errs() << path << ": " << file.getError().message() << "\n";
        return 1;
      }
      // Named before it runs: a crash says nothing more.
      errs() << path << "\n";
      StringRef text = (*file)->getBuffer();
      LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t *>(text.data()),
                             text.size());
      ++count;
    }
  }
  outs() << count << " inputs\n";
  return count == 0;
}
