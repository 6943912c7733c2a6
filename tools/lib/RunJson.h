//===- RunJson.h - JSON from files we did not write -------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Parses JSON that may be damaged or hostile.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_RUNJSON_H
#define ROPEGRAD_TOOLS_LIB_RUNJSON_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/JSON.h"

#include <string>

namespace ropegrad {

/// Parses `text`, which must be one JSON object. Returns an error or "".
std::string parseJsonObject(llvm::StringRef text, llvm::json::Object &object);

/// `value` on one line, cut where it gets long, for messages.
std::string jsonText(const llvm::json::Value &value);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_RUNJSON_H
