//===- CHeader.cpp - C declarations of a kernel ---------------------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/CHeader.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace ropegrad {
namespace {

const char *const kStatusCodes = R"(#ifndef ROPEGRAD_STATUS
#define ROPEGRAD_STATUS
/* What every kernel of RopeGrad returns. */
enum ropegrad_status {
  ROPEGRAD_OK = 0,
  /* The logits may exceed the radius that the kernel was compiled for:
   * *radius_found says what was found. */
  ROPEGRAD_RADIUS_EXCEEDED = 1,
  /* workspace_bytes is less than the function's _workspace_bytes(). */
  ROPEGRAD_WORKSPACE_TOO_SMALL = 2,
  /* An array or the workspace is a null pointer. */
  ROPEGRAD_NULL_POINTER = 3,
  /* An output is nan or infinite although every input is finite. */
  ROPEGRAD_NOT_FINITE = 4,
  /* A row of a polynomial similarity has a sum that is not positive. */
  ROPEGRAD_NON_POSITIVE_ROW_SUM = 5,
  /* The workspace is not aligned to 64 bytes. */
  ROPEGRAD_WORKSPACE_MISALIGNED = 6
};
#endif
)";

const char *const kContract = R"(/*
 * Contract of every function below:
 *
 * - Arrays are contiguous, row-major and aligned to their elements. Inputs are
 *   only read and may overlap each other; outputs, reports and the workspace
 *   overlap nothing.
 * - The outputs need no initial values and are overwritten. After any status
 *   but 0 they hold nothing of use, except *radius_found after status 1.
 * - workspace is scratch memory, aligned to 64 bytes, of at least as many bytes
 *   as the function's _workspace_bytes() says; nothing in it need be kept
 *   between calls.
 * - Where the status is not 0 the outputs are unspecified: they may have served
 *   as scratch.
 * - threads, at least 1, limits the threads that the call uses; the kernels of
 *   this version use the calling thread only.
 * - No global state: calls may run at the same time in several threads, if
 *   their outputs and workspaces are different.
 * - The _packed function is the same function with all arrays (inputs, outputs,
 *   reports, in the order of its parameters) as one array of pointers.
 */
)";

const char *cType(DType dtype) {
  switch (dtype) {
  case DType::F32:
    return "float";
  case DType::F64:
    return "double";
  case DType::BF16:
  case DType::F16:
    return "uint16_t";
  }
  return "";
}

std::string shapeText(const ArgInfo &arg) {
  if (arg.shape.empty())
    return "one number";
  std::string text;
  for (int64_t size : arg.shape)
    text += (text.empty() ? "" : ", ") + std::to_string(size);
  return "(" + text + ")";
}

std::string number(double value) {
  std::string text;
  raw_string_ostream(text) << format("%.9g", value);
  return text;
}

/// Meaning of an input, output or report; gradients ("dX1") are not listed.
StringRef meaning(StringRef name) {
  const std::pair<StringRef, StringRef> table[] = {
      {"A1", "Q = A1 X1"},
      {"A2", "K = A2 X2"},
      {"A3", "V = A3 Y"},
      {"X1", "Q = A1 X1"},
      {"X2", "K = A2 X2"},
      {"Y", "V = A3 Y"},
      {"E", "what O is compared with"},
      {"Q", "queries (batch, heads, n, d)"},
      {"K", "keys (batch, kv_heads, n, d)"},
      {"V", "values (batch, kv_heads, n, d)"},
      {"dO", "gradient of the loss by O"},
      {"W", "row t+n-1: the entries of W_t on the support, in its order"},
      {"bias", "entry t+n-1 is added to the logits with i-j = t"},
      {"loss", "1/2 |O - E|^2"},
      {"O", "attention output"},
      {"dX", "gradient by X1 (x) X2: row a*channels+b, one column per support "
             "entry"},
      {"radius_found", "upper bound of |Z| by row norms, largest over heads"}};
  for (auto [key, text] : table)
    if (name == key)
      return text;
  return "";
}

void writeLogits(raw_ostream &os, const Problem &p) {
  os << " *   Z_ij = " << number(p.scale);
  switch (p.position) {
  case Position::Rotary:
    os << " <R_i Q_i, R_j K_j>   R_i rotates pair k by the angle i*theta_k,\n"
       << " *          theta_k = " << number(p.base) << "^(-2k/" << p.d
       << "), pairs "
       << (p.layout == Layout::Interleaved ? "(2k, 2k+1)" : "(k, k+d/2)")
       << "\n";
    break;
  case Position::General:
    os << " Q_i W_{i-j} K_j^T   W_t is zero outside its support\n";
    break;
  case Position::None:
    os << " <Q_i, K_j>\n";
    break;
  }
}

/// b(t), t = i-j, in words: mask, ALiBi and learned bias.
std::string prefactor(const Problem &p) {
  std::string text;
  if (p.mask == Mask::Causal)
    text += " [j <= i]";
  if (p.mask == Mask::Window)
    text += " [0 <= i-j < " + std::to_string(p.window) + "]";
  if (p.alibi.size() > 1)
    text += " exp(-slope_h |i-j|)";
  else if (!p.alibi.empty())
    text += " exp(-" + number(p.alibi.front()) + " |i-j|)";
  if (p.learnedBias)
    text += " exp(bias_{i-j})";
  return text.empty() ? " 1" : text;
}

