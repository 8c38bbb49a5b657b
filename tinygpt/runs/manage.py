"""The runs in a folder: what each says of itself, and whether that can still be true.

A run's own word (its status file) is weighed against the process that gave it. What is found is one of these:

    running      its process lives, and has reported lately
    silent       its process lives, but has not reported for longer than a few of its steps take
    suspended    its process lives and is stopped (SIGSTOP, a debugger)
    finished     it came to its last step
    stopped      it was asked to stop, and saved
    failed       it ended with an error, which is shown
    killed       its process has gone without a last word; its last checkpoint is what is left
    elsewhere    another machine's run: whether it lives cannot be seen from here
    saved        a checkpoint without any word: an older run, or a copied folder
    weights      a model without training state, such as transformers writes
    unreadable   files that cannot be understood
    no run       a folder that is none
"""

from __future__ import annotations

import platform
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from tinygpt.checkpoints.checkpoint import has_checkpoint, load_checkpoint, restore_checkpoint
from tinygpt.checkpoints.layout import STATE
from tinygpt.checkpoints.training_state import TrainingState
from tinygpt.errors import CheckpointError, ConfigError, TinyGPTError, unknown_name
from tinygpt.runs.status import RunStatus, correct_status, read_status
from tinygpt.system.folder_lock import folder_lock, holder_of
from tinygpt.system.json_records import read_json, record_from_json
from tinygpt.system.staging import current_files
from tinygpt.training.resume import newest_whole

LIVING = frozenset({"running", "silent", "suspended"})

# Silence that is longer than this, and than so many steps, is worth a word.
_SILENT_SECONDS, _SILENT_STEPS = 60.0, 5.0
_LOOK_SECONDS = 0.1


class StillRunningError(TinyGPTError):
    """A run that was asked to stop has not stopped yet."""


@dataclass(frozen=True)
class Run:
    """A run as it was found.

    Attributes:
        name: its folder's name.
        folder: where it is.
        state: one of the words above.
        status: its own newest word, if there is one.
        training: what its newest checkpoint says, where the run itself says nothing.
        note: what there is to say beside the figures.
    """

    name: str
    folder: Path
    state: str
    status: RunStatus | None = None
    training: TrainingState | None = None
    note: str = ""

    @property
    def step(self) -> int | None:
        """Updates done, as far as is known."""
        known = self.status or self.training
        return None if known is None else known.step

    @property
    def steps(self) -> int | None:
        """Updates in the whole run."""
        if self.status is not None:
            return self.status.steps
        return None if self.training is None else self.training.planned_steps

    @property
    def loss(self) -> float | None:
        """Mean training loss of the newest steps, nats per token."""
        if self.status is not None:
            return self.status.loss
        recent = () if self.training is None else self.training.recent_losses
        return sum(recent) / len(recent) if recent else None

    @property
    def held_out_loss(self) -> float | None:
        """The newest evaluation, nats per token."""
        known = self.status or self.training
        return None if known is None else known.held_out_loss


# ---- looking -------------------------------------------------------------------------------------------------


def list_runs(root: Path) -> list[Run]:
    """The runs whose folders lie in a folder, by name.

    Raises:
        ConfigError: there is no such folder.
    """
    if not root.is_dir():
        raise ConfigError(f"there is no folder {root}", "a folder with runs in it", "invoke train")
    folders = [path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return [look_at(folder) for folder in sorted(folders)]


def find_run(name: str, root: Path) -> Run:
    """The run of a name, or in a folder.

    Raises:
        ConfigError: there is none; the message suggests the nearest name.
    """
    for folder in (root / name, Path(name)):
        if folder.is_dir():
            return look_at(folder)
    known = [run.name for run in list_runs(root)] if root.is_dir() else []
    raise unknown_name("run", name, known, "invoke runs")


def look_at(folder: Path) -> Run:
    """What a folder holds, and whether somebody works on it."""
    name = folder.name
    try:
        status = read_status(folder)
    except CheckpointError as error:
        return Run(name, folder, "unreadable", note=error.problem)
    if status is None:
        return _without_word(name, folder)
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
            return Run(name, folder, "suspended", status, note=f"kill -CONT {status.pid} lets it go on")
    except psutil.NoSuchProcess:
        return look_at(folder)  # it ended between the two looks
    age = time.time() - status.updated_at
    if age > _SILENT_SECONDS + _SILENT_STEPS * (status.step_seconds or 0.0):
        return Run(name, folder, "silent", status, note=f"no word for {age:.0f} s")
    return Run(name, folder, "running", status, note=status.note)


def _without_word(name: str, folder: Path) -> Run:
    """A folder without a status file: from the API, of an older version, copied, or no run at all."""
    holder = holder_of(folder)
    training = None
    if (path := current_files(folder, [STATE]).get(STATE)) is not None:
        try:
            state = read_json(path)
            if state.get("training") is not None:
                training = record_from_json(
                    TrainingState, state["training"], "training", str(folder / STATE), defaults=True
                )
        except CheckpointError as error:
            return Run(name, folder, "unreadable", note=error.problem)
    if holder is not None:
        return Run(name, folder, "running", training=training, note=f"process {holder.pid}, which reports nothing")
    if training is not None:
        return Run(name, folder, "saved", training=training)
    return Run(name, folder, "weights" if has_checkpoint(folder) else "no run")


# ---- acting --------------------------------------------------------------------------------------------------


def stop_run(name: str, root: Path, patience: float = 600.0) -> Run:
    """Ask a run to save and stop, and wait until it has.

    Args:
        name: the run's, or its folder.
        root: where runs are.
        patience: seconds to wait: the step under way has to end, and the checkpoint to be written.

    Returns:
        the run as it is then.

    Raises:
        ConfigError: there is no such run, or it does not run here.
        StillRunningError: it has not ended within that time.
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
        return look_at(run.folder)
    until = time.monotonic() + patience
    while identity is not None and identity.find() is not None:
        if time.monotonic() > until:
            raise StillRunningError(
                f"process {process.pid} has not ended after {patience:.0f} s", "a longer wait", "invoke runs"
            )
        time.sleep(_LOOK_SECONDS)
    return look_at(run.folder)


def restore_run(name: str, root: Path) -> tuple[int, str | None]:
    """Put the newest whole checkpoint that a run kept in the place of its newest one.

    Returns:
        the step that it is of, and what was wrong with the one it replaces; None if nothing was, and nothing was done.

    Raises:
        ConfigError: there is no such run.
        CheckpointError: the newest is damaged, and none that was kept is whole.
        FolderInUseError: somebody trains into it.
        StorageError: the file system refused; the folder is as it was.
    """
    folder = find_run(name, root).folder
    with folder_lock(folder):
        try:
            training = load_checkpoint(folder).training
        except CheckpointError as error:
            if (whole := newest_whole(folder)) is None:
                raise CheckpointError(error.problem, "a whole checkpoint; none that was kept is one") from None
            restore_checkpoint(folder, whole[1])
            correct_status(folder, whole[0])
            return whole[0], error.problem
    return 0 if training is None else training.step, None
