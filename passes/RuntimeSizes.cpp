//===- RuntimeSizes.cpp - ropegrad-runtime-sizes ---------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Gives a kernel arguments for the sizes and strides of a call, and chooses the
// chunks of rows that its parallel loops work on.
//
//===----------------------------------------------------------------------===//

#include "passes/Tall.h"

#include "llvm/ADT/StringSet.h"

#include <algorithm>
#include <numeric>

namespace mlir::ropegrad {

#define GEN_PASS_DEF_RUNTIMESIZES
#include "passes/Passes.h.inc"

namespace {

/// The arrays that a caller hands in; all other named ones are results.
const llvm::StringSet<> &inputNames() {
  static const llvm::StringSet<> names = {
      "A1", "A2", "A3", "X1", "X2", "Y", "E", "Q", "K", "V", "dO", "W", "bias"};
  return names;
}

/// Arrays with one row per position: (n, w).
bool hasRows(StringRef name) {
  name.consume_front("d");
  return name == "A1" || name == "A2" || name == "A3" || name == "E";
}

/// Batch entries, heads and rows of a kernel.
struct Sizes {
  int64_t batch = 1, heads = 1, n = 0;
};

/// Rows of a chunk: some 16 units of work in all, so that any small number of
/// threads shares them evenly; whole blocks of 48 and 64 rows, as the leaves at
/// small d have them; and few enough that what passes from one row-wise step to
/// the next stays in the second cache. A chunk of M / 4 rows or more keeps the
/// partial sums of the features, M rows each, below the size of the arrays
/// themselves. `chunk` rows share a state and stay together.
int64_t chunkRows(const Sizes &sizes, int64_t monomials, int64_t chunk) {
  constexpr int64_t units = 16, block = 192, fewest = 576, most = 2112;
  int64_t whole = std::lcm(block, chunk);
  auto blocks = [&](int64_t rows) { return llvm::alignTo(rows, whole); };
  int64_t perHead =
      llvm::divideCeil(units, std::min(units, sizes.batch * sizes.heads));
  int64_t rows = blocks(llvm::divideCeil(sizes.n, perHead));
  int64_t least = blocks(fewest);
  rows = std::clamp(rows, least, std::max(least, most / whole * whole));
  return std::max<int64_t>(rows, blocks(llvm::divideCeil(monomials, 4)));
}

struct RuntimeSizesPass : impl::RuntimeSizesBase<RuntimeSizesPass> {
  using RuntimeSizesBase::RuntimeSizesBase;

  void runOnOperation() final {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (function.isPublic() && !function.isExternal())
        addSizes(function);
  }

  StringRef nameOf(func::FuncOp function, unsigned argument) {
    auto name =
        function.getArgAttrOfType<StringAttr>(argument, "ropegrad.name");
    return name ? name.getValue() : StringRef();
  }

  /// The sizes that the named arrays show; n = 0 where there are none.
  Sizes sizesOf(func::FuncOp function) {
    Sizes sizes;
    for (BlockArgument argument : function.getArguments()) {
      auto type = dyn_cast<MemRefType>(argument.getType());
      StringRef name = nameOf(function, argument.getArgNumber());
      if (type && name == "Q" && type.getRank() == 4)
        sizes = {type.getDimSize(0), type.getDimSize(1), type.getDimSize(2)};
      if (type && name == "A1" && type.getRank() == 2)
        sizes.n = type.getDimSize(0);
    }
    // @prepare has none of these, but functions of the distance.
    function.walk([&](PairTableOp op) {
      auto type = dyn_cast<MemRefType>(op.getOuts()[0].getType());
      if (type && sizes.n == 0)
        sizes.n = (type.getDimSize(2) + 1) / 2;
    });
    return sizes;
  }

  void addSizes(func::FuncOp function) {
    Sizes sizes = sizesOf(function);
    if (sizes.n == 0)
      return;
    Builder b(&getContext());
    int64_t arrays = 0;
    for (BlockArgument argument : function.getArguments()) {
      unsigned number = argument.getArgNumber();
      StringRef name = nameOf(function, number);
      auto type = dyn_cast<MemRefType>(argument.getType());
      if (!type)
        continue;
      bool residual = function.getArgAttr(number, kResidualAttr) ||
                      function.getArgAttr(number, kPreparedAttr);
      // Bounds may be infinite: no reason to fail.
      if (!name.empty() && !residual && name != "bounds" &&
          !inputNames().contains(name))
        function.setArgAttr(number, kOutputAttr, b.getUnitAttr());
      if (hasRows(name) && type.getRank() == 2)
        function.setArgAttr(number, kRowsAttr, b.getUnitAttr());
      if (!residual && type.getRank() == 4)
        function.setArgAttr(number, kStridesAttr,
                            b.getI64IntegerAttr(arrays++));
    }
    int64_t monomials = 0, chunk = 1;
    function.walk([&](AccumulateOp op) {
      auto type = cast<MemRefType>(op.getOuts()[0].getType());
      monomials = std::max(monomials, type.getDimSize(2));
    });
    function.walk([&](Operation *op) {
      if (isa<ChunkStatesOp, ChunkExpandOp, ChunkReverseOp>(op))
        chunk =
            std::lcm(chunk, op->getAttrOfType<IntegerAttr>("chunk").getInt());
    });
    function->setAttr(kChunkAttr,
                      b.getI64IntegerAttr(chunkRows(sizes, monomials, chunk)));
    addArgument(function, b.getIndexType(), "batch");
    addArgument(function, b.getIndexType(), "n");
    addArgument(
        function,
        MemRefType::get({std::max<int64_t>(3 * arrays, 1)}, b.getI64Type()),
        "strides");
    int64_t all = arrays * sizes.batch;
    if (listed && all > 0)
      addArgument(function, MemRefType::get({all}, b.getI64Type()), "entries");
  }

  void addArgument(func::FuncOp function, Type type, StringRef what) {
    unsigned number = function.getNumArguments();
    Builder b(&getContext());
    (void)function.insertArgument(
        number, type,
        b.getDictionaryAttr(b.getNamedAttr(kSizeAttr, b.getStringAttr(what))),
        function.getLoc());
  }
};

} // namespace
} // namespace mlir::ropegrad
