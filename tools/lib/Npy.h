//===- Npy.h - Arrays in NumPy's .npy format -------------------*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Reads real floating-point .npy files of any width, byte order and memory
// order into contiguous row-major arrays of f32, f64, bf16 or f16, and writes
// such arrays, those of 16 bits as f32: NumPy has no bf16.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_TOOLS_LIB_NPY_H
#define ROPEGRAD_TOOLS_LIB_NPY_H

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace ropegrad {

/// The type of an array in memory.
enum class FloatType { F32, F64, BF16, F16 };

/// "f32", "f64", "bf16" or "f16".
const char *toString(FloatType type);

inline unsigned sizeInBytes(FloatType type) {
  return type == FloatType::F64 ? 8 : type == FloatType::F32 ? 4 : 2;
}

/// The numbers of an array of any type: bf16 and f16 are bits in memory.
class FloatArray {
public:
  FloatArray(FloatType type, void *data) : type(type), data(data) {}

  /// Exact.
  double get(int64_t index) const;
  /// Rounds `value` once: to nearest, ties to even; what is too large becomes
  /// infinite, nan stays nan.
  void set(int64_t index, long double value);

private:
  FloatType type;
  void *data;
};

using Shape = std::vector<int64_t>;

/// "(3, 4)", "(3,)" or "()", as NumPy prints shapes.
std::string toString(const Shape &shape);

/// The number of elements; -1 if it, or its size in bytes with 16 bytes each,
/// does not fit int64_t, or a dimension is negative.
int64_t elementCount(const Shape &shape);

/// What the header of a .npy file says.
struct NpyHeader {
  unsigned width = 0; ///< bytes of one element: 2, 4, 8 or 16
  bool bigEndian = false;
  bool fortranOrder = false;
  Shape shape;
};

/// Parses the dictionary in a .npy header, such as
/// "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }".
/// Returns an error ("expected ..., but got ..."), empty if there is none.
std::string parseNpyHeader(const std::string &text, NpyHeader &header);

/// One .npy file, open for reading. Errors do not name the file's path.
class NpyReader {
public:
  /// Opens the file, reads its header and checks that as much data as the
  /// header promises follows it, no less and no more. Returns an error or "".
  std::string open(const std::string &path);

  const Shape &shape() const { return header.shape; }

  /// Reads all elements in row-major order, rounded to `type` (to nearest, ties
  /// to even), to `to`, which
  /// has room for elementCount(shape()) of them. It is an error if an element
  /// is nan or infinite, or becomes so by rounding. Returns an error or "".
  /// Call it once, after open().
  std::string read(FloatType type, void *to);

  /// Whether read() kept every number as it is.
  bool isExact() const { return exact; }

private:
  std::string readHeader();

  struct Close {
    void operator()(std::FILE *file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> file;
  NpyHeader header;
  bool exact = true;
};

/// Writes a row-major array as .npy version 1, little-endian, C order; a scalar
/// has shape (); bf16 and f16 are written as f32, which holds them. Returns an
/// error or ""; on error the file may be incomplete.
std::string writeNpy(const std::string &path, FloatType type,
                     const Shape &shape, const void *data);

} // namespace ropegrad

#endif // ROPEGRAD_TOOLS_LIB_NPY_H
