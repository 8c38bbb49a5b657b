"""Causal attention over some rows of the batch, forward and backward, in blocks that skip the future.

The equations are those of ``tinygpt/layers.py``, computed differently:

    * The projection already scales the queries by 1/√C, and all heads are read in place as strided views.
    * kᵀ and vᵀ are copied to contiguous memory: BLAS is slow when a small matrix is multiplied by a transposed view.
    * Queries are processed in blocks. A block reads only the keys up to its own end, and the upper triangle of the
      square on the diagonal is zeroed. With T = 512 this leaves 56 % of the (T, T) work.
    * The weights stay unnormalised: X = exp(S), Z = Σ_s X_ts, y = (X v) / Z: T·C numbers are divided, not T·T.
      Backward with dY = dy / Z and ρ_t = dY_t · y_t:  dv = Xᵀ dY   dS = X (dY vᵀ − ρ)   dq = dS k   dk = dSᵀ q
    * ρ is one more column of dY against a row of −1 below vᵀ: the product subtracts it.
    * exp is taken without subtracting the maximum. The T row sums show whether a row's largest score left the range
      where that is exact; only then are the scores computed again, and the maximum is subtracted.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tinygpt.config import ModelConfig
from tinygpt.engines.vectorized.forms import KernelSet
from tinygpt.engines.vectorized.kernels import TILE, subtract_maximum, totals_are_safe
from tinygpt.engines.vectorized.slab import Slab

Array = np.ndarray

# Queries in a block. With fewer, the smaller products cost more than the skipped future saves.
_BLOCK = 64


@dataclass(frozen=True)
class Block:
    """Queries ``start`` to ``stop``, and the groups of batch rows and heads whose scores fit in the cache together."""

    start: int
    stop: int
    groups: tuple[tuple[slice, slice], ...]


@dataclass(frozen=True)
class AttentionBuffers:
    """Arrays that a layer's backward needs from its forward."""

    qkv: Array  # (N, 3 D): scaled queries, keys, values
    exponentials: tuple[Array, ...]  # per block: (B, H, queries, stop)
    inverse_total: Array  # (B, H, T, 1)


