"""Bad input to ropegrad-compile: one clear error, status 1, no file left."""
import json
import os

import pytest
import reference
from harness import assert_refused, tool

GOOD = {"entry": "loss-gradient", "n": 16, "d": 4}
ATTENTION = {"entry": "attention", "n": 16, "d": 4, "heads": 4, "kv_heads": 2}
GENERAL = GOOD | {"position": "general"}
HUGE = "99999999999999999999"


def compile_refused(tmp_path, arguments, words, output="K.so"):
    out = tmp_path / "out"
    out.mkdir()
    done = tool("ropegrad-compile", *arguments, "-o", out / output)
    assert_refused(done, "ropegrad-compile", words, out)


# -- Flags --------------------------------------------------------------------

def flags(text):
    """A case: a command line, with n and d where it does not say them."""
    given = text.split(" ")
    for flag, value in (("--n", "16"), ("--d", "4")):
        if flag not in given:
            given += [flag, value]
    return given


FLAGS = {
    # Sizes.
    "--d 5": ("even", "5"),
    "--n 0": ("n", "0"),
    "--n -3": ("n", "-3"),
    "--d 0": ("d", "0"),
    "--d -4": ("d", "-4"),
    "--n abc": ("--n", "abc"),
    "--n 1e3": ("--n", "1e3"),
    "--n 16x": ("--n", "16x"),
    "--d 4.5": ("--d", "4.5"),
    f"--n {HUGE}": ("--n", HUGE),
    f"--d {HUGE}": ("--d", HUGE),
    "--n 9223372036854775807 --d 8": ("9223372036854775807",),
    "--n 4611686018427387904 --d 4": ("4611686018427387904",),
    "--channels 0": ("channels", "0"),
    "--channels -1": ("channels", "-1"),
    "--entry attention --batch 0": ("batch", "0"),
    "--entry attention --heads 0": ("heads", "0"),
    "--entry attention --heads -2": ("heads", "-2"),
    "--entry attention --heads 4 --kv-heads 0": ("kv", "0"),
    "--entry attention --heads 4 --kv-heads 3": ("kv", "3", "4"),
    "--entry attention --heads 2 --kv-heads 4": ("kv", "4", "2"),
    "--threads 0": ("threads", "0"),
    "--threads -1": ("threads", "-1"),
    "--threads x": ("threads", "x"),
    "--degree -1": ("degree", "-1"),
    "--degree x": ("degree", "x"),
    # Reals.
    **{f"--{flag} {value}": (flag, value)
       for flag in ("bound", "radius", "tolerance", "scale")
       for value in ("-1", "nan", "inf", "-inf", "abc")},
    **{f"--{flag} 0": (flag, "0") for flag in ("bound", "radius", "tolerance")},
    "--tolerance 1": ("tolerance", "1"),
    "--tolerance 1e-12 --radius 0.5 --route features": ("tolerance", "f32"),
    "--bound 1e999": ("bound", "1e999"),
    "--base 0": ("base", "0"),
    "--base -1": ("base", "-1"),
    "--base nan": ("base", "nan"),
    "--alibi nan": ("alibi", "nan"),
    "--alibi -inf": ("alibi", "inf"),
    "--entry attention --heads 4 --alibi 1,2": ("alibi", "4", "2"),
    # Masks.
    "--mask window": ("window",),
    "--mask window --window 0": ("window", "0"),
    "--mask window --window -1": ("window", "-1"),
    "--mask window --window x": ("window", "x"),
    # Supports.
    "--position general": ("support",),
    "--position general --support 0:4": ("support", "4"),
    "--position general --support 4:0": ("support", "4"),
    "--position general --support -1:0": ("support", "-1"),
    "--position general --support 0": ("support",),
    "--position rotary --support 0:2,2:0": ("support", "rotary"),
    "--position none --support 0:1": ("support", "none"),
    # Unknown names.
    **{f"--{flag} sideways": (flag, "sideways")
       for flag in ("entry", "position", "layout", "mask", "bias", "similarity",
                    "dtype", "target", "cpu", "route", "fit", "exact-by",
                    "emit")},
    "--wrt Z1": ("wrt", "Z1"),
    "--wrt Q": ("wrt", "Q"),
    "--wrt X1,X1": ("wrt", "X1"),
    "--wrt W": ("wrt", "W"),
    "--wrt bias": ("wrt", "bias"),
    "--entry attention --wrt X1": ("wrt", "X1"),
    "--similarity poly:": ("similarity", "poly"),
    "--similarity poly:1,nan": ("similarity", "nan"),
    "--similarity poly:1,1 --bias learned": ("bias", "similarity"),
    "--frobnicate 3": ("--frobnicate",),
    "--frobnicate": ("--frobnicate",),
    "-x": ("-x",),
    # Forced routes that are not admissible.
    "--route features": ("features", "radius", "tolerance"),
    "--route features --radius 0.5": ("features", "tolerance"),
    "--route features --tolerance 1e-2": ("features", "radius"),
    "--route features --radius 60 --tolerance 1e-3": ("radius", "60"),
    "--route features --radius 8 --tolerance 1e-3 --d 64":
        ("features", "65536"),
    "--route features --radius 0.5 --tolerance 1e-2 --mask causal":
        ("features", "causal"),
    "--route features --radius 0.5 --tolerance 1e-2 --bias learned":
        ("features", "bias"),
    "--route features --radius 0.5 --tolerance 1e-2 --position general "
    "--support 0:0": ("features", "general"),
    "--route features --radius 1 --tolerance 1e-4 --degree 2":
        ("degree", "2", "tolerance"),
    "--route scan --radius 0.5 --tolerance 1e-2": ("scan", "features"),
    "--route scan --radius 0.5 --tolerance 1e-2 --bias learned --mask causal":
        ("scan", "bias"),
    "--route fft --radius 0.5 --tolerance 1e-2": ("fft",),
    # Not supported yet, by name.
    "--target cuda": ("cuda",),
    "--target rocm": ("rocm",),
    "--target vulkan": ("vulkan",),
    "--exact-by gcc": ("mlir or halide", "gcc"),
    "--exact-by halide --similarity poly:1,1,.5 --route exact": ("halide",),
}


