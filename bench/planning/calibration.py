"""Step times of a machine without measurements: a few steps of the smallest presets, which are not stored.

This is no measurement in the sense of the method: one process, no interleaving, no rounds. It is enough for an
estimate, whose cost model has an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from bench.planning.memory import predicted_peak_bytes
from tinygpt.engines import create_engine
from tinygpt.presets import LADDER
from tinygpt.system.memory import Memory

_WARM_UP, _STEPS = 2, 5
_SECONDS = 15.0  # in total; a preset that would take longer is not started


def calibrate(variant: str, memory: Memory, announce: Callable[[str], None]) -> dict[str, float]:
    """Take a few steps at every preset that is fast enough and fits into the memory.

    Args:
        announce: called with a line for the user.

    Returns:
        preset → median seconds of a step, for at least one preset.

    Raises:
        ConfigError: the engine cannot be made.
    """
    announce(f"no benchmark of {variant} on this machine is on record: taking a few steps, up to {_SECONDS:.0f} s")
    seconds: dict[str, float] = {}
    started, pace = time.perf_counter(), 0.0  # seconds per token and parameter; larger presets have a better one
    for name, preset in LADDER.items():
        work = preset.tokens_per_step * preset.model.n_parameters
        expected = pace * work * (_WARM_UP + _STEPS)
        fits = predicted_peak_bytes(variant, preset.model, preset.train) <= memory.available
        if seconds and (not fits or time.perf_counter() - started + expected > _SECONDS):
            break
        seconds[name] = _median_step(variant, name)
        pace = seconds[name] / work
    return seconds


def _median_step(variant: str, name: str) -> float:
    preset = LADDER[name]
    engine = create_engine(variant, preset.model, preset.train)
    tokens = np.random.default_rng(0).integers(0, 256, (preset.train.batch_size, preset.model.context_length + 1))
    times = []
    for _ in range(_WARM_UP + _STEPS):
        start = time.perf_counter()
        engine.train_step(tokens[:, :-1], tokens[:, 1:])
        times.append(time.perf_counter() - start)
    return float(np.median(times[_WARM_UP:]))
