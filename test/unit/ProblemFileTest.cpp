//===- ProblemFileTest.cpp - Reading problem.json -------------------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/ProblemFile.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include "gtest/gtest.h"

using namespace ropegrad;
using llvm::StringRef;

namespace {

/// A folder that goes away with its files.
class Folder {
public:
  Folder() {
    (void)llvm::sys::fs::createUniqueDirectory("ropegrad-test", path);
  }
  ~Folder() { (void)llvm::sys::fs::remove_directories(path); }

  std::string file(StringRef name) const {
    llvm::SmallString<128> result(path);
    llvm::sys::path::append(result, name);
    return std::string(result);
  }

  std::string write(StringRef name, StringRef contents) const {
    std::error_code error;
    llvm::raw_fd_ostream os(file(name), error);
    os << contents;
    return file(name);
  }

private:
  llvm::SmallString<128> path;
};

std::string npy(StringRef shape) {
  return std::string("\x93NUMPY\x01\0v\0", 10) +
         "{'descr': '<f8', 'fortran_order': False, 'shape': " + shape.str() +
         ", }\n";
}

TEST(ProblemFile, ReadsWhatTheReferenceWrites) {
  ProblemSpecResult result = parseProblemJson(R"({
    "entry": "attention", "n": 256, "d": 4, "bound": 1.5, "scale": 0.25,
    "position": "general", "base": 500.0, "layout": "half", "mask": "window",
    "window": 7, "alibi": [0.5, 0.25], "dtype": "f32", "seed": 3,
    "dist": "skewed", "batch": 2, "heads": 4, "kv_heads": 2,
    "support": [[0, 0], [0, 1]], "bias": "learned", "similarity": [1, 1, 0.5],
    "radius": 2, "tolerance": 1e-3, "wrt": ["Q", "W"],
    "sizes": {"O": 3.5}, "logit_bound": 0.75})");
  ASSERT_TRUE(result.spec) << result.error;
  const Problem &p = result.spec->problem;
  EXPECT_EQ(p.entry, Entry::Attention);
  EXPECT_EQ(p.n, 256);
  EXPECT_EQ(p.d, 4);
  EXPECT_EQ(p.bound, 1.5);
  EXPECT_EQ(p.scale, 0.25);
  EXPECT_EQ(p.position, Position::General);
  EXPECT_EQ(p.base, 500.0);
  EXPECT_EQ(p.layout, Layout::Half);
  EXPECT_EQ(p.mask, Mask::Window);
  EXPECT_EQ(p.window, 7);
  EXPECT_EQ(p.alibi, (std::vector<double>{0.5, 0.25}));
  EXPECT_EQ(p.dtype, DType::F32);
  EXPECT_EQ(p.batch, 2);
  EXPECT_EQ(p.heads, 4);
  EXPECT_EQ(p.kvHeads, 2);
  EXPECT_EQ(p.support, (std::vector<SupportEntry>{{0, 0}, {0, 1}}));
  EXPECT_TRUE(p.learnedBias);
  EXPECT_EQ(p.similarity, (std::vector<double>{1, 1, 0.5}));
  EXPECT_EQ(p.radius, 2.0);
  EXPECT_EQ(p.tolerance, 1e-3);
  EXPECT_EQ(p.wrt, (std::vector<std::string>{"Q", "W"}));
  EXPECT_TRUE(result.spec->has("kv_heads"));
  EXPECT_FALSE(result.spec->has("channels"));
  EXPECT_FALSE(result.spec->has("seed"));
}

TEST(ProblemFile, AcceptsOtherSpellings) {
  ProblemSpecResult result = parseProblemJson(
      "\xEF\xBB\xBF{\"n\": 8.0, \"d\": 1e1, \"alibi\": 0.0, "
      "\"bias\": \"none\", \"similarity\": \"exp\", \"wrt\": \"X1,bias\"}");
  ASSERT_TRUE(result.spec) << result.error;
  EXPECT_EQ(result.spec->problem.n, 8);
  EXPECT_EQ(result.spec->problem.d, 10);
  EXPECT_TRUE(result.spec->problem.alibi.empty());
  EXPECT_FALSE(result.spec->problem.learnedBias);
  EXPECT_TRUE(result.spec->problem.isExp());
  EXPECT_EQ(result.spec->problem.wrt, (std::vector<std::string>{"X1", "bias"}));
  result = parseProblemJson(R"({"wrt": []})");
  ASSERT_TRUE(result.spec);
  EXPECT_FALSE(result.spec->problem.needsGradient());
  EXPECT_TRUE(result.spec->has("wrt"));
}

