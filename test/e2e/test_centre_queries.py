"""Queries without their mean, and keys too: data whose queries share a large
offset run on a polynomial, are as right as without it, and certified."""
import json

import numpy as np
import pytest
import reference
from harness import (assert_answers, assert_refused, compile_kernel,
                     solve_with_tools, tool)
from test_centre import (ATTENTION, LOSS, assert_heads_choose,
                         assert_same_by_halves, limit, longest, planned,
                         pose as pose_keys, rotated)
from test_certificate import assert_certified
from test_entry_points import (Kernel, RADIUS_EXCEEDED,
                               pytestmark as loads_kernels)


def groups(problem, q, k):
    """Queries (rotated) by the key head that they meet, (B, H', group · n, d).
    """
    return rotated(problem, q).reshape(*k.shape[:2], -1, k.shape[-1])


def largest_logits(problem, q, k):
    """Bounds of logits as they are, and without the means."""
    q, k = groups(problem, q, k), rotated(problem, k)
    rows = problem["centre"]
    qc = q - q.mean(-2, keepdims=True) if rows != "keys" else q
    kc = k - k.mean(-2, keepdims=True) if rows != "queries" else k
    return [problem["scale"] * longest(x) * longest(y)
            for x, y in ((q, k), (qc, kc))]


def pose(n, d, rows, offset=6., seed=0, **more):
    """A problem whose (rotated) queries, and keys if `rows` are both, have an
    offset of `offset` times their length, another one for each key head. Its
    radius is that of the rows without their mean."""
    make = pose_keys if rows == "both" else reference.make_problem
    problem, arrays = make(n, d, seed=seed, **more)
    problem["centre"] = rows
    rng = np.random.default_rng(seed + 2)
    if problem["entry"] == "loss-gradient":
        q = (arrays["A1"] @ arrays["X1"])[None, None]
        k = (arrays["A2"] @ arrays["X2"])[None, None]
    else:
        q, k = arrays["Q"], arrays["K"]
    shift = rng.normal(size=(*k.shape[:2], 1, d))
    shift *= offset * longest(q) / np.linalg.norm(shift, axis=-1,
                                                  keepdims=True)
    q = rotated(problem, rotated(problem, q)
                + shift.repeat(q.shape[1] // k.shape[1], 1), -1)
    if problem["entry"] == "loss-gradient":
        arrays["A1"] = reference.rounded(q[0, 0] @ np.linalg.inv(arrays["X1"]))
        q = (arrays["A1"] @ arrays["X1"])[None, None]
    else:
        arrays["Q"] = q = reference.rounded(q, problem["dtype"])
    whole, centred = largest_logits(problem, q, k)
    problem["radius"] = max(1.001 * centred, 1e-3)
    assert n == 1 or whole > 2 * problem["radius"]
    return problem, arrays


CASES = {
    "attention": (dict(n=130, d=4, position="none", radius=.3) | ATTENTION),
    "rotary": dict(n=97, d=6, radius=.3, layout="half", batch=2) | ATTENTION,
    "groups": dict(n=17, d=2, radius=.3, batch=2)
              | ATTENTION | dict(heads=6, kv_heads=2),
    "loss": dict(n=130, d=4, radius=.3) | LOSS,
    "loss of A": dict(n=33, d=4, radius=.3, position="none", tolerance=1e-2,
                      wrt=["A1", "A2", "A3"]),
    "double": dict(n=130, d=4, radius=.3, tolerance=1e-6, entry="attention"),
    "bf16": dict(n=130, d=4, radius=.3, dtype="bf16") | ATTENTION,
    "keys first": dict(n=64, d=4, radius=.3, wrt=["V", "K"]) | ATTENTION,
    "keys alone": dict(n=64, d=4, radius=.3, wrt=["K"]) | ATTENTION,
    "forward": dict(n=64, d=4, radius=.3, wrt=[]) | ATTENTION,
}


def posed(name, rows, **more):
    problem, arrays = pose(rows=rows, seed=len(name), **CASES[name] | more)
    if name == "double":
        problem["dtype"] = "f64"
    return problem, arrays


@pytest.mark.sweep
@pytest.mark.parametrize("rows", ("queries", "both"))
@pytest.mark.parametrize("name", CASES)
def test_within_the_tolerance(name, rows, tmp_path):
    """On a forced route, and certified."""
    problem, arrays = posed(name, rows)
    report, got = solve_with_tools(tmp_path, problem, arrays, "--route",
                                   "features", "--certify")
    assert (report["status"], report["route"]) == ("ok", "features")
    assert report["centred"] == rows
    assert_answers(problem, arrays, got, limit(problem))
    if problem["dtype"] != "bf16":
        assert_certified(report, problem, arrays, got)
    with open(tmp_path / "K.json") as file:
        manifest = json.load(file)
    assert manifest["centred"] == manifest["plan"]["centred"] == rows


def test_one_head_of_the_above(tmp_path):
    """What runs in every test."""
    problem, arrays = posed("rotary", "both", n=41)
    report, got = solve_with_tools(tmp_path, problem, arrays, "--route",
                                   "features", "--certify")
    assert report["centred"] == "both"
    assert_answers(problem, arrays, got, limit(problem))
    assert_certified(report, problem, arrays, got)


def test_refused_with_their_mean(tmp_path):
    """Keys without theirs are not enough."""
    problem, arrays = posed("rotary", "both", n=41)
    for rows in ("none", "keys", "queries"):
        problem["centre"] = rows
        reference.save(tmp_path / "in", problem, arrays)
        kernel = compile_kernel(tmp_path, "--route", "features",
                                "--no-certify")
        done = tool("ropegrad-run", kernel, "--in", tmp_path / "in", "--out",
                    tmp_path / "out")
        assert_refused(done, "ropegrad-run", ("radius-exceeded",),
                       tmp_path / "out")


@pytest.mark.parametrize("n", (1, 2, 3))
def test_few_rows(n, tmp_path):
    problem, arrays = pose(n, 2, "both", radius=.3, seed=n, position="none",
                           **ATTENTION | dict(heads=1))
    report, got = solve_with_tools(tmp_path, problem, arrays, "--route",
                                   "features", "--no-certify")
    assert_answers(problem, arrays, got, limit(problem))


@pytest.mark.sweep
@pytest.mark.parametrize("offset", (30., 3e3))
def test_weights_that_vanish(offset, tmp_path):
    """Exponents of keys that differ by far more than f32 has: what is left is
    the keys with the largest, as in exact attention."""
    problem, arrays = pose(200, 2, "queries", offset, seed=3, radius=.3,
                           **ATTENTION)
    report, got = solve_with_tools(tmp_path, problem, arrays, "--route",
                                   "features", "--certify")
    assert report["status"] == "ok"
    # A logit has an error relative to the offset, whatever computes it.
    assert_answers(problem, arrays, got, limit(problem) + 1e-5 * offset)
    assert_certified(report, problem, arrays, got)


@pytest.mark.sweep
def test_heads_choose(tmp_path):
    """Kernels of route auto measure each head's centred rows, and those whose
    logits are too large are exact."""
    problem, arrays = posed("attention", "both", n=400, d=2, batch=2, heads=4,
                            kv_heads=2)
    assert_heads_choose(problem, arrays, tmp_path,
                        "keys and queries without their means")


@loads_kernels
@pytest.mark.parametrize("rows", ("queries", "both"))
def test_halves_and_threads(rows, tmp_path):
    """The same bits by halves, for every number of threads, layout and length:
    the means are those of the rows of the call."""
    problem, arrays = posed("rotary", rows, n=1300)
    problem["radius"] *= 1.5
    reference.save(tmp_path / "in", problem, arrays)
    kernel = Kernel(compile_kernel(tmp_path, "--route", "features",
                                   "--no-certify"))
    assert_same_by_halves(kernel, problem, arrays)
    apart = arrays["Q"].copy()
    apart[:, :, ::2] *= -1
    status, _ = kernel.call("forward", arrays | {"Q": apart})
    assert status == RADIUS_EXCEEDED


@pytest.mark.parametrize("name", ("Q", "K"))
@pytest.mark.parametrize("bad", (np.nan, np.inf))
def test_numbers_that_are_none(name, bad, tmp_path):
    problem, arrays = posed("attention", "both", n=40)
    arrays[name][0, 0, 33, 1] = bad
    reference.save(tmp_path / "in", problem, arrays)
    kernel = compile_kernel(tmp_path, "--route", "features", "--no-certify")
    done = tool("ropegrad-run", kernel, "--in", tmp_path / "in", "--out",
                tmp_path / "out")
    assert_refused(done, "ropegrad-run", (), tmp_path / "out")


@pytest.mark.parametrize("flags,words", (
    (("--similarity", "poly:1,1"), ("similarity exp", "polynomial")),
    (("--position", "general", "--support", "0:0,1:1"),
     ("position rotary or none with centred queries", "general")),
    (("--mask", "causal"), ("no mask with centred queries", "causal")),
    (("--alibi", "0.1"), ("no alibi and no bias", "alibi")),
    (("--route", "fft"), ("route auto or features", "fft")),
    (("--route", "exact"), ("route with a polynomial", "exact"))), ids=str)
def test_refused(flags, words):
    done = tool("ropegrad-compile", "--n", 8, "--d", 4, "--centre", "queries",
                "--plan", *flags)
    assert_refused(done, "ropegrad-compile", words)


@pytest.mark.sweep
def test_the_sample_itself_runs(tmp_path):
    """Although its coordinates differ in size, so that norms are larger than
    what coordinates add up to, and no monomial is left out."""
    problem, arrays = pose(300, 8, "both", position="none", radius=.5, seed=4,
                           **ATTENTION)
    del problem["radius"], problem["centre"]
    arrays["Q"] = reference.rounded(arrays["Q"] * .5 ** np.arange(8))
    report, got = solve_with_tools(tmp_path, problem, arrays, "--route",
                                   "features", "--bounds-from",
                                   tmp_path / "in", "--no-certify")
    assert report["centred"] == "both"
    assert_answers(problem, arrays, got, limit(problem))


@pytest.mark.parametrize("rows", ("queries", "both"))
@pytest.mark.parametrize("entry", ("attention", "loss-gradient"))
def test_pays_by_a_sample(rows, entry, tmp_path):
    """The plan centres what has an offset, and nothing else."""
    flags = ATTENTION if entry == "attention" else LOSS
    problem, arrays = pose(200, 4, rows, radius=.3, seed=8, **flags)
    del problem["centre"]
    sample = ("--bounds-from", tmp_path / "in")
    plan = json.loads(planned(tmp_path, dict(problem), arrays, "--plan",
                              *sample))
    gain = plan["centring"]
    assert plan["centred"] == gain["rows"] == rows
    assert plan["route"] == "features"
    assert gain["radius_centred"] < gain["radius"] / 2
    assert (plan["predicted_ms"] == gain["predicted_ms_centred"]
            < gain["predicted_ms"])
    said = " ".join(planned(tmp_path, dict(problem), arrays, "--explain",
                            *sample).split())
    assert "which pays" in said
    assert ("with keys and queries without their means of" if rows == "both"
            else "with queries without their mean of") in said
    plan = json.loads(planned(tmp_path, dict(problem), arrays, "--plan",
                              *sample, "--centre", rows))
    assert plan["predicted_ms"] == gain["predicted_ms_centred"]
    # Under a mask only keys can be.
    plan = json.loads(planned(tmp_path, dict(problem), arrays, "--plan",
                              *sample, "--mask", "causal"))
    assert plan.get("centred") in ("none", "keys")
