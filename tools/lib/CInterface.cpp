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

#include "passes/Passes.h"
#include "runtime/ropegrad_runtime.h"
#include "tools/lib/CallMemory.h"
#include "tools/lib/HeadCalls.h"
#include "tools/lib/Prepared.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/Support/xxhash.h"

using namespace llvm;

namespace ropegrad {
namespace {

constexpr uint64_t kWorkspaceAlignment = 64;

class InterfaceBuilder {
public:
  InterfaceBuilder(Module &module, const KernelInfo &info, Function *measure,
                   StringRef manifest)
      : module(module), b(module.getContext()), pointer(b.getPtrTy()),
        maxBatch(info.problem.batch), maxN(info.problem.n), kernel(info),
        measure(measure), mark(xxh3_64bits(manifest) | 1) {}

  /// int NAME_sized(const ropegrad_sizes *sizes, arrays..., void *workspace,
  /// size_t bytes, int threads): checks its arguments, then runs the body.
  Function *addSized(const FunctionInfo &info, const KernelBodies &bodies) {
    SmallVector<Type *> types(info.args.size() + 2, pointer);
    types.push_back(b.getInt64Ty());
    types.push_back(b.getInt32Ty());
    Function *entry = create(info.sizedSymbol(), b.getInt32Ty(), types);
    compute(info, bodies, beginSized(info, entry));
    return entry;
  }

  /// The same for `info`, a function with what NAME_prepare made in the place
  /// of W and bias of `whole`.
  Function *addPreparedSized(const FunctionInfo &info,
                             const FunctionInfo &whole,
                             const KernelBodies &bodies) {
    SmallVector<Type *> types(info.args.size() + 2, pointer);
    types.push_back(b.getInt64Ty());
    types.push_back(b.getInt32Ty());
    Function *entry = create(info.sizedSymbol(), b.getInt32Ty(), types);
    CallParts given = beginSized(info, entry), call;
    for (auto [arg, array] : zip(info.args, given.arrays))
      if (arg.role == ArgRole::Prepared)
        call.prepared = array;
    Value *isMine = b.CreateICmpEQ(loadHeader(call.prepared, 0), marked());
    Value *n = given.rest[1];
    Value *isOfSize = b.CreateICmpEQ(loadHeader(call.prepared, 1), n);
    returnIf(b.CreateNot(b.CreateAnd(isMine, isOfSize)), ROPEGRAD_NOT_PREPARED);
    for (const ArgInfo &arg : whole.args)
      call.arrays.push_back(isPositionInput(arg) ? copyOf(arg, call.prepared)
                                                 : given.of(info, arg.name));
    call.rest = given.rest;
    compute(whole, bodies, call);
    return entry;
  }

  /// int NAME_prepare_sized(const ropegrad_sizes *sizes, W and bias, void
  /// *prepared, size_t prepared_bytes, void *workspace, size_t bytes, int
  /// threads).
  Function *addPrepareSized(ArrayRef<KernelBodies> bodies) {
    const FunctionInfo &info = *kernel.prepare;
    SmallVector<Type *> types(info.args.size() + 1, pointer);
    types.append({b.getInt64Ty(), pointer, b.getInt64Ty(), b.getInt32Ty()});
    Function *entry = create(info.sizedSymbol(), b.getInt32Ty(), types);
    CallParts call = beginSized(info, entry);
    call.prepared = call.arrays.back();
    setHeader(call.prepared, 0, b.getInt64(0));
    for (auto [arg, array] : zip(info.args, call.arrays))
      if (isPositionInput(arg))
        b.CreateMemCpy(copyOf(arg, call.prepared), Align(64), array, Align(1),
                       arrayBytes(arg, call.rest[0], call.rest[1]));
    SmallPtrSet<Function *, 4> done;
    for (const KernelBodies &all : bodies)
      for (const KernelBody &body : all)
        if (body.prepare && done.insert(body.prepare).second)
          makeSpectra(b, body, spectraCall(info, call), call.rest.back(),
                      b.CreateConstInBoundsGEP1_64(
                          b.getInt8Ty(), call.prepared,
                          static_cast<uint64_t>(body.preparedOffset)));
    setHeader(call.prepared, 1, call.rest[1]);
    setHeader(call.prepared, 0, marked());
    b.CreateRet(b.getInt32(ROPEGRAD_OK));
    return entry;
  }

