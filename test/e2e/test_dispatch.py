"""Kernels of route auto take the cheapest polynomial that serves the radius
found, beyond all of them the exact route, and say which. Forced routes and
--no-fallback: a status and no file."""
import json
import os

import numpy as np
import pytest
import reference
from harness import (assert_answers, assert_refused, compile_kernel,
                     run_kernel, succeed, tool)
from test_entry_points import (NOT_FINITE, OK, RADIUS_EXCEEDED, Kernel,
                               assert_same, pytestmark as loads_kernels, train)

N, D = 250, 4
ATTENTION = dict(entry="attention", batch=2, heads=4, kv_heads=2, seed=5,
                 radius=.4, tolerance=1e-2)
LOSS = dict(channels=3, seed=6, radius=.4, tolerance=1e-2)
# Flags of reference.make_problem, the route that auto chooses, and the last of
# the degrees that the kernel has: whether a lower one pays is the plan's to say.
PROBLEMS = {
    "attention": (ATTENTION | dict(n=300, d=6, tolerance=1e-3), "features",
                  [3, 4, None]),
    "causal": (ATTENTION | dict(mask="causal", alibi=[.1, .02, .3, .004]),
               "scan", [3, None]),
    "bias": (dict(entry="attention", heads=2, n=1500, d=2, seed=7, radius=.4,
                  tolerance=5e-2, bias=True, wrt=("Q", "K", "V", "bias")),
             "fft", [2, None]),
    "bf16": (ATTENTION | dict(dtype="bf16"), "features", [3, None]),
    "loss": (LOSS, "features", [3, None]),
}


class Made:
    """A problem, its data, its kernel, and the kernel of the exact route."""

    def __init__(self, name, folder):
        flags, self.route, self.degrees = PROBLEMS[name]
        flags = {"n": N, "d": D} | flags
        self.problem, self.arrays = reference.make_problem(**flags)
        self.big = "Q" if "Q" in self.arrays else "X1"
        self.folder = folder
        reference.save(folder / "in", self.problem, self.arrays)
        self.path = compile_kernel(folder, "--threads", 2)
        with open(folder / "K.json") as file:
            self.manifest = json.load(file)
        last = self.degrees
        self.degrees = [body["degree"] for body in self.manifest["bodies"]]
        assert self.degrees[-len(last):] == last and len(self.degrees) <= 3

    def times(self, factor):
        big = reference.rounded(factor * self.arrays[self.big],
                                self.problem["dtype"])
        return self.arrays | {self.big: big}

    def limit(self, route, factor):
        rounding = 3e-5 + 2e-6 * factor
        rounding += 2.0 ** -8 if self.problem["dtype"] == "bf16" else 0
        approximated = 4 * self.problem["tolerance"]
        return rounding + (approximated if route != "exact" else 0)


@pytest.fixture(scope="module", params=PROBLEMS)
def made(request, tmp_path_factory):
    return Made(request.param, tmp_path_factory.mktemp("kernel"))


@pytest.mark.parametrize("factor", (1 / 16, 1, 4, 10, 1000))
def test_right_at_any_radius(made, factor):
    arrays = made.times(factor)
    reference.save(made.folder / "in", made.problem, arrays)
    report, got = run_kernel(made.folder, made.path)
    planned = made.manifest["route"]
    assert planned == made.route
    ran = planned if factor <= 1 else "exact"
    assert (report["status"], report["route"]) == ("ok", ran)
    degrees = made.degrees
    assert report["degree"] == degrees[0 if factor < 1 else
                                       -2 if factor == 1 else -1]
    assert ((report["radius_found"] > report["radius_limit"])
            == (ran == "exact"))
    assert_answers(made.problem, arrays, got, made.limit(ran, factor))
    said = succeed("ropegrad-run", made.path, "--in", made.folder / "in",
                   "--out", made.folder / "out")
    assert f"{planned} " in said.split("plan ")[1]
    assert (f", enough for the radius; planned {degrees[-2]}\n" in said) == (
        factor < 1 and len(degrees) == 3)
    assert (f"route      exact, for the radius exceeds that of {planned}\n"
            in said) == (ran == "exact")


