"""Compiles functions at level 2 or 3 and calls them, beside the tools: what no
problem poses alone can be compared with NumPy too."""
import ctypes
import os
import subprocess

import numpy as np
from harness import succeed

LLVM = "/usr/lib/llvm-22/bin"
ELEMENTS = {"f32": np.float32, "f64": np.float64}


def compile_fragment(folder, text, bits=512):
    """The function @f of `text`, which has all sizes in its types; calls take
    arrays of its arguments, then of its results, which they fill."""
    source = os.path.join(folder, "f.mlir")
    with open(source, "w") as file:
        file.write(text)
    lowered, code, library = (os.path.join(folder, f"f.{suffix}")
                              for suffix in ("llvm.mlir", "ll", "so"))
    module = succeed("ropegrad-opt", source, f"--ropegrad-pipeline=vector-bits={bits}")
    with open(lowered, "w") as file:
        file.write(module)
    for command in (
            [f"{LLVM}/mlir-translate", "--mlir-to-llvmir", lowered, "-o", code],
            [f"{LLVM}/clang", "-O2", "-march=native", "-w", "-shared", "-fPIC",
             code, "-o", library, "-lm", "-l:libomp.so.5"]):
        subprocess.run(command, check=True, capture_output=True, text=True)
    function = ctypes.CDLL(library).f

    def call(*arrays, threads=1):
        workspace = np.zeros(1 << 24, np.uint8)
        aligned = workspace.ctypes.data + -workspace.ctypes.data % 64
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in arrays]
        return function(*pointers, ctypes.c_int32(threads),
                        ctypes.c_void_p(aligned))
    return call
