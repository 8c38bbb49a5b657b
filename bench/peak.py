"""Peak memory of a training process, with the processes that work for it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil


def peak_memory_bytes(helpers: Iterable[int] = ()) -> int | None:
    """This process's peak resident memory, and what its helpers hold for themselves at this moment.

    VmHWM belongs to the process alone. ``ru_maxrss``, the substitute where /proc is missing, starts from the parent's
    size, which is why it comes second. Of a helper, which shares most of its pages with this process, only the pages
    that no other process maps are added (its unique set): counted once, and as they are now, because the system keeps
    no record of their peak.

    Args:
        helpers: ids of processes that belong to this one's work; one that has ended counts nothing.
    """
    own = _own_peak_bytes()
    if own is None:
        return None
    for helper in helpers:
        with suppress(psutil.Error):
            own += int(psutil.Process(helper).memory_full_info().uss)
    return own


def children() -> tuple[int, ...]:
    """Processes that this one has started, and theirs."""
    return tuple(child.pid for child in psutil.Process().children(recursive=True))


def _own_peak_bytes() -> int | None:
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
