//===- CompileFlags.cpp - Flags that do not state the problem -------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/CompileFlags.h"
#include "tools/lib/ProblemValues.h"

#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace ropegrad {
namespace {

const char *const kLaterKinds[] = {"ptx", "spv", "cubin", "hsaco"};
const char *const kLaterTargets[] = {"cuda", "rocm", "vulkan"};
const char *const kKinds = "so, o, mlir, ll or s";

std::string notYet(StringRef what, StringRef name) {
  return ("!" + what + " " + name + " is not supported yet").str();
}

std::string setOutput(StringRef value, Parse &parse) {
  if (value.empty())
    return "the name of a file";
  parse.options.output = value.str();
  return "";
}

std::string setEmit(StringRef value, Parse &parse) {
  if (is_contained(kLaterKinds, value))
    return notYet("output kind", value);
  parse.emit = emitKind(value);
  return parse.emit ? "" : kKinds;
}

std::string setEmitLevel(StringRef value, Parse &parse) {
  int64_t &level = parse.options.emitLevel;
  parse.emitLevelGiven = true;
  return parseInteger(value, level) && level >= 1 && level <= 4
             ? ""
             : "a level from 1 to 4";
}

std::string setName(StringRef value, Parse &parse) {
  parse.options.name = value.str();
  return isIdentifier(value) ? "" : "a C identifier";
}

std::string setPlan(StringRef, Parse &parse) {
  parse.options.planOnly = true;
  return "";
}

std::string setExplain(StringRef, Parse &parse) {
  parse.options.explainOnly = true;
  return "";
}

std::string setTarget(StringRef value, Parse &parse) {
  if (is_contained(kLaterTargets, value))
    return notYet("target", value);
  parse.options.target = value.str();
  return value == "cpu" ? "" : "cpu, cuda, rocm or vulkan";
}

std::string setCpu(StringRef value, Parse &parse) {
  parse.options.cpu = value.str();
  return value.empty() ? "native or the name of a cpu" : "";
}

std::string setThreads(StringRef value, Parse &parse) {
  constexpr int64_t largest = 1024; // that a kernel uses
  int64_t threads;
  if (!parseInteger(value, threads) || threads < 1 || threads > largest)
    return "an integer from 1 to 1024";
  parse.options.threads = threads;
  return "";
}

std::string setCalibration(StringRef value, Parse &parse) {
  parse.options.calibration = value.str();
  return value.empty() ? "the name of a file" : "";
}

std::string setBoundsFrom(StringRef value, Parse &parse) {
  parse.options.boundsFrom = value.str();
  return value.empty() ? "the name of a folder" : "";
}

std::string setExactBy(StringRef value, Parse &parse) {
  if (value == "halide" && !ROPEGRAD_HALIDE)
    return "!expected a build with Halide for --exact-by halide, but this one "
           "has none";
  parse.options.exactBy = value.str();
  return value == "mlir" || value == "halide" ? "" : "mlir or halide";
}

std::string setCertify(StringRef, Parse &parse) {
  parse.options.certify = true;
  return "";
}

std::string setNoFallback(StringRef, Parse &parse) {
  parse.options.fallback = false;
  return "";
}

std::string setNoCertify(StringRef, Parse &parse) {
  parse.options.certify = false;
  return "";
}

std::string setHelp(StringRef, Parse &parse) {
  parse.options.showHelp = true;
  return "";
}

std::string setVersion(StringRef, Parse &parse) {
  parse.options.showVersion = true;
  return "";
}

const char *const kOutput = "Output";
const char *const kTarget = "Target";

const ToolFlag kToolFlags[] = {
    {"-o", kOutput, "FILE", "file to write; - writes text to standard output",
     "", setOutput},
    {"--emit", kOutput, "KIND", "so, o, mlir, ll or s",
     "from the suffix of FILE", setEmit},
    {"--emit-level", kOutput, "L",
     "level of the mlir: 1 problem, 2 implicit, 3 structured, 4 kernels", "1",
     setEmitLevel},
    {"--name", kOutput, "PREFIX", "prefix of the C symbols", "from FILE",
     setName},
    {"--plan", kOutput, nullptr,
     "print the plan as JSON and compile nothing, whatever -o says", "",
     setPlan},
    {"--explain", kOutput, nullptr,
     "print the plan in words, with what would have another route chosen, and "
     "compile nothing",
     "", setExplain},
    {"--target", kTarget, "TARGET", "cpu (cuda, rocm, vulkan: not yet)", "cpu",
     setTarget},
    {"--cpu", kTarget, "NAME", "native, x86-64-v3, x86-64-v4, ...", "native",
     setCpu},
    {"--threads", kTarget, "T",
     "threads to plan for; a call may use any number", "all", setThreads},
    {"--exact-by", kTarget, "TOOL",
     "maker of the exact kernel: mlir, or halide for softmax without W", "mlir",
     setExactBy},
    {"--calibration", kTarget, "FILE",
     "rates of the machine, from ./dev bench --calibrate", "what ships",
     setCalibration},
    {"--bounds-from", kTarget, "DIR",
     "measure --bounds on a sample: Q.npy and K.npy, or A1, X1, A2 and X2", "",
     setBoundsFrom},
    {"--no-fallback", kOutput, nullptr,
     "route auto: nothing but the plan; refuse inputs beyond its radius, as a "
     "forced route does",
     "", setNoFallback},
    {"--certify", kOutput, nullptr,
     "add NAME_certify, which bounds the errors of a call's outputs",
     "but in mlir", setCertify},
    {"--no-certify", kOutput, nullptr,
     "leave NAME_certify out: compiles in half the time", "", setNoCertify},
    {"--help", "Help", nullptr, "print this text", "", setHelp},
    {"--version", "Help", nullptr, "print the version", "", setVersion},
};

} // namespace

ArrayRef<ToolFlag> toolFlags() { return kToolFlags; }

const char *toString(EmitKind kind) {
  switch (kind) {
  case EmitKind::SharedLibrary:
    return "so";
  case EmitKind::Object:
    return "o";
  case EmitKind::Mlir:
    return "mlir";
  case EmitKind::LLVMIR:
    return "ll";
  case EmitKind::Assembly:
    return "s";
  }
  return "";
}

std::optional<EmitKind> emitKind(StringRef name) {
  for (EmitKind kind : {EmitKind::SharedLibrary, EmitKind::Object,
                        EmitKind::Mlir, EmitKind::LLVMIR, EmitKind::Assembly})
    if (name == toString(kind))
      return kind;
  return std::nullopt;
}

bool isLaterKind(StringRef name) { return is_contained(kLaterKinds, name); }

} // namespace ropegrad
