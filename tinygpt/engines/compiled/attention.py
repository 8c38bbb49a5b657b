"""Causal attention over some rows of the batch, forward and backward, in the blocks of queries of ``vectorized``.

A block reads only the keys up to its own end, and a tile of rows only what it may see. The scores are made in one small
matrix that stays in the cache; the weights, normalised at once, are kept for the backward, or made there again:

    S = Q Kᵀ/√C    P = softmax(S)    Y = P V
    dV = Pᵀ dY     dP = dY Vᵀ        dS = P (dP − Σ P dP)/√C    dQ = dS K    dK = dSᵀ Q

All heads are read and written in place: a head is a matrix whose rows lie 3 D numbers apart, or D in the output. The
right-hand matrix of a product is packed once a head.
"""

from __future__ import annotations

import math

import numpy as np

from tinygpt.engines.compiled.memory import START
from tinygpt.engines.compiled.products import address, filled, pack_panels, times_panels, whole_panels
from tinygpt.engines.compiled.tiles import BYTES, ROWS, WIDTH
from tinygpt.engines.loops.compiling import loop
from tinygpt.engines.loops.layers import causal_softmax, causal_softmax_backward

Array = np.ndarray


@loop
def _times_visible(
    start: int, stop: int, size: int, a: Array, panels: int, deep: int, zeros: int, c: int, c_row: int
) -> None:
    """C (queries, size) ← A B, for A (queries, stop), which is 0 after each query; the first query is ``start``."""
    apart = BYTES * stop
    for i in range(0, stop - start, ROWS):
        rows, depth = min(ROWS, stop - start - i), min(stop, start + i + ROWS)
        begin = address(a) + i * apart
        times_panels(rows, size, depth, begin, apart, BYTES, panels, deep, zeros, 0, c + i * c_row, c_row)


@loop
def _times_seeing(
    start: int, stop: int, size: int, a: Array, panels: int, deep: int, zeros: int, adds: bool, c: int, c_row: int
) -> None:
    """C (stop, size) ← Aᵀ B, or C + Aᵀ B if it ``adds``; A as above, and B with the block's queries."""
    apart = BYTES * stop
    for key in range(0, stop, ROWS):
        first = max(0, key - start)
        rows, depth = min(ROWS, stop - key), stop - start - first
        begin, out = address(a) + first * apart + BYTES * key, c + key * c_row
        where = panels + BYTES * WIDTH * (start + first)
        begin_row = c_row if adds else 0
        times_panels(rows, size, depth, begin, BYTES, apart, where, deep, out if adds else zeros, begin_row, out, c_row)


@loop
def _weigh(
    start: int, q: int, apart: int, size: int, k_turned: int, deep: int, zeros: int, s: Array, scale: np.float32,
    p: Array,
) -> None:  # fmt: skip
    """P (queries, stop) ← softmax(Q Kᵀ/√C) of a block; S is room of the same shape, the first query is ``start``."""
    queries, stop = s.shape
    times_panels(queries, stop, size, q, apart, BYTES, k_turned, deep, zeros, 0, address(s), BYTES * stop)
    causal_softmax(s, start, scale, p)


