//===- RunCertificate.h - Bounds of the errors of a call --------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Calls a kernel's certify function on what a call read and wrote.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_RUNCERTIFICATE_H
#define ROPEGRAD_TOOLS_LIB_RUNCERTIFICATE_H

#include "runtime/ropegrad_runtime.h"
#include "tools/lib/RunArrays.h"
#include "tools/lib/RunKernel.h"

namespace ropegrad {

/// Sets report.certified, or says in report.notCertified why there is nothing:
/// inputs that were rounded, a status other than 0, too little memory.
void certifyOutputs(ropegrad_packed_fn certify, const KernelEntry &entry,
                    const RunArrays &arrays, RunReport &report);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_RUNCERTIFICATE_H
