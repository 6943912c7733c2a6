#!/usr/bin/env python3
"""What ./dev demo shows: a real and a made problem, compiled, run and judged.

    demo.py [--repeat R]

The real one is the head of test/data/bounded-head, causal as it is, then
without its mask on both routes. The made one has n = 16384. Every answer of
every run is compared with the float64 reference, all entries of it.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.join(ROOT, "test"))
import reference        # noqa: E402

BIN = os.environ.get("ROPEGRAD_BIN", os.path.join(ROOT, "build", "bin"))
SAMPLE = os.path.join(ROOT, "test", "data", "bounded-head")
TITLE = ("problem", "route", "degree", "error", "limit", "ms", "speed-up")
EXACT_LIMIT = 3e-5      # relative error in f32


def tool(name, *arguments):
    command = [os.path.join(BIN, name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def measure(folder, route, want, sizes, repeat):
    """Compiles and runs folder/in; returns the report and the worst error."""
    kernel, out = (os.path.join(folder, name) for name in ("K.so", "out"))
    inputs = os.path.join(folder, "in")
    tool("ropegrad-compile", os.path.join(inputs, "problem.json"), "-o", kernel,
         "--route", route)
    report = json.loads(tool("ropegrad-run", kernel, "--in", inputs, "--out",
                             out, "--repeat", repeat, "--json"))
    got = reference.load_arrays(out, want)
    return report, max(reference.errors(want, sizes, got).values())


def show(title, problem, arrays, routes, repeat, want_sizes=True):
    """Prints a row per route; returns whether all errors keep their limit."""
    want, sizes = reference.solve(problem, arrays, want_sizes)
    names = problem.get("wrt", ("Q", "K", "V") if "heads" in problem
                        else ("X1", "X2", "Y"))
    value = "loss" if problem["entry"] == "loss-gradient" else "O"
    want = {k: v for k, v in want.items() if k == value or k[1:] in names}
    exact_ms, good = None, True
    for route in routes:
        with tempfile.TemporaryDirectory() as folder:
            reference.save(os.path.join(folder, "in"), problem, arrays)
            report, error = measure(folder, route, want, sizes, repeat)
        ms = report["ms_best"]
        exact_ms = exact_ms or (ms if report["route"] == "exact" else None)
        limit = (EXACT_LIMIT if report["route"] == "exact"
                 else 4 * problem["tolerance"])
        kept = error <= limit
        good &= kept
        row(title, report["route"],
            "-" if report["degree"] is None else report["degree"],
            f"{error:.1e}", f"{limit:.0e}" + ("" if kept else " MISSED"),
            f"{ms:.2f}", f"{exact_ms / ms:.2f}" if exact_ms else "-")
    return good


def row(*cells):
    widths = (46, 9, 6, 8, 14, 9, 8)
    line = "  ".join(f"{cell!s:<{width}}" if i < 3 else f"{cell!s:>{width}}"
                     for i, (cell, width) in enumerate(zip(cells, widths)))
    print(line.rstrip(), flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5,
                        help="runs of each kernel; the best counts")
    repeat = parser.parse_args().repeat

    row(*TITLE)
    problem, arrays = reference.load(SAMPLE)
    good = show("real head, n=1024 d=16, causal", problem, arrays, ["auto"],
                repeat)
    unmasked = problem | {"mask": "none", "tolerance": 1e-2}
    good &= show("the same without mask, R=1 tolerance 1e-2", unmasked, arrays,
                 ["exact", "features"], repeat)
    problem, arrays = reference.make_problem(
        16384, 8, radius=.5, tolerance=1e-3, seed=1)
    good &= show("made, n=16384 d=8, R=0.5 tolerance 1e-3", problem, arrays,
                 ["exact", "features"], repeat, want_sizes=False)
    print("""
error: the worst relative error (Frobenius norm) of loss or O and every gradient
against the float64 reference, all entries compared; limit: 3e-5 (exact, f32) or
4 x tolerance. ms: forward and gradient, best of the runs, warm.
speed-up: against exact on the same problem.""")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
