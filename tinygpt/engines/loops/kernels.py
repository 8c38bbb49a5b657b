"""The compiled form of the fused kernels of engine ``vectorized``: the loops of engine ``compiled``, over a tile.

Arguments are those of the other forms (``tinygpt.engines.vectorized.kernels``), also where a loop has no use for one.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np

from tinygpt.engines.loops import layers
from tinygpt.engines.loops.compiling import distinct, entry, prepare
from tinygpt.engines.loops.update import adamw_constants, update_part

Array = np.ndarray

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@entry
def gelu(x: Array, y: Array, scratch: tuple[Array, Array]) -> None:
    """y ← GELU(x), x ← its derivative."""
    layers.gelu(x, y)


@entry
def normalize(x: Array, hat: Array, r: Array, eps: float, mean_vector: Array) -> None:
    """hat ← (x − mean) r, r ← 1/√(var + ε)."""
    distinct()
    rows, width = x.shape
    for i in range(rows):
        mean, scale = layers.moments(x[i], np.float32(eps))
        r[i, 0] = scale
        for j in range(width):
            hat[i, j] = (x[i, j] - mean) * scale


@entry
def normalize_backward(dhat: Array, hat: Array, r: Array, dx: Array, mean_vector: Array, scratch: Array) -> None:
    """dx ← dx + r (dhat − hat · mean(dhat · hat)) for dhat that sums to 0 over a row."""
    distinct()
    rows, width = dhat.shape
    for i in range(rows):
        projected, scale = layers.dot(dhat[i], hat[i]) * np.float32(1.0 / width), r[i, 0]
        for j in range(width):
            dx[i, j] += scale * (dhat[i, j] - hat[i, j] * projected)


@entry
def residual(x: Array, branch: Array, bias: Array) -> None:
    """x ← x + branch + bias."""
    distinct()
    rows, width = x.shape
    for i in range(rows):
        for j in range(width):
            x[i, j] += branch[i, j] + bias[j]


@entry
def exponentials(scores: Array, mask: Array, ones: Array, total: Array) -> None:
    """scores ← e^scores up to each query, 0 after it; total ← its row sums. The last query sees all keys."""
    batch, heads, rows, width = scores.shape
    row = np.empty(width, np.float32)
    for b in range(batch):
        for h in range(heads):
            for i in range(rows):
                visible = width - rows + i + 1
                weights = scores[b, h, i]
                row[:visible] = weights[:visible]
                total[b, h, i, 0] = layers.exponentials(row[:visible], _ONE, _ZERO, weights[:visible])
                weights[visible:] = _ZERO


@entry
def adamw(theta: Array, dtheta: Array, m1: Array, m2: Array, step: Any, scratch: Array) -> None:
    """Update θ, m₁ and m₂ in place from dθ times the step's clip factor; the caller applies weight decay."""
    update_part(theta, dtheta, m1, m2, adamw_constants(step), _ONE)


_KERNELS = MappingProxyType(
    {
        "gelu": gelu,
        "normalize": normalize,
        "normalize_backward": normalize_backward,
        "residual": residual,
        "exponentials": exponentials,
        "adamw": adamw,
    }
)


def compiled_kernel(name: str, arguments: tuple[Any, ...]) -> Callable[..., None]:
    """Return a kernel that is compiled for arguments of these types, and never for others."""
    kernel: Any = _KERNELS[name]
    prepare(kernel, *arguments, title=f"kernel {name}", duration="some seconds")
    kernel.disable_compile()
    run: Callable[..., None] = kernel
    return run
