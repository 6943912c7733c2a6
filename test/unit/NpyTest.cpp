//===- NpyTest.cpp - Reading and writing .npy files -----------------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/Npy.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <sstream>
#include <unistd.h>

using namespace ropegrad;

namespace {

/// A file of its own for every test.
class NpyTest : public testing::Test {
protected:
  std::string path() const {
    const auto *test = testing::UnitTest::GetInstance()->current_test_info();
    return testing::TempDir() + "ropegrad-npy-" + test->name() + "-" +
           std::to_string(::getpid()) + ".npy";
  }
  void TearDown() override { std::remove(path().c_str()); }

  void writeBytes(const std::string &bytes) const {
    std::ofstream(path(), std::ios::binary) << bytes;
  }
  std::string readBytes() const {
    std::ostringstream text;
    text << std::ifstream(path(), std::ios::binary).rdbuf();
    return text.str();
  }

  /// Reads the file as T; the error, or "" and the elements in `values`.
  template <typename T> std::string load(std::vector<T> &values) {
    NpyReader reader;
    std::string error = reader.open(path());
    if (!error.empty())
      return error;
    shape = reader.shape();
    values.assign(static_cast<size_t>(elementCount(shape)), T(-7));
    return reader.read(sizeof(T) == 4 ? FloatType::F32 : FloatType::F64,
                       values.data());
  }
  template <typename T = float> std::string loadError() {
    std::vector<T> values;
    return load(values);
  }

  Shape shape;
};

std::string npy(const std::string &dictionary, const std::string &data,
                int version = 1) {
  std::string text = dictionary + "\n";
  std::string bytes = "\x93NUMPY";
  bytes += {static_cast<char>(version), '\0'};
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i)
    bytes += static_cast<char>(text.size() >> (8 * i) & 255);
  return bytes + text + data;
}

std::string dictionary(const std::string &descr, const std::string &shape,
                       const std::string &fortran = "False") {
  return "{'descr': " + descr + ", 'fortran_order': " + fortran +
         ", 'shape': " + shape + ", }";
}

/// The bytes of `values`, each reversed if `swap`.
template <typename T>
std::string raw(const std::vector<T> &values, bool swap = false) {
  std::string bytes;
  for (const T &value : values) {
    char element[sizeof(T)];
    std::memcpy(element, &value, sizeof(T));
    if (swap)
      std::reverse(element, element + sizeof(T));
    bytes.append(element, sizeof(T));
  }
  return bytes;
}

#define EXPECT_HAS(text, part)                                                 \
  EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST_F(NpyTest, WritesWhatNumpyWrites) {
  std::vector<float> data = {1.5f, -2.0f, 0.0f};
  ASSERT_EQ(writeNpy(path(), FloatType::F32, {3}, data.data()), "");
  std::string bytes = readBytes();
  ASSERT_EQ(bytes.size(), 128u + 12u);
  EXPECT_EQ(bytes.substr(0, 10), std::string("\x93NUMPY\x01\x00\x76\x00", 10));
  std::string text =
      "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }";
  EXPECT_EQ(bytes.substr(10, 118),
            text + std::string(117 - text.size(), ' ') + "\n");
  EXPECT_EQ(bytes.substr(128), raw(data));
}

TEST_F(NpyTest, RoundTripsScalarsAndMatrices) {
  double loss = 0.1;
  ASSERT_EQ(writeNpy(path(), FloatType::F64, {}, &loss), "");
  std::vector<double> scalar;
  ASSERT_EQ(load(scalar), "");
  EXPECT_EQ(shape, Shape());
  EXPECT_EQ(scalar, std::vector<double>{0.1});

  std::vector<float> data(6), got;
  for (int i = 0; i < 6; ++i)
    data[i] = i / 3.0f;
  ASSERT_EQ(writeNpy(path(), FloatType::F32, {2, 1, 3}, data.data()), "");
  ASSERT_EQ(load(got), "");
  EXPECT_EQ(shape, (Shape{2, 1, 3}));
  EXPECT_EQ(got, data);
}

