//===- FuzzOpt.cpp - Any text as input of ropegrad-opt ---------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The first character chooses a pass, or the pipeline for some vectors; the
// rest is MLIR text. A pass may refuse a module; it may not crash.
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/StringExtras.h"

#include <cstdint>
#include <cstdlib>

using namespace llvm;

/// New ones at the end, or the letters of the corpus choose others.
static const char *const kPipelines[] = {
    "ropegrad-plan",
    "ropegrad-widen-storage",
    "ropegrad-differentiate",
    "ropegrad-approximate-exp",
    "ropegrad-fuse-kronecker",
    "ropegrad-outline-tiles",
    "ropegrad-split-gradient",
    "ropegrad-bufferize",
    "ropegrad-runtime-sizes",
    "ropegrad-lower-rows",
    "ropegrad-lower-tiles",
    "ropegrad-lower-features",
    "ropegrad-fuse-parallel",
    "ropegrad-parallelize",
    "ropegrad-pack-workspace",
    "ropegrad-outline-units",
    "ropegrad-pipeline{stop-after-level=2}",
    "ropegrad-pipeline{stop-after-level=3}",
    "ropegrad-pipeline{stop-after-level=4}",
    "ropegrad-pipeline{vector-bits=128}",
    "ropegrad-pipeline{vector-bits=512 scalef=true}",
    "ropegrad-centre-keys",
    "ropegrad-centre-queries",
    "ropegrad-certify",
    "ropegrad-classify-toeplitz",
    "ropegrad-emit-fourier{length=12}",
    "ropegrad-fetch-units",
    "ropegrad-hoist-spectra",
    "ropegrad-join-pairs",
    "ropegrad-lower-pairs",
    "ropegrad-lower-toeplitz",
    "ropegrad-split-guard",
};

/// 0 for a, 26 for A.
static unsigned number(char letter) {
  if (isLower(letter))
    return letter - 'a';
  return isUpper(letter) ? 26 + letter - 'A' : static_cast<uint8_t>(letter);
}

static const mlir::DialectRegistry &registry() {
  static const mlir::DialectRegistry all = [] {
    mlir::ropegrad::registerRopeGradPasses();
    mlir::ropegrad::registerPipeline();
    mlir::registerTransformsPasses();
    mlir::DialectRegistry made;
    mlir::registerAllDialects(made);
    mlir::registerAllExtensions(made);
    made.insert<mlir::ropegrad::RopeGradDialect>();
    mlir::ropegrad::registerBufferization(made);
    return made;
  }();
  return all;
}

/// Attributes and types stay in a context for good: a new one now and then.
static mlir::MLIRContext &context() {
  static std::unique_ptr<mlir::MLIRContext> made;
  static unsigned uses = 0;
  if (uses++ % 500 == 0) {
    made = std::make_unique<mlir::MLIRContext>(
        registry(), mlir::MLIRContext::Threading::DISABLED);
  }
  return *made;
}

/// Numbers above this make long loops, and code, of a few characters.
static bool hasLargeNumber(StringRef text) {
  constexpr uint64_t most = 300;
  while (!text.empty()) {
    text = text.drop_until([](char c) { return isDigit(c); });
    StringRef digits = text.take_while([](char c) { return isDigit(c); });
    uint64_t number;
    if (!digits.empty() && (digits.getAsInteger(10, number) || number > most))
      return true;
    text = text.drop_front(digits.size());
  }
  return false;
}

/// MLIR 22.1.8 crashes while it parses linalg.transpose, broadcast or reduce
/// (parseDenseI64ArrayAttr in LinalgOps.cpp sets a null attribute) unless their
/// permutation or dimensions are numbers: "permutation = [x". Not ours to fix,
/// and found within minutes.
static bool hasBrokenNumbers(StringRef text) {
  for (StringRef name : {"permutation", "dimensions"})
    for (size_t at = text.find(name); at != StringRef::npos;
         at = text.find(name, at + 1)) {
      StringRef numbers = text.drop_front(at + name.size()).ltrim(" =\n\t");
      numbers = numbers.ltrim("[0123456789, ");
      if (!numbers.starts_with("]"))
        return true;
    }
  return false;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  StringRef text(reinterpret_cast<const char *>(data), size);
  if (text.empty() || hasLargeNumber(text) || hasBrokenNumbers(text) ||
      text.contains('\0'))
    return 0;
  mlir::MLIRContext &mlirContext = context();
  mlir::ScopedDiagnosticHandler quiet(
      &mlirContext, [](mlir::Diagnostic &) { return mlir::success(); });
  const char *pipeline = kPipelines[number(text[0]) % std::size(kPipelines)];
  std::string terminated = text.drop_front().str(); // as MLIR's lexer wants it
  auto module =
      mlir::parseSourceString<mlir::ModuleOp>(terminated, &mlirContext);
  if (!module)
    return 0;
  mlir::PassManager manager(&mlirContext);
  if (mlir::failed(mlir::parsePassPipeline(pipeline, manager)))
    std::abort(); // a pass of ours that is no more
  (void)manager.run(*module);
  return 0;
}
