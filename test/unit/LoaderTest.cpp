//===- LoaderTest.cpp - Opening kernels -----------------------------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Kernels are made by the C compiler TEST_CC (a string); damaged copies of them
// must be refused, never crash the loader.
//
//===----------------------------------------------------------------------===//

#include "runtime/ropegrad_runtime.h"

#include "gtest/gtest.h"

#include <cstdlib>
#include <cstring>
#include <elf.h>
#include <fstream>
#include <sstream>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

/// The constructor makes running any code of the kernel visible.
const char kKernelSource[] = R"(
#include <stddef.h>
#include <stdlib.h>
__attribute__((constructor)) static void ran(void) {
  setenv("ROPEGRAD_TEST_KERNEL_RAN", "1", 1);
}
const char ropegrad_manifest[] = "{\"ropegrad\": 1, \"name\": \"K\"}";
int K_twice_packed(void *const *arrays, void *workspace, size_t bytes,
                   int threads) {
  if (!workspace || bytes < 64)
    return 2;
  *(float *)arrays[1] = *(const float *)arrays[0] * 2 + threads;
  return 0;
}
)";

#define EXPECT_HAS(text, part)                                                 \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

class LoaderTest : public testing::Test {
protected:
  void SetUp() override {
    const auto *test = testing::UnitTest::GetInstance()->current_test_info();
    prefix = testing::TempDir() + "ropegrad-loader-" + test->name() + "-" +
             std::to_string(::getpid());
    unsetenv("ROPEGRAD_TEST_KERNEL_RAN");
  }
  void TearDown() override {
    for (const char *suffix : {".so", ".c", ".o"})
      std::remove((prefix + suffix).c_str());
  }

  static void writeFile(const std::string &path, const std::string &bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }
  static std::string readFile(const std::string &path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }

  /// Compiles `source` and returns the bytes of the file.
  std::string compile(const std::string &source,
                      const std::string &flags = "-shared -fPIC") {
    writeFile(prefix + ".c", source);
    std::string command = std::string(TEST_CC) + " -O1 " + flags + " -o '" +
                          prefix + ".o' '" + prefix + ".c'";
    // NOLINTNEXTLINE(bugprone-command-processor): the command is our own.
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    return readFile(prefix + ".o");
  }

  /// Opens a file of these bytes.
  int open(const std::string &bytes) {
    writeFile(so(), bytes);
    return openPath(so());
  }
  int openPath(const std::string &path) {
    close();
    error[0] = 0;
    return ropegrad_open(path.c_str(), &kernel, error, sizeof(error));
  }
  void close() {
    ropegrad_close(kernel);
    kernel = nullptr;
  }
  std::string so() const { return prefix + ".so"; }
  static bool kernelRan() {
    return std::getenv("ROPEGRAD_TEST_KERNEL_RAN") != nullptr;
  }

  std::string prefix;
  ropegrad_kernel *kernel = nullptr;
  char error[400] = {0};
};

TEST_F(LoaderTest, ReadsManifestBeforeAnyCodeRuns) {
  ASSERT_EQ(open(compile(kKernelSource)), ROPEGRAD_OK) << error;
  EXPECT_STREQ(ropegrad_manifest(kernel), "{\"ropegrad\": 1, \"name\": \"K\"}");
  EXPECT_FALSE(kernelRan());
  ropegrad_packed_fn function;
  EXPECT_EQ(ropegrad_find(kernel, "K_twice_packed", &function),
            ROPEGRAD_NOT_LOADED);

  ASSERT_EQ(ropegrad_load(kernel, error, sizeof(error)), ROPEGRAD_OK) << error;
  EXPECT_EQ(ropegrad_load(kernel, error, sizeof(error)), ROPEGRAD_OK);
  EXPECT_TRUE(kernelRan());
  EXPECT_EQ(ropegrad_find(kernel, "K_thrice_packed", &function),
            ROPEGRAD_NOT_FOUND);
  EXPECT_EQ(function, nullptr);
  ASSERT_EQ(ropegrad_find(kernel, "K_twice_packed", &function), ROPEGRAD_OK);
  float in = 1.5f, out = 0.0f;
  void *arrays[] = {&in, &out};
  alignas(64) char workspace[64];
  EXPECT_EQ(function(arrays, workspace, 64, 3), 0);
  EXPECT_EQ(out, 6.0f);
  EXPECT_EQ(function(arrays, workspace, 63, 3), ROPEGRAD_WORKSPACE_TOO_SMALL);
  close();
}

