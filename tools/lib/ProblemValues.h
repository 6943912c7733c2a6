//===- ProblemValues.h - Values of a problem from text and JSON -*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// One reader for each type of value, from a flag (readText) and from
// problem.json (readJson). Each returns what it expected ("an integer") if it
// got something else, and leaves the value alone then; otherwise nothing.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_PROBLEMVALUES_H
#define ROPEGRAD_TOOLS_LIB_PROBLEMVALUES_H

#include "dialect/Problem.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/JSON.h"

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace ropegrad {

/// Integer in decimal, no sign but '-', nothing after it. False on overflow.
bool parseInteger(llvm::StringRef text, int64_t &value);
/// Finite decimal number, nothing after it.
bool parseReal(llvm::StringRef text, double &value);

std::string readText(llvm::StringRef text, int64_t &value);
std::string readText(llvm::StringRef text, double &value);
std::string readText(llvm::StringRef text, std::optional<double> &value);
std::string readText(llvm::StringRef text, std::optional<unsigned> &value);
std::string readText(llvm::StringRef text, bool &value);
std::string readText(llvm::StringRef text, std::vector<SupportEntry> &value);
std::string readText(llvm::StringRef text, std::vector<std::string> &value);
std::string alibiFromText(llvm::StringRef text, Problem &problem);
std::string boundsFromText(llvm::StringRef text, Problem &problem);
std::string similarityFromText(llvm::StringRef text, Problem &problem);

std::string readJson(const llvm::json::Value &json, int64_t &value);
std::string readJson(const llvm::json::Value &json, double &value);
std::string readJson(const llvm::json::Value &json,
                     std::optional<double> &value);
std::string readJson(const llvm::json::Value &json,
                     std::vector<SupportEntry> &value);
std::string readJson(const llvm::json::Value &json,
                     std::vector<std::string> &value);
std::string alibiFromJson(const llvm::json::Value &json, Problem &problem);
std::string boundsFromJson(const llvm::json::Value &json, Problem &problem);
std::string similarityFromJson(const llvm::json::Value &json, Problem &problem);

constexpr Entry lastOf(Entry) { return Entry::Attention; }
constexpr Position lastOf(Position) { return Position::None; }
constexpr Layout lastOf(Layout) { return Layout::Half; }
constexpr Mask lastOf(Mask) { return Mask::Window; }
constexpr DType lastOf(DType) { return DType::F16; }
constexpr Route lastOf(Route) { return Route::FFT; }
constexpr Fit lastOf(Fit) { return Fit::Weighted; }
constexpr Centre lastOf(Centre) { return Centre::Auto; }

template <class E> std::string readText(llvm::StringRef text, E &value) {
  static_assert(std::is_enum_v<E>);
  std::string names;
  int last = static_cast<int>(lastOf(E()));
  for (int i = 0; i <= last; ++i) {
    const char *name = toString(static_cast<E>(i));
    if (text == name) {
      value = static_cast<E>(i);
      return "";
    }
    names += (i == 0 ? "" : i == last ? " or " : ", ") + std::string(name);
  }
  return names;
}

/// Whatever is a string in JSON as well is read like a flag.
template <class T>
std::string readJson(const llvm::json::Value &json, T &value) {
  std::optional<llvm::StringRef> text = json.getAsString();
  std::string expected = readText(text.value_or(""), value);
  return text || expected.empty() ? expected : "the string " + expected;
}

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_PROBLEMVALUES_H
