"""Results to build sites from: rows of the real schema, written by the real store, with made-up times."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.arms.landmarks import LANDMARKS
from bench.arms.registry import OURS, REFERENCE
from bench.arms.variants import engine_name
from bench.records.checks import to_arrow
from bench.records.process_rows import Process, RunContext
from bench.records.protocol import benchmark_protocol, sha256_text, training_protocol
from bench.records.provenance import Provenance
from bench.records.publishing import publish
from bench.records.rows import CONTRIBUTED, KernelRow, Rows, RunRow
from bench.records.store import parquet_bytes, table_file, write_tables
from bench.training.clinic_cases import CASES
from tinygpt.config import TrainConfig
from tinygpt.presets import PRESETS
from tinygpt.recipes import RECIPES
from tinygpt.system.files import replace_file
from tinygpt.training.events import SampleRecord

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CORPUS_HASH = hashlib.sha256(b"stories").hexdigest()

MACHINE = {
    "cpu": "Example 9000 8-Core Processor", "arch_level": "x86-64-v4", "cores": 2, "core_quota": None,
    "memory_gib": 16.0, "memory_limit_gib": None, "os": "Linux 6.1, Example Linux", "python": "CPython 3.11.7",
    "numpy": "2.4.0", "numexpr": "2.14.0", "blas": "openblas", "blas_version": "0.3.30", "blas_kernel": "SkylakeX",
    "blas_threads": 2, "accelerator": None,
}  # fmt: skip

# Milliseconds of a step, about what the engines' shapes suggest: overhead plus work.
TIMES = {
    "python": {"tiny": 900.0, "small": 9_000.0},
    "numpy": {"tiny": 8.0, "small": 31.0, "medium": 84.0, "large": 250.0},
    "vectorized": {"tiny": 4.0, "small": 13.0, "medium": 37.0, "large": 104.0, "xl": 160.0},
}


def canonical(record: dict[str, Any]) -> str:
    return json.dumps(record, sort_keys=True, separators=(",", ":"))


# Of the same shape as the protocol of :func:`cell` at any preset, and not the same.
OTHER_PROTOCOL = benchmark_protocol("tiny", "stories", CORPUS_HASH, 7, 1).canonical_json


def _changed(row: RunRow, changes: dict[str, Any]) -> RunRow:
    """The row with some columns changed, and the hashes that follow from them."""
    row = replace(row, **changes)
    return replace(row, machine_hash=sha256_text(row.machine), protocol_hash=sha256_text(row.protocol))


def cell(
    variant: str,
    preset: str,
    milliseconds: float,
    run_id: str = "run-1",
    round_number: int = 0,
    machine: dict[str, Any] = MACHINE,
    status: str = "ok",
    error_tail: str | None = None,
    steps: int = 6,
    **changes: Any,
) -> Rows:
    """Rows of one benchmark process: one of ``runs``, and its steps (the first a warm-up; none where it failed)."""
    protocol = benchmark_protocol(preset, "stories", CORPUS_HASH, 0, 1)
    run = RunContext(run_id, "quick", Provenance(None, None), canonical(machine))
    process = Process(run, "bench", engine_name(variant), variant, round_number, protocol)
    ok = status == "ok"
    command = f"invoke bench --presets {preset} --engines {variant}"
    row = replace(
        process.run_row(status, command, START, 2.0, steps if ok else 0),
        exit_code=0 if ok else None, error_tail=error_tail, limit_seconds=600.0,
        peak_memory_bytes=90_000_000 + 40 * protocol.model.n_parameters, setup_seconds=0.1,
        first_loss=5.55 if ok else None, last_loss=5.1 if ok else None, loss_drift=0.0 if ok else None,
        resolved_variant=variant, threads=2,
    )  # fmt: skip
    step_rows = [
        replace(
            process.step_row(
                number + 1, milliseconds / 1e3 * (1 + 0.02 * ((number * 7) % 5 - 2)), 5.5 - 0.01 * number, 1.0,
                milliseconds / 1e3 * (number + 1),
            ),
            is_warmup=number == 0,
        )
        for number in range(steps if ok else 0)
    ]  # fmt: skip
    return Rows([_changed(row, changes)], step_rows)


def training(
    run_id: str = "train-1",
    preset: str = "small",
    steps: int = 400,
    texts: Sequence[tuple[str, str]] = (("Once upon a time", " there was a fox.\nIt ran."),),
    variant: str = "vectorized",
    train: TrainConfig | None = None,
    corpus: str = "stories",
    minutes: float | None = None,
    **changes: Any,
) -> Rows:
    """Rows of one recorded training run whose loss falls, with samples at the middle and the end."""
    protocol = training_protocol(preset, train or PRESETS[preset].train, corpus, CORPUS_HASH, 0, steps, minutes)
    run = RunContext(run_id, "train", Provenance(None, None), canonical(MACHINE))
    process = Process(run, "train", engine_name(variant), variant, 0, protocol)

    def loss(step: int) -> float:
        return 1.4 + 4.1 * 0.99**step

    def held_out(step: int) -> float | None:
        return loss(step) + 0.15 if step % 100 == 0 else None

    command = f"invoke train --preset {preset} --corpus {corpus}"
    row = replace(
        process.run_row("ok", command, START + timedelta(hours=1), 312.0, steps),
        exit_code=0, peak_memory_bytes=90_000_000 + 40 * protocol.model.n_parameters, setup_seconds=0.1,
        first_loss=5.55, last_loss=loss(steps), held_out_loss=held_out(steps), resolved_variant=variant, threads=2,
    )  # fmt: skip
    step_rows = [
        replace(process.step_row(step, 0.013, loss(step), 1.0, 0.75 * step), held_out_loss=held_out(step))
        for step in range(1, steps + 1)
    ]
    samples = [
        process.sample_row(
            SampleRecord(
                step=step, prompt=prompt, text=text, temperature=0.8, top_k=None, seed=0, n_tokens=len(text),
                tokens_per_second=2100.0, first_token_seconds=0.004, train_loss=loss(step),
                held_out_loss=held_out(step),
            )
        )
        for step in (steps // 2, steps)
        for prompt, text in texts
    ]  # fmt: skip
    return Rows([_changed(row, changes)], step_rows, samples)


def joined(*parts: Rows) -> Rows:
    return sum(parts, Rows())


def ladder(run_id: str = "run-1", scale: float = 1.0, **changes: Any) -> Rows:
    """Cells of three engines over the presets in ``TIMES``, and one that ran out of time."""
    cells = [
        cell(variant, preset, milliseconds * scale, run_id=run_id, **changes)
        for variant, times in TIMES.items()
        for preset, milliseconds in times.items()
    ]
    late = cell("python", "medium", 0.0, run_id=run_id, status="timeout", error_tail="no step within 600 s", **changes)
    return joined(*cells, late)


SHAPE = "small[n_layers=4,d_model=160]"


def shaped(run_id: str = "shape-1", preset: str = SHAPE, **changes: Any) -> Rows:
    """Cells of three engines at a shape of one's own."""
    times = {"python": 90_000.0, "numpy": 90.0, "vectorized": 40.0}
    return joined(*(cell(variant, preset, time, run_id, **changes) for variant, time in times.items()))


