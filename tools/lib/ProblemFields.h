//===- ProblemFields.h - The fields of a problem, by name ------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// One table of everything a user can say about a problem. Reading problem.json,
// parsing flags, merging the two and `--help` are loops over it.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_PROBLEMFIELDS_H
#define ROPEGRAD_TOOLS_LIB_PROBLEMFIELDS_H

#include "dialect/Problem.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/JSON.h"

#include <set>
#include <string>

namespace ropegrad {

/// Key in ProblemSpec::given of Problem::biasPerHead, which no key of
/// problem.json and no flag says directly.
constexpr const char *kBiasPerHead = "bias_per_head";

/// A problem together with the keys that somebody set in it, so that defaults
/// that depend on other fields come last and flags override files.
struct ProblemSpec {
  Problem problem;
  std::set<std::string> given; ///< keys of problemFields(), kBiasPerHead

  ProblemSpec() = default;
  /// A problem that is complete in itself (read from the IR): every field that
  /// holds a value counts as given.
  explicit ProblemSpec(const Problem &complete);

  bool has(llvm::StringRef key) const { return given.count(key.str()) != 0; }
  /// Takes over every field that `other` was given.
  void overrideWith(const ProblemSpec &other);
};

struct ProblemField {
  const char *key;         ///< in problem.json; the flag is --key with dashes
  const char *group;       ///< heading in --help
  const char *meta;        ///< what stands for the value in --help
  const char *help;        ///< one line
  const char *defaultText; ///< empty: none
  /// Parse a value into the problem. Return what was expected ("an integer")
  /// if it is none, empty otherwise; the problem is then unchanged.
  std::string (*fromText)(llvm::StringRef, Problem &);
  /// Null where problem.json has no such key.
  std::string (*fromJson)(const llvm::json::Value &, Problem &);
  void (*copy)(const Problem &from, Problem &to);

  std::string flag() const; ///< "--kv-heads"
};

llvm::ArrayRef<ProblemField> problemFields();

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_PROBLEMFIELDS_H
