"""The C entry points themselves, called without ropegrad-run."""
import ctypes
import json
import os
import subprocess

import numpy as np
import pytest
import reference
from harness import asked_for, compile_kernel

pytestmark = pytest.mark.skipif(
    "ROPEGRAD_TEST_CC" in os.environ
    and not any(hasattr(ctypes.CDLL(None), "__%s_init" % sanitizer)
                for sanitizer in ("asan", "tsan")),
    reason="Python has no sanitizer's runtime: it cannot load such kernels")

(OK, RADIUS_EXCEEDED, TOO_SMALL, NULL, NOT_FINITE, NOT_POSITIVE, MISALIGNED,
 SIZES) = range(8)
ROW_SUM_TOO_SMALL = 13
GUARD = -12345.     # what stands around every array
DTYPES = {"f32": np.float32, "f64": np.float64, "f16": np.float16,
          "bf16": np.uint16}    # the bits: NumPy has no such type


class Sizes(ctypes.Structure):
    _fields_ = [("batch", ctypes.c_int64), ("n", ctypes.c_int64),
                ("strides", ctypes.POINTER(ctypes.c_int64))]


def strides_of(layout, heads, n, d):
    """Strides (batch, head, row) in elements of an array (batch, heads, n, d).
    """
    if layout in ("bhnd", "default"):   # default: not given to the kernel
        return heads * n * d, n * d, d
    if layout == "bnhd":
        return n * heads * d, d, heads * d
    row = d + 3     # "padded": gaps after each row, head and batch entry
    head = n * row + 5
    return heads * head + 2, head, row


def to_memory(value, dtype):
    """What an array of this dtype is in memory."""
    if dtype != "bf16":
        return np.asarray(value, DTYPES[dtype])
    bits = np.asarray(value, np.float32).view(np.uint32)
    return (bits >> 16).astype(np.uint16)


def from_memory(value, dtype):
    """A copy that NumPy computes with."""
    if dtype != "bf16":
        return value.copy()
    return (value.astype(np.uint32) << 16).view(np.float32)


class Placed:
    """An array in memory between guards; rows of 4-D arrays by `layout`."""

    def __init__(self, shape, dtype, layout):
        self.dtype, self.strides = dtype, ()
        steps = [int(np.prod(shape[i + 1:])) for i in range(len(shape))]
        if len(shape) == 4:
            self.strides = strides_of(layout, *shape[1:])
            steps = [*self.strides, 1]
        width = np.dtype(DTYPES[dtype]).itemsize
        first = 64 // width + 1     # aligned to elements, no more
        size = 2 * first + (shape[0] * steps[0] if shape else 1)
        self.guard = to_memory(GUARD, dtype)
        self.flat = np.full(size, self.guard)
        self.value = np.lib.stride_tricks.as_strided(
            self.flat[first:], shape, [s * width for s in steps])
        self.value[...] = to_memory(np.nan, dtype)
        inside = np.zeros(size, bool)
        np.lib.stride_tricks.as_strided(inside[first:], shape, steps)[...] = 1
        self.outside = ~inside

    def is_guarded(self):
        return (self.flat[self.outside] == self.guard).all()


class Bytes:
    """Bytes between guards, behind an address that is a multiple of 64, plus
    shift."""
    strides = ()

    def __init__(self, size, shift=0):
        self.flat = np.full(size + 192, 0xA5, np.uint8)
        self.first = (-self.flat.ctypes.data) % 64 + 64 + shift
        self.value = self.flat[self.first:self.first + size]

    def is_guarded(self):
        end = self.first + len(self.value)
        return ((self.flat[:self.first] == 0xA5).all()
                and (self.flat[end:] == 0xA5).all())


