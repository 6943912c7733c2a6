"""Keys without their mean: data whose keys share a large offset run on a
polynomial, are as right as without it, and certified."""
import json

import numpy as np
import pytest
import reference
from harness import (assert_answers, assert_refused, compile_kernel,
                     solve_with_tools, succeed, tool)
from test_certificate import assert_certified
from test_entry_points import (Kernel, RADIUS_EXCEEDED, assert_same,
                               pytestmark as loads_kernels, train)


def rotated(problem, x, sign=1):
    """Every head's rows, rotated (sign -1: back)."""
    flat = x.reshape(-1, *x.shape[-2:])
    return np.stack([reference.rotate(problem, rows, sign)
                     for rows in flat]).reshape(x.shape)


def longest(x):
    return np.sqrt((x ** 2).sum(-1).max())


def largest_logits(problem, q, k):
    """Bound of logits as they are, and for keys without their mean."""
    k = rotated(problem, k)
    centred = k - k.mean(-2, keepdims=True)
    return [problem["scale"] * longest(q) * longest(x) for x in (k, centred)]


def pose(n, d, offset=6., seed=0, **more):
    """A problem whose (rotated) keys have an offset of `offset` times their
    length, another one for each head. Its radius is that of the keys without
    their mean."""
    problem, arrays = reference.make_problem(n, d, seed=seed, **more)
    rng = np.random.default_rng(seed + 1)
    loss = problem["entry"] == "loss-gradient"
    k = arrays["A2"] @ arrays["X2"] if loss else arrays["K"]
    shift = rng.normal(size=(*k.shape[:-2], 1, d))
    shift *= offset * longest(k) / np.linalg.norm(shift, axis=-1,
                                                  keepdims=True)
    k = rotated(problem, rotated(problem, k) + shift, -1)
    if loss:
        arrays["A2"] = reference.rounded(k @ np.linalg.inv(arrays["X2"]))
        q, k = arrays["A1"] @ arrays["X1"], arrays["A2"] @ arrays["X2"]
    else:
        arrays["K"] = k = reference.rounded(k, problem["dtype"])
        q = arrays["Q"]
    whole, centred = largest_logits(problem, q, k)
    problem["radius"] = 1.001 * centred
    assert whole > 2 * problem["radius"]
    return problem, arrays


ATTENTION = dict(entry="attention", tolerance=1e-2, heads=2, kv_heads=1)
LOSS = dict(tolerance=1e-2, wrt=["X1", "X2", "Y", "A2", "X"])
CASES = {
    "attention": ("features", dict(n=150, d=4, position="none", radius=.3)
                  | ATTENTION),
    "rotary": ("features", dict(n=97, d=6, radius=.3, layout="half", batch=2)
               | ATTENTION),
    "causal": ("scan", dict(n=300, d=4, radius=.3, mask="causal", alibi=.01)
               | ATTENTION),
    "window": ("scan", dict(n=300, d=4, radius=.3, mask="window", window=70,
                            position="none") | ATTENTION),
    "bias": ("fft", dict(n=200, d=2, radius=.3, bias=True,
                         wrt=["Q", "K", "bias"]) | ATTENTION),
    "loss": ("features", dict(n=150, d=4, radius=.3) | LOSS),
    "loss causal": ("scan", dict(n=200, d=4, radius=.3, mask="causal",
                                 position="none") | LOSS),
    "double": ("features", dict(n=150, d=4, radius=.3, tolerance=1e-6,
                                entry="attention")),
    "bf16": ("features", dict(n=150, d=4, radius=.3, dtype="bf16")
             | ATTENTION),
}


def posed(name, **more):
    route, flags = CASES[name]
    problem, arrays = pose(seed=len(name), **flags | more)
    if name == "double":
        problem["dtype"] = "f64"
    return route, problem, arrays


def limit(problem):
    rounding = 2.0 ** -8 if problem["dtype"] == "bf16" else 0
    return 4 * problem["tolerance"] + rounding


@pytest.mark.sweep
@pytest.mark.parametrize("name", CASES)
def test_within_the_tolerance(name, tmp_path):
    """On a forced route, and certified."""
    route, problem, arrays = posed(name)
    report, got = solve_with_tools(tmp_path, problem, arrays, "--route", route,
                                   "--centre", "keys", "--certify")
    assert (report["status"], report["route"]) == ("ok", route)
    assert report["centred"] == "keys"
    assert_answers(problem, arrays, got, limit(problem))
    if problem["dtype"] != "bf16":
        assert_certified(report, problem, arrays, got)
    with open(tmp_path / "K.json") as file:
        manifest = json.load(file)
    assert manifest["centred"] == manifest["plan"]["centred"] == "keys"


@pytest.mark.parametrize("name", ("attention", "loss"))
def test_refused_with_their_mean(name, tmp_path):
    route, problem, arrays = posed(name)
    reference.save(tmp_path / "in", problem, arrays)
    kernel = compile_kernel(tmp_path, "--route", route)
    done = tool("ropegrad-run", kernel, "--in", tmp_path / "in", "--out",
                tmp_path / "out")
    assert_refused(done, "ropegrad-run", ("radius-exceeded",),
                   tmp_path / "out")


