#!/usr/bin/env python3
"""Draws time against n for every contender: plots.py RESULTS.json FOLDER

One SVG per family of works that has several lengths, FOLDER/<family>.svg. The
same results give the same bytes.
"""
import json
import os
import sys

import matplotlib
import works

matplotlib.use("svg")
import matplotlib.pyplot as pyplot      # noqa: E402

# One colour per contender, the same in every plot; RopeGrad's lines are thick.
COLOURS = {"features": "#d62728", "scan": "#d62728", "fft": "#d62728",
           "exact": "#ff7f0e",
           "halide": "#bcbd22", "bf16": "#e377c2", "torch": "#1f77b4",
           "jax-attention": "#9467bd", "jax-features": "#8c564b",
           "openblas": "#2ca02c"}
SETTINGS = {"svg.hashsalt": "ropegrad", "svg.fonttype": "none",
            "font.family": "sans-serif", "font.size": 10}


def points(results):
    """{family: {contender: [(n, ms), ...]}} of what was measured, by n."""
    found = {}
    for row in sorted(results["rows"], key=lambda row: row["n"]):
        if "ms_best" in row:
            found.setdefault(row["family"], {}).setdefault(
                row["contender"], []).append((row["n"], row["ms_best"]))
    return found


def draw(title, lines, threads, path):
    with pyplot.rc_context(SETTINGS):
        figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
        for contender, label in works.LABELS.items():
            if contender in lines:
                axes.plot(*zip(*lines[contender]), marker="o", markersize=4,
                          color=COLOURS[contender], label=label,
                          linewidth=2.5 if contender in works.OURS else 1.2)
        lengths = sorted({n for line in lines.values() for n, _ in line})
        axes.set(title=title, xlabel="n", xscale="log", yscale="log",
                 ylabel=f"ms, forward and gradient, {threads} threads")
        axes.set_xticks(lengths, [str(n) for n in lengths])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
        figure.savefig(path, metadata={"Date": None, "Creator": None})
        pyplot.close(figure)


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: plots.py RESULTS.json FOLDER")
    with open(sys.argv[1]) as file:
        results = json.load(file)
    drawn = 0
    titles = {work.family: work.title for work in works.FAMILIES}
    for family, lines in points(results).items():
        if max(map(len, lines.values())) > 1:
            path = os.path.join(sys.argv[2], family + ".svg")
            draw(titles.get(family, family), lines, results["threads"], path)
            print(f"wrote {path}")
            drawn += 1
    if not drawn:
        sys.exit("expected a work at several lengths, but found none in "
                 + sys.argv[1])


if __name__ == "__main__":
    main()
