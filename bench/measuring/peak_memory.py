"""Peak memory of a training process and its helper processes."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil


def peak_memory_bytes(helpers: Iterable[int] = ()) -> int | None:
    """Return this process's peak resident memory plus its helpers' memory now, in bytes; None if unknown.

    VmHWM is the process's own peak. Without /proc it is ``ru_maxrss``, which starts from the parent's size. The system
    keeps no peak of a group, so that helpers count with their current memory:

        VmHWM − (anonymous + shared memory of this process) + Σ over all processes of their shares of such memory

    A page that n processes map counts 1/n in each, hence once in the sum, even if this process never touched it. Pages
    of files (libraries, which other programs map too) count in this process only. On systems that do not report
    shares, a helper's unique pages are added instead.

    Args:
        helpers: process ids; an ended process counts nothing.
    """
    own, ids = _own_peak_bytes(), tuple(helpers)
    if own is None or not ids:
        return own
    try:
        return own + _share_bytes("self") - _resident_bytes() + sum(_helper_bytes(helper) for helper in ids)
    except (OSError, KeyError):  # no /proc, or a kernel that does not separate kinds of memory
        for helper in ids:
            with suppress(psutil.Error):
                own += int(psutil.Process(helper).memory_full_info().uss)
        return own


def children() -> tuple[int, ...]:
    """Return the ids of all descendants of this process."""
    return tuple(child.pid for child in psutil.Process().children(recursive=True))


def _helper_bytes(helper: int) -> int:
    try:
        return _share_bytes(str(helper))
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _share_bytes(process: str) -> int:
    """Return a process's share of the anonymous and shared memory that it maps."""
    fields = _kilobytes(Path("/proc", process, "smaps_rollup"))
    return (fields["Pss_Anon"] + fields["Pss_Shmem"]) * 1024


def _resident_bytes() -> int:
    """Return the anonymous and shared memory that this process maps."""
    fields = _kilobytes(Path("/proc/self/status"))
    return (fields["RssAnon"] + fields["RssShmem"]) * 1024


def _kilobytes(file: Path) -> dict[str, int]:
    """Return the fields of a file of /proc that are in kB."""
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
