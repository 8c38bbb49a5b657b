"""Cores and memory that control groups grant, and the kernel's count of out-of-memory kills."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinygpt.system.control_groups import core_quota, group_folders, memory_limit, out_of_memory_kills


@pytest.fixture
def count(tmp_path: Path):
    """Count kills for a process in group /user/app of both versions, given these files."""

    def found(files: dict[str, str]) -> int:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (tmp_path / "membership").write_text("4:memory:/user/app\n2:cpu:/elsewhere\n0::/user/app\n")
        return out_of_memory_kills(tmp_path / "cgroup", tmp_path / "membership", tmp_path / "vmstat")

    return found


MACHINE = {"vmstat": "nr_free_pages 7\noom_kill 40\n"}
ABOVE = {"cgroup/user/memory.events": "oom 9\noom_kill 9\n"}


@pytest.mark.parametrize(
    ("files", "kills"),
    [
        ({}, 0),
        (MACHINE, 40),
        (MACHINE | {"cgroup/elsewhere/memory.events": "oom_kill 8\n"}, 40),
        (MACHINE | ABOVE, 9),
        (MACHINE | ABOVE | {"cgroup/user/app/memory.events": "low 1\noom 5\noom_kill 2\noom_group_kill 0\n"}, 2),
        (MACHINE | {"cgroup/memory/user/app/memory.oom_control": "under_oom 0\noom_kill 3\n"}, 3),
        (MACHINE | {"cgroup/memory/memory.oom_control": "oom_kill_disable 0\n"}, 40),
    ],
    ids=["nothing", "the machine", "another group", "above", "version 2", "version 1", "a kernel that does not count"],
)
def test_the_nearest_count_is_read(count, files: dict[str, str], kills: int) -> None:
    assert count(files) == kills


def test_a_kill_in_another_group_is_no_evidence(count) -> None:
    own = {"cgroup/user/app/memory.events": "oom_kill 2\n"}
    assert count(MACHINE | own) == count({"vmstat": "oom_kill 41\n"} | own) == 2
    assert count({"cgroup/user/app/memory.events": "oom_kill 3\n"}) == 3


def test_a_group_comes_before_those_above_it(tmp_path: Path) -> None:
    (tmp_path / "membership").write_text("0::/a/b\n")
    assert group_folders(Path("/top"), tmp_path / "membership") == [Path("/top/a/b"), Path("/top/a"), Path("/top")]
    assert group_folders(Path("/top"), tmp_path / "none") == [Path("/top")]


V1_NONE = str(2**63 - 4096)  # version 1's value for no limit


@pytest.mark.parametrize(
    ("files", "cores", "memory"),
    [
        ({}, None, None),
        ({"cpu.max": "max 100000", "memory.max": "max"}, None, None),
        ({"cpu.max": "150000 100000", "memory.max": "1024"}, 1.5, 1024),
        ({"user/app/cpu.max": "50000 100000", "cpu.max": "max 100000", "user/memory.max": "2048"}, 0.5, 2048),
        ({"user/app/cpu.max": "max 100000", "user/cpu.max": "120000 100000", "user/app/memory.max": "9"}, 1.2, 9),
        ({"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"}, 0.5, None),
        ({"cpu/elsewhere/cpu.cfs_quota_us": "30000", "cpu/elsewhere/cpu.cfs_period_us": "100000"}, 0.3, None),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None, None),
        ({"memory/memory.limit_in_bytes": V1_NONE, "memory/user/memory.limit_in_bytes": "4096"}, None, 4096),
        ({"user/app/cpu.max": "nonsense"}, None, None),
    ],
    ids=["none", "no limit", "root", "own group", "above", "v1", "v1 nested", "v1 no limit", "v1 memory", "damaged"],
)
def test_the_tightest_group_counts(tmp_path: Path, files: dict[str, str], cores: float, memory: int) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    (tmp_path / "membership").write_text("4:memory:/user/app\n2:cpu,cpuacct:/elsewhere\n0::/user/app\n")
    assert core_quota(tmp_path, tmp_path / "membership") == cores
    assert memory_limit(tmp_path, tmp_path / "membership") == memory
