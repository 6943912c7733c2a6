//===- HeadCalls.cpp - One body for each head of a call -------------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// A unit is one key head of one batch entry with its query heads. In front of
// the workspace of the bodies lie the units' radii, then which body each has,
// then where the units of one body begin in each array.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/HeadCalls.h"

#include "runtime/ropegrad_runtime.h"
#include "tools/lib/Prepared.h"

#include "llvm/AsmParser/Parser.h"
#include "llvm/Support/SourceMgr.h"

using namespace llvm;

namespace ropegrad {
namespace {

constexpr int64_t kAlignment = 64;

/// REAL stands for the type of a radius.
const char *const kHelpers = R"(
; which[u] = the first body whose limit is no less than radii[u]; the last body
; has none. An ordered comparison: nan is the last one's.
define internal void @ropegrad.choose(ptr %radii, ptr %limits, i64 %last,
                                      i64 %units, ptr %which) {
entry:
  br label %unit
unit:
  %u = phi i64 [ 0, %entry ], [ %u.next, %chosen ]
  %more = icmp ult i64 %u, %units
  br i1 %more, label %begin, label %exit
begin:
  %radius.at = getelementptr REAL, ptr %radii, i64 %u
  %radius = load REAL, ptr %radius.at
  br label %try
try:
  %i = phi i64 [ 0, %begin ], [ %i.next, %refused ]
  %is.last = icmp eq i64 %i, %last
  br i1 %is.last, label %chosen, label %compare
compare:
  %limit.at = getelementptr REAL, ptr %limits, i64 %i
  %limit = load REAL, ptr %limit.at
  %serves = fcmp ole REAL %radius, %limit
  br i1 %serves, label %chosen, label %refused
refused:
  %i.next = add i64 %i, 1
  br label %try
chosen:
  %body = trunc i64 %i to i8
  %body.at = getelementptr i8, ptr %which, i64 %u
  store i8 %body, ptr %body.at
  %u.next = add i64 %u, 1
  br label %unit
exit:
  ret void
}

; found[u] = radii[u], used[u] = degrees[which[u]].
define internal void @ropegrad.report(ptr %radii, ptr %which, ptr %degrees,
                                      i64 %units, ptr %found, ptr %used) {
entry:
  br label %unit
unit:
  %u = phi i64 [ 0, %entry ], [ %u.next, %begin ]
  %more = icmp ult i64 %u, %units
  br i1 %more, label %begin, label %exit
begin:
  %radius.at = getelementptr REAL, ptr %radii, i64 %u
  %radius = load REAL, ptr %radius.at
  %found.at = getelementptr REAL, ptr %found, i64 %u
  store REAL %radius, ptr %found.at
  %body.at = getelementptr i8, ptr %which, i64 %u
  %body = load i8, ptr %body.at
  %degree.at = getelementptr REAL, ptr %degrees, i8 %body
  %degree = load REAL, ptr %degree.at
  %used.at = getelementptr REAL, ptr %used, i64 %u
  store REAL %degree, ptr %used.at
  %u.next = add i64 %u, 1
  br label %unit
exit:
  ret void
}

; Lists the units of %body in [%from, %to): entries[a * most + i] is the element of array a at
; which the i-th of them begins, of its first of groups[a] heads. Returns their
; number.
define internal i64 @ropegrad.list(ptr %which, i8 %body, i64 %from, i64 %to,
                                   i64 %heads, ptr %strides, ptr %groups,
                                   i64 %arrays, i64 %most, ptr %entries) {
entry:
  br label %unit
unit:
  %u = phi i64 [ %from, %entry ], [ %u.next, %next ]
  %count = phi i64 [ 0, %entry ], [ %count.next, %next ]
  %more = icmp ult i64 %u, %to
  br i1 %more, label %begin, label %exit
begin:
  %own.at = getelementptr i8, ptr %which, i64 %u
  %own = load i8, ptr %own.at
  %is.own = icmp eq i8 %own, %body
  br i1 %is.own, label %found, label %next
found:
  %batch = udiv i64 %u, %heads
  %head = urem i64 %u, %heads
  br label %array
array:
  %a = phi i64 [ 0, %found ], [ %a.next, %array ]
  %first = mul i64 %a, 3
  %batch.at = getelementptr i64, ptr %strides, i64 %first
  %head.at = getelementptr i64, ptr %batch.at, i64 1
  %batch.stride = load i64, ptr %batch.at
  %head.stride = load i64, ptr %head.at
  %group.at = getelementptr i64, ptr %groups, i64 %a
  %group = load i64, ptr %group.at
  %own.head = mul i64 %head, %group
  %by.batch = mul i64 %batch, %batch.stride
  %by.head = mul i64 %own.head, %head.stride
  %first.element = add i64 %by.batch, %by.head
  %row = mul i64 %a, %most
  %place = add i64 %row, %count
  %entry.at = getelementptr i64, ptr %entries, i64 %place
  store i64 %first.element, ptr %entry.at
  %a.next = add i64 %a, 1
  %last = icmp eq i64 %a.next, %arrays
  br i1 %last, label %counted, label %array
counted:
  %one.more = add i64 %count, 1
  br label %next
next:
  %count.next = phi i64 [ %count, %begin ], [ %one.more, %counted ]
  %u.next = add i64 %u, 1
  br label %unit
exit:
  ret i64 %count
}

; Gives the units of %body in [%from, %to) to the body behind it.
define internal void @ropegrad.hand.on(ptr %which, i8 %body, i64 %from,
                                       i64 %to) {
entry:
  %behind = add i8 %body, 1
  br label %unit
unit:
  %u = phi i64 [ %from, %entry ], [ %u.next, %begin ]
  %more = icmp ult i64 %u, %to
  br i1 %more, label %begin, label %exit
begin:
  %own.at = getelementptr i8, ptr %which, i64 %u
  %own = load i8, ptr %own.at
  %is.own = icmp eq i8 %own, %body
  %new = select i1 %is.own, i8 %behind, i8 %own
  store i8 %new, ptr %own.at
  %u.next = add i64 %u, 1
  br label %unit
exit:
  ret void
}

; to[i] = the larger of to[i] and from[i], none of them nan.
define internal void @ropegrad.raise(ptr %to, ptr %from, i64 %count) {
entry:
  br label %number
number:
  %i = phi i64 [ 0, %entry ], [ %i.next, %begin ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %begin, label %exit
begin:
  %to.at = getelementptr double, ptr %to, i64 %i
  %from.at = getelementptr double, ptr %from, i64 %i
  %x = load double, ptr %to.at
  %y = load double, ptr %from.at
  %keeps = fcmp oge double %x, %y
  %z = select i1 %keeps, double %x, double %y
  store double %z, ptr %to.at
  %i.next = add i64 %i, 1
  br label %number
exit:
  ret void
}
)";

int64_t alignUp(int64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

int64_t mostUnits(const Problem &problem) {
  return problem.batch * problem.kvHeads;
}

bool isTall(const ArgInfo &arg) { return arg.shape.size() == 4; }

bool isBounds(const ArgInfo &arg) { return arg.name == "bounds"; }

/// Numbers are reported in f64 by kernels in f64, and in f32 by all others.
bool isDouble(const Problem &problem) { return problem.dtype == DType::F64; }

uint64_t asUnsigned(int64_t value) { return static_cast<uint64_t>(value); }

} // namespace

/// Where things are that only a call by heads has.
struct HeadCalls::Parts {
  Value *units, *radii, *which, *entries, *groups;
  Value *workspace; ///< of the bodies
  Value *bounds;    ///< one body's; null in functions without
  uint64_t arrays;
};

void HeadCalls::define(Module &module, const KernelInfo &info) {
  std::string text;
  StringRef rest = kHelpers, real = isDouble(info.problem) ? "double" : "float";
  while (!rest.empty()) {
    auto [before, after] = rest.split("REAL");
    text += before;
    if (before.size() != rest.size())
      text += real;
    rest = after;
  }
  SMDiagnostic problem;
  if (parseAssemblyInto(MemoryBufferRef(text, "heads"), &module, nullptr,
                        problem))
    report_fatal_error(problem.getMessage());
}

int64_t HeadCalls::workspaceBytes(const FunctionInfo &function,
                                  const Problem &problem) {
  int64_t units = mostUnits(problem), arrays = count_if(function.args, isTall);
  return alignUp(8 * units) + alignUp(units) + alignUp(8 * arrays * units);
}

int64_t HeadCalls::residualBytes(const Problem &problem) {
  return alignUp(mostUnits(problem));
}

HeadCalls::HeadCalls(Module &module, IRBuilder<> &b, const KernelInfo &info)
    : module(module), b(b), problem(info.problem) {}

void HeadCalls::emit(const FunctionInfo &function, const KernelBodies &bodies,
                     Function *measure, const Call &call) {
  int64_t most = mostUnits(problem);
  Parts parts;
  parts.units =
      b.CreateMul(call.batch, b.getInt64(asUnsigned(problem.kvHeads)));
  parts.arrays = asUnsigned(count_if(function.args, isTall));
  parts.groups = groups(function);
  parts.radii = call.workspace;
  parts.which = advance(call.workspace, alignUp(8 * most));
  parts.entries = advance(parts.which, alignUp(most));
  parts.workspace = advance(call.workspace, workspaceBytes(function, problem));
  parts.bounds = nullptr;
  for (auto [arg, array] : zip(function.args, call.arrays)) {
    if (arg.role == ArgRole::Residual)
      parts.which = advance(array, arg.shape.at(0) - residualBytes(problem));
    if (isBounds(arg)) {
      parts.bounds = b.CreateAlloca(
          ArrayType::get(b.getDoubleTy(), asUnsigned(arg.shape.at(0))));
      b.CreateMemSet(array, b.getInt8(0), 8 * asUnsigned(arg.shape.at(0)),
                     Align(8));
    }
  }
  if (!isBackward(function))
    choose(function, bodies, measure, call, parts);
  for (size_t i = 0; i < bodies.size(); ++i) {
    if (parts.bounds)
      forUnits(parts, [&](const Range &unit) {
        callBody(function, bodies, i, call, parts, unit);
      });
    else
      callBody(function, bodies, i, call, parts,
               {b.getInt64(0), parts.units, most});
  }
  b.CreateRet(b.getInt32(ROPEGRAD_OK));
}

/// Measures all units and gives each its body.
void HeadCalls::choose(const FunctionInfo &function, const KernelBodies &bodies,
                       Function *measure, const Call &call,
                       const Parts &parts) {
  b.CreateMemSet(parts.which, b.getInt8(0), parts.units, Align(1));
  if (bodies.size() == 1)
    return;
  Value *all = list(parts, call, /*body=*/0,
                    {b.getInt64(0), parts.units, mostUnits(problem)});
  SmallVector<Value *> operands;
  for (auto [arg, array] : zip(function.args, call.arrays))
    if (arg.name == "Q" || arg.name == "K" ||
        (arg.name == "W" && problem.position == Position::General))
      operands.push_back(array);
  operands.append({parts.radii, all, call.n, call.strides, parts.entries,
                   call.threads, parts.workspace});
  Value *status = b.CreateCall(measure, operands);
  returnUnless(b.CreateICmpEQ(status, b.getInt32(ROPEGRAD_OK)), status);
  SmallVector<double> limits;
  for (const KernelBody &body : bodies)
    limits.push_back(body.radiusLimit.value_or(0));
  b.CreateCall(helper("choose"),
               {parts.radii, numbers(limits), b.getInt64(bodies.size() - 1),
                parts.units, parts.which});
  report(function, bodies, call, parts);
}

/// Says, where the function does, what was found and which bodies compute it.
void HeadCalls::report(const FunctionInfo &function, const KernelBodies &bodies,
                       const Call &call, const Parts &parts) {
  Value *found = nullptr, *used = nullptr;
  for (auto [arg, array] : zip(function.args, call.arrays)) {
    if (arg.name == "radius_found")
      found = array;
    if (arg.name == "degree_used")
      used = array;
  }
  if (!found || !used)
    return;
  SmallVector<double> degrees;
  for (const KernelBody &body : bodies)
    degrees.push_back(body.degree ? *body.degree : -1.0);
  b.CreateCall(helper("report"), {parts.radii, parts.which, numbers(degrees),
                                  parts.units, found, used});
}

/// Runs `body` for one unit after the other.
void HeadCalls::forUnits(const Parts &parts,
                         function_ref<void(const Range &)> body) {
  BasicBlock *before = b.GetInsertBlock();
  Function *function = before->getParent();
  auto *head = BasicBlock::Create(b.getContext(), "unit", function);
  auto *inside = BasicBlock::Create(b.getContext(), "inside", function);
  auto *after = BasicBlock::Create(b.getContext(), "after", function);
  b.CreateBr(head);
  b.SetInsertPoint(head);
  PHINode *unit = b.CreatePHI(b.getInt64Ty(), 2);
  unit->addIncoming(b.getInt64(0), before);
  b.CreateCondBr(b.CreateICmpULT(unit, parts.units), inside, after);
  b.SetInsertPoint(inside);
  Value *next = b.CreateAdd(unit, b.getInt64(1));
  body({unit, next, 1});
  unit->addIncoming(next, b.GetInsertBlock());
  b.CreateBr(head);
  b.SetInsertPoint(after);
}

/// Lists the units of a body and returns their number.
Value *HeadCalls::list(const Parts &parts, const Call &call, uint64_t body,
                       const Range &range) {
  return b.CreateCall(helper("list"),
                      {parts.which, b.getInt8(static_cast<uint8_t>(body)),
                       range.from, range.to,
                       b.getInt64(asUnsigned(problem.kvHeads)), call.strides,
                       parts.groups, b.getInt64(parts.arrays),
                       b.getInt64(asUnsigned(range.most)), parts.entries});
}

/// Calls a body for its units, if it has any.
void HeadCalls::callBody(const FunctionInfo &function,
                         const KernelBodies &bodies, size_t index,
                         const Call &call, const Parts &parts,
                         const Range &range) {
  Value *count = list(parts, call, index, range);
  Function *entry = b.GetInsertBlock()->getParent();
  auto *some = BasicBlock::Create(b.getContext(), "some", entry);
  auto *next = BasicBlock::Create(b.getContext(), "next", entry);
  b.CreateCondBr(b.CreateICmpEQ(count, b.getInt64(0)), next, some);
  b.SetInsertPoint(some);
  SmallVector<Value *> operands =
      bodyArrays(function, bodies, index, call, parts);
  const KernelBody &body = bodies[index];
  Value *workspace = parts.workspace, *spectra = nullptr;
  if (body.prepare)
    spectra = spectraFor(b, body,
                         {function,
                          call.arrays,
                          {call.batch, call.n, call.strides, call.threads}},
                         call.prepared, workspace);
  operands.append(
      {count, call.n, call.strides, parts.entries, call.threads, workspace});
  if (spectra)
    operands.push_back(spectra);
  Value *status = b.CreateCall(body.function, operands);
  // A backward pass follows a forward pass that was not refused.
  if (body.prepare && index + 1 < bodies.size() && !isBackward(function)) {
    auto *refused = BasicBlock::Create(b.getContext(), "refused", entry);
    auto *other = BasicBlock::Create(b.getContext(), "other", entry);
    b.CreateCondBr(
        b.CreateICmpEQ(status, b.getInt32(ROPEGRAD_ROW_SUM_TOO_SMALL)), refused,
        other);
    b.SetInsertPoint(refused);
    b.CreateCall(helper("hand.on"),
                 {parts.which, b.getInt8(static_cast<uint8_t>(index)),
                  range.from, range.to});
    report(function, bodies, call, parts);
    b.CreateBr(next);
    b.SetInsertPoint(other);
  }
  returnUnless(b.CreateICmpEQ(status, b.getInt32(ROPEGRAD_OK)), status);
  for (auto [arg, array] : zip(function.args, call.arrays))
    if (isBounds(arg))
      b.CreateCall(helper("raise"), {array, parts.bounds,
                                     b.getInt64(asUnsigned(arg.shape.at(0)))});
  b.CreateBr(next);
  b.SetInsertPoint(next);
}

/// The arrays of a call as a body takes them: each body has a residual of its
/// own.
SmallVector<Value *> HeadCalls::bodyArrays(const FunctionInfo &function,
                                           const KernelBodies &bodies,
                                           size_t index, const Call &call,
                                           const Parts &parts) {
  int64_t before = 0;
  for (size_t i = 0; i < index; ++i)
    before += bodies[i].residualBytes;
  SmallVector<Value *> arrays;
  for (auto [arg, array] : zip(function.args, call.arrays)) {
    if (isBounds(arg))
      arrays.push_back(parts.bounds);
    else if (arg.role == ArgRole::Residual)
      arrays.push_back(advance(array, before));
    else if (arg.role != ArgRole::Report)
      arrays.push_back(array);
  }
  return arrays;
}

Value *HeadCalls::advance(Value *pointer, int64_t bytes) {
  return b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), pointer,
                                      asUnsigned(bytes));
}