@pytest.mark.sweep
@pytest.mark.parametrize("offset", (0, 1e3))
def test_any_offset(offset, tmp_path):
    """A certificate knows that rounding is relative to the keys as they were.
    """
    problem, arrays = reference.make_problem(400, 2, seed=3, radius=.3,
                                             **ATTENTION)
    if offset:
        problem, arrays = pose(400, 2, offset, seed=3, radius=.3, **ATTENTION)
    else:
        problem["radius"] *= 2
    report, got = solve_with_tools(tmp_path, problem, arrays, "--route",
                                   "features", "--centre", "keys", "--certify")
    assert_answers(problem, arrays, got, limit(problem) + 1e-5 * offset)
    assert_certified(report, problem, arrays, got)


def test_beyond_the_radius(tmp_path):
    """The radius that a kernel finds is that of centred keys: it refuses, or
    falls back, by that."""
    problem, arrays = pose(150, 4, seed=4, radius=.3, **ATTENTION)
    reference.save(tmp_path / "in", problem, arrays | {
        "K": reference.rounded(2 * arrays["K"])})
    kernel = compile_kernel(tmp_path, "--route", "features", "--centre",
                            "keys")
    done = tool("ropegrad-run", kernel, "--in", tmp_path / "in", "--out",
                tmp_path / "out")
    found = f"{2 * problem['radius'] / 1.001:.4g}"
    assert_refused(done, "ropegrad-run", ("radius-exceeded", found[:4]),
                   tmp_path / "out")


@pytest.mark.sweep
@pytest.mark.parametrize("name", ("attention", "causal"))
def test_heads_choose(name, tmp_path):
    """Kernels of route auto measure each head's centred keys, and those whose
    logits are too large are exact."""
    flags = CASES[name][1] | dict(n=400, d=2, batch=2, heads=4, kv_heads=2,
                                  alibi=0.)
    problem, arrays = pose(seed=5, **flags)
    problem["centre"] = "keys"
    assert_heads_choose(problem, arrays, tmp_path, "keys without their mean")


def assert_heads_choose(problem, arrays, tmp_path, said):
    """Of four key heads, of which one gets logits that are too large."""
    arrays["K"][1, 0] = reference.rounded(30 * arrays["K"][1, 0])
    report, got = solve_with_tools(tmp_path, problem, arrays, "--certify",
                                   "--threads", 2)
    with open(tmp_path / "K.json") as file:
        manifest = json.load(file)
    assert manifest["route"] != "exact" and manifest["dispatch"] == "heads"
    degrees = np.array(report["heads"]["degree"], float)
    assert np.isnan(degrees).sum() == 1 and np.isnan(degrees[1, 0]), report
    assert_answers(problem, arrays, got, limit(problem))
    assert_certified(report, problem, arrays, got)
    assert f" allowed, of {said}\n" in succeed(
        "ropegrad-run", tmp_path / "K.so", "--in", tmp_path / "in", "--out",
        tmp_path / "out")


def assert_same_by_halves(kernel, problem, arrays):
    """Right, and the same bits for every number of threads, layout, length and
    by halves: means are those of the rows of the call."""
    batch = arrays["Q"].shape[0]
    for n in (1300, 801, 5):
        part = {k: v[:, :, :n] for k, v in arrays.items()}
        want = kernel.outputs("gradient", part, sizes=(batch, n))
        for threads in (1, 3):
            assert_same(want, kernel.outputs("gradient", part,
                                             sizes=(batch, n),
                                             threads=threads))
            for layout in ("bnhd", "padded"):
                assert_same(want, train(kernel, part, sizes=(batch, n),
                                        layout=layout, threads=threads))
        small = dict(problem, n=n)
        assert_answers(small, part, {k: want[k] for k in ("O", "dQ", "dK",
                                                          "dV")},
                       limit(problem))


@loads_kernels
@pytest.mark.parametrize("name", ("rotary", "window"))
def test_halves_and_threads(name, tmp_path):
    """The same bits by halves, for every number of threads, layout and length:
    the mean is that of the rows of the call."""
    route, problem, arrays = posed(name, n=1300)
    problem["radius"] *= 1.5
    reference.save(tmp_path / "in", problem, arrays)
    kernel = Kernel(compile_kernel(tmp_path, "--route", route, "--centre",
                                   "keys"))
    assert_same_by_halves(kernel, problem, arrays)
    # Without their offset keys would do; with another one for some they do not.
    apart = arrays["K"].copy()
    apart[:, :, ::2] *= -1
    status, _ = kernel.call("forward", arrays | {"K": apart})
    assert status == RADIUS_EXCEEDED


def test_degenerate_keys(tmp_path):
    """Equal keys, one row: radius 0, and the softmax of zeros."""
    for n in (1, 60):
        problem, arrays = reference.make_problem(
            n, 2, seed=6, position="none", radius=.5, **ATTENTION)
        arrays["K"][...] = 1e3
        problem["centre"] = "keys"
        report, got = solve_with_tools(tmp_path, problem, arrays, "--route",
                                       "features")
        assert report["status"] == "ok" and report["radius_found"] < 1e-6
        assert_answers(problem, arrays, got, limit(problem))


