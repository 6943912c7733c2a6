"""A learned bias that leaves rows to the rounding of transforms: route fft
refuses it, route auto computes exactly, and neither gives a wrong number."""
import json

import numpy as np
import pytest
import reference
from harness import (assert_answers, assert_refused, compile_kernel,
                     run_kernel, tool)
from test_entry_points import Kernel, assert_same, pytestmark as loads_kernels
from test_heads import RATES
from test_prepared import prepare, with_prepared

N, EXACT = 300, 3e-5


def pose(mask, change, **flags):
    """A problem and its data, whose bias `change` changes at t = -N+1 to N-1."""
    problem, arrays = reference.make_problem(
        N, 4, entry="attention", heads=2, position="none", mask=mask, bias=True,
        radius=.3, tolerance=1e-2, seed=7, **flags)
    arrays["bias"] = reference.rounded(change(arrays["bias"],
                                              np.arange(1 - N, N)))
    return problem, arrays


def peak(height):
    """Only rows from 200 on, and without a mask half of them, have this."""
    return lambda bias, t: np.where(t == 200, height, bias)


UNEVEN = {"peak-16": peak(16), "peak-40": peak(40), "overflow": peak(120),
          "all-large": lambda bias, t: bias + 100,
          "all-small": lambda bias, t: bias - 100,
          "steep": lambda bias, t: bias + .5 * t}
MILD = {"peak-4": peak(4), "large": lambda bias, t: bias + 60,
        "decay": lambda bias, t: bias - .1 * np.abs(t)}


def solve(folder, problem, arrays, *flags):
    reference.save(folder / "in", problem, arrays)
    (folder / "rates.json").write_text(json.dumps(RATES))
    path = compile_kernel(folder, "--no-certify", "--calibration",
                          folder / "rates.json", *flags)
    with open(folder / "K.json") as file:
        assert json.load(file)["route"] == "fft"
    return path


@pytest.mark.parametrize("mask", ("none", "causal"))
@pytest.mark.parametrize("name", UNEVEN)
def test_route_fft_refuses(name, mask, tmp_path):
    problem, arrays = pose(mask, UNEVEN[name])
    kernel = solve(tmp_path, problem, arrays, "--route", "fft")
    done = tool("ropegrad-run", kernel, "--in", tmp_path / "in", "--out",
                tmp_path / "out")
    assert_refused(done, "ropegrad-run", ("row-sum-too-small", "uneven"),
                   tmp_path / "out")


@pytest.mark.sweep
@pytest.mark.parametrize("wrt", (["Q", "K", "V"], ["Q", "bias"]))
@pytest.mark.parametrize("mask", ("none", "causal"))
@pytest.mark.parametrize("name", UNEVEN)
def test_route_auto_computes_exactly(name, mask, wrt, tmp_path):
    """By heads, and for a whole call where heads share a gradient."""
    problem, arrays = pose(mask, UNEVEN[name])
    problem["wrt"] = wrt
    report, got = run_kernel(tmp_path, solve(tmp_path, problem, arrays))
    assert report["route"] == "exact"
    assert_answers(problem, arrays, got, 10 * EXACT)


@pytest.mark.sweep
@pytest.mark.parametrize("mask", ("none", "causal"))
@pytest.mark.parametrize("name", MILD)
def test_others_are_computed_by_transforms(name, mask, tmp_path):
    problem, arrays = pose(mask, MILD[name])
    report, got = run_kernel(tmp_path, solve(tmp_path, problem, arrays))
    assert report["route"] == "fft"
    assert_answers(problem, arrays, got, 4 * problem["tolerance"])


@loads_kernels
@pytest.mark.parametrize("name", ("peak-40", "all-small"))
def test_all_functions_agree(name, tmp_path):
    """What was prepared is refused like what was not, and a backward pass knows
    which body the forward pass took."""
    problem, arrays = pose("causal", UNEVEN[name], batch=2)
    path = solve(tmp_path, problem, arrays)
    kernel = Kernel(path)
    want = kernel.outputs("gradient", arrays)
    assert (want["degree_used"] == -1).all()
    first = kernel.outputs("forward_train", arrays)
    second = kernel.outputs("backward", arrays | first)
    del first["residual"]
    assert_same(want, first | second)
    kernel = with_prepared(path)
    given = arrays | {"prepared": prepare(kernel, arrays, N)}
    assert_same(want, kernel.outputs("gradient_prepared", given))
