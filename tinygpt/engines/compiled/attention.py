"""Causal attention over some rows of the batch, forward and backward, in the blocks of queries of ``vectorized``.

A block reads only the keys up to its own end. Its scores are made in one small matrix that stays in the cache; the
weights, normalised at once, are kept for the backward:

    S = Q Kᵀ/√C    P = softmax(S)    Y = P V
    dV = Pᵀ dY     dP = dY Vᵀ        dS = P (dP − Σ P dP)/√C    dQ = dS K    dK = dSᵀ Q

All heads are read and written in place: a head is a matrix whose rows lie 3 D numbers apart, or D in the output.
"""

from __future__ import annotations

import math

import numpy as np

from tinygpt.engines.compiled.blas import address, sgemm
from tinygpt.engines.loops.compiling import loop
from tinygpt.engines.loops.layers import causal_softmax, causal_softmax_backward

Array = np.ndarray

_BYTES = 4
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@loop
def attend(qkv: Array, blocks: Array, batch: int, heads: int, scores: Array, weights: Array, mixed: Array) -> None:
    """qkv (N, 3 D) → mixed (N, D).

    Args:
        qkv: queries, keys and values, with their biases.
        blocks: (blocks, 3): first query, first query after it, and where the block's weights begin.
        batch: B.
        heads: H.
        scores: room for the largest block.
        weights: written, flat: block by block (B, H, queries, keys).
        mixed: written.
    """
    length, width, apart = len(qkv) // batch, mixed.shape[1], qkv.shape[1]
    size = width // heads
    scale = np.float32(1.0 / math.sqrt(size))
    for row in range(batch):
        for head in range(heads):
            q = address(qkv) + _BYTES * (row * length * apart + head * size)
            k, v = q + _BYTES * width, q + _BYTES * 2 * width
            y = address(mixed) + _BYTES * (row * length * width + head * size)
            for block in range(len(blocks)):
                start, stop = blocks[block, 0], blocks[block, 1]
                count = stop - start
                first = blocks[block, 2] + (row * heads + head) * count * stop
                s = scores[: count * stop].reshape(count, stop)
                p = weights[first : first + count * stop].reshape(count, stop)
                own = q + _BYTES * start * apart
                sgemm(0, 1, count, stop, size, own, apart, k, apart, _ZERO, address(s), stop)
                causal_softmax(s, start, scale, p)
                out = y + _BYTES * start * width
                sgemm(0, 0, count, size, stop, address(p), stop, v, apart, _ZERO, out, width)


@loop
def attend_backward(
    qkv: Array, blocks: Array, batch: int, heads: int, scores: Array, weights: Array, dmixed: Array, dqkv: Array
) -> None:
    """dmixed (N, D) → dqkv (N, 3 D); the others as in the forward."""
    length, width, apart = len(qkv) // batch, dmixed.shape[1], qkv.shape[1]
    size = width // heads
    scale = np.float32(1.0 / math.sqrt(size))
    for row in range(batch):
        for head in range(heads):
            first_number = _BYTES * (row * length * apart + head * size)
            q, dq = address(qkv) + first_number, address(dqkv) + first_number
            k, v = q + _BYTES * width, q + _BYTES * 2 * width
            dk, dv = dq + _BYTES * width, dq + _BYTES * 2 * width
            dy = address(dmixed) + _BYTES * (row * length * width + head * size)
            # In reverse order: the last block writes every key, the others add to it.
            for block in range(len(blocks) - 1, -1, -1):
                start, stop = blocks[block, 0], blocks[block, 1]
                count = stop - start
                first = blocks[block, 2] + (row * heads + head) * count * stop
                beta = _ZERO if block == len(blocks) - 1 else _ONE
                p = weights[first : first + count * stop].reshape(count, stop)
                ds = scores[: count * stop].reshape(count, stop)
                own, own_dy = _BYTES * start * apart, dy + _BYTES * start * width
                sgemm(1, 0, stop, size, count, address(p), stop, own_dy, width, beta, dv, apart)
                sgemm(0, 1, count, stop, size, own_dy, width, v, apart, _ZERO, address(ds), stop)
                causal_softmax_backward(p, ds, start, scale)
                sgemm(0, 0, count, size, stop, address(ds), stop, k, apart, _ZERO, dq + own, apart)
                sgemm(1, 0, stop, size, count, address(ds), stop, q + own, apart, beta, dk, apart)
