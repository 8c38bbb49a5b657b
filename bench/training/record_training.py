"""The rows of a training run, in the same three tables as a benchmark's, with ``kind = "train"``.

The rows are written at every checkpoint and at the end. Until the end the run's row has the status ``interrupted``, so
it is correct after a kill -9.

Each part of a resumed run has its own row. The file ``recorded.json`` in the checkpoint's folder has the run_id of the
previous part, and the next part has it in the column ``continues``. ``bench.statistics.training_parts`` joins them.
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
from tinygpt.errors import CheckpointError, DivergedError
from tinygpt.system.files import replace_file
from tinygpt.system.json_records import read_json
from tinygpt.training.events import CheckpointRecord, EvaluationRecord, Event, SampleRecord, StartRecord, StopRecord
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.trainer import StepRecord

RECORDED = "recorded.json"  # in the checkpoint's folder, where a save keeps files that are not its own


@dataclass(frozen=True)
class Expected:
    """The result that advice expects of a run.

    Attributes:
        seconds: wall time.
        loss: on held-out text at the end, nats per byte; None if unknown.
        spread: of the loss, to both sides; likewise.
    """

    seconds: float
    loss: float | None = None
    spread: float | None = None


def record_events(
    events: Iterable[Event],
    results_root: Path,
    suite: str = "train",
    expected: Expected | None = None,
    code: Provenance | None = None,
    command: str | None = None,
) -> Iterator[Event]:
    """Pass a session's events on and write their rows to ``results_root/local``; no rows without a StartRecord.

    Args:
        events: from a session.
        results_root: the results folder; made if missing.
        suite: of the run's row.
        expected: the advice for this run.
        code: commit of the code that trains; the checkout's when omitted.
        command: the command that repeats the run; `invoke train` with its settings when omitted.

    Raises:
        StorageError: the rows cannot be written.
        Exception: any exception of the session, after its rows are written.
    """
    recorder: _Recorder | None = None
    status: Status = "interrupted"
    reason: str | None = "stopped by the user"
    try:
        for event in events:
            if isinstance(event, StartRecord):
                recorder = _Recorder(event, results_root, suite, expected, code or read_provenance(), command)
            elif recorder:
                recorder.add(event)
            yield event
        status, reason = "ok", None
    except DivergedError as error:
        status, reason = "diverged", str(error)
        raise
    except MemoryError as error:
        status, reason = "oom", f"MemoryError: {error}"
        raise
    except Exception as error:
        status, reason = "crashed", f"{type(error).__name__}: {error}"
        raise
    finally:
        if recorder:
            recorder.finish(status, reason)


class _Recorder:
    """The rows of a run that has started."""

    def __init__(
        self,
        start: StartRecord,
        results_root: Path,
        suite: str,
        expected: Expected | None,
        code: Provenance,
        command: str | None,
    ) -> None:
        plan, machine = start.plan, fresh_machine()
        protocol = training_protocol(
            plan.preset,
            start.train,
            recorded_corpus(plan.corpus),
            start.corpus_sha256,
            plan.seed,
            plan.steps,
            plan.minutes,
            start.tokenizer,
        )
        run = RunContext(new_run_id(sha256_text(machine)), suite, code, machine)
        self._process = Process(run, "train", engine_name(plan.engine), plan.engine, 0, protocol)
        self._start, self._root, self._expected = start, results_root, expected
        self._command = command or training_command(plan)
        self._continues = _previous_part(start)
        self._started_at, self._clock = datetime.now(UTC), time.perf_counter()
        self._steps: list[StepRow] = []
        self._samples: list[SampleRow] = []
        self._held_out_loss: float | None = None
        self._stop: StopRecord | None = None

    def add(self, event: Event) -> None:
        """Add an event, and write the rows at a checkpoint."""
        match event:
            case StepRecord():
                elapsed = time.perf_counter() - self._clock
                row = self._process.step_row(event.step, event.seconds, event.loss, event.grad_norm, elapsed)
                self._steps.append(row)
            case EvaluationRecord():
                self._held_out_loss = event.held_out_loss
                if self._steps and self._steps[-1].step == event.step:
                    self._steps[-1] = replace(self._steps[-1], held_out_loss=event.held_out_loss)
            case SampleRecord():
                self._samples.append(self._process.sample_row(event))
            case CheckpointRecord():
                self._write("interrupted", "not finished when these rows were written")
            case StopRecord():
                self._stop = event

    def finish(self, status: Status, reason: str | None) -> None:
        """Write the final rows; a StopRecord of an interrupted run overrides the status ``ok``."""
        if status == "ok" and self._stop is not None and self._stop.reason == "interrupted":
            status, reason = "interrupted", f"stopped by {self._stop.signal or 'request'} after step {self._stop.step}"
        self._write(status, reason)

    def _write(self, status: Status, reason: str | None) -> None:
        start, process, steps, stop, expected = self._start, self._process, self._steps, self._stop, self._expected
        plan, wall = start.plan, time.perf_counter() - self._clock
        row = replace(
            process.run_row(status, self._command, self._started_at, wall, len(steps)),
            exit_code=stop.exit_code if stop else None,
            signal=stop.signal if stop else None,
            error_tail=None if status == "ok" else scrub(reason or status),
            tokens_per_step=start.train.rows_per_step * plan.preset_entry.model.context_length,
            peak_memory_bytes=peak_memory_bytes(children()),
            first_loss=steps[0].loss if steps else None,
            last_loss=steps[-1].loss if steps else None,
            held_out_loss=self._held_out_loss,
            resolved_variant=format_variant(process.engine, start.engine_options),
            threads=process.threads(start.engine_options.get("threads")),
            continues=self._continues,
            expected_seconds=expected.seconds if expected else None,
            expected_loss=expected.loss if expected else None,
            expected_spread=expected.spread if expected else None,
        )
        write_tables(self._root, row.run_id, Rows([row], steps, self._samples))
        if plan.out.is_dir():
            last_step = steps[-1].step if steps else start.first_step
            replace_file(plan.out / RECORDED, [json.dumps({"run_id": row.run_id, "step": last_step}).encode()])


def _previous_part(start: StartRecord) -> str | None:
    """Return the run_id of the part that this one continues; None if its rows end before this one begins."""
    try:
        record = read_json(start.plan.out / RECORDED)
        reaches = start.first_step > 0 and int(record["step"]) >= start.first_step
        return str(record["run_id"]) if reaches else None
    except (CheckpointError, ValueError, KeyError, TypeError):
        return None


def training_command(plan: TrainingPlan) -> str:
    """Return the command that trains the same model again, without the machine's folders."""
    words = ["invoke", "train", "--preset", plan.preset, "--corpus", recorded_corpus(plan.corpus)]
    length = ["--steps", str(plan.steps)] if plan.minutes is None else ["--minutes", f"{plan.minutes:g}"]
    words += ["--engine", plan.engine, *length, "--seed", str(plan.seed)]
    words += shlex.split(scrub(plan.options_text()))
    if plan.prompt:
        words += ["--prompt", plan.shown_prompt]
    return shlex.join([*words, "--record"])
