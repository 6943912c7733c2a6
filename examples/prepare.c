//===- prepare.c - One position bias for many calls -----------------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// A head with a bias for every distance answers one batch after the other. The
// bias stays as it is, so that its transforms are made once:
//
//   ropegrad-compile --entry attention --n 1000 --d 4 --position none
//     --bias learned --radius 0.5 --tolerance 1e-2 --route fft --wrt none -o
//     K.o
//   cc prepare.c K.o -lm -l:libomp.so.5 -o prepare && ./prepare
//
// Prints O[0] of every batch; fails if a call that is given the bias differs.
//
//===----------------------------------------------------------------------===//

#include "K.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 1000, D = 4, SIZE = N * D, BATCHES = 3, THREADS = 2 };

static void *allocate(size_t bytes) {
  // aligned_alloc wants a size that is a multiple of the alignment.
  void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (!memory) {
    fprintf(stderr, "prepare: error: out of memory\n");
    exit(1);
  }
  return memory;
}

// Ends the program unless a call went well.
static void expect_ok(int status) {
  if (status) {
    fprintf(stderr, "prepare: error: expected status 0, but got %d\n", status);
    exit(1);
  }
}

// Numbers in [-0.7, 0.7] that look random and are the same everywhere: no logit
// exceeds 0.49.
static void fill(float *array) {
  static unsigned state = 1;
  for (int i = 0; i < SIZE; ++i) {
    state = state * 1664525u + 1013904223u;
    array[i] = 0.7f * ((float)(state >> 8) / (1 << 23) - 1);
  }
}

static size_t largest(size_t a, size_t b) { return a > b ? a : b; }

int main(void) {
  static float Q[SIZE], K[SIZE], V[SIZE], O[SIZE], again[SIZE];
  static float bias[2 * N - 1];
  float radius;
  for (int t = 1 - N; t < N; ++t)
    bias[t + N - 1] = -0.5f * logf(1 + fabsf((float)t));

  size_t bytes = largest(K_forward_prepared_workspace_bytes(THREADS),
                         largest(K_forward_workspace_bytes(THREADS),
                                 K_prepare_workspace_bytes(THREADS)));
  void *workspace = allocate(bytes), *prepared = allocate(K_prepared_bytes());
  expect_ok(
      K_prepare(bias, prepared, K_prepared_bytes(), workspace, bytes, THREADS));
  int differ = 0;
  for (int batch = 0; batch < BATCHES; ++batch) {
    fill(Q);
    fill(K);
    fill(V);
    expect_ok(K_forward_prepared(Q, K, V, prepared, O, &radius, workspace,
                                 bytes, THREADS));
    printf("batch %d, O[0] %.6g\n", batch, O[0]);
    expect_ok(
        K_forward(Q, K, V, bias, again, &radius, workspace, bytes, THREADS));
    differ |= memcmp(O, again, sizeof(O)) != 0;
  }
  free(prepared);
  free(workspace);
  if (differ)
    fprintf(stderr, "prepare: error: expected what a call with the bias "
                    "computes, but got something else\n");
  return differ;
}
