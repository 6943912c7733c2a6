"""Kernels of route auto choose for each key head, with its query heads: the
cheapest polynomial that serves its radius, beyond all of them the exact route."""
import json
import re

import numpy as np
import pytest
import reference
from harness import compile_kernel, run_kernel, succeed
from test_entry_points import (NOT_FINITE, OK, Kernel, assert_same,
                               pytestmark as loads_kernels, train)
from test_prepared import cut as first_rows, prepare, with_prepared

ATTENTION = dict(entry="attention", seed=8, radius=.4, tolerance=1e-2)
# Flags of reference.make_problem, the route that auto chooses, and the factors
# of the keys of each (batch entry, key head).
PROBLEMS = {
    "grouped": (dict(n=131, d=4, batch=2, heads=6, kv_heads=3), "features",
                [[1, 4, .9], [1000, .05, 10]]),
    "one-batch": (dict(n=301, d=6, heads=5, kv_heads=5, tolerance=1e-3),
                  "features", [[.1, 1, 4, .1, 1]]),
    "causal": (dict(n=251, d=4, batch=3, heads=2, kv_heads=1, mask="causal",
                    alibi=[.02, .05]), "scan", [[10], [1], [4]]),
    "f16": (dict(n=97, d=4, batch=1, heads=4, kv_heads=2, dtype="f16"),
            "features", [[1, 10]]),
    "bias": (dict(n=151, d=2, batch=2, heads=6, kv_heads=3, bias=True,
                  mask="causal", tolerance=2e-2), "fft",
             [[1, 4, .9], [1000, .05, 10]]),
    "general": (dict(n=90, d=2, batch=2, heads=2, kv_heads=2, tolerance=8e-2,
                     position="general"), "fft", [[1, 40], [10, .05]]),
}
# Rates with which transforms pay at once.
RATES = {"vector_bits": 512, "call_us": 0, "general_gflops": 1e-3,
         "exact": [{"d": 4, "row_ns": 0, "gflops": 1e-3}],
         "features": [{"d": 4, "row_ns": 0, "gflops": 1e3}],
         "features_slowdown": [{"stored": 1, "factor": 1}]}


class Made:
    """A problem whose heads have radii of their own, its data and kernel."""

    def __init__(self, name, folder):
        flags, self.route, factors = PROBLEMS[name]
        self.problem, self.within = reference.make_problem(
            **(ATTENTION | flags))
        if "W" in self.within:
            self.within["W"] /= 2      # no matrix makes a row longer
        self.factors = np.array(factors, float)
        keys = self.within["K"] * self.factors[..., None, None]
        self.arrays = self.within | {
            "K": reference.rounded(keys, self.problem["dtype"])}
        self.folder = folder
        reference.save(folder / "in", self.problem, self.arrays)
        flags = ["--threads", 2]
        if self.route == "fft":
            (folder / "rates.json").write_text(json.dumps(RATES))
            flags += ["--calibration", folder / "rates.json"]
        self.path = compile_kernel(folder, *flags)
        with open(folder / "K.json") as file:
            self.manifest = json.load(file)

    def radii(self, arrays):
        """What is found of each key head: (batch, kv_heads)."""
        q, k = (np.sqrt((arrays[x] ** 2).sum(-1)).max(-1) for x in "QK")
        group = q.shape[1] // k.shape[1]
        found = q.reshape(*k.shape, group).max(-1) * k
        if "W" in arrays:
            # Norms of W_t, or the largest terms of a sum over the support.
            W, (a, b) = np.abs(arrays["W"]), np.transpose(reference.support_of(
                self.problem))
            dense = np.zeros((len(W), *2 * arrays["Q"].shape[-1:]))
            dense[:, a, b] = W
            norms = np.minimum((dense ** 2).sum((1, 2)),
                               dense.sum(1).max(-1) * dense.sum(2).max(-1))
            q, k = (np.abs(arrays[x]).max(-2) for x in "QK")
            q = q.reshape(*k.shape[:2], group, -1).max(2)
            found = np.minimum(found * np.sqrt(norms.max()),
                               (q[..., a] * W.max(0) * k[..., b]).sum(-1))
        return self.manifest["scale"] * found

    def degrees(self, arrays):
        """What each key head has to be computed with; -1: the exact route."""
        radii = self.radii(arrays)
        used = np.full(radii.shape, -1.0)
        for body in reversed(self.manifest["bodies"][:-1]):
            used[radii <= body["radius_limit"]] = body["degree"]
        return used

    def head(self, arrays, b, h):
        """What a key head and its query heads are, as a problem of their own;
        and how to take them out of an array."""
        p = self.problem
        group = p["heads"] // p["kv_heads"]

        def cut(x):
            if np.ndim(x) != 4:
                return x
            if x.shape[1] == p["kv_heads"] and group > 1:
                return x[b:b + 1, h:h + 1]
            return x[b:b + 1, h * group:(h + 1) * group]

        problem = p | dict(batch=1, heads=group, kv_heads=1)
        return problem, {k: cut(v) for k, v in arrays.items()}, cut


