"""Random data for a compiled kernel, among it what is made to break it, and what
the kernel may answer: the right numbers, or a status where its proof ends."""
import collections

import numpy as np
import reference
from test_entry_points import (NOT_FINITE, OK, RADIUS_EXCEEDED,
                               ROW_SUM_TOO_SMALL)

def normal(rng, *shape):
    return rng.normal(size=shape)


def uniform(rng, *shape):
    return rng.uniform(-1, 1, shape)


def skewed(rng, *shape):
    return rng.exponential(size=shape) ** 2


def corners(rng, *shape):
    """All entries of one size: logits may be all that the radius allows."""
    return rng.choice([-1.0, 1.0], shape)


def aligned(rng, *shape):
    """Rows that are one vector, or its negative: logits of +-R alone."""
    row = rng.normal(size=shape[:-2] + (1, shape[-1]))
    return row * rng.choice([-1.0, 1.0], shape[:-1] + (1,))


def spiked(rng, *shape):
    """One row is large, the others next to nothing."""
    x = 1e-3 * rng.normal(size=shape)
    x[..., rng.integers(shape[-2]), :] = rng.normal(size=shape[:-2]
                                                    + (shape[-1],))
    return x


def equal(rng, *shape):
    return np.broadcast_to(rng.normal(size=shape[:-2] + (1, shape[-1])),
                           shape).copy()


def zero(rng, *shape):
    return np.zeros(shape)


def cancelling(rng, *shape):
    """Rows of turning signs, whose sums are next to nothing."""
    return (rng.normal(size=shape[:-2] + (1, shape[-1]))
            * (-1.0) ** np.arange(shape[-2])[:, None]
            + 1e-4 * rng.normal(size=shape))


ROWS = (normal, uniform, skewed, corners, aligned, spiked, equal, zero)
VALUES = (normal, uniform, skewed, cancelling, spiked, equal)
# Largest logit, relative to the radius of the kernel.
WITHIN = (1.0, 1.0, .999, .7, .3, .01)
BEYOND = (1.01, 4.0, 10.0, 1000.0)


def rotated(problem, x, sign=1):
    """Rows of all heads, rotated (sign -1: back)."""
    heads = x.reshape(-1, *x.shape[-2:]).astype(np.float64)
    return np.stack([reference.rotate(problem, rows, sign)
                     for rows in heads]).reshape(x.shape)


def centres(problem, rows):
    return problem.get("centred") in (rows, "both")


