"""A training run's events as rows of the same three tables, with ``kind = "train"``.

Rows reach the disk at every checkpoint and at the end. Until then the run's row says ``interrupted``, so that after a
kill -9 it says what happened.

A resumed run is recorded as a part of its own. The checkpoint's folder holds the run_id of the part before in
``recorded.json``, and the new part names it in the column ``continues``; ``bench.statistics.training_parts`` puts them
together.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from bench.arms.variants import engine_name
from bench.measuring.peak_memory import children, peak_memory_bytes
from bench.records.machine import fresh_machine
from bench.records.process_rows import Process, RunContext, new_run_id
from bench.records.protocol import sha256_text, training_protocol
from bench.records.provenance import Provenance, read_provenance
from bench.records.rows import Rows, SampleRow, Status, StepRow
from bench.records.scrub import recorded_corpus, scrub
from bench.records.store import write_tables
from tinygpt.engines import format_variant
from tinygpt.errors import DivergedError
from tinygpt.system.files import replace_file
from tinygpt.training.events import CheckpointRecord, EvaluationRecord, Event, SampleRecord, StartRecord, StopRecord
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.trainer import StepRecord


def record_events(
    events: Iterable[Event],
    results_root: Path,
    suite: str = "train",
    expected: Expected | None = None,
    code: Provenance | None = None,
) -> Iterator[Event]:
    """Pass a session's events on and write them to ``results_root/local``.

    Args:
        events: from a session.
        results_root: the results folder; made if missing.
        suite: what the run is part of.
        expected: what advice said that the run would give.
        code: which code trains; the checkout's when omitted.

    Raises:
        StorageError: the rows cannot be written.
        Exception: whatever the session raises, after its rows are written.
    """
    recorder = TrainingRecorder(results_root, suite, expected, code)
    try:
        for event in events:
            recorder.add(event)
            yield event
    except (KeyboardInterrupt, GeneratorExit):
        recorder.finish("interrupted", "stopped by the user")
        raise
    except DivergedError as error:
        recorder.finish("diverged", str(error))
        raise
    except MemoryError as error:
        recorder.finish("oom", f"MemoryError: {error}")
        raise
    except Exception as error:
        recorder.finish("crashed", f"{type(error).__name__}: {error}")
        raise
    recorder.finish("ok")


@dataclass(frozen=True)
class Expected:
    """What a run was expected to give.

    Attributes:
        seconds: wall time.
        loss: on held-out text at the end, nats per byte; None where nothing was known.
    """

    seconds: float
    loss: float | None


@dataclass(frozen=True)
class _Begun:
    """What is known once a run has started."""

    start: StartRecord
    process: Process
    started_at: datetime
    clock: float
    continues: str | None


RECORDED = "recorded.json"  # beside the checkpoint, which leaves files that are not its own alone


class TrainingRecorder:
    """Collects a session's events; rows are written at checkpoints and by :meth:`finish`.

    Args:
        results_root: the results folder; made if missing.
        suite: what the run is part of.
        expected: what advice said that the run would give.
        code: which code trains; the checkout's when omitted.
    """

    def __init__(
        self,
        results_root: Path,
        suite: str = "train",
        expected: Expected | None = None,
        code: Provenance | None = None,
    ) -> None:
        self.root, self.suite, self.expected = results_root, suite, expected
        self._code = code
        self._begun: _Begun | None = None
        self._steps: list[StepRow] = []
        self._samples: list[SampleRow] = []
        self._held_out_loss: float | None = None
        self._stop: StopRecord | None = None

    @property
    def run_id(self) -> str | None:
        """The run's name in the tables, once it has started."""
        return self._begun.process.run.run_id if self._begun else None

    def add(self, event: Event) -> None:
        """Take one event.

        Raises:
            StorageError: the rows cannot be written.
        """
        match event:
            case StartRecord():
                self._begin(event)
            case StepRecord() if self._begun:
                elapsed = time.perf_counter() - self._begun.clock
                row = self._begun.process.step_row(event.step, event.seconds, event.loss, event.grad_norm, elapsed)
                self._steps.append(row)
            case EvaluationRecord():
                self._held_out_loss = event.held_out_loss
                if self._steps and self._steps[-1].step == event.step:
                    self._steps[-1] = replace(self._steps[-1], held_out_loss=event.held_out_loss)
            case SampleRecord() if self._begun:
                self._samples.append(self._begun.process.sample_row(event))
            case CheckpointRecord():
                self._write("interrupted", "not finished when these rows were written")
            case StopRecord():
                self._stop = event

    def finish(self, status: Status, reason: str | None = None) -> None:
        """Write the rows for good; without a StartRecord there are none.

        Args:
            status: ``ok``, unless something else ended the run. A StopRecord that says ``interrupted`` overrides it.
            reason: why it is not ok.

        Raises:
            StorageError: the rows cannot be written.
        """
        if status == "ok" and self._stop is not None and self._stop.reason == "interrupted":
            status, reason = "interrupted", f"stopped by {self._stop.signal or 'request'} after step {self._stop.step}"
        self._write(status, reason)

    # ---- rows --------------------------------------------------------------------------------------------

    def _begin(self, start: StartRecord) -> None:
        plan, machine = start.plan, fresh_machine()
        protocol = training_protocol(
            plan.preset, start.train, recorded_corpus(plan.corpus), start.corpus_sha256, plan.seed, plan.steps
        )
        run = RunContext(new_run_id(sha256_text(machine)), self.suite, self._code or read_provenance(), machine)
        process = Process(run, "train", engine_name(plan.engine), plan.engine, 0, protocol)
        self._begun = _Begun(start, process, datetime.now(UTC), time.perf_counter(), _before(start))

    def _write(self, status: Status, reason: str | None) -> None:
        if (begun := self._begun) is None:
            return
        start, process, steps, stop = begun.start, begun.process, self._steps, self._stop
        plan, options = start.plan, start.engine_options
        wall = time.perf_counter() - begun.clock
        row = replace(
            process.run_row(status, training_command(plan), begun.started_at, wall, len(steps)),
            exit_code=stop.exit_code if stop else None,
            signal=stop.signal if stop else None,
            error_tail=None if status == "ok" else scrub(reason or status),
            tokens_per_step=start.train.rows_per_step * plan.preset_entry.model.context_length,
            peak_memory_bytes=peak_memory_bytes(children()),
            first_loss=steps[0].loss if steps else None,
            last_loss=steps[-1].loss if steps else None,
            held_out_loss=self._held_out_loss,
            resolved_variant=format_variant(process.engine, options),
            threads=process.threads(options.get("threads")),
            continues=begun.continues,
            expected_seconds=self.expected.seconds if self.expected else None,
            expected_loss=self.expected.loss if self.expected else None,
        )
        write_tables(self.root, row.run_id, Rows([row], steps, self._samples))
        if plan.out.is_dir():
            last_step = steps[-1].step if steps else start.first_step
            _remember(plan.out / RECORDED, row.run_id, last_step)


def _remember(path: Path, run_id: str, step: int) -> None:
    """Leave word beside the checkpoint of who recorded it, and how far."""
    replace_file(path, [json.dumps({"run_id": run_id, "step": step}).encode()])


def _before(start: StartRecord) -> str | None:
    """The part that a resumed run goes on with; None if it was not recorded up to where this one begins."""
    try:
        record = json.loads((start.plan.out / RECORDED).read_text(encoding="utf-8"))
        reaches = start.first_step > 0 and int(record["step"]) >= start.first_step
        return str(record["run_id"]) if reaches else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def training_command(plan: TrainingPlan) -> str:
    """The command that trains the same model again, without the folders of the machine it ran on."""
    words = ["invoke", "train", "--preset", plan.preset, "--corpus", recorded_corpus(plan.corpus)]
    words += ["--engine", plan.engine, "--steps", str(plan.steps), "--seed", str(plan.seed)]
    words += shlex.split(plan.options_text())
    if plan.prompt:
        words += ["--prompt", plan.shown_prompt]
    return shlex.join([*words, "--record"])