@pytest.mark.parametrize("text", FLAGS)
def test_flags(text, tmp_path):
    compile_refused(tmp_path, flags(text), FLAGS[text])


@pytest.mark.parametrize("given,words", (
    (["--d", "4"], ("n",)), (["--n", "4"], ("d",)), ([], ("n",)),
    (["--n", "16", "--d", "4", "--n"], ("--n",))),
    ids=("no-n", "no-d", "nothing", "no-value"))
def test_missing_sizes(given, words, tmp_path):
    compile_refused(tmp_path, given, words)


def test_neither_output_nor_plan():
    assert_refused(tool("ropegrad-compile", "--n", 16, "--d", 4),
                   "ropegrad-compile", ("-o", "--plan"))


@pytest.mark.parametrize("output", ("K.exe", "K", "K.so.bak", "K.ptx", "K.spv"))
def test_output_suffix(output, tmp_path):
    suffix = output.rpartition(".")[2]
    compile_refused(tmp_path, ["--n", "16", "--d", "4"], (suffix,), output)


@pytest.mark.parametrize("output", ("K.so", "K.o", "K.mlir", "K.ll", "K.s"))
def test_output_folder_is_missing(output, tmp_path):
    done = tool("ropegrad-compile", "--n", 16, "--d", 4, "-o",
                tmp_path / "missing" / output)
    assert_refused(done, "ropegrad-compile", ("missing",), tmp_path)


def test_output_folder_is_a_file(tmp_path):
    (tmp_path / "file").write_text("kept")
    done = tool("ropegrad-compile", "--n", 16, "--d", 4, "-o",
                tmp_path / "file" / "K.so")
    assert_refused(done, "ropegrad-compile", ("file",))
    assert (tmp_path / "file").read_text() == "kept"


