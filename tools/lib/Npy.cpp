//===- Npy.cpp - Arrays in NumPy's .npy format ----------------------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Reading is checked against the file's size before anything is converted, so
// that a header which promises too much costs no memory.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/Npy.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace ropegrad;

static constexpr char kMagic[] = "\x93NUMPY";
static constexpr size_t kMagicBytes = 6;
/// NumPy's own headers are far below this.
static constexpr uint32_t kMaxHeaderBytes = 1 << 20;

/// The text of errno in this project's style, which starts in lower case.
static std::string systemError() {
  std::string text = std::strerror(errno);
  text[0] = static_cast<char>(std::tolower(text[0]));
  return text;
}

std::string ropegrad::toString(const Shape &shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

int64_t ropegrad::elementCount(const Shape &shape) {
  int64_t count = 1;
  bool overflow = false, empty = false;
  for (int64_t dimension : shape) {
    if (dimension < 0)
      return -1;
    empty |= dimension == 0;
    overflow |= __builtin_mul_overflow(count, dimension, &count);
  }
  if (empty)
    return 0;
  return overflow || count > INT64_MAX / 16 ? -1 : count;
}

std::string NpyReader::readHeader() {
  unsigned char start[12] = {0};
  if (std::fread(start, 1, 8, file.get()) < 8 &&
      std::memcmp(start, kMagic, kMagicBytes) == 0)
    return "expected a whole .npy file, but got one cut in its header";
  if (std::memcmp(start, kMagic, kMagicBytes) != 0)
    return "expected a .npy file, but got a file without its magic bytes";
  unsigned major = start[6];
  if (major < 1 || major > 3 || start[7] != 0)
    return "expected .npy version 1.0, 2.0 or 3.0, but got " +
           std::to_string(major) + "." + std::to_string(unsigned(start[7]));

  size_t lengthBytes = major == 1 ? 2 : 4;
  bool whole = std::fread(start + 8, 1, lengthBytes, file.get()) == lengthBytes;
  uint32_t length = start[8] | start[9] << 8 | start[10] << 16 |
                    static_cast<uint32_t>(start[11]) << 24;
  if (length > kMaxHeaderBytes)
    return "expected a .npy header of at most " +
           std::to_string(kMaxHeaderBytes) + " bytes, but got " +
           std::to_string(length);
  std::string text(length, ' ');
  whole = whole && std::fread(&text[0], 1, length, file.get()) == length;
  if (!whole)
    return "expected a whole .npy file, but got one cut in its header";
  return parseNpyHeader(text, header);
}

std::string NpyReader::open(const std::string &path) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0)
    return systemError();
  file.reset(::fdopen(descriptor, "rb"));
  struct stat status;
  if (!file || ::fstat(descriptor, &status) != 0) {
    std::string error = systemError();
    if (!file)
      ::close(descriptor);
    return error;
  }
  if (!S_ISREG(status.st_mode))
    return "expected a .npy file, but got something that is not a regular file";
  if (status.st_size == 0)
    return "expected a .npy file, but got an empty file";
  std::string error = readHeader();
  if (!error.empty())
    return error;

  int64_t count = elementCount(header.shape);
  if (count < 0)
    return "expected an array that fits in memory, but got shape " +
           toString(header.shape);
  int64_t expected = count * header.width;
  int64_t got = status.st_size - std::ftell(file.get());
  if (got != expected)
    return "expected " + std::to_string(expected) +
           " bytes of data for shape " + toString(header.shape) + ", but got " +
           std::to_string(got) +
           (got < expected ? " (the file is truncated)" : " (trailing bytes)");
  return "";
}

namespace {
/// A 16-bit format: sign, exponent, mantissa, as IEEE 754 interprets them.
struct Half {
  int mantissaBits, exponentBits;

  int bias() const { return (1 << (exponentBits - 1)) - 1; }
  int infinity() const { return ((1 << exponentBits) - 1) << mantissaBits; }

