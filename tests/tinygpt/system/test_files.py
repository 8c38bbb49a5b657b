"""Atomic replacement of a file: after any failure the file has the old content or the new."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from tests.tinygpt.system.test_staging import Crash, CrashAfter
from tinygpt.errors import StorageError
from tinygpt.system.files import finished_name, remove_unfinished, replace_file


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_crash_at_any_moment_leaves_the_old_or_the_new_content(tmp_path: Path) -> None:
    found = set()
    for n in range(1, 20):
        path = tmp_path / str(n) / "file.json"
        replace_file(path, [b"old"])
        with pytest.MonkeyPatch.context() as patch:
            counter = CrashAfter(patch, n)
            rename = os.replace
            patch.setattr(os, "replace", lambda *args: counter._counted(rename, n, Crash)(*args))  # noqa: B023
            with contextlib.suppress(Crash):
                replace_file(path, [b"n", b"ew"])
        found.add(path.read_bytes())
    assert found == {b"old", b"new"}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_is_a_one_line_error_and_keeps_the_old_file(
    tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    replace_file(path, [b"old"])

    def full(_descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=f"cannot write .*file: {os.strerror(code)}") as caught:
        replace_file(path, [b"new"])
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        replace_file(tmp_path / "file" / "below", [b"new"])


def test_a_link_is_replaced_and_its_target_unchanged(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    replace_file(tmp_path / "link", [b"ours"])
    assert (tmp_path / "link").read_bytes() == b"ours"
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "theirs").read_text() == "theirs"


@pytest.mark.skipif(os.name != "posix", reason="no modes")
def test_a_file_gets_the_mode_that_umask_sets(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        replace_file(tmp_path / "file", [b""])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_concurrent_writers_do_not_mix(tmp_path: Path) -> None:
    contents = [bytes([65 + i]) * 100_000 for i in range(8)]
    threads = [threading.Thread(target=replace_file, args=(tmp_path / "file", [content])) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "file").read_bytes() in contents
    assert names(tmp_path) == ["file"]


def test_files_of_a_killed_writer_are_recognised_by_name(tmp_path: Path) -> None:
    left, mine = tmp_path / ".status.json-0123abcd.tmp", tmp_path / ".status.json-notes.tmp"
    for path in (left, mine, tmp_path / "status.json"):
        path.touch()
    assert finished_name(left.name) == "status.json"
    assert finished_name(mine.name) == mine.name
    remove_unfinished(tmp_path, "status.*")
    assert names(tmp_path) == [mine.name, "status.json"]
