//===- Certify.cpp - ropegrad-certify --------------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Adds the function that bounds the errors of what a kernel computed: the same
// problem in double, the distance of the kernel's outputs from that, and what
// is left to the truth.
//
//===----------------------------------------------------------------------===//

#include "passes/Certificate.h"
#include "passes/CostModel.h"
#include "passes/Monomials.h"

#include "mlir/IR/IRMapping.h"

namespace mlir::ropegrad {

#define GEN_PASS_DEF_CERTIFY
#include "passes/Passes.h.inc"

namespace {

constexpr StringLiteral kName = "ropegrad.name";
constexpr StringLiteral kCertify = "certify";
/// A logit measured to be within the interval is, whatever rounding did.
constexpr double kGuardMargin = 1 + 0x1p-20;

StringRef nameOf(DictionaryAttr attributes) {
  auto name = attributes ? attributes.getAs<StringAttr>(kName) : StringAttr();
  return name ? name.getValue() : StringRef();
}

/// The ops of a function that computes a value and, perhaps, its gradients, and
/// returns just these.
struct Kernel {
  func::FuncOp function;
  Operation *value = nullptr;    ///< attention or loss
  Operation *gradient = nullptr; ///< attention_vjp or loss_vjp
  SmallVector<StringRef> inputs, outputs;

  static std::optional<Kernel> match(func::FuncOp function) {
    if (!function || !function.isPublic() || function.isExternal() ||
        !function.getBody().hasOneBlock())
      return std::nullopt;
    Kernel kernel;
    kernel.function = function;
    SmallVector<Value> results;
    for (Operation &op : function.front().without_terminator()) {
      bool isValue = isa<AttentionOp, LossOp>(op);
      if (!isValue && !isa<AttentionVjpOp, LossVjpOp>(op))
        return std::nullopt;
      (isValue ? kernel.value : kernel.gradient) = &op;
      llvm::append_range(results, op.getResults());
    }
    if (!kernel.value || !kernel.value->hasAttr("plan") ||
        !llvm::equal(function.front().getTerminator()->getOperands(), results))
      return std::nullopt;
    return kernel.readNames() ? std::optional(kernel) : std::nullopt;
  }

private:
  /// Whether every argument and result has a name.
  bool readNames() {
    for (unsigned i = 0; i < function.getNumArguments(); ++i)
      inputs.push_back(nameOf(function.getArgAttrDict(i)));
    for (unsigned i = 0; i < function.getNumResults(); ++i)
      outputs.push_back(nameOf(function.getResultAttrDict(i)));
    auto unnamed = [](StringRef name) { return name.empty(); };
    return llvm::none_of(inputs, unnamed) && llvm::none_of(outputs, unnamed);
  }
};

/// How a problem is certified. Where pairs of rows are no more work than
/// monomials, or nothing else is known, with exp itself.
CertifiedProblem choose(ProblemOpInterface op, PlanAttr plan) {
  CertifiedProblem certified;
  certified.problem = op.getProblem();
  const ::ropegrad::Problem &p = certified.problem;
  bool isExact = plan.getRoute() == Route::Exact || !plan.getDegree() ||
                 p.position == ::ropegrad::Position::General || p.learnedBias ||
                 plan.centresQueries();
  if (isExact)
    return certified;
  int64_t degree = plan.getDegree().getInt();
  // A kernel may keep a part of monomials that are far too many.
  if (degree < 0 || degree > ::ropegrad::kMaxDegree ||
      ::ropegrad::Monomials(p.d, degree).size() > ::ropegrad::kMostKept ||
      ::ropegrad::CostModel::exactFlops(p) <=
          ::ropegrad::CostModel::featuresFlops(p, degree))
    return certified;
  if (p.isExp()) {
    if (!plan.getRadius())
      return certified;
    double radius =
        ::ropegrad::widenedRadius(plan.getRadius().getValueAsDouble());
    certified.polynomial = ::ropegrad::certificatePolynomial(
        radius * kGuardMargin, degree, p.needsGradient(), p.d);
    if (!certified.polynomial)
      return certified;
  }
  certified.monomials = ::ropegrad::Monomials(p.d, degree).size();
  return certified;
}

class Certifier {
public:
  Certifier(Kernel kernel, CertifiedProblem certified, PlanAttr plan)
      : kernel(std::move(kernel)), certified(std::move(certified)),
        problem(this->certified.problem), b(plan.getContext()),
        loc(this->kernel.value->getLoc()), a(b, loc), f(a) {
    auto route = this->certified.monomials ? plan.getRoute() : Route::Exact;
    auto degree = this->certified.monomials ? plan.getDegree() : IntegerAttr();
    kept = plan.getKept();
    centre = this->certified.polynomial ? plan.getCentre() : CentreAttr();
    this->plan = PlanAttr::get(b.getContext(), route, plan.getFit(), degree, {},
                               {}, {}, {}, {}, {}, {}, {}, {}, {}, centre);
  }

