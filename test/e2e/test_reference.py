"""The reference itself: against finite differences and its own identities."""
import numpy as np
import pytest
import reference

PROBLEMS = {
    "rotary": dict(),
    "half-causal": dict(layout="half", mask="causal"),
    "window-alibi": dict(mask="window", window=4, alibi=.3),
    "general-bias": dict(position="general", bias=True, channels=3),
    "none-polynomial": dict(position="none", similarity=(1, 1, .5)),
    "rotary-cubic-causal": dict(similarity=(1, .5, .25, .05), mask="causal"),
}


def pose(options):
    problem, arrays = reference.make_problem(9, 4, seed=1, bound=2, **options)
    problem["wrt"] = ["X"]
    return problem, arrays


@pytest.mark.parametrize("options", PROBLEMS.values(), ids=PROBLEMS)
def test_gradients_are_derivatives(options):
    """A central difference of the loss along a random direction."""
    problem, arrays = pose(options)
    answers, _ = reference.solve(problem, arrays)
    rng = np.random.default_rng(2)
    variables = [k for k in arrays if "d" + k in answers]
    assert {"A1", "A2", "A3", "X1", "X2", "Y"} <= set(variables)
    for variable in variables:
        step = rng.normal(size=arrays[variable].shape)
        up, down = (float(reference.solve(
            problem, arrays | {variable: arrays[variable] + h * step},
            sizes=False)[0]["loss"]) for h in (1e-5, -1e-5))
        want = (answers["d" + variable] * step).sum()
        assert (up - down) / 2e-5 == pytest.approx(want, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("options", PROBLEMS.values(), ids=PROBLEMS)
def test_chain_rule_of_the_gradient_in_x(options):
    """dX1[a,c] = sum_be G[(a,b),(c,e)] X2[b,e], and dX2 alike."""
    problem, arrays = pose(options)
    answers, _ = reference.solve(problem, arrays)
    channels, d = arrays["X1"].shape
    G = answers["dX"].reshape(channels, channels, -1)
    dX1, dX2 = np.zeros((channels, d)), np.zeros((channels, d))
    for column, (c, e) in enumerate(reference.support_of(problem)):
        dX1[:, c] += G[:, :, column] @ arrays["X2"][:, e]
        dX2[:, e] += G[:, :, column].T @ arrays["X1"][:, c]
    np.testing.assert_allclose(dX1, answers["dX1"], atol=1e-12)
    np.testing.assert_allclose(dX2, answers["dX2"], atol=1e-12)


@pytest.mark.parametrize("layout", ("interleaved", "half"))
def test_rotary_is_general_with_its_table(layout):
    """Rotated rows and W_{i-j} entry by entry give the same."""
    problem, arrays = reference.make_problem(17, 6, layout=layout, seed=3)
    table = reference.position_table(problem)
    as_general = problem | {"position": "general",
                            "support": reference.support_of(problem)}
    want, sizes = reference.solve(problem, arrays)
    got, other_sizes = reference.solve(as_general, arrays | {"W": table})
    assert max(reference.errors(want, sizes, got).values()) < 1e-12
    assert all(sizes[k] == pytest.approx(other_sizes[k]) for k in sizes)


def test_blocks_change_nothing(monkeypatch):
    problem, arrays = pose(PROBLEMS["general-bias"])
    want, sizes = reference.solve(problem, arrays)
    monkeypatch.setattr(reference, "BLOCK", 20)
    got, _ = reference.solve(problem, arrays)
    assert max(reference.errors(want, sizes, got).values()) < 1e-13


def test_errors_see_a_wrong_missing_or_misshapen_answer():
    want = {"O": np.ones((2, 2)), "dQ": np.ones(3), "dK": np.ones(3)}
    got = {"O": np.ones((2, 2)) * 1.5, "dQ": np.ones((3, 1))}
    found = reference.errors(want, dict.fromkeys(want, 1.0), got)
    assert found["O"] == pytest.approx(.5)
    assert found["dQ"] == found["dK"] == np.inf


def test_radius_is_met():
    for entry in reference.INPUTS:
        problem, arrays = reference.make_problem(40, 8, entry=entry, bound=9,
                                                 radius=.5, seed=4)
        reference.solve(problem, arrays)
        assert .01 < problem["logit_bound"] <= .5 * (1 + 2 ** -10)


def test_files_hold_the_same_problem(tmp_path):
    problem, arrays = reference.make_problem(5, 4, bias=True, seed=5)
    reference.save(tmp_path, problem, arrays)
    read, read_arrays = reference.load(tmp_path)
    assert read == problem and set(read_arrays) == set(arrays)
    assert all((read_arrays[k] == arrays[k]).all() for k in arrays)