  /// int NAME(arrays..., void *workspace, size_t bytes, int threads): all rows
  /// and batch entries that the kernel was compiled for, contiguous.
  Function *addEntry(const FunctionInfo &info, const Problem &problem,
                     Function *sized) {
    Function *entry = create(info.symbol, b.getInt32Ty(),
                             sized->getFunctionType()->params().drop_front());
    begin(entry);
    auto *type = sizesType();
    Constant *all = ConstantStruct::get(
        type, {b.getInt64(problem.batch), b.getInt64(problem.n),
               ConstantPointerNull::get(b.getPtrTy())});
    auto *sizes = new GlobalVariable(module, type, /*isConstant=*/true,
                                     GlobalValue::InternalLinkage, all,
                                     info.symbol + ".sizes");
    SmallVector<Value *> operands{sizes};
    for (Argument &argument : entry->args())
      operands.push_back(&argument);
    b.CreateRet(b.CreateCall(sized, operands));
    return entry;
  }

  /// int NAME_packed(void *const *arrays, void *workspace, size_t, int).
  void addPacked(const FunctionInfo &info, Function *entry) {
    Function *packed =
        create(info.packedSymbol(), b.getInt32Ty(),
               {pointer, pointer, b.getInt64Ty(), b.getInt32Ty()});
    begin(packed);
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

  /// size_t NAME_workspace_bytes(int threads).
  void addWorkspaceQuery(const FunctionInfo &info) {
    Function *query = create(info.symbol + "_workspace_bytes", b.getInt64Ty(),
                             {b.getInt32Ty()});
    begin(query);
    b.CreateRet(workspaceBytes(info, clampThreads(query->getArg(0))));
  }

  /// size_t NAME_residual_bytes(void) or NAME_prepared_bytes(void).
  void addSizeQuery(const std::string &name, int64_t bytes) {
    Function *query = create(name, b.getInt64Ty(), {});
    begin(query);
    b.CreateRet(b.getInt64(bytes));
  }

  void addText(StringRef name, StringRef text) {
    Constant *value = ConstantDataArray::getString(b.getContext(), text);
    new GlobalVariable(module, value->getType(), /*isConstant=*/true,
                       GlobalValue::ExternalLinkage, value, name);
  }

private:
  /// Arguments of a body: the caller's arrays, and what goes behind them:
  /// batch, n, strides, threads and workspace. `prepared` is the buffer of
  /// NAME_prepare, null where a body makes its own spectra.
  struct CallParts {
    SmallVector<Value *> arrays, rest;
    Value *prepared = nullptr;

    Value *of(const FunctionInfo &info, StringRef name) const {
      for (auto [arg, array] : zip(info.args, arrays))
        if (arg.name == name)
          return array;
      return nullptr;
    }
  };

  /// Checks the arguments of a _sized function. Its arrays are followed by the
  /// size of the last one, if that is what it prepares, and by workspace, bytes
  /// and threads.
  CallParts beginSized(const FunctionInfo &info, Function *entry) {
    begin(entry);
    SmallVector<Value *> arrays;
    Value *isNull = b.CreateIsNull(entry->getArg(0));
    for (size_t i = 1; i <= info.args.size(); ++i)
      arrays.push_back(entry->getArg(i));
    size_t behind = entry->arg_size() - 3;
    Value *workspace = entry->getArg(behind);
    for (Value *array : arrays)
      isNull = b.CreateOr(isNull, b.CreateIsNull(array));
    returnIf(b.CreateOr(isNull, b.CreateIsNull(workspace)),
             ROPEGRAD_NULL_POINTER);
    Value *address = b.CreatePtrToInt(workspace, b.getInt64Ty());
    returnIf(b.CreateICmpNE(b.CreateAnd(address, kWorkspaceAlignment - 1),
                            b.getInt64(0)),
             ROPEGRAD_WORKSPACE_MISALIGNED);
    Value *threads = clampThreads(entry->getArg(behind + 2));
    Value *bytes = entry->getArg(behind + 1);
    returnIf(b.CreateICmpULT(bytes, workspaceBytes(info, threads)),
             ROPEGRAD_WORKSPACE_TOO_SMALL);
    if (isPrepare(info))
      returnIf(b.CreateICmpULT(
                   entry->getArg(behind - 1),
                   b.getInt64(static_cast<uint64_t>(*kernel.preparedBytes()))),
               ROPEGRAD_PREPARED_TOO_SMALL);
    CallSizes sizes = readSizes(info, entry->getArg(0));
    checkMemory(info, arrays, sizes, workspace, bytes);
    return {arrays, {sizes.batch, sizes.n, sizes.strides, threads, workspace}};
  }

  bool isPrepare(const FunctionInfo &info) const {
    return kernel.prepare && info.symbol == kernel.prepare->symbol;
  }

  Value *marked() { return b.getInt64(mark); }
  Value *header(Value *prepared, uint64_t number) {
    return b.CreateConstInBoundsGEP1_64(b.getInt64Ty(), prepared, number);
  }
  Value *loadHeader(Value *prepared, uint64_t number) {
    return b.CreateLoad(b.getInt64Ty(), header(prepared, number));
  }
  void setHeader(Value *prepared, uint64_t number, Value *value) {
    b.CreateStore(value, header(prepared, number));
  }
  Value *copyOf(const ArgInfo &input, Value *prepared) {
    auto offset =
        static_cast<uint64_t>(preparedOffset(*kernel.prepare, input.name));
    return b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), prepared, offset);
  }