TEST_F(LoaderTest, OpensSeveralKernelsAtOnce) {
  ASSERT_EQ(open(compile(kKernelSource)), ROPEGRAD_OK) << error;
  ropegrad_kernel *second = nullptr;
  ASSERT_EQ(ropegrad_open(so().c_str(), &second, nullptr, 0), ROPEGRAD_OK);
  EXPECT_EQ(ropegrad_load(kernel, nullptr, 0), ROPEGRAD_OK);
  EXPECT_EQ(ropegrad_load(second, nullptr, 0), ROPEGRAD_OK);
  ropegrad_close(second);
  ropegrad_packed_fn function;
  EXPECT_EQ(ropegrad_find(kernel, "K_twice_packed", &function), ROPEGRAD_OK);
  close();
}

TEST_F(LoaderTest, RefusesEveryTruncation) {
  const std::string whole = compile(kKernelSource);
  ASSERT_GT(whole.size(), 1000u);
  // All lengths near the headers and the end, many between.
  for (size_t length = 0; length < whole.size();
       length += length < 1200 || length + 200 > whole.size() ? 1 : 37) {
    EXPECT_EQ(open(whole.substr(0, length)), ROPEGRAD_NOT_A_KERNEL) << length;
    EXPECT_EQ(kernel, nullptr);
    EXPECT_HAS(error, "expected a kernel made by ropegrad-compile, but got ");
  }
  EXPECT_EQ(open(whole), ROPEGRAD_OK) << error;
  EXPECT_FALSE(kernelRan());
  close();
}

/// Damages every header field and table one byte at a time; opening may succeed
/// (many bytes do not matter) but must not crash. Sanitizers watch the rest.
TEST_F(LoaderTest, SurvivesDamagedHeaders) {
  const std::string whole = compile(kKernelSource);
  Elf64_Ehdr header;
  ASSERT_GE(whole.size(), sizeof(header));
  std::memcpy(&header, whole.data(), sizeof(header));
  std::vector<std::pair<size_t, size_t>> ranges = {
      {0, sizeof(header) + header.e_phnum * sizeof(Elf64_Phdr)},
      {header.e_shoff, whole.size()}};
  for (unsigned i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr section;
    std::memcpy(&section, whole.data() + header.e_shoff + i * sizeof(section),
                sizeof(section));
    if (section.sh_type == SHT_DYNSYM)
      ranges.push_back(
          {section.sh_offset, section.sh_offset + section.sh_size});
  }
  ASSERT_EQ(ranges.size(), 3u);
  int refused = 0;
  for (auto [begin, end] : ranges)
    for (size_t at = begin; at < end; ++at)
      for (char damage : {'\xFF', '\x00', '\x7F'}) {
        std::string copy = whole;
        copy[at] = damage;
        int status = open(copy);
        refused += status != ROPEGRAD_OK;
        EXPECT_TRUE(status == ROPEGRAD_OK || status == ROPEGRAD_NOT_A_KERNEL);
        EXPECT_EQ(status == ROPEGRAD_OK, kernel != nullptr);
      }
  EXPECT_GT(refused, 100);
  EXPECT_FALSE(kernelRan());
  close();
}

