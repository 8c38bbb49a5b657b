"""The control groups that this process is in (Linux, versions 1 and 2): what they grant, and their count of kills."""

from __future__ import annotations

from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
_MACHINE = Path("/proc/vmstat")

# Where a version's memory files are, and the one of them that counts kills.
_COUNTS = (("", "memory.events"), ("memory", "memory.oom_control"))


def group_folders(top: Path, membership: Path = MEMBERSHIP, controller: str = "memory") -> list[Path]:
    """The folders of every group that this process is in and that may limit it, a group before those above it.

    Args:
        top: the folder of the root group.
        membership: the file that says which groups this process is in.
        controller: what is limited, ``memory`` or ``cpu``.
    """
    # Inside a container the path may name a group that is not mounted there: the root then is the container's.
    own = [Path(path.strip("/")).parts for path in _groups(membership, controller)]
    found = [top.joinpath(*parts[:depth]) for parts in own for depth in range(len(parts), -1, -1)]
    return [*dict.fromkeys(sorted(found, key=lambda folder: -len(folder.parts)))]


def _groups(membership: Path, controller: str) -> list[str]:
    """Paths of this process's groups with a controller: version 2's, version 1's, and the root."""
    try:
        lines = membership.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return [""]
    entries = [line.split(":", 2) for line in lines if line.count(":") >= 2]
    return ["", *(path for _, controllers, path in entries if not controllers or controller in controllers.split(","))]


def core_quota(root: Path = CGROUPS, membership: Path = MEMBERSHIP) -> float | None:
    """Cores that the tightest of this process's groups grants, or None without a limit.

    Args:
        root: where control groups are mounted.
        membership: the file that says which groups this process is in.
    """
    times = [_words(folder / "cpu.max") for folder in group_folders(root, membership, "cpu")]
    times += [
        _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")
        for folder in group_folders(root / "cpu", membership, "cpu")
    ]
    quotas = [int(pair[0]) / int(pair[1]) for pair in times if len(pair) == 2 and all(map(str.isdigit, pair))]
    return min((quota for quota in quotas if quota > 0), default=None)


def memory_limit(root: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int | None:
    """Bytes that the tightest of this process's groups grants, or None without a limit."""
    files = [folder / "memory.max" for folder in group_folders(root, membership)]
    files += [folder / "memory.limit_in_bytes" for folder in group_folders(root / "memory", membership)]
    return min((int(words[0]) for file in files if (words := _words(file)) and words[0].isdigit()), default=None)


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return []


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
