"""NAME_prepare and the calls that take what it makes: the same bits."""
import ctypes
import os

import numpy as np
import pytest
import reference
from harness import compile_kernel, succeed
from test_c_example import HERE, build, run
from test_entry_points import (Bytes, Kernel, Sizes,
                               pytestmark as loads_kernels, same, to_memory)

BOTH = dict(position="general", bias=True, mask="causal", bound=.35,
            tolerance=1e-2, wrt=("Q", "K", "V", "W", "bias"))
PROBLEMS = {
    "bias": dict(entry="attention", batch=2, heads=4, kv_heads=2, bias=True,
                 bias_per_head=True, radius=.5, tolerance=1e-2,
                 wrt=("Q", "K", "V", "bias")),
    "both": dict(entry="attention", heads=2, kv_heads=1, **BOTH),
    "f64": dict(entry="attention", dtype="f64", **BOTH | {"wrt": ("W",)}),
    "bf16": dict(entry="attention", dtype="bf16", **BOTH),
    "alibi": dict(entry="attention", heads=2, alibi=[.1, .02],
                  similarity=(1, 1, .5)),
    "loss": dict(bias=True, channels=3, radius=.5, tolerance=1e-2,
                 wrt=("X1", "Y", "A2", "bias")),
    "forward": dict(entry="attention", position="general", bound=.35,
                    tolerance=1e-2, wrt=()),
}


def prepare(kernel, arrays, n):
    """What K_prepare makes of the W and bias of a call of n rows."""
    library, function = kernel.library, kernel.manifest["prepare"]
    query = library.K_prepared_bytes
    query.restype, query.argtypes = ctypes.c_size_t, []
    made = Bytes(query())
    size = kernel.workspace_bytes("prepare", 2)
    workspace = Bytes(size)
    inputs = [to_memory(arrays[a["name"]], a["dtype"])
              for a in function["args"] if a["role"] == "in"]
    status = library.K_prepare_sized(
        ctypes.byref(Sizes(1, n, None)),
        *(ctypes.c_void_p(a.ctypes.data) for a in (*inputs, made.value)),
        ctypes.c_size_t(query()), ctypes.c_void_p(workspace.value.ctypes.data),
        ctypes.c_size_t(size), ctypes.c_int(2))
    assert status == 0 and made.is_guarded() and workspace.is_guarded()
    return made


def with_prepared(path):
    """A kernel of the route fft with all of its functions."""
    kernel = Kernel(path)
    kernel.functions |= {f["symbol"][2:]: f
                         for f in kernel.manifest["prepared_functions"]}
    return kernel


def compiled(folder, *flags):
    """The kernel of folder/in."""
    return with_prepared(compile_kernel(folder, *flags))


def cut(arrays, n, to):
    """The first `to` of n rows of all arrays."""
    def part(name, value):
        if name in ("W", "bias"):
            where = slice(n - to, n + to - 1)
            return value[where] if name == "W" else value[..., where]
        if value.ndim == 4:
            return value[:, :, :to]
        return value[:to] if name in ("A1", "A2", "A3", "E") else value
    return {k: np.ascontiguousarray(part(k, v)) for k, v in arrays.items()}


@loads_kernels
@pytest.mark.parametrize("name", PROBLEMS)
def test_the_same_bits(name, tmp_path):
    n = 300
    problem, arrays = reference.make_problem(n, 4, seed=8, **PROBLEMS[name])
    if "W" in arrays:
        arrays["W"] /= 2
    reference.save(tmp_path / "in", problem, arrays)
    kernel = compiled(tmp_path, "--route", "fft")
    plain = [f for f in kernel.functions if f"{f}_prepared" in kernel.functions]
    assert plain, kernel.functions
    for rows in (n, 1, 77):
        given = cut(arrays, n, rows)
        given["prepared"] = prepare(kernel, given, rows)
        sizes = problem.get("batch", 1), rows
        for function in plain:
            for threads in (1, 2):
                want = kernel.outputs(function, given, sizes=sizes,
                                      threads=threads)
                got = kernel.outputs(f"{function}_prepared", given,
                                     sizes=sizes, threads=threads)
                residual = want.get("residual")
                for key in want.keys() - {"residual"}:
                    assert same(want[key], got[key]), (function, key)
            if residual:
                given["residual"] = residual


@loads_kernels
def test_all_bodies(tmp_path):
    """A kernel that chooses: each of its ways to compute has spectra of its
    own, or reads the copies of W and bias."""
    problem, arrays = reference.make_problem(
        8192, 4, entry="attention", bias=True, radius=.5, tolerance=1e-3,
        seed=3, wrt=("Q", "bias"))
    reference.save(tmp_path / "in", problem, arrays)
    kernel = compiled(tmp_path)
    assert [b["route"] for b in kernel.manifest["bodies"]] == [
        "fft", "fft", "exact"]
    arrays["prepared"] = prepare(kernel, arrays, 8192)
    degrees = set()
    for factor in (.2, 1, 2):
        given = arrays | {"Q": arrays["Q"] * np.float32(factor)}
        want = kernel.outputs("gradient", given, threads=2)
        got = kernel.outputs("gradient_prepared", given, threads=2)
        assert all(same(want[k], got[k]) for k in want)
        degrees.add(float(want["degree_used"]))
    assert len(degrees) == 3 and -1 in degrees


FLAGS = ["--entry", "attention", "--n", 300, "--d", 2, "--position", "general",
         "--support", "0:0,1:1", "--bias", "learned", "--mask", "causal",
         "--radius", .5, "--tolerance", 1e-2, "--route", "fft", "--wrt",
         "Q,bias"]


def test_wrong_calls_and_two_threads(tmp_path):
    for name in ("K", "other"):
        succeed("ropegrad-compile", *FLAGS, "-o", tmp_path / f"{name}.o")
    printed = run(build(tmp_path, os.path.join(HERE, "prepared.c"), "K.o",
                        "other.o"))
    assert int(printed.split()[0]) > 20


def test_other_routes_have_none(tmp_path):
    succeed("ropegrad-compile", "--n", 16, "--d", 4, "-o", tmp_path / "K.o")
    assert "prepare" not in (tmp_path / "K.json").read_text()
    header = (tmp_path / "K.h").read_text()
    assert "K_prepare" not in header and "prepared(" not in header
