//===- RunJson.cpp - JSON from files we did not write ---------------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// LLVM's parser with a limit on nesting.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/RunJson.h"

#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace ropegrad;

/// LLVM's parser recurses once per level and would run out of stack.
static bool isTooDeep(StringRef text) {
  unsigned depth = 0;
  bool inString = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (inString) {
      i += c == '\\';
      inString = c != '"';
    } else if (c == '"') {
      inString = true;
    } else if (c == '[' || c == '{') {
      if (++depth > 64)
        return true;
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return false;
}

std::string ropegrad::parseJsonObject(StringRef text, json::Object &object) {
  if (isTooDeep(text))
    return "expected a JSON object, but got more than 64 levels of nesting";
  Expected<json::Value> value = json::parse(text);
  if (!value)
    return "expected a JSON object, but got text that is not JSON: " +
           StringRef(toString(value.takeError())).lower();
  json::Object *parsed = value->getAsObject();
  if (!parsed)
    return "expected a JSON object, but got " + jsonText(*value);
  object = std::move(*parsed);
  return "";
}

std::string ropegrad::jsonText(const json::Value &value) {
  std::string text;
  raw_string_ostream(text) << value;
  constexpr size_t longest = 60;
  if (text.size() <= longest)
    return text;
  size_t cut = longest;
  while (cut > 0 && (text[cut] & 0xC0) == 0x80) // inside a UTF-8 character
    --cut;
  return text.substr(0, cut) + "...";
}
