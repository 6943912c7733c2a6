"""Loops of attention by a polynomial, near the diagonal or everywhere, against
NumPy."""
import numpy as np
import pytest
from fragments import ELEMENTS, compile_fragment
from test_block_band import matrix

C, SCALE, D, W = (1.0, 0.75, 0.5, 0.25), 0.5, 5, 13
CASES = (   # n, size of blocks (0: no band), offsets, mask, window, kv heads
    (300, 64, (0,), "causal", 0, 2), (257, 128, (0, 1), "causal", 0, 4),
    (300, 64, (0, 2, 3), "window", 190, 1), (300, 64, (-1, 0, 2), "none", 0, 2),
    (1, 0, (), "causal", 0, 4), (17, 0, (), "window", 7, 2),
    (130, 0, (), "none", 0, 1), (200, 0, (), "window", 33, 2),
    (143, 0, (), "causal", 0, 2))


def text(n, size, offsets, mask, window, kv_heads, element):
    m = f"!ropegrad.matrix<2x4x{n}x{n}x{element}>"
    q, k, u, v = (f"tensor<2x{heads}x{n}x{width}x{element}>"
                  for width in (D, W) for heads in (4, kv_heads))
    extent = f", window = {window} : i64" if mask == "window" else ""
    numbers = ", ".join(map(str, C))
    lines = [f"""
func.func @f(%q: {q}, %k: {k}, %u: {u}, %v: {v}) -> ({u}, {v}, {q}, {k}) {{
  %Z = ropegrad.logits %q, %k {{scale = {SCALE} : f64}} : ({q}, {k}) -> {m}
  %P = ropegrad.polynomial %Z {{coefficients = array<f64: {numbers}>}} : {m}
  %R = ropegrad.polynomial %Z {{coefficients = array<f64: {numbers}>, order = 1 : i64}} : {m}
  %A = ropegrad.outer %u, %v : ({u}, {v}) -> {m}
  %S0 = ropegrad.hadamard %R, %A : {m}
  %t = ropegrad.toeplitz {{mask = #ropegrad.mask<{mask}>{extent}}} : () -> {m}
  %W1 = ropegrad.hadamard %t, %P : {m}
  %S1 = ropegrad.hadamard %t, %S0 : {m}"""]
    last = 1
    if size:
        last = 2
        lines.append(f"""
  %b = ropegrad.block_band {{offsets = array<i64: {", ".join(map(str, offsets))}>, size = {size} : i64}} : () -> {m}
  %W2 = ropegrad.hadamard %b, %W1 : {m}
  %S2 = ropegrad.hadamard %S1, %b : {m}""")
    lines.append(f"""
  %0 = ropegrad.apply %W{last}, %v : ({m}, {v}) -> {u}
  %1 = ropegrad.apply_transposed %W{last}, %u {{scale = 2.0 : f64}} : ({m}, {u}) -> {v}
  %2 = ropegrad.apply %S{last}, %k {{scale = {SCALE} : f64}} : ({m}, {k}) -> {q}
  %3 = ropegrad.apply_transposed %S{last}, %q {{scale = {SCALE} : f64}} : ({m}, {q}) -> {k}
  return %0, %1, %2, %3 : {u}, {v}, {q}, {k}
}}
""")
    return "".join(lines)


@pytest.mark.parametrize("element,bits", (("f32", 512), ("f32", 128),
                                          ("f64", 256)))
@pytest.mark.parametrize("case", CASES, ids=str)
def test_sums(case, element, bits, tmp_path):
    n, size, offsets, mask, window, kv_heads = case
    function = compile_fragment(tmp_path, text(*case, element), bits)
    rng = np.random.default_rng(n)
    q, k, u, v = (rng.uniform(-1, 1, (2, heads, n, width)).astype(
        ELEMENTS[element]) for width in (D, W) for heads in (4, kv_heads))
    outs = [np.full_like(x, np.nan) for x in (u, v, q, k)]
    assert function(q, k, u, v, *outs, threads=2) == 0
    q, k, u, v = (x.astype(np.float64) for x in (q, k, u, v))
    keys, values = (np.repeat(x, 4 // kv_heads, 1) for x in (k, v))
    live = matrix(n, size or n, offsets if size else (0,), mask, window)
    z = SCALE * q @ keys.swapaxes(2, 3)
    p = live * sum(c * z ** i for i, c in enumerate(C))
    s = live * sum(i * c * z ** (i - 1) for i, c in enumerate(C) if i)
    s = s * (u @ values.swapaxes(2, 3))

    def grouped(x):
        return x.reshape(2, kv_heads, -1, n, x.shape[-1]).sum(2)
    wants = (p @ values, grouped(2 * p.swapaxes(2, 3) @ u), SCALE * s @ keys,
             grouped(SCALE * s.swapaxes(2, 3) @ q))
    accuracy = 1e-5 if element == "f32" else 1e-13
    for got, want in zip(outs, wants):
        np.testing.assert_allclose(
            got, want, rtol=0, atol=accuracy * max(1, abs(want).max()))
