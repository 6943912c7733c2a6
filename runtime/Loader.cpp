//===- Loader.cpp - Opens kernels made by ropegrad-compile ----------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Implements ropegrad_runtime.h: manifest first, code second.
//
//===----------------------------------------------------------------------===//

#include "runtime/ropegrad_runtime.h"

#include "runtime/ElfFile.h"

#include <cctype>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <new>
#include <utility>

using namespace ropegrad::runtime;

struct ropegrad_kernel {
  Allocated<char> path; ///< absolute: dlopen searches for a bare file name
  Allocated<char> manifest;
  void *library = nullptr;
};

const char *ropegrad_status_name(int status) {
  switch (status) {
  case ROPEGRAD_OK:
    return "ok";
  case ROPEGRAD_RADIUS_EXCEEDED:
    return "radius-exceeded";
  case ROPEGRAD_WORKSPACE_TOO_SMALL:
    return "workspace-too-small";
  case ROPEGRAD_NULL_POINTER:
    return "null-pointer";
  case ROPEGRAD_NOT_FINITE:
    return "not-finite";
  case ROPEGRAD_NON_POSITIVE_ROW_SUM:
    return "non-positive-row-sum";
  case ROPEGRAD_WORKSPACE_MISALIGNED:
    return "workspace-misaligned";
  case ROPEGRAD_SIZES_OUT_OF_RANGE:
    return "sizes-out-of-range";
  case ROPEGRAD_ARRAYS_OVERLAP:
    return "arrays-overlap";
  case ROPEGRAD_ARRAY_MISALIGNED:
    return "array-misaligned";
  case ROPEGRAD_BOUND_EXCEEDED:
    return "bound-exceeded";
  case ROPEGRAD_PREPARED_TOO_SMALL:
    return "prepared-too-small";
  case ROPEGRAD_NOT_PREPARED:
    return "not-prepared";
  case ROPEGRAD_ROW_SUM_TOO_SMALL:
    return "row-sum-too-small";
  case ROPEGRAD_CANNOT_READ:
    return "cannot-read";
  case ROPEGRAD_NOT_A_KERNEL:
    return "not-a-kernel";
  case ROPEGRAD_CANNOT_LOAD:
    return "cannot-load";
  case ROPEGRAD_NOT_LOADED:
    return "not-loaded";
  case ROPEGRAD_NOT_FOUND:
    return "not-found";
  case ROPEGRAD_OUT_OF_MEMORY:
    return "out-of-memory";
  }
  return "unknown";
}

__attribute__((format(printf, 4, 5))) static int
fail(int status, char *error, size_t bytes, const char *format, ...) {
  if (error && bytes > 0) {
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(error, bytes, format, arguments);
    va_end(arguments);
  }
  return status;
}

int ropegrad_open(const char *path, ropegrad_kernel **kernel, char *error,
                  size_t errorBytes) {
  if (!path || !kernel)
    return fail(ROPEGRAD_NULL_POINTER, error, errorBytes,
                "expected a path and a place for the kernel, but got null");
  *kernel = nullptr;
  ElfFile file;
  Allocated<char> absolute(::realpath(path, nullptr));
  if (!absolute || !file.open(absolute.get())) {
    const char *reason = std::strerror(errno); // starts with a capital
    return fail(ROPEGRAD_CANNOT_READ, error, errorBytes,
                "cannot open kernel '%s': %c%s", path,
                std::tolower(static_cast<unsigned char>(reason[0])),
                reason + 1);
  }

  Message why;
  Allocated<char> manifest;
  if (!file.regular())
    why.set("something that is not a regular file");
  else if (file.check(why))
    manifest = file.readText("ropegrad_manifest", why);
  if (!manifest)
    return fail(ROPEGRAD_NOT_A_KERNEL, error, errorBytes,
                "expected a kernel made by ropegrad-compile, but got %s: '%s'",
                why.text, path);

  auto *opened = new (std::nothrow) ropegrad_kernel;
  if (!opened)
    return fail(ROPEGRAD_OUT_OF_MEMORY, error, errorBytes, "out of memory");
  opened->path = std::move(absolute);
  opened->manifest = std::move(manifest);
  *kernel = opened;
  return ROPEGRAD_OK;
}

const char *ropegrad_manifest(const ropegrad_kernel *kernel) {
  return kernel ? kernel->manifest.get() : nullptr;
}

int ropegrad_load(ropegrad_kernel *kernel, char *error, size_t errorBytes) {
  if (!kernel)
    return fail(ROPEGRAD_NULL_POINTER, error, errorBytes,
                "expected a kernel, but got null");
  if (!kernel->library)
    kernel->library = ::dlopen(kernel->path.get(), RTLD_NOW | RTLD_LOCAL);
  if (kernel->library)
    return ROPEGRAD_OK;
  const char *reason = ::dlerror();
  return fail(ROPEGRAD_CANNOT_LOAD, error, errorBytes, "cannot load kernel: %s",
              reason ? reason : "unknown reason");
}

int ropegrad_find(const ropegrad_kernel *kernel, const char *packedSymbol,
                  ropegrad_packed_fn *function) {
  if (!kernel || !packedSymbol || !function)
    return ROPEGRAD_NULL_POINTER;
  *function = nullptr;
  if (!kernel->library)
    return ROPEGRAD_NOT_LOADED;
  void *address = ::dlsym(kernel->library, packedSymbol);
  if (!address)
    return ROPEGRAD_NOT_FOUND;
  *function = reinterpret_cast<ropegrad_packed_fn>(address);
  return ROPEGRAD_OK;
}

void ropegrad_close(ropegrad_kernel *kernel) {
  if (kernel && kernel->library)
    ::dlclose(kernel->library);
  delete kernel;
}
