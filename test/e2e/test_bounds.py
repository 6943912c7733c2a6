"""Bounds of single coordinates: the features route leaves out what is too small
to matter, stays within its tolerance, and notices data beyond a bound."""
import json

import numpy as np
import pytest
import reference
from harness import (assert_answers, assert_refused, compile_kernel,
                     run_kernel, solve_with_tools, tool)
from test_certificate import assert_certified
from test_entry_points import (Kernel, assert_same,
                               pytestmark as loads_kernels, train)

BOUND_EXCEEDED = 10


def pose(n, d, ratio, radius, tolerance, position="none", layout="interleaved",
         entry="attention", **more):
    """A problem whose coordinates fall by `ratio` from one to the next, or from
    pair to pair: of queries as of keys, and data that use up every bound."""
    problem, arrays = reference.make_problem(
        n, d, entry=entry, position=position, layout=layout, bound=1,
        tolerance=tolerance, **more)
    steps = np.arange(d)
    if position == "rotary":
        steps = steps % (d // 2) if layout == "half" else steps // 2
    size = ratio ** steps
    size *= radius / (problem["scale"] * size.sum())
    del problem["bound"]
    problem["bounds"] = size.tolist()
    if entry == "attention":
        for name, share in (("Q", .3), ("K", .7)):
            x = arrays[name] / np.abs(arrays[name]).max(axis=(0, 1, 2))
            arrays[name] = reference.rounded(x * size ** share)
        if position == "rotary":
            shrink_pairs(problem, arrays)
    else:
        # Q = A1 X1: the columns of X1 and X2 carry the sizes.
        for a, x, share in (("A1", "X1", .3), ("A2", "X2", .7)):
            rows = arrays[a] @ arrays[x]
            largest = np.abs(rows).max(axis=0)
            if position == "rotary":
                largest = largest * np.sqrt(2)
            arrays[x] = reference.rounded(arrays[x] / largest * size ** share)
    return problem, arrays


def pairs_of(problem):
    d = problem["d"]
    if problem["layout"] == "half":
        return [(k, k + d // 2) for k in range(d // 2)]
    return [(2 * k, 2 * k + 1) for k in range(d // 2)]


def shrink_pairs(problem, arrays):
    """Norms of pairs that use up the sum of their bounds."""
    q, k = arrays["Q"].copy(), arrays["K"].copy()
    for a, b in pairs_of(problem):
        def norm(x):
            return np.sqrt(x[..., a] ** 2 + x[..., b] ** 2).max()
        allowed = problem["bounds"][a] + problem["bounds"][b]
        factor = np.sqrt(.999 * allowed / (norm(q) * norm(k)))
        for x in (q, k):
            x[..., [a, b]] *= factor
    arrays["Q"], arrays["K"] = reference.rounded(q), reference.rounded(k)


def plan_of(folder):
    with open(folder / "K.json") as file:
        return json.load(file)["plan"]


CASES = {
    "loss": dict(n=301, d=16, ratio=.5, radius=.5, tolerance=1e-3,
                 entry="loss-gradient"),
    "loss rotary": dict(n=157, d=12, ratio=.4, radius=1, tolerance=1e-2,
                        entry="loss-gradient", position="rotary"),
    "attention": dict(n=131, d=32, ratio=.5, radius=.5, tolerance=1e-2,
                      heads=2, kv_heads=1),
    "rotary": dict(n=97, d=16, ratio=.3, radius=1, tolerance=1e-2,
                   position="rotary", batch=2, heads=2),
    "half": dict(n=203, d=16, ratio=.4, radius=.5, tolerance=1e-3,
                 position="rotary", layout="half"),
    "degree 2": dict(n=61, d=16, ratio=.5, radius=.25, tolerance=3e-2),
    "odd width": dict(n=61, d=13, ratio=.5, radius=1, tolerance=1e-2),
    "one row": dict(n=1, d=8, ratio=.3, radius=1, tolerance=1e-2),
}


@pytest.mark.sweep
@pytest.mark.parametrize("name", CASES)
def test_within_the_tolerance(name, tmp_path):
    problem, arrays = pose(seed=len(name), **CASES[name])
    report, got = solve_with_tools(tmp_path, problem, arrays,
                                   "--route", "features")
    assert (report["status"], report["route"]) == ("ok", "features")
    plan = plan_of(tmp_path)
    assert plan["monomials_kept"] == plan["features"] < plan["monomials"]
    assert max(plan["delta"], plan["delta_prime"]) <= problem["tolerance"]
    assert_answers(problem, arrays, got, 4 * problem["tolerance"])


def test_forward_alone_keeps_less(tmp_path):
    problem, arrays = pose(131, 32, .5, .5, 1e-2, seed=3)
    problem["wrt"] = []
    report, got = solve_with_tools(tmp_path, problem, arrays,
                                   "--route", "features")
    plan = plan_of(tmp_path)
    assert plan["monomials_kept"] < 100 < 561 == plan["monomials"]
    assert_answers(problem, arrays, got, 4 * problem["tolerance"])


def test_double(tmp_path):
    problem, arrays = pose(130, 8, .2, .5, 1e-6, seed=4)
    problem["dtype"] = "f64"
    report, got = solve_with_tools(tmp_path, problem, arrays,
                                   "--route", "features")
    assert plan_of(tmp_path)["monomials_kept"] > 0
    assert_answers(problem, arrays, got, 4e-6)


@pytest.mark.sweep
@pytest.mark.parametrize("name", ("loss rotary", "attention"))
def test_certified(name, tmp_path):
    """The certificate, which knows nothing of what was left out, covers it."""
    problem, arrays = pose(seed=5, **CASES[name])
    report, got = solve_with_tools(tmp_path, problem, arrays, "--route",
                                   "features", "--certify")
    assert report["route"] == "features"
    assert_certified(report, problem, arrays, got)


def beyond_one_bound(position):
    """Data whose radius is fine, but of which one small coordinate is 30 times
    as large as its bound, at the expense of all others."""
    problem, arrays = pose(120, 16, .5, .5, 1e-2, position, seed=6)
    for name in "QK":
        x = arrays[name] * .5
        x[..., -1] = arrays[name][..., -1] * np.sqrt(30)
        arrays[name] = reference.rounded(x)
    return problem, arrays


@pytest.mark.parametrize("position", ("none", "rotary"))
def test_beyond_a_bound_is_refused(position, tmp_path):
    problem, arrays = beyond_one_bound(position)
    reference.save(tmp_path / "in", problem, arrays)
    kernel = compile_kernel(tmp_path, "--route", "features")
    done = tool("ropegrad-run", kernel, "--in", tmp_path / "in", "--out",
                tmp_path / "out")
    assert_refused(done, "ropegrad-run", ("bound-exceeded", "coordinate"),
                   tmp_path / "out")


def test_beyond_a_bound_is_exact(tmp_path):
    """Kernels of route auto have another body for such data, and say so."""
    problem, arrays = beyond_one_bound("none")
    # Rates with which the features route pays at once.
    slow = {"vector_bits": 512, "call_us": 0, "general_gflops": 1e-3,
            "exact": [{"d": 16, "row_ns": 0, "gflops": 1e-3}],
            "features": [{"d": 16, "row_ns": 0, "gflops": 1e3}],
            "features_slowdown": [{"stored": 1, "factor": 1}]}
    (tmp_path / "rates.json").write_text(json.dumps(slow))
    reference.save(tmp_path / "in", problem, arrays)
    kernel = compile_kernel(tmp_path, "--calibration",
                            tmp_path / "rates.json")
    report, got = run_kernel(tmp_path, kernel)
    assert plan_of(tmp_path)["route"] == "features"
    assert (report["status"], report["route"]) == ("ok", "exact")
    assert report["radius_found"] <= report["radius_limit"]
    assert_answers(problem, arrays, got, 3e-5)
    text = tool("ropegrad-run", kernel, "--in", tmp_path / "in", "--out",
                tmp_path / "out").stdout
    assert "exact, for a coordinate exceeds the bounds of features" in text


@pytest.mark.parametrize("flags,words", (
    (("--bounds", "1,2,3"), ("expected 4 bounds", "got 3")),
    (("--bounds", "1,2,nan,1"), ("--bounds", "nan")),
    (("--bounds", "1,2,-1,1"), ("bounds to be positive", "-1")),
    (("--bounds", "1,1,1,1", "--similarity", "poly:1,1"),
     ("similarity exp", "polynomial"))), ids=str)
def test_wrong_bounds(flags, words):
    done = tool("ropegrad-compile", "--n", 8, "--d", 4, "--plan", *flags)
    assert_refused(done, "ropegrad-compile", words)


@pytest.mark.sweep
@pytest.mark.parametrize("name", ("loss rotary", "rotary", "attention"))
def test_bounds_from_a_sample(name, tmp_path):
    """What is measured admits the sample itself, and drops as much."""
    problem, arrays = pose(seed=7, **CASES[name])
    del problem["bounds"]
    flags = ("--route", "features", "--bounds-from", tmp_path / "in")
    report, got = solve_with_tools(tmp_path, problem, arrays, *flags)
    plan = plan_of(tmp_path)
    assert plan["monomials_kept"] < plan["monomials"]
    assert report["status"] == "ok"
    assert_answers(problem, arrays, got, 4 * problem["tolerance"])


@pytest.mark.sweep
def test_a_sample_of_which_nothing_is_dropped(tmp_path):
    """Its norms multiply to more than its coordinates do, which is what the
    kernel measures then."""
    problem, arrays = reference.make_problem(
        300, 8, entry="attention", position="none", radius=.5, tolerance=1e-2,
        seed=4)
    del problem["radius"]
    arrays["Q"] = reference.rounded(arrays["Q"] * .5 ** np.arange(8))
    arrays["K"] = reference.rounded(arrays["K"] * .5 ** np.arange(8)[::-1])
    flags = ("--route", "features", "--centre", "none", "--bounds-from",
             tmp_path / "in", "--no-certify")
    report, got = solve_with_tools(tmp_path, problem, arrays, *flags)
    plan = plan_of(tmp_path)
    assert "monomials_kept" not in plan
    sizes = [np.abs(arrays[name]).max(axis=(0, 1, 2)) for name in "QK"]
    bound = problem["scale"] * np.prod(sizes, axis=0).sum()
    assert bound < report["radius_found"] < 1.001 * plan["radius"]
    assert_answers(problem, arrays, got, 4 * problem["tolerance"])


def test_samples_that_are_none(tmp_path):
    problem, arrays = pose(7, 4, .5, .5, 1e-2, seed=8)
    reference.save(tmp_path / "in", problem, arrays)
    flags = ("--n", 7, "--position", "none", "--entry", "attention", "--plan",
             "--bounds-from")
    for d, folder, words in ((4, "nowhere", ("Q.npy",)),
                             (6, "in", ("rows of 6", "4"))):
        done = tool("ropegrad-compile", "--d", d, *flags, tmp_path / folder)
        assert_refused(done, "ropegrad-compile", ("--bounds-from", *words))
    done = tool("ropegrad-compile", "--d", 4, "--bounds", "1,1,1,1", *flags,
                tmp_path / "in")
    assert_refused(done, "ropegrad-compile", ("--bounds-from", "both"))


@loads_kernels
def test_halves_and_threads(tmp_path):
    """forward_train and backward give the bits of the gradient, for any number
    of threads and fewer rows than compiled for."""
    problem, arrays = pose(seed=9, **CASES["attention"])
    reference.save(tmp_path / "in", problem, arrays)
    kernel = Kernel(compile_kernel(tmp_path, "--route", "features"))
    for n in (131, 57):
        part = {k: v[:, :, :n] for k, v in arrays.items()}
        want = kernel.outputs("gradient", part, sizes=(1, n))
        assert_same(want, kernel.outputs("gradient", part, sizes=(1, n),
                                         threads=3))
        assert_same(want, train(kernel, part, sizes=(1, n)))
    wide = arrays["Q"].copy()
    wide[..., -1] *= 1e4
    status, _ = kernel.call("forward", arrays | {"Q": wide})
    assert status == BOUND_EXCEEDED
