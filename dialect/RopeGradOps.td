//===- RopeGradOps.td - Everything the dialect says --------*- tablegen -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

include "dialect/ProblemOps.td"
include "dialect/MatrixOps.td"
include "dialect/StructuredOps.td"
include "dialect/PairOps.td"
include "dialect/ChannelOps.td"
