//===- KernelFunctions.cpp - Signatures of a problem's functions ----------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/Manifest.h"

using namespace llvm;

namespace ropegrad {

const char *toString(ArgRole role) {
  switch (role) {
  case ArgRole::In:
    return "in";
  case ArgRole::Out:
    return "out";
  case ArgRole::Report:
    return "report";
  case ArgRole::Residual:
    return "residual";
  case ArgRole::Prepared:
    return "prepared";
  }
  return "";
}

bool isBackward(const FunctionInfo &function) {
  StringRef symbol(function.symbol);
  symbol.consume_back("_prepared");
  return symbol.ends_with("_backward");
}

bool isCertify(const FunctionInfo &function) {
  return StringRef(function.symbol).ends_with("_certify");
}

namespace {

/// A variable of a problem and its shape.
struct Variable {
  const char *name;
  std::vector<int64_t> shape;
};

using Variables = std::vector<Variable>;

/// W and bias, where the problem has them.
void addPositionInputs(const Problem &p, Variables &inputs) {
  int64_t diagonals = 2 * p.n - 1;
  if (p.position == Position::General)
    inputs.push_back({"W", {diagonals, p.supportSize()}});
  if (p.learnedBias && p.biasPerHead)
    inputs.push_back({"bias", {p.heads, diagonals}});
  else if (p.learnedBias)
    inputs.push_back({"bias", {diagonals}});
}

Variables lossInputs(const Problem &p) {
  std::vector<int64_t> a{p.n, p.channels}, x{p.channels, p.d}, e{p.n, p.d};
  Variables inputs{{"A1", a}, {"A2", a}, {"A3", a}, {"X1", x},
                   {"X2", x}, {"Y", x},  {"E", e}};
  addPositionInputs(p, inputs);
  return inputs;
}

Variables attentionInputs(const Problem &p, bool gradient) {
  std::vector<int64_t> q{p.batch, p.heads, p.n, p.d};
  std::vector<int64_t> k{p.batch, p.kvHeads, p.n, p.d};
  Variables inputs{{"Q", q}, {"K", k}, {"V", k}};
  if (gradient)
    inputs.push_back({"dO", q});
  addPositionInputs(p, inputs);
  return inputs;
}

/// Shape of the variable that `name` in wrt stands for: an input's, or that of
/// the paper's X = X1 (x) X2 on the support.
std::vector<int64_t> gradientShape(const Problem &p, StringRef name,
                                   const Variables &inputs) {
  if (name == "X")
    return {p.channels * p.channels, p.supportSize()};
  for (const Variable &input : inputs)
    if (name == input.name)
      return input.shape;
  return {};
}

/// What functions report beside their outputs, of a call or of each key head.
struct Reports {
  bool radius, fallback, byHead;
};

/// Puts together the arguments of one function.
class FunctionBuilder {
public:
  FunctionBuilder(const Problem &p, std::string symbol) : p(p) {
    function.symbol = std::move(symbol);
  }

  FunctionBuilder &inputs(const Variables &variables) {
    for (const Variable &input : variables)
      add(input.name, ArgRole::In, input.shape);
    known = variables;
    return *this;
  }

  FunctionBuilder &output(const Variable &output) {
    add(output.name, ArgRole::Out, output.shape);
    return *this;
  }

  /// The gradients asked for, by inputs that are there already.
  FunctionBuilder &gradients() {
    for (const char *name :
         {"X1", "X2", "Y", "X", "A1", "A2", "A3", "Q", "K", "V", "W", "bias"})
      if (p.wants(name))
        add(std::string("d") + name, ArgRole::Out,
            gradientShape(p, name, known));
    return *this;
  }

  FunctionBuilder &reports(const Reports &reports) {
    std::vector<int64_t> shape;
    if (reports.byHead)
      shape = {p.batch, p.kvHeads};
    if (reports.radius)
      add("radius_found", ArgRole::Report, shape);
    if (reports.fallback)
      add("degree_used", ArgRole::Report, shape);
    return *this;
  }

  /// Its size is known once the function is compiled.
  FunctionBuilder &residual() {
    add("residual", ArgRole::Residual, {0});
    return *this;
  }

  FunctionInfo done() { return std::move(function); }

private:
  void add(std::string name, ArgRole role, std::vector<int64_t> shape) {
    DType single = p.dtype == DType::F64 ? DType::F64 : DType::F32;
    bool isNumber = shape.empty() || role == ArgRole::Report;
    DType dtype = isNumber ? single : p.dtype;
    function.args.push_back({std::move(name), role, std::move(shape), dtype});
  }

  const Problem &p;
  Variables known;
  FunctionInfo function;
};

/// All but NAME_certify.
std::vector<FunctionInfo> computingFunctions(const Problem &p, StringRef name,
                                             const Reports &reports) {
  auto begin = [&](const char *function) {
    return FunctionBuilder(p, name.str() + "_" + function);
  };
  if (p.entry == Entry::LossGradient)
    return {begin("loss_gradient")
                .inputs(lossInputs(p))
                .output({"loss", {}})
                .gradients()
                .reports(reports)
                .done()};
  Variables plain = attentionInputs(p, false), given = attentionInputs(p, true);
  Variable output{"O", {p.batch, p.heads, p.n, p.d}};
  std::vector<FunctionInfo> functions{
      begin("forward").inputs(plain).output(output).reports(reports).done()};
  if (!p.needsGradient())
    return functions;
  functions.push_back(begin("gradient")
                          .inputs(given)
                          .output(output)
                          .gradients()
                          .reports(reports)
                          .done());
  functions.push_back(begin("forward_train")
                          .inputs(plain)
                          .output(output)
                          .reports(reports)
                          .residual()
                          .done());
  functions.push_back(
      begin("backward").inputs(given).residual().gradients().done());
  return functions;
}

/// Bounds the errors of what `certified` computed.
FunctionInfo certifyFunction(const FunctionInfo &certified, StringRef name) {
  FunctionInfo function;
  function.symbol = name.str() + "_certify";
  int64_t outputs = 0;
  for (ArgInfo arg : certified.args) {
    if (arg.role == ArgRole::Report)
      continue;
    outputs += arg.role == ArgRole::Out;
    arg.role = ArgRole::In;
    function.args.push_back(std::move(arg));
  }
  function.args.push_back({"bounds", ArgRole::Report, {outputs}, DType::F64});
  return function;
}

} // namespace

std::vector<FunctionInfo> kernelFunctions(const Problem &p, StringRef name,
                                          bool reportsRadius, bool certifies,
                                          bool fallsBack, bool byHead) {
  std::vector<FunctionInfo> functions =
      computingFunctions(p, name, {reportsRadius, fallsBack, byHead});
  if (!certifies)
    return functions;
  // The gradient stands second, where there is one.
  bool second = p.entry == Entry::Attention && p.needsGradient();
  functions.push_back(certifyFunction(functions[second], name));
  return functions;
}

} // namespace ropegrad
