"""Threads that share the rows of one product wait for each other after it, in compiled code."""

from __future__ import annotations

import numpy as np

from tinygpt.engines.compiled.waiting import set_counter, wait_until
from tinygpt.engines.loops.compiling import loop

LINE = 8  # numbers of a counter, which has a cache line for itself


@loop
def meet(counters: np.ndarray, part: int, parts: int, stage: int) -> int:
    """Wait until all parts have come to a stage; return the next one."""
    if parts > 1:
        set_counter(counters, part, stage)
        for other in range(parts):
            wait_until(counters, other, stage)
    return stage + 1