@loads_kernels
def test_the_exact_route_in_every_function(made, tmp_path):
    """The same bits as a kernel of that route, from a mere call or with sizes,
    by halves, for every number of threads; and the way back."""
    reference.save(tmp_path / "in", made.problem, made.arrays)
    alone = Kernel(compile_kernel(tmp_path, "--route", "exact"))
    kernel, arrays = Kernel(made.path), made.times(8)
    sizes = (made.manifest["batch"], made.manifest["n"])
    whole = next(f for f in ("gradient", "loss_gradient")
                 if f in kernel.functions)
    within = kernel.outputs(whole, made.arrays)
    assert within["degree_used"].max() == made.degrees[-2]
    want = alone.outputs(whole, arrays)
    for how in ({}, {"threads": 3}, {"packed": True}, {"sizes": sizes}):
        got = kernel.outputs(whole, arrays, **how)
        assert (got.pop("degree_used") == -1).all()
        assert got.pop("radius_found").min() > made.manifest["radius_limit"]
        assert_same(want, got)
    assert_same(within, kernel.outputs(whole, made.arrays, threads=2))
    if "backward" not in kernel.functions:
        return
    for values in (arrays, made.arrays, made.times(1 / 16), arrays):
        want = kernel.outputs("gradient", values, sizes=sizes)
        for layout in ("bhnd", "bnhd", "padded"):
            got = train(kernel, values, sizes=sizes, layout=layout, threads=2)
            assert_same(want, got)


@loads_kernels
def test_part_of_the_data_decides(made):
    """Rows and batch entries that a call leaves out do not count."""
    if made.manifest["batch"] == 1:
        pytest.skip("one batch entry")
    kernel, n = Kernel(made.path), 70
    arrays = {k: v[:, :, :n] for k, v in made.arrays.items() if v.ndim == 4}
    arrays["Q"] = arrays["Q"] * np.array([1, 8])[:, None, None, None]
    one = {k: v[:1] if v.ndim == 4 else v for k, v in arrays.items()}
    got = kernel.outputs("gradient", one, sizes=(1, n))
    assert set(got["degree_used"].flat) <= set(made.degrees[:-1])
    got = kernel.outputs("gradient", arrays, sizes=(2, n), threads=2)
    used = got.pop("degree_used")
    by_head = made.manifest["dispatch"] == "heads"
    assert (used[1] == -1).all() and (used[0] > 0).all() if by_head else (
        used == -1)
    got.pop("radius_found")
    parts = [(slice(None), "exact")]
    if by_head:
        parts = [(slice(0, 1), made.route), (slice(1, 2), "exact")]
    for part, route in parts:
        of = lambda named: {k: v[part] if v.ndim == 4 else v
                            for k, v in named.items()}
        given = of(arrays)
        want, scale = reference.solve(
            made.problem | {"n": n, "batch": len(given["Q"])}, given)
        found = reference.errors({k: want[k] for k in got}, scale, of(got))
        assert max(found.values()) <= made.limit(route, 8), (route, found)


@loads_kernels
def test_numbers_that_are_none(made):
    kernel = Kernel(made.path)
    for function in kernel.functions:
        if function == "backward":
            continue
        bad = made.arrays[made.big].copy()
        bad[..., 1, 0] = np.nan
        status, _ = kernel.call(function, made.arrays | {made.big: bad})
        assert status == NOT_FINITE


@pytest.mark.parametrize("flags", (("--no-fallback",),
                                   ("--route", "features")), ids=str)
def test_without_a_fallback(flags, tmp_path):
    problem, arrays = reference.make_problem(90, 4, **ATTENTION)
    arrays["Q"] *= 3
    reference.save(tmp_path / "in", problem, arrays)
    path = compile_kernel(tmp_path, *flags)
    with open(tmp_path / "K.json") as file:
        manifest = json.load(file)
    assert (manifest["bodies"], manifest["dispatch"]) == ([], "none")
    assert "float *degree_used" not in (tmp_path / "K.h").read_text()
    done = tool("ropegrad-run", path, "--in", tmp_path / "in", "--out",
                tmp_path / "out")
    assert_refused(done, "ropegrad-run", (
        "radius of at most 0.400390625", "got 1.2"), tmp_path / "out")
    if "ROPEGRAD_TEST_CC" not in os.environ:
        assert Kernel(path).call("forward", arrays)[0] == RADIUS_EXCEEDED


@pytest.mark.sweep
@loads_kernels
def test_certificates_follow(tmp_path):
    """On both sides of the radius what is certified holds."""
    problem, arrays = reference.make_problem(
        300, 2, entry="attention", seed=12, radius=.5, tolerance=1e-2)
    problem["wrt"] = []
    reference.save(tmp_path / "in", problem, arrays)
    path = compile_kernel(tmp_path, "--certify")
    for factor in (1, 16):     # exact in f32
        given = arrays | {"Q": factor * arrays["Q"]}
        reference.save(tmp_path / "in", problem, given)
        report, got = run_kernel(tmp_path, path)
        want, _ = reference.solve(problem, given)
        error = np.abs(got["O"] - want["O"]).max()
        assert error <= report["certified"]["O"] <= (1e-2, 1e-3)[factor > 1]
    wrong = {"O": want["O"] + .25, **given}
    status, got = Kernel(path).call("certify", wrong)
    assert status == OK and .2499 <= got["bounds"][0] < .26
