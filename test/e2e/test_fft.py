"""The fft route: within four tolerances of the reference."""
import numpy as np
import pytest
import reference
from cases import name, pairwise
from harness import (assert_answers, assert_refused, compile_kernel,
                     run_kernel, solve_with_tools, tool)

# (d, radius, tolerance) of which monomials and pairs are few enough.
BOUNDS = ((2, .5, 1e-3), (2, 1, 1e-5), (4, .5, 1e-2), (4, .25, 1e-3),
          (5, .25, 1e-2), (6, .25, 1e-2), (8, .25, 2e-2), (8, .5, 1e-1),
          (16, .25, 1e-1))
SHARED = {"n": (1, 2, 3, 17, 61, 97, 130, 256, 500, 1000), "bounds": BOUNDS,
          "position": ("rotary", "none", "general"),
          "layout": ("interleaved", "half"),
          "mask": (("none", 0), ("causal", 0), ("window", 1), ("window", 7),
                   ("window", 33), ("window", 300), ("window", 2000)),
          "bias": ("none", "learned", "per-head"),
          "dtype": ("f32", "f64"),
          "dist": ("uniform", "normal", "skewed")}
LOSS = SHARED | {"alibi": ("none", "one"), "channels": (0, 3, 12),
                 "wrt": ("default", "inputs", "Y")}
ATTENTION = SHARED | {"alibi": ("none", "one", "per-head"),
                      "heads": ((1, 1, 1), (2, 1, 1), (1, 4, 2), (2, 2, 1)),
                      "wrt": ("default", "all", "V", "forward")}


def allowed(case):
    d = case["bounds"][0]
    if d % 2 and case["position"] == "rotary":
        return False
    if case["layout"] == "half" and case["position"] != "rotary":
        return False
    if case["bias"] == "per-head" and "heads" not in case:
        return False
    if (case["position"] != "general" and case["bias"] == "none"
            and case["mask"][0] == "none" and case["alibi"] == "none"):
        return False    # the features route serves that
    if case["position"] == "general" and d > 8:
        return False
    batch, heads, _ = case.get("heads", (1, 1, 1))
    return case["n"] < 500 or batch * heads <= 2


def gradients(case):
    """The names of wrt in problem.json; None: leave the default."""
    learned = (["W"] * (case["position"] == "general")
               + ["bias"] * (case["bias"] != "none"))
    if "heads" in case:
        names = {"all": ["Q", "K", "V"] + learned, "V": ["V"], "forward": []}
    else:
        names = {"inputs": ["X1", "X2", "Y", "A1", "A2", "A3"] + learned,
                 "Y": ["Y"]}
    return names.get(case["wrt"])


def pose(case, seed):
    d, radius, tolerance = case["bounds"]
    batch, heads, kv_heads = case.get("heads", (1, 1, 1))
    mask, window = case["mask"]
    alibi = {"none": 0.0, "one": 0.05,
             "per-head": [.5 ** (h + 1) for h in range(heads)]}[case["alibi"]]
    problem, arrays = reference.make_problem(
        case["n"], d, channels=case.get("channels", 0),
        entry="attention" if "heads" in case else "loss-gradient",
        batch=batch, heads=heads, kv_heads=kv_heads, bound=4,
        position=case["position"], layout=case["layout"], mask=mask,
        window=window, alibi=alibi, bias=case["bias"] != "none",
        bias_per_head=case["bias"] == "per-head", dist=case["dist"],
        seed=seed, radius=radius, tolerance=tolerance)
    if case["position"] == "general":
        arrays["W"] /= 2    # two entries a row and column: ‖W_t‖₂ ≤ 1
    problem["dtype"] = case["dtype"]
    wrt = gradients(case)
    if wrt is not None:
        problem["wrt"] = wrt
    return problem, arrays


# Every second case: each still has its (d, radius, tolerance) several times.
CASES = (pairwise(LOSS, allowed, 5) + pairwise(ATTENTION, allowed, 6))[::2]


@pytest.mark.sweep
@pytest.mark.parametrize("index", range(len(CASES)),
                         ids=[name(case) for case in CASES])
def test_fourier(index, tmp_path):
    problem, arrays = pose(CASES[index], index)
    report, got = solve_with_tools(tmp_path, problem, arrays,
                                   "--route", "fft")
    assert (report["status"], report["route"]) == ("ok", "fft")
    assert report["degree"] >= 1
    assert 0 < report["radius_found"] <= report["radius_limit"]
    assert_answers(problem, arrays, got, 4 * problem["tolerance"])


