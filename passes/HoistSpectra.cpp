//===- HoistSpectra.cpp - ropegrad-hoist-spectra ---------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Level 3: what kernels make of W and bias alone becomes a function of its own,
// whose results serve any number of calls.
//
//===----------------------------------------------------------------------===//

#include "passes/Tall.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace mlir::ropegrad {

#define GEN_PASS_DEF_HOISTSPECTRA
#include "passes/Passes.h.inc"

namespace {

constexpr StringLiteral kName = "ropegrad.name";
constexpr StringLiteral kPrepare = "prepare";
/// Computes everything again in a type of its own, once a run if at all.
constexpr StringLiteral kCertify = "certify";

StringRef nameOf(func::FuncOp function, unsigned argument) {
  auto name = function.getArgAttrOfType<StringAttr>(argument, kName);
  return name ? name.getValue() : StringRef();
}

/// A public function of named arrays, one of which says that it is attention.
bool isKernel(func::FuncOp function) {
  if (!function.isPublic() || function.isExternal() ||
      function.getName() == kPrepare || function.getName() == kCertify ||
      !function.getBody().hasOneBlock())
    return false;
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    if (nameOf(function, i) == "Q" || nameOf(function, i) == "A1")
      return true;
  return false;
}

/// Whether `value` follows from arguments named W and bias, and constants.
bool isOfPosition(func::FuncOp function, Value value) {
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    StringRef name = nameOf(function, argument.getArgNumber());
    return argument.getOwner() == &function.front() &&
           (name == "W" || name == "bias");
  }
  Operation *op = value.getDefiningOp();
  return op->getNumRegions() == 0 && isMemoryEffectFree(op) &&
         llvm::all_of(op->getOperands(), [&](Value operand) {
           return isOfPosition(function, operand);
         });
}

/// Spectra, and functions of the distance that something else reads, too.
SmallVector<Value> spectraOf(func::FuncOp function) {
  SmallVector<Value> found;
  for (Operation &op : function.front()) {
    bool isTable = isa<PairTableOp>(op) &&
                   !llvm::all_of(op.getUsers(), [](Operation *user) {
                     return isa<PairSpectrumOp>(user);
                   });
    if ((isTable || isa<PairSpectrumOp>(op)) && op.getNumResults() == 1 &&
        isOfPosition(function, op.getResult(0)))
      found.push_back(op.getResult(0));
  }
  return found;
}

/// Puts together @prepare, one kernel after the other.
class Hoister {
public:
  explicit Hoister(ModuleOp module) : b(module.getContext()) {}

  /// Copies what makes the spectra of `kernel`; equal ones become one.
  void add(func::FuncOp kernel, ArrayRef<Value> spectra) {
    if (!function)
      begin(kernel);
    IRMapping mapping;
    for (unsigned i = 0; i < kernel.getNumArguments(); ++i)
      if (Value same = arguments.lookup(nameOf(kernel, i))) {
        if (same.getType() != kernel.getArgument(i).getType())
          return; // of another size: it keeps its own
        mapping.map(kernel.getArgument(i), same);
      }
    for (Value spectrum : spectra) {
      Value made = copy(spectrum, mapping);
      auto *at = llvm::find(results, made);
      uses.push_back({kernel, spectrum, at - results.begin()});
      if (at == results.end())
        results.push_back(made);
    }
    kernels.push_back(kernel);
  }

  /// Returns from @prepare, and gives its results to all kernels.
  void finish() {
    if (!function)
      return;
    b.setInsertionPointToEnd(&function.front());
    func::ReturnOp::create(b, function.getLoc(), results);
    SmallVector<DictionaryAttr> attributes;
    for (size_t i = 0; i < results.size(); ++i)
      attributes.push_back(b.getDictionaryAttr(
          {b.getNamedAttr(kName,
                          b.getStringAttr("prepared" + std::to_string(i))),
           b.getNamedAttr(kPreparedAttr, b.getUnitAttr())}));
    function.setType(b.getFunctionType(function.getArgumentTypes(),
                                       ValueRange(results).getTypes()));
    function.setAllResultAttrs(attributes);
    for (func::FuncOp kernel : kernels)
      give(kernel, attributes);
  }

private:
  /// Whose spectrum it was, and which result takes its place.
  struct Use {
    func::FuncOp kernel;
    Value spectrum;
    int64_t result;
  };

  /// An empty function of W and bias, behind all others.
  void begin(func::FuncOp kernel) {
    SmallVector<Type> types;
    SmallVector<DictionaryAttr> attributes;
    SmallVector<StringRef> names;
    for (unsigned i = 0; i < kernel.getNumArguments(); ++i) {
      StringRef name = nameOf(kernel, i);
      if (name != "W" && name != "bias")
        continue;
      names.push_back(name);
      types.push_back(kernel.getArgument(i).getType());
      attributes.push_back(kernel.getArgAttrDict(i));
    }
    b.setInsertionPointToEnd(kernel->getBlock());
    function = func::FuncOp::create(b, kernel.getLoc(), kPrepare,
                                    b.getFunctionType(types, {}));
    function.setAllArgAttrs(attributes);
    function.addEntryBlock();
    for (auto [name, argument] : llvm::zip(names, function.getArguments()))
      arguments[name] = argument;
  }

  Value copy(Value value, IRMapping &mapping) {
    if (Value known = mapping.lookupOrNull(value))
      return known;
    Operation *op = value.getDefiningOp();
    for (Value operand : op->getOperands())
      copy(operand, mapping);
    b.setInsertionPointToEnd(&function.front());
    Operation *made = b.clone(*op, mapping);
    for (Operation &other : function.front())
      if (&other != made &&
          OperationEquivalence::isEquivalentTo(
              &other, made, OperationEquivalence::IgnoreLocations)) {
        mapping.map(op->getResults(), other.getResults());
        made->erase();
        break;
      }
    return mapping.lookup(value);
  }

  void give(func::FuncOp kernel, ArrayRef<DictionaryAttr> attributes) {
    unsigned first = kernel.getNumArguments();
    for (auto [result, attribute] : llvm::zip(results, attributes))
      (void)kernel.insertArgument(kernel.getNumArguments(), result.getType(),
                                  attribute, kernel.getLoc());
    for (Use &use : uses)
      if (use.kernel == kernel)
        use.spectrum.replaceAllUsesWith(
            kernel.getArgument(first + static_cast<unsigned>(use.result)));
    for (Operation &op :
         llvm::make_early_inc_range(llvm::reverse(kernel.front())))
      if (isOpTriviallyDead(&op))
        op.erase();
  }

  OpBuilder b;
  func::FuncOp function;
  llvm::StringMap<Value> arguments;
  SmallVector<Value> results;
  SmallVector<Use> uses;
  SmallVector<func::FuncOp> kernels;
};

struct HoistSpectraPass : impl::HoistSpectraBase<HoistSpectraPass> {
  void runOnOperation() final {
    Operation *prepare = getOperation().lookupSymbol(kPrepare);
    Hoister hoister(getOperation());
    for (auto function :
         llvm::to_vector(getOperation().getOps<func::FuncOp>())) {
      if (!isKernel(function))
        continue;
      SmallVector<Value> spectra = spectraOf(function);
      if (prepare && !spectra.empty()) {
        prepare->emitError("expected no function @")
            << kPrepare << " beside spectra to hoist, but got one";
        return signalPassFailure();
      }
      if (!spectra.empty())
        hoister.add(function, spectra);
    }
    hoister.finish();
  }
};

} // namespace
} // namespace mlir::ropegrad
