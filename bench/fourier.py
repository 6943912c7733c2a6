#!/usr/bin/env python3
"""Times our Fourier transforms against FFTW and PyTorch: 32 real columns, f32,
one thread.

"forward" is the transform of N rows alone; FFTW is planned with FFTW_MEASURE for
16 complex columns or 32 real ones, in place or not (contiguous: interleaved
ones take it 2 to 70 times as long, and minutes to plan), PyTorch's rfft takes
columns or rows, and the best one counts. "convolve" is the product of N/2 rows with a Toeplitz matrix,
its spectrum being known: ours in one go, ours in three steps that know of no
zeros (forward, product, inverse), and PyTorch's irfft(rfft(x) * H).
"tall" is the same for as many columns as routes have, copied from and to caches
as routes fill blocks from their panels and sum up into others: ours takes one
block after the other through the same memory; unfused, all spectra are made
before the products and these before the columns, with zeros known.
Contenders take turns; times are the best of whole calls. All memory is in huge
pages, aligned to 2 MiB. Needs a machine with AVX-512 for 32 columns a block.
"""
import argparse
import ctypes
import json
import mmap
import os
import re
import sys
import tempfile
import time

import numpy as np

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.join(ROOT, "test", "e2e"))
sys.path.insert(0, os.path.join(ROOT, "test"))
import modules  # noqa: E402

COLUMNS, BITS = 32, 512
# Of 32 columns: a head's monomials times d + 1 are 405 at d = 8 and degree 2, 1485
# at degree 3.
BLOCKS = 32
LENGTHS = tuple(2 ** k for k in range(13, 20))
HUGE = 2 << 20
# (against, factor): what the first of a group has to show.
TARGETS = {"forward": {"FFTW": 2.0, "PyTorch": 2.0},
           "convolve": {"PyTorch": 4.0, "unfused": 1.5},
           "tall": {"unfused": 1.5}}
FFTW_FORWARD, FFTW_MEASURE = -1, 0
regions = []    # memory that arrays only point to


def zeros(shape, dtype=np.float32):
    """Zeros in huge pages."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    region = mmap.mmap(-1, size + HUGE)
    region.madvise(mmap.MADV_HUGEPAGE)
    regions.append(region)
    room = np.frombuffer(region, np.uint8)
    start = -room.ctypes.data % HUGE
    made = room[start:start + size].view(dtype).reshape(shape)
    made[...] = 0
    return made


def pointer(array):
    return ctypes.c_void_p(array.ctypes.data)


def kernels(folder, length):
    """{contender: call} of ours, (forward, convolve, tall)."""
    def functions(filled):
        text = modules.opt(
            "module {}", f"--ropegrad-emit-fourier=length={length} "
            f"filled={filled} vector-bits={BITS}")
        sizes = [int(size) for size in re.findall(
            r"memref<(\d+)x", re.search(r"@convolve\((.*?)\)", text)[1])]
        return sizes, modules.build(
            folder, modules.opt(text, *modules.TO_LLVM), BITS,
            f"{length}_{filled}.so")

    sizes, whole = functions(length)
    _, half = functions(length // 2)
    block, work, spectrum = (pointer(zeros(size)) for size in sizes)
    source, target = (pointer(zeros(sizes[0] // 2)) for _ in range(2))
    spectra = [pointer(zeros(sizes[0])) for _ in range(BLOCKS)]
    packed = sizes[0] // 2 * np.dtype(np.float32).itemsize

    def unfused():
        whole.forward(block, work)
        whole.multiply(block, spectrum)
        whole.inverse(block, work)

    def fused_tall():
        for _ in range(BLOCKS):
            ctypes.memmove(block, source, packed)
            half.convolve(block, work, spectrum)
            ctypes.memmove(target, block, packed)

    def unfused_tall():
        for each in spectra:
            ctypes.memmove(each, source, packed)
            half.forward(each, work)
        for each in spectra:
            half.multiply(each, spectrum)
        for each in spectra:
            half.inverse(each, work)
            ctypes.memmove(target, each, packed)

    return ({"RopeGrad": lambda: whole.forward(block, work)},
            {"RopeGrad": lambda: half.convolve(block, work, spectrum),
             "unfused": unfused},
            {"RopeGrad": fused_tall, "unfused": unfused_tall})


def fftw_calls(length):
    """FFTW's layouts: {name: call}."""
    fftw = ctypes.CDLL("libfftw3f.so.3")
    size = (ctypes.c_int * 1)(length)
    for make in (fftw.fftwf_plan_many_dft, fftw.fftwf_plan_many_dft_r2c):
        make.restype = ctypes.c_void_p
    data = zeros((2 * (length + 2) * COLUMNS,))
    other = zeros((2 * (length + 2) * COLUMNS,))

    def complex_plan(out):
        return fftw.fftwf_plan_many_dft(
            1, size, COLUMNS // 2, pointer(data), None, 1, length, pointer(out),
            None, 1, length, FFTW_FORWARD, FFTW_MEASURE)

    def real_plan(distance, out):
        return fftw.fftwf_plan_many_dft_r2c(
            1, size, COLUMNS, pointer(data), None, 1, distance, pointer(out),
            None, 1, spectrum, FFTW_MEASURE)

    spectrum = length // 2 + 1
    plans = {"complex, in place": complex_plan(data),
             "complex": complex_plan(other),
             "real, in place": real_plan(2 * spectrum, data),
             "real": real_plan(length, other)}
    data[:] = other[:] = 0  # planning wrote to them
    return {f"FFTW {name}":
            lambda plan=plan: fftw.fftwf_execute(ctypes.c_void_p(plan))
            for name, plan in plans.items() if plan}


