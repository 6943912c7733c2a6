//===- Bufferize.cpp - ropegrad-bufferize ----------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Level 3 to level 4: one-shot bufferization of the structured ops, results to
// destination arguments.
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"

#include "mlir/Dialect/Bufferization/IR/DstBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Bufferization/Transforms/Bufferize.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotModuleBufferize.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/Transforms.h"

namespace mlir::ropegrad {

#define GEN_PASS_DEF_BUFFERIZE
#include "passes/Passes.h.inc"

namespace {

using namespace bufferization;

/// The kernels read contiguous buffers: a strided slice is copied first, unless
/// the op would write to the copy, or can read `strided` ones.
FailureOr<Value> contiguousBuffer(RewriterBase &rewriter, Value tensor,
                                  bool isWritten, bool strided,
                                  const BufferizationOptions &options,
                                  BufferizationState &state) {
  FailureOr<Value> buffer = getBuffer(rewriter, tensor, options, state);
  if (failed(buffer))
    return failure();
  auto type = cast<MemRefType>(buffer->getType());
  if (type.getLayout().isIdentity() || strided)
    return buffer;
  if (isWritten)
    return failure();
  Location loc = tensor.getLoc();
  Value copy = memref::AllocOp::create(
      rewriter, loc, MemRefType::get(type.getShape(), type.getElementType()));
  linalg::CopyOp::create(rewriter, loc, *buffer, copy);
  return copy;
}

/// The body of a tiles op describes the operands: tensors become buffers there
/// as well.
void retypeBody(Region &body) {
  auto toBuffer = [](Value value) {
    if (auto type = dyn_cast<RankedTensorType>(value.getType()))
      value.setType(MemRefType::get(type.getShape(), type.getElementType()));
  };
  for (BlockArgument argument : body.getArguments())
    toBuffer(argument);
  for (Operation &op : body.front())
    for (Value result : op.getResults())
      toBuffer(result);
}

/// Guards only read their outputs and hand the values on.
bool handsOn(Operation *op) {
  return isa<GuardOp, RequirePositiveOp, RequireShareOp>(op);
}

template <typename OpTy>
struct Model : DstBufferizableOpInterfaceExternalModel<Model<OpTy>, OpTy> {
  /// Outputs are overwritten, never read; but guards hand their values on.
  bool bufferizesToMemoryRead(Operation *op, OpOperand &operand,
                              const AnalysisState &) const {
    return handsOn(op) ||
           !cast<DestinationStyleOpInterface>(op).isDpsInit(&operand);
  }

  /// What is handed on is never written: nothing else needs a copy of it.
  bool bufferizesToMemoryWrite(Operation *op, OpOperand &operand,
                               const AnalysisState &) const {
    auto dps = cast<DestinationStyleOpInterface>(op);
    bool isRadius = isa<GuardOp>(op) && dps.getDpsInitOperand(0) == &operand;
    return dps.isDpsInit(&operand) && (!handsOn(op) || isRadius);
  }

  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const BufferizationOptions &options,
                          BufferizationState &state) const {
    auto dps = cast<DestinationStyleOpInterface>(op);
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPoint(op);
    SmallVector<Value> operands;
    for (OpOperand &operand : op->getOpOperands()) {
      FailureOr<Value> buffer = contiguousBuffer(
          rewriter, operand.get(), dps.isDpsInit(&operand) && !handsOn(op),
          /*strided=*/isa<RequirePositiveOp, RequireShareOp>(op) ||
              (isa<ExpandOp, ChunkExpandOp>(op) &&
               operand.getOperandNumber() == 1),
          options, state);
      if (failed(buffer))
        return op->emitError("expected contiguous buffers");
      operands.push_back(*buffer);
    }
    OperationState made(op->getLoc(), op->getName(), operands, TypeRange(),
                        op->getAttrs());
    made.propertiesAttr = op->getPropertiesAsAttribute();
    for (Region &region : op->getRegions()) {
      retypeBody(region);
      made.addRegion()->takeBody(region);
    }
    rewriter.create(made);
    ValueRange outs = ValueRange(operands).take_back(dps.getNumDpsInits());
    replaceOpWithBufferizedValues(rewriter, op, outs);
    return success();
  }
};

/// A buffer that is returned twice is copied: every result has a destination of
/// its own, and the promotion below takes each allocation away but once.
void separateResults(ModuleOp module) {
  module.walk([](func::ReturnOp op) {
    DenseSet<Value> seen;
    for (OpOperand &operand : op->getOpOperands()) {
      auto type = dyn_cast<MemRefType>(operand.get().getType());
      if (!type || !type.hasStaticShape() || seen.insert(operand.get()).second)
        continue;
      OpBuilder b(op);
      Value copy = memref::AllocOp::create(b, op.getLoc(), type);
      linalg::CopyOp::create(b, op.getLoc(), operand.get(), copy);
      operand.set(copy);
    }
  });
}

struct BufferizePass : impl::BufferizeBase<BufferizePass> {
  void getDependentDialects(DialectRegistry &registry) const override {
    BufferizeBase::getDependentDialects(registry);
    registerBufferization(registry);
  }

