"""The scan route: within four tolerances of the reference."""
import numpy as np
import pytest
import reference
from cases import name, pairwise
from harness import (assert_answers, assert_refused, compile_kernel,
                     run_kernel, solve_with_tools, tool)

# (d, radius, tolerance): their chunks have 64 to 192 rows.
BOUNDS = ((2, .5, 2e-1), (2, 1, 1e-4), (4, 1, 1e-3), (8, .5, 2e-1),
          (8, .5, 1e-3), (16, .5, 1e-2))
SHARED = {"n": (1, 2, 3, 17, 61, 97, 130, 256, 500, 1000), "bounds": BOUNDS,
          "mask": (("causal", 0), ("window", 1), ("window", 7), ("window", 33),
                   ("window", 200), ("window", "n"), ("window", 2000),
                   ("none", 0)),
          "position": ("rotary", "none"), "dtype": ("f32", "f64"),
          "dist": ("uniform", "skewed")}
LOSS = SHARED | {"alibi": ("none", .02, 3), "wrt": ("default", "inputs", "Y")}
ATTENTION = SHARED | {"alibi": ("none", .02, "per-head", "equal"),
                      "heads": ((1, 1, 1), (2, 4, 2), (1, 3, 1)),
                      "wrt": ("default", "V", "Q", "forward")}
GRADIENTS = {"inputs": ["X1", "X2", "Y", "A1", "A2", "A3"], "Y": ["Y"],
             "V": ["V"], "Q": ["Q"], "forward": []}


def allowed(case):
    if case["mask"][0] == "none" and case["alibi"] == "none":
        return False
    batch, heads, _ = case.get("heads", (1, 1, 1))
    return case["n"] * batch * heads <= 3000


def pose(case, seed):
    d, radius, tolerance = case["bounds"]
    batch, heads, kv_heads = case.get("heads", (1, 1, 1))
    mask, window = case["mask"]
    alibi = {"none": 0.0, "equal": [.1] * heads,
             "per-head": [.5 ** (3 * h) for h in range(heads)]}.get(
                 case["alibi"], case["alibi"])
    problem, arrays = reference.make_problem(
        case["n"], d, entry="attention" if "heads" in case else "loss-gradient",
        batch=batch, heads=heads, kv_heads=kv_heads, bound=4,
        position=case["position"], dist=case["dist"], dtype=case["dtype"],
        mask=mask, window=case["n"] if window == "n" else window, alibi=alibi,
        seed=seed, radius=radius, tolerance=tolerance)
    if case["wrt"] in GRADIENTS:
        problem["wrt"] = GRADIENTS[case["wrt"]]
    return problem, arrays


CASES = pairwise(LOSS, allowed, 5) + pairwise(ATTENTION, allowed, 6)


@pytest.mark.sweep
@pytest.mark.parametrize("index", range(len(CASES)),
                         ids=[name(case) for case in CASES])
def test_scan(index, tmp_path):
    problem, arrays = pose(CASES[index], index)
    report, got = solve_with_tools(tmp_path, problem, arrays,
                                   "--route", "scan")
    assert (report["status"], report["route"]) == ("ok", "scan")
    assert report["degree"] >= 1
    assert 0 < report["radius_found"] <= report["radius_limit"]
    assert_answers(problem, arrays, got, 4 * problem["tolerance"])


# Polynomial similarities have no error but rounding: what else is wrong shows.
EXACT = (
    dict(mask="causal"), dict(mask="window", window=500),
    dict(mask="window", window=257), dict(mask="causal", alibi=.01),
    dict(alibi=.01), dict(mask="window", window=300, alibi=.004),
    dict(mask="causal", alibi=[.003, .0, .5, 8.]),
    dict(alibi=[.003, .0, .5, 8.]),
    dict(mask="window", window=400, alibi=[.02, .001, .5, 8.]))


