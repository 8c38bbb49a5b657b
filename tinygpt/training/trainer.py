"""The training loop: draw a batch, take a step, yield a record.

It knows only an engine and a sampler. Printing, saving and measuring consume its records.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tinygpt.arguments import instance, whole_number, wrong
from tinygpt.data import BatchSampler
from tinygpt.engines.base import Engine
from tinygpt.errors import DivergedError
from tinygpt.schedule import learning_rate_at

Schedule = Callable[[int], float]


@dataclass(frozen=True)
class StepRecord:
    """One training step.

    Attributes:
        step: number of updates after it, counted from 1 over the whole run.
        loss: mean cross-entropy of its batch before the update, nats per token.
        grad_norm: global L2 norm of the gradient before clipping.
        learning_rate: the rate of this update.
        seconds: wall time of drawing the batch and taking the step; the mean for steps taken together.
        tokens: number of tokens read, B·T times the accumulated batches.
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
        engine: the engine to train.
        sampler: source of the batches; step k reads ``sampler.batch(k)``, counted from 0.
        schedule: learning rate of step k; by default that of the engine's settings.
        pauses_after: returns whether the weights after a step are needed. Between such steps, the engine may take
            several steps at once.

    Attributes:
        taken: number of steps in the engine's weights, which may be ahead of the yielded records.
    """

    def __init__(
        self,
        engine: Engine,
        sampler: BatchSampler,
        schedule: Schedule | None = None,
        pauses_after: Callable[[int], bool] | None = None,
    ) -> None:
        instance("engine", engine, Engine, "an engine, from create_engine or load_engine")
        instance("sampler", sampler, BatchSampler, "a BatchSampler of a corpus's train_tokens")
        if schedule is not None and not callable(schedule):
            raise wrong("schedule", schedule, "a function of the step; TrainConfig has a constant rate")
        self.engine = engine
        self.sampler = sampler
        self.schedule = schedule
        self.pauses_after = pauses_after
        self.taken = 0

    def __repr__(self) -> str:
        return f"<trainer of {self.engine!r} on {self.sampler!r}>"

    def run(self, first_step: int = 0, n_steps: int | None = None) -> Iterator[StepRecord]:
        """Take ``n_steps`` steps after the first ``first_step`` steps of the run; by default without end.

        Raises:
            ConfigError: a number is not whole or negative.
            DivergedError: the loss or the gradient is not finite. The engine's weights are then unusable.
        """
        self.taken = whole_number("first_step", first_step)
        last = math.inf if n_steps is None else self.taken + whole_number("n_steps", n_steps)
        while self.taken < last:
            steps = range(self.taken, self.taken + self._together(self.taken, last))
            rates = [self._rate(step) for step in steps]
            start = time.perf_counter()
            batch = self.sampler.batches(steps, self.engine.processes.rows)
            # A diverging run overflows; the error below reports it once.
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                results = self.engine.train_steps(batch.inputs, batch.targets, rates)
            seconds = (time.perf_counter() - start) / len(steps)
            self.taken = steps.stop
            for step, rate, result in zip(steps, rates, results, strict=True):
                if not (math.isfinite(result.loss) and math.isfinite(result.grad_norm)):
                    raise DivergedError(
                        f"training diverged at step {step + 1}: loss {result.loss}, learning rate {rate:g}, "
                        f"gradient norm {result.grad_norm:g}",
                        f"a finite loss and gradient, as with a learning rate of {rate / 10:g}",
                        f"the same command with --learning-rate {rate / 10:g} and another --out",
                    )
                tokens = batch.inputs[0].size * self.engine.processes.count
                yield StepRecord(step + 1, result.loss, result.grad_norm, rate, seconds, tokens)

    def _rate(self, step: int) -> float:
        return learning_rate_at(self.engine.train, step) if self.schedule is None else self.schedule(step)

    def _together(self, step: int, last: float) -> int:
        """Return the number of steps to take at once: what the engine prefers, or one if a pause comes earlier."""
        count = self.engine.steps_per_dispatch
        inside = range(step + 1, step + count)
        if step + count > last or (self.pauses_after is not None and any(map(self.pauses_after, inside))):
            return 1
        return count
