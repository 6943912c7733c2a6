//===- ropegrad-opt.cpp - mlir-opt with RopeGrad loaded --------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Runs any pass or the whole pipeline on MLIR text, as mlir-opt does.
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::registerAllPasses();
  mlir::ropegrad::registerRopeGradPasses();
  mlir::ropegrad::registerPipeline();
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  registry.insert<mlir::ropegrad::RopeGradDialect>();
  mlir::ropegrad::registerBufferization(registry);
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "RopeGrad optimizer driver\n", registry));
}
