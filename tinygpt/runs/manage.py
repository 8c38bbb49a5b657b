"""The runs in a folder and their states.

A run's status file is compared with the process that wrote it. The states are:

    running      its process is alive and has reported recently
    silent       its process is alive, but has not reported for longer than a few steps take
    suspended    its process is alive but stopped (SIGSTOP, a debugger)
    finished     it reached its last step
    stopped      it was stopped, and saved
    failed       it ended with an error, which is shown
    killed       its process ended without a report; its last checkpoint remains
    elsewhere    a run of another machine, whose process cannot be checked
    saved        a checkpoint without a status: an older run or a copied folder
    weights      a model without training state, such as one of transformers
    unreadable   files that cannot be read
    no run       a folder that is none of these
"""

from __future__ import annotations

import platform
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from tinygpt.checkpoints.layout import STATE
from tinygpt.checkpoints.saving import has_checkpoint, restore_checkpoint
from tinygpt.checkpoints.training_state import TrainingState
from tinygpt.errors import CheckpointError, ConfigError, TinyGPTError, unknown_name
from tinygpt.gallery.sources import load_run
from tinygpt.runs.status import RunStatus, correct_status, read_status
from tinygpt.system.folder_lock import folder_lock, holder_of
from tinygpt.system.json_records import read_json, record_from_json
from tinygpt.system.staging import current_files
from tinygpt.training.resume import newest_sound

LIVING = frozenset({"running", "silent", "suspended"})

# A run is silent after this time plus so many steps without a report.
_SILENT_SECONDS, _SILENT_STEPS = 60.0, 5.0
_POLL_SECONDS = 0.1


class StillRunningError(TinyGPTError):
    """A run has not stopped in time."""


@dataclass(frozen=True)
class Run:
    """A run and its state.

    Attributes:
        name: its folder's name.
        folder: its folder.
        state: one of the states above.
        status: its newest status, if there is one.
        training: the state in its newest checkpoint, if there is no status.
        note: further text for lists.
    """

    name: str
    folder: Path
    state: str
    status: RunStatus | None = None
    training: TrainingState | None = None
    note: str = ""

    @property
    def step(self) -> int | None:
        """Number of updates so far, if known."""
        known = self.status or self.training
        return known.step if known else None

    @property
    def steps(self) -> int | None:
        """Number of updates in the whole run, if known."""
        if self.status is not None:
            return self.status.steps
        return None if self.training is None else self.training.planned_steps

    @property
    def loss(self) -> float | None:
        """Mean training loss of the newest steps, nats per byte."""
        if self.status is not None:
            return self.status.loss
        recent = () if self.training is None else self.training.recent_losses
        return sum(recent) / len(recent) if recent else None

    @property
    def held_out_loss(self) -> float | None:
        """The newest evaluation, nats per byte."""
        known = self.status or self.training
        return known.held_out_loss if known else None


# ---- finding -------------------------------------------------------------------------------------------------


