/*===- prepared.c - Calls with what prepare made ------------------*- C -*-===*\
|*                                                                            *|
|* Part of RopeGrad, under the Apache License v2.0.                           *|
|*                                                                            *|
|*===----------------------------------------------------------------------===*|
|*                                                                            *|
|* K and other are attention on the route fft with n = 300, d = 2, one head,  *|
|* W of support 2 and a learned bias under a causal mask, gradients by Q and  *|
|* bias. Every call that is wrong must have its status, and two threads that  *|
|* share one buffer the results of calls with W and bias. Prints what is      *|
|* wrong and returns 1, or prints how many calls were made.                   *|
|*                                                                            *|
\*===----------------------------------------------------------------------===*/

#include "K.h"
#include "other.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 300, D = 2, SIZE = N * D, T = 2 * N - 1, ROUNDS = 6 };

/* The arrays of one caller. */
struct call {
  float q[SIZE], k[SIZE], v[SIZE], dO[SIZE];
  struct {
    float o[SIZE], dq[SIZE], dbias[T], radius;
  } out;
  char *workspace, *residual;
  size_t bytes;
};

static float W[2 * T], bias[T];
static char *prepared;
static int calls, wrong;

static char *allocate(size_t bytes) {
  char *pointer = aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
  if (!pointer)
    exit(2);
  return pointer;
}

static void expect(const char *what, int got, int want) {
  ++calls;
  if (got == want)
    return;
  ++wrong;
  printf("%s: expected status %d, but got %d\n", what, want, got);
}

static void fill(float *array, int count, unsigned seed) {
  for (int i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    array[i] = (float)(seed >> 8) / (1 << 24) - 0.5f;
  }
}

static struct call *make(unsigned seed) {
  struct call *c = calloc(1, sizeof(*c));
  if (!c)
    exit(2);
  fill(c->q, SIZE, seed);
  fill(c->k, SIZE, seed + 1);
  fill(c->v, SIZE, seed + 2);
  fill(c->dO, SIZE, seed + 3);
  c->bytes = 0;
  const size_t sizes[] = {K_prepare_workspace_bytes(2),
                          K_gradient_workspace_bytes(2),
                          K_gradient_prepared_workspace_bytes(2),
                          K_forward_train_prepared_workspace_bytes(2),
                          K_backward_prepared_workspace_bytes(2),
                          K_backward_workspace_bytes(2)};
  for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); ++i)
    c->bytes = sizes[i] > c->bytes ? sizes[i] : c->bytes;
  c->workspace = allocate(c->bytes);
  c->residual = allocate(K_residual_bytes());
  return c;
}

static void destroy(struct call *c) {
  free(c->workspace);
  free(c->residual);
  free(c);
}

/* Call number `way` of all that give the same results, with all n rows. */
static int whole(struct call *c, int way) {
  memset(&c->out, 0xFF, sizeof(c->out));
  if (way == 0)
    return K_gradient(c->q, c->k, c->v, c->dO, W, bias, c->out.o, c->out.dq,
                      c->out.dbias, &c->out.radius, c->workspace, c->bytes, 2);
  if (way == 1)
    return K_gradient_prepared(c->q, c->k, c->v, c->dO, prepared, c->out.o,
                               c->out.dq, c->out.dbias, &c->out.radius,
                               c->workspace, c->bytes, 2);
  void *first[] = {c->q,     c->k,           c->v,       prepared,
                   c->out.o, &c->out.radius, c->residual};
  int status =
      K_forward_train_prepared_packed(first, c->workspace, c->bytes, 2);
  if (status)
    return status;
  if (way == 2)
    return K_backward_prepared(c->q, c->k, c->v, c->dO, prepared, c->residual,
                               c->out.dq, c->out.dbias, c->workspace, c->bytes,
                               2);
  return K_backward(c->q, c->k, c->v, c->dO, W, bias, c->residual, c->out.dq,
                    c->out.dbias, c->workspace, c->bytes, 2);
}

static int sized(struct call *c, int64_t n, const void *from) {
  ropegrad_sizes sizes = {1, n, 0};
  memset(&c->out, 0xFF, sizeof(c->out));
  return K_gradient_prepared_sized(&sizes, c->q, c->k, c->v, c->dO, from,
                                   c->out.o, c->out.dq, c->out.dbias,
                                   &c->out.radius, c->workspace, c->bytes, 1);
}

static int prepare(struct call *c, int64_t n, char *to, size_t bytes) {
  ropegrad_sizes sizes = {1, n, 0};
  int64_t first = n < N ? N - n : 0;
  return K_prepare_sized(&sizes, W + 2 * first, bias + first, to, bytes,
                         c->workspace, c->bytes, 2);
}

static void *share(void *argument) {
  struct call *c = argument;
  void *want = malloc(sizeof(c->out));
  int bad = !want || whole(c, 0);
  for (int way = 0; way < 4 * ROUNDS && !bad; ++way) {
    if (way == 0)
      memcpy(want, &c->out, sizeof(c->out));
    bad = whole(c, way % 4) || memcmp(want, &c->out, sizeof(c->out)) != 0;
  }
  free(want);
  return bad ? argument : NULL;
}

