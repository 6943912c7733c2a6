//===- ropegrad-run.cpp - Calls a kernel on arrays in a folder ------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The main program of ropegrad-run: command line in, report and exit status
// out.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/Faults.h"
#include "tools/lib/RunKernel.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"

using namespace ropegrad;

static int fail(const std::string &error) {
  llvm::errs() << "ropegrad-run: error: " << error << "\n";
  return 1;
}

/// Flushes standard output; left to its destructor, a full disk would end the
/// program with LLVM's words instead of ours.
static std::string finishOutput() {
  llvm::outs().flush();
  if (!llvm::outs().has_error())
    return "";
  std::string reason = llvm::outs().error().message();
  llvm::outs().clear_error();
  return "cannot print: " + llvm::StringRef(reason).lower();
}

int main(int argc, char **argv) {
  reportFaultsAs("ropegrad-run");
  RunOptions options;
  llvm::ArrayRef<const char *> arguments(argv, static_cast<size_t>(argc));
  std::string error = parseRunOptions(arguments.drop_front(argc > 0), options);
  if (!error.empty())
    return fail(error);
  if (options.help) {
    llvm::outs() << kRunHelp;
    error = finishOutput();
    return error.empty() ? 0 : fail(error);
  }
  std::optional<RunReport> report;
  error = runKernel(options, report);
  // A failure has one line of its own; only --json reports its status too.
  if (report && (error.empty() || options.json))
    printReport(*report, options.json, llvm::outs());
  std::string printError = finishOutput();
  if (error.empty())
    error = printError;
  return error.empty() ? 0 : fail(error);
}