@pytest.mark.parametrize("case", (
    {"position": "rotary", "alibi": .01}, {"position": "general"},
    {"position": "none", "alibi": .01, "mask": "causal"}), ids=name)
def test_polynomial_similarity(case, tmp_path):
    """No error but rounding; blocks of several sizes under the mask."""
    problem, arrays = reference.make_problem(
        700, 4, entry="attention", heads=2, kv_heads=1, seed=7, bound=.5,
        similarity=(1, 1, .5, .1), **case)
    problem["wrt"] = ["Q", "K", "V"] + ["W"] * (case["position"] == "general")
    report, got = solve_with_tools(tmp_path, problem, arrays, "--route", "fft")
    assert report["route"] == "fft"
    assert_answers(problem, arrays, got, 3e-5)


def row(i, problem, arrays):
    """Row i of the output under a causal mask, in double."""
    q, k, v = (arrays[name][0, 0].astype(float) for name in "QKV")
    z = problem["scale"] * (k[:i + 1] @ q[i])
    n = problem["n"]
    b = np.exp(arrays["bias"][n - 1:n + i].astype(float))[::-1]
    p = b * np.exp(z)
    return p @ v[:i + 1] / p.sum()


def test_every_row_is_as_right_as_the_last(tmp_path):
    """Under a mask no row meets a transform that is larger than its own sum:
    each is right to 1e-5 of its own size, though the last values are 10^5
    times as large as the first."""
    n = 65536
    problem, arrays = reference.make_problem(
        n, 2, entry="attention", mask="causal", position="none", bias=True,
        radius=.1, tolerance=1e-6, seed=3)
    # Of one sign, so that the weights' own error is no larger in a row.
    arrays["V"] = np.abs(arrays["V"]) * (
        np.linspace(1e-5 ** .5, 1, n) ** 2)[:, None].astype(np.float32)
    problem["wrt"] = []
    report, got = solve_with_tools(tmp_path, problem, arrays, "--route", "fft")
    assert report["route"] == "fft"
    rows = sorted({0, 1, 2, 127, 128, 129, n // 2, n - 2, n - 1}
                  | {int(n ** (i / 60)) for i in range(60)})
    for i in rows:
        want = row(i, problem, arrays)
        error = np.abs(got["O"][0, 0, i] - want).max()
        assert error <= 1e-5 * np.abs(want).max(), (i, error)


@pytest.mark.parametrize("position,mask", (("rotary", "none"),
                                           ("general", "causal")))
def test_threads_change_nothing(position, mask, tmp_path):
    """Every number of threads gives the same answers, to the last bit."""
    problem, arrays = reference.make_problem(
        300, 4, entry="attention", heads=3, position=position, mask=mask,
        bias=True, radius=.5, tolerance=1e-2, seed=5)
    if position == "general":
        arrays["W"] /= 2
    problem["wrt"] = ["Q", "K", "V", "bias"]
    _, got = solve_with_tools(tmp_path, problem, arrays, "--route", "fft")
    assert_answers(problem, arrays, got, 4e-2)
    for threads in (1, 2, 3):
        _, again = run_kernel(tmp_path, str(tmp_path / "K.so"), "--threads",
                              threads)
        assert all((got[k] == again[k]).all() for k in got)


def test_large_position_matrices_are_refused(tmp_path):
    """The guard knows W: twice as large is outside of the radius."""
    problem, arrays = reference.make_problem(
        61, 4, entry="attention", position="general", seed=9, radius=.5,
        tolerance=1e-2)
    arrays["W"] = np.ones_like(arrays["W"])     # ‖W_t‖₂ = 2
    reference.save(tmp_path / "in", problem, arrays)
    kernel = compile_kernel(tmp_path, "--route", "fft")
    done = tool("ropegrad-run", kernel, "--in", tmp_path / "in", "--out",
                tmp_path / "out")
    assert_refused(done, "ropegrad-run", ("radius", "0.5"), tmp_path / "out")


@pytest.mark.parametrize("shift", (-84, -72, 60))
def test_a_bias_far_from_zero(shift, tmp_path):
    """Its exponential is taken as it is: down to the last normal numbers, and
    up to where sums would have no room for products."""
    problem, arrays = reference.make_problem(
        61, 4, entry="attention", position="none", bias=True, radius=.3,
        tolerance=1e-2, seed=2)
    arrays["bias"] = (arrays["bias"] + shift).astype(np.float32)
    report, got = solve_with_tools(tmp_path, problem, arrays, "--route", "fft")
    assert report["route"] == "fft"
    assert_answers(problem, arrays, got, 4 * problem["tolerance"])
