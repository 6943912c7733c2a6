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

#include "passes/Tall.h"
#include "llvm/ADT/BitVector.h"
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

/// The calling thread's number in its team, given a source location (null). Not
/// omp_get_thread_num: a program that also links GNU's OpenMP may bind that
/// name to it, and its answer for a thread that it does not know is 0.
constexpr StringLiteral kThreadNumber = "__kmpc_bound_thread_num";

/// Numbers all ops of a function in their order.
class Order {
public:
  explicit Order(func::FuncOp function) {
    int64_t next = 0;
    function.walk<WalkOrder::PreOrder>([&](Operation *op) {
      starts[op] = next++;
      ends[op] = starts[op];
    });
    function.walk([&](Operation *op) { // innermost first
      if (Operation *parent = op->getParentOp(); parent && ends.count(parent))
        ends[parent] = std::max(ends[parent], ends[op]);
    });
  }

  /// Extends [first, last] by the op of `block` that is or holds `user`.
  void extend(Operation *user, Block *block, Slot &slot) const {
    while (user->getBlock() != block && user->getParentOp() &&
           !isa<func::FuncOp>(user->getParentOp()))
      user = user->getParentOp();
    slot.first = std::min(slot.first, starts.lookup(user));
    slot.last = std::max(slot.last, ends.lookup(user));
  }

private:
  DenseMap<Operation *, int64_t> starts, ends;
};