  static SpectraCall spectraCall(const FunctionInfo &info,
                                 const CallParts &call) {
    return {info, call.arrays,
            SmallVector<Value *>(ArrayRef(call.rest).drop_back())};
  }

  /// Computes a call and returns.
  void compute(const FunctionInfo &info, const KernelBodies &bodies,
               const CallParts &call) {
    if (!isByHead(kernel, info))
      return dispatch(info, bodies, call);
    HeadCalls calls(module, b, kernel);
    calls.emit(info, bodies, measure,
               {call.arrays, call.rest[0], call.rest[1], call.rest[2],
                call.rest[3], call.rest[4], call.prepared});
  }

  void returnCall(const FunctionInfo &info, const KernelBody &body,
                  const CallParts &call) {
    b.CreateRet(callBody(info, body, call));
  }

  Value *callBody(const FunctionInfo &info, const KernelBody &body,
                  const CallParts &call) {
    SmallVector<Value *> operands;
    for (auto [arg, array] : zip(info.args, call.arrays))
      if (isPassedOn(arg, !body.degree, /*byHead=*/false))
        operands.push_back(array);
    operands.append(call.rest);
    if (!body.prepare)
      return b.CreateCall(body.function, operands);
    Value *workspace = operands.pop_back_val();
    Value *spectra =
        spectraFor(b, body, spectraCall(info, call), call.prepared, workspace);
    operands.append({workspace, spectra});
    return b.CreateCall(body.function, operands);
  }

  /// One body after the other until one does not refuse the radius. A backward
  /// pass goes the way of its forward pass, which left a mark.
  void dispatch(const FunctionInfo &info, const KernelBodies &bodies,
                const CallParts &call) {
    if (bodies.size() == 1)
      return returnCall(info, bodies.front(), call);
    Value *mark = nullptr;
    for (auto [arg, array] : zip(info.args, call.arrays))
      if (arg.role == ArgRole::Residual)
        mark = b.CreateConstInBoundsGEP1_64(
            b.getInt8Ty(), array,
            static_cast<uint64_t>(arg.shape.at(0) - kResidualMark));
    if (isBackward(info))
      return dispatchBackward(info, bodies, call, mark);
    for (auto [index, body] : enumerate(bodies)) {
      noteBody(info, body, call);
      if (mark)
        b.CreateStore(b.getInt8(static_cast<uint8_t>(index)), mark);
      if (index + 1 == bodies.size())
        return returnCall(info, body, call);
      Value *status = callBody(info, body, call);
      Value *refused = b.getFalse();
      for (int reason : {ROPEGRAD_RADIUS_EXCEEDED, ROPEGRAD_BOUND_EXCEEDED,
                         ROPEGRAD_ROW_SUM_TOO_SMALL})
        refused = b.CreateOr(
            refused,
            b.CreateICmpEQ(status, b.getInt32(static_cast<uint32_t>(reason))));
      returnUnless(refused, status);
    }
  }

