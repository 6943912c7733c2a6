"""Which tests a run takes: about one in N of the sweeps, and part K of N."""
import os
import subprocess
import sys

import pytest
from conftest import is_chosen
from harness import ROOT


class Item:
    """What the choice looks at."""

    def __init__(self, number):
        self.nodeid = f"test/e2e/test_it.py::test_it[{number}]"
        self.is_sweep = number % 3 > 0

    def get_closest_marker(self, name):
        assert name == "sweep"
        return self.is_sweep


ITEMS = [Item(number) for number in range(3000)]


@pytest.mark.parametrize("one_in, parts", [(1, 1), (1, 16), (4, 3), (8, 5)])
def test_every_case_is_in_one_part(one_in, parts):
    chosen = [[item for item in ITEMS if is_chosen(item, one_in, part, parts)]
              for part in range(parts)]
    together = [item for items in chosen for item in items]
    assert len(together) == len(set(together))
    assert set(together) == {item for item in ITEMS
                             if is_chosen(item, one_in, 0, 1)}
    assert set(together) >= {item for item in ITEMS if not item.is_sweep}
    for of_sweeps, share in ((False, 1000 / parts),
                             (True, 2000 / parts / one_in)):
        for items in chosen:
            count = sum(item.is_sweep == of_sweeps for item in items)
            assert 0.6 * share <= count <= 1.5 * share


@pytest.mark.parametrize("part", ["3/3", "-1/2", "1", "1/0", "a/b"])
def test_a_part_that_is_none(part):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider",
         f"--part={part}", os.path.join("test", "e2e", "test_reference.py")],
        cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"got '{part}'" in done.stdout + done.stderr
