#!/usr/bin/env python3
"""Runs the shell blocks of README.md and compares what they print.

Usage: check_readme.py README SOURCE PLUGIN FOLDER

Every ```sh block runs in a shell of its own, in the emptied FOLDER, in order,
and must exit with 0; one that follows a line <!-- not run --> is left out. A
block of another language right behind it is its output, of which numbers may
differ, a line of … stands for any lines, and … within a line for any text.
SOURCE/examples is there as examples, the folder of PLUGIN as build/lib.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

FENCE = re.compile(r"(?P<skip><!-- not run -->\n)?"
                   r"^```sh\n(?P<command>.*?)^```\n"
                   r"(?:\n```(?!sh)\w+\n(?P<shown>.*?)^```\n)?", re.M | re.S)
# Digits of a name (f32, arg0, dX1) count.
NUMBER = re.compile(r"(?<![A-Za-z_\d])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
ANY_NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"


def pattern_of_line(line):
    """A regular expression for one shown line and the end of it."""
    if line.strip() == "…":
        return r"(?:.*\n)*?"
    parts = [ANY_NUMBER.join(re.escape(text) for text in NUMBER.split(part))
             for part in line.rstrip().split("…")]
    return ".*?".join(parts) + r"[ ]*\n"


def matches(shown, printed):
    pattern = "".join(map(pattern_of_line, shown.splitlines()))
    return re.fullmatch(pattern + r"\s*", printed.rstrip() + "\n")


def first_difference(shown, printed):
    """The first shown line up to which the output does not match."""
    lines = shown.splitlines()
    for count, line in enumerate(lines, 1):
        pattern = "".join(map(pattern_of_line, lines[:count]))
        if not re.match(pattern, printed.rstrip() + "\n"):
            return line
    return "<the end>"


def prepare(folder, source, plugin):
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "build").mkdir(parents=True)
    (folder / "examples").symlink_to(source / "examples")
    (folder / "build" / "lib").symlink_to(plugin.parent)


def run(command, source, folder):
    path = os.pathsep.join([str(source / "build" / "venv" / "bin"),
                            os.path.dirname(sys.executable),
                            os.environ["PATH"]])
    return subprocess.run(["bash", "-euo", "pipefail", "-c", command],
                          cwd=folder, env={**os.environ, "PATH": path},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)


def main():
    readme, source, plugin, folder = map(pathlib.Path, sys.argv[1:])
    prepare(folder, source, plugin)
    compared = 0
    for block in FENCE.finditer(readme.read_text()):
        command, shown = block["command"], block["shown"]
        if block["skip"]:
            continue
        done = run(command, source, folder)
        if done.returncode:
            sys.exit(f"{command}exits with {done.returncode}:\n{done.stdout}")
        if shown is None:
            continue
        if not matches(shown, done.stdout):
            sys.exit(f"{command}does not print, from this line on:\n"
                     f"{first_difference(shown, done.stdout)}\nbut:\n"
                     f"{done.stdout}")
        compared += 1
    if not compared:
        sys.exit("expected commands with output in " + str(readme))
    print(f"{compared} outputs are as shown")


if __name__ == "__main__":
    main()
