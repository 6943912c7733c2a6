"""Products with a block band, tile by tile, against NumPy."""
import numpy as np
import pytest
from fragments import ELEMENTS, compile_fragment

# Sizes that tiles divide, and others; bands, and what they are cut with.
CASES = (
    (300, 64, (0,), "causal", 0), (300, 64, (0,), "none", 0),
    (300, 64, (0, 2, 3), "window", 190), (257, 128, (-1, 0, 1), "none", 0),
    (200, 96, (0, 1), "causal", 0), (130, 16, (0, 3), "none", 0),
    (130, 10, (-2, 0, 1, 5), "none", 0), (65, 7, (0, 1), "window", 11),
    (61, 64, (0,), "causal", 0), (61, 100, (1,), "none", 0),
    (1, 1, (0,), "none", 0), (40, 8, (-9, 9), "none", 0))


def matrix(n, size, offsets, mask, window):
    i, j = np.indices((n, n))
    live = np.isin(i // size - j // size, offsets)
    if mask != "none":
        live &= i >= j
    return live & (i - j < window) if mask == "window" else live


def text(n, size, offsets, mask, window, element):
    m = f"!ropegrad.matrix<1x2x{n}x{n}x{element}>"
    two, one = (f"tensor<1x{heads}x{n}x4x{element}>" for heads in (2, 1))
    extent = f", window = {window} : i64" if mask == "window" else ""
    return f"""
func.func @f(%u: {two}, %v: {one}, %x: {one}) -> ({two}, {one}) {{
  %A = ropegrad.outer %u, %v : ({two}, {one}) -> {m}
  %t = ropegrad.toeplitz {{mask = #ropegrad.mask<{mask}>{extent}}} : () -> {m}
  %B = ropegrad.hadamard %t, %A : {m}
  %b = ropegrad.block_band {{offsets = array<i64: {", ".join(map(str, offsets))}>, size = {size} : i64}} : () -> {m}
  %C = ropegrad.hadamard %b, %B : {m}
  %0 = ropegrad.apply %C, %x : ({m}, {one}) -> {two}
  %1 = ropegrad.apply_transposed %C, %u : ({m}, {two}) -> {one}
  return %0, %1 : {two}, {one}
}}
"""


@pytest.mark.sweep
@pytest.mark.parametrize("element,bits", (("f32", 512), ("f64", 128)))
@pytest.mark.parametrize("case", CASES, ids=str)
def test_products(case, element, bits, tmp_path):
    n = case[0]
    function = compile_fragment(tmp_path, text(*case, element), bits)
    rng = np.random.default_rng(n)
    u, v, x = (rng.uniform(-1, 1, (1, heads, n, 4)).astype(ELEMENTS[element])
               for heads in (2, 1, 1))
    y, z = np.full_like(u, np.nan), np.full_like(x, np.nan)
    assert function(u, v, x, y, z, threads=2) == 0
    wide = [array.astype(np.float64) for array in (u, v, x)]
    a = matrix(*case) * (wide[0] @ wide[1].swapaxes(2, 3))
    accuracy = 1e-4 if element == "f32" else 1e-12
    np.testing.assert_allclose(y, a @ wide[2], atol=accuracy)
    np.testing.assert_allclose(
        z, (a.swapaxes(2, 3) @ wide[0]).sum(1, keepdims=True), atol=accuracy)
