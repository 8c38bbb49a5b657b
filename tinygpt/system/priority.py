"""The lowest priority: the same arithmetic, done when no other process wants the cores.

The number of threads stays, as it is part of a run's arithmetic: a run that changed it half-way could not be repeated.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import psutil

_LOWEST = 19
_THREADS = Path("/proc/self/task")


def step_back() -> None:
    """Give this process, with all its present and future threads, the lowest priority for cores and disk."""
    process = psutil.Process()
    if sys.platform == "win32":
        process.nice(psutil.IDLE_PRIORITY_CLASS)
        return
    # Linux keeps a priority per thread, and BLAS started its own when NumPy was imported.
    threads = [int(entry.name) for entry in _THREADS.iterdir()] if _THREADS.is_dir() else [0]
    for thread in threads:
        with contextlib.suppress(ProcessLookupError):  # it has ended
            os.setpriority(os.PRIO_PROCESS, thread, _LOWEST)
    if hasattr(psutil, "IOPRIO_CLASS_IDLE"):
        process.ionice(psutil.IOPRIO_CLASS_IDLE)
