//===- FuzzNpy.cpp - Any bytes as a .npy file --------------------*- C++
//-*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The reader of ropegrad-run and the header's reader of ropegrad-compile.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/Npy.h"
#include "tools/lib/ProblemFile.h"

#include <cstdint>
#include <cstdlib>
#include <sys/mman.h>
#include <unistd.h>

using namespace ropegrad;

/// Bytes that look like a file with a name.
static std::string writeFile(const uint8_t *data, size_t size) {
  static const int descriptor = ::memfd_create("input.npy", 0);
  if (descriptor < 0 || ::ftruncate(descriptor, 0) != 0 ||
      ::pwrite(descriptor, data, size, 0) != static_cast<ssize_t>(size))
    std::abort();
  return "/proc/self/fd/" + std::to_string(descriptor);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  NpyHeader header;
  (void)parseNpyHeader(std::string(reinterpret_cast<const char *>(data), size),
                       header);
  std::string path = writeFile(data, size);
  (void)npyRank(path);
  for (FloatType type :
       {FloatType::F32, FloatType::F64, FloatType::BF16, FloatType::F16}) {
    NpyReader reader;
    if (!reader.open(path).empty())
      return 0;
    // As much data follows the header as it promises, so this is small.
    int64_t count = elementCount(reader.shape());
    if (count < 0 || static_cast<uint64_t>(count) > size)
      std::abort();
    std::vector<char> values(static_cast<size_t>(count) * sizeInBytes(type));
    (void)reader.read(type, values.data());
  }
  return 0;
}
