//===- CompileOptionsTest.cpp - Command line of ropegrad-compile ----------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/CompileOptions.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include "gtest/gtest.h"

using namespace ropegrad;
using llvm::StringRef;

namespace {

using Arguments = std::vector<const char *>;

std::string parse(const Arguments &arguments, CompileOptions &options) {
  options = CompileOptions();
  return parseCommandLine(arguments, options);
}

std::string parseAndResolve(const Arguments &arguments,
                            CompileOptions &options) {
  std::string message = parse(arguments, options);
  return message.empty() ? resolve(options) : message;
}

TEST(CompileOptions, EveryFlag) {
  CompileOptions o;
  ASSERT_EQ(parseAndResolve({"--n",
                             "64",
                             "--d=4",
                             "--bound",
                             "1.5",
                             "--tolerance=1e-3",
                             "--position",
                             "general",
                             "--support",
                             "0:0,0:1,3:2",
                             "--mask",
                             "window",
                             "--window",
                             "9",
                             "--alibi",
                             "4,3,2,1",
                             "--bias=learned",
                             "--scale",
                             "0.5",
                             "--entry",
                             "attention",
                             "--wrt",
                             "Q,W,bias",
                             "--dtype",
                             "f64",
                             "--batch",
                             "2",
                             "--heads",
                             "4",
                             "--kv-heads",
                             "2",
                             "--target",
                             "cpu",
                             "--cpu",
                             "x86-64-v3",
                             "--threads",
                             "2",
                             "--route",
                             "fft",
                             "--exact-by",
                             "mlir",
                             "--degree",
                             "5",
                             "--fit",
                             "weighted",
                             "--sigma",
                             "0.3",
                             "--centre",
                             "none",
                             "--name",
                             "my_kernel",
                             "--emit=o",
                             "-o",
                             "k.bin"},
                            o),
            "");
  const Problem &p = o.problem;
  EXPECT_EQ(p.n, 64);
  EXPECT_EQ(p.d, 4);
  EXPECT_EQ(p.bound, 1.5);
  EXPECT_EQ(p.tolerance, 1e-3);
  EXPECT_EQ(p.position, Position::General);
  EXPECT_EQ(p.support, (std::vector<SupportEntry>{{0, 0}, {0, 1}, {3, 2}}));
  EXPECT_EQ(p.mask, Mask::Window);
  EXPECT_EQ(p.window, 9);
  EXPECT_EQ(p.alibi, (std::vector<double>{4, 3, 2, 1}));
  EXPECT_TRUE(p.learnedBias);
  EXPECT_TRUE(p.biasPerHead);
  EXPECT_EQ(p.scale, 0.5);
  EXPECT_EQ(p.entry, Entry::Attention);
  EXPECT_EQ(p.wrt, (std::vector<std::string>{"Q", "W", "bias"}));
  EXPECT_EQ(p.dtype, DType::F64);
  EXPECT_EQ(p.batch, 2);
  EXPECT_EQ(p.heads, 4);
  EXPECT_EQ(p.kvHeads, 2);
  EXPECT_EQ(p.route, Route::FFT);
  EXPECT_EQ(p.degree, 5u);
  EXPECT_EQ(p.fit, Fit::Weighted);
  EXPECT_EQ(p.sigma, 0.3);
  EXPECT_EQ(p.centre, Centre::None);
  EXPECT_EQ(o.cpu, "x86-64-v3");
  EXPECT_EQ(o.threads, 2);
  EXPECT_EQ(o.name, "my_kernel");
  EXPECT_EQ(o.emit, EmitKind::Object);
  EXPECT_EQ(o.output, "k.bin");
}

TEST(CompileOptions, Defaults) {
  CompileOptions o;
  ASSERT_EQ(parseAndResolve({"--n", "8", "--d", "4", "-o", "dir/K.so"}, o), "");
  EXPECT_EQ(o.inputKind, InputKind::None);
  EXPECT_EQ(o.emit, EmitKind::SharedLibrary);
  EXPECT_EQ(o.problem.centre, Centre::Auto);
  EXPECT_EQ(o.name, "K");
  EXPECT_EQ(o.headerPath(), "dir/K.h");
  EXPECT_EQ(o.manifestPath(), "dir/K.json");
  EXPECT_EQ(o.cpu, "native");
  EXPECT_EQ(o.target, "cpu");
  EXPECT_FALSE(o.threads);
  const Problem &p = o.problem;
  EXPECT_EQ(p.entry, Entry::LossGradient);
  EXPECT_EQ(p.position, Position::Rotary);
  EXPECT_EQ(p.layout, Layout::Interleaved);
  EXPECT_EQ(p.base, 10000.0);
  EXPECT_EQ(p.scale, 0.25);
  EXPECT_EQ(p.channels, 4);
  EXPECT_EQ(p.route, Route::Auto);
  EXPECT_EQ(p.support, defaultSupport(p.position, p.layout, p.d));
  EXPECT_EQ(p.wrt, (std::vector<std::string>{"X1", "X2", "Y"}));
}

TEST(CompileOptions, KindAndName) {
  CompileOptions o;
  for (auto [output, kind] : {std::pair("K.so", EmitKind::SharedLibrary),
                              {"K.o", EmitKind::Object},
                              {"K.mlir", EmitKind::Mlir},
                              {"K.ll", EmitKind::LLVMIR},
                              {"K.s", EmitKind::Assembly}}) {
    EXPECT_EQ(parse({"-o", output}, o), "");
    EXPECT_EQ(o.emit, kind) << output;
    EXPECT_EQ(o.writesHeader(), o.emitLevel == 1 && output[2] != 'm' &&
                                    kind != EmitKind::LLVMIR &&
                                    kind != EmitKind::Assembly);
  }
  for (auto [output, name] : {std::pair("a/my-kernel.v2.so", "my_kernel_v2"),
                              {"3d.so", "_3d"},
                              {"\xC3\xA4.so", "__"},
                              {".so.so", "so"}}) {
    EXPECT_EQ(parse({"-o", output}, o), "");
    EXPECT_EQ(o.name, name);
  }
  EXPECT_EQ(parse({"-o", "-", "--emit", "mlir", "--emit-level=3"}, o), "");
  EXPECT_TRUE(o.toStandardOutput());
  EXPECT_EQ(o.emitLevel, 3);
  EXPECT_EQ(o.name, "kernel");
}

TEST(CompileOptions, Values) {
  CompileOptions o;
  ASSERT_EQ(parseAndResolve({"--n=8", "--d=4", "--plan", "--similarity",
                             "poly:1,1,0.5", "--wrt", "none", "--alibi", "0"},
                            o),
            "");
  EXPECT_EQ(o.problem.similarity, (std::vector<double>{1, 1, 0.5}));
  EXPECT_FALSE(o.problem.needsGradient());
  EXPECT_TRUE(o.problem.alibi.empty());
  EXPECT_TRUE(o.planOnly);
  // The last one counts, negative numbers are values.
  ASSERT_EQ(parse({"--n=8", "--n=9", "--alibi", "-0.5", "--plan"}, o), "");
  EXPECT_EQ(o.flags.problem.n, 9);
  EXPECT_EQ(o.flags.problem.alibi, (std::vector<double>{-0.5}));
}

TEST(CompileOptions, Inputs) {
  CompileOptions o;
  EXPECT_EQ(parse({"a.mlir", "--plan"}, o), "");
  EXPECT_EQ(o.inputKind, InputKind::Mlir);
  EXPECT_EQ(parse({"--plan", "--", "--n.json"}, o), "");
  EXPECT_EQ(o.inputKind, InputKind::Json);
  EXPECT_EQ(o.input, "--n.json");
}

TEST(CompileOptions, HelpNeedsNothingElse) {
  CompileOptions o;
  EXPECT_EQ(parse({"--help"}, o), "");
  EXPECT_TRUE(o.showHelp);
  EXPECT_EQ(parse({"--version"}, o), "");
  EXPECT_TRUE(o.showVersion);
  EXPECT_EQ(versionText().find("ropegrad-compile "), 0u);
}

TEST(CompileOptions, HelpNamesEveryFlagWithinEightyColumns) {
  std::string text = helpText();
  for (const ProblemField &field : problemFields())
    EXPECT_NE(text.find("  " + field.flag() + " "), std::string::npos)
        << field.flag();
  for (const char *flag :
       {"-o FILE", "--emit KIND", "--emit-level L", "--name PREFIX", "--plan",
        "--explain", "--target TARGET", "--cpu NAME", "--threads T",
        "--exact-by TOOL"})
    EXPECT_NE(text.find(flag), std::string::npos) << flag;
  llvm::SmallVector<StringRef> lines;
  StringRef(text).split(lines, '\n');
  for (StringRef line : lines)
    EXPECT_LE(line.size(), 80u) << line.str();
}

struct Bad {
  Arguments arguments;
  const char *error;
};

void PrintTo(const Bad &bad, std::ostream *stream) { *stream << bad.error; }

class BadCommandLine : public testing::TestWithParam<Bad> {};

TEST_P(BadCommandLine, IsRefused) {
  CompileOptions o;
  std::string message = parseAndResolve(GetParam().arguments, o);
  EXPECT_NE(message.find(GetParam().error), std::string::npos)
      << "message: " << message;
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Flags, BadCommandLine,
    testing::Values(
        Bad{{}, "expected -o FILE, --plan or --explain"},
        Bad{{"--n", "8", "--d", "4"}, "expected -o FILE, --plan or --explain"},
        Bad{{"--n=8", "--d=4", "--plan", "--explain"}, "but got both"},
        Bad{{"--explain=yes"}, "expected no value after --explain"},
        Bad{{"--tolerence", "1"}, "did you mean --tolerance?"},
        Bad{{"--frobnicate"}, "but got '--frobnicate'"},
        Bad{{"-n", "8"}, "but got '-n'"}, Bad{{"-"}, "but got '-'"},
        Bad{{"--kv_heads", "2"}, "did you mean --kv-heads?"},
        Bad{{"--n"}, "expected a value after --n, but got none"},
        Bad{{"--n", "--d", "4"}, "expected a value after --n, but got '--d'"},
        Bad{{"-o"}, "expected a value after -o, but got none"},
        Bad{{"--plan=yes"}, "expected no value after --plan, but got 'yes'"},
        Bad{{"a.json", "b.json", "--plan"},
            "expected one input, but got 'a.json' and 'b.json'"},
        Bad{{"a.txt", "--plan"}, "ends in .json or .mlir, but got 'a.txt'"},
        Bad{{"", "--plan"}, "ends in .json or .mlir"}));

INSTANTIATE_TEST_SUITE_P(
    Numbers, BadCommandLine,
    testing::Values(
        Bad{{"--n", "12x"}, "expected an integer after --n, but got '12x'"},
        Bad{{"--n="}, "expected an integer after --n, but got ''"},
        Bad{{"--n", "8.0"}, "an integer after --n"},
        Bad{{"--n", "+8"}, "an integer after --n"},
        Bad{{"--n", " 8"}, "an integer after --n"},
        Bad{{"--n", "0x10"}, "an integer after --n"},
        Bad{{"--n", "9223372036854775808"}, "an integer after --n"},
        Bad{{"--bound", "1e999"}, "a finite number after --bound"},
        Bad{{"--bound", "nan"}, "a finite number after --bound"},
        Bad{{"--bound", "inf"}, "a finite number after --bound"},
        Bad{{"--bound", "1,5"}, "a finite number after --bound"},
        Bad{{"--bound", "0x1p3"}, "a finite number after --bound"},
        Bad{{"--bound", "1e"}, "a finite number after --bound"},
        Bad{{"--tolerance", "1e-999"}, "a finite number after --tolerance"},
        Bad{{"--bound", ""}, "a finite number after --bound"},
        Bad{{"--scale", "-"}, "a finite number after --scale"},
        Bad{{"--scale", "."}, "a finite number after --scale"},
        Bad{{"--alibi", "0.5,,1"}, "one per head"},
        Bad{{"--similarity", "poly:"}, "poly:c0,c1"},
        Bad{{"--similarity", "poly:1,nan"}, "poly:c0,c1"},
        Bad{{"--similarity", "tanh"}, "exp or poly:c0,c1"},
        Bad{{"--support", "0:0,1"}, "pairs row:column"},
        Bad{{"--support", "0:0:0"}, "pairs row:column"},
        Bad{{"--support", ""}, "pairs row:column"},
        Bad{{"--degree", "-1"}, "an integer from 0 to 64"},
        Bad{{"--degree", "4294967296"}, "an integer from 0 to 64"},
        Bad{{"--threads", "0"}, "an integer from 1 to 1024"},
        Bad{{"--emit-level", "5"}, "a level from 1 to 4"}));

INSTANTIATE_TEST_SUITE_P(
    Names, BadCommandLine,
    testing::Values(
        Bad{{"--position", "rope"}, "rotary, general or none after --position"},
        Bad{{"--layout", "full"}, "interleaved or half"},
        Bad{{"--mask", "Causal"}, "none, causal or window"},
        Bad{{"--bias", "yes"}, "none or learned"},
        Bad{{"--entry", "loss"}, "loss-gradient or attention"},
        Bad{{"--dtype", "f8"}, "f32, f64, bf16 or f16"},
        Bad{{"--route", "fast"}, "auto, exact, features, scan or fft"},
        Bad{{"--fit", "best"}, "minimax, taylor or weighted"},
        Bad{{"--wrt", "X1,,Y"}, "names of variables"},
        Bad{{"--wrt", "X1,X1"}, "each once"},
        Bad{{"--name", "3d"}, "a C identifier after --name, but got '3d'"},
        Bad{{"--name", ""}, "a C identifier"},
        Bad{{"--target", "cuda"}, "target cuda is not supported yet"},
        Bad{{"--target", "vulkan"}, "target vulkan is not supported yet"},
        Bad{{"--target", "tpu"}, "cpu, cuda, rocm or vulkan"},
        Bad{{"--exact-by", "gcc"}, "mlir or halide after --exact-by"},
        Bad{{"--emit", "ptx", "-o", "k"}, "kind ptx is not supported yet"},
        Bad{{"--emit", "exe", "-o", "k"}, "so, o, mlir, ll or s"},
        Bad{{"-o", "K.spv"}, "kind spv is not supported yet"},
        Bad{{"-o", "K.dll"}, "ends in .so, .o, .mlir, .ll or .s"},
        Bad{{"-o", "K"}, "ends in .so"}, Bad{{"-o="}, "the name of a file"},
        Bad{{"-o", "-", "--emit", "so"}, "on standard output, but got so"},
        Bad{{"-o", "K.so", "--emit-level", "2"},
            "expected --emit mlir with --emit-level, but got so"}));

INSTANTIATE_TEST_SUITE_P(
    Meaning, BadCommandLine,
    testing::Values(
        Bad{{"--plan"}, "expected n, but got none"},
        Bad{{"--plan", "--n=8"}, "expected d, but got none"},
        Bad{{"--plan", "--n=0", "--d=4"}, "expected n to be positive"},
        Bad{{"--plan", "--n=8", "--d=7"}, "expected d to be even"},
        Bad{{"--plan", "--n=1", "--d=1099511627774"}, "d to be at most 65536"},
        Bad{{"--plan", "--n=8", "--d=4", "--wrt=Q"}, "'Q'"},
        Bad{{"--plan", "--n=8", "--d=4", "--window=3"}, "--mask window"},
        Bad{{"--plan", "--n=8", "--d=4", "--mask=causal", "--window=3"},
            "--mask window"},
        Bad{{"--plan", "--n=8", "--d=4", "--mask=window"}, "a window"},
        Bad{{"--plan", "--n=8", "--d=4", "--heads=2"}, "--entry attention"},
        Bad{{"--plan", "--n=8", "--d=4", "--batch=2"}, "--entry attention"},
        Bad{{"--plan", "--n=8", "--d=4", "--entry=attention", "--channels=8"},
            "--entry loss-gradient"},
        Bad{{"--plan", "--n=8", "--d=4", "--sigma=1"}, "--fit weighted"},
        Bad{{"--plan", "--n=8", "--d=4", "--position=general"}, "a support"},
        Bad{{"--plan", "/no/such/problem.json"}, "cannot open"}));

/// Flags over one problem.json in a folder of its own.
class WithFile : public testing::Test {
protected:
  void SetUp() override {
    (void)llvm::sys::fs::createUniqueDirectory("ropegrad-test", folder);
    llvm::SmallString<128> path(folder);
    llvm::sys::path::append(path, "problem.json");
    file = std::string(path);
    std::error_code error;
    llvm::raw_fd_ostream os(file, error);
    os << R"({"entry": "attention", "n": 64, "d": 4, "batch": 1, "heads": 4,
              "kv_heads": 2, "scale": 0.125, "radius": 1.0, "mask": "window",
              "window": 5, "support": [[0,0],[1,0],[0,1],[1,1],
              [2,2],[2,3],[3,2],[3,3]]})";
  }

  void TearDown() override { (void)llvm::sys::fs::remove_directories(folder); }

  std::string run(Arguments flags) {
    flags.insert(flags.begin(), {file.c_str(), "--plan"});
    return parseAndResolve(flags, options);
  }

  llvm::SmallString<128> folder;
  std::string file;
  CompileOptions options;
  const Problem &problem = options.problem;
};

