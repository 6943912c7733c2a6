//===- CompileFlags.h - Flags that do not state the problem ----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The other half of ropegrad-compile's flags, as a table; the half that states
// the problem is problemFields().
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_COMPILEFLAGS_H
#define ROPEGRAD_TOOLS_LIB_COMPILEFLAGS_H

#include "tools/lib/CompileOptions.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <optional>
#include <string>

namespace ropegrad {

/// State of one parse that the options themselves have no use for.
struct Parse {
  CompileOptions &options;
  std::optional<EmitKind> emit; ///< from --emit
  bool emitLevelGiven = false;
  bool outputGiven = false;
};

struct ToolFlag {
  const char *name;
  const char *group;
  const char *meta; ///< null: takes no value
  const char *help;
  const char *defaultText;
  /// Returns what was expected, or a whole message that starts with '!'.
  std::string (*set)(llvm::StringRef value, Parse &parse);
};

llvm::ArrayRef<ToolFlag> toolFlags();

/// The value of --emit, or nothing.
std::optional<EmitKind> emitKind(llvm::StringRef name);
/// Kinds of output that are planned: "ptx", ...
bool isLaterKind(llvm::StringRef name);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_COMPILEFLAGS_H
