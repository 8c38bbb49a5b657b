"""Memory that a process can have: the least that any limit leaves.

The limits are what the system calls available (free or reclaimable), what each control group still grants, and the
address space (``ulimit -v``). Swap is not counted: work that swaps is not worth starting.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from tinygpt.errors import CapacityError
from tinygpt.system.control_groups import CGROUPS, MEMBERSHIP, memory_left


@dataclass(frozen=True)
class Memory:
    """Memory that a new process can have.

    Attributes:
        available: bytes.
        limited_by: the limit that sets this number, in words.
    """

    available: int
    limited_by: str


def available_memory(root: Path = CGROUPS, membership: Path = MEMBERSHIP) -> Memory:
    """Return the least memory that the system, the control groups and the process's own limits leave.

    Args:
        root: the mount point of control groups.
        membership: the file that names the groups of this process.
    """
    system = psutil.virtual_memory()
    candidates = [Memory(system.available, "the machine's free memory")]
    candidates += [Memory(left, "the control group's limit") for left in memory_left(root, membership, system.total)]
    if (left := _address_space_left()) is not None:
        candidates.append(Memory(left, "the address space limit (ulimit -v)"))
    return min(candidates, key=lambda memory: memory.available)


def require_memory(needed: int, user: str, run: str) -> None:
    """Refuse what cannot fit, before anything is allocated.

    Args:
        needed: bytes, a lower bound.
        user: what needs them, for the message.
        run: the command to run instead.

    Raises:
        CapacityError: less is available; the message has both figures.
    """
    memory = available_memory()
    if needed > memory.available:
        raise CapacityError(
            f"{user} needs {needed / 2**30:,.1f} GiB of memory or more, and {memory.limited_by} leaves "
            f"{memory.available / 2**30:,.1f} GiB",
            "what fits",
            run,
        )


def _address_space_left() -> int | None:
    """Return what RLIMIT_AS leaves to a new process, not counting what an interpreter reserves and never touches."""
    if sys.platform == "win32":
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    usage = psutil.Process().memory_info()
    return max(0, limit - max(0, usage.vms - usage.rss))
