"""Halide: its exact kernels against ours and the reference, and its derivatives
against the reference's."""
import ctypes
import json

import halide as hl
import numpy as np
import pytest
import reference
from harness import (assert_answers, assert_refused, compile_kernel,
                     run_kernel, succeed, tool)
from test_entry_points import NOT_FINITE, OK, Kernel
from test_entry_points import pytestmark as loads_kernels

LIMIT = {"f32": 3e-5, "f64": 1e-12, "bf16": 3e-5 + 2.0 ** -8}

# n, d, flags of the compiler, and what else there is about a problem.
PROBLEMS = {
    "one-row": (1, 8, (), {}),
    "two-rows": (2, 64, (), {"mask": "causal"}),
    "three-rows": (3, 4, (), {"mask": "window", "window": 1, "batch": 2}),
    "odd-sizes": (17, 5, (), {"position": "none"}),
    "groups": (130, 16, (), {"heads": 4, "kv_heads": 2, "batch": 2,
                             "mask": "causal", "alibi": [.1, .2, .3, .4]}),
    "one-group": (130, 64, (), {"heads": 3, "kv_heads": 1}),
    "bias": (130, 24, (), {"heads": 2, "bias": True, "bias_per_head": True,
                           "alibi": .05, "wrt": ("Q", "K", "V")}),
    "window": (1000, 32, (), {"mask": "window", "window": 100}),
    "wide-window": (61, 10, (), {"mask": "window", "window": 2000}),
    "long": (1000, 64, (), {"mask": "causal"}),
    "very-long": (2100, 8, (), {}),
    "wide": (130, 144, (), {}),
    "prime-width": (130, 22, (), {"mask": "causal"}),
    "forward": (130, 16, (), {"wrt": ()}),
    "query-gradient": (130, 16, (), {"wrt": ("Q",), "mask": "causal"}),
    "key-gradient": (130, 16, (), {"wrt": ("K", "V")}),
    "large-logits": (61, 8, (), {"bound": 12, "scale": .2}),
    "loss": (130, 8, (), {"entry": "loss-gradient", "channels": 3}),
    "loss-large-logits": (61, 8, (), {"entry": "loss-gradient", "bound": 12,
                                      "scale": .6}),
    "f64": (130, 16, ("--dtype", "f64"), {"mask": "causal", "alibi": .1}),
    "f64-large-logits": (130, 6, ("--dtype", "f64"),
                         {"bound": 12, "scale": .2}),
    "bf16": (130, 16, ("--dtype", "bf16"), {"dtype": "bf16"}),
    "x86-64-v3": (130, 24, ("--cpu", "x86-64-v3"),
                  {"mask": "window", "window": 50, "alibi": .1}),
    "x86-64": (130, 10, ("--cpu", "x86-64"), {"mask": "causal"}),
    "f64-x86-64-v3": (130, 10, ("--cpu", "x86-64-v3", "--dtype", "f64"),
                      {"heads": 2, "kv_heads": 1}),
}


@pytest.mark.sweep
@pytest.mark.parametrize("name", PROBLEMS)
def test_both_makers(name, tmp_path):
    """Halide's kernel and ours agree with the reference, and so with each
    other."""
    n, d, flags, options = PROBLEMS[name]
    options = {"entry": "attention", "seed": n + d} | options
    problem, arrays = reference.make_problem(n, d, **options)
    if options.get("wrt") == ():
        problem["wrt"] = []
    reference.save(tmp_path / "in", problem, arrays)
    limit = LIMIT[flags[-1] if "--dtype" in flags else "f32"]
    if "large-logits" in name:
        limit *= 4
    for maker in ("mlir", "halide"):
        kernel = compile_kernel(tmp_path, "--route", "exact", "--exact-by",
                                maker, *flags)
        with open(tmp_path / "K.json") as file:
            assert json.load(file)["exact_by"] == maker
        report, got = run_kernel(tmp_path, kernel)
        assert (report["status"], report["route"]) == ("ok", "exact")
        assert_answers(problem, arrays, got, limit)
    if "large-logits" in name:
        assert problem["logit_bound"] > 80


def test_logits_at_the_ends_of_the_range(tmp_path):
    """Weights of 1 and of 0 alone, at logits of +-10^4."""
    n, d = 97, 4
    problem, arrays = reference.make_problem(n, d, entry="attention",
                                             position="none", scale=1., seed=1)
    sign = np.where(np.arange(n) % 2, 1., -1.)
    arrays["Q"] = np.full((1, 1, n, d), 50.)
    arrays["K"] = np.ones((1, 1, n, d)) * 50. * sign[:, None]
    problem["bound"] = 50.
    reference.save(tmp_path / "in", problem, arrays)
    kernel = compile_kernel(tmp_path, "--route", "exact", "--exact-by",
                            "halide")
    _, got = run_kernel(tmp_path, kernel)
    assert_answers(problem, arrays, got, LIMIT["f32"])


@loads_kernels
@pytest.mark.parametrize("value", (np.nan, np.inf))
def test_values_that_are_not_finite_are_seen(value, tmp_path):
    """They reach the outputs, whatever Halide supposes of floats."""
    problem, arrays = reference.make_problem(50, 8, entry="attention", seed=3)
    reference.save(tmp_path / "in", problem, arrays)
    kernel = Kernel(compile_kernel(tmp_path, "--route", "exact", "--exact-by",
                                   "halide"))
    assert kernel.call("gradient", arrays)[0] == OK
    for name in arrays:
        spoilt = arrays | {name: arrays[name].copy()}
        spoilt[name][0, 0, 20, 3] = value
        assert kernel.call("gradient", spoilt)[0] == NOT_FINITE, name


