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
from tinygpt.schedule import learning_rate_at

Schedule = Callable[[int], float]


@dataclass(frozen=True)
class StepRecord:
    """One training step.

    Attributes:
        step: updates done when it was over, counted from 1 over the whole run.
        loss: mean cross-entropy of its batch before the update, nats per token.
        grad_norm: global L2 norm of the gradient before clipping.
        learning_rate: of this update.
        seconds: wall time for drawing the batch and taking the step; of steps taken together, the mean.
        tokens: tokens read, B·T times the batches accumulated.
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
        schedule: learning rate of step k; that of the engine's settings when omitted.
        pauses_after: whether the weights are needed as they are after so many steps. In between, an engine that
            prefers to take several steps together does.

    Attributes:
        taken: steps that are in the engine's weights, which may be ahead of the records yielded.
    """

    def __init__(
        self,
        engine: Engine,
        sampler: BatchSampler,
        schedule: Schedule | None = None,
        pauses_after: Callable[[int], bool] | None = None,
    ) -> None:
        self.engine = engine
        self.sampler = sampler
        self.schedule = schedule
        self.pauses_after = pauses_after
        self.taken = 0

    def run(self, first_step: int, n_steps: int) -> Iterator[StepRecord]:
        """Take ``n_steps`` steps, after ``first_step`` steps that were taken before.

        Raises:
            DivergedError: the loss or the gradient stopped being a finite number. The engine's weights are then
                of no use; a checkpoint saved earlier is.
        """
        self.taken, last = first_step, first_step + n_steps
        while self.taken < last:
            steps = range(self.taken, self.taken + self._together(self.taken, last))
            rates = [self._rate(step) for step in steps]
            start = time.perf_counter()
            batch = self.sampler.batches(steps, self.engine.processes.rows)
            # A run that diverges overflows on its way; it is reported below, once and in words.
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                results = self.engine.train_steps(batch.inputs, batch.targets, rates)
            seconds = (time.perf_counter() - start) / len(steps)
            self.taken = steps.stop
            for step, rate, result in zip(steps, rates, results, strict=True):
                if not (math.isfinite(result.loss) and math.isfinite(result.grad_norm)):
                    raise DivergedError(
                        f"training diverged at step {step + 1}: loss {result.loss}, learning rate {rate:g}, "
                        f"gradient norm {result.grad_norm:g}",
                        "a finite loss and gradient",
                        f"invoke train --learning-rate {rate / 10:g}",
                    )
                tokens = batch.inputs[0].size * self.engine.processes.count
                yield StepRecord(step + 1, result.loss, result.grad_norm, rate, seconds, tokens)

    def _rate(self, step: int) -> float:
        return learning_rate_at(self.engine.train, step) if self.schedule is None else self.schedule(step)

    def _together(self, step: int, last: int) -> int:
        """Steps to take at once: as many as the engine likes if no pause lies before their end, else one."""
        count = self.engine.steps_per_dispatch
        inside = range(step + 1, step + count)
        if step + count > last or (self.pauses_after is not None and any(map(self.pauses_after, inside))):
            return 1
        return count