void writeSimilarity(raw_ostream &os, const Problem &p) {
  os << " *   P_ij = b(i-j) ";
  if (p.isExp()) {
    os << "exp(Z_ij)";
  } else {
    os << "(";
    for (auto [power, coefficient] : enumerate(p.similarity)) {
      if (power > 0 && power % 4 == 0)
        os << "\n *          ";
      os << (power > 0 ? " + " : "") << number(coefficient);
      if (power > 0)
        os << " Z^" << power;
    }
    os << ")";
  }
  os << "\n *   b(i-j) =" << prefactor(p) << "\n"
     << " *   O_i = sum_j P_ij V_j / sum_j P_ij\n";
  for (auto [head, slope] : enumerate(p.alibi))
    if (p.alibi.size() > 1)
      os << " *   slope_" << head << " = " << number(slope) << "\n";
}

void writeIntroduction(raw_ostream &os, const KernelInfo &info) {
  const Problem &p = info.problem;
  os << "/* Kernel " << info.name << ", generated by ropegrad-compile.\n"
     << " *\n * RoPE attention, n = " << p.n << ", d = " << p.d;
  if (p.entry == Entry::Attention)
    os << ", batch = " << p.batch << ", heads = " << p.heads
       << ", kv_heads = " << p.kvHeads;
  else
    os << ", channels = " << p.channels;
  os << ":\n *\n";
  writeLogits(os, p);
  writeSimilarity(os, p);
  os << " *\n * Route " << toString(info.route);
  if (info.degree)
    os << " of degree " << *info.degree;
  if (p.isExp() && info.radiusLimit) {
    os << ", for logits |Z| <= " << number(*info.radiusLimit);
    if (p.tolerance)
      os << ";\n * relative error of every exp(Z) and of its derivative at "
            "most "
         << number(*p.tolerance);
  }
  os << ".\n * Compiled for " << info.triple << ", " << info.cpu << ", "
     << info.threads << (info.threads == 1 ? " thread" : " threads") << ".\n";
  if (p.dtype == DType::BF16 || p.dtype == DType::F16)
    os << " * uint16_t holds the bits of one " << toString(p.dtype)
       << " number.\n";
  os << " */\n";
}

std::string parameter(const ArgInfo &arg) {
  std::string text = arg.role == ArgRole::In ? "const " : "";
  return text + cType(arg.dtype) + " *" + arg.name;
}

void writePrototype(raw_ostream &os, const FunctionInfo &function) {
  std::vector<std::string> parameters;
  parameters.reserve(function.args.size() + 3);
  for (const ArgInfo &arg : function.args)
    parameters.push_back(parameter(arg));
  parameters.insert(
      parameters.end(),
      {"void *workspace", "size_t workspace_bytes", "int threads"});
  std::string line = "int " + function.symbol + "(";
  for (auto [index, text] : enumerate(parameters)) {
    bool last = index + 1 == parameters.size();
    if (line.size() + text.size() + 2 > 80) {
      os << StringRef(line).rtrim() << "\n";
      line = "    ";
    }
    line += text + (last ? ");" : ", ");
  }
  os << line << "\n";
}

void writeArg(raw_ostream &os, const ArgInfo &arg) {
  std::string text = meaning(arg.name).str();
  if (text.empty())
    text = "gradient by " + arg.name.substr(1);
  std::string line;
  raw_string_ostream(line) << " * " << left_justify(toString(arg.role), 7)
                           << left_justify(arg.name, 13) << shapeText(arg);
  bool fits = line.size() + 2 + text.size() <= 80;
  os << line << (fits ? "  " : "\n *        ") << text << "\n";
}

void writeFunction(raw_ostream &os, const FunctionInfo &function) {
  StringRef what = StringRef(function.symbol).ends_with("_forward")
                       ? "The attention output O"
                   : StringRef(function.symbol).ends_with("_loss_gradient")
                       ? "The loss and its gradients"
                       : "O and the gradients of a loss whose gradient by O "
                         "is dO";
  os << "/* " << what << ".\n *\n";
  for (const ArgInfo &arg : function.args)
    writeArg(os, arg);
  os << " *\n * Returns one of enum ropegrad_status.\n */\n";
  writePrototype(os, function);
  os << "int " << function.packedSymbol()
     << "(void *const *arrays, void *workspace,\n"
     << "    size_t workspace_bytes, int threads);\n"
     << "/* Bytes of workspace that a call needs: " << function.workspaceBytes
     << ". */\n"
     << "size_t " << function.symbol << "_workspace_bytes(void);\n\n";
}

} // namespace

std::string cHeader(const KernelInfo &info) {
  std::string text;
  raw_string_ostream os(text);
  std::string guard = "ROPEGRAD_KERNEL_" + info.name + "_H";
  writeIntroduction(os, info);
  os << "#ifndef " << guard << "\n#define " << guard << "\n\n"
     << "#include <stddef.h>\n#include <stdint.h>\n\n"
     << "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
     << kStatusCodes << "\n"
     << kContract << "\n";
  for (const FunctionInfo &function : info.functions)
    writeFunction(os, function);
  os << "/* Everything about this kernel as JSON: problem, plan, functions, "
        "what it\n * needs of the machine. Ends in a zero byte. */\n"
     << "extern const char " << info.name << "_manifest[];\n\n"
     << "#ifdef __cplusplus\n}\n#endif\n\n#endif\n";
  return text;
}

} // namespace ropegrad