static void share_between_threads(void) {
  pthread_t threads[2];
  struct call *callers[2] = {make(7), make(70)};
  for (int i = 0; i < 2; ++i)
    if (pthread_create(&threads[i], NULL, share, callers[i]))
      exit(2);
  for (int i = 0; i < 2; ++i) {
    void *bad = NULL;
    pthread_join(threads[i], &bad);
    expect("two threads", bad != NULL, 0);
    destroy(callers[i]);
  }
}

/* Buffers of another n, of another kernel, unfinished, moved. */
static void mistake_buffers(struct call *c) {
  char *other = allocate(K_prepared_bytes() + 64);
  memset(other, 0, K_prepared_bytes());
  expect("zeros", sized(c, N, other), ROPEGRAD_NOT_PREPARED);
  expect("fewer rows", sized(c, N - 1, prepared), ROPEGRAD_NOT_PREPARED);
  expect("prepare fewer", prepare(c, 17, other, K_prepared_bytes()),
         ROPEGRAD_OK);
  expect("more rows", sized(c, N, other), ROPEGRAD_NOT_PREPARED);
  expect("as many", sized(c, 17, other), ROPEGRAD_OK);
  expect("of another kernel",
         other_prepare(W, bias, other, K_prepared_bytes(), c->workspace,
                       c->bytes, 1),
         ROPEGRAD_OK);
  expect("of another kernel", sized(c, N, other), ROPEGRAD_NOT_PREPARED);
  memcpy(other, prepared, K_prepared_bytes());
  expect("a copy", sized(c, N, other), ROPEGRAD_OK);
  memmove(other + 32, prepared, K_prepared_bytes());
  expect("misaligned", sized(c, N, other + 32), ROPEGRAD_ARRAY_MISALIGNED);
  expect("no rows", sized(c, 0, prepared), ROPEGRAD_SIZES_OUT_OF_RANGE);
  expect("null", sized(c, N, 0), ROPEGRAD_NULL_POINTER);
  expect("in the workspace", sized(c, N, c->workspace),
         ROPEGRAD_ARRAYS_OVERLAP);
  free(other);
}

/* Calls of prepare that it refuses leave the buffer as it was. */
static void mistake_prepare(struct call *c) {
  size_t bytes = K_prepared_bytes();
  expect("too small", prepare(c, N, prepared, bytes - 1),
         ROPEGRAD_PREPARED_TOO_SMALL);
  expect("too small", prepare(c, 1, prepared, 0), ROPEGRAD_PREPARED_TOO_SMALL);
  expect("misaligned", prepare(c, N, prepared + 32, bytes),
         ROPEGRAD_ARRAY_MISALIGNED);
  expect("null", prepare(c, N, 0, bytes), ROPEGRAD_NULL_POINTER);
  expect("rows", prepare(c, N + 1, prepared, bytes),
         ROPEGRAD_SIZES_OUT_OF_RANGE);
  expect("overlap", prepare(c, N, c->workspace, bytes),
         ROPEGRAD_ARRAYS_OVERLAP);
  expect("overlap",
         K_prepare(W, (float *)prepared, prepared, bytes, c->workspace,
                   c->bytes, 1),
         ROPEGRAD_ARRAYS_OVERLAP);
  expect("workspace",
         K_prepare(W, bias, prepared, bytes, c->workspace,
                   K_prepare_workspace_bytes(1) - 1, 1),
         ROPEGRAD_WORKSPACE_TOO_SMALL);
  expect(
      "workspace",
      K_prepare(W, bias, prepared, bytes, c->workspace + 32, c->bytes - 32, 1),
      ROPEGRAD_WORKSPACE_MISALIGNED);
  expect("still good", sized(c, N, prepared), ROPEGRAD_OK);
}

/* Numbers that are none show where they are used. */
static void spoil(struct call *c) {
  float own = bias[N + 5];
  bias[N + 5] = NAN;
  expect("a nan", prepare(c, N, prepared, K_prepared_bytes()), ROPEGRAD_OK);
  expect("a nan", sized(c, N, prepared), ROPEGRAD_NOT_FINITE);
  bias[N + 5] = own;
  expect("prepare again", prepare(c, N, prepared, K_prepared_bytes()),
         ROPEGRAD_OK);
}

int main(void) {
  fill(W, 2 * T, 5);
  fill(bias, T, 6);
  struct call *c = make(1);
  prepared = allocate(K_prepared_bytes());
  expect("prepare", prepare(c, N, prepared, K_prepared_bytes()), ROPEGRAD_OK);
  mistake_buffers(c);
  mistake_prepare(c);
  spoil(c);
  share_between_threads();
  destroy(c);
  free(prepared);
  if (!wrong)
    printf("%d calls\n", calls);
  return wrong != 0;
}
