//===- ManifestTest.cpp - Manifest, signatures and C header ---------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//

#include "tools/lib/Manifest.h"
#include "tools/lib/CHeader.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

#include "gtest/gtest.h"

#include <limits>

using namespace ropegrad;
using llvm::StringRef;

namespace {

Problem lossProblem() {
  Problem p;
  p.n = 64;
  p.d = 4;
  p.channels = 3;
  p.scale = 0.1;
  p.wrt = {"Y", "X", "X1", "A3"};
  p.support = defaultSupport(p.position, p.layout, p.d);
  p.tolerance = 1e-3;
  return p;
}

Problem attentionProblem() {
  Problem p;
  p.entry = Entry::Attention;
  p.n = 8;
  p.d = p.channels = 2;
  p.batch = 2;
  p.heads = 4;
  p.kvHeads = 2;
  p.scale = 0.5;
  p.position = Position::General;
  p.support = {{0, 0}, {0, 1}, {1, 1}};
  p.mask = Mask::Window;
  p.window = 3;
  p.alibi = {0.5, 0.25, 0.125, 0.0625};
  p.learnedBias = p.biasPerHead = true;
  p.wrt = {"bias", "W", "Q", "K", "V"};
  return p;
}

KernelInfo kernel(const Problem &problem, const char *name) {
  KernelInfo info;
  info.name = name;
  info.problem = problem;
  info.planJson = "{\n  \"route\": \"features\",\n  \"note\": \"a\\nb\"\n}\n";
  info.route = Route::Features;
  info.degree = 4;
  info.radiusLimit = 0.5;
  info.triple = "x86_64-pc-linux-gnu";
  info.cpu = "x86-64-v3";
  info.cpuFeatures = {"avx2", "fma"};
  info.threads = 2;
  info.functions = kernelFunctions(problem, name, true);
  info.functions.back().workspaceBytes = 12345;
  info.functions.back().workspaceBytesPerThread = 678;
  for (FunctionInfo &function : info.functions)
    for (ArgInfo &arg : function.args)
      if (arg.role == ArgRole::Residual)
        arg.shape = {640};
  return info;
}

std::string names(const FunctionInfo &function) {
  std::vector<std::string> list;
  list.reserve(function.args.size());
  for (const ArgInfo &arg : function.args)
    list.push_back(arg.name);
  return llvm::join(list, " ");
}

TEST(KernelFunctions, LossGradient) {
  std::vector<FunctionInfo> functions =
      kernelFunctions(lossProblem(), "K", false);
  ASSERT_EQ(functions.size(), 1u);
  EXPECT_EQ(functions[0].symbol, "K_loss_gradient");
  EXPECT_EQ(functions[0].packedSymbol(), "K_loss_gradient_packed");
  EXPECT_EQ(names(functions[0]), "A1 A2 A3 X1 X2 Y E loss dX1 dY dX dA3");
  using Shape = std::vector<int64_t>;
  EXPECT_EQ(functions[0].args[0].shape, (Shape{64, 3}));
  EXPECT_EQ(functions[0].args[3].shape, (Shape{3, 4}));
  EXPECT_EQ(functions[0].args[6].shape, (Shape{64, 4}));
  EXPECT_EQ(functions[0].args[7].shape, Shape());
  EXPECT_EQ(functions[0].args[8].shape, (Shape{3, 4}));
  EXPECT_EQ(functions[0].args[10].shape, (Shape{9, 8}));
}

TEST(KernelFunctions, Attention) {
  Problem p = attentionProblem();
  std::vector<FunctionInfo> functions = kernelFunctions(p, "K", true);
  ASSERT_EQ(functions.size(), 4u);
  EXPECT_EQ(functions[0].symbol, "K_forward");
  EXPECT_EQ(names(functions[0]), "Q K V W bias O radius_found");
  EXPECT_EQ(functions[1].symbol, "K_gradient");
  EXPECT_EQ(names(functions[1]),
            "Q K V dO W bias O dQ dK dV dW dbias radius_found");
  EXPECT_EQ(functions[2].symbol, "K_forward_train");
  EXPECT_EQ(functions[2].sizedSymbol(), "K_forward_train_sized");
  EXPECT_EQ(names(functions[2]), "Q K V W bias O radius_found residual");
  EXPECT_EQ(functions[3].symbol, "K_backward");
  EXPECT_EQ(names(functions[3]), "Q K V dO W bias residual dQ dK dV dW dbias");
  using Shape = std::vector<int64_t>;
  EXPECT_EQ(functions[1].args[0].shape, (Shape{2, 4, 8, 2}));
  EXPECT_EQ(functions[1].args[1].shape, (Shape{2, 2, 8, 2}));
  EXPECT_EQ(functions[1].args[4].shape, (Shape{15, 3}));
  EXPECT_EQ(functions[1].args[11].shape, (Shape{4, 15}));
  p.biasPerHead = false;
  EXPECT_EQ(kernelFunctions(p, "K", true)[1].args[11].shape, (Shape{15}));
  p.wrt.clear();
  EXPECT_EQ(kernelFunctions(p, "K", true).size(), 1u);
}

TEST(KernelFunctions, FallBack) {
  std::vector<FunctionInfo> functions =
      kernelFunctions(attentionProblem(), "K", true, /*certifies=*/true,
                      /*fallsBack=*/true);
  ASSERT_EQ(functions.size(), 5u);
  EXPECT_EQ(names(functions[0]), "Q K V W bias O radius_found degree_used");
  EXPECT_EQ(names(functions[2]),
            "Q K V W bias O radius_found degree_used residual");
  EXPECT_EQ(names(functions[3]), "Q K V dO W bias residual dQ dK dV dW dbias");
  EXPECT_EQ(names(functions[4]), "Q K V dO W bias O dQ dK dV dW dbias bounds");
}

TEST(KernelFunctions, ReportsByHead) {
  Problem p = attentionProblem();
  p.dtype = DType::F16;
  FunctionInfo function =
      kernelFunctions(p, "K", true, /*certifies=*/false, /*fallsBack=*/true,
                      /*byHead=*/true)[0];
  for (size_t i : {6, 7}) {
    EXPECT_EQ(function.args[i].shape, (std::vector<int64_t>{2, 2}));
    EXPECT_EQ(function.args[i].dtype, DType::F32);
  }
}

TEST(KernelFunctions, TypesOfSixteenBitKernels) {
  Problem p = lossProblem();
  p.dtype = DType::BF16;
  FunctionInfo function = kernelFunctions(p, "K", true)[0];
  EXPECT_EQ(function.args[0].dtype, DType::BF16);
  EXPECT_EQ(function.args[7].dtype, DType::F32); // loss
  EXPECT_EQ(function.args.back().dtype, DType::F32);
  p.dtype = DType::F64;
  EXPECT_EQ(kernelFunctions(p, "K", true)[0].args[7].dtype, DType::F64);
}

TEST(Manifest, SaysEverything) {
  std::string text = manifestJson(kernel(lossProblem(), "K"));
  llvm::Expected<llvm::json::Value> value = llvm::json::parse(text);
  ASSERT_TRUE(bool(value)) << llvm::toString(value.takeError());
  const llvm::json::Object &m = *value->getAsObject();
  EXPECT_EQ(m.getInteger("ropegrad"), 1);
  EXPECT_EQ(m.getString("name"), "K");
  EXPECT_EQ(m.getString("entry"), "loss-gradient");
  EXPECT_EQ(m.getInteger("n"), 64);
  EXPECT_EQ(m.getInteger("kv_heads"), 1);
  EXPECT_EQ(m.getNumber("scale"), 0.1);
  EXPECT_EQ(m.getNumber("alibi"), 0.0);
  EXPECT_EQ(m.getString("similarity"), "exp");
  EXPECT_EQ(m.getBoolean("bias_per_head"), false);
  EXPECT_EQ(m.getArray("support")->size(), 8u);
  EXPECT_EQ(m.getArray("wrt")->size(), 4u);
  EXPECT_EQ(m.getObject("plan")->getString("note"), "a\nb");
  EXPECT_EQ(m.getString("route"), "features");
  EXPECT_EQ(m.getInteger("degree"), 4);
  EXPECT_EQ(m.getNumber("radius_limit"), 0.5);
  EXPECT_EQ(m.getNumber("tolerance"), 1e-3);
  EXPECT_EQ(m.getString("target"), "cpu");
  EXPECT_EQ(m.getArray("cpu_features")->size(), 2u);
  EXPECT_EQ(m.getInteger("threads"), 2);
  const llvm::json::Object &f = *(*m.getArray("functions"))[0].getAsObject();
  EXPECT_EQ(f.getString("packed"), "K_loss_gradient_packed");
  EXPECT_EQ(f.getInteger("workspace_bytes"), 12345);
  EXPECT_EQ(f.getString("sized"), "K_loss_gradient_sized");
  EXPECT_EQ(f.getInteger("workspace_bytes_per_thread"), 678);
  const llvm::json::Object &arg = *(*f.getArray("args"))[0].getAsObject();
  EXPECT_EQ(arg.getString("role"), "in");
  EXPECT_EQ(arg.getString("dtype"), "f32");
  EXPECT_EQ(arg.getArray("shape")->size(), 2u);
}

TEST(Manifest, Bodies) {
  KernelInfo info = kernel(lossProblem(), "K");
  info.bodies = {{Route::Features, 3, 0.25},
                 {Route::Features, 4, 0.5},
                 {Route::Exact, std::nullopt, std::nullopt}};
  llvm::Expected<llvm::json::Value> value =
      llvm::json::parse(manifestJson(info));
  ASSERT_TRUE(bool(value));
  const llvm::json::Array &bodies = *value->getAsObject()->getArray("bodies");
  ASSERT_EQ(bodies.size(), 3u);
  EXPECT_EQ(bodies[0].getAsObject()->getInteger("degree"), 3);
  EXPECT_EQ(bodies[0].getAsObject()->getNumber("radius_limit"), 0.25);
  EXPECT_EQ(bodies[2].getAsObject()->getString("route"), "exact");
  EXPECT_EQ(bodies[2].getAsObject()->get("degree")->kind(),
            llvm::json::Value::Null);
  std::string header = cHeader(info);
  EXPECT_NE(header.find("of degree 3 in calls with |Z| <= 0.25"),
            std::string::npos);
  EXPECT_NE(header.find("*degree_used is -1"), std::string::npos);
  EXPECT_EQ(value->getAsObject()->getString("dispatch"), "call");
}

TEST(Manifest, BodiesByHead) {
  KernelInfo info = kernel(attentionProblem(), "K");
  EXPECT_NE(manifestJson(info).find("\"dispatch\": \"none\""),
            std::string::npos);
  info.bodies = {{Route::Features, 4, 0.5},
                 {Route::Exact, std::nullopt, std::nullopt}};
  info.byHead = true;
  info.functions =
      kernelFunctions(info.problem, "K", true, false, true, /*byHead=*/true);
  EXPECT_NE(manifestJson(info).find("\"dispatch\": \"heads\""),
            std::string::npos);
  std::string header = cHeader(info);
  EXPECT_NE(header.find("their degree_used is -1"), std::string::npos);
  EXPECT_NE(header.find("upper bound of |Z| by row norms, of each key head"),
            std::string::npos);
}

TEST(Manifest, SameKernelSameBytesInReadableNumbers) {
  std::string text = manifestJson(kernel(lossProblem(), "K"));
  EXPECT_EQ(text, manifestJson(kernel(lossProblem(), "K")));
  EXPECT_NE(text.find("\"scale\": 0.1,"), std::string::npos) << text;
  EXPECT_NE(text.find("\"ropegrad\": 1"), std::string::npos);
}

TEST(Manifest, NullsAndLists) {
  KernelInfo info = kernel(attentionProblem(), "K");
  info.degree.reset();
  info.radiusLimit = std::numeric_limits<double>::infinity();
  info.planJson.clear();
  info.problem.similarity = {1, 0.5};
  llvm::Expected<llvm::json::Value> value =
      llvm::json::parse(manifestJson(info));
  ASSERT_TRUE(bool(value)) << llvm::toString(value.takeError());
  const llvm::json::Object &m = *value->getAsObject();
  for (const char *key : {"degree", "radius_limit", "plan", "tolerance"})
    EXPECT_EQ(m.get(key)->kind(), llvm::json::Value::Null) << key;
  EXPECT_EQ(m.getArray("alibi")->size(), 4u);
  EXPECT_EQ(m.getArray("similarity")->size(), 2u);
  const llvm::json::Array &functions = *m.getArray("functions");
  ASSERT_EQ(functions.size(), 4u);
  const llvm::json::Array &args = *functions[3].getAsObject()->getArray("args");
  const llvm::json::Object &residual = *args[6].getAsObject();
  EXPECT_EQ(residual.getString("name"), "residual");
  EXPECT_EQ(residual.getString("role"), "residual");
  EXPECT_EQ(residual.getString("dtype"), "u8");
  EXPECT_EQ((*residual.getArray("shape"))[0].getAsInteger(), 640);
}

TEST(KernelInfo, ResidualBytes) {
  EXPECT_EQ(kernel(attentionProblem(), "K").residualBytes(), 640);
  EXPECT_FALSE(kernel(lossProblem(), "K").residualBytes());
}

/// Runs a compiler over `code`; its status, or nothing if there is none.
std::optional<int> compile(StringRef compiler, StringRef suffix,
                           StringRef standard, StringRef code) {
  auto program = llvm::sys::findProgramByName(compiler);
  if (!program)
    return std::nullopt;
  llvm::SmallString<128> path;
  int descriptor;
  (void)llvm::sys::fs::createTemporaryFile("header", suffix, descriptor, path);
  llvm::raw_fd_ostream(descriptor, /*shouldClose=*/true) << code;
  int status = llvm::sys::ExecuteAndWait(
      *program, {compiler, standard, "-Wall", "-Wextra", "-pedantic", "-Werror",
                 "-fsyntax-only", path.str()});
  (void)llvm::sys::fs::remove(path);
  return status;
}

/// The folder of the project, from the absolute path of this file in it.
std::string sourceRoot() {
  StringRef path = __FILE__;
  for (int level = 0; level < 3; ++level)
    path = llvm::sys::path::parent_path(path);
  return path.str();
}

/// A program that includes headers of several kernels, each twice, and that of
/// the runtime before or after them.
std::string program(bool runtimeFirst) {
  Problem half = lossProblem();
  half.dtype = DType::BF16;
  half.layout = Layout::Half;
  half.similarity = {1, 1, 0.5, 0.125, 0.0625, 1e-3};
  Problem none = attentionProblem();
  none.position = Position::None;
  none.dtype = DType::F64;
  none.alibi = {0.5};
  std::string runtime =
      "#include \"" + sourceRoot() + "/runtime/ropegrad_runtime.h\"\n";
  std::string code = runtimeFirst ? runtime : "";
  for (int repeat = 0; repeat < 2; ++repeat) {
    code += cHeader(kernel(lossProblem(), "K"));
    code += cHeader(kernel(attentionProblem(), "other_kernel"));
    code += cHeader(kernel(half, "k"));
    code += cHeader(kernel(none, "N"));
  }
  return code + (runtimeFirst ? "" : runtime) + R"(
const char *manifest(void);
const char *manifest(void) { return K_manifest; }
int call(void *const *arrays, void *workspace, const float *in, float *out);
int call(void *const *arrays, void *workspace, const float *in, float *out) {
  enum ropegrad_status good = ROPEGRAD_OK;
  int64_t strides[12], *next = strides;
  ropegrad_sizes sizes = {1, 5, strides};
  next = ropegrad_bnhd(4, 5, 2, next);
  next = ropegrad_bhnd(4, 5, 2, next);
  if (K_loss_gradient_packed(arrays, workspace,
                             K_loss_gradient_workspace_bytes(2), 2) !=
          (int)good ||
      next != strides + 6)
    return 1;
  if (other_kernel_forward(in, in, in, in, in, out, out, workspace, 0, 1))
    return 1;
  if (other_kernel_forward_train_sized(&sizes, in, in, in, in, in, out, out,
                                       workspace, workspace,
                                       other_kernel_residual_bytes(), 1))
    return 1;
  return other_kernel_backward(in, in, in, in, in, in, workspace, out, out, out,
                               out, out, workspace, 0, 1);
}
)";
}

