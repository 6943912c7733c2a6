"""When the system refuses: full disks, read-only folders, kills, no memory. One
clear error, exit status 1, nothing half written, nothing old lost."""
import os
import resource
import signal
import subprocess
import time

import numpy as np
import pytest
import reference
from harness import BIN, assert_refused, compile_kernel, run_kernel, succeed

OUTPUTS = ("K.so", "K.h", "K.json")
PROBLEM = ("--n", "64", "--d", "8", "--no-certify")
IS_SANITIZED = "ROPEGRAD_TEST_CC" in os.environ     # takes terabytes, slowly


def command(name, *arguments):
    return [os.path.join(BIN, name), *map(str, arguments)]


def run(arguments, **how):
    return subprocess.run(arguments, stdin=subprocess.DEVNULL, text=True,
                          errors="replace", timeout=600,
                          **{"capture_output": True} | how)


def limited(which, most):
    """What subprocess calls in the child: a limit of setrlimit."""
    return lambda: resource.setrlimit(which, (most, most))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with in/, K.so and answers of 32 KiB each in out/."""
    folder = tmp_path_factory.mktemp("kernel")
    problem, arrays = reference.make_problem(128, 64, entry="attention", seed=1)
    reference.save(folder / "in", problem, arrays)
    run_kernel(folder, compile_kernel(folder))
    return folder


# -- Full disks ---------------------------------------------------------------

def can_mount():
    return run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
               ).returncode == 0


needs_mount = pytest.mark.skipif(not can_mount(),
                                 reason="no mounts for this user")


def in_tmpfs(folder, options, arguments):
    """Runs a command while a tmpfs with these options, in which K.so and O.npy
    are old, is at `folder`. Returns the process, its stdout without what
    follows, and what is in the tmpfs at the end: contents by name."""
    folder.mkdir()
    script = ('d=$1; o=$2; shift 2\n'
              'mount -t tmpfs none "$d" && printf old > "$d/K.so" &&\n'
              'printf old > "$d/O.npy" && mount -o "remount,$o" "$d" || exit 77\n'
              '"$@"; code=$?\n'
              'cd "$d"; echo; for f in $(ls -A); do\n'
              'echo "$f $(head -c 100 "$f" | base64 -w0)"; done; exit $code')
    done = run(["unshare", "-rm", "sh", "-c", script, "sh", folder, options,
                *arguments])
    assert done.returncode != 77, done.stderr
    done.stdout, _, listing = done.stdout.rpartition("\n\n")
    if not listing:
        done.stdout, listing = "", done.stdout
    return done, dict(line.split(" ") for line in listing.split("\n") if line)


OLD = {"K.so": "b2xk", "O.npy": "b2xk"}    # "old"


@needs_mount
@pytest.mark.parametrize("kilobytes", (8, 12, 32, 64, 76, 96, 128))
def test_full_disk_for_a_kernel(kilobytes, tmp_path):
    """The object alone fits, then the library beside it, then not the header:
    whichever it is, no file of the three is new."""
    done, left = in_tmpfs(
        tmp_path / "disk", f"size={kilobytes}k",
        command("ropegrad-compile", *PROBLEM, "-o", tmp_path / "disk/K.so"))
    assert_refused(done, "ropegrad-compile", ("space",))
    assert left == OLD


@needs_mount
@pytest.mark.parametrize("kilobytes", (8, 20, 48, 100))
def test_full_disk_for_answers(kilobytes, made, tmp_path):
    done, left = in_tmpfs(
        tmp_path / "disk", f"size={kilobytes}k",
        command("ropegrad-run", made / "K.so", "--in", made / "in", "--out",
                tmp_path / "disk"))
    assert_refused(done, "ropegrad-run", ("space",))
    assert left == OLD


@needs_mount
def test_read_only_disk(made, tmp_path):
    done, left = in_tmpfs(
        tmp_path / "one", "ro",
        command("ropegrad-compile", *PROBLEM, "-o", tmp_path / "one/K.so"))
    assert_refused(done, "ropegrad-compile", ("read-only",))
    assert left == OLD
    done, left = in_tmpfs(
        tmp_path / "two", "ro",
        command("ropegrad-run", made / "K.so", "--in", made / "in", "--out",
                tmp_path / "two"))
    assert_refused(done, "ropegrad-run", ("read-only",))
    assert left == OLD


@pytest.mark.parametrize("kilobytes", (0, 1, 4, 16, 40))
def test_files_that_may_not_grow(kilobytes, made, tmp_path):
    if kilobytes == 0 and IS_SANITIZED:
        pytest.skip("tsan's runtime writes a file of its own before main")
    if "LLVM_PROFILE_FILE" in os.environ:
        pytest.skip("a tool that counts its lines writes a file of its own")
    how = {"preexec_fn": limited(resource.RLIMIT_FSIZE, kilobytes << 10)}
    (tmp_path / "K.so").write_text("old")
    done = run(command("ropegrad-compile", *PROBLEM, "-o", tmp_path / "K.so"),
               **how)
    assert_refused(done, "ropegrad-compile", ("too large",))
    assert os.listdir(tmp_path) == ["K.so"]
    assert (tmp_path / "K.so").read_text() == "old"
    (tmp_path / "O.npy").write_text("old")
    # libomp writes 1 KiB to shared memory under the name of its process. Cut
    # short, that file stays, and kills a later process of the same number.
    how = {"preexec_fn": limited(resource.RLIMIT_FSIZE,
                                 max(1024, kilobytes << 9))}
    done = run(command("ropegrad-run", made / "K.so", "--in", made / "in",
                       "--out", tmp_path), **how)
    assert_refused(done, "ropegrad-run", ("too large",))
    assert sorted(os.listdir(tmp_path)) == ["K.so", "O.npy"]
    assert (tmp_path / "O.npy").read_text() == "old"


@pytest.mark.parametrize("arguments", (
    [*PROBLEM, "--plan"], [*PROBLEM, "--explain"], ["--help"], ["--version"],
    [*PROBLEM, "-o", "-", "--emit", "ll"], [*PROBLEM, "-o", "-", "--emit",
                                            "mlir"]), ids=" ".join)
def test_full_standard_output(arguments):
    with open("/dev/full", "w") as full:
        done = run(command("ropegrad-compile", *arguments), stdout=full,
                   stderr=subprocess.PIPE, capture_output=False)
    done.stdout = ""
    assert_refused(done, "ropegrad-compile", ("standard output",))


@pytest.mark.parametrize("flag", ("--json", "--repeat=2", "--help"))
def test_full_standard_output_for_a_report(flag, made, tmp_path):
    with open("/dev/full", "w") as full:
        done = run(command("ropegrad-run", made / "K.so", "--in", made / "in",
                           "--out", tmp_path / "out", flag), stdout=full,
                   stderr=subprocess.PIPE, capture_output=False)
    done.stdout = ""
    assert_refused(done, "ropegrad-run", ("print",))


# -- Kills --------------------------------------------------------------------

def kill_after(arguments, seconds, number):
    # Whoever started the tests in the background has SIGINT ignored.
    process = subprocess.Popen(
        arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL)
        if number != signal.SIGKILL else None)
    time.sleep(seconds)
    process.send_signal(number)
    return process.wait(600)


STEPS = 4       # of a compilation


@pytest.mark.parametrize("number", (signal.SIGKILL, signal.SIGTERM,
                                    signal.SIGINT, signal.SIGHUP),
                         ids=lambda s: s.name)
def test_killed_compilation(number, tmp_path):
    """Each of the files is the old one or the new one, all of it."""
    folder, new = tmp_path / "killed", tmp_path / "new"
    folder.mkdir()
    new.mkdir()
    begin = time.monotonic()
    succeed("ropegrad-compile", *PROBLEM, "-o", new / "K.so")
    whole = time.monotonic() - begin
    killed = 0
    for step in range(STEPS):
        for name in OUTPUTS:
            (folder / name).write_text("old")
        status = kill_after(command("ropegrad-compile", *PROBLEM, "-o",
                                    folder / "K.so"),
                            whole * (step + .5) / STEPS, number)
        assert status in (0, -number)
        killed += status != 0
        for name in OUTPUTS:
            content = (folder / name).read_bytes()
            assert content in (b"old", (new / name).read_bytes()), name
        extra = set(os.listdir(folder)) - set(OUTPUTS)
        assert all(name.startswith(".ropegrad-") for name in extra)
        if number != signal.SIGKILL:    # of which nobody hears
            assert not extra
    assert killed


@pytest.mark.parametrize("number", (signal.SIGKILL, signal.SIGTERM),
                         ids=lambda s: s.name)
def test_killed_run(number, made, tmp_path):
    for seconds in (.02, .1, .5):
        (tmp_path / "O.npy").write_text("old")
        status = kill_after(
            command("ropegrad-run", made / "K.so", "--in", made / "in",
                    "--out", tmp_path, "--repeat", 1000000), seconds, number)
        assert status == -number
        assert os.listdir(tmp_path) == ["O.npy"]
        assert (tmp_path / "O.npy").read_text() == "old"


# -- Memory -------------------------------------------------------------------

def assert_out_of_memory(done, name):
    """One line. Before main it is the dynamic loader's, and OpenMP, which ends
    the program itself, has three."""
    lines = done.stderr.splitlines()
    if done.returncode == 127:
        assert "error while loading shared libraries" in lines[0]
        return
    assert done.returncode == 1, (done.returncode, done.stderr)
    if not lines[0].startswith("OMP: Error"):
        assert_refused(done, name, ("memory",))


@pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer reserves terabytes")
def test_little_memory_for_the_compiler(tmp_path):
    refused = 0
    for megabytes in (300, *range(440, 700, 20), 1000):
        folder = tmp_path / str(megabytes)
        folder.mkdir()
        done = run(command("ropegrad-compile", *PROBLEM, "-o", folder / "K.so"),
                   preexec_fn=limited(resource.RLIMIT_AS, megabytes << 20))
        if done.returncode == 0:
            assert sorted(os.listdir(folder)) == sorted(OUTPUTS)
            continue
        assert_out_of_memory(done, "ropegrad-compile")
        assert os.listdir(folder) == []
        refused += done.returncode == 1
    assert refused


@pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer reserves terabytes")
def test_little_memory_for_a_kernel(tmp_path):
    problem, arrays = reference.make_problem(
        20000, 32, entry="attention", seed=1, similarity=(1, 1))
    problem["wrt"] = []
    arrays = {name: arrays[name] for name in ("Q", "K", "V")}
    reference.save(tmp_path / "in", problem, arrays, np.float32)
    kernel = compile_kernel(tmp_path)
    refused = 0
    for megabytes in (*range(120, 260, 20), 1000):
        out = tmp_path / str(megabytes)
        done = run(command("ropegrad-run", kernel, "--in", tmp_path / "in",
                           "--out", out),
                   preexec_fn=limited(resource.RLIMIT_AS, megabytes << 20))
        if done.returncode == 0:
            assert os.listdir(out) == ["O.npy"]
            continue
        assert_out_of_memory(done, "ropegrad-run")
        assert not out.exists() or os.listdir(out) == []
        refused += done.returncode == 1
    assert refused
    assert done.returncode == 0
