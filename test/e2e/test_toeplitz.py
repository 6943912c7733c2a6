"""toeplitz_apply and toeplitz_correlate through the whole pipeline, against
sums in double."""
import ctypes
import re

import modules
import numpy as np
import pytest

TYPES = {"f32": np.float32, "f64": np.float64}
# Of the largest error to the largest number of a column; a transform of length
# 2^k in single precision is off by some k/4 units in the last place.
LIMITS = {"f32": 2e-6, "f64": 4e-15}
LENGTHS = [1, 2, 3, 17, 61, 97, 130, 256, 500, 1000]


def tensor(shape, dtype):
    return f"tensor<{'x'.join(map(str, shape))}x{dtype}>"


def function(op, name, ins, out, dtype, flags="", sized=False):
    """A function of one op, its operands and then its result; `sized`: for
    calls of any number of batch entries and rows, by the name of its X."""
    types = [tensor(shape, dtype) for shape in ins]
    result = tensor(out, dtype)
    arguments = ", ".join(f"%a{i}: {t}" for i, t in enumerate(types))
    if sized:
        arguments = arguments.replace(
            types[0], types[0] + ' {ropegrad.name = "Q"}', 1)
    names = ", ".join(f"%a{i}" for i in range(len(ins)))
    return f"""
func.func @{name}({arguments}) -> {result} {{
  %e = tensor.empty() : {result}
  %y = ropegrad.{op} ins({names} : {', '.join(types)}) outs(%e : {result}) {{{flags}}} -> {result}
  return %y : {result}
}}"""


class Kernels:
    """The three products of one shape as functions of arrays."""

    def __init__(self, folder, shape, per_head, dtype, bits, sized=False):
        _, heads, n, _ = self.shape = shape
        self.dtype = TYPES[dtype]
        self.table = (heads, 2 * n - 1) if per_head else (2 * n - 1,)
        text = "".join([
            function("toeplitz_apply", "apply", [shape, self.table], shape,
                     dtype, sized=sized),
            function("toeplitz_apply", "transposed", [shape, self.table],
                     shape, dtype, "transposed", sized),
            function("toeplitz_correlate", "correlate", [shape, shape],
                     self.table, dtype, sized=sized)])
        text = modules.opt(
            text, f"--ropegrad-pipeline=threads=2 vector-bits={bits}")
        self.bytes = {}
        for line in text.splitlines():
            if found := re.search(r"llvm.func @(\w+)\(.*workspace_bytes", line):
                size = re.search(r"workspace_bytes = (\d+)", line)[1]
                each = re.search(r"bytes_per_thread = (\d+)", line)[1]
                self.bytes[found[1]] = int(size), int(each)
        self.library = modules.build(folder, text, bits)

    def __call__(self, name, x, y, threads=1, sizes=()):
        """The result for two arrays; `sizes`: what a sized function takes."""
        size, each = self.bytes[name]
        workspace = modules.aligned(size + threads * each, np.uint8)
        workspace[:] = 255  # nan
        first, second = (modules.aligned(a.shape, self.dtype) for a in (x, y))
        first[:], second[:] = x, y
        out = modules.aligned(
            self.table if name == "correlate" else self.shape, self.dtype)
        out[:] = np.nan
        modules.call(getattr(self.library, name), first, second, out,
                     *sizes, threads, workspace)
        return out


def matrices(table, n):
    """T(i - j) of every head, (1 or H, n, n)."""
    i = np.arange(n)
    return np.atleast_2d(table)[:, i[:, None] - i[None, :] + n - 1]


def correlation(u, x, per_head):
    """Σ_{i−j=t} ⟨u_i, x_j⟩ over batch entries and columns."""
    n = u.shape[2]
    gram = np.einsum("bhic,bhjc->hij", u, x)
    gram = gram if per_head else gram.sum(0, keepdims=True)
    sums = np.stack([[np.trace(g, -t) for t in range(1 - n, n)] for g in gram])
    return sums if per_head else sums[0]


def error(got, want, axis):
    size = np.abs(want).max(axis=axis, keepdims=True)
    return (np.abs(got - want) / np.maximum(size, 1e-300)).max()


