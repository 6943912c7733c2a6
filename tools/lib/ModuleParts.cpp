//===- ModuleParts.cpp - A module in parts that compile apart --*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Functions with a single caller stay with it, to be inlined; the groups that
// follow are dealt to parts of about equal size.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/ModuleParts.h"

#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace ropegrad {
namespace {

/// Instructions of a part: some tenths of a second, so that parts outnumber
/// processors and what is done once for each does not matter.
constexpr unsigned kPartSize = 4000;
constexpr unsigned kMostParts = 32;

/// The function that calls `function` in its only use, or null.
Function *singleCaller(Function &function) {
  if (!function.hasLocalLinkage() || !function.hasOneUse())
    return nullptr;
  auto *call = dyn_cast<CallBase>(function.user_back());
  return call && call->getCalledFunction() == &function ? call->getFunction()
                                                        : nullptr;
}

/// The functions whose code names `value`, directly or in constants.
SmallPtrSet<const Function *, 8> findUsers(const Value &value) {
  SmallPtrSet<const Function *, 8> functions;
  SmallPtrSet<const User *, 8> seen;
  SmallVector<const User *> open(value.users());
  while (!open.empty()) {
    const User *user = open.pop_back_val();
    if (const auto *instruction = dyn_cast<Instruction>(user))
      functions.insert(instruction->getFunction());
    else if (seen.insert(user).second)
      append_range(open, user->users());
  }
  return functions;
}

/// Whether every symbol can be declared in one part and defined in another.
bool isDivisible(const Module &module) {
  return module.alias_empty() && module.ifunc_empty() &&
         none_of(module.globals(), [](const GlobalVariable &global) {
           return global.hasAppendingLinkage();
         });
}

/// What only functions call that are to be optimised for size is like them.
void spreadSize(Module &module) {
  for (bool changed = true; changed;) {
    changed = false;
    for (Function &function : module) {
      if (function.isDeclaration() || function.hasOptSize() ||
          !function.hasLocalLinkage())
        continue;
      SmallPtrSet<const Function *, 8> users = findUsers(function);
      if (users.empty() || !all_of(users, [](const Function *user) {
            return user->hasOptSize();
          }))
        continue;
      function.addFnAttr(Attribute::OptimizeForSize);
      changed = true;
    }
  }
}

struct Group {
  SmallVector<Function *> functions;
  unsigned size = 0, order = 0;
  bool isSmall() const { return functions.front()->hasOptSize(); }
};

/// Groups in the order of their first functions.
std::vector<Group> groupByCaller(Module &module) {
  EquivalenceClasses<Function *> classes;
  for (Function &function : module) {
    if (function.isDeclaration())
      continue;
    classes.insert(&function);
    if (Function *caller = singleCaller(function);
        caller && !function.hasFnAttribute(Attribute::NoInline) &&
        caller->hasOptSize() == function.hasOptSize())
      classes.unionSets(caller, &function);
  }
  MapVector<Function *, Group> groups;
  for (Function &function : module) {
    if (function.isDeclaration())
      continue;
    Group &group = groups[classes.getLeaderValue(&function)];
    group.functions.push_back(&function);
    group.size += function.getInstructionCount();
  }
  std::vector<Group> result;
  for (auto &[leader, group] : groups) {
    group.order = result.size();
    result.push_back(std::move(group));
  }
  return result;
}

/// Makes a symbol known to other parts, but to nothing outside of the kernel.
void share(GlobalValue &global) {
  if (!global.hasLocalLinkage())
    return;
  global.setLinkage(GlobalValue::ExternalLinkage);
  global.setVisibility(GlobalValue::HiddenVisibility);
  global.setDSOLocal(true);
}

/// Leaves variables of other parts where they are used, and their values where
/// these cannot change.
void reduceVariables(Module &part,
                     function_ref<bool(const GlobalObject &)> isMine) {
  for (bool changed = true; changed;) {
    changed = false;
    for (GlobalVariable &global : make_early_inc_range(part.globals())) {
      global.removeDeadConstantUsers();
      if (isMine(global) || !global.use_empty())
        continue;
      global.eraseFromParent(); // and the use of what it points to
      changed = true;
    }
  }
  for (GlobalVariable &global : part.globals()) {
    if (isMine(global) || global.isDeclaration())
      continue;
    if (global.isConstant())
      global.setLinkage(GlobalValue::AvailableExternallyLinkage);
    else
      global.setInitializer(nullptr);
  }
}

/// Deals groups to parts of about equal size, from part `first` on, and returns
/// how many these are.
unsigned deal(std::vector<Group> groups, unsigned first, unsigned most,
              DenseMap<const Function *, unsigned> &partOf) {
  if (groups.empty())
    return 0;
  unsigned total = 0;
  for (const Group &group : groups)
    total += group.size;
  std::vector<unsigned> sizes(std::clamp(total / kPartSize, 1U, most));
  // The largest first, each to the part that has least.
  sort(groups, [](const Group &left, const Group &right) {
    return std::make_pair(right.size, left.order) <
           std::make_pair(left.size, right.order);
  });
  for (const Group &group : groups) {
    unsigned least =
        std::min_element(sizes.begin(), sizes.end()) - sizes.begin();
    sizes[least] += group.size;
    for (Function *function : group.functions)
      partOf[function] = first + least;
  }
  return sizes.size();
}

std::string unreadable(Error error) {
  return "expected bitcode that LLVM reads, but it says: " +
         toString(std::move(error));
}

} // namespace

