"""Drives ropegrad-compile and ropegrad-run as a user does, on files."""
import json
import os
import subprocess

import numpy as np
import reference

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BIN = os.environ.get("ROPEGRAD_BIN", os.path.join(ROOT, "build", "bin"))
SECONDS = 600       # after which a tool counts as hanging
KERNEL_CPU = KERNEL_THREADS = None      # pytest's --kernel-cpu, --kernel-threads


def tool(name, *arguments, cwd=None):
    """Runs a tool of build/bin/; returns the finished process. Kernels get a
    certificate, which takes time to compile, where a test asks for one."""
    if name == "ropegrad-compile" and "--certify" not in arguments:
        arguments = ("--no-certify", *arguments)
    return subprocess.run([os.path.join(BIN, name), *map(str, arguments)],
                          capture_output=True, text=True, errors="replace",
                          stdin=subprocess.DEVNULL, timeout=SECONDS, cwd=cwd)


def succeed(name, *arguments, cwd=None):
    """Runs a tool that has to succeed; returns its standard output."""
    done = tool(name, *arguments, cwd=cwd)
    assert done.returncode == 0, (
        f"{name} {' '.join(map(str, arguments))}: "
        f"exit status {done.returncode}\n{done.stderr}")
    return done.stdout


def compile_kernel(folder, *flags, problem=None):
    """Compiles `problem` (default: that of folder/in) to folder/K.so."""
    kernel = os.path.join(folder, "K.so")
    problem = problem or os.path.join(folder, "in", "problem.json")
    if KERNEL_CPU and "--cpu" not in flags:
        flags += ("--cpu", KERNEL_CPU)
    succeed("ropegrad-compile", problem, "-o", kernel, *flags)
    return kernel


def run_kernel(folder, kernel, *flags):
    """Runs a kernel on folder/in; returns its report and its output arrays."""
    out = os.path.join(folder, "out")
    report = json.loads(succeed("ropegrad-run", kernel, "--in",
                                os.path.join(folder, "in"), "--out", out,
                                "--json", *flags))
    arrays = {file[:-4]: np.load(os.path.join(out, file))
              for file in sorted(os.listdir(out)) if file.endswith(".npy")}
    return report, arrays


def solve_with_tools(folder, problem, arrays, *flags):
    """Saves, compiles and runs a problem: (report, answers)."""
    reference.save(os.path.join(folder, "in"), problem, arrays)
    threads = ("--threads", KERNEL_THREADS) if KERNEL_THREADS else ()
    return run_kernel(folder, compile_kernel(folder, *flags), *threads)


def asked_for(problem):
    """Names of the answers that the problem asks for and has to get."""
    loss = problem["entry"] == "loss-gradient"
    default = ("X1", "X2", "Y") if loss else ("Q", "K", "V")
    return {"loss" if loss else "O"} | {
        "d" + name for name in problem.get("wrt", default)}


def assert_answers(problem, arrays, got, limit):
    """Every answer asked for is there, nothing unknown is, and none is further
    than `limit` from the reference. Returns what the reference found."""
    want, sizes = reference.solve(problem, arrays)
    assert asked_for(problem) <= set(got) <= set(want)
    found = reference.errors({k: want[k] for k in got}, sizes, got)
    worst = {k: f"{e:.2e}" for k, e in found.items() if e > limit}
    assert not worst, f"relative error above {limit:g}: {worst}"
    return want, sizes


def assert_refused(done, name, words, *folders):
    """The process failed as every bad input has to: exit status 1, one line on
    standard error that names the tool and holds the words, no file written."""
    lines = done.stderr.splitlines()
    assert done.returncode == 1, (done.returncode, done.stderr)
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith(name + ": error: "), done.stderr
    assert not lines[0].endswith("."), done.stderr
    for word in words:
        assert word.lower() in lines[0].lower(), (word, done.stderr)
    assert done.stdout == ""
    for folder in folders:
        left = os.listdir(folder) if os.path.exists(folder) else []
        assert left == [], left