TEST_F(NpyTest, PadsEveryHeaderTo64Bytes) {
  for (int64_t rank = 0; rank < 30; ++rank) {
    Shape ones(rank, 1);
    float one = 1.0f;
    ASSERT_EQ(writeNpy(path(), FloatType::F32, ones, &one), "");
    EXPECT_EQ(readBytes().size() % 64, 4u) << rank;
    std::vector<float> got;
    ASSERT_EQ(load(got), "");
    EXPECT_EQ(shape, ones);
  }
}

TEST_F(NpyTest, ReadsEveryWidthAndByteOrder) {
  const std::vector<double> want = {1.0, -0.5, 1024.0, 0.0};
  std::vector<float> f4(want.begin(), want.end());
  std::vector<long double> f16(want.begin(), want.end());
  std::vector<uint16_t> f2 = {0x3C00, 0xB800, 0x6400, 0x0000};
  for (bool swap : {false, true}) {
    std::string order = swap ? "'>" : "'<";
    for (const auto &[descr, data] : {std::make_pair("f2'", raw(f2, swap)),
                                      {"f4'", raw(f4, swap)},
                                      {"f8'", raw(want, swap)},
                                      {"f16'", raw(f16, swap)}}) {
      for (int version = 1; version <= 3; ++version) {
        writeBytes(npy(dictionary(order + descr, "(4,)"), data, version));
        std::vector<double> got;
        ASSERT_EQ(load(got), "") << order << descr << version;
        EXPECT_EQ(got, want) << order << descr << version;
      }
    }
  }
}

TEST_F(NpyTest, DecodesEveryHalf) {
  std::vector<uint16_t> bits = {0x0001, 0x03FF, 0x0400, 0x7BFF, 0x8001, 0x3555};
  writeBytes(npy(dictionary("'<f2'", "(6,)"), raw(bits)));
  std::vector<double> got;
  ASSERT_EQ(load(got), "");
  EXPECT_EQ(got,
            (std::vector<double>{std::ldexp(1.0, -24), std::ldexp(1023.0, -24),
                                 std::ldexp(1.0, -14), 65504.0,
                                 -std::ldexp(1.0, -24), 0.333251953125}));
  for (uint16_t special : {0x7C00, 0xFC00, 0x7E00}) {
    writeBytes(
        npy(dictionary("'<f2'", "(1,)"), raw(std::vector<uint16_t>{special})));
    EXPECT_HAS(loadError(), "expected finite numbers, but got ");
  }
}

TEST_F(NpyTest, RoundsOnce) {
  // Just above the middle of 1 and its successor in f32, but the middle itself
  // when rounded to f64 first, which would then go to even: 1.
  long double value = 1.0L + std::ldexp(1.0L, -24) + std::ldexp(1.0L, -60);
  writeBytes(
      npy(dictionary("'<f16'", "()"), raw(std::vector<long double>{value})));
  std::vector<float> got;
  ASSERT_EQ(load(got), "");
  EXPECT_EQ(got[0], 1.0f + std::ldexp(1.0f, -23));
}

/// The bits of `value` as 16-bit type `type`.
uint16_t encoded(FloatType type, long double value) {
  uint16_t bits = 0xDEAD;
  FloatArray(type, &bits).set(0, value);
  return bits;
}

TEST(FloatArray, RoundsToEvenHalves) {
  const struct {
    FloatType type;
    long double value;
    uint16_t bits;
  } cases[] = {
      {FloatType::F16, 1.0L, 0x3C00},
      {FloatType::F16, 1.0L + 0x1p-11L, 0x3C00},            // tie to even
      {FloatType::F16, 1.0L + 0x1p-11L + 0x1p-60L, 0x3C01}, // rounds once
      {FloatType::F16, 1.0L + 3 * 0x1p-11L, 0x3C02},        // tie to even
      {FloatType::F16, 2.0L - 0x1p-12L, 0x4000},            // carries
      {FloatType::F16, 65504.0L, 0x7BFF},
      {FloatType::F16, 65519.99L, 0x7BFF},
      {FloatType::F16, 65520.0L, 0x7C00},
      {FloatType::F16, -1e300L, 0xFC00},
      {FloatType::F16, 0x1p-14L, 0x0400},
      {FloatType::F16, 0x1p-14L - 0x1p-26L, 0x0400}, // carries
      {FloatType::F16, 3 * 0x1p-25L, 0x0002},        // tie to even
      {FloatType::F16, -0x1p-25L, 0x8000},           // tie to even
      {FloatType::F16, 0x1.01p-25L, 0x0001},
      {FloatType::BF16, 1.0L + 0x1p-8L, 0x3F80},            // tie to even
      {FloatType::BF16, 1.0L + 0x1p-8L + 0x1p-60L, 0x3F81}, // rounds once
      {FloatType::BF16, -(1.0L + 3 * 0x1p-8L), 0xBF82},     // tie to even
      {FloatType::BF16, 0x1.FEp127L, 0x7F7F},
      {FloatType::BF16, 0x1.FFp127L, 0x7F80},
      {FloatType::BF16, 0x1p-133L, 0x0001},
      {FloatType::BF16, 0x1p-134L, 0x0000}, // tie to even
      {FloatType::BF16, 0x1p-126L, 0x0080},
      {FloatType::BF16, -0.0L, 0x8000}};
  for (const auto &each : cases)
    EXPECT_EQ(encoded(each.type, each.value), each.bits)
        << toString(each.type) << " " << each.value;
}

