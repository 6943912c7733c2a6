"""Measures the rates that plans are made with, on one thread.

Writes the JSON that `ropegrad-compile --calibration` reads. A route's time is
taken as rows times a constant plus flops over a rate, for every width d: two
kernels per width give both. Kernels take turns; the best of their calls counts.
"""
import argparse
import json
import os
import tempfile

import arithmetic
import kernels
import numpy as np
from ropegrad_kernel import bind, gradient_of
from turns import cpu_name, has_avx512, output_of
from worker import INPUTS, repeat

HEADS = 2
EXACT = {d: (512, 2048) for d in (4, 8, 16, 32, 64, 128)}
# Degrees with few and with many features.
FEATURES = {4: (3, 7), 8: (2, 4), 16: (2, 3), 32: (1, 2), 64: (1, 2),
            128: (1, 2)}
FEATURES_LENGTH = 2048
# A width and degrees whose blocks of monomials leave the caches one by one.
LARGE = (8, (4, 5, 6, 7, 8))
GENERAL = (16, 1024)
SMALL = (2, 16)
# Slow phases of a shared machine last for seconds: many short turns.
ROUNDS, SECONDS = 15, 0.06


def compiled(folder, name, n, d, options):
    """A call of a kernel on random data, one thread."""
    inputs = os.path.join(folder, name)
    problem, arrays = kernels.reference.make_problem(
        n, d, entry="attention", heads=HEADS, position="none", radius=0.5,
        seed=1)
    kernels.reference.save(inputs, problem, arrays)
    library = os.path.join(folder, name + ".so")
    output_of(kernels.tool("ropegrad-compile"),
                      os.path.join(inputs, "problem.json"), *options,
                      "--threads", 1, "--no-certify", "-o", library)
    arrays = {key: np.load(os.path.join(inputs, key + ".npy"))
              for key in INPUTS}
    return bind(library, gradient_of(library), arrays, 1)[0]


def best_times(calls):
    """{name: seconds} of the fastest of many calls, taken in turns."""
    best = {name: float("inf") for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            best[name] = min(best[name],
                             *repeat(call, SECONDS)["seconds"])
    return best


def line_through(points):
    """(a, b) with seconds = a rows + b flops, for two (rows, flops, seconds);
    neither below 0."""
    (r0, f0, t0), (r1, f1, t1) = points
    b = (t1 / r1 - t0 / r0) / (f1 / r1 - f0 / r0)
    a = t0 / r0 - b * f0 / r0
    if a < 0:       # no cost per row: the longer one gives the rate
        a, b = 0.0, t1 / f1
    return a, b


def rate(d, points):
    a, b = line_through(points)
    return {"d": d, "row_ns": round(1e9 * a, 1), "gflops": round(1e-9 / b, 1)}


def exact_rate(folder, d):
    calls = {n: compiled(folder, f"exact{d}_{n}", n, d, ["--route", "exact"])
             for n in EXACT[d]}
    times = best_times(calls)
    return rate(d, [(HEADS * n, arithmetic.useful_flops("exact", HEADS, n, d),
                     times[n]) for n in calls])


def features_rate(folder, d):
    n = FEATURES_LENGTH
    calls = {g: compiled(folder, f"features{d}_{g}", n, d,
                         ["--route", "features", "--degree", g])
             for g in FEATURES[d]}
    times = best_times(calls)
    return rate(d, [(HEADS * n, arithmetic.useful_flops(
        "features", HEADS, n, d, g), times[g]) for g in calls])


def features_ms(rates, n, d, g):
    """What rows and flops alone foretell."""
    known = next(rate for rate in rates if rate["d"] == d)
    flops = arithmetic.useful_flops("features", HEADS, n, d, g)
    return 1e-6 * (HEADS * n * known["row_ns"] + flops / known["gflops"])


def slowdowns(folder, rates):
    """Measured over foretold times where many monomials are held at once."""
    d, degrees = LARGE
    n = FEATURES_LENGTH
    calls = {g: compiled(folder, f"large{d}_{g}", n, d,
                         ["--route", "features", "--degree", g])
             for g in degrees}
    times = best_times(calls)
    return [{"stored": arithmetic.monomials(d, g - 1),
             "factor": round(max(1.0, 1e3 * times[g]
                                 / features_ms(rates, n, d, g)), 2)}
            for g in degrees]


def measure(folder):
    results = {"cpu": cpu_name(),
               "vector_bits": 512 if has_avx512() else 256}
    d, n = SMALL
    small = compiled(folder, "small", n, d, ["--route", "exact"])
    results["call_us"] = round(1e6 * best_times({"small": small})["small"], 1)
    # A polynomial similarity goes through the general loops.
    d, n = GENERAL
    general = compiled(folder, "general", n, d, [
        "--route", "exact", "--similarity", "poly:1,1,0.5"])
    seconds = best_times({"general": general})["general"]
    flops = arithmetic.useful_flops("exact", HEADS, n, d)
    results["general_gflops"] = round(1e-9 * flops / seconds, 1)
    for name, widths, one in (("exact", EXACT, exact_rate),
                              ("features", FEATURES, features_rate)):
        results[name] = []
        for d in widths:
            results[name].append(one(folder, d))
            print(f"{name} {results[name][-1]}", flush=True)
    results["features_slowdown"] = slowdowns(folder, results["features"])
    return results


def write(results, path):
    lines = [f' "{key}": [\n  ' + ",\n  ".join(map(json.dumps, value)) + "\n ]"
             if isinstance(value, list) else f' "{key}": {json.dumps(value)}'
             for key, value in results.items()]
    with open(path + ".part", "w") as file:
        file.write("{\n" + ",\n".join(lines) + "\n}\n")
    os.replace(path + ".part", path)
    print(f"wrote {path}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", default=os.path.join(
        kernels.ROOT, "build", "calibration.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write(measure(folder), options.json)


if __name__ == "__main__":
    main()
