//===- ProblemFile.cpp - Reads problem.json -------------------------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/ProblemFile.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <set>

using namespace llvm;

namespace ropegrad {
namespace {

/// What other libraries can be asked for and this one cannot: said by name.
struct Unsupported {
  const char *what;
  const char *keys[3];
};

const Unsupported kUnsupported[] = {
    {"key padding", {"key_padding", "key_padding_mask", "padding"}},
    {"another length for keys", {"n_keys", "n_kv", "kv_length"}},
    {"another width for values", {"d_v", "d_value", "value_width"}}};

/// Written by whoever made the data, of no use to a compiler.
const char *const kIgnored[] = {"seed", "dist", "logit_bound", "sizes"};

/// The JSON parser recurses once per level and would run out of stack.
constexpr unsigned kMaxDepth = 32;

/// The value as it stands in the file, cut where it gets long.
std::string describe(const json::Value &value) {
  std::string text;
  raw_string_ostream(text) << value;
  constexpr size_t longest = 40;
  if (text.size() <= longest)
    return text;
  size_t cut = longest;
  while (cut > 0 && (text[cut] & 0xC0) == 0x80) // inside one UTF-8 character
    --cut;
  return text.substr(0, cut) + "...";
}

std::string quoted(StringRef key) { return "'" + key.str() + "'"; }

/// Past the closing quote of the string that starts at `begin`.
size_t endOfString(StringRef text, size_t begin) {
  size_t i = begin + 1;
  while (i < text.size() && text[i] != '"')
    i += text[i] == '\\' ? 2 : 1;
  return std::min(i + 1, text.size());
}

/// What the parser would accept silently, not survive, or explain badly.
std::string checkText(StringRef text) {
  const char *const expected = "expected a JSON object, but got ";
  size_t badByte;
  if (!json::isUTF8(text, &badByte) || text.contains('\0'))
    return std::string(expected) + "binary data";
  if (text.trim().empty())
    return std::string(expected) + "an empty file";
  unsigned depth = 0;
  std::set<std::string> keys;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '"') {
      size_t end = endOfString(text, i);
      StringRef token = text.slice(i, end);
      bool isKey = text.substr(end).ltrim().starts_with(":");
      if (depth == 1 && isKey && !keys.insert(token.str()).second)
        return "expected every key once, but got " + token.str() + " twice";
      i = end - 1;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth)
        return "expected at most 32 levels of nesting, but got more";
    } else if (c == '}' || c == ']') {
      depth -= depth > 0;
    } else if (c == 'N' || c == 'I') { // NaN, Infinity: as Python writes them
      return "expected finite numbers, but got " +
             text.substr(i).take_while(isAlpha).str();
    }
  }
  return "";
}

std::string readKey(StringRef key, const json::Value &value,
                    ProblemSpec &spec) {
  if (is_contained(kIgnored, key))
    return "";
  for (const ProblemField &field : problemFields()) {
    if (key != field.key || !field.fromJson)
      continue;
    std::string expected = field.fromJson(value, spec.problem);
    if (!expected.empty())
      return "expected " + expected + " for key " + quoted(key) + ", but got " +
             describe(value);
    spec.given.insert(field.key);
    return "";
  }
  for (const Unsupported &unsupported : kUnsupported)
    for (const char *name : unsupported.keys)
      if (name && key == name)
        return std::string(unsupported.what) + " is not supported yet (key " +
               quoted(key) + ")";
  return "expected a key of problem.json, but got unknown key " + quoted(key);
}

ProblemSpecResult failure(std::string message) {
  return {std::nullopt, std::move(message)};
}

} // namespace

ProblemSpecResult parseProblemJson(StringRef text) {
  text.consume_front("\xEF\xBB\xBF"); // byte order mark
  std::string message = checkText(text);
  if (!message.empty())
    return failure(std::move(message));
  Expected<json::Value> value = json::parse(text);
  if (!value)
    return failure("expected valid JSON, but got an error at " +
                   toString(value.takeError()));
  const json::Object *object = value->getAsObject();
  if (!object)
    return failure("expected a JSON object, but got " + describe(*value));

  // The object is a hash map: sort, so that the first error is always the same.
  std::vector<StringRef> keys;
  for (const auto &entry : *object)
    keys.push_back(entry.first);
  llvm::sort(keys);
  ProblemSpec spec;
  for (StringRef key : keys) {
    message = readKey(key, *object->get(key), spec);
    if (!message.empty())
      return failure(std::move(message));
  }
  return {std::move(spec), ""};
}

