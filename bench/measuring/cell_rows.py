"""From a cell's outcome to rows of the tables."""

from __future__ import annotations

import json
import math
import secrets
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bench.arms.kernel_parts import DISPATCH, PARTS
from bench.arms.labels import read_label
from bench.arms.suites import Cell, repeat_command
from bench.measuring.process import Event, Outcome
from bench.measuring.verdict import Verdict
from bench.records.protocol import TEXT_TOKENS, Protocol, sha256_text
from bench.records.provenance import Provenance
from tinygpt.presets import get_preset

Row = dict[str, Any]


def new_run_id(machine_hash: str) -> str:
    """A name that sorts by time and is not given twice: UTC start, machine, random part."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{machine_hash[:8]}-{secrets.token_hex(2)}"


@dataclass(frozen=True)
class RunContext:
    """What all cells of a run share.

    Attributes:
        run_id: names the run.
        suite: the suite's name.
        provenance: which code.
        machine: canonical JSON of the fingerprint when the run started.
        kind: of the rows; by each cell's variant when None.
    """

    run_id: str
    suite: str
    provenance: Provenance
    machine: str
    kind: str | None = None


def machine_of(outcome: Outcome, fallback: str) -> str:
    """The fingerprint as the worker itself saw it, or the runner's where the worker did not get that far."""
    seen = outcome.of_kind("machine")
    return str(seen[0]["machine"]) if seen else fallback


def threads_of(engine: str, threads: int | None, machine: str) -> int | None:
    """Threads that an engine computes with: its own count, one for plain Python, else those of the BLAS."""
    if threads is not None or engine == "python":
        return threads or 1
    count = json.loads(machine).get("blas_threads")
    return None if count is None else int(count)


def cell_id_of(context: RunContext, cell: Cell, attempt: int) -> str:
    """The name of one process: the cell's, marked where an earlier attempt at the cell was stopped by hand."""
    return cell.id_in(context.run_id) + (f"/again-{attempt}" if attempt else "")


def run_row(
    context: RunContext, cell: Cell, protocol: Protocol, outcome: Outcome, verdict: Verdict, attempt: int = 0
) -> Row:
    """The cell's row of ``runs``."""
    preset = get_preset(cell.preset)
    machine = machine_of(outcome, context.machine)
    steps = outcome.of_kind("step")
    ready = outcome.of_kind("ready")
    resolved = [event for event in (*ready, *outcome.of_kind("measured")) if event.get("resolved_variant")]
    peaks = [event["peak_bytes"] for event in (*ready, *steps) if event.get("peak_bytes") is not None]
    return {
        "run_id": context.run_id,
        "cell_id": cell_id_of(context, cell, attempt),
        "kind": context.kind or cell.kind,
        "engine": cell.engine,
        "variant": cell.variant,
        "preset": cell.preset,
        "round": cell.round,
        "status": verdict.status,
        "exit_code": outcome.exit_code,
        "signal": outcome.signal,
        "error_tail": verdict.error_tail,
        "command": _command(context, cell, protocol),
        "protocol_hash": protocol.hash,
        "protocol": protocol.canonical_json,
        "machine_hash": sha256_text(machine),
        "machine": machine,
        "commit": context.provenance.commit,
        "dirty": context.provenance.dirty,
        "started_at": outcome.started_at,
        "suite": context.suite,
        "corpus": protocol.corpus,
        "corpus_sha256": protocol.corpus_sha256,
        "seed": protocol.seed,
        "n_parameters": preset.model.n_parameters,
        "tokens_per_step": TEXT_TOKENS if cell.kind == "generation" else preset.tokens_per_step,
        "warmup_steps": protocol.warmup_steps,
        "measured_steps": protocol.measured_steps,
        "steps_done": len(steps),
        "limit_seconds": cell.limit_seconds,
        "peak_memory_bytes": max(peaks, default=None),
        "setup_seconds": ready[0]["setup_seconds"] if ready else None,
        "first_loss": steps[0].get("loss") if steps else None,
        "last_loss": steps[-1].get("loss") if steps else None,
        "loss_drift": verdict.loss_drift,
        "held_out_loss": None,
        "wall_seconds": outcome.wall_seconds,
        "resolved_variant": resolved[-1]["resolved_variant"] if resolved else None,
        "threads": threads_of(cell.engine, resolved[-1].get("threads"), machine) if resolved else None,
        "blas_kernel": json.loads(machine).get("blas_kernel"),
        "continues": None,
        "expected_seconds": None,
        "expected_loss": None,
    }


