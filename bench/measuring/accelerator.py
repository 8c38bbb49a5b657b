"""Measure engine ``jax`` beside PyTorch on an accelerator: ``invoke accelerator --out DIR``.

    for every preset: one process (bench.measuring.accelerator_worker) ─► rows of runs and steps ─► DIR/local/*.parquet

It needs JAX, PyTorch, NumPy, pandas, pyarrow and Invoke, and no network if the text is there (``--corpus``,
``TINYGPT_CACHE``).
Rows are on the disk after every preset. ``invoke results merge --dirs DIR`` brings them into a checkout's results.

Losses are compared with PyTorch's eager ones, step by step: float32 has to agree to 0.1 %; what another arithmetic
differs by stands in its rows, under a protocol of its own.
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

from bench.arms.registry import ACCELERATOR_PEERS, STEPS_TOGETHER
from bench.arms.variants import engine_name
from bench.measuring.accelerator_options import AcceleratorOptions
from bench.measuring.cell_rows import outcome_rows
from bench.measuring.process import Event, Outcome
from bench.measuring.verdict import LOSS_TOLERANCE, Verdict, loss_drift
from bench.records.child import python_command
from bench.records.machine import fresh_machine
from bench.records.process_rows import Process, RunContext, new_run_id
from bench.records.protocol import Protocol, benchmark_protocol, sha256_text
from bench.records.provenance import vouched_provenance
from bench.records.rows import Kind, Rows
from bench.records.store import write_tables
from tinygpt.corpora import Corpus, load_corpus
from tinygpt.engines import parse_variant
from tinygpt.presets import get_preset

SUITE = "accelerator"
REFERENCE = "torch-cuda"
ORDER = (
    "rounds interleaved across engines within one process per preset, A B B A; "
    f"up to {STEPS_TOGETHER} steps timed together"
)
_DTYPES = MappingProxyType(
    {
        "float32": "float32",
        "tf32": "float32, products in TF32",
        "tf32x3": "float32, products in three TF32 passes",
        "bfloat16": "float32, products and branches in bfloat16",
    }
)


def protocol_of(variant: str, preset: str, corpus: Corpus, rounds: int, batch: int | None = None) -> Protocol:
    """The protocol of a variant's rows: its arithmetic is part of it."""
    base = benchmark_protocol(preset, corpus.name, corpus.sha256, seed=0, rounds=rounds)
    precision = "float32" if variant in ACCELERATOR_PEERS else parse_variant(variant)[1].get("precision", "float32")
    return replace(base, order=ORDER, dtype=_DTYPES[precision], batch_size=batch or base.batch_size)


def run_preset(
    task: dict[str, Any], seconds: float, environment: dict[str, str]
) -> tuple[list[Event], str, int | None]:
    """One worker process: its events, the end of what it said, and its exit code (None: out of time)."""
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
            said, code = done.stderr, done.returncode
        except subprocess.TimeoutExpired as error:
            text = error.stderr or b""
            said, code = text.decode("utf-8", "replace") if isinstance(text, bytes) else text, None
        return [json.loads(line) for line in events.read_text().splitlines()], said[-2000:], code


def rows_of(
    context: RunContext,
    protocols: dict[str, Protocol],
    events: Sequence[Event],
    limit: float,
    said: str | None,
) -> Rows:
    """The rows of a worker's events: one process's round is one row of ``runs``.

    Args:
        context: of the run.
        protocols: by variant.
        events: that the worker left.
        limit: seconds that the run had.
        said: the end of what the worker said; None: it was stopped because the run's time was over.
    """
    rows = Rows()
    rounds = [event for event in events if event["event"] == "round"]
    reference = next((losses(event) for event in rounds if event["variant"] == REFERENCE), None)
    for variant, protocol in protocols.items():
        own = [event for event in rounds if event["variant"] == variant]
        ready = [event for event in events if event["event"] == "ready" and event["variant"] == variant]
        failures = [event for event in events if event["event"] == "error" and event["variant"] == variant]
        for event in own:
            verdict = judged(losses(event), reference, protocol)
            rows += _round_rows(context, variant, protocol, event, ready, verdict, limit)
        if not own or failures:
            verdict = _failure(failures[-1] if failures else None, said)
            empty: Event = {"round": len(own), "steps": [], "started_at": datetime.now(UTC).isoformat()}
            rows += _round_rows(context, variant, protocol, empty, ready, verdict, limit)
    return rows