struct Bad {
  const char *text, *error;
};

void PrintTo(const Bad &bad, std::ostream *stream) { *stream << bad.error; }

class BadProblem : public testing::TestWithParam<Bad> {};

TEST_P(BadProblem, IsRefused) {
  ProblemSpecResult result = parseProblemJson(GetParam().text);
  EXPECT_FALSE(result.spec);
  EXPECT_NE(result.error.find(GetParam().error), std::string::npos)
      << "message: " << result.error;
  EXPECT_NE(result.error.find("expected"), std::string::npos) << result.error;
  EXPECT_EQ(result.error.find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Json, BadProblem,
    testing::Values(
        Bad{"", "an empty file"}, Bad{" \n\t", "an empty file"},
        Bad{"\x7f"
            "ELF\xff\xfe",
            "binary data"},
        Bad{"{", "valid JSON"}, Bad{R"({"n": 8, "d": )", "valid JSON"},
        Bad{R"({"n": 8} x)", "JSON"}, Bad{R"({"n": 8,})", "valid JSON"},
        Bad{"[1, 2]", "a JSON object"}, Bad{"7", "a JSON object, but got 7"},
        Bad{R"({"n": 8, "m": 3})", "unknown key 'm'"},
        Bad{R"({"route": "exact"})", "unknown key 'route'"},
        Bad{R"({"N": 8})", "unknown key 'N'"},
        Bad{R"({"n": 8, "n": 9})", R"("n" twice)"},
        Bad{R"({"n": NaN})", "finite numbers, but got NaN"},
        Bad{R"({"bound": -Infinity})", "finite numbers, but got Infinity"}));

INSTANTIATE_TEST_SUITE_P(
    Integers, BadProblem,
    testing::Values(Bad{R"({"n": "8"})",
                        "expected a 64-bit integer for key 'n', but got \"8\""},
                    Bad{R"({"n": 8.5})", "for key 'n', but got 8.5"},
                    Bad{R"({"n": true})", "for key 'n', but got true"},
                    Bad{R"({"n": null})", "for key 'n', but got null"},
                    Bad{R"({"d": [8]})", "for key 'd', but got [8]"},
                    Bad{R"({"n": 9223372036854775808})", "key 'n'"},
                    Bad{R"({"n": 9223372036854775808.0})", "key 'n'"},
                    Bad{R"({"n": 18446744073709551615})", "key 'n'"},
                    Bad{R"({"n": 1e999})", "key 'n'"},
                    Bad{R"({"window": {}})", "{}"}));

INSTANTIATE_TEST_SUITE_P(
    Values, BadProblem,
    testing::Values(
        Bad{R"({"scale": "1/d"})", "a finite number for key 'scale'"},
        Bad{R"({"bound": 1e999})", "a finite number for key 'bound'"},
        Bad{R"({"tolerance": null})", "key 'tolerance', but got null"},
        Bad{R"({"position": "rope"})",
            "expected rotary, general or none for key 'position', but got "
            "\"rope\""},
        Bad{R"({"mask": 1})", "the string none, causal or window"},
        Bad{R"({"dtype": "float32"})", "f32, f64, bf16 or f16"},
        Bad{R"({"entry": ""})", "loss-gradient or attention"},
        Bad{R"({"bias": true})", "the string none or learned"},
        Bad{R"({"alibi": []})", "one per head"},
        Bad{R"({"alibi": [0.5, "x"]})", "key 'alibi'"},
        Bad{R"({"similarity": []})", "a list of finite coefficients"},
        Bad{R"({"similarity": "poly:1"})", "\"exp\" or a list"},
        Bad{R"({"support": [[0]]})", "a list of pairs [row, column]"},
        Bad{R"({"support": [[0, 0.5]]})", "key 'support'"},
        Bad{R"({"support": "0:0"})", "key 'support'"},
        Bad{R"({"wrt": [1]})", "names of variables"},
        Bad{R"({"wrt": ["X1", "X1"]})", "each once"},
        Bad{R"({"wrt": ["X1", ""]})", "names of variables"}));

TEST(ProblemFile, RefusesNulBytesAndDeepNesting) {
  EXPECT_NE(parseProblemJson(StringRef("{\0}", 3)).error.find("binary"),
            std::string::npos);
  std::string deep(1000000, '[');
  EXPECT_NE(parseProblemJson(deep).error.find("levels of nesting"),
            std::string::npos);
}

TEST(ProblemFile, CutsLongValuesBetweenCharacters) {
  std::string umlauts;
  for (int i = 0; i < 100; ++i)
    umlauts += "\xC3\xA4";
  std::string error = parseProblemJson("{\"n\": \"" + umlauts + "\"}").error;
  EXPECT_TRUE(llvm::json::isUTF8(error)) << error;
  EXPECT_LT(error.size(), 120u);
}

TEST(ProblemFile, NamesTheFileInMessages) {
  Folder folder;
  std::string missing = folder.file("none.json");
  EXPECT_EQ(readProblemFile(missing).error.find(missing + ": cannot open"), 0u);
  std::string bad = folder.write("bad.json", "{");
  EXPECT_EQ(readProblemFile(bad).error.find(bad + ": expected valid JSON"), 0u);
  EXPECT_NE(readProblemFile(folder.file("")).error.find("directory"),
            std::string::npos);
}

TEST(ProblemFile, TakesTheShapeOfTheBiasFromTheData) {
  for (auto [shape, perHead] : {std::pair("(15,)", false), {"(2, 15)", true}}) {
    Folder folder;
    folder.write("bias.npy", npy(shape));
    ProblemSpecResult result = readProblemFile(folder.write(
        "p.json", R"({"entry": "attention", "n": 8, "d": 4, "heads": 2,
                      "bias": "learned"})"));
    ASSERT_TRUE(result.spec) << result.error;
    EXPECT_EQ(applyDefaults(*result.spec), "");
    EXPECT_EQ(result.spec->problem.biasPerHead, perHead) << shape;
  }
}

TEST(ProblemFile, RankOfNpy) {
  Folder folder;
  EXPECT_EQ(npyRank(folder.write("a.npy", npy("()"))), 0u);
  EXPECT_EQ(npyRank(folder.write("b.npy", npy("(3, 4, 5)"))), 3u);
  EXPECT_FALSE(npyRank(folder.write("c.npy", "")));
  EXPECT_FALSE(npyRank(folder.write("d.npy", "\x93NUMPY")));
  EXPECT_FALSE(npyRank(folder.write("e.npy", "not numpy, 'shape': (1,)")));
  EXPECT_FALSE(npyRank(folder.write("f.npy", npy("(3, 4"))).has_value());
  EXPECT_FALSE(npyRank(folder.file("none.npy")));
}

std::string complete(StringRef json, Problem &problem) {
  ProblemSpecResult result = parseProblemJson(json);
  if (!result.spec)
    return result.error;
  std::string message = applyDefaults(*result.spec);
  problem = result.spec->problem;
  return message;
}

TEST(ProblemFile, Defaults) {
  Problem p;
  ASSERT_EQ(complete(R"({"n": 8, "d": 4, "window": 3, "mask": "causal"})", p),
            "");
  EXPECT_EQ(p.scale, 0.25);
  EXPECT_EQ(p.channels, 4);
  EXPECT_EQ(p.base, 10000.0);
  EXPECT_EQ(p.wrt, (std::vector<std::string>{"X1", "X2", "Y"}));
  EXPECT_EQ(p.window, 0);
  ASSERT_EQ(complete(R"({"n": 8, "d": 4, "entry": "attention", "heads": 6,
                         "bias": "learned"})",
                     p),
            "");
  EXPECT_EQ(p.kvHeads, 6);
  EXPECT_EQ(p.batch, 1);
  EXPECT_EQ(p.wrt, (std::vector<std::string>{"Q", "K", "V"}));
  EXPECT_TRUE(p.biasPerHead);
  ASSERT_EQ(complete(R"({"n": 8, "d": 4, "bias": "learned"})", p), "");
  EXPECT_FALSE(p.biasPerHead);
}

TEST(ProblemFile, MissingFields) {
  Problem p;
  EXPECT_EQ(complete(R"({"d": 4})", p).find("expected n, but got none"), 0u);
  EXPECT_EQ(complete(R"({"n": 4})", p).find("expected d, but got none"), 0u);
  EXPECT_EQ(complete(R"({"n": 4, "d": 4, "mask": "window"})", p)
                .find("expected a window"),
            0u);
  EXPECT_EQ(complete(R"({"n": 4, "d": 4, "position": "general"})", p)
                .find("expected a support"),
            0u);
}

} // namespace