def _command(context: RunContext, cell: Cell, protocol: Protocol) -> str:
    """The command that repeats the measurement, in the run's own kind."""
    command = repeat_command(context.suite, cell, protocol.corpus, protocol.seed)
    if context.kind != "against":
        return command
    words = shlex.split(command)
    words[2:4] = ["--against", context.suite.rpartition(" ")[2]]
    words[words.index("--engines") + 1] = read_label(cell.variant).variant
    return shlex.join(words)


def step_rows(context: RunContext, cell: Cell, protocol: Protocol, steps: list[Event], attempt: int = 0) -> list[Row]:
    """The cell's rows of ``steps``: every step that ran, also in a process that did not reach its end."""
    return [
        {
            "run_id": context.run_id,
            "cell_id": cell_id_of(context, cell, attempt),
            "step": event["step"],
            "is_warmup": event["step"] <= protocol.warmup_steps,
            "seconds": event["seconds"],
            "loss": event.get("loss", math.nan),
            "grad_norm": event.get("grad_norm", math.nan),
            "elapsed_seconds": event["elapsed_seconds"],
            "held_out_loss": None,
        }
        for event in steps
    ]


def sample_rows(context: RunContext, cell: Cell, corpus: str, samples: list[Event], attempt: int = 0) -> list[Row]:
    """The cell's rows of ``samples``."""
    names = ("step", "prompt", "text", "temperature", "top_k", "seed", "n_tokens", "tokens_per_second")
    return [
        {
            "run_id": context.run_id,
            "cell_id": cell_id_of(context, cell, attempt),
            "engine": cell.engine,
            "preset": cell.preset,
            "corpus": corpus,
            **{name: event[name] for name in names},
            "first_token_seconds": event["first_token_seconds"],
            "train_loss": event["train_loss"],
            "held_out_loss": None,
        }
        for event in samples
    ]


def kernel_rows(context: RunContext, cell: Cell, protocol: Protocol, outcome: Outcome, attempt: int = 0) -> list[Row]:
    """The cell's rows of ``kernels``: parts of steps and forms of kernels; none for most cells.

    What is left of a step's wall time is not stored: ``bench.statistics.kernel_shares`` computes it.
    """
    shared: Row = {
        "run_id": context.run_id,
        "cell_id": cell_id_of(context, cell, attempt),
        "preset": cell.preset,
        "worker": None,
        "form": None,
        "place": None,
        "elements": None,
    }
    rows: list[Row] = []
    for event in outcome.of_kind("parts"):
        step = shared | {"repeat": event["step"], "is_warmup": event["step"] <= protocol.warmup_steps}
        rows.append(step | {"measure": "step", "name": "step", "seconds": event["seconds"]})
        rows += [
            step | {"measure": "part", "name": name, "worker": worker, "seconds": seconds}
            for worker, parts in enumerate(event["parts"])
            for name, seconds in zip(PARTS, parts, strict=True)
            if name != DISPATCH
        ]
    names = ("form", "place", "repeat", "is_warmup", "seconds", "elements")
    rows += [
        shared | {"measure": "form", "name": event["kernel"]} | {name: event[name] for name in names}
        for event in outcome.of_kind("form")
    ]
    return rows


def refused_outcome() -> Outcome:
    """The outcome of a cell that was never started."""
    return Outcome((), None, None, None, False, "", datetime.now(UTC), 0.0)


def median_step(steps: list[Event], warmup_steps: int) -> float:
    """Median seconds of the measured steps so far, for progress lines; NaN without any."""
    measured = sorted(float(event["seconds"]) for event in steps if event["step"] > warmup_steps)
    return measured[len(measured) // 2] if measured else math.nan