def _failure(error: Event | None, said: str | None) -> Verdict:
    """Why a variant has no round, or not all of them: its own error, the process's end, or the run's."""
    if error is None and said is None:
        return Verdict("interrupted", "the run's minutes were over", None)
    reason = error or {"type": "the process", "message": said or "ended early"}
    text = f"{reason['type']}: {reason['message']}"[-1500:]
    memory = any(word in text for word in ("OutOfMemory", "RESOURCE_EXHAUSTED", "CapacityError"))
    return Verdict("oom" if memory else "crashed", text, None)


def losses(event: Event) -> list[float]:
    """The losses of a round, step by step."""
    return [float(step["loss"]) for step in event["steps"]]


def judged(found: list[float], reference: list[float] | None, protocol: Protocol) -> Verdict:
    """Whether a round's losses are those of the reference; only float32 has to keep within the tolerance."""
    if any(loss == float("inf") for loss in found):
        return Verdict("diverged", "a loss is not a finite number", None)
    drift = None if reference is None else loss_drift(found, reference)
    if drift is not None and drift > LOSS_TOLERANCE and protocol.dtype == "float32":
        return Verdict("diverged", f"losses leave {REFERENCE}'s by {drift:.2%}, allowed {LOSS_TOLERANCE:.1%}", drift)
    return Verdict("ok", None, drift)


def _round_rows(
    context: RunContext,
    variant: str,
    protocol: Protocol,
    event: Event,
    ready: list[Event],
    verdict: Verdict,
    limit: float,
) -> Rows:
    taken = [{"event": "step", **step} for step in event["steps"]]
    outcome = Outcome(
        events=(*ready, *taken),
        exit_code=0 if verdict.status == "ok" else None,
        signal=None,
        killed_for=None,
        out_of_memory=False,
        stderr_tail="",
        started_at=datetime.fromisoformat(event["started_at"]),
        wall_seconds=float(taken[-1]["elapsed_seconds"]) if taken else 0.0,
    )
    kind: Kind = "peer" if variant in ACCELERATOR_PEERS else "bench"
    process = Process(context, kind, engine_name(variant), variant, int(event["round"]), protocol)
    preset, size = protocol.preset, protocol.batch_size
    batch = [] if size == get_preset(preset).train.batch_size else ["--batch", str(size)]
    words = ["invoke", "accelerator", "--out", "rows", "--presets", preset, "--engines", f"'{variant}'", *batch]
    rows = outcome_rows(process, outcome, verdict, " ".join(words), limit)
    # The process that computes is the accelerator's; how the processor's BLAS is set says nothing about it.
    return replace(rows, runs=[replace(rows.runs[0], threads=None, blas_kernel=None)])


def measure_presets(options: AcceleratorOptions) -> int:
    """Measure presets until they are done or time is up; 0 if everything that was asked for was measured."""
    presets = [get_preset(name).name for name in options.presets]
    engines = checked(options.engines)
    corpus = load_corpus(options.corpus, path=options.corpus_file)
    machine = fresh_machine()
    context = RunContext(new_run_id(sha256_text(machine)), SUITE, vouched_provenance(options.commit), machine)
    environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # PyTorch needs room beside it
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
            protocols = {name: protocol_of(name, preset, corpus, options.rounds, options.batch) for name in engines}
            variants = {name: protocol.canonical_json for name, protocol in protocols.items()}
            task = {"variants": variants, "tokens": str(tokens), "rounds": options.rounds}
            events, said, code = run_preset(task, left, environment)
            if code != 0:
                print(f"{preset}: {'out of time' if code is None else f'exit code {code}'}\n{said}", flush=True)
            limit, ending = options.minutes * 60, None if code is None else said
            rows += rows_of(context, protocols, events, limit, ending)
            write_tables(options.out, context.run_id, rows)
    print(f"run {context.run_id}: {len(rows.runs)} rows in {options.out}; left out: {', '.join(left_out) or 'nothing'}")
    return 1 if left_out or any(row.status != "ok" for row in rows.runs) else 0


def checked(engines: Sequence[str]) -> Sequence[str]:
    """Engines as they are, once the registry knows the names."""
    for name in engines:
        if name not in ACCELERATOR_PEERS:
            parse_variant(name)
    return engines
