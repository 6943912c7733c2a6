"""The paper's gradient with respect to X on the routes scan and fft."""
import numpy as np
import pytest
import reference
from cases import name, pairwise
from harness import assert_answers, run_kernel, solve_with_tools
from test_entry_points import Kernel, pytestmark as loads_kernels
from test_prepared import cut

# (d, radius, tolerance) of which monomials are few.
AXES = {"n": (1, 2, 3, 17, 61, 130, 300),
        "bounds": ((2, .5, 1e-3), (4, .5, 1e-2), (4, .25, 1e-1)),
        "channels": (0, 3), "dtype": ("f32", "f64"),
        "layout": ("interleaved", "half"),
        "kind": (("scan", "rotary", dict(mask="causal")),
                 ("scan", "rotary", dict(mask="window", window=150, alibi=.02)),
                 ("scan", "none", dict(alibi=.05)),
                 ("fft", "rotary", dict(bias=True)),
                 ("fft", "none", dict(mask="causal", bias=True)),
                 ("fft", "general", dict()),
                 ("fft", "general", dict(mask="causal", bias=True)))}


def pose(case, seed):
    d, radius, tolerance = case["bounds"]
    _, position, flags = case["kind"]
    problem, arrays = reference.make_problem(
        case["n"], d, channels=case["channels"], position=position,
        layout=case["layout"], dtype=case["dtype"], bound=4, radius=radius,
        tolerance=tolerance, seed=seed, **flags)
    if position == "general":
        arrays["W"] /= 2    # ‖W_t‖₂ ≤ 1
    problem["wrt"] = ["X1", "X"]
    return problem, arrays


def allowed(case):
    return case["layout"] == "interleaved" or case["kind"][1] == "rotary"


CASES = pairwise(AXES, allowed, 9)[::2]


@pytest.mark.sweep
@pytest.mark.parametrize("case", CASES, ids=[
    name(case | {"kind": case["kind"][:2]}) for case in CASES])
def test_gradient_of_x(case, tmp_path):
    problem, arrays = pose(case, CASES.index(case))
    report, got = solve_with_tools(tmp_path, problem, arrays, "--route",
                                   case["kind"][0])
    assert report["route"] == case["kind"][0]
    assert_answers(problem, arrays, got, 4 * problem["tolerance"])


@loads_kernels
@pytest.mark.parametrize("kind", AXES["kind"], ids=[
    "-".join([route, position, *flags]) for route, position, flags
    in AXES["kind"]])
def test_rounding_chain_rule_and_threads(kind, tmp_path):
    """A polynomial similarity, which a learned bias does not have, has no error
    but rounding. dX1 follows from dX by the chain rule, any number of threads
    gives the same bits, and a call may have fewer rows."""
    route, position, flags = kind
    exact = dict(bound=.5, similarity=(1, 1, .5))
    bounds = dict(bound=.35, radius=.2, tolerance=1e-3)
    limit = 4e-3 if "bias" in flags else 3e-5
    problem, arrays = reference.make_problem(
        300, 4, channels=3, position=position, seed=4,
        **(bounds if "bias" in flags else exact), **flags)
    if position == "general":
        arrays["W"] /= 2
    problem["wrt"] = ["X1", "X"]
    _, got = solve_with_tools(tmp_path, problem, arrays, "--route", route)
    _, sizes = assert_answers(problem, arrays, got, limit)
    G = got["dX"].astype(float).reshape(3, 3, -1)
    dX1 = np.zeros(got["dX1"].shape)
    for column, (c, e) in enumerate(reference.support_of(problem)):
        dX1[:, c] += G[:, :, column] @ arrays["X2"][:, e]
    assert np.linalg.norm(dX1 - got["dX1"]) <= 1e-4 * sizes["dX1"]
    for threads in (1, 3):
        _, again = run_kernel(tmp_path, str(tmp_path / "K.so"), "--threads",
                              threads)
        assert all((got[k] == again[k]).all() for k in got)
    fewer = cut(arrays, 300, 177)
    got = Kernel(tmp_path / "K.so").outputs("loss_gradient", fewer,
                                            sizes=(1, 177))
    got.pop("radius_found", None)
    assert_answers(problem | {"n": 177}, fewer, got, limit)
