//===- Compile.cpp - What ropegrad-compile does ----------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Options, plan, pipeline and output files of ropegrad-compile.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/Compile.h"

#include "passes/Passes.h"
#include "passes/PlanText.h"
#include "passes/Planner.h"
#include "tools/lib/ByHead.h"
#include "tools/lib/CHeader.h"
#include "tools/lib/CInterface.h"
#include "tools/lib/Codegen.h"
#include "tools/lib/CompileOptions.h"
#include "tools/lib/LowerDegree.h"
#include "tools/lib/OutputFile.h"
#include "tools/lib/Prepared.h"
#include "tools/lib/ProblemModule.h"
#include "tools/lib/SampleBounds.h"

#include "mlir/Dialect/Func/Extensions/InlinerExtension.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/OpenMP/OpenMPToLLVMIRTranslation.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"

#include <sys/resource.h>

using namespace llvm;

namespace ropegrad {
namespace {

void registerAll(mlir::DialectRegistry &registry) {
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  registry.insert<mlir::ropegrad::RopeGradDialect>();
  mlir::ropegrad::registerBufferization(registry);
  mlir::registerBuiltinDialectTranslation(registry);
  mlir::registerLLVMDialectTranslation(registry);
  mlir::registerOpenMPDialectTranslation(registry);
}

std::string finishStandardOutput() {
  outs().flush();
  if (!outs().has_error())
    return "";
  outs().clear_error();
  return "expected to write to standard output, but cannot";
}

/// No threads where memory is limited: their stacks count, and what a library
/// does that gets none is not always said.
mlir::MLIRContext::Threading threading() {
  rlimit memory{};
  bool isLimited =
      getrlimit(RLIMIT_AS, &memory) == 0 && memory.rlim_cur != RLIM_INFINITY;
  return isLimited ? mlir::MLIRContext::Threading::DISABLED
                   : mlir::MLIRContext::Threading::ENABLED;
}

class Compiler {
public:
  explicit Compiler(CompileOptions &options)
      : options(options), context(registry(), threading()) {}

  std::string run() {
    if (std::string error = readProblem(); !error.empty())
      return error;
    if (std::string error = measureSample(); !error.empty())
      return error;
    if (std::string error = makeTarget(options.cpu, target); !error.empty())
      return error;
    CostModel model = CostModel::shipped();
    if (!options.calibration.empty())
      if (std::string error = CostModel::read(options.calibration, model);
          !error.empty())
        return error;
    model = model.forVectors(target.vectorBits);
    PlanResult planned =
        planWithSample(sampled, centred, options.threadsOrAll(), model);
    options.problem = sampled.problem;
    if (!planned.plan)
      return planned.error;
    plan = *planned.plan;
    if (options.exactBy != "mlir" && plan.route != Route::Exact)
      return "expected --route exact with --exact-by " + options.exactBy +
             ", but the plan says " + toString(plan.route);
    if (options.planOnly) {
      outs() << planToJson(plan) << "\n";
      return finishStandardOutput();
    }
    if (options.explainOnly) {
      outs() << planToText(options.problem, plan, options.threadsOrAll(),
                           model);
      return finishStandardOutput();
    }
    if (options.emit == EmitKind::Mlir)
      return emitMlir();
    if (dispatches())
      lower =
          planLowerDegree(options.problem, plan, options.threadsOrAll(), model);
    return emitKernel();
  }

private:
  static const mlir::DialectRegistry &registry() {
    static const mlir::DialectRegistry all = [] {
      mlir::DialectRegistry made;
      registerAll(made);
      return made;
    }();
    return all;
  }

  /// Parses a .mlir input; flags override what it says.
  std::string readProblem() {
    if (options.inputKind != InputKind::Mlir)
      return resolve(options);
    auto file = MemoryBuffer::getFile(options.input, /*IsText=*/true);
    if (!file)
      return "expected to read " + options.input + ", but " +
             file.getError().message();
    SourceMgr sources;
    sources.AddNewSourceBuffer(std::move(*file), SMLoc());
    std::string message;
    mlir::ScopedDiagnosticHandler handler(&context,
                                          [&](mlir::Diagnostic &diagnostic) {
                                            if (message.empty())
                                              message = located(diagnostic);
                                            return mlir::success();
                                          });
    auto parsed = mlir::parseSourceFile<mlir::ModuleOp>(sources, &context);
    if (!parsed)
      return message.empty() ? "expected MLIR in " + options.input : message;
    Problem problem;
    if (std::string error = readModule(*parsed, problem); !error.empty())
      return options.input + ": " + error;
    ProblemSpec spec(problem);
    return resolve(options, &spec);
  }

