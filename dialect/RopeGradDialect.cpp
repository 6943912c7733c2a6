//===- RopeGradDialect.cpp - Registration and types ------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The dialect's registration, attributes and the implicit matrix type.
//
//===----------------------------------------------------------------------===//

#include "dialect/RopeGrad.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace mlir::ropegrad;

#include "dialect/RopeGradDialect.cpp.inc"
#include "dialect/RopeGradEnums.cpp.inc"
#include "dialect/RopeGradInterfaces.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialect/RopeGradAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialect/RopeGradTypes.cpp.inc"

void RopeGradDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialect/RopeGradOps.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialect/RopeGradAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialect/RopeGradTypes.cpp.inc"
      >();
}

LogicalResult RotaryAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 Layout, FloatAttr base) {
  if (!base.getType().isF64())
    return emitError() << "expected a base of 'f64', but got "
                       << base.getType();
  return success();
}

LogicalResult GeneralAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                  ArrayRef<int64_t> pairs) {
  if (pairs.size() % 2 != 0)
    return emitError() << "expected pairs of a row and a column, but got "
                       << pairs.size() << " numbers";
  return success();
}

::ropegrad::KeptMonomials KeptAttr::monomials() const {
  auto list = [](DenseI64ArrayAttr values) {
    ArrayRef<int64_t> numbers = values.asArrayRef();
    return std::vector<int64_t>(numbers.begin(), numbers.end());
  };
  return {list(getOrder()), list(getCosts()), list(getBudgets()),
          list(getEnds())};
}

/// (C3): which coordinates share a limit.
static bool pairsMatch(ArrayRef<int64_t> order) {
  int64_t half = order.size() / 2;
  auto all = [&](auto match) {
    for (size_t v = 0; v + 1 < order.size(); v += 2)
      if (!match(order[v], order[v + 1]))
        return false;
    return order.size() % 2 == 0;
  };
  return all([](int64_t a, int64_t b) { return a % 2 == 0 && b == a + 1; }) ||
         all([&](int64_t a, int64_t b) { return a < half && b == a + half; });
}

LogicalResult KeptAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                               DenseI64ArrayAttr order, DenseI64ArrayAttr costs,
                               DenseI64ArrayAttr budgets,
                               DenseI64ArrayAttr ends,
                               DenseF64ArrayAttr limits) {
  if (order.empty())
    return emitError() << "expected an order of coordinates, but got none";
  auto list = [](DenseI64ArrayAttr values) {
    ArrayRef<int64_t> numbers = values.asArrayRef();
    return std::vector<int64_t>(numbers.begin(), numbers.end());
  };
  ::ropegrad::KeptMonomials kept{list(order), list(costs), list(budgets),
                                 list(ends)};
  if (std::string error = kept.check(order.size()); !error.empty())
    return emitError() << error;
  for (double limit : limits.asArrayRef())
    if (!(limit > 0 && std::isfinite(limit)))
      return emitError() << "expected limits to be positive and finite, but "
                            "got "
                         << limit;
  bool isPairs = 2 * limits.size() == order.size();
  if (!isPairs && limits.size() != order.size())
    return emitError() << "expected a limit for each or for each two of "
                       << order.size() << " coordinates, but got "
                       << limits.size();
  if (isPairs && !pairsMatch(order))
    return emitError() << "expected pairs 2k, 2k+1 or k, k+d/2 in the order, "
                          "but got "
                       << order;
  if (!::ropegrad::KeptTable::make(kept, ::ropegrad::kMostKept))
    return emitError() << "expected at most " << ::ropegrad::kMostKept
                       << " monomials to be kept, but got more";
  return success();
}

LogicalResult PlanAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                               Route, Fit, IntegerAttr degree, FloatAttr radius,
                               FloatAttr sigma, FloatAttr delta,
                               FloatAttr deltaPrime, IntegerAttr features,
                               FloatAttr flops, FloatAttr bytes,
                               FloatAttr predictedMs, BoolAttr, KeptAttr,
                               CentreAttr) {
  for (IntegerAttr number : {degree, features})
    if (number && !number.getType().isSignlessInteger(64))
      return emitError() << "expected integers of 'i64', but got " << number;
  for (FloatAttr number :
       {radius, sigma, delta, deltaPrime, flops, bytes, predictedMs})
    if (number && !number.getType().isF64())
      return emitError() << "expected numbers of 'f64', but got " << number;
  return success();
}

static ::ropegrad::Centre centreOf(PlanAttr plan) {
  return plan.getCentre()
             ? static_cast<::ropegrad::Centre>(plan.getCentre().getValue())
             : ::ropegrad::Centre::None;
}

bool PlanAttr::centresKeys() {
  return ::ropegrad::centresKeys(centreOf(*this));
}

bool PlanAttr::centresQueries() {
  return ::ropegrad::centresQueries(centreOf(*this));
}

Type MatrixType::parse(AsmParser &parser) {
  SmallVector<int64_t> shape;
  FloatType element;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() ||
      parser.parseDimensionList(shape, /*allowDynamic=*/false) ||
      parser.parseType(element) || parser.parseGreater())
    return {};
  return getChecked([&] { return parser.emitError(loc); }, parser.getContext(),
                    shape, element);
}

void MatrixType::print(AsmPrinter &printer) const {
  printer << '<';
  for (int64_t size : getShape())
    printer << size << 'x';
  printer << getElementType() << '>';
}

LogicalResult MatrixType::verify(function_ref<InFlightDiagnostic()> emitError,
                                 ArrayRef<int64_t> shape, FloatType) {
  if (shape.size() != 4)
    return emitError() << "expected a matrix of shape (batch, heads, n, n), "
                          "but got rank "
                       << shape.size();
  for (int64_t size : shape)
    if (size <= 0)
      return emitError() << "expected matrix sizes to be positive, but got "
                         << size;
  if (shape[2] != shape[3])
    return emitError() << "expected a square matrix, but got " << shape[2]
                       << " rows and " << shape[3] << " columns";
  return success();
}