  void dispatchBackward(const FunctionInfo &info, const KernelBodies &bodies,
                        const CallParts &call, Value *mark) {
    Function *function = b.GetInsertBlock()->getParent();
    Value *which = b.CreateLoad(b.getInt8Ty(), mark);
    for (auto [index, body] : enumerate(ArrayRef(bodies).drop_back())) {
      auto *own = BasicBlock::Create(b.getContext(), "body", function);
      auto *next = BasicBlock::Create(b.getContext(), "next", function);
      Value *is = b.CreateICmpEQ(which, b.getInt8(static_cast<uint8_t>(index)));
      b.CreateCondBr(is, own, next);
      b.SetInsertPoint(own);
      returnCall(info, body, call);
      b.SetInsertPoint(next);
    }
    returnCall(info, bodies.back(), call);
  }

  /// Says in the report which body computes a call.
  void noteBody(const FunctionInfo &info, const KernelBody &body,
                const CallParts &call) {
    for (auto [arg, array] : zip(info.args, call.arrays)) {
      if (arg.name != "degree_used")
        continue;
      Type *type = arg.dtype == DType::F64 ? b.getDoubleTy() : b.getFloatTy();
      double degree = body.degree ? *body.degree : -1.0;
      b.CreateStore(ConstantFP::get(type, degree), array);
    }
  }

  Function *create(const std::string &name, Type *result,
                   ArrayRef<Type *> types) {
    return Function::Create(FunctionType::get(result, types, false),
                            GlobalValue::ExternalLinkage, name, module);
  }

  void begin(Function *function) {
    b.SetInsertPoint(BasicBlock::Create(b.getContext(), "entry", function));
  }

  /// struct { int64_t batch, n; const int64_t *strides; }
  StructType *sizesType() {
    return StructType::get(b.getInt64Ty(), b.getInt64Ty(), b.getPtrTy());
  }

  Value *clampThreads(Value *threads) {
    threads = b.CreateBinaryIntrinsic(Intrinsic::smax, threads, b.getInt32(1));
    return b.CreateBinaryIntrinsic(
        Intrinsic::smin, threads,
        b.getInt32(static_cast<uint32_t>(mlir::ropegrad::kMaxThreads)));
  }

  Value *workspaceBytes(const FunctionInfo &info, Value *threads) {
    Value *count = b.CreateZExt(threads, b.getInt64Ty());
    return b.CreateAdd(
        b.getInt64(info.workspaceBytes),
        b.CreateMul(count, b.getInt64(info.workspaceBytesPerThread)));
  }

  /// The sizes of a call, checked, and all strides in one array.
  struct CallSizes {
    Value *batch, *n, *strides;
  };

  Value *loadField(Value *sizes, unsigned field) {
    StructType *type = sizesType();
    return b.CreateLoad(type->getElementType(field),
                        b.CreateStructGEP(type, sizes, field));
  }

  static bool isStrided(const ArgInfo &arg) { return arg.shape.size() == 4; }

