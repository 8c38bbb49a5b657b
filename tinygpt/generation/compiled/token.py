"""One more token of some rows through the model: the equations of ``tinygpt/generation/inference/one_row.py``.

The matrices of all blocks are one arena, in the order of use (``folding``). A row's sequence has a cache of its own.
"""

from __future__ import annotations

import math

import numpy as np

from tinygpt.engines.loops.compiling import distinct, loop, sums
from tinygpt.engines.loops.exponential import exponential
from tinygpt.engines.loops.layers import safe_exponentials, times
from tinygpt.generation.compiled.products import mix, times_inputs, times_outputs
from tinygpt.generation.inference.folding import GELU_LINEAR

Array = np.ndarray
_ONE, _TWO, _MINUS_2 = np.float32(1.0), np.float32(2.0), np.float32(-2.0)
_LINEAR = np.float32(GELU_LINEAR)


@loop
def read_tokens(
    tokens: Array, token_table: Array, place_table: Array, arena: Array, streamed: bool, eps: np.float32,
    keys: Array, values: Array, lengths: Array, first: int, room: tuple[Array, ...],
) -> None:  # fmt: skip
    """Read a token of each row into its cache, and leave the scores after it.

    Args:
        tokens: ids (R,); they belong to the rows ``first`` to ``first + R`` of the cache.
        token_table, place_table: (V, D) and (T, D), centred.
        arena: matrices of the blocks and the head.
        streamed: they are output-first.
        keys, values: (L, B, H, C, T) and (L, B, H, T, C).
        lengths: tokens in each row's cache (B,); one more afterwards.
        room: x, normed, qkv, mixed, update, wide, logits, each (R, ·); scores and shares, each (T,).
    """
    x, normed, qkv, mixed, update, wide, logits, scores, shares = room
    layers, heads, width = keys.shape[0], keys.shape[2], x.shape[1]
    for row in range(len(tokens)):
        token, place = tokens[row], lengths[first + row]
        for j in range(width):
            x[row, j] = token_table[token, j] + place_table[place, j]
    start = 0
    for layer in range(layers):
        _normalize(x, eps, normed)
        start = _product(normed, arena, start, streamed, qkv)
        for row in range(len(tokens)):
            for head in range(heads):
                _attend(
                    qkv[row], head, keys[layer, first + row, head], values[layer, first + row, head],
                    lengths[first + row], scores, shares, mixed[row],
                )  # fmt: skip
        start = _product(mixed, arena, start, streamed, update)
        _add(update, x)
        _normalize(x, eps, normed)
        start = _product(normed, arena, start, streamed, wide)
        _activate(wide)
        start = _product(wide, arena, start, streamed, update)
        _add(update, x)
    _normalize(x, eps, normed)
    _product(normed, arena, start, streamed, logits)
    for row in range(len(tokens)):
        lengths[first + row] += 1


@loop
def _product(x: Array, arena: Array, start: int, streamed: bool, y: Array) -> int:
    """y ← x W + b for the matrix that begins at ``start``; return where the next one begins."""
    n, m = x.shape[1], y.shape[1]
    end = start + (n + 1) * m
    if streamed:
        times_outputs(x, arena[start:end].reshape(m, n + 1), y)
    else:
        times_inputs(x, arena[start:end].reshape(n + 1, m), y)
    return end


@sums
def _normalize(x: Array, eps: np.float32, normed: Array) -> None:
    """normed ← x / √(mean(x²) + ε), per row of a centred x."""
    distinct()
    rows, width = x.shape
    share = np.float32(1.0 / width)
    for row in range(rows):
        squares = np.float32(0.0)
        for j in range(width):
            squares += x[row, j] * x[row, j]
        scale = _ONE / np.float32(math.sqrt(squares * share + eps))
        for j in range(width):
            normed[row, j] = x[row, j] * scale


@loop
def _add(update: Array, x: Array) -> None:
    """x ← x + update."""
    distinct()
    for row in range(len(x)):
        for j in range(x.shape[1]):
            x[row, j] += update[row, j]


@loop
def _activate(wide: Array) -> None:
    """ξ ← ξ (1 + tanh(ξ (ξ² + √(2/π)/α))), which is 2 ξ / (1 + e^(−2 ξ (ξ² + √(2/π)/α)))."""
    for row in range(len(wide)):
        for j in range(wide.shape[1]):
            xi = wide[row, j]
            wide[row, j] = _TWO * xi / (_ONE + exponential(_MINUS_2 * xi * (xi * xi + _LINEAR)))


@loop
def _attend(
    qkv: Array, head: int, keys: Array, values: Array, length: int, scores: Array, shares: Array, mixed: Array
) -> None:
    """Store a head's new key and value, keys (C, T) and values (T, C); mixed (D) gets the head's mixture."""
    width, model = len(keys), len(mixed)
    first, n = head * width, length + 1
    for c in range(width):
        keys[c, length] = qkv[model + first + c]
        values[length, c] = qkv[2 * model + first + c]
    mix(qkv[first : first + width], keys, scores[:n])
    total, _ = safe_exponentials(scores[:n], _ONE, shares[:n])
    out = mixed[first : first + width]
    mix(shares[:n], values, out)
    times(out, _ONE / total)
