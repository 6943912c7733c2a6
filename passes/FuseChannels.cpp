//===- FuseChannels.cpp - The gradient of X under a prefactor --*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Rows of the position are those of (1, 1) turned by the position of a row:
// half the inner product of two is the cosine of the difference.
//
//===----------------------------------------------------------------------===//

#include "passes/FuseChannels.h"

using namespace mlir;
using namespace mlir::ropegrad;

static RankedTensorType tensorOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

ChannelProducts::ChannelProducts(Algebra &a, KroneckerGradientOp op,
                                 WeightedSimilarity slope)
    : a(a), op(op), slope(slope) {
  auto rotary = dyn_cast<RotaryAttr>(op.getPosition());
  if (!rotary)
    return;
  RankedTensorType type = tensorOf(slope.similarity.logits().getQ());
  Value ones = a.filled(type.getShape(), type.getElementType(), 1.0);
  auto pairs =
      RotaryAttr::get(a.b.getContext(), Layout::Interleaved, rotary.getBase());
  functions = a.structured<RotateOp>(type, ones, pairs, /*inverse=*/false);
}

Similarity ChannelProducts::derivative() {
  PolynomialOp p = slope.similarity.polynomial;
  ArrayRef<double> coefficients = p.getCoefficients();
  SmallVector<double> derived;
  for (size_t k = 1; k < coefficients.size(); ++k)
    derived.push_back(static_cast<double>(k) * coefficients[k]);
  if (derived.empty())
    derived.push_back(0.0);
  auto made = PolynomialOp::create(a.b, a.loc, p.getType(), p.getMatrix(),
                                   a.b.getDenseF64ArrayAttr(derived),
                                   a.b.getI64IntegerAttr(0), FloatAttr(),
                                   FloatAttr(), FloatAttr(), p.getPlanAttr());
  return {made, slope.similarity.prefactor};
}

int64_t ChannelProducts::channels() {
  return tensorOf(op.getA2()).getDimSize(3);
}

Value ChannelProducts::spread() {
  Value v = slope.outer.getV();
  SmallVector<Value> ins = {op.getA2(), v};
  RankedTensorType type = tensorOf(v);
  int64_t width = type.getDimSize(3);
  if (functions) {
    ins.push_back(functions);
    width *= tensorOf(functions).getDimSize(3);
  }
  auto spread = RankedTensorType::get(
      {1, channels(), type.getDimSize(2), width}, type.getElementType());
  return a.structured<SpreadChannelsOp>(spread, ins);
}

Value ChannelProducts::repeat(Value tall) {
  SmallVector<int64_t> shape(tensorOf(tall).getShape());
  shape[1] = channels();
  return a.structured<DecayRowsOp>(
      RankedTensorType::get(shape, tensorOf(tall).getElementType()), tall,
      a.b.getDenseF64ArrayAttr({0.0}), a.b.getI64IntegerAttr(1),
      a.b.getI64IntegerAttr(0), UnitAttr());
}

Value ChannelProducts::gather(ValueRange products) {
  SmallVector<Value> ins = {op.getA1(), slope.outer.getU()};
  if (functions)
    ins.push_back(functions);
  llvm::append_range(ins, products);
  return a.structured<GatherChannelsOp>(tensorOf(op.getResult()), ins,
                                        op.getScaleAttr(), op.getPosition(),
                                        op.getSupportAttr());
}
