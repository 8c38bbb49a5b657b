"""Training in the background: the same command again in a new session, with its output in the run's folder.

    DIR/train.log     the output, appended
    DIR/status.json   the status (tinygpt/runs/status.py)

The new process has no controlling terminal, so that no hang-up reaches it, and reads no input.
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

from tinygpt.checkpoints.saving import has_checkpoint
from tinygpt.errors import CheckpointError, ConfigError, TinyGPTError
from tinygpt.runs.status import RunStatus, read_status
from tinygpt.system.files import open_to_append, storage_errors
from tinygpt.system.folder_lock import require_free_lock
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.resume import require_free_folder, require_own_folder

LOG = "train.log"
_MARK = "TINYGPT_DETACHED"
_POLL_SECONDS = 0.1


class BackgroundError(TinyGPTError):
    """A background run ended before its first checkpoint."""


@dataclass(frozen=True)
class BackgroundRun:
    """A started run: its process, its log, and its newest status (None if it has not reported yet)."""

    pid: int
    log: Path
    status: RunStatus | None


def become_detached() -> bool:
    """Return whether :func:`train_in_background` started this process; if so, ignore hang-ups."""
    if os.environ.pop(_MARK, None) is None:
        return False
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return True


def train_in_background(plan: TrainingPlan, resume: bool, patience: float = 120.0) -> BackgroundRun:
    """Run this process's own command again in the background; return when its first checkpoint is on the disk.

    Args:
        plan: the command's plan.
        resume: continue from a checkpoint.
        patience: seconds to wait for the first checkpoint; a run that takes longer continues.

    Raises:
        BackgroundError: the run ended at once; the error has its last line and its exit code.
        ConfigError, CheckpointError, FolderInUseError: the folder cannot be used; nothing was written.
        StorageError: the log cannot be written.
    """
    if not hasattr(os, "setsid"):
        run = "the same command without --detach"
        raise ConfigError("--detach is not possible here", "a system with sessions (Linux, macOS)", run)
    require_own_folder(plan.out)
    if not resume:
        require_free_folder(plan)
    elif not has_checkpoint(plan.out):
        raise CheckpointError(
            f"{plan.out} holds no checkpoint", "a folder that invoke train wrote", "the same command without --resume"
        )
    require_free_lock(plan.out)
    log, is_new = plan.out / LOG, not plan.out.exists()
    with storage_errors(log, "the same command with another --out"):
        plan.out.mkdir(parents=True, exist_ok=True)
        log_start = log.stat().st_size if log.exists() else 0
        with open_to_append(log) as file:
            process = subprocess.Popen(
                [sys.executable, *sys.orig_argv[1:]],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=os.environ | {_MARK: "1", "PYTHONUNBUFFERED": "1"},
            )
    status, code = _wait(process, plan.out, patience), process.returncode
    if code:
        error = BackgroundError(_last_line(log, log_start).removeprefix("error: "))
        error.exit_code = code if code > 0 else 128 - code
        if is_new:
            _remove_lone_log(plan.out)
        raise error
    return BackgroundRun(process.pid, log, status)


def _wait(process: subprocess.Popen[bytes], folder: Path, patience: float) -> RunStatus | None:
    """Return the run's status once it has saved or ended, or after the patience."""
    until, status = time.monotonic() + patience, None
    while time.monotonic() < until:
        ended = process.poll() is not None
        with contextlib.suppress(CheckpointError):
            newest = read_status(folder)
            status = newest if newest is not None and newest.pid == process.pid else None
        if ended or (status is not None and status.saved_step is not None):
            break
        time.sleep(_POLL_SECONDS)
    return status


def _last_line(log: Path, start: int) -> str:
    """Return the last line that the run wrote."""
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it wrote no output"


def _remove_lone_log(folder: Path) -> None:
    """Remove the folder of a refused run, whose log is in the error."""
    with contextlib.suppress(OSError):
        if [path.name for path in folder.iterdir()] == [LOG]:
            (folder / LOG).unlink()
            folder.rmdir()