  void run() {
    begin();
    computeOperands();
    computeOutputs();
    computeValues();
    rounding = roundingErrors(a, certified, values);
    if (certified.polynomial)
      errors = rowErrors(a, certified, values, rounding, plan,
                         kernel.gradient != nullptr,
                         llvm::is_contained(kernel.outputs, "dX"));
    SmallVector<Value> bounds;
    for (StringRef name : kernel.outputs) {
      Value bound = finishBound(f, boundOf(name), rounding.isValid);
      bounds.push_back(tensor::ExtractOp::create(b, loc, bound, ValueRange()));
    }
    Value all = tensor::FromElementsOp::create(
        b, loc, RankedTensorType::get({count()}, b.getF64Type()), bounds);
    func::ReturnOp::create(b, loc, all);
  }

private:
  int64_t count() const { return static_cast<int64_t>(kernel.outputs.size()); }

  /// An empty function of the kernel's arguments and results, in front of all
  /// others.
  void begin() {
    func::FuncOp from = kernel.function;
    SmallVector<Type> types(from.getArgumentTypes());
    llvm::append_range(types, from.getResultTypes());
    auto result = RankedTensorType::get({count()}, b.getF64Type());
    auto module = from->getParentOfType<ModuleOp>();
    b.setInsertionPointToStart(module.getBody());
    auto function = func::FuncOp::create(b, loc, kCertify,
                                         b.getFunctionType(types, result));
    b.setInsertionPointToStart(function.addEntryBlock());
    unsigned number = 0;
    for (ArrayRef<StringRef> names :
         {ArrayRef(kernel.inputs), ArrayRef(kernel.outputs)})
      for (StringRef name : names) {
        function.setArgAttr(number, kName, b.getStringAttr(name));
        arguments[name] = function.getArgument(number++);
      }
    function.setResultAttr(0, kName, b.getStringAttr("bounds"));
    for (StringRef name : kernel.inputs)
      wide[name] = f.widen(arguments[name]);
  }

  /// What an op of the kernel says of the problem, as one in double.
  SmallVector<NamedAttribute> attributesInDouble(Operation *op) {
    SmallVector<NamedAttribute> result;
    for (NamedAttribute each : op->getAttrDictionary()) {
      StringRef name = each.getName();
      if (name != "bound" && name != "bounds" && name != "radius" &&
          name != "tolerance" && name != "route" && name != "degree" &&
          name != "fit" && name != "sigma" && name != "centre" &&
          name != "plan" && name != "similarity")
        result.push_back(each);
    }
    result.push_back(b.getNamedAttr("plan", plan));
    if (!certified.similarity().empty())
      result.push_back(b.getNamedAttr(
          "similarity", b.getDenseF64ArrayAttr(certified.similarity())));
    return result;
  }

  static RankedTensorType inDouble(Type type) {
    Type element = Float64Type::get(type.getContext());
    return cast<RankedTensorType>(cast<RankedTensorType>(type).clone(element));
  }

