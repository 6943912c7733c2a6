//===- ProblemOps.cpp - Level 1: problems and their verifiers --*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Reads a level-1 op as a plain Problem and verifies both the problem's meaning
// and the shapes of the operands.
//
//===----------------------------------------------------------------------===//

#include "dialect/RopeGrad.h"

#include <limits>

using namespace mlir;
using namespace mlir::ropegrad;

namespace {

ArrayRef<int64_t> shapeOf(Value value) {
  return cast<ShapedType>(value.getType()).getShape();
}

::ropegrad::DType dtypeOf(Type type) {
  if (type.isF64())
    return ::ropegrad::DType::F64;
  if (type.isBF16())
    return ::ropegrad::DType::BF16;
  if (type.isF16())
    return ::ropegrad::DType::F16;
  return ::ropegrad::DType::F32;
}

std::vector<::ropegrad::SupportEntry> pairsOf(ArrayRef<int64_t> flat) {
  std::vector<::ropegrad::SupportEntry> pairs;
  for (size_t i = 0; i + 1 < flat.size(); i += 2)
    pairs.emplace_back(flat[i], flat[i + 1]);
  return pairs;
}

std::optional<double> valueOf(std::optional<APFloat> value) {
  if (!value)
    return std::nullopt;
  return value->convertToDouble();
}

/// The attributes that all problem ops share.
template <typename OpTy> void readAttributes(OpTy op, ::ropegrad::Problem &p) {
  Attribute position = op.getPosition().value_or(Attribute());
  if (auto rotary = dyn_cast_if_present<RotaryAttr>(position)) {
    p.position = ::ropegrad::Position::Rotary;
    p.layout = static_cast<::ropegrad::Layout>(rotary.getLayout());
    p.base = rotary.getBase().getValueAsDouble();
  } else if (auto general = dyn_cast_if_present<GeneralAttr>(position)) {
    p.position = ::ropegrad::Position::General;
    p.support = pairsOf(general.getPairs());
  } else {
    p.position = ::ropegrad::Position::None;
  }
  if (auto support = op.getSupport())
    p.support = pairsOf(*support);
  if (p.support.empty() && p.d < (1 << 16))
    p.support = ::ropegrad::defaultSupport(p.position, p.layout, p.d);
  p.mask = static_cast<::ropegrad::Mask>(op.getMask());
  p.window = op.getWindow().value_or(0);
  if (auto alibi = op.getAlibi())
    p.alibi.assign(alibi->begin(), alibi->end());
  if (auto similarity = op.getSimilarity())
    p.similarity.assign(similarity->begin(), similarity->end());
  if (Value bias = op.getBias()) {
    p.learnedBias = true;
    p.biasPerHead = shapeOf(bias).size() == 2;
  }
  p.scale = op.getScale().convertToDouble();
  p.bound = valueOf(op.getBound());
  if (auto bounds = op.getBounds())
    p.bounds.assign(bounds->begin(), bounds->end());
  p.radius = valueOf(op.getRadius());
  p.tolerance = valueOf(op.getTolerance());
  p.sigma = valueOf(op.getSigma());
  if (auto route = op.getRoute())
    p.route = static_cast<::ropegrad::Route>(*route);
  if (auto degree = op.getDegree())
    p.degree = static_cast<unsigned>(*degree);
  if (auto fit = op.getFit())
    p.fit = static_cast<::ropegrad::Fit>(*fit);
  if (auto centre = op.getCentre())
    p.centre = static_cast<::ropegrad::Centre>(*centre);
}

template <typename OpTy>::ropegrad::Problem readAttention(OpTy op) {
  ::ropegrad::Problem p;
  p.entry = ::ropegrad::Entry::Attention;
  ArrayRef<int64_t> q = shapeOf(op.getQ()), k = shapeOf(op.getK());
  if (q.size() == 4 && k.size() == 4) {
    p.batch = q[0], p.heads = q[1], p.n = q[2], p.d = q[3];
    p.kvHeads = k[1];
  }
  p.channels = p.d;
  p.dtype = dtypeOf(cast<ShapedType>(op.getQ().getType()).getElementType());
  readAttributes(op, p);
  return p;
}

template <typename OpTy>::ropegrad::Problem readLoss(OpTy op) {
  ::ropegrad::Problem p;
  p.entry = ::ropegrad::Entry::LossGradient;
  ArrayRef<int64_t> a = shapeOf(op.getA1()), x = shapeOf(op.getX1());
  if (a.size() == 2 && x.size() == 2)
    p.n = a[0], p.channels = a[1], p.d = x[1];
  p.dtype = dtypeOf(cast<ShapedType>(op.getA1().getType()).getElementType());
  readAttributes(op, p);
  return p;
}

template <typename OpTy> void readWrt(OpTy op, ::ropegrad::Problem &p) {
  for (auto name : op.getWrt().template getAsRange<StringAttr>())
    p.wrt.push_back(name.getValue().str());
}

/// (C5): one operand or result has the shape that the problem implies.
LogicalResult expectShape(Operation *op, Value value, StringRef name,
                          ArrayRef<int64_t> expected, Type element) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getShape() == expected && type.getElementType() == element)
    return success();
  auto wanted = RankedTensorType::get(expected, element);
  return op->emitOpError() << "expected " << name << " to be " << wanted
                           << ", but got " << type;
}

