"""Whether a cell can fit at all, asked before anything is allocated.

A lower bound, so that nothing is refused that might have worked: training keeps a weight, its gradient and AdamW's
two moments for every parameter. Activations and temporaries come on top and are not counted.
"""

from __future__ import annotations

import psutil

from bench.cells import Cell
from bench.machine import memory_limit_bytes
from tinygpt.presets import get_preset

NUMBERS_PER_PARAMETER = 4
FLOAT32_BYTES = 4
# CPython: a float object of 24 bytes and the list's pointer to it, 8 bytes.
_PYTHON_FLOAT_BYTES = 32


def least_bytes(engine: str, preset: str) -> int:
    """Bytes that no implementation of this kind can do without."""
    width = _PYTHON_FLOAT_BYTES if engine == "python" else FLOAT32_BYTES
    return get_preset(preset).model.n_parameters * NUMBERS_PER_PARAMETER * width


def available_bytes() -> int:
    """Memory that a new process can have: free or reclaimable, within the control group's limit; no swap."""
    available = psutil.virtual_memory().available
    limit = memory_limit_bytes()
    return available if limit is None else min(available, limit)


def refusal(cell: Cell, available: int | None = None) -> str | None:
    """Why a cell should not be started, or None.

    Args:
        cell: which cell.
        available: bytes to be had; asked of the system when None.
    """
    needed = least_bytes(cell.engine, cell.preset)
    have = available_bytes() if available is None else available
    if needed <= have:
        return None
    return f"needs at least {needed / 2**30:.1f} GiB for its parameters, {have / 2**30:.1f} GiB are available"
