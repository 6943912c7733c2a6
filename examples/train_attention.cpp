//===- train_attention.cpp - Gradient descent through attention -----------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Trains the projections of a layer of RoPE attention, O = attention(x Wq,
// x Wk, x Wv), with separate forward and backward passes of the kernel:
//
//   ropegrad-compile --entry attention --batch 4 --heads 2 --n 128 --d 8 -o K.o
//   c++ -std=c++17 train_attention.cpp K.o -l:libomp.so.5 -o train && ./train
//
// The product x Wq of tokens (batch, n, channels) lies in memory as (batch, n,
// heads, d): strides say so, nothing is transposed. The batch and n of the data
// are smaller than what the kernel was compiled for. Prints the loss before
// every step; fails if it does not fall.
//
//===----------------------------------------------------------------------===//

#include "K.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <vector>

namespace {

constexpr int64_t kBatch = 2, kHeads = 2, kN = 100, kD = 8;
constexpr int64_t kWidth = kHeads * kD, kRows = kBatch * kN;
constexpr int kSteps = 15, kThreads = 2;
constexpr float kRate = 0.08f;

using Array = std::vector<float>;

struct Free {
  void operator()(void *pointer) const { std::free(pointer); }
};

/// Memory as kernels want it: aligned to 64 bytes.
class Buffer {
public:
  explicit Buffer(size_t bytes)
      : size((bytes + 63) / 64 * 64), memory(std::aligned_alloc(64, size)) {
    if (!memory && size > 0) {
      std::fprintf(stderr, "train: error: out of memory\n");
      std::exit(1);
    }
  }
  void *data() const { return memory.get(); }
  size_t bytes() const { return size; }

private:
  size_t size;
  std::unique_ptr<void, Free> memory;
};

/// Numbers in [-size, size] that look random and are the same everywhere.
Array random(int64_t count, float size) {
  static uint32_t state = 1;
  Array array(static_cast<size_t>(count));
  for (float &x : array) {
    state = state * 1664525u + 1013904223u;
    x = size * (static_cast<float>(state >> 8) / (1 << 23) - 1);
  }
  return array;
}

/// x (rows, width) times W (width, width).
Array multiply(const Array &x, const Array &W) {
  Array out(kRows * kWidth);
  for (int64_t i = 0; i < kRows; ++i)
    for (int64_t a = 0; a < kWidth; ++a)
      for (int64_t b = 0; b < kWidth; ++b)
        out[i * kWidth + b] += x[i * kWidth + a] * W[a * kWidth + b];
  return out;
}

/// W -= rate * x^T g: a step along the gradient by W, where g is that by x W.
void descend(Array &W, const Array &x, const Array &g) {
  for (int64_t i = 0; i < kRows; ++i)
    for (int64_t a = 0; a < kWidth; ++a)
      for (int64_t b = 0; b < kWidth; ++b)
        W[a * kWidth + b] -= kRate * x[i * kWidth + a] * g[i * kWidth + b];
}

/// The weights of the layer, the kernel's memory, and its two passes.
class Layer {
public:
  explicit Layer(float size)
      : Wq(random(kWidth * kWidth, size)), Wk(random(kWidth * kWidth, size)),
        Wv(random(kWidth * kWidth, size)),
        forwardSpace(K_forward_train_workspace_bytes(kThreads)),
        backwardSpace(K_backward_workspace_bytes(kThreads)),
        residual(K_residual_bytes()) {
    int64_t *next = strides;
    for (int i = 0; i < kArrays; ++i)
      next = ropegrad_bnhd(kHeads, kN, kD, next);
  }

  /// O of the tokens x.
  Array forward(const Array &x) {
    Q = multiply(x, Wq);
    K = multiply(x, Wk);
    V = multiply(x, Wv);
    Array O(kRows * kWidth);
    check(K_forward_train_sized(&sizes, Q.data(), K.data(), V.data(), O.data(),
                                residual.data(), forwardSpace.data(),
                                forwardSpace.bytes(), kThreads));
    return O;
  }

  /// One step of gradient descent from the gradient dO by the last O.
  void backward(const Array &x, const Array &dO) {
    Array dQ(Q.size()), dK(K.size()), dV(V.size());
    check(K_backward_sized(&sizes, Q.data(), K.data(), V.data(), dO.data(),
                           residual.data(), dQ.data(), dK.data(), dV.data(),
                           backwardSpace.data(), backwardSpace.bytes(),
                           kThreads));
    descend(Wq, x, dQ);
    descend(Wk, x, dK);
    descend(Wv, x, dV);
  }

private:
  static void check(int status) {
    if (status == ROPEGRAD_OK)
      return;
    std::fprintf(stderr, "train: error: expected status 0, but got %d\n",
                 status);
    std::exit(1);
  }

  static constexpr int kArrays = 7; // Q, K, V, dO, dQ, dK, dV
  Array Wq, Wk, Wv, Q, K, V;
  Buffer forwardSpace, backwardSpace, residual;
  int64_t strides[3 * kArrays];
  ropegrad_sizes sizes = {kBatch, kN, strides};
};

} // namespace

int main() {
  const Array x = random(kRows * kWidth, 1);
  const Array target = Layer(1).forward(x);
  Layer layer(0.5f);
  float before = std::numeric_limits<float>::infinity();
  for (int step = 0; step <= kSteps; ++step) {
    Array dO = layer.forward(x); // O, then O - target
    float loss = 0;
    for (size_t i = 0; i < dO.size(); ++i) {
      dO[i] -= target[i];
      loss += dO[i] * dO[i] / 2;
    }
    std::printf("step %d, loss %.6g\n", step, static_cast<double>(loss));
    if (!(loss < before)) {
      std::fprintf(stderr,
                   "train: error: expected a loss below %g, but got %g\n",
                   static_cast<double>(before), static_cast<double>(loss));
      return 1;
    }
    before = loss;
    layer.backward(x, dO);
  }
  return 0;
}
