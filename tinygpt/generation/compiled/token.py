"""One more token of some rows through the model: the equations of ``tinygpt/generation/inference/one_row.py``.

The matrices of all blocks are one arena, in the order of use (``folding``, or ``coding`` for fewer bytes). A row's
sequence has a cache of its own.

Several threads may share the outputs of each product and the heads of attention. Each has its own residual stream, and
they meet wherever one reads what others wrote. An output's sum is the same in every thread.
"""

from __future__ import annotations

import math

import numpy as np

from tinygpt.engines.loops.codes import number
from tinygpt.engines.loops.compiling import distinct, loop, sums
from tinygpt.engines.loops.exponential import exponential
from tinygpt.engines.loops.layers import safe_exponentials, times
from tinygpt.generation.compiled.meeting import meet
from tinygpt.generation.compiled.products import mix, share_start, times_codes, times_inputs, times_outputs
from tinygpt.generation.inference.folding import GELU_LINEAR

Array = np.ndarray
_ONE, _TWO, _MINUS_2 = np.float32(1.0), np.float32(2.0), np.float32(-2.0)
_LINEAR = np.float32(GELU_LINEAR)


@loop
def read_tokens(
    tokens: Array, token_table: Array, token_scales: Array, place_table: Array,
    arena: Array, vectors: Array | None, starts: Array, streamed: bool, eps: np.float32,
    keys: Array, values: Array, lengths: Array, first: int, shared: tuple[Array, ...], room: tuple[Array, ...],
    counters: Array, part: int, parts: int, stage: int,
) -> int:  # fmt: skip
    """Read a token of each row into its cache, and leave the scores after it; return the next stage.

    Args:
        tokens: ids (R,); they belong to the rows ``first`` to ``first + R`` of the cache.
        token_table, token_scales, place_table: (V, D), (V,) and (T, D).
        arena: matrices of the blocks and the head: folded, or codes.
        vectors: factors, scales and biases of codes; None for folded matrices.
        starts: where each matrix begins in the arena, and in the vectors: (4 L + 1, 2).
        streamed: the matrices are output-first.
        keys, values: (L, B, H, C, T) and (L, B, H, T, C).
        lengths: tokens in each row's cache (B,); one more afterwards.
        shared: qkv, mixed, update, wide, logits, each (R, ·).
        room: x, normed, each (R, ·); scaled, flat; scores and shares, each (T,).
        counters, part, parts, stage: as in ``meeting``.
    """
    qkv, mixed, update, wide, logits = shared
    x, normed, scaled, scores, shares = room
    layers, heads, width = keys.shape[0], keys.shape[2], x.shape[1]
    for row in range(len(tokens)):
        token, place = tokens[row], lengths[first + row]
        for j in range(width):
            x[row, j] = number(token_table[token, j]) * token_scales[token] + place_table[place, j]
    for layer in range(layers):
        matrix = 4 * layer
        _norm(x, vectors, eps, normed)
        _product(normed, arena, vectors, starts[matrix], streamed, scaled, qkv, part, parts)
        stage = meet(counters, part, parts, stage)
        for row in range(len(tokens)):
            for head in range(heads * part // parts, heads * (part + 1) // parts):
                _attend(
                    qkv[row], head, keys[layer, first + row, head], values[layer, first + row, head],
                    lengths[first + row], scores, shares, mixed[row],
                )  # fmt: skip
        stage = meet(counters, part, parts, stage)
        _product(mixed, arena, vectors, starts[matrix + 1], streamed, scaled, update, part, parts)
        stage = meet(counters, part, parts, stage)
        _add(update, x)
        _norm(x, vectors, eps, normed)
        _product(normed, arena, vectors, starts[matrix + 2], streamed, scaled, wide, part, parts)
        _activate(wide, share_start(wide.shape[1], part, parts), share_start(wide.shape[1], part + 1, parts))
        stage = meet(counters, part, parts, stage)
        _product(wide, arena, vectors, starts[matrix + 3], streamed, scaled, update, part, parts)
        stage = meet(counters, part, parts, stage)
        _add(update, x)
    _norm(x, vectors, eps, normed)
    _product(normed, arena, vectors, starts[4 * layers], streamed, scaled, logits, part, parts)
    for row in range(len(tokens)):
        lengths[first + row] += 1
    return meet(counters, part, parts, stage)


@loop
def _product(
    x: Array, arena: Array, vectors: Array | None, starts: Array, streamed: bool, scaled: Array, y: Array,
    part: int, parts: int,
) -> None:  # fmt: skip
    """y ← x W + b for the matrix that begins at ``starts``: the part's share of the outputs."""
    rows, n, m, start, place = len(x), x.shape[1], y.shape[1], starts[0], starts[1]
    low, high = share_start(m, part, parts), share_start(m, part + 1, parts)
    if vectors is None:
        matrix = arena[start : start + (n + 1) * m]
        if streamed:
            times_outputs(x, matrix.reshape(m, n + 1)[low:high], y[:, low:high])
        else:
            times_inputs(x, matrix.reshape(n + 1, m), y)
    else:
        own, scales = scaled[: rows * n].reshape(rows, n), place + n
        _scale(x, vectors[place:scales], own)
        times_codes(
            own, arena[start : start + n * m].reshape(m, n)[low:high],
            vectors[scales + low : scales + high], vectors[scales + m + low : scales + m + high], y[:, low:high],
        )  # fmt: skip


@loop
def _scale(x: Array, factors: Array, scaled: Array) -> None:
    distinct()
    for row in range(len(x)):
        for j in range(x.shape[1]):
            scaled[row, j] = x[row, j] * factors[j]


@loop
def _norm(x: Array, vectors: Array | None, eps: np.float32, normed: Array) -> None:
    """normed ← (x − mean(x)) / √(var(x) + ε), per row; the x of folded matrices is centred."""
    if vectors is None:
        _normalize(x, eps, normed)
    else:
        _standardize(x, eps, normed)


@sums
def _standardize(x: Array, eps: np.float32, normed: Array) -> None:
    distinct()
    rows, width = x.shape
    share = np.float32(1.0 / width)
    for row in range(rows):
        total, squares = np.float32(0.0), np.float32(0.0)
        for j in range(width):
            total += x[row, j]
        mean = total * share
        for j in range(width):
            squares += (x[row, j] - mean) * (x[row, j] - mean)
        scale = _ONE / np.float32(math.sqrt(squares * share + eps))
        for j in range(width):
            normed[row, j] = (x[row, j] - mean) * scale


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
def _activate(wide: Array, low: int, high: int) -> None:
    """ξ ← ξ (1 + tanh(ξ (ξ² + √(2/π)/α))), which is 2 ξ / (1 + e^(−2 ξ (ξ² + √(2/π)/α))), of some columns."""
    for row in range(len(wide)):
        for j in range(low, high):
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
