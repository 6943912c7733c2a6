"""The transforms that Toeplitz products are made of, against long double.

Elements that a transform must not read, and the gaps between rows, are nan.
"""
import re

import modules
import numpy as np
import pytest

BITS = modules.widths()
TYPES = {32: np.float32, 64: np.float64}
# Largest error of a number to the root of the mean square of all: some 0.6
# units in the last place per pass.
UNIT = {32: 2.0 ** -24, 64: 2.0 ** -53}
PASSES = 2
SMOOTH = sorted(n for n in (
    2 ** a * 3 ** b * 5 ** c * 7 ** d for a in range(11) for b in range(7)
    for c in range(5) for d in range(4)) if n <= 1024)


def order_of(radices):
    """Frequencies as butterflies leave them (digits reversed)."""
    order = np.zeros(1, int)
    for radix in reversed(radices):
        order = (np.arange(radix)[:, None] + radix * order).ravel()
    return order


class Transform:
    """The functions of one length, and how its blocks are laid out."""

    def __init__(self, folder, length, filled=0, bits=BITS[-1], element=32):
        text = modules.opt("module {}", "--ropegrad-emit-fourier=" + " ".join(
            [f"length={length}", f"filled={filled}", f"vector-bits={bits}",
             f"element-bits={element}"]))
        said = re.search(r"@forward\((.*?)\) attributes \{(.*)\}", text)
        self.sizes = [int(s) for s in re.findall(r"memref<(\d+)x", said[1])]
        down, along = (
            [int(r) for r in re.findall(
                r"\d+", re.search(rf"{k} = array<i64:?(.*?)>", said[2])[1])]
            for k in ("down", "along"))
        columns = int(np.prod(along))
        pitch = int(re.search(r"pitch = (\d+)", said[2])[1])
        t = np.arange(length)
        self.place = t // columns * pitch + t % columns
        self.order = (order_of(down)[:, None]
                      + len(order_of(down)) * order_of(along)).ravel()
        self.length, self.filled = length, filled or length
        first = (down + along + [1])[0]
        step = length // first
        self.touched = -(-self.filled // step) * step
        self.dtype, self.lanes = TYPES[element], bits // element
        self.passes = len(down + along) + (1 if down else 0)
        self.library = modules.build(
            folder, modules.opt(text, *modules.TO_LLVM), bits,
            f"f{length}_{filled}.so")

    def block(self, x):
        """Complex columns x (count, lanes) in a block, nan elsewhere."""
        block = modules.aligned((self.sizes[0] // 2 // self.lanes, 2,
                                 self.lanes), self.dtype)
        block[:] = np.nan
        block[self.place[:len(x)], 0] = x.real
        block[self.place[:len(x)], 1] = x.imag
        return block

    def read(self, block, count):
        part = block[self.place[:count]].astype(np.longdouble)
        return part[:, 0] + 1j * part[:, 1]

    def __call__(self, name, *arrays):
        modules.call(getattr(self.library, name), *arrays)

    def transform(self, name, x, count, *spectrum):
        block = self.block(x)
        work = modules.aligned((self.sizes[1],), self.dtype)
        work[:] = np.nan
        self(name, block, work, *spectrum)
        return self.read(block, count)

    def pairs(self):
        return modules.aligned((self.length, 2), self.dtype)

    def random(self, rng):
        """Columns that are zero from `filled` on, as far as they are read."""
        x = np.zeros((self.touched, self.lanes), np.clongdouble)
        shape = (self.filled, self.lanes)
        for unit in (1, 1j):
            x[:self.filled] += unit * rng.uniform(-1, 1, shape).astype(
                self.dtype)
        return x


def fft(x, length):
    padded = np.zeros((length, x.shape[1]), np.clongdouble)
    padded[:len(x)] = x
    return np.fft.fft(padded, axis=0)


def ifft(x):
    result = np.fft.ifft(x, axis=0)
    assert result.dtype == np.clongdouble
    return result


def error(got, want, every=None):
    """Largest error; rounding is relative to all numbers of a transform."""
    every = want if every is None else every
    return np.abs(got - want).max() / np.sqrt((np.abs(every) ** 2).mean())


def errors(folder, length, filled=0, bits=BITS[-1], element=32):
    """Of the forward transform, the inverse one, and a convolution."""
    f = Transform(folder, length, filled, bits, element)
    rng = np.random.default_rng(length + filled)
    # The columns that are compared: all, but where that would take long.
    some = slice(max(1, 2 ** 17 // length))
    x = f.random(rng)
    found = {"forward": error(f.transform("forward", x, length)[:, some],
                              fft(x[:, some], length)[f.order])}
    # An inverse reads everything and gives what is wanted.
    full = np.zeros((length, f.lanes), np.clongdouble)
    for unit in (1, 1j):
        full += unit * rng.uniform(-1, 1, full.shape).astype(f.dtype)
    back = np.zeros_like(full[:, some])
    back[f.order] = full[:, some]
    want = ifft(back)
    got = f.transform("inverse", full, f.filled)[:, some]
    found["inverse"] = error(got, want[:f.filled], want)
    h = rng.uniform(-1, 1, length).astype(f.dtype).astype(np.longdouble)
    spectrum = fft(h[:, None], length)[f.order, 0] / length
    pairs = f.pairs()
    pairs[:, 0], pairs[:, 1] = spectrum.real, spectrum.imag
    y = f.random(rng)
    want = ifft(fft(y[:, some], length) * fft(h[:, None], length))
    got = f.transform("convolve", y, f.filled, pairs)[:, some]
    found["convolve"] = error(got, want[:f.filled], want)
    return f, found


def check(folder, *arguments, **options):
    """Holds all errors against a limit; returns them."""
    f, found = errors(folder, *arguments, **options)
    limit = PASSES * (2 * f.passes + 1) * UNIT[8 * f.dtype().itemsize]
    worst = {k: f"{e:.1e}" for k, e in found.items() if not e <= limit}
    assert not worst, f"{f.length}: error above {limit:.1e}: {worst}"
    return found


@pytest.mark.sweep
@pytest.mark.parametrize("length", SMOOTH)
def test_every_length(length, tmp_path):
    check(tmp_path, length, filled=(length + 1) // 2)


@pytest.mark.sweep
@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("element", TYPES)
@pytest.mark.parametrize("length", [
    1, 2, 3, 4, 5, 6, 7, 8, 35, 64, 210, 512, 600, 1029, 4096])
def test_every_type(length, element, bits, tmp_path):
    for filled in sorted({length // 3, length // 2 + 1, length} - {0}):
        check(tmp_path, length, filled=filled, bits=bits, element=element)


def test_long_lengths_are_as_accurate(tmp_path):
    """The error grows with the logarithm of the length only."""
    near = check(tmp_path, 2000, filled=1000)
    for length in (2 ** 14, 3 * 5 * 7 * 2 ** 9, 2 ** 17, 2 ** 20):
        far = check(tmp_path, length, filled=length // 2)
        for name in near:
            assert far[name] <= 3 * near[name], (length, name, far, near)


def test_parts_of_products(tmp_path):
    """Spectra, products and correlations of blocks."""
    length = 600
    f = Transform(tmp_path, length)
    rng = np.random.default_rng(7)
    u, x = f.random(rng), f.random(rng)
    blocks, work = [], modules.aligned((f.sizes[1],), f.dtype)
    for columns in (u, x):
        blocks.append(f.block(columns))
        f("forward", blocks[-1], work)
    limit = 20 * UNIT[32]

    pairs = f.pairs()
    f("spectrum", blocks[0], pairs)
    want = fft(u, length)[f.order, 0] / length
    assert error(pairs[:, 0] + 1j * pairs[:, 1], want) <= limit

    pairs[:] = 1
    f("correlate", blocks[0], blocks[1], pairs)
    want = (fft(u, length) * fft(x, length).conj()).sum(1)[f.order] + 1 + 1j
    assert error(pairs[:, 0] + 1j * pairs[:, 1], want) <= limit

    # Back: lag t of both columns of every lane.
    f("spread", pairs, blocks[0])
    assert (f.read(blocks[0], length)[:, 1:] == 0).all()
    pairs -= 1
    f("spread", pairs, blocks[0])
    f("inverse", blocks[0], work)
    lags = np.zeros(length, np.longdouble)
    for t in range(length):
        rolled = np.roll(u, -t, axis=0)
        lags[t] = (rolled.real * x.real + rolled.imag * x.imag).sum()
    assert error(f.read(blocks[0], length)[:, 0].real, lags) <= limit

    f("multiply", blocks[1], pairs)
    want = fft(x, length)[f.order] * (pairs[:, :1] + 1j * pairs[:, 1:])
    assert error(f.read(blocks[1], length), want) <= limit
