/*===- bad_calls.c - Every call that is wrong has its status ------*- C -*-===*\
|*                                                                            *|
|* Part of RopeGrad, under the Apache License v2.0.                           *|
|*                                                                            *|
|*===----------------------------------------------------------------------===*|
|*                                                                            *|
|* K is attention with batch = 2, heads = kv_heads = 2, n = 64, d = 8; with   *|
|* -DWITH_RADIUS on the features route. Prints what is wrong and returns 1,   *|
|* or prints how many calls were made.                                        *|
|*                                                                            *|
\*===----------------------------------------------------------------------===*/

#include "K.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 2, HEADS = 2, N = 64, D = 8, SIZE = BATCH * HEADS * N * D };
enum { Q, K, V, DO, O, DQ, DK, DV, RADIUS, ARRAYS };
#ifdef WITH_RADIUS
enum { GIVEN = ARRAYS };
#else
enum { GIVEN = RADIUS };
#endif

static float *arrays[ARRAYS];
static char *workspace;
static size_t workspace_bytes;
static int calls, wrong;

static void *allocate(size_t bytes) {
  void *pointer = aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
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

static void fill(void) {
  for (int a = Q; a <= DO; ++a)
    for (int i = 0; i < SIZE; ++i)
      arrays[a][i] = (float)((i * 37 + a * 11) % 97 - 48) / 96;
}

static int call(void) {
  return K_gradient_packed((void *const *)arrays, workspace, workspace_bytes,
                           2);
}

/* A call with array `a` at `address`. */
static int call_with(int a, void *address) {
  float *own = arrays[a];
  arrays[a] = address;
  int status = call();
  arrays[a] = own;
  return status;
}

static int call_sized(int64_t batch, int64_t n, const int64_t *strides) {
  ropegrad_sizes sizes = {batch, n, strides};
  return K_gradient_sized(&sizes, arrays[Q], arrays[K], arrays[V], arrays[DO],
                          arrays[O], arrays[DQ], arrays[DK], arrays[DV],
#ifdef WITH_RADIUS
                          arrays[RADIUS],
#endif
                          workspace, workspace_bytes, 1);
}

static void share_memory(void) {
  for (int a = O; a < GIVEN; ++a)
    for (int other = Q; other < GIVEN; ++other) {
      if (a == other)
        continue;
      expect("the same array twice", call_with(a, arrays[other]),
             ROPEGRAD_ARRAYS_OVERLAP);
      if (a == RADIUS || other == RADIUS)
        continue;
      expect("the last element", call_with(a, arrays[other] + SIZE - 1),
             ROPEGRAD_ARRAYS_OVERLAP);
      expect("the first element", call_with(a, arrays[other] - SIZE + 1),
             ROPEGRAD_ARRAYS_OVERLAP);
    }
  for (int a = Q; a < GIVEN; ++a)
    expect("the workspace", call_with(a, workspace + workspace_bytes - 4),
           ROPEGRAD_ARRAYS_OVERLAP);
  for (int a = K; a <= DO; ++a)
    expect("inputs may", call_with(a, arrays[Q]), ROPEGRAD_OK);
}

static void misalign(void) {
  for (int a = Q; a < GIVEN; ++a)
    for (int shift = 1; shift < 4; ++shift)
      expect("misaligned", call_with(a, (char *)arrays[a] + shift),
             ROPEGRAD_ARRAY_MISALIGNED);
}

static void exceed_sizes(void) {
  const int64_t bad[][2] = {{0, 1},         {1, 0},         {BATCH + 1, 1},
                            {1, N + 1},     {-1, N},        {1, INT64_MIN},
                            {INT64_MAX, 1}, {1, INT64_MAX}, {0, 0}};
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); ++i)
    expect("sizes", call_sized(bad[i][0], bad[i][1], 0),
           ROPEGRAD_SIZES_OUT_OF_RANGE);
}

/* Three numbers for each of the eight arrays, those of one array replaced. */
static int call_strided(int a, int64_t batch, int64_t head, int64_t row) {
  int64_t strides[3 * RADIUS], *next = strides;
  for (int each = Q; each < RADIUS; ++each)
    next = ropegrad_bhnd(HEADS, N, D, next);
  strides[3 * a] = batch;
  strides[3 * a + 1] = head;
  strides[3 * a + 2] = row;
  return call_sized(BATCH, N, strides);
}

static void exceed_strides(void) {
  for (int a = Q; a < RADIUS; ++a) {
    const int64_t far[] = {-1, INT64_MIN, INT64_MAX, (int64_t)1 << 45};
    for (int i = 0; i < 4; ++i) {
      expect("batch", call_strided(a, far[i], N * D, D),
             ROPEGRAD_SIZES_OUT_OF_RANGE);
      expect("head", call_strided(a, SIZE, far[i], D),
             ROPEGRAD_SIZES_OUT_OF_RANGE);
      expect("row", call_strided(a, SIZE / 2, N * D, far[i]),
             ROPEGRAD_SIZES_OUT_OF_RANGE);
    }
    expect("short row", call_strided(a, SIZE / 2, N * D, D - 1),
           ROPEGRAD_SIZES_OUT_OF_RANGE);
    int shared = a < O ? ROPEGRAD_OK : ROPEGRAD_ARRAYS_OVERLAP;
    expect("one head for all", call_strided(a, SIZE / 2, 0, D), shared);
    expect("one entry for all", call_strided(a, 0, N * D, D), shared);
    expect("heads that meet", call_strided(a, SIZE / 2, N * D - 1, D), shared);
  }
}

/* All of a group of arrays between each other's rows, as (b, n, 4, h, d) and
 * as (b, h, n, 4, d), then with the second moved by one element. */
