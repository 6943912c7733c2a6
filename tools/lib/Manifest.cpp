//===- Manifest.cpp - What a compiled kernel says about itself ------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/Manifest.h"

#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

#include <charconv>
#include <cmath>

using namespace llvm;

namespace ropegrad {
namespace {

/// Writes one object; remembers nothing but how to print our types.
class Writer {
public:
  explicit Writer(raw_ostream &os) : json(os, 2) {}

  void text(StringRef key, StringRef value) { json.attribute(key, value); }
  void integer(StringRef key, int64_t value) { json.attribute(key, value); }
  void boolean(StringRef key, bool value) { json.attribute(key, value); }

  void real(StringRef key, std::optional<double> value) {
    json.attributeBegin(key);
    number(value);
    json.attributeEnd();
  }

  void reals(StringRef key, const std::vector<double> &values) {
    json.attributeArray(key, [&] {
      for (double value : values)
        number(value);
    });
  }

  void texts(StringRef key, const std::vector<std::string> &values) {
    json.attributeArray(key, [&] {
      for (const std::string &value : values)
        json.value(value);
    });
  }

  json::OStream json;

private:
  /// The shortest digits that read back as the same double; JSON has no nan.
  void number(std::optional<double> value) {
    if (!value || !std::isfinite(*value))
      return json.value(nullptr);
    char digits[32];
    char *end = std::to_chars(digits, std::end(digits), *value).ptr;
    json.rawValue(StringRef(digits, end - digits));
  }
};

void writeSupport(Writer &writer, const Problem &p) {
  // One pair a line: a plain array would take four.
  writer.json.attributeArray("support", [&] {
    for (const SupportEntry &entry : p.support)
      writer.json.rawValue("[" + std::to_string(entry.first) + ", " +
                           std::to_string(entry.second) + "]");
  });
}

void writeProblem(Writer &writer, const Problem &p) {
  writer.text("entry", toString(p.entry));
  writer.integer("n", p.n);
  writer.integer("d", p.d);
  writer.integer("channels", p.channels);
  writer.integer("batch", p.batch);
  writer.integer("heads", p.heads);
  writer.integer("kv_heads", p.kvHeads);
  writer.real("scale", p.scale);
  writer.text("position", toString(p.position));
  writer.text("layout", toString(p.layout));
  writer.real("base", p.base);
  writeSupport(writer, p);
  writer.text("mask", toString(p.mask));
  writer.integer("window", p.window);
  if (p.alibi.size() > 1)
    writer.reals("alibi", p.alibi);
  else
    writer.real("alibi", p.alibi.empty() ? 0.0 : p.alibi.front());
  writer.text("bias", p.learnedBias ? "learned" : "none");
  writer.boolean("bias_per_head", p.biasPerHead);
  if (p.isExp())
    writer.text("similarity", "exp");
  else
    writer.reals("similarity", p.similarity);
  writer.text("dtype", toString(p.dtype));
  if (!p.bounds.empty())
    writer.reals("bounds", p.bounds);
  writer.texts("wrt", p.wrt);
}

/// The plan is JSON already, in an order of its own: only indent it.
void writePlan(Writer &writer, StringRef plan) {
  writer.json.attributeBegin("plan");
  writer.json.rawValue([&](raw_ostream &os) {
    plan = plan.trim();
    if (plan.empty())
      os << "null";
    for (char c : plan) {
      os << c;
      if (c == '\n')
        os << "  ";
    }
  });
  writer.json.attributeEnd();
}

void writeArg(Writer &writer, const ArgInfo &arg) {
  std::string shape;
  for (int64_t size : arg.shape)
    shape += (shape.empty() ? "" : ", ") + std::to_string(size);
  writer.text("name", arg.name);
  writer.text("role", toString(arg.role));
  writer.json.attributeBegin("shape");
  writer.json.rawValue("[" + shape + "]");
  writer.json.attributeEnd();
  writer.text("dtype", isBytes(arg.role) ? "u8" : toString(arg.dtype));
}

/// Its workspace and arguments.
void writeNeeds(Writer &writer, const FunctionInfo &function) {
  writer.integer("workspace_bytes", function.workspaceBytes);
  writer.integer("workspace_bytes_per_thread",
                 function.workspaceBytesPerThread);
  writer.json.attributeArray("args", [&] {
    for (const ArgInfo &arg : function.args)
      writer.json.object([&] { writeArg(writer, arg); });
  });
}

void writeFunction(Writer &writer, const FunctionInfo &function) {
  writer.text("symbol", function.symbol);
  writer.text("packed", function.packedSymbol());
  writer.text("sized", function.sizedSymbol());
  writeNeeds(writer, function);
}

/// NAME_prepare has no packed form: its buffer comes with its size.
void writePrepared(Writer &writer, const KernelInfo &info) {
  const FunctionInfo &prepare = *info.prepare;
  writer.json.attributeObject("prepare", [&] {
    writer.text("symbol", prepare.symbol);
    writer.text("sized", prepare.sizedSymbol());
    writeNeeds(writer, prepare);
  });
  writer.json.attributeArray("prepared_functions", [&] {
    for (const FunctionInfo &function : info.preparedFunctions)
      writer.json.object([&] { writeFunction(writer, function); });
  });
}

void writeDegree(Writer &writer, std::optional<unsigned> degree,
                 std::optional<double> radiusLimit) {
  if (degree)
    writer.integer("degree", *degree);
  else
    writer.json.attribute("degree", nullptr);
  writer.real("radius_limit", radiusLimit);
}

void writeBody(Writer &writer, const BodyInfo &body) {
  writer.text("route", toString(body.route));
  writeDegree(writer, body.degree, body.radiusLimit);
}

void writeSolution(Writer &writer, const KernelInfo &info) {
  writePlan(writer, info.planJson);
  writer.text("route", toString(info.route));
  writer.text("exact_by", info.exactBy);
  writeDegree(writer, info.degree, info.radiusLimit);
  writer.text("centred", toString(info.centre));
  writer.json.attributeArray("bodies", [&] {
    for (const BodyInfo &body : info.bodies)
      writer.json.object([&] { writeBody(writer, body); });
  });
  writer.text("dispatch", info.bodies.empty() ? "none"
                          : info.byHead       ? "heads"
                                              : "call");
  writer.real("tolerance", info.problem.tolerance);
  writer.text("target", info.target);
  writer.text("triple", info.triple);
  writer.text("cpu", info.cpu);
  writer.texts("cpu_features", info.cpuFeatures);
  writer.integer("threads", info.threads);
}

} // namespace

std::string manifestJson(const KernelInfo &info) {
  std::string text;
  raw_string_ostream os(text);
  Writer writer(os);
  writer.json.object([&] {
    writer.integer("ropegrad", 1);
    writer.text("name", info.name);
    writeProblem(writer, info.problem);
    writeSolution(writer, info);
    writer.json.attributeArray("functions", [&] {
      for (const FunctionInfo &function : info.functions)
        writer.json.object([&] { writeFunction(writer, function); });
    });
    if (info.prepare)
      writePrepared(writer, info);
  });
  os << '\n';
  return text;
}

} // namespace ropegrad
