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
    ("--position general --support 0:0 --mask causal", ("general", "fft"))))
def test_what_a_scan_does_not_take(flags, words, tmp_path):
    done = tool("ropegrad-compile", "--n", 64, "--d", 8, "--radius", .5,
                "--tolerance", 1e-2, "--route", "scan", *flags.split(), "-o",
                tmp_path / "K.so")
    assert_refused(done, "ropegrad-compile", ("route", "scan") + words,
                   tmp_path)


def sampled_errors(folder, n, extra):
    """The largest errors of some rows of every output, the first and the last
    ones among them, relative to what the row's terms are in all: for O and dV,
    whose terms are positive, the row itself. Causal where `extra` has no window;
    similarity 1 + z + z²/2, so that all of it is rounding."""
    rng = np.random.default_rng(n)
    arrays = {name: rng.uniform(.2, 1, (1, 1, n, 2))
              for name in ("Q", "K", "V", "dO")}
    problem = {"entry": "attention", "n": n, "d": 2, "scale": .5,
               "position": "none", "mask": "causal", "similarity": [1, 1, .5],
               "wrt": ["Q", "K", "V"]} | extra
    reference.save(folder / "in", problem, arrays)
    _, got = run_kernel(folder, compile_kernel(folder, "--route", "scan"))
    q, k, v, g = (reference.rounded(arrays[name][0, 0])
                  for name in ("Q", "K", "V", "dO"))
    reach = extra.get("window", n)

    def phi(x):
        return np.stack([np.ones(n), x[:, 0], x[:, 1], x[:, 0] ** 2,
                         x[:, 0] * x[:, 1], x[:, 1] ** 2], 1)

    def sums(x):
        total = np.cumsum(x, 0)
        total[reach:] -= total[:-reach].copy()
        return total

    left = phi(q) * [1, .5, .5, .125, .25, .125]
    right = phi(k)
    d = (left * sums(right)).sum(1)
    o = np.einsum("im,imw->iw", left,
                  sums(right[:, :, None] * v[:, None])) / d[:, None]
    delta = (g * o).sum(1)
    ends = np.arange(40)
    some = np.concatenate([ends, rng.integers(0, n, 160), n - 1 - ends])
    errors = {"O": [], "dQ": [], "dK": [], "dV": []}

    def add(name, row, terms):
        size = abs(terms).sum(0)
        errors[name].append((abs(got[name][0, 0, row] - terms.sum(0)) / size)
                            .max())

    for i in some:
        j = slice(max(0, i - reach + 1), i + 1)
        z = .5 * k[j] @ q[i]
        add("O", i, (1 + z + z ** 2 / 2)[:, None] / d[i] * v[j])
        slope = .5 * (1 + z) / d[i]
        add("dQ", i, np.concatenate([(slope * (v[j] @ g[i]))[:, None] * k[j],
                                     (-slope * delta[i])[:, None] * k[j]]))
        j, i = i, slice(i, min(n, i + reach))
        z = .5 * q[i] @ k[j]
        add("dV", j, ((1 + z + z ** 2 / 2) / d[i])[:, None] * g[i])
        slope = .5 * (1 + z) / d[i]
        add("dK", j, np.concatenate([(slope * (g[i] @ v[j]))[:, None] * q[i],
                                     (-slope * delta[i])[:, None] * q[i]]))
    return {name: max(of) for name, of in errors.items()}


@pytest.mark.parametrize("extra", (
    {}, {"mask": "window", "window": 64}, {"mask": "window", "window": 900}),
    ids=("causal", "window64", "window900"))
def test_rounding_does_not_grow_with_n(extra, tmp_path):
    """States are summed over many chunks in double, windows without
    subtraction: rows of a long sequence are as accurate as those of a short
    one."""
    short, long = (sampled_errors(tmp_path / str(n), n, extra)
                   for n in (1000, 200000))
    for name, error in long.items():
        assert error < 3 * short[name], (name, short, long)
        assert error < 2e-6, (name, short, long)
