"""Room for a workspace's arrays, carved from large blocks.

NumPy asks the system for huge pages where a block has 4 MiB or more. A workspace is dozens of arrays of half a
megabyte to two: each on its own would sit on pages of 4 KiB, and products that walk across rows would wait for
address translations.
"""

from __future__ import annotations

import math

import numpy as np

_BLOCK = 8 * 1024 * 1024  # numbers, 32 MiB
_ALIGN = 16  # numbers, a line of the cache


class Slab:
    """Hands out float32 arrays that live as long as the slab's user does."""

    def __init__(self) -> None:
        self._rest = np.empty(0, np.float32)
        self.size = 0  # numbers handed out

    def empty(self, *shape: int) -> np.ndarray:
        """An uninitialised array."""
        size = math.prod(shape)
        self.size += size
        padded = -(-size // _ALIGN) * _ALIGN
        if padded > len(self._rest):
            if padded >= _BLOCK // 4:
                return np.empty(shape, np.float32)  # large enough to be a block of its own
            self._rest = np.empty(_BLOCK, np.float32)
        part, self._rest = self._rest[:size], self._rest[padded:]
        return part.reshape(shape)

    def with_ones(self, rows: int, width: int) -> np.ndarray:
        """(rows, width + 1) whose last column is 1."""
        array = self.empty(rows, width + 1)
        array[:, -1] = 1.0
        return array
