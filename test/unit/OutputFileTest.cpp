//===- OutputFileTest.cpp - All files of a set or none --------------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/OutputFile.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include "gtest/gtest.h"

#include <csignal>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace ropegrad;
using llvm::StringRef;

namespace {

class OutputFile : public testing::Test {
protected:
  void SetUp() override {
    (void)llvm::sys::fs::createUniqueDirectory("ropegrad-test", folder);
  }

  void TearDown() override {
    chmod(folder.c_str(), 0755);
    (void)llvm::sys::fs::remove_directories(folder);
  }

  std::string path(StringRef name) const {
    llvm::SmallString<128> result(folder);
    llvm::sys::path::append(result, name);
    return std::string(result);
  }

  void put(StringRef name, StringRef contents) const {
    std::error_code error;
    llvm::raw_fd_ostream(path(name), error) << contents;
  }

  std::string contents(StringRef name) const {
    auto buffer = llvm::MemoryBuffer::getFile(path(name));
    return buffer ? (*buffer)->getBuffer().str() : "<missing>";
  }

  size_t entries() const {
    std::error_code error;
    size_t count = 0;
    for (llvm::sys::fs::directory_iterator it(folder, error), end; it != end;
         it.increment(error))
      ++count;
    return count;
  }

  llvm::SmallString<128> folder;
};

TEST_F(OutputFile, AppearTogetherAtTheEnd) {
  OutputFiles files;
  std::string temporary;
  ASSERT_EQ(files.write(path("K.h"), "header"), "");
  ASSERT_EQ(files.reserve(path("K.so"), temporary), "");
  std::error_code error;
  llvm::raw_fd_ostream(temporary, error) << "library";
  EXPECT_EQ(contents("K.h"), "<missing>");
  ASSERT_EQ(files.commit(), "");
  EXPECT_EQ(contents("K.h"), "header");
  EXPECT_EQ(contents("K.so"), "library");
  EXPECT_EQ(entries(), 2u);
}

TEST_F(OutputFile, AreGoneWithoutCommit) {
  {
    OutputFiles files;
    std::string temporary;
    ASSERT_EQ(files.write(path("K.h"), "header"), "");
    ASSERT_EQ(files.reserve(path("K.so"), temporary), "");
    EXPECT_EQ(entries(), 2u);
  }
  EXPECT_EQ(entries(), 0u);
}

TEST_F(OutputFile, ReplaceOldFilesOnlyAtTheEnd) {
  put("K.h", "old");
  {
    OutputFiles files;
    ASSERT_EQ(files.write(path("K.h"), "new"), "");
  }
  EXPECT_EQ(contents("K.h"), "old");
  OutputFiles files;
  ASSERT_EQ(files.write(path("K.h"), "new"), "");
  ASSERT_EQ(files.commit(), "");
  EXPECT_EQ(contents("K.h"), "new");
}

TEST_F(OutputFile, HaveOrdinaryPermissions) {
  OutputFiles files;
  ASSERT_EQ(files.write(path("K.h"), "x"), "");
  ASSERT_EQ(files.commit(), "");
  mode_t mask = umask(0);
  umask(mask);
  struct stat status;
  ASSERT_EQ(stat(path("K.h").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0666 & ~mask);
}

TEST_F(OutputFile, BareNamesStandInTheCurrentFolder) {
  llvm::SmallString<128> before;
  ASSERT_FALSE(llvm::sys::fs::current_path(before));
  ASSERT_FALSE(llvm::sys::fs::set_current_path(folder));
  OutputFiles files;
  EXPECT_EQ(files.write("K.h", "x"), "");
  EXPECT_EQ(files.commit(), "");
  EXPECT_FALSE(llvm::sys::fs::set_current_path(before));
  EXPECT_EQ(contents("K.h"), "x");
}

TEST_F(OutputFile, RefusesWhatCannotBeWritten) {
  OutputFiles files;
  EXPECT_EQ(files.write(path("none/K.h"), "x"),
            "cannot write '" + path("none/K.h") + "': no folder '" +
                path("none") + "'");
  put("file", "x");
  EXPECT_NE(files.write(path("file/K.h"), "x").find("is no folder"),
            std::string::npos);
  EXPECT_NE(files.write(std::string(folder), "x").find("it is a folder"),
            std::string::npos);
  EXPECT_NE(files.write("/dev/null", "x").find("no regular file"),
            std::string::npos);
  ASSERT_EQ(files.write(path("K.h"), "x"), "");
  EXPECT_NE(files.write(path("K.h"), "x").find("written twice"),
            std::string::npos);
}

TEST_F(OutputFile, RefusesReadOnlyPlaces) {
  if (geteuid() == 0)
    GTEST_SKIP() << "root may write everywhere";
  put("K.h", "old");
  chmod(path("K.h").c_str(), 0444);
  OutputFiles files;
  EXPECT_NE(files.write(path("K.h"), "x").find("read-only"), std::string::npos);
  chmod(folder.c_str(), 0555);
  EXPECT_NE(files.write(path("K.json"), "x").find("ermission"),
            std::string::npos);
}

TEST_F(OutputFile, NoneStaysIfOneCannotHaveItsName) {
  OutputFiles files;
  ASSERT_EQ(files.write(path("K.h"), "x"), "");
  ASSERT_EQ(files.write(path("K.json"), "x"), "");
  ASSERT_EQ(mkdir(path("K.json").c_str(), 0755), 0);
  EXPECT_NE(files.commit().find("it is a folder"), std::string::npos);
  EXPECT_EQ(entries(), 1u);
}

TEST_F(OutputFile, SurvivesAFullDisk) {
  // A limit on the size of files stands in for the full disk.
  struct rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  struct rlimit small = before;
  small.rlim_cur = 4096;
  auto handler = signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  {
    OutputFiles files;
    std::string message = files.write(path("K.so"), std::string(100000, 'x'));
    EXPECT_EQ(message.find("cannot write '"), 0u) << message;
  }
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  EXPECT_EQ(entries(), 0u);
}

} // namespace
