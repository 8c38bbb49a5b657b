"""Step times of this machine now: a few steps of the smallest presets, which are not stored.

This is no measurement in the sense of the method: one process, no interleaving, no rounds. It is enough for an
estimate, whose cost model has an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bench.planning.memory import predicted_peak_bytes
from tinygpt.config import TrainConfig
from tinygpt.engines import create_engine
from tinygpt.presets import LADDER, PRESETS, Preset
from tinygpt.system.memory import Memory

_WARM_UP, _STEPS = 2, 5
_SECONDS = 15.0  # in total; a preset that would take longer is not started


def calibrate(
    variant: str,
    memory: Memory,
    announce: Callable[[str], None],
    train_of: Callable[[Preset], TrainConfig] = lambda preset: preset.train,
    seconds: float = _SECONDS,
    presets: tuple[str, ...] = (),
    vocab_size: int | None = None,
) -> dict[str, float]:
    """Take a few steps at every preset that is fast enough and fits into the memory.

    Args:
        announce: called with a line for the user.
        train_of: returns the settings to train a preset with.
        seconds: in total, at most 15.
        presets: the ladder's when empty.
        vocab_size: instead of the presets'.

    Returns:
        preset → median seconds of a step, for at least one preset.

    Raises:
        ConfigError: the engine cannot be made.
    """
    limit = min(_SECONDS, seconds)
    announce(f"timing a few steps of {variant}, up to {limit:.0f} s")
    found: dict[str, float] = {}
    started, pace = time.perf_counter(), 0.0  # seconds per token and parameter; larger presets have a better one
    for name in presets or LADDER:
        preset = PRESETS[name]
        if vocab_size is not None:
            preset = replace(preset, model=replace(preset.model, vocab_size=vocab_size))
        work = preset.tokens_per_step * preset.model.n_parameters
        expected = pace * work * (_WARM_UP + _STEPS)
        fits = predicted_peak_bytes(variant, preset.model, preset.train) <= memory.available
        if found and (not fits or time.perf_counter() - started + expected > limit):
            break
        found[name] = _median_step(variant, preset, train_of(preset))
        pace = found[name] / work
    return found


def _median_step(variant: str, preset: Preset, train: TrainConfig) -> float:
    engine = create_engine(variant, preset.model, train)
    shape = train.batch_size, preset.model.context_length + 1
    tokens = np.random.default_rng(0).integers(0, preset.model.vocab_size, shape)
    times = []
    for _ in range(_WARM_UP + _STEPS):
        start = time.perf_counter()
        engine.train_step(tokens[:, :-1], tokens[:, 1:])
        times.append(time.perf_counter() - start)
    return float(np.median(times[_WARM_UP:]))