@loop
def attend(
    qkv: Array, blocks: Array, batch: int, heads: int, scores: Array, weights: Array, mixed: Array, room: Array
) -> None:
    """qkv (N, 3 D) → mixed (N, D).

    Args:
        qkv: queries, keys and values, with their biases.
        blocks: (blocks, 3): first query, first query after it, and where the block's weights begin.
        batch: B.
        heads: H.
        scores: room for the largest block.
        weights: written, flat: block by block (B, H, queries, keys).
        mixed: written.
        room: for packed matrices, after a row of zeros.
    """
    length, width, apart = len(qkv) // batch, mixed.shape[1], BYTES * qkv.shape[1]
    size = width // heads
    scale = np.float32(1.0 / math.sqrt(size))
    deep_keys, deep_sizes = filled(length), filled(size)
    zeros, y_row = address(room), BYTES * width
    k_turned = zeros + BYTES * START
    v_packed = k_turned + BYTES * deep_sizes * whole_panels(length)
    for row in range(batch):
        for head in range(heads):
            q = address(qkv) + row * length * apart + BYTES * head * size
            y = address(mixed) + row * length * y_row + BYTES * head * size
            pack_panels(q + y_row, apart, 1, size, length, k_turned, deep_sizes)
            pack_panels(q + 2 * y_row, apart, 0, length, size, v_packed, deep_keys)
            for block in range(len(blocks)):
                start, stop = blocks[block, 0], blocks[block, 1]
                count = stop - start
                first = blocks[block, 2] + (row * heads + head) * count * stop
                s = scores[: count * stop].reshape(count, stop)
                p = weights[first : first + count * stop].reshape(count, stop)
                _weigh(start, q + start * apart, apart, size, k_turned, deep_sizes, zeros, s, scale, p)
                _times_visible(start, stop, size, p, v_packed, deep_keys, zeros, y + start * y_row, y_row)


@loop
def attend_backward(
    qkv: Array, blocks: Array, batch: int, heads: int, scores: Array, weights: Array, again: bool, dmixed: Array,
    dqkv: Array, room: Array,
) -> None:  # fmt: skip
    """dmixed (N, D) → dqkv (N, 3 D); ``again``: write the weights as the forward does. The others as there."""
    length, width, apart = len(qkv) // batch, dmixed.shape[1], BYTES * qkv.shape[1]
    size = width // heads
    scale = np.float32(1.0 / math.sqrt(size))
    deep_keys, deep_sizes = filled(length), filled(size)
    zeros, s_begin, y_row = address(room), address(scores), BYTES * width
    turned = zeros + BYTES * START
    k_packed = turned + BYTES * deep_sizes * whole_panels(length)
    q_packed = k_packed + BYTES * deep_keys * whole_panels(size)
    dy_packed = q_packed + BYTES * deep_keys * whole_panels(size)
    for row in range(batch):
        for head in range(heads):
            first_number = row * length * apart + BYTES * head * size
            q, dq = address(qkv) + first_number, address(dqkv) + first_number
            dk, dv = dq + y_row, dq + 2 * y_row
            dy = address(dmixed) + row * length * y_row + BYTES * head * size
            if again:
                pack_panels(q + y_row, apart, 1, size, length, turned, deep_sizes)
                for block in range(len(blocks)):
                    start, stop = blocks[block, 0], blocks[block, 1]
                    count = stop - start
                    first = blocks[block, 2] + (row * heads + head) * count * stop
                    p = weights[first : first + count * stop].reshape(count, stop)
                    s = scores[: count * stop].reshape(count, stop)
                    _weigh(start, q + start * apart, apart, size, turned, deep_sizes, zeros, s, scale, p)
            pack_panels(q + 2 * y_row, apart, 1, size, length, turned, deep_sizes)
            pack_panels(q + y_row, apart, 0, length, size, k_packed, deep_keys)
            pack_panels(q, apart, 0, length, size, q_packed, deep_keys)
            pack_panels(dy, y_row, 0, length, size, dy_packed, deep_keys)
            # In reverse order: the last block writes every key, the others add to it.
            for block in range(len(blocks) - 1, -1, -1):
                start, stop = blocks[block, 0], blocks[block, 1]
                count = stop - start
                first = blocks[block, 2] + (row * heads + head) * count * stop
                adds = block < len(blocks) - 1
                p = weights[first : first + count * stop].reshape(count, stop)
                ds = scores[: count * stop].reshape(count, stop)
                own = dy + start * y_row
                times_panels(count, stop, size, own, y_row, BYTES, turned, deep_sizes, zeros, 0, s_begin, BYTES * stop)
                _times_seeing(start, stop, size, p, dy_packed, deep_keys, zeros, adds, dv, apart)
                causal_softmax_backward(p, ds, start, scale)
                _times_visible(start, stop, size, ds, k_packed, deep_keys, zeros, dq + start * apart, apart)
                _times_seeing(start, stop, size, ds, q_packed, deep_keys, zeros, adds, dk, apart)
