"""Measure engine ``jax`` beside PyTorch on an accelerator: ``invoke accelerator --out DIR``.

    for every preset: one process (bench.measuring.accelerator_worker) ─► rows of runs and steps ─► DIR/local/*.parquet

It needs JAX, PyTorch, NumPy, pandas, pyarrow and Invoke, and no network if the text is on the disk (``--corpus``,
``TINYGPT_CACHE``). Rows are written after every preset. ``invoke results merge --dirs DIR`` adds them to a checkout's.

Losses are compared with eager PyTorch's, step by step. Float32 must agree within 0.1 %; other arithmetic has its own
protocol, and its rows store the difference.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench.arms.registry import STEPS_TOGETHER
from bench.arms.variants import engine_name, is_accelerator_peer, precision_of
from bench.measuring.accelerator_options import AcceleratorOptions
from bench.measuring.cell_rows import outcome_rows
from bench.measuring.endings import CellEnd, compare_losses
from bench.measuring.process import Event, Outcome
from bench.records.child import python_command
from bench.records.grouping import grouped
from bench.records.machine import fresh_machine
from bench.records.process_rows import Process, RunContext, new_run_id
from bench.records.protocol import Protocol, benchmark_protocol, sha256_text
from bench.records.provenance import vouched_provenance
from bench.records.rows import Kind, Rows
from bench.records.store import write_tables
from tinygpt.corpora import Corpus, load_corpus
from tinygpt.presets import PRESETS

SUITE = "accelerator"
REFERENCE = "torch-cuda"
ORDER = (
    "rounds interleaved across engines within one process per preset, A B B A; "
    f"up to {STEPS_TOGETHER} steps timed together; a probe before and after each round"
)
_DTYPES = MappingProxyType(
    {
        "float32": "float32",
        "tf32": "float32, products in TF32",
        "tf32x3": "float32, products in three TF32 passes",
        "bfloat16": "float32, products and branches in bfloat16",
    }
)


def protocol_of(
    variant: str, preset: str, corpus: Corpus, rounds: int, batch: int | None = None, context: int | None = None
) -> Protocol:
    """Return the protocol of a variant's rows, which includes its arithmetic; batch and context may be one's own."""
    base = benchmark_protocol(preset, corpus.name, corpus.sha256, seed=0, rounds=rounds)
    return replace(
        base,
        order=ORDER,
        dtype=_DTYPES[precision_of(variant)],
        batch_size=batch or base.batch_size,
        context_length=context or base.context_length,
    )


def run_preset(
    task: dict[str, Any], seconds: float, environment: dict[str, str]
) -> tuple[list[Event], str, int | None]:
    """Run one worker; return its events, the end of its stderr, and its exit code (None: out of time)."""
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events"
        events.touch()
        command = python_command("-m", "bench.measuring.accelerator_worker")
        try:
            done = subprocess.run(
                command,
                input=json.dumps(task | {"events": str(events)}) + "\n",
                stderr=subprocess.PIPE,
                text=True,
                timeout=seconds,
                check=False,
                env=environment,
            )
            stderr, code = done.stderr, done.returncode
        except subprocess.TimeoutExpired as error:
            text = error.stderr or b""
            stderr, code = text.decode("utf-8", "replace") if isinstance(text, bytes) else text, None
        return [json.loads(line) for line in events.read_text().splitlines()], stderr[-2000:], code


def rows_of(
    context: RunContext,
    protocols: dict[str, Protocol],
    events: Sequence[Event],
    limit: float,
    stderr_tail: str | None,
) -> Rows:
    """Return the rows of a worker's events: one row of ``runs`` for every round of a variant.

    Args:
        limit: seconds of the whole run.
        stderr_tail: the end of the worker's stderr; None if it was stopped because the run's time was over.
    """
    rows = Rows()
    by_kind = grouped((e for e in events if "variant" in e), lambda event: (event["variant"], event["event"]))
    reference = next((losses(event) for event in by_kind.get((REFERENCE, "round"), ())), None)
    for variant, protocol in protocols.items():
        kinds = ("round", "ready", "error", "kernels")
        rounds, ready, errors, kernels = (by_kind.get((variant, kind), []) for kind in kinds)
        for event in rounds:
            end = compare_losses(losses(event), reference, is_exact=protocol.dtype == "float32")
            recorded = kernels if event is rounds[-1] else []  # once, after the last round
            rows += _round_rows(context, variant, protocol, event, [*ready, *recorded], end, limit)
        if errors or not rounds:
            end = _failure(errors[-1] if errors else None, stderr_tail)
            empty: Event = {"round": len(rounds), "steps": [], "started_at": datetime.now(UTC).isoformat()}
            rows += _round_rows(context, variant, protocol, empty, ready, end, limit)
    return rows


def _failure(error: Event | None, stderr_tail: str | None) -> CellEnd:
    """Return the end on missing rounds: the variant's own error, the process's end, or the run's end."""
    if error is None and stderr_tail is None:
        return CellEnd("interrupted", "the run's minutes were over")
    reason = error or {"type": "the process", "message": stderr_tail or "ended early"}
    text = f"{reason['type']}: {reason['message']}"[-1500:]
    memory = any(word in text for word in ("OutOfMemory", "RESOURCE_EXHAUSTED", "CapacityError"))
    return CellEnd("oom" if memory else "crashed", text)