@pytest.mark.parametrize("bad", (np.nan, np.inf))
def test_numbers_that_are_none(bad, tmp_path):
    problem, arrays = pose(150, 4, seed=7, radius=.3, **ATTENTION)
    arrays["K"][0, 0, 77, 1] = bad
    reference.save(tmp_path / "in", problem, arrays)
    kernel = compile_kernel(tmp_path, "--route", "features", "--centre",
                            "keys")
    done = tool("ropegrad-run", kernel, "--in", tmp_path / "in", "--out",
                tmp_path / "out")
    assert_refused(done, "ropegrad-run", (), tmp_path / "out")


@pytest.mark.parametrize("flags,words", (
    (("--similarity", "poly:1,1"), ("similarity exp", "polynomial")),
    (("--position", "general", "--support", "0:0,1:1"),
     ("position rotary or none with centred keys", "general")),
    (("--route", "exact"), ("route with a polynomial", "exact"))), ids=str)
def test_refused(flags, words):
    done = tool("ropegrad-compile", "--n", 8, "--d", 4, "--centre", "keys",
                "--plan", *flags)
    assert_refused(done, "ropegrad-compile", words)
    done = tool("ropegrad-compile", "--n", 8, "--d", 4, "--centre", "values",
                "--plan")
    assert_refused(done, "ropegrad-compile", (
        "--centre", "none, keys, queries, both or auto", "values"))


# -- The plan's choice --------------------------------------------------------

def planned(tmp_path, problem, arrays, *flags):
    del problem["radius"]
    reference.save(tmp_path / "in", problem, arrays)
    return succeed("ropegrad-compile", tmp_path / "in" / "problem.json",
                   "--n", 1 << 16, *flags)


@pytest.mark.parametrize("position", ("none", "rotary"))
@pytest.mark.parametrize("entry", ("attention", "loss-gradient"))
def test_pays_by_a_sample(position, entry, tmp_path):
    """With an offset the plan centres keys, because a smaller radius takes a
    lower degree; without one it does not."""
    flags = ATTENTION if entry == "attention" else LOSS
    problem, arrays = pose(200, 4, position=position, radius=.3, seed=8,
                           **flags)
    sample = ("--bounds-from", tmp_path / "in")
    plan = json.loads(planned(tmp_path, dict(problem), arrays, "--plan",
                              *sample))
    gain = plan["centring"]
    assert plan["centred"] == gain["rows"] == "keys"
    assert plan["route"] == "features"
    assert gain["radius_centred"] < gain["radius"] / 2
    assert (plan["predicted_ms"] == gain["predicted_ms_centred"]
            < gain["predicted_ms"])
    said = planned(tmp_path, dict(problem), arrays, "--explain", *sample)
    assert "which pays" in said and "keys without their mean" in said
    plan = json.loads(planned(tmp_path, dict(problem), arrays, "--plan",
                              *sample, "--centre", "none"))
    assert "centred" not in plan
    assert plan["predicted_ms"] == gain["predicted_ms"]
    plan = json.loads(planned(tmp_path, dict(problem), arrays, "--plan",
                              *sample, "--centre", "keys"))
    assert plan["predicted_ms"] == gain["predicted_ms_centred"]
    problem, arrays = reference.make_problem(
        200, 4, position=position, radius=.3, seed=8, **flags)
    plan = json.loads(planned(tmp_path, dict(problem), arrays, "--plan",
                              *sample))
    assert plan["centred"] == "none"
    said = planned(tmp_path, problem, arrays, "--explain", *sample)
    assert "which does not pay" in " ".join(said.split())


@pytest.mark.sweep
def test_the_sample_itself_runs(tmp_path):
    """Bounds of coordinates, too, are those of keys without their mean."""
    problem, arrays = pose(400, 8, position="none", radius=.8, seed=9,
                           **ATTENTION)
    del problem["radius"]
    arrays["Q"] = reference.rounded(arrays["Q"] * .5 ** np.arange(8))
    flags = ("--route", "features", "--bounds-from", tmp_path / "in")
    report, got = solve_with_tools(tmp_path, problem, arrays, "--certify",
                                   *flags)
    with open(tmp_path / "K.json") as file:
        plan = json.load(file)["plan"]
    assert report["centred"] == plan["centred"] == "keys"
    assert plan["monomials_kept"] < .7 * plan["monomials"]
    assert_answers(problem, arrays, got, limit(problem))
    assert_certified(report, problem, arrays, got)


def test_known_radii_are_left_alone(tmp_path):
    """Auto decides by a sample, and by nothing else."""
    problem, arrays = pose(200, 4, radius=.3, seed=10, **ATTENTION)
    reference.save(tmp_path / "in", problem, arrays)
    for flags in ((), ("--bounds-from", tmp_path / "in")):
        plan = json.loads(succeed(
            "ropegrad-compile", tmp_path / "in" / "problem.json", "--plan",
            *flags))
        assert "centred" not in plan and "centring" not in plan