class Kernel:
    """K.so by its C functions; arrays by name."""

    def __init__(self, path, mode=ctypes.RTLD_LOCAL):
        self.path = path
        self.library = ctypes.CDLL(str(path), mode)
        text = ctypes.c_char.in_dll(self.library, "K_manifest")
        self.manifest = json.loads(ctypes.string_at(ctypes.addressof(text)))
        self.functions = {f["symbol"][2:]: f
                          for f in self.manifest["functions"]}

    def workspace_bytes(self, function, threads):
        query = self.library[f"K_{function}_workspace_bytes"]
        query.restype, query.argtypes = ctypes.c_size_t, [ctypes.c_int]
        return query(threads)

    def residual_bytes(self):
        query = self.library["K_residual_bytes"]
        query.restype, query.argtypes = ctypes.c_size_t, []
        return query()

    def shape(self, arg, batch, n):
        """Shape of an array in a call with these sizes."""
        shape, name = list(arg["shape"]), arg["name"].removeprefix("d")
        if len(shape) == 4:
            shape[0], shape[2] = batch, n
        elif name in ("A1", "A2", "A3", "E"):
            shape[0] = n
        elif name == "W":
            shape[0] = 2 * n - 1
        elif name == "bias":
            shape[-1] = 2 * n - 1
        elif arg["role"] == "report" and len(shape) == 2:
            shape[0] = batch    # a number for each key head
        return shape

    def read_by(self, function):
        """Names of the arrays that a function reads and must not write."""
        roles = {"in", "prepared"}
        if function in ("backward", "backward_prepared"):
            roles.add("residual")
        return {a["name"] for a in self.functions[function]["args"]
                if a["role"] in roles}

    def place(self, function, arrays, layout, batch, n):
        """Memory for all arrays of a call, by name; outputs are nan."""
        placed = {}
        for arg in self.functions[function]["args"]:
            name = arg["name"]
            if arg["role"] in ("residual", "prepared"):
                placed[name] = arrays.get(name) or Bytes(self.residual_bytes())
                continue
            own = layout
            if isinstance(layout, dict):
                own = layout.get(name, "bhnd")
            placed[name] = Placed(self.shape(arg, batch, n), arg["dtype"], own)
            if arg["role"] == "in":
                placed[name].value[...] = to_memory(arrays[name], arg["dtype"])
        return placed

    def call(self, function, arrays, threads=1, sizes=None, layout="default",
             packed=False, missing=(), shrink=0, shift=0, strides=None):
        """Returns the status and all arrays of the function, values by name.
        sizes: (batch, n), given to the _sized function; layout: of all 4-D
        arrays or of each by name; strides: instead of those of the layout;
        missing: names of arrays that are null pointers."""
        most = self.manifest["batch"], self.manifest["n"]
        good = sizes and all(1 <= s <= m for s, m in zip(sizes, most))
        placed = self.place(function, arrays, layout,
                            *(sizes if good else most))
        before = {name: p.value.copy() for name, p in placed.items()}
        pointers = [None if name in missing else p.value.ctypes.data
                    for name, p in placed.items()]
        size = self.workspace_bytes(function, threads) - shrink
        workspace = Bytes(size, shift)
        entry = self.library[f"K_{function}" + ("_packed" if packed else
                                                "_sized" if sizes else "")]
        head = [*map(ctypes.c_void_p, pointers)]
        if packed:
            head = [(ctypes.c_void_p * len(pointers))(*pointers)]
        elif sizes:
            if strides is None and layout != "default":
                strides = [s for p in placed.values() for s in p.strides]
            given = Sizes(*sizes, strides and
                          (ctypes.c_int64 * len(strides))(*strides))
            head.insert(0, None if "sizes" in missing else ctypes.byref(given))
        status = entry(*head, ctypes.c_void_p(
            None if "workspace" in missing else workspace.value.ctypes.data),
            ctypes.c_size_t(size), ctypes.c_int(threads))
        for name, p in [*placed.items(), ("the workspace", workspace)]:
            assert p.is_guarded(), f"{function} wrote beside {name}"
        for name in self.read_by(function):
            assert same(placed[name].value, before[name]), (
                f"{function} wrote to {name}")
        return status, {name: p if isinstance(p, Bytes) else
                        from_memory(p.value, p.dtype)
                        for name, p in placed.items()}

    def outputs(self, function, arrays, **how):
        """What a call that has to succeed writes: by name, outputs, reports and
        the residual."""
        status, got = self.call(function, arrays, **how)
        assert status == OK, status
        return {name: value for name, value in got.items()
                if name not in self.read_by(function)}


