//===- ProblemModule.cpp - A problem as level-1 MLIR -----------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Level-1 modules from problems and back.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/ProblemModule.h"

#include "tools/lib/Manifest.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace mlir::ropegrad;

namespace ropegrad {
namespace {

FloatType elementType(Builder &b, DType dtype) {
  switch (dtype) {
  case DType::F64:
    return b.getF64Type();
  case DType::BF16:
    return b.getBF16Type();
  case DType::F16:
    return b.getF16Type();
  case DType::F32:
    break;
  }
  return b.getF32Type();
}

/// The attributes that every problem op of `p` carries.
class ProblemAttributes {
public:
  ProblemAttributes(Builder &b, const Problem &p) : b(b), p(p) {
    add("position", position());
    if (p.position != Position::General &&
        p.support != defaultSupport(p.position, p.layout, p.d) &&
        !p.support.empty())
      add("support", b.getDenseI64ArrayAttr(flatSupport()));
    if (p.mask != ::ropegrad::Mask::None)
      add("mask", MaskAttr::get(b.getContext(),
                                static_cast<mlir::ropegrad::Mask>(p.mask)));
    if (p.mask == ::ropegrad::Mask::Window)
      add("window", b.getI64IntegerAttr(p.window));
    if (llvm::any_of(p.alibi, [](double slope) { return slope != 0.0; }))
      add("alibi", b.getDenseF64ArrayAttr(p.alibi));
    if (!p.isExp())
      add("similarity", b.getDenseF64ArrayAttr(p.similarity));
    add("scale", b.getF64FloatAttr(p.scale));
    addOptional("bound", p.bound);
    if (!p.bounds.empty())
      add("bounds", b.getDenseF64ArrayAttr(p.bounds));
    addOptional("radius", p.radius);
    addOptional("tolerance", p.tolerance);
    addRequests();
  }

  SmallVector<NamedAttribute> get(bool gradient) const {
    SmallVector<NamedAttribute> result(attributes);
    if (!gradient)
      return result;
    SmallVector<StringRef> names(p.wrt.begin(), p.wrt.end());
    result.push_back(b.getNamedAttr("wrt", b.getStrArrayAttr(names)));
    return result;
  }

private:
  Attribute position() {
    MLIRContext *context = b.getContext();
    if (p.position == Position::Rotary)
      return RotaryAttr::get(context,
                             static_cast<mlir::ropegrad::Layout>(p.layout),
                             b.getF64FloatAttr(p.base));
    if (p.position == Position::General)
      return GeneralAttr::get(context, flatSupport());
    return NoPositionAttr::get(context);
  }

  void addRequests() {
    if (p.route != ::ropegrad::Route::Auto)
      add("route", RouteAttr::get(b.getContext(),
                                  static_cast<mlir::ropegrad::Route>(p.route)));
    if (p.degree)
      add("degree", b.getI64IntegerAttr(*p.degree));
    if (p.fit != ::ropegrad::Fit::Minimax)
      add("fit", FitAttr::get(b.getContext(),
                              static_cast<mlir::ropegrad::Fit>(p.fit)));
    addOptional("sigma", p.sigma);
    if (p.centre != ::ropegrad::Centre::None)
      add("centre",
          CentreAttr::get(b.getContext(),
                          static_cast<mlir::ropegrad::Centre>(p.centre)));
  }

  SmallVector<int64_t> flatSupport() {
    SmallVector<int64_t> flat;
    for (auto [row, column] : p.support)
      flat.append({row, column});
    return flat;
  }

  void add(StringRef name, Attribute value) {
    attributes.push_back(b.getNamedAttr(name, value));
  }
  void addOptional(StringRef name, std::optional<double> value) {
    if (value)
      add(name, b.getF64FloatAttr(*value));
  }

  Builder &b;
  const Problem &p;
  SmallVector<NamedAttribute> attributes;
};

/// An op with optional operands W and bias after `fixed` single ones; the
/// attribute that sizes the segments is a property of the op.
template <typename OpTy>
Operation *createProblemOp(OpBuilder &b, Location loc, TypeRange results,
                           ValueRange operands, unsigned fixed,
                           const Problem &p,
                           ArrayRef<NamedAttribute> attributes) {
  OperationState state(loc, OpTy::getOperationName());
  state.addOperands(operands);
  state.addTypes(results);
  state.addAttributes(attributes);
  SmallVector<int32_t> segments(fixed, 1);
  segments.push_back(p.position == Position::General);
  segments.push_back(p.learnedBias);
  state.addAttribute(OpTy::getOperandSegmentSizeAttr(),
                     b.getDenseI32ArrayAttr(segments));
  return b.create(state);
}

/// wrt in the order of the outputs of kernelFunctions().
void sortGradients(Problem &p, const FunctionInfo &function) {
  p.wrt.clear();
  for (const ArgInfo &arg : function.args)
    if (arg.role == ArgRole::Out && arg.name != "O" && arg.name != "loss")
      p.wrt.push_back(arg.name.substr(1));
}

struct FunctionBuilder {
  OpBuilder &b;
  Problem p;
  const FunctionInfo &info;

