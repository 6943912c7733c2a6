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
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ObjCopy/ConfigManager.h"
#include "llvm/ObjCopy/ObjCopy.h"
#include "llvm/Object/Binary.h"
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

/// Runs ld.lld; returns what it says of an error.
std::string runLinker(const std::vector<std::string> &arguments) {
  std::vector<const char *> pointers = {"ld.lld"};
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

} // namespace

std::string linkShared(const std::vector<std::string> &objectPaths,
                       StringRef outputPath,
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
      "-shared",
      "--as-needed",
      "--build-id=none",
      "-Bsymbolic", // calls of its own entry points stay in the library
      "--hash-style=gnu",
      "--version-script=" + script.str().str(),
      "-o",
      outputPath.str()};
  // A sanitizer's runtime is in the program that loads the kernel.
  if (StringRef(ROPEGRAD_SANITIZER).empty())
    arguments.insert(arguments.end(), {"-z", "defs"});
  append_range(arguments, objectPaths);
  for (const char *name : {"libomp.so.5", "libm.so.6", "libc.so.6"})
    if (std::string path = findLibrary(name); !path.empty())
      arguments.push_back(path);
  return runLinker(arguments);
}

std::string linkObjects(const std::vector<std::string> &objectPaths,
                        StringRef scratchPath, std::string &object) {
  std::vector<std::string> arguments = {"-r", "-o", scratchPath.str()};
  append_range(arguments, objectPaths);
  if (std::string error = runLinker(arguments); !error.empty())
    return error;
  auto file = object::createBinary(scratchPath);
  if (!file)
    return "expected to read " + scratchPath.str() + ", but " +
           toString(file.takeError());
  objcopy::ConfigManager config;
  config.ELF.LocalizeHidden = true;
  raw_string_ostream stream(object);
  if (Error error =
          objcopy::executeObjcopyOnBinary(config, *file->getBinary(), stream))
    return "expected LLVM to copy the kernel, but it says: " +
           toString(std::move(error));
  return "";
}

} // namespace ropegrad
