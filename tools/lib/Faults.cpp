//===- Faults.cpp - When the system refuses --------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Handlers allocate nothing: there may be no memory left.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/Faults.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/Signals.h"

#include <atomic>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <unistd.h>

#if defined(__GLIBC__) && defined(__has_feature)
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
#define ROPEGRAD_OWN_MALLOC
extern "C" void *mallocOfLibc(size_t size) noexcept __asm__("__libc_malloc");
#endif
#endif

namespace ropegrad {
namespace {

const char *toolName = "";

/// Of several threads that fail at once the first one speaks and tidies up.
std::atomic<bool> isEnding = false;
thread_local bool endsHere = false;

[[noreturn]] void end(const char *what, const char *detail = "") {
  if (endsHere)
    ::_exit(1);
  endsHere = true;
  if (isEnding.exchange(true))
    while (true)
      ::pause();
  char line[512];
  int size = std::snprintf(line, sizeof(line), "%s: error: %s%s\n", toolName,
                           what, detail);
  if (size > 0)
    (void)!::write(STDERR_FILENO, line,
                   size < int(sizeof(line)) ? size : sizeof(line) - 1);
  llvm::sys::RunInterruptHandlers(); // removes temporary files
  ::_exit(1);
}

[[noreturn]] void endWithoutMemory() {
  end("expected more memory, but the system gives none");
}

/// What throws here are allocations and threads of the standard library.
[[noreturn]] void endWithoutResources() {
  end("expected more memory or threads, but the system gives none");
}

void endForLLVM(void *, const char *reason, bool) {
  if (llvm::StringRef(reason).starts_with("pthread_create"))
    endWithoutResources();
  end("expected LLVM to go on, but it says: ", reason);
}

/// lld writes to mapped memory, and inputs are mapped: a signal says that the
/// disk has no room for the one, or that somebody cut the other.
void endWithoutPage(int) {
  end("expected mapped memory to be backed by its file, but no space is left "
      "on the device or the file has become shorter");
}

} // namespace

#ifdef ROPEGRAD_OWN_MALLOC
/// MLIR makes its operations by malloc and uses what it gets, unseen.
extern "C" void *malloc(size_t size) noexcept {
  void *memory = mallocOfLibc(size);
  if (!memory && size != 0 && *toolName != '\0')
    endWithoutMemory();
  return memory;
}
#endif

void reportFaultsAs(const char *tool) {
  toolName = tool;
  std::set_new_handler(endWithoutMemory);
  std::set_terminate(endWithoutResources);
  llvm::install_bad_alloc_error_handler(
      [](void *, const char *, bool) { endWithoutMemory(); });
  llvm::install_fatal_error_handler(endForLLVM);
  // LLVM sets its handlers once, of these signals too: have it do so now.
  llvm::sys::SetInterruptFunction(nullptr);
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGBUS, endWithoutPage);
}

} // namespace ropegrad