@pytest.fixture(scope="module", params=PROBLEMS)
def made(request, tmp_path_factory):
    return Made(request.param, tmp_path_factory.mktemp("kernel"))


def assert_right(made, arrays, got):
    """Each key head by itself is as near to the reference as what computed it
    has to be."""
    degrees, radii = made.degrees(arrays), made.radii(arrays)
    for b, h in np.ndindex(degrees.shape):
        problem, own, cut = made.head(arrays, b, h)
        want, sizes = reference.solve(problem, own)
        limit = 3e-5 + 2e-6 * radii[b, h]
        limit += 2.0 ** -10 if problem["dtype"] == "f16" else 0
        limit += 4 * problem["tolerance"] if degrees[b, h] >= 0 else 0
        found = reference.errors(
            {k: want[k] for k in got}, sizes, {k: cut(v) for k, v in
                                               got.items()})
        assert max(found.values()) <= limit, (b, h, degrees[b, h], found)


def test_each_head_its_own_way(made):
    assert (made.manifest["route"], made.manifest["dispatch"]) == (
        made.route, "heads")
    report, got = run_kernel(made.folder, made.path)
    degrees = made.degrees(made.arrays)
    assert len(set(degrees.flat)) == len(made.manifest["bodies"]) > 1
    used = np.array([[-1 if x is None else x for x in row]
                     for row in report["heads"]["degree"]])
    np.testing.assert_array_equal(used, degrees)
    np.testing.assert_allclose(report["heads"]["radius_found"],
                               made.radii(made.arrays), rtol=1e-5)
    assert report["radius_found"] == np.max(report["heads"]["radius_found"])
    assert report["degree"] == degrees.max()
    assert report["route"] == made.route
    assert_right(made, made.arrays, got)


def test_report_for_people(made):
    said = succeed("ropegrad-run", made.path, "--in", made.folder / "in",
                   "--out", made.folder / "out")
    lines = re.findall(r"^(?:heads)? +(heads? .*): (exact|degree \d+), "
                       r"radius ([\d.e+]+)$", said, re.M)
    degrees, radii = made.degrees(made.arrays), made.radii(made.arrays)
    assert len(lines) == len(set(degrees.flat))
    group = made.problem["heads"] // made.problem["kv_heads"]
    for heads, how, radius in lines:
        of = degrees == (-1 if how == "exact" else int(how[7:]))
        assert float(radius) == pytest.approx(radii[of].max(), rel=1e-3)
        if len(degrees) > 1:
            continue
        named = set()
        for part in heads.split(" ", 1)[1].split(", "):
            first, last = (part.split("-") * 2)[:2]
            named |= set(range(int(first), int(last) + 1))
        assert named == set(np.flatnonzero(of[0].repeat(group)))
    exact = int((degrees == -1).sum()) * group
    assert (f"exact for {exact} of {degrees.size * group} heads" in said) == (
        exact > 0)


def assert_prepared(made, arrays, want):
    """Spectra that are made once serve the heads of every body, forth and
    back; nothing differs from those that a body makes for itself."""
    kernel, n = with_prepared(made.path), arrays["Q"].shape[2]
    given = arrays | {"prepared": prepare(kernel, arrays, n)}
    how = {"sizes": arrays["Q"].shape[:3:2], "threads": 2}
    assert_same(want, kernel.outputs("gradient_prepared", given, **how))
    assert_same(want, kernel.outputs("gradient_prepared", given,
                                     layout="bnhd", **how))
    for forth, back in (("", "_prepared"), ("_prepared", "")):
        first = kernel.outputs(f"forward_train{forth}", given, **how)
        second = kernel.outputs(f"backward{back}", given | first, **how)
        del first["residual"]
        assert_same(want, first | second)