@pytest.mark.sweep
@pytest.mark.parametrize("dtype,limit", (("f32", 1e-5), ("f64", 1e-12)))
@pytest.mark.parametrize("index", range(len(EXACT)),
                         ids=[name(case) for case in EXACT])
def test_polynomial_similarity(index, dtype, limit, tmp_path):
    problem, arrays = reference.make_problem(
        700, 4, entry="attention", heads=4, kv_heads=2, batch=2, dtype=dtype,
        similarity=(1, 1, .5, .1), seed=index, **EXACT[index])
    report, got = solve_with_tools(tmp_path, problem, arrays, "--route", "scan")
    assert (report["route"], report["degree"]) == ("scan", 3)
    assert_answers(problem, arrays, got, limit)


@pytest.mark.parametrize("case", (dict(mask="causal"),
                                  dict(mask="window", window=300),
                                  dict(alibi=[.01, .02, .5])), ids=str)
def test_threads_change_nothing(case, tmp_path):
    """Every number of threads gives the same answers, to the last bit."""
    problem, arrays = reference.make_problem(
        1500, 4, entry="attention", heads=3, radius=.5, tolerance=1e-3, seed=5,
        **case)
    reference.save(tmp_path / "in", problem, arrays)
    kernel = compile_kernel(tmp_path, "--route", "scan")
    _, got = run_kernel(tmp_path, kernel, "--threads", 1)
    for threads in (2, 3, 7):
        _, again = run_kernel(tmp_path, kernel, "--threads", threads)
        assert all((got[k] == again[k]).all() for k in got)


@pytest.mark.parametrize("flags,words", (
    ("", ("nothing to scan",)), ("--bias learned", ("bias", "fft")),
    ("--position general --support 0:0 --mask causal", ("general", "fft")),
    ("--mask causal --wrt X", ("gradient of X",))))
def test_what_a_scan_does_not_take(flags, words, tmp_path):
    done = tool("ropegrad-compile", "--n", 64, "--d", 8, "--radius", .5,
                "--tolerance", 1e-2, "--route", "scan", *flags.split(), "-o",
                tmp_path / "K.so")
    assert_refused(done, "ropegrad-compile", ("route", "scan") + words,
                   tmp_path)


def test_rounding_does_not_grow_with_n(tmp_path):
    """States are summed over many chunks in double: the last rows of a long
    sequence are as accurate as those of a short one."""
    errors = []
    for n in (1000, 60000):
        rng = np.random.default_rng(n)
        q, k, v = (rng.uniform(.2, 1, (n, 2)) for _ in range(3))
        problem = {"entry": "attention", "n": n, "d": 2, "scale": .5,
                   "position": "none", "mask": "causal", "wrt": [],
                   "similarity": [1, 1, .5]}
        arrays = {"Q": q, "K": k, "V": v, "dO": v}
        folder = tmp_path / str(n)
        reference.save(folder / "in", problem,
                       {name: a[None, None] for name, a in arrays.items()})
        _, got = run_kernel(folder, compile_kernel(folder, "--route", "scan"))
        # Prefix sums of all monomials in double.
        def phi(x):
            return np.stack([np.ones(n), x[:, 0], x[:, 1], x[:, 0] ** 2,
                             2 * x[:, 0] * x[:, 1], x[:, 1] ** 2], 1)
        c = np.array([1, .5, .5, .125, .125, .125])
        def plain(x):
            x = phi(x)
            x[:, 4] /= 2
            return x
        single = [a.astype(np.float32).astype(np.float64) for a in (q, k, v)]
        left, right = phi(single[0]) * c, plain(single[1])
        above = np.cumsum(right[:, :, None] * single[2][:, None], 0)
        below = np.cumsum(right, 0)
        want = np.einsum("im,imw->iw", left, above) / (
            left * below).sum(1, keepdims=True)
        errors.append((abs(got["O"][0, 0] - want) / abs(want)).max())
    assert errors[1] < 3 * errors[0]
    assert errors[1] < 2e-6
