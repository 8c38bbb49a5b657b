"""A contestant's own process: train to the end by the recipe, with the clock stopped during evaluations."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.arms.variants import make_engine
from bench.measuring.peak_memory import peak_memory_bytes
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.data import BatchSampler
from tinygpt.evaluation.loss import text_loss
from tinygpt.training.trainer import Trainer

if TYPE_CHECKING:
    from bench.measuring.event_log import EventLog


def train_to_the_end(
    task: dict[str, Any], model: ModelConfig, train: TrainConfig, seed: int, steps: int, log: EventLog
) -> None:
    """Train, reporting every step and every evaluation.

    Args:
        task: ``variant``, ``schedule`` (what the protocol's record has in words), ``tokens`` and ``held_out`` (files),
            ``evaluate_every`` (steps).
        model: the shape.
        train: batch and optimiser settings.
        seed: of the starting weights and the batches.
        steps: updates.
        log: takes the events.

    Raises:
        DivergedError: the loss stopped being a finite number.
    """
    train = replace(train, **task["schedule"])
    tokens, held_out = (np.frombuffer(Path(task[name]).read_bytes(), np.uint8) for name in ("tokens", "held_out"))
    started = time.perf_counter()
    engine = make_engine(task["variant"], model, train, seed)
    options = engine.options()
    log.write(
        "ready",
        setup_seconds=time.perf_counter() - started,
        peak_bytes=peak_memory_bytes(),
        resolved_variant=f"{task['variant'].partition('[')[0]}[{','.join(f'{k}={v}' for k, v in options.items())}]",
        threads=options.get("threads"),
    )
    sampler = BatchSampler(tokens, train.rows_per_step, model.context_length, seed)
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
