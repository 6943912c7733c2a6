//===- CompileOptions.cpp - Command line of ropegrad-compile --------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/CompileOptions.h"
#include "tools/lib/CompileFlags.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Path.h"

#include <algorithm>
#include <thread>

using namespace llvm;

namespace ropegrad {
namespace {

std::string mismatch(StringRef expected, StringRef flag, StringRef value) {
  if (expected.consume_front("!"))
    return expected.str();
  return ("expected " + expected + " after " + flag + ", but got '" + value +
          "'")
      .str();
}

const ToolFlag *findToolFlag(StringRef name) {
  for (const ToolFlag &flag : toolFlags())
    if (name == flag.name)
      return &flag;
  return nullptr;
}

const ProblemField *findField(StringRef name) {
  for (const ProblemField &field : problemFields())
    if (name == field.flag())
      return &field;
  return nullptr;
}

std::string unknownFlag(StringRef name) {
  std::string best;
  unsigned bestDistance = 3; // further away it is no slip of the finger
  auto consider = [&](const std::string &candidate) {
    unsigned distance = name.edit_distance(candidate);
    if (distance >= bestDistance)
      return;
    bestDistance = distance;
    best = candidate;
  };
  for (const ToolFlag &flag : toolFlags())
    consider(flag.name);
  for (const ProblemField &field : problemFields())
    consider(field.flag());
  std::string message = "expected a flag of --help, but got '" + name.str();
  return message + (best.empty() ? "'" : "': did you mean " + best + "?");
}

std::string setInput(StringRef value, CompileOptions &options) {
  if (!options.input.empty())
    return ("expected one input, but got '" + options.input + "' and '" +
            value + "'")
        .str();
  options.input = value.str();
  StringRef suffix = sys::path::extension(value);
  if (suffix == ".json")
    options.inputKind = InputKind::Json;
  else if (suffix == ".mlir")
    options.inputKind = InputKind::Mlir;
  else
    return ("expected an input that ends in .json or .mlir, but got '" + value +
            "'")
        .str();
  return "";
}

/// Handles the flag at `index` and moves on to the last argument it used.
std::string parseFlag(ArrayRef<const char *> arguments, size_t &index,
                      Parse &parse) {
  StringRef argument = arguments[index];
  auto [name, value] = argument.split('=');
  bool attached = argument.contains('=');
  const ToolFlag *tool = findToolFlag(name);
  const ProblemField *field = findField(name);
  if (!tool && !field)
    return unknownFlag(name);

  if (tool && !tool->meta && attached)
    return ("expected no value after " + name + ", but got '" + value + "'")
        .str();
  if (!attached && (field || tool->meta)) {
    bool last = index + 1 == arguments.size();
    StringRef next = last ? "" : arguments[index + 1];
    if (last || next.starts_with("--") || next == "-o")
      return ("expected a value after " + name + ", but got " +
              (last ? "none" : "'" + next + "'"))
          .str();
    value = next;
    ++index;
  }

  std::string expected =
      tool ? tool->set(value, parse)
           : field->fromText(value, parse.options.flags.problem);
  if (!expected.empty())
    return mismatch(expected, name, value);
  if (field)
    parse.options.flags.given.insert(field->key);
  return "";
}

/// What kind of file -o names.
std::string chooseKind(Parse &parse) {
  CompileOptions &options = parse.options;
  StringRef suffix = sys::path::extension(options.output);
  suffix.consume_front(".");
  if (parse.emit) {
    options.emit = *parse.emit;
  } else if (isLaterKind(suffix)) {
    return ("output kind " + suffix + " is not supported yet").str();
  } else if (std::optional<EmitKind> kind = emitKind(suffix)) {
    options.emit = *kind;
  } else {
    return "expected an output that ends in .so, .o, .mlir, .ll or .s, or "
           "--emit, but got '" +
           options.output + "'";
  }
  if (options.toStandardOutput() && options.writesHeader())
    return "expected mlir, ll or s on standard output, but got " +
           std::string(toString(options.emit));
  if (parse.emitLevelGiven && options.emit != EmitKind::Mlir)
    return "expected --emit mlir with --emit-level, but got " +
           std::string(toString(options.emit));
  return "";
}

std::string checkOutput(Parse &parse) {
  CompileOptions &options = parse.options;
  if (options.planOnly && options.explainOnly)
    return "expected --plan or --explain, but got both";
  if (options.output.empty()) {
    if (!options.planOnly && !options.explainOnly)
      return "expected -o FILE, --plan or --explain, but got none of them";
  } else if (std::string message = chooseKind(parse); !message.empty()) {
    return message;
  }
  if (options.name.empty()) {
    StringRef stem = sys::path::stem(options.output);
    stem = stem.ltrim('.');
    options.name = stem.empty() || stem == "-" ? "kernel" : toIdentifier(stem);
  }
  return "";
}

} // namespace

std::string parseCommandLine(ArrayRef<const char *> arguments,
                             CompileOptions &options) {
  Parse parse{options, std::nullopt};
  bool flagsAllowed = true;
  for (size_t i = 0; i < arguments.size(); ++i) {
    StringRef argument = arguments[i];
    std::string message;
    if (flagsAllowed && argument == "--")
      flagsAllowed = false;
    else if (flagsAllowed && argument.starts_with("-"))
      message = parseFlag(arguments, i, parse);
    else
      message = setInput(argument, options);
    if (options.showHelp || options.showVersion)
      return "";
    if (!message.empty())
      return message;
  }
  return checkOutput(parse);
}

bool isIdentifier(StringRef text) {
  return !text.empty() && !isDigit(text.front()) &&
         all_of(text, [](char c) { return isAlnum(c) || c == '_'; });
}

std::string toIdentifier(StringRef text) {
  std::string name = text.str();
  for (char &c : name)
    if (!isAlnum(c))
      c = '_';
  return isIdentifier(name) ? name : "_" + name;
}

static std::string beside(StringRef path, StringRef suffix) {
  SmallString<128> result(path);
  sys::path::replace_extension(result, suffix);
  return std::string(result);
}

int64_t CompileOptions::threadsOrAll() const {
  constexpr int64_t most = 1024; // that a kernel uses
  return threads.value_or(std::clamp<int64_t>(
      std::thread::hardware_concurrency(), 1, most)); // 0: not known
}

std::string CompileOptions::headerPath() const { return beside(output, ".h"); }

std::string CompileOptions::manifestPath() const {
  return beside(output, ".json");
}

} // namespace ropegrad