def losses(event: Event) -> list[float]:
    """Return the losses of a round by step."""
    return [float(step["loss"]) for step in event["steps"]]


def _round_rows(
    context: RunContext,
    variant: str,
    protocol: Protocol,
    event: Event,
    others: list[Event],
    end: CellEnd,
    limit: float,
) -> Rows:
    steps = [{"event": "step", **step} for step in event["steps"]]
    outcome = Outcome(
        (*others, *steps, *event.get("probes", ())),
        exit_code=0 if end.status == "ok" else None,
        started_at=datetime.fromisoformat(event["started_at"]),
        wall_seconds=float(steps[-1]["elapsed_seconds"]) if steps else 0.0,
    )
    kind: Kind = "peer" if is_accelerator_peer(variant) else "bench"
    process = Process(context, kind, engine_name(variant), variant, int(event["round"]), protocol)
    preset = PRESETS[protocol.preset]
    own = {
        "--batch": (protocol.batch_size, preset.train.batch_size),
        "--context": (protocol.context_length, preset.model.context_length),
    }
    words = ["invoke", "accelerator", "--out", "rows", "--presets", preset.name, "--engines", f"'{variant}'"]
    words += [word for name, (size, usual) in own.items() if size != usual for word in (name, str(size))]
    rows = outcome_rows(process, outcome, end, " ".join(words), limit)
    # The accelerator computes; the settings of the processor's BLAS do not matter.
    return replace(rows, runs=[replace(rows.runs[0], threads=None, blas_kernel=None)])


def measure_presets(options: AcceleratorOptions) -> int:
    """Measure presets until they are done or the time is over; return 0 if all of them were measured."""
    presets = [PRESETS[name].name for name in options.presets]
    check_engines(options.engines)
    corpus = load_corpus(options.corpus, path=options.corpus_file)
    machine = fresh_machine()
    context = RunContext(new_run_id(sha256_text(machine)), SUITE, vouched_provenance(options.commit), machine)
    environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # leave memory for PyTorch
    rows = Rows()
    started, left_out = time.monotonic(), []
    with tempfile.TemporaryDirectory() as folder:
        tokens = Path(folder) / "tokens"
        tokens.write_bytes(corpus.train)
        for preset in presets:
            left = options.minutes * 60 - (time.monotonic() - started)
            if left < 20:
                left_out.append(preset)
                continue
            print(f"== {preset}, {left:.0f} s left", flush=True)
            protocols = {
                name: protocol_of(name, preset, corpus, options.rounds, options.batch, options.context)
                for name in options.engines
            }
            variants = {name: protocol.canonical_json for name, protocol in protocols.items()}
            task = {"variants": variants, "tokens": str(tokens), "rounds": options.rounds}
            events, stderr_tail, code = run_preset(task, left, environment)
            if code != 0:
                print(f"{preset}: {'out of time' if code is None else f'exit code {code}'}\n{stderr_tail}", flush=True)
            ending = None if code is None else stderr_tail
            rows += rows_of(context, protocols, events, options.minutes * 60, ending)
            write_tables(options.out, context.run_id, rows)
    print(f"run {context.run_id}: {len(rows.runs)} rows in {options.out}; left out: {', '.join(left_out) or 'nothing'}")
    return 1 if left_out or any(row.status != "ok" for row in rows.runs) else 0


def check_engines(engines: Sequence[str]) -> None:
    """Check the names of engines and peers.

    Raises:
        ConfigError: a name or an option is unknown.
    """
    for name in engines:
        precision_of(name)