  /// Bounds of coordinates from --bounds-from, of rows as they are, without
  /// their mean or, where the plan is to choose, all of these.
  std::string measureSample() {
    Problem &problem = options.problem;
    bool mayCentre = problem.centre == Centre::Auto;
    if (mayCentre)
      problem.centre = Centre::None;
    sampled.problem = problem;
    if (options.boundsFrom.empty())
      return "";
    if (!problem.bounds.empty())
      return "expected bounds or --bounds-from, but got both";
    if (mayCentre)
      centred = centredProblems(problem);
    std::string error = measureBounds(options.boundsFrom, sampled);
    if (error.empty())
      error = validate(sampled.problem);
    for (SampledProblem &each : centred)
      if (error.empty())
        error = measureBounds(options.boundsFrom, each);
    return error;
  }

  std::string located(mlir::Diagnostic &diagnostic) {
    std::string text = options.input;
    if (auto at = dyn_cast<mlir::FileLineColLoc>(diagnostic.getLocation()))
      text += ":" + std::to_string(at.getLine()) + ":" +
              std::to_string(at.getColumn());
    return text + ": " + diagnostic.str();
  }

  PipelineRequest request(int64_t level) const {
    return {level, options.threadsOrAll(), options.exactBy, options.calibration,
            options.certifies()};
  }

  std::string emitMlir() {
    auto module = buildModule(context, options.problem);
    if (std::string error =
            runPipelines({{*module, request(options.emitLevel)}}, target);
        !error.empty())
      return error;
    std::string text;
    raw_string_ostream stream(text);
    module->print(stream);
    return writeText(text);
  }

  std::string emitKernel() {
    KernelInfo info = describe();
    SmallVector<mlir::OwningOpRef<mlir::ModuleOp>> made;
    KernelModules modules;
    if (std::string error = makeModules(info, made, modules); !error.empty())
      return error;
    std::string error;
    LLVMContext llvmContext;
    std::unique_ptr<Module> code;
    bool standalone = options.emit == EmitKind::SharedLibrary;
    if (error = translate(modules, target, info, standalone, llvmContext, code);
        !error.empty())
      return error;
    CodeKind kind = options.emit == EmitKind::LLVMIR     ? CodeKind::IR
                    : options.emit == EmitKind::Assembly ? CodeKind::Assembly
                                                         : CodeKind::Object;
    std::vector<std::string> parts;
    error = emitCode(std::move(code), target, context, kind, parts);
    if (!error.empty())
      return error;
    return options.writesHeader() ? writeKernel(info, parts)
                                  : writeText(parts.front());
  }

  /// What the pipeline makes of the problem: `modules` of those in `made`.
  std::string
  makeModules(const KernelInfo &info,
              SmallVectorImpl<mlir::OwningOpRef<mlir::ModuleOp>> &made,
              KernelModules &modules) {
    SmallVector<PipelineJob> jobs;
    auto prepare = [&](const Problem &problem, const PipelineRequest &wanted,
                       SmallVectorImpl<mlir::ModuleOp> &to) {
      made.push_back(buildModule(context, problem));
      to.push_back(*made.back());
      jobs.push_back({to.back(), wanted});
    };
    auto add = [&](const Problem &problem, bool certify) {
      PipelineRequest wanted = request(/*level=*/5);
      wanted.certify &= certify && !info.certifiesByHead;
      wanted.byEntry = info.byHead;
      prepare(info.byHead ? headsAsBatch(problem) : problem, wanted,
              modules.bodies);
    };
    auto addCertificate = [&](const Problem &problem) {
      PipelineRequest wanted = request(/*level=*/5);
      wanted.certifyAlone = wanted.byEntry = true;
      wanted.exactBy = "mlir";
      Problem one = headsAsBatch(problem);
      one.batch = 1;
      prepare(one, wanted, modules.certificates);
    };
    if (lower)
      add(lower->problem, /*certify=*/false);
    add(options.problem, /*certify=*/true);
    if (!info.bodies.empty())
      add(exactProblem(), /*certify=*/true);
    if (info.certifiesByHead)
      addCertificate(plannedProblem());
    if (info.certifiesByHead && !info.bodies.empty())
      addCertificate(exactProblem());
    return runPipelines(jobs, target);
  }

  /// The same problem with what was planned for it, however few its heads.
  Problem plannedProblem() const {
    Problem problem = options.problem;
    problem.route = plan.route;
    if (plan.approximation)
      problem.degree = plan.degree;
    return problem;
  }

