//===- Features.h - Code for monomial feature products ---------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The pieces of ropegrad-lower-features. A block of rows is held transposed,
// rows in lanes: row mu of the block is the monomial phi_mu of all its vectors
// of x, row 0 is 1 and rows 1..d are x itself.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_PASSES_FEATURES_H
#define ROPEGRAD_PASSES_FEATURES_H

#include "dialect/KeptMonomials.h"
#include "passes/Tall.h"

#include <memory>
#include <string>
#include <vector>

namespace mlir::ropegrad {

/// A run of monomials target + i = (row `factor`) * (source + i), i < length:
/// one variable's part of one degree (see Monomials.h).
struct Segment {
  int64_t factor, source, length, target;
  int64_t slot = 0; ///< of its first register tile (accumulate)
};

/// What is known of an op with the attribute `kept`.
struct KeptFeatures {
  ::ropegrad::KeptMonomials rule;
  ::ropegrad::KeptTable table;
  std::string name; ///< tells it apart from others in names of kernels
  /// Of each coordinate, the number of its variable.
  std::vector<int64_t> places() const;
};

/// Null where an op keeps all monomials.
using Kept = std::shared_ptr<const KeptFeatures>;
Kept keptFeatures(std::optional<KeptAttr> attribute);

/// The monomials of degree <= g in d variables as rows of a block. Rows up to
/// degree `stored` are made; the top degree is not, where it is large: its
/// products are x_v times products with a prefix of degree g-1 (Horner).
class Features {
public:
  Features(int64_t variables, int64_t degree, Kept kept = nullptr);

  int64_t variables, degree;
  int64_t size;   ///< M
  int64_t stored; ///< highest degree made
  int64_t rows;   ///< monomials of degree <= stored
  Kept kept;      ///< which monomials there are; null: all

  /// Index of the first monomial of degree k, M for k = g + 1.
  int64_t offset(int64_t k) const;
  /// The variables' parts of degree k.
  std::vector<Segment> segments(int64_t k) const;
  /// The same rows, of which those up to `degree` at most are made.
  Features upTo(int64_t degree) const;
  /// For the names of kernels.
  std::string name() const;
};

/// How a tile comes by its monomials: it reads them, or multiplies those of one
/// degree less by a variable, and keeps the products or passes them on.
enum class Monomial { Read, Keep, Pass };

/// What is common to one op: x (B, H, n, d) against G (B, H', M, w).
struct FeatureShape {
  int64_t batch, heads, kvHeads, n, d, w, degree; ///< n, batch: the largest
  Kept kept = nullptr;
  int64_t group() const { return heads / kvHeads; }
};

/// Rows of a buffer: row i starts at element at + i · stride.
struct Rows {
  Value buffer, at, stride;

