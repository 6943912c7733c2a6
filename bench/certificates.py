#!/usr/bin/env python3
"""Holds certificates against errors: random data for kernels of every route, the
proven bound of each output over the error that the float64 reference finds.

Prints quantiles by route and writes docs/bench/certificates.svg. Exit status 1
if an error is above its bound.
"""
import argparse
import json
import os
import sys
import tempfile

import kernels
import numpy as np
from plots import COLOURS, SETTINGS
from turns import output_of

reference = kernels.reference
QUANTILES = (0, .1, .25, .5, .75, .9, 1)
# Of one kernel each: route, n, d and what make_problem is told.
PROBLEMS = (
    ("exact", 150, 8, dict(entry="attention", heads=4, kv_heads=2)),
    ("exact", 200, 4, dict(mask="causal")),
    ("features", 400, 4, dict(entry="attention", heads=2, radius=.5,
                              tolerance=1e-3)),
    ("features", 400, 4, dict(radius=1, tolerance=1e-2)),
    ("features", 300, 2, dict(radius=2, tolerance=1e-2)),
    ("features", 300, 8, dict(entry="attention", radius=.5, tolerance=.2)),
    ("scan", 400, 4, dict(entry="attention", mask="causal", radius=.5,
                          tolerance=1e-3)),
    ("scan", 300, 2, dict(mask="window", window=70, radius=1,
                          tolerance=1e-2)),
    ("fft", 200, 4, dict(entry="attention", bias=True, radius=.5,
                         tolerance=1e-2)),
    ("fft", 300, 2, dict(alibi=.05, radius=1, tolerance=1e-3)))


def ratios_of(kernel, folder, problem, arrays):
    """{output: certified / observed} of one call; where the error is zero there
    is none."""
    inputs, out = os.path.join(folder, "in"), os.path.join(folder, "out")
    reference.save(inputs, problem, arrays)
    report = json.loads(output_of(kernels.tool("ropegrad-run"), kernel, "--in",
                                  inputs, "--out", out, "--json"))
    want, _ = reference.solve(problem, arrays)
    found = {}
    for name, bound in report["certified"].items():
        got = np.load(os.path.join(out, name + ".npy")).astype(np.float64)
        error = float(np.abs(got - want[name]).max())
        if error > 0:
            found[name] = (np.inf if bound is None else bound) / error
    return found


def measure(count, seed):
    """{route: [certified / observed]} of `count` calls in all."""
    ratios, calls = {}, -(-count // len(PROBLEMS))
    for number, (route, n, d, shape) in enumerate(PROBLEMS):
        with tempfile.TemporaryDirectory() as folder:
            kernel = None
            for call in range(calls):
                rng = np.random.default_rng((seed, number, call))
                problem, arrays = reference.make_problem(
                    n, d, seed=int(rng.integers(1 << 31)), bound=4,
                    dist=str(rng.choice(list(reference.DISTRIBUTIONS))),
                    **shape)
                if kernel is None:
                    reference.save(os.path.join(folder, "in"), problem, arrays)
                    kernel = os.path.join(folder, "K.so")
                    output_of(kernels.tool("ropegrad-compile"),
                              os.path.join(folder, "in", "problem.json"),
                              "--route", route, "-o", kernel)
                found = ratios_of(kernel, folder, problem, arrays)
                ratios.setdefault(route, []).extend(found.values())
    return ratios


def draw(ratios, path):
    """The share of outputs whose bound is at most so many times the error."""
    import matplotlib
    matplotlib.use("svg")
    from matplotlib import pyplot
    with pyplot.rc_context(SETTINGS):
        figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
        for route, values in ratios.items():
            values = np.sort(values)
            axes.step(values, np.arange(1, len(values) + 1) / len(values),
                      where="post", label=route, linewidth=2,
                      linestyle={"scan": "--", "fft": ":"}.get(route, "-"),
                      color=COLOURS[route])
        axes.set(title="How far certificates are above errors", xscale="log",
                 xlabel="certified / observed", ylabel="share of outputs")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
        figure.savefig(path, metadata={"Date": None, "Creator": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plot", default=os.path.join(
        kernels.ROOT, "docs", "bench", "certificates.svg"))
    options = parser.parse_args()
    ratios = measure(options.cases, options.seed)
    everything = np.concatenate(list(ratios.values()))
    print("quantiles  outputs " + "".join(f"{q:>9.0%}" for q in QUANTILES))
    for route, values in (*ratios.items(), ("all", everything)):
        print(f"{route:10} {len(values):7} " + "".join(
            f"{q:9.3g}" for q in np.quantile(values, QUANTILES)))
    draw(ratios, options.plot)
    print(f"wrote {options.plot}")
    violations = int((everything < 1).sum())
    print(f"{violations} violations")
    sys.exit(violations > 0)


if __name__ == "__main__":
    main()