def same(left, right):
    """Bitwise equal, nan included."""
    return left.tobytes() == right.tobytes()


def assert_same(want, got):
    assert set(want) == set(got)
    for name in want:
        assert same(want[name], got[name]), (
            name, np.abs(want[name] - got[name]).max())


# Several chunks of rows per head, and one row in the last.
N, D = 1000, 4
ATTENTION = dict(entry="attention", batch=2, heads=4, kv_heads=2, seed=2)
EXACT, FEATURES = 3e-5, 4e-2
ROUNDING = {"bf16": 2.0 ** -8, "f16": 1e-3}  # f16: some are subnormal
PROBLEMS = {
    "features": (ATTENTION | dict(radius=.5, tolerance=1e-2), "features"),
    "polynomial": (ATTENTION | dict(similarity=(1, 1, .5)), "features"),
    "exact": (ATTENTION | dict(layout="half"), "exact"),
    "causal": (ATTENTION | dict(mask="causal", alibi=[.1, .2, .3, .4]),
               "exact"),
    "halide": (ATTENTION | dict(mask="window", window=70, alibi=.1), "exact"),
    "general": (ATTENTION | dict(
        position="general", bias=True, bias_per_head=True, mask="window",
        window=30, wrt=("Q", "K", "V", "W", "bias")), "exact"),
    "fft": (ATTENTION | dict(
        bias=True, bias_per_head=True, radius=.5, tolerance=1e-2,
        wrt=("Q", "K", "V", "bias")), "fft"),
    "fft-general": (ATTENTION | dict(
        position="general", bias=True, mask="causal", bound=.35,
        tolerance=1e-2, wrt=("Q", "K", "V", "W", "bias")), "fft"),
    "scan": (ATTENTION | dict(mask="causal", alibi=[.1, .02, .3, .004],
                              similarity=(1, 1, .5)), "scan"),
    "scan-window": (ATTENTION | dict(mask="window", window=300, alibi=.01,
                                     similarity=(1, 1, .5)), "scan"),
    "scan-alibi": (ATTENTION | dict(alibi=[.1, .02, .3, .004],
                                    similarity=(1, 1, .5)), "scan"),
    "loss-scan": (dict(channels=6, mask="causal", similarity=(1, 1, .5), wrt=(
        "X1", "X2", "Y", "A1", "A2", "A3")), "scan"),
    "loss-features": (dict(channels=6, radius=.5, tolerance=1e-2, wrt=(
        "X1", "X2", "Y", "A1", "A2", "A3")), "features"),
    "loss-exact": (dict(channels=3, bias=True, wrt=(
        "X1", "X2", "Y", "A1", "A2", "A3", "X", "bias")), "exact"),
    "f16-features": (ATTENTION | dict(radius=.5, tolerance=1e-2, dtype="f16"),
                     "features"),
    "bf16-general": (ATTENTION | dict(
        position="general", bias=True, bias_per_head=True, mask="window",
        window=30, dtype="bf16", wrt=("Q", "K", "V", "W", "bias")), "exact"),
    "f16-loss": (dict(channels=4, bias=True, dtype="f16", wrt=(
        "X1", "X2", "Y", "A1", "A2", "A3", "X", "bias")), "exact"),
}


class Made:
    """A compiled problem and its data."""

    def __init__(self, name, folder):
        flags, route = PROBLEMS[name]
        self.problem, self.arrays = reference.make_problem(N, D, **flags)
        self.limit = (FEATURES if route != "exact" and name != "polynomial"
                      else EXACT) + ROUNDING.get(self.problem["dtype"], 0)
        reference.save(folder / "in", self.problem, self.arrays)
        by = ("--exact-by", "halide") if name == "halide" else ()
        self.kernel = Kernel(compile_kernel(folder, "--route", route, *by))
        self.whole = next(f for f in ("gradient", "loss_gradient")
                          if f in self.kernel.functions)
        self.halves = [f for f in ("forward_train", "backward")
                       if f in self.kernel.functions]

    def cut(self, batch, n):
        """The problem and data of the first rows of the first entries."""
        def part(name, value):
            if value.ndim == 4:
                return value[:batch, :, :n]
            if name == "bias":
                return value[..., N - n:N + n - 1]
            if name == "W":
                return value[N - n:N + n - 1]
            return value[:n] if name in ("A1", "A2", "A3", "E") else value
        problem = self.problem | {"n": n}
        if "batch" in problem:
            problem["batch"] = batch
        return problem, {k: part(k, v) for k, v in self.arrays.items()}


