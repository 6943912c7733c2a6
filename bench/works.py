"""What ./dev bench measures, and what it has to show.

A work is forward pass and gradient (dQ, dK, dV) of the entry attention: f32,
scale 1/d. Where it has a rotary position, PyTorch gets the usual rotation by
tables before its attention.
"""
import fnmatch
from dataclasses import dataclass, replace
from typing import Optional, Tuple

HEADS = 2
# Of each group, the one of ours that takes part is what the answers of the
# others in it are held against.
FEATURES = ("features", "scan", "fft", "jax-features", "openblas")
SOFTMAX = ("exact", "halide", "bf16", "torch", "jax-attention")
# What `ropegrad-compile` is told for our own contenders.
OURS = {"features": ("--route", "features"), "scan": ("--route", "scan"),
        "fft": ("--route", "fft"), "exact": ("--route", "exact"),
        "halide": ("--route", "exact", "--exact-by", "halide"),
        "bf16": ("--route", "exact", "--dtype", "bf16")}
# Contenders, in the order of their turns and rows.
LABELS = {"features": "RopeGrad features", "scan": "RopeGrad scan",
          "fft": "RopeGrad fft", "exact": "RopeGrad exact",
          "halide": "RopeGrad by Halide", "bf16": "RopeGrad in bf16",
          "torch": "PyTorch SDPA", "jax-attention": "JAX attention",
          "jax-features": "JAX features", "openblas": "OpenBLAS features"}
# Longest n at which a contender takes part in works with exp, where not at any:
# time, and with JAX's attention memory, are quadratic in n; a quick run has no
# time to let JAX compile much.
LONGEST = {"full": {"exact": 16384, "torch": 16384, "jax-attention": 16384},
           "quick": {"jax-attention": 1024, "jax-features": 1024}}
LENGTHS = {"full": (1024, 2048, 4096, 8192, 16384, 32768),
           "quick": (1024, 4096, 16384)}
# A mask of n x n numbers and its gradient: memory.
BIAS_LENGTHS = {"full": (1024, 2048, 4096, 8192), "quick": (4096, 8192)}
# Of the families without radius, which only the exact route can take.
EXACT_LENGTHS = {"full": (1000, 2048, 4096), "quick": (1000, 4096)}


@dataclass(frozen=True)
class Work:
    """One problem at one length."""
    family: str
    d: int
    n: int = 0
    radius: Optional[float] = None
    tolerance: Optional[float] = None
    similarity: Optional[Tuple[float, ...]] = None
    heads: int = HEADS
    kv_heads: int = HEADS
    mask: str = "none"
    position: str = "none"
    bias: bool = False

    @property
    def only_exact(self):
        return self.radius is None and self.similarity is None

    @property
    def almost_linear(self):
        """The route of ours that is no exact one; a bias is differentiated."""
        if self.bias:
            return "fft"
        return "features" if self.mask == "none" else "scan"

    @property
    def name(self):
        return f"{self.family}/n{self.n}"

    @property
    def title(self):
        if self.only_exact:
            what = ["exact"] + [x for x in (self.mask, self.position)
                                if x != "none"]
            if self.kv_heads != self.heads:
                what.append(f"{self.heads} heads on {self.kv_heads}")
            return f"d={self.d}, {', '.join(what)}"
        what = (f"poly:{','.join(f'{c:g}' for c in self.similarity)}"
                if self.similarity else
                f"radius {self.radius:g}, tolerance {self.tolerance:g}")
        if self.mask != "none":
            what = f"{self.mask}, {what}"
        if self.bias:
            what = f"learned bias, {what}"
        return f"d={self.d}, {what}"

    def at(self, n):
        return replace(self, n=n)


FAMILIES = (
    Work("d8", 8, radius=0.5, tolerance=1e-3),
    Work("d16", 16, radius=0.5, tolerance=1e-2),
    Work("d64", 64, radius=0.25, tolerance=2e-2),
    Work("poly", 16, similarity=(1.0, 1.0, 0.5)),
    Work("scan8", 8, radius=0.5, tolerance=1e-3, mask="causal"),
    Work("scan16", 16, radius=0.5, tolerance=1e-2, mask="causal"),
    Work("scan64", 64, radius=0.25, tolerance=1e-1, mask="causal"),
    Work("bias8", 8, radius=0.25, tolerance=2e-2, bias=True),
    *(Work(f"{name}{d}", d, mask=mask) for name, mask in
      (("exact", "none"), ("causal", "causal")) for d in (8, 16, 64, 128)),
    # A layer of a language model: three heads that share keys and values.
    Work("grouped64", 64, heads=3, kv_heads=1, mask="causal",
         position="rotary"),
)
GUARD = Work("d16", 16, n=4096, radius=0.5, tolerance=1e-2)
MEMORY = Work("d16", 16, n=131072, radius=0.5, tolerance=1e-2)
POLY_LENGTHS = {"full": LENGTHS["full"], "quick": (1024, 8192)}
SCALING_LENGTH = 16384
GROWTH_LENGTHS = (4096, 32768)


