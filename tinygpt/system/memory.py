"""Memory that a process can have: the least of what sets a limit.

What the system calls available (free or reclaimable), what each control group above this process still grants (versions
1 and 2: limit − usage + reclaimable page cache), and a limit on the address space (``ulimit -v``). Swap is not counted:
work that swaps is not worth starting.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from tinygpt.errors import CapacityError
from tinygpt.system.control_groups import CGROUPS, MEMBERSHIP, group_folders


@dataclass(frozen=True)
class Memory:
    """Memory that a new process can have.

    Attributes:
        available: bytes.
        limited_by: what sets that figure, in words.
    """

    available: int
    limited_by: str


def available_memory(root: Path = CGROUPS, membership: Path = MEMBERSHIP) -> Memory:
    """Ask the system, the control groups and the process's own limits; the least counts.

    Args:
        root: where control groups are mounted.
        membership: the file that says which groups this process is in.
    """
    candidates = [Memory(psutil.virtual_memory().available, "the machine's free memory")]
    candidates += [Memory(granted, "the control group's limit") for granted in _cgroup_grants(root, membership)]
    granted = _address_space_left()
    if granted is not None:
        candidates.append(Memory(granted, "the address space limit (ulimit -v)"))
    return min(candidates, key=lambda memory: memory.available)


def require_memory(needed: int, what: str, run: str) -> None:
    """Refuse what cannot fit, before anything is allocated.

    Args:
        needed: bytes, at least.
        what: what needs them, for the message.
        run: the command to run instead.

    Raises:
        CapacityError: there is less; the message has both figures.
    """
    memory = available_memory()
    if needed > memory.available:
        raise CapacityError(
            f"{what} needs {needed / 2**30:,.1f} GiB of memory or more, and {memory.limited_by} leaves "
            f"{memory.available / 2**30:,.1f} GiB",
            "what fits",
            run,
        )


@dataclass(frozen=True)
class _Hierarchy:
    """How a version of control groups names its files."""

    folder: str
    limit: str
    usage: str
    reclaimable: str


_VERSIONS = (
    _Hierarchy("", "memory.max", "memory.current", "inactive_file"),
    _Hierarchy("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def _cgroup_grants(root: Path, membership: Path) -> list[int]:
    """Bytes that every limited control group from this process's own up to the root still grants."""
    groups = [(folder, version) for version in _VERSIONS for folder in group_folders(root / version.folder, membership)]
    return [granted for group in groups if (granted := _grant(*group)) is not None]


def _grant(folder: Path, version: _Hierarchy) -> int | None:
    limit, usage = _read_integer(folder / version.limit), _read_integer(folder / version.usage)
    if limit is None or limit >= psutil.virtual_memory().total:
        return None
    return max(0, limit - max(0, (usage or 0) - _reclaimable(folder, version)))


def _read_integer(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return int(text) if text.isdigit() else None


def _reclaimable(folder: Path, version: _Hierarchy) -> int:
    try:
        lines = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return 0
    fields = dict(line.split(" ", 1) for line in lines if " " in line)
    text = fields.get(version.reclaimable, "0").strip()
    return int(text) if text.isdigit() else 0


def _address_space_left() -> int | None:
    """What RLIMIT_AS leaves to a new process, without what an interpreter reserves and never touches."""
    if sys.platform == "win32":
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    usage = psutil.Process().memory_info()
    return max(0, limit - max(0, usage.vms - usage.rss))
