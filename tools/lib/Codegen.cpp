//===- Codegen.cpp - From a level-1 module to machine code -----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The pipeline and translation to LLVM IR.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/Codegen.h"

#include "passes/Passes.h"
#include "tools/lib/CInterface.h"
#include "tools/lib/HalideBlocks.h"
#include "tools/lib/HeadCalls.h"
#include "tools/lib/Prepared.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Threading.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Linker/Linker.h"

using namespace llvm;

namespace ropegrad {
namespace {

/// Collects errors as one message, the first one first.
class DiagnosticText {
public:
  explicit DiagnosticText(mlir::MLIRContext *context)
      : handler(context, [this](mlir::Diagnostic &diagnostic) {
          if (diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error &&
              text.empty())
            text = diagnostic.str();
          return mlir::success();
        }) {}

  std::string orElse(const char *fallback) const {
    return text.empty() ? fallback : text;
  }

private:
  std::string text;
  mlir::ScopedDiagnosticHandler handler;
};

/// Every function says what it is compiled for, so that K.ll compiles to the
/// same code elsewhere.
void nameTarget(Module &module, const Target &target) {
  module.setTargetTriple(target.machine->getTargetTriple());
  module.setDataLayout(target.machine->createDataLayout());
  for (Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", target.cpu);
    StringRef features = target.machine->getTargetFeatureString();
    if (!features.empty())
      function.addFnAttr("target-features", features);
    function.addFnAttr("prefer-vector-width",
                       std::to_string(target.vectorBits));
    function.addFnAttr(Attribute::NoUnwind);
  }
}

/// The function that ropegrad-split-guard makes.
constexpr StringRef kMeasure = "measure";
/// The function of MLIR that makes spectra for others.
constexpr StringLiteral kPrepare = "prepare";

/// Name of the function of MLIR that computes a kernel's.
StringRef bodyName(const KernelInfo &info, const FunctionInfo &function) {
  return StringRef(function.symbol).drop_front(info.name.size() + 1);
}

/// Bounds hold whatever computed the outputs: two bodies have a certificate,
/// the one planned and the exact one.
bool isCertificate(StringRef name) { return name == "certify"; }

/// A number of bytes that the pipeline says a function needs; 0 if nothing.
int64_t bytesOf(mlir::Operation *op, StringRef what) {
  auto bytes = op->getAttrOfType<mlir::IntegerAttr>(("ropegrad." + what).str());
  return bytes ? bytes.getInt() : 0;
}

/// Raises the sizes of workspaces to what `op` needs.
void raiseWorkspace(mlir::Operation *op, FunctionInfo &function) {
  auto raise = [&](int64_t &size, StringRef what) {
    size = std::max(size, bytesOf(op, what));
  };
  raise(function.workspaceBytes, "workspace_bytes");
  raise(function.workspaceBytesPerThread, "workspace_bytes_per_thread");
}

/// Raises the sizes of workspaces to what `module` needs, one of `count`.
/// Bodies of a call share a residual; those of heads have one each, whose size
/// `residual` gets.
std::string readSizes(mlir::ModuleOp module, size_t count, KernelInfo &info,
                      int64_t &residual) {
  auto measure = module.lookupSymbol<mlir::LLVM::LLVMFuncOp>(kMeasure);
  for (FunctionInfo &function : info.functions) {
    StringRef name = bodyName(info, function);
    auto op = module.lookupSymbol<mlir::LLVM::LLVMFuncOp>(name);
    if (info.byHead && measure)
      raiseWorkspace(measure, function);
    if (!op && isCertificate(name) && (count > 2 || info.certifiesByHead))
      continue;
    if (!op)
      return "expected the pipeline to leave a function " + name.str();
    raiseWorkspace(op, function);
    for (ArgInfo &arg : function.args) {
      if (arg.role != ArgRole::Residual)
        continue;
      residual = bytesOf(op, "residual_bytes");
      int64_t &all = arg.shape.at(0);
      all = info.byHead ? all + residual : std::max(all, residual);
    }
  }
  auto prepare = module.lookupSymbol<mlir::LLVM::LLVMFuncOp>(kPrepare);
  if (prepare && info.prepare)
    raiseWorkspace(prepare, *info.prepare);
  return prepare && !info.prepare ? "expected spectra on route fft only" : "";
}

/// A certificate is called once a run, if at all: it has to compile fast. Names
/// are those of MLIR's functions still, none is the user's.
void markCertificates(Module &module) {
  for (Function &function : module)
    if (!function.isDeclaration() && function.getName().starts_with("certify"))
      function.addFnAttr(Attribute::OptimizeForSize);
}

/// Tells the definitions of one module from those of another.
void prefixSymbols(Module &module, StringRef prefix) {
  for (GlobalObject &object : module.global_objects())
    if (!object.isDeclaration() && object.hasName())
      object.setName(prefix + object.getName());
}

/// One of a kernel's modules in LLVM IR; its symbols begin with `prefix`.
std::string translateOne(mlir::ModuleOp module, LLVMContext &context,
                         const KernelInfo &info, StringRef prefix,
                         std::unique_ptr<Module> &code) {
  DiagnosticText diagnostics(module.getContext());
  code = mlir::translateModuleToLLVMIR(module, context, info.name);
  if (!code)
    return diagnostics.orElse("expected the module to translate to LLVM IR");
  markCertificates(*code);
  if (!prefix.empty())
    prefixSymbols(*code, prefix);
  return "";
}

/// The bodies of all functions, and what finds the radii of heads.
struct Found {
  std::vector<KernelBodies> bodies;
  Function *measure = nullptr;
};

/// Adds a body, like `model`, to each function of which `code`, what became of
/// `module`, has one.
std::string findBodies(Module &code, mlir::ModuleOp module,
                       const KernelInfo &info, StringRef prefix,
                       const KernelBody &model,
                       std::vector<KernelBodies> &bodies) {
  Function *prepare = code.getFunction((prefix + kPrepare).str());
  for (auto [function, all] : zip(info.functions, bodies)) {
    std::string name = (prefix + bodyName(info, function)).str();
    Function *found = code.getFunction(name);
    if (!found && isCertificate(bodyName(info, function)))
      continue;
    KernelBody body = model;
    body.function = found;
    body.preparedBytes = bytesOf(module.lookupSymbol(bodyName(info, function)),
                                 "prepared_bytes");
    body.prepare = body.preparedBytes > 0 ? prepare : nullptr;
    // The arrays; batch, n, strides (and entries), threads and workspace;
    // spectra.
    size_t arguments =
        5 + info.byHead + count_if(function.args, [&](const ArgInfo &arg) {
          return isPassedOn(arg, !model.degree, info.byHead);
        });
    arguments += body.prepare ? 1 : 0;
    if (!found || found->arg_size() != arguments)
      return "expected " + name + " to take " + std::to_string(arguments) +
             " arguments";
    found->setName(name + ".body");
    all.push_back(body);
  }
  if (prepare)
    prepare->setName(prefix + kPrepare + ".body");
  return "";
}

/// What finds the radii of heads, in the module of the planned body.
std::string findMeasure(Module &code, const KernelInfo &info, StringRef prefix,
                        Function *&measure) {
  measure = code.getFunction((prefix + kMeasure).str());
  // Q, K, radii; batch, n, strides, entries, threads and workspace.
  size_t arguments = 9 + (info.problem.position == Position::General);
  if (measure && measure->arg_size() == arguments)
    return "";
  return "expected the pipeline to leave a function measure of " +
         std::to_string(arguments) + " arguments";
}

/// Translates one of the modules that `info.bodies` lists and adds it to
/// `result`.
std::string addModule(mlir::ModuleOp module, size_t index, KernelInfo &info,
                      LLVMContext &context, std::unique_ptr<Module> &result,
                      Found &found) {
  KernelBody model;
  if (std::string error =
          readSizes(module, info.bodies.size(), info, model.residualBytes);
      !error.empty())
    return error;
  std::string prefix;
  if (index > 0)
    prefix = "body" + std::to_string(index) + ".";
  std::unique_ptr<Module> code;
  if (std::string error = translateOne(module, context, info, prefix, code);
      !error.empty())
    return error;
  if (!result)
    result = std::move(code);
  else if (Linker::linkModules(*result, std::move(code)))
    return "expected the ways to compute a call to link";
  model.degree = info.degree;
  if (!info.bodies.empty()) {
    model.degree = info.bodies[index].degree;
    model.radiusLimit = info.bodies[index].radiusLimit;
  }
  if (info.byHead && index + 2 == info.bodies.size())
    if (std::string error = findMeasure(*result, info, prefix, found.measure);
        !error.empty())
      return error;
  return findBodies(*result, module, info, prefix, model, found.bodies);
}

/// Translates one of the certificates for one key head.
std::string addCertificate(mlir::ModuleOp module, size_t index,
                           KernelInfo &info, LLVMContext &context,
                           Module &result, Found &found) {
  FunctionInfo &function = info.functions.back();
  auto op = module.lookupSymbol<mlir::LLVM::LLVMFuncOp>("certify");
  if (!op)
    return "expected the pipeline to leave a function certify";
  raiseWorkspace(op, function);
  std::string prefix = "certificate" + std::to_string(index) + ".";
  std::unique_ptr<Module> code;
  if (std::string error = translateOne(module, context, info, prefix, code);
      !error.empty())
    return error;
  if (Linker::linkModules(result, std::move(code)))
    return "expected a certificate to link";
  Function *certify = result.getFunction(prefix + "certify");
  // The arrays; batch, n, strides, entries, threads and workspace.
  if (!certify || certify->arg_size() != function.args.size() + 6)
    return "expected certify to take " +
           std::to_string(function.args.size() + 6) + " arguments";
  KernelBody body;
  body.function = certify;
  if (index == 0 && !info.bodies.empty())
    body.radiusLimit = info.radiusLimit;
  found.bodies.back().push_back(body);
  return "";
}

/// Makes room for what the entry points themselves keep.
void addInterfaceSizes(KernelInfo &info, bool severalBodies) {
  for (FunctionInfo &function : info.functions) {
    if (isByHead(info, function))
      function.workspaceBytes +=
          HeadCalls::workspaceBytes(function, info.problem);
    for (ArgInfo &arg : function.args)
      if (arg.role == ArgRole::Residual && severalBodies)
        arg.shape[0] += info.byHead ? HeadCalls::residualBytes(info.problem)
                                    : kResidualMark;
  }
}

void addPasses(mlir::PassManager &manager, const Target &target,
               const PipelineRequest &request) {
  mlir::ropegrad::PipelineOptions options;
  options.vectorBits = target.vectorBits;
  // 512 bits stand for AVX-512 with DQ among others.
  options.scalef = target.vectorBits == 512;
  options.threads = request.threads;
  options.exactBy = request.exactBy;
  options.calibration = request.calibration;
  options.certify = request.certify;
  options.certifyAlone = request.certifyAlone;
  options.byEntry = request.byEntry;
  options.stopAfter = request.level;
  mlir::ropegrad::buildPipeline(manager, options);
}

} // namespace

std::string runPipelines(ArrayRef<PipelineJob> jobs, const Target &target) {
  mlir::MLIRContext *context = mlir::ModuleOp(jobs.front().module).getContext();
  DiagnosticText diagnostics(context);
  std::vector<std::unique_ptr<mlir::PassManager>> managers;
  mlir::DialectRegistry dialects;
  for (const PipelineJob &job : jobs) {
    managers.push_back(std::make_unique<mlir::PassManager>(context));
    addPasses(*managers.back(), target, job.request);
    managers.back()->getDependentDialects(dialects);
  }
  // None can be loaded once several threads are at work.
  for (StringRef name : dialects.getDialectNames())
    context->getOrLoadDialect(name);
  bool isDone = succeeded(
      mlir::failableParallelForEachN(context, 0, jobs.size(), [&](size_t i) {
        return managers[i]->run(mlir::ModuleOp(jobs[i].module));
      }));
  return isDone ? "" : diagnostics.orElse("expected the pipeline to succeed");
}

std::string translate(const KernelModules &modules, Target &target,
                      KernelInfo &info, bool standalone, LLVMContext &context,
                      std::unique_ptr<Module> &result) {
  Found found;
  found.bodies.resize(info.functions.size());
  for (auto [index, module] : enumerate(modules.bodies))
    if (std::string error =
            addModule(module, index, info, context, result, found);
        !error.empty())
      return error;
  for (auto [index, module] : enumerate(modules.certificates))
    if (std::string error =
            addCertificate(module, index, info, context, *result, found);
        !error.empty())
      return error;
  addInterfaceSizes(info, modules.bodies.size() > 1);
  if (info.prepare)
    layOutPrepared(info, found.bodies);
  addCInterface(*result, info, found.bodies, found.measure, standalone);
  if (std::string error =
          defineHalideBlocks(modules.bodies.front(), target, *result);
      !error.empty())
    return error;
  nameTarget(*result, target);
  return "";
}

} // namespace ropegrad
