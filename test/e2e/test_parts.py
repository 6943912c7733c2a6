"""Kernels are compiled in parts and threads; what comes out does not show it."""
import os
import re
import subprocess

from harness import BIN, succeed

# Large enough for several parts.
FLAGS = ("--entry", "attention", "--n", 200, "--d", 4, "--mask", "causal",
         "--route", "scan", "--radius", .5, "--tolerance", 1e-2, "--threads", 2,
         "--certify")


def compile_on(cpus, path):
    subprocess.run([os.path.join(BIN, "ropegrad-compile"), *map(str, FLAGS),
                    "-o", path], check=True,
                   preexec_fn=lambda: os.sched_setaffinity(0, cpus))
    return path.read_bytes()


def test_the_number_of_threads_changes_nothing(tmp_path):
    cpus = os.sched_getaffinity(0)
    one, all_ = tmp_path / "one", tmp_path / "all"
    for folder in (one, all_):
        folder.mkdir()
    for kind in ("so", "o"):
        assert (compile_on({min(cpus)}, one / f"K.{kind}")
                == compile_on(cpus, all_ / f"K.{kind}"))


def test_an_object_keeps_its_parts_to_itself(tmp_path):
    succeed("ropegrad-compile", *FLAGS, "-o", tmp_path / "K.o")
    assert sorted(os.listdir(tmp_path)) == ["K.h", "K.json", "K.o"]
    listed = subprocess.run(["nm", "--extern-only", "--defined-only",
                             tmp_path / "K.o"], capture_output=True, text=True,
                            check=True).stdout.split()[2::3]
    assert "K_certify" in listed
    # Sanitizers add symbols of their own.
    ours = ("K_", "__") if "ROPEGRAD_TEST_CC" in os.environ else "K_"
    assert all(symbol.startswith(ours) for symbol in listed), listed


def test_text_is_one_module(tmp_path):
    text = succeed("ropegrad-compile", *FLAGS, "--emit", "ll", "-o", "-")
    seen = set(re.findall(r"^define (?!internal).*?@([\w.]+)\(", text, re.M))
    assert "kernel_certify" in seen
    assert all(symbol.startswith("kernel_") for symbol in seen), seen
    # Nothing is called that is only declared, but what the system has.
    missing = set(re.findall(r"^declare .*?@(ropegrad_[\w.]+)\(", text, re.M))
    assert not missing


def test_a_name_changes_no_code(tmp_path):
    """Certificates are compiled for size; a kernel of that name is none."""
    texts = []
    for name in ("K", "certify"):
        path = tmp_path / f"{name}.ll"
        succeed("ropegrad-compile", "--n", 64, "--d", 4, "--name", name, "-o",
                path)
        texts.append(path.read_text())
    assert "fmuladd" in texts[0]
    assert ["optsize" in text for text in texts] == [False, False]
    assert texts[0].count("fmuladd") == texts[1].count("fmuladd")
