"""The real sample that the project carries, as it is and without its mask."""
import json
import os

import pytest
import reference
from harness import ROOT, assert_answers, solve_with_tools, succeed

SAMPLE = os.path.join(ROOT, "test", "data", "bounded-head")


def test_as_it_is_exactly(tmp_path):
    problem, arrays = reference.load(SAMPLE)
    report, got = solve_with_tools(tmp_path, problem, arrays)
    assert report["route"] == "exact"
    assert_answers(problem, arrays, got, 1e-5)


@pytest.mark.parametrize("route,limit", (("exact", 1e-5), ("features", 4e-2)))
def test_without_mask(route, limit, tmp_path):
    problem, arrays = reference.load(SAMPLE)
    problem |= {"mask": "none", "tolerance": 1e-2}
    report, got = solve_with_tools(tmp_path, problem, arrays, "--route", route)
    assert (report["status"], report["route"]) == ("ok", route)
    assert_answers(problem, arrays, got, limit)


def test_plan_says_why(tmp_path):
    """Without a tolerance only exact is possible, and the plan says so."""
    plan = json.loads(succeed("ropegrad-compile",
                              os.path.join(SAMPLE, "problem.json"), "--plan"))
    assert plan["route"] == "exact"
    for alternative in plan["alternatives"]:
        assert alternative["route"] == "exact" or not alternative["admissible"]
        assert alternative["reason"]