TEST_F(LoaderTest, SaysWhatItGotInsteadOfAKernel) {
  EXPECT_EQ(open(compile("int answer(void) { return 42; }")),
            ROPEGRAD_NOT_A_KERNEL);
  EXPECT_EQ(error, "expected a kernel made by ropegrad-compile, but got a "
                   "shared library without the symbol ropegrad_manifest: '" +
                       so() + "'");
  EXPECT_EQ(open(compile("extern const char ropegrad_manifest[];"
                         "char f(void) { return ropegrad_manifest[0]; }")),
            ROPEGRAD_NOT_A_KERNEL);
  EXPECT_HAS(error, "without the symbol ropegrad_manifest");
  EXPECT_EQ(open(compile("char ropegrad_manifest[64];")),
            ROPEGRAD_NOT_A_KERNEL);
  EXPECT_HAS(error, "whose ropegrad_manifest is damaged");
  EXPECT_EQ(open(compile("const char ropegrad_manifest[2] = {'{', '}'};")),
            ROPEGRAD_NOT_A_KERNEL);
  EXPECT_HAS(error, "whose ropegrad_manifest is damaged");
  EXPECT_EQ(open(compile(kKernelSource, "-c -fPIC")), ROPEGRAD_NOT_A_KERNEL);
  EXPECT_HAS(error, "an object file that is not linked");
  EXPECT_EQ(open("#!/bin/sh\n"), ROPEGRAD_NOT_A_KERNEL);
  EXPECT_HAS(error, "a file that is not ELF");
  EXPECT_EQ(open(""), ROPEGRAD_NOT_A_KERNEL);
  EXPECT_HAS(error, "an empty file");
  EXPECT_EQ(openPath(testing::TempDir()), ROPEGRAD_NOT_A_KERNEL);
  EXPECT_HAS(error, "not a regular file");

  std::string other = compile(kKernelSource);
  other[offsetof(Elf64_Ehdr, e_machine)] = static_cast<char>(EM_AARCH64);
  EXPECT_EQ(open(other), ROPEGRAD_NOT_A_KERNEL);
  EXPECT_HAS(error, "another machine than x86-64");
}

TEST_F(LoaderTest, NamesFilesThatCannotBeRead) {
  EXPECT_EQ(openPath(prefix + ".missing"), ROPEGRAD_CANNOT_READ);
  EXPECT_EQ(error, "cannot open kernel '" + prefix +
                       ".missing': no such file or directory");
  EXPECT_EQ(openPath(""), ROPEGRAD_CANNOT_READ);
}

TEST_F(LoaderTest, ReportsWhatTheDynamicLoaderRefuses) {
  std::string source = std::string(kKernelSource) +
                       "void ropegrad_test_nowhere(void);\n"
                       "void K_call(void) { ropegrad_test_nowhere(); }\n";
  ASSERT_EQ(open(compile(source)), ROPEGRAD_OK) << error;
  EXPECT_EQ(ropegrad_load(kernel, error, sizeof(error)), ROPEGRAD_CANNOT_LOAD);
  EXPECT_HAS(error, "ropegrad_test_nowhere");
  EXPECT_FALSE(kernelRan());
  close();
}

TEST_F(LoaderTest, CutsLongMessages) {
  char small[12];
  std::memset(small, 'x', sizeof(small));
  EXPECT_EQ(ropegrad_open("/nonexistent", &kernel, small, sizeof(small)),
            ROPEGRAD_CANNOT_READ);
  EXPECT_STREQ(small, "cannot open");
}

TEST(LoaderNullTest, RefusesNullPointers) {
  ropegrad_kernel *kernel = nullptr;
  EXPECT_EQ(ropegrad_open(nullptr, &kernel, nullptr, 0), ROPEGRAD_NULL_POINTER);
  EXPECT_EQ(ropegrad_open("x", nullptr, nullptr, 0), ROPEGRAD_NULL_POINTER);
  EXPECT_EQ(ropegrad_load(nullptr, nullptr, 0), ROPEGRAD_NULL_POINTER);
  EXPECT_EQ(ropegrad_find(nullptr, "f", nullptr), ROPEGRAD_NULL_POINTER);
  EXPECT_EQ(ropegrad_manifest(nullptr), nullptr);
  ropegrad_close(nullptr);
}

TEST(StatusTest, HasAName) {
  const char *names[] = {"ok",
                         "radius-exceeded",
                         "workspace-too-small",
                         "null-pointer",
                         "not-finite",
                         "non-positive-row-sum",
                         "workspace-misaligned",
                         "sizes-out-of-range",
                         "arrays-overlap",
                         "array-misaligned",
                         "bound-exceeded",
                         "prepared-too-small",
                         "not-prepared",
                         "row-sum-too-small"};
  for (int status = 0; status <= 13; ++status)
    EXPECT_STREQ(ropegrad_status_name(status), names[status]);
  for (int status = ROPEGRAD_CANNOT_READ; status <= ROPEGRAD_OUT_OF_MEMORY;
       ++status)
    EXPECT_STRNE(ropegrad_status_name(status), "unknown");
  EXPECT_STREQ(ropegrad_status_name(14), "unknown");
  EXPECT_STREQ(ropegrad_status_name(-1), "unknown");
}

} // namespace
