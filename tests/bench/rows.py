"""Rows that fit the schema, for tests that need tables but no processes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from bench.arms.variants import engine_name
from bench.records.process_rows import Process, RunContext
from bench.records.protocol import benchmark_protocol
from bench.records.provenance import Provenance
from bench.records.rows import LOCAL, KernelRow, ProbeRow, Rows, RunRow, SampleRow, StepRow

MACHINE = json.dumps(
    {
        "accelerator": None, "arch_level": "x86-64-v3", "blas": "openblas", "blas_kernel": "Haswell", "blas_threads": 2,
        "blas_version": "0.3", "core_quota": None, "cores": 2, "cpu": "Some CPU", "memory_gib": 8.0,
        "memory_limit_gib": None, "numexpr": "2.14", "numpy": "2.4", "os": "Linux 6.1", "python": "CPython 3.11",
    },
    sort_keys=True,
)  # fmt: skip
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def process(
    run_id: str = "run-a", variant: str = "numpy", preset: str = "tiny", number: int = 0, rounds: int = 1,
    machine: str = MACHINE,
) -> Process:  # fmt: skip
    """A process of suite quick."""
    protocol = benchmark_protocol(preset, "squares", "ab" * 32, seed=0, rounds=rounds)
    run = RunContext(run_id, "quick", Provenance("c" * 40, False), machine)
    return Process(run, "bench", engine_name(variant), variant, number, protocol)


def run_row(
    run_id: str = "run-a", variant: str = "numpy", preset: str = "tiny", number: int = 0, rounds: int = 1,
    machine: str = MACHINE, **changes: Any,
) -> RunRow:  # fmt: skip
    """Its row, of a process that did well unless ``changes`` say otherwise; its run has a day of its own."""
    command = f"invoke bench --presets {preset} --engines {variant}"
    row = process(run_id, variant, preset, number, rounds, machine).run_row(
        "ok", command, START + timedelta(days=ord(run_id[-1]) - ord("a"), minutes=number), 1.0, 18
    )
    good = replace(
        row, exit_code=0, limit_seconds=30.0, peak_memory_bytes=50_000_000, setup_seconds=0.1, first_loss=5.5,
        last_loss=5.0, resolved_variant=variant, threads=2,
    )  # fmt: skip
    return replace(good, **changes)


def step_rows(run: RunRow, seconds: list[float], warmup: int = 3) -> list[StepRow]:
    """``warmup`` slow steps that must not count, then the given ones."""
    return [
        StepRow(
            run_id=run.run_id, cell_id=run.cell_id, step=number, is_warmup=number <= warmup, seconds=time,
            loss=5.5 - 0.01 * number, grad_norm=1.0, elapsed_seconds=float(number),
        )
        for number, time in enumerate([99.0] * warmup + seconds, 1)
    ]  # fmt: skip


def frames(*cells: tuple[RunRow, list[float]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables ``runs`` and ``steps`` of some processes with their steps' seconds, as they are read."""
    runs = pd.DataFrame([run for run, _ in cells]).assign(origin=LOCAL)
    steps = [row for run, seconds in cells for row in (step_rows(run, seconds) if seconds else ())]
    return runs, pd.DataFrame(steps, columns=[field.name for field in fields(StepRow)])


def rounds(
    variant: str, medians: list[float], run_id: str = "run-a", **changes: Any
) -> list[tuple[RunRow, list[float]]]:
    """Processes of one variant whose steps spread around these medians."""
    return [
        (run_row(run_id, variant, number=number, **changes), [median * 0.9] * 7 + [median] + [median * 1.1] * 7)
        for number, median in enumerate(medians)
    ]


def sample_row(run: RunRow, text: str = "once") -> SampleRow:
    return SampleRow(
        run_id=run.run_id, cell_id=run.cell_id, engine=run.engine, preset=run.preset, corpus=run.corpus, step=18,
        prompt="", text=text, temperature=0.8, seed=0, n_tokens=4, tokens_per_second=1000.0, first_token_seconds=0.01,
        train_loss=5.0,
    )  # fmt: skip


def probe_rows(run: RunRow, seconds: list[float]) -> list[ProbeRow]:
    """Probes of these seconds before a run's process and after each block of three steps; a quarter is the copies."""
    return [
        ProbeRow(
            run_id=run.run_id, cell_id=run.cell_id, number=number, step=3 * number, threads=2,
            product_seconds=0.75 * time, copy_seconds=0.25 * time, page_faults=300 if number else None,
        )
        for number, time in enumerate(seconds)
    ]  # fmt: skip


# Seconds of each part in a step of a tenth of a second; the rest, 5 %, is dispatch.
PART_SECONDS = {
    "product": 0.05, "attention product": 0.01, "attention": 0.008, "normalisation": 0.009, "activation": 0.008,
    "loss": 0.002, "embedding": 0.003, "optimiser": 0.005,
}  # fmt: skip
FORM_NANOSECONDS = {
    ("gelu", "cache"): (1.0, 10.0), ("gelu", "memory"): (2.0, 10.0), ("adamw", "cache"): (1.0, 1.0),
    ("adamw", "memory"): (3.0, 2.0),
}  # fmt: skip


def kernel_rows(run: RunRow, part_scale: float = 1.0, steps: int = 3, warmup: int = 1) -> Iterator[KernelRow]:
    """Parts of some steps of two workers, and timings of two kernels; the warm-ups are far off."""
    for repeat in range(1, warmup + steps + 1):
        is_warmup = repeat <= warmup
        step = KernelRow(
            run_id=run.run_id, cell_id=run.cell_id, preset=run.preset, measure="step", name="step", repeat=repeat,
            is_warmup=is_warmup, seconds=9.0 if is_warmup else 0.1,
        )  # fmt: skip
        yield step
        for worker in (0, 1):
            for name, seconds in PART_SECONDS.items():
                # The second worker's products take longer, by as much as the first one's take less.
                scale = part_scale * (0.9 + 0.2 * worker if name == "product" else 1.0)
                yield replace(step, measure="part", name=name, worker=worker, seconds=seconds * scale)
        for (kernel, place), times in FORM_NANOSECONDS.items():
            for form, nanoseconds in zip(("numpy", "numexpr"), times, strict=True):
                seconds = (99.0 if is_warmup else nanoseconds * (1 + 0.01 * repeat)) * 1e-6
                yield replace(step, measure="form", name=kernel, form=form, place=place, elements=1000, seconds=seconds)


def kernels_run(run_id: str = "run-k", preset: str = "small", rounds: int = 2, **changes: Any) -> Rows:
    """Tables of one run of suite ``kernels``."""
    changes = {"kind": "kernels", "suite": "kernels", "resolved_variant": "vectorized[threads=2,kernels=numexpr:adamw]",
               "rounds": 3} | changes  # fmt: skip
    runs = [run_row(run_id, "kernels", preset, number, **changes) for number in range(rounds)]
    return Rows(
        runs,
        [row for run in runs for row in step_rows(run, [0.08] * 5)],
        kernels=[row for number, run in enumerate(runs) for row in kernel_rows(run, 1.0 - 0.1 * number)],
    )
