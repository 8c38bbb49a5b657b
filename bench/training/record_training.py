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
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.arms.variants import engine_name
from bench.measuring.cell_rows import Row, new_run_id, threads_of
from bench.measuring.peak_memory import children, peak_memory_bytes
from bench.records.machine import fresh_machine
from bench.records.protocol import Protocol, sha256_text, training_protocol
from bench.records.provenance import Provenance, read_provenance
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
    protocol: Protocol
    machine: str
    provenance: Provenance
    run_id: str
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
        self._steps: list[Row] = []
        self._samples: list[Row] = []
        self._held_out_loss: float | None = None
        self._stop: StopRecord | None = None

    @property
    def run_id(self) -> str | None:
        """The run's name in the tables, once it has started."""
        return self._begun.run_id if self._begun else None

    def add(self, event: Event) -> None:
        """Take one event.

        Raises:
            StorageError: the rows cannot be written.
        """
        match event:
            case StartRecord():
                self._begin(event)
            case StepRecord():
                self._add_step(event)
            case EvaluationRecord():
                self._held_out_loss = event.held_out_loss
                if self._steps and self._steps[-1]["step"] == event.step:
                    self._steps[-1]["held_out_loss"] = event.held_out_loss
            case SampleRecord():
                self._add_sample(event)
            case CheckpointRecord():
                self._write("interrupted", "not finished when these rows were written")
            case StopRecord():
                self._stop = event

    def finish(self, status: str, reason: str | None = None) -> None:
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
        run_id = new_run_id(sha256_text(machine))
        code = self._code or read_provenance()
        now, clock = datetime.now(UTC), time.perf_counter()
        self._begun = _Begun(start, protocol, machine, code, run_id, now, clock, _before(start))

    def _cell_id(self, begun: _Begun) -> str:
        return f"{begun.run_id}/{begun.start.plan.engine}/{begun.start.plan.preset}/0"

    def _add_step(self, record: StepRecord) -> None:
        if (begun := self._begun) is None:
            return
        self._steps.append(
            {
                "run_id": begun.run_id,
                "cell_id": self._cell_id(begun),
                "step": record.step,
                "is_warmup": False,
                "seconds": record.seconds,
                "loss": record.loss,
                "grad_norm": record.grad_norm,
                "elapsed_seconds": time.perf_counter() - begun.clock,
                "held_out_loss": None,
            }
        )

    def _add_sample(self, record: SampleRecord) -> None:
        if (begun := self._begun) is None:
            return
        names = ("step", "prompt", "text", "temperature", "top_k", "seed", "n_tokens", "tokens_per_second")
        self._samples.append(
            {
                "run_id": begun.run_id,
                "cell_id": self._cell_id(begun),
                "engine": engine_name(begun.start.plan.engine),
                "preset": begun.start.plan.preset,
                "corpus": begun.protocol.corpus,
                **{name: getattr(record, name) for name in names},
                "first_token_seconds": record.first_token_seconds,
                "train_loss": record.train_loss,
                "held_out_loss": record.held_out_loss,
            }
        )

    def _write(self, status: str, reason: str | None) -> None:
        begun = self._begun
        if begun is None:
            return
        plan, stop = begun.start.plan, self._stop
        row: Row = {
            "run_id": begun.run_id,
            "cell_id": self._cell_id(begun),
            "kind": "train",
            "engine": engine_name(plan.engine),
            "variant": plan.engine,
            "preset": plan.preset,
            "round": 0,
            "status": status,
            "exit_code": stop.exit_code if stop else None,
            "signal": stop.signal if stop else None,
            "error_tail": None if status == "ok" else scrub(reason or status),
            "command": training_command(plan),
            "protocol_hash": begun.protocol.hash,
            "protocol": begun.protocol.canonical_json,
            "machine_hash": sha256_text(begun.machine),
            "machine": begun.machine,
            "commit": begun.provenance.commit,
            "dirty": begun.provenance.dirty,
            "started_at": begun.started_at,
            "suite": self.suite,
            "corpus": begun.protocol.corpus,
            "corpus_sha256": begun.protocol.corpus_sha256,
            "seed": plan.seed,
            "n_parameters": begun.start.n_parameters,
            "tokens_per_step": begun.start.train.rows_per_step * plan.preset_entry.model.context_length,
            "warmup_steps": 0,
            "measured_steps": plan.steps,
            "steps_done": len(self._steps),
            "limit_seconds": None,
            "peak_memory_bytes": peak_memory_bytes(children()),
            "setup_seconds": None,
            "first_loss": self._steps[0]["loss"] if self._steps else None,
            "last_loss": self._steps[-1]["loss"] if self._steps else None,
            "loss_drift": None,
            "held_out_loss": self._held_out_loss,
            "wall_seconds": time.perf_counter() - begun.clock,
            "resolved_variant": format_variant(engine_name(plan.engine), begun.start.engine_options),
            "threads": threads_of(engine_name(plan.engine), begun.start.engine_options.get("threads"), begun.machine),
            "blas_kernel": json.loads(begun.machine).get("blas_kernel"),
            "continues": begun.continues,
            "expected_seconds": None if self.expected is None else self.expected.seconds,
            "expected_loss": None if self.expected is None else self.expected.loss,
        }
        tables = {"runs": [row], "steps": self._steps, "samples": self._samples}
        write_tables(self.root, begun.run_id, tables)
        if plan.out.is_dir():
            last_step = self._steps[-1]["step"] if self._steps else begun.start.first_step
            _remember(plan.out / RECORDED, begun.run_id, last_step)


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
        words += ["--prompt", plan.prompt]
    return shlex.join([*words, "--record"])
