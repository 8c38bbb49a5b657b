"""A LoRA adapter beside a frozen linear layer: the products of ``lora`` and ``lora_backward`` in ``tinygpt/layers.py``.

The rows x A have few columns, so they are computed again in the backward. Wide results are added tile by tile.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinygpt.engines.vectorized.arena import Arena
from tinygpt.engines.vectorized.kernels import TILE
from tinygpt.lora import adapter_names

Array = np.ndarray


class Adapter:
    """The adapter of a projection, such as ``h.0.attn.c_attn``, in an arena."""

    def __init__(self, arena: Arena, projection: str, scale: float) -> None:
        a, b = adapter_names(projection)
        self.a, self.b = arena.parameters[a], arena.parameters[b]  # (I, r), (r, O)
        self.gradients = [(gradient[a], gradient[b]) for gradient in arena.gradients]
        self.scale = np.float32(scale)

    def _low(self, rows: Array, matrix: Array) -> Array:
        low: Array = rows @ matrix  # (N, r)
        low *= self.scale
        return low

    def forward(self, x: Array, out: Array) -> None:
        """out (N, O) ← out + (α / r) (x A) B, for x (N, I)."""
        _add_product(self._low(x, self.a), self.b, out)

    def backward(self, x: Array, dy: Array, dx: Array, gradient: int) -> None:
        """dx (N, I) ← dx + ∂loss/∂x for dy (N, O); write dA and dB to the arena's gradient of this number."""
        da, db = self.gradients[gradient]
        np.matmul(self._low(x, self.a).T, dy, out=db)
        du = self._low(dy, self.b.T)
        np.matmul(x.T, du, out=da)
        _add_product(du, self.a.T, dx)


def adapter_of(arena: Arena, projection: str) -> Adapter | None:
    """Return a projection's adapter, or None if it has none."""
    if arena.lora is None or adapter_names(projection)[0] not in arena.trained:
        return None
    return Adapter(arena, projection, arena.lora.scale)


def _add_product(low: Array, matrix: Array, out: Array) -> None:
    """out (N, M) ← out + low (N, r) matrix (r, M)."""
    for rows in _tiles(*out.shape):
        out[rows] += low[rows] @ matrix


def _tiles(rows: int, width: int) -> Iterator[slice]:
    """Cut rows into parts of at most half a tile, which the allocator keeps for the next one."""
    step = max(1, TILE // 2 // width)
    for start in range(0, rows, step):
        yield slice(start, start + step)