  CallSizes readSizes(const FunctionInfo &info, Value *sizes) {
    CallSizes call{loadField(sizes, 0), loadField(sizes, 1), nullptr};
    returnIf(b.CreateOr(outside(call.batch, maxBatch), outside(call.n, maxN)),
             ROPEGRAD_SIZES_OUT_OF_RANGE);
    Value *given = loadField(sizes, 2);
    Value *contiguous = b.CreateIsNull(given);
    uint64_t count = 3 * static_cast<uint64_t>(count_if(info.args, isStrided));
    auto *type = ArrayType::get(b.getInt64Ty(), std::max<uint64_t>(count, 1));
    call.strides = b.CreateAlloca(type);
    // Where none are given, strides are read from the sizes: any number does.
    Value *source = b.CreateSelect(contiguous, call.strides, given);
    if (count > 0)
      b.CreateMemSet(call.strides, b.getInt8(0), 8 * count, Align(8));
    uint64_t next = 0;
    Value *wrong = b.getFalse();
    for (const ArgInfo &arg : info.args) {
      if (!isStrided(arg))
        continue;
      Value *row = b.getInt64(static_cast<uint64_t>(arg.shape[3]));
      Value *head = b.CreateMul(call.n, row);
      Value *entry =
          b.CreateMul(head, b.getInt64(static_cast<uint64_t>(arg.shape[1])));
      Value *least[] = {b.getInt64(0), b.getInt64(0), row};
      Value *defaults[] = {entry, head, row};
      for (unsigned i = 0; i < 3; ++i, ++next) {
        Value *at = b.CreateConstInBoundsGEP1_64(b.getInt64Ty(), source, next);
        Value *own = b.CreateLoad(b.getInt64Ty(), at);
        Value *stride = b.CreateSelect(contiguous, defaults[i], own);
        wrong = b.CreateOr(wrong, b.CreateICmpSLT(stride, least[i]));
        // So that a distance in bytes is no more than 64 bits.
        wrong = b.CreateOr(
            wrong, b.CreateICmpUGT(stride, b.getInt64(uint64_t(1) << 47)));
        b.CreateStore(stride, b.CreateConstInBoundsGEP1_64(b.getInt64Ty(),
                                                           call.strides, next));
      }
    }
    returnIf(wrong, ROPEGRAD_SIZES_OUT_OF_RANGE);
    return call;
  }

  /// Bytes of an array that is not strided, in a call of these sizes.
  Value *arrayBytes(const ArgInfo &arg, Value *batch, Value *n) {
    if (isBytes(arg.role))
      return b.getInt64(static_cast<uint64_t>(arg.shape.front()));
    auto fixed = static_cast<uint64_t>(elementBytes(arg.dtype));
    Value *rows = b.getInt64(1);
    StringRef name(arg.name);
    name.consume_front("d");
    bool isBias = name == "bias";
    for (size_t i = 0; i < arg.shape.size(); ++i) {
      if (i == 0 && arg.role == ArgRole::Report && arg.shape.size() == 2)
        rows = batch; // a number for each key head
      else if (isBias ? i + 1 == arg.shape.size() : i == 0 && hasRows(name))
        rows = isBias || name == "W"
                   ? b.CreateSub(b.CreateMul(n, b.getInt64(2)), b.getInt64(1))
                   : n;
      else
        fixed *= static_cast<uint64_t>(arg.shape[i]);
    }
    return b.CreateMul(rows, b.getInt64(fixed));
  }

  /// Whether the first size of an array that is not 4-D follows n.
  static bool hasRows(StringRef name) {
    return name == "A1" || name == "A2" || name == "A3" || name == "E" ||
           name == "W";
  }