TEST(FloatArray, KeepsEveryHalf) {
  for (FloatType type : {FloatType::BF16, FloatType::F16}) {
    const int mantissaBits = type == FloatType::F16 ? 10 : 7;
    const int infinity = 0x7FFF >> mantissaBits << mantissaBits;
    for (int bits = 0; bits < 1 << 16; ++bits) {
      auto half = static_cast<uint16_t>(bits);
      double value = FloatArray(type, &half).get(0);
      int magnitude = bits & 0x7FFF;
      EXPECT_EQ(std::isnan(value), magnitude > infinity) << bits;
      EXPECT_EQ(std::isinf(value), magnitude == infinity) << bits;
      uint16_t again = encoded(type, value);
      if (magnitude <= infinity)
        EXPECT_EQ(again, half);
      else
        EXPECT_GT(again & 0x7FFF, infinity);
    }
  }
}

TEST_F(NpyTest, ReadsAndWritesHalves) {
  std::vector<double> numbers = {1.0, -0x1.02p-3, 0.0};
  writeBytes(npy(dictionary("'>f8'", "(3,)"), raw(numbers, /*swap=*/true)));
  uint16_t halves[3];
  for (FloatType type : {FloatType::BF16, FloatType::F16}) {
    NpyReader reader;
    ASSERT_EQ(reader.open(path()), "");
    ASSERT_EQ(reader.read(type, halves), "");
    EXPECT_EQ(halves[0], type == FloatType::F16 ? 0x3C00 : 0x3F80);
    ASSERT_EQ(writeNpy(path() + ".f4", type, {3}, halves), "");
    ASSERT_EQ(reader.open(path() + ".f4"), "");
    float singles[3];
    ASSERT_EQ(reader.read(FloatType::F32, singles), "");
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(singles[i], numbers[i]) << toString(type);
    std::remove((path() + ".f4").c_str());
  }
}

TEST_F(NpyTest, RefusesWhatHalvesCannotHold) {
  for (auto [type, value, text] :
       {std::make_tuple(FloatType::F16, -7e4, "f16, but got -70000"),
        {FloatType::BF16, 3.4e38, "bf16, but got 3.4e+38"}}) {
    writeBytes(
        npy(dictionary("'<f8'", "(1,)"), raw(std::vector<double>{value})));
    NpyReader reader;
    uint16_t half;
    ASSERT_EQ(reader.open(path()), "");
    EXPECT_HAS(reader.read(type, &half),
               std::string("expected numbers in the range of ") + text +
                   " at index [0]");
  }
}

TEST_F(NpyTest, ReadsFortranOrder) {
  // Element (i, j, k) is 100 i + 10 j + k.
  std::vector<double> columns;
  for (int k = 0; k < 4; ++k)
    for (int j = 0; j < 3; ++j)
      for (int i = 0; i < 2; ++i)
        columns.push_back(100 * i + 10 * j + k);
  writeBytes(npy(dictionary("'<f8'", "(2, 3, 4)", "True"), raw(columns)));
  std::vector<float> got;
  ASSERT_EQ(load(got), "");
  for (int at = 0; at < 24; ++at)
    EXPECT_EQ(got[at], 100 * (at / 12) + 10 * (at / 4 % 3) + at % 4) << at;
}

