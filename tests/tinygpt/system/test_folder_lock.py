"""One writer per folder: the error for a second one names the first, and a killed holder leaves no lock."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from tests.tinygpt.training.small_runs import CORPUS, plan
from tinygpt.errors import FolderInUseError, StorageError
from tinygpt.system.folder_lock import folder_lock, holder_of, lock_path, require_free_lock
from tinygpt.system.process_identity import ProcessIdentity, _started
from tinygpt.training.session import run_session


def hold(folder: Path, patience: float = 5.0) -> AbstractContextManager[None]:
    """Take a folder's lock, and hold it as long as the returned object lives."""
    lock = folder_lock(folder, patience)
    lock.__enter__()
    return lock


def in_a_fork(work: Callable[[], object]) -> int:
    """Fork a process that does some work, then sleeps; return when the work is done."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        held = work()
        os.write(write, b".")
        time.sleep(60)
        del held
        os._exit(0)
    os.close(write)
    assert os.read(read, 1) == b"."
    os.close(read)
    return child


def end(child: int, number: int = signal.SIGKILL) -> None:
    os.kill(child, number)
    os.waitpid(child, 0)


def test_the_error_for_a_second_process_names_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run"
    child = in_a_fork(lambda: hold(folder))
    monkeypatch.setattr("tinygpt.system.folder_lock.time.sleep", lambda _: pytest.fail("nothing to wait for"))
    try:
        with pytest.raises(FolderInUseError, match=rf"process {child} is training into .*run: invoke runs stop"):
            list(run_session(plan(folder), CORPUS))
        with pytest.raises(FolderInUseError, match=f"process {child} "):
            require_free_lock(folder)
        assert holder_of(folder) is not None
    finally:
        end(child)
    require_free_lock(folder)
    assert holder_of(folder) is None
    with folder_lock(folder):  # a killed process leaves no lock
        pass
    assert list(folder.iterdir()) == []


def test_one_process_cannot_hold_a_folder_twice(tmp_path: Path) -> None:
    with folder_lock(tmp_path / "run"), pytest.raises(FolderInUseError, match=f"process {os.getpid()} "):
        hold(tmp_path / "run")
    with folder_lock(tmp_path / "run"):
        assert holder_of(tmp_path / "run") == ProcessIdentity.own()


def test_a_link_and_its_folder_share_a_lock(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    with folder_lock(tmp_path / "link"), pytest.raises(FolderInUseError):
        hold(tmp_path / "disk")


def test_a_new_holder_waits_for_the_workers_of_a_killed_one(tmp_path: Path) -> None:
    """Workers inherit the lock in the fork and end a moment after their parent."""
    folder = tmp_path / "run"
    wait, go = os.pipe()

    def hold_with_a_worker() -> object:
        lock = hold(folder)
        if os.fork() == 0:
            os.close(go)
            os.read(wait, 1)
            time.sleep(0.2)  # so that the next holder has to wait
            os._exit(0)
        os.close(go)
        return lock

    end(in_a_fork(hold_with_a_worker))
    with pytest.raises(FolderInUseError):
        hold(folder, patience=0.0)
    os.close(go)
    os.close(wait)
    with folder_lock(folder, patience=20.0):
        pass


def test_a_refused_run_leaves_no_folders(tmp_path: Path) -> None:
    with folder_lock(tmp_path / "deep" / "er" / "run"):
        assert lock_path(tmp_path / "deep" / "er" / "run").is_file()
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_cannot_be_a_folder_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file" / "run", Path("/proc/tinygpt/run")):
        with pytest.raises(StorageError, match="cannot write"):
            hold(folder)


def test_a_process_is_identified_by_its_number_and_start_time() -> None:
    own = ProcessIdentity.own()
    assert own.find() is not None
    assert ProcessIdentity(own.pid, own.started[:-1]).find() is None, "the number was given out again"
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert ProcessIdentity(child, _started(child)).find() is None, "ended, its exit code not collected"
    os.waitpid(child, 0)
    assert ProcessIdentity(child, own.started).find() is None
    for impossible in (-1, 0, 2**40):
        assert ProcessIdentity(impossible, own.started).find() is None


def test_a_step_of_the_system_s_clock_ends_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after sleep under WSL, on a board without a clock, or in a virtual machine that was suspended."""
    own = ProcessIdentity.own()
    created = psutil.Process.create_time
    for shift in (60.0, -60.0, 86_400.0):
        monkeypatch.setattr(psutil.Process, "create_time", lambda self, shift=shift: created(self) + shift)
        assert ProcessIdentity.own() == own
        assert own.find() is not None