  double decode(uint16_t bits) const {
    int exponent = (bits & 0x7fff) >> mantissaBits;
    int mantissa = bits & ((1 << mantissaBits) - 1);
    double value = std::nan("");
    if ((bits & 0x7fff) < infinity()) // subnormal numbers have no leading one
      value = std::ldexp(mantissa + (exponent ? 1 << mantissaBits : 0),
                         std::max(exponent, 1) - bias() - mantissaBits);
    else if (mantissa == 0)
      value = HUGE_VAL;
    return bits & 0x8000 ? -value : value;
  }

  uint16_t encode(long double value) const {
    uint16_t sign = std::signbit(value) ? 0x8000 : 0;
    if (std::isnan(value))
      return sign | infinity() | 1 << (mantissaBits - 1);
    if (value == 0) // frexp's exponent of 0 says nothing
      return sign;
    int exponent = infinity() >> mantissaBits; // far above any other
    if (std::isfinite(value))
      (void)std::frexp(value, &exponent); // in [2^(exponent-1), 2^exponent)
    // In units of the last place, rounded to even by the default mode. A
    // mantissa that becomes 2 carries into the exponent, and the largest
    // exponent is that of infinity.
    exponent = std::max(exponent - 1, 1 - bias());
    if (exponent > bias())
      return sign | infinity();
    long double units =
        std::nearbyint(std::ldexp(std::fabs(value), mantissaBits - exponent));
    int scaled =
        static_cast<int>(units) + ((exponent + bias() - 1) << mantissaBits);
    return sign | scaled;
  }
};
} // namespace

static constexpr Half kF16{10, 5}, kBF16{7, 8};

const char *ropegrad::toString(FloatType type) {
  switch (type) {
  case FloatType::F32:
    return "f32";
  case FloatType::F64:
    return "f64";
  case FloatType::BF16:
    return "bf16";
  case FloatType::F16:
    return "f16";
  }
  return "";
}

double FloatArray::get(int64_t index) const {
  switch (type) {
  case FloatType::F32:
    return static_cast<const float *>(data)[index];
  case FloatType::F64:
    return static_cast<const double *>(data)[index];
  case FloatType::BF16:
    return kBF16.decode(static_cast<const uint16_t *>(data)[index]);
  case FloatType::F16:
    return kF16.decode(static_cast<const uint16_t *>(data)[index]);
  }
  return 0;
}

void FloatArray::set(int64_t index, long double value) {
  switch (type) {
  case FloatType::F32:
    static_cast<float *>(data)[index] = static_cast<float>(value);
    break;
  case FloatType::F64:
    static_cast<double *>(data)[index] = static_cast<double>(value);
    break;
  case FloatType::BF16:
    static_cast<uint16_t *>(data)[index] = kBF16.encode(value);
    break;
  case FloatType::F16:
    static_cast<uint16_t *>(data)[index] = kF16.encode(value);
    break;
  }
}

