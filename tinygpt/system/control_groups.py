"""The control groups that this process is in (Linux, versions 1 and 2), and the kernel's count of kills for memory."""

from __future__ import annotations

from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
_MACHINE = Path("/proc/vmstat")

# Where a version's memory files are, and the one of them that counts kills.
_COUNTS = (("", "memory.events"), ("memory", "memory.oom_control"))


def group_folders(top: Path, membership: Path = MEMBERSHIP) -> list[Path]:
    """The folders of every group that this process is in and that may limit memory, a group before those above it.

    Args:
        top: the folder of the root group.
        membership: the file that says which groups this process is in.
    """
    # Inside a container the path may name a group that is not mounted there: the root then is the container's.
    own = [Path(path.strip("/")).parts for path in _memory_groups(membership)]
    found = [top.joinpath(*parts[:depth]) for parts in own for depth in range(len(parts), -1, -1)]
    return [*dict.fromkeys(sorted(found, key=lambda folder: -len(folder.parts)))]


def _memory_groups(membership: Path) -> list[str]:
    """Paths of this process's groups that may limit memory: version 2's, version 1's ``memory``, and the root."""
    try:
        lines = membership.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return [""]
    entries = [line.split(":", 2) for line in lines if line.count(":") >= 2]
    return ["", *(path for _, controllers, path in entries if not controllers or "memory" in controllers.split(","))]


def out_of_memory_kills(root: Path = CGROUPS, membership: Path = MEMBERSHIP, machine: Path = _MACHINE) -> int:
    """How many processes the kernel has killed for want of memory: a process that was killed while this rose ran out.

    A group counts its own processes, whoever's limit they met, so this process's group is asked first; where there is
    none, the machine. A system that counts nothing (another kernel than Linux) has killed nobody that can be told.

    Args:
        root: where control groups are mounted.
        membership: the file that says which groups this process is in.
        machine: the file with the machine's counters.
    """
    files = [folder / name for version, name in _COUNTS for folder in group_folders(root / version, membership)]
    return next((count for file in (*files, machine) if (count := _kills_in(file)) is not None), 0)


def _kills_in(file: Path) -> int | None:
    try:
        words = [line.split() for line in file.read_text(encoding="ascii", errors="replace").splitlines()]
    except OSError:
        return None
    return next((int(pair[1]) for pair in words if len(pair) == 2 and pair[0] == "oom_kill"), None)
