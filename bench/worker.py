"""One cell, in a process of its own: ``python -m bench.worker`` with the task as one line of JSON on stdin.

Three warm-up steps and fifteen measured ones; drawing a batch lies outside the timed region. What happens is
appended to an events file, one JSON object per line, so that whatever ends the process leaves what came before:

    machine → ready → step … step → measured → [sample] → done          or, at any point, error

The process watches stdin: when the runner is gone, it ends as well, instead of training on unattended.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import psutil

from bench.machine import read_machine
from bench.protocol import Protocol, protocol_from_json
from bench.variants import make_engine
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.data import BatchSampler
from tinygpt.engines import Engine
from tinygpt.generate import stream_text, timed_generation

SAMPLE_TOKENS = 64
SAMPLE_TEMPERATURE = 0.8
SAMPLE_TOP_K = 40
# Eighteen steps teach a big model nothing worth the minutes (and the second copy of the weights) of sampling from it.
SAMPLE_MAX_PARAMETERS = 100_000_000


class EventLog:
    """Appends events to a file, each flushed, so that a kill loses at most the line being written."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def write(self, event: str, **values: Any) -> None:
        """Append one event."""
        self._file.write(json.dumps({"event": event, **values}) + "\n")
        self._file.flush()


def peak_memory_bytes() -> int | None:
    """This process's peak resident memory.

    VmHWM belongs to the process alone. ``ru_maxrss``, the substitute where /proc is missing, starts from the parent's
    size, which is why it comes second.
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def run_cell(task: dict[str, Any], log: EventLog) -> None:
    """Measure one cell.

    Args:
        task: ``variant``, ``protocol`` (canonical JSON), ``tokens`` (file of the training bytes), ``sample`` (whether
            to write a text at the end).
        log: takes the events.
    """
    protocol = protocol_from_json(task["protocol"])
    log.write("machine", machine=read_machine().canonical_json)
    tokens = np.frombuffer(Path(task["tokens"]).read_bytes(), np.uint8)
    sampler = BatchSampler(tokens, protocol.batch_size, protocol.context_length, protocol.seed)
    started = time.perf_counter()
    engine = make_engine(task["variant"], _model(protocol), _train(protocol), protocol.seed)
    log.write("ready", setup_seconds=time.perf_counter() - started, peak_bytes=peak_memory_bytes())
    first_start: float | None = None
    loss = float("nan")
    for step in range(protocol.total_steps):
        batch = sampler.batch(step)
        start = time.perf_counter()
        result = engine.train_step(batch.inputs, batch.targets)
        end = time.perf_counter()
        first_start = start if first_start is None else first_start
        loss = float(result.loss)
        log.write(
            "step",
            step=step + 1,
            seconds=end - start,
            elapsed_seconds=end - first_start,
            loss=loss,
            grad_norm=float(result.grad_norm),
            peak_bytes=peak_memory_bytes(),
        )
        print(f"step {step + 1}/{protocol.total_steps}  {end - start:.4f} s  loss {loss:.4f}", flush=True)
    log.write("measured")
    if task["sample"] and np.isfinite(loss) and engine.model.n_parameters <= SAMPLE_MAX_PARAMETERS:
        _write_sample(engine, protocol, loss, log)
    log.write("done")


def _model(protocol: Protocol) -> ModelConfig:
    return ModelConfig(
        n_layers=protocol.n_layers,
        d_model=protocol.d_model,
        n_heads=protocol.n_heads,
        context_length=protocol.context_length,
        vocab_size=protocol.vocab_size,
    )


def _train(protocol: Protocol) -> TrainConfig:
    return TrainConfig(
        batch_size=protocol.batch_size,
        learning_rate=protocol.learning_rate,
        betas=protocol.betas,
        eps=protocol.eps,
        weight_decay=protocol.weight_decay,
        grad_clip=protocol.grad_clip,
    )


def _write_sample(engine: Engine, protocol: Protocol, loss: float, log: EventLog) -> None:
    """A piece of the model's text, after everything that counts was measured."""
    tokens = timed_generation(engine, "", SAMPLE_TOKENS, SAMPLE_TEMPERATURE, SAMPLE_TOP_K, protocol.seed)
    text = "".join(stream_text(tokens))
    log.write(
        "sample",
        step=protocol.total_steps,
        prompt="",
        text=text,
        temperature=SAMPLE_TEMPERATURE,
        top_k=SAMPLE_TOP_K,
        seed=protocol.seed,
        n_tokens=tokens.n_tokens,
        tokens_per_second=tokens.tokens_per_second,
        first_token_seconds=tokens.first_token_seconds,
        train_loss=loss,
    )


def _end_with_parent(stream: TextIO) -> None:
    """Block until stdin closes, which means that the runner is gone."""
    stream.read()
    os._exit(3)


def main() -> int:
    """Read the task, measure, leave events; 0 if all of it was done."""
    task = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, args=(sys.stdin,), daemon=True).start()
    log = EventLog(Path(task["events"]))
    try:
        run_cell(task, log)
    except Exception as error:  # reported by name, with its traceback on stderr for the row's error_tail
        traceback.print_exc()
        log.write("error", type=_kind(error), message=str(error))
        return 1
    return 0


def _kind(error: Exception) -> str:
    """The exception's class name; NumPy's own kind of MemoryError goes by the plain name."""
    return "MemoryError" if isinstance(error, MemoryError) else type(error).__name__


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: the interpreter's shutdown would wait for the thread that is reading stdin.
    os._exit(code)