/// Extends [first, last] by all uses of `buffer` and of its views.
void addUses(Value buffer, const Order &order, Slot &slot) {
  for (Operation *user : buffer.getUsers()) {
    order.extend(user, slot.alloc->getBlock(), slot);
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
    threadParts.clear();
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (function.isPublic() && !function.isExternal() &&
          failed(pack(function)))
        return signalPassFailure();
  }

  LogicalResult pack(func::FuncOp function) {
    Order order(function);
    SmallVector<Slot> shared, perThread;
    WalkResult walked = function.walk([&](memref::AllocOp alloc) {
      auto type = alloc.getType();
      auto team = alloc->getParentOfType<omp::ParallelOp>();
      if ((!team && alloc->getParentOp() != function) ||
          !type.hasStaticShape()) {
        alloc.emitError("expected a static allocation at the top level of a "
                        "kernel or in a parallel loop");
        return WalkResult::interrupt();
      }
      std::optional<int64_t> size = bytesOf(type);
      if (!size) {
        alloc.emitError("expected a contiguous buffer of numbers below 2^48 "
                        "bytes, but got ")
            << type;
        return WalkResult::interrupt();
      }
      Slot slot{alloc, std::max(alignUp(*size), kAlignment), INT64_MAX, -1};
      order.extend(alloc, alloc->getBlock(), slot);
      addUses(alloc, order, slot);
      (team ? perThread : shared).push_back(slot);
      return WalkResult::advance();
    });
    if (walked.wasInterrupted())
      return failure();
    packArguments(function, kResidualAttr, "ropegrad.residual_bytes");
    int64_t total = std::max(assignOffsets(shared), kAlignment);
    int64_t perThreadTotal = assignOffsets(perThread);
    if (failed(rewrite(function, shared, total, perThread, perThreadTotal)))
      return failure();
    packArguments(function, kPreparedAttr, "ropegrad.prepared_bytes",
                  /*last=*/true);
    return success();
  }

  /// One argument for all that are marked: what a forward pass leaves to its
  /// backward pass, in the place of the first, or what serves many calls,
  /// behind all others. `sizeName` becomes an attribute of the function.
  void packArguments(func::FuncOp function, StringRef mark, StringRef sizeName,
                     bool last = false) {
    llvm::BitVector old(function.getNumArguments());
    for (BlockArgument argument : function.getArguments())
      if (function.getArgAttr(argument.getArgNumber(), mark))
        old.set(argument.getArgNumber());
    if (old.none())
      return;
    OpBuilder b = OpBuilder::atBlockBegin(&function.getBody().front());
    int64_t bytes = 0;
    SmallVector<std::pair<BlockArgument, int64_t>> places;
    for (unsigned number : old.set_bits()) {
      BlockArgument argument = function.getArgument(number);
      places.emplace_back(argument, bytes);
      bytes += alignUp(*bytesOf(cast<MemRefType>(argument.getType())));
    }
    unsigned at = last ? function.getNumArguments()
                       : static_cast<unsigned>(old.find_first());
    (void)function.insertArgument(at, MemRefType::get({bytes}, b.getI8Type()),
                                  {}, function.getLoc());
    for (auto [argument, offset] : places) {
      Value start =
          arith::ConstantIndexOp::create(b, function.getLoc(), offset);
      Value view = memref::ViewOp::create(
          b, function.getLoc(), cast<MemRefType>(argument.getType()),
          function.getArgument(at), start, ValueRange{});
      argument.replaceAllUsesWith(view);
    }
    llvm::BitVector erased(function.getNumArguments());
    for (unsigned number : old.set_bits())
      erased.set(number < at ? number : number + 1);
    (void)function.eraseArguments(erased);
    function->setAttr(sizeName, b.getI64IntegerAttr(bytes));
  }

  /// The calling thread's part of the workspace, made once per parallel region:
  /// what runs in it knows no size of the whole.
  Value threadPart(omp::ParallelOp team, Value workspace, int64_t total,
                   int64_t perThread) {
    Value &part = threadParts[team];
    if (part)
      return part;
    Location loc = team.getLoc();
    OpBuilder b = OpBuilder::atBlockBegin(&team.getRegion().front());
    Value nowhere = arith::ConstantIndexOp::create(b, loc, 0);
    Value number =
        func::CallOp::create(b, loc, kThreadNumber, TypeRange{b.getI32Type()},
                             ValueRange{nowhere})
            .getResult(0);
    number = arith::IndexCastOp::create(b, loc, b.getIndexType(), number);
    Value size = arith::ConstantIndexOp::create(b, loc, perThread);
    Value start = arith::ConstantIndexOp::create(b, loc, total);
    Value offset = arith::AddIOp::create(
        b, loc, start, arith::MulIOp::create(b, loc, number, size));
    auto bytes = MemRefType::get({ShapedType::kDynamic}, b.getI8Type());
    part = memref::ViewOp::create(b, loc, bytes, workspace, offset, size);
    return part;
  }

  void declareThreadNumber() {
    ModuleOp module = getOperation();
    if (module.lookupSymbol(kThreadNumber))
      return;
    OpBuilder b = OpBuilder::atBlockBegin(module.getBody());
    auto function = func::FuncOp::create(
        b, module.getLoc(), kThreadNumber,
        b.getFunctionType({b.getIndexType()}, {b.getI32Type()}));
    function.setPrivate();
  }

  LogicalResult rewrite(func::FuncOp function, ArrayRef<Slot> shared,
                        int64_t total, ArrayRef<Slot> perThread,
                        int64_t perThreadTotal) {
    OpBuilder b(&getContext());
    auto type =
        MemRefType::get({total + perThreadTotal * kMaxThreads}, b.getI8Type());
    if (failed(function.insertArgument(function.getNumArguments(), type, {},
                                       function.getLoc())))
      return failure();
    Value workspace = function.getArguments().back();
    auto replace = [&](const Slot &slot, Value memory) {
      memref::AllocOp alloc = slot.alloc;
      b.setInsertionPoint(alloc);
      Value offset =
          arith::ConstantIndexOp::create(b, alloc.getLoc(), slot.offset);
      Value view = memref::ViewOp::create(b, alloc.getLoc(), alloc.getType(),
                                          memory, offset, ValueRange{});
      alloc.replaceAllUsesWith(view);
      alloc.erase();
    };
    for (const Slot &slot : shared)
      replace(slot, workspace);
    if (!perThread.empty())
      declareThreadNumber();
    for (const Slot &slot : perThread) {
      memref::AllocOp alloc = slot.alloc;
      auto team = alloc->getParentOfType<omp::ParallelOp>();
      replace(slot, threadPart(team, workspace, total, perThreadTotal));
    }
    function->setAttr("ropegrad.workspace_bytes", b.getI64IntegerAttr(total));
    function->setAttr("ropegrad.workspace_bytes_per_thread",
                      b.getI64IntegerAttr(perThreadTotal));
    function->setAttr("llvm.bareptr", b.getUnitAttr());
    return success();
  }

  DenseMap<Operation *, Value> threadParts;
};

} // namespace
} // namespace mlir::ropegrad
