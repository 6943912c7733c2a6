"""JAX: its dot product attention, and the same features written by hand.

Both are jitted, with jax.vjp for the gradients. By hand, heads may be
vectorised or come one after another: each job takes what is faster.
"""
import feature_map
import jax
import jax.numpy as jnp
import numpy as np
from worker import Prepared, seconds_of

ROWS = 256      # of a block of features: they stay in the L2 cache


def features(x, degree):
    """(rows, d) -> (rows, M): every monomial of each row."""
    blocks = [jnp.ones_like(x[:, :1])]
    for variable, parent in feature_map.tables(x.shape[1], degree):
        blocks.append(x[:, variable] * blocks[-1][:, parent])
    return jnp.concatenate(blocks, 1)


def with_ones(v):
    return jnp.concatenate([v, jnp.ones_like(v[:, :1])], 1)


def divided(numerators):
    return numerators[:, :-1] / numerators[:, -1:]


def in_blocks(weights, degree):
    """One head (n, d), a block of rows at a time: all n x M features in memory
    take longer. The gradient makes the features of a block again."""
    def head(q, k, v):
        n, d = q.shape
        rows = min(ROWS, n)
        v = with_ones(v)

        @jax.checkpoint
        def accumulate(g, block):
            keys, values = block
            return g + features(keys, degree).T @ values, None

        g, _ = jax.lax.scan(
            accumulate, jnp.zeros((weights.size, d + 1), q.dtype),
            (k.reshape(-1, rows, d), v.reshape(-1, rows, d + 1)))
        g = weights[:, None] * g
        expand = jax.checkpoint(lambda x: features(x, degree) @ g)
        return divided(jax.lax.map(expand, q.reshape(-1, rows, d))
                       .reshape(n, d + 1))
    return head


def vectorised(head):
    """All heads (batch, heads, n, d) at once: batched products."""
    return jax.vmap(jax.vmap(head))


def one_by_one(head):
    """The heads one after another: plain products."""
    def heads(*arrays):
        shape = arrays[0].shape
        flat = [x.reshape(-1, *shape[2:]) for x in arrays]
        return jnp.stack([head(*(x[i] for x in flat))
                          for i in range(len(flat[0]))]).reshape(shape)
    return heads


def feature_ways(job):
    """{name: attention by features} of what is worth trying."""
    weights = jnp.asarray(feature_map.weights(
        job["d"], job["coefficients"], job["scale"]), jnp.float32)
    head = in_blocks(weights, len(job["coefficients"]) - 1)
    return {way.__name__: way(head) for way in (vectorised, one_by_one)}


def with_gradient(attention):
    def run(q, k, v, upstream):
        o, pull = jax.vjp(attention, q, k, v)
        return o, *pull(upstream)
    return jax.jit(run)


def fastest(ways, inputs):
    """(name, function) of the way that takes the least time, once compiled."""
    found = {}
    for name, way in ways.items():
        run = with_gradient(way)
        jax.block_until_ready(run(*inputs))
        found[name] = run, seconds_of(lambda: jax.block_until_ready(
            run(*inputs)))
    name = min(found, key=lambda name: found[name][1])
    return name, found[name][0]


def prepare(job, arrays):
    attention = job["contender"] == "jax-attention"
    # JAX's own layout is (batch, n, heads, d).
    place = ((lambda x: np.ascontiguousarray(x.swapaxes(1, 2))) if attention
             else (lambda x: x))
    inputs = [jnp.asarray(place(arrays[name])) for name in "QKV"]
    inputs.append(jnp.asarray(place(arrays["dO"])))
    if attention:
        way, run = "xla", with_gradient(
            lambda q, k, v: jax.nn.dot_product_attention(
                q, k, v, scale=job["scale"]))
        jax.block_until_ready(run(*inputs))
    else:
        way, run = fastest(feature_ways(job), inputs)
    found = []

    def call():
        found[:] = jax.block_until_ready(run(*inputs))

    return Prepared(call, lambda: {
        name: place(np.asarray(value))
        for name, value in zip(("O", "dQ", "dK", "dV"), found)}, {"way": way})


def versions():
    return {"jax": jax.__version__}
