"""Compiles MLIR text to a shared library: ropegrad-opt, then LLVM's tools.

What ropegrad-compile makes is a kernel of one attention problem; what the
dialect can say beyond it is tested from its own text, as a user of
ropegrad-opt would compile it.
"""
import ctypes
import os
import shlex
import subprocess

import harness
import numpy as np

LLVM = os.environ.get("ROPEGRAD_LLVM", "/usr/lib/llvm-22/bin")
LINKER = shlex.split(os.environ.get("ROPEGRAD_TEST_CC", "cc"))
CPUS = {128: "x86-64", 256: "x86-64-v3", 512: "x86-64-v4"}
ALIGNMENT = 64
# From level 4 to the LLVM dialect, as the pipeline ends.
TO_LLVM = ["--canonicalize", "--cse", "--expand-strided-metadata",
           "--lower-affine", "--convert-vector-to-scf", "--convert-scf-to-cf",
           "--convert-vector-to-llvm", "--convert-to-llvm",
           "--reconcile-unrealized-casts", "--canonicalize", "--cse"]


def widths():
    """Vector widths in bits that this machine can run."""
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        flags = next(line for line in info if line.startswith("flags")).split()
    needs = {128: set(), 256: {"avx2", "fma", "f16c"},
             512: {"avx512f", "avx512vl", "avx512dq", "avx512bw"}}
    return [bits for bits in CPUS if needs[bits] <= set(flags)]


def pipe(command, text):
    """Runs a command that has to succeed on `text`."""
    done = subprocess.run(command, input=text, capture_output=True,
                          timeout=harness.SECONDS)
    assert done.returncode == 0, (command[0], done.stderr.decode()[-2000:])
    return done.stdout


def opt(text, *flags):
    """What ropegrad-opt makes of a module."""
    tool = os.path.join(harness.BIN, "ropegrad-opt")
    return pipe([tool, *flags], text.encode()).decode()


def build(folder, text, bits, name="K.so"):
    """A module in the LLVM dialect as a loaded shared library."""
    tool = lambda name: os.path.join(LLVM, name)
    code = pipe([tool("mlir-translate"), "--mlir-to-llvmir"], text.encode())
    code = pipe([tool("opt"), "-passes=default<O3>", f"-mcpu={CPUS[bits]}"],
                code)
    code = pipe([tool("llc"), "-O3", f"-mcpu={CPUS[bits]}",
                 "--fp-contract=fast", "--relocation-model=pic",
                 "--filetype=obj"], code)
    object_file = os.path.join(folder, name + ".o")
    with open(object_file, "wb") as file:
        file.write(code)
    library = os.path.join(folder, name)
    subprocess.run([*LINKER, "-shared", object_file, "-o", library,
                    "-l:libomp.so.5", "-lm"], check=True)
    return ctypes.CDLL(library)


def aligned(shape, dtype):
    """Zeros that start at a multiple of 64 bytes."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.zeros(size + ALIGNMENT, np.uint8)
    start = -room.ctypes.data % ALIGNMENT
    return room[start:start + size].view(dtype).reshape(shape)


def call(function, *arguments):
    """Calls a function of pointers (arrays), int32 (int) and what ctypes has."""
    kinds = {np.ndarray: lambda a: ctypes.c_void_p(a.ctypes.data),
             int: ctypes.c_int32}
    function(*[kinds.get(type(a), lambda a: a)(a) for a in arguments])
