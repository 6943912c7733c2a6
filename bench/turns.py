"""Runs contenders in turns: each in a process of its own, one at a time."""
import json
import os
import platform
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
# Threads of an OpenMP runtime spin on for as long as 200 ms after a call: the
# next turn waits until they sleep.
PAUSE = 0.25


class Skipped(Exception):
    """A contender that cannot take part, and why."""


def cpu_name():
    with open("/proc/cpuinfo") as file:
        return next((line.split(":", 1)[1].strip() for line in file
                     if line.startswith("model name")), platform.machine())


def has_avx512():
    with open("/proc/cpuinfo") as file:
        return " avx512f" in file.read()


def environment(contender, threads):
    """That of a worker; OpenBLAS may take a virtual AVX-512 machine for an old
    one, so its kernels are named, for its process alone."""
    made = {**os.environ, "OMP_NUM_THREADS": str(threads),
            "OPENBLAS_NUM_THREADS": str(threads), "JAX_PLATFORMS": "cpu"}
    if contender == "openblas" and has_avx512():
        made["OPENBLAS_CORETYPE"] = "SKYLAKEX"
    return made


class Worker:
    """The process of one contender, confined to as many CPUs as threads."""

    def __init__(self, python, contender, threads):
        cpus = sorted(os.sched_getaffinity(0))[:threads]
        self.contender = contender
        self.process = subprocess.Popen(
            [python, os.path.join(HERE, "worker.py"), contender],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment(contender, threads),
            preexec_fn=lambda: os.sched_setaffinity(0, cpus))

    def ask(self, **request):
        """The reply to a request; raises Skipped where there is none."""
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise Skipped(f"the process ended: {self.process.wait()}")
        reply = json.loads(line)
        if "error" in reply:
            raise Skipped(reply["error"])
        return reply

    def alive(self):
        return self.process.poll() is None

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Workers:
    """One worker per contender, started when it is first asked for and again
    where it has died."""

    def __init__(self, pythons, threads):
        self.pythons, self.threads, self.running = pythons, threads, {}

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for worker in self.running.values():
            worker.close()

    def of(self, contender):
        worker = self.running.get(contender)
        if worker is None or not worker.alive():
            worker = Worker(self.pythons[contender], contender, self.threads)
            self.running[contender] = worker
        return worker

    def release(self, contender):
        """Ends a contender's process, and with it its memory."""
        worker = self.running.pop(contender, None)
        if worker:
            worker.close()


def take_turns(players, rounds, seconds, most):
    """Lets every player of {name: time_for(seconds) -> [seconds of a call]} run
    in turn, `rounds` times; one that has used up `most` seconds sits out, but
    not before its second turn. Returns {name: [seconds]}, or Skipped there."""
    found = {name: [] for name in players}
    for turn in range(rounds):
        for name, time_for in players.items():
            done = found[name]
            if isinstance(done, Skipped) or (turn > 1 and sum(done) > most):
                continue
            time.sleep(PAUSE)
            try:
                done += time_for(seconds)
            except Skipped as reason:
                found[name] = reason
    return found


def output_of(*command):
    """Standard output of a command that has to succeed, or the bench ends."""
    done = subprocess.run([str(word) for word in command], capture_output=True,
                          text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\nexit status "
                 f"{done.returncode}\n{done.stderr}")
    return done.stdout