static void lie_in_gaps(void) {
  static float inputs[4 * SIZE + 64], outputs[4 * SIZE + 64], *own[ARRAYS];
  const int64_t row = 4 * HEADS * D;
  const int64_t layouts[2][4] = {{N * row, D, row, HEADS * D},
                                 {HEADS * N * 4 * D, N * 4 * D, 4 * D, D}};
  memcpy(own, arrays, sizeof(own));
  for (int layout = 0; layout < 2; ++layout)
    for (int shift = 0; shift < 2; ++shift) {
      const int64_t *stride = layouts[layout];
      int64_t strides[3 * RADIUS];
      for (int a = Q; a < RADIUS; ++a) {
        memcpy(strides + 3 * a, stride, 3 * sizeof(*stride));
        arrays[a] = (a < O ? inputs : outputs) + a % 4 * stride[3];
      }
      for (int i = 0; i < 4 * SIZE; ++i)
        inputs[i] = (float)(i % 31 - 15) / 31;
      arrays[DQ] += shift;
      expect("parts of one array", call_sized(BATCH, N, strides),
             shift ? ROPEGRAD_ARRAYS_OVERLAP : ROPEGRAD_OK);
      expect("fewer rows", call_sized(1, 3, strides),
             shift ? ROPEGRAD_ARRAYS_OVERLAP : ROPEGRAD_OK);
    }
  memcpy(arrays, own, sizeof(own));
}

/* With fewer rows, arrays may be as near as those rows allow. */
static void touch(void) {
  float *own = arrays[DQ];
  arrays[DQ] = arrays[O] + HEADS * 3 * D;
  expect("three rows", call_sized(1, 3, 0), ROPEGRAD_OK);
  expect("four rows", call_sized(1, 4, 0), ROPEGRAD_ARRAYS_OVERLAP);
  arrays[DQ] = own;
}

/* The halves: what is written by one and read by the other. */
static void split(void) {
  size_t bytes = K_forward_train_workspace_bytes(2),
         more = K_backward_workspace_bytes(2);
  char *scratch = allocate(bytes > more ? bytes : more);
  char *residual = allocate(K_residual_bytes() + 64);
  void *first[] = {arrays[Q],      arrays[K], arrays[V], arrays[O],
#ifdef WITH_RADIUS
                   arrays[RADIUS],
#endif
                   residual};
  void *second[] = {arrays[Q], arrays[K],  arrays[V],  arrays[DO],
                    residual,  arrays[DQ], arrays[DK], arrays[DV]};
  void **last = first + sizeof(first) / sizeof(*first) - 1;
  expect("forward_train", K_forward_train_packed(first, scratch, bytes, 2),
         ROPEGRAD_OK);
  expect("backward", K_backward_packed(second, scratch, more, 2), ROPEGRAD_OK);
  *last = second[4] = residual + 32;
  expect("forward_train", K_forward_train_packed(first, scratch, bytes, 2),
         ROPEGRAD_ARRAY_MISALIGNED);
  expect("backward", K_backward_packed(second, scratch, more, 2),
         ROPEGRAD_ARRAY_MISALIGNED);
  *last = second[4] = scratch;
  expect("forward_train", K_forward_train_packed(first, scratch, bytes, 2),
         ROPEGRAD_ARRAYS_OVERLAP);
  expect("backward", K_backward_packed(second, scratch, more, 2),
         ROPEGRAD_ARRAYS_OVERLAP);
  *last = arrays[K];
  expect("forward_train", K_forward_train_packed(first, scratch, bytes, 2),
         ROPEGRAD_ARRAYS_OVERLAP);
  free(residual);
  free(scratch);
}

static void lack_workspace(void) {
  size_t bytes = workspace_bytes;
  workspace_bytes = bytes - 1;
  expect("workspace", call(), ROPEGRAD_WORKSPACE_TOO_SMALL);
  workspace_bytes = 0;
  expect("workspace", call(), ROPEGRAD_WORKSPACE_TOO_SMALL);
  workspace_bytes = bytes;
  workspace += 32;
  expect("workspace", call(), ROPEGRAD_WORKSPACE_MISALIGNED);
  workspace -= 32;
  for (int a = Q; a < GIVEN; ++a)
    expect("null", call_with(a, 0), ROPEGRAD_NULL_POINTER);
}

/* One number that is none, anywhere in an input. */
static void spoil_numbers(void) {
  const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
  for (int a = Q; a <= DO; ++a)
    for (int i = 0; i < 4; ++i)
      for (int at = 0; at < SIZE; at += 331) {
        float own = arrays[a][at];
        arrays[a][at] = bad[i];
        int want = ROPEGRAD_NOT_FINITE;
#ifdef WITH_RADIUS
        if (a == Q || a == K)
          want = ROPEGRAD_RADIUS_EXCEEDED;
#endif
        expect("not finite", call(), want);
        arrays[a][at] = own;
      }
}

int main(void) {
  for (int a = Q; a < ARRAYS; ++a)
    arrays[a] = allocate(SIZE * sizeof(float));
  workspace_bytes = K_gradient_workspace_bytes(2);
  workspace = allocate(workspace_bytes + 64);
  fill();
  expect("a good call", call(), ROPEGRAD_OK);
  share_memory();
  fill();
  misalign();
  exceed_sizes();
  exceed_strides();
  lie_in_gaps();
  touch();
  split();
  lack_workspace();
  spoil_numbers();
  expect("a good call", call(), ROPEGRAD_OK);
  for (int a = Q; a < ARRAYS; ++a)
    free(arrays[a]);
  free(workspace);
  if (!wrong)
    printf("%d calls\n", calls);
  return wrong != 0;
}