  /// Y of the contract: every output, in double.
  void computeOutputs() {
    size_t next = 0;
    for (Operation *op : {kernel.value, kernel.gradient}) {
      if (!op)
        continue;
      OperationState state(loc, op->getName());
      for (Value operand : op->getOperands())
        state.addOperands(
            wide[kernel.inputs[cast<BlockArgument>(operand).getArgNumber()]]);
      for (Type type : op->getResultTypes())
        state.addTypes(inDouble(type));
      state.addAttributes(attributesInDouble(op));
      for (Value result : b.create(state)->getResults())
        computed[kernel.outputs[next++]] = result;
    }
  }

  Value product(StringRef left, StringRef right) {
    return a.asTall(a.matmul(wide[left], wide[right]));
  }

  /// Q, K and V, and the guard: before anything that depends on the interval.
  void computeOperands() {
    if (certified.isLoss()) {
      values.q = product("A1", "X1");
      values.k = product("A2", "X2");
      values.v = product("A3", "Y");
      values.products[0] = {{wide["A1"], wide["X1"]}};
      values.products[1] = {{wide["A2"], wide["X2"]}};
      values.products[2] = {{wide["A3"], wide["Y"]}};
    } else {
      values.q = wide["Q"];
      values.k = wide["K"];
      values.v = wide["V"];
    }
    values.w = arguments.lookup("W");
    values.bias = arguments.lookup("bias");
    if (certified.polynomial)
      guard();
  }

  void computeValues() {
    values.output = attention({});
    if (kernel.gradient)
      values.upstream = certified.isLoss()
                            ? a.subtract(values.output, a.asTall(wide["E"]))
                            : wide["dO"];
    if (certified.polynomial && kernel.gradient)
      values.gradientOfQ = attention(values.upstream);
    values.q = rotate(values.q);
    values.k = rotate(values.k);
    if (centre) {
      values.uncentred = values.k;
      values.k = centreRows(values.k);
    }
    if (!certified.similarity().empty())
      values.denominators = denominators();
  }

  /// The interval on which the majorants were proved.
  void guard() {
    double limit = certified.polynomial->approximation.radius / kGuardMargin;
    auto scalar = RankedTensorType::get({}, b.getF64Type());
    Value k = centre ? centreRows(rotate(values.k)) : values.k;
    values.radius =
        GuardOp::create(
            b, loc, TypeRange{scalar, values.q.getType(), k.getType()},
            ValueRange{}, ValueRange{a.empty({}, b.getF64Type()), values.q, k},
            b.getF64FloatAttr(limit), b.getF64FloatAttr(problem.scale),
            DenseI64ArrayAttr(), widerLimits())
            .getResults()[0];
  }

  /// A certificate has all monomials and no need of the limits, but measures
  /// the radius as the kernel does, in another precision.
  KeptAttr widerLimits() {
    if (!kept)
      return kept;
    SmallVector<double> limits;
    for (double limit : kept.getLimits().asArrayRef())
      limits.push_back(::ropegrad::widenedRadius(limit));
    return KeptAttr::get(b.getContext(), kept.getOrder(), kept.getCosts(),
                         kept.getBudgets(), kept.getEnds(),
                         b.getDenseF64ArrayAttr(limits));
  }

  /// O of Q, K, V, or dQ for an upstream gradient.
  Value attention(Value upstream) {
    StringRef name = upstream ? AttentionVjpOp::getOperationName()
                              : AttentionOp::getOperationName();
    OperationState state(loc, name);
    state.addOperands({values.q, values.k, values.v});
    SmallVector<int32_t> segments(3, 1);
    if (upstream) {
      state.addOperands(upstream);
      segments.push_back(1);
      state.addAttribute("wrt", b.getStrArrayAttr({"Q"}));
    }
    for (StringRef side : {"W", "bias"}) {
      segments.push_back(wide.count(side));
      if (segments.back())
        state.addOperands(wide[side]);
    }
    for (NamedAttribute each : attributesInDouble(kernel.value))
      if (each.getName() != "operandSegmentSizes" &&
          (each.getName() != "support" || wide.count("W")))
        state.attributes.push_back(each);
    state.addAttribute("operandSegmentSizes", b.getDenseI32ArrayAttr(segments));
    state.addTypes(values.q.getType());
    return b.create(state)->getResult(0);
  }

