# lit over *.mlir and *.test in this folder; the end-to-end sweeps are pytest's.
import os

import lit.formats

config.name = "RopeGrad"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["e2e", "unit", "data", "Inputs", "corpus"]
config.test_source_root = os.path.join(config.ropegrad_source, "test")
config.test_exec_root = os.path.join(os.path.dirname(config.ropegrad_bin), "test")
config.environment["PATH"] = os.pathsep.join(
    [config.ropegrad_bin, config.llvm_bin, os.environ["PATH"]])
for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
    if name in os.environ:
        config.environment[name] = os.environ[name]
# The stock mlir-opt cannot host an instrumented plugin.
if not config.ropegrad_sanitizer:
    config.available_features.add("plugin")
config.substitutions.append(("%plugin", os.path.join(config.ropegrad_lib, "RopeGradPlugin.so")))
config.substitutions.append(("%python", config.python))
config.substitutions.append(("%source", config.ropegrad_source))
