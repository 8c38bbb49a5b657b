"""A few rows times a matrix, in one pass over its memory.

With one row, the matrix arrives from memory and is used once. With several, each part is used for all rows while it is
in the first-level cache. A row's sums are added in the same order, whichever rows are beside it, so that a text does
not depend on the others of its batch.
"""

from __future__ import annotations

import numpy as np

from tinygpt.engines.compiled.products import address
from tinygpt.engines.loops.codes import ask_for, number
from tinygpt.engines.loops.compiling import distinct, loop, sums

Array = np.ndarray
_LINE, _AHEAD = 64, 4096  # bytes: of a cache line, and from a code that is used to the one that is asked for


@loop
def times_inputs(x: Array, matrix: Array, y: Array) -> None:
    """y (R, m) ← x (R, n) W + b, for a matrix (n + 1, m) whose last row is the bias."""
    n = x.shape[1]
    for row in range(len(x)):
        y[row] = matrix[n]
    whole = n - n % 8
    for i in range(0, whole, 8):
        for row in range(len(x)):
            _add_eight(x[row, i : i + 8], matrix[i : i + 8], y[row])
    for i in range(whole, n):
        for row in range(len(x)):
            _add_one(x[row, i], matrix[i], y[row])


@loop
def _add_eight(x: Array, rows: Array, y: Array) -> None:
    """y ← y + x times eight rows."""
    distinct()
    a, b, c, d, e, f, g, h = x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]
    ra, rb, rc, rd, re, rf, rg, rh = rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6], rows[7]
    for j in range(len(y)):
        y[j] += (a * ra[j] + b * rb[j]) + (c * rc[j] + d * rd[j]) + ((e * re[j] + f * rf[j]) + (g * rg[j] + h * rh[j]))


@loop
def _add_one(factor: np.float32, row: Array, y: Array) -> None:
    distinct()
    for j in range(len(y)):
        y[j] += factor * row[j]


@sums
def times_outputs(x: Array, matrix: Array, y: Array) -> None:
    """y (R, m) ← x (R, n) W + b, for a matrix (m, n + 1), output-first, whose last column is the bias."""
    n = x.shape[1]
    for j in range(len(matrix)):
        column = matrix[j]
        for row in range(len(x)):
            own = x[row]
            total = np.float32(0.0)
            for i in range(n):
                total += own[i] * column[i]
            y[row, j] = total + column[n]


@sums
def times_codes(x: Array, codes: Array, scales: Array, biases: Array, y: Array) -> None:
    """y (R, m) ← (x (R, n) Q) ⊙ scales + biases, for codes (m, n), output-first, each decoded when it is used.

    Two outputs at a time. Codes are used faster than the processor by itself asks for the next ones.
    """
    n, pairs = x.shape[1], len(codes) // 2
    place, size = address(codes) + _AHEAD, 2 * n * codes.itemsize
    for pair in range(pairs):
        for line in range(0, size, _LINE):
            ask_for(place + pair * size + line)
        j = 2 * pair
        one, other = codes[j], codes[j + 1]
        for row in range(len(x)):
            own = x[row]
            first, second = np.float32(0.0), np.float32(0.0)
            for i in range(n):
                first += own[i] * number(one[i])
                second += own[i] * number(other[i])
            y[row, j] = first * scales[j] + biases[j]
            y[row, j + 1] = second * scales[j + 1] + biases[j + 1]
    for j in range(2 * pairs, len(codes)):
        for row in range(len(x)):
            total = np.float32(0.0)
            for i in range(n):
                total += x[row, i] * number(codes[j, i])
            y[row, j] = total * scales[j] + biases[j]


@loop
def share_start(count: int, part: int, parts: int) -> int:
    """Return where a part's share of so many outputs begins: at an even one, as outputs are summed in pairs."""
    return count if part == parts else count * part // parts // 2 * 2


@loop
def mix(x: Array, matrix: Array, y: Array) -> None:
    """y ← x (n) times the first n rows and the first columns of a matrix."""
    n = len(x)
    y[:] = np.float32(0.0)
    whole = n - n % 8
    for i in range(0, whole, 8):
        _add_eight(x[i : i + 8], matrix[i : i + 8, : len(y)], y)
    for i in range(whole, n):
        _add_one(x[i], matrix[i, : len(y)], y)