def check(folder, shape, per_head, dtype, bits, threads=1):
    kernels = Kernels(folder, shape, per_head, dtype, bits)
    rng = np.random.default_rng(sum(shape) + per_head)
    x, u = rng.uniform(-1, 1, (2, *shape)).astype(kernels.dtype)
    table = rng.uniform(-1, 1, kernels.table).astype(kernels.dtype)
    x64, u64, t64 = (a.astype(np.float64) for a in (x, u, table))
    t = matrices(t64, shape[2])[None]
    # Rows of a column, and the two columns of a lane.
    found = {
        "apply": error(kernels("apply", x, table, threads), t @ x64, None),
        "transposed": error(kernels("transposed", x, table, threads),
                            t.swapaxes(2, 3) @ x64, None),
        "correlate": error(kernels("correlate", u, x, threads),
                           correlation(u64, x64, per_head), -1)}
    worst = {k: f"{v:.1e}" for k, v in found.items()
             if not v <= LIMITS[dtype]}
    assert not worst, f"relative error above {LIMITS[dtype]:g}: {worst}"
    return kernels, x, u, table


@pytest.mark.sweep
@pytest.mark.parametrize("bits", modules.widths())
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("per_head", [False, True])
@pytest.mark.parametrize("n", LENGTHS)
def test_lengths(n, per_head, dtype, bits, tmp_path):
    check(tmp_path, (1, 2, n, 3), per_head, dtype, bits)


@pytest.mark.parametrize("per_head", [False, True])
@pytest.mark.parametrize("shape", [
    (1, 1, 33, 1), (3, 2, 20, 9), (1, 1, 50, 64), (2, 3, 40, 17),
    (2, 20, 30, 5), (1, 1, 16, 100), (5, 1, 10, 33)])
def test_blocks_of_columns(shape, per_head, tmp_path):
    """Columns fewer than a block, exactly some blocks, blocks across heads and
    batch entries; more heads than lanes."""
    check(tmp_path, shape, per_head, "f32", modules.widths()[-1])


def test_threads_change_nothing(tmp_path):
    kernels, x, u, table = check(tmp_path, (2, 3, 700, 30), True, "f32",
                                 modules.widths()[-1], threads=2)
    for name, a, b in (("apply", x, table), ("transposed", x, table),
                       ("correlate", u, x)):
        np.testing.assert_array_equal(kernels(name, a, b, 1),
                                      kernels(name, a, b, 3))


def test_columns_do_not_meet(tmp_path):
    """What stands in one column changes no other block's columns, and columns
    of zeros give zeros."""
    shape = (1, 2, 100, 40)
    kernels, x, _, table = check(tmp_path, shape, False, "f32",
                                 modules.widths()[-1])
    x[:] = 0
    x[0, 1, 5, 39] = 1
    y = kernels("apply", x, table)
    hit = np.argwhere(np.abs(y).max(axis=2) > 1e-3)
    assert hit.tolist() == [[0, 1, 39]]


@pytest.mark.parametrize("per_head", [False, True])
@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 100])
def test_calls_of_fewer_rows(n, per_head, tmp_path):
    """A kernel for 3 × 2 × 100 rows on 2 × 2 × n of them, one behind the other;
    tables have 2n-1 numbers a row."""
    most, shape = (3, 2, 100, 7), (2, 2, n, 7)
    kernels = Kernels(tmp_path, most, per_head, "f32", modules.widths()[-1],
                      sized=True)
    rng = np.random.default_rng(n)
    x, u = rng.uniform(-1, 1, (2, *shape)).astype(np.float32)
    tables = (2, 2 * n - 1) if per_head else (2 * n - 1,)
    table = rng.uniform(-1, 1, tables).astype(np.float32)
    strides = np.array([2 * n * 7, n * 7, 7] * 2, np.int64)
    sizes = ctypes.c_int64(2), ctypes.c_int64(n), strides

    def result(name, a, b, shape):
        out = kernels(name, a, b, 2, sizes).ravel()
        size = int(np.prod(shape))
        assert np.isnan(out[size:]).all()
        return out[:size].reshape(shape)

    t = matrices(table.astype(float), n)[None]
    for name, got, want in (
            ("apply", result("apply", x, table, shape), t @ x),
            ("transposed", result("transposed", x, table, shape),
             t.swapaxes(2, 3) @ x),
            ("correlate", result("correlate", u, x, tables),
             correlation(u.astype(float), x.astype(float), per_head))):
        assert error(got, want, None) <= LIMITS["f32"], name
