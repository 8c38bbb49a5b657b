"""The process of one cell: ``python -m bench.measuring.worker`` with the task as one line of JSON on stdin.

A cell has three warm-up steps and fifteen measured ones; drawing a batch is not timed. The probe runs before the engine
is made and after every block of steps. Events are appended to a file, one JSON object per line, so that they survive
any end of the process:

    machine → probe → ready → step … step → probe → … → measured → [sample] → done      or, at any point, error

In cells that train nothing, a step is a pass over a step's matrix products, or a whole text.

The process ends when its stdin closes, which means that the runner has ended.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TextIO

import numpy as np

from bench.arms.registry import GENERATORS, OURS, PEERS, ROUNDED
from bench.arms.token_ways import TOKEN_VARIANTS
from bench.arms.variants import engine_name, load, make_engine, variant_options
from bench.measuring.event_log import EventLog
from bench.measuring.generation import PROMPT, REGRET_TOLERANCE, generation_weights, largest_regret, resolved_generator
from bench.measuring.peak_memory import peak_memory_bytes
from bench.measuring.peer_preparation import require_override
from bench.measuring.probe import Probe, probe_threads
from bench.measuring.roofline import roofline_pass
from bench.records.child import append_current_folder_to_path
from bench.records.machine import read_machine
from bench.records.protocol import TEXT_TOKENS, Protocol, protocol_from_json
from tinygpt.data import BatchSampler
from tinygpt.engines import Engine, format_variant
from tinygpt.errors import DivergedError
from tinygpt.generation.decoding import TimedGeneration, continue_prompt
from tinygpt.generation.sampling import SamplingSettings
from tinygpt.system.threads import available_cores
from tinygpt.tokenizers import BYTES

SAMPLE = SamplingSettings(64, temperature=0.8, top_k=40)
# A sample after 18 steps is not worth a large model's minutes and a second copy of its weights.
SAMPLE_MAX_PARAMETERS = 100_000_000


def run_cell(task: dict[str, Any], log: EventLog, probe: Probe) -> None:
    """Measure one cell.

    Args:
        task: ``kind``, ``variant``, ``protocol`` (canonical JSON), ``tokens`` (file of the training bytes), ``sample``
            (generate a text at the end).
        probe: runs between blocks of steps.
    """
    protocol = protocol_from_json(task["protocol"])
    engine, losses = _train_steps(task["variant"], protocol, _sampler(task, protocol), log, probe)
    if task["sample"] and np.isfinite(losses[-1]) and engine.config.n_parameters <= SAMPLE_MAX_PARAMETERS:
        _write_sample(engine, protocol, losses[-1], log)
    log.write("done")


def run_kernels(task: dict[str, Any], log: EventLog, probe: Probe) -> None:
    """Time the fused kernels in all forms, then the engine's steps as usual, then the same steps part by part.

    Raises:
        DivergedError: timing the parts changed a loss.
    """
    # Imported here because it loads the engine's modules, which must not count in other engines' memory.
    from bench.measuring.kernel_times import form_times, require_same_losses, timed_steps

    protocol = protocol_from_json(task["protocol"])
    for timing in form_times():
        log.write("form", **asdict(timing))
    # Drop the engine and its processes before the next one is made.
    losses = _train_steps(OURS, protocol, _sampler(task, protocol), log, probe)[1]
    taken = timed_steps(protocol.model, protocol.train, _sampler(task, protocol), protocol.total_steps, protocol.seed)
    for number, step in enumerate(taken, 1):
        log.write("parts", step=number, seconds=step.seconds, parts=step.parts.tolist())
    require_same_losses(losses, [step.loss for step in taken])
    log.write("done")


def _sampler(task: dict[str, Any], protocol: Protocol) -> BatchSampler:
    tokens = np.frombuffer(Path(task["tokens"]).read_bytes(), np.uint8)
    return BatchSampler(tokens, protocol.batch_size, protocol.context_length, protocol.seed)


def _train_steps(
    variant: str, protocol: Protocol, sampler: BatchSampler, log: EventLog, probe: Probe
) -> tuple[Engine, list[float]]:
    """Make an engine and time its first steps; return it and their losses."""
    started = time.perf_counter()
    engine = make_engine(variant, protocol.model, protocol.train, protocol.seed)
    log.write_ready(started, **_resolved(variant, engine))
    first_start: float | None = None
    losses: list[float] = []
    # Reading other processes' pages takes a while, so not at every step.
    memory_steps = {1, protocol.warmup_steps, protocol.total_steps}
    for step in range(protocol.total_steps):
        batch = sampler.batch(step)
        start = time.perf_counter()
        result = engine.train_step(batch.inputs, batch.targets)
        end = time.perf_counter()
        first_start = start if first_start is None else first_start
        losses.append(loss := float(result.loss))
        log.write(
            "step",
            step=step + 1,
            seconds=end - start,
            elapsed_seconds=end - first_start,
            loss=loss,
            grad_norm=float(result.grad_norm),
            peak_bytes=peak_memory_bytes(engine.process_ids() if step + 1 in memory_steps else ()),
        )
        if (step + 1) % protocol.block_steps == 0:
            log.write("probe", **probe.take(step + 1, engine.process_ids()))
        print(f"step {step + 1}/{protocol.total_steps}  {end - start:.4f} s  loss {loss:.4f}", flush=True)
    # Again, because some engines choose their kernels at the first batch.
    log.write("measured", **_resolved(variant, engine))
    return engine, losses


def run_roofline(task: dict[str, Any], log: EventLog, probe: Probe) -> None:
    """Time a step's matrix products alone, one pass for each step of a training cell."""
    protocol = protocol_from_json(task["protocol"])
    threads, options = available_cores(), variant_options(task["variant"]).split(",")
    started = time.perf_counter()
    with roofline_pass(protocol.model, protocol.batch_size, options, threads) as run:
        log.write_ready(started, f"{task['variant'].removesuffix(']')},threads={threads}]", threads)
        _time_steps(protocol, log, probe, run)
    log.write("done")