  Value rotate(Value x) {
    auto rotary = kernel.value->getAttrOfType<RotaryAttr>("position");
    if (!rotary)
      return x;
    return a.structured<RotateOp>(cast<RankedTensorType>(x.getType()), x,
                                  rotary, /*inverse=*/false);
  }

  Value centreRows(Value x) {
    return a.structured<CentreRowsOp>(cast<RankedTensorType>(x.getType()), x);
  }

  /// D: the same op as the outputs are made with.
  Value denominators() {
    auto type = cast<RankedTensorType>(values.q.getType());
    auto matrixType = MatrixType::get(b.getContext(),
                                      {type.getDimSize(0), type.getDimSize(1),
                                       type.getDimSize(2), type.getDimSize(2)},
                                      b.getF64Type());
    bool general = problem.position == ::ropegrad::Position::General;
    SmallVector<int64_t> support;
    for (auto [row, column] : problem.support)
      support.append({row, column});
    Value z = LogitsOp::create(
        b, loc, matrixType, values.q, values.k, general ? wide["W"] : Value(),
        b.getF64FloatAttr(problem.scale),
        general ? b.getDenseI64ArrayAttr(support) : DenseI64ArrayAttr());
    Value p = PolynomialOp::create(
        b, loc, matrixType, z, b.getDenseF64ArrayAttr(certified.similarity()),
        b.getI64IntegerAttr(0), FloatAttr(), FloatAttr(), FloatAttr(), plan);
    if (problem.mask != ::ropegrad::Mask::None || !problem.alibi.empty())
      p = HadamardOp::create(b, loc, matrixType, prefactor(matrixType), p);
    return RowSumsOp::create(
        b, loc,
        RankedTensorType::get(type.getShape().drop_back(), b.getF64Type()), p);
  }

  Value prefactor(MatrixType type) {
    auto mask = kernel.value->getAttrOfType<MaskAttr>("mask");
    return ToeplitzOp::create(
        b, loc, type, Value(), mask,
        kernel.value->getAttrOfType<IntegerAttr>("window"),
        kernel.value->getAttrOfType<DenseF64ArrayAttr>("alibi"), ArrayAttr(),
        RouteAttr());
  }

  //===--- the bound of each output ---===//

  Value distance(StringRef name, Value allowance = {}) {
    return f.largest(arguments[name], computed[name], allowance);
  }

  Value sum(Value x, Value y) {
    return f.single({x, y}, [](ArrayRef<Number> n) { return n[0] + n[1]; });
  }

  Value boundOf(StringRef name) {
    if (name == "loss")
      return boundOfLoss();
    if (name == "O")
      return direct(name, errors.output, rounding.output);
    if (name == "dQ")
      return direct(name, errors.gradientOfQ, rounding.gradientOfQ);
    if (name == "dK")
      return direct(name, errors.gradientOfK, rounding.gradientOfK);
    if (name == "dV")
      return direct(name, errors.gradientOfV, rounding.gradientOfV);
    if (name == "dW")
      return sum(distance(name), rounding.gradientOfW);
    if (name == "dbias")
      return sum(distance(name), rounding.gradientOfBias);
    if (name == "dX")
      return boundOfX();
    return boundOfProduct(name);
  }

  /// Errors of rows, or one for all.
  Value direct(StringRef name, Value rows, Value rest) {
    if (rows)
      return distance(name, rows); // which includes rounding
    return sum(distance(name), rest);
  }

  /// Σ_i (‖ℓ_i‖ o_i + o_i²/2), and the sum's own rounding.
  Value boundOfLoss() {
    double terms = static_cast<double>(problem.n * problem.d + 64) * 0x1p-52;
    Value off = distance("loss");
    if (errors.output) {
      Value norms = f.norms(values.upstream);
      Value rest = f.total({norms, errors.output, rounding.output},
                           [](ArrayRef<Number> x) {
                             Number width = x[0] + x[2] * 2.0;
                             return width * x[1] + x[1] * x[1] * 0.5;
                           });
      return f.single({off, rest, computed["loss"]}, [&](ArrayRef<Number> x) {
        return x[0] + x[1] + x[2] * terms;
      });
    }
    auto n = static_cast<double>(problem.n);
    return f.single({off, rounding.upstream, rounding.output, computed["loss"]},
                    [&](ArrayRef<Number> x) {
                      Number row = x[1] * x[2] + x[2] * x[2] * 0.5;
                      return x[0] + row * n + x[3] * terms;
                    });
  }

