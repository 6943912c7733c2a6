//===- Manifest.h - What a compiled kernel says about itself ---*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The description of a finished kernel: its problem, how it solves it, what it
// needs, and the functions it exports; and that description as JSON (K.json and
// the symbol NAME_manifest).
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_MANIFEST_H
#define ROPEGRAD_TOOLS_LIB_MANIFEST_H

#include "dialect/Problem.h"

#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ropegrad {

/// A residual is what forward_train leaves to backward, and prepared what
/// NAME_prepare makes of W and bias: bytes, no numbers.
enum class ArgRole { In, Out, Report, Residual, Prepared };
const char *toString(ArgRole);
inline bool isBytes(ArgRole role) {
  return role == ArgRole::Residual || role == ArgRole::Prepared;
}

inline int64_t elementBytes(DType dtype) {
  return dtype == DType::F64 ? 8 : dtype == DType::F32 ? 4 : 2;
}

/// One array of a function, row-major, at its largest; shape {} is one number.
/// Arrays of rank 4 may have strides. The shape of what is bytes is their
/// number.
struct ArgInfo {
  std::string name;
  ArgRole role = ArgRole::In;
  std::vector<int64_t> shape;
  DType dtype = DType::F32;
};

struct FunctionInfo {
  std::string symbol;
  int64_t workspaceBytes = 0;          ///< whatever the threads
  int64_t workspaceBytesPerThread = 0; ///< and so many for each
  std::vector<ArgInfo> args;           ///< in the order of the parameters

  std::string packedSymbol() const { return symbol + "_packed"; }
  std::string sizedSymbol() const { return symbol + "_sized"; }
};

/// Whether it is the half of a gradient that reads the residual.
bool isBackward(const FunctionInfo &function);
/// Whether it is NAME_certify.
bool isCertify(const FunctionInfo &function);

/// One way in which a kernel computes a call.
struct BodyInfo {
  Route route = Route::Exact;
  std::optional<unsigned> degree;
  std::optional<double> radiusLimit; ///< none: logits of any size
};

struct KernelInfo {
  std::string name; ///< prefix of all symbols, a C identifier
  Problem problem;
  std::string planJson; ///< the object that --plan prints; empty: none
  Route route = Route::Exact;
  std::string exactBy = "mlir"; ///< maker of exact attention
  std::optional<unsigned> degree;
  std::optional<double> radiusLimit;
  Centre centre = Centre::None; ///< of which logits the radius is
  /// In the order in which a call tries them, the exact route last; empty where
  /// there is but what `route`, `degree` and `radiusLimit` say.
  std::vector<BodyInfo> bodies;
  /// Whether each key head of each batch entry, with its query heads, has a
  /// body of its own; otherwise one computes a whole call.
  bool byHead = false;
  /// Whether certificates are made one key head after the other.
  bool certifiesByHead = false;
  std::string target = "cpu", triple, cpu;
  std::vector<std::string> cpuFeatures; ///< LLVM's names of what the code needs
  int64_t threads = 1;
  std::vector<FunctionInfo> functions;
  /// NAME_prepare, on the route fft, whose last argument is the buffer.
  std::optional<FunctionInfo> prepare;
  /// NAME_F_prepared: functions[i], all but NAME_certify, with that buffer.
  std::vector<FunctionInfo> preparedFunctions;

  /// Bytes of what NAME_prepare makes; none where it is missing.
  std::optional<int64_t> preparedBytes() const {
    return prepare ? std::optional(prepare->args.back().shape.at(0))
                   : std::nullopt;
  }

  /// Bytes between forward_train and backward; none where those are missing.
  std::optional<int64_t> residualBytes() const {
    for (const FunctionInfo &function : functions)
      for (const ArgInfo &arg : function.args)
        if (arg.role == ArgRole::Residual)
          return arg.shape.at(0);
    return std::nullopt;
  }
};

/// The functions that a kernel for `problem` exports, with workspaceBytes 0.
/// With `fallsBack` radius_found is followed by the report degree_used: that of
/// the polynomial, or -1 where the exact route computed a call. With `byHead`
/// both have one number for each key head: (batch, kv_heads). With
/// `certifies` the last one is NAME_certify: inputs and outputs of
/// NAME_loss_gradient, or of NAME_gradient or else NAME_forward, as inputs, and
/// a report `bounds` of f64 with one number for each of these outputs. Entry
/// loss-gradient: NAME_loss_gradient. Entry attention: NAME_forward and, if a
/// gradient is asked for, NAME_gradient, which writes O too, and its two halves
/// NAME_forward_train and NAME_backward. Gradients come in one fixed order,
/// whatever the order of Problem::wrt. With `reportsRadius` every function ends
/// in the report radius_found. Numbers that stand alone (loss, radius_found)
/// are f32 in 16-bit kernels.
std::vector<FunctionInfo>
kernelFunctions(const Problem &problem, llvm::StringRef name,
                bool reportsRadius, bool certifies = false,
                bool fallsBack = false, bool byHead = false);

/// The manifest, pretty-printed. Same kernel, same bytes.
std::string manifestJson(const KernelInfo &info);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_MANIFEST_H
