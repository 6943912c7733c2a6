//===- two_callers.c - Two threads in one kernel at once ------------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Two threads of the caller run gradient, forward_train and backward of one
// kernel at the same time, each on data of its own and with two threads inside.
// Every result must be, to the last bit, what a single caller gets. K.h is that
// of an attention kernel with N, HEADS, D as below and batch 1.
//
//===----------------------------------------------------------------------===//

#include "K.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 1000, HEADS = 2, D = 4, SIZE = HEADS * N * D, ROUNDS = 8 };
enum { Q, K, V, DO, INPUTS, O = INPUTS, DQ, DK, DV, ARRAYS };

struct caller {
  float arrays[ARRAYS][SIZE];
  float radius; // of kernels that measure it
  void *workspace, *residual;
  size_t bytes;
  int rounds, status;
  float want[ARRAYS][SIZE];
  int differences;
};

static void *allocate(size_t bytes) {
  void *memory = aligned_alloc(64, (bytes / 64 + 1) * 64);
  if (!memory)
    abort();
  return memory;
}

static size_t largest(size_t a, size_t b) { return a > b ? a : b; }

static struct caller *make(unsigned seed) {
  struct caller *c = calloc(1, sizeof(*c));
  if (!c)
    abort();
  for (int i = 0; i < INPUTS; ++i)
    for (int j = 0; j < SIZE; ++j) {
      seed = seed * 1664525u + 1013904223u;
      c->arrays[i][j] = (float)(seed >> 8) / (1 << 24) - 0.5f;
    }
  c->bytes = largest(K_gradient_workspace_bytes(2),
                     largest(K_forward_train_workspace_bytes(2),
                             K_backward_workspace_bytes(2)));
  c->workspace = allocate(c->bytes);
  c->residual = allocate(K_residual_bytes());
  return c;
}

static void clear(struct caller *c) {
  memset(c->arrays[INPUTS], 0xFF, sizeof(c->arrays[0]) * (ARRAYS - INPUTS));
}

static int gradient(struct caller *c) {
  float (*a)[SIZE] = c->arrays;
  clear(c);
  void *arrays[] = {a[Q],  a[K],  a[V],  a[DO],     a[O],
                    a[DQ], a[DK], a[DV], &c->radius};
  return K_gradient_packed(arrays, c->workspace, c->bytes, 2);
}

static int two_passes(struct caller *c) {
  float (*a)[SIZE] = c->arrays;
  clear(c);
#ifdef WITH_RADIUS
  void *first[] = {a[Q], a[K], a[V], a[O], &c->radius, c->residual};
#else
  void *first[] = {a[Q], a[K], a[V], a[O], c->residual};
#endif
  void *second[] = {a[Q], a[K], a[V], a[DO], c->residual, a[DQ], a[DK], a[DV]};
  int status = K_forward_train_packed(first, c->workspace, c->bytes, 2);
  return status ? status : K_backward_packed(second, c->workspace, c->bytes, 2);
}

static void check(struct caller *c, int status) {
  c->status |= status;
  c->differences += memcmp(c->arrays, c->want, sizeof(c->want)) != 0;
}

static void *run(void *argument) {
  struct caller *c = argument;
  for (int round = 0; round < c->rounds; ++round) {
    check(c, gradient(c));
    check(c, two_passes(c));
  }
  return NULL;
}

int main(void) {
  struct caller *callers[2];
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i) {
    callers[i] = make(i + 1);
    callers[i]->status = gradient(callers[i]);
    memcpy(callers[i]->want, callers[i]->arrays, sizeof(callers[i]->want));
    callers[i]->rounds = ROUNDS;
  }
  for (int i = 0; i < 2; ++i)
    if (pthread_create(&threads[i], NULL, run, callers[i]))
      abort();
  int bad = 0;
  for (int i = 0; i < 2; ++i) {
    struct caller *c = callers[i];
    pthread_join(threads[i], NULL);
    printf("caller %d: status %d, %d of %d results differ\n", i, c->status,
           c->differences, 2 * c->rounds);
    bad |= c->status || c->differences;
    free(c->workspace);
    free(c->residual);
    free(c);
  }
  return bad;
}