def query_blocks(length: int) -> list[tuple[int, int]]:
    """Cut T queries into blocks (start, stop) of about 64 each."""
    count = max(1, length // _BLOCK)
    bounds = [length * index // count for index in range(count + 1)]
    return list(pairwise(bounds))


def _groups(batch: int, heads: int, size: int) -> tuple[tuple[slice, slice], ...]:
    """Group rows and heads so that the matrices of a group, each of ``size`` numbers, fill about one tile."""
    together = max(1, TILE // size)
    if together >= heads:
        step = together // heads
        return tuple((slice(b, min(b + step, batch)), slice(0, heads)) for b in range(0, batch, step))
    return tuple(
        (slice(b, b + 1), slice(h, min(h + together, heads))) for b in range(batch) for h in range(0, heads, together)
    )


class Attention:
    """The workspace for B = ``batch`` rows of T = ``length`` tokens, shared by all layers, in memory from ``slab``."""

    def __init__(self, model: ModelConfig, batch: int, length: int, kernels: KernelSet, slab: Slab) -> None:
        b, h, t, c = batch, model.n_heads, length, model.head_dim
        self.shape, self.kernels = (b, h, t, c), kernels
        self.blocks = [Block(start, stop, _groups(b, h, (stop - start) * stop)) for start, stop in query_blocks(length)]
        self.transposed = slab.empty(b, h, c + 1, t)  # kᵀ in the forward, vᵀ in the backward, and a row of −1
        self.transposed[:, :, c] = -1.0
        self.heads = slab.empty(b, h, t, c)  # X v in the forward, a block's share of dv and dk in the backward
        self.scaled_dy = slab.empty(b, h, t, c + 1)
        largest = max(
            (block.stop - block.start) * block.stop * (rows.stop - rows.start) * (heads.stop - heads.start)
            for block in self.blocks
            for rows, heads in block.groups
        )
        self.dscores = slab.empty(largest)
        self.ones = np.ones((t, 1), np.float32)
        self.sums = slab.empty(2, b, h, t, c) if len(self.blocks) > 2 else None  # of dk and dv
        # Per block (queries, stop): 1 where a query may attend.
        self.masks = [np.tri(block.stop - block.start, block.stop, block.start, np.float32) for block in self.blocks]

    def buffers(self, slab: Slab) -> AttentionBuffers:
        """Allocate the arrays of one layer."""
        b, h, t, c = self.shape
        return AttentionBuffers(
            slab.empty(b * t, 3 * h * c),
            tuple(slab.empty(b, h, block.stop - block.start, block.stop) for block in self.blocks),
            slab.empty(b, h, t, 1),
        )

    def _split(self, merged: Array) -> Array:
        """View a (N, 3 D) array as (3, B, H, T, C), without a copy."""
        b, h, t, c = self.shape
        return merged.reshape(b, t, 3, h, c).transpose(2, 0, 3, 1, 4)

    def by_head(self, rows: Array) -> Array:
        """View a (N, D) array, or the first D columns of one, as (B, H, T, C), without a copy."""
        b, h, t, c = self.shape
        row, column = rows.strides
        return np.lib.stride_tricks.as_strided(rows, (b, h, t, c), (t * row, c * column, row, column))

    def forward(self, buffers: AttentionBuffers, mixed: Array) -> None:
        """buffers.qkv → mixed, (N, D) or the first D columns of an array."""
        q, k, v = self._split(buffers.qkv)
        c = self.shape[-1]
        kt = self.transposed[:, :, :c]
        kt[...] = k.swapaxes(-1, -2)
        with np.errstate(over="ignore", invalid="ignore"):  # the totals are checked
            self._weigh_and_mix(q, kt, v, buffers)
        np.divide(np.float32(1.0), buffers.inverse_total, out=buffers.inverse_total)
        np.multiply(self.heads, buffers.inverse_total, out=self.by_head(mixed))

    def _weigh_and_mix(self, q: Array, kt: Array, v: Array, buffers: AttentionBuffers) -> None:
        """Compute the exponentials, their totals, and heads ← X v, block by block."""
        for block, mask, exponentials in zip(self.blocks, self.masks, buffers.exponentials, strict=True):
            queries, width = slice(block.start, block.stop), block.stop
            for group in block.groups:
                e, total = exponentials[group], buffers.inverse_total[group][:, :, queries]
                np.matmul(q[group][:, :, queries], kt[group][..., :width], out=e)
                self.kernels.exponentials(e, mask, self.ones[:width], total)
                if not totals_are_safe(total):
                    np.matmul(q[group][:, :, queries], kt[group][..., :width], out=e)
                    subtract_maximum(e, mask)
                    self.kernels.exponentials(e, mask, self.ones[:width], total)
                np.matmul(e, v[group][:, :, :width], out=self.heads[group][:, :, queries])

    def backward(self, buffers: AttentionBuffers, mixed: Array, dmixed: Array, dqkv: Array) -> None:
        """dmixed (N, D) → dqkv (N, 3 D); mixed is the forward's output."""
        q, k, v = self._split(buffers.qkv)
        dq, dk, dv = self._split(dqkv)
        c = self.shape[-1]
        scaled_dy, dy_and_rho, vt = self.scaled_dy[..., :c], self.scaled_dy, self.transposed
        np.multiply(self.by_head(dmixed), buffers.inverse_total, out=scaled_dy)
        np.vecdot(scaled_dy, self.by_head(mixed), out=dy_and_rho[..., c])
        vt[:, :, :c] = v.swapaxes(-1, -2)
        # In reverse order: the last block writes every key, the others add to it. Adding into strided views is slow;
        # with many blocks the sums have arrays of their own and are copied at the end.
        dk_sum, dv_sum = (dk, dv) if self.sums is None else self.sums
        for block, exponentials in zip(reversed(self.blocks), reversed(buffers.exponentials), strict=True):
            queries, keys = slice(block.start, block.stop), slice(0, block.stop)
            last = block.stop == self.shape[2]
            for group in block.groups:
                e = exponentials[group]
                ds = self.dscores[: e.size].reshape(e.shape)
                np.matmul(dy_and_rho[group][:, :, queries], vt[group][..., keys], out=ds)
                ds *= e
                np.matmul(ds, k[group][:, :, keys], out=dq[group][:, :, queries])
                for weights, rows, total in ((e, scaled_dy, dv_sum), (ds, q, dk_sum)):
                    into = total[group][:, :, keys]
                    share = into if last else self.heads[group][:, :, keys]
                    np.matmul(weights.swapaxes(-1, -2), rows[group][:, :, queries], out=share)
                    if not last:
                        into += share
        if self.sums is not None:
            self._split(dqkv)[1:] = self.sums
