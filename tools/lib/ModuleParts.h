//===- ModuleParts.h - A module in parts that compile apart ----*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Which functions of a kernel are compiled together.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_MODULEPARTS_H
#define ROPEGRAD_TOOLS_LIB_MODULEPARTS_H

#include "llvm/ADT/StringMap.h"
#include "llvm/IR/Module.h"

#include <memory>
#include <string>

namespace ropegrad {

/// A module as bitcode, and which of its parts defines what. The division
/// follows from the module alone, whatever machine makes it.
class ModuleParts {
public:
  /// Divides `module`, which is of no use afterwards. What one part needs of
  /// another becomes visible between objects (hidden), no further. Functions
  /// to be optimised for size, and all that only they call, have parts of their
  /// own.
  static ModuleParts divide(llvm::Module &module);

  unsigned size() const { return fast + small; }

  /// Whether part `index` is to be optimised for size.
  bool isSmall(unsigned index) const { return index >= fast; }

  /// Part `index` alone: its functions, declarations of what it calls, and, to
  /// be folded, the values of constants that are elsewhere. Threads may do so
  /// at once, each with a context of its own. Returns one message, empty if all
  /// is well.
  std::string read(unsigned index, llvm::LLVMContext &context,
                   std::unique_ptr<llvm::Module> &part) const;

private:
  std::string bitcode;
  llvm::StringMap<unsigned> homes; ///< part that defines a function or variable
  unsigned fast = 0, small = 0;
};

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_MODULEPARTS_H
