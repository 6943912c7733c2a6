"""Calls with bad memory or numbers from C, and data at the edges of the range:
a status where something is wrong, the right answer where nothing is."""
import os

import numpy as np
import pytest
import reference
from harness import (assert_answers, assert_refused, compile_kernel,
                     run_kernel, succeed, tool)
from test_c_example import HERE, build, run

ROUTES = {"exact": ("--route", "exact"),
          "halide": ("--route", "exact", "--exact-by", "halide"),
          "features": ("--route", "features", "--radius", .5, "--tolerance",
                       1e-2)}


@pytest.mark.parametrize("route", ROUTES)
def test_bad_calls_from_c(route, tmp_path):
    succeed("ropegrad-compile", "--entry", "attention", "--batch", 2,
            "--heads", 2, "--n", 64, "--d", 8, *ROUTES[route], "-o",
            tmp_path / "K.o")
    defines = ["-DWITH_RADIUS"] if route == "features" else []
    said = run(build(tmp_path, os.path.join(HERE, "bad_calls.c"),
                     flags=defines))
    assert int(said.removesuffix(" calls\n")) > 300


# -- Numbers that are unusual but no error ------------------------------------

def all_zero(name, x):
    return 0 * x


def zero_rows(name, x):
    x[..., ::3, :] = 0
    return x


def equal_rows(name, x):
    x[...] = x[..., :1, :]
    return x


def subnormal_values(name, x):
    return 1e-39 * x if name in ("V", "dO") else x


def subnormal_rows(name, x):
    x[..., ::5, :] *= 1e-40
    return x


def negative_zero(name, x):
    x[..., ::2, :] = -0.
    return x


def one_hot(name, x):
    """One row of each array is not zero."""
    kept = x[..., -1, :].copy()
    x[...] = 0
    x[..., -1, :] = kept
    return x


CHANGES = (all_zero, zero_rows, equal_rows, subnormal_values, subnormal_rows,
           negative_zero, one_hot)


@pytest.mark.sweep
@pytest.mark.parametrize("n", (1, 17))
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("route", ("exact", "features"))
def test_unusual_numbers(route, change, n, tmp_path):
    problem, arrays = reference.make_problem(
        n, 4, entry="attention", heads=2, seed=n, radius=.5, tolerance=1e-3)
    arrays = {name: change(name, x.copy()) for name, x in arrays.items()}
    # What f32 has of them is what counts.
    arrays = {name: x.astype(np.float32).astype(np.float64)
              for name, x in arrays.items()}
    reference.save(tmp_path / "in", problem, arrays)
    _, got = run_kernel(tmp_path, compile_kernel(tmp_path, "--route", route))
    want, _ = reference.solve(problem, arrays)
    if change is subnormal_values:  # few digits: within some units of the last
        least = 2.0 ** -149
        for name, value in got.items():
            scale = np.abs(want[name]).max()
            error = np.abs(value - want[name]).max()
            assert error <= 4 * n * least + 4e-3 * scale, name
        return
    assert all(np.isfinite(value).all() for value in got.values())
    assert_answers(problem, arrays, got,
                   3e-5 if route == "exact" else 4 * problem["tolerance"])


@pytest.mark.parametrize("route", ("exact", "features"))
def test_a_polynomial_whose_row_sum_is_zero(route, tmp_path):
    """1 + z with z = -1 everywhere: D is 0, not merely below."""
    problem, arrays = reference.make_problem(
        9, 4, entry="attention", position="none", scale=.25, similarity=(1, 1))
    arrays["Q"][:], arrays["K"][:] = 1, -1
    reference.save(tmp_path / "in", problem, arrays)
    compile_kernel(tmp_path, "--route", route)
    done = tool("ropegrad-run", tmp_path / "K.so", "--in", tmp_path / "in",
                "--out", tmp_path / "out")
    assert_refused(done, "ropegrad-run", ("row-sum",), tmp_path / "out")
