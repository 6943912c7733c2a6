//===- Calibration.cpp - Measured rates as a file --------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Reads the JSON that `./dev bench --calibrate` writes. The one that ships is
// compiled in.
//
//===----------------------------------------------------------------------===//

#include "passes/Calibration.json.h"
#include "passes/CostModel.h"

#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

#include <cmath>

namespace ropegrad {
namespace {

/// A finite number of at least `least`, which must be exceeded where `above`.
bool readNumber(const llvm::json::Object &from, llvm::StringRef key,
                double least, bool above, double &to) {
  auto number = from.getNumber(key);
  if (!number || !std::isfinite(*number) || *number < least ||
      (above && *number == least))
    return false;
  to = *number;
  return true;
}

bool readRates(const llvm::json::Object &from, llvm::StringRef key,
               std::vector<CostModel::Rate> &to) {
  const llvm::json::Array *list = from.getArray(key);
  if (!list || list->empty())
    return false;
  for (const llvm::json::Value &entry : *list) {
    const llvm::json::Object *object = entry.getAsObject();
    CostModel::Rate rate;
    if (!object ||
        !readNumber(*object, "d", to.empty() ? 0 : to.back().d, true, rate.d) ||
        !readNumber(*object, "row_ns", 0, false, rate.rowNs) ||
        !readNumber(*object, "gflops", 0, true, rate.gflops))
      return false;
    to.push_back(rate);
  }
  return true;
}

bool readSlowdowns(const llvm::json::Object &from,
                   std::vector<CostModel::Slowdown> &to) {
  const llvm::json::Array *list = from.getArray("features_slowdown");
  if (!list || list->empty())
    return false;
  for (const llvm::json::Value &entry : *list) {
    const llvm::json::Object *object = entry.getAsObject();
    CostModel::Slowdown slowdown;
    if (!object ||
        !readNumber(*object, "stored", to.empty() ? 0 : to.back().stored, true,
                    slowdown.stored) ||
        !readNumber(*object, "factor", 1, false, slowdown.factor))
      return false;
    to.push_back(slowdown);
  }
  return true;
}

} // namespace

std::string CostModel::parse(llvm::StringRef json, CostModel &model) {
  llvm::Expected<llvm::json::Value> value = llvm::json::parse(json);
  if (!value)
    return "expected JSON, but got: " + llvm::toString(value.takeError());
  const llvm::json::Object *object = value->getAsObject();
  if (!object)
    return "expected a JSON object";
  CostModel found;
  auto bits = object->getInteger("vector_bits");
  if (!bits || (*bits != 128 && *bits != 256 && *bits != 512))
    return "expected vector_bits of 128, 256 or 512";
  found.vectorBits = *bits;
  for (auto [key, rates] : {std::pair("exact", &found.exact),
                            std::pair("features", &found.features)})
    if (!readRates(*object, key, *rates))
      return std::string("expected ") + key +
             " to be a list of {d, row_ns, gflops} with d ascending, row_ns of "
             "at least 0 and gflops above 0";
  if (!readSlowdowns(*object, found.slowdowns))
    return "expected features_slowdown to be a list of {stored, factor} with "
           "stored ascending and factor of at least 1";
  if (!readNumber(*object, "general_gflops", 0, true, found.generalGFlops))
    return "expected general_gflops above 0";
  if (!readNumber(*object, "call_us", 0, false, found.callUs))
    return "expected call_us of at least 0";
  model = std::move(found);
  return "";
}

std::string CostModel::read(const std::string &path, CostModel &model) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!buffer)
    return "expected a calibration in " + path +
           ", but got: " + buffer.getError().message();
  std::string error = parse((*buffer)->getBuffer(), model);
  return error.empty() ? "" : path + ": " + error;
}

const CostModel &CostModel::shipped() {
  static const CostModel model = [] {
    CostModel made;
    std::string error = parse(kCalibration, made);
    assert(error.empty() && "the calibration that ships is valid");
    (void)error;
    return made;
  }();
  return model;
}

CostModel CostModel::forVectors(int64_t bits) const {
  CostModel made = *this;
  double factor = static_cast<double>(bits) / static_cast<double>(vectorBits);
  made.vectorBits = bits;
  made.generalGFlops *= factor;
  for (std::vector<Rate> *rates : {&made.exact, &made.features})
    for (Rate &rate : *rates) {
      rate.gflops *= factor;
      rate.rowNs /= factor;
    }
  return made;
}

} // namespace ropegrad
