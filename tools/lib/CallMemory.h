//===- CallMemory.h - Where the arrays of a call lie -----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// LLVM IR that finds arrays of one call which share memory or are misaligned.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_CALLMEMORY_H
#define ROPEGRAD_TOOLS_LIB_CALLMEMORY_H

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

#include <array>

namespace ropegrad {

/// What an entry point knows of the memory of its arrays. Emits code through
/// `b`, wherever that is; the conditions that it returns are i1.
class CallMemory {
public:
  /// Defines what isShared() calls: once for a module, whose functions must be
  /// complete.
  static void define(llvm::Module &module);

  CallMemory(llvm::Module &module, llvm::IRBuilder<> &b);

  /// A count of subarrays and their distance in bytes, i64. A distance is not
  /// read where the count is 1.
  struct Dimension {
    llvm::Value *count, *stride;
  };

  /// An array of `bytes` without gaps at `address`.
  void addContiguous(llvm::Value *address, llvm::Value *bytes,
                     uint64_t alignment, bool isWritten);
  /// Rows of `rowBytes` each, at distances of three dimensions in any order.
  void addRows(llvm::Value *address, uint64_t rowBytes,
               std::array<Dimension, 3> dimensions, uint64_t alignment,
               bool isWritten);

  /// Whether an array added so far is not aligned.
  llvm::Value *isMisaligned() { return misaligned; }
  /// Whether the distances lead further than any address.
  llvm::Value *isTooFar() { return tooFar; }
  /// Whether a written array shares memory with another one or has two elements
  /// at one address. Arrays that lie between each other's rows, as the parts of
  /// one (batch, n, 3, heads, d) do, share none. Call it where isTooFar() does
  /// not hold.
  llvm::Value *isShared();

private:
  struct Array {
    llvm::Value *extent; ///< pointer to what @ropegrad.overlap reads
    bool isWritten;
  };

  void add(llvm::Value *address, std::array<llvm::Value *, 4> extents,
           std::array<llvm::Value *, 3> strides, uint64_t alignment,
           bool isWritten);
  /// (count - 1) * stride, noted in tooFar where no address is as large.
  llvm::Value *reach(const Dimension &dimension);

  llvm::Module &module;
  llvm::IRBuilder<> &b;
  llvm::Value *misaligned, *tooFar, *folded;
  llvm::SmallVector<Array> arrays;
};

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_CALLMEMORY_H
