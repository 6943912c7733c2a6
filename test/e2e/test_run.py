"""ropegrad-run: what it reads, and bad input: one clear error, no answers."""
import json
import os
import re
import shutil
import stat

import numpy as np
import pytest
import reference
from harness import (assert_answers, assert_refused, compile_kernel,
                     run_kernel, succeed, tool)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a small problem in in/ and its kernel K.so."""
    folder = tmp_path_factory.mktemp("kernel")
    problem, arrays = reference.make_problem(16, 4, seed=1)
    reference.save(folder / "in", problem, arrays)
    compile_kernel(folder)
    return folder, problem, arrays


@pytest.fixture
def copy(made, tmp_path):
    """The same, to spoil; out/ is there and empty."""
    shutil.copytree(made[0], tmp_path / "copy",
                    ignore=shutil.ignore_patterns("out"))
    (tmp_path / "copy" / "out").mkdir()
    return tmp_path / "copy"


def run_refused(folder, words, kernel=None, extra=()):
    done = tool("ropegrad-run", kernel or folder / "K.so", "--in",
                folder / "in", "--out", folder / "out", *extra)
    assert_refused(done, "ropegrad-run", words, folder / "out")


# -- What it reads ------------------------------------------------------------

CONVERSIONS = {
    "f64": lambda x: x.astype("<f8"),
    "big-endian": lambda x: x.astype(">f4"),
    "column-major": lambda x: np.asfortranarray(x.astype("<f4")),
    "big-endian-f64-column-major": lambda x: np.asfortranarray(x.astype(">f8")),
}


@pytest.mark.parametrize("convert", CONVERSIONS.values(), ids=CONVERSIONS)
def test_any_real_float_array_is_converted(convert, made, copy):
    """The values fit f32, so the answers are the same to the last bit."""
    _, want = run_kernel(made[0], made[0] / "K.so")
    for name, value in made[2].items():
        np.save(copy / "in" / (name + ".npy"), convert(value))
    _, got = run_kernel(copy, copy / "K.so")
    assert set(got) == set(want)
    assert all((got[k] == want[k]).all() for k in want)


@pytest.mark.parametrize("dtype", ("<f2", ">f2", np.longdouble))
def test_other_widths_are_converted(dtype, made, copy):
    _, problem, arrays = made
    rounded = {k: v.astype(np.float16).astype(np.float64)
               for k, v in arrays.items()}
    for name, value in rounded.items():
        np.save(copy / "in" / (name + ".npy"), value.astype(dtype))
    _, got = run_kernel(copy, copy / "K.so")
    assert_answers(problem, rounded, got, 3e-5)


def test_report(made):
    report, got = run_kernel(made[0], made[0] / "K.so", "--repeat", 3)
    assert set(report) == {"status", "route", "degree", "radius_limit",
                           "radius_found", "certified", "ms_best", "ms_median",
                           "threads", "workspace_bytes"}
    assert 0 < report["ms_best"] <= report["ms_median"]
    assert report["threads"] >= 1 and report["workspace_bytes"] >= 0
    assert {v.dtype for v in got.values()} == {np.dtype("<f4")}


def report_for_people(folder, *flags):
    """{label: lines} of what ropegrad-run prints of folder/K.so."""
    text = succeed("ropegrad-run", folder / "K.so", "--in", folder / "in",
                   "--out", folder / "out", *flags)
    said = {}
    for line in text.splitlines():
        label = line[:11].strip() or label
        said.setdefault(label, []).append(line[11:])
    return said


def test_report_for_people_of_an_exact_kernel(made):
    said = report_for_people(made[0], "--threads", 2)
    assert list(said) == ["status", "route", "plan", "time", "certified",
                          "threads", "workspace"]
    assert (said["status"], said["route"]) == (["ok"], ["exact"])
    assert said["threads"] == ["2"]
    assert re.fullmatch(r"exact    [\d.e-]+ ms predicted, chosen",
                        said["plan"][0])
    assert said["plan"][1].startswith("features not admissible: no ")
    assert len(said["plan"]) == 4


def test_report_for_people_of_features(tmp_path):
    problem, arrays = reference.make_problem(
        130, 4, entry="attention", seed=1, radius=.5, tolerance=1e-2)
    reference.save(tmp_path / "in", problem, arrays)
    compile_kernel(tmp_path, "--route", "features")
    said = report_for_people(tmp_path)
    assert said["route"] == ["features, degree 3"]
    assert said["tolerance"] == ["0.01 relative, of each weight"]
    assert re.fullmatch(r"exact    [\d.e-]+ ms predicted", said["plan"][0])
    assert re.fullmatch(r"features [\d.e-]+ ms predicted, chosen",
                        said["plan"][1])
    found, limit = map(float, re.fullmatch(
        r"([\d.]+) found, ([\d.]+) allowed", said["radius"][0]).groups())
    assert 0 < found <= limit == pytest.approx(.5, rel=2e-3)
    best, median = map(float, re.fullmatch(
        r"([\d.]+) ms best, ([\d.]+) ms median", said["time"][0]).groups())
    assert 0 < best <= median


def test_any_number_of_threads(made):
    """Reported with the workspace that it takes; the answers are the same."""
    kernel = made[0] / "K.so"
    with open(made[0] / "K.json") as file:
        manifest = json.load(file)
    function = manifest["functions"][0]
    report, want = run_kernel(made[0], kernel)
    assert report["threads"] == min(manifest["threads"], os.cpu_count())
    for threads in (1, 3, 50):
        report, got = run_kernel(made[0], kernel, "--threads", threads)
        assert report["threads"] == threads
        assert report["workspace_bytes"] == (
            function["workspace_bytes"]
            + threads * function["workspace_bytes_per_thread"])
        assert all((got[k] == want[k]).all() for k in want)


def test_manifest_names_the_threads_of_the_plan(copy):
    compile_kernel(copy, "--threads", 1000)
    with open(copy / "K.json") as file:
        assert json.load(file)["threads"] == 1000
    report, _ = run_kernel(copy, copy / "K.so")
    assert report["threads"] == min(1000, os.cpu_count())


def test_f64_kernel(tmp_path):
    problem, arrays = reference.make_problem(33, 6, seed=2)
    problem["dtype"] = "f64"
    reference.save(tmp_path / "in", problem, arrays, np.float64)
    _, got = run_kernel(tmp_path, compile_kernel(tmp_path))
    assert {v.dtype for v in got.values()} == {np.dtype("<f8")}
    assert_answers(problem, arrays, got, 1e-12)


def test_kernel_without_its_manifest_file_runs(made, copy):
    (copy / "K.json").unlink()
    (copy / "K.h").unlink()
    _, got = run_kernel(copy, copy / "K.so")
    assert_answers(made[1], made[2], got, 3e-5)


# -- Arrays -------------------------------------------------------------------

def spoil_value(value):
    def spoil(path):
        x = np.load(path)
        x[3, 1] = value
        np.save(path, x)
    return spoil


def spoil_by(change):
    return lambda path: np.save(path, change(np.load(path)), allow_pickle=True)


def cut(size):
    return lambda path: path.write_bytes(path.read_bytes()[:size])


ARRAYS = {
    "missing": (lambda path: path.unlink(), ("A2",)),
    "empty": (cut(0), ("A2",)),
    "cut-in-magic": (cut(4), ("A2",)),
    "cut-in-header": (cut(40), ("A2",)),
    "cut-in-data": (cut(-4), ("A2",)),
    "longer": (lambda path: path.write_bytes(path.read_bytes() + b"1234"),
               ("A2",)),
    "text": (lambda path: path.write_text("1 2 3\n" * 50), ("A2",)),
    "folder": (lambda path: (path.unlink(), path.mkdir()), ("A2",)),
    "header-without-sense": (
        lambda path: path.write_bytes(b"\x93NUMPY\x01\x00\x10\x00"
                                      + b"{'shape': (-1,)}" + bytes(99)),
        ("A2",)),
    "more-rows": (spoil_by(lambda x: np.vstack([x, x])), ("A2", "16", "32")),
    "transposed": (spoil_by(lambda x: x.T.copy()), ("A2", "shape")),
    "flat": (spoil_by(lambda x: x.ravel()), ("A2", "shape")),
    "scalar": (spoil_by(lambda x: x[0, 0]), ("A2", "shape")),
    "integers": (spoil_by(lambda x: x.astype(np.int32)), ("A2", "i4")),
    "booleans": (spoil_by(lambda x: x > 0), ("A2", "b1")),
    "complex": (spoil_by(lambda x: x.astype(np.complex64)), ("A2", "c8")),
    "objects": (spoil_by(lambda x: x.astype(object)), ("A2", "object")),
    "strings": (spoil_by(lambda x: x.astype("U8")), ("A2", "U8")),
    "nan": (spoil_value(np.nan), ("A2", "nan")),
    "inf": (spoil_value(np.inf), ("A2", "inf")),
    "minus-inf": (spoil_value(-np.inf), ("A2", "inf")),
    "beyond-f32": (spoil_by(lambda x: x.astype(np.float64) * 1e300),
                   ("A2", "f32")),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_bad_array(case, copy):
    spoil, words = ARRAYS[case]
    spoil(copy / "in" / "A2.npy")
    run_refused(copy, words)


# -- Kernels ------------------------------------------------------------------

KERNELS = {
    "missing": lambda path: path.unlink(),
    "empty": cut(0),
    "text": lambda path: path.write_text("this is no kernel"),
    "folder": lambda path: (path.unlink(), path.mkdir()),
    "cut": lambda path: path.write_bytes(
        path.read_bytes()[:path.stat().st_size // 2]),
    "cut-in-header": cut(30),
    "another-library": lambda path: shutil.copy(
        "/usr/lib/x86_64-linux-gnu/libm.so.6", path),
}


@pytest.mark.parametrize("case", KERNELS)
def test_bad_kernel(case, copy):
    KERNELS[case](copy / "K.so")
    run_refused(copy, ("K.so",))


def test_an_object_is_no_kernel(made, copy):
    succeed("ropegrad-compile", copy / "in" / "problem.json", "-o",
            copy / "K.o")
    run_refused(copy, ("K.o",), kernel=copy / "K.o")


def test_kernel_for_another_cpu(copy):
    """Bulldozer's fused multiply-add (fma4) is in no processor made since."""
    with open("/proc/cpuinfo") as file:
        if "fma4" in file.read():
            pytest.skip("this machine has fma4")
    compile_kernel(copy, "--cpu", "bdver4")
    run_refused(copy, ("bdver4", "lacks"))


