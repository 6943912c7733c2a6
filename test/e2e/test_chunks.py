"""The ops over chunks of rows, one by one, against NumPy."""
import itertools
from math import factorial, prod

import numpy as np
import pytest
from fragments import ELEMENTS, compile_fragment

COEFFICIENTS, SCALE = (1.0, 0.75, 0.5, 0.25), 0.5


def exponents(d, degree):
    """In the order of docs/math.md: by degree, then by the last variable."""
    levels = [[(0,) * d]]
    for _ in range(degree):
        levels.append([
            tuple(e + (i == v) for i, e in enumerate(lower))
            for v in range(d) for lower in levels[-1] if not any(lower[v + 1:])])
    return list(itertools.chain(*levels))


def features(x, degree):
    return np.stack([np.prod(x ** np.array(e), -1)
                     for e in exponents(x.shape[-1], degree)], -1)


def gradients(x, degree):
    """(..., M, d): derivatives of every monomial."""
    columns = []
    for v in range(x.shape[-1]):
        lower = [tuple(max(e - (i == v), 0) for i, e in enumerate(exponent))
                 for exponent in exponents(x.shape[-1], degree)]
        factor = [e[v] for e in exponents(x.shape[-1], degree)]
        columns.append(np.stack([f * np.prod(x ** np.array(e), -1)
                                 for f, e in zip(factor, lower)], -1))
    return np.stack(columns, -1)


def weights(d, degree):
    return np.array([
        COEFFICIENTS[sum(e)] * SCALE ** sum(e) * factorial(sum(e))
        / prod(map(factorial, e)) for e in exponents(d, degree)])


