//===- beside_openmp.c - A kernel in a program that uses OpenMP -----------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Calls a kernel between and inside parallel regions of the program's own
// OpenMP, GNU's or LLVM's. Every result must be that of one thread, to the last
// bit. K.h is that of an attention kernel of the exact route with N, HEADS, D
// as below and batch 1.
//
//===----------------------------------------------------------------------===//

#include "K.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 2000, HEADS = 2, D = 8, SIZE = HEADS * N * D, THREADS = 4 };

static float inputs[4][SIZE], want[4][SIZE];

struct memory {
  float outputs[4][SIZE];
  void *workspace;
  size_t bytes;
};

static struct memory *make(void) {
  struct memory *m = calloc(1, sizeof(*m));
  if (!m)
    abort();
  m->bytes = (K_gradient_workspace_bytes(THREADS) + 63) / 64 * 64;
  m->workspace = aligned_alloc(64, m->bytes);
  if (!m->workspace)
    abort();
  return m;
}

static void destroy(struct memory *m) {
  free(m->workspace);
  free(m);
}

static int call(struct memory *m, int threads) {
  float (*out)[SIZE] = m->outputs;
  memset(out, 0xFF, sizeof(m->outputs));
  return K_gradient(inputs[0], inputs[1], inputs[2], inputs[3], out[0], out[1],
                    out[2], out[3], m->workspace, m->bytes, threads);
}

static int isBad(struct memory *m, int threads) {
  return call(m, threads) || memcmp(m->outputs, want, sizeof(want)) != 0;
}

int main(void) {
  unsigned seed = 1;
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < SIZE; ++j) {
      seed = seed * 1664525u + 1013904223u;
      inputs[i][j] = (float)(seed >> 8) / (1 << 24) - 0.5f;
    }
  struct memory *m = make();
  int team = 0, between = call(m, 1) != 0, inside = 0;
  memcpy(want, m->outputs, sizeof(want));
  for (int round = 0; round < 5; ++round) {
    team = 0;
#pragma omp parallel num_threads(2) reduction(+ : team)
    team += omp_get_thread_num() + 1;
    between += isBad(m, THREADS);
  }
  destroy(m);
#pragma omp parallel num_threads(2) reduction(+ : inside)
  {
    struct memory *own = make();
    for (int round = 0; round < 3; ++round)
      inside += isBad(own, THREADS);
    destroy(own);
  }
  printf("team %d; bad results: %d between regions, %d inside\n", team, between,
         inside);
  return team != 3 || between || inside;
}
