//===- CHeaderText.cpp - What every C header of a kernel says -------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/CHeaderText.h"

namespace ropegrad {

const char *const kStatusCodes = R"(#ifndef ROPEGRAD_STATUS
#define ROPEGRAD_STATUS
/* What every kernel of RopeGrad returns. */
enum ropegrad_status {
  ROPEGRAD_OK = 0,
  /* The logits may exceed the radius that the kernel was compiled for:
   * *radius_found says what was found. Kernels that report degree_used compute
   * exactly then, the whole call or the heads that exceed it, which is
   * status 0. */
  ROPEGRAD_RADIUS_EXCEEDED = 1,
  /* workspace_bytes is less than the function's _workspace_bytes(). */
  ROPEGRAD_WORKSPACE_TOO_SMALL = 2,
  /* An array or the workspace is a null pointer. */
  ROPEGRAD_NULL_POINTER = 3,
  /* An output is nan or infinite: an input that it depends on is, or its value
   * is beyond the range of its type. */
  ROPEGRAD_NOT_FINITE = 4,
  /* A row of a polynomial similarity has a sum that is not positive. */
  ROPEGRAD_NON_POSITIVE_ROW_SUM = 5,
  /* The workspace is not aligned to 64 bytes. */
  ROPEGRAD_WORKSPACE_MISALIGNED = 6,
  /* batch or n is not between 1 and what the kernel was compiled for, or a
   * stride is negative, shorter than a row, or leads beyond all addresses. */
  ROPEGRAD_SIZES_OUT_OF_RANGE = 7,
  /* An output, a report or the workspace shares memory with another array, or
   * an output with itself. */
  ROPEGRAD_ARRAYS_OVERLAP = 8,
  /* An array is not aligned to its elements, or a residual or what _prepare
   * makes to 64 bytes. */
  ROPEGRAD_ARRAY_MISALIGNED = 9,
  /* The radius is within the kernel's, but a coordinate of queries and keys
   * exceeds the bound that the kernel was compiled for (--bounds). Kernels that
   * report degree_used compute exactly then, which is status 0. */
  ROPEGRAD_BOUND_EXCEEDED = 10,
  /* prepared_bytes is less than the kernel's _prepared_bytes(). */
  ROPEGRAD_PREPARED_TOO_SMALL = 11,
  /* prepared does not hold what _prepare of this kernel made for the n of the
   * call. */
  ROPEGRAD_NOT_PREPARED = 12,
  /* On route fft a learned bias is so uneven that rounding of the transforms
   * would be large beside the sum of some row's weights. Kernels that report
   * degree_used compute exactly then, which is status 0. */
  ROPEGRAD_ROW_SUM_TOO_SMALL = 13
};
#endif
)";

const char *const kSizes = R"(#ifndef ROPEGRAD_SIZES
#define ROPEGRAD_SIZES
/* Sizes of one call of a _sized function. */
typedef struct ropegrad_sizes {
  /* Batch entries (1 where there is no batch) and rows: from 1 to what the
   * kernel was compiled for. */
  int64_t batch, n;
  /* Null where all arrays are contiguous. Otherwise three numbers, in elements
   * and not negative, for each 4-D array in the order of the parameters,
   * outputs included: from one batch entry to the next, from one head to the
   * next, and from one row to the next (d or more). Kernels without 4-D arrays
   * do not read it. */
  const int64_t *strides;
} ropegrad_sizes;

/* Sets the strides of one contiguous array (batch, heads, n, d). Returns
 * stride + 3, where those of the next array go. */
static inline int64_t *ropegrad_bhnd(int64_t heads, int64_t n, int64_t d,
                                     int64_t *stride) {
  stride[0] = heads * n * d;
  stride[1] = n * d;
  stride[2] = d;
  return stride + 3;
}

/* The same for an array that lies in memory as (batch, n, heads, d). */
static inline int64_t *ropegrad_bnhd(int64_t heads, int64_t n, int64_t d,
                                     int64_t *stride) {
  stride[0] = n * heads * d;
  stride[1] = d;
  stride[2] = heads * d;
  return stride + 3;
}
#endif
)";