  void runOnOperation() final {
    ModuleOp module = getOperation();
    OneShotBufferizationOptions options;
    options.bufferizeFunctionBoundaries = true;
    options.setFunctionBoundaryTypeConversion(
        LayoutMapOption::IdentityLayoutMap);
    // memref.copy of a strided buffer would call a runtime library.
    options.memCpyFn = [](OpBuilder &b, Location loc, Value from, Value to) {
      linalg::CopyOp::create(b, loc, from, to);
      return success();
    };
    BufferizationState state;
    if (failed(runOneShotModuleBufferize(module, options, state)))
      return signalPassFailure();
    separateResults(module);
    BufferResultsToOutParamsOpts results;
    results.hoistStaticAllocs = true;
    results.modifyPublicFunctions = true;
    results.memCpyFn = [](OpBuilder &b, Location loc, Value from, Value to) {
      linalg::CopyOp::create(b, loc, from, to);
      return success();
    };
    if (failed(promoteBufferResultsToOutParams(module, results)))
      return signalPassFailure();
  }
};

} // namespace

void registerBufferization(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, RopeGradDialect *) {
    RotateOp::attachInterface<Model<RotateOp>>(*context);
    CentreRowsOp::attachInterface<Model<CentreRowsOp>>(*context);
    KeyWeightsOp::attachInterface<Model<KeyWeightsOp>>(*context);
    AddOuterOp::attachInterface<Model<AddOuterOp>>(*context);
    AppendColumnOp::attachInterface<Model<AppendColumnOp>>(*context);
    ConvertOp::attachInterface<Model<ConvertOp>>(*context);
    LargestOp::attachInterface<Model<LargestOp>>(*context);
    GuardOp::attachInterface<Model<GuardOp>>(*context);
    RequirePositiveOp::attachInterface<Model<RequirePositiveOp>>(*context);
    RequireShareOp::attachInterface<Model<RequireShareOp>>(*context);
    AccumulateOp::attachInterface<Model<AccumulateOp>>(*context);
    ExpandOp::attachInterface<Model<ExpandOp>>(*context);
    ReverseOp::attachInterface<Model<ReverseOp>>(*context);
    DecayRowsOp::attachInterface<Model<DecayRowsOp>>(*context);
    ChunkStatesOp::attachInterface<Model<ChunkStatesOp>>(*context);
    ChunkExpandOp::attachInterface<Model<ChunkExpandOp>>(*context);
    ChunkReverseOp::attachInterface<Model<ChunkReverseOp>>(*context);
    KroneckerFeaturesOp::attachInterface<Model<KroneckerFeaturesOp>>(*context);
    PositionTableOp::attachInterface<Model<PositionTableOp>>(*context);
    SpreadChannelsOp::attachInterface<Model<SpreadChannelsOp>>(*context);
    GatherChannelsOp::attachInterface<Model<GatherChannelsOp>>(*context);
    ToeplitzApplyOp::attachInterface<Model<ToeplitzApplyOp>>(*context);
    ToeplitzCorrelateOp::attachInterface<Model<ToeplitzCorrelateOp>>(*context);
    TilesOp::attachInterface<Model<TilesOp>>(*context);
    PairTableOp::attachInterface<Model<PairTableOp>>(*context);
    PairSpectrumOp::attachInterface<Model<PairSpectrumOp>>(*context);
    PairApplyOp::attachInterface<Model<PairApplyOp>>(*context);
    PairReverseOp::attachInterface<Model<PairReverseOp>>(*context);
    PairCorrelateOp::attachInterface<Model<PairCorrelateOp>>(*context);
    PairBiasGradientOp::attachInterface<Model<PairBiasGradientOp>>(*context);
    PairTableReverseOp::attachInterface<Model<PairTableReverseOp>>(*context);
  });
}

} // namespace mlir::ropegrad
