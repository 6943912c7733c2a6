"""RopeGrad's own kernels, called in process through their C interface."""
import ctypes
import json
import os

import numpy as np

from worker import Prepared

DTYPES = {"f32": np.float32, "f64": np.float64, "f16": np.float16,
          "bf16": np.uint16}

RADIUS_EXCEEDED = 1         # a status of the C interface
FAR_BEYOND = 100            # times the keys that a kernel is compiled for


def aligned(shape, dtype):
    """An array of zeros, aligned to 64 bytes."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.zeros(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start:start + size].view(dtype).reshape(shape)


def to_bf16(x):
    """The bits of finite numbers, rounded to the nearest even."""
    bits = x.astype(np.float32).view(np.uint32)
    return ((bits + 0x7fff + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def from_bf16(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def gradient_of(library):
    """The manifest's entry of the function that does forward and gradient."""
    with open(os.path.splitext(library)[0] + ".json") as file:
        manifest = json.load(file)
    wanted = manifest["name"] + "_gradient"
    return next(function for function in manifest["functions"]
                if function["symbol"] == wanted)


def bind(library, function, arrays, threads, status=0):
    """The kernel's function with its arguments: (call, outputs, facts). A call
    has to return the status given."""
    code = ctypes.CDLL(os.path.abspath(library))
    everything = {}
    for arg in function["args"]:
        array = aligned(arg["shape"], DTYPES[arg["dtype"]])
        if arg["role"] == "in":
            value = arrays[arg["name"]]
            array[...] = to_bf16(value) if arg["dtype"] == "bf16" else value
        everything[arg["name"]] = array
    query = getattr(code, function["symbol"] + "_workspace_bytes")
    query.restype = ctypes.c_size_t
    workspace = aligned((query(ctypes.c_int(threads)),), np.uint8)
    entry = getattr(code, function["symbol"])
    arguments = [ctypes.c_void_p(array.ctypes.data)
                 for array in (*everything.values(), workspace)]
    arguments += [ctypes.c_size_t(workspace.size), ctypes.c_int(threads)]

    def call():
        found = entry(*arguments)
        if found != status:
            raise RuntimeError(f"expected status {status}, but got {found}")

    # The arguments are addresses: the closure is what keeps the memory alive.
    call.memory = (everything, workspace)
    outputs = {arg["name"]: everything[arg["name"]]
               for arg in function["args"] if arg["role"] == "out"}
    facts = {"workspace_bytes": workspace.size, "array_bytes": sum(
        everything[arg["name"]].nbytes for arg in function["args"])}
    return call, outputs, facts


def prepare(job, arrays):
    function = gradient_of(job["kernel"])
    if job.get("refused"):
        arrays = {**arrays, "K": FAR_BEYOND * arrays["K"]}
    call, outputs, facts = bind(
        job["kernel"], function, arrays, job["threads"],
        RADIUS_EXCEEDED if job.get("refused") else 0)
    stored = {arg["name"] for arg in function["args"]
              if arg["dtype"] == "bf16"}
    return Prepared(call, lambda: {
        name: from_bf16(value) if name in stored else value
        for name, value in outputs.items()}, facts)


def versions():
    return {}
