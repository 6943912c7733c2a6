//===- peak.c - The FMA peak of this machine, f32 -------------------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Prints the largest rate of fused multiply-adds, in GF/s, that some threads
// reach together in registers: what kernels are measured against.
//
//   clang-22 -O3 -march=native -ffp-contract=fast -pthread peak.c -o peak
//   ./peak THREADS
//
//===----------------------------------------------------------------------===//

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#if defined(__AVX512F__)
enum { LANES = 16 };
#elif defined(__AVX__)
enum { LANES = 8 };
#else
enum { LANES = 4 };
#endif
typedef float Vector __attribute__((vector_size(LANES * sizeof(float))));

// Enough chains to hide the latency, few enough for the registers.
enum { CHAINS = 12, STEPS = 4000000, ROUNDS = 5 };

static volatile float sink;

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void *run(void *unused) {
  (void)unused;
  Vector sum[CHAINS], factor, term;
  for (int lane = 0; lane < LANES; ++lane) {
    factor[lane] = 0.999f;
    term[lane] = 0.001f;
  }
  for (int chain = 0; chain < CHAINS; ++chain)
    sum[chain] = term * (float)chain;
  for (int step = 0; step < STEPS; ++step) {
#pragma clang loop unroll(full)
    for (int chain = 0; chain < CHAINS; ++chain)
      sum[chain] = sum[chain] * factor + term;
    // Keeps the compiler from folding the steps into one.
    __asm__ volatile("" : "+v"(factor), "+v"(term));
  }
  float total = 0;
  for (int chain = 0; chain < CHAINS; ++chain)
    total += sum[chain][0];
  sink = total;
  return NULL;
}

int main(int argc, char **argv) {
  int threads = argc > 1 ? atoi(argv[1]) : 1;
  if (threads < 1 || threads > 1024) {
    fprintf(stderr, "peak: error: expected 1 to 1024 threads, but got '%s'\n",
            argc > 1 ? argv[1] : "");
    return 1;
  }
  double best = 0;
  for (int round = 0; round < ROUNDS; ++round) {
    pthread_t others[1024];
    double start = seconds();
    for (int i = 1; i < threads; ++i)
      if (pthread_create(&others[i], NULL, run, NULL))
        return 1;
    run(NULL);
    for (int i = 1; i < threads; ++i)
      pthread_join(others[i], NULL);
    double rate = 2.0 * LANES * CHAINS * (double)STEPS * threads /
                  (seconds() - start) * 1e-9;
    best = rate > best ? rate : best;
  }
  printf("%.1f\n", best);
  return 0;
}
