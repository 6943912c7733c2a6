//===- features_openblas.c - The features route by OpenBLAS ---------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// A peer of the features kernels, what one would write with a BLAS at hand: the
// monomials of a block of rows are stored, and all six products are sgemm.
// Attention and its gradient, heads in parallel, sgemm on one thread each (on
// more where there are fewer heads than threads).
//
//===----------------------------------------------------------------------===//

#include <cblas.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

// Rows of a block: its features and their gradients are to stay in the L2.
enum { BLOCK_BYTES = 256 * 1024, MIN_ROWS = 32, MAX_ROWS = 512 };

struct features_problem {
  long heads, n, d, degree, features;
  const float *weights; // (features)
  const long *prefix;   // (degree, d): monomials of a degree in variables 0..v
  const float *q, *k, *v, *upstream; // (heads, n, d)
  float *o, *dq, *dk, *dv;           // (heads, n, d)
  float *scratch;                    // (heads, features_scratch())
};

static long rowsOfBlock(const struct features_problem *p) {
  long rows = BLOCK_BYTES / (long)sizeof(float) / p->features;
  rows = rows < MIN_ROWS ? MIN_ROWS : rows > MAX_ROWS ? MAX_ROWS : rows;
  return rows < p->n ? rows : p->n;
}

/// Floats of scratch memory that a head needs: its reductions G and H, V and U
/// with a column more, and the blocks.
long features_scratch(const struct features_problem *p) {
  long wide = p->d + 1;
  return 2 * p->features * wide + 2 * p->n * wide +
         rowsOfBlock(p) * (2 * p->features + wide);
}

/// The monomials of each row: x (rows, d) -> phi (rows, features).
static void expandRows(const struct features_problem *p, const float *x,
                       long rows, float *restrict phi) {
  for (long row = 0; row < rows; ++row, x += p->d, phi += p->features) {
    phi[0] = 1;
    const float *below = phi;
    float *next = phi + 1;
    for (long k = 0; k < p->degree; ++k) {
      float *start = next;
      for (long v = 0; v < p->d; ++v) {
        long count = p->prefix[k * p->d + v];
        for (long i = 0; i < count; ++i)
          next[i] = x[v] * below[i];
        next += count;
      }
      below = start;
    }
  }
}

/// Gradient of the monomials: dphi (rows, features), overwritten, -> dx.
static void reverseRows(const struct features_problem *p, const float *x,
                        const float *phi, float *dphi, long rows, float *dx) {
  for (long row = 0; row < rows; ++row) {
    memset(dx, 0, (size_t)p->d * sizeof(float));
    long end = p->features;
    for (long k = p->degree; k-- > 0;) {
      long size = 0;
      for (long v = 0; v < p->d; ++v)
        size += p->prefix[k * p->d + v];
      long at = end - size;
      long below = at - p->prefix[k * p->d + p->d - 1];
      for (long v = 0, block = at; v < p->d; ++v) {
        long count = p->prefix[k * p->d + v];
        float sum = 0;
        for (long i = 0; i < count; ++i) {
          sum += dphi[block + i] * phi[below + i];
          dphi[below + i] += x[v] * dphi[block + i];
        }
        dx[v] += sum;
        block += count;
      }
      end = at;
    }
    x += p->d, dx += p->d, phi += p->features, dphi += p->features;
  }
}

static void scaleRows(const struct features_problem *p, float *matrix) {
  for (long i = 0; i < p->features; ++i)
    for (long c = 0; c <= p->d; ++c)
      *matrix++ *= p->weights[i];
}

/// out (rows, columns) = a (rows, inner) b (inner, columns).
static void multiply(const float *a, enum CBLAS_TRANSPOSE transposeA,
                     const float *b, enum CBLAS_TRANSPOSE transposeB, long rows,
                     long columns, long inner, float beta, float *out) {
  cblas_sgemm(CblasRowMajor, transposeA, transposeB, (int)rows, (int)columns,
              (int)inner, 1.0F, a,
              (int)(transposeA == CblasTrans ? rows : inner), b,
              (int)(transposeB == CblasTrans ? inner : columns), beta, out,
              (int)columns);
}

