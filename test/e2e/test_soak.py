"""Random calls of a few kernels: no wrong number, no wrong status, ever.
`./dev soak` makes as many as one has time for; see random_cases.py."""
import numpy as np
import pytest
from harness import compile_kernel, succeed
from random_cases import check_many, check_not_finite
from test_entry_points import Kernel
from test_entry_points import pytestmark as loads_kernels

pytestmark = loads_kernels

FEATURES = ("--route", "features")
# Flags of the compiler; n and batch are the largest of a call.
KERNELS = {
    "features-d2": ("--d 2 --radius 1.5 --tolerance 1e-3", FEATURES),
    "features-d4": ("--d 4 --heads 2 --radius 0.5 --tolerance 1e-4", FEATURES),
    "features-d6-half": ("--d 6 --heads 4 --kv-heads 2 --layout half "
                         "--radius 1 --tolerance 1e-2", FEATURES),
    "features-d5-none": ("--d 5 --position none --radius 2 --tolerance 1e-1",
                         FEATURES),
    "features-d16": ("--d 16 --radius 0.5 --tolerance 7e-2", FEATURES),
    "features-forward": ("--d 4 --radius 1 --tolerance 1e-3 --wrt none",
                         FEATURES),
    "features-taylor": ("--d 4 --radius 1 --tolerance 1e-2 --fit taylor",
                        FEATURES),
    "features-v": ("--d 4 --radius 1 --tolerance 1e-2 --wrt V", FEATURES),
    "auto": ("--d 4 --heads 2 --radius 0.5 --tolerance 1e-2", ()),
    "auto-causal": ("--d 4 --heads 2 --radius 0.5 --tolerance 1e-2 --mask "
                    "causal", ()),
    "auto-biases": ("--n 450 --d 2 --heads 2 --kv-heads 1 --position none "
                    "--radius 0.4 --tolerance 5e-2 --bias learned", ()),
    "centred": ("--d 4 --heads 2 --kv-heads 1 --radius 0.5 --tolerance 1e-2 "
                "--centre keys", FEATURES),
    "centred-causal": ("--n 150 --d 3 --heads 2 --position none --radius 0.4 "
                       "--tolerance 1e-2 --mask causal --centre keys", ()),
    "centred-queries": ("--d 4 --heads 4 --kv-heads 2 --radius 0.5 --tolerance "
                        "1e-2 --centre both", FEATURES),
    "exact": ("--d 8 --heads 4 --kv-heads 2", ()),
    "exact-causal": ("--d 4 --heads 2 --mask causal --alibi 0.5,0.1", ()),
    "exact-window": ("--d 6 --mask window --window 5 --bias learned", ()),
    "exact-halide": ("--d 8 --heads 2 --mask causal",
                     ("--exact-by", "halide")),
    "exact-general": ("--d 4 --position general --support 0:0,1:3,2:1,3:2",
                      ()),
    "exact-v3": ("--d 10 --cpu x86-64-v3", ()),
    "poly": ("--d 4 --heads 2 --similarity poly:1,1,0.5 --position none",
             FEATURES),
    "scan-causal": ("--n 200 --d 4 --heads 2 --kv-heads 1 --radius 0.5 "
                    "--tolerance 1e-2 --mask causal", ("--route", "scan")),
    "scan-alibi": ("--n 200 --d 3 --heads 2 --position none --radius 1 "
                   "--tolerance 1e-1 --alibi 0.1,0.02", ("--route", "scan")),
    "scan-window": ("--n 400 --d 4 --radius 0.5 --tolerance 1e-2 --mask "
                    "window --window 150", ("--route", "scan")),
    "fft": ("--n 100 --d 4 --heads 2 --radius 0.5 --tolerance 1e-2 --bias "
            "learned", ("--route", "fft")),
    "fft-causal": ("--n 200 --d 4 --radius 0.5 --tolerance 1e-2 --mask causal "
                   "--bias learned", ("--route", "fft")),
}


@pytest.fixture(scope="module", params=KERNELS)
def kernel(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernel")
    text, more = KERNELS[request.param]
    path = folder / "K.so"
    size = () if "--n " in text else ("--n", 40)
    succeed("ropegrad-compile", "--entry", "attention", "--batch", 2, *size,
            *text.split(" "), *more, "--certify", "-o", path)
    return Kernel(path)


def test_random_calls(kernel, pytestconfig, record_property):
    count = max(1, pytestconfig.getoption("--cases") // len(KERNELS))
    seed = pytestconfig.getoption("--seed")
    most = kernel.manifest["radius_limit"] or 5.0
    tally = check_many(kernel, seed, count, most)
    for kind, times in tally.items():
        record_property(kind, times)
    assert tally["cases"] == count
    assert tally["solved"] > count / 3
    assert tally["cancelled"] <= tally["solved"] / 200
    if kernel.manifest["radius_limit"]:
        assert tally["beyond"] > count / 10
    if "certify" in kernel.functions:
        assert tally["certified"] > count / 3
        print(f"certified/observed: median {np.median(tally.ratios):.1f}, "
              f"least {min(tally.ratios):.2f}")


def test_random_numbers_that_are_none(kernel, pytestconfig):
    seed = pytestconfig.getoption("--seed")
    for case in range(20):
        check_not_finite(kernel, np.random.default_rng((seed, 1, case)))
