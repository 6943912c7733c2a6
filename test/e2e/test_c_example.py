"""examples/loss.c: a C program that includes K.h and links K.o."""
import os
import re
import shlex
import subprocess

import numpy as np
import pytest
import reference
from harness import ROOT, succeed

SOURCE = os.path.join(ROOT, "examples", "loss.c")
COMPILER = shlex.split(os.environ.get("ROPEGRAD_TEST_CC", "cc"))
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Werror"]


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
    program = tmp_path / "loss"
    subprocess.run([*COMPILER, *STRICT, "-I", tmp_path, SOURCE,
                    tmp_path / "K.o", "-lm", "-lpthread", "-o", program],
                   check=True)
    printed = subprocess.run([program], check=True, capture_output=True,
                             text=True).stdout
    got = dict(re.findall(r"(\w+)(?:\[0\])? (-?[\d.e+-]+)", printed))
    want = solve_example()
    assert set(got) == {"loss", "dX1", "dX2", "dY"}
    for name, value in got.items():
        expected = np.ravel(want[name])[0]
        slack = 1e-5 * np.abs(want[name]).max()
        assert float(value) == pytest.approx(expected, rel=1e-5, abs=slack)


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
    program = tmp_path / "main"
    subprocess.run([*COMPILER, *STRICT, "-I", tmp_path, main,
                    tmp_path / "first.o", tmp_path / "second.o", "-lm",
                    "-lpthread", "-o", program], check=True)
    subprocess.run([program], check=True)


def test_header_is_valid_cxx(tmp_path):
    succeed("ropegrad-compile", "--entry", "attention", "--n", 16, "--d", 4,
            "-o", tmp_path / "K.o")
    source = tmp_path / "check.cpp"
    source.write_text('#include "K.h"\nauto *f = &K_forward, *g = f;\n'
                      "auto *h = &K_gradient;\n")
    subprocess.run(["c++", "-std=c++17", "-Wall", "-Wextra", "-Werror",
                    "-fsyntax-only", source], check=True, cwd=tmp_path)
