"""Pieces of a text, as long as those that a model writes: the author's own, to compare with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def pieces_of(text: bytes, count: int, size: int) -> list[bytes]:
    """Take evenly spread pieces of a text that do not overlap, each from a line break on where there is one.

    A text that is shorter than ``size`` is one piece.
    """
    size = min(size, len(text))
    count = min(count, max(1, len(text) // max(1, size + size // 2)))  # room for the way to a line break
    last = len(text) - size
    return [_piece(text, last * index // max(1, count - 1), size) for index in range(count)]


def random_pieces(text: bytes, count: int, size: int, rng: np.random.Generator) -> list[bytes]:
    """Take pieces from random places of a text, each from a line break on where there is one."""
    size = min(size, len(text))
    return [_piece(text, int(start), size) for start in rng.integers(0, len(text) - size + 1, count)]


def spread(pieces: Sequence[bytes], count: int) -> list[bytes]:
    """Take so many of the pieces, evenly spread."""
    count = min(count, len(pieces))
    return [pieces[index * len(pieces) // count] for index in range(count)]


def _piece(text: bytes, start: int, size: int) -> bytes:
    start = min(len(text) - size, text.find(b"\n", start, start + size // 2) + 1 or start)
    return text[start : start + size]
