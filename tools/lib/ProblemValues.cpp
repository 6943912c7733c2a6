//===- ProblemValues.cpp - Values of a problem from text and JSON ---------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/ProblemValues.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"

#include <charconv>
#include <cmath>

using namespace llvm;

namespace ropegrad {

bool parseInteger(StringRef text, int64_t &value) {
  return !text.starts_with("+") && !text.getAsInteger(10, value);
}

bool parseReal(StringRef text, double &value) {
  // from_chars also knows inf and nan, in letters.
  if (text.find_first_not_of("0123456789.eE+-") != StringRef::npos)
    return false;
  double number;
  auto [end, error] = std::from_chars(text.begin(), text.end(), number);
  if (error != std::errc() || end != text.end())
    return false;
  value = number;
  return true;
}

static const char *const kGood = "";
static const char *const kInteger = "an integer";
static const char *const kReal = "a finite number";

std::string readText(StringRef text, int64_t &value) {
  return parseInteger(text, value) ? kGood : kInteger;
}

std::string readText(StringRef text, double &value) {
  return parseReal(text, value) ? kGood : kReal;
}

std::string readText(StringRef text, std::optional<double> &value) {
  double number;
  if (!parseReal(text, number))
    return kReal;
  value = number;
  return kGood;
}

std::string readText(StringRef text, std::optional<unsigned> &value) {
  // Far above any degree that fits into double precision.
  constexpr int64_t largest = 64;
  int64_t number;
  if (!parseInteger(text, number) || number < 0 || number > largest)
    return "an integer from 0 to 64";
  value = static_cast<unsigned>(number);
  return kGood;
}

std::string readText(StringRef text, bool &learned) {
  if (text != "none" && text != "learned")
    return "none or learned";
  learned = text == "learned";
  return kGood;
}

std::string readText(StringRef text, std::vector<SupportEntry> &value) {
  const char *const expected =
      "pairs row:column with commas between them, like 0:0,0:1";
  SmallVector<StringRef> parts;
  text.split(parts, ',');
  std::vector<SupportEntry> entries;
  for (StringRef part : parts) {
    auto [row, column] = part.split(':');
    SupportEntry entry;
    if (!parseInteger(row, entry.first) || !parseInteger(column, entry.second))
      return expected;
    entries.push_back(entry);
  }
  value = std::move(entries);
  return kGood;
}

std::string readText(StringRef text, std::vector<std::string> &value) {
  const char *const expected =
      "none or names of variables, each once, with commas between them";
  std::vector<std::string> names;
  SmallVector<StringRef> parts;
  if (text != "none")
    text.split(parts, ',');
  for (StringRef part : parts) {
    if (part.empty() || is_contained(names, part.str()))
      return expected;
    names.push_back(part.str());
  }
  value = std::move(names);
  return kGood;
}

static bool readReals(StringRef text, std::vector<double> &value) {
  SmallVector<StringRef> parts;
  text.split(parts, ',');
  std::vector<double> numbers(parts.size());
  for (auto [part, number] : zip(parts, numbers))
    if (!parseReal(part, number))
      return false;
  value = std::move(numbers);
  return true;
}

/// A slope of 0 means no bias at all, as the default of problem.json has it.
static void dropZeroSlope(std::vector<double> &slopes) {
  if (slopes.size() == 1 && slopes.front() == 0.0)
    slopes.clear();
}

std::string alibiFromText(StringRef text, Problem &problem) {
  if (!readReals(text, problem.alibi))
    return "a finite number, or one per head with commas between them";
  dropZeroSlope(problem.alibi);
  return kGood;
}

std::string boundsFromText(StringRef text, Problem &problem) {
  return readReals(text, problem.bounds)
             ? kGood
             : "finite numbers, one for each coordinate, with commas between "
               "them";
}

std::string similarityFromText(StringRef text, Problem &problem) {
  const char *const expected = "exp or poly:c0,c1,... with finite numbers";
  if (text == "exp")
    problem.similarity.clear();
  else if (!text.consume_front("poly:") || !readReals(text, problem.similarity))
    return expected;
  return kGood;
}

//===----------------------------------------------------------------------===//
// JSON values
//===----------------------------------------------------------------------===//

static bool jsonReal(const json::Value &json, double &value) {
  std::optional<double> number = json.getAsNumber();
  if (!number || !std::isfinite(*number))
    return false;
  value = *number;
  return true;
}

static bool jsonInteger(const json::Value &json, int64_t &value) {
  // getAsInteger would cast 2^63 as a double, which int64_t cannot hold.
  double number;
  if (!jsonReal(json, number) || std::abs(number) >= 0x1p63)
    return false;
  std::optional<int64_t> integer = json.getAsInteger();
  if (integer)
    value = *integer;
  return integer.has_value();
}

static bool jsonReals(const json::Value &json, std::vector<double> &value) {
  const json::Array *array = json.getAsArray();
  if (!array || array->empty())
    return false;
  std::vector<double> numbers(array->size());
  for (auto [element, number] : zip(*array, numbers))
    if (!jsonReal(element, number))
      return false;
  value = std::move(numbers);
  return true;
}

std::string readJson(const json::Value &json, int64_t &value) {
  return jsonInteger(json, value) ? kGood : "a 64-bit integer";
}

std::string readJson(const json::Value &json, double &value) {
  return jsonReal(json, value) ? kGood : kReal;
}

std::string readJson(const json::Value &json, std::optional<double> &value) {
  double number;
  if (!jsonReal(json, number))
    return kReal;
  value = number;
  return kGood;
}

std::string readJson(const json::Value &json,
                     std::vector<SupportEntry> &value) {
  const char *const expected = "a list of pairs [row, column] of integers";
  const json::Array *array = json.getAsArray();
  if (!array)
    return expected;
  std::vector<SupportEntry> entries;
  for (const json::Value &element : *array) {
    const json::Array *pair = element.getAsArray();
    SupportEntry entry;
    if (!pair || pair->size() != 2 || !jsonInteger((*pair)[0], entry.first) ||
        !jsonInteger((*pair)[1], entry.second))
      return expected;
    entries.push_back(entry);
  }
  value = std::move(entries);
  return kGood;
}

std::string readJson(const json::Value &json, std::vector<std::string> &value) {
  const char *const expected = "a list of names of variables, each once";
  if (std::optional<StringRef> text = json.getAsString())
    return readText(*text, value).empty() ? kGood : expected;
  const json::Array *array = json.getAsArray();
  if (!array)
    return expected;
  std::vector<std::string> names;
  for (const json::Value &element : *array) {
    std::optional<StringRef> name = element.getAsString();
    if (!name || name->empty() || is_contained(names, name->str()))
      return expected;
    names.push_back(name->str());
  }
  value = std::move(names);
  return kGood;
}

std::string alibiFromJson(const json::Value &json, Problem &problem) {
  double slope;
  if (jsonReal(json, slope))
    problem.alibi = {slope};
  else if (!jsonReals(json, problem.alibi))
    return "a finite number, or a list of one per head";
  dropZeroSlope(problem.alibi);
  return kGood;
}

std::string boundsFromJson(const json::Value &json, Problem &problem) {
  return jsonReals(json, problem.bounds)
             ? kGood
             : "a list of finite numbers, one for each coordinate";
}

std::string similarityFromJson(const json::Value &json, Problem &problem) {
  if (json.getAsString() == "exp")
    problem.similarity.clear();
  else if (!jsonReals(json, problem.similarity))
    return "\"exp\" or a list of finite coefficients";
  return kGood;
}

} // namespace ropegrad