def test_output_folder_is_read_only(tmp_path):
    """Of /proc nobody may write, root included."""
    done = tool("ropegrad-compile", "--n", 16, "--d", 4, "-o", "/proc/K.so")
    assert_refused(done, "ropegrad-compile", ("/proc",))
    if os.geteuid() != 0:
        folder = tmp_path / "closed"
        folder.mkdir(mode=0o555)
        done = tool("ropegrad-compile", "--n", 16, "--d", 4, "-o",
                    folder / "K.so")
        assert_refused(done, "ropegrad-compile", ("closed",), folder)


# -- problem.json -------------------------------------------------------------

JSON = {
    "empty": ("", ()),
    "blank": (" \n", ()),
    "truncated": ('{"n": 16, "d"', ()),
    "truncated-string": ('{"entr', ()),
    "trailing": ('{"n": 16, "d": 4} x', ()),
    "binary": (bytes(range(256)), ()),
    "not-utf-8": (b'{"n": 16, "d": 4, "mask": "\xff\xfe"}', ()),
    "deep": ("[" * 100000, ()),
    "list": ("[1, 2]", ("object",)),
    "null": ("null", ("object",)),
    "number": ("16", ("object",)),
    "unknown-key": (GOOD | {"frobnicate": 1}, ("frobnicate",)),
    "doubled-key": ('{"n": 16, "d": 4, "n": 17}', ()),
    "no-n": ({"d": 4}, ("n",)),
    "no-d": ({"n": 4}, ("d",)),
    "n-zero": (GOOD | {"n": 0}, ("n", "0")),
    "n-negative": (GOOD | {"n": -16}, ("n", "-16")),
    "n-text": (GOOD | {"n": "16"}, ("n", "16")),
    "n-real": (GOOD | {"n": 16.5}, ("n", "16.5")),
    "n-null": (GOOD | {"n": None}, ("n", "null")),
    "n-list": (GOOD | {"n": [16]}, ("n",)),
    "n-true": (GOOD | {"n": True}, ("n", "true")),
    "n-overflow": ('{"n": %s, "d": 4}' % HUGE, ("n",)),
    "d-odd": (GOOD | {"d": 5}, ("even", "5")),
    "entry": (GOOD | {"entry": "sideways"}, ("entry", "sideways")),
    "entry-number": (GOOD | {"entry": 3}, ("entry", "3")),
    "scale-text": (GOOD | {"scale": "big"}, ("scale", "big")),
    "scale-negative": (GOOD | {"scale": -1}, ("scale", "-1")),
    "bound-negative": (GOOD | {"bound": -1}, ("bound", "-1")),
    "bound-overflow": ('{"n": 16, "d": 4, "bound": 1e999}', ("bound",)),
    "bound-nan": ('{"n": 16, "d": 4, "bound": NaN}', ()),
    "tolerance-one": (GOOD | {"tolerance": 1}, ("tolerance", "1")),
    "radius-zero": (GOOD | {"radius": 0}, ("radius", "0")),
    "mask": (GOOD | {"mask": "sideways"}, ("mask", "sideways")),
    "window-missing": (GOOD | {"mask": "window"}, ("window",)),
    "window-zero": (GOOD | {"mask": "window", "window": 0}, ("window", "0")),
    "kv-heads": (ATTENTION | {"kv_heads": 3}, ("kv", "3", "4")),
    "alibi-count": (ATTENTION | {"alibi": [1, 2]}, ("alibi", "4", "2")),
    "alibi-text": (ATTENTION | {"alibi": "steep"}, ("alibi", "steep")),
    "support-missing": (GENERAL, ("support",)),
    "support-empty": (GENERAL | {"support": []}, ("support",)),
    "support-range": (GENERAL | {"support": [[0, 4]]}, ("support", "4")),
    "support-negative": (GENERAL | {"support": [[-1, 0]]}, ("support", "-1")),
    "support-triple": (GENERAL | {"support": [[0, 1, 2]]}, ("support",)),
    "support-text": (GENERAL | {"support": "0:0"}, ("support",)),
    "support-rotary": (GOOD | {"support": [[0, 0]]}, ("support", "rotary")),
    "similarity": (GOOD | {"similarity": "cosine"}, ("similarity", "cosine")),
    "similarity-empty": (GOOD | {"similarity": []}, ("similarity",)),
    "similarity-text": (GOOD | {"similarity": [1, "x"]}, ("similarity",)),
    "dtype": (GOOD | {"dtype": "i8"}, ("dtype", "i8")),
    "wrt": (GOOD | {"wrt": ["Z"]}, ("wrt", "Z")),
    "bias": (GOOD | {"bias": 3}, ("bias", "3")),
    "key-padding": (GOOD | {"key_padding": [1]}, ("key_padding",)),
    "other-key-length": (GOOD | {"n_keys": 32}, ("n_keys",)),
    "other-value-width": (GOOD | {"d_value": 8}, ("d_value",)),
}