/// The value of one element: x87's extended type holds every other one, so
/// that rounding to the asked type happens once.
static long double decode(const unsigned char *raw, const NpyHeader &header) {
  unsigned char bytes[16];
  std::memcpy(bytes, raw, header.width);
  if (header.bigEndian)
    std::reverse(bytes, bytes + header.width);
  switch (header.width) {
  case 2: {
    uint16_t bits;
    std::memcpy(&bits, bytes, sizeof(bits));
    return kF16.decode(bits);
  }
  case 4: {
    float value;
    std::memcpy(&value, bytes, sizeof(value));
    return value;
  }
  case 8: {
    double value;
    std::memcpy(&value, bytes, sizeof(value));
    return value;
  }
  }
  static_assert(sizeof(long double) == 16, "'f16' is x87's type on x86-64");
  long double value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

namespace {
/// The row-major offsets of elements visited in Fortran order.
class FortranWalk {
public:
  explicit FortranWalk(const Shape &shape)
      : shape(shape), stride(shape.size()), index(shape.size()) {
    int64_t step = 1;
    for (size_t i = shape.size(); i-- > 0; step *= shape[i])
      stride[i] = step;
  }
  int64_t offset() const { return at; }
  void advance() {
    for (size_t i = 0; i < shape.size(); ++i) {
      at += stride[i];
      if (++index[i] < shape[i])
        return;
      at -= stride[i] * shape[i];
      index[i] = 0;
    }
  }

private:
  const Shape &shape;
  Shape stride, index;
  int64_t at = 0;
};
} // namespace

/// "[2, 0]" for row-major offset `offset`.
static std::string indexText(const Shape &shape, int64_t offset) {
  std::string text = "]";
  for (size_t i = shape.size(); i-- > 0; offset /= shape[i])
    text = (i ? ", " : "") + std::to_string(offset % shape[i]) + text;
  return "[" + text;
}

static std::string notFinite(long double value, FloatType type,
                             const std::string &index) {
  if (!std::isfinite(value))
    return "expected finite numbers, but got " +
           std::string(std::isnan(value) ? "nan"
                       : value > 0       ? "inf"
                                         : "-inf") +
           " at index " + index;
  char text[40];
  std::snprintf(text, sizeof(text), "%.6Lg", value);
  return std::string("expected numbers in the range of ") + toString(type) +
         ", but got " + text + " at index " + index;
}

std::string NpyReader::read(FloatType type, void *to) {
  const int64_t count = elementCount(header.shape);
  const size_t width = header.width, chunk = size_t(1) << 14;
  std::vector<unsigned char> raw(chunk * width);
  FloatArray array(type, to);
  FortranWalk walk(header.shape);
  for (int64_t done = 0; done < count;) {
    size_t some = std::min<uint64_t>(chunk, count - done);
    if (std::fread(raw.data(), width, some, file.get()) != some)
      return "expected a whole .npy file, but got one cut in its data";
    for (size_t i = 0; i < some; ++i, ++done) {
      int64_t offset = header.fortranOrder ? walk.offset() : done;
      long double value = decode(&raw[i * width], header);
      array.set(offset, value);
      if (!std::isfinite(array.get(offset)))
        return notFinite(value, type, indexText(header.shape, offset));
      exact = exact && array.get(offset) == value;
      if (header.fortranOrder)
        walk.advance();
    }
  }
  return "";
}

std::string ropegrad::writeNpy(const std::string &path, FloatType type,
                               const Shape &shape, const void *data) {
  std::vector<float> singles;
  if (sizeInBytes(type) == 2) {
    singles.resize(elementCount(shape));
    const FloatArray halves(type, const_cast<void *>(data));
    for (size_t i = 0; i < singles.size(); ++i)
      singles[i] = static_cast<float>(halves.get(i));
    type = FloatType::F32;
    data = singles.data();
  }
  std::string text =
      std::string("{'descr': '") + (type == FloatType::F32 ? "<f4" : "<f8") +
      "', 'fortran_order': False, 'shape': " + toString(shape) + ", }";
  size_t start = kMagicBytes + 4;
  text.append(63 - (start + text.size()) % 64, ' ');
  text += '\n';

  std::FILE *file = std::fopen(path.c_str(), "wbe");
  if (!file)
    return systemError();
  std::string begin(kMagic, kMagicBytes);
  begin += {'\1', '\0', static_cast<char>(text.size() & 255),
            static_cast<char>(text.size() >> 8)};
  begin += text;
  size_t bytes = elementCount(shape) * sizeInBytes(type);
  bool good = std::fwrite(begin.data(), 1, begin.size(), file) == begin.size();
  good = good && (bytes == 0 || std::fwrite(data, 1, bytes, file) == bytes);
  good = std::fflush(file) == 0 && good;
  std::string error = good ? "" : systemError();
  if (std::fclose(file) != 0 && error.empty())
    error = systemError();
  return error;
}
