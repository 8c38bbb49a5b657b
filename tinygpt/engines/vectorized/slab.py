"""Memory for a workspace's arrays, cut from large blocks.

NumPy requests huge pages for blocks of 4 MiB or more. A workspace has dozens of arrays of 0.5 to 2 MB. Allocated one by
one, they would lie on pages of 4 KiB, and products that walk across rows would wait for address translations.
"""

from __future__ import annotations

import math

import numpy as np

_BLOCK = 8 * 1024 * 1024  # numbers, 32 MiB
_ALIGN = 16  # numbers, a line of the cache


def _aligned(size: int) -> np.ndarray:
    """Allocate numbers from the start of a line. NumPy's blocks begin within one, and wide vectors would lie on two."""
    block = np.empty(size + _ALIGN, np.float32)
    start = -(block.ctypes.data // block.itemsize) % _ALIGN
    return block[start : start + size]


class Slab:
    """Allocator of float32 arrays."""

    def __init__(self) -> None:
        self._rest = np.empty(0, np.float32)
        self.size = 0  # numbers allocated

    def empty(self, *shape: int) -> np.ndarray:
        """Allocate an uninitialised array."""
        size = math.prod(shape)
        self.size += size
        padded = -(-size // _ALIGN) * _ALIGN
        if padded > len(self._rest):
            if padded >= _BLOCK // 4:
                return _aligned(size).reshape(shape)  # large enough for its own block
            self._rest = _aligned(_BLOCK)
        part, self._rest = self._rest[:size], self._rest[padded:]
        return part.reshape(shape)

    def with_ones(self, rows: int, width: int) -> np.ndarray:
        """Allocate an array (rows, width + 1) whose last column is 1."""
        array = self.empty(rows, width + 1)
        array[:, -1] = 1.0
        return array