@pytest.mark.parametrize("case", JSON)
def test_problem_json(case, tmp_path):
    content, words = JSON[case]
    if isinstance(content, dict):
        content = json.dumps(content)
    if isinstance(content, str):
        content = content.encode()
    problem = tmp_path / "problem.json"
    problem.write_bytes(content)
    compile_refused(tmp_path, [problem], words)


MLIR = {
    "empty": "",
    "blank": "\n",
    "text": "this is no IR",
    "truncated": "module { func.func @K(",
    "binary": bytes(range(256)),
    "bytecode": b"ML\xefR\x00\x01",
    "unknown-dialect": 'module { "sideways.op"() : () -> () }',
    "unknown-op": 'module { "ropegrad.sideways"() : () -> () }',
    "no-problem": "module { }",
    "wrong-type": "func.func @K(%x: f32) -> f64 { return %x : f32 }",
}


@pytest.mark.parametrize("case", MLIR)
def test_problem_mlir(case, tmp_path):
    content = MLIR[case]
    problem = tmp_path / "problem.mlir"
    problem.write_bytes(content.encode() if isinstance(content, str)
                        else content)
    compile_refused(tmp_path, [problem], ("problem.mlir",))


@pytest.mark.parametrize("path,words", (
    ("missing.json", ("missing.json",)), ("missing.mlir", ("missing.mlir",)),
    ("folder.json", ("folder.json",)), ("problem.txt", ("problem.txt",))))
def test_problem_file(path, words, tmp_path):
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "problem.txt").write_text("{}")
    compile_refused(tmp_path, [tmp_path / path], words)


def test_two_problem_files(tmp_path):
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(json.dumps(GOOD))
    compile_refused(tmp_path, [tmp_path / "a.json", tmp_path / "b.json"],
                    ("a.json", "b.json"))


def test_an_old_kernel_survives_a_failed_compilation(tmp_path):
    kernel = tmp_path / "K.so"
    kernel.write_text("old")
    done = tool("ropegrad-compile", "--n", 16, "--d", 5, "-o", kernel)
    assert_refused(done, "ropegrad-compile", ("even",))
    assert os.listdir(tmp_path) == ["K.so"] and kernel.read_text() == "old"


def test_good_problem_is_accepted(tmp_path):
    """What the cases above vary is itself no bad input."""
    for i, good in enumerate((GOOD, ATTENTION,
                              GENERAL | {"support": [[0, 0]]})):
        problem = tmp_path / "problem.json"
        problem.write_text(json.dumps(good))
        kernel = tmp_path / f"K{i}.so"
        done = tool("ropegrad-compile", problem, "-o", kernel)
        assert (done.returncode, done.stderr) == (0, "")
        assert kernel.exists()
        assert (tmp_path / f"K{i}.h").exists()
        assert json.loads((tmp_path / f"K{i}.json").read_text())["ropegrad"]


def test_keys_of_made_problems_are_accepted(tmp_path):
    """Also those that only describe how a problem was made."""
    problem, _ = reference.make_problem(8, 4)
    problem |= {"seed": 1, "dist": "uniform", "logit_bound": 1.0,
                "sizes": {"loss": 1.0}, "window": 0, "bias": "none"}
    path = tmp_path / "problem.json"
    path.write_text(json.dumps(problem))
    done = tool("ropegrad-compile", path, "--plan")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["route"]
