//===- RopeGrad.h - The ropegrad dialect -----------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// C++ declarations of the dialect's attributes, types, interfaces and ops.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_DIALECT_ROPEGRAD_H
#define ROPEGRAD_DIALECT_ROPEGRAD_H

#include "dialect/KeptMonomials.h"
#include "dialect/Problem.h"
#include "dialect/TileBuilder.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace mlir::ropegrad {
/// Marks the ops that lead from an implicit matrix to a tall tensor.
template <typename ConcreteOp>
class IsExit : public OpTrait::TraitBase<ConcreteOp, IsExit> {};

/// H and w of a tensor or memref (B, H, n, w); H of (B, H, n).
inline int64_t headsOf(Value tall) {
  return cast<ShapedType>(tall.getType()).getDimSize(1);
}
inline int64_t widthOf(Value tall) {
  return cast<ShapedType>(tall.getType()).getDimSize(3);
}
} // namespace mlir::ropegrad

#include "dialect/RopeGradDialect.h.inc"
#include "dialect/RopeGradEnums.h.inc"
#include "dialect/RopeGradInterfaces.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialect/RopeGradAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialect/RopeGradTypes.h.inc"
#define GET_OP_CLASSES
#include "dialect/RopeGradOps.h.inc"

#endif // ROPEGRAD_DIALECT_ROPEGRAD_H