  void build() {
    SmallVector<Type> inputs, outputs;
    SmallVector<StringRef> inputNames, outputNames;
    for (const ArgInfo &arg : info.args) {
      bool isInput = arg.role == ArgRole::In;
      (isInput ? inputs : outputs)
          .push_back(
              RankedTensorType::get(arg.shape, elementType(b, arg.dtype)));
      (isInput ? inputNames : outputNames).push_back(arg.name);
    }
    Location loc = b.getUnknownLoc();
    auto function = func::FuncOp::create(b, loc, info.symbol,
                                         b.getFunctionType(inputs, outputs));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(function.addEntryBlock());
    for (auto [index, name] : llvm::enumerate(inputNames))
      function.setArgAttr(index, "ropegrad.name", b.getStringAttr(name));
    for (auto [index, name] : llvm::enumerate(outputNames))
      function.setResultAttr(index, "ropegrad.name", b.getStringAttr(name));
    SmallVector<Value> results = body(function, outputs);
    func::ReturnOp::create(b, loc, results);
  }

  SmallVector<Value> body(func::FuncOp function, ArrayRef<Type> outputs) {
    bool isLoss = p.entry == Entry::LossGradient;
    bool gradient = outputs.size() > 1;
    ProblemAttributes attributes(b, p);
    ValueRange arguments = function.getArguments();
    Location loc = function.getLoc();
    // Forward attention has no use for dO, the fourth argument of a gradient.
    SmallVector<Value> forward(arguments);
    if (!isLoss && gradient)
      forward.erase(forward.begin() + 3);
    Operation *value =
        isLoss ? createProblemOp<LossOp>(b, loc, outputs.front(), forward, 7, p,
                                         attributes.get(false))
               : createProblemOp<AttentionOp>(b, loc, outputs.front(), forward,
                                              3, p, attributes.get(false));
    SmallVector<Value> results = {value->getResult(0)};
    if (!gradient)
      return results;
    Operation *vjp =
        isLoss
            ? createProblemOp<LossVjpOp>(b, loc, outputs.drop_front(),
                                         arguments, 7, p, attributes.get(true))
            : createProblemOp<AttentionVjpOp>(b, loc, outputs.drop_front(),
                                              arguments, 4, p,
                                              attributes.get(true));
    llvm::append_range(results, vjp->getResults());
    return results;
  }
};

std::string printed(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream, OpPrintingFlags().useLocalScope());
  return text;
}

} // namespace

OwningOpRef<ModuleOp> buildModule(MLIRContext &context,
                                  const Problem &problem) {
  context.loadDialect<RopeGradDialect, func::FuncDialect>();
  OpBuilder b(&context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(b.getUnknownLoc());
  b.setInsertionPointToEnd(module->getBody());
  std::vector<FunctionInfo> functions =
      kernelFunctions(problem, "", /*reportsRadius=*/false);
  for (FunctionInfo &function : functions) {
    // The halves of a gradient come from ropegrad-split-gradient.
    if (llvm::any_of(function.args, [](const ArgInfo &arg) {
          return arg.role == ArgRole::Residual;
        }))
      continue;
    function.symbol.erase(0, 1); // no prefix: drop its underscore
    FunctionBuilder builder{b, problem, function};
    sortGradients(builder.p, function);
    builder.build();
  }
  return module;
}

std::string readModule(ModuleOp module, Problem &problem) {
  ProblemOpInterface found;
  size_t most = 0;
  module.walk([&](ProblemOpInterface op) {
    if (!found || op.getProblem().wrt.size() > most) {
      found = op;
      most = op.getProblem().wrt.size();
    }
  });
  if (!found)
    return "expected a module that poses a problem (ropegrad.loss, "
           "ropegrad.attention), but got none";
  problem = found.getProblem();
  OwningOpRef<ModuleOp> again = buildModule(*module.getContext(), problem);
  if (printed(module) != printed(*again))
    return "expected a level-1 module of one problem as --emit mlir writes it, "
           "but got other functions or ops; ropegrad-opt "
           "--ropegrad-pipeline compiles any module";
  return "";
}

} // namespace ropegrad