ProblemSpecResult readProblemFile(StringRef path) {
  auto fail = [&](const Twine &message) {
    return failure((path + ": " + message).str());
  };
  sys::fs::file_status status;
  if (std::error_code error = sys::fs::status(path, status))
    return fail("cannot open: " + error.message());
  if (sys::fs::is_directory(status))
    return fail("expected a file, but got a directory");
  if (status.type() == sys::fs::file_type::character_file ||
      status.type() == sys::fs::file_type::block_file)
    return fail("expected a file, but got a device");
  auto buffer = MemoryBuffer::getFile(path);
  if (!buffer)
    return fail("cannot read: " + buffer.getError().message());
  ProblemSpecResult result = parseProblemJson((*buffer)->getBuffer());
  if (!result.spec)
    return fail(result.error);
  // Both shapes of a learned bias are legal and only the data beside the
  // problem tells which one is meant.
  SmallString<128> bias(path);
  sys::path::remove_filename(bias);
  sys::path::append(bias, "bias.npy");
  if (std::optional<unsigned> rank = npyRank(bias)) {
    result.spec->problem.biasPerHead = *rank > 1;
    result.spec->given.insert(kBiasPerHead);
  }
  return result;
}

std::string applyDefaults(ProblemSpec &spec) {
  Problem &problem = spec.problem;
  for (const char *key : {"n", "d"})
    if (!spec.has(key))
      return std::string("expected ") + key + ", but got none: set key '" +
             key + "' of problem.json or --" + key;
  bool attention = problem.entry == Entry::Attention;
  if (!spec.has("scale") && problem.d > 0)
    problem.scale = 1.0 / static_cast<double>(problem.d);
  if (!spec.has("channels"))
    problem.channels = problem.d;
  if (!spec.has("kv_heads"))
    problem.kvHeads = problem.heads;
  if (!spec.has("wrt"))
    problem.wrt = attention ? std::vector<std::string>{"Q", "K", "V"}
                            : std::vector<std::string>{"X1", "X2", "Y"};
  if (!spec.has("centre"))
    problem.centre = Centre::Auto;
  if (!attention || !problem.learnedBias)
    problem.biasPerHead = false;
  else if (!spec.has(kBiasPerHead))
    problem.biasPerHead = true;
  if (problem.mask != Mask::Window)
    problem.window = 0;
  else if (!spec.has("window"))
    return "expected a window with mask window, but got none: set key "
           "'window' of problem.json or --window";
  if (problem.position == Position::General && problem.support.empty())
    return "expected a support with position general, but got none: set key "
           "'support' of problem.json or --support";
  return "";
}

std::optional<unsigned> npyRank(StringRef path) {
  // Magic, version, length, then a dictionary that is padded to 64 bytes; the
  // shape stands in the first few hundred.
  constexpr uint64_t headerBytes = 1024;
  sys::fs::file_status status;
  if (sys::fs::status(path, status) || !sys::fs::is_regular_file(status))
    return std::nullopt;
  auto buffer = MemoryBuffer::getFileSlice(
      path, std::min<uint64_t>(headerBytes, status.getSize()), 0);
  if (!buffer)
    return std::nullopt;
  StringRef header = (*buffer)->getBuffer();
  if (!header.starts_with("\x93NUMPY"))
    return std::nullopt;
  size_t shape = header.find("'shape'");
  size_t open = header.find('(', shape);
  size_t close = header.find(')', open);
  if (shape == StringRef::npos || open == StringRef::npos ||
      close == StringRef::npos)
    return std::nullopt;
  SmallVector<StringRef> sizes;
  header.slice(open + 1, close).split(sizes, ',');
  llvm::erase_if(sizes, [](StringRef size) { return size.trim().empty(); });
  return static_cast<unsigned>(sizes.size());
}

} // namespace ropegrad
