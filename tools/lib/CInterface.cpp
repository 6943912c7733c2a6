//===- CInterface.cpp - The entry points of a kernel -----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Entry points, workspace sizes and manifest in LLVM IR.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/CInterface.h"

#include "runtime/ropegrad_runtime.h"

#include "llvm/IR/IRBuilder.h"

using namespace llvm;

namespace ropegrad {
namespace {

constexpr uint64_t kWorkspaceAlignment = 64;

class InterfaceBuilder {
public:
  explicit InterfaceBuilder(Module &module)
      : module(module), b(module.getContext()), pointer(b.getPtrTy()) {}

  /// int NAME(arrays..., void *workspace, size_t bytes, int threads): checks
  /// its arguments, then runs the body.
  Function *addEntry(const FunctionInfo &info, Function *body) {
    SmallVector<Type *> types(info.args.size() + 1, pointer);
    types.push_back(b.getInt64Ty());
    types.push_back(b.getInt32Ty());
    Function *entry = create(info.symbol, b.getInt32Ty(), types);
    b.SetInsertPoint(BasicBlock::Create(b.getContext(), "entry", entry));
    SmallVector<Value *> pointers;
    for (size_t i = 0; i <= info.args.size(); ++i)
      pointers.push_back(entry->getArg(i));
    Value *isNull = b.getFalse();
    for (Value *array : pointers)
      isNull = b.CreateOr(isNull, b.CreateIsNull(array));
    returnIf(isNull, ROPEGRAD_NULL_POINTER);
    Value *address = b.CreatePtrToInt(pointers.back(), b.getInt64Ty());
    returnIf(b.CreateICmpNE(b.CreateAnd(address, kWorkspaceAlignment - 1),
                            b.getInt64(0)),
             ROPEGRAD_WORKSPACE_MISALIGNED);
    Value *bytes = entry->getArg(info.args.size() + 1);
    returnIf(b.CreateICmpULT(bytes, b.getInt64(info.workspaceBytes)),
             ROPEGRAD_WORKSPACE_TOO_SMALL);
    Value *status = b.CreateCall(body, pointers);
    returnUnless(b.CreateIsNull(status), status);
    for (auto [arg, pointer] : zip(info.args, pointers))
      if (arg.role == ArgRole::Out)
        returnIf(hasNotFinite(arg, pointer), ROPEGRAD_NOT_FINITE);
    b.CreateRet(b.getInt32(ROPEGRAD_OK));
    return entry;
  }

  /// int NAME_packed(void *const *arrays, void *workspace, size_t, int).
  void addPacked(const FunctionInfo &info, Function *entry) {
    Function *packed =
        create(info.packedSymbol(), b.getInt32Ty(),
               {pointer, pointer, b.getInt64Ty(), b.getInt32Ty()});
    b.SetInsertPoint(BasicBlock::Create(b.getContext(), "entry", packed));
    returnIf(b.CreateIsNull(packed->getArg(0)), ROPEGRAD_NULL_POINTER);
    SmallVector<Value *> operands;
    for (size_t i = 0; i < info.args.size(); ++i) {
      Value *slot = b.CreateConstInBoundsGEP1_64(pointer, packed->getArg(0), i);
      operands.push_back(b.CreateLoad(pointer, slot));
    }
    for (unsigned i = 1; i < 4; ++i)
      operands.push_back(packed->getArg(i));
    b.CreateRet(b.CreateCall(entry, operands));
  }

  void addWorkspaceQuery(const FunctionInfo &info) {
    Function *query =
        create(info.symbol + "_workspace_bytes", b.getInt64Ty(), {});
    b.SetInsertPoint(BasicBlock::Create(b.getContext(), "entry", query));
    b.CreateRet(b.getInt64(info.workspaceBytes));
  }

