//===- CompileHelp.cpp - Text of --help and --version ---------------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/CompileFlags.h"
#include "tools/lib/CompileOptions.h"
#include "tools/lib/Version.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/Config/llvm-config.h"

#include <map>

using namespace llvm;

namespace ropegrad {
namespace {

/// "  --flag META   help (default: x)", the help wrapped at 80 columns.
std::string helpLine(const std::string &flag, const char *meta,
                     const std::string &help, StringRef defaultText) {
  constexpr size_t column = 24, width = 80;
  std::string text = help;
  if (!defaultText.empty())
    text += " (default: " + defaultText.str() + ")";
  std::string line = "  " + flag + (meta ? " " + std::string(meta) : "");
  line.append(line.size() < column ? column - line.size() : 1, ' ');
  std::string result;
  SmallVector<StringRef> words;
  StringRef(text).split(words, ' ');
  for (StringRef word : words) {
    if (line.size() + word.size() >= width) {
      result += StringRef(line).rtrim().str() + "\n";
      line = std::string(column, ' ');
    }
    line += word.str() + " ";
  }
  return result + StringRef(line).rtrim().str() + "\n";
}

} // namespace

std::string helpText() {
  std::string text =
      "usage: ropegrad-compile [PROBLEM.mlir | problem.json] -o FILE [flags]\n"
      "\n"
      "Compiles RoPE attention, or its loss, and its gradient for one problem "
      "into a\n"
      "kernel. The problem is a file, flags, or both: a flag overrides the "
      "file.\n"
      "Beside FILE.so or FILE.o stand FILE.h (C declarations) and FILE.json "
      "(manifest).\n";
  SmallVector<StringRef> order;
  std::map<StringRef, std::string> groups;
  auto add = [&](StringRef group, const std::string &line) {
    if (!groups.count(group))
      order.push_back(group);
    groups[group] += line;
  };
  for (const ProblemField &field : problemFields())
    add(field.group,
        helpLine(field.flag(), field.meta, field.help, field.defaultText));
  for (const ToolFlag &flag : toolFlags())
    add(flag.group,
        helpLine(flag.name, flag.meta, flag.help, flag.defaultText));
  for (StringRef group : order)
    text += "\n" + group.str() + ":\n" + groups[group];
  return text;
}

std::string versionText() {
  return std::string("ropegrad-compile ") + kVersion +
         " (LLVM " LLVM_VERSION_STRING ")\n";
}

} // namespace ropegrad