TEST_F(WithFile, FileAlone) {
  ASSERT_EQ(run({}), "");
  EXPECT_EQ(problem.n, 64);
  EXPECT_EQ(problem.kvHeads, 2);
  EXPECT_EQ(problem.window, 5);
  EXPECT_EQ(problem.support[1], SupportEntry(1, 0));
}

TEST_F(WithFile, FlagsOverrideTheFile) {
  ASSERT_EQ(run({"--n", "32", "--window", "7", "--scale", "1"}), "");
  EXPECT_EQ(problem.n, 32);
  EXPECT_EQ(problem.window, 7);
  EXPECT_EQ(problem.scale, 1.0);
  EXPECT_EQ(problem.heads, 4);
  ASSERT_EQ(run({"--mask", "none"}), "");
  EXPECT_EQ(problem.window, 0);
}

TEST_F(WithFile, BoundOfTheFlagsBeatsRadiusOfTheFile) {
  ASSERT_EQ(run({"--bound", "0.5"}), "");
  EXPECT_FALSE(problem.radius);
  EXPECT_EQ(problem.bound, 0.5);
  ASSERT_EQ(run({"--bound", "0.5", "--radius", "2"}), "");
  EXPECT_EQ(problem.radius, 2.0);
}

TEST_F(WithFile, SupportFollowsThePositionOfTheFlags) {
  ASSERT_EQ(run({"--position", "none"}), "");
  EXPECT_EQ(problem.support, defaultSupport(Position::None, Layout::Half, 4));
  ASSERT_EQ(run({"--layout", "half"}), "");
  EXPECT_EQ(problem.support, defaultSupport(Position::Rotary, Layout::Half, 4));
  ASSERT_EQ(run({"--layout", "interleaved"}), "");
  EXPECT_EQ(problem.support[1], SupportEntry(1, 0));
  ASSERT_EQ(run({"--position", "general"}), "");
  EXPECT_EQ(problem.support[1], SupportEntry(1, 0));
}

TEST_F(WithFile, NeverOverwritesItsInput) {
  llvm::SmallString<128> output(folder);
  llvm::sys::path::append(output, "problem.so");
  CompileOptions o;
  std::string message =
      parseAndResolve({file.c_str(), "-o", output.c_str()}, o);
  EXPECT_NE(message.find("leave the input alone"), std::string::npos)
      << message;
}

TEST(CompileOptions, FlagsOverrideTheProblemOfTheIR) {
  Problem ir;
  ir.n = 16;
  ir.d = 6;
  ir.channels = 3;
  ir.scale = 0.5;
  ir.wrt = {"Y"};
  ir.route = Route::Exact;
  ProblemSpec spec(ir);
  CompileOptions o;
  ASSERT_EQ(parse({"a.mlir", "--plan", "--n", "32"}, o), "");
  ASSERT_EQ(resolve(o, &spec), "");
  EXPECT_EQ(o.problem.n, 32);
  EXPECT_EQ(o.problem.channels, 3);
  EXPECT_EQ(o.problem.scale, 0.5);
  EXPECT_EQ(o.problem.wrt, (std::vector<std::string>{"Y"}));
  EXPECT_EQ(o.problem.route, Route::Exact);
}

} // namespace
