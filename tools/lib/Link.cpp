//===- Link.cpp - Objects to shared libraries ------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// lld in process: no compiler, crt or development package is needed where
// kernels are made.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/Codegen.h"

#include "lld/Common/Driver.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Signals.h"
#include "llvm/Support/raw_ostream.h"

LLD_HAS_DRIVER(elf)

using namespace llvm;

namespace ropegrad {
namespace {

/// The shared objects themselves: their development packages may be missing.
std::string findLibrary(StringRef name) {
  for (const char *folder :
       {"/lib/x86_64-linux-gnu/", "/usr/lib/x86_64-linux-gnu/", "/lib64/",
        "/usr/lib64/", "/lib/", "/usr/lib/"})
    if (sys::fs::exists(folder + name.str()))
      return folder + name.str();
  return "";
}

std::string versionScript(const std::vector<std::string> &symbols) {
  std::string text = "{ global: ";
  for (const std::string &symbol : symbols)
    text += symbol + "; ";
  return text + "local: *; };\n";
}

} // namespace

std::string linkShared(StringRef objectPath, StringRef outputPath,
                       const std::vector<std::string> &symbols) {
  SmallString<128> script;
  int descriptor = -1;
  if (sys::fs::createTemporaryFile("ropegrad", "ver", descriptor, script))
    return "expected a temporary file for the linker, but cannot create one";
  sys::RemoveFileOnSignal(script);
  scope_exit removeScript([&] {
    (void)sys::fs::remove(script);
    sys::DontRemoveFileOnSignal(script);
  });
  {
    raw_fd_ostream stream(descriptor, /*shouldClose=*/true);
    stream << versionScript(symbols);
    stream.flush();
    if (stream.has_error()) {
      stream.clear_error();
      return "expected to write a temporary file for the linker, but cannot";
    }
  }
  std::vector<std::string> arguments = {
      "ld.lld",           "-shared",
      "--as-needed",      "--build-id=none",
      "-Bsymbolic", // calls of its own entry points stay in the library
      "--hash-style=gnu", "--version-script=" + script.str().str(),
      objectPath.str(),   "-o",
      outputPath.str()};
  // A sanitizer's runtime is in the program that loads the kernel.
  if (StringRef(ROPEGRAD_SANITIZER).empty())
    arguments.insert(arguments.begin() + 2, {"-z", "defs"});
  for (const char *name : {"libomp.so.5", "libm.so.6", "libc.so.6"})
    if (std::string path = findLibrary(name); !path.empty())
      arguments.push_back(path);
  std::vector<const char *> pointers;
  pointers.reserve(arguments.size());
  for (const std::string &argument : arguments)
    pointers.push_back(argument.c_str());
  std::string errors;
  raw_string_ostream errorStream(errors);
  lld::Result result = lld::lldMain(pointers, nulls(), errorStream,
                                    {{lld::Gnu, &lld::elf::link}});
  if (result.retCode == 0)
    return "";
  std::string first = StringRef(errors).split('\n').first.str();
  return "expected lld to link the kernel, but it says: " + first;
}

} // namespace ropegrad
