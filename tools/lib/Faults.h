//===- Faults.h - When the system refuses ----------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// No memory, no threads, no room in a file: what libraries would abort for.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_FAULTS_H
#define ROPEGRAD_TOOLS_LIB_FAULTS_H

namespace ropegrad {

/// From now on a failed allocation, a thread that cannot be started and a fatal
/// error of LLVM end the program with one line, "TOOL: error: ...", exit status
/// 1 and no temporary file left. A file that may not grow is an error of the
/// write instead of a signal. Call it once, at the start of main.
void reportFaultsAs(const char *tool);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_FAULTS_H
