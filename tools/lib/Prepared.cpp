//===- Prepared.cpp - What depends on W and bias alone --------------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/Prepared.h"

#include "tools/lib/HeadCalls.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace ropegrad {
namespace {

constexpr uint64_t kAlignment = 64;

int64_t alignUp(int64_t bytes) {
  return static_cast<int64_t>(
      alignTo(static_cast<uint64_t>(bytes), kAlignment));
}

int64_t bytesOf(const ArgInfo &arg) {
  int64_t bytes = elementBytes(arg.dtype);
  for (int64_t size : arg.shape)
    bytes *= size;
  return bytes;
}

ArgInfo buffer(int64_t bytes) {
  return {"prepared", ArgRole::Prepared, {bytes}, DType::F32};
}

} // namespace

bool isPositionInput(const ArgInfo &arg) {
  return arg.role == ArgRole::In && (arg.name == "W" || arg.name == "bias");
}

FunctionInfo prepareFunction(const Problem &problem, StringRef name) {
  FunctionInfo function;
  function.symbol = name.str() + "_prepare";
  // All functions of a kernel have the same.
  std::vector<FunctionInfo> all =
      kernelFunctions(problem, name, /*reportsRadius=*/false);
  for (const ArgInfo &arg : all.front().args)
    if (isPositionInput(arg))
      function.args.push_back(arg);
  function.args.push_back(buffer(0));
  return function;
}

FunctionInfo preparedFunction(const FunctionInfo &function, int64_t bytes) {
  FunctionInfo result = function;
  result.symbol += "_prepared";
  auto &args = result.args;
  auto at = find_if(args, isPositionInput);
  if (at == args.end())
    at = find_if(args,
                 [](const ArgInfo &arg) { return arg.role != ArgRole::In; });
  args.insert(at, buffer(bytes));
  erase_if(args, isPositionInput);
  return result;
}

int64_t preparedOffset(const FunctionInfo &prepare, StringRef input) {
  int64_t offset = kPreparedHeader;
  for (const ArgInfo &arg : prepare.args) {
    if (arg.name == input || !isPositionInput(arg))
      break;
    offset += alignUp(bytesOf(arg));
  }
  return offset;
}

void layOutPrepared(KernelInfo &info, std::vector<KernelBodies> &bodies) {
  FunctionInfo &prepare = *info.prepare;
  // Behind the last input.
  int64_t bytes = preparedOffset(prepare, "");
  MapVector<Function *, int64_t> offsets;
  for (KernelBodies &all : bodies)
    for (KernelBody &body : all) {
      if (!body.prepare)
        continue;
      auto [place, isNew] = offsets.insert({body.prepare, bytes});
      if (isNew)
        bytes += alignUp(body.preparedBytes);
      body.preparedOffset = place->second;
    }
  prepare.args.back().shape = {bytes};
  for (auto [function, all] : zip(info.functions, bodies)) {
    if (isCertify(function))
      continue;
    info.preparedFunctions.push_back(preparedFunction(function, bytes));
    int64_t own = 0;
    for (const KernelBody &body : all)
      own = std::max(own, alignUp(body.preparedBytes));
    if (own == 0)
      continue;
    int64_t front = isByHead(info, function)
                        ? HeadCalls::workspaceBytes(function, info.problem)
                        : 0;
    // First the spectra, then what they are for, in the same scratch memory.
    function.workspaceBytes =
        own + std::max(function.workspaceBytes, front + prepare.workspaceBytes);
    function.workspaceBytesPerThread = std::max(
        function.workspaceBytesPerThread, prepare.workspaceBytesPerThread);
  }
}

void makeSpectra(IRBuilder<> &b, const KernelBody &body,
                 const SpectraCall &call, Value *workspace, Value *to) {
  SmallVector<Value *> operands;
  for (auto [arg, array] : zip(call.function.args, call.arrays))
    if (isPositionInput(arg))
      operands.push_back(array);
  append_range(operands, call.sizes);
  operands.append({workspace, to});
  b.CreateCall(body.prepare, operands);
}

Value *spectraFor(IRBuilder<> &b, const KernelBody &body,
                  const SpectraCall &call, Value *prepared, Value *&workspace) {
  auto part = [&](Value *of, int64_t bytes) {
    return b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), of,
                                        static_cast<uint64_t>(bytes));
  };
  if (prepared)
    return part(prepared, body.preparedOffset);
  Value *spectra = workspace;
  workspace = part(workspace, body.preparedBytes);
  makeSpectra(b, body, call, workspace, spectra);
  return spectra;
}

} // namespace ropegrad