TEST(CHeader, CompilesAsC) {
  for (bool runtimeFirst : {false, true}) {
    std::optional<int> status =
        compile("cc", "c", "-std=c99", program(runtimeFirst));
    if (!status)
      GTEST_SKIP() << "no C compiler";
    EXPECT_EQ(*status, 0);
  }
}

TEST(CHeader, CompilesAsCpp) {
  for (bool runtimeFirst : {false, true}) {
    std::optional<int> status =
        compile("c++", "cpp", "-std=c++17", program(runtimeFirst));
    if (!status)
      GTEST_SKIP() << "no C++ compiler";
    EXPECT_EQ(*status, 0);
  }
}

TEST(CHeader, LinesFitAndStatusCodesStandFixed) {
  std::string text = cHeader(kernel(attentionProblem(), "K"));
  llvm::SmallVector<StringRef> lines;
  StringRef(text).split(lines, '\n');
  for (StringRef line : lines)
    EXPECT_LE(line.size(), 80u) << line.str();
  for (const char *code :
       {"ROPEGRAD_OK = 0", "ROPEGRAD_RADIUS_EXCEEDED = 1",
        "ROPEGRAD_WORKSPACE_TOO_SMALL = 2", "ROPEGRAD_NULL_POINTER = 3",
        "ROPEGRAD_NOT_FINITE = 4", "ROPEGRAD_NON_POSITIVE_ROW_SUM = 5",
        "ROPEGRAD_WORKSPACE_MISALIGNED = 6", "ROPEGRAD_SIZES_OUT_OF_RANGE = 7",
        "ROPEGRAD_ARRAYS_OVERLAP = 8", "ROPEGRAD_ARRAY_MISALIGNED = 9",
        "ROPEGRAD_BOUND_EXCEEDED = 10", "ROPEGRAD_PREPARED_TOO_SMALL = 11",
        "ROPEGRAD_NOT_PREPARED = 12", "ROPEGRAD_ROW_SUM_TOO_SMALL = 13"})
    EXPECT_NE(text.find(code), std::string::npos) << code;
}

