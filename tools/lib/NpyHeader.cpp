//===- NpyHeader.cpp - The Python dictionary in a .npy header -------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Parses the literal that NumPy writes: three keys in any order, whose values
// are a string (or a list, for structured types), a boolean and a tuple.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/Npy.h"

#include <cstring>

using namespace ropegrad;

/// NumPy itself allows no more than 64 dimensions.
static constexpr size_t kMaxRank = 64;

namespace {
class HeaderParser {
public:
  explicit HeaderParser(const std::string &text) : text(text) {}
  std::string parse(NpyHeader &header);

private:
  bool accept(char c);
  bool acceptWord(const char *word);
  bool parseString(std::string &value);
  bool parseDescr(std::string &descr);
  bool parseBool(bool &value);
  bool parseShape(Shape &shape);
  bool parseInteger(int64_t &value);
  bool parseEntry(const std::string &key, NpyHeader &header);
  void skipSpace();

  const std::string &text;
  size_t at = 0;
  std::string descr;
  bool hasDescr = false, hasOrder = false, hasShape = false;
};
} // namespace

void HeaderParser::skipSpace() {
  while (at < text.size() && std::strchr(" \t\r\n", text[at]) && text[at])
    ++at;
}

bool HeaderParser::accept(char c) {
  skipSpace();
  if (at >= text.size() || text[at] != c)
    return false;
  ++at;
  return true;
}

bool HeaderParser::acceptWord(const char *word) {
  skipSpace();
  size_t length = std::strlen(word);
  if (text.compare(at, length, word) != 0)
    return false;
  at += length;
  return true;
}

bool HeaderParser::parseString(std::string &value) {
  skipSpace();
  if (at >= text.size() || (text[at] != '\'' && text[at] != '"'))
    return false;
  size_t end = text.find(text[at], at + 1);
  if (end == std::string::npos)
    return false;
  value = text.substr(at + 1, end - at - 1);
  at = end + 1;
  return true;
}

/// A string, or the raw text of a list up to its closing bracket, so that the
/// caller can name the structured type that it refuses.
bool HeaderParser::parseDescr(std::string &value) {
  if (parseString(value))
    return true;
  size_t start = at;
  if (!accept('['))
    return false;
  for (int depth = 1; depth > 0; ++at) {
    if (at >= text.size())
      return false;
    depth += text[at] == '[' ? 1 : text[at] == ']' ? -1 : 0;
  }
  value = text.substr(start, at - start);
  return true;
}

bool HeaderParser::parseBool(bool &value) {
  value = acceptWord("True");
  return value || acceptWord("False");
}

bool HeaderParser::parseInteger(int64_t &value) {
  skipSpace();
  size_t start = at;
  value = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at)
    if (__builtin_mul_overflow(value, int64_t(10), &value) ||
        __builtin_add_overflow(value, int64_t(text[at] - '0'), &value))
      return false;
  bool any = at > start;
  if (any && at < text.size() && text[at] == 'L') // Python 2's long integers
    ++at;
  return any;
}

bool HeaderParser::parseShape(Shape &shape) {
  if (!accept('('))
    return false;
  while (!accept(')')) {
    int64_t dimension;
    if (shape.size() >= kMaxRank || !parseInteger(dimension))
      return false;
    shape.push_back(dimension);
    if (!accept(',')) {
      // (3) is a number in Python, not a tuple.
      return shape.size() > 1 && accept(')');
    }
  }
  return true;
}

bool HeaderParser::parseEntry(const std::string &key, NpyHeader &header) {
  bool *seen = key == "descr"           ? &hasDescr
               : key == "fortran_order" ? &hasOrder
               : key == "shape"         ? &hasShape
                                        : nullptr;
  if (!seen || *seen)
    return false;
  *seen = true;
  if (key == "descr")
    return parseDescr(descr);
  return key == "shape" ? parseShape(header.shape)
                        : parseBool(header.fortranOrder);
}

/// What an array-protocol type string that is no float stands for.
static const char *describeKind(char kind) {
  switch (kind) {
  case 'b':
  case '?':
    return "boolean";
  case 'i':
    return "integer";
  case 'u':
    return "unsigned integer";
  case 'c':
    return "complex";
  case 'O':
    return "object";
  case 'U':
    return "unicode";
  case 'S':
  case 'a':
    return "bytes";
  case 'V':
    return "void";
  case 'M':
    return "date";
  case 'm':
    return "time difference";
  case 'f':
    return "float of an unknown width";
  }
  return "unknown";
}

/// Text from a file, fit for one line of a message.
static std::string quoted(const std::string &raw) {
  std::string result = "'";
  for (char c : raw.substr(0, 60))
    result += c >= ' ' && c < 127 ? c : '?';
  return result + (raw.size() > 60 ? "...'" : "'");
}

static std::string parseType(const std::string &descr, NpyHeader &header) {
  size_t kind = !descr.empty() && std::strchr("<>=|", descr[0]) ? 1 : 0;
  header.bigEndian = kind == 1 && descr[0] == '>';
  std::string type = descr.substr(kind);
  for (unsigned width : {2u, 4u, 8u, 16u})
    if (type == "f" + std::to_string(width))
      header.width = width;
  if (header.width)
    return "";
  const char *what = !descr.empty() && descr[0] == '[' ? "structured"
                     : type.empty()                    ? "unknown"
                                                       : describeKind(type[0]);
  return "expected elements of a real float dtype, but got dtype " +
         quoted(descr) + " (" + what + ")";
}

std::string HeaderParser::parse(NpyHeader &header) {
  bool good = accept('{');
  while (good && !accept('}')) {
    std::string key;
    good = parseString(key) && accept(':') && parseEntry(key, header);
    if (good && !accept(',')) {
      good = accept('}');
      break;
    }
  }
  skipSpace();
  if (!good || at != text.size() || !hasDescr || !hasOrder || !hasShape)
    return "expected a .npy header with descr, fortran_order and shape, but "
           "got " +
           quoted(text);
  return parseType(descr, header);
}

std::string ropegrad::parseNpyHeader(const std::string &text,
                                     NpyHeader &header) {
  header = NpyHeader();
  return HeaderParser(text).parse(header);
}
