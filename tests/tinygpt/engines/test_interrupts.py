"""Ctrl-C in a notebook's cell: the step is undone or finished, and the engine still works."""

from __future__ import annotations

import gc
import signal
import time

import numpy as np
import pytest

from tinygpt import create_engine
from tinygpt.config import ModelConfig, TrainConfig

MODEL = ModelConfig(n_layers=2, d_model=16, n_heads=2, context_length=8)
TRAIN = TrainConfig(batch_size=2, accumulation=2)
ENGINES = (
    "python", "numpy", "vectorized[threads=2,kernels=numpy,team=threads]",
    "vectorized[threads=2,kernels=numpy,team=processes]", "compiled[threads=2]", "compiled[threads=2,team=processes]",
)  # fmt: skip


def batch(step: int) -> tuple[np.ndarray, np.ndarray]:
    tokens = np.random.default_rng(step).integers(0, 256, (4, 9))
    return tokens[:, :-1], tokens[:, 1:]


@pytest.mark.parametrize("variant", ENGINES)
def test_after_an_interrupt_at_any_moment_the_losses_are_those_of_a_run_without_one(variant: str) -> None:
    whole = create_engine(variant, MODEL, TRAIN)
    expected, step_seconds = [], 1.0
    for step in range(12):
        start = time.perf_counter()
        expected.append(whole.train_step(*batch(step)))
        step_seconds = min(step_seconds, time.perf_counter() - start)
    engine = create_engine(variant, MODEL, TRAIN)
    interrupts = 0
    delays = iter(np.random.default_rng(0).uniform(0.05, 1.5, 400))

    def raise_interrupt(*_arguments: object) -> None:
        signal.raise_signal(signal.SIGINT)

    previous = signal.signal(signal.SIGALRM, raise_interrupt)
    gc.disable()  # an interrupt inside of hypothesis' callback for the collector would be lost
    try:
        while engine.updates < len(expected):
            step = engine.updates
            try:
                if interrupts < 40:
                    signal.setitimer(signal.ITIMER_REAL, next(delays) * step_seconds)
                result = engine.train_step(*batch(step))
                signal.setitimer(signal.ITIMER_REAL, 0)
                assert result == expected[step]
            except KeyboardInterrupt:
                interrupts += 1
                assert engine.updates in (step, step + 1)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        gc.enable()
    assert interrupts >= 5
    assert all(np.array_equal(value, engine.state_dict()[name]) for name, value in whole.state_dict().items())
