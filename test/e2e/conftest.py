"""Options and paths of the end-to-end tests."""
import os
import re
import sys
import zlib

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import harness  # noqa: E402, from the folder that is on the path now


def pytest_addoption(parser):
    parser.addoption("--one-in", type=int, default=1, metavar="N",
                     help="of the cases of the sweeps run about one in N (1)")
    parser.addoption("--part", default="0/1", metavar="K/N",
                     help="cut into N parts of about one size, run part K: 0 to "
                          "N-1 (0/1)")
    parser.addoption("--cases", type=int, default=2400,
                     help="random calls of test_soak.py, over all kernels")
    parser.addoption("--seed", type=int, default=1,
                     help="of the random calls of test_soak.py")
    parser.addoption("--kernel-cpu", metavar="NAME",
                     help="compile kernels for this cpu (native)")
    parser.addoption("--kernel-threads", metavar="T",
                     help="call kernels on so many threads (all)")


class FailuresAtOnce:
    """Names failed tests when they fail: a run may be cut before its end."""

    def __init__(self, config):
        self.config = config

    def pytest_runtest_logreport(self, report):
        if report.failed:
            reporter = self.config.pluginmanager.get_plugin("terminalreporter")
            reporter.write_line(f" FAILED {report.nodeid}")


def pytest_configure(config):
    # A sanitizer's runtime is for kernels in this process: tools have their own,
    # and do not leak.
    if hasattr(config, "workerinput") or not config.getoption("numprocesses"):
        os.environ.pop("LD_PRELOAD", None)
        if "ASAN_OPTIONS" in os.environ:
            options = os.environ["ASAN_OPTIONS"]
            os.environ["ASAN_OPTIONS"] = options.replace(":detect_leaks=0", "")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(FailuresAtOnce(config))
    config.addinivalue_line("markers", "sweep: one case of many like it")
    harness.KERNEL_CPU = config.getoption("--kernel-cpu")
    harness.KERNEL_THREADS = config.getoption("--kernel-threads")


def is_chosen(item, one_in, part, parts):
    """About one in so many of a sweep, and of all this the part asked for; both
    without regard to the order of parameters."""
    number = zlib.crc32(item.nodeid.encode())
    is_sweep = item.get_closest_marker("sweep")
    return not (is_sweep and number % one_in) and number // one_in % parts == part


def part_asked_for(config):
    text = config.getoption("--part")
    found = re.fullmatch(r"(\d+)/([1-9]\d*)", text)
    if not found or int(found[1]) >= int(found[2]):
        raise pytest.UsageError("expected a part K/N with K from 0 to N-1, but "
                                f"got '{text}'")
    return int(found[1]), int(found[2])


def pytest_collection_modifyitems(config, items):
    one_in = config.getoption("--one-in")
    part, parts = part_asked_for(config)
    dropped = {item for item in items
               if not is_chosen(item, one_in, part, parts)}
    config.hook.pytest_deselected(items=list(dropped))
    items[:] = [item for item in items if item not in dropped]