PEER_TIMES = {
    "numpy": ("bench", 62.0), "vectorized": ("bench", 20.0), "roofline[whole]": ("roofline", 14.0),
    "roofline[shared]": ("roofline", 13.0), "torch": ("peer", 26.0), "torch-mkl-avx512": ("peer", 22.0),
    "jax-textbook": ("peer", 30.0),
}  # fmt: skip


def peers(
    preset: str = "small", scale: float = 1.0, torch_status: str = "ok", run_id: str = "", **changes: Any
) -> Rows:
    """One run of suite ``peers`` at a preset, its overridden PyTorch perhaps refused."""
    return joined(
        *(
            cell(
                variant,
                preset,
                milliseconds * scale,
                run_id=run_id or f"peers-{preset}",
                kind=kind,
                suite="peers",
                **changes,
                **(
                    {"status": torch_status, "error_tail": "no C compiler"}
                    if variant == "torch-mkl-avx512" and torch_status != "ok"
                    else {}
                ),
            )
            for variant, (kind, milliseconds) in PEER_TIMES.items()
        )
    )


TEXT_TIMES = {"vectorized": 32.0, "torch": 64.0, "torch-1-thread": 50.0, "jax-textbook": 16.0}


def texts(run_id: str = "texts", presets: Sequence[str] = ("small",), jax_status: str = "ok", **changes: Any) -> Rows:
    """One run of suite ``generation``, a round of each generator; JAX's perhaps failed."""
    shared = {"kind": "generation", "suite": "generation", "tokens_per_step": 256}
    return joined(
        *(
            cell(variant, preset, milliseconds, run_id, **shared | changes | {"status": status})
            for preset in presets
            for variant, milliseconds in TEXT_TIMES.items()
            for status in [jax_status if variant == "jax-textbook" else changes.get("status", "ok")]
        )
    )


