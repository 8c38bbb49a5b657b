"""How many threads this process may really use."""

from __future__ import annotations

import math
import os
from pathlib import Path


def cgroup_core_quota(root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Cores that a control group grants (Linux, version 2), or None without a limit."""
    try:
        quota, period = (root / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)


def available_cores() -> int:
    """Cores that this process may run on: its affinity, less what a control group withholds; at least 1."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no affinity to ask for
        cores = os.cpu_count() or 1
    quota = cgroup_core_quota()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))