def without_mean(problem, x, group):
    """Rotated rows as the logits meet them, where the mean of `group` heads is
    subtracted."""
    x = rotated(problem, x)
    by_group = x.reshape(x.shape[0], x.shape[1] // group, -1, x.shape[-1])
    return (by_group - by_group.mean(-2, keepdims=True)).reshape(x.shape)


def shifted(rng, problem, x, group=1):
    """Rows with a common part, once they are rotated, up to ten times as large
    as they are, one for `group` heads."""
    shift = rng.normal(size=(x.shape[0], x.shape[1] // group, 1, x.shape[-1]))
    shift *= rng.choice((0, .1, 1, 10)) * np.abs(x).max()
    return rotated(problem, rotated(problem, x) + shift.repeat(group, 1), -1)


def radius(problem, Q, K):
    """What a guard finds: largest row norms, by head."""
    norm = lambda x: np.sqrt((x.astype(np.float64) ** 2).sum(-1)).max(-1)
    group = Q.shape[1] // K.shape[1]
    if centres(problem, "keys"):
        K = without_mean(problem, K, 1)
    if centres(problem, "queries"):
        Q = without_mean(problem, Q, group)
    return problem["scale"] * (norm(Q) * norm(K).repeat(group, 1)).max()


def scaled(problem, Q, K, wanted):
    """Q and K with this radius, the factor on one of them or on both."""
    found = radius(problem, Q, K)
    return Q * np.sqrt(wanted / found), K * np.sqrt(wanted / found)


def draw(rng, kernel, most):
    """Arrays of one call and its sizes. `most`: radius that counts as 1."""
    m = kernel.manifest
    n = int(rng.integers(1, m["n"] + 1)) if rng.random() < .8 else 1
    batch = int(rng.integers(1, m["batch"] + 1))
    heads, kv_heads, d = m["heads"], m["kv_heads"], m["d"]
    pick = lambda options: options[rng.integers(len(options))]
    arrays = {"Q": pick(ROWS)(rng, batch, heads, n, d),
              "K": pick(ROWS)(rng, batch, kv_heads, n, d),
              "V": pick(VALUES)(rng, batch, kv_heads, n, d),
              "dO": pick(VALUES)(rng, batch, heads, n, d)}
    if centres(m, "keys"):
        arrays["K"] = shifted(rng, m, arrays["K"])
    if centres(m, "queries"):
        arrays["Q"] = shifted(rng, m, arrays["Q"], heads // kv_heads)
    part = pick(BEYOND if rng.random() < .3 else WITHIN)
    # Of equal keys nothing is left but rounding, which is not to be scaled.
    whole = radius(m | {"centred": "none"}, arrays["Q"], arrays["K"])
    if radius(m, arrays["Q"], arrays["K"]) > 1e-3 * whole:
        arrays["Q"], arrays["K"] = scaled(m, arrays["Q"], arrays["K"],
                                          part * most)
    if m["dispatch"] == "heads" and rng.random() < .5:
        # Some heads have smaller logits: kernels choose for each.
        smaller = rng.choice((1, .3, .1, .03), (batch, kv_heads))
        arrays["K"] = arrays["K"] * smaller[..., None, None]
    for name in ("V", "dO"):
        arrays[name] = arrays[name] * 10.0 ** rng.integers(-3, 4)
    if m["bias"] == "learned":
        per_head = (heads,) if m["bias_per_head"] else ()
        bias = arrays["bias"] = rng.normal(size=per_head + (2 * n - 1,))
        if rng.random() < .2:
            # Transforms round relative to a peak that some rows do not have.
            bias[..., rng.integers(2 * n - 1)] += rng.uniform(0, 40)
        elif rng.random() < .1:
            bias += rng.choice((-100, -30, 30, 100))
    if m["position"] == "general":
        arrays["W"] = uniform(rng, 2 * n - 1, len(m["support"]))
    arrays = {k: np.asarray(v, np.float32) for k, v in arrays.items()}
    return arrays, (batch, n)


def may_lose_rows(arrays):
    """Whether transforms may leave too little of a row under this bias."""
    bias = arrays.get("bias", np.zeros(1))
    return np.abs(bias).max() > 5


class Tally(collections.Counter):
    """How many cases of which kind there were; violations are raised."""

    def __init__(self):
        super().__init__()
        self.ratios = []    # certified / observed


def check_certificates(kernel, arrays, got, want, tally, **how):
    """Every bound that the kernel states holds: of the largest error of each
    output, in the order of outputs."""
    if "certify" not in kernel.functions:
        return
    args = kernel.functions["certify"]["args"]
    given = {a["name"]: arrays.get(a["name"], got.get(a["name"]))
             for a in args if a["role"] == "in"}
    status, answer = kernel.call("certify", given, **how)
    assert status == OK, status
    names = [name for name in given if name not in arrays]
    bounds = answer["bounds"]
    assert len(bounds) == len(names) and not np.isnan(bounds).any(), bounds
    for name, bound in zip(names, bounds):
        observed = np.abs(given[name].astype(np.float64) - want[name]).max()
        assert observed <= bound, (
            f"{name}: certified {bound:.3e}, but observed {observed:.3e}")
        tally["certified" if np.isfinite(bound) else "not certified"] += 1
        if observed > 0 and np.isfinite(bound):
            tally.ratios.append(bound / observed)


def limits(kernel, problem, arrays, is_exact):
    """Of the error relative to the terms of a sum: (what rounding may leave,
    what the route may)."""
    # Exponents are differences of numbers of these sizes: products of rows
    # whose terms may cancel, and biases.
    norms = radius(problem | {"centred": "none"}, arrays["Q"], arrays["K"])
    rounding = 1e-5 + 5e-7 * max(norms, problem["logit_bound"])
    rounding += 2e-7 * np.abs(arrays.get("bias", 0)).max()
    if "similarity" in problem:
        # A sum of features is as large as p(R), and may stand for the least p.
        logits = problem["logit_bound"] * np.linspace(-1, 1, 1001)
        values = np.polynomial.Polynomial(problem["similarity"])(logits)
        rounding += 2e-7 * values.max() / values.min()
    tolerance = kernel.manifest["tolerance"]
    return rounding, 0 if is_exact or not tolerance else 4 * tolerance


def may_use(bodies, found):
    """The degrees of the first bodies that may serve this radius: two where a
    rounding error decides."""
    degrees = []
    for body in bodies:
        degree, limit = body["degree"], body["radius_limit"]
        if limit is None:
            return degrees + [-1]
        if found <= limit * (1 + 1e-5):
            degrees.append(degree)
        if found < limit * (1 - 1e-5):
            return degrees


def check_degrees(m, arrays, got):
    """Of the call, or of each key head with its query heads."""
    q, k, used = arrays["Q"], arrays["K"], got["degree_used"]
    uneven = [-1] if may_lose_rows(arrays) else []
    if m["dispatch"] == "call":
        found = radius(m, q, k)
        assert used in may_use(m["bodies"], found) + uneven, (used, found)
        return
    group = q.shape[1] // k.shape[1]
    for b, h in np.ndindex(used.shape):
        found = radius(m, q[b:b + 1, h * group:(h + 1) * group],
                       k[b:b + 1, h:h + 1])
        assert used[b, h] in may_use(m["bodies"], found) + uneven, (
            b, h, used, found)


def check_case(kernel, rng, most, tally):
    """One random call. `most`: the radius to play around."""
    arrays, (batch, n) = draw(rng, kernel, most)
    threads = int(rng.integers(1, 4))
    function = "gradient" if "gradient" in kernel.functions else "forward"
    status, got = kernel.call(function, arrays, threads=threads,
                              sizes=(batch, n))
    m = kernel.manifest
    allowed = m["radius_limit"]
    found = radius(m, arrays["Q"], arrays["K"])
    tally["cases"] += 1
    is_exact = m["route"] == "exact"
    if m["bodies"]:
        is_exact = (got["degree_used"] == -1).all()
        check_degrees(m, arrays, got)
        if found > allowed * (1 + 1e-5):
            assert got["radius_found"].max() > allowed
            tally["beyond"] += 1
        allowed = None
    if allowed is not None and found > allowed * (1 + 1e-5):
        assert status == RADIUS_EXCEEDED, (status, found, allowed)
        assert got["radius_found"] > allowed, (got["radius_found"], allowed)
        tally["beyond"] += 1
        return
    if m["route"] == "fft" and status == ROW_SUM_TOO_SMALL:
        assert not m["bodies"] and may_lose_rows(arrays)
        tally["too uneven"] += 1
        return
    problem = {k: m[k] for k in (
        "entry", "n", "d", "scale", "position", "layout", "base", "support",
        "mask", "window", "alibi", "bias", "batch", "heads", "kv_heads")}
    problem |= {"n": n, "batch": batch, "wrt": m["wrt"]}
    if m["similarity"] != "exp":
        problem["similarity"] = m["similarity"]
    want, sizes = reference.solve(problem, arrays)
    if allowed is not None:
        # The guard rounds outward: next to its limit it may refuse.
        if status == RADIUS_EXCEEDED:
            assert found > allowed * (1 - 1e-5), (found, allowed)
            tally["refused at the limit"] += 1
            return
        largest = problem["logit_bound"]
        slack = 1e-6 * max(largest, 1e-30)
        if m["centred"] != "none":
            largest = min(largest, found)
        assert largest - slack <= got["radius_found"], (
            largest, got["radius_found"])
        # What is reported is rounded up by 2^-20 at most.
        assert got["radius_found"] <= allowed * (1 + 2.0 ** -19), (
            got["radius_found"], allowed)
    assert status == OK, status
    names = {a["name"] for a in kernel.functions[function]["args"]
             if a["role"] == "out"}
    if m["route"] == "fft":
        # Of what is 0, transforms leave a rounding error: the certificate's.
        names = {name for name in names if np.any(want[name])}
    asked = {name: want[name] for name in names}
    rounding, approximated = limits(kernel, problem, arrays, is_exact)
    error = reference.errors(asked, sizes, got, least=1.0)
    allowed = rounding + approximated
    assert max(error.values()) <= allowed, (error, allowed)
    # Of terms that cancel less may be left, which is to be rare.
    error = reference.errors(asked, sizes, got)
    if max(error.values()) > 4 * rounding + approximated:
        tally["cancelled"] += 1
    check_certificates(kernel, arrays, got, want, tally, threads=threads,
                       sizes=(batch, n))
    tally["solved"] += 1


def check_many(kernel, seed, count, most):
    """`count` cases from a seed; the first that is wrong is named."""
    tally = Tally()
    for case in range(count):
        rng = np.random.default_rng((seed, case))
        try:
            check_case(kernel, rng, most, tally)
        except AssertionError as wrong:
            raise AssertionError(f"case {case} of seed {seed}: {wrong}"
                                 ) from wrong
    return tally


def check_not_finite(kernel, rng):
    """A nan or an infinity anywhere is refused, whichever status says so."""
    arrays, sizes = draw(rng, kernel, .1)
    name = ("Q", "K", "V", "dO")[rng.integers(4)]
    if "gradient" not in kernel.functions:
        return
    flat = arrays[name].reshape(-1)
    flat[rng.integers(flat.size)] = (np.nan, np.inf, -np.inf)[rng.integers(3)]
    status, _ = kernel.call("gradient", arrays, sizes=sizes)
    refused = (ROW_SUM_TOO_SMALL,) if may_lose_rows(arrays) else ()
    assert status in (NOT_FINITE, RADIUS_EXCEEDED, *refused), (name, status)
