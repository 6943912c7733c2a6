//===- CHeaderText.h - What every C header of a kernel says ----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The parts of K.h that are the same for every kernel, as C99 and C++.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_CHEADERTEXT_H
#define ROPEGRAD_TOOLS_LIB_CHEADERTEXT_H

namespace ropegrad {

/// enum ropegrad_status, as in ropegrad_runtime.h and guarded as there.
extern const char *const kStatusCodes;
/// struct ropegrad_sizes and helpers, as in ropegrad_runtime.h.
extern const char *const kSizes;
/// A comment: what holds for every function.
extern const char *const kContract;
/// A comment: what holds for forward_train and backward.
extern const char *const kResidualContract;
/// A comment: what holds for prepare, and for functions with what it makes.
extern const char *const kPreparedContract;
/// A comment: what holds for certify.
extern const char *const kCertificateContract;

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_CHEADERTEXT_H
