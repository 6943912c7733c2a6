//===- HalideBlocks.cpp - Definitions of Halide's functions ----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Links the bitcode of Halide into a kernel and calls it with buffers made on
// the stack.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/HalideBlocks.h"

#include "passes/AttentionHalide.h"
#include "tools/lib/HalideMaker.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Operator.h"
#include "llvm/Linker/Linker.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;

namespace ropegrad {
namespace {

HalideBlock readBlock(mlir::LLVM::LLVMFuncOp function, const Target &target) {
  auto attributes = function->getAttrOfType<mlir::DictionaryAttr>(
      mlir::ropegrad::kHalideAttr);
  auto number = [&](StringRef name) {
    auto value = attributes.getAs<mlir::IntegerAttr>(name);
    return value ? value.getInt() : 0;
  };
  auto flag = [&](StringRef name) {
    auto value = attributes.getAs<mlir::BoolAttr>(name);
    return value && value.getValue();
  };
  HalideBlock block;
  block.name = function.getName().str() + "_made";
  block.isBackward = flag("backward");
  block.bits = number("bits");
  block.d = number("d");
  block.w = number("w");
  block.lanes = number("lanes");
  block.panel = number("panel");
  block.rows = number("rows");
  block.steps = number("steps");
  block.padded = number("padded");
  block.isCausal = flag("causal");
  block.window = number("window");
  block.hasTable = flag("table");
  block.dq = flag("dq");
  block.dk = flag("dk");
  block.dv = flag("dv");
  block.vectorBits = target.vectorBits;
  block.hasSse41 = is_contained(target.features, "sse4.1");
  return block;
}

/// Fills in halide_buffer_t (HalideRuntime.h) on the stack.
class BufferBuilder {
public:
  BufferBuilder(IRBuilder<> &b, int64_t bits)
      : b(b), bits(bits),
        type(StructType::get(b.getInt64Ty(), b.getPtrTy(), b.getPtrTy(),
                             b.getInt64Ty(), b.getInt8Ty(), b.getInt8Ty(),
                             b.getInt16Ty(), b.getInt32Ty(), b.getPtrTy(),
                             b.getPtrTy())) {}

  /// A buffer of floats that begins at `host`.
  Value *make(Value *host, const HalideArgument &argument) {
    constexpr int64_t isFloat = 2;
    int64_t rank = argument.dimensions.size();
    auto *dimension = ArrayType::get(b.getInt32Ty(), 4);
    auto *dimensions = ArrayType::get(dimension, rank);
    Value *shape = b.CreateAlloca(dimensions);
    for (int64_t i = 0; i < rank; ++i) {
      auto [extent, stride] = argument.dimensions[i];
      int64_t fields[] = {0, extent, stride, 0}; // min, ..., flags
      for (int64_t j = 0; j < 4; ++j)
        b.CreateStore(b.getInt32(fields[j]),
                      b.CreateConstInBoundsGEP2_64(
                          dimension,
                          b.CreateConstInBoundsGEP2_64(dimensions, shape, 0, i),
                          0, j));
    }
    Value *null = ConstantPointerNull::get(b.getPtrTy());
    Value *fields[] = {b.getInt64(0),
                       null,
                       host,
                       b.getInt64(0),
                       b.getInt8(isFloat),
                       b.getInt8(bits),
                       b.getInt16(1),
                       b.getInt32(rank),
                       shape,
                       null};
    Value *buffer = b.CreateAlloca(type);
    for (unsigned i = 0; i < std::size(fields); ++i)
      b.CreateStore(fields[i], b.CreateStructGEP(type, buffer, i));
    return buffer;
  }

private:
  IRBuilder<> &b;
  int64_t bits;
  StructType *type;
};

/// The body of `function`, whose buffers are memref descriptors in five
/// arguments and an offset each.
void defineByCall(Function &function, Function &made, const HalideBlock &block,
                  const HalideCode &code) {
  IRBuilder<> b(BasicBlock::Create(function.getContext(), "", &function));
  BufferBuilder buffers(b, block.bits);
  Type *element = block.bits == 32 ? b.getFloatTy() : b.getDoubleTy();
  SmallVector<Value *> arguments;
  unsigned at = 0;
  for (const HalideArgument &argument : code.arguments) {
    if (argument.dimensions.empty()) {
      arguments.push_back(b.CreateTrunc(function.getArg(at++), b.getInt32Ty()));
      continue;
    }
    constexpr unsigned aligned = 1, offset = 5, size = 6;
    Value *host = b.CreateGEP(element, function.getArg(at + aligned),
                              function.getArg(at + offset));
    arguments.push_back(buffers.make(host, argument));
    at += size;
  }
  b.CreateCall(&made, arguments);
  b.CreateRetVoid();
  function.setLinkage(GlobalValue::InternalLinkage);
  function.addFnAttr(Attribute::NoInline);
}

/// Nothing of `module` but `made` stays visible; attributes that name Halide's
/// target go, those of ours come later. Infinite and nan entries have to reach
/// the outputs, so that nothing may be concluded from their absence.
void adopt(Module &module, Function &made) {
  for (Function &function : module) {
    if (function.isDeclaration())
      continue;
    if (&function != &made)
      function.setLinkage(GlobalValue::InternalLinkage);
    for (const char *name :
         {"target-cpu", "target-features", "tune-cpu", "reciprocal-estimates"})
      function.removeFnAttr(name);
    for (Instruction &instruction : instructions(function))
      if (isa<FPMathOperator>(instruction)) {
        instruction.setHasNoNaNs(false);
        instruction.setHasNoInfs(false);
      }
  }
}

std::string define(Function &function, const HalideBlock &block, Module &code) {
  HalideCode halide;
  if (std::string error = makeHalideBlock(block, halide); !error.empty())
    return error;
  auto module = parseBitcodeFile(MemoryBufferRef(halide.bitcode, block.name),
                                 code.getContext());
  if (!module)
    return "expected bitcode of Halide that LLVM reads, but it says: " +
           toString(module.takeError());
  Function *made = (*module)->getFunction(block.name);
  if (!made || made->arg_size() != halide.arguments.size())
    return "expected Halide to define " + block.name;
  adopt(**module, *made);
  (*module)->setTargetTriple(code.getTargetTriple());
  (*module)->setDataLayout(code.getDataLayout());
  // Its flags (ABI, options of its code generator) are not ours.
  if (NamedMDNode *flags = (*module)->getModuleFlagsMetadata())
    flags->eraseFromParent();
  if (Linker::linkModules(code, std::move(*module)))
    return "expected LLVM to link " + block.name;
  made = code.getFunction(block.name);
  made->setLinkage(GlobalValue::InternalLinkage);
  defineByCall(function, *made, block, halide);
  return "";
}

} // namespace

std::string defineHalideBlocks(mlir::ModuleOp module, const Target &target,
                               Module &code) {
  for (auto function : module.getOps<mlir::LLVM::LLVMFuncOp>()) {
    if (!function->hasAttr(mlir::ropegrad::kHalideAttr))
      continue;
    HalideBlock block = readBlock(function, target);
    Function *declared = code.getFunction(function.getName());
    if (!declared)
      continue; // nothing calls it
    if (std::string error = define(*declared, block, code); !error.empty())
      return error;
  }
  return "";
}

} // namespace ropegrad
