//===- EmitCode.cpp - From LLVM IR to machine code -------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Optimises and emits the parts of a kernel in threads.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/Codegen.h"
#include "tools/lib/ModuleParts.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Threading.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/Linker/Linker.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Transforms/IPO/DeadArgumentElimination.h"
#include "llvm/Transforms/IPO/SCCP.h"
#include "llvm/Transforms/Instrumentation/AddressSanitizer.h"
#include "llvm/Transforms/Instrumentation/ThreadSanitizer.h"
#include "llvm/Transforms/Scalar/EarlyCSE.h"
#include "llvm/Transforms/Scalar/SROA.h"
#include "llvm/Transforms/Scalar/SimplifyCFG.h"

using namespace llvm;

namespace ropegrad {
namespace {

constexpr StringRef kSanitizer = ROPEGRAD_SANITIZER;

/// Kernels made by a sanitizer build are instrumented like the tools: otherwise
/// a green run would say nothing about them.
void addSanitizer(Module &module, ModulePassManager &passes) {
  if (kSanitizer.empty())
    return;
  bool address = kSanitizer == "address";
  for (Function &function : module)
    if (!function.isDeclaration())
      function.addFnAttr(address ? Attribute::SanitizeAddress
                                 : Attribute::SanitizeThread);
  if (address) {
    passes.addPass(AddressSanitizerPass(AddressSanitizerOptions()));
  } else {
    passes.addPass(ModuleThreadSanitizerPass());
    passes.addPass(createModuleToFunctionPassAdaptor(ThreadSanitizerPass()));
  }
}

/// Runs the passes that `build` makes.
void runPasses(Module &module, TargetMachine &machine,
               function_ref<ModulePassManager(PassBuilder &)> build) {
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager graph;
  ModuleAnalysisManager modules;
  PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graph);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graph, modules);
  build(builder).run(module, modules);
}

/// What needs all callers of a function: arguments that are constant in all
/// calls, and those that nothing reads.
void shareConstants(Module &module, TargetMachine &machine) {
  runPasses(module, machine, [](PassBuilder &) {
    FunctionPassManager each;
    each.addPass(SROAPass(SROAOptions::ModifyCFG));
    each.addPass(EarlyCSEPass());
    each.addPass(SimplifyCFGPass());
    ModulePassManager passes;
    passes.addPass(createModuleToFunctionPassAdaptor(std::move(each)));
    passes.addPass(IPSCCPPass());
    passes.addPass(DeadArgumentEliminationPass());
    return passes;
  });
}

void optimize(Module &module, TargetMachine &machine,
              const OptimizationLevel &level) {
  runPasses(module, machine, [&](PassBuilder &builder) {
    ModulePassManager passes = builder.buildPerModuleDefaultPipeline(level);
    addSanitizer(module, passes);
    return passes;
  });
}

/// A machine like the given one: threads cannot share one.
std::unique_ptr<TargetMachine> cloneMachine(const TargetMachine &machine) {
  return std::unique_ptr<TargetMachine>(machine.getTarget().createTargetMachine(
      machine.getTargetTriple(), machine.getTargetCPU(),
      machine.getTargetFeatureString(), machine.Options,
      machine.getRelocationModel(), std::nullopt, machine.getOptLevel()));
}

std::string emit(Module &module, TargetMachine &machine, CodeKind kind,
                 std::string &code) {
  SmallVector<char, 0> buffer;
  raw_svector_ostream stream(buffer);
  if (kind == CodeKind::IR) {
    module.print(stream, nullptr);
  } else {
    legacy::PassManager passes;
    CodeGenFileType type = kind == CodeKind::Object
                               ? CodeGenFileType::ObjectFile
                               : CodeGenFileType::AssemblyFile;
    if (machine.addPassesToEmitFile(passes, stream, nullptr, type))
      return "expected LLVM to emit code for " + machine.getTargetCPU().str();
    passes.run(module);
  }
  code.assign(buffer.begin(), buffer.end());
  return "";
}

/// Optimises part `index`; `code` is its object or, where text is to be made of
/// all parts, its bitcode.
std::string compilePart(const ModuleParts &parts, unsigned index,
                        const TargetMachine &model, bool isObject,
                        std::string &code) {
  LLVMContext context;
  std::unique_ptr<Module> part;
  if (std::string error = parts.read(index, context, part); !error.empty())
    return error;
  std::unique_ptr<TargetMachine> machine = cloneMachine(model);
  if (!machine)
    return "expected LLVM to make a target machine for " +
           model.getTargetCPU().str();
  // What is called once a run, if at all, has to compile fast.
  bool isSmall = parts.isSmall(index);
  if (isSmall)
    machine->setOptLevel(CodeGenOptLevel::Less);
  optimize(*part, *machine,
           isSmall ? OptimizationLevel::O1 : OptimizationLevel::O3);
  if (isObject)
    return emit(*part, *machine, CodeKind::Object, code);
  raw_string_ostream stream(code);
  WriteBitcodeToFile(*part, stream);
  return "";
}

/// One module of optimised parts.
std::string joinParts(ArrayRef<std::string> bitcode, Module &module) {
  for (const std::string &code : bitcode) {
    auto part =
        parseBitcodeFile(MemoryBufferRef(code, "part"), module.getContext());
    if (!part)
      return "expected bitcode that LLVM reads, but it says: " +
             toString(part.takeError());
    if (Linker::linkModules(module, std::move(*part)))
      return "expected LLVM to link the parts of a kernel";
  }
  for (GlobalObject &object : module.global_objects())
    if (object.hasHiddenVisibility() && !object.isDeclaration())
      object.setLinkage(GlobalValue::InternalLinkage);
  return "";
}

} // namespace

std::string emitCode(std::unique_ptr<Module> module, Target &target,
                     mlir::MLIRContext &threads, CodeKind kind,
                     std::vector<std::string> &code) {
  shareConstants(*module, *target.machine);
  std::string name = module->getName().str();
  ModuleParts parts = ModuleParts::divide(*module);
  LLVMContext &context = module->getContext();
  module.reset(); // its memory is needed elsewhere
  bool isObject = kind == CodeKind::Object;
  code.resize(parts.size());
  std::vector<std::string> errors(parts.size());
  mlir::parallelFor(&threads, 0, parts.size(), [&](size_t i) {
    errors[i] = compilePart(parts, i, *target.machine, isObject, code[i]);
  });
  for (const std::string &error : errors)
    if (!error.empty())
      return error;
  if (isObject)
    return "";
  Module whole(name, context);
  whole.setTargetTriple(target.machine->getTargetTriple());
  whole.setDataLayout(target.machine->createDataLayout());
  if (std::string error = joinParts(code, whole); !error.empty())
    return error;
  code.resize(1);
  return emit(whole, *target.machine, kind, code.front());
}

} // namespace ropegrad
