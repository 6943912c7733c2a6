"""Every answer is certified: the bound is above the error, and not absurd."""
import os

import numpy as np
import pytest
import reference
import test_exact
import test_features
from cases import name
from harness import (asked_for, compile_kernel, run_kernel, solve_with_tools,
                     succeed)
from test_entry_points import pytestmark as loads_kernels

# Times the error found, where that is not rounding alone: the median of the
# outputs of one problem. Gradients of weights are sums over rows whose errors
# cancel, which no bound may count on.
ABSURD, ABSURD_OF_SUMS = 1000, 5000


def observed(want, got):
    return {k: float(np.abs(np.asarray(got[k], np.float64) - want[k]).max())
            for k in got}


def assert_certified(report, problem, arrays, got):
    """A finite bound for every output, above its error. Returns bound / error
    of those whose error is not zero."""
    want, _ = reference.solve(problem, arrays)
    found = observed(want, got)
    assert set(report["certified"]) == set(got)
    assert all(b is not None for b in report["certified"].values()), report
    wrong = {k: (e, report["certified"][k]) for k, e in found.items()
             if e > report["certified"][k]}
    assert not wrong, f"error above its bound: {wrong}"
    return [report["certified"][k] / e for k, e in found.items() if e > 0]


def certify(folder, problem, arrays, *flags):
    report, got = solve_with_tools(folder, problem, arrays, "--certify", *flags)
    assert asked_for(problem) <= set(got)
    return assert_certified(report, problem, arrays, got)


@pytest.mark.sweep
@pytest.mark.parametrize("index", range(0, len(test_exact.CASES), 9),
                         ids=lambda i: name(test_exact.CASES[i]))
def test_every_answer_of_the_exact_route(index, tmp_path):
    problem, arrays = test_exact.pose(test_exact.CASES[index], 100 + index)
    certify(tmp_path, problem, arrays, "--route", "exact")


@pytest.mark.sweep
@pytest.mark.parametrize("index", range(0, len(test_features.CASES), 4),
                         ids=lambda i: name(test_features.CASES[i]))
def test_every_answer_of_the_features_route(index, tmp_path):
    problem, arrays = test_features.pose(test_features.CASES[index],
                                         100 + index)
    certify(tmp_path, problem, arrays, "--route", "features")


# More rows than monomials, so that the certificate itself approximates.
LONG = ((2, .5, 1e-3), (2, 2, 1e-2), (2, 1, 1e-4), (4, .5, 1e-3), (4, 1, 1e-2),
        (4, .25, 1e-2), (4, 2, .1), (8, .5, .2))


@pytest.mark.sweep
@pytest.mark.parametrize("bounds", LONG, ids=str)
@pytest.mark.parametrize("entry", ("loss-gradient", "attention", "forward"))
@pytest.mark.parametrize("dist", ("uniform", "skewed"))
def test_approximate_certificates(bounds, entry, dist, tmp_path):
    d, radius, tolerance = bounds
    shape = ({} if entry == "loss-gradient"
             else {"heads": 2, "kv_heads": 1, "entry": "attention"})
    problem, arrays = reference.make_problem(
        400, d, dist=dist, seed=d, radius=radius, tolerance=tolerance, bound=4,
        **shape)
    if entry == "forward":
        problem["wrt"] = []
    weights = entry == "loss-gradient" and d <= 4
    if weights:
        problem["wrt"] = ["X1", "X2", "Y", "X", "A1", "A2", "A3"]
    ratios = certify(tmp_path, problem, arrays, "--route", "features")
    assert np.median(ratios) <= (ABSURD_OF_SUMS if weights else ABSURD), ratios


# With more rows than monomials and with fewer, of both kinds of certificate.
MASKED = (
    dict(mask="causal"),
    dict(mask="causal", heads=2, kv_heads=1, position="none", d=6),
    dict(mask="window", window=37),
    dict(mask="causal", alibi=(.1, .01), heads=2),
    dict(alibi=.02, entry="loss-gradient"),
    dict(mask="window", window=70, alibi=(.05,), dtype="bf16"))


@pytest.mark.parametrize("shape", MASKED, ids=name)
def test_every_answer_of_the_scan_route(shape, tmp_path):
    check_shape({"n": 300, "d": 2} | shape, "scan", tmp_path)


TOEPLITZ = (
    dict(bias=True, mask="causal"), dict(bias=True, heads=2, n=300, d=2),
    dict(alibi=.02, n=300, d=2), dict(alibi=.1, mask="causal", n=150),
    dict(position="general"),
    dict(position="general", mask="causal", entry="loss-gradient"))


@pytest.mark.parametrize("shape", TOEPLITZ, ids=name)
def test_every_answer_of_the_fft_route(shape, tmp_path):
    check_shape({"n": 40, "d": 4} | shape, "fft", tmp_path)


