"""A lock on an open file: exclusive, released with its holder, and granted where a file system has no locks."""

from __future__ import annotations

import errno
import fcntl
from pathlib import Path

import pytest

from bench.measuring.machine_lock import measurement_lock
from tinygpt.errors import StorageError
from tinygpt.system.file_lock import take_lock
from tinygpt.system.folder_lock import folder_lock


def test_a_lock_is_exclusive_until_its_file_is_closed(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    with (tmp_path / "lock").open("r+b") as second:
        with (tmp_path / "lock").open("r+b") as first:
            assert take_lock(first)
            assert not take_lock(second)
        assert take_lock(second)


def test_a_file_system_without_locks_grants_every_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with measurement_lock(tmp_path / "lock"), folder_lock(tmp_path / "run"):
        assert (tmp_path / "lock").is_file()


def test_a_link_in_place_of_the_lock_is_refused_and_its_target_unchanged(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "lock").symlink_to(tmp_path / "theirs")
    with pytest.raises(StorageError, match="cannot write"), measurement_lock(tmp_path / "lock"):
        pass
    assert (tmp_path / "theirs").read_text() == "theirs"
