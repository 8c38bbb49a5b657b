"""The constructor of rows: what all rows of a process share is filled in here, and nowhere else."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from bench.records.protocol import Protocol, sha256_text
from bench.records.provenance import Provenance
from bench.records.rows import KernelRow, Kind, Measure, ProbeRow, RunRow, SampleRow, Status, StepRow
from tinygpt.training.events import SampleRecord


def new_run_id(machine_hash: str) -> str:
    """A name that sorts by time and is not given twice: UTC start, machine, random part."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{machine_hash[:8]}-{secrets.token_hex(2)}"


@dataclass(frozen=True)
class RunContext:
    """The properties that all processes of a run share.

    Attributes:
        machine: canonical JSON of the fingerprint.
        kind: the rows' kind; derived from the variant if None.
    """

    run_id: str
    suite: str
    provenance: Provenance
    machine: str
    kind: Kind | None = None


@dataclass(frozen=True)
class Process:
    """One process of a run, and the constructor of its rows.

    Attributes:
        run: what it shares with the run's other processes.
        engine: without its options.
        variant: the engine with its options.
        round: repetition, counted from 0.
        attempt: how many processes of the same round were stopped by hand before.
        replaces: the round that this one measures again.
    """

    run: RunContext
    kind: Kind
    engine: str
    variant: str
    round: int
    protocol: Protocol
    attempt: int = 0
    replaces: int | None = None

    @property
    def cell_id(self) -> str:
        """Its name in every table."""
        again = f"/again-{self.attempt}" if self.attempt else ""
        return f"{self.run.run_id}/{self.variant}/{self.protocol.preset}/{self.round}{again}"

    def threads(self, chosen: int | None) -> int | None:
        """Threads that it computes with: the engine's own count, one for plain Python, else those of the BLAS."""
        if chosen is not None or self.engine == "python":
            return chosen or 1
        count = json.loads(self.run.machine).get("blas_threads")
        return None if count is None else int(count)

    def run_row(
        self, status: Status, command: str, started_at: datetime, wall_seconds: float, steps_done: int
    ) -> RunRow:
        """Its row of ``runs``, without what only some processes have: ``dataclasses.replace`` adds that.

        Args:
            started_at: UTC.
        """
        protocol, run = self.protocol, self.run
        return RunRow(
            run_id=run.run_id,
            cell_id=self.cell_id,
            kind=self.kind,
            engine=self.engine,
            variant=self.variant,
            preset=protocol.preset,
            round=self.round,
            status=status,
            command=command,
            protocol_hash=protocol.hash,
            protocol=protocol.canonical_json,
            machine_hash=sha256_text(run.machine),
            machine=run.machine,
            commit=run.provenance.commit,
            dirty=run.provenance.dirty,
            started_at=started_at,
            suite=run.suite,
            corpus=protocol.corpus,
            corpus_sha256=protocol.corpus_sha256,
            seed=protocol.seed,
            n_parameters=protocol.model.n_parameters,
            tokens_per_step=protocol.batch_size * protocol.context_length,
            warmup_steps=protocol.warmup_steps,
            measured_steps=protocol.measured_steps,
            steps_done=steps_done,
            wall_seconds=wall_seconds,
            blas_kernel=json.loads(run.machine).get("blas_kernel"),
            replaces=self.replaces,
        )

    def step_row(self, step: int, seconds: float, loss: float, grad_norm: float, elapsed_seconds: float) -> StepRow:
        """A step's row; the arguments are the columns' values."""
        return StepRow(
            run_id=self.run.run_id,
            cell_id=self.cell_id,
            step=step,
            is_warmup=step <= self.protocol.warmup_steps,
            seconds=seconds,
            loss=loss,
            grad_norm=grad_norm,
            elapsed_seconds=elapsed_seconds,
        )

    def sample_row(self, sample: SampleRecord) -> SampleRow:
        """A text's row."""
        return SampleRow(
            run_id=self.run.run_id,
            cell_id=self.cell_id,
            engine=self.engine,
            preset=self.protocol.preset,
            corpus=self.protocol.corpus,
            **asdict(sample),
        )

    def kernel_row(self, measure: Measure, name: str, repeat: int, seconds: float) -> KernelRow:
        """A timing's row, without what only parts or forms have; the arguments are the columns' values."""
        return KernelRow(
            run_id=self.run.run_id,
            cell_id=self.cell_id,
            preset=self.protocol.preset,
            measure=measure,
            name=name,
            repeat=repeat,
            is_warmup=repeat <= self.protocol.warmup_steps,
            seconds=seconds,
        )

    def probe_row(self, number: int, reading: Mapping[str, Any]) -> ProbeRow:
        """A probe's row; ``reading`` has its other columns, and may have more."""
        values = {field.name: reading[field.name] for field in fields(ProbeRow) if field.name in reading}
        return ProbeRow(run_id=self.run.run_id, cell_id=self.cell_id, number=number, **values)
