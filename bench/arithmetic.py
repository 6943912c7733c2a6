"""The figures of a bench: flops, bytes, growth. Pure functions, no clock."""
import math
import statistics


def monomials(d, degree):
    """Monomials of d variables up to a degree: the features of one row."""
    return math.comb(d + degree, degree)


def useful_flops(route, heads, n, d, degree=None, mask="none"):
    """Flops of forward pass and gradient that do the work: seven products of
    2 n^2 d (exact; half of it under a causal mask), or six of 2 n M (d + 1)
    (features, scan), per head; None on route fft, whose transforms are not
    products."""
    if route == "exact":
        return (7.0 if mask == "causal" else 14.0) * heads * n * n * d
    if route == "fft":
        return None
    return 12.0 * heads * n * monomials(d, degree) * (d + 1)


def bytes_per_row(array_bytes, workspace_bytes, heads, n):
    """Memory that a call holds, arrays and workspace, per row of one head."""
    return (array_bytes + workspace_bytes) / (heads * n)


def growth(earlier, later):
    """The exponent e of time ~ n^e between two points (n, seconds)."""
    (n0, t0), (n1, t1) = earlier, later
    return math.log(t1 / t0) / math.log(n1 / n0)


def rate(flops, seconds):
    """GF/s."""
    return flops / seconds * 1e-9


def summary(seconds):
    """Best and median of the times of calls, in ms, and how many there are."""
    return {"ms_best": 1e3 * min(seconds),
            "ms_median": 1e3 * statistics.median(seconds),
            "calls": len(seconds)}
