"""The C entry points themselves, called without ropegrad-run."""
import ctypes
import json
import os

import numpy as np
import pytest
import reference
from harness import compile_kernel

pytestmark = pytest.mark.skipif(
    "ROPEGRAD_TEST_CC" in os.environ,
    reason="Python has no sanitizer's runtime: it cannot load such kernels")

OK, RADIUS_EXCEEDED, TOO_SMALL, NULL, NOT_FINITE, MISALIGNED = 0, 1, 2, 3, 4, 6


class Kernel:
    """K.so through its packed entry points; arrays by name."""

    def __init__(self, path):
        self.library = ctypes.CDLL(str(path))
        text = ctypes.c_char.in_dll(self.library, "K_manifest")
        manifest = json.loads(ctypes.string_at(ctypes.addressof(text)))
        self.functions = {f["symbol"]: f for f in manifest["functions"]}

    def call(self, symbol, arrays, missing=(), shrink=0, shift=0):
        """Returns the status and all arrays of the function."""
        info = self.functions[symbol]
        values = {a["name"]: np.ascontiguousarray(
            arrays.get(a["name"], np.full(a["shape"], np.nan)), np.float32)
            for a in info["args"]}
        pointers = (ctypes.c_void_p * len(values))(*(
            None if name in missing else value.ctypes.data
            for name, value in values.items()))
        size = info["workspace_bytes"]
        raw = np.zeros(size + 128, np.uint8)
        start = raw.ctypes.data + (-raw.ctypes.data) % 64 + shift
        function = self.library[info["packed"]]
        function.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t,
                             ctypes.c_int)
        return function(pointers, start, size - shrink, 1), values


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernel")
    problem, arrays = reference.make_problem(
        61, 4, entry="attention", heads=4, kv_heads=2, seed=2, radius=.5,
        tolerance=1e-2)
    reference.save(folder / "in", problem, arrays)
    return Kernel(compile_kernel(folder, "--route", "features")), arrays


def test_forward_pass_and_gradient_share_a_polynomial(made):
    kernel, arrays = made
    status, forward = kernel.call("K_forward", arrays)
    assert status == OK
    status, gradient = kernel.call("K_gradient", arrays)
    assert status == OK
    assert np.array_equal(forward["O"], gradient["O"])
    assert forward["radius_found"] == gradient["radius_found"]


def test_calls_repeat_bit_for_bit(made):
    kernel, arrays = made
    _, first = kernel.call("K_gradient", arrays)
    _, second = kernel.call("K_gradient", arrays)
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_bad_calls_have_a_status_each(made):
    kernel, arrays = made
    assert kernel.call("K_gradient", arrays, missing=("K",))[0] == NULL
    assert kernel.call("K_gradient", arrays, missing=("dQ",))[0] == NULL
    assert kernel.call("K_gradient", arrays, shrink=1)[0] == TOO_SMALL
    assert kernel.call("K_gradient", arrays, shift=4)[0] == MISALIGNED
    status, got = kernel.call("K_gradient", arrays | {"Q": 4 * arrays["Q"]})
    assert status == RADIUS_EXCEEDED
    assert got["radius_found"] > .5
    status, _ = kernel.call("K_gradient", arrays | {"Q": np.nan * arrays["Q"]})
    assert status == RADIUS_EXCEEDED
    status, _ = kernel.call("K_gradient", arrays | {"dO": np.inf * arrays["dO"]})
    assert status == NOT_FINITE