/// A constant array of numbers of a radius's type, rounded down.
Value *HeadCalls::numbers(ArrayRef<double> values) {
  Constant *array;
  if (isDouble(problem)) {
    array = ConstantDataArray::get(b.getContext(), values);
  } else {
    SmallVector<float> rounded;
    for (double value : values) {
      APFloat number(value);
      bool losesInfo;
      number.convert(APFloat::IEEEsingle(), APFloat::rmTowardNegative,
                     &losesInfo);
      rounded.push_back(number.convertToFloat());
    }
    array = ConstantDataArray::get(b.getContext(), ArrayRef<float>(rounded));
  }
  return new GlobalVariable(module, array->getType(), /*isConstant=*/true,
                            GlobalValue::InternalLinkage, array,
                            "ropegrad.numbers");
}

/// Heads of each array for one key head.
Value *HeadCalls::groups(const FunctionInfo &function) {
  SmallVector<uint64_t> counts;
  for (const ArgInfo &arg : function.args)
    if (isTall(arg))
      counts.push_back(asUnsigned(arg.shape[1] / problem.kvHeads));
  Constant *array =
      ConstantDataArray::get(b.getContext(), ArrayRef<uint64_t>(counts));
  return new GlobalVariable(module, array->getType(), /*isConstant=*/true,
                            GlobalValue::InternalLinkage, array,
                            "ropegrad.groups");
}

void HeadCalls::returnUnless(Value *condition, Value *status) {
  Function *function = b.GetInsertBlock()->getParent();
  auto *fail = BasicBlock::Create(b.getContext(), "fail", function);
  auto *next = BasicBlock::Create(b.getContext(), "next", function);
  b.CreateCondBr(condition, next, fail);
  b.SetInsertPoint(fail);
  b.CreateRet(status);
  b.SetInsertPoint(next);
}

Function *HeadCalls::helper(StringRef name) {
  return module.getFunction(("ropegrad." + name).str());
}

} // namespace ropegrad
