"""The rows of a worker's outcome, in all five tables."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from bench.arms.kernel_parts import DISPATCH, PARTS
from bench.arms.labels import read_label
from bench.arms.suites import SUITES, Cell, repeat_command
from bench.measuring.endings import CellEnd
from bench.measuring.process import Event, Outcome
from bench.records.process_rows import Process, RunContext
from bench.records.protocol import TEXT_TOKENS, Protocol
from bench.records.rows import KernelRow, Kind, Rows, RunRow, SampleRow, StepRow
from tinygpt.training.events import SampleRecord

# Tokens of a step that trains nothing.
_TOKENS: Mapping[Kind, int] = MappingProxyType({"generation": TEXT_TOKENS, "token": 1})


def machine_of(outcome: Outcome, fallback: str) -> str:
    """Return the fingerprint that the worker reported, or the runner's if it reported none."""
    reported = outcome.of_kind("machine")
    return str(reported[0]["machine"]) if reported else fallback


def cell_rows(
    context: RunContext, cell: Cell, protocol: Protocol, outcome: Outcome, end: CellEnd, attempt: int = 0
) -> Rows:
    """Return a cell's rows, including the steps of a process that did not reach its end."""
    kind = context.kind or cell.kind
    process = Process(context, kind, cell.engine, cell.variant, cell.round, protocol, attempt, cell.replaces)
    return outcome_rows(process, outcome, end, repetition(context, cell, protocol), cell.limit_seconds)


def outcome_rows(process: Process, outcome: Outcome, end: CellEnd, command: str, limit_seconds: float) -> Rows:
    """Return the rows of a worker."""
    process = replace(process, run=replace(process.run, machine=machine_of(outcome, process.run.machine)))
    return Rows(
        [_run_row(process, outcome, end, command, limit_seconds)],
        list(_step_rows(process, outcome)),
        [_sample_row(process, event) for event in outcome.of_kind("sample")],
        list(kernel_rows(process, outcome)),
        [process.probe_row(number, event) for number, event in enumerate(outcome.of_kind("probe"))],
    )


def _run_row(process: Process, outcome: Outcome, end: CellEnd, command: str, limit_seconds: float) -> RunRow:
    steps, ready = outcome.of_kind("step"), outcome.of_kind("ready")
    resolved = [event for event in (*ready, *outcome.of_kind("measured")) if event.get("resolved_variant")]
    evaluations = outcome.of_kind("evaluation")
    peaks = [event["peak_bytes"] for event in outcome.events if event.get("peak_bytes")]
    probes_own = sum(event.get("own_bytes", 0) for event in outcome.of_kind("probe"))
    row = process.run_row(end.status, command, outcome.started_at, outcome.wall_seconds, len(steps))
    return replace(
        row,
        exit_code=outcome.exit_code,
        signal=outcome.signal,
        error_tail=end.error_tail,
        tokens_per_step=_TOKENS.get(process.kind, row.tokens_per_step),
        limit_seconds=limit_seconds,
        peak_memory_bytes=max(peaks) - probes_own if peaks else None,
        setup_seconds=ready[0]["setup_seconds"] if ready else None,
        first_loss=steps[0].get("loss") if steps else None,
        last_loss=steps[-1].get("loss") if steps else None,
        loss_drift=end.loss_drift,
        held_out_loss=evaluations[-1]["held_out_loss"] if evaluations else None,
        resolved_variant=resolved[-1]["resolved_variant"] if resolved else None,
        threads=process.threads(resolved[-1].get("threads")) if resolved else None,
    )


def repetition(context: RunContext, cell: Cell, protocol: Protocol) -> str:
    """Return the command that repeats the measurement, in the run's own kind."""
    command = repeat_command(context.suite, cell, protocol.corpus, protocol.seed, protocol.rounds)
    if context.kind != "against" or context.suite in SUITES:
        return command
    words = shlex.split(command)
    words[2:4] = ["--against", context.suite.rpartition(" ")[2]]
    words[words.index("--engines") + 1] = read_label(cell.variant).variant
    return shlex.join(words)


def _step_rows(process: Process, outcome: Outcome) -> Iterator[StepRow]:
    held_out = {event["step"]: event["held_out_loss"] for event in outcome.of_kind("evaluation")}
    for event in outcome.of_kind("step"):
        values = event.get("loss", math.nan), event.get("grad_norm", math.nan)
        row = process.step_row(event["step"], event["seconds"], *values, event["elapsed_seconds"])
        yield replace(row, held_out_loss=held_out[row.step]) if row.step in held_out else row


def _sample_row(process: Process, event: Event) -> SampleRow:
    fields = {name: value for name, value in event.items() if name != "event"}
    return process.sample_row(SampleRecord(**fields, held_out_loss=None))


def kernel_rows(process: Process, outcome: Outcome) -> Iterator[KernelRow]:
    """Return the cell's rows of ``kernels`` (parts of steps and forms of kernels); most cells have none.

    The rest of a step's wall time is not stored; ``bench.statistics.kernel_shares`` computes it.
    """
    for event in outcome.of_kind("parts"):
        step = process.kernel_row("step", "step", event["step"], event["seconds"])
        yield step
        for worker, parts in enumerate(event["parts"]):
            for name, seconds in zip(PARTS, parts, strict=True):
                if name != DISPATCH:
                    yield replace(step, measure="part", name=name, worker=worker, seconds=seconds)
    for event in outcome.of_kind("kernels"):
        for name, (seconds, number) in event["kinds"].items():
            after = process.protocol.total_steps + 1  # a step of its own, after the last that is timed
            yield replace(process.kernel_row("part", name, after, seconds), worker=0, elements=round(number))
    for event in outcome.of_kind("form"):
        timing = process.kernel_row("form", event["kernel"], event["repeat"], event["seconds"])
        names = ("form", "place", "is_warmup", "elements")
        yield replace(timing, **{name: event[name] for name in names})


def median_step(steps: list[Event], warmup_steps: int) -> float:
    """Return the median seconds of the measured steps, for progress lines; NaN without any."""
    measured = sorted(float(event["seconds"]) for event in steps if event["step"] > warmup_steps)
    return measured[len(measured) // 2] if measured else math.nan
