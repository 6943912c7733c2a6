//===- loss.c - A C program that calls a kernel ---------------------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Computes the loss of RoPE attention and its gradient for made-up data:
//
//   ropegrad-compile --n 64 --d 8 -o K.o
//   cc loss.c K.o -lm -l:libomp.so.5 -o loss && ./loss
//
// K.h, which ropegrad-compile writes beside K.o, documents every function.
//
//===----------------------------------------------------------------------===//

#include "K.h"

#include <stdio.h>
#include <stdlib.h>

enum { N = 64, D = 8, THREADS = 2 };

// Fills an array with multiples of 1/64 in [-3/4, 3/4], different per seed.
static void fill(float *array, int count, int seed) {
  for (int i = 0; i < count; ++i)
    array[i] = (float)((i * 37 + seed * 11) % 97 - 48) / 64;
}

int main(void) {
  static float A1[N * D], A2[N * D], A3[N * D], E[N * D];
  static float X1[D * D], X2[D * D], Y[D * D];
  static float dX1[D * D], dX2[D * D], dY[D * D];
  float loss;
  float *inputs[] = {A1, A2, A3, E, X1, X2, Y};
  for (int i = 0; i < 7; ++i)
    fill(inputs[i], i < 4 ? N * D : D * D, i);

  // aligned_alloc wants a size that is a multiple of the alignment.
  size_t bytes = (K_loss_gradient_workspace_bytes(THREADS) + 63) / 64 * 64;
  void *workspace = aligned_alloc(64, bytes);
  if (!workspace) {
    fprintf(stderr, "loss: error: out of memory\n");
    return 1;
  }
  int status = K_loss_gradient(A1, A2, A3, X1, X2, Y, E, &loss, dX1, dX2, dY,
                               workspace, bytes, THREADS);
  free(workspace);
  if (status != ROPEGRAD_OK) {
    fprintf(stderr, "loss: error: expected status 0, but got %d\n", status);
    return 1;
  }
  printf("loss %.7g\n", loss);
  printf("dX1[0] %.7g, dX2[0] %.7g, dY[0] %.7g\n", dX1[0], dX2[0], dY[0]);
  return 0;
}
