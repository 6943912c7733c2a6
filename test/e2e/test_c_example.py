"""The C interface from C and C++: examples/ and a program with two callers."""
import os
import re
import shlex
import subprocess

import numpy as np
import pytest
import reference
from harness import ROOT, succeed

EXAMPLES = os.path.join(ROOT, "examples")
HERE = os.path.dirname(os.path.abspath(__file__))
COMPILER = shlex.split(os.environ.get("ROPEGRAD_TEST_CC", "cc"))
CXX = ["c++"] if COMPILER == ["cc"] else [
    COMPILER[0].replace("clang", "clang++"), *COMPILER[1:]]
STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
LIBRARIES = ["-lm", "-l:libomp.so.5", "-lpthread"]


def build(folder, source, *objects, flags=()):
    """Compiles a C or C++ program in folder, where K.h and the objects are."""
    program = folder / "program"
    language = ([*CXX, "-std=c++17"] if str(source).endswith(".cpp")
                else [*COMPILER, "-std=c11"])
    subprocess.run([*language, *STRICT, *flags, "-I", folder, source,
                    *(folder / name for name in objects or ("K.o",)),
                    *LIBRARIES, "-o", program], check=True)
    return program


def run(program):
    """Runs a program that has to succeed; returns what it prints."""
    done = subprocess.run([program], capture_output=True, text=True,
                          timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def fill(shape, seed):
    i = np.arange(np.prod(shape))
    return (((i * 37 + seed * 11) % 97 - 48) / 64.0).reshape(shape)


def solve_example():
    problem, arrays = reference.make_problem(64, 8)
    for seed, name in enumerate(("A1", "A2", "A3", "E", "X1", "X2", "Y")):
        arrays[name] = fill(arrays[name].shape, seed)
    return reference.solve(problem, arrays)[0]


def test_example_prints_the_loss(tmp_path):
    succeed("ropegrad-compile", "--n", 64, "--d", 8, "-o", tmp_path / "K.o")
    printed = run(build(tmp_path, os.path.join(EXAMPLES, "loss.c")))
    got = dict(re.findall(r"(\w+)(?:\[0\])? (-?[\d.e+-]+)", printed))
    want = solve_example()
    assert set(got) == {"loss", "dX1", "dX2", "dY"}
    for name, value in got.items():
        expected = np.ravel(want[name])[0]
        slack = 1e-5 * np.abs(want[name]).max()
        assert float(value) == pytest.approx(expected, rel=1e-5, abs=slack)


TRAINING = {
    "train.c": ["--n", 64, "--d", 8],
    "train_attention.cpp": ["--entry", "attention", "--batch", 4, "--heads", 2,
                            "--n", 128, "--d", 8]}


@pytest.mark.parametrize("example", TRAINING)
def test_training_lowers_the_loss(example, tmp_path):
    succeed("ropegrad-compile", *TRAINING[example], "-o", tmp_path / "K.o")
    printed = run(build(tmp_path, os.path.join(EXAMPLES, example)))
    losses = [float(x) for x in re.findall(r"loss (\S+)", printed)]
    assert len(losses) > 10
    assert all(b < a for a, b in zip(losses, losses[1:]))
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize("route", ("exact", "features"))
def test_two_callers_at_once(route, tmp_path):
    """The kernel is re-entrant; the same under tsan, kernel included."""
    flags = ["--route", route]
    if route == "features":
        flags += ["--radius", .5, "--tolerance", 1e-2]
    succeed("ropegrad-compile", "--entry", "attention", "--heads", 2, "--n",
            1000, "--d", 4, *flags, "-o", tmp_path / "K.o")
    defines = ["-DWITH_RADIUS"] if route == "features" else []
    run(build(tmp_path, os.path.join(HERE, "two_callers.c"), flags=defines))


@pytest.mark.skipif("ROPEGRAD_TEST_CC" in os.environ,
                    reason="GNU's OpenMP knows nothing of these sanitizers")
@pytest.mark.parametrize("command", (
    "gcc -fopenmp SOURCE K.o -lm -l:libomp.so.5",
    "gcc -fopenmp SOURCE K.o -lm -lgomp -l:libomp.so.5",
    "clang-22 -fopenmp SOURCE K.o -lm"))
def test_a_program_with_openmp_of_its_own(command, tmp_path):
    """GNU's beside LLVM's, in whichever order, and LLVM's for both."""
    succeed("ropegrad-compile", "--entry", "attention", "--heads", 2, "--n",
            2000, "--d", 8, "--route", "exact", "-o", tmp_path / "K.o")
    source = os.path.join(HERE, "beside_openmp.c")
    subprocess.run([*command.replace("SOURCE", source).split(), *STRICT,
                    "-std=c11", "-O1", "-I.", "-o", "program"], check=True,
                   cwd=tmp_path)
    run(tmp_path / "program")


def test_two_kernels_link_into_one_program(tmp_path):
    """K.o keeps its runtime to itself; only the named functions are seen."""
    for name in ("first", "second"):
        succeed("ropegrad-compile", "--n", 16, "--d", 4, "--name", name, "-o",
                tmp_path / f"{name}.o")
    main = tmp_path / "main.c"
    main.write_text(
        '#include "first.h"\n#include "second.h"\n'
        "int main(void) {\n"
        "  return first_loss_gradient_packed(0, 0, 0, 1) !=\n"
        "         second_loss_gradient_packed(0, 0, 0, 1);\n}\n")
    run(build(tmp_path, main, "first.o", "second.o"))


def test_header_is_valid_cxx(tmp_path):
    succeed("ropegrad-compile", "--entry", "attention", "--n", 16, "--d", 4,
            "-o", tmp_path / "K.o")
    source = tmp_path / "check.cpp"
    source.write_text('#include "K.h"\nauto *f = &K_forward, *g = f;\n'
                      "auto *h = &K_gradient;\n")
    subprocess.run(["c++", "-std=c++17", *STRICT, "-fsyntax-only", source],
                   check=True, cwd=tmp_path)
