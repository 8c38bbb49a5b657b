"""Runs on failing disks: full, read-only, or emptied during the run. One line of error; the last checkpoint stays."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tinygpt.training.small_runs import CORPUS, plan
from tinygpt.checkpoints.layout import WEIGHTS
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.errors import TinyGPTError
from tinygpt.runs.status import read_status, report_status
from tinygpt.system.staging import MARK, SAVING
from tinygpt.training.events import CheckpointRecord, StepRecord, StopRecord
from tinygpt.training.session import run_session

UNPRIVILEGED = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def error_in_a_fork(work: Callable[[], None]) -> str:
    """Return the error line of a run in a forked process, empty if it succeeds."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            work()
            line = ""
        except TinyGPTError as error:
            line = f"{type(error).__name__} {error.exit_code}: {error}"
        except BaseException as error:
            line = f"unexpected {error!r}"
        os.write(write, line.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as file:
        line = file.read().decode()
    os.waitpid(child, 0)
    return line


def saved_step(out: Path) -> int:
    state = load_checkpoint(out).training
    assert state is not None
    return state.step


def train(out: Path, at_step_3: Callable[[], object] = lambda: None, **changes: object) -> None:
    wanted = plan(out, checkpoint_every=1, eval_every=99, sample_every=99, **changes)
    for event in report_status(run_session(wanted, CORPUS, resume=out.exists())):
        if isinstance(event, StepRecord) and event.step == 3:
            at_step_3()


def test_a_disk_that_fills_up_in_the_middle_of_a_run(folder: Path) -> None:
    """The kernel limits files to fewer bytes than the weights have."""
    out = folder / "run"
    limit = 100_000
    line = error_in_a_fork(lambda: train(out, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))))
    assert line.startswith(f"StorageError 2: cannot write {out}: File too large; allowed: ")
    assert "\n" not in line
    assert saved_step(out) == 2
    assert (out / WEIGHTS).stat().st_size > limit
    status = read_status(out)
    assert status is not None and status.state == "failed" and status.error is not None
    assert "File too large" in status.error
    train(out)  # with room again it goes on
    assert saved_step(out) == 6


@pytest.mark.parametrize("when", ["at once", "later"])
def test_a_folder_that_may_not_be_written(folder: Path, when: str) -> None:
    runs = folder / "runs"
    runs.mkdir()
    runs.chmod(0o777)
    out = runs / "run"
    train(folder / "warm", steps=1)  # triggers late imports before privileges are dropped

    def unprivileged() -> None:
        if os.geteuid() == 0:  # root may write anywhere
            os.setgid(UNPRIVILEGED)
            os.setuid(UNPRIVILEGED)
        train(out, lambda: out.chmod(0o555) if os.geteuid() == runs.stat().st_uid else None)

    if when == "at once":
        runs.chmod(0o555)
        assert error_in_a_fork(unprivileged).startswith(f"StorageError 2: cannot write {out}: Permission denied")
        assert not out.exists()
    else:
        if os.geteuid() == 0:
            os.chown(runs, UNPRIVILEGED, UNPRIVILEGED)
        line = error_in_a_fork(unprivileged)
        assert line.startswith(f"StorageError 2: cannot write {out}: Permission denied; allowed: ")
        assert saved_step(out) == 2
        out.chmod(0o755)
    runs.chmod(0o777)


def test_a_run_whose_folder_was_removed_stops_with_an_error(folder: Path) -> None:
    out = folder / "runs" / "run"
    line = error_in_a_fork(lambda: train(out, lambda: shutil.rmtree(folder / "runs")))
    assert line.startswith(f"StorageError 2: {out} was removed or replaced while this run was training into it")
    assert not out.exists(), "a removed folder is not made again"


def test_a_run_whose_folder_was_replaced_does_not_write_into_it(folder: Path) -> None:
    out = folder / "runs" / "run"

    def replace_by_another() -> None:
        shutil.rmtree(folder / "runs")
        assert error_in_a_fork(lambda: train(out, steps=4, seed=1)) == ""

    line = error_in_a_fork(lambda: train(out, replace_by_another))
    assert line.startswith(f"StorageError 2: {out} was removed or replaced")
    state, status = load_checkpoint(out).training, read_status(out)
    assert state is not None and (state.seed, state.step) == (1, 4)
    assert status is not None and (status.state, status.steps) == ("finished", 4)


def test_a_file_removed_during_a_run_is_written_again(folder: Path) -> None:
    out = folder / "run"
    train(out, lambda: (out / WEIGHTS).unlink())
    assert saved_step(out) == 6


def test_a_file_removed_between_runs_is_named(folder: Path) -> None:
    out = folder / "run"
    train(out, steps=2, keep=0)
    (out / WEIGHTS).unlink()
    line = error_in_a_fork(lambda: train(out))
    assert line.startswith(f"CheckpointError 2: {out / WEIGHTS} is missing")


def test_a_half_written_version_is_removed(folder: Path) -> None:
    (folder / "run" / SAVING).mkdir(parents=True)
    (folder / "run" / SAVING / MARK).touch()
    (folder / "run" / SAVING / WEIGHTS).write_bytes(b"half")
    events = list(run_session(plan(folder / "run", steps=1), CORPUS))
    assert any(isinstance(event, CheckpointRecord) and event.verified for event in events)
    assert isinstance(events[-1], StopRecord)
    assert not (folder / "run" / SAVING).exists()