  /// The same problem for the exact route.
  Problem exactProblem() const {
    Problem problem = options.problem;
    problem.route = Route::Exact;
    problem.degree = std::nullopt;
    problem.sigma = std::nullopt;
    problem.centre = Centre::None;
    problem.fit = Fit::Minimax;
    return problem;
  }

  /// Whether calls choose between the planned route and others.
  bool dispatches() const {
    return options.fallback && plan.approximation &&
           options.problem.route == Route::Auto;
  }

  static void addBody(KernelInfo &info, const Plan &plan) {
    info.bodies.push_back({plan.route, plan.degree, plan.radius});
  }

  KernelInfo describe() {
    KernelInfo info;
    info.name = options.name;
    info.problem = options.problem;
    info.planJson = planToJson(plan);
    info.route = plan.route;
    info.exactBy = options.exactBy;
    info.degree = plan.degree;
    info.radiusLimit = plan.radius;
    info.centre = plan.centre;
    if (dispatches()) {
      if (lower)
        addBody(info, lower->plan);
      addBody(info, plan);
      info.bodies.push_back({Route::Exact, std::nullopt, std::nullopt});
      info.byHead = isByHead(options.problem);
    }
    info.certifiesByHead = options.certifies() && isByHead(options.problem);
    info.triple = target.triple;
    info.cpu = target.cpu;
    info.cpuFeatures = target.features;
    info.threads = options.threadsOrAll();
    info.functions = kernelFunctions(
        options.problem, options.name, plan.approximation.has_value(),
        options.certifies(), !info.bodies.empty(), info.byHead);
    if (plan.route == Route::FFT)
      info.prepare = prepareFunction(options.problem, info.name);
    return info;
  }

  /// K.so or K.o with K.h and K.json beside: all of them or none.
  std::string writeKernel(const KernelInfo &info,
                          const std::vector<std::string> &objects) {
    OutputFiles files;
    std::string error = link(files, info, objects);
    if (error.empty())
      error = files.write(options.headerPath(), cHeader(info));
    if (error.empty())
      error = files.write(options.manifestPath(), manifestJson(info));
    return error.empty() ? files.commit() : error;
  }

  std::string link(OutputFiles &files, const KernelInfo &info,
                   const std::vector<std::string> &objects) {
    bool isShared = options.emit == EmitKind::SharedLibrary;
    if (!isShared && objects.size() == 1)
      return files.write(options.output, objects.front());
    // Objects under temporary names of their own: they never get final ones.
    OutputFiles scratch;
    std::vector<std::string> paths(objects.size());
    for (auto [object, path] : zip(objects, paths))
      if (std::string error = writeScratch(scratch, object, path);
          !error.empty())
        return error;
    std::string path, joined;
    if (isShared) {
      std::string error = files.reserve(options.output, path);
      return error.empty() ? linkShared(paths, path, exportedSymbols(info))
                           : error;
    }
    std::string error = scratch.reserve(options.output, path);
    if (error.empty())
      error = linkObjects(paths, path, joined);
    return error.empty() ? files.write(options.output, joined) : error;
  }

  /// Writes `object` to a file that goes with `scratch`.
  std::string writeScratch(OutputFiles &scratch, StringRef object,
                           std::string &path) {
    std::string name =
        options.output + "." + std::to_string(scratch.size()) + ".o";
    if (std::string error = scratch.reserve(name, path); !error.empty())
      return error;
    std::error_code code;
    raw_fd_ostream stream(path, code);
    if (!code) {
      stream << object;
      stream.close();
      code = stream.error();
      stream.clear_error();
    }
    return code ? "expected to write " + path + ", but " + code.message() : "";
  }

  std::string writeText(StringRef text) {
    if (options.toStandardOutput()) {
      outs() << text;
      return finishStandardOutput();
    }
    OutputFiles files;
    std::string error = files.write(options.output, text);
    return error.empty() ? files.commit() : error;
  }

  CompileOptions &options;
  mlir::MLIRContext context;
  Target target;
  Plan plan;
  std::optional<PlannedProblem> lower; ///< for calls of smaller logits
  SampledProblem sampled;              ///< options.problem with its sample
  std::vector<SampledProblem> centred; ///< that rows without their mean make
};

} // namespace

std::string compileMain(ArrayRef<const char *> arguments) {
  CompileOptions options;
  if (std::string error = parseCommandLine(arguments, options); !error.empty())
    return error;
  if (options.showHelp || options.showVersion) {
    outs() << (options.showHelp ? helpText() : versionText() + "\n");
    return finishStandardOutput();
  }
  return Compiler(options).run();
}

} // namespace ropegrad