# Milliseconds of a step by stage of the stack; plain Python, at the smallest preset, comes to its own.
STACK_TIMES = {
    "numpy": 30.0,
    "vectorized[threads=1]": 15.0,
    "vectorized[team=threads]": 10.0,
    "vectorized": 7.5,
    "vectorized[kernels=numba]": 6.5,
    "compiled[threads=1]": 6.0,
    "compiled": 5.0,
}


def stack(run_id: str = "stack-1", presets: Sequence[str] = ("tiny", "small"), **changes: Any) -> Rows:
    """One run of suite ``variants`` in six rounds."""
    cells = [
        cell(variant, preset, milliseconds, run_id, number, suite="variants", **changes)
        for preset in presets
        for variant, milliseconds in STACK_TIMES.items()
        for number in range(6)
    ]
    return joined(*cells, cell("python", presets[0], 3000.0, run_id, suite="variants", **changes))


GPU = MACHINE | {"cpu": "Host 7", "cores": 16, "accelerator": "Example GPU 80GB, driver 1.2"}
# About as such devices behave: a floor that is dispatch, and then work; launched one by one, nearly all of it floor.
ACCELERATED_TIMES = {
    "jax[dispatch=3]": {"tiny": 0.6, "small": 1.0, "medium": 1.6, "large": 2.8, "xl": 3.8, "huge": 8.0},
    "torch-cuda": {"tiny": 6.0, "small": 7.0, "medium": 8.0, "large": 10.0, "xl": 13.0, "huge": 16.0},
    "torch-cuda-graphs": {"tiny": 0.5, "small": 0.8, "medium": 1.3, "large": 2.5, "xl": 3.8, "huge": 8.2},
}


def on_gpu(
    variant: str, preset: str, milliseconds: float, run_id: str = "gpu-1", batch: int | None = None, **changes: Any
) -> Rows:
    """One cell of an accelerator in one round, perhaps with another batch than the preset's."""
    fields = json.loads(cell(variant, preset, 1.0).runs[0].protocol)
    fields["batch_size"] = batch or fields["batch_size"]
    fields["dtype"] = "float32, products and branches in bfloat16" if "bfloat16" in variant else "float32"
    protocol = canonical(fields)
    shared = {
        "machine": GPU, "suite": "accelerator", "kind": "peer" if variant.startswith("torch") else "bench",
        "protocol": protocol,
        "tokens_per_step": fields["batch_size"] * fields["context_length"], "peak_memory_bytes": None,
        "command": f"invoke accelerator --presets {preset} --engines '{variant}'",
    }  # fmt: skip
    return cell(variant, preset, milliseconds, run_id, **shared | changes)


def accelerated(run_id: str = "gpu-1", scale: float = 1.0, **changes: Any) -> Rows:
    """One run of ``invoke accelerator``: engine jax beside PyTorch, eager and as a graph."""
    return joined(
        *(
            on_gpu(variant, preset, milliseconds * scale, run_id, **changes)
            for variant, times in ACCELERATED_TIMES.items()
            for preset, milliseconds in times.items()
        )
    )


PART_MILLISECONDS = {
    "product": 50.0, "attention product": 10.0, "attention": 8.0, "normalisation": 9.0, "activation": 8.0,
    "loss": 2.0, "embedding": 3.0, "optimiser": 5.0,
}  # fmt: skip
FORM_NANOSECONDS = {"gelu": (1.5, 18.0), "normalize_backward": (1.2, 1.2), "adamw": (2.0, 1.5)}


def kernels(run_id: str = "kernels-1", presets: Sequence[str] = ("tiny", "small"), **changes: Any) -> Rows:
    """One run of suite ``kernels``, a round at each preset: parts of a step of 100 ms, and three kernels."""
    found = Rows()
    for preset in presets:
        found += cell("kernels", preset, 95.0, run_id, kind="kernels", suite="kernels",
                      resolved_variant="vectorized[threads=2,kernels=numexpr:adamw]", **changes)  # fmt: skip
        step = KernelRow(
            run_id=run_id, cell_id=found.runs[-1].cell_id, preset=preset, measure="step", name="step", repeat=4,
            is_warmup=False, seconds=0.1,
        )  # fmt: skip
        parts = [
            replace(step, measure="part", name=name, worker=worker, seconds=milliseconds / 1e3)
            for worker in (0, 1)
            for name, milliseconds in PART_MILLISECONDS.items()
        ]
        forms = [
            replace(
                step, measure="form", name=name, form=form, place=place, repeat=repeat, elements=1000,
                seconds=nanoseconds * 1e-6 * (1.0 + 0.01 * repeat),
            )
            for name, times in FORM_NANOSECONDS.items()
            for form, nanoseconds in zip(("numpy", "numexpr"), times, strict=True)
            for place in ("cache", "memory")
            for repeat in range(1, 5)
        ]  # fmt: skip
        found += Rows(kernels=[step, *parts, *forms])
    return found


