//===- train.c - Gradient descent in C with a kernel ----------------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Learns the weights X1, X2 and Y of one RoPE attention head that made E from
// random tokens A, by gradient descent from other weights:
//
//   ropegrad-compile --n 64 --d 8 -o K.o
//   cc train.c K.o -lm -l:libomp.so.5 -o train && ./train
//
// Prints the loss before every step; fails if it does not fall.
//
//===----------------------------------------------------------------------===//

#include "K.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 64, D = 8, STEPS = 15, THREADS = 2 };

static const float RATE = 0.08f;

// Numbers in [-size, size] that look random and are the same everywhere.
static void fill(float *array, int count, float size) {
  static unsigned state = 1;
  for (int i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    array[i] = size * ((float)(state >> 8) / (1 << 23) - 1);
  }
}

// out (N, D) = A (N, D) times X (D, D).
static void project(const float *A, const float *X, float *out) {
  for (int i = 0; i < N; ++i)
    for (int b = 0; b < D; ++b) {
      float sum = 0;
      for (int a = 0; a < D; ++a)
        sum += A[i * D + a] * X[a * D + b];
      out[i * D + b] = sum;
    }
}

// Turns pair k of row i by the angle i * 10000^(-2k/D).
static void rotate(float *rows) {
  for (int i = 0; i < N; ++i)
    for (int k = 0; k < D / 2; ++k) {
      double angle = i * pow(10000, -2.0 * k / D);
      float *pair = rows + i * D + 2 * k;
      float x = pair[0], y = pair[1], c = (float)cos(angle),
            s = (float)sin(angle);
      pair[0] = x * c - y * s;
      pair[1] = x * s + y * c;
    }
}

// O of the head with these weights, straight from the definition.
static void attend(const float *A, const float *X1, const float *X2,
                   const float *Y, float *O) {
  static float Q[N * D], K[N * D], V[N * D];
  project(A, X1, Q);
  project(A, X2, K);
  project(A, Y, V);
  rotate(Q);
  rotate(K);
  for (int i = 0; i < N; ++i) {
    float total = 0, row[D] = {0};
    for (int j = 0; j < N; ++j) {
      float logit = 0;
      for (int a = 0; a < D; ++a)
        logit += Q[i * D + a] * K[j * D + a] / D;
      float weight = expf(logit);
      total += weight;
      for (int a = 0; a < D; ++a)
        row[a] += weight * V[j * D + a];
    }
    for (int a = 0; a < D; ++a)
      O[i * D + a] = row[a] / total;
  }
}

static void descend(float *weights, const float *gradient) {
  for (int i = 0; i < D * D; ++i)
    weights[i] -= RATE * gradient[i];
}

int main(void) {
  static float A[N * D], E[N * D], X1[D * D], X2[D * D], Y[D * D];
  static float dX1[D * D], dX2[D * D], dY[D * D];
  float *weights[] = {X1, X2, Y};
  fill(A, N * D, 1);
  for (int i = 0; i < 3; ++i)
    fill(weights[i], D * D, 2);
  attend(A, X1, X2, Y, E);
  for (int i = 0; i < 3; ++i)
    fill(weights[i], D * D, 1);

  // aligned_alloc wants a size that is a multiple of the alignment.
  size_t bytes = (K_loss_gradient_workspace_bytes(THREADS) + 63) / 64 * 64;
  void *workspace = aligned_alloc(64, bytes);
  if (!workspace) {
    fprintf(stderr, "train: error: out of memory\n");
    return 1;
  }
  float before = INFINITY;
  int status = 0;
  for (int step = 0; step <= STEPS && !status; ++step) {
    float loss;
    status = K_loss_gradient(A, A, A, X1, X2, Y, E, &loss, dX1, dX2, dY,
                             workspace, bytes, THREADS);
    if (status) {
      fprintf(stderr, "train: error: expected status 0, but got %d\n", status);
      break;
    }
    printf("step %d, loss %.6g\n", step, loss);
    if (!(loss < before)) {
      fprintf(stderr, "train: error: expected a loss below %g, but got %g\n",
              before, loss);
      status = 1;
    }
    before = loss;
    descend(X1, dX1);
    descend(X2, dX2);
    descend(Y, dY);
  }
  free(workspace);
  return status != 0;
}