  Rows from(Emitter &e, Value row) const {
    return {buffer, e.add(at, e.mul(row, stride)), stride};
  }
};

/// The rows of a unit; with `group`, those of the head that it shares.
Rows rowsOf(Emitter &e, const Tall &tall, const RowUnit &unit);

/// A private constant, reused where an equal one exists, as `memref<?xT>`.
Value constantIndices(Emitter &e, Operation *anchor, StringRef name,
                      ArrayRef<int64_t> values);
Value constantFloats(Emitter &e, Operation *anchor, StringRef name,
                     FloatType type, ArrayRef<double> values);

/// "<base>_<element>x<lanes>": kernels of different types never share a name.
std::string kernelName(Emitter &e, const Twine &base);

/// Number of vector registers of a target with such vectors (AVX-512: 32).
inline int64_t registerCount(Emitter &e) {
  return e.lanes * e.element.getWidth() >= 512 ? 32 : 16;
}

//===--- blocks of rows (FeaturesBlock.cpp) ---===//

/// block[c·pitch + r] = element c of row r for r < count, 0 from there to
/// `padded`, a multiple of the lanes. With `kept`, element c goes where its
/// variable is.
void emitPack(Emitter &e, Operation *anchor, int64_t width, int64_t pitch,
              const Rows &rows, Value block, Value blockAt, Value count,
              Value padded, const Kept &kept = nullptr);
/// The inverse, for r < count.
void emitUnpack(Emitter &e, Operation *anchor, int64_t width, int64_t pitch,
                Value block, Value blockAt, const Rows &rows, Value count,
                const Kept &kept = nullptr);
/// Packs x and makes the monomials of degree <= stored in block (rows ×
/// pitch), for the first `vectors` vectors of lanes.
void emitFeatures(Emitter &e, Operation *anchor, const Features &features,
                  int64_t pitch, const Rows &x, Value block, Value count,
                  Value vectors);

/// Loops over segments read from a constant table.
void forSegments(Emitter &e, Operation *anchor, StringRef name,
                 ArrayRef<Segment> segments,
                 function_ref<void(Value factor, Value source, Value length,
                                   Value target, Value slot)>
                     body);
/// The same with loop-carried values: body returns the next ones.
SmallVector<Value> forSegments(
    Emitter &e, Operation *anchor, StringRef name, ArrayRef<Segment> segments,
    ValueRange inits,
    function_ref<SmallVector<Value>(Value factor, Value source, Value length,
                                    Value target, Value slot, ValueRange state)>
        body);

//===--- register tiles (FeaturesTiles.cpp) ---===//

/// `rows` × (`width` or `width` - 1) accumulators: the first `wide` of the
/// column tiles have `width` columns, the other `narrow` one less.
struct RegisterTile {
  int64_t rows, width, wide, narrow;
};

/// The fastest tile by a model of one core that does two fused multiply-adds
/// and two loads a cycle with a latency of four: rows·width accumulators, rows
/// operands and one more must fit the registers, and a step costs the most of
/// rows·width/2, (rows+width)/2 and 4 cycles, a tenth per operand (some miss
/// the nearest cache), `overhead`, and `perAccumulator` for each accumulator.
RegisterTile chooseTile(int64_t columns, int64_t registers, int64_t maxRows,
                        double overhead, double perAccumulator);

/// Loops over the column tiles: (first column, number of columns, number of
/// the tile).
void forColumnTiles(Emitter &e, const RegisterTile &tile, int64_t columns,
                    function_ref<void(Value, int64_t, Value)> body);

//===--- the ops ---===//

/// out = Φ(x) G; G is (B, H', M, w).
void emitExpand(Emitter &e, Operation *anchor, const FeatureShape &shape,
                const RowSpace &space, const Tall &x, const Tall &g,
                const Tall &out);

/// dx = Σ_μ ⟨u, G_μ⟩ ∇φ_μ(x).
void emitReverse(Emitter &e, Operation *anchor, const FeatureShape &shape,
                 const RowSpace &space, const Tall &x, Value g, const Tall &u,
                 const Tall &dx);

/// G = diag(weights) Φ(x)ᵀ V, heads of a group summed. Every unit of rows has
/// sums of its own, which are added in the order of the units.
void emitAccumulate(Emitter &e, Operation *anchor, const FeatureShape &shape,
                    const RowSpace &space, ArrayRef<double> weights,
                    const Tall &x, const Tall &v, Value g);

//===--- the ops over chunks (Chunks.h) ---===//

struct ChunkShape;
struct ChunkStates;

/// N_i = φ(x_i) S_c for the rows i of every chunk c.
void emitChunkExpand(Emitter &e, Operation *anchor, const ChunkShape &shape,
                     const RowSpace &space, const Tall &x,
                     const ChunkStates &states, const Tall &out);

/// dx_i = Σ_μ ⟨u_i, S_cμ⟩ ∇φ_μ(x_i) for the rows i of every chunk c.
void emitChunkReverse(Emitter &e, Operation *anchor, const ChunkShape &shape,
                      const RowSpace &space, const Tall &x,
                      const ChunkStates &states, const Tall &u, const Tall &dx);

/// accumulate for the rows of one head, in pieces. Partial sums live in an
/// order of their own until `finish`.
class Accumulator {
public:
  /// For calls of `add` with up to `rows` rows; makes scratch where it stands.
  Accumulator(Emitter &e, Operation *anchor, const FeatureShape &shape,
              int64_t rows);
  /// Elements of the partial sums, a multiple of the lanes.
  int64_t sumsSize() const {
    return (tile.wide + tile.narrow) * slots * slotSize;
  }
  /// Makes the scratch that `add` needs; in the loop that calls it.
  void makeScratch();
  void clear(Value sums, Value sumsAt);
  /// Adds Φ(x)ᵀ V of `count` rows to the partial sums.
  void add(const Rows &x, const Rows &v, Value count, Value sums, Value sumsAt);
  /// g[at + ...] = diag(weights) sums, (M, w) row-major; no weights: 1.
  void finish(ArrayRef<double> weights, Value sums, Value sumsAt, Value g,
              Value at);

private:
  void emitTiles(ArrayRef<Segment> segments, Monomial monomial, int64_t width,
                 Value length, SmallVector<Value> arguments);
  void emitProducts(ArrayRef<Segment> segments, Monomial monomial, bool scale,
                    Value c0, int64_t width, Value sums, Value base,
                    Value vectors, ValueRange buffers);
  void emitColumnTile(Value c0, int64_t width, Value number, Value sums,
                      Value sumsAt, Value vectors, ValueRange buffers);
  void emitBlock(const Rows &x, const Rows &v, Value count, Value sums,
                 Value sumsAt, ValueRange buffers);
  func::FuncOp tileKernel(int64_t rows, int64_t width, Monomial monomial);
  func::FuncOp scaleKernel(int64_t width);
  std::string name(const Twine &what) const;

  Emitter &e;
  Operation *anchor;
  FeatureShape shape;
  Features features;
  Features linear; ///< its degrees 0 and 1, which are made beforehand
  int64_t vectors; ///< of a block
  int64_t pitch;   ///< rows of x in a block
  RegisterTile tile;
  int64_t slotSize;  ///< elements of one register tile's sums
  int64_t slots = 0; ///< of one column tile
  std::vector<Segment> products;
  Value phi, columns, scaled;
};

/// Inputs and output of kronecker_features: q, k (n, d), u, v (n, w), a1, a2
/// (n, channels), out (channels², s).
struct KroneckerOperands {
  Value q, k, u, v, a1, a2, out;
};

/// Which columns of the output rotary pair p fills: 4p + {aa, ab, ba, bb}.
/// Fails, with nothing emitted, unless `support` is the position's in some
/// order; without position every column is alike and the list is empty.
FailureOr<SmallVector<int64_t>> supportColumns(Attribute position, int64_t d,
                                               ArrayRef<int64_t> support);

void emitKronecker(Emitter &e, Operation *anchor, const FeatureShape &shape,
                   Value n, int64_t channels, ArrayRef<double> weights,
                   Attribute position, ArrayRef<int64_t> columns,
                   int64_t supportSize, const KroneckerOperands &operands);

} // namespace mlir::ropegrad

#endif // ROPEGRAD_PASSES_FEATURES_H
