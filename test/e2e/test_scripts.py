"""The scripts that users run: demo and bench work and judge by themselves."""
import json
import os
import subprocess
import sys

import pytest
from harness import BIN, ROOT

RELEASE = os.path.join(ROOT, "build", "bin")
pytestmark = pytest.mark.skipif(
    os.path.realpath(BIN) != os.path.realpath(RELEASE),
    reason="speed means nothing in a debug or sanitizer build")


def python(*arguments):
    return subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT,
                          capture_output=True, text=True)


def test_bench(tmp_path):
    out = tmp_path / "bench.json"
    done = python("bench/bench.py", "--problem", "512,4,0.5,1e-2", "--repeat",
                  2, "--threads", 1, "--json", out)
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text())["rows"]
    assert [row["route"] for row in rows] == ["features", "exact"]
    # On a busy machine the peak beside a row may be below it.
    assert all(row["of_peak"] == row["gflops"] / row["peak_gflops"] > 0
               for row in rows)


def test_demo():
    done = python("examples/demo.py", "--repeat", 1)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line[46:].split() for line in done.stdout.splitlines()[1:6]]
    assert [row[0] for row in rows] == ["exact", "exact", "features", "exact",
                                        "features"]
    assert "MISSED" not in done.stdout