/// O of some rows from their numerators, and U = [dO, -<dO, O>] / D.
static void divideRows(long d, long rows, const float *numerators,
                       const float *upstream, float *o, float *u) {
  for (long row = 0; row < rows; ++row) {
    float inverse = 1 / numerators[d], inner = 0;
    for (long c = 0; c < d; ++c) {
      o[c] = numerators[c] * inverse;
      u[c] = upstream[c] * inverse;
      inner += upstream[c] * o[c];
    }
    u[d] = -inner * inverse;
    numerators += d + 1, upstream += d, o += d, u += d + 1;
  }
}

static void runHead(const struct features_problem *p, long head) {
  const enum CBLAS_TRANSPOSE plain = CblasNoTrans, turned = CblasTrans;
  long n = p->n, d = p->d, wide = d + 1, features = p->features;
  long most = rowsOfBlock(p), at = head * n * d;
  float *g = p->scratch + head * features_scratch(p), *h = g + features * wide;
  float *values = h + features * wide, *u = values + n * wide;
  float *numerators = u + n * wide, *phi = numerators + most * wide;
  float *dphi = phi + most * features;
  memset(g, 0, 2 * (size_t)(features * wide) * sizeof(float));
  for (long i = 0; i < n; ++i) {
    memcpy(values + i * wide, p->v + at + i * d, (size_t)d * sizeof(float));
    values[i * wide + d] = 1;
  }
  for (long i = 0; i < n; i += most) {
    long rows = n - i < most ? n - i : most;
    expandRows(p, p->k + at + i * d, rows, phi);
    multiply(phi, turned, values + i * wide, plain, features, wide, rows, 1, g);
  }
  scaleRows(p, g);
  for (long i = 0; i < n; i += most) {
    long rows = n - i < most ? n - i : most, here = at + i * d;
    float *us = u + i * wide;
    expandRows(p, p->q + here, rows, phi);
    multiply(phi, plain, g, plain, rows, wide, features, 0, numerators);
    divideRows(d, rows, numerators, p->upstream + here, p->o + here, us);
    multiply(phi, turned, us, plain, features, wide, rows, 1, h);
    multiply(us, plain, g, turned, rows, features, wide, 0, dphi);
    reverseRows(p, p->q + here, phi, dphi, rows, p->dq + here);
  }
  scaleRows(p, h);
  for (long i = 0; i < n; i += most) {
    long rows = n - i < most ? n - i : most, here = at + i * d;
    expandRows(p, p->k + here, rows, phi);
    multiply(phi, plain, h, plain, rows, wide, features, 0, numerators);
    for (long row = 0; row < rows; ++row)
      memcpy(p->dv + here + row * d, numerators + row * wide,
             (size_t)d * sizeof(float));
    multiply(values + i * wide, plain, h, turned, rows, features, wide, 0,
             dphi);
    reverseRows(p, p->k + here, phi, dphi, rows, p->dk + here);
  }
}

struct share {
  const struct features_problem *problem;
  long first, step;
};

static void *runShare(void *argument) {
  const struct share *share = argument;
  for (long head = share->first; head < share->problem->heads;
       head += share->step)
    runHead(share->problem, head);
  return NULL;
}

/// Forward pass and gradient of every head on at most `threads` (at most 64)
/// threads. Returns 0, or 1 where no thread could be started.
int features_gradient(const struct features_problem *problem, int threads) {
  enum { MOST = 64 };
  pthread_t others[MOST];
  struct share shares[MOST];
  long used = threads < problem->heads ? threads : problem->heads;
  used = used > MOST ? MOST : used;
  openblas_set_num_threads(threads / (int)used);
  int failed = 0;
  long started = 1;
  for (long i = 0; i < used; ++i)
    shares[i] = (struct share){problem, i, used};
  for (; started < used && !failed; ++started)
    failed =
        pthread_create(&others[started], NULL, runShare, &shares[started]) != 0;
  runShare(&shares[0]);
  for (long i = 1; i < started - failed; ++i)
    pthread_join(others[i], NULL);
  return failed;
}
