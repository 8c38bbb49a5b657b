"""The state of a training run, as a dataclass that JSON stores exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from tinygpt.errors import ConfigError


@dataclass(frozen=True)
class TrainingState:
    """State that a resumed run needs beside weights and moments.

    Attributes:
        step: number of updates; the next batch is the sampler's batch of this number.
        planned_steps: number of updates in the whole run.
        seed: seeds the starting weights and the batches.
        preset: name of the preset.
        corpus: name of the corpus.
        corpus_sha256: its hash, which detects a changed text.
        engine: the engine's variant in the command, such as ``vectorized[threads=1]``.
        engine_options: the engine's options, with defaults resolved.
        recent_losses: training losses of the last steps, oldest first, nats per byte.
        held_out_loss: the newest evaluation, nats per byte.
        best_held_out_loss: the lowest evaluation so far.
        best_step: the step of that evaluation.
        elapsed_seconds: time spent in the run so far, over all its parts.
        evaluated_step: the step of the newest evaluation, 0 before the first; None in a checkpoint of an older format.
        sampled_step: the same for the newest sample.
        started_from: the folder of the run's starting weights, if they were not the seed's.
        loss_before: their held-out loss, nats per byte.
        base_sha256: hash of the weights that an adapter is trained on; None without LoRA.
        settings: the other options of its command: option → value.

    Raises:
        ConfigError: a field is outside its range.
    """

    step: int
    planned_steps: int
    seed: int
    preset: str
    corpus: str
    corpus_sha256: str
    engine: str
    engine_options: dict[str, Any] = field(default_factory=dict)
    recent_losses: tuple[float, ...] = ()
    held_out_loss: float | None = None
    best_held_out_loss: float | None = None
    best_step: int | None = None
    elapsed_seconds: float = 0.0
    evaluated_step: int | None = None
    sampled_step: int | None = None
    started_from: str | None = None
    base_sha256: str | None = None
    loss_before: float | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("step", "planned_steps", "seed"):
            if getattr(self, name) < 0:
                raise ConfigError(f"TrainingState.{name} is {getattr(self, name)!r}", "a whole number, 0 or more")
        seconds = self.elapsed_seconds
        if not (math.isfinite(seconds) and seconds >= 0):
            raise ConfigError(f"TrainingState.elapsed_seconds is {seconds!r}", "a finite number, 0 or more")
