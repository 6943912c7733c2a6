//===- Emitter.h - Shorthand for level-4 code ------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Index arithmetic, loops, vectors and flat buffers for the passes that emit
// scf, vector and memref code.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_EMITTER_H
#define ROPEGRAD_PASSES_EMITTER_H

#include "passes/Passes.h"

#include <functional>

namespace mlir::ropegrad {

/// A buffer and the offset at which something starts in it.
struct Slice {
  Value buffer, offset;
};

/// Emits at the insertion point of a builder. Buffers are flat, `memref<?xT>`,
/// addressed by an index in elements; vectors are of rank 1.
class Emitter {
public:
  Emitter(OpBuilder &builder, Location loc, FloatType element,
          int64_t vectorBits)
      : b(builder), loc(loc), element(element),
        lanes(vectorBits / element.getWidth()) {}

  OpBuilder &b;
  Location loc;
  FloatType element;
  int64_t lanes; ///< of a native vector
  /// Whether the target has vreduceps and vscalefps on native vectors (AVX-512
  /// DQ), which make exp2 shorter.
  bool scalef = false;

  //===--- indices (constants are folded) ---===//
  Value index(int64_t value);
  Value add(Value x, Value y);
  Value sub(Value x, Value y);
  Value mul(Value x, Value y);
  Value div(Value x, Value y); ///< of non-negative indices
  Value rem(Value x, Value y); ///< of non-negative indices
  Value min(Value x, Value y);
  Value max(Value x, Value y); ///< signed
  Value add(Value x, int64_t y) { return add(x, index(y)); }
  Value sub(Value x, int64_t y) { return sub(x, index(y)); }
  Value mul(Value x, int64_t y) { return mul(x, index(y)); }
  Value div(Value x, int64_t y) { return div(x, index(y)); }

  //===--- floats, scalar or vector alike ---===//
  VectorType vector(int64_t width) { return VectorType::get({width}, element); }
  Value scalar(double value);
  Value splat(double value, int64_t width);
  Value broadcast(Value scalar, int64_t width);
  Value addf(Value x, Value y);
  Value subf(Value x, Value y);
  Value mulf(Value x, Value y);
  Value divf(Value x, Value y);
  Value maxf(Value x, Value y);    ///< y where either is nan
  Value maximum(Value x, Value y); ///< nan where either is nan
  Value fma(Value x, Value y, Value z);
  /// exp by our own minimax polynomial on [-ln2/2, ln2/2]; relative error below
  /// 2 ulp; arguments are clamped to the range of normal numbers, nan stays
  /// nan.
  Value exp(Value x);
  /// 2^x as exp gives e^x; where `scalef` holds, native vectors of f32 are not
  /// clamped: 0 and infinity beyond the range of numbers.
  Value exp2(Value x);
  /// Natural logarithm of positive normal numbers, within 2 ulp of the larger
  /// of the result and 1.
  Value log(Value x);
  /// A value of any floating-point type as double.
  Value toDouble(Value x);
  /// Sum or maximum of the lanes of a vector.
  Value reduceAdd(Value v);
  Value reduceMax(Value v);

  //===--- buffers ---===//
  /// A contiguous static memref as `memref<?xT>`.
  Value flat(Value memref);
  /// Scratch of `size` elements, 64-byte aligned, as `memref<?xT>`; one per
  /// call of the kernel, or per thread inside `parallel`
  /// (ropegrad-pack-workspace moves it into the workspace).
  Value scratch(int64_t size);
  Value load(Value buffer, Value at);
  Value load(Value buffer, Value at, int64_t width);
  void store(Value value, Value buffer, Value at); ///< scalar or vector
  Slice advance(Slice slice, Value by) {
    return {slice.buffer, add(slice.offset, by)};
  }
  Slice advance(Slice slice, int64_t by) { return advance(slice, index(by)); }
  Value load(Slice from, int64_t width) {
    return load(from.buffer, from.offset, width);
  }
  void store(Value value, Slice to) { store(value, to.buffer, to.offset); }
  /// Zeroes `size` elements.
  void zero(Slice to, int64_t size);
  /// The columns of the square block that has these rows: as many vectors as
  /// each has lanes, a power of two.
  SmallVector<Value> transpose(SmallVector<Value> rows);

  //===--- control ---===//
  void loop(Value from, Value to, int64_t step, function_ref<void(Value)> body);
  void loop(int64_t from, int64_t to, int64_t step,
            function_ref<void(Value)> body) {
    loop(index(from), index(to), step, body);
  }
  /// Loop-carried values: body returns the next ones.
  SmallVector<Value>
  loop(Value from, Value to, int64_t step, ValueRange inits,
       function_ref<SmallVector<Value>(Value, ValueRange)> body);
  /// A loop over native vectors of a row of `width`, then what remains: offset
  /// and lanes.
  void forPieces(int64_t width, function_ref<void(Value, int64_t)> body);
  void when(Value condition, function_ref<void()> body);
  /// Runs `body` for every unit 0..units-1, in any order and on any thread (a
  /// scf.parallel). Scratch made in the body is private to the thread. Loops of
  /// one `space` (empty: none) may be merged: see forRows.
  void parallel(Value units, StringRef space, function_ref<void(Value)> body);

  /// A private, never inlined function of the module, made once per name. All
  /// arguments are `memref<?xT>` or index. `body` gets an emitter inside it.
  func::FuncOp kernel(Operation *anchor, StringRef name, TypeRange arguments,
                      function_ref<void(Emitter &, ValueRange)> body);
  void call(func::FuncOp function, ValueRange arguments);
  MemRefType bufferType() {
    return MemRefType::get({ShapedType::kDynamic}, element);
  }

private:
  Value constantLike(Value x, double value); ///< scalar or splat as x
  Value integersLike(Value x, int64_t value);
  Value exponential(Value x, bool base2);
  Value scaledExp2(Value x);
};

/// The type of the elements of a memref of floats.
FloatType elementOf(Value memref);

/// Splits [0, width) into native vectors and then smaller powers of two: the
/// (offset, width) pieces of a row.
SmallVector<std::pair<int64_t, int64_t>> vectorPieces(int64_t width,
                                                      int64_t lanes);

/// C (m×n) += or = scale · A (m×k) · B (k×n) on flat buffers. Rows of B and C
/// are contiguous; A has arbitrary strides and is read by scalar broadcasts.
struct Gemm {
  int64_t m, n, k;
  int64_t aRow, aColumn; ///< element strides of A
  int64_t bRow, cRow;    ///< element strides of the rows of B and C
  bool accumulate;       ///< += instead of =
  double scale = 1.0;
};

/// Emits a call of the register-tiled microkernel for `gemm` (one noinline
/// function per shape). Offsets in elements. C overlaps neither A nor B.
void emitGemm(Emitter &e, Operation *anchor, const Gemm &gemm, Value a,
              Value aOffset, Value bBuffer, Value bOffset, Value c,
              Value cOffset);

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_EMITTER_H
