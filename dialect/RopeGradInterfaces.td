//===- RopeGradInterfaces.td - What passes ask of ops ------*- tablegen -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_DIALECT_INTERFACES_TD
#define ROPEGRAD_DIALECT_INTERFACES_TD

include "mlir/IR/OpBase.td"

def ProblemOpInterface : OpInterface<"ProblemOpInterface"> {
  let cppNamespace = "::mlir::ropegrad";
  let description = "A level-1 op: it poses one attention problem.";
  let methods = [
    InterfaceMethod<"The problem as plain data.", "::ropegrad::Problem", "getProblem">
  ];
}

def TileOpInterface : OpInterface<"TileOpInterface"> {
  let cppNamespace = "::mlir::ropegrad";
  let description = [{
    An implicit matrix that can produce any piece of itself: the exact route is
    a loop over tiles of whatever expression it meets.
  }];
  let methods = [
    InterfaceMethod<[{
      Emits the elements (i, j), (i, j+1), ... of the matrix for the row and the
      columns at which `tile` stands, as a vector of `tile.lanes()` floats.
    }], "::mlir::Value", "emitLanes", (ins "::mlir::ropegrad::TileBuilder &":$tile)>
  ];
}

#endif // ROPEGRAD_DIALECT_INTERFACES_TD
