#!/usr/bin/env python3
"""Checks that nothing of n*n elements exists on the features route.

Usage: check_no_square.py N ROPEGRAD_COMPILE ROPEGRAD_OPT [FLAGS]
       check_no_square.py N FILE

Runs ropegrad-pipeline on the problem that the flags of ropegrad-compile pose
and reads the IR after every pass: a tensor, memref, vector or LLVM array type
with N*N elements or more is an error, and so is an implicit matrix after the
last pass that may see one. With FILE, checks that text alone.
"""

import math
import re
import sys

from check_roundtrip import passes, run

# Bytes are the workspace, for the most threads: its parts have their own types.
SHAPED = re.compile(
    r"\b(tensor|memref|vector|array)<((?:\[?\d+\]?\s*x\s*)+)(?!i8\b)")


def elements(sizes):
    return math.prod(int(size) for size in re.findall(r"\d+", sizes))


def offenders(text, limit):
    """The types of `text` with `limit` elements or more."""
    return sorted({match.group(0) + "..." for match in SHAPED.finditer(text)
                   if elements(match.group(2)) >= limit})


def main():
    n = int(sys.argv[1])
    if len(sys.argv) == 3:
        with open(sys.argv[2]) as file:
            found = offenders(file.read(), n * n)
        print(*found, sep="\n")
        sys.exit(1 if found else 0)
    compile_tool, opt, *flags = sys.argv[2:]
    problem = run([compile_tool, *flags, "--n", str(n), "--emit", "mlir", "-o",
                   "-"]).stdout
    stages = passes(opt, problem)
    if "route = features" not in stages[0][1]:
        sys.exit("expected the features route")
    errors, level3, largest = [], False, 0
    for name, text in stages:
        level3 = level3 or name.startswith("OutlineTiles")
        largest = max([largest] + [elements(match.group(2))
                                   for match in SHAPED.finditer(text)])
        errors += [f"{name}: {kind}" for kind in offenders(text, n * n)]
        if level3 and "!ropegrad.matrix" in text:
            errors.append(f"{name}: an implicit matrix is left")
    if not level3:
        errors.append("the pipeline did not reach level 3")
    print(f"{len(stages)} passes, largest type of {largest} elements, "
          f"n*n = {n * n}")
    print(*errors, sep="\n")
    sys.exit(1 if errors else 0)


if __name__ == "__main__":
    main()
