"""The training loop, and nothing else: draw a batch, take a step, say what happened.

It knows an engine and a sampler, not what they compute; printing, saving and measuring consume its records.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tinygpt.data import BatchSampler
from tinygpt.engines.base import Engine
from tinygpt.errors import DivergedError

Schedule = Callable[[int], float]


@dataclass(frozen=True)
class StepRecord:
    """One training step.

    Attributes:
        step: updates done when it was over, counted from 1 over the whole run.
        loss: mean cross-entropy of its batch before the update, nats per token.
        grad_norm: global L2 norm of the gradient before clipping.
        learning_rate: of this update.
        seconds: wall time for drawing the batch and taking the step.
        tokens: B·T, tokens read.
    """

    step: int
    loss: float
    grad_norm: float
    learning_rate: float
    seconds: float
    tokens: int


class Trainer:
    """Steps an engine through a sampler's batches.

    Args:
        engine: what learns.
        sampler: where batches come from; step k reads ``sampler.batch(k)``, counted from 0.
        schedule: learning rate of step k; the engine's constant rate when omitted.
    """

    def __init__(self, engine: Engine, sampler: BatchSampler, schedule: Schedule | None = None) -> None:
        self.engine = engine
        self.sampler = sampler
        self.schedule = schedule

    def run(self, first_step: int, n_steps: int) -> Iterator[StepRecord]:
        """Take ``n_steps`` steps, after ``first_step`` steps that were taken before.

        Raises:
            DivergedError: the loss or the gradient stopped being a finite number. The engine's weights are then
                of no use; a checkpoint saved earlier is.
        """
        for step in range(first_step, first_step + n_steps):
            rate = self.engine.train.learning_rate if self.schedule is None else self.schedule(step)
            start = time.perf_counter()
            batch = self.sampler.batch(step)
            # A run that diverges overflows on its way; it is reported below, once and in words.
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                result = self.engine.train_step(batch.inputs, batch.targets, learning_rate=rate)
            seconds = time.perf_counter() - start
            if not (math.isfinite(result.loss) and math.isfinite(result.grad_norm)):
                raise DivergedError(
                    f"training diverged at step {step + 1}: loss {result.loss}, learning rate {rate:g}, "
                    f"gradient norm {result.grad_norm:g}",
                    "a finite loss and gradient",
                    f"invoke train --learning-rate {rate / 10:g}",
                )
            yield StepRecord(step + 1, result.loss, result.grad_norm, rate, seconds, batch.inputs.size)
