//===- RopeGradPlugin.cpp - RopeGrad inside the stock mlir-opt -*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Exports the dialect and the passes to any MLIR tool that loads plugins.
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"

#include "mlir/Tools/Plugins/DialectPlugin.h"
#include "mlir/Tools/Plugins/PassPlugin.h"
#include "llvm/Config/llvm-config.h"

namespace {

/// Both plugin flags may name this file: passes must be registered once.
void registerPassesOnce() {
  static const bool done = [] {
    mlir::ropegrad::registerRopeGradPasses();
    mlir::ropegrad::registerPipeline();
    return true;
  }();
  (void)done;
}

} // namespace

extern "C" LLVM_ATTRIBUTE_WEAK mlir::DialectPluginLibraryInfo
mlirGetDialectPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "RopeGrad", LLVM_VERSION_STRING,
          [](mlir::DialectRegistry *registry) {
            registry->insert<mlir::ropegrad::RopeGradDialect>();
            mlir::ropegrad::registerBufferization(*registry);
            registerPassesOnce();
          }};
}

extern "C" LLVM_ATTRIBUTE_WEAK mlir::PassPluginLibraryInfo
mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "RopeGrad", LLVM_VERSION_STRING,
          [] { registerPassesOnce(); }};
}
