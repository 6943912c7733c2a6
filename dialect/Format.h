//===- Format.h - Numbers in messages --------------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// How diagnostics and reasons write numbers: short, and the same everywhere.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_DIALECT_FORMAT_H
#define ROPEGRAD_DIALECT_FORMAT_H

#include <cstdint>
#include <cstdio>
#include <string>

namespace ropegrad {

/// At most `digits` significant digits, as "%g" writes them.
inline std::string format(double value, int digits = 6) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.*g", digits, value);
  return text;
}

inline std::string format(int64_t value) { return std::to_string(value); }

} // namespace ropegrad

#endif // ROPEGRAD_DIALECT_FORMAT_H
