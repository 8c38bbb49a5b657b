"""One process of a race: train to the end by the recipe, with the clock stopped during evaluations."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.arms.variants import engine_name, make_engine
from bench.measuring.event_log import EventLog
from bench.measuring.peak_memory import peak_memory_bytes
from bench.records.protocol import Protocol
from tinygpt.config import TrainConfig
from tinygpt.data import BatchSampler
from tinygpt.engines import format_variant
from tinygpt.evaluation.loss import text_loss
from tinygpt.training.trainer import Trainer


def train_to_the_end(task: dict[str, Any], protocol: Protocol, log: EventLog) -> None:
    """Train, and report every step and every evaluation.

    Args:
        task: ``variant``, ``train`` (the fields of TrainConfig, some of which the protocol has only in words),
            ``tokens`` and ``held_out`` (files), ``evaluate_every`` (steps).

    Raises:
        DivergedError: a loss is not a finite number.
    """
    model, train, steps = protocol.model, TrainConfig(**task["train"]), protocol.total_steps
    tokens, held_out = (np.frombuffer(Path(task[name]).read_bytes(), np.uint8) for name in ("tokens", "held_out"))
    started = time.perf_counter()
    engine = make_engine(task["variant"], model, train, protocol.seed)
    options = engine.options()
    log.write_ready(started, format_variant(engine_name(task["variant"]), options), options.get("threads"))
    sampler = BatchSampler(tokens, train.rows_per_step, model.context_length, protocol.seed)
    elapsed = 0.0
    for record in Trainer(engine, sampler).run(0, steps):
        elapsed += record.seconds
        log.write(
            "step",
            step=record.step,
            seconds=record.seconds,
            elapsed_seconds=elapsed,
            loss=record.loss,
            grad_norm=record.grad_norm,
        )
        if record.step % task["evaluate_every"] == 0 or record.step == steps:
            loss = text_loss(engine, held_out)
            log.write(
                "evaluation",
                step=record.step,
                elapsed_seconds=elapsed,
                held_out_loss=loss,
                peak_bytes=peak_memory_bytes(),
            )
    log.write("done")
