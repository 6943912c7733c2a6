"""Holds plans against the clock: the predicted time of every admissible route,
the measured one, and whether `--route auto` takes the fastest.

Routes of a problem take turns; best of whole calls. Writes the same as JSON.
"""
import argparse
import itertools
import json
import os
import tempfile

import kernels
import numpy as np
from ropegrad_kernel import bind, gradient_of
from turns import cpu_name, output_of
from worker import INPUTS, repeat

HEADS = 2
WIDTHS = (8, 16, 64)
LENGTHS = (128, 512, 1024, 4096, 16384)
RADII = (0.25, 1.0, 4.0)
TOLERANCE = 1e-2
# Toeplitz factors, with fewer sizes.
STRUCTURES = {"causal": {"mask": "causal"},
              "window": {"mask": "window", "window": 256},
              "alibi": {"mask": "causal", "alibi": [0.02, 0.01]},
              "two-sided": {"mask": "none", "alibi": [0.02, 0.01]},
              "bias": {"mask": "none", "bias": True}}
STRUCTURE_SIZES = tuple(itertools.product((8, 16), (1024, 4096, 16384),
                                          (0.25, 1.0)))
# What has to be shown: auto within this factor, plus these ms, of the best
# route; predictions within this factor from this length on.
AUTO_FACTOR, AUTO_MS = 1.10, 0.020
PREDICTED_FACTOR, PREDICTED_FROM = 1.30, 1024
LONGEST_MS = 3000   # predicted: a route that would take longer is not run


def plan(inputs, threads, calibration):
    options = ["--calibration", calibration] if calibration else []
    return json.loads(output_of(
        kernels.tool("ropegrad-compile"),
        os.path.join(inputs, "problem.json"), "--plan", "--threads", threads,
        *options))


def prepare(folder, inputs, route, threads):
    library = os.path.join(folder, route + ".so")
    kernels.compile_kernel(inputs, route, threads, library)
    arrays = {name: np.load(os.path.join(inputs, name + ".npy"))
              for name in (*INPUTS, "bias")
              if os.path.exists(os.path.join(inputs, name + ".npy"))}
    return bind(library, gradient_of(library), arrays, threads)[0]


def best_ms(calls, rounds, seconds):
    """{route: ms} of the fastest call, in turns."""
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for route, call in calls.items():
            best[route] = min(best[route], *(
                1e3 * x for x in repeat(call, seconds)["seconds"]))
    return best


def measure(folder, structure, n, d, radius, options):
    """The row of one problem."""
    inputs = os.path.join(folder, "in")
    problem, arrays = kernels.reference.make_problem(
        n, d, entry="attention", heads=HEADS, position="none", radius=radius,
        tolerance=TOLERANCE, seed=1, **STRUCTURES.get(structure, {}))
    kernels.reference.save(inputs, problem, arrays)
    made = plan(inputs, options.threads, options.calibration)
    predicted = {each["route"]: each["predicted_ms"]
                 for each in made["alternatives"] if each["admissible"]}
    calls = {route: prepare(folder, inputs, route, options.threads)
             for route, ms in predicted.items() if ms <= LONGEST_MS}
    return {"structure": structure, "n": n, "d": d, "radius": radius,
            "route": made["route"],
            "degree": next((each["degree"] for each in made["alternatives"]
                            if each["route"] != "exact"), None),
            "predicted_ms": predicted,
            "measured_ms": best_ms(calls, options.rounds, options.seconds)}


def judge(row):
    """Whether auto took a route that is fast enough, and whether the times
    were foretold."""
    measured = row["measured_ms"]
    best = min(measured.values())
    chosen = measured.get(row["route"])
    row["auto_factor"] = chosen / best if chosen else None
    row["auto_met"] = (chosen is not None
                       and chosen <= AUTO_FACTOR * best + AUTO_MS)
    ratios = {route: row["predicted_ms"][route] / ms
              for route, ms in measured.items()}
    row["predicted_met"] = row["n"] < PREDICTED_FROM or all(
        1 / PREDICTED_FACTOR <= x <= PREDICTED_FACTOR
        for x in ratios.values())
    row["predicted_ratio"] = ratios
    return row


def almost_linear(row):
    """The fastest route but exact, or the one that would have been."""
    times = row["measured_ms"] | {
        route: ms for route, ms in row["predicted_ms"].items()
        if route not in row["measured_ms"]}
    times.pop("exact", None)
    return min(times, key=times.get, default=None)


def line(row):
    route = almost_linear(row)
    cells = [f"{row['structure']:>9} {row['d']:>4} {row['n']:>6} "
             f"{row['radius']:>6g}",
             f"{row['degree'] or '-':>4} {row['route']:>9} {route or '-':>9}"]
    for route in ("exact", route):
        ms, foretold = (row[key].get(route)
                        for key in ("measured_ms", "predicted_ms"))
        cells.append(f"{ms:>10.3f}" if ms else f"{'-':>10}")
        cells.append(f"{foretold:>10.3f}" if foretold else f"{'-':>10}")
    factor = row["auto_factor"]
    cells.append(f"{factor:>6.2f}" if factor else f"{'-':>6}")
    cells.append("" if row["auto_met"] else "AUTO MISSED")
    cells.append("" if row["predicted_met"] else "PREDICTION MISSED")
    return "  ".join(cells).rstrip()


HEAD = (f"{'structure':>9} {'d':>4} {'n':>6} {'radius':>6}  {'g':>4} "
        f"{'auto':>9} {'other':>9}  {'exact ms':>10}  {'predicted':>10}  "
        f"{'other ms':>10}  {'predicted':>10}  {'x best':>6}")


def summary(rows):
    for structure in dict.fromkeys(row["structure"] for row in rows):
        mine = [row for row in rows if row["structure"] == structure]
        foretold = [row for row in mine if row["n"] >= PREDICTED_FROM]
        yield (f"{structure}: auto within {AUTO_FACTOR:g}x + "
               f"{1e3 * AUTO_MS:g} us of the best: "
               f"{sum(row['auto_met'] for row in mine)} of {len(mine)}; "
               f"predictions within {PREDICTED_FACTOR:g}x from n = "
               f"{PREDICTED_FROM}: "
               f"{sum(row['predicted_met'] for row in foretold)} of "
               f"{len(foretold)}")


def problems(structures):
    for structure in structures:
        sizes = (STRUCTURE_SIZES if structure in STRUCTURES else
                 itertools.product(WIDTHS, LENGTHS, RADII))
        for d, n, radius in sizes:
            yield structure, n, d, radius


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calibration", help="instead of what ships")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--structure", action="append",
                        choices=("none", *STRUCTURES),
                        help="these alone (all)")
    parser.add_argument("--json", default=os.path.join(
        kernels.ROOT, "build", "plans.json"))
    options = parser.parse_args()
    print(HEAD, flush=True)
    rows = []
    for problem in problems(options.structure or ("none", *STRUCTURES)):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(judge(measure(folder, *problem, options)))
        print(line(rows[-1]), flush=True)
    for text in summary(rows):
        print(text)
    with open(options.json, "w") as file:
        json.dump({"cpu": cpu_name(), "threads": options.threads,
                   "rows": rows}, file, indent=1)
    print(f"wrote {options.json}")


if __name__ == "__main__":
    main()