def check_shape(shape, route, folder):
    shape = {"entry": "attention", "radius": .5, "tolerance": 1e-2,
             "seed": 12} | shape
    problem, arrays = reference.make_problem(shape.pop("n"), shape.pop("d"),
                                             **shape)
    if "W" in arrays:
        arrays["W"] /= 2    # two entries a row and column
    certify(folder, problem, arrays, "--route", route)


@pytest.mark.parametrize("route", ("exact", "features"))
def test_polynomial_similarity(route, tmp_path):
    problem, arrays = reference.make_problem(
        300, 4, entry="attention", similarity=(1, .5, .25, .05), seed=5)
    certify(tmp_path, problem, arrays, "--route", route)


def test_logits_of_a_hundred(tmp_path):
    problem, arrays = reference.make_problem(61, 8, bound=12, scale=.6, seed=3)
    certify(tmp_path, problem, arrays)


@pytest.mark.sweep
@pytest.mark.parametrize("dtype", ("f64", "bf16", "f16"))
@pytest.mark.parametrize("route", ("exact", "features"))
def test_types(dtype, route, tmp_path):
    hold = dtype if dtype != "f64" else "f32"
    problem, arrays = reference.make_problem(
        300, 4, entry="attention", radius=.5, tolerance=1e-2, seed=6,
        dtype=hold)
    problem["dtype"] = dtype
    certify(tmp_path, problem, arrays, "--route", route)


def test_a_bias_that_heads_share(tmp_path):
    """ropegrad-run adds the heads' gradients up; the bound has to follow."""
    problem, arrays = reference.make_problem(
        61, 4, entry="attention", heads=3, bias=True, seed=7)
    problem["wrt"] = ["Q", "bias"]
    certify(tmp_path, problem, arrays)


def test_adversarial_logits_and_values(tmp_path):
    """All logits at +-R, values that cancel: nothing is like the mean case."""
    problem, arrays = reference.make_problem(
        200, 2, entry="attention", position="none", seed=8, radius=2,
        tolerance=1e-2)
    sign = np.where(np.arange(200) % 2, 1.0, -1.0)
    arrays["Q"] = np.zeros_like(arrays["Q"])
    arrays["K"] = np.zeros_like(arrays["K"])
    arrays["Q"][..., 0] = 2 * sign
    arrays["K"][..., 0] = 2 * np.roll(sign, 1)
    arrays["V"] = np.round(arrays["V"]) + sign[:, None]
    certify(tmp_path, problem, arrays, "--route", "features")


def test_rounded_inputs_have_no_certificate(tmp_path):
    problem, arrays = reference.make_problem(17, 4, seed=9)
    arrays["A1"] = arrays["A1"] + 1e-12
    reference.save(tmp_path / "in", problem, arrays, dtype=np.float64)
    report, _ = run_kernel(tmp_path, compile_kernel(tmp_path, "--certify"))
    assert report["status"] == "ok" and report["certified"] == {}


@loads_kernels
def test_a_wrong_output_gets_a_large_bound(tmp_path):
    """The certificate looks at what was computed, not at what should have
    been: called from C with an output that is off by one."""
    problem, arrays = reference.make_problem(17, 4, entry="attention", seed=10)
    problem["wrt"] = []
    reference.save(tmp_path / "in", problem, arrays)
    kernel = compile_kernel(tmp_path, "--certify")
    import ctypes
    library = ctypes.CDLL(str(kernel))
    inputs = [np.ascontiguousarray(arrays[k], np.float32) for k in "QKV"]
    want, _ = reference.solve(problem, arrays)
    pointer = lambda x: x.ctypes.data_as(ctypes.c_void_p)
    size = library.K_certify_workspace_bytes
    size.restype = ctypes.c_size_t
    bytes_ = size(1)
    raw = np.zeros(bytes_ + 64, np.uint8)
    start = -raw.ctypes.data % 64
    bounds = np.zeros(1)
    for off in (0.0, 1.0):
        output = (want["O"] + off).astype(np.float32)
        status = library.K_certify(
            *map(pointer, inputs), pointer(output), pointer(bounds),
            pointer(raw[start:]), ctypes.c_size_t(bytes_), 1)
        assert status == 0
        assert off * .99 <= bounds[0] <= off * 1.01 + 1e-6


def test_no_certify(tmp_path):
    problem, arrays = reference.make_problem(17, 4, seed=11)
    reference.save(tmp_path / "in", problem, arrays)
    kernel = compile_kernel(tmp_path, "--certify")
    report, _ = run_kernel(tmp_path, kernel, "--no-certify")
    assert report["certified"] == {}
    kernel = compile_kernel(tmp_path, "--no-certify")
    report, _ = run_kernel(tmp_path, kernel)
    assert report["certified"] == {}
    text = succeed("ropegrad-run", kernel, "--in", tmp_path / "in", "--out",
                   tmp_path / "out")
    assert "certified  nothing: the kernel has no certificate" in text
    assert not os.path.exists(tmp_path / "out" / "bounds.npy")