@pytest.fixture(scope="module", params=PROBLEMS)
def made(request, tmp_path_factory):
    return Made(request.param, tmp_path_factory.mktemp("kernel"))


def is_attention(made):
    return made.whole == "gradient"


def train(kernel, arrays, **how):
    """What gradient() gives, by its two halves."""
    first = kernel.outputs("forward_train", arrays, **how)
    second = kernel.outputs("backward", arrays | first, **how)
    del first["residual"]
    return first | second


def test_threads_change_nothing(made):
    """Every number of threads gives the same bits, in every function."""
    kernel, arrays = made.kernel, made.arrays
    for function in kernel.functions:
        if function in made.halves:
            continue
        want = kernel.outputs(function, arrays)
        for threads in (1, 2, 3, 7):
            assert_same(want, kernel.outputs(function, arrays, threads=threads))
    if made.halves:
        want = train(kernel, arrays)
        for threads in (2, 3, 7):
            assert_same(want, train(kernel, arrays, threads=threads))


def test_all_ways_to_call_agree(made):
    kernel, arrays = made.kernel, made.arrays
    sizes = (kernel.manifest["batch"], N)
    want = kernel.outputs(made.whole, arrays)
    assert_same(want, kernel.outputs(made.whole, arrays, packed=True))
    assert_same(want, kernel.outputs(made.whole, arrays, sizes=sizes))
    if is_attention(made):
        forward = kernel.outputs("forward", arrays)
        assert_same({k: want[k] for k in forward}, forward)


@pytest.mark.parametrize("n", (1, 2, 3, 17, 100, 576, 577, 961, N))
def test_sizes_of_the_call(made, n):
    """Fewer rows and batch entries than compiled, against the reference."""
    problem, arrays = made.cut(1, n)
    got = made.kernel.outputs(made.whole, arrays, threads=2, sizes=(1, n))
    want, sizes = reference.solve(problem, arrays)
    got.pop("radius_found", None)
    assert set(got) == asked_for(problem)
    found = reference.errors({k: want[k] for k in got}, sizes, got)
    assert max(found.values()) <= made.limit, found


@pytest.mark.parametrize("layout", ("bhnd", "bnhd", "padded", "mixed"))
def test_strides(made, layout):
    """Where the rows lie changes no bit, and nothing between them."""
    if not is_attention(made):
        pytest.skip("no 4-D arrays")
    if layout == "mixed":
        layout = {"Q": "padded", "V": "bnhd", "dO": "padded", "O": "bnhd",
                  "dK": "padded", "dV": "bnhd"}
    for batch, n in ((2, N), (1, 61), (2, 3)):
        _, arrays = made.cut(batch, n)
        for function in ("forward", "gradient"):
            want = made.kernel.outputs(function, arrays, sizes=(batch, n))
            got = made.kernel.outputs(function, arrays, sizes=(batch, n),
                                      layout=layout, threads=3)
            assert_same(want, got)
        assert_same(want, train(made.kernel, arrays, sizes=(batch, n),
                                layout=layout))


def test_backward_pass_repeats(made):
    """One residual serves any number of calls, whatever the strides."""
    if not made.halves:
        pytest.skip("no halves")
    kernel, sizes = made.kernel, (1, 500)
    _, arrays = made.cut(*sizes)
    want = kernel.outputs("gradient", arrays, sizes=sizes)
    first = kernel.outputs("forward_train", arrays, sizes=sizes, layout="bnhd")
    for threads, layout in ((1, "bhnd"), (2, "padded"), (3, "bnhd")):
        got = kernel.outputs("backward", arrays | first, sizes=sizes,
                             threads=threads, layout=layout)
        assert_same({k: want[k] for k in got}, got)
    # Gradients are linear in dO; what is subnormal in f16 has lost digits.
    double = kernel.outputs("backward",
                            arrays | first | {"dO": 2 * arrays["dO"]},
                            sizes=sizes)
    for name, value in got.items():
        least = 2.0 ** -14 if value.dtype == np.float16 else 0
        sharp = np.abs(value) >= least
        assert same(2 * value[sharp], double[name][sharp]), name