def sweep(preset: str = "tiny", steps: int = 20, run_id: str = "sweep") -> list[Rows]:
    """A learning-rate sweep by two recipes; the highest constant rate diverged."""
    parts = []
    for recipe in ("constant", "cosine"):
        for rate in (3e-4, 3e-3, 3e-2):
            train = RECIPES[recipe].apply(PRESETS[preset].train, PRESETS[preset].model, steps)
            train = replace(train, learning_rate=rate)
            failed = recipe == "constant" and rate > 0.01
            changes = {
                "suite": "sweep", "held_out_loss": None if failed else 2.0 + rate,
                "status": "diverged" if failed else "ok", "error_tail": "loss nan" if failed else None,
            }  # fmt: skip
            parts.append(training(f"{run_id}-{recipe}-{rate:g}", preset, steps, (), train=train, **changes))
    return parts


def by_the_clock() -> list[Rows]:
    """Runs of one and of five minutes."""
    runs = {1.0: ("tiny", 200), 5.0: ("small", 400)}
    recipe = RECIPES["muon"]
    return [
        training(f"clock-{minutes:g}", preset, steps, corpus="tinyshakespeare", minutes=minutes,
                 train=recipe.apply(PRESETS[preset].train, PRESETS[preset].model, steps))
        for minutes, (preset, steps) in runs.items()
    ]  # fmt: skip


def race(**changes: Any) -> list[Rows]:
    """A race between our engine and a peer that takes twice as long."""
    parts = []
    for variant, scale in (("vectorized", 1.0), ("torch", 2.0)):
        part = training(f"race-{variant}", "nanogpt", 400, (), variant, suite="race", **changes)
        slowed = [replace(step, elapsed_seconds=step.elapsed_seconds * scale) for step in part.steps]
        parts.append(replace(part, steps=slowed))
    return parts


def clinic(cases: Sequence[str] = (*CASES,), steps: int = 200, **changes: Any) -> list[Rows]:
    """A run of each case of the clinic, all with the same losses."""
    return [
        training(f"clinic-{case}", "tiny", steps, variant="numpy", suite="clinic",
                 resolved_variant=f"numpy[case={case}]", command=f"invoke clinic --cases {case}", **changes)
        for case in cases
    ]  # fmt: skip


def history(run_id: str = "history-1", presets: Sequence[str] = ("tiny", "small")) -> Rows:
    """One run of suite ``history`` in twelve rounds: the first landmarks are slow, all others as the checkout."""
    scales = {REFERENCE: 2.0, OURS: 1.0, f"{OURS}#2": 1.01} | {mark.variant: 1.0 for mark in LANDMARKS}
    scales |= {LANDMARKS[0].variant: 3.0, LANDMARKS[1].variant: 3.0}
    commits = {mark.variant: mark.commit for mark in LANDMARKS}
    changes = {"kind": "against", "suite": "history", "dirty": False}
    return joined(
        *(
            cell(variant, preset, 5.0 * scale * (1 + (number * 3 + index) % 5 / 500), run_id, number,
                 commit=commits.get(variant, "d" * 40), **changes)
            for preset in presets
            for index, (variant, scale) in enumerate(scales.items())
            for number in range(12)
        )
    )  # fmt: skip


def contribute(root: Path, *parts: Rows) -> Path:
    """Store parts as other people's rows, as if each had come in a pack."""
    for part in parts:
        for name in ("runs", "steps"):
            arrow = to_arrow(name, getattr(part, name))
            replace_file(table_file(root, CONTRIBUTED, name, part.runs[0].run_id), [parquet_bytes(arrow)])
    return root


def store(root: Path, *parts: Rows, published: bool = True) -> Path:
    """Write each part as its own run; returns the results folder."""
    run_ids = [part.runs[0].run_id for part in parts]
    for run_id, part in zip(run_ids, parts, strict=True):
        write_tables(root, run_id, part)
    if published and parts:
        publish(root, run_ids)
    return root