/// What a kernel of the route fft has beside its functions.
KernelInfo preparedKernel() {
  KernelInfo info = kernel(attentionProblem(), "K");
  FunctionInfo prepare, forward = info.functions[0];
  prepare.symbol = "K_prepare";
  prepare.args = {forward.args[3],
                  forward.args[4],
                  {"prepared", ArgRole::Prepared, {4096}, DType::F32}};
  info.prepare = prepare;
  forward.symbol += "_prepared";
  forward.args.erase(forward.args.begin() + 3, forward.args.begin() + 5);
  forward.args.insert(forward.args.begin() + 3, prepare.args.back());
  info.preparedFunctions = {forward};
  return info;
}

TEST(CHeader, SaysWhatPrepareMakes) {
  std::string text = cHeader(preparedKernel());
  llvm::SmallVector<StringRef> lines;
  StringRef(text).split(lines, '\n');
  for (StringRef line : lines)
    EXPECT_LE(line.size(), 80u) << line.str();
  for (const char *part :
       {"size_t K_prepared_bytes(void); /* 4096 */\n",
        "int K_prepare(const float *W, const float *bias, void *prepared,\n"
        "    size_t prepared_bytes, void *workspace, size_t workspace_bytes,\n"
        "    int threads);\n",
        "size_t K_prepare_workspace_bytes(int threads);\n",
        "int K_forward_prepared(const float *Q, const float *K, const float *V,"
        "\n    const void *prepared, float *O,",
        "int K_forward_prepared_packed(void *const *arrays, void *workspace,"})
    EXPECT_NE(text.find(part), std::string::npos) << part << text;
  EXPECT_EQ(text.find("K_prepare_packed"), std::string::npos);
  EXPECT_EQ(cHeader(kernel(attentionProblem(), "K")).find("prepare("),
            std::string::npos);
}

