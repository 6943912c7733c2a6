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
  }
  return "";
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

FunctionInfo makeFunction(const Problem &p, std::string symbol,
                          const Variables &inputs, const Variables &outputs,
                          bool gradients, bool reportsRadius) {
  DType single = p.dtype == DType::F64 ? DType::F64 : DType::F32;
  FunctionInfo function;
  function.symbol = std::move(symbol);
  auto add = [&](std::string name, ArgRole role, std::vector<int64_t> shape) {
    DType dtype = shape.empty() ? single : p.dtype;
    function.args.push_back({std::move(name), role, std::move(shape), dtype});
  };
  for (const Variable &input : inputs)
    add(input.name, ArgRole::In, input.shape);
  for (const Variable &output : outputs)
    add(output.name, ArgRole::Out, output.shape);
  for (const char *name :
       {"X1", "X2", "Y", "X", "A1", "A2", "A3", "Q", "K", "V", "W", "bias"})
    if (gradients && p.wants(name))
      add(std::string("d") + name, ArgRole::Out,
          gradientShape(p, name, inputs));
  if (reportsRadius)
    add("radius_found", ArgRole::Report, {});
  return function;
}

} // namespace

std::vector<FunctionInfo> kernelFunctions(const Problem &p, StringRef name,
                                          bool reportsRadius) {
  std::string prefix = name.str() + "_";
  if (p.entry == Entry::LossGradient)
    return {makeFunction(p, prefix + "loss_gradient", lossInputs(p),
                         {{"loss", {}}}, true, reportsRadius)};
  Variables outputs{{"O", {p.batch, p.heads, p.n, p.d}}};
  std::vector<FunctionInfo> functions{
      makeFunction(p, prefix + "forward", attentionInputs(p, false), outputs,
                   false, reportsRadius)};
  if (p.needsGradient())
    functions.push_back(makeFunction(p, prefix + "gradient",
                                     attentionInputs(p, true), outputs, true,
                                     reportsRadius));
  return functions;
}

} // namespace ropegrad