def torch_calls(length):
    import torch
    torch.set_num_threads(1)
    spectrum = length // 2 + 1
    tensor = torch.from_numpy
    x, y = tensor(zeros((COLUMNS, length))), tensor(
        zeros((COLUMNS, spectrum), np.complex64))
    rows, out = tensor(zeros((length, COLUMNS))), tensor(
        zeros((spectrum, COLUMNS), np.complex64))
    short, product = x[:, :length // 2].clone(), torch.empty_like(y)
    weights, back = torch.ones_like(y[0]), torch.empty_like(x)

    def convolve():
        torch.fft.rfft(short, n=length, out=y)
        torch.mul(y, weights, out=product)
        torch.fft.irfft(product, n=length, out=back)

    return ({"PyTorch columns": lambda: torch.fft.rfft(x, out=y),
             "PyTorch rows": lambda: torch.fft.rfft(rows, dim=0, out=out)},
            {"PyTorch": convolve})


def take_turns(calls, rounds, seconds):
    """Best seconds of each call, `rounds` turns of at least `seconds` each."""
    best = {name: float("inf") for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            call()
            end = time.perf_counter() + seconds
            while True:
                start = time.perf_counter()
                call()
                now = time.perf_counter()
                best[name] = min(best[name], now - start)
                if now > end:
                    break
    return best


def measure(folder, length, options):
    """Rows {kind, length, contender, ms, times} of one length."""
    forward, convolve, tall = kernels(folder, length)
    if options.peers:
        there, back = torch_calls(length)
        forward.update(fftw_calls(length))
        forward.update(there)
        convolve.update(back)
    rows = []
    for kind, calls in (("forward", forward), ("convolve", convolve),
                        ("tall", tall)):
        best = take_turns(calls, options.rounds, options.turn)
        ours = best["RopeGrad"]
        columns = COLUMNS * (BLOCKS if kind == "tall" else 1)
        flops = 5 * length * np.log2(length) * columns / 2
        rows += [{"kind": kind, "length": length, "contender": name,
                  "ms": 1e3 * seconds, "times": seconds / ours,
                  "gflops": (1 if kind == "forward" else 2) * flops / seconds
                  * 1e-9} for name, seconds in best.items()]
    regions.clear()
    return rows


HEAD = (f"{'':9} {'N':>8} {'contender':36} {'ms':>9} {'GFlop/s':>8} "
        f"{'x ours':>7}")


def line(row):
    return (f"{row['kind']:9} {row['length']:8} {row['contender']:36} "
            f"{row['ms']:9.3f} {row['gflops']:8.1f} {row['times']:7.2f}")


def verdicts(rows):
    """Lines that hold the rows against the targets."""
    for kind, wanted in TARGETS.items():
        for against, factor in wanted.items():
            for length in sorted({row["length"] for row in rows}):
                found = [row["times"] for row in rows
                         if (row["kind"], row["length"]) == (kind, length)
                         and row["contender"].startswith(against)]
                if found:
                    yield (f"{'met' if min(found) >= factor else 'missed':6} "
                           f"{kind} {length}: {min(found):.2f} x faster than "
                           f"{against}, wanted {factor:g}")


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", nargs="+", type=int, default=LENGTHS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turn", type=float, default=0.2, help="seconds")
    parser.add_argument("--no-peers", dest="peers", action="store_false")
    parser.add_argument("--json",
                        default=os.path.join(ROOT, "build", "bench-fft.json"))
    options = parser.parse_args()
    if BITS not in modules.widths():
        parser.error("expected a machine with AVX-512, but this one has none")
    return options


def main():
    options = arguments()
    rows = []
    print(HEAD)
    with tempfile.TemporaryDirectory() as folder:
        for length in options.lengths:
            for row in measure(folder, length, options):
                rows.append(row)
                print(line(row), flush=True)
    with open(options.json, "w") as file:
        json.dump({"rows": rows}, file, indent=1)
    print("\n".join(verdicts(rows)))


if __name__ == "__main__":
    main()