def run_generation(task: dict[str, Any], log: EventLog, probe: Probe) -> None:
    """Time whole texts, then replay the last one through the reference.

    Raises:
        DivergedError: a token is not the reference's choice.
    """
    protocol = protocol_from_json(task["protocol"])
    model, prompt = protocol.model, np.frombuffer(PROMPT, np.uint8)
    rounding = {"precision": ROUNDED[task["variant"]]} if task["variant"] in ROUNDED else {}
    weights = generation_weights(model, protocol.seed, **rounding)
    peer = PEERS.get(task["variant"])
    started = time.perf_counter()
    generator = load(GENERATORS[task["variant"]])(model, weights, **rounding)
    log.write_ready(started, resolved_generator(task["variant"]), (peer and peer.threads) or available_cores())
    texts: list[np.ndarray] = []
    _time_steps(protocol, log, probe, lambda: texts.append(generator(prompt, TEXT_TOKENS)))
    regret = largest_regret(model, weights, prompt, texts[-1])
    if any((text != texts[-1]).any() for text in texts) or not regret <= REGRET_TOLERANCE:
        raise DivergedError(f"a greedy token's logit is {regret:.2g} below the reference's best")
    log.write("done")


def run_token(task: dict[str, Any], log: EventLog, probe: Probe) -> None:
    """Time the products of one token, then compare their results with other products of the same weights.

    Raises:
        DivergedError: a result is not the right one.
    """
    # Imported here, because no other cell multiplies codes.
    from threadpoolctl import threadpool_limits

    from bench.measuring.token_products import TokenPass

    protocol, way = protocol_from_json(task["protocol"]), TOKEN_VARIANTS[task["variant"]]
    started = time.perf_counter()
    with threadpool_limits(1, user_api="blas"):
        token = TokenPass(protocol.model, way, protocol.seed)
        log.write_ready(started, way.resolved, 1)
        _time_steps(protocol, log, probe, token.run)
        error = token.largest_error()
    if not error <= way.tolerance:
        raise DivergedError(f"a result is off by {error:.2g} of its matrix's largest, allowed {way.tolerance:g}")
    log.write("done")


def run_race(task: dict[str, Any], log: EventLog, probe: Probe) -> None:
    """Train by a recipe to its end, with evaluations; the probe runs once more after it."""
    from bench.measuring.race_steps import train_to_the_end  # imports evaluation, which no other cell needs

    protocol = protocol_from_json(task["protocol"])
    train_to_the_end(task, protocol, log)
    log.write("probe", **probe.take(protocol.total_steps))


def _time_steps(protocol: Protocol, log: EventLog, probe: Probe, work: Callable[[], None]) -> None:
    """Repeat the work; each repetition is a step without a loss."""
    first_start = time.perf_counter()
    for step in range(1, protocol.total_steps + 1):
        start = time.perf_counter()
        work()
        end = time.perf_counter()
        log.write(
            "step",
            step=step,
            seconds=end - start,
            elapsed_seconds=end - first_start,
            peak_bytes=peak_memory_bytes(),
        )
        if step % protocol.block_steps == 0:
            log.write("probe", **probe.take(step))


def _resolved(variant: str, engine: Engine) -> dict[str, Any]:
    """Return the variant with the options that the engine chose, and its threads."""
    options = engine.options()
    return {"resolved_variant": format_variant(engine_name(variant), options), "threads": options.get("threads")}


def _write_sample(engine: Engine, protocol: Protocol, loss: float, log: EventLog) -> None:
    """Generate a text after all measurements."""
    settings = replace(SAMPLE, seed=protocol.seed)
    tokens = TimedGeneration(continue_prompt(engine, "", settings))
    text = "".join(BYTES.decode_stream(tokens))
    log.write(
        "sample",
        step=protocol.total_steps,
        prompt="",
        text=text,
        **settings.recorded,
        tokens_per_second=tokens.tokens_per_second,
        first_token_seconds=tokens.first_token_seconds,
        train_loss=loss,
    )


def _end_with_parent(stream: TextIO) -> None:
    """Wait until stdin closes, which means that the runner has ended, and end too."""
    stream.read()
    os._exit(3)


_RUN = MappingProxyType(
    {
        "bench": run_cell,
        "peer": run_cell,
        "roofline": run_roofline,
        "generation": run_generation,
        "token": run_token,
        "kernels": run_kernels,
        "race": run_race,
    }
)


def main() -> int:
    """Read the task and measure; return 0 if all of it was done."""
    append_current_folder_to_path()
    task = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, args=(sys.stdin,), daemon=True).start()
    log = EventLog(Path(task["events"]))
    try:
        log.write("machine", machine=read_machine().canonical_json)
        require_override(task["variant"])
        probe = Probe(probe_threads(task["variant"]))
        log.write("probe", **probe.take(0), own_bytes=probe.bytes)
        _RUN[task["kind"]](task, log, probe)
    except Exception as error:  # its name is an event; its traceback on stderr becomes the row's error_tail
        traceback.print_exc()
        log.write("error", type=_kind(error), message=str(error))
        return 1
    return 0


def _kind(error: Exception) -> str:
    """Return the exception's class name, ``MemoryError`` for NumPy's subclass of it."""
    return "MemoryError" if isinstance(error, MemoryError) else type(error).__name__


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: the interpreter's shutdown would wait for the thread that is reading stdin.
    os._exit(code)