@pytest.mark.sweep
@pytest.mark.parametrize("wrt", (("V",), ("Q",), ("K", "V")))
@pytest.mark.parametrize("flags", (
    {"radius": .5, "tolerance": 1e-2}, {"mask": "causal"},
    {"similarity": (1,)}, {"similarity": (1, 1, .5)}), ids=str)
def test_halves_where_few_gradients_are_asked_for(flags, wrt, tmp_path):
    """Whatever crosses from one half to the other, if anything does."""
    problem, arrays = reference.make_problem(
        70, 4, entry="attention", heads=2, seed=3, wrt=wrt, **flags)
    reference.save(tmp_path / "in", problem, arrays)
    route = "exact" if "mask" in flags else "features"
    kernel = Kernel(compile_kernel(tmp_path, "--route", route))
    want = kernel.outputs("gradient", arrays)
    assert asked_for(problem) == set(want) - {"radius_found"}
    assert_same(want, train(kernel, arrays))


def test_workspace_grows_with_the_threads(made):
    for name, function in made.kernel.functions.items():
        query = lambda threads: made.kernel.workspace_bytes(name, threads)
        for threads in (1, 2, 1024):
            assert query(threads) == (
                function["workspace_bytes"]
                + threads * function["workspace_bytes_per_thread"])
        assert query(0) == query(-3) == query(1)
        assert query(1025) == query(2 ** 31 - 1) == query(1024)


def test_numbers_of_threads_that_are_none(made):
    want = made.kernel.outputs(made.whole, made.arrays)
    for threads in (0, -1):
        assert_same(want, made.kernel.outputs(made.whole, made.arrays,
                                              threads=threads))


def test_bad_calls_have_a_status_each(made):
    kernel, arrays = made.kernel, made.arrays
    batch = kernel.manifest["batch"]
    for function, info in kernel.functions.items():
        call = lambda **how: kernel.call(function, arrays, **how)[0]
        for name in [a["name"] for a in info["args"]] + ["workspace"]:
            assert call(missing=(name,)) == NULL
            assert call(missing=(name,), packed=True) == NULL
            assert call(missing=(name,), sizes=(batch, N)) == NULL
        assert call(missing=("sizes",), sizes=(batch, N)) == NULL
        assert call(shrink=1) == TOO_SMALL
        assert call(shrink=1, threads=3) == TOO_SMALL
        for shift in (1, 4, 32):
            assert call(shift=shift) == MISALIGNED
        for sizes in ((0, 5), (-1, 5), (batch + 1, 5), (1, 0), (1, -1),
                      (1, N + 1), (2 ** 40, 2 ** 40)):
            assert call(sizes=sizes) == SIZES, sizes


def test_bad_strides_have_a_status(made):
    if not is_attention(made):
        pytest.skip("no 4-D arrays")
    for function, info in made.kernel.functions.items():
        shapes = [a["shape"] for a in info["args"] if len(a["shape"]) == 4]
        good = [s for shape in shapes
                for s in strides_of("bhnd", *shape[1:])]
        for i in range(len(good)):
            bad = good.copy()
            bad[i] = D - 1 if i % 3 == 2 else -1
            status, _ = made.kernel.call(function, made.arrays,
                                         sizes=(2, N), strides=bad)
            assert status == SIZES, (function, i)


