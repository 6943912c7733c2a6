"""Measures one work: every contender in turn, beside the FMA peak."""
import os
import subprocess
import sys
import tempfile

import arithmetic
import kernels
import numpy as np
import works
from turns import Skipped, output_of, take_turns

ANSWERS = ("O", "dQ", "dK", "dV", "dbias")
# Largest relative difference within a group that computes the same in f32:
# what is left of O and its gradients after the terms have cancelled.
SAME = 1e-4
# A process of its own: the children's peak that a process sees includes what
# the process itself held when it forked, and this one holds little.
PEAK_OF_CHILD = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def build_peak(folder):
    program = os.path.join(folder, "peak")
    output_of("clang-22", "-O3", "-march=native", "-ffp-contract=fast",
              "-pthread", os.path.join(kernels.ROOT, "bench", "peak.c"), "-o",
              program)
    return program


def largest_difference(folder, other):
    """Largest relative difference (Frobenius norm) of the answers in two
    folders."""
    found = []
    for name in ANSWERS:
        if not os.path.exists(os.path.join(other, name + ".npy")):
            continue    # of a problem without bias
        a, b = (np.load(os.path.join(path, name + ".npy")).astype(np.float64)
                for path in (folder, other))
        found.append(np.linalg.norm(a - b) / np.linalg.norm(b))
    return float(max(found))