const char *const kContract = R"(/*
 * Contract of every function F below:
 *
 * Arrays are row-major and aligned to their elements.
 * - F takes contiguous arrays of the shapes given below. F_sized takes the
 *   sizes of the call as well: the shapes are then those of sizes->batch batch
 *   entries and n = sizes->n rows, with 2n-1 for this n in bias, W, dbias, dW.
 *   Reports of shape (batch, kv_heads) have sizes->batch rows.
 * - Inputs are only read and may overlap each other. Outputs, reports and the
 *   workspace overlap nothing, and no two elements of an output share an
 *   address: its strides, from the smallest on, each lead beyond what those
 *   before it span. What lies between the rows of an output with strides is
 *   kept, and other arrays may lie there (the parts of one (batch, n, 3, heads,
 *   d), say). A call that finds otherwise returns 8 and writes nothing.
 * - Numbers may be subnormal, and rows may be equal or zero. A nan or an
 *   infinity in an input is status 4, or 1 or 5 where it is found first, if an
 *   output depends on it.
 * - Outputs need no initial values and are overwritten. Where the status is not
 *   0 they hold nothing of use, for they may have served as scratch; only
 *   *radius_found says something after status 1 or 10.
 *
 * workspace is scratch memory, aligned to 64 bytes, of at least as many bytes
 * as F_workspace_bytes(threads) says, whatever the sizes of the call. Nothing
 * in it need be kept between calls. Kernels allocate no memory themselves;
 * OpenMP does when it starts threads.
 *
 * threads is the number of threads of the call: 1 to 1024, numbers beyond count
 * as the nearest of these. The results are the same, to the last bit, for every
 * number of threads and in every call.
 * - LLVM's OpenMP (libomp.so.5) runs them. It keeps them for the next call, and
 *   a program or framework that uses the same library shares them. GNU's
 *   (libgomp) may be in the same process; it has threads of its own, which do
 *   not know of these.
 * - A call from inside a parallel region of libomp runs on one thread, unless
 *   the program allows nested regions (omp_set_max_active_levels).
 * - F has no state: calls may run at the same time in several threads of the
 *   caller, if their outputs and workspaces are different.
 *
 * F_packed is F with all arrays (inputs, outputs, reports, in the order of its
 * parameters) as one array of pointers.
 */
)";

const char *const kResidualContract = R"(/*
 * Training: forward_train and backward are the two halves of gradient. What the
 * first leaves to the second is the residual: residual_bytes() bytes, aligned
 * to 64, whose content has no meaning outside of this kernel.
 * - Call backward with the sizes, inputs and residual of a forward_train that
 *   returned 0; strides and threads may differ. backward checks neither the
 *   radius nor the row sums again, and may be called any number of times.
 * - Every forward pass whose backward pass is still to come needs a residual of
 *   its own.
 */
)";

const char *const kPreparedContract = R"(/*
 * Prepared: kernels of the route fft transform what depends on W and bias alone
 * anew in every call of the functions above. prepare does it once: into a
 * buffer of prepared_bytes() bytes, aligned to 64, that F_prepared takes in the
 * place of W and bias. All else about F_prepared, every bit of its results
 * included, is as with F.
 * - A buffer belongs to this kernel and to one n: that of prepare, or of the
 *   sizes of prepare_sized, whose batch and strides matter to nothing. Calls
 *   with another n, or with what prepare never finished, return 11. A copy of a
 *   buffer, at an address that is a multiple of 64, is as good.
 * - It holds copies of W and bias. Where they change, prepare again.
 * - F_prepared only reads it: any number of calls, one after the other or at
 *   the same time, with any batch, may share one. Nothing may read it during
 *   prepare.
 * - A nan or an infinity in W or bias is found by F_prepared.
 * - After prepared forward_train or after one with W and bias, either backward
 *   may be called.
 */
)";

const char *const kCertificateContract = R"(/*
 * Certificate: certify takes the inputs of a call that returned 0 and what it
 * wrote, and bounds the largest absolute error of every output against exact
 * arithmetic on the inputs as they are given, rounding included. It computes
 * everything again in double and takes a few times as long as the call.
 * - A bound is infinite where none is known. Status 1 says that the logits are
 *   outside of the interval for which exp's polynomial was proved, status 4 that
 *   an output is not finite, status 5 that a row sum is not positive.
 * - bounds holds nothing of use where the status is not 0.
 */
)";

} // namespace ropegrad
