"""Peak memory of a training process, with the processes that work for it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil


def peak_memory_bytes(helpers: Iterable[int] = ()) -> int | None:
    """This process's peak resident memory, and what its helpers add to it at this moment.

    VmHWM belongs to the process alone. ``ru_maxrss``, the substitute where /proc is missing, starts from the parent's
    size, which is why it comes second. The system keeps no record of a group's peak, so helpers count as they are now:

        VmHWM − (anonymous + shared memory of this process) + Σ over all of them of their share of such memory

    A page that n processes map counts 1/n in each of them: once altogether, also where it is shared by helpers and
    never touched by this process. Pages of files are this process's only: libraries, which whoever else runs on the
    machine maps as well. Where the system does not tell shares, a helper's unique pages are added instead.

    Args:
        helpers: ids of processes that belong to this one's work; one that has ended counts nothing.
    """
    own, ids = _own_peak_bytes(), tuple(helpers)
    if own is None or not ids:
        return own
    try:
        return own + _share_bytes("self") - _resident_bytes() + sum(_helper_bytes(helper) for helper in ids)
    except (OSError, KeyError):  # no /proc, or a kernel that does not tell kinds of memory apart
        for helper in ids:
            with suppress(psutil.Error):
                own += int(psutil.Process(helper).memory_full_info().uss)
        return own


def children() -> tuple[int, ...]:
    """Processes that this one has started, and theirs."""
    return tuple(child.pid for child in psutil.Process().children(recursive=True))


def _helper_bytes(helper: int) -> int:
    try:
        return _share_bytes(str(helper))
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _share_bytes(process: str) -> int:
    """A process's share of the anonymous and shared memory that it maps."""
    found = _kilobytes(Path("/proc", process, "smaps_rollup"))
    return (found["Pss_Anon"] + found["Pss_Shmem"]) * 1024


def _resident_bytes() -> int:
    """Anonymous and shared memory that this process maps, in full."""
    found = _kilobytes(Path("/proc/self/status"))
    return (found["RssAnon"] + found["RssShmem"]) * 1024


def _kilobytes(file: Path) -> dict[str, int]:
    """The fields of a file of /proc that are given in kB."""
    lines = [line.partition(":") for line in file.read_text(encoding="utf-8").splitlines()]
    return {name: int(value.split()[0]) for name, _, value in lines if value.endswith(" kB")}


def _own_peak_bytes() -> int | None:
    try:
        return _kilobytes(Path("/proc/self/status"))["VmHWM"] * 1024
    except (OSError, KeyError):
        pass
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
