//===- PackWorkspace.cpp - ropegrad-pack-workspace -------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Lays all allocations of a kernel out in one workspace that the caller owns:
// a kernel allocates nothing.
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"

#include "mlir/Interfaces/ViewLikeInterface.h"
#include "llvm/Support/MathExtras.h"

namespace mlir::ropegrad {

#define GEN_PASS_DEF_PACKWORKSPACE
#include "passes/Passes.h.inc"

namespace {

constexpr int64_t kAlignment = 64;

int64_t alignUp(int64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

/// More cannot be addressed; sums of some stay far from overflow.
constexpr int64_t kMaxBytes = int64_t(1) << 48;

/// The size of a contiguous buffer of numbers of whole bytes in the default
/// memory; nothing for what is not one.
std::optional<int64_t> bytesOf(MemRefType type) {
  if (!type.getElementType().isIntOrFloat() || !type.getLayout().isIdentity() ||
      type.getMemorySpace())
    return std::nullopt;
  int64_t bits = type.getElementTypeBitWidth();
  if (bits < 8 || !llvm::isPowerOf2_64(bits))
    return std::nullopt;
  int64_t bytes = bits / 8;
  for (int64_t size : type.getShape())
    if (llvm::MulOverflow(bytes, size, bytes) || bytes > kMaxBytes)
      return std::nullopt;
  return bytes;
}

/// One allocation: the positions in the function at which it is first and last
/// touched, and where it goes.
struct Slot {
  memref::AllocOp alloc;
  int64_t bytes;
  int64_t first, last;
  int64_t offset = 0;

  bool overlaps(const Slot &other) const {
    return first <= other.last && other.first <= last;
  }
};

/// Numbers the ops at the top level of a function.
class Order {
public:
  explicit Order(func::FuncOp function) : function(function) {
    int64_t next = 0;
    for (Block &block : function.getBody())
      for (Operation &op : block)
        numbers[&op] = next++;
  }

  int64_t of(Operation *op) const {
    while (op->getParentOp() != function)
      op = op->getParentOp();
    return numbers.lookup(op);
  }

private:
  Operation *function;
  DenseMap<Operation *, int64_t> numbers;
};

/// Extends [first, last] by all uses of `buffer` and of its views.
void addUses(Value buffer, const Order &order, Slot &slot) {
  for (Operation *user : buffer.getUsers()) {
    int64_t at = order.of(user);
    slot.first = std::min(slot.first, at);
    slot.last = std::max(slot.last, at);
    for (Value result : user->getResults())
      if (isa<BaseMemRefType>(result.getType()))
        addUses(result, order, slot);
  }
}

/// First fit, largest first; slots whose lives overlap do not share memory.
int64_t assignOffsets(SmallVectorImpl<Slot> &slots) {
  SmallVector<Slot *> bySize;
  for (Slot &slot : slots)
    bySize.push_back(&slot);
  llvm::sort(bySize, [](Slot *a, Slot *b) { // ties by position, not by chance
    return std::make_pair(-a->bytes, a) < std::make_pair(-b->bytes, b);
  });
  int64_t total = 0;
  SmallVector<Slot *> placed; // ordered by offset
  for (Slot *slot : bySize) {
    int64_t at = 0;
    for (Slot *other : placed)
      if (slot->overlaps(*other) && other->offset < at + slot->bytes &&
          at < other->offset + other->bytes)
        at = other->offset + other->bytes;
    slot->offset = at;
    total = std::max(total, at + slot->bytes);
    placed.insert(llvm::upper_bound(
                      placed, slot,
                      [](Slot *a, Slot *b) { return a->offset < b->offset; }),
                  slot);
  }
  return total;
}

struct PackWorkspacePass : impl::PackWorkspaceBase<PackWorkspacePass> {
  void runOnOperation() final {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (function.isPublic() && !function.isExternal() &&
          failed(pack(function)))
        return signalPassFailure();
  }

  LogicalResult pack(func::FuncOp function) {
    Order order(function);
    SmallVector<Slot> slots;
    WalkResult walked = function.walk([&](memref::AllocOp alloc) {
      auto type = alloc.getType();
      if (alloc->getParentOp() != function || !type.hasStaticShape()) {
        alloc.emitError("expected a static allocation at the top level of a "
                        "kernel");
        return WalkResult::interrupt();
      }
      std::optional<int64_t> size = bytesOf(type);
      if (!size) {
        alloc.emitError("expected a contiguous buffer of numbers below 2^48 "
                        "bytes, but got ")
            << type;
        return WalkResult::interrupt();
      }
      int64_t bytes = alignUp(*size);
      int64_t at = order.of(alloc);
      Slot slot{alloc, std::max(bytes, kAlignment), at, at};
      addUses(alloc, order, slot);
      slots.push_back(slot);
      return WalkResult::advance();
    });
    if (walked.wasInterrupted())
      return failure();
    int64_t total = std::max(assignOffsets(slots), kAlignment);
    return rewrite(function, slots, total);
  }

  LogicalResult rewrite(func::FuncOp function, ArrayRef<Slot> slots,
                        int64_t total) {
    OpBuilder b(&getContext());
    auto type = MemRefType::get({total}, b.getI8Type());
    if (failed(function.insertArgument(function.getNumArguments(), type, {},
                                       function.getLoc())))
      return failure();
    Value workspace = function.getArguments().back();
    for (const Slot &slot : slots) {
      memref::AllocOp alloc = slot.alloc;
      b.setInsertionPoint(alloc);
      Value offset =
          arith::ConstantIndexOp::create(b, alloc.getLoc(), slot.offset);
      Value view = memref::ViewOp::create(b, alloc.getLoc(), alloc.getType(),
                                          workspace, offset, ValueRange{});
      alloc.replaceAllUsesWith(view);
      alloc.erase();
    }
    function->setAttr("ropegrad.workspace_bytes", b.getI64IntegerAttr(total));
    function->setAttr("llvm.bareptr", b.getUnitAttr());
    return success();
  }
};

} // namespace
} // namespace mlir::ropegrad
