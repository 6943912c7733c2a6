#!/usr/bin/env python3
"""Times RopeGrad's kernels and their peers in turns, beside the FMA peak.

Forward pass and gradient of attention (O, dQ, dK, dV), f32, two heads, no mask
and no position unless the work says so, scale 1/d; equal threads for all.
Contenders take turns, best and median are of whole calls. Useful flops are
14 n^2 d (softmax, half of it if causal) or 12 n M (d + 1) (features, M
monomials) per head; "of peak" is their rate over the best FMA peak of the same
turns, "B/row" the arrays and workspace of a row, "growth" the exponent of n
since the length before, "x ours" the time over that of RopeGrad's first route
in the work, "differs" the largest relative difference of the answers from
RopeGrad's on the same route (of RopeGrad exact: from its features). Writes the
same as JSON.
"""
import argparse
import json
import os
import sys
import tempfile

import arithmetic
import measure
import table
import works
from kernels import ROOT
from turns import Workers, cpu_name, has_avx512

MODES = {"full": {"rounds": 7, "turn": 0.3, "most": 8.0},
         "quick": {"rounds": 2, "turn": 0.2, "most": 1.0}}


def custom_work(text):
    n, d, radius, tolerance = (kind(x) for kind, x in zip(
        (int, int, float, float), text.split(",")))
    return works.Work(f"d{d}", d, n=n, radius=radius, tolerance=tolerance)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true",
                        help="fewer lengths, rounds and peers")
    parser.add_argument("--only", action="append", metavar="PATTERN",
                        help="works (d8/n1024, poly/*, ...), threads, "
                             "growth, guard, memory")
    parser.add_argument("--problem", nargs="+", type=custom_work,
                        metavar="N,D,RADIUS,TOLERANCE",
                        help="these instead of the list of works")
    parser.add_argument("--peers", metavar="PYTHON",
                        help="Python that has the peers (./dev bench sets it)")
    parser.add_argument("--no-peers", action="store_true",
                        help="RopeGrad alone")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", "--repeat", type=int)
    parser.add_argument("--json",
                        default=os.path.join(ROOT, "build", "bench.json"))
    parser.add_argument("--update", action="store_true",
                        help="keep what the JSON file has of other works")
    options = parser.parse_args()
    options.mode = "quick" if options.quick else "full"
    for name, value in MODES[options.mode].items():
        if getattr(options, name, None) is None:
            setattr(options, name, value)
    cpus = len(os.sched_getaffinity(0))
    if not 1 <= options.threads <= cpus:
        parser.error(f"expected 1 to {cpus} threads, but got "
                     f"{options.threads}")
    if options.rounds < 1:
        parser.error(f"expected at least 1 round, but got {options.rounds}")
    return options


def machine():
    return {"cpu": cpu_name(), "avx512": has_avx512(),
            "cpus": len(os.sched_getaffinity(0))}


def add_relations(rows):
    """What the rows of a work are next to each other."""
    ours = next(row for row in rows if row["contender"] in works.OURS)
    for row in rows:
        if "ms_best" in row and "ms_best" in ours:
            row["times_ours"] = row["ms_best"] / ours["ms_best"]
            row["times_ours_median"] = row["ms_median"] / ours["ms_median"]


def add_growth(rows):
    """The growth of each (family, contender) since the length before."""
    earlier = {}
    for row in sorted(rows, key=lambda row: row["n"]):
        if "ms_best" not in row:
            continue
        key = row["family"], row["contender"]
        before = earlier.get(key)
        if before and before["n"] < row["n"]:
            row["growth"] = arithmetic.growth(
                (before["n"], before["ms_best"]), (row["n"], row["ms_best"]))
        earlier[key] = row


def merged(old, new):
    """The rows of both, of a work in both the new ones; by family and n."""
    done = {row["work"] for row in new}
    families = [work.family for work in works.FAMILIES]
    rows = [row for row in old if row["work"] not in done] + new
    return sorted(rows, key=lambda row: (
        families.index(row["family"]) if row["family"] in families else -1,
        row["n"]))


def save(results, path):
    """Writes the results, whole or not at all."""
    with open(path + ".part", "w") as file:
        json.dump(results, file, indent=1)
        file.write("\n")
    os.replace(path + ".part", path)


def run_all(options, bench, results):
    """Fills `results`, printing each line and saving as soon as it is known."""
    def keep(**more):
        results.update(more)
        results["versions"].update(bench.versions)
        save(results, options.json)

    print(table.head(), flush=True)
    for work in options.problem or works.works(options.mode):
        if not works.selected(work.name, options.only):
            continue
        rows = bench.run(work)
        add_relations(rows)
        every = merged(results["rows"], rows)
        add_growth(every)
        for row in rows:
            print(table.line(row), flush=True)
        keep(rows=every)
    if options.problem:
        return
    if options.threads > 1 and works.selected("threads", options.only):
        keep(scaling=[bench.scaling(family.at(works.SCALING_LENGTH))
                      for family in works.FAMILIES
                      if not family.only_exact])
    if works.selected("growth", options.only):
        keep(growth=[bench.growth(*map(family.at, works.GROWTH_LENGTHS))
                     for family in works.FAMILIES if not family.only_exact])
    if works.selected("guard", options.only):
        keep(guard=bench.guard(works.GUARD))
    if works.selected("memory", options.only):
        keep(memory=bench.memory(works.MEMORY))


def starting_point(options):
    """The results before the first work: none, or with --update those that the
    file has, if it is of the same machine and as many threads."""
    results = {"machine": machine(), "threads": options.threads,
               "heads": works.HEADS, "position": "none", "versions": {},
               "rows": []}
    if not options.update:
        return results
    with open(options.json) as file:
        old = json.load(file)
    for key in ("machine", "threads", "heads"):
        if old[key] != results[key]:
            sys.exit(f"bench: error: expected {key} {results[key]} in "
                     f"{options.json}, but got {old[key]}")
    return old


def wrong(rows):
    """A line for each row that makes a run fail: a kernel of RopeGrad that did
    not run, a peer whose answers are not RopeGrad's on the same route."""
    for row in rows:
        name = f"{row['work']}: {works.LABELS[row['contender']]}"
        # Written so that nan counts as different.
        if row["contender"] in works.OURS:
            if "skipped" in row:
                yield f"{name}: {row['skipped']}"
        elif not row.get("difference", 0) <= measure.SAME:
            yield (f"{name}: expected a difference of at most "
                   f"{measure.SAME:g}, but got {row['difference']:.1e}")


def main():
    options = arguments()
    options.peers = None if options.no_peers else options.peers
    pythons = {name: sys.executable if name in works.OURS else options.peers
               for name in works.LABELS}
    results = starting_point(options)
    with tempfile.TemporaryDirectory() as folder, \
            Workers(pythons, options.threads) as workers:
        bench = measure.Bench(options, workers, folder)
        run_all(options, bench, results)
    for text in table.verdicts(results):
        print(text)
    for name, version in results["versions"].items():
        print(f"{name}: {version}")
    print(f"wrote {options.json}")
    bad = list(wrong(results["rows"]))
    for text in bad:
        print(f"bench: error: {text}", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