# -- Folders, flags, problems -------------------------------------------------

def test_missing_input_folder(copy):
    shutil.rmtree(copy / "in")
    run_refused(copy, ("--in",))


def test_output_folder_is_made_in_a_folder_that_exists(copy, made):
    (copy / "out").rmdir()
    run_kernel(copy, copy / "K.so")
    assert (copy / "out" / "loss.npy").exists()


@pytest.mark.parametrize("out", ("missing/out", "K.so", "/proc/out",
                                 "/proc/self"))
def test_output_folder_that_cannot_be(out, copy):
    done = tool("ropegrad-run", copy / "K.so", "--in", copy / "in", "--out",
                copy / out)
    assert_refused(done, "ropegrad-run", (out.split("/")[-1],), copy / "out")
    assert not (copy / "missing").exists()


def test_output_folder_is_read_only(copy):
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere; /proc stands for it above")
    (copy / "out").chmod(stat.S_IRUSR | stat.S_IXUSR)
    run_refused(copy, ("out",))


@pytest.mark.parametrize("extra,words", (
    (["--repeat", "0"], ("--repeat", "0")),
    (["--repeat", "-1"], ("--repeat", "-1")),
    (["--repeat", "x"], ("--repeat", "x")),
    (["--threads", "0"], ("--threads", "0")),
    (["--threads", "1025"], ("--threads", "1024", "1025")),
    (["--threads", "99999999999999999999"], ("--threads",)),
    (["--repeat"], ("--repeat",)),
    (["--frobnicate"], ("--frobnicate",)),
    (["other.so"], ("other.so",))), ids=lambda x: " ".join(x))