/// Shape of the gradient with respect to `name`.
SmallVector<int64_t> gradientShape(const ::ropegrad::Problem &p,
                                   StringRef name) {
  int64_t s = p.supportSize(), t = 2 * p.n - 1, c = p.channels;
  if (name == "W")
    return {t, s};
  if (name == "bias")
    return p.biasPerHead ? SmallVector<int64_t>{p.heads, t}
                         : SmallVector<int64_t>{t};
  if (name == "X")
    return {c * c, s};
  if (name == "X1" || name == "X2" || name == "Y")
    return {c, p.d};
  if (name == "A1" || name == "A2" || name == "A3")
    return {p.n, c};
  return {p.batch, name == "Q" ? p.heads : p.kvHeads, p.n, p.d};
}

/// Everything that all four verifiers check; `operands` are (name, value,
/// shape) of the operands beside W and bias.
struct Checker {
  Operation *op;
  ::ropegrad::Problem p;
  Type element;

  LogicalResult staticShapes() {
    for (Value value : op->getOperands()) {
      auto type = cast<RankedTensorType>(value.getType());
      if (!type.hasStaticShape())
        return op->emitOpError() << "expected static shapes, but got " << type
                                 << ": dynamic shapes are not supported yet";
    }
    return success();
  }

  /// What a Problem cannot hold, hence validate() cannot see.
  LogicalResult representable() {
    if (!element.isF32() && !element.isF64() && !element.isF16() &&
        !element.isBF16())
      return op->emitOpError(
                 "expected elements f32, f64, bf16 or f16, but got ")
             << element;
    auto support = op->getAttrOfType<DenseI64ArrayAttr>("support");
    if (support && support.size() % 2 != 0)
      return op->emitOpError("expected a support of pairs, but got ")
             << support.size() << " numbers";
    auto similarity = op->getAttrOfType<DenseF64ArrayAttr>("similarity");
    if (similarity && similarity.empty())
      return op->emitOpError("expected at least one similarity coefficient, "
                             "but got none");
    auto bounds = op->getAttrOfType<DenseF64ArrayAttr>("bounds");
    if (bounds && bounds.empty())
      return op->emitOpError("expected at least one of bounds, but got none");
    auto degree = op->getAttrOfType<IntegerAttr>("degree");
    int64_t most = std::numeric_limits<int32_t>::max();
    if (degree && (degree.getInt() < 0 || degree.getInt() > most))
      return op->emitOpError("expected a degree from 0 to ")
             << most << ", but got " << degree.getInt();
    return success();
  }

  LogicalResult meaning(bool windowGiven) {
    if (failed(representable()))
      return failure();
    // (C3) a window without its mask is caught here, the rest by validate().
    if (windowGiven && p.mask != ::ropegrad::Mask::Window)
      return op->emitOpError("expected window only under mask window, but got "
                             "mask ")
             << ::ropegrad::toString(p.mask);
    std::string error = ::ropegrad::validate(p);
    if (!error.empty())
      return op->emitOpError(error);
    return success();
  }

  LogicalResult sides(Value w, Value bias) {
    bool general = p.position == ::ropegrad::Position::General;
    if (general != static_cast<bool>(w))
      return op->emitOpError("expected the operand W exactly under general "
                             "position, but it is ")
             << (w ? "given under another position" : "missing");
    if (w && failed(expectShape(op, w, "W", {2 * p.n - 1, p.supportSize()},
                                element)))
      return failure();
    if (bias && failed(expectShape(op, bias, "bias", gradientShape(p, "bias"),
                                   element)))
      return failure();
    return success();
  }

