"""16-bit storage: bf16 and f16 on both routes, computed in f32. (Halves of a
gradient, forward_train and backward, are in test_entry_points.py.)"""
import json
import os
import subprocess

import numpy as np
import pytest
import reference
from harness import (assert_answers, assert_refused, compile_kernel,
                     run_kernel, solve_with_tools, succeed, tool)

# One rounding of an output: half a unit in the last place. Inputs are rounded
# before the reference sees them.
ROUNDING = {"bf16": 2.0 ** -8, "f16": 2.0 ** -11}
LARGEST = {"bf16": 2.0 ** 128 * (1 - 2.0 ** -8), "f16": 65504.0}
CPUS = ("native", "x86-64-v3", "x86-64-v2")
# What a kernel may want of libc and libm: no conversion of 16-bit floats.
LIBRARY = {"memset", "memcpy", "fma", "fmaf", "log", "logf", "sqrt"}


def limit(problem):
    return ROUNDING[problem["dtype"]] * 1.01 + 4 * problem.get("tolerance", 0)


@pytest.mark.sweep
@pytest.mark.parametrize("n", (1, 3, 17, 130))
@pytest.mark.parametrize("route", ("exact", "features"))
@pytest.mark.parametrize("dtype", ROUNDING)
def test_both_routes(dtype, route, n, tmp_path):
    entry = "attention" if (n in (1, 17)) == (dtype == "f16") else (
        "loss-gradient")
    bounds = dict(radius=.5, tolerance=1e-2) if route == "features" else {}
    problem, arrays = reference.make_problem(
        n, 8, entry=entry, dtype=dtype, seed=n, **bounds)
    report, got = solve_with_tools(tmp_path, problem, arrays, "--route", route)
    assert (report["status"], report["route"]) == ("ok", route)
    assert {v.dtype for v in got.values()} == {np.dtype("<f4")}
    assert_answers(problem, arrays, got, limit(problem))
    for name, value in got.items():
        assert name == "loss" or (reference.rounded(value, dtype) == value
                                  ).all(), name


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("dtype", ROUNDING)
def test_grouped_heads_causal_alibi(dtype, cpu, tmp_path):
    problem, arrays = reference.make_problem(
        130, 16, entry="attention", batch=2, heads=4, kv_heads=2, dtype=dtype,
        mask="causal", alibi=[.1, .2, .05, .01], layout="half", seed=5)
    _, got = solve_with_tools(tmp_path, problem, arrays, "--cpu", cpu)
    assert_answers(problem, arrays, got, limit(problem))


@pytest.mark.sweep
@pytest.mark.parametrize("route,degree", (("exact", 0), ("features", 0),
                                          ("features", 2)))
@pytest.mark.parametrize("dtype", ROUNDING)
def test_polynomial_similarity(dtype, route, degree, tmp_path):
    problem, arrays = reference.make_problem(
        70, 6, entry="attention", heads=2, dtype=dtype, seed=6,
        similarity=(1, 1, .5)[:degree + 1])
    _, got = solve_with_tools(tmp_path, problem, arrays, "--route", route)
    assert_answers(problem, arrays, got, limit(problem))


def numbers(dtype):
    """All finite numbers of a 16-bit dtype whose doubles f32 holds."""
    bits = np.arange(1 << 16, dtype=np.uint32)
    values = (bits.astype(np.uint16).view(np.float16) if dtype == "f16"
              else (bits << 16).view(np.float32))
    largest = np.float32(min(LARGEST[dtype], 2.0 ** 126))
    return values[np.abs(values) <= largest].astype(np.float64)


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("dtype", ROUNDING)
def test_every_number_and_every_tie(dtype, cpu, tmp_path):
    """Where all weights are equal O is the mean of two values: each value
    itself, and the middle of neighbours, which goes to the even one."""
    values = np.sort(numbers(dtype))
    values = np.append(values, np.zeros(-len(values) % 64))
    V = np.stack([np.append(values, values),
                  np.append(values, np.append(values[1:], 0))])
    V = V.reshape(2, -1, 64).transpose(1, 0, 2)[None]
    heads = V.shape[1]
    problem, arrays = reference.make_problem(
        2, 64, entry="attention", heads=heads, position="none", dtype=dtype,
        similarity=(1,))
    problem["wrt"] = []
    arrays["V"] = V
    _, got = solve_with_tools(tmp_path, problem, arrays, "--cpu", cpu,
                              "--route", "exact")
    want = reference.rounded(V.mean(2, keepdims=True), dtype)
    np.testing.assert_array_equal(got["O"], np.broadcast_to(want, V.shape))


