#!/usr/bin/env python3
"""One contender in a process of its own: worker.py CONTENDER

Serves requests, one JSON object a line, from standard input to its end:

  {"op": "prepare", "job": {...}}   -> {"versions", "facts", "seconds": first}
  {"op": "time", "seconds": s}      -> {"seconds": [each call]}

or {"error": text}. A job is what measure.Bench.jobs() makes of a work: sizes,
the folder of the inputs, and "answers", the folder for the outputs.
Only whole calls are timed: inputs are there in the layout that the contender
likes best, outputs may stay in it, and nothing is subtracted.
"""
import importlib
import json
import os
import sys
import time
from collections import namedtuple

import numpy as np

MODULES = {"features": "ropegrad_kernel", "scan": "ropegrad_kernel",
           "fft": "ropegrad_kernel", "exact": "ropegrad_kernel",
           "halide": "ropegrad_kernel", "bf16": "ropegrad_kernel",
           "torch": "peer_torch", "jax-attention": "peer_jax",
           "jax-features": "peer_jax", "openblas": "peer_openblas"}
INPUTS = ("Q", "K", "V", "dO")
# What a contender makes of a job: call() does the work and returns when it is
# done, answers() has the arrays of the last call, facts go into the results.
Prepared = namedtuple("Prepared", "call answers facts")


def seconds_of(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def prepare(contender, job):
    module = importlib.import_module(MODULES[contender])
    arrays = {name: np.load(os.path.join(job["folder"], name + ".npy"))
              for name in INPUTS + ("bias",) * job["bias"]}
    prepared = module.prepare({**job, "contender": contender}, arrays)
    first = seconds_of(prepared.call)
    if job.get("answers"):
        os.makedirs(job["answers"], exist_ok=True)
        for name, value in prepared.answers().items():
            np.save(os.path.join(job["answers"], name + ".npy"), value)
    return prepared, {"versions": module.versions(), "facts": prepared.facts,
                      "seconds": first}


def repeat(call, seconds):
    """Times calls until that many seconds have passed, one at least."""
    found = []
    end = time.perf_counter() + seconds
    while not found or time.perf_counter() < end:
        found.append(seconds_of(call))
    return {"seconds": found}


def serve(contender, requests, replies):
    prepared = None
    for line in requests:
        request = json.loads(line)
        try:
            if request["op"] == "prepare":
                prepared = None     # frees the memory of the last job first
                prepared, reply = prepare(contender, request["job"])
            else:
                reply = repeat(prepared.call, request["seconds"])
        except Exception as error:  # of any library: the bench goes on
            reply = {"error": f"{type(error).__name__}: {error}"[:500]}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def main():
    # Whatever libraries print goes to standard error, past the replies.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(sys.argv[1], sys.stdin, replies)


if __name__ == "__main__":
    main()
