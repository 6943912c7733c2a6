"""Makes the problem of a work, and RopeGrad's kernels for it."""
import json
import os
import re
import sys
import time

from turns import output_of
from works import ALLOWED_LIBRARIES, OURS

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.join(ROOT, "test"))
import reference        # noqa: E402

READELF = "/usr/lib/llvm-22/bin/llvm-readelf"


def tool(name):
    folder = os.environ.get("ROPEGRAD_BIN", os.path.join(ROOT, "build", "bin"))
    return os.path.join(folder, name)


def save_problem(work, folder):
    """Writes problem.json and random inputs into `folder`; returns the
    problem."""
    problem, arrays = reference.make_problem(
        work.n, work.d, entry="attention", heads=work.heads,
        kv_heads=work.kv_heads, position=work.position, mask=work.mask,
        radius=work.radius, tolerance=work.tolerance,
        similarity=work.similarity, bias=work.bias,
        wrt=("Q", "K", "V", "bias") if work.bias else None, seed=1)
    reference.save(folder, problem, arrays)
    return problem


def compile_kernel(inputs, contender, threads, library):
    """Compiles the problem in folder `inputs` to `library`, as one of ours;
    returns what is to be known of it."""
    start, used = time.perf_counter(), os.times()
    output_of(tool("ropegrad-compile"), os.path.join(inputs, "problem.json"),
              *OURS[contender], "--threads", threads, "--no-certify",
              "-o", library)
    seconds, now = time.perf_counter() - start, os.times()
    with open(os.path.splitext(library)[0] + ".json") as file:
        manifest = json.load(file)
    return {"kernel": library, "route": manifest["route"],
            "degree": manifest["degree"], "compile_seconds": seconds,
            "compile_cpu_seconds": (
                now.children_user - used.children_user
                + now.children_system - used.children_system),
            "library_bytes": os.path.getsize(library),
            "needed": needed_libraries(library)}


def needed_libraries(library):
    """The DT_NEEDED of a shared library."""
    printed = output_of(READELF, "--needed-libs", library).splitlines()
    return [line.strip() for line in printed[1:-1]]


def only_allowed(needed):
    return all(name.startswith(ALLOWED_LIBRARIES) for name in needed)


def coefficients(inputs):
    """The polynomial of a problem's features route, from level 2."""
    text = output_of(tool("ropegrad-compile"),
                     os.path.join(inputs, "problem.json"), "--route",
                     "features", "--emit", "mlir", "--emit-level", 2,
                     "-o", "-")
    found = re.search(r"coefficients = array<f64: ([^>]*)>", text)
    return [float(number) for number in found[1].split(",")]
