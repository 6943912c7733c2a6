#!/usr/bin/env python3
"""Checks that ropegrad-opt takes every stage of a kernel again, unchanged.

Usage: check_roundtrip.py ROPEGRAD_COMPILE ROPEGRAD_OPT [FLAGS OF ROPEGRAD_COMPILE]

The text of `--emit mlir` at levels 1 to 4, and the IR after every pass of our
own of ropegrad-pipeline on level 1 and after the conversion to LLVM, are parsed
and printed again and must not change.
"""

import re
import subprocess
import sys

DUMP = re.compile(r"^// -----// IR Dump After (.*?) //----- //\n", re.M)
# What --split-input-file prints between two modules.
SPLIT = "\n// -----\n"


def run(command, text=None):
    done = subprocess.run(command, input=text, text=True, capture_output=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return done


def emitted(compile_tool, flags):
    """(name, text) of every level that ropegrad-compile emits."""
    for level in "1234":
        text = run([compile_tool, *flags, "--emit", "mlir", "--emit-level",
                    level, "-o", "-"]).stdout
        yield f"--emit-level {level}", text


def passes(opt, problem):
    """(name, text) after every pass on modules; what tidies one function after
    the other would print a module for each."""
    own = set(re.findall(r"^ +--(ropegrad-[a-z-]+)", run([opt, "--help"]).stdout,
                         re.M)) - {"ropegrad-pipeline"}
    names = ",".join(sorted(own | {"convert-to-llvm"}))
    dumps = run([opt, "-", "--ropegrad-pipeline", "--mlir-disable-threading",
                 "--mlir-print-ir-module-scope",
                 f"--mlir-print-ir-after={names}"], problem).stderr
    parts = DUMP.split(dumps)
    return list(zip(parts[1::2], parts[2::2]))


def main():
    compile_tool, opt, *flags = sys.argv[1:]
    stages = list(emitted(compile_tool, flags))
    after = passes(opt, stages[0][1])
    for name in ("Plan", "Differentiate", "ApproximateExp", "FuseKronecker",
                 "OutlineTiles", "Bufferize", "LowerTiles", "LowerFeatures",
                 "LowerRows", "PackWorkspace", "ConvertToLLVMPass"):
        if not any(re.match(rf"{name}\b", stage) for stage, _ in after):
            sys.exit(f"the pipeline did not print the IR after {name}")
    stages += after
    texts = [text.strip("\n") for _, text in stages]
    again = run([opt, "-", "--split-input-file"], SPLIT.join(texts)).stdout
    printed = [text.strip("\n") for text in again.split("// -----\n")]
    if len(printed) != len(texts):
        sys.exit(f"expected {len(texts)} modules, but got {len(printed)}")
    changed = 0
    for (name, _), before, now in zip(stages, texts, printed):
        if before == now:
            continue
        changed += 1
        print(f"{name}: printed differently")
        for old, new in zip(before.split("\n"), now.split("\n")):
            if old != new:
                print(f"  - {old}\n  + {new}")
                break
    print(f"{len(stages)} stages, {changed} changed")
    sys.exit(1 if changed else 0)


if __name__ == "__main__":
    main()
