"""Measure all engines of one preset on one accelerator, in one process; the task is JSON on standard input.

    for every engine: make it, take a group of steps (everything compiles)      setup
    for every round, A B B A: the seed's weights, then 3 + 15 steps             measured
    for every engine on a GPU, once: the kernels of a group of steps            recorded
    for every arithmetic on a GPU:   a large product, the card's peak            measured

A fresh process per round would compile for minutes and step for a second. So rounds share a process, and each starts
from the same weights and empty moments: their losses must repeat. Several steps in one call are timed together, and
each gets its share; this holds for engines with a dispatch of several steps and for peers, whose steps are queued.

Events go to a file, one JSON object per line with its variant: ready, round, kernels, error.
"""

from __future__ import annotations

import json
import math
import sys
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bench.arms.kernel_parts import PEAK
from bench.arms.registry import PEER_PRECISIONS
from bench.arms.variants import make_engine, precision_of
from bench.measuring.device_kernels import can_record, kernels_of_step, peak_seconds
from bench.measuring.event_log import EventLog
from bench.measuring.probe import Probe
from bench.records.child import append_current_folder_to_path
from bench.records.protocol import Protocol, protocol_from_json
from tinygpt.data import BatchSampler
from tinygpt.engines import Engine, OptimizerState, format_variant
from tinygpt.params import Arrays, initial_parameters
from tinygpt.system.threads import available_cores


def measure(task: dict[str, Any], write: Any) -> None:
    """Prepare every engine, then run the rounds; an engine that fails is left out from then on.

    Args:
        task: ``variants`` (name → protocol as JSON), ``tokens`` (file of the training bytes), ``rounds``.
        write: called with an event's name and values.
    """
    protocols = {name: protocol_from_json(text) for name, text in task["variants"].items()}
    tokens = np.frombuffer(Path(task["tokens"]).read_bytes(), np.uint8)
    engines: dict[str, Engine] = {}
    # Drawn once for all: drawing the largest preset's weights takes longer than a round of its steps.
    first = next(iter(protocols.values()))
    weights = initial_parameters(first.model, first.seed)
    probe = Probe(available_cores())
    peaks: dict[str, float] = {}

    def attempt(variant: str, work: Any) -> None:
        try:
            work(variant)
        except Exception as error:  # the others continue
            traceback.print_exc()
            engines.pop(variant, None)
            write("error", variant=variant, type=type(error).__name__, message=str(error))

    def prepare(variant: str) -> None:
        protocol, started, began = protocols[variant], time.perf_counter(), datetime.now(UTC).isoformat()
        engine = engines[variant] = make_engine(variant, protocol.model, protocol.train, protocol.seed)
        batch = _sampler(protocol, tokens).batches(range(engine.steps_per_dispatch))
        engine.train_steps(batch.inputs, batch.targets)
        resolved = format_variant(variant.partition("[")[0], engine.options() | _versions(variant))
        seconds = time.perf_counter() - started
        write("ready", variant=variant, setup_seconds=seconds, resolved_variant=resolved, started_at=began)
        print(f"{variant}: ready after {seconds:.1f} s", flush=True)

    def run_round(variant: str) -> None:
        protocol, engine = protocols[variant], engines[variant]
        began = datetime.now(UTC).isoformat()
        _reset(engine, weights)
        before = probe.take(0)
        steps = timed_steps(engine, protocol, tokens)
        probes = [{"event": "probe", **reading} for reading in (before, probe.take(len(steps)))]
        write("round", variant=variant, round=number, steps=steps, probes=probes, started_at=began)
        best = sorted(step["seconds"] for step in steps[protocol.warmup_steps :])
        print(f"{variant} round {number}: {best[len(best) // 2] * 1e3:.3f} ms, {steps[-1]['loss']:.5f}", flush=True)

    def record_kernels(variant: str) -> None:
        protocol, engine = protocols[variant], engines[variant]
        batch = _sampler(protocol, tokens).batches(range(engine.steps_per_dispatch))
        kinds = kernels_of_step(lambda: engine.train_steps(batch.inputs, batch.targets), engine.steps_per_dispatch)
        precision = precision_of(variant)
        if precision in PEER_PRECISIONS:
            if precision not in peaks:
                peaks[precision] = peak_seconds(precision)
            kinds = {**kinds, PEAK: (peaks[precision], 1.0)}
        write("kernels", variant=variant, kinds=kinds)

    for variant in protocols:
        attempt(variant, prepare)
    for number in range(task["rounds"]):
        for variant in list(engines)[:: 1 if number % 2 == 0 else -1]:
            attempt(variant, run_round)
    own = [variant for variant, engine in engines.items() if not engine.process_ids()]  # of others nothing is recorded
    for variant in own if can_record() else ():
        attempt(variant, record_kernels)
    write("done")


def timed_steps(engine: Engine, protocol: Protocol, tokens: np.ndarray) -> list[dict[str, float]]:
    """Take a round's steps; return their seconds, losses, norms, and times since the first began."""
    group = engine.steps_per_dispatch
    assert protocol.warmup_steps % group == 0
    assert protocol.measured_steps % group == 0
    steps: list[dict[str, float]] = []
    sampler = _sampler(protocol, tokens)
    groups = [sampler.batches(range(first, first + group)) for first in range(0, protocol.total_steps, group)]
    first_start = time.perf_counter()
    for batch in groups:  # drawn before the clock starts
        start = time.perf_counter()
        results = engine.train_steps(batch.inputs, batch.targets)
        end = time.perf_counter()
        for result in results:
            steps.append(
                {
                    "step": len(steps) + 1,
                    "seconds": (end - start) / group,
                    "loss": result.loss if math.isfinite(result.loss) else math.inf,
                    "grad_norm": result.grad_norm if math.isfinite(result.grad_norm) else math.inf,
                    "elapsed_seconds": end - first_start,
                }
            )
    return steps


def _sampler(protocol: Protocol, tokens: np.ndarray) -> BatchSampler:
    return BatchSampler(tokens, protocol.batch_size, protocol.context_length, protocol.seed)


def _reset(engine: Engine, weights: Arrays) -> None:
    """Load the seed's weights and empty moments, as in a new process."""
    zeros: Arrays = {name: np.broadcast_to(np.float32(0), value.shape) for name, value in weights.items()}
    engine.load_state_dict(weights)
    engine.load_optimizer_state(OptimizerState(0, zeros, zeros))


def _versions(variant: str) -> dict[str, Any]:
    if not variant.startswith("jax"):
        return {}
    import jax

    return {"version": jax.__version__}


def main() -> int:
    """Read the task from stdin and measure."""
    append_current_folder_to_path()
    task = json.loads(sys.stdin.readline())
    measure(task, EventLog(Path(task["events"])).write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