class Bench:
    """Everything that stays the same from work to work.

    options: peers (whether they take part), threads, mode, rounds, turn and
    most (seconds of a turn, and of all turns of a contender in one work)."""

    def __init__(self, options, workers, folder):
        self.options, self.workers, self.folder = options, workers, folder
        self.peak = build_peak(folder)
        self.versions = {}

    def peak_rate(self, threads):
        return float(output_of(self.peak, threads))

    def taking_part(self, work):
        names = works.contenders(work, self.options.mode)
        return [name for name in names
                if self.options.peers or name in works.OURS]

    def jobs(self, work, folder, names):
        """What the worker of each contender is to prepare."""
        inputs = os.path.join(folder, "in")
        problem = kernels.save_problem(work, inputs)
        common = {"folder": inputs, "n": work.n, "d": work.d,
                  "heads": work.heads, "scale": problem["scale"],
                  "mask": work.mask, "position": work.position,
                  "bias": work.bias,
                  "base": problem["base"], "threads": self.options.threads}
        if not work.only_exact and work.almost_linear == "features":
            common["coefficients"] = kernels.coefficients(inputs)
        made = {}
        for name in names:
            made[name] = {**common, "answers": os.path.join(folder, name)}
            if name in works.OURS:
                # A path of its own: a library is loaded once per process.
                made[name].update(kernels.compile_kernel(
                    inputs, name, self.options.threads,
                    os.path.join(folder, f"{name}.so")))
        return made

    def prepare(self, name, job, notes):
        """Lets a contender prepare its job; False, with why in `notes`, where
        it cannot."""
        try:
            reply = self.workers.of(name).ask(op="prepare", job=job)
        except Skipped as reason:
            notes[name] = {"skipped": str(reason)}
            return False
        self.versions.update(reply["versions"])
        notes[name] = reply["facts"]
        return True

    def run(self, work):
        """The rows of one work, one per contender."""
        options = self.options
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            jobs = self.jobs(work, folder, self.taking_part(work))
            notes = {}
            ready = [name for name in jobs
                     if self.prepare(name, jobs[name], notes)]
            players = {name: self.timer(name) for name in ready}
            peaks = []
            players["peak"] = lambda seconds: self.add_peak(peaks)
            times = take_turns(players, options.rounds, options.turn,
                               options.most)
            for name in ready:
                self.compare(work, name, folder, ready, notes[name])
        return [self.row(work, name, jobs, times.get(name), notes[name],
                         max(peaks)) for name in jobs]

    def add_peak(self, peaks):
        """A turn of the peak, which has rates instead of times: several, lest
        it is other work beside that ours is held against."""
        peaks.extend(self.peak_rate(self.options.threads) for _ in range(3))
        return []

    def timer(self, name):
        return lambda seconds: self.workers.of(name).ask(
            op="time", seconds=seconds)["seconds"]

    def compare(self, work, name, folder, ready, notes):
        """Notes how far the answers are from those of the group's first."""
        almost = work.almost_linear
        # The exact route is itself compared with the almost linear one.
        first = (almost if name in works.FEATURES + ("exact",) else "exact")
        if name not in (first, almost) and first in ready:
            notes["against"] = first
            notes["difference"] = largest_difference(
                os.path.join(folder, name), os.path.join(folder, first))

    def row(self, work, name, jobs, seconds, notes, peak):
        almost = work.almost_linear
        route = almost if name in works.FEATURES else "exact"
        degree = jobs.get(almost, {}).get("degree")
        row = {"work": work.name, "family": work.family, "n": work.n,
               "d": work.d, "radius": work.radius,
               "tolerance": work.tolerance, "heads": work.heads,
               "kv_heads": work.kv_heads, "mask": work.mask,
               "contender": name, "route": route, "threads":
               self.options.threads, "peak_gflops": peak, **notes}
        row["degree"] = degree if route == almost else None
        for key in ("compile_seconds", "compile_cpu_seconds", "library_bytes",
                    "needed"):
            if key in jobs[name]:
                row[key] = jobs[name][key]
        if isinstance(seconds, Skipped):
            row["skipped"] = str(seconds)
        elif seconds:
            self.add_figures(row, seconds)
        return row

    def add_figures(self, row, seconds):
        row.update(arithmetic.summary(seconds))
        flops = arithmetic.useful_flops(row["route"], row["heads"], row["n"],
                                        row["d"], row["degree"],
                                        row["mask"])
        if flops:
            row["gflops"] = arithmetic.rate(flops, 1e-3 * row["ms_best"])
            row["of_peak"] = row["gflops"] / row["peak_gflops"]
        if "workspace_bytes" in row:
            arrays = row.setdefault(
                "array_bytes", 16 * (row["heads"] + row["kv_heads"])
                * row["n"] * row["d"])
            row["bytes_per_row"] = arithmetic.bytes_per_row(
                arrays, row["workspace_bytes"], row["heads"], row["n"])

    def variants(self, route, changes):
        """{name: summary} of calls of one route, in turns; `changes`: {name:
        (work, what is different in its job)}. Raises Skipped where one cannot
        run."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            jobs = {}
            for work, _ in changes.values():
                if work not in jobs:
                    place = os.path.join(folder, str(work.n))
                    os.mkdir(place)
                    jobs[work] = self.jobs(work, place, [route])[route]
            worker = self.workers.of(route)

            def timer(work, change):
                def time_for(seconds):
                    worker.ask(op="prepare", job={
                        **jobs[work], "answers": None, **change})
                    return worker.ask(op="time", seconds=seconds)["seconds"]
                return time_for

            times = take_turns(
                {name: timer(*change) for name, change in changes.items()},
                self.options.rounds, self.options.turn, self.options.most)
        for found in times.values():
            if isinstance(found, Skipped):
                raise found
        return {name: arithmetic.summary(found)
                for name, found in times.items()}

    def scaling(self, work):
        """The almost linear route of a work on one thread and on all, in
        turns."""
        most = self.options.threads
        try:
            made = self.variants(work.almost_linear, {
                "one": (work, {"threads": 1}), "all": (work, {})})
        except Skipped as reason:
            return {"work": work.name, "skipped": str(reason)}
        return {"work": work.name, "threads": most, **made,
                "peak_gflops": {"one": self.peak_rate(1),
                                "all": self.peak_rate(most)},
                **{f"times_{key}": made["one"][f"ms_{key}"]
                   / made["all"][f"ms_{key}"] for key in ("best", "median")}}

    def growth(self, short, long):
        """The almost linear route of two works, of which one is longer, on one
        thread, in turns."""
        alone = {"threads": 1}
        try:
            made = self.variants(short.almost_linear, {
                "short": (short, alone), "long": (long, alone)})
        except Skipped as reason:
            return {"work": long.name, "skipped": str(reason)}
        return {"work": long.name, "n": short.n, "route": short.almost_linear,
                **made, **{f"times_{key}": made["long"][f"ms_{key}"]
                           / made["short"][f"ms_{key}"]
                           for key in ("best", "median")}}

    def guard(self, work):
        """What measuring the data costs: calls on features in turns with calls
        whose keys are far beyond the bound, which a kernel measures and
        refuses."""
        try:
            made = self.variants("features", {
                "all": (work, {}), "guard": (work, {"refused": True})})
        except Skipped as reason:
            return {"work": work.name, "skipped": str(reason)}
        return {"work": work.name, **made,
                **{f"share_{key}": made["guard"][f"ms_{key}"]
                   / made["all"][f"ms_{key}"] for key in ("best", "median")}}

    def memory(self, work):
        """The peak of resident memory of ropegrad-run, inputs and outputs in
        it, on the features route."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            inputs = os.path.join(folder, "in")
            kernels.save_problem(work, inputs)
            library = os.path.join(folder, "K.so")
            kernels.compile_kernel(inputs, "features", self.options.threads,
                                   library)
            done = subprocess.run(
                [sys.executable, "-S", "-c", PEAK_OF_CHILD,
                 kernels.tool("ropegrad-run"), library, "--in", inputs,
                 "--out", os.path.join(folder, "out"), "--threads",
                 str(self.options.threads)],
                capture_output=True, text=True)
        if done.returncode:
            return {"work": work.name, "skipped": done.stderr.strip()}
        arrays = 8 * 4 * work.heads * work.n * work.d
        times, more = works.TARGET_MEMORY
        return {"work": work.name, "peak_bytes": int(done.stdout),
                "array_bytes": arrays, "limit_bytes": times * arrays + more}