@loads_kernels
def test_same_bits_however_it_is_called(made):
    """Threads, layouts, halves; and every head as if all others were near."""
    kernel, arrays = Kernel(made.path), made.arrays
    sizes = (made.manifest["batch"], made.manifest["n"])
    want = kernel.outputs("gradient", arrays)
    np.testing.assert_array_equal(want["degree_used"], made.degrees(arrays))
    for how in ({"threads": 2}, {"threads": 3}, {"packed": True},
                {"sizes": sizes, "layout": "bnhd"},
                {"sizes": sizes, "layout": "padded", "threads": 2}):
        assert_same(want, kernel.outputs("gradient", arrays, **how))
        if not how.get("packed"):
            assert_same(want, train(kernel, arrays, **how))
    if "prepare" in made.manifest:
        assert_prepared(made, arrays, want)
    forward = kernel.outputs("forward", arrays, threads=2)
    assert_same({k: want[k] for k in forward}, forward)
    near = kernel.outputs("gradient", made.within)
    assert near["degree_used"].min() > 0
    for b, h in zip(*np.nonzero(made.factors == 1)):
        cut = made.head(arrays, b, h)[2]
        for name in ("O", "dQ", "dK", "dV"):
            assert cut(near[name]).tobytes() == cut(want[name]).tobytes()


@loads_kernels
def test_exact_heads_are_those_of_an_exact_kernel(made, tmp_path):
    reference.save(tmp_path / "in", made.problem, made.arrays)
    alone = Kernel(compile_kernel(tmp_path, "--route", "exact"))
    want = alone.outputs("gradient", made.arrays)
    got = Kernel(made.path).outputs("gradient", made.arrays, threads=2)
    exact = np.argwhere(got["degree_used"] == -1)
    assert len(exact)
    for b, h in exact:
        cut = made.head(made.arrays, b, h)[2]
        for name in want:
            assert cut(want[name]).tobytes() == cut(got[name]).tobytes()


@loads_kernels
def test_fewer_rows_and_batch_entries(made):
    """The radii are those of the call's rows, and reports have its size."""
    kernel, n = Kernel(made.path), 33
    arrays = {k: v[:1] if v.ndim == 4 else v
              for k, v in first_rows(made.arrays, made.problem["n"],
                                     n).items()}
    got = kernel.outputs("gradient", arrays, sizes=(1, n), threads=2)
    if "prepare" in made.manifest:
        assert_prepared(made, arrays, got)
    np.testing.assert_array_equal(got.pop("degree_used"), made.degrees(arrays))
    np.testing.assert_allclose(got.pop("radius_found"), made.radii(arrays),
                               rtol=1e-5)
    whole, made.problem = made.problem, made.problem | {"n": n, "batch": 1}
    assert_right(made, arrays, got)
    made.problem = whole


@loads_kernels
def test_a_number_that_is_none_in_one_head(made):
    kernel = Kernel(made.path)
    for name in ("Q", "K", "V"):
        for value in (np.nan, np.inf):
            bad = made.arrays[name].copy()
            bad[-1, -1, -1, 0] = value
            for function in ("forward", "gradient", "forward_train"):
                status, _ = kernel.call(function, made.arrays | {name: bad})
                assert status == NOT_FINITE


@pytest.mark.sweep
@loads_kernels
def test_certificates_follow_each_head(tmp_path):
    problem, arrays = reference.make_problem(
        200, 2, batch=2, heads=4, kv_heads=2,
        **ATTENTION | dict(radius=.5, seed=12))
    arrays["K"] *= np.array([[1, 16], [.1, 4]])[..., None, None]
    reference.save(tmp_path / "in", problem, arrays)
    path = compile_kernel(tmp_path, "--certify")
    report, got = run_kernel(tmp_path, path)
    assert sum(report["heads"]["degree"], []).count(None) == 2
    want, _ = reference.solve(problem, arrays)
    for name, bound in report["certified"].items():
        error = np.abs(got[name] - want[name]).max()
        assert error <= bound <= 300 * error, (name, error, bound)
    # What is wrong is noticed, whatever computed it.
    kernel = Kernel(path)
    for b, h in np.ndindex(2, 4):
        wrong = got["O"].copy()
        wrong[b, h, 7, 1] += .25
        status, found = kernel.call("certify", arrays | got | {"O": wrong})
        assert status == OK and .2499 <= found["bounds"][0] < .27


@pytest.mark.parametrize("flags", (
    dict(alibi=[.1, .2], mask="causal"), dict(bias=True, wrt=("V", "bias")),
    dict(bias=True, bias_per_head=True, wrt=("V",))), ids=str)
def test_heads_that_share_go_one_way(flags, tmp_path):
    """Where heads share a gradient or differ in what is compiled."""
    problem, arrays = reference.make_problem(
        1200, 2, heads=2, kv_heads=2, **ATTENTION | dict(tolerance=5e-2) |
        flags)
    arrays["K"] *= np.array([1, 10])[:, None, None]
    reference.save(tmp_path / "in", problem, arrays)
    path = compile_kernel(tmp_path)
    with open(tmp_path / "K.json") as file:
        manifest = json.load(file)
    assert manifest["bodies"] and manifest["dispatch"] == "call"
    report, _ = run_kernel(tmp_path, path)
    assert report["route"] == "exact" and "heads" not in report