TEST_F(NpyTest, ReadsMoreThanOneChunkInBothOrders) {
  const int rows = 300, columns = 211;
  std::vector<float> rowMajor(rows * columns), fortran(rows * columns), got;
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j)
      fortran[j * rows + i] = rowMajor[i * columns + j] = i + j / 512.0f;
  writeBytes(npy(dictionary("'<f4'", "(300, 211)"), raw(rowMajor)));
  ASSERT_EQ(load(got), "");
  EXPECT_EQ(got, rowMajor);
  writeBytes(npy(dictionary("'<f4'", "(300, 211)", "True"), raw(fortran)));
  ASSERT_EQ(load(got), "");
  EXPECT_EQ(got, rowMajor);
}

TEST_F(NpyTest, ReadsEmptyArrays) {
  writeBytes(npy(dictionary("'<f4'", "(0, 3)"), ""));
  std::vector<float> got;
  EXPECT_EQ(load(got), "");
  EXPECT_EQ(shape, (Shape{0, 3}));
  EXPECT_TRUE(got.empty());
}

TEST_F(NpyTest, NamesOtherTypes) {
  const std::pair<const char *, const char *> cases[] = {
      {"'<i4'", "'<i4' (integer)"},
      {"'|u1'", "'|u1' (unsigned integer)"},
      {"'<c16'", "'<c16' (complex)"},
      {"'|O'", "'|O' (object)"},
      {"'|b1'", "'|b1' (boolean)"},
      {"'<U5'", "'<U5' (unicode)"},
      {"'|S3'", "'|S3' (bytes)"},
      {"'|V2'", "'|V2' (void)"},
      {"'<f3'", "'<f3' (float of an unknown width)"},
      {"''", "'' (unknown)"},
      {"[('a', '<f4'), ('b', '<f8', (2,))]", "(structured)"}};
  for (auto [descr, part] : cases) {
    writeBytes(npy(dictionary(descr, "(2,)"), std::string(16, '\0')));
    std::string error = loadError();
    EXPECT_HAS(error, "expected elements of a real float dtype, but got dtype");
    EXPECT_HAS(error, part);
  }
}

TEST_F(NpyTest, NamesNotFiniteElements) {
  const double inf = std::numeric_limits<double>::infinity();
  std::vector<double> data(6, 1.0);
  data[4] = std::nan("");
  writeBytes(npy(dictionary("'<f8'", "(3, 2)"), raw(data)));
  EXPECT_EQ(loadError(),
            "expected finite numbers, but got nan at index [2, 0]");
  // The same place in the file is another element in Fortran order.
  writeBytes(npy(dictionary("'<f8'", "(3, 2)", "True"), raw(data)));
  EXPECT_EQ(loadError(),
            "expected finite numbers, but got nan at index [1, 1]");
  data[4] = -inf;
  writeBytes(npy(dictionary("'<f8'", "(6,)"), raw(data)));
  EXPECT_EQ(loadError<double>(),
            "expected finite numbers, but got -inf at index [4]");
}

TEST_F(NpyTest, RefusesWhatOverflowsTheKernelsType) {
  writeBytes(npy(dictionary("'<f8'", "()"), raw(std::vector<double>{-1e39})));
  EXPECT_EQ(loadError<float>(),
            "expected numbers in the range of f32, but got -1e+39 at index []");
  EXPECT_EQ(loadError<double>(), "");
  writeBytes(
      npy(dictionary("'<f16'", "()"), raw(std::vector<long double>{1e400L})));
  EXPECT_EQ(loadError<double>(),
            "expected numbers in the range of f64, but got 1e+400 at index []");
}

TEST_F(NpyTest, RefusesEveryTruncation) {
  std::string whole =
      npy(dictionary("'<f4'", "(3,)"), raw(std::vector<float>{1, 2, 3}));
  for (size_t length = 0; length < whole.size(); ++length) {
    writeBytes(whole.substr(0, length));
    EXPECT_EQ(loadError().substr(0, 9), "expected ") << length;
  }
  writeBytes(whole);
  EXPECT_EQ(loadError(), "");
  writeBytes(whole + "x");
  EXPECT_EQ(loadError(), "expected 12 bytes of data for shape (3,), but got 13 "
                         "(trailing bytes)");
  writeBytes(whole.substr(0, whole.size() - 1));
  EXPECT_EQ(loadError(), "expected 12 bytes of data for shape (3,), but got 11 "
                         "(the file is truncated)");
}