  LogicalResult gradients(ResultRange results) {
    if (results.size() != p.wrt.size())
      return op->emitOpError("expected one result per name in wrt, but got ")
             << results.size() << " results and " << p.wrt.size() << " names";
    for (auto [name, result] : llvm::zip(p.wrt, results))
      if (failed(expectShape(op, result, "d" + name, gradientShape(p, name),
                             element)))
        return failure();
    return success();
  }
};

template <typename OpTy> LogicalResult verifyAttention(OpTy op, Checker &c) {
  if (failed(c.staticShapes()))
    return failure();
  for (Value value : {Value(op.getQ()), Value(op.getK()), Value(op.getV())})
    if (shapeOf(value).size() != 4)
      return op.emitOpError("expected operands of shape (batch, heads, n, d), "
                            "but got ")
             << value.getType();
  const auto &p = c.p;
  SmallVector<int64_t> kv = {p.batch, p.kvHeads, p.n, p.d};
  if (failed(c.meaning(op.getWindow().has_value())) ||
      failed(expectShape(op, op.getK(), "K", kv, c.element)) ||
      failed(expectShape(op, op.getV(), "V", kv, c.element)))
    return failure();
  return c.sides(op.getW(), op.getBias());
}

template <typename OpTy> LogicalResult verifyLoss(OpTy op, Checker &c) {
  if (failed(c.staticShapes()))
    return failure();
  for (Value value : op->getOperands().take_front(7))
    if (shapeOf(value).size() != 2)
      return op.emitOpError("expected operands of rank 2, but got ")
             << value.getType();
  if (failed(c.meaning(op.getWindow().has_value())))
    return failure();
  const auto &p = c.p;
  SmallVector<int64_t> a = {p.n, p.channels}, x = {p.channels, p.d},
                       e = {p.n, p.d};
  if (failed(expectShape(op, op.getA2(), "A2", a, c.element)) ||
      failed(expectShape(op, op.getA3(), "A3", a, c.element)) ||
      failed(expectShape(op, op.getX1(), "X1", x, c.element)) ||
      failed(expectShape(op, op.getX2(), "X2", x, c.element)) ||
      failed(expectShape(op, op.getY(), "Y", x, c.element)) ||
      failed(expectShape(op, op.getE(), "E", e, c.element)))
    return failure();
  return c.sides(op.getW(), op.getBias());
}

Type elementOf(Value value) {
  return cast<ShapedType>(value.getType()).getElementType();
}

} // namespace

::ropegrad::Problem AttentionOp::getProblem() { return readAttention(*this); }

::ropegrad::Problem AttentionVjpOp::getProblem() {
  ::ropegrad::Problem p = readAttention(*this);
  readWrt(*this, p);
  return p;
}

::ropegrad::Problem LossOp::getProblem() { return readLoss(*this); }

::ropegrad::Problem LossVjpOp::getProblem() {
  ::ropegrad::Problem p = readLoss(*this);
  readWrt(*this, p);
  return p;
}

LogicalResult AttentionOp::verify() {
  Checker c{*this, getProblem(), elementOf(getQ())};
  if (failed(verifyAttention(*this, c)))
    return failure();
  return expectShape(*this, getO(), "O", shapeOf(getQ()), c.element);
}

LogicalResult AttentionVjpOp::verify() {
  Checker c{*this, getProblem(), elementOf(getQ())};
  if (failed(verifyAttention(*this, c)) ||
      failed(
          expectShape(*this, getUpstream(), "dO", shapeOf(getQ()), c.element)))
    return failure();
  return c.gradients(getGradients());
}

LogicalResult LossOp::verify() {
  Checker c{*this, getProblem(), elementOf(getA1())};
  if (failed(verifyLoss(*this, c)))
    return failure();
  // A sum over everything: where storage has 16 bits, of what computes.
  Type sum = c.element;
  if (sum.isF16() || sum.isBF16())
    sum = Float32Type::get(getContext());
  return expectShape(*this, getLoss(), "loss", {}, sum);
}

LogicalResult LossVjpOp::verify() {
  Checker c{*this, getProblem(), elementOf(getA1())};
  if (failed(verifyLoss(*this, c)))
    return failure();
  return c.gradients(getGradients());
}