def test_bad_flags(extra, words, copy):
    run_refused(copy, words, extra=extra)


@pytest.mark.parametrize("given,word", (
    ([], "K.so"), (["K.so"], "--in"), (["K.so", "--in", "in"], "--out"),
    (["--in", "in", "--out", "out"], "K.so")))
def test_missing_arguments(given, word, copy):
    assert_refused(tool("ropegrad-run", *given, cwd=copy), "ropegrad-run",
                   (word,), copy / "out")


@pytest.mark.parametrize("text,words", (
    ("", ("problem.json",)), ('{"n": 16', ("problem.json",)),
    ("[]", ("problem.json",)), ('{"n": 17, "d": 4}', ("n", "16", "17")),
    ('{"n": 16, "d": 4, "mask": "causal"}', ("mask", "causal"))))
def test_problem_beside_the_arrays_must_fit(text, words, copy):
    (copy / "in" / "problem.json").write_text(text)
    run_refused(copy, words)


def test_old_answers_survive_a_failed_run(copy):
    run_kernel(copy, copy / "K.so")
    before = {f: (copy / "out" / f).read_bytes()
              for f in os.listdir(copy / "out")}
    (copy / "in" / "A1.npy").unlink()
    done = tool("ropegrad-run", copy / "K.so", "--in", copy / "in", "--out",
                copy / "out")
    assert_refused(done, "ropegrad-run", ("A1",))
    assert before == {f: (copy / "out" / f).read_bytes()
                      for f in os.listdir(copy / "out")}


def test_polynomial_without_a_positive_row_sum(tmp_path):
    """1 + z with z far below -1: named, and no answers."""
    problem, arrays = reference.make_problem(
        8, 4, entry="attention", position="none", similarity=(1, 1))
    arrays["Q"][:] = 4
    arrays["K"][:] = -4
    reference.save(tmp_path / "in", problem, arrays)
    kernel = compile_kernel(tmp_path)
    done = tool("ropegrad-run", kernel, "--in", tmp_path / "in", "--out",
                tmp_path / "out")
    assert_refused(done, "ropegrad-run", ("row-sum",), tmp_path / "out")
