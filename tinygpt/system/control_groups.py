"""Linux control groups of this process (versions 1 and 2): the cores and memory they grant, the kills they count."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")  # names the groups of this process
_MACHINE = Path("/proc/vmstat")


@dataclass(frozen=True)
class _Version:
    """A version's memory files: their folder below the root, and the lines in ``memory.stat`` and of kills."""

    folder: str
    limit: str
    usage: str
    reclaimable: str
    kills: str


_VERSIONS = (
    _Version("", "memory.max", "memory.current", "inactive_file", "memory.events"),
    _Version("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", "memory.oom_control"),
)


def group_folders(top: Path, membership: Path = MEMBERSHIP, controller: str = "memory") -> list[Path]:
    """List the folders of every group that may limit this process, each group before its ancestors.

    Args:
        top: the folder of the root group.
        membership: the file that names the groups of this process.
        controller: the limited resource, ``memory`` or ``cpu``.
    """
    # Inside a container the path may name a group that is not mounted there; the root is then the container's.
    own = [Path(path.strip("/")).parts for path in _groups(membership, controller)]
    folders = [top.joinpath(*parts[:depth]) for parts in own for depth in range(len(parts), -1, -1)]
    return [*dict.fromkeys(sorted(folders, key=lambda folder: -len(folder.parts)))]


def _groups(membership: Path, controller: str) -> list[str]:
    """List the paths of this process's groups with a controller: the root, then those of version 1 and 2."""
    entries = [line.split(":", 2) for line in _lines(membership) if line.count(":") >= 2]
    return ["", *(path for _, controllers, path in entries if not controllers or controller in controllers.split(","))]


def core_quota(root: Path = CGROUPS, membership: Path = MEMBERSHIP) -> float | None:
    """Return the cores that the tightest group grants, or None without a limit."""
    times = [_words(folder / "cpu.max") for folder in group_folders(root, membership, "cpu")]
    times += [
        _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")
        for folder in group_folders(root / "cpu", membership, "cpu")
    ]
    quotas = [int(pair[0]) / int(pair[1]) for pair in times if len(pair) == 2 and all(map(str.isdecimal, pair))]
    return min((quota for quota in quotas if quota > 0), default=None)


def memory_limit(root: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int | None:
    """Return the bytes that the tightest group grants, or None without a limit."""
    return min((limit for _, _, limit in _limits(root, membership)), default=None)


def memory_left(root: Path, membership: Path, total: int) -> list[int]:
    """List the bytes that each limited group still grants: limit − usage + reclaimable page cache.

    Args:
        root: the mount point of control groups.
        membership: the file that names the groups of this process.
        total: the machine's memory in bytes; a limit above it is none.
    """
    left = []
    for version, folder, limit in _limits(root, membership):
        if limit < total:
            usage = _integer(folder / version.usage) or 0
            reclaimable = _counters(folder / "memory.stat").get(version.reclaimable, 0)
            left.append(max(0, limit - max(0, usage - reclaimable)))
    return left


def out_of_memory_kills(root: Path = CGROUPS, membership: Path = MEMBERSHIP, machine: Path = _MACHINE) -> int:
    """Count the processes that the kernel has killed for lack of memory; a death while this rises was such a kill.

    A group counts the kills of its own processes, even those that another group's limit caused. So the nearest group
    that counts is read first, then the machine's own counters. Systems other than Linux count nothing: 0.
    """
    files = [folder / version.kills for version in _VERSIONS for folder in _folders(version, root, membership)]
    return next((counts["oom_kill"] for file in (*files, machine) if "oom_kill" in (counts := _counters(file))), 0)


def _folders(version: _Version, root: Path, membership: Path) -> list[Path]:
    return group_folders(root / version.folder, membership)


def _limits(root: Path, membership: Path) -> list[tuple[_Version, Path, int]]:
    """List every group with a memory limit, and the limit in bytes."""
    groups = [(version, folder) for version in _VERSIONS for folder in _folders(version, root, membership)]
    limits = [(version, folder, _integer(folder / version.limit)) for version, folder in groups]
    return [(version, folder, limit) for version, folder, limit in limits if limit is not None]


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _words(file: Path) -> list[str]:
    return " ".join(_lines(file)).split()


def _integer(file: Path) -> int | None:
    return next((int(word) for word in _words(file)[:1] if word.isdecimal()), None)


def _counters(file: Path) -> dict[str, int]:
    """Read a file of lines ``name number``."""
    pairs = [line.split() for line in _lines(file)]
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}