ModuleParts ModuleParts::divide(Module &module) {
  ModuleParts parts;
  bool isOne = !isDivisible(module);
  if (!isOne)
    spreadSize(module);
  std::vector<Group> fast, small;
  for (Group &group : groupByCaller(module))
    (group.isSmall() && !isOne ? small : fast).push_back(std::move(group));
  DenseMap<const Function *, unsigned> partOf;
  unsigned most = isOne ? 1 : kMostParts;
  parts.fast = deal(std::move(fast), 0, most, partOf);
  parts.small = deal(std::move(small), parts.fast, most, partOf);

  for (GlobalObject &object : module.global_objects()) {
    if (object.isDeclaration())
      continue;
    if (!object.hasName())
      object.setName("ropegrad_constant");
    SmallPtrSet<const Function *, 8> users = findUsers(object);
    auto *function = dyn_cast<Function>(&object);
    unsigned home = 0;
    if (function) {
      home = partOf.lookup(function);
    } else if (!users.empty()) {
      home = parts.size();
      for (const Function *user : users)
        home = std::min(home, partOf.lookup(user));
    }
    if (any_of(users, [&](const Function *user) {
          return partOf.lookup(user) != home;
        }))
      share(object);
    parts.homes[object.getName()] = home;
  }
  raw_string_ostream stream(parts.bitcode);
  WriteBitcodeToFile(module, stream);
  return parts;
}

std::string ModuleParts::read(unsigned index, LLVMContext &context,
                              std::unique_ptr<Module> &part) const {
  auto read = getLazyBitcodeModule(MemoryBufferRef(bitcode, "kernel"), context);
  if (!read)
    return unreadable(read.takeError());
  part = std::move(*read);
  auto isMine = [&](const GlobalObject &object) {
    auto home = homes.find(object.getName());
    return home != homes.end() && home->second == index;
  };
  for (Function &function : *part)
    if (function.isMaterializable() && isMine(function))
      if (Error error = function.materialize())
        return unreadable(std::move(error));
  for (Function &function : make_early_inc_range(*part)) {
    if (function.isMaterializable())
      function.deleteBody();
    if (function.use_empty() && !isMine(function))
      function.eraseFromParent();
  }
  reduceVariables(*part, isMine);
  if (Error error = part->materializeAll())
    return unreadable(std::move(error));
  return "";
}

} // namespace ropegrad
