"""The kernel's count of kills for want of memory: the group's own if it has one, else the machine's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinygpt.system.control_groups import group_folders, out_of_memory_kills


@pytest.fixture
def count(tmp_path: Path):
    """The count in a process that is in group /user/app of both versions, with these files around it."""

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
def test_the_nearest_count_is_asked(count, files: dict[str, str], kills: int) -> None:
    assert count(files) == kills


def test_a_kill_in_another_group_is_no_evidence(count) -> None:
    own = {"cgroup/user/app/memory.events": "oom_kill 2\n"}
    assert count(MACHINE | own) == count({"vmstat": "oom_kill 41\n"} | own) == 2
    assert count({"cgroup/user/app/memory.events": "oom_kill 3\n"}) == 3


def test_a_group_comes_before_those_above_it(tmp_path: Path) -> None:
    (tmp_path / "membership").write_text("0::/a/b\n")
    assert group_folders(Path("/top"), tmp_path / "membership") == [Path("/top/a/b"), Path("/top/a"), Path("/top")]
    assert group_folders(Path("/top"), tmp_path / "none") == [Path("/top")]
