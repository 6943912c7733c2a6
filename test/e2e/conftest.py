"""Options and paths of the end-to-end tests."""
import os
import sys
import zlib

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import harness  # noqa: E402, from the folder that is on the path now


def pytest_addoption(parser):
    parser.addoption("--one-in", type=int, default=1, metavar="N",
                     help="of the cases of the sweeps run about one in N (1)")
    parser.addoption("--cases", type=int, default=2400,
                     help="random calls of test_soak.py, over all kernels")
    parser.addoption("--seed", type=int, default=1,
                     help="of the random calls of test_soak.py")
    parser.addoption("--kernel-cpu", metavar="NAME",
                     help="compile kernels for this cpu (native)")
    parser.addoption("--kernel-threads", metavar="T",
                     help="call kernels on so many threads (all)")


def pytest_configure(config):
    config.addinivalue_line("markers", "sweep: one case of many like it")
    harness.KERNEL_CPU = config.getoption("--kernel-cpu")
    harness.KERNEL_THREADS = config.getoption("--kernel-threads")


def is_chosen(name, one_in):
    """About one in so many, without regard to the order of parameters."""
    return zlib.crc32(name.encode()) % one_in == 0


def pytest_collection_modifyitems(config, items):
    one_in = config.getoption("--one-in")
    dropped = {item for item in items if item.get_closest_marker("sweep")
               and not is_chosen(item.nodeid, one_in)}
    config.hook.pytest_deselected(items=list(dropped))
    items[:] = [item for item in items if item not in dropped]
