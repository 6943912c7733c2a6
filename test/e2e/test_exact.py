"""The exact route against the reference, over everything that can be posed."""
import json

import pytest
import reference
from cases import name, pairwise
from harness import (assert_answers, compile_kernel, run_kernel,
                     solve_with_tools, succeed)

LIMIT = 3e-5    # of the relative error, f32

SHARED = {
    "n": (1, 2, 3, 17, 61, 130, 1000),
    "d": (2, 4, 5, 6, 8, 16, 32, 64),
    "position": ("rotary", "general", "none"),
    "layout": ("interleaved", "half"),
    "mask": (("none", 0), ("causal", 0), ("window", 1), ("window", 7),
             ("window", 33), ("window", 2000)),
    "bias": ("none", "learned", "per-head"),
    "similarity": (None, (1, 1, .5), (1, .5, .25, .05)),
    "dist": ("uniform", "normal", "skewed"),
    "bound": (.5, 1, 4, 12),
}
LOSS = SHARED | {"alibi": ("none", "one"), "channels": (0, 3, 24),
                 "wrt": ("default", "inputs", "X", "Y")}
ATTENTION = SHARED | {"alibi": ("none", "one", "per-head"),
                      "heads": ((1, 1, 1), (2, 1, 1), (1, 4, 2), (2, 4, 2)),
                      "wrt": ("default", "all", "V", "forward")}


def allowed(case):
    """Excludes what means nothing, and what only takes long."""
    n, d = case["n"], case["d"]
    cost = n * n * d * (2 if case["position"] == "general" else 1)
    batch, heads, _ = case.get("heads", (1, 1, 1))
    if cost * batch * heads > 1.3e8 and (n > 130):
        return False
    if d % 2 and case["position"] == "rotary":
        return False
    if case["layout"] == "half" and case["position"] != "rotary":
        return False
    if case["similarity"] and (case["bias"] != "none" or case["bound"] > 1):
        return False
    if case["bias"] == "per-head" and "heads" not in case:
        return False
    # dX has channels^2 * |S| numbers.
    return case["wrt"] != "X" or (d <= 8 and case["channels"] <= 8)


def gradients(case):
    """The names of wrt in problem.json; None: leave the default."""
    learned = (["W"] * (case["position"] == "general")
               + ["bias"] * (case["bias"] != "none"))
    if "heads" in case:
        names = {"all": ["Q", "K", "V"] + learned, "V": ["V"], "forward": []}
    else:
        names = {"inputs": ["X1", "X2", "Y", "A1", "A2", "A3"] + learned,
                 "X": ["X1", "X2", "X"] + learned, "Y": ["Y"]}
    return names.get(case["wrt"])


def pose(case, seed):
    batch, heads, kv_heads = case.get("heads", (1, 1, 1))
    mask, window = case["mask"]
    alibi = {"none": 0.0, "one": 0.05,
             "per-head": [.5 ** (h + 1) for h in range(heads)]}[case["alibi"]]
    problem, arrays = reference.make_problem(
        case["n"], case["d"], channels=case.get("channels", 0),
        entry="attention" if "heads" in case else "loss-gradient",
        batch=batch, heads=heads, kv_heads=kv_heads, bound=case["bound"],
        position=case["position"], layout=case["layout"], mask=mask,
        window=window, alibi=alibi, bias=case["bias"] != "none",
        bias_per_head=case["bias"] == "per-head",
        similarity=case["similarity"], dist=case["dist"], seed=seed)
    wrt = gradients(case)
    if wrt is not None:
        problem["wrt"] = wrt
    return problem, arrays


CASES = (pairwise(LOSS, allowed, 1) + pairwise(ATTENTION, allowed, 2))


@pytest.mark.sweep
@pytest.mark.parametrize("index", range(len(CASES)),
                         ids=[name(case) for case in CASES])
def test_exact(index, tmp_path):
    problem, arrays = pose(CASES[index], index)
    report, got = solve_with_tools(tmp_path, problem, arrays,
                                   "--route", "exact")
    assert (report["status"], report["route"]) == ("ok", "exact")
    assert report["degree"] is None
    assert_answers(problem, arrays, got, LIMIT)


@pytest.mark.parametrize("entry,scale", (("loss-gradient", .6),
                                         ("attention", .2)))
def test_logits_of_a_hundred(entry, scale, tmp_path):
    """A saturated softmax neither overflows nor loses its gradient."""
    problem, arrays = reference.make_problem(61, 8, entry=entry, bound=12,
                                             scale=scale, seed=3)
    _, got = solve_with_tools(tmp_path, problem, arrays)
    assert_answers(problem, arrays, got, 1e-4)
    assert 100 < problem["logit_bound"] < 110


@pytest.mark.parametrize("cpu", ("native", "x86-64-v3"))
@pytest.mark.parametrize("dtype,far,vanishing", (("f32", 60, 75),
                                                 ("f64", 600, 700)))
def test_weights_far_below_a_rounding_are_zero(dtype, far, vanishing, cpu,
                                               tmp_path):
    """Before they are subnormal, and slow. The first two keys have logits that
    far below all others."""
    problem, arrays = reference.make_problem(
        131, 2, entry="attention", position="none", bound=vanishing, scale=1.,
        dtype=dtype, seed=3)
    arrays["Q"][...] = [1, 0]
    arrays["K"][...] = 0
    arrays["K"][..., 0, 0] = -vanishing
    arrays["K"][..., 1, 0] = -far
    _, got = solve_with_tools(tmp_path, problem, arrays, "--cpu", cpu)
    want, _ = reference.solve(problem, arrays)
    assert_answers(problem, arrays, got, LIMIT)
    assert not got["dV"][..., 0, :].any()
    assert got["dV"][..., 1, :] == pytest.approx(want["dV"][..., 1, :],
                                                 rel=1e-3)


@pytest.mark.parametrize("threads", (1, 2, 3))
def test_threads_change_nothing(threads, tmp_path):
    """Every number of threads gives the same answers, to the last bit."""
    problem, arrays = reference.make_problem(
        300, 16, entry="attention", heads=3, mask="causal", seed=5)
    _, got = solve_with_tools(tmp_path, problem, arrays)
    _, again = run_kernel(tmp_path, str(tmp_path / "K.so"), "--threads",
                          threads)
    assert_answers(problem, arrays, got, LIMIT)
    assert all((got[k] == again[k]).all() for k in got)


def test_automatic_route_without_bounds_is_exact(tmp_path):
    """With exp and no bound, radius or tolerance, and the plan says why."""
    problem, arrays = reference.make_problem(64, 8, seed=4)
    del problem["bound"]
    reference.save(tmp_path / "in", problem, arrays)
    plan = json.loads(succeed("ropegrad-compile",
                              tmp_path / "in" / "problem.json", "--plan"))
    assert plan["route"] == "exact"
    refused = {a["route"]: a for a in plan["alternatives"]
               if a["route"] != "exact"}
    assert set(refused) == {"features", "scan", "fft"}
    assert not any(a["admissible"] for a in refused.values())
    assert all(a["reason"] for a in refused.values())
    report, got = run_kernel(tmp_path, compile_kernel(tmp_path))
    assert report["route"] == "exact"
    assert_answers(problem, arrays, got, LIMIT)
