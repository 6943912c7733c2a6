#!/usr/bin/env python3
"""Times the exact and the features route beside the machine's FMA peak.

    bench.py [--problem n,d,radius,tolerance ...] [--threads T] [--repeat R]

Prints a table and writes the same as JSON (--json, default build/bench.json).
Useful flops are 14 n^2 d (exact) and 12 n M (d + 1) (features, M monomials) for
forward and gradient of one head, entry attention; "of peak" is their rate over
the FMA peak, which is measured again before every problem because the speed of
a machine changes with its load.
"""
import argparse
import json
import math
import os
import subprocess
import sys
import tempfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.join(ROOT, "test"))
import reference        # noqa: E402

PROBLEMS = ("16384,8,0.5,1e-3", "16384,16,0.5,1e-2", "16384,64,0.25,2e-2")
ROUTES = ("exact", "features")
COLUMNS = (("n", "n", "d"), ("d", "d", "d"), ("radius", "radius", "g"),
           ("tolerance", "tolerance", "g"), ("route", "route", "s"),
           ("degree", "degree", "s"), ("ms best", "ms_best", ".2f"),
           ("median", "ms_median", ".2f"), ("GF/s", "gflops", ".1f"),
           ("peak", "peak_gflops", ".1f"), ("of peak", "of_peak", ".2f"),
           ("x exact", "speed_up", ".2f"))


def output_of(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True,
                          text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def tool(name):
    folder = os.environ.get("ROPEGRAD_BIN", os.path.join(ROOT, "build", "bin"))
    return os.path.join(folder, name)


def build_peak(folder):
    program = os.path.join(folder, "peak")
    output_of("clang-22", "-O3", "-march=native", "-ffp-contract=fast",
              "-pthread", os.path.join(ROOT, "bench", "peak.c"), "-o", program)
    return program


def useful_flops(n, d, report):
    if report["route"] == "exact":
        return 14.0 * n * n * d
    return 12.0 * n * math.comb(d + report["degree"], d) * (d + 1)


def measure(folder, problem, arrays, route, options):
    inputs = os.path.join(folder, "in")
    kernel = os.path.join(folder, "K.so")
    reference.save(inputs, problem, arrays)
    output_of(tool("ropegrad-compile"), os.path.join(inputs, "problem.json"),
              "-o", kernel, "--route", route, "--threads", options.threads)
    return json.loads(output_of(
        tool("ropegrad-run"), kernel, "--in", inputs, "--out",
        os.path.join(folder, "out"), "--repeat", options.repeat, "--threads",
        options.threads, "--json"))


def bench(text, peak_program, options):
    """Measures one problem on every route; yields one row each."""
    n, d, radius, tolerance = (kind(x) for kind, x in zip(
        (int, int, float, float), text.split(",")))
    problem, arrays = reference.make_problem(
        n, d, entry="attention", radius=radius, tolerance=tolerance, seed=1)
    exact_ms = None
    for route in ROUTES:
        with tempfile.TemporaryDirectory() as folder:
            report = measure(folder, problem, arrays, route, options)
        # Beside each kernel, on as many threads as it used.
        peak = float(output_of(peak_program, report["threads"]))
        exact_ms = exact_ms or report["ms_best"]
        rate = useful_flops(n, d, report) / report["ms_best"] * 1e-6
        yield {"n": n, "d": d, "radius": radius, "tolerance": tolerance,
               "route": report["route"], "degree": report["degree"],
               "threads": report["threads"], "ms_best": report["ms_best"],
               "ms_median": report["ms_median"], "gflops": rate,
               "peak_gflops": peak, "of_peak": rate / peak,
               "speed_up": exact_ms / report["ms_best"]}


def show(row):
    cells = []
    for _, key, form in COLUMNS:
        value = "-" if row[key] is None else row[key]
        cells.append(format(str(value) if form == "s" else value, form))
    print("  ".join(f"{cell:>9}" for cell in cells), flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problem", nargs="+", default=PROBLEMS,
                        metavar="N,D,RADIUS,TOLERANCE")
    parser.add_argument("--threads", type=int,
                        default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--json",
                        default=os.path.join(ROOT, "build", "bench.json"))
    options = parser.parse_args()
    print("  ".join(f"{title:>9}" for title, _, _ in COLUMNS))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        peak_program = build_peak(folder)
        for text in options.problem:
            for row in bench(text, peak_program, options):
                rows.append(row)
                show(row)
    with open(options.json, "w") as file:
        json.dump({"threads": options.threads, "rows": rows}, file, indent=1)
    print(f"wrote {options.json}")


if __name__ == "__main__":
    main()
