//===- CompileOptions.h - Command line of ropegrad-compile -----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The command line of ropegrad-compile: parsed, merged with the problem that a
// file states, completed with defaults and validated.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_COMPILEOPTIONS_H
#define ROPEGRAD_TOOLS_LIB_COMPILEOPTIONS_H

#include "tools/lib/ProblemFields.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>
#include <string>

namespace ropegrad {

enum class InputKind { None, Json, Mlir };
enum class EmitKind { SharedLibrary, Object, Mlir, LLVMIR, Assembly };

/// The value of --emit, which is also the suffix: so, o, mlir, ll, s.
const char *toString(EmitKind);

struct CompileOptions {
  std::string input; ///< path; empty: the flags alone state the problem
  InputKind inputKind = InputKind::None;

  std::string output; ///< path; empty: no output; "-": standard output
  EmitKind emit = EmitKind::SharedLibrary;
  int64_t emitLevel = 1; ///< under EmitKind::Mlir
  std::string name;      ///< prefix of the C symbols, a C identifier
  bool planOnly = false, explainOnly = false; ///< print a plan, no more

  std::string target = "cpu";
  std::string cpu = "native";     ///< not checked against LLVM's list
  std::optional<int64_t> threads; ///< none: as many as the machine has
  int64_t threadsOrAll() const;
  std::optional<bool> certify; ///< add the function that bounds errors
  /// Kernels of route auto choose between polynomials and the exact route.
  bool fallback = true;
  std::string exactBy = "mlir";
  std::string calibration; ///< path; empty: the rates that ship
  std::string boundsFrom;  ///< folder of a sample; empty: none

  bool showHelp = false, showVersion = false;

  ProblemSpec flags; ///< what the flags alone say about the problem
  Problem problem;   ///< complete and valid once resolve() succeeded

  bool toStandardOutput() const { return output == "-"; }
  /// K.h and K.json are written beside a library or an object.
  bool writesHeader() const {
    return emit == EmitKind::SharedLibrary || emit == EmitKind::Object;
  }
  /// Kernels have it where nothing else is said; MLIR is easier to read
  /// without.
  bool certifies() const { return certify.value_or(emit != EmitKind::Mlir); }
  std::string headerPath() const;   ///< K.h
  std::string manifestPath() const; ///< K.json
};

/// Parses the arguments (without the name of the program). Returns one message,
/// empty if all is well. With --help or --version nothing else is checked.
std::string parseCommandLine(llvm::ArrayRef<const char *> arguments,
                             CompileOptions &options);

/// Fills in `options.problem`: the file's problem, flags over it, defaults
/// under it, then validate(). `fromIR` is the problem of a .mlir input, null
/// otherwise; a .json input is read here. Returns one message or nothing.
std::string resolve(CompileOptions &options,
                    const ProblemSpec *fromIR = nullptr);

/// The text of --help.
std::string helpText();
/// The line of --version.
std::string versionText();

/// `text` with everything replaced that no C identifier may contain.
std::string toIdentifier(llvm::StringRef text);
bool isIdentifier(llvm::StringRef text);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_COMPILEOPTIONS_H