@pytest.mark.parametrize("cpu", CPUS)
def test_overflow_is_named(cpu, tmp_path):
    """65504 and its double: the one is a number of f16, the other is not."""
    problem, arrays = reference.make_problem(
        2, 4, entry="attention", heads=2, kv_heads=1, dtype="f16", seed=7,
        wrt=("V",))
    for name in ("Q", "K"):
        arrays[name][:] = 0
    arrays["dO"][:, 1] = 0
    arrays["dO"][:, 0] = 65504
    _, got = solve_with_tools(tmp_path, problem, arrays, "--cpu", cpu)
    assert (got["dV"] == 65504).all()
    arrays["dO"][:, 1, :, 2] = 65504
    reference.save(tmp_path / "in", problem, arrays)
    done = tool("ropegrad-run", tmp_path / "K.so", "--in", tmp_path / "in",
                "--out", tmp_path / "again")
    assert_refused(done, "ropegrad-run", ("not-finite", "dV"),
                   tmp_path / "again")
    problem["dtype"] = "bf16"   # has the exponents of f32
    arrays = {k: reference.rounded(v, "bf16") for k, v in arrays.items()}
    _, got = solve_with_tools(tmp_path, problem, arrays, "--cpu", cpu)
    assert_answers(problem, arrays, got, limit(problem))


@pytest.mark.parametrize("dtype", ROUNDING)
def test_arrays_are_rounded_on_reading(dtype, tmp_path):
    """Once, from whatever they are in; what the dtype cannot hold is refused.
    """
    problem, arrays = reference.make_problem(17, 4, dtype=dtype, seed=8)
    rng = np.random.default_rng(9)
    exact = {k: v * (1 + .01 * rng.uniform(size=v.shape))
             for k, v in arrays.items()}
    near = {k: reference.rounded(v, dtype) for k, v in exact.items()}
    assert any((near[k] != exact[k]).any() for k in near)
    _, want = solve_with_tools(tmp_path, problem, near)
    reference.save(tmp_path / "in", problem, exact, np.float64)
    _, got = run_kernel(tmp_path, tmp_path / "K.so")
    assert all((got[k] == want[k]).all() for k in want)
    exact["Y"][2, 1] = LARGEST[dtype] * (1 + ROUNDING[dtype])
    reference.save(tmp_path / "in", problem, exact, np.float64)
    done = tool("ropegrad-run", tmp_path / "K.so", "--in", tmp_path / "in",
                "--out", tmp_path / "again")
    assert_refused(done, "ropegrad-run", ("Y", dtype, "[2, 1]"),
                   tmp_path / "again")


@pytest.mark.parametrize("dtype", ROUNDING)
def test_tolerance_below_one_rounding_is_refused(dtype, tmp_path):
    flags = ("--n", 64, "--d", 4, "--radius", .5, "--dtype", dtype, "--route",
             "features")
    least = ROUNDING[dtype]
    plan = json.loads(succeed("ropegrad-compile", *flags, "--plan",
                              "--tolerance", least))
    assert plan["delta_prime"] <= least
    done = tool("ropegrad-compile", *flags, "--tolerance", .99 * least, "-o",
                tmp_path / "K.so")
    assert_refused(done, "ropegrad-compile", ("tolerance", dtype), tmp_path)


@pytest.mark.parametrize("dtype", ROUNDING)
def test_plan_reads_half_of_the_bytes(dtype):
    def plan(own):
        return json.loads(succeed(
            "ropegrad-compile", "--entry", "attention", "--n", 512, "--d", 16,
            "--dtype", own, "--plan"))
    # Q, K, V, dO in, O, dQ, dK, dV out.
    assert plan("f32")["bytes"] - plan(dtype)["bytes"] == 2 * 8 * 512 * 16


@pytest.mark.skipif("ROPEGRAD_TEST_CC" in os.environ,
                    reason="sanitizers call functions of their own")
@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("dtype", ROUNDING)
def test_kernels_call_no_conversions(dtype, cpu, tmp_path):
    kernel = tmp_path / "K.so"
    succeed("ropegrad-compile", "--n", 100, "--d", 6, "--dtype", dtype,
            "--bias", "learned", "--wrt", "X1,A1,X,bias", "--cpu", cpu, "-o",
            kernel)
    listed = subprocess.run(["nm", "-D", "-u", kernel], check=True,
                            capture_output=True, text=True).stdout
    wanted = {line.split()[-1].split("@")[0] for line in listed.splitlines()}
    assert {w for w in wanted if not w.startswith("__kmpc_")} <= LIBRARY
    header = (tmp_path / "K.h").read_text()
    assert "const uint16_t *A1" in header and "float *loss" in header
    assert f"one {dtype} number" in header
    with open(tmp_path / "K.json") as file:
        manifest = json.load(file)
    assert manifest["dtype"] == dtype
    assert {a["name"]: a["dtype"] for f in manifest["functions"]
            for a in f["args"]} == {
                name: "f32" if name == "loss" else dtype
                for name in ("A1", "A2", "A3", "X1", "X2", "Y", "E", "bias",
                             "loss", "dX1", "dX", "dA1", "dbias")}