  struct Factors {
    StringRef left, right;
    Value rows, rest;
  };

  Factors factorsOf(StringRef name) {
    if (name == "dX1" || name == "dA1")
      return {"A1", "X1", errors.gradientOfQ, rounding.gradientOfQ};
    if (name == "dX2" || name == "dA2")
      return {"A2", "X2", errors.gradientOfK, rounding.gradientOfK};
    return {"A3", "Y", errors.gradientOfV, rounding.gradientOfV};
  }

  /// dX1 = A1ᵀ dQ, dA1 = dQ X1ᵀ and their likes.
  Value boundOfProduct(StringRef name) {
    Factors by = factorsOf(name);
    auto n = static_cast<double>(problem.n);
    bool isWeight = !name.starts_with("dA");
    if (isWeight && by.rows)
      return sum(distance(name), f.largest(sumOverRows(by.left, by.rows)));
    Value size = isWeight ? f.largest(f.norms(a.asTall(wide[by.left])))
                          : f.frobenius(wide[by.right]);
    if (!isWeight && by.rows) {
      Value rows = f.rows({by.rows, size},
                          [](ArrayRef<Number> x) { return x[0] * x[1]; });
      return distance(name, rows);
    }
    double terms = isWeight ? 2 * n : 2;
    return f.single({distance(name), size, by.rest}, [&](ArrayRef<Number> x) {
      return x[0] + x[1] * x[2] * terms;
    });
  }

  /// |A|ᵀ rows: (c, 1).
  Value sumOverRows(StringRef left, Value rows) {
    return a.matmulTransposedA(f.magnitudes(wide[left]), f.asColumn(rows));
  }

  Value boundOfX() {
    Value off = sum(distance("dX"), rounding.gradientOfX);
    if (!errors.slopes)
      return off;
    double scale = std::abs(problem.scale);
    Value right = f.largest(f.norms(a.asTall(wide["A2"])));
    Value left = f.largest(sumOverRows("A1", errors.slopes));
    return f.single({off, left, right}, [&](ArrayRef<Number> x) {
      return x[0] + x[1] * x[2] * scale;
    });
  }

  Kernel kernel;
  CertifiedProblem certified;
  const ::ropegrad::Problem &problem;
  OpBuilder b;
  Location loc;
  Algebra a;
  RowFormulas f;
  PlanAttr plan;
  KeptAttr kept;     ///< of the kernel
  CentreAttr centre; ///< of the kernel, where exp is a polynomial
  llvm::StringMap<Value> arguments, wide, computed;
  CertifiedValues values;
  RoundingErrors rounding;
  RowErrors errors;
};

struct CertifyPass : impl::CertifyBase<CertifyPass> {
  using CertifyBase::CertifyBase;

  void runOnOperation() final {
    ModuleOp module = getOperation();
    if (module.lookupSymbol(kCertify))
      return;
    for (StringRef name : {"gradient", "loss_gradient", "forward"}) {
      auto kernel = Kernel::match(module.lookupSymbol<func::FuncOp>(name));
      if (!kernel)
        continue;
      auto plan = kernel->value->getAttrOfType<PlanAttr>("plan");
      Operation *most = kernel->gradient ? kernel->gradient : kernel->value;
      Certifier(*kernel, choose(cast<ProblemOpInterface>(most), plan), plan)
          .run();
      if (alone)
        eraseOthers();
      return;
    }
  }

  void eraseOthers() {
    for (auto function :
         llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>()))
      if (function.getName() != kCertify)
        function.erase();
  }
};

} // namespace
} // namespace mlir::ropegrad
