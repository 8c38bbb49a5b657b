"""Matrix products: of our own where a core's cache holds the matrix B, else BLAS's.

A library's sgemm copies both operands into its own order in every call, which pays for large matrices. For others:

    * B is cut into panels as wide as a register tile. A panel is copied to the first-level cache, ``DEPTH`` rows at a
      time, and used for all rows of A. Copying is also where a transposed B is turned.
    * A is read where it is. Only a transposed A is copied, in strips of ``STRIP`` columns: its rows lie far apart.
    * The result starts from something in memory (a bias, the residual stream, an earlier gradient), or from nothing.

Sums are in the order of k, whatever the number of rows. Operands are addresses, and distances in bytes.
"""

from __future__ import annotations

import numpy as np

from tinygpt.engines.compiled.blas import sgemm
from tinygpt.engines.compiled.memory import DEPTH, PANEL, START, STRIP
from tinygpt.engines.compiled.tiles import BYTES, LANES, ROWS, WIDTH, move, tile, transpose
from tinygpt.engines.loops.compiling import kept_whole, loop

Array = np.ndarray

# Numbers of B. With AVX-512, 4 MiB: more than a core's cache holds. A library comes close to the limit of narrower
# vectors, and only for small matrices is its copying the larger part.
LARGEST = 1024 * 1024 if LANES == 16 else 64 * 1024
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@loop
def address(array: Array) -> int:
    """Return the address of an array's first number."""
    return np.int64(array.ctypes.data)  # type: ignore[return-value]


@loop
def filled(count: int) -> int:
    """Return the count of numbers in whole vectors."""
    return -(-count // LANES) * LANES


@loop
def whole_panels(count: int) -> int:
    """Return the count of columns in whole panels."""
    return -(-count // WIDTH) * WIDTH


@loop
def pack(source: int, apart: int, turned: int, rows: int, columns: int, target: int, width: int) -> None:
    """Copy a matrix (rows, columns), or the transposed of one (columns, rows), to rows of ``width`` numbers.

    Its columns are filled to whole vectors with zeros. So are its rows, if it is turned.
    """
    kept_whole()
    if turned:
        for j in range(0, columns, LANES):
            for i in range(0, rows, LANES):
                transpose(
                    source + j * apart + BYTES * i, apart, columns - j, rows - i,
                    target + BYTES * (i * width + j), BYTES * width,
                )  # fmt: skip
    else:
        for i in range(rows):
            for j in range(0, columns, LANES):
                move(source + i * apart + BYTES * j, target + BYTES * (i * width + j), columns - j, LANES)


@loop
def pack_panels(source: int, apart: int, turned: int, rows: int, columns: int, target: int, deep: int) -> None:
    """Cut a matrix into panels of ``WIDTH`` columns, each with room for ``deep`` rows."""
    for j in range(0, columns, WIDTH):
        begin = source + (j * apart if turned else BYTES * j)
        pack(begin, apart, turned, rows, min(WIDTH, columns - j), target + BYTES * deep * j, WIDTH)


@loop
def times_panels(
    m: int, n: int, depth: int, a: int, a_row: int, a_step: int, panels: int, deep: int, start: int, start_row: int,
    c: int, c_row: int,
) -> None:  # fmt: skip
    """C (m, n) ← start + A (m, depth) B, for the first ``depth`` rows of a B in panels. A ``start_row`` of 0: zeros."""
    kept_whole()
    for j in range(0, n, WIDTH):
        begin = start + BYTES * j if start_row else start
        i = 0
        while i < m:
            rows = ROWS if m - i >= ROWS else 1
            tile(
                rows, min(WIDTH, n - j), depth, a + i * a_row, a_row, a_step, panels + BYTES * deep * j,
                begin + i * start_row, start_row, c + BYTES * j + i * c_row, c_row,
            )  # fmt: skip
            i += rows


@loop
def product(
    turn_a: int, turn_b: int, m: int, n: int, k: int, a: int, a_apart: int, b: int, b_apart: int,
    start: int, start_apart: int, c: int, c_apart: int, room: int,
) -> None:  # fmt: skip
    """C (m, n) ← start + op(A) op(B); op is a transposition where ``turn`` is 1.

    ``start`` is C itself, or one row for all (``start_apart`` is 0), or nothing: ``room``, which begins with zeros.
    """
    kept_whole()
    if n * k > LARGEST:
        if start != c and start != room:
            for i in range(m):
                for j in range(0, n, LANES):
                    move(start + BYTES * j, c + i * c_apart + BYTES * j, n - j, n - j)
        beta = _ZERO if start == room else _ONE
        sgemm(turn_a, turn_b, m, n, k, a, a_apart // BYTES, b, b_apart // BYTES, beta, c, c_apart // BYTES)
        return
    panel = room + BYTES * START
    strips = panel + BYTES * PANEL
    for first in range(0, k, DEPTH):
        depth = min(DEPTH, k - first)
        if turn_a:
            for i in range(0, m, STRIP):
                begin = a + first * a_apart + BYTES * i
                pack(begin, a_apart, 0, depth, min(STRIP, m - i), strips + BYTES * DEPTH * i, STRIP)
        for j in range(0, n, WIDTH):
            columns = min(WIDTH, n - j)
            begin = b + (j * b_apart + BYTES * first if turn_b else first * b_apart + BYTES * j)
            pack(begin, b_apart, turn_b, depth, columns, panel, WIDTH)
            out = c + BYTES * j
            begin, begin_row = room, 0
            if first > 0:
                begin, begin_row = out, c_apart
            elif start != room:
                begin, begin_row = start + BYTES * j, start_apart
            if turn_a:
                for i in range(0, m, STRIP):
                    times_panels(
                        min(STRIP, m - i), columns, depth, strips + BYTES * DEPTH * i, BYTES, BYTES * STRIP, panel, 0,
                        begin + i * begin_row, begin_row, out + i * c_apart, c_apart,
                    )  # fmt: skip
            else:
                left = a + BYTES * first
                times_panels(m, columns, depth, left, a_apart, BYTES, panel, 0, begin, begin_row, out, c_apart)


# ---- the three products of a linear layer, on contiguous matrices --------------------------------------
# ``start`` is c, or one row for all of its rows, or has no row and is nothing.


@loop
def multiply_arrays(turn_a: int, turn_b: int, k: int, a: Array, b: Array, start: Array, c: Array, room: Array) -> None:
    """c (M, N) ← start + op(a) op(b); K is the length of the sums."""
    m, n = c.shape
    product(
        turn_a, turn_b, m, n, k, address(a), BYTES * a.shape[1], address(b), BYTES * b.shape[1],
        address(start) if len(start) > 0 else address(room), BYTES * n if len(start) > 1 else 0, address(c), BYTES * n,
        address(room),
    )  # fmt: skip


@loop
def multiply(a: Array, b: Array, start: Array, c: Array, room: Array) -> None:
    """c (M, N) ← start + a (M, K) b (K, N)."""
    multiply_arrays(0, 0, len(b), a, b, start, c, room)


@loop
def multiply_by_transposed(a: Array, b: Array, start: Array, c: Array, room: Array) -> None:
    """c (M, N) ← start + a (M, K) bᵀ, b (N, K)."""
    multiply_arrays(0, 1, a.shape[1], a, b, start, c, room)


@loop
def multiply_transposed(a: Array, b: Array, start: Array, c: Array, room: Array) -> None:
    """c (M, N) ← start + aᵀ b, a (K, M), b (K, N)."""
    multiply_arrays(1, 0, len(a), a, b, start, c, room)