TEST(Manifest, NamesWhatPrepareMakes) {
  auto json = llvm::json::parse(manifestJson(preparedKernel()));
  ASSERT_TRUE(static_cast<bool>(json));
  const llvm::json::Object *prepare = json->getAsObject()->getObject("prepare");
  ASSERT_TRUE(prepare);
  EXPECT_EQ(prepare->getString("symbol"), StringRef("K_prepare"));
  const llvm::json::Array *functions =
      json->getAsObject()->getArray("prepared_functions");
  ASSERT_TRUE(functions && functions->size() == 1);
  EXPECT_EQ((*functions)[0].getAsObject()->getString("packed"),
            StringRef("K_forward_prepared_packed"));
  auto other = llvm::json::parse(manifestJson(kernel(lossProblem(), "K")));
  EXPECT_FALSE(other->getAsObject()->getObject("prepare"));
}

TEST(CHeader, SaysWhatTheSizesAndStridesAre) {
  std::string text = cHeader(kernel(attentionProblem(), "K"));
  for (const char *line :
       {" * Order of the strides: Q, K, V, O.\n",
        " * Order of the strides: Q, K, V, dO, O, dQ, dK, dV.\n",
        " * Order of the strides: Q, K, V, dO, dQ, dK, dV.\n",
        "size_t K_residual_bytes(void); /* 640 */\n",
        "needs: 12345, and 678 a thread. */\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  text = cHeader(kernel(lossProblem(), "K"));
  EXPECT_EQ(text.find("Order of the strides"), std::string::npos) << text;
  EXPECT_EQ(text.find("residual_bytes"), std::string::npos) << text;
}

} // namespace
