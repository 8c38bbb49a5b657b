"""Blocks of rows whose scores exist at one time.

With a vocabulary of bytes, all scores (N, V) of a batch are small. With 50,257 tokens they would be the largest array
of a step, so the head and its loss take one block of rows after the other. docs/derivations/cross_entropy.md has the
reason why one pass is enough.
"""

from __future__ import annotations

from itertools import pairwise

MOST_SCORES = 2**23  # 32 MiB of float32


def block_count(rows: int, width: int) -> int:
    """Return the number of blocks for rows of ``width`` scores: the fewest with at most ``MOST_SCORES`` in each."""
    return min(rows, -(-rows * width // MOST_SCORES))


def row_blocks(rows: int, width: int) -> list[slice]:
    """Cut rows of ``width`` scores into blocks of nearly equal size."""
    count = block_count(rows, width)
    return [slice(*bounds) for bounds in pairwise(rows * index // count for index in range(count + 1))]


def block_rows(rows: int, width: int) -> int:
    """Return the number of rows in the largest block."""
    return -(-rows // block_count(rows, width))
