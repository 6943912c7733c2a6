"""The features route by OpenBLAS on stored monomials: features_openblas.c."""
import ctypes
import os
import subprocess
import tempfile

import feature_map
import numpy as np
import scipy_openblas32
from worker import Prepared

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                      "features_openblas.c")
LONGS = ("heads", "n", "d", "degree", "features")
POINTERS = ("weights", "prefix", "Q", "K", "V", "dO", "O", "dQ", "dK", "dV",
            "scratch")


class Problem(ctypes.Structure):
    """struct features_problem."""
    _fields_ = ([(name, ctypes.c_long) for name in LONGS]
                + [(name, ctypes.c_void_p) for name in POINTERS])


def build():
    """Compiles the C file against OpenBLAS and loads the result."""
    headers = scipy_openblas32.get_include_dir()
    libraries = scipy_openblas32.get_lib_dir()
    with tempfile.TemporaryDirectory() as folder:
        made = os.path.join(folder, "features.so")
        subprocess.run(
            ["clang-22", "-std=c11", "-O3", "-march=native", "-ffast-math",
             "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread",
             # The symbols of this build of OpenBLAS begin with scipy_.
             *(f"-D{name}=scipy_{name}" for name in
               ("cblas_sgemm", "openblas_set_num_threads")),
             "-isystem", headers, SOURCE, "-o", made, f"-L{libraries}",
             f"-l{scipy_openblas32.get_library()}", f"-Wl,-rpath,{libraries}"],
            check=True)
        return ctypes.CDLL(made)


LIBRARY = build()


def prepare(job, arrays):
    degree = len(job["coefficients"]) - 1
    everything = dict(arrays)
    everything["weights"] = feature_map.weights(
        job["d"], job["coefficients"], job["scale"]).astype(np.float32)
    everything["prefix"] = np.array(
        [feature_map.prefix_lengths(job["d"], k) for k in range(degree)],
        np.int64)
    outputs = {name: np.zeros_like(arrays["Q"])
               for name in ("O", "dQ", "dK", "dV")}
    everything.update(outputs)
    problem = Problem(job["heads"], job["n"], job["d"], degree,
                      everything["weights"].size)
    LIBRARY.features_scratch.restype = ctypes.c_long
    floats = LIBRARY.features_scratch(ctypes.byref(problem))
    everything["scratch"] = np.zeros(job["heads"] * floats, np.float32)
    for name in POINTERS:
        setattr(problem, name, everything[name].ctypes.data)

    def call():
        if LIBRARY.features_gradient(ctypes.byref(problem), job["threads"]):
            raise RuntimeError("expected a thread, but none could be started")

    call.memory = everything    # the problem holds addresses only
    return Prepared(call, lambda: outputs,
                    {"workspace_bytes": everything["scratch"].nbytes})


def versions():
    config = LIBRARY.scipy_openblas_get_config
    config.restype = ctypes.c_char_p
    return {"openblas": config().decode().strip()}