def states(x, v, heads, chunk, degree, reach, slopes, reverse):
    """chunk_states, as its description says."""
    batch, all_heads, n, width = v.shape
    x = np.repeat(x, all_heads // x.shape[1], 1)
    phi = features(x, degree) * weights(x.shape[-1], degree)
    chunks = -(-n // chunk)
    sums = np.stack([
        np.einsum("bhim,bhiw->bhmw", phi[:, :, c * chunk:(c + 1) * chunk],
                  v[:, :, c * chunk:(c + 1) * chunk]) for c in range(chunks)], 2)
    sums = sums.reshape(batch, heads, -1, *sums.shape[2:]).sum(2)
    slopes = np.broadcast_to(slopes, heads)
    out = np.zeros_like(sums)
    for c, t in itertools.product(range(chunks), range(1, (reach or n) + 1)):
        other = c + t if reverse else c - t
        if 0 <= other < chunks:
            decay = np.exp(-slopes * chunk * (t - 1))[None, :, None, None]
            out[:, :, c] += decay * sums[:, :, other]
    return out


def fragment(element, n, d, w, degree, heads, chunk, reach, slopes, reverse):
    """@f: states of (x, v), then what rows y see of them, and the gradient of
    that along u. heads: of the tall factor, of x and of S."""
    tall, own, held = heads
    chunks, m = -(-n // chunk), len(exponents(d, degree))
    x, y, v = (f"tensor<2x{h}x{n}x{k}x{element}>"
               for h, k in ((own, d), (tall, d), (tall, w)))
    s = f"tensor<2x{held}x{chunks}x{m}x{w}x{element}>"
    numbers = ", ".join(map(repr, COEFFICIENTS[:degree + 1]))
    attributes = [f"chunk = {chunk} : i64", f"scale = {SCALE} : f64",
                  f"coefficients = array<f64: {numbers}>"]
    if reach:
        attributes.append(f"reach = {reach} : i64")
    if slopes:
        attributes.append(
            f"slopes = array<f64: {', '.join(map(str, map(float, slopes)))}>")
    if reverse:
        attributes.append("reversed")
    sizes = f"chunk = {chunk} : i64, degree = {degree} : i64"
    return f"""
func.func @f(%x: {x}, %v: {v}, %y: {y}, %u: {v}) -> ({s}, {v}, {y}) {{
  %es = tensor.empty() : {s}
  %S = ropegrad.chunk_states ins(%x, %v : {x}, {v}) outs(%es : {s}) {{{", ".join(attributes)}}} -> {s}
  %en = tensor.empty() : {v}
  %N = ropegrad.chunk_expand ins(%y, %S : {y}, {s}) outs(%en : {v}) {{{sizes}}} -> {v}
  %ey = tensor.empty() : {y}
  %dy = ropegrad.chunk_reverse ins(%y, %S, %u : {y}, {s}, {v}) outs(%ey : {y}) {{{sizes}}} -> {y}
  return %S, %N, %dy : {s}, {v}, {y}
}}
"""


CASES = {  # n, d, w, degree, heads, chunk, reach, slopes, reversed
    "all": (37, 3, 4, 2, (2, 2, 2), 8, 0, (), False),
    "backwards": (37, 3, 4, 2, (2, 2, 2), 8, 0, (), True),
    "one chunk": (5, 2, 3, 3, (1, 1, 1), 8, 0, (), False),
    "one row": (1, 2, 1, 1, (1, 1, 1), 1, 0, (), True),
    "group": (40, 4, 5, 3, (4, 4, 2), 16, 0, (), False),
    "group of x": (40, 4, 5, 2, (4, 2, 4), 16, 0, (.03, .3, 2, 0), True),
    "decay": (200, 2, 9, 3, (1, 1, 1), 16, 0, (.02,), False),
    "decay backwards": (200, 2, 9, 3, (1, 1, 1), 16, 0, (.02,), True),
    "reach": (200, 2, 9, 3, (2, 2, 1), 16, 4, (), False),
    "reach backwards": (131, 3, 4, 2, (2, 2, 2), 8, 5, (.01, .1), True),
    "reach 1": (131, 3, 4, 2, (1, 1, 1), 8, 1, (.01,), False),
    "reach of all": (131, 3, 4, 1, (1, 1, 1), 8, 17, (), False),
    "many elements": (70, 8, 17, 3, (1, 1, 1), 32, 0, (), False),
    "degree 0": (30, 3, 2, 0, (1, 1, 1), 7, 2, (), False)}


@pytest.mark.sweep
@pytest.mark.parametrize("element,bits", (("f32", 512), ("f64", 256)))
@pytest.mark.parametrize("name", CASES)
def test_chunks(name, element, bits, tmp_path):
    n, d, w, degree, (tall, own, held), chunk, reach, slopes, reverse = (
        CASES[name])
    function = compile_fragment(tmp_path, fragment(element, *CASES[name]), bits)
    rng = np.random.default_rng(n)
    x, v, y, u = (rng.uniform(-1, 1, (2, h, n, k)).astype(ELEMENTS[element])
                  for h, k in ((own, d), (tall, w), (tall, d), (tall, w)))
    want = states(*(a.astype(np.float64) for a in (x, v)), held, chunk, degree,
                  reach, slopes or (0,), reverse)
    s = np.full(want.shape, np.nan, ELEMENTS[element])
    out, dy = np.full_like(v, np.nan), np.full_like(y, np.nan)
    assert function(x, v, y, u, s, out, dy, threads=2) == 0
    mine = np.repeat(np.repeat(want, tall // held, 1), chunk, 2)[:, :, :n]
    y = y.astype(np.float64)
    dphi = np.einsum("bhiw,bhimw->bhim", u.astype(np.float64), mine)
    accuracy = 1e-4 if element == "f32" else 1e-12
    for got, expected in (
            (s, want), (out, np.einsum("bhim,bhimw->bhiw", features(y, degree),
                                       mine)),
            (dy, np.einsum("bhim,bhimd->bhid", dphi, gradients(y, degree)))):
        np.testing.assert_allclose(got, expected, rtol=0,
                                   atol=accuracy * max(1, abs(expected).max()))


@pytest.mark.parametrize("heads", ((2, 2), (2, 4), (4, 2)), ids=str)
@pytest.mark.parametrize("descending", (False, True))
@pytest.mark.parametrize("slopes", ((0,), (.3,), (.1, .2, 3, 200)), ids=str)
def test_decay_rows(heads, descending, slopes, tmp_path):
    before, after = heads
    n, w, chunk, first = 50, 5, 16, 17
    slopes = slopes[:max(heads)]
    x, y = (f"tensor<1x{h}x{n}x{w}xf32>" for h in heads)
    text = f"""
func.func @f(%x: {x}) -> {y} {{
  %e = tensor.empty() : {y}
  %y = ropegrad.decay_rows ins(%x : {x}) outs(%e : {y}) {{chunk = {chunk} : i64, first = {first} : i64, {"descending, " if descending else ""}slopes = array<f64: {", ".join(map(str, map(float, slopes)))}>}} -> {y}
  return %y : {y}
}}
"""
    function = compile_fragment(tmp_path, text)
    data = np.random.default_rng(0).uniform(-1, 1, (1, before, n, w))
    data = data.astype(np.float32)
    got = np.full((1, after, n, w), np.nan, np.float32)
    assert function(data, got, threads=2) == 0
    distance = first + (-1 if descending else 1) * (np.arange(n) % chunk)
    most = max(heads)
    factor = np.exp(-np.outer(np.broadcast_to(slopes, most), distance))
    want = np.repeat(data, most // before, 1) * factor[None, :, :, None]
    want = want.reshape(1, after, -1, n, w).sum(2)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
