"""The arithmetic of ./dev bench, without a clock: flops, growth, features,
tables, turns and what a peer's failure does to them."""
import itertools
import math
import os
import sys

import numpy as np
import pytest
from harness import ROOT

sys.path.insert(0, os.path.join(ROOT, "bench"))
import arithmetic       # noqa: E402
import bench            # noqa: E402
import feature_map      # noqa: E402
import kernels          # noqa: E402
import table            # noqa: E402
import turns            # noqa: E402
import works            # noqa: E402


def test_flops():
    assert arithmetic.monomials(8, 4) == 495
    assert arithmetic.monomials(16, 3) == 969
    assert arithmetic.monomials(64, 2) == 2145
    # Six products of (n x 495) with (495 x 9) per head, 2 flops a step.
    assert arithmetic.useful_flops("features", 2, 1024, 8, 4) == (
        2 * 6 * 2 * 1024 * 495 * 9)
    # Seven of (n x n) with (n x d).
    assert arithmetic.useful_flops("exact", 2, 1024, 8) == (
        2 * 7 * 2 * 1024 * 1024 * 8)


def test_figures():
    assert arithmetic.rate(3e9, 0.5) == pytest.approx(6)
    assert arithmetic.growth((1024, 2.0), (4096, 8.0)) == pytest.approx(1)
    assert arithmetic.growth((1024, 2.0), (2048, 8.0)) == pytest.approx(2)
    assert arithmetic.bytes_per_row(8192, 2048, 2, 64) == 80
    found = arithmetic.summary([0.003, 0.001, 0.010])
    assert found == {"ms_best": pytest.approx(1), "ms_median":
                     pytest.approx(3), "calls": 3}


@pytest.mark.parametrize("d, degree", [(1, 5), (2, 3), (3, 4), (5, 2), (4, 1)])
def test_feature_map(d, degree):
    """Monomials by the tables, weighted, give the polynomial of the logit, and
    each monomial comes once."""
    rng = np.random.default_rng(d)
    q, k, coefficients = rng.normal(size=d), rng.normal(size=d), rng.normal(
        size=degree + 1)

    def features(x):
        blocks = [np.ones(1)]
        for variable, parent in feature_map.tables(d, degree):
            blocks.append(x[variable] * blocks[-1][parent])
        return np.concatenate(blocks)

    weights = feature_map.weights(d, coefficients, 0.25)
    assert weights.size == arithmetic.monomials(d, degree)
    wanted = np.polynomial.Polynomial(coefficients)(0.25 * q @ k)
    assert (weights * features(q)) @ features(k) == pytest.approx(wanted)
    every = [math.prod(x) for power in range(degree + 1)
             for x in itertools.combinations_with_replacement(q, power)]
    np.testing.assert_allclose(np.sort(features(q)), np.sort(every))


def test_works():
    """Every target is measured in every mode, and its contender takes part."""
    for mode in works.LENGTHS:
        by_name = {work.name: work for work in works.works(mode)}
        for target in works.TARGETS:
            assert target.against in works.contenders(by_name[target.work],
                                                      mode)
    assert works.selected("d8/n1024", None)
    assert works.selected("d8/n1024", ["d16", "d8/*"])
    assert not works.selected("d8/n1024", ["d16", "memory"])


def row(contender, ms, **more):
    return {"work": "d8/n1024", "family": "d8", "n": 1024, "degree": None,
            "contender": contender, "ms_best": ms, "ms_median": 2 * ms,
            "calls": 3, "gflops": 50.0, "peak_gflops": 100.0, "of_peak": 0.5,
            **more}


def test_table():
    rows = [row("features", 2.0), row("torch", 20.0, difference=1e-6),
            {"work": "d8/n1024", "family": "d8", "n": 1024,
             "contender": "jax-attention", "skipped": "no memory"}]
    before = {**row("torch", 5.0), "n": 512, "work": "d8/n512"}
    bench.add_relations(rows)
    bench.add_growth([*rows, before])
    assert rows[1]["times_ours"] == 10 and rows[1]["growth"] == 2
    assert "growth" not in before and "growth" not in rows[0]
    assert table.line(rows[1]).split() == [
        "d8/n1024", "PyTorch", "SDPA", "-", "20.000", "40.000", "3", "50.0",
        "100.0", "0.500", "-", "2.00", "10.00", "10.00", "1.0e-06"]
    assert len(table.line(rows[1])) == len(table.head())
    assert table.line(rows[2]).endswith("JAX attention  skipped: no memory")


def test_verdicts():
    rows = [row("features", 2.0), row("torch", 20.0)]
    bench.add_relations(rows)
    results = {"rows": rows, "memory": {
        "work": "d16/n131072", "peak_bytes": 7e6, "limit_bytes": 8e6}}
    words = [line.split() for line in table.verdicts(results)]
    assert [line[-1] for line in words] == ["met", "MISSED", "met"]
    assert words[0][:5] == ["d8/n1024", "against", "PyTorch", "SDPA", "(median"]
    assert words[1][-3:-1] == ["0.50", "0.6"]
    rows[1].update(times_ours=7.9)
    assert next(table.verdicts(results)).endswith("MISSED")


def test_update():
    """New rows of a work take the place of all its old ones."""
    old = [row("features", 9.0), row("torch", 9.0),
           {**row("torch", 3.0), "n": 512, "work": "d8/n512"}]
    assert bench.merged(old, [row("features", 1.0)]) == [
        old[2], row("features", 1.0)]


def test_wrong_answers():
    """Only what has to fail a run does; nan is a difference."""
    rows = [row("openblas", 1.0, difference=1e-6),
            row("exact", 1.0, difference=1e-2),
            {"work": "w", "contender": "torch", "skipped": "no memory"}]
    assert list(bench.wrong(rows)) == []
    for bad in (row("torch", 1.0, difference=1.0),
                row("torch", 1.0, difference=math.nan),
                {"work": "w", "contender": "features", "skipped": "status 4"}):
        assert len(list(bench.wrong([*rows, bad]))) == 1


def test_turns(monkeypatch):
    """In order, round by round; who has used up its time sits out after two
    turns, who fails is out."""
    monkeypatch.setattr(turns, "PAUSE", 0)
    order = []

    def player(name, seconds):
        def time_for(budget):
            order.append(name)
            if seconds is None and order.count(name) == 2:
                raise turns.Skipped("dead")
            return [seconds or budget]
        return time_for

    found = turns.take_turns({"a": player("a", 0.1), "b": player("b", 9.0),
                              "c": player("c", None)}, 3, 0.5, 4.0)
    assert order == ["a", "b", "c", "a", "b", "c", "a"]
    assert found["a"] == [0.1] * 3 and found["b"] == [9.0] * 2
    assert str(found["c"]) == "dead"


def test_libraries():
    assert kernels.only_allowed(["libc.so.6", "libm.so.6", "libomp.so.5"])
    assert not kernels.only_allowed(["libc.so.6", "libstdc++.so.6"])
