#!/usr/bin/env python3
"""Float64 reference for RoPE attention, its loss and every gradient of it.

Straight from the definitions, quadratic in n, a block of rows at a time so that
nothing n x n is stored. With t = i - j, support S of the matrices W_t and the
prefactor b(t) >= 0 that mask, ALiBi and learned bias make:

    Z_ij = scale sum_{(a,b) in S} Q_ia W_t[a,b] K_jb
    P_ij = b(t) f(Z_ij)        f = exp, or a polynomial
    s = P / row sums,  O = s V,  Loss = 1/2 |O - E|^2
    gamma_ij = dLoss/dZ_ij = f'/f(Z_ij) s_ij <V_j - O_i, dO_i>

    reference.py make DIR --n 256 --d 8 [...]     a random problem
    reference.py solve DIR OUT                    its answers, and sizes.json
    reference.py check DIR OUT [--rtol 1e-3]      judge the answers in OUT

A problem is a dict with the keys of problem.json; its arrays, like its answers,
are a dict from name to NumPy array:

  entry "loss-gradient": A1 A2 A3 (n, c), X1 X2 Y (c, d), E (n, d)
      -> loss O, dX1 dX2 dY, dA1 dA2 dA3; dX (c*c, |S|) where wrt names X: the
      columns of the gradient in X1 (x) X2 that S leaves non-zero, in its order
  entry "attention": Q dO (batch, heads, n, d), K V (batch, kv_heads, n, d)
      -> O dQ dK dV
  position "general": W (2n-1, |S|), row t+n-1 is W_t on S      -> dW
  bias "learned": bias (2n-1) or (heads, 2n-1), added to Z      -> dbias
"""
import argparse
import json
import os
import sys

import numpy as np

INPUTS = {"loss-gradient": ("A1", "A2", "A3", "X1", "X2", "Y", "E"),
          "attention": ("Q", "K", "V", "dO")}
DISTRIBUTIONS = {
    "uniform": lambda rng, *shape: rng.uniform(-1, 1, shape),
    "normal": lambda rng, *shape: rng.normal(size=shape) / 3,
    "skewed": lambda rng, *shape: (rng.uniform(-1, 1, shape)
                                   * np.geomspace(1, .1, shape[-1]) + .3)}
ETA = 1e-2          # share of the sum of absolute terms that an error may be of
BLOCK = 1 << 18     # elements of an n x n matrix that are alive at a time


# -- Positions ----------------------------------------------------------------