@dataclass(frozen=True)
class Target:
    """Our first contender in `work` has to be at least `factor` times as fast
    as `against`."""
    work: str
    against: str
    factor: float


TARGETS = (
    Target("d8/n1024", "torch", 8), Target("d8/n4096", "torch", 25),
    Target("d8/n16384", "torch", 110),
    Target("d16/n1024", "torch", 2.5), Target("d16/n4096", "torch", 9),
    Target("d16/n16384", "torch", 30),
    Target("d64/n4096", "torch", 2.5), Target("d64/n16384", "torch", 9),
    Target("poly/n8192", "jax-features", 8),
    Target("scan8/n4096", "torch", 12), Target("scan8/n16384", "torch", 45),
    Target("scan16/n4096", "torch", 4), Target("scan16/n16384", "torch", 12),
    Target("scan64/n16384", "torch", 3.5),
    Target("bias8/n4096", "torch", 30), Target("bias8/n8192", "torch", 50),
    *(Target(f"{family}{d}/n{n}", "torch", factor)
      for family in ("exact", "causal")
      for d, factor in ((8, 2.8), (16, 1.7), (64, 1.35), (128, 1.05))
      for n in EXACT_LENGTHS["quick"]),
    Target("grouped64/n2048", "torch", 1.35),
)
# At each work with features that TARGETS names, and at these.
TARGET_OF_PEAK = 0.60
TARGET_OF_BF16 = 1.1        # times the time of f32, at most, at this work
WORK_OF_BF16 = "exact64/n4096"
TARGETS_OF_PEAK = {"exact8/n4096": 0.50, "exact16/n4096": 0.58,
                   "exact64/n4096": 0.68, "exact128/n4096": 0.68}
TARGET_SCALING = 1.8        # two threads against one
# Times from the shorter of GROWTH_LENGTHS to the longer on one thread, at most.
TARGETS_OF_GROWTH = {"features": 9.5, "scan": 9.5, "fft": 13}
TARGET_MEMORY = (3, 60e6)   # times inputs and outputs, plus bytes
TARGET_GUARD = 0.01         # of the time of a call, at most
TARGET_SECONDS = 5          # of a compilation
TARGET_BYTES = 1e6          # of K.so
ALLOWED_LIBRARIES = ("libc.so", "libm.so", "libomp.so", "ld-linux")


def works(mode):
    """The works of mode "full" or "quick", shortest n of a family first."""
    return [family.at(n) for family in FAMILIES
            for n in lengths(family)[mode]]


def lengths(family):
    if family.position == "rotary":
        return {"full": (2048,), "quick": (2048,)}
    if family.only_exact:
        return EXACT_LENGTHS
    if family.bias:
        return BIAS_LENGTHS
    return POLY_LENGTHS if family.similarity else LENGTHS


def wanted_of_peak(row):
    """The share of the FMA peak that a row of results has to reach, if any."""
    if row["contender"] == "features" and any(
            target.work == row["work"] for target in TARGETS):
        return TARGET_OF_PEAK
    if row["contender"] == "exact":
        return TARGETS_OF_PEAK.get(row["work"])
    return None


def contenders(work, mode):
    """Who takes part in a work. A polynomial similarity is no softmax."""
    if work.only_exact:
        return ["exact", "halide", "bf16", "torch"]
    if work.similarity:
        return ["features", "exact", "jax-features", "openblas"]
    if work.almost_linear != "features":
        taking_part = (work.almost_linear, "exact", "torch")
    else:
        taking_part = [name for name in LABELS if name not in (
            "scan", "fft", "halide", "bf16")]
    return [name for name in taking_part
            if work.n <= LONGEST[mode].get(name, work.n)]


def selected(name, patterns):
    """Whether one of the patterns (all, if there is none) is, as a glob or as a
    part, in `name`."""
    return not patterns or any(
        pattern in name or fnmatch.fnmatch(name, pattern)
        for pattern in patterns)
