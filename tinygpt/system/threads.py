"""The number of threads that this process may use."""

from __future__ import annotations

import math
import os

from tinygpt.system.control_groups import core_quota


def available_cores() -> int:
    """Return the cores that this process may use: its CPU affinity, or a control group's quota if lower; at least 1."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no affinity
        cores = os.cpu_count() or 1
    quota = core_quota()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))
