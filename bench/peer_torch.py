"""PyTorch's scaled dot product attention: CPU flash kernel and its autograd."""
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from worker import Prepared


def rotary_tables(n, d, base):
    """cos and sin (n, d / 2) of all angles, made in double."""
    angles = torch.outer(
        torch.arange(n, dtype=torch.float64),
        base ** (-torch.arange(0, d, 2, dtype=torch.float64) / d))
    return angles.cos().float(), angles.sin().float()


def rotated(x, tables):
    """Pairs of neighbouring coordinates turned by the angle of their row."""
    cos, sin = tables
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos),
                       -1).flatten(-2)


def prepare_biased(job, inputs):
    """The bias of relative positions gathered into a mask of n x n numbers:
    flash attention has no gradient of a mask, so PyTorch may choose."""
    q, k, v = (inputs[name] for name in "QKV")
    bias = inputs["bias"].requires_grad_()
    row = torch.arange(job["n"])
    index = row[:, None] - row[None, :] + job["n"] - 1
    found = {}

    def call():
        o = torch.nn.functional.scaled_dot_product_attention(
            q, k, v, attn_mask=bias[index], scale=job["scale"])
        gradients = torch.autograd.grad(o, (q, k, v, bias), inputs["dO"])
        found.update(zip(("dQ", "dK", "dV", "dbias"), gradients),
                     O=o.detach())

    return Prepared(call, lambda: {name: value.numpy()
                                   for name, value in found.items()}, {})


def prepare(job, arrays):
    torch.set_num_threads(job["threads"])
    inputs = {name: torch.from_numpy(arrays[name]) for name in arrays}
    q, k, v = (inputs[name].requires_grad_() for name in "QKV")
    found = {}
    turn = lambda x: x      # noqa: E731
    if job["position"] == "rotary":
        tables = rotary_tables(job["n"], job["d"], job["base"])
        turn = lambda x: rotated(x, tables)     # noqa: E731
    if job["bias"]:
        return prepare_biased(job, inputs)

    def call():
        # Flash or an error: no silent change to the quadratic path.
        with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
            o = torch.nn.functional.scaled_dot_product_attention(
                turn(q), turn(k), v, scale=job["scale"],
                is_causal=job["mask"] == "causal",
                enable_gqa=q.shape[1] != k.shape[1])
        dq, dk, dv = torch.autograd.grad(o, (q, k, v), inputs["dO"])
        found.update(O=o.detach(), dQ=dq, dK=dk, dV=dv)

    return Prepared(call, lambda: {name: value.numpy()
                                   for name, value in found.items()}, {})


def versions():
    return {"torch": torch.__version__}
