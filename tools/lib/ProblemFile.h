//===- ProblemFile.h - Reads problem.json ----------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Reads a problem from JSON: one flat object of the keys of ProblemFields.h.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_PROBLEMFILE_H
#define ROPEGRAD_TOOLS_LIB_PROBLEMFILE_H

#include "tools/lib/ProblemFields.h"

#include "llvm/ADT/StringRef.h"

#include <optional>
#include <string>

namespace ropegrad {

/// Either what a file says (nothing of it is validated yet) or one message.
struct ProblemSpecResult {
  std::optional<ProblemSpec> spec;
  std::string error;
};

/// Reads one JSON object. The keys `seed`, `dist`, `logit_bound` and `sizes`
/// are accepted and ignored; any other unknown or repeated key is an error.
ProblemSpecResult parseProblemJson(llvm::StringRef text);

/// The same from a file; the message starts with its path.
ProblemSpecResult readProblemFile(llvm::StringRef path);

/// Completes a merged problem: the defaults that depend on other fields (scale,
/// channels, kv_heads, wrt, bias_per_head), and no window where there is no
/// such mask. Returns a message if a field without default is missing.
std::string applyDefaults(ProblemSpec &spec);

/// Number of dimensions of the array in a .npy file, from its header alone;
/// nothing if there is no such file or it is none.
std::optional<unsigned> npyRank(llvm::StringRef path);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_PROBLEMFILE_H
