//===- Tall.cpp - Rows of tall buffers and loops over them -----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Sizes and strides come from the arguments that ropegrad-runtime-sizes adds,
// or from the types where it has not run.
//
//===----------------------------------------------------------------------===//

#include "passes/Tall.h"

using namespace mlir;
using namespace mlir::ropegrad;

/// The argument of the enclosing function that `attribute` marks as `value`.
static Value findArgument(Operation *op, StringRef value) {
  auto function = op->getParentOfType<func::FuncOp>();
  if (!function)
    return {};
  for (BlockArgument argument : function.getArguments()) {
    auto mark = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(),
                                                      kSizeAttr);
    if (mark && mark.getValue() == value)
      return argument;
  }
  return {};
}

Value RowSpace::chunks(Emitter &e) const {
  return e.div(e.add(n, chunk - 1), chunk);
}

RowSpace mlir::ropegrad::rowSpace(Emitter &e, Operation *op, Value tall) {
  ArrayRef<int64_t> shape = cast<MemRefType>(tall.getType()).getShape();
  RowSpace space;
  space.maxBatch = shape[0];
  space.heads = shape[1];
  space.maxN = shape[2];
  Value batch = findArgument(op, "batch"), n = findArgument(op, "n");
  space.batch = batch ? batch : e.index(shape[0]);
  space.n = n ? n : e.index(shape[2]);
  auto function = op->getParentOfType<func::FuncOp>();
  auto chunk = function ? function->getAttrOfType<IntegerAttr>(kChunkAttr)
                        : IntegerAttr();
  space.chunk = chunk ? chunk.getInt() : shape[2];
  return space;
}

void mlir::ropegrad::forRows(Emitter &e, const RowSpace &space,
                             function_ref<void(const RowUnit &)> body,
                             bool local) {
  Value chunks = space.chunks(e);
  Value units = e.mul(e.mul(space.batch, space.heads), chunks);
  std::string name = local ? "rows" + std::to_string(space.heads) : "";
  e.parallel(units, name, [&](Value index) {
    RowUnit unit;
    unit.index = index;
    Value headIndex = e.div(index, chunks);
    unit.batch = e.div(headIndex, space.heads);
    unit.head = e.rem(headIndex, e.index(space.heads));
    unit.from = e.mul(e.rem(index, chunks), space.chunk);
    unit.count = e.min(e.sub(space.n, unit.from), e.index(space.chunk));
    body(unit);
  });
}

void mlir::ropegrad::forHeads(Emitter &e, const RowSpace &space, int64_t heads,
                              function_ref<void(Value, Value)> body) {
  e.parallel(e.mul(space.batch, heads), "heads" + std::to_string(heads),
             [&](Value index) {
               body(e.div(index, heads), e.rem(index, e.index(heads)));
             });
}

Value Tall::at(Emitter &e, Value batch, Value head, Value row) const {
  Value from;
  if (entries)
    from = arith::IndexCastOp::create(
        e.b, e.loc, e.b.getIndexType(),
        e.load(entries, e.add(batch, e.index(firstEntry))));
  else
    from = e.mul(batch, batchStride);
  Value at = e.add(from, e.mul(head, headStride));
  return e.add(e.add(offset, at), e.mul(row, rowStride));
}

/// Strips views that keep every element where it is, with unit dimensions added
/// or removed in front.
static Value withoutReshapes(Value memref) {
  while (true) {
    if (auto expand = memref.getDefiningOp<memref::ExpandShapeOp>())
      memref = expand.getSrc();
    else if (auto collapse = memref.getDefiningOp<memref::CollapseShapeOp>())
      memref = collapse.getSrc();
    else
      return memref;
  }
}

Value mlir::ropegrad::flatBase(Emitter &e, Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  if (type.getLayout().isIdentity())
    return e.flat(memref);
  // The buffer underneath, from its own beginning: offsets are added by hand.
  Value base = memref;
  while (auto view = base.getDefiningOp<memref::SubViewOp>())
    base = view.getSource();
  return e.flat(base);
}

bool mlir::ropegrad::isMatrixOfRows(Value memref) {
  auto argument = dyn_cast<BlockArgument>(memref);
  auto function =
      argument ? dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp())
               : func::FuncOp();
  return function && function.getArgAttr(argument.getArgNumber(), kRowsAttr);
}

FailureOr<Tall> mlir::ropegrad::tallOf(Emitter &e, Operation *op,
                                       Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  ArrayRef<int64_t> shape = type.getShape();
  if (shape.size() < 3)
    return op->emitOpError("expected a buffer (B, H, n, w) or (B, H, n), but "
                           "got ")
           << type;
  Tall tall;
  tall.heads = shape[1];
  tall.width = shape.size() == 4 ? shape[3] : 1;
  SmallVector<int64_t> strides;
  int64_t offset = 0;
  if (failed(type.getStridesAndOffset(strides, offset)) ||
      ShapedType::isDynamic(offset) ||
      llvm::any_of(strides, ShapedType::isDynamic) ||
      (shape.size() == 4 && shape[3] > 1 && strides[3] != 1))
    return op->emitOpError("expected rows of contiguous elements, but got ")
           << type;
  tall.offset = e.index(offset);
  tall.batchStride = e.index(strides[0]);
  tall.headStride = e.index(strides[1]);
  tall.rowStride = e.index(strides[2]);
  tall.buffer = flatBase(e, memref);
  auto argument = dyn_cast<BlockArgument>(withoutReshapes(memref));
  auto function =
      argument ? dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp())
               : func::FuncOp();
  auto number = function ? function.getArgAttrOfType<IntegerAttr>(
                               argument.getArgNumber(), kStridesAttr)
                         : IntegerAttr();
  if (!number)
    return tall;
  Value given = findArgument(op, "strides");
  auto list = given ? dyn_cast<MemRefType>(given.getType()) : MemRefType();
  if (!list || !list.hasStaticShape() || !list.getLayout().isIdentity() ||
      !list.getElementType().isInteger(64) || number.getInt() < 0 ||
      number.getInt() > list.getNumElements() / 3 - 1)
    return op->emitOpError("expected strides ")
           << number.getInt()
           << " in an argument that is marked as strides, but got none";
  Value all = e.flat(given);
  auto stride = [&](int64_t i) {
    Value value = e.load(all, e.index(3 * number.getInt() + i));
    return arith::IndexCastOp::create(e.b, e.loc, e.b.getIndexType(), value);
  };
  tall.batchStride = stride(0);
  tall.headStride = stride(1);
  tall.rowStride = stride(2);
  if (Value entries = findArgument(op, "entries")) {
    auto type = dyn_cast<MemRefType>(entries.getType());
    int64_t batch = cast<MemRefType>(argument.getType()).getDimSize(0);
    tall.firstEntry = number.getInt() * batch;
    if (!type || !type.hasStaticShape() || !type.getLayout().isIdentity() ||
        !type.getElementType().isInteger(64) ||
        type.getNumElements() < tall.firstEntry + batch)
      return op->emitOpError("expected ")
             << tall.firstEntry + batch
             << " entries of i64 in the argument that is marked as entries, "
                "but got "
             << entries.getType();
    tall.entries = e.flat(entries);
  }
  return tall;
}