def list_runs(root: Path) -> list[Run]:
    """List the runs whose folders are in a folder, by name; raise a ConfigError if there is no such folder."""
    if not root.is_dir():
        raise ConfigError(f"there is no folder {root}", "a folder with runs in it", "invoke train")
    folders = [path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return [read_run(folder) for folder in sorted(folders)]


def find_run(name: str, root: Path) -> Run:
    """Find a run by its name or folder; the ConfigError for an unknown one suggests the nearest name."""
    for folder in (root / name, Path(name)):
        if folder.is_dir():
            return read_run(folder)
    known = [run.name for run in list_runs(root)] if root.is_dir() else []
    raise unknown_name("run", name, known or (f"none in {root}",), "invoke runs")


def read_run(folder: Path) -> Run:
    """Read the run in a folder, and determine its state."""
    name = folder.name
    try:
        status = read_status(folder)
    except CheckpointError as error:
        return Run(name, folder, "unreadable", note=error.problem)
    if status is None:
        return _without_status(name, folder)
    if status.state != "running":
        return Run(name, folder, status.state, status, note=status.error or status.note)
    if status.host != platform.node():
        return Run(name, folder, "elsewhere", status, note=f"on {status.host}")
    process = status.process.find()
    if process is None:
        saved = "nothing was saved" if status.saved_step is None else f"saved at step {status.saved_step:,}"
        return Run(name, folder, "killed", status, note=saved)
    try:
        if process.status() == psutil.STATUS_STOPPED:
            return Run(name, folder, "suspended", status, note=f"resume it with kill -CONT {status.pid}")
    except psutil.NoSuchProcess:
        return read_run(folder)  # it ended between the two checks
    age = time.time() - status.updated_at
    if age > _SILENT_SECONDS + _SILENT_STEPS * (status.step_seconds or 0.0):
        return Run(name, folder, "silent", status, note=f"no report for {age:.0f} s")
    return Run(name, folder, "running", status, note=status.note)


def _without_status(name: str, folder: Path) -> Run:
    """Read a folder without a status file: from Python, of an older version, copied, or no run at all."""
    training = None
    if (path := current_files(folder, [STATE]).get(STATE)) is not None:
        try:
            state = read_json(path)
            if state.get("training") is not None:
                source = str(folder / STATE)
                training = record_from_json(TrainingState, state["training"], "training", source, defaults=True)
        except CheckpointError as error:
            return Run(name, folder, "unreadable", note=error.problem)
    if (holder := holder_of(folder)) is not None:
        return Run(name, folder, "running", training=training, note=f"process {holder.pid}, which reports nothing")
    if training is not None:
        return Run(name, folder, "saved", training=training)
    return Run(name, folder, "weights" if has_checkpoint(folder) else "no run")


# ---- acting --------------------------------------------------------------------------------------------------


def stop_run(name: str, root: Path, patience: float = 600.0) -> Run:
    """Have a run save and stop, wait for its end, and return it.

    Args:
        name: the run's name or folder.
        root: the folder of runs.
        patience: seconds to wait for the current step and the save.

    Raises:
        ConfigError: there is no such run, or it is not running here.
        StillRunningError: it has not ended in time.
    """
    run = find_run(name, root)
    identity = run.status.process if run.status is not None else holder_of(run.folder)
    process = identity.find() if run.state in LIVING and identity is not None else None
    if process is None:
        raise ConfigError(f"{run.name} is {run.state}: nothing to stop", "a run that is running here", "invoke runs")
    try:
        process.send_signal(signal.SIGTERM)
        if run.state == "suspended":
            process.resume()
    except psutil.NoSuchProcess:
        return read_run(run.folder)
    until = time.monotonic() + patience
    while identity is not None and identity.find() is not None:
        if time.monotonic() > until:
            raise StillRunningError(
                f"process {process.pid} has not ended after {patience:.0f} s", "a longer wait", "invoke runs"
            )
        time.sleep(_POLL_SECONDS)
    return read_run(run.folder)


def restore_run(name: str, root: Path) -> tuple[int, str | None]:
    """Replace a run's damaged newest checkpoint by its newest sound kept one.

    Returns:
        the step of the newest checkpoint, and the problem of the replaced one; None if nothing was replaced.

    Raises:
        ConfigError: there is no such run.
        CheckpointError: the newest checkpoint is damaged, and no kept one is sound.
        FolderInUseError: a process trains into the folder.
        StorageError: the file system refused; the folder is unchanged.
    """
    folder = find_run(name, root).folder
    with folder_lock(folder):
        try:
            training = load_run(folder).training
        except CheckpointError as error:
            if (kept := newest_sound(folder)) is None:
                raise CheckpointError(error.problem, "a whole checkpoint; none of the kept ones is") from None
            step, path = kept
            restore_checkpoint(folder, path)
            correct_status(folder, step)
            return step, error.problem
    return 0 if training is None else training.step, None
