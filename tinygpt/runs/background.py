"""Training without a terminal: the same command again, in a session of its own, with its output in the run's folder.

    DIR/train.log     what the terminal would have shown, appended to
    DIR/status.json   how it is doing (tinygpt/runs/status.py)

The new process has no controlling terminal, so that no hang-up reaches it, and reads nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tinygpt.checkpoints.checkpoint import has_checkpoint
from tinygpt.errors import CheckpointError, ConfigError, StorageError, TinyGPTError
from tinygpt.runs.status import RunStatus, read_status
from tinygpt.system.folder_lock import require_free_lock
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.resume import require_free_folder

LOG = "train.log"
_MARK = "TINYGPT_DETACHED"
_LOOK_SECONDS = 0.1


class BackgroundError(TinyGPTError):
    """A run in the background ended before it had begun."""


@dataclass(frozen=True)
class BackgroundRun:
    """A run that was started.

    Attributes:
        pid: its process.
        log: where its output goes.
        status: its newest word; None if it has not said anything within the time it was given.
    """

    pid: int
    log: Path
    status: RunStatus | None


def become_detached() -> bool:
    """Whether this process is the one that :func:`train_in_background` started; it then ignores hang-ups."""
    if os.environ.pop(_MARK, None) is None:
        return False
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return True


def train_in_background(plan: TrainingPlan, resume: bool, patience: float = 120.0) -> BackgroundRun:
    """Run this process's own command again in the background; return when its first checkpoint is on the disk.

    Args:
        plan: what the command asks for.
        resume: whether it goes on from a checkpoint.
        patience: seconds to wait for the first checkpoint. A run that needs longer goes on all the same.

    Raises:
        BackgroundError: the run ended at once; the message is its last line, and its exit code is the error's.
        ConfigError, CheckpointError, FolderInUseError: the folder cannot be used, found out before anything is written.
        StorageError: the log cannot be written.
    """
    if not hasattr(os, "setsid"):
        raise ConfigError("--detach was asked for", "a system with sessions (Linux, macOS)", "invoke train")
    if not resume:
        require_free_folder(plan)
    elif not has_checkpoint(plan.out):
        raise CheckpointError(f"{plan.out} holds no checkpoint", "a folder that invoke train wrote", "invoke train")
    require_free_lock(plan.out)
    log, is_new = plan.out / LOG, not plan.out.exists()
    try:
        plan.out.mkdir(parents=True, exist_ok=True)
        begin = log.stat().st_size if log.exists() else 0
        with log.open("ab") as file:
            process = subprocess.Popen(
                [sys.executable, *sys.orig_argv[1:]],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=os.environ | {_MARK: "1", "PYTHONUNBUFFERED": "1"},
            )
    except OSError as error:
        raise StorageError(
            f"cannot write {log}: {error.strerror or error}", "a folder that may be written", "invoke train --out DIR"
        ) from error
    status = _wait(process, plan.out, patience)
    if process.returncode not in (None, 0):
        last = _last_line(log, begin)
        if is_new:
            _remove_lone_log(plan.out)
        raise _failure(last, process.returncode)
    return BackgroundRun(process.pid, log, status)


def _wait(process: subprocess.Popen[bytes], folder: Path, patience: float) -> RunStatus | None:
    """The run's word once it has saved, or ended, or the patience is over."""
    until, status = time.monotonic() + patience, None
    while time.monotonic() < until:
        ended = process.poll() is not None
        with contextlib.suppress(CheckpointError):
            found = read_status(folder)
            status = found if found is not None and found.pid == process.pid else None
        if ended or (status is not None and status.saved_step is not None):
            break
        time.sleep(_LOOK_SECONDS)
    return status


def _last_line(log: Path, begin: int) -> str:
    """The last line that the run wrote."""
    with log.open("rb") as file:
        file.seek(begin)
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _remove_lone_log(folder: Path) -> None:
    """Leave nothing of a run that was refused; what is in the log has been said."""
    with contextlib.suppress(OSError):
        if [path.name for path in folder.iterdir()] == [LOG]:
            (folder / LOG).unlink()
            folder.rmdir()


def _failure(last: str, code: int) -> BackgroundError:
    error = BackgroundError(last.removeprefix("error: "))
    error.exit_code = code if code > 0 else 128 - code
    return error