def default_support(position, layout, d):
    """Where W_t may be non-zero: rotary pairs aa ab ba bb; none: diagonal."""
    if position == "none":
        return [(a, a) for a in range(d)]
    pairs = [(2 * k, 2 * k + 1) if layout == "interleaved" else (k, k + d // 2)
             for k in range(d // 2)]
    return [entry for a, b in pairs
            for entry in ((a, a), (a, b), (b, a), (b, b))]


def support_of(problem):
    given = problem.get("support")
    if given:
        return [tuple(entry) for entry in given]
    return default_support(problem["position"],
                           problem.get("layout", "interleaved"), problem["d"])


def angles(problem, t):
    """t * theta_k for each rotary pair k: (len(t), d/2)."""
    d = problem["d"]
    theta = problem.get("base", 10000.0) ** (-2.0 * np.arange(d // 2) / d)
    return np.asarray(t)[:, None] * theta


def position_table(problem, W=None):
    """W_t on the support: (2n-1, |S|), row t+n-1."""
    n, support = problem["n"], support_of(problem)
    if problem["position"] == "general":
        return W
    if problem["position"] == "none":
        return np.ones((2 * n - 1, len(support)))
    # W_{i-j} = R_i^T R_j: cos on the diagonal, +-sin beside it.
    angle = angles(problem, np.arange(-(n - 1), n))
    half = problem.get("layout", "interleaved") == "half"
    columns = []
    for a, b in support:
        x = angle[:, a % (problem["d"] // 2) if half else a // 2]
        columns.append(np.cos(x) if a == b else
                       np.sin(x) if a < b else -np.sin(x))
    return np.stack(columns, 1)


def rotate(problem, x, sign=1):
    """R_i x_i for every row i (sign -1: R_i^T x_i); x itself without rotary."""
    if problem["position"] == "none":
        return x
    n, d = x.shape
    angle = sign * angles(problem, np.arange(n))
    cos, sin = np.cos(angle), np.sin(angle)
    interleaved = problem.get("layout", "interleaved") == "interleaved"
    first = slice(0, d, 2) if interleaved else slice(0, d // 2)
    second = slice(1, d, 2) if interleaved else slice(d // 2, d)
    out = np.empty_like(x)
    out[:, first] = x[:, first] * cos - x[:, second] * sin
    out[:, second] = x[:, first] * sin + x[:, second] * cos
    return out


def toeplitz(values, rows):
    """T_ij = values[i-j+n-1] for the given range of rows: a view, no copy."""
    n = (len(values) + 1) // 2
    windows = np.lib.stride_tricks.sliding_window_view(values[::-1], n)
    return windows[::-1][rows]


def add_diagonals(total, block, start):
    """Adds the sums of block_ij over equal i-j to total[i-j+n-1]; block holds
    the rows from start on."""
    b, n = block.shape
    # One more column a row makes equal (row - column) equal columns.
    padded = np.zeros((b, n + b))
    padded[:, :n] = block[:, ::-1]
    skewed = padded.ravel()[:b * (n + b - 1)].reshape(b, n + b - 1)
    total[start:start + n + b - 1] += skewed.sum(0)


# -- One head -----------------------------------------------------------------

def log_prefactor(problem, alibi, bias):
    """log b(t) for t = -(n-1) ... n-1; -inf where the mask hides the pair."""
    n, mask = problem["n"], problem.get("mask", "none")
    t = np.arange(-(n - 1), n)
    log_b = -alibi * np.abs(t) + (0.0 if bias is None else bias)
    hidden = np.zeros(2 * n - 1, bool)
    if mask in ("causal", "window"):
        hidden |= t < 0
    if mask == "window":
        hidden |= t >= problem["window"]
    return np.where(hidden, -np.inf, log_b)


def weights(problem, z, log_b):
    """f(z) b and f'(z) b, both divided by the row sum of f(z) b."""
    similarity = problem.get("similarity", "exp")
    if similarity == "exp":
        y = z + log_b
        e = np.exp(y - y.max(1, keepdims=True))
        s = e / e.sum(1, keepdims=True)
        return s, s
    polynomial = np.polynomial.Polynomial(similarity)
    b = np.exp(log_b)
    e = b * polynomial(z)
    total = e.sum(1, keepdims=True)
    return e / total, b * polynomial.deriv()(z) / total


class Head:
    """One head's arrays, and its answers, filled block of rows by block.

    sizes[x] is x with every sum of products replaced by the sum of their
    absolute values: what rounding errors of x are relative to where x itself
    cancels (n = 1, a window of 1, a saturated softmax)."""

    def __init__(self, problem, Q, K, V, table, log_b, want_sizes, dx=None):
        self.problem, self.Q, self.K, self.V = problem, Q, K, V
        self.support, self.log_b = support_of(problem), log_b
        self.dx = dx            # (A1, A2) where dX is asked for
        self.general = problem["position"] == "general"
        self.biased = problem.get("bias", "none") == "learned"
        # Copies make every column of the table one contiguous run.
        self.table = np.ascontiguousarray(table.T)
        shapes = {"O": Q.shape, "dQ": Q.shape, "dK": K.shape, "dV": V.shape}
        if self.biased:
            shapes["dbias"] = log_b.shape
        if self.general:
            shapes["dW"] = table.shape
        if dx:
            shapes["dX"] = (dx[0].shape[1], dx[1].shape[1], len(self.support))
        self.out = {k: np.zeros(v) for k, v in shapes.items()}
        self.sizes = ({k: np.zeros(v) for k, v in shapes.items()}
                      if want_sizes else None)
        self.logit_bound = 0.0
        if not self.general:
            self.q, self.k = rotate(problem, Q), rotate(problem, K)
            self.dq, self.dk = np.zeros_like(Q), np.zeros_like(K)

    def run(self, upstream):
        """upstream(rows, O) is dLoss/dO of these rows."""
        n = self.problem["n"]
        step = max(1, BLOCK // n)
        for start in range(0, n, step):
            self.block(slice(start, min(n, start + step)), upstream)
        if not self.general:
            self.out["dQ"] = rotate(self.problem, self.dq, -1)
            self.out["dK"] = rotate(self.problem, self.dk, -1)
        return self

    def logits(self, rows):
        scale = self.problem["scale"]
        if not self.general:
            return scale * (self.q[rows] @ self.k.T)
        z = np.zeros((rows.stop - rows.start, self.problem["n"]))
        for column, (a, b) in zip(self.table, self.support):
            z += (np.outer(self.Q[rows, a], self.K[:, b])
                  * toeplitz(column, rows))
        return scale * z

    def block(self, rows, upstream):
        out, V = self.out, self.V
        scale, log_b = self.problem["scale"], toeplitz(self.log_b, rows)
        z = self.logits(rows)
        largest = np.abs(z).max(where=np.isfinite(log_b), initial=0.0)
        self.logit_bound = max(self.logit_bound, largest)
        s, slope = weights(self.problem, z, log_b)
        o = s @ V
        g = upstream(rows, o)
        r = (o * g).sum(1, keepdims=True)
        gamma = slope * (g @ V.T - r)
        out["O"][rows] = o
        out["dV"] += s.T @ g
        if self.biased:
            add_diagonals(out["dbias"], gamma, rows.start)
        if not self.general:
            self.dq[rows] = scale * (gamma @ self.k)
            self.dk += scale * (gamma.T @ self.q[rows])
        if self.general or self.dx:
            self.by_support(out, scale * gamma, rows, lambda x: x, self.general)
        if self.sizes:
            self.add_sizes(rows, s, slope, o, g)

    def by_support(self, out, gamma, rows, of, all_gradients=True):
        """Adds what gamma of these rows means for dQ, dK, dW and dX, each input
        x seen as of(x). all_gradients False: for dX alone."""
        Q, K = of(self.Q[rows]), of(self.K)
        for c, (a, b) in enumerate(self.support):
            weighted = gamma * of(toeplitz(self.table[c], rows))
            if self.dx:
                A1, A2 = self.dx
                out["dX"][:, :, c] += of(A1[rows]).T @ weighted @ of(A2)
            if not all_gradients:
                continue
            out["dQ"][rows, a] += weighted @ K[:, b]
            out["dK"][:, b] += Q[:, a] @ weighted
            if self.general:
                add_diagonals(out["dW"][:, c],
                              gamma * np.outer(Q[:, a], K[:, b]), rows.start)

    def add_sizes(self, rows, s, slope, o, g):
        size, V, g, s = self.sizes, np.abs(self.V), np.abs(g), np.abs(s)
        mass = np.abs(slope) * (g @ V.T
                                + (np.abs(o) * g).sum(1, keepdims=True))
        size["O"][rows] = s @ V
        size["dV"] += s.T @ g
        if self.biased:
            add_diagonals(size["dbias"], mass, rows.start)
        self.by_support(size, self.problem["scale"] * mass, rows, np.abs)


# -- Whole problems -----------------------------------------------------------

def solve(problem, arrays, sizes=True):
    """Returns (answers, sizes): every answer of the problem (dX only where wrt
    names X), and per answer the Frobenius norm of its sums of absolute terms
    (None unless sizes). Also sets problem["logit_bound"], the largest |Z|."""
    arrays = {k: np.asarray(v, np.float64) for k, v in arrays.items()}
    entry = {"loss-gradient": solve_loss, "attention": solve_attention}
    answers, size = entry[problem.get("entry", "loss-gradient")](
        problem, arrays, sizes)
    if not sizes:
        return answers, None
    return answers, {k: float(np.linalg.norm(size[k])) for k in answers}


def solve_loss(problem, arrays, want_sizes):
    A1, A2, A3, X1, X2, Y, E = (arrays[k] for k in INPUTS["loss-gradient"])
    bias = arrays.get("bias")
    dx = (A1, A2) if "X" in problem.get("wrt", ()) else None
    head = Head(problem, A1 @ X1, A2 @ X2, A3 @ Y,
                position_table(problem, arrays.get("W")),
                log_prefactor(problem, problem.get("alibi", 0.0), bias),
                want_sizes, dx).run(lambda rows, o: o - E[rows])
    problem["logit_bound"] = float(head.logit_bound)

    def by_inputs(r, of):
        found = {}
        for A, X, name, of_A, of_X in ((A1, X1, "dQ", "dA1", "dX1"),
                                       (A2, X2, "dK", "dA2", "dX2"),
                                       (A3, Y, "dV", "dA3", "dY")):
            found[of_X], found[of_A] = of(A).T @ r[name], r[name] @ of(X).T
        if "dW" in r:
            found["dW"] = r["dW"]
        if bias is not None:
            found["dbias"] = r["dbias"]
        if dx:
            found["dX"] = r["dX"].reshape(-1, r["dX"].shape[-1])
        return found

    loss = np.array(0.5 * ((head.out["O"] - E) ** 2).sum())
    answers = {"loss": loss, "O": head.out["O"],
               **by_inputs(head.out, lambda x: x)}
    if not want_sizes:
        return answers, None
    return answers, {"loss": loss, "O": head.sizes["O"],
                     **by_inputs(head.sizes, np.abs)}


def solve_attention(problem, arrays, want_sizes):
    Q, K, V, dO = (arrays[k] for k in INPUTS["attention"])
    bias, table = arrays.get("bias"), position_table(problem, arrays.get("W"))
    batch, heads = Q.shape[:2]
    group = heads // K.shape[1]
    alibi = np.broadcast_to(problem.get("alibi", 0.0), heads)
    shapes = {"O": Q.shape, "dQ": Q.shape, "dK": K.shape, "dV": V.shape}
    if bias is not None:
        shapes["dbias"] = bias.shape
    if problem["position"] == "general":
        shapes["dW"] = table.shape
    answers = {k: np.zeros(v) for k, v in shapes.items()}
    size = {k: np.zeros(v) for k, v in shapes.items()}
    problem["logit_bound"] = 0.0
    for x in range(batch):
        for h in range(heads):
            own = bias if bias is None or bias.ndim == 1 else bias[h]
            head = Head(problem, Q[x, h], K[x, h // group], V[x, h // group],
                        table, log_prefactor(problem, alibi[h], own),
                        want_sizes).run(lambda rows, o: dO[x, h, rows])
            problem["logit_bound"] = max(problem["logit_bound"],
                                         float(head.logit_bound))
            per_head = bias is not None and bias.ndim == 2
            places = {"O": (x, h), "dQ": (x, h), "dK": (x, h // group),
                      "dV": (x, h // group), "dW": ...,
                      "dbias": h if per_head else ...}
            for total, found in ((answers, head.out), (size, head.sizes)):
                for name in shapes if found else ():
                    total[name][places[name]] += found[name]
    return answers, size


def errors(want, sizes, got, least=ETA):
    """Relative error of every array of `want` in `got`: Frobenius norm of the
    difference over max(|want|, least * size). Infinite where an array is
    missing, of another shape or not finite. Without sizes: relative to |want|
    alone."""
    found = {}
    for name, expected in want.items():
        value = got.get(name)
        if value is None or np.shape(value) != np.shape(expected):
            found[name] = np.inf
            continue
        size = least * sizes[name] if sizes else 0.0
        error = (np.linalg.norm(np.asarray(value, np.float64) - expected)
                 / max(np.linalg.norm(expected), size, 1e-300))
        found[name] = float(error) if np.isfinite(error) else np.inf
    return found


# -- Random problems ----------------------------------------------------------

# Of the 16-bit dtypes: bits of the mantissa, the leading one included, and the
# exponent e of the smallest normal number, 2^(e-1).
HALVES = {"bf16": (8, -125), "f16": (11, -13)}


def rounded(x, dtype="f32"):
    """The nearest values (ties to even) that dtype holds, in float64. Those of
    f32 are such that every dtype from f32 on holds them."""
    x = np.asarray(x, np.float64)
    if dtype not in HALVES:
        return x.astype(np.float32).astype(np.float64)
    bits, least = HALVES[dtype]
    place = np.ldexp(1.0, np.maximum(np.frexp(x)[1], least) - bits)
    return np.rint(x / place) * place


def make_problem(n, d, entry="loss-gradient", channels=0, batch=1, heads=1,
                 kv_heads=0, bound=1.0, scale=0.0, position="rotary",
                 layout="interleaved", base=10000.0, mask="none", window=0,
                 alibi=0.0, bias=False, bias_per_head=False, similarity=None,
                 dist="uniform", seed=0, radius=None, tolerance=None, wrt=None,
                 dtype="f32"):
    """Returns (problem, arrays): random inputs, rounded to `dtype` (f32, bf16
    or f16), of which Q, K and V (or A1 X1, A2 X2, A3 Y) have entries up to
    `bound`. With radius, Q and K are scaled
    down until scale * max |Q_i| max |K_j| <= radius, over all heads."""
    rng = np.random.default_rng(seed)
    draw = DISTRIBUTIONS[dist]
    hold = lambda x: rounded(x, dtype)
    problem = {"entry": entry, "n": n, "d": d, "scale": scale or 1.0 / d,
               "position": position, "base": base, "layout": layout,
               "mask": mask, "window": window, "alibi": alibi, "dtype": dtype}
    if entry == "loss-gradient":
        c = problem["channels"] = channels or d
        arrays = {k: hold(draw(rng, n, c)) for k in ("A1", "A2", "A3")}
        arrays["E"] = hold(draw(rng, n, d))
        for A, X in (("A1", "X1"), ("A2", "X2"), ("A3", "Y")):
            # Near a multiple of an orthogonal matrix: Q is as spread as A1.
            wide = max(c, d)
            x = np.linalg.qr(rng.normal(size=(wide, wide)))[0][:c, :d]
            arrays[X] = hold(x * bound / np.abs(arrays[A] @ x).max())
    else:
        kv_heads = kv_heads or heads
        problem.update(batch=batch, heads=heads, kv_heads=kv_heads)
        arrays = {}
        for name, count in (("Q", heads), ("K", kv_heads), ("V", kv_heads)):
            x = draw(rng, batch, count, n, d)
            arrays[name] = hold(x * bound / np.abs(x).max())
        arrays["dO"] = hold(draw(rng, batch, heads, n, d))
    if position == "general":
        problem["support"] = ([[a, a] for a in range(d)]
                              + [[a, (a + 1) % d] for a in range(d)])
        arrays["W"] = hold(rng.uniform(-1, 1,
                                       (2 * n - 1, len(problem["support"]))))
    if bias:
        problem["bias"] = "learned"
        shape = (heads, 2 * n - 1) if bias_per_head else (2 * n - 1,)
        fall = -.3 * np.log1p(np.abs(np.arange(-(n - 1), n)))
        arrays["bias"] = hold(fall + .1 * rng.normal(size=shape))
    if similarity:
        problem["similarity"] = list(similarity)
    if radius:
        limit_radius(problem, arrays, radius)
        problem["radius"] = radius
    else:
        problem["bound"] = bound
    if tolerance:
        problem["tolerance"] = tolerance
    if wrt:
        problem["wrt"] = list(wrt)
    return problem, arrays


def limit_radius(problem, arrays, radius):
    """Scales what makes Q and K down, by one factor each, until every logit's
    bound by row norms is at most radius."""
    def longest(x):
        return np.sqrt((x ** 2).sum(-1).max())
    if problem["entry"] == "loss-gradient":
        names = ("X1", "X2")
        Q, K = arrays["A1"] @ arrays["X1"], arrays["A2"] @ arrays["X2"]
    else:
        names, Q, K = ("Q", "K"), arrays["Q"], arrays["K"]
    found = problem["scale"] * longest(Q) * longest(K)
    if problem["dtype"] in HALVES:  # rounding may make a row longer
        radius /= (1 + 2.0 ** -HALVES[problem["dtype"]][0]) ** 2
    if found > radius:
        for name in names:
            arrays[name] = rounded(arrays[name] * np.sqrt(radius / found),
                                   problem["dtype"])


# -- Files --------------------------------------------------------------------

def save(folder, problem, arrays, dtype=np.float32):
    """Writes problem.json and the arrays as .npy files into `folder`."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "problem.json"), "w") as file:
        json.dump(problem, file, indent=1)
    for name, value in arrays.items():
        np.save(os.path.join(folder, name + ".npy"), value.astype(dtype))


def load(folder):
    """Reads back what save() wrote: (problem, arrays in float64)."""
    with open(os.path.join(folder, "problem.json")) as file:
        problem = json.load(file)
    names = list(INPUTS[problem.get("entry", "loss-gradient")])
    names += ["W"] * (problem["position"] == "general")
    names += ["bias"] * (problem.get("bias", "none") == "learned")
    return problem, load_arrays(folder, names)


def load_arrays(folder, names):
    """Those of the named .npy files that exist, in float64."""
    found = {}
    for name in names:
        path = os.path.join(folder, name + ".npy")
        if os.path.exists(path):
            found[name] = np.load(path).astype(np.float64)
    return found


def command_make(options):
    numbers = lambda text: [float(x) for x in text.split(",")]
    given = {k: v for k, v in vars(options).items()
             if v is not None and k not in ("command", "run", "folder")}
    if "similarity" in given:
        given["similarity"] = numbers(given["similarity"])
    if "alibi" in given:
        slopes = numbers(given["alibi"])
        given["alibi"] = slopes if len(slopes) > 1 else slopes[0]
    if "wrt" in given:
        given["wrt"] = given["wrt"].split(",")
    save(options.folder, *make_problem(**given))


def command_solve(options):
    problem, arrays = load(options.folder)
    answers, sizes = solve(problem, arrays)
    os.makedirs(options.out, exist_ok=True)
    for name, value in answers.items():
        np.save(os.path.join(options.out, name + ".npy"), value)
    with open(os.path.join(options.out, "sizes.json"), "w") as file:
        json.dump(sizes, file, indent=1)
    print(f"largest |logit| {problem['logit_bound']:.4g}")


def command_check(options):
    want, sizes = solve(*load(options.folder))
    got = load_arrays(options.out, want)
    if not got:
        sys.exit(f"expected answers in {options.out}, but found none")
    worst = 0.0
    for name, error in errors({k: want[k] for k in got}, sizes, got).items():
        worst = max(worst, error)
        print(f"{name:6s} relative error {error:.3e}")
    sys.exit(1 if worst > options.rtol else 0)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make")
    make.add_argument("folder")
    for flag in ("n", "d", "channels", "batch", "heads", "kv-heads", "window",
                 "seed"):
        make.add_argument("--" + flag, type=int, required=flag in ("n", "d"))
    for flag in ("bound", "scale", "base", "radius", "tolerance"):
        make.add_argument("--" + flag, type=float)
    for flag, choices in (("entry", INPUTS), ("dist", DISTRIBUTIONS),
                          ("position", ("rotary", "general", "none")),
                          ("layout", ("interleaved", "half")),
                          ("mask", ("none", "causal", "window")),
                          ("dtype", ("f32", *HALVES))):
        make.add_argument("--" + flag, choices=tuple(choices))
    for flag in ("alibi", "similarity", "wrt"):
        make.add_argument("--" + flag, help="one, or several with commas")
    for flag in ("bias", "bias-per-head"):
        make.add_argument("--" + flag, action="store_true")
    make.set_defaults(run=command_make)
    solver = commands.add_parser("solve")
    solver.add_argument("folder")
    solver.add_argument("out")
    solver.set_defaults(run=command_solve)
    check = commands.add_parser("check")
    check.add_argument("folder")
    check.add_argument("out")
    check.add_argument("--rtol", type=float, default=1e-3)
    check.set_defaults(run=command_check)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