REFUSED = {
    "polynomial": (("--entry", "attention", "--similarity", "poly:1,1,.5"),
                   ("exact-by halide",)),
    "general": (("--entry", "attention", "--position", "general", "--support",
                 "0:0"), ("exact-by halide",)),
    "bias-gradient": (("--entry", "attention", "--bias", "learned", "--wrt",
                       "Q,K,V,bias"), ("exact-by halide",)),
    "values-alone": (("--entry", "attention", "--wrt", "V"),
                     ("exact-by halide",)),
    "another-maker": (("--exact-by", "gcc"), ("mlir or halide", "gcc")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_halide_does_not_make(name, tmp_path):
    """An error that names the maker, never a kernel by another one."""
    flags, words = REFUSED[name]
    done = tool("ropegrad-compile", "--n", 16, "--d", 4, "--route", "exact",
                "--exact-by", "halide", *flags, "-o", tmp_path / "K.so")
    assert_refused(done, "ropegrad-compile", words, tmp_path)


def test_no_features_by_halide(tmp_path):
    done = tool("ropegrad-compile", "--n", 16, "--d", 4, "--radius", .5,
                "--tolerance", 1e-2, "--route", "features", "--exact-by",
                "halide", "-o", tmp_path / "K.so")
    assert_refused(done, "ropegrad-compile",
                   ("--route exact", "halide", "features"), tmp_path)


def test_nothing_of_halide_is_left(tmp_path):
    """K.ll and the symbols of K.so: no name of Halide's runtime."""
    flags = ("--entry", "attention", "--n", 100, "--d", 8, "--route", "exact",
             "--exact-by", "halide")
    text = succeed("ropegrad-compile", *flags, "--emit", "ll", "-o", "-")
    assert "attention_halide_forward" in text
    declared = [line for line in text.splitlines()
                if line.startswith("declare")]
    assert declared and not any("halide" in line for line in declared)
    succeed("ropegrad-compile", *flags, "-o", tmp_path / "K.so")
    assert b"halide_" not in (tmp_path / "K.so").read_bytes().replace(
        b"attention_halide_", b"")


@loads_kernels
def test_two_kernels_in_one_process(tmp_path):
    """Each is complete: neither binds to what the other brought along, whose
    functions have the same names."""
    made = []
    for d, mask in ((8, "causal"), (24, "none")):
        folder = tmp_path / mask
        problem, arrays = reference.make_problem(130, d, entry="attention",
                                                 heads=2, mask=mask)
        reference.save(folder / "in", problem, arrays)
        path = compile_kernel(folder, "--route", "exact", "--exact-by",
                              "halide")
        made.append((problem, arrays, Kernel(path, ctypes.RTLD_GLOBAL)))
    for problem, arrays, kernel in made + made:
        assert_answers(problem, arrays, kernel.outputs("gradient", arrays),
                       LIMIT["f32"])


def adjoint(problem, arrays):
    """dQ, dK, dV and dbias of sum(O * dO) by Halide's propagate_adjoints, f64,
    from softmax attention stated as pure functions, without any maximum."""
    n, d = problem["n"], problem["d"]
    inputs = {"Q": (n, d), "K": (n, d), "V": (n, d), "bias": (2 * n - 1,)}
    e, i, j = hl.Var("e"), hl.Var("i"), hl.Var("j")
    given, memory = {}, {}  # a Buffer does not keep its array alive

    def buffer(name, shape):
        memory[name] = np.array(arrays[name], np.float64).reshape(shape)
        return hl.Buffer(memory[name])

    for name, shape in inputs.items():
        given[name] = hl.Func(name)
        at = (i,) if name == "bias" else (e, i)
        given[name][at] = buffer(name, shape)[at]
    Q, K, V, bias = given.values()
    feature, key = hl.RDom([(0, d)]), hl.RDom([(0, n)])
    zero = hl.f64(0)
    Z, P, D, N, O = (hl.Func(x) for x in ("Z", "P", "D", "N", "O"))
    Z[j, i] = zero
    Z[j, i] += Q[feature, i] * K[feature, j]
    exponent = hl.f64(problem["scale"]) * Z[j, i] + bias[i - j + n - 1]
    alive = j <= i if problem["mask"] == "causal" else j < n
    P[j, i] = hl.select(alive, hl.exp(exponent), zero)
    D[i] = zero
    D[i] += P[key, i]
    N[e, i] = zero
    N[e, i] += P[key, i] * V[e, key]
    O[e, i] = N[e, i] / D[i]
    loss, at = hl.Func("loss"), hl.RDom([(0, d), (0, n)])
    loss[()] = zero
    loss[()] += O[at.x, at.y] * buffer("dO", (n, d))[at.x, at.y]
    adjoints = hl.propagate_adjoints(loss)
    found = {}
    for name, shape in inputs.items():
        found["d" + name] = np.full(shape, np.nan)
        adjoints[given[name]].realize(hl.Buffer(found["d" + name]))
    return found


@pytest.mark.parametrize("n,d,mask", ((1, 3, "none"), (24, 5, "none"),
                                      (31, 8, "causal")))
def test_derivatives_of_the_reference(n, d, mask):
    """The reference's gradients, which were derived by hand, are those that
    another compiler derives from the forward pass alone."""
    problem, arrays = reference.make_problem(
        n, d, entry="attention", position="none", mask=mask, bias=True,
        scale=.7, bound=2, seed=n, wrt=("Q", "K", "V", "bias"))
    want, sizes = reference.solve(problem, arrays)
    got = {name: value.reshape(want[name].shape)
           for name, value in adjoint(problem, arrays).items()}
    found = reference.errors({name: want[name] for name in got}, sizes, got)
    assert set(found) == {"dQ", "dK", "dV", "dbias"}
    assert max(found.values()) < 1e-13, found
