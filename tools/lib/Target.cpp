//===- Target.cpp - The machine that a kernel is made for ------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Resolution of `--cpu`.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/Target.h"

#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/X86TargetParser.h"

#include <algorithm>

using namespace llvm;

namespace ropegrad {
namespace {

constexpr const char *kTriple = "x86_64-unknown-linux-gnu";

/// Features of a processor by name; those of this machine for "native", where
/// a virtual machine may lack some that its processor has.
std::vector<std::string> featuresOf(StringRef cpu) {
  std::vector<std::string> features;
  if (cpu == "native") {
    for (const auto &feature : sys::getHostCPUFeatures())
      if (feature.second)
        features.push_back(feature.first().str());
  } else {
    SmallVector<StringRef> names;
    X86::getFeaturesForCPU(cpu, names);
    for (StringRef name : names)
      features.push_back(name.ltrim('+').str());
  }
  std::sort(features.begin(), features.end());
  return features;
}

bool has(const std::vector<std::string> &features, StringRef name) {
  return std::binary_search(features.begin(), features.end(), name.str());
}

/// The lowerings take 256 bits to mean AVX2, FMA and F16C.
int64_t vectorBitsOf(const std::vector<std::string> &features) {
  bool avx2 =
      has(features, "avx2") && has(features, "fma") && has(features, "f16c");
  if (avx2 && has(features, "avx512f") && has(features, "avx512vl") &&
      has(features, "avx512dq") && has(features, "avx512bw"))
    return 512;
  return avx2 ? 256 : 128;
}

/// What the code generator is told: the features of a host that lacks some.
std::string featureString(StringRef cpu) {
  std::string text;
  if (cpu != "native")
    return text;
  std::vector<std::string> all;
  for (const auto &feature : sys::getHostCPUFeatures())
    all.push_back((feature.second ? "+" : "-") + feature.first().str());
  std::sort(all.begin(), all.end());
  for (const std::string &feature : all)
    text += (text.empty() ? "" : ",") + feature;
  return text;
}

} // namespace

std::string makeTarget(StringRef cpu, Target &target) {
  InitializeAllTargetInfos();
  InitializeAllTargets();
  InitializeAllTargetMCs();
  InitializeAllAsmPrinters();
  target.triple = kTriple;
  target.cpu = cpu == "native" ? sys::getHostCPUName().str() : cpu.str();
  if (X86::parseArchX86(target.cpu, /*Only64Bit=*/true) == X86::CK_None)
    return "expected a 64-bit x86 processor for --cpu (native, x86-64-v3, "
           "x86-64-v4, skylake-avx512, ...), but got " +
           cpu.str();
  std::string error;
  Triple triple(kTriple);
  const llvm::Target *registered = TargetRegistry::lookupTarget(triple, error);
  if (!registered)
    return "expected LLVM to support " + target.triple +
           ", but it says: " + error;
  TargetOptions options;
  options.AllowFPOpFusion = FPOpFusion::Fast;
  target.machine.reset(registered->createTargetMachine(
      triple, target.cpu, featureString(cpu), options, Reloc::PIC_,
      std::nullopt, CodeGenOptLevel::Aggressive));
  if (!target.machine)
    return "expected LLVM to make a target machine for " + target.cpu;
  target.features = featuresOf(cpu);
  target.vectorBits = vectorBitsOf(target.features);
  return "";
}

} // namespace ropegrad