def test_inputs_outside_of_the_proof_are_refused(made):
    kernel, arrays = made.kernel, made.arrays
    big, upstream = ("Q", "dO") if is_attention(made) else ("X1", "E")
    reports = any(a["role"] == "report"
                  for a in kernel.functions[made.whole]["args"])
    if reports:
        functions = [f for f in kernel.functions if f != "backward"]
        for function in functions:
            status, got = kernel.call(function,
                                      arrays | {big: 4 * arrays[big]})
            assert status == RADIUS_EXCEEDED
            assert got["radius_found"] > .5
            status, _ = kernel.call(function,
                                    arrays | {big: np.nan * arrays[big]})
            assert status == RADIUS_EXCEEDED
    bad = arrays[upstream].copy()
    bad[..., -1, 1] = np.inf
    status, _ = kernel.call(made.whole, arrays | {upstream: bad}, threads=2)
    assert status == NOT_FINITE
    if made.halves:
        first = kernel.outputs("forward_train", arrays)
        status, _ = kernel.call("backward", arrays | first | {upstream: bad})
        assert status == NOT_FINITE


def test_a_row_sum_that_is_not_positive(tmp_path):
    problem, arrays = reference.make_problem(
        70, 4, entry="attention", position="none", similarity=(1, 1))
    arrays["K"][..., -1, :] = -200
    arrays["Q"][...] = 1
    reference.save(tmp_path / "in", problem, arrays)
    kernel = Kernel(compile_kernel(tmp_path))
    for function in ("forward", "gradient", "forward_train"):
        assert kernel.call(function, arrays)[0] == NOT_POSITIVE


def test_f64_kernel(tmp_path):
    problem, arrays = reference.make_problem(600, 6, **ATTENTION)
    problem["dtype"] = "f64"
    reference.save(tmp_path / "in", problem, arrays, np.float64)
    kernel = Kernel(compile_kernel(tmp_path))
    cut = {k: v[:1, :, :77] for k, v in arrays.items()}
    got = train(kernel, cut, threads=2, sizes=(1, 77), layout="padded")
    want, sizes = reference.solve(problem | {"n": 77, "batch": 1}, cut)
    found = reference.errors({k: want[k] for k in got}, sizes, got)
    assert max(found.values()) <= 1e-12, found


@pytest.mark.parametrize("route", ("exact", "features"))
@pytest.mark.parametrize("dtype", ("f32", "bf16"))
def test_rows_of_a_call_where_all_sizes_are_equal(dtype, route, tmp_path):
    """(n, c), (c, d) and (n, d) are one type: shapes do not say what has rows.
    """
    problem, arrays = reference.make_problem(
        16, 16, channels=16, dtype=dtype, seed=4, radius=.5, tolerance=1e-2,
        wrt=("X1", "X2", "Y", "A1", "A2", "A3"))
    reference.save(tmp_path / "in", problem, arrays)
    kernel = Kernel(compile_kernel(tmp_path, "--route", route))
    cut = {k: v[:5] if k in ("A1", "A2", "A3", "E") else v
           for k, v in arrays.items()}
    got = kernel.outputs("loss_gradient", cut, sizes=(1, 5))
    got.pop("radius_found", None)
    want, sizes = reference.solve(problem | {"n": 5}, cut)
    found = reference.errors({k: want[k] for k in got}, sizes, got)
    limit = EXACT if route == "exact" else FEATURES
    assert max(found.values()) <= limit + ROUNDING.get(dtype, 0), found


def test_kernels_allocate_nothing_and_need_little(made):
    listed = subprocess.run(["nm", "-D", "-u", made.kernel.path], check=True,
                            capture_output=True, text=True).stdout
    undefined = {line.split()[-1].split("@")[0]
                 for line in listed.splitlines()}
    assert "__kmpc_fork_call" in undefined
    for name in undefined:
        if name.startswith(("__asan_", "__tsan_", "__ubsan_")):
            continue
        assert not any(word in name for word in (
            "alloc", "free", "memalign", "mmap", "brk", "_Zn", "_Zd")), name
    dynamic = subprocess.run(["readelf", "-d", made.kernel.path], check=True,
                             capture_output=True, text=True).stdout
    needed = {line.split("[")[1].split(".so")[0]
              for line in dynamic.splitlines() if "(NEEDED)" in line}
    assert needed <= {"libc", "libm", "libomp"}
