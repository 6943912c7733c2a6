"""The features route: within four tolerances of the reference."""
import numpy as np
import pytest
import reference
from cases import name, pairwise
from harness import (asked_for, assert_answers, assert_refused, compile_kernel,
                     solve_with_tools, tool)

# (d, radius, tolerance) of which the features are few enough.
BOUNDS = ((2, .5, 2e-1), (2, 1, 1e-4), (2, 2, 1e-2), (2, .25, 1e-5),
          (4, .5, 1e-5), (4, 1, 1e-3), (4, 2, 1e-1), (5, .5, 1e-2),
          (6, .25, 1e-4), (6, 1, 1e-2), (8, .5, 2e-1), (8, .5, 1e-3),
          (8, 1, 1e-4), (8, .25, 1e-5), (16, .5, 7e-2), (16, .5, 1e-2),
          (16, .25, 1e-3), (32, .5, 7e-2), (32, .25, 2e-2), (64, .5, 7e-2),
          (64, .25, 2e-2))
SHARED = {"n": (1, 2, 3, 17, 61, 130, 1000), "bounds": BOUNDS,
          "position": ("rotary", "none"), "layout": ("interleaved", "half"),
          "dist": ("uniform", "normal", "skewed")}
LOSS = SHARED | {"channels": (0, 3, 24), "wrt": ("default", "inputs", "X")}
ATTENTION = SHARED | {"heads": ((1, 1, 1), (1, 2, 2), (2, 4, 2), (1, 3, 1)),
                      "wrt": ("default", "V", "forward")}
GRADIENTS = {"inputs": ["X1", "X2", "Y", "A1", "A2", "A3"],
             "X": ["X1", "X2", "X"], "V": ["V"], "forward": []}


def allowed(case):
    d = case["bounds"][0]
    if case["position"] == "rotary" and d % 2:
        return False
    if case["layout"] == "half" and case["position"] != "rotary":
        return False
    if case["wrt"] == "X" and (d > 8 or case["channels"] > 8):
        return False
    batch, heads, _ = case.get("heads", (1, 1, 1))
    return case["n"] < 1000 or batch * heads <= 4


def pose(case, seed, **more):
    d, radius, tolerance = case["bounds"]
    batch, heads, kv_heads = case.get("heads", (1, 1, 1))
    problem, arrays = reference.make_problem(
        case["n"], d, channels=case.get("channels", 0),
        entry="attention" if "heads" in case else "loss-gradient",
        batch=batch, heads=heads, kv_heads=kv_heads, bound=4,
        position=case["position"], layout=case["layout"], dist=case["dist"],
        seed=seed, radius=radius, tolerance=tolerance, **more)
    if case["wrt"] in GRADIENTS:
        problem["wrt"] = GRADIENTS[case["wrt"]]
    return problem, arrays


# Every third case: each still has its (d, radius, tolerance) several times.
CASES = (pairwise(LOSS, allowed, 3) + pairwise(ATTENTION, allowed, 4))[::3]


@pytest.mark.sweep
@pytest.mark.parametrize("index", range(len(CASES)),
                         ids=[name(case) for case in CASES])
def test_features(index, tmp_path):
    problem, arrays = pose(CASES[index], index)
    report, got = solve_with_tools(tmp_path, problem, arrays,
                                   "--route", "features")
    assert (report["status"], report["route"]) == ("ok", "features")
    assert report["degree"] >= 1
    assert 0 < report["radius_found"] <= report["radius_limit"]
    assert report["radius_limit"] == pytest.approx(
        problem["radius"] * (1 + 2 ** -10), rel=1e-6)
    assert_answers(problem, arrays, got, 4 * problem["tolerance"])


@pytest.mark.sweep
@pytest.mark.sweep
@pytest.mark.parametrize("n", (1, 8, 17, 131))
@pytest.mark.parametrize("d", (1, 2, 4, 8, 10))
def test_radius_is_that_of_the_rows(d, n, tmp_path):
    """Rounded outward by at most kGuardMargin and what sqrt and products add."""
    problem, arrays = reference.make_problem(
        n, d, entry="attention", position="none", bound=.4, tolerance=.1,
        seed=n)
    report, _ = solve_with_tools(tmp_path, problem, arrays,
                                 "--route", "features")
    norms = [np.linalg.norm(arrays[name].astype(np.float64), axis=-1).max()
             for name in ("Q", "K")]
    exact = problem["scale"] * norms[0] * norms[1]
    assert exact <= np.max(report["radius_found"]) <= exact * (1 + 3e-6)


@pytest.mark.parametrize("similarity", ((1, 1, .5), (1, .5, .25, .05),
                                        (2, 0, 1), (1,)),
                         ids=lambda c: "poly:" + ",".join(map(str, c)))
@pytest.mark.parametrize("position,d,entry", (
    ("rotary", 4, "loss-gradient"), ("rotary", 16, "attention"),
    ("none", 5, "loss-gradient"), ("none", 8, "attention")))
def test_polynomial_similarity(position, d, entry, similarity, tmp_path):
    """There the polynomial is the model: no error but rounding, no radius."""
    heads = 4 if entry == "attention" else 1
    problem, arrays = reference.make_problem(
        130, d, entry=entry, heads=heads, kv_heads=heads // 2 or 1,
        position=position, similarity=similarity, seed=7)
    if entry == "loss-gradient" and d <= 5:
        problem["wrt"] = ["X1", "X2", "Y", "X", "A1", "A2", "A3"]
    report, got = solve_with_tools(tmp_path, problem, arrays,
                                   "--route", "features")
    assert (report["route"], report["degree"]) == ("features",
                                                   len(similarity) - 1)
    assert_answers(problem, arrays, got, 2e-5)


@pytest.mark.parametrize("fit", ("minimax", "taylor", "weighted"))
def test_fits(fit, tmp_path):
    problem, arrays = reference.make_problem(130, 8, seed=8, radius=.5,
                                             tolerance=1e-3)
    report, got = solve_with_tools(tmp_path, problem, arrays, "--route",
                                   "features", "--fit", fit)
    assert report["route"] == "features"
    assert_answers(problem, arrays, got, 4e-3)


def test_data_beyond_the_radius_are_refused(tmp_path):
    """Never a silently wrong gradient: the guard names what was exceeded."""
    problem, arrays = reference.make_problem(61, 4, entry="attention", seed=9,
                                             radius=.5, tolerance=1e-3)
    arrays["Q"] = arrays["Q"] * 1.01
    reference.save(tmp_path / "in", problem, arrays)
    kernel = compile_kernel(tmp_path, "--route", "features")
    done = tool("ropegrad-run", kernel, "--in", tmp_path / "in", "--out",
                tmp_path / "out")
    assert_refused(done, "ropegrad-run", ("radius", "0.5"), tmp_path / "out")