  /// Arrays are aligned, and nothing is written that is read or written
  /// elsewhere.
  void checkMemory(const FunctionInfo &info, ArrayRef<Value *> arrays,
                   const CallSizes &sizes, Value *workspace, Value *bytes) {
    CallMemory memory(module, b);
    uint64_t stride = 0;
    for (auto [arg, address] : zip(info.args, arrays)) {
      bool isRead = arg.role == ArgRole::In ||
                    (arg.role == ArgRole::Residual && isBackward(info)) ||
                    (arg.role == ArgRole::Prepared && !isPrepare(info));
      bool isWritten = !isRead;
      auto width = static_cast<uint64_t>(elementBytes(arg.dtype));
      if (!isStrided(arg)) {
        memory.addContiguous(address, arrayBytes(arg, sizes.batch, sizes.n),
                             isBytes(arg.role) ? kWorkspaceAlignment : width,
                             isWritten);
        continue;
      }
      Value *heads = b.getInt64(static_cast<uint64_t>(arg.shape[1]));
      std::array<CallMemory::Dimension, 3> dimensions;
      for (unsigned i = 0; i < 3; ++i) {
        Value *at = b.CreateConstInBoundsGEP1_64(b.getInt64Ty(), sizes.strides,
                                                 stride++);
        Value *elements = b.CreateLoad(b.getInt64Ty(), at);
        dimensions[i] = {i == 0   ? sizes.batch
                         : i == 1 ? heads
                                  : sizes.n,
                         b.CreateMul(elements, b.getInt64(width))};
      }
      memory.addRows(address, width * static_cast<uint64_t>(arg.shape[3]),
                     dimensions, width, isWritten);
    }
    memory.addContiguous(workspace, bytes, kWorkspaceAlignment, true);
    returnIf(memory.isTooFar(), ROPEGRAD_SIZES_OUT_OF_RANGE);
    returnIf(memory.isMisaligned(), ROPEGRAD_ARRAY_MISALIGNED);
    returnIf(memory.isShared(), ROPEGRAD_ARRAYS_OVERLAP);
  }

  Value *outside(Value *size, int64_t most) {
    return b.CreateOr(
        b.CreateICmpSLT(size, b.getInt64(1)),
        b.CreateICmpSGT(size, b.getInt64(static_cast<uint64_t>(most))));
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
  int64_t maxBatch, maxN;
  const KernelInfo &kernel;
  Function *measure;
  uint64_t mark; ///< of buffers that NAME_prepare of this kernel made
};

} // namespace

void addCInterface(Module &module, const KernelInfo &info,
                   ArrayRef<KernelBodies> bodies, Function *measure,
                   bool standalone) {
  for (Function &function : module)
    if (!function.isDeclaration())
      function.setLinkage(GlobalValue::InternalLinkage);
  for (GlobalVariable &global : module.globals())
    if (!global.isDeclaration())
      global.setLinkage(GlobalValue::InternalLinkage);
  CallMemory::define(module);
  if (info.byHead || info.certifiesByHead)
    HeadCalls::define(module, info);
  std::string manifest = manifestJson(info);
  InterfaceBuilder builder(module, info, measure, manifest);
  auto addRest = [&](const FunctionInfo &function, Function *sized) {
    Function *entry = builder.addEntry(function, info.problem, sized);
    builder.addPacked(function, entry);
    builder.addWorkspaceQuery(function);
  };
  for (auto [function, each] : zip(info.functions, bodies))
    addRest(function, builder.addSized(function, each));
  for (auto [prepared, function, each] :
       zip_first(info.preparedFunctions, info.functions, bodies))
    addRest(prepared, builder.addPreparedSized(prepared, function, each));
  if (info.prepare) {
    builder.addEntry(*info.prepare, info.problem,
                     builder.addPrepareSized(bodies));
    builder.addWorkspaceQuery(*info.prepare);
    builder.addSizeQuery(info.name + "_prepared_bytes", *info.preparedBytes());
  }
  if (std::optional<int64_t> bytes = info.residualBytes())
    builder.addSizeQuery(info.name + "_residual_bytes", *bytes);
  builder.addText(info.name + "_manifest", manifest);
  if (standalone)
    builder.addText("ropegrad_manifest", manifest);
}

std::vector<std::string> exportedSymbols(const KernelInfo &info) {
  std::vector<std::string> symbols = {"ropegrad_manifest",
                                      info.name + "_manifest"};
  auto add = [&](const FunctionInfo &function) {
    symbols.push_back(function.symbol);
    symbols.push_back(function.sizedSymbol());
    symbols.push_back(function.symbol + "_workspace_bytes");
  };
  for (const auto *functions : {&info.functions, &info.preparedFunctions})
    for (const FunctionInfo &function : *functions) {
      add(function);
      symbols.push_back(function.packedSymbol());
    }
  if (info.prepare) {
    add(*info.prepare);
    symbols.push_back(info.name + "_prepared_bytes");
  }
  if (info.residualBytes())
    symbols.push_back(info.name + "_residual_bytes");
  return symbols;
}

} // namespace ropegrad
