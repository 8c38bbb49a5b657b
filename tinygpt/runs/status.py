"""A run's status: a small file in its folder, replaced as the run progresses.

The file identifies the process that writes it (number, start time, machine), so that a reader can distinguish a running
process from a killed one whose last status is still on the disk.
"""

from __future__ import annotations

import contextlib
import json
import platform
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tinygpt.errors import StorageError
from tinygpt.runs.progress import RunProgress
from tinygpt.system.files import remove_unfinished, replace_file
from tinygpt.system.json_records import read_json, record_from_json
from tinygpt.system.process_identity import ProcessIdentity
from tinygpt.training.events import CheckpointRecord, Event, StartRecord, StopRecord
from tinygpt.training.trainer import StepRecord

STATUS = "status.json"
_SECONDS_BETWEEN = 1.0


@dataclass(frozen=True, kw_only=True)
class RunStatus:
    """A run's report on itself.

    Attributes:
        state: ``running``, ``finished`` (at the last step, or early as planned), ``stopped`` (and saved) or ``failed``.
        pid: the training process, with its start time ``process_started`` (``ProcessIdentity.started``).
        host: name of its machine.
        engine: the engine's variant.
        step: number of updates so far.
        steps: number of updates in the whole run.
        saved_step: step of the newest checkpoint that this process wrote.
        loss: mean training loss of the newest steps, nats per byte.
        held_out_loss: the newest evaluation, nats per byte.
        tokens_per_second: training speed.
        step_seconds: time of the newest step.
        seconds_left: time left at this speed.
        updated_at: time of this report, seconds since 1970.
        resume_command: the command that resumes the run.
        error: the error that ended it.
        note: further text for lists.
    """

    state: str
    pid: int
    process_started: str
    host: str
    preset: str
    engine: str
    corpus: str
    step: int
    steps: int
    saved_step: int | None = None
    loss: float | None = None
    held_out_loss: float | None = None
    tokens_per_second: float | None = None
    step_seconds: float | None = None
    seconds_left: float | None = None
    updated_at: float
    resume_command: str
    error: str | None = None
    note: str = ""

    @property
    def process(self) -> ProcessIdentity:
        """The process that wrote it."""
        return ProcessIdentity(self.pid, self.process_started)


def read_status(folder: Path) -> RunStatus | None:
    """Read a run's newest status, or None if there is none.

    Raises:
        CheckpointError: the file cannot be read.
    """
    path = folder / STATUS
    if not path.exists():
        return None
    value = read_json(path)
    if isinstance(value.get("process_started"), float):  # of an earlier version, which wrote seconds since 1970
        value["process_started"] = str(value["process_started"])
    return record_from_json(RunStatus, value, "status", str(path), defaults=True)


def correct_status(folder: Path, step: int) -> None:
    """Set the status of a run that is not running to the step of its restored checkpoint.

    Raises:
        CheckpointError: the status cannot be read.
        StorageError: the file system refused.
    """
    status = read_status(folder)
    if status is not None:
        note = f"restored; {max(0, status.step - step):,} later steps are gone"
        _write_status(folder, replace(status, state="stopped", step=step, saved_step=step, error=note))


def report_status(events: Iterable[Event], notes: Sequence[str] = ()) -> Iterator[Event]:
    """Pass a session's events on, and keep the status file in its folder up to date.

    Args:
        events: from :func:`tinygpt.training.session.run_session`, or from a view of them.
        notes: the notes of the status; the list may grow during the run.
    """
    reporter: _Reporter | None = None
    try:
        for event in events:
            if isinstance(event, StartRecord):
                reporter = _Reporter(event, notes)
            elif reporter is not None:
                reporter.update(event)
            yield event
    except BaseException as error:
        if isinstance(error, GeneratorExit) and isinstance(events, Generator):
            events.close()  # the consumer closed this stream: a closed session saves
        if reporter is not None:
            reporter.fail(error)
        raise


class _Reporter:
    """Writes a status for each event, but for steps at most once a second."""

    def __init__(self, start: StartRecord, notes: Sequence[str]) -> None:
        plan, own = start.plan, ProcessIdentity.own()
        self.progress, self.notes = RunProgress(start), notes
        self.folder = plan.out.absolute()
        self.identity = _identity(self.folder)
        remove_unfinished(self.folder, STATUS)
        self.written_at = float("-inf")
        self.status = RunStatus(
            state="running",
            pid=own.pid,
            process_started=own.started,
            host=platform.node(),
            preset=plan.title,
            engine=plan.engine,
            corpus=plan.corpus,
            step=start.first_step,
            steps=plan.steps,
            saved_step=start.first_step or None,
            loss=self.progress.train_loss,
            held_out_loss=self.progress.held_out_loss,
            updated_at=time.time(),
            resume_command=plan.resume_command(),
        )
        self._write()

    def update(self, event: Event) -> None:
        """Add an event."""
        progress = self.progress
        progress.update(event)
        if isinstance(event, StepRecord) and time.monotonic() - self.written_at < _SECONDS_BETWEEN:
            return
        self.status = replace(
            self.status,
            steps=progress.start.plan.steps,
            step=progress.step,
            loss=progress.train_loss,
            held_out_loss=progress.held_out_loss,
            tokens_per_second=progress.tokens_per_second,
            step_seconds=progress.recent[-1].seconds if progress.recent else None,
            seconds_left=progress.seconds_left,
        )
        match event:
            case CheckpointRecord(best=False):
                self.status = replace(self.status, saved_step=event.step)
            case StopRecord():
                state = "stopped" if event.reason == "interrupted" else "finished"
                self.status = replace(self.status, state=state, seconds_left=None)
        self._write()

    def fail(self, error: BaseException) -> None:
        """Write the last status of a run that ended without a StopRecord."""
        if self.status.state != "running":
            return
        state = "failed"
        message: str | None = str(error) or type(error).__name__
        if isinstance(error, GeneratorExit):
            state, message = "stopped", None
        elif isinstance(error, KeyboardInterrupt):
            message = "abandoned before it could save"
        self.status = replace(self.status, state=state, step=self.progress.step, seconds_left=None, error=message)
        self._write()

    def _write(self) -> None:
        """Replace the file. A status that cannot be written, on a full disk say, does not end the run."""
        self.status = replace(self.status, updated_at=time.time(), note="; ".join(self.notes))
        self.written_at = time.monotonic()
        with contextlib.suppress(StorageError, ValueError):
            if _identity(self.folder) != self.identity:
                return  # it was removed, or replaced by another run's
            _write_status(self.folder, self.status)


def _write_status(folder: Path, status: RunStatus) -> None:
    replace_file(folder / STATUS, [json.dumps(asdict(status), indent=1, allow_nan=False).encode()])


def _identity(folder: Path) -> tuple[int, int] | None:
    """Identify the folder that has a path now."""
    with contextlib.suppress(OSError):
        status = folder.stat()
        return status.st_dev, status.st_ino
    return None
