/*===- ropegrad_runtime.h - Opening and calling kernels -----------*- C -*-===*\
|*                                                                            *|
|* Part of RopeGrad, under the Apache License v2.0.                           *|
|*                                                                            *|
|*===----------------------------------------------------------------------===*|
|*                                                                            *|
|* The C interface between a finished kernel (K.so) and a program that        *|
|* calls it without knowing its names: status codes, and a loader that lets   *|
|* the caller read the manifest before any code of the kernel runs.           *|
|*                                                                            *|
\*===----------------------------------------------------------------------===*/

#ifndef ROPEGRAD_RUNTIME_ROPEGRAD_RUNTIME_H
#define ROPEGRAD_RUNTIME_ROPEGRAD_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

/* NOLINTBEGIN(readability-identifier-naming): names as C has them */

#ifdef __cplusplus
extern "C" {
#endif

/* K.h declares the same enumeration: a program may include both. */
#ifndef ROPEGRAD_STATUS
#define ROPEGRAD_STATUS
/** What a kernel returns. */
enum ropegrad_status {
  ROPEGRAD_OK = 0,
  /** The logit radius of the inputs is larger than the one the kernel was
      proved for: radius_found was written, the outputs are unspecified. */
  ROPEGRAD_RADIUS_EXCEEDED = 1,
  ROPEGRAD_WORKSPACE_TOO_SMALL = 2,
  ROPEGRAD_NULL_POINTER = 3,
  /** An output is nan or infinite: an input that it depends on is, or its value
      is beyond the range of its type. */
  ROPEGRAD_NOT_FINITE = 4,
  /** A row of a polynomial similarity sums to zero or less. */
  ROPEGRAD_NON_POSITIVE_ROW_SUM = 5,
  /** The workspace is not 64-byte aligned. */
  ROPEGRAD_WORKSPACE_MISALIGNED = 6,
  /** batch or n is not between 1 and what the kernel was compiled for, or a
      stride is negative, shorter than a row, or leads beyond all addresses. */
  ROPEGRAD_SIZES_OUT_OF_RANGE = 7,
  /** An output, a report or the workspace shares memory with another array, or
      an output with itself. */
  ROPEGRAD_ARRAYS_OVERLAP = 8,
  /** An array is not aligned to its elements, or a residual or what _prepare
      makes to 64 bytes. */
  ROPEGRAD_ARRAY_MISALIGNED = 9,
  /** The logit radius is within the kernel's, but a coordinate of queries and
      keys exceeds its bound, by which the kernel was made smaller. */
  ROPEGRAD_BOUND_EXCEEDED = 10,
  /** prepared_bytes is less than the kernel's _prepared_bytes(). */
  ROPEGRAD_PREPARED_TOO_SMALL = 11,
  /** prepared does not hold what _prepare of this kernel made for the n of the
      call. */
  ROPEGRAD_NOT_PREPARED = 12,
  /** On route fft a learned bias is so uneven that rounding of the transforms
      would be large beside the sum of some row's weights. */
  ROPEGRAD_ROW_SUM_TOO_SMALL = 13
};
#endif

/* K.h defines these, too. */
#ifndef ROPEGRAD_SIZES
#define ROPEGRAD_SIZES
/** Sizes of one call of a _sized function ("sized" in the manifest). */
typedef struct ropegrad_sizes {
  /** Batch entries (1 where there is no batch) and rows: from 1 to what the
      kernel was compiled for. */
  int64_t batch, n;
  /** Null where all arrays are contiguous. Otherwise three numbers, in elements
      and not negative, for each 4-D array in the order of the parameters,
      outputs included: from one batch entry to the next, from one head to the
      next, and from one row to the next (d or more). Kernels without 4-D arrays
      do not read it. */
  const int64_t *strides;
} ropegrad_sizes;

/** Sets the strides of one contiguous array (batch, heads, n, d). Returns
    stride + 3, where those of the next array go. */
static inline int64_t *ropegrad_bhnd(int64_t heads, int64_t n, int64_t d,
                                     int64_t *stride) {
  stride[0] = heads * n * d;
  stride[1] = n * d;
  stride[2] = d;
  return stride + 3;
}

/** The same for an array that lies in memory as (batch, n, heads, d). */
static inline int64_t *ropegrad_bnhd(int64_t heads, int64_t n, int64_t d,
                                     int64_t *stride) {
  stride[0] = n * heads * d;
  stride[1] = d;
  stride[2] = heads * d;
  return stride + 3;
}
#endif

/** What the loader returns beside ROPEGRAD_OK. */
enum ropegrad_loader_status {
  ROPEGRAD_CANNOT_READ = 64, /**< the file cannot be opened or read */
  ROPEGRAD_NOT_A_KERNEL = 65,
  ROPEGRAD_CANNOT_LOAD = 66, /**< the dynamic loader refused the file */
  ROPEGRAD_NOT_LOADED = 67,  /**< ropegrad_find before ropegrad_load */
  ROPEGRAD_NOT_FOUND = 68,   /**< no such function in the kernel */
  ROPEGRAD_OUT_OF_MEMORY = 69
};

/** The name of a status: "ok", "radius-exceeded", "workspace-too-small",
    "null-pointer", "not-finite", "non-positive-row-sum",
    "workspace-misaligned", "sizes-out-of-range", "arrays-overlap",
    "array-misaligned", "bound-exceeded", "prepared-too-small", "not-prepared",
    "row-sum-too-small", "cannot-read", "not-a-kernel", "cannot-load",
   "not-loaded", "not-found", "out-of-memory"; "unknown" for any other number.
   Never null; the string is static. */
const char *ropegrad_status_name(int status);

/** An opened kernel. Handles are independent; one handle must not be used by
    two threads at once, the functions found in it may be. */
typedef struct ropegrad_kernel ropegrad_kernel;

/** The packed entry point of a kernel function. `arrays` holds the pointers of
    the manifest's args in their order, every array contiguous row-major;
    `workspace` is 64-byte aligned, and `workspace_bytes` at least the
    manifest's workspace_bytes + threads * workspace_bytes_per_thread; `threads`
    is from 1 to 1024. Returns 0 to 12. */
typedef int (*ropegrad_packed_fn)(void *const *arrays, void *workspace,
                                  size_t workspace_bytes, int threads);

/** Opens the shared library at `path` (taken as is, never searched for) and
    reads its manifest. No code of the file runs: the file is only parsed, and a
    truncated or foreign one is refused. On success `*kernel` is a handle for
    ropegrad_close, otherwise null. On failure a message (one line, no full
    stop, cut to `error_bytes`) is written to `error`, which may be null. */
int ropegrad_open(const char *path, ropegrad_kernel **kernel, char *error,
                  size_t error_bytes);

/** The manifest, NUL-terminated JSON; valid until ropegrad_close. */
const char *ropegrad_manifest(const ropegrad_kernel *kernel);

/** Loads the kernel's code (RTLD_NOW | RTLD_LOCAL). Call it after checking that
    this machine has the manifest's cpu_features. Loading twice is harmless. */
int ropegrad_load(ropegrad_kernel *kernel, char *error, size_t error_bytes);

/** Looks up the packed entry point `packed_symbol` ("packed" in the
    manifest) of a loaded kernel; `*function` is null unless it is found. The
    function is valid until ropegrad_close. */
int ropegrad_find(const ropegrad_kernel *kernel, const char *packed_symbol,
                  ropegrad_packed_fn *function);

/** Unloads the kernel and frees the handle; null is allowed. */
void ropegrad_close(ropegrad_kernel *kernel);

#ifdef __cplusplus
}
#endif

/* NOLINTEND(readability-identifier-naming) */

#endif /* ROPEGRAD_RUNTIME_ROPEGRAD_RUNTIME_H */
