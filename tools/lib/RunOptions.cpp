//===- RunOptions.cpp - Command line of ropegrad-run ----------------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Parsed by hand: the flags of LLVM's own command-line library would show up
// beside ours.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/RunOptions.h"

#include "tools/lib/RunManifest.h"

#include "llvm/ADT/StringRef.h"

using namespace llvm;
using namespace ropegrad;

const char *const ropegrad::kRunHelp =
    R"(usage: ropegrad-run K.so --in DIR --out DIR [--repeat R] [--json] [--threads T] [--no-certify]

Calls a kernel made by ropegrad-compile on the arrays in a folder.

  K.so         kernel; its manifest says which arrays it reads and writes
  --in DIR     folder with A1.npy ... or Q.npy ... as the kernel wants them; a
               problem.json there must agree with the kernel
  --out DIR    folder for loss.npy dX1.npy ... or O.npy dQ.npy ...; made if it
               does not exist
  --repeat R   timed calls after one untimed (default 1)
  --json       print the report as one JSON object
  --threads T  threads to use, 1 to 1024; the results do not depend on it
               (default: as many as the kernel was planned for, but no more than
               the machine has)
  --no-certify do not bound the errors of the outputs, which takes a few times
               as long as a call
  --help       print this

The report has status, route, degree, logit radius (found and limit), threads,
size of the workspace, milliseconds of a call (best and median), and of each
output a bound of its largest absolute error, rounding included, proved for these
inputs; for people also the tolerance and what the plan said of every route.
There is no bound where inputs had to be rounded to the kernel's type. If the
kernel refuses the inputs, status names the reason, no array is written, and the
exit status is 1.
)";

static std::string parseCount(StringRef flag, StringRef text, int most,
                              int &value) {
  if (!text.getAsInteger(10, value) && value >= 1 && value <= most)
    return "";
  return "expected " + flag.str() + " to be an integer from 1 to " +
         std::to_string(most) + ", but got '" + text.str() + "'";
}

static std::string setOption(StringRef flag, StringRef value,
                             RunOptions &options) {
  if (flag == "--repeat")
    return parseCount(flag, value, 1000000, options.repeat);
  if (flag == "--threads") {
    int threads = 0;
    std::string error = parseCount(flag, value, kMostThreads, threads);
    options.threads = threads;
    return error;
  }
  if (value.empty())
    return "expected a folder after " + flag.str() + ", but got ''";
  (flag == "--in" ? options.in : options.out) = value.str();
  return "";
}

static std::string checkComplete(const RunOptions &options) {
  if (options.kernel.empty())
    return "expected a kernel (K.so), but got none";
  if (options.in.empty())
    return "expected --in DIR, but got none";
  if (options.out.empty())
    return "expected --out DIR, but got none";
  return "";
}

std::string ropegrad::parseRunOptions(ArrayRef<const char *> arguments,
                                      RunOptions &options) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    StringRef argument = arguments[i];
    if (argument == "--help" || argument == "-h") {
      options = RunOptions();
      options.help = true;
      return "";
    }
    if (argument == "--json") {
      options.json = true;
      continue;
    }
    if (argument == "--no-certify") {
      options.certify = false;
      continue;
    }
    if (!argument.starts_with("-")) {
      if (!options.kernel.empty())
        return "expected one kernel, but got '" + options.kernel + "' and '" +
               argument.str() + "'";
      if (argument.empty())
        return "expected a kernel (K.so), but got ''";
      options.kernel = argument.str();
      continue;
    }
    auto [flag, value] = argument.split('=');
    if (flag != "--in" && flag != "--out" && flag != "--repeat" &&
        flag != "--threads")
      return "expected --in, --out, --repeat, --threads, --json, "
             "--no-certify or --help, but got '" +
             argument.str() + "'";
    if (!argument.contains('=')) {
      if (++i == arguments.size())
        return "expected a value after " + flag.str() + ", but got none";
      value = arguments[i];
    }
    std::string error = setOption(flag, value, options);
    if (!error.empty())
      return error;
  }
  return checkComplete(options);
}