TEST_F(NpyTest, RefusesWhatIsNoNpyFile) {
  EXPECT_EQ(loadError(), "no such file or directory");
  writeBytes("");
  EXPECT_HAS(loadError(), "but got an empty file");
  writeBytes("PK\3\4 a zip archive, as np.savez writes it");
  EXPECT_HAS(loadError(), "without its magic bytes");
  writeBytes(npy(dictionary("'<f4'", "()"), "....", 4));
  EXPECT_HAS(loadError(), "expected .npy version 1.0, 2.0 or 3.0, but got 4.0");
  NpyReader reader;
  EXPECT_HAS(reader.open(testing::TempDir()), "not a regular file");
}

TEST_F(NpyTest, RefusesHugeHeaders) {
  std::string bytes("\x93NUMPY\x02\x00\xFF\xFF\xFF\xFF", 12);
  writeBytes(bytes + "{}");
  EXPECT_HAS(loadError(), "but got 4294967295");
}

TEST_F(NpyTest, RefusesHugeShapes) {
  for (const char *huge :
       {"(4294967296, 4294967296)", "(9223372036854775807,)"}) {
    writeBytes(npy(dictionary("'<f4'", huge), "abcd"));
    EXPECT_HAS(loadError(), "expected an array that fits in memory");
  }
  // One that fits is refused for want of data before memory is asked for.
  writeBytes(npy(dictionary("'<f4'", "(99999999999,)"), "abcd"));
  EXPECT_HAS(loadError(), "but got 4 (the file is truncated)");
}

TEST(NpyHeaderTest, AcceptsWhatPythonWrites) {
  NpyHeader header;
  for (const char *text :
       {"{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }    \n",
        "{\"shape\":(3,4),\"fortran_order\":False,\"descr\":\"<f8\"}",
        "{'fortran_order': False, 'shape': (3L, 4L), 'descr': '=f8'}"}) {
    EXPECT_EQ(parseNpyHeader(text, header), "") << text;
    EXPECT_EQ(header.shape, (Shape{3, 4}));
    EXPECT_EQ(header.width, 8u);
  }
}

TEST(NpyHeaderTest, RefusesGarbage) {
  const std::string good = dictionary("'<f4'", "(3,)");
  NpyHeader header;
  ASSERT_EQ(parseNpyHeader(good, header), "");
  for (size_t length = 0; length < good.size(); ++length)
    EXPECT_NE(parseNpyHeader(good.substr(0, length), header), "") << length;
  for (const std::string &text :
       {dictionary("'<f4'", "(3)"), dictionary("'<f4'", "(-3,)"),
        dictionary("'<f4'", "(3.0,)"), dictionary("'<f4'", "[3]"),
        dictionary("'<f4'", "(,)"), dictionary("'<f4'", "(3,,)"),
        dictionary("'<f4'", "(99999999999999999999,)"),
        dictionary("'<f4'", "(3,)", "1"), dictionary("<f4", "(3,)"),
        dictionary("[('a', '<f4')", "(3,)"), good + "x",
        std::string("{'descr': '<f4', 'descr': '<f4', 'shape': (3,)}"),
        std::string("{'descr': '<f4', 'fortran_order': False}"),
        std::string("{'descr': '<f4', 'fortran_order': False, 'shape': (), "
                    "'more': 1}"),
        std::string(50, '\0'), std::string("{'\xff\xfe")})
    EXPECT_NE(parseNpyHeader(text, header), "") << text;
}

TEST(NpyShapeTest, CountsElements) {
  EXPECT_EQ(elementCount({}), 1);
  EXPECT_EQ(elementCount({2, 3}), 6);
  EXPECT_EQ(elementCount({int64_t(1) << 62, 8, 0}), 0);
  EXPECT_EQ(elementCount({int64_t(1) << 62, 8}), -1);
  EXPECT_EQ(elementCount({2, -1}), -1);
  EXPECT_EQ(toString(Shape{}), "()");
  EXPECT_EQ(toString(Shape{5}), "(5,)");
  EXPECT_EQ(toString(Shape{5, 6}), "(5, 6)");
}

} // namespace