  void addText(StringRef name, StringRef text) {
    Constant *value = ConstantDataArray::getString(b.getContext(), text);
    new GlobalVariable(module, value->getType(), /*isConstant=*/true,
                       GlobalValue::ExternalLinkage, value, name);
  }

private:
  Function *create(const std::string &name, Type *result,
                   ArrayRef<Type *> types) {
    return Function::Create(FunctionType::get(result, types, false),
                            GlobalValue::ExternalLinkage, name, module);
  }

  /// Whether an array holds a nan or an infinity: an exponent of all ones.
  Value *hasNotFinite(const ArgInfo &arg, Value *array) {
    bool isDouble = arg.dtype == DType::F64;
    Type *bits = isDouble ? b.getInt64Ty() : b.getInt32Ty();
    Constant *mask = ConstantInt::get(bits, isDouble ? 0x7ff0000000000000ull
                                                     : 0x7f800000ull);
    uint64_t count = 1;
    for (int64_t size : arg.shape)
      count *= static_cast<uint64_t>(size);
    BasicBlock *before = b.GetInsertBlock();
    Function *function = before->getParent();
    BasicBlock *loop = BasicBlock::Create(b.getContext(), "finite", function);
    BasicBlock *done = BasicBlock::Create(b.getContext(), "checked", function);
    b.CreateBr(loop);
    b.SetInsertPoint(loop);
    PHINode *index = b.CreatePHI(b.getInt64Ty(), 2);
    PHINode *found = b.CreatePHI(b.getInt1Ty(), 2);
    Value *element = b.CreateLoad(bits, b.CreateGEP(bits, array, index));
    Value *bad = b.CreateICmpEQ(b.CreateAnd(element, mask), mask);
    Value *any = b.CreateOr(found, bad);
    Value *next = b.CreateAdd(index, b.getInt64(1));
    b.CreateCondBr(b.CreateICmpULT(next, b.getInt64(count)), loop, done);
    index->addIncoming(b.getInt64(0), before);
    index->addIncoming(next, loop);
    found->addIncoming(b.getFalse(), before);
    found->addIncoming(any, loop);
    b.SetInsertPoint(done);
    return any;
  }

  void returnIf(Value *condition, int status) {
    returnUnless(b.CreateNot(condition), b.getInt32(status));
  }

  void returnUnless(Value *condition, Value *status) {
    Function *function = b.GetInsertBlock()->getParent();
    BasicBlock *fail = BasicBlock::Create(b.getContext(), "fail", function);
    BasicBlock *next = BasicBlock::Create(b.getContext(), "next", function);
    b.CreateCondBr(condition, next, fail);
    b.SetInsertPoint(fail);
    b.CreateRet(status);
    b.SetInsertPoint(next);
  }

  Module &module;
  IRBuilder<> b;
  Type *pointer;
};

} // namespace

void addCInterface(Module &module, const KernelInfo &info,
                   ArrayRef<Function *> bodies, bool standalone) {
  for (Function &function : module)
    if (!function.isDeclaration())
      function.setLinkage(GlobalValue::InternalLinkage);
  for (GlobalVariable &global : module.globals())
    if (!global.isDeclaration())
      global.setLinkage(GlobalValue::InternalLinkage);
  InterfaceBuilder builder(module);
  for (auto [function, body] : zip(info.functions, bodies)) {
    Function *entry = builder.addEntry(function, body);
    builder.addPacked(function, entry);
    builder.addWorkspaceQuery(function);
  }
  std::string manifest = manifestJson(info);
  builder.addText(info.name + "_manifest", manifest);
  if (standalone)
    builder.addText("ropegrad_manifest", manifest);
}

std::vector<std::string> exportedSymbols(const KernelInfo &info) {
  std::vector<std::string> symbols = {"ropegrad_manifest",
                                      info.name + "_manifest"};
  for (const FunctionInfo &function : info.functions) {
    symbols.push_back(function.symbol);
    symbols.push_back(function.packedSymbol());
    symbols.push_back(function.symbol + "_workspace_bytes");
  }
  return symbols;
}

} // namespace ropegrad
