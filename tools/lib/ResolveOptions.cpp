//===- ResolveOptions.cpp - File, flags and defaults into one problem -----===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#include "passes/Planner.h"
#include "tools/lib/CompileOptions.h"
#include "tools/lib/ProblemFile.h"

#include "llvm/Support/FileSystem.h"

using namespace llvm;

namespace ropegrad {
namespace {

/// A flag that means nothing in the problem it is given for.
struct Contradiction {
  const char *key;
  bool (*holds)(const Problem &);
  const char *message;
};

bool isLoss(const Problem &p) { return p.entry == Entry::LossGradient; }

const Contradiction kContradictions[] = {
    {"window",
     [](const Problem &p) { return p.mask != Mask::Window && p.window != 0; },
     "expected --mask window with --window, but got another mask"},
    {"batch", [](const Problem &p) { return isLoss(p) && p.batch != 1; },
     "expected --entry attention with --batch, but got loss-gradient"},
    {"heads", [](const Problem &p) { return isLoss(p) && p.heads != 1; },
     "expected --entry attention with --heads, but got loss-gradient"},
    {"kv_heads", [](const Problem &p) { return isLoss(p) && p.kvHeads != 1; },
     "expected --entry attention with --kv-heads, but got loss-gradient"},
    {"channels",
     [](const Problem &p) { return !isLoss(p) && p.channels != p.d; },
     "expected --entry loss-gradient with --channels, but got attention"},
    {"sigma", [](const Problem &p) { return p.fit != Fit::Weighted; },
     "expected --fit weighted with --sigma, but got another fit"},
};

/// Flags that make statements of the file void although they do not replace
/// them one for one.
void dropOverruled(ProblemSpec &file, const ProblemSpec &flags) {
  Problem &problem = file.problem;
  // Radius wins over bound, but not the file's radius over the flag's bound.
  if (flags.has("bound") && !flags.has("radius")) {
    problem.radius.reset();
    file.given.erase("radius");
  }
  // The support of rotary and none follows from the position.
  bool changed =
      (flags.has("position") && flags.problem.position != problem.position) ||
      (flags.has("layout") && flags.problem.layout != problem.layout) ||
      (flags.has("d") && flags.problem.d != problem.d);
  Position position =
      flags.has("position") ? flags.problem.position : problem.position;
  if (changed && position != Position::General) {
    problem.support.clear();
    file.given.erase("support");
  }
}

/// Far above any head, and low enough to write down the default support.
constexpr int64_t kMaxWidth = 65536;

/// The outputs must not replace the file that states the problem.
std::string checkOverwrite(const CompileOptions &options) {
  if (options.planOnly || options.explainOnly || options.input.empty() ||
      options.toStandardOutput())
    return "";
  std::vector<std::string> outputs{options.output};
  if (options.writesHeader()) {
    outputs.push_back(options.headerPath());
    outputs.push_back(options.manifestPath());
  }
  for (const std::string &output : outputs)
    if (sys::fs::equivalent(output, options.input))
      return "expected outputs that leave the input alone, but got '" + output +
             "' as both: choose another name after -o";
  return "";
}

} // namespace

std::string resolve(CompileOptions &options, const ProblemSpec *fromIR) {
  std::string message = checkOverwrite(options);
  if (!message.empty())
    return message;
  ProblemSpec spec;
  if (fromIR) {
    spec = *fromIR;
  } else if (options.inputKind == InputKind::Json) {
    ProblemSpecResult file = readProblemFile(options.input);
    if (!file.spec)
      return file.error;
    spec = std::move(*file.spec);
  }
  const ProblemSpec &flags = options.flags;
  dropOverruled(spec, flags);
  spec.overrideWith(flags);
  for (const Contradiction &contradiction : kContradictions)
    if (flags.has(contradiction.key) && contradiction.holds(spec.problem))
      return contradiction.message;

  message = applyDefaults(spec);
  Problem &problem = spec.problem;
  if (message.empty() && problem.d > kMaxWidth)
    message =
        "expected d to be at most 65536, but got " + std::to_string(problem.d);
  if (message.empty())
    message = validate(problem);
  if (!message.empty())
    return message;
  if (problem.support.empty())
    problem.support =
        defaultSupport(problem.position, problem.layout, problem.d);
  options.problem = problem;
  return "";
}

} // namespace ropegrad
